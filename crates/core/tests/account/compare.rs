//! What the account says a transfer must look like, and what it must ask for next.

use sendfile64_core::{End, Fallback, MAX_OFFSET, Op, Part, Readiness, Transfer, Wait};

use super::{Account, Due, Question, Stage};

impl Account {
    pub(super) fn compare(&self, transfer: &Transfer) {
        let asked_once = *transfer;
        let op = transfer.poll_op(self.now);
        assert_eq!(
            op,
            transfer.poll_op(self.now),
            "two polls gave two answers: {self:?}"
        );
        assert_eq!(
            asked_once, *transfer,
            "poll_op changed the transfer: {self:?}"
        );

        assert_eq!(u128::from(transfer.bytes_sent()), self.sent, "{self:?}");
        assert_eq!(
            u128::from(transfer.next_offset()),
            self.next_offset(),
            "{self:?}"
        );
        assert_eq!(transfer.would_block(), self.would_block, "{self:?}");
        assert_eq!(transfer.fell_short(), self.short, "{self:?}");
        assert!(
            self.plan
                .count
                .is_none_or(|count| transfer.bytes_sent() <= count),
            "{self:?}"
        );
        let last_offset = self.plan.start.max(MAX_OFFSET);
        assert!(
            transfer.next_offset() <= last_offset,
            "past the largest offset: {self:?}"
        );

        let end = match self.stage {
            Stage::Over(end) => Some(end),
            _ => None,
        };
        assert_eq!(transfer.end(), end, "{self:?}");
        if end == Some(End::Done) {
            assert!(self.is_complete(), "{self:?}");
        }
        self.compare_op(op);
        self.compare_ladder(transfer);
    }

    fn compare_op(&self, op: Op) {
        match self.stage {
            Stage::Over(end) => assert_eq!(op, Op::Finish(end), "{self:?}"),
            Stage::Waiting { since, look } => {
                let until = self.deadline(since).map(|deadline| {
                    let pause = self.plan.stall_timeout.map_or(0, |timeout| timeout / 4);
                    look.map_or(deadline, |(_, at)| {
                        deadline.min(at.saturating_add(pause.max(1)))
                    })
                });
                let readiness = Some(Readiness::Writable);
                assert_eq!(op, Op::Wait(Wait { readiness, until }), "{self:?}");
            }
            Stage::Confirming(question) => self.compare_question(op, question),
            Stage::Moving => match (op, self.due()) {
                (Op::Write { .. }, Due::Headers | Due::Trailers) => self.compare_write(op),
                (Op::Drain { count, more }, Due::Pipe) => {
                    assert_eq!(u128::from(count), self.piped, "{self:?}");
                    assert_eq!(more, self.more_after_the_pipe(), "{self:?}");
                }
                (Op::Attempt { .. } | Op::Wait(_), Due::Range) => self.compare_range_op(op),
                _ => panic!("{op:?} does not follow from {self:?}"),
            },
        }
    }

    fn compare_question(&self, op: Op, question: Question) {
        if self.now >= question.next {
            assert_eq!(op, Op::Confirm, "{self:?}");
            return;
        }
        let until = self.deadline(question.moved);
        let until = Some(until.map_or(question.next, |until| until.min(question.next)));
        let readiness = None;
        assert_eq!(op, Op::Wait(Wait { readiness, until }), "{self:?}");
    }

    fn compare_write(&self, op: Op) {
        let (part, length, written, more) = if self.due() == Due::Headers {
            let follows = if self.range_is_over() {
                self.plan.trailers > 0
            } else {
                self.pause().is_none()
            };
            (Part::Headers, self.plan.headers, self.headers, follows)
        } else {
            (Part::Trailers, self.plan.trailers, self.trailers, false)
        };
        let from = u64::try_from(written).expect("within the part");
        let count = length - from;
        assert!(count > 0, "a write of nothing: {self:?}");
        let expected = Op::Write {
            part,
            from,
            count,
            more,
        };
        assert_eq!(op, expected, "{self:?}");
    }

    fn more_after_the_pipe(&self) -> bool {
        let all_is_here = self.plan.count.map(u128::from) == Some(self.sent + self.piped);
        let unknown = self.plan.count.is_none() || self.plan.rate.is_some();
        !unknown && (!all_is_here || self.plan.trailers > 0)
    }

    /// An attempt stays within the quantum, the range, the largest offset and the limit, and asks for no less than
    /// they allow.
    fn compare_range_op(&self, op: Op) {
        if let Some(pause) = self.pause() {
            let until = u64::try_from(u128::from(self.now) + pause).expect("within the clock");
            assert!(until > self.now, "a wait for nothing: {self:?}");
            let readiness = None;
            let until = Some(until);
            assert_eq!(op, Op::Wait(Wait { readiness, until }), "{self:?}");
            return;
        }
        let method = self.method();
        let refused = self.refused.iter().any(|(refused, _)| *refused == method);
        assert!(
            !refused,
            "{method:?} was refused and is asked again: {self:?}"
        );
        let count = self.asked();
        assert!(count > 0, "an attempt of nothing: {self:?}");
        let expected = Op::Attempt {
            method,
            offset: u64::try_from(self.next_offset()).expect("within a file"),
            count: u64::try_from(count).expect("within a quantum"),
        };
        assert_eq!(op, expected, "{self:?}");
    }

    /// How long the limit lets nothing go, if it does: an attempt is worth a grain, or all that is left.
    pub(super) fn pause(&self) -> Option<u128> {
        let limit = self.limit.as_ref()?;
        let least = limit.grain().min(self.most());
        (limit.available() < least).then(|| limit.wait_for(least))
    }

    /// What an attempt asks for now.
    pub(super) fn asked(&self) -> u128 {
        let allowed = self.limit.as_ref().map(super::Limit::available);
        let most = self.most();
        allowed.map_or(most, |allowed| most.min(allowed))
    }

    fn most(&self) -> u128 {
        let room = u128::from(MAX_OFFSET).saturating_sub(self.next_offset());
        let left = self
            .plan
            .count
            .map_or(room, |all| u128::from(all) - self.sent);
        self.size.min(left).min(room)
    }

    fn deadline(&self, since: u64) -> Option<u64> {
        let timeout = self.plan.stall_timeout?;
        let deadline = u128::from(since) + u128::from(timeout);
        Some(u64::try_from(deadline).unwrap_or(u64::MAX))
    }

    fn compare_ladder(&self, transfer: &Transfer) {
        let expected: Vec<Fallback> = self
            .refused
            .iter()
            .zip(self.plan.methods.iter().skip(1))
            .map(|(&(from, errno), &to)| Fallback { from, to, errno })
            .collect();
        let fallbacks: Vec<Fallback> = transfer.ladder().fallbacks().collect();
        assert_eq!(fallbacks, expected, "{self:?}");
        assert_eq!(transfer.method(), self.method(), "{self:?}");
        assert_eq!(transfer.ladder().method(), self.method(), "{self:?}");
        if let Some(last) = fallbacks.last() {
            assert_eq!(last.to, transfer.method(), "{self:?}");
        }
    }
}
