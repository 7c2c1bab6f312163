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
