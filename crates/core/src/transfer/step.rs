//! The next op: headers, then the range, then trailers. A pipe is drained before it is filled again.

use super::{MAX_OFFSET, PartProgress, Transfer};
use crate::op::{Op, Part, Wait};

impl Transfer {
    /// The step of a transfer that waits for nothing but its limit.
    pub(super) fn next_step(&self, now: u64) -> Op {
        if self.headers.left() > 0 {
            let more = if self.range_is_done() {
                self.trailers.length > 0
            } else {
                matches!(self.attempt(now), Op::Attempt { .. })
            };
            return write(Part::Headers, self.headers, more);
        }
        if self.piped > 0 {
            return self.drain();
        }
        if self.range_is_done() {
            return write(Part::Trailers, self.trailers, false);
        }
        self.attempt(now)
    }

    fn drain(&self) -> Op {
        let last = self.count == Some(self.sent + self.piped) && self.trailers.length == 0;
        Op::Drain {
            count: self.piped,
            // What a limit keeps back must not keep back what is here.
            more: !last && self.count.is_some() && self.bucket.is_none(),
        }
    }

    /// The next bytes of the range, or the time until the limit allows them.
    fn attempt(&self, now: u64) -> Op {
        let room = MAX_OFFSET.saturating_sub(self.next_offset());
        let left = self.count.map_or(room, |count| room.min(count - self.sent));
        let mut count = self.stride.size().min(left);
        if let Some(bucket) = self.bucket {
            let least = bucket.grain().min(count);
            count = count.min(bucket.available(now));
            if count < least {
                return Op::Wait(Wait {
                    readiness: None,
                    until: Some(bucket.ready_at(least)),
                });
            }
        }
        Op::Attempt {
            method: self.ladder.method(),
            offset: self.next_offset(),
            count,
        }
    }
}

fn write(part: Part, bytes: PartProgress, more: bool) -> Op {
    Op::Write {
        part,
        from: bytes.sent,
        count: bytes.left(),
        more,
    }
}
