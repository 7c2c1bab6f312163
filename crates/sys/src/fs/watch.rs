//! Whether a read has waited for a disk after all.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::page_cache::Residency;
use crate::platform::page_cache as platform;

/// A read of pages that are in memory sleeps not at all, or briefly for a lock. A shorter sleep delays no other
/// transfer noticeably.
const WAIT: Duration = Duration::from_millis(1);

/// Watches one read: what it has read is remembered, and where it waited although it was not to, nothing is trusted for a
/// while.
#[derive(Debug)]
pub struct Watch {
    trusted: Option<Trusted>,
}

#[derive(Debug)]
struct Trusted {
    begun: Instant,
    sleeps: Option<i64>,
}

impl Watch {
    /// Call it before the read. `None` if there is nothing to learn, because the kernel has reported the residency.
    pub fn begin(residency: Residency) -> Option<Self> {
        match residency {
            Residency::Resident | Residency::Absent => None,
            Residency::Unknown => Some(Self { trusted: None }),
            Residency::Likely => Some(Self {
                trusted: Some(Trusted {
                    begun: Instant::now(),
                    sleeps: platform::sleeps(),
                }),
            }),
        }
    }

    /// Call it after the read, on the same thread: `bytes` have come from `offset` on, and before them, without a gap,
    /// those from `start` on.
    pub fn end(self, source: BorrowedFd<'_>, start: u64, offset: u64, bytes: u64) {
        if self.trusted.is_some_and(|trusted| trusted.has_waited()) {
            platform::distrust();
        } else if bytes > 0 {
            platform::remember(source, start, offset, offset.saturating_add(bytes));
        }
    }
}

impl Trusted {
    fn has_waited(&self) -> bool {
        self.begun.elapsed() >= WAIT && (self.sleeps.is_none() || platform::sleeps() > self.sleeps)
    }
}
