//! One request to move a range of bytes, and the account of what has been moved.

use crate::ladder::Ladder;
use crate::op::{End, Ended, Method, Op, Outcome, Part, Readiness, Wait};
use crate::patience::{Inquiry, Patience};
use crate::rate::Bucket;
use crate::request::{MAX_ATTEMPT, Request};

/// The largest file offset: `off_t` is a signed 64-bit integer.
pub const MAX_OFFSET: u64 = i64::MAX as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Moving,
    Waiting(Readiness),
    /// Everything is queued; the peer has not acknowledged it yet.
    Confirming(Inquiry),
    Finished(End),
}

/// The state of one transfer: `next_offset() == start + bytes_sent()`, always. Times are nanoseconds of a clock that
/// never goes back; the executor has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    start: u64,
    count: Option<u64>,
    quantum: u64,
    ladder: Ladder,
    through_pipe: bool,
    acknowledged: bool,
    headers: Surround,
    trailers: Surround,
    bucket: Option<Bucket>,
    patience: Patience,
    sent: u64,
    /// Taken from the source, not accepted by the destination yet.
    piped: u64,
    /// The source has no more bytes, and nobody had said how many there would be.
    exhausted: bool,
    would_block: u64,
    phase: Phase,
}

/// Bytes that go before or after the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Surround {
    length: u64,
    sent: u64,
}

