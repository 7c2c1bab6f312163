//! FreeBSD and macOS have no question to ask without mapping the file.

use std::os::fd::BorrowedFd;

use nix::errno::Errno as NixErrno;
use sendfile64_core::Errno;

use super::Residency;

pub(super) fn residency(_source: BorrowedFd<'_>, _offset: u64, _count: u64) -> Residency {
    Residency::Unknown
}

pub(super) fn read_cached(
    _source: BorrowedFd<'_>,
    _buffer: &mut [u8],
    _offset: Option<u64>,
) -> Result<usize, Errno> {
    Err(Errno(NixErrno::EAGAIN as i32))
}

pub(super) fn was_read_lately(_source: BorrowedFd<'_>, _offset: u64, _count: u64) -> bool {
    false
}

pub(super) fn remember(_source: BorrowedFd<'_>, _start: u64, _first: u64, _end: u64) {}

pub(super) fn disappoint() {}

pub(super) fn sleeps() -> Option<i64> {
    None
}
