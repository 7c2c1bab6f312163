//! An open file description of our own.

use std::os::fd::{BorrowedFd, OwnedFd};

use sendfile64_core::Errno;

/// A pipe, FIFO or terminal opened once more, to write to it without waiting, by open(2) of /proc/self/fd with
/// O_WRONLY, O_NONBLOCK, O_NOCTTY and O_CLOEXEC. O_NONBLOCK belongs to the open file description, which other processes
/// may share: the one that `fd` stands for stays as it is. Whether `fd` itself may be written to is not looked at
/// ([`crate::fd::flags`]).
///
/// # Errors
/// EINVAL for anything else than a pipe, FIFO or terminal, and for the master of a pseudoterminal, whose device makes a
/// new pair each time that it is opened. ENXIO for a FIFO that nobody reads. EACCES where this user may not open what
/// another user handed over. ENOENT without /proc. ENOSYS elsewhere than on Linux, and where
/// [`crate::probe::Feature::Reopen`] is forbidden.
pub fn reopen_for_writing(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    platform::reopen_for_writing(fd)
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{BorrowedFd, Errno, OwnedFd};

    pub(super) fn reopen_for_writing(_fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
        Err(Errno(nix::errno::Errno::ENOSYS as i32))
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::os::fd::{AsFd, AsRawFd};

    use nix::errno::Errno as NixErrno;
    use nix::fcntl::{OFlag, open};
    use nix::sys::stat::{Mode, fstat, makedev};

    use super::{BorrowedFd, Errno, OwnedFd};
    use crate::errno::number;
    use crate::fd::{Kind, identify};
    use crate::probe::{self, Feature};

    const FLAGS: OFlag = OFlag::O_WRONLY
        .union(OFlag::O_NONBLOCK)
        .union(OFlag::O_NOCTTY)
        .union(OFlag::O_CLOEXEC);

    pub(super) fn reopen_for_writing(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
        if let Some(errno) = probe::answer(Feature::Reopen) {
            return Err(errno);
        }
        let original = identify(fd)?;
        let is_fit = match original.kind {
            Kind::Fifo => true,
            Kind::Terminal => !is_master(fd)?,
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
}
