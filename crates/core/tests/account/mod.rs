//! An account kept beside a transfer from the events alone, and compared with it after every one of them.
//!
//! It is written from the documented rules and in wider numbers (`u128`), so that a slip in the planner's
//! arithmetic and the same slip here are not the same line of code.

mod compare;
mod limit;
mod plan;
mod stage;

use sendfile64_core::{End, Ended, Errno, Method, Outcome, Transfer};

use limit::Limit;
pub(crate) use plan::{Event, Plan};
use stage::{Question, Stage};

const MILLISECOND: u128 = 1_000_000;
const MEBIBYTE: u128 = 1 << 20;

/// Which bytes are next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Headers,
    Pipe,
    Range,
    Trailers,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    plan: Plan,
    now: u64,
    headers: u128,
    piped: u128,
    sent: u128,
    trailers: u128,
    exhausted: bool,
    /// What one attempt asks for.
    size: u128,
    short: bool,
    limit: Option<Limit>,
    would_block: u64,
    refused: Vec<(Method, Errno)>,
    stage: Stage,
}

impl Account {
    /// A transfer for `plan` and its account, compared once.
    pub(crate) fn open(mut plan: Plan) -> (Self, Transfer) {
        let transfer = Transfer::new(plan.request(), plan.opened);
        let mut seen = Vec::new();
        plan.methods.retain(|&method| {
            let first = !seen.contains(&method);
            seen.push(method);
            first
        });
        let mut account = Self {
            now: plan.opened,
            headers: 0,
            piped: 0,
            sent: 0,
            trailers: 0,
            exhausted: false,
            size: u128::from(plan.quantum).clamp(1, MEBIBYTE),
            short: false,
            limit: plan.rate.map(Limit::new),
            would_block: 0,
            refused: Vec::new(),
            stage: Stage::Moving,
            plan,
        };
        account.stage = account.stage_at_the_end(false).unwrap_or(Stage::Moving);
        account.compare(&transfer);
        (account, transfer)
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// Gives `event` to the transfer and enters it here, then compares the two.
    pub(crate) fn report(&mut self, transfer: &mut Transfer, event: Event) {
        let before = *transfer;
        let asked_for = self.asked_for(event);
        if let Event::Pass(nanoseconds) = event {
            self.now += nanoseconds;
            if let Some(limit) = &mut self.limit {
                limit.pass(nanoseconds);
            }
        }
        match event {
            Event::Outcome(outcome) => transfer.handle_outcome(outcome, self.now),
            Event::Took(bytes, nanoseconds) => transfer.handle_duration(bytes, nanoseconds),
            Event::Ready => transfer.handle_ready(),
            Event::Movement => transfer.handle_movement(self.now),
            Event::Outstanding(owed) => transfer.handle_outstanding(owed, self.now),
            Event::Unacknowledged(owed) => transfer.handle_unacknowledged(owed, self.now),
            Event::Pass(_) => transfer.handle_time(self.now),
            Event::Abort => transfer.abort(),
            Event::Fail(errno) => transfer.fail(errno),
        }
        if asked_for {
            self.enter(event);
        } else {
            assert_eq!(
                *transfer, before,
                "{event:?} was not asked for and changed the transfer"
            );
        }
        assert!(
            transfer.bytes_sent() >= before.bytes_sent(),
            "bytes_sent went down: {self:?}"
        );
        self.compare(transfer);
    }

    /// Whether this event may change anything but the clock.
    fn asked_for(&self, event: Event) -> bool {
        match (self.stage, event) {
            (Stage::Over(_), _) => false,
            (_, Event::Abort | Event::Fail(_) | Event::Took(..)) => true,
            (Stage::Moving, Event::Outcome(_)) => {
                self.due() != Due::Range || self.pause().is_none()
            }
            (
                Stage::Waiting { .. },
                Event::Ready | Event::Movement | Event::Outstanding(_) | Event::Pass(_),
            ) => true,
            (Stage::Confirming(_), Event::Pass(_)) => true,
            (Stage::Confirming(question), Event::Unacknowledged(_)) => self.now >= question.next,
            _ => false,
        }
    }

    fn enter(&mut self, event: Event) {
        let stage = self.stage;
        match (stage, event) {
            (Stage::Waiting { .. }, Event::Abort | Event::Ready) if self.is_complete() => {
                self.stage = Stage::Over(End::Done);
            }
            (_, Event::Abort) => self.stage = Stage::Over(End::Aborted),
            (_, Event::Fail(errno)) => self.stage = Stage::Over(End::Failed(errno)),
            (_, Event::Outcome(outcome)) => self.enter_outcome(outcome),
            (_, Event::Took(bytes, nanoseconds)) => self.enter_duration(bytes, nanoseconds),
            (_, Event::Ready) => self.stage = Stage::Moving,
            (Stage::Waiting { look, .. }, Event::Movement) => {
                let since = self.now;
                self.stage = Stage::Waiting { since, look };
            }
            (Stage::Waiting { since, look }, Event::Outstanding(owed)) => {
                let moved = look.is_some_and(|(before, _)| before != owed);
                let since = if moved { self.now } else { since };
                let look = Some((owed, self.now));
                self.stage = if self.has_stalled(since) {
                    Stage::Over(End::Stalled)
                } else {
                    Stage::Waiting { since, look }
                };
            }
            (Stage::Waiting { since, .. }, Event::Pass(_)) if self.has_stalled(since) => {
                self.stage = Stage::Over(End::Stalled);
            }
            (Stage::Confirming(question), Event::Pass(_))
                if self.now < question.next && self.has_stalled(question.moved) =>
            {
                self.stage = Stage::Over(End::Stalled);
            }
            (Stage::Confirming(question), Event::Unacknowledged(owed)) => {
                self.stage = self.stage_after_answer(question, owed);
            }
            _ => {}
        }
    }

    /// An attempt of more than 100 ms is followed by one that would take 100 ms, but of 64 KiB at least; a whole one that
    /// took half of that by one of twice its size, up to the quantum and to 4 MiB.
    fn enter_duration(&mut self, bytes: u64, nanoseconds: u64) {
        let (bytes, took) = (u128::from(bytes), u128::from(nanoseconds));
        if took > 100 * MILLISECOND {
            let in_time = bytes * 100 * MILLISECOND / took;
            self.size = in_time.max(MEBIBYTE / 16).min(self.size);
        } else if bytes >= self.size && took <= 50 * MILLISECOND {
            let most = u128::from(self.plan.quantum).clamp(1, 4 * MEBIBYTE);
            self.size = (2 * self.size).min(most);
        }
    }

    fn enter_outcome(&mut self, Outcome { bytes, ended }: Outcome) {
        let bytes = u128::from(bytes);
        let due = self.due();
        self.short = due == Due::Range && bytes < self.asked();
        let fills = due == Due::Range && self.plan.through_pipe && self.method() == Method::Splice;
        match due {
            Due::Headers => self.headers += bytes,
            Due::Trailers => self.trailers += bytes,
            Due::Range if fills => self.piped += bytes,
            Due::Range | Due::Pipe => {
                self.sent += bytes;
                if let Some(limit) = &mut self.limit {
                    limit.take(bytes);
                }
                self.piped = self.piped.saturating_sub(bytes);
            }
        }
        if fills && bytes > 0 {
            return; // the bytes in the pipe are next, whatever the outcome was
        }
        self.would_block += u64::from(ended == Ended::WouldBlock);
        if due == Due::Pipe && matches!(ended, Ended::Refused(_)) {
            self.piped = 0;
        }
        let no_more = due == Due::Range && ended == Ended::EndOfFile;
        let next = self.stage_at_the_end(no_more);
        let waits = matches!(ended, Ended::WouldBlock | Ended::Busy);
        if next.is_some() && self.is_complete() && self.plan.awaits_drain && waits {
            self.stage = self.waiting();
            return;
        }
        self.stage = next.unwrap_or_else(|| self.stage_after(due, ended));
    }

    fn due(&self) -> Due {
        if self.headers < u128::from(self.plan.headers) {
            Due::Headers
        } else if self.piped > 0 {
            Due::Pipe
        } else if self.range_is_over() {
            Due::Trailers
        } else {
            Due::Range
        }
    }

    fn range_is_over(&self) -> bool {
        self.exhausted || self.plan.count.map(u128::from) == Some(self.sent)
    }

    fn is_complete(&self) -> bool {
        self.range_is_over()
            && self.headers == u128::from(self.plan.headers)
            && self.trailers == u128::from(self.plan.trailers)
    }

    fn next_offset(&self) -> u128 {
        u128::from(self.plan.start) + self.sent
    }

    /// The first method that was not refused, or the last one of all.
    fn method(&self) -> Method {
        self.plan.methods[self.refused.len().min(self.plan.methods.len() - 1)]
    }
}
