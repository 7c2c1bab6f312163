//! FreeBSD: `int sendfile(int fd, int s, off_t offset, size_t nbytes, struct sf_hdtr *hdtr, off_t *sbytes, int flags)`.
//!
//! The count is valid with every error, and the kernel sets it even with EAGAIN. There is no NULL offset. SF_NODISKIO
//! is not used, so EBUSY does not come.
#![expect(
    unsafe_code,
    reason = "numbers that may be closed cannot be a BorrowedFd"
)]

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc::{self, off_t};
use nix::sys::sendfile::{self, SfFlags};

use crate::call::sendfile::Answer;
use crate::platform::position::at_position;

pub(crate) fn sendfile(
    destination: BorrowedFd<'_>,
    source: BorrowedFd<'_>,
    offset: Option<i64>,
    count: usize,
) -> Answer {
    let attempt = |offset| {
        let none = SfFlags::empty();
        let (result, bytes) = sendfile::sendfile(
            source,
            destination,
            offset,
            Some(count),
            None,
            None,
            none,
            0,
        );
        (bytes.unsigned_abs(), result)
    };
    from(source.as_raw_fd(), offset, count, attempt)
}

pub(crate) fn sendfile_raw(
    out_fd: RawFd,
    in_fd: RawFd,
    offset: Option<i64>,
    count: usize,
) -> Answer {
    let attempt = |offset| {
        let mut bytes: off_t = 0;
        // SAFETY: `bytes` outlives the call, no headers are passed, and the kernel checks both numbers.
        let result =
            unsafe { libc::sendfile(in_fd, out_fd, offset, count, ptr::null_mut(), &mut bytes, 0) };
        (bytes.unsigned_abs(), Errno::result(result).map(drop))
    };
    from(in_fd, offset, count, attempt)
}

fn from(
    source: RawFd,
    offset: Option<i64>,
    count: usize,
    attempt: impl FnOnce(off_t) -> Answer,
) -> Answer {
    match offset {
        // To this call a count of 0 means the whole file.
        _ if count == 0 => (0, Ok(())),
        Some(offset) => attempt(offset),
        None => at_position(source, attempt),
    }
}
