//! The limits of a transfer's speed: a shared maximum rate, and the least rate that is accepted.

use sendfile64_core::LeastRate;

/// A rate that a transfer shares with others. Dropped, it keeps nothing from them.
pub trait Limit: Send {
    /// How many of `wanted` bytes (at least 1) may go now, at least 1. They count as gone.
    ///
    /// # Errors
    ///
    /// None may: how many nanoseconds to wait before asking again; a change of the rate can end that wait.
    fn admit(&mut self, wanted: u64) -> Result<u64, u64>;
    /// Bytes that were admitted did not go.
    fn give_back(&mut self, bytes: u64);
}

/// The limits of one transfer; none by default.
#[derive(Default)]
pub struct Limits {
    /// The rate that it shares.
    pub shared: Option<Box<dyn Limit>>,
    /// What its destination has to take at least.
    pub least: Option<LeastRate>,
}

/// A shared rate, and the bytes that it has admitted for the next attempt.
pub(crate) struct Metered {
    limit: Box<dyn Limit>,
    admitted: u64,
}

impl Metered {
    pub(crate) fn new(limit: Box<dyn Limit>) -> Self {
        Self { limit, admitted: 0 }
    }

    /// Whether an attempt of up to `wanted` bytes may be made; else how many nanoseconds to wait.
    pub(crate) fn admit(&mut self, wanted: u64) -> Result<(), u64> {
        if self.admitted == 0 {
            self.admitted = self.limit.admit(wanted)?;
        }
        Ok(())
    }

    /// The most bytes that the next attempt may move.
    pub(crate) fn admitted(&self) -> u64 {
        self.admitted
    }

    /// An attempt has moved `bytes`.
    pub(crate) fn used(&mut self, bytes: u64) {
        let left = std::mem::take(&mut self.admitted).saturating_sub(bytes);
        if left > 0 {
            self.limit.give_back(left);
        }
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.used(0);
    }
}
