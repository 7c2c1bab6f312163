//! A transfer that waits for its destination; see [`State`] for the clocks that run meanwhile.

use sendfile64_core::{Op, Readiness, Wait};
use sendfile64_sys::fd;

use super::Running;
use super::state::State;
use crate::clock;
use crate::transfer::retry::Due;

impl Running {
    /// Its destination accepts bytes again. Returns whether it was waiting for that.
    pub(crate) fn handle_writable(&mut self) -> bool {
        match &mut self.state {
            State::OnDisk { writable } => {
                *writable = true;
                return false;
            }
            state @ State::Waiting { .. } => *state = State::Ready,
            State::Ready | State::Queued => {}
        }
        let op = self.transfer.poll_op(clock::now());
        self.end_wait();
        self.retry.writable(self.accepted());
        self.transfer.handle_ready();
        let waited_for = Some(Readiness::Writable);
        matches!(op, Op::Wait(Wait { readiness, .. }) if readiness == waited_for)
    }

    /// It waits for its destination, perhaps under a time limit. Returns when that is looked at again, beside the limit.
    pub(crate) fn wait(&mut self, limited: bool) -> Option<u64> {
        let held = match self.state {
            State::Waiting { held } => held,
            _ => None,
        };
        let held = held.or_else(|| limited.then(|| self.outstanding()).flatten());
        self.state = State::Waiting { held };
        let retry = self.retry.waits(self.accepted(), clock::now());
        retry.into_iter().chain(self.begin_wait()).min()
    }

    /// Takes notice of a wait for a destination that has to take a least rate. Returns when that is looked at.
    fn begin_wait(&mut self) -> Option<u64> {
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
        let held = i64::try_from(self.outstanding().unwrap_or(0)).unwrap_or(i64::MAX);
        Some(accepted.saturating_sub(held))
    }

    /// A time that was waited for has come. A destination that accepts nothing because its reader is slow has not
    /// stalled: a socket has room again only when a good part of its buffer is empty. So it is looked at once more in
    /// each period, and a stall is noticed two periods after the last movement at the latest.
    /// Returns whether the poller is to be asked whether it is writable.
    pub(crate) fn handle_timer(&mut self, now: u64) -> bool {
        if self.has_moved() {
            self.transfer.handle_movement(now);
        } else {
            self.transfer.handle_time(now);
        }
        if let (Some(taken), Some(least)) = (self.taken(), self.least.as_mut())
            && least.is_below(taken, now)
        {
            self.transfer.give_up();
        }
        let due = self.retry.due(now);
        if due == Due::Attempt && matches!(self.state, State::Waiting { .. }) {
            self.end_wait();
            self.transfer.handle_retry();
            self.state = State::Ready;
        }
        due == Due::Ask
    }

    /// Whether the destination that is waited for holds less than when it was last looked at.
    fn has_moved(&mut self) -> bool {
        let State::Waiting { held: Some(before) } = self.state else {
            return false;
        };
        let held = self.outstanding();
        self.state = State::Waiting { held };
        held.is_some_and(|held| held < before)
    }

    pub(super) fn accepted(&self) -> u64 {
        self.transfer.headers_sent() + self.transfer.bytes_sent()
    }

    fn outstanding(&self) -> Option<u64> {
        let pair = self.endpoints.pair();
        fd::outstanding(pair.destination, pair.kind)
    }
}
