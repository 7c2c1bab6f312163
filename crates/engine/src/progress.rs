//! When a transfer's progress is reported.

use std::time::{Duration, Instant};

/// The reports of one transfer: at most one per interval, and none without news.
pub(crate) struct Progress {
    interval: Duration,
    /// Not before this time; `None` is later than the clock can express.
    due: Option<Instant>,
    reported: u64,
    /// The timer that is set for it.
    pub(crate) timer: Option<Instant>,
}

/// What to do about progress now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    /// There is no news.
    Nothing,
    /// There is news, too early; look again at this time.
    At(Instant),
    /// Report now.
    Report,
}

impl Progress {
    /// `None` for an interval of zero, which means no reports.
    pub(crate) fn new(interval: Duration, now: Instant) -> Option<Self> {
        let progress = Self {
            interval,
            due: now.checked_add(interval),
            reported: 0,
            timer: None,
        };
        (!interval.is_zero()).then_some(progress)
    }

    /// Whoever gets [`Tick::Report`] makes the report.
    pub(crate) fn check(&mut self, bytes_sent: u64, now: Instant) -> Tick {
        match self.due {
            Some(due) if bytes_sent != self.reported => {
                if now < due {
                    return Tick::At(due);
                }
                self.reported = bytes_sent;
                self.due = now.checked_add(self.interval);
                Tick::Report
            }
            _ => Tick::Nothing,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    #[test]
    fn reports_keep_their_distance_and_carry_news() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut progress = Progress::new(INTERVAL, start).expect("an interval");
        assert_eq!(progress.check(0, at(500)), Tick::Nothing);
        assert_eq!(progress.check(10, at(99)), Tick::At(at(100)));
        assert_eq!(progress.check(20, at(150)), Tick::Report);
        assert_eq!(progress.check(20, at(400)), Tick::Nothing);
        assert_eq!(progress.check(30, at(249)), Tick::At(at(250)));
        assert_eq!(progress.check(30, at(250)), Tick::Report);
    }

    #[test]
    fn no_interval_and_an_endless_one_report_nothing() {
        let start = Instant::now();
        assert!(Progress::new(Duration::ZERO, start).is_none());
        let mut endless = Progress::new(Duration::MAX, start).expect("an interval");
        assert_eq!(endless.check(10, start + INTERVAL), Tick::Nothing);
    }
}
