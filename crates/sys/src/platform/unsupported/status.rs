//! FreeBSD and macOS have no question that a server need not answer.

use std::os::fd::BorrowedFd;

use nix::sys::stat::fstat;
use sendfile64_core::Errno;

use crate::fd::{CloseInfo, KnownFile, Status, status, unsigned};

pub(crate) fn status_at_once(fd: BorrowedFd<'_>, _met: Option<KnownFile>) -> Result<Status, Errno> {
    status(fd)
}

pub(crate) fn identify(fd: BorrowedFd<'_>) -> Result<Status, Errno> {
    status(fd)
}

pub(crate) fn is_local(_fd: BorrowedFd<'_>) -> bool {
    true
}

pub(crate) fn close_info(fd: BorrowedFd<'_>) -> CloseInfo {
    match fstat(fd) {
        Ok(stat) => CloseInfo {
            size: Some(unsigned(stat.st_size)),
            may_wait: stat.st_nlink == 0,
        },
        Err(_) => CloseInfo {
            size: None,
            may_wait: true,
        },
    }
}
