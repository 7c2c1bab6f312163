//! An open file description of our own.

use std::os::fd::{BorrowedFd, OwnedFd};

use sendfile64_core::Errno;

use crate::platform;

/// A pipe, FIFO or terminal opened once more, to write to it without waiting, by open(2) of /proc/self/fd with
/// O_WRONLY, O_NONBLOCK, O_NOCTTY and O_CLOEXEC. O_NONBLOCK belongs to the open file description, which other processes
/// may share: the one that `fd` stands for stays as it is. Whether `fd` itself may be written to is not looked at
/// ([`crate::fd::flags`]).
///
/// # Errors
/// EINVAL for anything else than a pipe, FIFO or terminal, and for the master of a pseudoterminal, whose device makes a
/// new pair each time that it is opened. ENXIO for a FIFO without a reader. EACCES where this user may not open what
/// another user handed over. ENOENT without /proc. ENOSYS elsewhere than on Linux, and where
/// [`crate::probe::Feature::Reopen`] is forbidden.
pub fn reopen_for_writing(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    platform::reopen::reopen_for_writing(fd)
}
