//! The events of a wait: the destination is writable again, a time has come, the peer has acknowledged bytes.

use super::{Phase, Transfer};
use crate::op::End;

impl Transfer {
    /// The peer has not acknowledged `pending` of what was queued, in the unit of the kernel; 0 is the end. Ignored
    /// unless [`Op::Confirm`](crate::Op::Confirm) asks for it.
    pub fn handle_unacknowledged(&mut self, pending: u64, now: u64) {
        let Phase::Confirming(poll) = &mut self.phase else {
            return;
        };
        if now < poll.at() {
            return;
        }
        if pending == 0 {
            self.phase = Phase::Finished(End::Done);
        } else if poll.answered(pending, now) {
            self.stall_timer.restart(now);
        } else if self.stall_timer.is_over(now) {
            self.phase = Phase::Finished(End::Stalled);
        }
    }

    /// The readiness that [`Op::Wait`] asked for has come. Spurious calls do no harm.
    pub fn handle_ready(&mut self) {
        if let Phase::Waiting(_) = self.phase {
            self.stall_timer.stop();
            self.phase = self.phase_after_wait();
        }
    }

    /// The destination has not become ready, but is to be tried again. The stall timer continues to run.
    pub fn handle_retry(&mut self) {
        if let Phase::Waiting(_) = self.phase
            && !self.is_complete()
        {
            self.phase = Phase::Moving;
        }
    }

    /// A time that [`Op::Wait`] named has come. Calls that come early or late do no harm.
    pub fn handle_time(&mut self, now: u64) {
        let waits = match self.phase {
            Phase::Waiting(_) => true,
            // A question that is due as well comes first: its answer may be that nothing is owed.
            Phase::Confirming(poll) => now < poll.at(),
            Phase::Moving | Phase::Finished(_) => false,
        };
        if waits && self.stall_timer.is_over(now) {
            self.phase = Phase::Finished(End::Stalled);
        }
    }

    /// The destination still takes no byte, but it has moved on with those that it had accepted: it has not stalled.
    pub fn handle_movement(&mut self, now: u64) {
        if let Phase::Waiting(_) = self.phase {
            self.stall_timer.restart(now);
        }
    }

    /// The destination still holds `owed` of what it has accepted, in a unit that changes as it passes bytes on.
    /// [`Op::Wait`](crate::Op::Wait) says when to look again. A destination whose figure does not change for the stall
    /// timeout has stalled.
    pub fn handle_outstanding(&mut self, owed: u64, now: u64) {
        if let Phase::Waiting(_) = self.phase {
            self.stall_timer.observe(owed, now);
            self.handle_time(now);
        }
    }

    fn phase_after_wait(&self) -> Phase {
        if self.is_complete() {
            Phase::Finished(End::Done)
        } else {
            Phase::Moving
        }
    }
}
