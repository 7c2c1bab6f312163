//! Recent reads, whose pages are most likely in memory: for files whose residency the kernel does not report.
//!
//! Everything here follows from one fact: a page that has been sent has been in memory. What takes it away is a shortage
//! of memory, which an attempt that waited after all gives away ([`RecentReads::disappoint`]).

use std::collections::HashMap;

/// What is remembered is remembered in pieces of this size, in bytes.
pub(super) const CHUNK: u64 = 64 * 1024;

/// How long, in nanoseconds, at least; twice that at most.
const PERIOD: u64 = 5_000_000_000;

/// How long nothing is trusted after an attempt that was trusted has waited, in nanoseconds.
const DISTRUST_TIME: u64 = 1_000_000_000;

/// The chunks of one file that are remembered: those of its first 64 GiB.
const MOST_CHUNKS: u64 = 1 << 20;

/// The words of 64 chunks that one period may take: 1 MiB of memory.
const MOST_WORDS: usize = 1 << 17;

/// A file, by what fstat(2) says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct File {
    pub(super) device: u64,
    pub(super) inode: u64,
}

type Chunks = HashMap<File, Vec<u64>>;

/// The chunks that were read in this period and in the one before. Times are nanoseconds of a clock that never goes back.
#[derive(Default)]
pub(super) struct RecentReads {
    current: Chunks,
    previous: Chunks,
    words: usize,
    begun: u64,
    distrusted_until: u64,
}

impl RecentReads {
    /// Whether every byte from `first` to `last` was read lately.
    pub(super) fn covers(&mut self, file: File, first: u64, last: u64, now: u64) -> bool {
        self.turn(now);
        if now < self.distrusted_until {
            return false;
        }
        let (current, previous) = (self.current.get(&file), self.previous.get(&file));
        let has = |chunks: Option<&Vec<u64>>, chunk| {
            chunks.is_some_and(|words| {
                words
                    .get(word(chunk))
                    .is_some_and(|bits| bits & bit(chunk) != 0)
            })
        };
        last / CHUNK < MOST_CHUNKS
            && (first / CHUNK..=last / CHUNK)
                .all(|chunk| has(current, chunk) || has(previous, chunk))
    }

    /// The bytes from `first` up to `end` have been read; the file has `size`. A chunk counts when all of it has.
    pub(super) fn remember(&mut self, file: File, first: u64, end: u64, size: u64, now: u64) {
        self.turn(now);
        let chunks = if end >= size {
            end.div_ceil(CHUNK)
        } else {
            end / CHUNK
        };
        let first = first.div_ceil(CHUNK);
        if first >= chunks || chunks > MOST_CHUNKS {
            return;
        }
        let words = self.current.entry(file).or_default();
        let needed = word(chunks - 1) + 1;
        if needed > words.len() {
            self.words += needed - words.len();
            words.resize(needed, 0);
        }
        for chunk in first..chunks {
            if let Some(bits) = words.get_mut(word(chunk)) {
                *bits |= bit(chunk);
            }
        }
        if self.words > MOST_WORDS || self.current.len() > MOST_WORDS / 16 {
            self.begin(now);
        }
    }

    /// An attempt that was trusted has waited for a disk: memory is short, and what else was read may be gone as well.
    pub(super) fn distrust(&mut self, now: u64) {
        self.current.clear();
        self.previous.clear();
        self.words = 0;
        self.distrusted_until = now.saturating_add(DISTRUST_TIME);
    }

    fn turn(&mut self, now: u64) {
        let age = now.saturating_sub(self.begun);
        if age >= 2 * PERIOD {
            self.current.clear();
        }
        if age >= PERIOD {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: u64) {
        self.previous = std::mem::take(&mut self.current);
        self.words = 0;
        self.begun = now;
    }
}

fn word(chunk: u64) -> usize {
    usize::try_from(chunk / 64).unwrap_or(usize::MAX)
}

fn bit(chunk: u64) -> u64 {
    1 << (chunk % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: File = File {
        device: 1,
        inode: 2,
    };
    const SIZE: u64 = 10 * CHUNK + 1;

    #[test]
    fn what_was_read_is_covered_and_nothing_else() {
        let mut memory = RecentReads::default();
        assert!(!memory.covers(FILE, 0, 0, 0));
        memory.remember(FILE, CHUNK, 3 * CHUNK, SIZE, 0);
        assert!(memory.covers(FILE, CHUNK, 3 * CHUNK - 1, 0));
        assert!(memory.covers(FILE, CHUNK + 5, CHUNK + 5, 0));
        assert!(!memory.covers(FILE, CHUNK - 1, CHUNK, 0));
        assert!(!memory.covers(FILE, CHUNK, 3 * CHUNK, 0));
        let other = File { inode: 3, ..FILE };
        assert!(!memory.covers(other, CHUNK, CHUNK, 0));
    }

    #[test]
    fn a_chunk_counts_when_all_of_it_was_read() {
        let mut memory = RecentReads::default();
        memory.remember(FILE, 1, CHUNK, SIZE, 0);
        memory.remember(FILE, CHUNK, 2 * CHUNK - 1, SIZE, 0);
        assert!(!memory.covers(FILE, 0, 0, 0));
        assert!(!memory.covers(FILE, CHUNK, CHUNK, 0));
        memory.remember(FILE, 10 * CHUNK, SIZE, SIZE, 0);
        assert!(
            memory.covers(FILE, SIZE - 1, SIZE - 1, 0),
            "the last is short"
        );
    }

    #[test]
    fn a_chunk_is_forgotten_unless_it_is_read_again() {
        let mut memory = RecentReads::default();
        memory.remember(FILE, 0, SIZE, SIZE, 0);
        assert!(memory.covers(FILE, 0, SIZE - 1, PERIOD - 1));
        assert!(memory.covers(FILE, 0, SIZE - 1, PERIOD));
        memory.remember(FILE, 0, CHUNK, SIZE, PERIOD + 1);
        assert!(memory.covers(FILE, 0, SIZE - 1, 2 * PERIOD - 1));
        assert!(memory.covers(FILE, 0, CHUNK - 1, 2 * PERIOD));
        assert!(!memory.covers(FILE, 0, SIZE - 1, 2 * PERIOD));
        assert!(
            !memory.covers(FILE, 0, 0, 5 * PERIOD),
            "no question for a long time"
        );
    }

    #[test]
    fn after_a_read_that_waited_nothing_is_trusted_for_a_while() {
        let mut memory = RecentReads::default();
        memory.remember(FILE, 0, SIZE, SIZE, 0);
        memory.distrust(1);
        assert!(!memory.covers(FILE, 0, 0, 1));
        memory.remember(FILE, 0, CHUNK, SIZE, 2);
        assert!(!memory.covers(FILE, 0, 0, DISTRUST_TIME));
        assert!(memory.covers(FILE, 0, 0, DISTRUST_TIME + 1));
        assert!(!memory.covers(FILE, CHUNK, CHUNK, DISTRUST_TIME + 1));
    }

    #[test]
    fn its_size_is_bounded() {
        let mut memory = RecentReads::default();
        let huge = u64::MAX;
        memory.remember(FILE, huge - 2 * CHUNK, huge, huge, 0);
        assert_eq!(memory.words, 0, "beyond what is remembered of a file");
        for inode in 0..100_000 {
            let file = File { inode, ..FILE };
            memory.remember(file, 0, 100 * CHUNK, huge, 0);
            assert!(memory.words <= MOST_WORDS, "{inode}");
            assert!(memory.covers(file, 0, 100 * CHUNK - 1, 0));
        }
    }
}
