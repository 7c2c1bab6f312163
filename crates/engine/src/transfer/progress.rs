//! When a transfer's progress is reported.

use std::time::Duration;

use crate::clock::nanoseconds;

/// The reports of one transfer: at most one per interval, and none without news.
pub(crate) struct Progress {
    interval: u64,
    /// Not before this time.
    due: u64,
    reported: u64,
}

/// What to do about progress now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    /// No bytes since the last report.
    Nothing,
    /// There is news, too early; look again at this time.
    At(u64),
    /// Report now.
    Report,
}

impl Progress {
    /// `None` for an interval of zero, which means no reports.
    pub(crate) fn new(interval: Duration, now: u64) -> Option<Self> {
        let interval = nanoseconds(interval);
        let progress = Self {
            interval,
            due: now.saturating_add(interval),
            reported: 0,
        };
        (interval > 0).then_some(progress)
    }

    /// The caller makes the report if it receives [`Tick::Report`].
    pub(crate) fn check(&mut self, bytes_sent: u64, now: u64) -> Tick {
        if bytes_sent == self.reported {
            return Tick::Nothing;
        }
        if now < self.due {
            return Tick::At(self.due);
        }
        self.reported = bytes_sent;
        self.due = now.saturating_add(self.interval);
        Tick::Report
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    fn at(millis: u64) -> u64 {
        nanoseconds(Duration::from_millis(millis))
    }

    #[test]
    fn reports_keep_the_interval_and_need_new_bytes() {
        let mut progress = Progress::new(INTERVAL, 0).expect("an interval");
        assert_eq!(progress.check(0, at(500)), Tick::Nothing);
        assert_eq!(progress.check(10, at(99)), Tick::At(at(100)));
        assert_eq!(progress.check(20, at(150)), Tick::Report);
        assert_eq!(progress.check(20, at(400)), Tick::Nothing);
        assert_eq!(progress.check(30, at(249)), Tick::At(at(250)));
        assert_eq!(progress.check(30, at(250)), Tick::Report);
    }

    #[test]
    fn an_interval_of_zero_reports_nothing_and_an_endless_one_waits_forever() {
        assert!(Progress::new(Duration::ZERO, 0).is_none());
        let mut endless = Progress::new(Duration::MAX, at(1)).expect("an interval");
        assert_eq!(endless.check(10, at(1_000)), Tick::At(u64::MAX));
    }
}
