//! The token bucket: how many bytes may be sent now, and when more may be sent.

pub(crate) const SECOND: u128 = 1_000_000_000;

/// A limit: never more than `burst + per_second × t` bytes in the first `t` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Bytes per second; at least 1.
    pub per_second: u64,
    /// The size of the bucket: how many bytes may be sent at once; at least 1.
    pub burst: u64,
}

/// Tokens, counted in billionths of a byte: a nanosecond brings `per_second` of them, so nothing is ever rounded.
/// Times are nanoseconds of the executor's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    per_second: u64,
    capacity: u128,
    level: u128,
    /// Up to when the level has been counted.
    at: u64,
}

impl Bucket {
    /// A bucket that holds the burst. It has room for two grains at least: an attempt waits for one, executors wake up
    /// some milliseconds late, and what they miss has to fit.
    pub(crate) fn new(rate: Rate, now: u64) -> Self {
        let per_second = rate.per_second.max(1);
        let burst = tokens(rate.burst.max(1));
        Self {
            per_second,
            capacity: burst.max(tokens(2 * grain(per_second))),
            level: burst,
            at: now,
        }
    }

    /// How many bytes may go now.
    pub(crate) fn available(&self, now: u64) -> u64 {
        narrow(self.level_at(now) / SECOND)
    }

    /// What an attempt should have at least: fewer bytes would not be worth the call.
    pub(crate) fn grain(&self) -> u64 {
        grain(self.per_second)
    }

    /// When `bytes` may go, at most a grain of them.
    pub(crate) fn ready_at(&self, bytes: u64) -> u64 {
        let missing = tokens(bytes).saturating_sub(self.level);
        let wait = missing.div_ceil(u128::from(self.per_second));
        self.at.saturating_add(narrow(wait))
    }

    /// `bytes` have gone.
    pub(crate) fn take(&mut self, bytes: u64, now: u64) {
        self.level = self.level_at(now).saturating_sub(tokens(bytes));
        self.at = self.at.max(now);
    }

    fn level_at(&self, now: u64) -> u128 {
        let elapsed = now.saturating_sub(self.at);
        let gained = u128::from(elapsed) * u128::from(self.per_second);
        self.level.saturating_add(gained).min(self.capacity)
    }
}

/// A fiftieth of a second's worth.
pub(crate) fn grain(per_second: u64) -> u64 {
    (per_second / 50).max(1)
}

pub(crate) fn tokens(bytes: u64) -> u128 {
    u128::from(bytes) * SECOND
}

pub(crate) fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
