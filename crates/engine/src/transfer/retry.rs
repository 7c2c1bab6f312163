//! When a destination is tried again without an event of the poller.
//!
//! The poller reports a change once (epoll(7), EPOLLET). A full destination changes when it is read. If the kernel rejects an
//! attempt for another reason, there may be no change, and the transfer would wait forever. The poller is therefore asked
//! once in every long wait, and a destination that is reported as writable but accepts nothing is tried again at increasing
//! intervals.

/// How long a wait lasts before the poller is asked, in nanoseconds. Faster readers cost no call.
const LONG_WAIT: u64 = 100_000_000;
/// The first pause before another attempt.
const FIRST_PAUSE: u64 = 10_000_000;
/// The longest pause: an attempt a second costs nothing.
const LONGEST_PAUSE: u64 = 1_000_000_000;

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Ask the poller whether the destination is writable.
    Ask,
    /// Make an attempt.
    Attempt,
}

pub(crate) struct Retry {
    /// How many bytes had been accepted when the destination was last said to be writable.
    writable_at: Option<u64>,
    /// How many had been when the wait began in which the poller is asked.
    waits_at: Option<u64>,
    pause: u64,
    next: Option<(u64, Due)>,
}

impl Retry {
    pub(crate) const fn new() -> Self {
        Self {
            writable_at: None,
            waits_at: None,
            pause: FIRST_PAUSE,
            next: None,
        }
    }

    /// The poller reports the destination as writable; it has accepted `accepted` bytes.
    pub(crate) fn writable(&mut self, accepted: u64) {
        self.writable_at = Some(accepted);
        self.next = None;
    }

    /// The transfer waits for the destination. Returns the time of the next action.
    pub(crate) fn waits(&mut self, accepted: u64, now: u64) -> Option<u64> {
        if self.writable_at == Some(accepted) {
            if self.next.is_none() {
                self.next = Some((now.saturating_add(self.pause), Due::Attempt));
                self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        } else if self.waits_at != Some(accepted) {
            self.waits_at = Some(accepted);
            self.pause = FIRST_PAUSE;
            self.next = Some((now.saturating_add(LONG_WAIT), Due::Ask));
        }
        self.next.map(|(time, _)| time)
    }

    /// What is to be done about it now; each thing once.
    pub(crate) fn due(&mut self, now: u64) -> Due {
        match self.next {
            Some((time, due)) if time <= now => {
                self.next = None;
                due
            }
            _ => Due::Nothing,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_poller_is_asked_once_in_a_long_wait() {
        let mut retry = Retry::new();
        assert_eq!(retry.waits(3, 7), Some(7 + LONG_WAIT));
        assert_eq!(
            retry.waits(3, 9),
            Some(7 + LONG_WAIT),
            "it is the same wait"
        );
        assert_eq!(retry.due(6 + LONG_WAIT), Due::Nothing);
        assert_eq!(retry.due(7 + LONG_WAIT), Due::Ask);
        assert_eq!(retry.due(u64::MAX), Due::Nothing);
        assert_eq!(retry.waits(3, 9), None, "it has been asked");
        assert_eq!(retry.waits(4, 9), Some(9 + LONG_WAIT), "another wait");
    }

    #[test]
    fn a_writable_destination_that_accepts_nothing_is_tried_at_growing_intervals() {
        let mut retry = Retry::new();
        retry.writable(0);
        assert_eq!(retry.waits(0, 5), Some(5 + FIRST_PAUSE));
        assert_eq!(
            retry.waits(0, 7),
            Some(5 + FIRST_PAUSE),
            "it waits for that time already"
        );
        assert_eq!(retry.due(4 + FIRST_PAUSE), Due::Nothing);
        assert_eq!(retry.due(5 + FIRST_PAUSE), Due::Attempt);
        assert_eq!(retry.waits(0, 0), Some(2 * FIRST_PAUSE));
        for _ in 0..20 {
            assert_eq!(retry.due(u64::MAX), Due::Attempt);
            retry.waits(0, 0);
        }
        assert_eq!(retry.waits(0, 0), Some(LONGEST_PAUSE));
        assert_eq!(retry.waits(1, 0), Some(LONG_WAIT), "it has taken a byte");
    }
}
