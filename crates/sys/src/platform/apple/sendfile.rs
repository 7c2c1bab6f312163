//! macOS: `int sendfile(int fd, int s, off_t offset, off_t *len, struct sf_hdtr *hdtr, int flags)`.
//!
//! `len` is the count on the way in and the bytes moved on the way out. There is no NULL offset.
#![expect(
    unsafe_code,
    reason = "numbers that may be closed cannot be a BorrowedFd"
)]

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc::{self, off_t};
use nix::sys::sendfile;

use crate::call::sendfile::Answer;
use crate::platform::position::at_position;

pub(crate) fn sendfile(
    destination: BorrowedFd<'_>,
    source: BorrowedFd<'_>,
    offset: Option<i64>,
    count: usize,
) -> Answer {
    let attempt = |offset| {
        let (result, length) =
            sendfile::sendfile(source, destination, offset, Some(length(count)), None, None);
        answer(result, length)
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
        let mut length = length(count);
        // SAFETY: `length` outlives the call, no headers are passed, and the kernel checks both numbers.
        let result =
            unsafe { libc::sendfile(in_fd, out_fd, offset, &mut length, ptr::null_mut(), 0) };
        answer(Errno::result(result).map(drop), length)
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

fn answer(result: Result<(), Errno>, length: off_t) -> Answer {
    let bytes = match result {
        Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => length.unsigned_abs(),
        // Some errors return before the kernel writes the count back: it would be what was asked for.
        Err(_) => 0,
    };
    (bytes, result)
}

fn length(count: usize) -> off_t {
    off_t::try_from(count).unwrap_or(off_t::MAX)
}
