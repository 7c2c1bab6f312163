//! A transfer inside the engine, on its way through shard and pool.

use std::sync::Arc;

use sendfile64_core::{End, Ended, Errno, LeastRate, Op, Outcome, Readiness, Transfer, Wait};
use sendfile64_sys::{ECONNRESET, descriptor, tcp};

use crate::clock;
use crate::command::{Abort, Call, Command, Completion, OwnerId, Sink, TransferId};
use crate::ends::Ends;
use crate::engine::attempt_now;
use crate::limits::Metered;
use crate::progress::Progress;
use crate::retry::{Due, Retry};
use crate::run::{Attempted, Step};
use crate::visit::{Pages, Visit};

/// EIO, the same number on every Unix: what an error without a number is reported as.
pub(crate) const EIO: i32 = 5;

pub(crate) struct Running {
    pub(crate) id: TransferId,
    pub(crate) owner: OwnerId,
    pub(crate) ends: Arc<Ends>,
    pub(crate) transfer: Transfer,
    /// `None` once its owner has been cancelled.
    pub(crate) sink: Option<Arc<dyn Sink>>,
    pub(crate) progress: Option<Progress>,
    /// Whether the poller watches its destination.
    pub(crate) registered: bool,
    /// Whether it is in the ready queue.
    pub(crate) queued: bool,
    /// The timer that is set for it.
    pub(crate) timer: Option<u64>,
    metered: Option<Metered>,
    least: Option<LeastRate>,
    syscalls: u64,
    call: Call,
    /// What the destination held when the transfer last began to wait for it under a time limit.
    held: Option<u64>,
    retry: Retry,
    away: bool,
    writable_while_away: bool,
    pages: Pages,
}

impl Running {
    pub(crate) fn new(command: Command) -> Self {
        let Command {
            id,
            owner,
            destination,
            source,
            surround,
            own_position,
            transfer,
            limits,
            syscalls,
            progress_interval,
            sink,
        } = command;
        Self {
            id,
            owner,
            ends: Arc::new(Ends::new(destination, source, own_position, surround)),
            transfer,
            sink: Some(sink),
            progress: Progress::new(progress_interval, clock::now()),
            registered: false,
            queued: false,
            timer: None,
            metered: limits.shared.map(Metered::new),
            least: limits.least,
            syscalls,
            call: Call::Sendfile,
            held: None,
            retry: Retry::new(),
            away: false,
            writable_while_away: false,
            pages: Pages::default(),
        }
    }

    /// The step that the planner asks for, if it asks for one.
    pub(crate) fn next_step(&self) -> Option<Step> {
        let step = Step::next(&self.transfer, clock::now())?;
        Some(match &self.metered {
            Some(metered) => step.at_most(metered.admitted()),
            None => step,
        })
    }

    /// Whether an attempt of up to `count` bytes may be made now; else how many nanoseconds a shared rate makes it wait.
    pub(crate) fn admit(&mut self, count: u64) -> Result<(), u64> {
        match &mut self.metered {
            Some(metered) => metered.admit(count),
            None => Ok(()),
        }
    }

    /// Whether a change of a shared rate concerns it.
    pub(crate) fn is_metered(&self) -> bool {
        self.metered.is_some()
    }

    /// The step, and where it is to be made.
    pub(crate) fn visit(&mut self, step: Step) -> Visit {
        if self.ends.destination().waits_for_disk() {
            return Visit::to_a_disk(step);
        }
        self.pages.look(&self.transfer, self.ends.pair(), step)
    }

    /// What can be done at once, before any thread is asked.
    pub(crate) fn attempt_inline(&mut self) {
        if self.is_metered() {
            return; // its turn comes with the others'
        }
        let made = attempt_now(&mut self.transfer, self.ends.pair());
        self.syscalls += made.syscalls;
        self.call = made.call;
    }

    pub(crate) fn record(&mut self, attempted: Attempted) {
        self.syscalls += attempted.syscalls;
        self.call = attempted.call;
        if let Some(metered) = &mut self.metered {
            metered.used(attempted.outcome.bytes);
        }
        attempted.report(&mut self.transfer, self.ends.pair(), clock::now());
    }

    /// Its next attempt is made on another thread; until it is [back](Self::come_back), nothing else is done with it.
    pub(crate) fn leave(&mut self) {
        self.away = true;
        self.writable_while_away = false;
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away
    }

    /// What another thread made of the attempt; `None` if it was not made.
    pub(crate) fn come_back(&mut self, attempted: Option<Attempted>) {
        self.away = false;
        match attempted {
            Some(attempted) if self.ends.is_abandoned() => {
                // What the destination accepted counts; how the attempt ended may be our own shutdown's doing.
                let Outcome { bytes, .. } = attempted.outcome;
                let outcome = Outcome {
                    bytes,
                    ended: Ended::Interrupted,
                };
                self.record(Attempted {
                    outcome,
                    ..attempted
                });
                self.transfer.abort();
            }
            Some(attempted) => self.record(attempted),
            None => self.transfer.abort(),
        }
        // The poller tells of a change once (epoll(7), EPOLLET): if it did after the destination had turned the
        // attempt away, there would be nothing left to wait for.
        if self.writable_while_away {
            self.retry.writable(self.accepted());
            self.transfer.handle_ready();
        }
    }

