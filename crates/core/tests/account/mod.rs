//! An account kept beside a transfer from the events alone, and compared with it after every one of them.
//!
//! It is written from the documented rules and in wider numbers (`u128`), so that a slip in the planner's
//! arithmetic and the same slip here are not the same line of code.

use sendfile64_core::{
    End, Ended, Errno, Fallback, Ladder, MAX_ATTEMPT, MAX_OFFSET, Method, Op, Outcome, Readiness,
    Request, Transfer,
};

/// What a transfer is asked to do; a [`Request`] that can be compared and hashed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    pub(crate) start: u64,
    pub(crate) count: Option<u64>,
    pub(crate) quantum: u64,
    pub(crate) methods: Vec<Method>,
}

/// Everything that can happen to a transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Outcome(Outcome),
    Ready,
    Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Moving,
    Waiting,
    Over(End),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    plan: Plan,
    sent: u128,
    would_block: u64,
    refused: Vec<(Method, Errno)>,
    stage: Stage,
}

impl Account {
    /// A transfer for `plan` and its account, compared once.
    pub(crate) fn open(mut plan: Plan) -> (Self, Transfer) {
        let ladder = match *plan.methods {
            [only] => Ladder::only(only),
            [first, second] => Ladder::of(first, second),
            _ => panic!("a ladder has one or two methods: {plan:?}"),
        };
        let transfer = Transfer::new(Request {
            start: plan.start,
            count: plan.count,
            quantum: plan.quantum,
            ladder,
        });
        plan.methods.dedup();
        let mut account = Self {
            plan,
            sent: 0,
            would_block: 0,
            refused: Vec::new(),
            stage: Stage::Moving,
        };
        account.stage = account.stage_at_end_of_range().unwrap_or(Stage::Moving);
        account.compare(&transfer);
        (account, transfer)
    }

    /// Gives `event` to the transfer and enters it here, then compares the two.
    pub(crate) fn report(&mut self, transfer: &mut Transfer, event: Event) {
        let before = *transfer;
        match event {
            Event::Outcome(outcome) => transfer.handle_outcome(outcome),
            Event::Ready => transfer.handle_ready(),
            Event::Abort => transfer.abort(),
        }
        match (self.stage, event) {
            (Stage::Over(_), _)
            | (Stage::Waiting, Event::Outcome(_))
            | (Stage::Moving, Event::Ready) => {
                assert_eq!(
                    *transfer, before,
                    "{event:?} was not asked for and changed the transfer"
                );
            }
            (_, Event::Abort) => self.stage = Stage::Over(End::Aborted),
            (Stage::Waiting, Event::Ready) => self.stage = Stage::Moving,
            (Stage::Moving, Event::Outcome(outcome)) => self.enter(outcome),
        }
        assert!(
            transfer.bytes_sent() >= before.bytes_sent(),
            "bytes_sent went down: {self:?}"
        );
        self.compare(transfer);
    }

    fn enter(&mut self, Outcome { bytes, ended }: Outcome) {
        self.sent += u128::from(bytes);
        if ended == Ended::WouldBlock {
            self.would_block += 1;
        }
        self.stage = self.stage_at_end_of_range().unwrap_or_else(|| match ended {
            Ended::Progress | Ended::Interrupted => Stage::Moving,
            Ended::WouldBlock => Stage::Waiting,
            Ended::EndOfFile => Stage::Over(self.end_without_more_bytes()),
            Ended::Failed(errno) => Stage::Over(End::Failed(errno)),
            Ended::Refused(errno) => {
                self.refused.push((self.method(), errno));
                let left = self.refused.len() < self.plan.methods.len();
                if left {
                    Stage::Moving
                } else {
                    Stage::Over(End::Refused(errno))
                }
            }
        });
    }

    /// Over, whatever the outcome said, when the range is complete or no offset can lie beyond.
    fn stage_at_end_of_range(&self) -> Option<Stage> {
        if self.is_complete() {
            Some(Stage::Over(End::Done))
        } else if self.next_offset() >= u128::from(MAX_OFFSET) {
            Some(Stage::Over(self.end_without_more_bytes()))
        } else {
            None
        }
    }

    fn end_without_more_bytes(&self) -> End {
        if self.plan.count.is_some() {
            End::Truncated
        } else {
            End::Done
        }
    }

    fn is_complete(&self) -> bool {
        self.plan.count.map(u128::from) == Some(self.sent)
    }

    fn next_offset(&self) -> u128 {
        u128::from(self.plan.start) + self.sent
    }

    /// The first method that was not refused, or the last one of all.
    fn method(&self) -> Method {
        self.plan.methods[self.refused.len().min(self.plan.methods.len() - 1)]
    }

    fn compare(&self, transfer: &Transfer) {
        let asked_once = *transfer;
        let op = transfer.poll_op();
        assert_eq!(
            op,
            transfer.poll_op(),
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

        self.compare_op(op);
        self.compare_ladder(transfer);
    }

    fn compare_op(&self, op: Op) {
        match (op, self.stage) {
            (
                Op::Attempt {
                    method,
                    offset,
                    count,
                },
                Stage::Moving,
            ) => {
                assert_eq!(u128::from(offset), self.next_offset(), "{self:?}");
                assert_eq!(method, self.method(), "{self:?}");
                let refused = self.refused.iter().any(|(refused, _)| *refused == method);
                assert!(
                    !refused,
                    "{method:?} was refused and is asked again: {self:?}"
                );
                self.compare_attempt(u128::from(count));
            }
            (Op::Wait(readiness), Stage::Waiting) => assert_eq!(readiness, Readiness::Writable),
            (Op::Finish(end), Stage::Over(expected)) => assert_eq!(end, expected, "{self:?}"),
            _ => panic!("{op:?} does not follow from {self:?}"),
        }
        if self.plan.count.is_some() {
            assert_eq!(op == Op::Finish(End::Done), self.is_complete(), "{self:?}");
        }
    }

    /// An attempt stays within the quantum, the range and the largest offset, and asks for no less than they allow.
    fn compare_attempt(&self, count: u128) {
        let quantum = u128::from(self.plan.quantum.clamp(1, MAX_ATTEMPT));
        let room = u128::from(MAX_OFFSET) - self.next_offset();
        let left = self
            .plan
            .count
            .map_or(room, |all| u128::from(all) - self.sent);
        assert!(count >= 1, "an attempt of nothing: {self:?}");
        assert!(
            count <= quantum,
            "{count} bytes exceed the quantum: {self:?}"
        );
        assert!(count <= left, "{count} bytes exceed the range: {self:?}");
        assert!(
            count <= room,
            "{count} bytes exceed the largest offset: {self:?}"
        );
        assert_eq!(
            count,
            quantum.min(left).min(room),
            "less than could be asked: {self:?}"
        );
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
