//! On which thread an attempt is made: the current one, or one that may wait for a disk. And what the attempt reveals about
//! residency.

use sendfile64_core::{Method, Transfer};
use sendfile64_sys::fs::page_cache::{self, Residency, Watch};

use crate::attempt::endpoints::Pair;
use crate::attempt::{Attempted, COPY_LIMIT, CopyBuffer, Step, run};

/// A step, and what is known of the pages that it reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedStep {
    pub(crate) step: Step,
    residency: Residency,
    /// Where its transfer has begun to read: all bytes from there to the step's have been read.
    start: u64,
}

/// What is known of the pages of one transfer's source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SourcePages {
    /// How often the system could not report residency.
    unknown: u32,
}

/// So often it is asked. Once more than once, because the first attempt may be what makes the filesystem known.
const MAX_PROBES: u32 = 2;

impl SourcePages {
    /// Looks where the pages of the step are.
    pub(crate) fn look(&mut self, transfer: &Transfer, pair: Pair<'_>, step: Step) -> PlacedStep {
        let residency = match reads(step) {
            None => Residency::Resident,
            Some((offset, count)) if self.unknown >= MAX_PROBES => {
                if page_cache::was_read_recently(pair.source, offset, count) {
                    Residency::Likely
                } else {
                    Residency::Unknown
                }
            }
            Some((offset, count)) => page_cache::residency(pair.source, offset, count),
        };
        if residency == Residency::Unknown {
            self.unknown = self.unknown.saturating_add(1);
        }
        PlacedStep {
            step,
            residency,
            start: transfer.next_offset().saturating_sub(transfer.bytes_sent()),
        }
    }
}

impl PlacedStep {
    /// A step that waits for a disk, independent of its source.
    pub(crate) fn on_disk(step: Step) -> Self {
        Self {
            step,
            residency: Residency::Absent,
            start: 0,
        }
    }

    /// Whether it could wait for a disk.
    pub(crate) fn may_wait(&self) -> bool {
        !self.residency.is_resident()
    }

    /// Makes the attempt on the current thread.
    pub(crate) fn make(self, pair: Pair<'_>, buffer: &mut CopyBuffer) -> Attempted {
        let read = reads(self.step);
        let watch = read.and_then(|_| Watch::begin(self.residency));
        let attempted = run(pair, self.step, buffer);
        if let (Some(watch), Some((offset, _))) = (watch, read) {
            watch.end(pair.source, self.start, offset, attempted.outcome.bytes);
        }
        attempted
    }
}

/// The bytes of the source that a step reads: from where on, and how many.
fn reads(step: Step) -> Option<(u64, u64)> {
    match step {
        Step::Attempt {
            method: Method::Copy,
            offset,
            count,
        } => Some((offset, count.min(COPY_LIMIT as u64))),
        Step::Attempt { offset, count, .. } => Some((offset, count)),
        Step::Drain { .. } | Step::Write { .. } => None,
    }
}
