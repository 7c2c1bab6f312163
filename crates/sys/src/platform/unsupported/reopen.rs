//! FreeBSD and macOS cannot open a descriptor once more by its number.

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno as NixErrno;
use sendfile64_core::Errno;

pub(crate) fn reopen_for_writing(_fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    Err(Errno(NixErrno::ENOSYS as i32))
}
