//! `offset: None` for systems whose sendfile(2) has no NULL offset and leaves the file position alone.
#![expect(
    unsafe_code,
    reason = "a number that may be closed cannot be a BorrowedFd"
)]

use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc::{self, off_t};

use crate::call::sendfile::Answer;

/// Makes `attempt` at the file position of `source`, then moves the position by the bytes that went.
/// Two users of one open file description would race here, as they do in the kernel of Linux.
pub(crate) fn at_position(source: RawFd, attempt: impl FnOnce(off_t) -> Answer) -> Answer {
    // SAFETY: lseek(2) touches no memory of this process; the kernel checks the number.
    let start = unsafe { libc::lseek(source, 0, libc::SEEK_CUR) };
    if let Err(errno) = Errno::result(start) {
        return (0, Err(errno));
    }
    let (bytes, result) = attempt(start);
    // SAFETY: as above. What could be read there can be stood at, so it does not fail.
    let _position =
        unsafe { libc::lseek(source, start.saturating_add_unsigned(bytes), libc::SEEK_SET) };
    (bytes, result)
}
