//! FreeBSD and macOS have no question to ask without mapping the file.

use std::os::fd::BorrowedFd;

use nix::errno::Errno as NixErrno;
use sendfile64_core::Errno;

use crate::fs::page_cache::Residency;

pub(crate) fn residency(_source: BorrowedFd<'_>, _offset: u64, _count: u64) -> Residency {
    Residency::Unknown
}

pub(crate) fn read_cached(
    _source: BorrowedFd<'_>,
    _buffer: &mut [u8],
    _offset: Option<u64>,
) -> Result<usize, Errno> {
    Err(Errno(NixErrno::EAGAIN as i32))
}

pub(crate) fn was_read_recently(_source: BorrowedFd<'_>, _offset: u64, _count: u64) -> bool {
    false
}

pub(crate) fn remember(_source: BorrowedFd<'_>, _start: u64, _first: u64, _end: u64) {}

pub(crate) fn distrust() {}

pub(crate) fn sleeps() -> Option<i64> {
    None
}
