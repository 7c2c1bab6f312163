//! Linux: `ssize_t sendfile64(int out_fd, int in_fd, off64_t *offset, size_t count)`.
//!
//! An error comes alone: bytes that moved before it are returned as a short count, and the next call has the error.
#![expect(
    unsafe_code,
    reason = "numbers that may be closed cannot be a BorrowedFd"
)]

use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::sendfile::sendfile64;

use crate::call::sendfile::Answer;

pub(crate) fn sendfile(
    destination: BorrowedFd<'_>,
    source: BorrowedFd<'_>,
    offset: Option<i64>,
    count: usize,
) -> Answer {
    let mut offset = offset;
    answer(sendfile64(destination, source, offset.as_mut(), count).map(|bytes| bytes as u64))
}

pub(crate) fn sendfile_raw(
    out_fd: RawFd,
    in_fd: RawFd,
    offset: Option<i64>,
    count: usize,
) -> Answer {
    let mut offset = offset;
    let pointer = offset.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: `pointer` is NULL or points to `offset`, which outlives the call; the kernel checks both numbers.
    let bytes = unsafe { libc::sendfile64(out_fd, in_fd, pointer, count) };
    answer(Errno::result(bytes).map(|bytes| bytes as u64))
}

fn answer(result: Result<u64, Errno>) -> Answer {
    match result {
        Ok(bytes) => (bytes, Ok(())),
        Err(errno) => (0, Err(errno)),
    }
}
