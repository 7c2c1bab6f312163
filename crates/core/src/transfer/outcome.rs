//! The effect of an outcome: the account of its bytes, and whether and how the transfer continues.

use super::{MAX_OFFSET, Phase, Transfer};
use crate::op::{End, Ended, Method, Op, Part, Readiness};
use crate::stall_timer::AckPoll;

impl Transfer {
    fn accept(&mut self, bytes: u64, now: u64) {
        self.sent += bytes;
        if let Some(bucket) = &mut self.bucket {
            bucket.take(bytes, now);
        }
    }

    /// Enters what `op` did, and returns what its end means for the transfer.
    pub(super) fn enter(&mut self, op: Op, bytes: u64, ended: Ended, now: u64) -> Ended {
        match op {
            Op::Attempt {
                method: Method::Splice,
                ..
            } if self.through_pipe => {
                self.piped += bytes;
                // What the pipe holds is moved first. Whatever else there was to say, the next attempt says it again.
                if bytes > 0 { Ended::Progress } else { ended }
            }
            Op::Drain { .. } => {
                self.piped -= bytes;
                self.accept(bytes, now);
                if matches!(ended, Ended::Refused(_)) {
                    self.piped = 0; // it was not accepted: the next method reads it again
                }
                not_of_the_source(ended)
            }
            Op::Write { part, .. } => {
                match part {
                    Part::Headers => self.headers.sent += bytes,
                    Part::Trailers => self.trailers.sent += bytes,
                }
                match ended {
                    // The methods are for the range: another one would not write these bytes.
                    Ended::Refused(errno) => Ended::Failed(errno),
                    ended => not_of_the_source(ended),
                }
            }
            _ => {
                self.accept(bytes, now);
                ended
            }
        }
    }

    pub(super) fn phase_after(&mut self, ended: Ended, now: u64) -> Phase {
        // No file has a byte at or beyond the largest offset.
        let source_ended = ended == Ended::EndOfFile || self.next_offset() >= MAX_OFFSET;
        if source_ended && !self.range_is_done() {
            match self.count {
                None => self.exhausted = true,
                Some(_) if self.headers.left() == 0 => return Phase::Finished(End::Truncated),
                Some(_) => {}
            }
        }
        if self.is_complete() {
            let waits = matches!(ended, Ended::WouldBlock | Ended::Busy);
            return self.phase_when_complete(waits && self.awaits_drain, now);
        }
        match ended {
            Ended::Progress | Ended::Interrupted | Ended::EndOfFile => Phase::Moving,
            Ended::WouldBlock | Ended::Busy => {
                self.stall_timer.start(now);
                Phase::Waiting(Readiness::Writable)
            }
            Ended::Refused(_) if self.range_is_done() => Phase::Moving, // no method is needed any more
            Ended::Refused(errno) if self.ladder.refuse(errno) => Phase::Moving,
            Ended::Refused(errno) => Phase::Finished(End::Refused(errno)),
            Ended::Failed(errno) => Phase::Finished(End::Failed(errno)),
        }
    }

    fn phase_when_complete(&mut self, awaits_drain: bool, now: u64) -> Phase {
        if awaits_drain {
            self.stall_timer.start(now);
            Phase::Waiting(Readiness::Writable)
        } else if self.acknowledged {
            self.stall_timer.restart(now);
            Phase::Confirming(AckPoll::new(now))
        } else {
            // Whatever came with the last byte, everything is in the kernel.
            Phase::Finished(End::Done)
        }
    }
}

/// Only an attempt meets the end of the source.
fn not_of_the_source(ended: Ended) -> Ended {
    match ended {
        Ended::EndOfFile => Ended::Progress,
        ended => ended,
    }
}
