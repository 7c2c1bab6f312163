//! Detects a destination that makes progress, but is slower than the least rate.

/// How many slices a window has: so much of it is how late a destination is given up at most.
const SLICES: usize = 8;

/// Watches that a destination takes at least this number of bytes per second, on average over the last window.
///
/// Only time counts in which the destination was waited for: what a slow source or a limit takes is not its fault.
/// Times are nanoseconds of the executor's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastRate {
    per_second: u64,
    slice: u64,
    /// Time of waits that belongs to the current slice.
    waited: u64,
    /// Since when the destination is waited for.
    since: Option<u64>,
    /// What it had taken at the end of each of the last slices, and before them; oldest at `next` once it is full.
    marks: [i64; SLICES + 1],
    next: usize,
    filled: usize,
}

impl LeastRate {
    /// `per_second` bytes over `window` nanoseconds; both at least 1.
    pub const fn new(per_second: u64, window: u64) -> Self {
        let slice = window / SLICES as u64;
        Self {
            per_second: if per_second == 0 { 1 } else { per_second },
            slice: if slice == 0 { 1 } else { slice },
            waited: 0,
            since: None,
            marks: [0; SLICES + 1],
            next: 0,
            filled: 0,
        }
    }

    /// The destination is waited for. `taken`: the bytes that have left for the peer so far, on any scale that is kept.
    pub fn wait_begins(&mut self, taken: i64, now: u64) {
        if self.filled == 0 {
            self.mark(taken);
        }
        self.since = self.since.or(Some(now));
    }

    /// It is no longer waited for.
    pub fn wait_ends(&mut self, taken: i64, now: u64) {
        self.count(taken, now);
        self.since = None;
    }

    /// When to ask [`Self::is_below`] next, while the destination is waited for.
    pub fn due(&self) -> Option<u64> {
        Some(self.since?.saturating_add(self.slice - self.waited))
    }

    /// Whether the destination has taken too little in a whole window.
    pub fn is_below(&mut self, taken: i64, now: u64) -> bool {
        self.count(taken, now);
        if self.filled <= SLICES {
            return false;
        }
        let oldest = self.marks[self.next];
        let taken = i128::from(taken) - i128::from(oldest);
        let window = u128::from(self.slice) * SLICES as u128;
        let least = u128::from(self.per_second) * window / 1_000_000_000;
        taken < i128::try_from(least).unwrap_or(i128::MAX)
    }

    /// Enters the time of the wait up to now.
    fn count(&mut self, taken: i64, now: u64) {
        let Some(since) = self.since else { return };
        self.waited += now.saturating_sub(since);
        self.since = Some(since.max(now));
        let whole = self.waited / self.slice;
        self.waited %= self.slice;
        for _ in 0..whole.min(SLICES as u64 + 1) {
            self.mark(taken);
        }
    }

    fn mark(&mut self, taken: i64) {
        self.marks[self.next] = taken;
        self.next = (self.next + 1) % self.marks.len();
        self.filled = (self.filled + 1).min(self.marks.len());
    }
}
