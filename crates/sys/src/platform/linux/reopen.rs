//! Linux: open(2) of /proc/self/fd.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno as NixErrno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat, makedev};
use sendfile64_core::Errno;

use crate::errno::number;
use crate::fd::{FileType, identify};
use crate::probe::{self, Feature};

const FLAGS: OFlag = OFlag::O_WRONLY
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_CLOEXEC);

pub(crate) fn reopen_for_writing(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    if let Some(errno) = probe::answer(Feature::Reopen) {
        return Err(errno);
    }
    let original = identify(fd)?;
    let is_fit = match original.kind {
        FileType::Fifo => true,
        FileType::Terminal => !is_master(fd)?,
        _ => false,
    };
    if !is_fit {
        return Err(number(NixErrno::EINVAL));
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let reopened = open(path.as_str(), FLAGS, Mode::empty()).map_err(number)?;
    let copy = identify(reopened.as_fd())?;
    // Whatever is mounted at /proc: bytes go to the same file or nowhere.
    if (copy.device, copy.inode) != (original.device, original.inode) {
        return Err(number(NixErrno::ENOENT));
    }
    probe::found(Feature::Reopen);
    Ok(reopened)
}

/// /dev/ptmx and the ptmx of every devpts: ptmx(4).
fn is_master(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    fstat(fd)
        .map(|stat| stat.st_rdev == makedev(5, 2))
        .map_err(number)
}
