//! FreeBSD and macOS have no question that a server need not answer.

use std::os::fd::BorrowedFd;

use sendfile64_core::Errno;

use super::{Known, Parting, Status, has_name, size, status};

pub(super) fn status_at_once(fd: BorrowedFd<'_>, _met: Option<Known>) -> Result<Status, Errno> {
    status(fd)
}

pub(super) fn identify(fd: BorrowedFd<'_>) -> Result<Status, Errno> {
    status(fd)
}

pub(super) fn parting(fd: BorrowedFd<'_>) -> Parting {
    Parting {
        size: size(fd).ok(),
        may_wait: has_name(fd) == Ok(false),
    }
}
