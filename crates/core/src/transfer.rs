//! One request to move a range of bytes, and the account of what has been moved.

use crate::ladder::Ladder;
use crate::op::{End, Ended, Method, Op, Outcome, Readiness};

/// The largest file offset: `off_t` is a signed 64-bit integer.
pub const MAX_OFFSET: u64 = i64::MAX as u64;

/// The most bytes one call of sendfile(2), read(2) or write(2) moves on Linux ("NOTES" of each page).
pub const MAX_ATTEMPT: u64 = 0x7fff_f000;

/// The default of [`Request::quantum`]: 1 MiB. Less costs system calls, more keeps other transfers waiting.
pub const DEFAULT_QUANTUM: u64 = 1 << 20;

/// What to move, and how.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The first byte of the range, counted from the start of the source.
    pub start: u64,
    /// The number of bytes in the range; `None` means until the source ends.
    pub count: Option<u64>,
    /// The most bytes one attempt may move before another transfer gets its turn; 1 to [`MAX_ATTEMPT`], values
    /// outside are clamped.
    pub quantum: u64,
    /// The methods to use, best first.
    pub ladder: Ladder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Moving,
    Waiting(Readiness),
    Finished(End),
}

/// The state of one transfer: `next_offset() == start + bytes_sent()`, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    start: u64,
    count: Option<u64>,
    quantum: u64,
    ladder: Ladder,
    sent: u64,
    would_block: u64,
    phase: Phase,
}

impl Transfer {
    /// A transfer that has not moved a byte yet. A range of 0 bytes is finished from the start.
    pub fn new(request: Request) -> Self {
        let Request {
            start,
            count,
            quantum,
            ladder,
        } = request;
        let quantum = quantum.clamp(1, MAX_ATTEMPT);
        let mut transfer = Self {
            start,
            count,
            quantum,
            ladder,
            sent: 0,
            would_block: 0,
            phase: Phase::Moving,
        };
        transfer.phase = transfer.phase_after(Ended::Progress);
        transfer
    }

    /// The next step. Asking again without reporting gives the same answer.
    pub fn poll_op(&self) -> Op {
        match self.phase {
            Phase::Finished(end) => Op::Finish(end),
            Phase::Waiting(readiness) => Op::Wait(readiness),
            Phase::Moving => Op::Attempt {
                method: self.ladder.method(),
                offset: self.next_offset(),
                count: self.attempt_count(),
            },
        }
    }

    /// Takes the outcome of the attempt that [`poll_op`](Self::poll_op) asked for. Outcomes that nobody asked for
    /// are ignored: a finished transfer stays finished, a waiting one goes on waiting.
    pub fn handle_outcome(&mut self, outcome: Outcome) {
        if self.phase != Phase::Moving {
            return;
        }
        let asked = self.attempt_count();
        debug_assert!(
            outcome.bytes <= asked,
            "an executor reported more bytes than it was asked to move"
        );
        self.sent += outcome.bytes.min(asked);
        self.would_block += u64::from(outcome.ended == Ended::WouldBlock);
        self.phase = self.phase_after(outcome.ended);
    }

    /// The readiness that [`Op::Wait`] asked for has come. Spurious calls do no harm.
    pub fn handle_ready(&mut self) {
        if let Phase::Waiting(_) = self.phase {
            self.phase = Phase::Moving;
        }
    }

    /// Ends the transfer where it is; a finished one keeps its end.
    ///
    /// The outcome of an attempt that has been made is reported first: afterwards it is ignored, and its bytes would be
    /// missing from the account.
    pub fn abort(&mut self) {
        if !matches!(self.phase, Phase::Finished(_)) {
            self.phase = Phase::Finished(End::Aborted);
        }
    }

    /// Bytes that the destination has accepted.
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

    fn phase_after(&mut self, ended: Ended) -> Phase {
        if self.count == Some(self.sent) {
            return Phase::Finished(End::Done); // whatever came with the last byte, the range is in the kernel
        }
        match ended {
            // No file has a byte at or beyond the largest offset.
            _ if self.next_offset() >= MAX_OFFSET => Phase::Finished(self.end_of_file()),
            Ended::Progress | Ended::Interrupted => Phase::Moving,
            Ended::WouldBlock => Phase::Waiting(Readiness::Writable),
            Ended::EndOfFile => Phase::Finished(self.end_of_file()),
            Ended::Refused(errno) if self.ladder.refuse(errno) => Phase::Moving,
            Ended::Refused(errno) => Phase::Finished(End::Refused(errno)),
            Ended::Failed(errno) => Phase::Finished(End::Failed(errno)),
        }
    }

    /// The size of the next attempt: within the quantum, the range, and what an offset can express.
    fn attempt_count(&self) -> u64 {
        let room = MAX_OFFSET.saturating_sub(self.next_offset());
        let left = self.count.map_or(u64::MAX, |count| count - self.sent);
        self.quantum.min(left).min(room)
    }

    fn end_of_file(&self) -> End {
        if self.count.is_none() {
            End::Done
        } else {
            End::Truncated
        }
    }
}
