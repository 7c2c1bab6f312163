//! One request to move a range of bytes, and the account of what has been moved.

use crate::ladder::Ladder;
use crate::op::{End, Ended, Errno, Method, Op, Outcome, Readiness, Wait};
use crate::rate::Bucket;
use crate::request::Request;
use crate::stall_timer::{AckPoll, StallTimer};
use crate::stride::Stride;

mod outcome;
mod step;
mod wait;

/// The largest file offset: `off_t` is a signed 64-bit integer.
pub const MAX_OFFSET: u64 = i64::MAX as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Moving,
    Waiting(Readiness),
    /// Everything is queued; the peer has not acknowledged it yet.
    Confirming(AckPoll),
    Finished(End),
}

/// The state of one transfer: `next_offset() == start + bytes_sent()`, always. Times are nanoseconds of a clock that
/// never goes back; the executor has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    start: u64,
    count: Option<u64>,
    stride: Stride,
    ladder: Ladder,
    through_pipe: bool,
    acknowledged: bool,
    awaits_drain: bool,
    headers: PartProgress,
    trailers: PartProgress,
    bucket: Option<Bucket>,
    stall_timer: StallTimer,
    sent: u64,
    /// Taken from the source, not accepted by the destination yet.
    piped: u64,
    /// The last attempt moved fewer bytes than it was asked for.
    short: bool,
    /// The source has no more bytes, and the request had no `count`.
    exhausted: bool,
    would_block: u64,
    phase: Phase,
}

/// Bytes that go before or after the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PartProgress {
    length: u64,
    sent: u64,
}

impl PartProgress {
    const fn new(length: u64) -> Self {
        Self { length, sent: 0 }
    }

    const fn left(&self) -> u64 {
        self.length - self.sent
    }
}

impl Transfer {
    /// A transfer that has not moved a byte yet. With nothing to send it is finished from the start.
    pub fn new(request: Request, now: u64) -> Self {
        let mut transfer = Self {
            start: request.start,
            count: request.count,
            stride: Stride::new(request.quantum),
            ladder: request.ladder,
            through_pipe: request.through_pipe,
            acknowledged: request.acknowledged,
            awaits_drain: request.awaits_drain,
            headers: PartProgress::new(request.headers),
            trailers: PartProgress::new(request.trailers),
            bucket: request.rate.map(|rate| Bucket::new(rate, now)),
            stall_timer: StallTimer::new(request.stall_timeout),
            sent: 0,
            piped: 0,
            short: false,
            exhausted: false,
            would_block: 0,
            phase: Phase::Moving,
        };
        transfer.phase = transfer.phase_after(Ended::Progress, now);
        transfer
    }

    /// The next step. Asking again without reporting gives the same answer, except that as time passes a time to wait
    /// for comes, and a limit allows more.
    pub fn poll_op(&self, now: u64) -> Op {
        match self.phase {
            Phase::Finished(end) => Op::Finish(end),
            Phase::Waiting(readiness) => Op::Wait(Wait {
                readiness: Some(readiness),
                until: self.stall_timer.next(),
            }),
            Phase::Confirming(poll) if now >= poll.at() => Op::Confirm,
            Phase::Confirming(poll) => Op::Wait(Wait {
                readiness: None,
                until: Some(
                    self.stall_timer
                        .deadline()
                        .map_or(poll.at(), |deadline| poll.at().min(deadline)),
                ),
            }),
            Phase::Moving => self.next_step(now),
        }
    }

    /// How it ended, once it has.
    pub fn end(&self) -> Option<End> {
        match self.phase {
            Phase::Finished(end) => Some(end),
            _ => None,
        }
    }

    /// Takes the outcome of the attempt, drain or write that [`poll_op`](Self::poll_op) requested. Other outcomes are
    /// ignored: a finished transfer stays finished, a waiting one continues to wait.
    ///
    /// `now` is not before the time of the poll: a limit allowed fewer bytes then, so the outcome would not be that of
    /// the op.
    pub fn handle_outcome(&mut self, outcome: Outcome, now: u64) {
        let op = self.poll_op(now);
        let (Op::Attempt { count: asked, .. }
        | Op::Drain { count: asked, .. }
        | Op::Write { count: asked, .. }) = op
        else {
            return;
        };
        debug_assert!(
            outcome.bytes <= asked,
            "an executor reported more bytes than it was asked to move"
        );
        let bytes = outcome.bytes.min(asked);
        self.short = matches!(op, Op::Attempt { .. }) && bytes < asked;
        let ended = self.enter(op, bytes, outcome.ended, now);
        self.would_block += u64::from(ended == Ended::WouldBlock);
        if bytes > 0 {
            self.stall_timer.stop();
        }
        self.phase = self.phase_after(ended, now);
    }

    /// The attempt whose outcome was handled last has moved `bytes` in `nanoseconds`. Slow attempts become smaller, so
    /// that an abort between two of them takes effect soon; fast ones become larger, up to the quantum. Ignored once
    /// the transfer is over. An executor that never waits need not report durations.
    pub fn handle_duration(&mut self, bytes: u64, nanoseconds: u64) {
        if self.end().is_none() {
            self.stride.took(bytes, nanoseconds);
        }
    }

    /// Ends the transfer where it is, with [`End::Aborted`]; a finished one keeps its end, and of one that waits after
    /// the last byte there is nothing left to give up.
    ///
    /// The outcome of an attempt that has been made is reported first: afterwards it is ignored, and its bytes would be
    /// missing from the account.
    pub fn abort(&mut self) {
        self.finish(if self.is_draining() {
            End::Done
        } else {
            End::Aborted
        });
    }

    /// The executor finds the destination too slow ([`LeastRate`](crate::LeastRate)): ends the transfer where it is, with
    /// [`End::Stalled`].
    pub fn give_up(&mut self) {
        self.finish(End::Stalled);
    }

    /// The pair is refused before anything is tried: ends the transfer where it is, with [`End::Refused`].
    pub fn refuse(&mut self, errno: Errno) {
        self.finish(End::Refused(errno));
    }

    /// The executor itself cannot go on: ends the transfer where it is, with [`End::Failed`].
    pub fn fail(&mut self, errno: Errno) {
        self.finish(End::Failed(errno));
    }

    /// Bytes of the range that the destination has accepted.
    pub fn bytes_sent(&self) -> u64 {
        self.sent
    }

    /// Bytes of the headers that the destination has accepted.
    pub fn headers_sent(&self) -> u64 {
        self.headers.sent
    }

    /// The offset of the byte after the last one sent.
    pub fn next_offset(&self) -> u64 {
        self.start.saturating_add(self.sent)
    }

    /// The method in use, or the last one used.
    pub fn method(&self) -> Method {
        self.ladder.method()
    }

    /// The methods, with what became of them.
    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// Whether the last attempt moved fewer bytes than it requested. A kernel that was asked to send more than the
    /// source had may hold back the last bytes.
    pub fn fell_short(&self) -> bool {
        self.short
    }

    /// How often the destination would have blocked.
    pub fn would_block(&self) -> u64 {
        self.would_block
    }

    fn finish(&mut self, end: End) {
        if self.end().is_none() {
            self.phase = Phase::Finished(end);
        }
    }

    fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Waiting(_)) && self.is_complete()
    }

    /// Nothing of the range is left to be taken from the source or to be accepted.
    fn range_is_done(&self) -> bool {
        self.count == Some(self.sent) || self.exhausted
    }

    fn is_complete(&self) -> bool {
        self.range_is_done() && self.headers.left() == 0 && self.trailers.left() == 0
    }
}