    /// Its destination accepts bytes again. Returns whether it was waiting for that.
    pub(crate) fn become_writable(&mut self) -> bool {
        if self.away {
            self.writable_while_away = true;
            return false;
        }
        let op = self.transfer.poll_op(clock::now());
        self.held = None;
        self.end_wait();
        self.retry.writable(self.accepted());
        self.transfer.handle_ready();
        let waited_for = Some(Readiness::Writable);
        matches!(op, Op::Wait(Wait { readiness, .. }) if readiness == waited_for)
    }

    /// Takes notice of a wait for a destination that has to take a least rate. Returns when that is looked at.
    pub(crate) fn begin_wait(&mut self) -> Option<u64> {
        let taken = self.taken();
        let least = self.least.as_mut()?;
        least.wait_begins(taken?, clock::now());
        least.due()
    }

    fn end_wait(&mut self) {
        if let (Some(taken), Some(least)) = (self.taken(), self.least.as_mut()) {
            least.wait_ends(taken, clock::now());
        }
    }

    /// What has left for the peer: what the destination has accepted, without what it holds. `None` where no least rate
    /// is asked for.
    fn taken(&self) -> Option<i64> {
        self.least?;
        let accepted = i64::try_from(self.accepted()).unwrap_or(i64::MAX);
        let held = i64::try_from(self.holding().unwrap_or(0)).unwrap_or(i64::MAX);
        Some(accepted.saturating_sub(held))
    }

    /// Takes notice of a wait for the destination that will end in a stall.
    pub(crate) fn begin_patience(&mut self) {
        if self.held.is_none() {
            self.held = self.holding();
        }
    }

    /// A time that was waited for has come. A destination that accepts nothing because its reader is slow has not
    /// stalled: a socket has room again only when a good part of its buffer is empty. So it is looked at once more in
    /// each period, and a stall is noticed two periods after the last movement at the latest.
    /// Returns whether the poller is to be asked whether it is writable.
    pub(crate) fn time_has_come(&mut self, now: u64) -> bool {
        let before = self.held.take();
        if before.is_some() {
            self.held = self.holding();
        }
        match (before, self.held) {
            (Some(before), Some(held)) if held < before => self.transfer.handle_movement(now),
            _ => self.transfer.handle_time(now),
        }
        if let (Some(taken), Some(least)) = (self.taken(), self.least.as_mut())
            && least.is_below(taken, now)
        {
            self.transfer.give_up();
        }
        let due = self.retry.due(now);
        if due == Due::Attempt {
            self.end_wait();
            self.transfer.handle_retry();
        }
        due == Due::Ask
    }

    /// It waits for its destination: when something is to be done about that.
    pub(crate) fn retry_at(&mut self) -> Option<u64> {
        self.retry.waits(self.accepted(), clock::now())
    }

    fn accepted(&self) -> u64 {
        self.transfer.headers_sent() + self.transfer.bytes_sent()
    }

    fn holding(&self) -> Option<u64> {
        let pair = self.ends.pair();
        descriptor::outstanding(pair.destination, pair.kind)
    }

    /// Asks what the peer has not acknowledged. Where nobody can tell, being queued has to do.
    pub(crate) fn confirm(&mut self) {
        self.call = Call::Inquire;
        match tcp::unacknowledged(self.ends.pair().destination) {
            // The connection is gone, and what was queued with it. SO_ERROR would say why, and forget it: the socket's
            // owner is to hear it.
            Ok(Some(found)) if found.gone => self.transfer.fail(ECONNRESET),
            Ok(found) => {
                let pending = found.map_or(0, |found| found.pending);
                self.transfer.handle_unacknowledged(pending, clock::now());
            }
            Err(errno) => self.transfer.fail(errno),
        }
    }

    /// Gives it up: at once, or when it is back.
    pub(crate) fn abort(&mut self, how: Abort) {
        self.ends.abandon();
        if how == Abort::Shutdown {
            descriptor::shutdown_both(self.ends.pair().destination);
        }
        if !self.away {
            self.transfer.abort();
        }
    }

    /// Ends it with an error of the engine itself, wherever it stands: what `call` has answered.
    pub(crate) fn fail(&mut self, errno: Errno, call: Call) -> End {
        self.call = call;
        self.transfer.fail(errno);
        self.transfer.end().unwrap_or(End::Failed(errno))
    }

    /// Releases the descriptors; then there is a completion, and perhaps somebody who wants to hear of it.
    pub(crate) fn complete(self, end: End) -> (Completion, Option<Arc<dyn Sink>>) {
        let Self {
            id,
            ends,
            transfer,
            syscalls,
            call,
            sink,
            ..
        } = self;
        ends.pair().uncork(&transfer);
        drop(ends);
        (
            Completion {
                id,
                transfer,
                end,
                syscalls,
                call,
            },
            sink,
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
