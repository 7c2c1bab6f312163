//! FreeBSD and macOS: the capacity of a pipe can be neither set nor read.

use std::os::fd::BorrowedFd;

/// The initial capacity of a pipe (PIPE_SIZE of sys/pipe.h).
const DEFAULT: u64 = 16 << 10;

pub(crate) fn resized(_pipe: BorrowedFd<'_>, _capacity: u64) -> u64 {
    DEFAULT
}
