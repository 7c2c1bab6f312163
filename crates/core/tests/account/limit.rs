//! The account of a rate: tokens in billionths of a byte, topped up whenever time passes.

use sendfile64_core::Rate;

const SECOND: u128 = 1_000_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Limit {
    per_second: u128,
    burst: u128,
    level: u128,
    elapsed: u128,
    gone: u128,
    /// When how many bytes went. The same level is reached in many ways, and a transfer remembers which.
    log: Vec<(u128, u128)>,
}

impl Limit {
    pub(super) fn new(rate: Rate) -> Self {
        let burst = u128::from(rate.burst.max(1));
        Self {
            per_second: u128::from(rate.per_second.max(1)),
            burst,
            level: burst * SECOND,
            elapsed: 0,
            gone: 0,
            log: Vec::new(),
        }
    }

    pub(super) fn pass(&mut self, nanoseconds: u64) {
        self.elapsed += u128::from(nanoseconds);
        let capacity = self.burst.max(2 * self.grain()) * SECOND;
        self.level = capacity.min(self.level + u128::from(nanoseconds) * self.per_second);
    }

    pub(super) fn take(&mut self, bytes: u128) {
        self.gone += bytes;
        self.log.push((self.elapsed, bytes));
        assert!(
            self.gone * SECOND <= self.burst * SECOND + self.per_second * self.elapsed,
            "more than burst + rate x time: {self:?}"
        );
        self.level -= bytes * SECOND;
    }

    pub(super) fn available(&self) -> u128 {
        self.level / SECOND
    }

    pub(super) fn grain(&self) -> u128 {
        (self.per_second / 50).max(1)
    }

    /// In how many nanoseconds `bytes` are available.
    pub(super) fn wait_for(&self, bytes: u128) -> u128 {
        (bytes * SECOND - self.level).div_ceil(self.per_second)
    }
}
