//! FreeBSD and macOS have no such call.

use std::os::fd::BorrowedFd;

use nix::errno::Errno as NixErrno;
use sendfile64_core::{Ended, Errno, Outcome};

use crate::attempt::nothing;

const ENOSYS: Errno = Errno(NixErrno::ENOSYS as i32);

pub(crate) fn splice(
    _source: BorrowedFd<'_>,
    _offset: Option<u64>,
    _destination: BorrowedFd<'_>,
    _count: u64,
    _more: bool,
) -> Outcome {
    nothing(Ended::Refused(ENOSYS))
}

pub(crate) fn missing() -> Option<Errno> {
    Some(ENOSYS)
}
