//! The time of planners and timers: nanoseconds since the process first asked.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time now. It never goes back; 2^64 nanoseconds are 584 years.
pub fn now() -> u64 {
    nanoseconds(START.elapsed())
}

/// A duration in the clock's unit.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
