//! FreeBSD and macOS count by other names, which are not asked.

use std::os::fd::BorrowedFd;

use nix::libc::{self, c_int};
use sendfile64_core::Errno;

use super::Unacknowledged;

pub(super) const CORK: c_int = libc::TCP_NOPUSH;

pub(super) fn is_multipath(_socket: BorrowedFd<'_>) -> bool {
    false
}

pub(super) fn unacknowledged(_socket: BorrowedFd<'_>) -> Result<Option<Unacknowledged>, Errno> {
    Ok(None)
}
