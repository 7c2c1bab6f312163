//! How long a destination may accept nothing, and how often the kernel is asked what the peer has acknowledged.

/// The first pause between two questions, in nanoseconds: a peer on the same network answers within a millisecond.
const FIRST_PAUSE: u64 = 1_000_000;
/// The longest pause: a peer may hold an acknowledgement back for 40 ms (tcp(7), TCP_QUICKACK).
const LONGEST_PAUSE: u64 = 50_000_000;

/// How often a destination is looked at within the timeout: so much later, at most, is a stall noticed.
const CHECKS_PER_TIMEOUT: u64 = 4;

/// The clock of a stall: it runs while the destination takes nothing that it is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StallTimer {
    timeout: Option<u64>,
    since: Option<u64>,
    last: Option<Observation>,
}

/// What the destination was seen to owe, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Observation {
    owed: u64,
    at: u64,
}

impl StallTimer {
    pub(crate) const fn new(timeout: Option<u64>) -> Self {
        Self {
            timeout,
            since: None,
            last: None,
        }
    }

    /// The destination takes nothing from now on, or has moved on with what it had accepted before.
    pub(crate) fn restart(&mut self, now: u64) {
        self.since = Some(now);
    }

    /// The destination takes nothing still, or from now on.
    pub(crate) fn start(&mut self, now: u64) {
        self.since = self.since.or(Some(now));
    }

    /// The destination accepts bytes again.
    pub(crate) fn stop(&mut self) {
        self.since = None;
        self.last = None;
    }

    /// The destination still holds `owed`, in a unit that changes as it passes bytes on. A destination whose figure
    /// changes has not stalled.
    pub(crate) fn observe(&mut self, owed: u64, now: u64) {
        if self.last.is_some_and(|before| before.owed != owed) {
            self.since = Some(now);
        }
        self.last = Some(Observation { owed, at: now });
    }

    /// When the destination is to be looked at again, or has stalled.
    pub(crate) fn next(&self) -> Option<u64> {
        let deadline = self.deadline()?;
        let pause = (self.timeout? / CHECKS_PER_TIMEOUT).max(1);
        Some(
            self.last
                .map_or(deadline, |last| last.at.saturating_add(pause).min(deadline)),
        )
    }

    /// When it has run for too long.
    pub(crate) fn deadline(&self) -> Option<u64> {
        Some(self.since?.saturating_add(self.timeout?))
    }

    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline)
    }
}

/// When the peer is asked next, and what it owed last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckPoll {
    at: u64,
    pause: u64,
    pending: u64,
    /// When it owed that.
    since: u64,
}

impl AckPoll {
    /// Ask at once.
    pub(crate) const fn new(now: u64) -> Self {
        Self {
            at: now,
            pause: FIRST_PAUSE,
            pending: u64::MAX,
            since: now,
        }
    }

    pub(crate) const fn at(&self) -> u64 {
        self.at
    }

    /// `pending` is still owed. Returns whether that is less than before.
    ///
    /// The next question comes when the peer, at its pace, will have acknowledged the rest; to a peer that stands still
    /// less and less often.
    pub(crate) fn answered(&mut self, pending: u64, now: u64) -> bool {
        let acknowledged = self.pending.saturating_sub(pending);
        let took = u128::from(now.saturating_sub(self.since));
        let rest = (took * u128::from(pending)).checked_div(u128::from(acknowledged));
        let pause = rest.map_or(self.pause.saturating_mul(2), |rest| {
            u64::try_from(rest).unwrap_or(LONGEST_PAUSE)
        });
        self.pause = pause.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.pending = pending;
        self.since = now;
        self.at = now.saturating_add(self.pause);
        acknowledged > 0
    }
}
