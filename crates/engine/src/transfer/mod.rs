//! The state of a transfer inside the engine.

pub(crate) mod limits;
pub(crate) mod progress;
pub(crate) mod retry;
mod state;
mod waiting;

use std::mem;
use std::sync::Arc;

use sendfile64_core::{End, Ended, Errno, LeastRate, Outcome, Transfer};
use sendfile64_sys::net::tcp;
use sendfile64_sys::{ECONNRESET, fd};

use crate::attempt::endpoints::Endpoints;
use crate::attempt::inline::{Attempts, attempt_now};
use crate::attempt::placement::{PlacedStep, SourcePages};
use crate::attempt::{Attempted, Step};
use crate::clock;
use crate::command::{Abort, Call, Command, Completion, OwnerId, Sink, TransferId};
use crate::transfer::limits::Metered;
use crate::transfer::progress::Progress;
use crate::transfer::retry::Retry;

use self::state::State;

/// EIO, the same number on every Unix: what an error without a number is reported as.
pub(crate) const EIO: i32 = 5;

pub(crate) struct Running {
    pub(crate) id: TransferId,
    pub(crate) owner: OwnerId,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) transfer: Transfer,
    /// `None` once its owner has been cancelled.
    pub(crate) sink: Option<Arc<dyn Sink>>,
    pub(crate) progress: Option<Progress>,
    /// Whether the poller watches its destination.
    pub(crate) registered: bool,
    /// The timer that is set for it.
    pub(crate) timer: Option<u64>,
    metered: Option<Metered>,
    least: Option<LeastRate>,
    /// What has been done for it.
    made: Attempts,
    state: State,
    retry: Retry,
    pages: SourcePages,
    source_waits: bool,
}

impl Running {
    pub(crate) fn new(command: Command) -> Self {
        let Command {
            id,
            owner,
            destination,
            source,
            source_waits,
            parts,
            own_position,
            transfer,
            limits,
            made,
            progress_interval,
            sink,
        } = command;
        Self {
            id,
            owner,
            endpoints: Arc::new(Endpoints::new(destination, source, own_position, parts)),
            transfer,
            sink: Some(sink),
            progress: Progress::new(progress_interval, clock::now()),
            registered: false,
            timer: None,
            metered: limits.shared.map(Metered::new),
            least: limits.least,
            made: made.unwrap_or(Attempts::NONE),
            state: State::Ready,
            retry: Retry::new(),
            pages: SourcePages::default(),
            source_waits,
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
    pub(crate) fn placed(&mut self, step: Step) -> PlacedStep {
        if self.source_waits || self.endpoints.destination().waits_for_disk() {
            return PlacedStep::on_disk(step);
        }
        self.pages.look(&self.transfer, self.endpoints.pair(), step)
    }

    /// What can be done at once, before any thread is asked.
    pub(crate) fn attempt_inline(&mut self) {
        if self.is_metered() || self.source_waits {
            return; // its turn comes with the others'
        }
        let made = attempt_now(&mut self.transfer, self.endpoints.pair());
        self.made.syscalls += made.syscalls;
        self.made.call = made.call;
    }

    pub(crate) fn record(&mut self, attempted: Attempted) {
        self.made.syscalls += attempted.syscalls;
        self.made.call = attempted.call;
        if let Some(metered) = &mut self.metered {
            metered.used(attempted.outcome.bytes);
        }
        attempted.report(&mut self.transfer, self.endpoints.pair(), clock::now());
    }

    /// Its next attempt is made on another thread; until it is [back](Self::come_back), nothing else is done with it.
    pub(crate) fn begin_disk_attempt(&mut self) {
        self.state = State::OnDisk { writable: false };
    }

    pub(crate) fn is_on_disk(&self) -> bool {
        matches!(self.state, State::OnDisk { .. })
    }

    /// It goes into the ready queue. Returns whether it was not there.
    pub(crate) fn queue(&mut self) -> bool {
        let was = mem::replace(&mut self.state, State::Queued);
        was != State::Queued
    }

    pub(crate) fn is_queued(&self) -> bool {
        self.state == State::Queued
    }

    /// It has left the ready queue.
    pub(crate) fn take_turn(&mut self) {
        self.state = State::Ready;
    }

    /// What another thread made of the attempt; `None` if it was not made.
    pub(crate) fn finish_disk_attempt(&mut self, attempted: Option<Attempted>) {
        let writable = self.state == State::OnDisk { writable: true };
        self.state = State::Ready;
        match attempted {
            Some(attempted) if self.endpoints.is_abandoned() => {
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
        // The poller reports a change once (epoll(7), EPOLLET). If it did so after the destination had rejected the
        // attempt, no further event would come.
        if writable {
            self.retry.writable(self.accepted());
            self.transfer.handle_ready();
        }
    }

    /// Asks how many bytes the peer has not acknowledged. If the system cannot report it, queued bytes count as acknowledged.
    pub(crate) fn confirm(&mut self) {
        self.made.call = Call::GetTcpInfo;
        match tcp::unacknowledged(self.endpoints.pair().destination) {
            // The connection is closed and its queue was dropped. SO_ERROR would give the reason and clear it, but the
            // owner of the socket has to receive it.
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
        self.endpoints.abandon();
        if how == Abort::Shutdown {
            fd::shutdown_both(self.endpoints.pair().destination);
        }
        if !self.is_on_disk() {
            self.transfer.abort();
        }
    }

    /// Ends it with an error of the engine itself, wherever it stands: what `call` has answered.
    pub(crate) fn fail(&mut self, errno: Errno, call: Call) -> End {
        self.made.call = call;
        self.transfer.fail(errno);
        self.transfer.end().unwrap_or(End::Failed(errno))
    }

    /// Releases the descriptors. Returns the completion, and the sink that receives it unless the owner was cancelled.
    pub(crate) fn complete(self, end: End) -> (Completion, Option<Arc<dyn Sink>>) {
        let Self {
            id,
            endpoints,
            transfer,
            made: Attempts { syscalls, call },
            sink,
            ..
        } = self;
        endpoints.pair().uncork(&transfer);
        drop(endpoints);
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
