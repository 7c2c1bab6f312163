//! The token bucket: how many bytes may go now, and when the next ones may.

const SECOND: u128 = 1_000_000_000;

/// A limit: never more than `burst + per_second × t` bytes in the first `t` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Bytes per second; at least 1.
    pub per_second: u64,
    /// Bytes that go unthrottled first; at least 1.
    pub burst: u64,
}

/// Tokens, one for each byte. Times are nanoseconds of the executor's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    per_second: u64,
    capacity: u64,
    level: u64,
    /// Up to when the level has been counted.
    at: u64,
}

impl Bucket {
    /// A full bucket. It never holds less than one grain: executors wake up with the precision of milliseconds, and a
    /// smaller bucket would overflow before they do.
    pub(crate) fn new(rate: Rate, now: u64) -> Self {
        let per_second = rate.per_second.max(1);
        let burst = rate.burst.max(1);
        Self {
            per_second,
            capacity: burst.max(grain(per_second)),
            level: burst,
            at: now,
        }
    }

    /// How many bytes may go now.
    pub(crate) fn available(&self, now: u64) -> u64 {
        self.refilled(now).level
    }

    /// What an attempt should have at least: fewer bytes would not be worth the call.
    pub(crate) fn grain(&self) -> u64 {
        grain(self.per_second).min(self.capacity)
    }

    /// When `bytes` may go, at most the capacity of them.
    pub(crate) fn ready_at(&self, bytes: u64) -> u64 {
        let missing = bytes.min(self.capacity).saturating_sub(self.level);
        let wait = (u128::from(missing) * SECOND).div_ceil(u128::from(self.per_second));
        self.at.saturating_add(narrow(wait))
    }

    /// `bytes` have gone.
    pub(crate) fn take(&mut self, bytes: u64, now: u64) {
        *self = self.refilled(now);
        self.level = self.level.saturating_sub(bytes);
    }

    fn refilled(&self, now: u64) -> Self {
        let elapsed = u128::from(now.saturating_sub(self.at));
        let gained = elapsed * u128::from(self.per_second) / SECOND;
        let level = u128::from(self.level) + gained;
        if level >= u128::from(self.capacity) {
            return Self {
                level: self.capacity,
                at: self.at.max(now),
                ..*self
            };
        }
        // Only the time that whole bytes took is counted: the rest of it makes the next byte.
        let counted = (gained * SECOND).div_ceil(u128::from(self.per_second));
        Self {
            level: narrow(level),
            at: self.at.saturating_add(narrow(counted)),
            ..*self
        }
    }
}

/// A fiftieth of a second's worth.
fn grain(per_second: u64) -> u64 {
    (per_second / 50).max(1)
}

fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