impl Surround {
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
            quantum: request.quantum.clamp(1, MAX_ATTEMPT),
            ladder: request.ladder,
            through_pipe: request.through_pipe,
            acknowledged: request.acknowledged,
            headers: Surround::new(request.headers),
            trailers: Surround::new(request.trailers),
            bucket: request.rate.map(|rate| Bucket::new(rate, now)),
            patience: Patience::new(request.stall_timeout),
            sent: 0,
            piped: 0,
            exhausted: false,
            would_block: 0,
            phase: Phase::Moving,
        };
        transfer.phase = transfer.phase_after(Ended::Progress, now);
        transfer
    }

    /// The next step. Asking again without reporting gives the same answer, except that a time to wait for may come.
    pub fn poll_op(&self, now: u64) -> Op {
        match self.phase {
            Phase::Finished(end) => Op::Finish(end),
            Phase::Waiting(readiness) => Op::Wait(Wait {
                readiness: Some(readiness),
                until: self.patience.deadline(),
            }),
            Phase::Confirming(inquiry) if now >= inquiry.at() => Op::Confirm,
            Phase::Confirming(inquiry) => Op::Wait(Wait {
                readiness: None,
                until: Some(
                    self.patience
                        .deadline()
                        .map_or(inquiry.at(), |deadline| inquiry.at().min(deadline)),
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

    /// Takes the outcome of the attempt, drain or write that [`poll_op`](Self::poll_op) asked for. Outcomes that
    /// nobody asked for are ignored: a finished transfer stays finished, a waiting one goes on waiting.
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
        match op {
            Op::Attempt {
                method: Method::Splice,
                ..
            } if self.through_pipe => self.piped += bytes,
            Op::Attempt { .. } => self.accept(bytes, now),
            Op::Drain { .. } => {
                self.piped -= bytes;
                self.accept(bytes, now);
            }
            Op::Write {
                part: Part::Headers,
                ..
            } => self.headers.sent += bytes,
            _ => self.trailers.sent += bytes,
        }
        let turned_away = outcome.ended == Ended::WouldBlock;
        self.would_block += u64::from(turned_away);
        self.patience.offered(bytes > 0, turned_away, now);
        if matches!((op, outcome.ended), (Op::Drain { .. }, Ended::Refused(_))) {
            self.piped = 0; // it was not accepted: the next method reads it again
        }
        self.phase = self.phase_after(outcome.ended, now);
    }

    /// The peer has not acknowledged `pending` of what was queued, in whatever unit the kernel counts it; 0 is the end.
    /// Ignored unless [`Op::Confirm`] asks for it.
    pub fn handle_unacknowledged(&mut self, pending: u64, now: u64) {
        let Phase::Confirming(inquiry) = &mut self.phase else {
            return;
        };
        if pending == 0 {
            self.phase = Phase::Finished(End::Done);
        } else if inquiry.answered(pending, now) {
            self.patience.moved_on(now);
        }
    }

    /// The readiness that [`Op::Wait`] asked for has come. Spurious calls do no harm.
    pub fn handle_ready(&mut self) {
        if let Phase::Waiting(_) = self.phase {
            self.patience.ended();
            self.phase = Phase::Moving;
        }
    }

    /// A time that [`Op::Wait`] named has come. Calls that come early or late do no harm.
    pub fn handle_time(&mut self, now: u64) {
        let waits = matches!(self.phase, Phase::Waiting(_) | Phase::Confirming(_));
        if waits && self.patience.is_over(now) {
            self.phase = Phase::Finished(End::Stalled);
        }
    }

    /// The destination still takes no byte, but it has moved on with those that it had accepted: it has not stalled.
    pub fn handle_movement(&mut self, now: u64) {
        if let Phase::Waiting(_) = self.phase {
            self.patience.moved_on(now);
        }
    }

    /// Ends the transfer where it is, with [`End::Aborted`]; a finished one keeps its end.
    ///
    /// The outcome of an attempt that has been made is reported first: afterwards it is ignored, and its bytes would be
    /// missing from the account.
    pub fn abort(&mut self) {
        self.finish(End::Aborted);
    }

    /// The executor itself cannot go on: ends the transfer where it is, with [`End::Failed`].
    pub fn fail(&mut self, errno: crate::Errno) {
        self.finish(End::Failed(errno));
    }

    /// Bytes of the range that the destination has accepted.
    pub fn bytes_sent(&self) -> u64 {
        self.sent
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

    /// How often the destination would have blocked.
    pub fn would_block(&self) -> u64 {
        self.would_block
    }

    fn finish(&mut self, end: End) {
        if self.end().is_none() {
            self.phase = Phase::Finished(end);
        }
    }

    fn accept(&mut self, bytes: u64, now: u64) {
        self.sent += bytes;
        if let Some(bucket) = &mut self.bucket {
            bucket.take(bytes, now);
        }
    }

    fn next_step(&self, now: u64) -> Op {
        if self.headers.left() > 0 {
            return write(
                Part::Headers,
                self.headers,
                !self.range_is_done() || self.trailers.length > 0,
            );
        }
        if self.piped > 0 {
            let last = self.count == Some(self.sent + self.piped) && self.trailers.length == 0;
            return Op::Drain {
                count: self.piped,
                // What a limit keeps back must not keep back what is here.
                more: !last && self.count.is_some() && self.bucket.is_none(),
            };
        }
        if self.range_is_done() {
            return write(Part::Trailers, self.trailers, false);
        }
        let room = MAX_OFFSET.saturating_sub(self.next_offset());
        let left = self.count.map_or(room, |count| room.min(count - self.sent));
        let most = self.quantum.min(left);
        let allowed = self
            .bucket
            .map_or(most, |bucket| most.min(bucket.available(now)));
        if let Some(bucket) = self.bucket {
            let least = bucket.grain().min(most);
            if allowed < least {
                return Op::Wait(Wait {
                    readiness: None,
                    until: Some(bucket.ready_at(least)),
                });
            }
        }
        Op::Attempt {
            method: self.ladder.method(),
            offset: self.next_offset(),
            count: allowed,
        }
    }

    fn phase_after(&mut self, ended: Ended, now: u64) -> Phase {
        if !self.range_is_done() && (ended == Ended::EndOfFile || self.next_offset() >= MAX_OFFSET)
        {
            // No file has a byte at or beyond the largest offset.
            match self.count {
                Some(_) => return Phase::Finished(End::Truncated),
                None => self.exhausted = true,
            }
        }
        if self.is_complete() {
            // Whatever came with the last byte, everything is in the kernel.
            return if self.acknowledged {
                self.confirm(now)
            } else {
                Phase::Finished(End::Done)
            };
        }
        match ended {
            Ended::Progress | Ended::Interrupted | Ended::EndOfFile => Phase::Moving,
            Ended::WouldBlock => Phase::Waiting(Readiness::Writable),
            Ended::Refused(errno) if self.ladder.refuse(errno) => Phase::Moving,
            Ended::Refused(errno) => Phase::Finished(End::Refused(errno)),
            Ended::Failed(errno) => Phase::Finished(End::Failed(errno)),
        }
    }

    fn confirm(&mut self, now: u64) -> Phase {
        self.patience.moved_on(now);
        Phase::Confirming(Inquiry::new(now))
    }

    /// Nothing of the range is left to be taken from the source or to be accepted.
    fn range_is_done(&self) -> bool {
        self.count == Some(self.sent) || self.exhausted
    }

    fn is_complete(&self) -> bool {
        self.range_is_done() && self.headers.left() == 0 && self.trailers.left() == 0
    }
}

fn write(part: Part, bytes: Surround, more: bool) -> Op {
    Op::Write {
        part,
        from: bytes.sent,
        count: bytes.left(),
        more,
    }
}
