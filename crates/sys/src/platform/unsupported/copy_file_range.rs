//! FreeBSD 13 has the call and macOS has not; neither is asked.

use std::os::fd::BorrowedFd;

use nix::errno::Errno as NixErrno;
use sendfile64_core::{Ended, Errno, Outcome};

use crate::attempt::nothing;

const ENOSYS: Errno = Errno(NixErrno::ENOSYS as i32);

pub(crate) fn copy_file_range(
    _source: BorrowedFd<'_>,
    _offset: Option<u64>,
    _destination: BorrowedFd<'_>,
    _count: u64,
) -> Outcome {
    nothing(Ended::Refused(ENOSYS))
}

pub(crate) fn missing() -> Option<Errno> {
    Some(ENOSYS)
}
