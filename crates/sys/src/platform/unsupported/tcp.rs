//! FreeBSD and macOS count by other names, which are not asked.

use std::os::fd::BorrowedFd;

use nix::libc::{self, c_int};
use sendfile64_core::Errno;

use crate::net::tcp::Unacknowledged;

pub(crate) const CORK: c_int = libc::TCP_NOPUSH;

pub(crate) fn is_multipath(_socket: BorrowedFd<'_>) -> bool {
    false
}

pub(crate) fn unacknowledged(_socket: BorrowedFd<'_>) -> Result<Option<Unacknowledged>, Errno> {
    Ok(None)
}
