//! One attempt: from what the planner asks for to what came of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use sendfile64_core::{Ended, Method, Op, Outcome, Transfer};
use sendfile64_sys::probe::{self, Availability, Feature};
use sendfile64_sys::{copy, descriptor, page_cache, sendfile};

use crate::command::Call;
use crate::sync::{AtomicBool, Ordering};

/// The most bytes one attempt copies: what fits the buffer that each thread keeps for it.
const COPY_LIMIT: usize = 128 * 1024;

/// The two descriptors of a transfer. Shared with the cold pool while an attempt is there.
pub(crate) struct Ends {
    destination: OwnedFd,
    source: Arc<OwnedFd>,
    own_position: bool,
    abandoned: AtomicBool,
}

/// An [`Op::Attempt`](sendfile64_core::Op::Attempt), as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) method: Method,
    pub(crate) offset: u64,
    pub(crate) count: u64,
}

impl Attempt {
    /// What the planner asks for, if it asks for an attempt.
    pub(crate) fn next(transfer: &Transfer) -> Option<Self> {
        match transfer.poll_op() {
            Op::Attempt {
                method,
                offset,
                count,
            } => Some(Self {
                method,
                offset,
                count,
            }),
            Op::Wait(_) | Op::Finish(_) => None,
        }
    }
}

/// What came of an attempt, and how many system calls it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempted {
    pub(crate) outcome: Outcome,
    pub(crate) syscalls: u64,
    /// The call that ended it.
    pub(crate) call: Call,
}

impl Ends {
    pub(crate) fn new(destination: OwnedFd, source: Arc<OwnedFd>, own_position: bool) -> Self {
        Self {
            destination,
            source,
            own_position,
            abandoned: AtomicBool::new(false),
        }
    }

    pub(crate) fn destination(&self) -> BorrowedFd<'_> {
        self.destination.as_fd()
    }

    /// The transfer was given up: an attempt that another thread has not begun yet is not made.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// The two descriptors, for an attempt.
    pub(crate) fn pair(&self) -> Pair<'_> {
        Pair {
            destination: self.destination.as_fd(),
            source: self.source.as_fd(),
            own_position: self.own_position,
        }
    }
}

/// What an attempt moves bytes between.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub(crate) destination: BorrowedFd<'a>,
    pub(crate) source: BorrowedFd<'a>,
    pub(crate) own_position: bool,
}

impl Pair<'_> {
    /// Whether the pages that the attempt reads are in memory.
    pub(crate) fn residency(self, attempt: Attempt) -> page_cache::Residency {
        let count = match attempt.method {
            Method::Sendfile => attempt.count,
            Method::Copy => attempt.count.min(COPY_LIMIT as u64),
        };
        page_cache::residency(self.source, attempt.offset, count)
    }
}

/// Makes the attempt, on whatever thread this is.
pub(crate) fn run(pair: Pair<'_>, attempt: Attempt, buffer: &mut CopyBuffer) -> Attempted {
    match attempt.method {
        Method::Sendfile => by_sendfile(pair, attempt),
        Method::Copy => by_copy(pair, attempt, buffer),
    }
}

fn by_sendfile(pair: Pair<'_>, attempt: Attempt) -> Attempted {
    // A call known to be missing is refused without being made.
    let made = probe::availability(Feature::Sendfile) != Availability::Unavailable;
    let offset = (!pair.own_position).then_some(attempt.offset);
    let outcome = sendfile::sendfile(pair.destination, pair.source, offset, attempt.count);
    Attempted {
        outcome,
        syscalls: u64::from(made),
        call: Call::Sendfile,
    }
}

/// Bytes that were read and not accepted are forgotten here and read again by a later attempt: the account knows
/// accepted bytes only, and a fallback or an abort in between finds nothing left over.
fn by_copy(pair: Pair<'_>, attempt: Attempt, buffer: &mut CopyBuffer) -> Attempted {
    let room = buffer.of(attempt.count);
    let read = copy::read(pair.source, Some(attempt.offset), room);
    if read.ended != Ended::Progress {
        return Attempted {
            outcome: Outcome {
                bytes: 0,
                ended: read.ended,
            },
            syscalls: 1,
            call: Call::Read,
        };
    }
    let length = usize::try_from(read.bytes).map_or(room.len(), |bytes| bytes.min(room.len()));
    let outcome = copy::send(pair.destination, &room[..length]);
    if pair.own_position {
        // pread(2) left the position alone. Seeking inside an open regular file does not fail (lseek(2)).
        let _ = descriptor::set_position(pair.source, attempt.offset + outcome.bytes);
    }
    Attempted {
        outcome,
        syscalls: 2,
        call: Call::Send,
    }
}

/// The memory that copied bytes pass through; none until the first copy.
#[derive(Default)]
pub(crate) struct CopyBuffer {
    bytes: Vec<u8>,
}

impl CopyBuffer {
    /// Room for `count` bytes, or for as many as one attempt may copy.
    fn of(&mut self, count: u64) -> &mut [u8] {
        let length = usize::try_from(count).map_or(COPY_LIMIT, |count| count.min(COPY_LIMIT));
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
        &mut self.bytes[..length]
    }
}
