//! The number of bytes that one attempt requests. An attempt cannot be interrupted: an abort waits for its end, and so do
//! the other transfers of the thread.

use crate::request::{DEFAULT_QUANTUM, MAX_ATTEMPT};

/// How long an attempt may take, in nanoseconds, before the next one asks for less.
const LONGEST: u64 = 100_000_000;
/// The bytes of an attempt however slow the source is. Even at 1 MiB a second it takes less than [`LONGEST`].
const LEAST: u64 = 64 << 10;
/// The size of the first attempt, whose duration is not known yet.
const FIRST: u64 = DEFAULT_QUANTUM;
/// The bytes of an attempt however fast the last one was. The next one may be slower, because the page cache ends before
/// the file does, or because the kernel makes a writer wait for its disk. Calls of 4 MiB are as fast as one of 2 GiB
/// (measured for openjdk/jdk#3476).
const MOST: u64 = 4 << 20;

/// The size of the next attempt, which never exceeds the quantum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stride {
    limit: u64,
    size: u64,
}

impl Stride {
    pub(crate) fn new(quantum: u64) -> Self {
        let limit = quantum.clamp(1, MAX_ATTEMPT).min(MOST);
        Self {
            limit,
            size: limit.min(FIRST),
        }
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// An attempt has moved `bytes` in `nanoseconds`.
    pub(crate) fn took(&mut self, bytes: u64, nanoseconds: u64) {
        if nanoseconds > LONGEST {
            let in_time = u128::from(bytes) * u128::from(LONGEST) / u128::from(nanoseconds);
            let in_time = u64::try_from(in_time).unwrap_or(self.size);
            self.size = in_time.max(LEAST).min(self.size);
        } else if bytes >= self.size && nanoseconds <= LONGEST / 2 {
            self.size = self.size.saturating_mul(2).min(self.limit);
        }
    }
}
