//! Opening a file to read, with and without leave to wait for a disk.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod platform;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno as NixErrno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use sendfile64_core::Errno;

use crate::descriptor::{self, Filesystem, Kind, Known, Status};
use crate::errno::number;

/// O_NONBLOCK: a FIFO without a writer opens at once. O_NOCTTY: a terminal does not become ours.
const FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_CLOEXEC)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY);

/// Opens `path` only if no disk is needed to find it: openat2(2) with RESOLVE_CACHED (Linux 5.12).
///
/// # Errors
/// EAGAIN where the walk would have to wait, the kernel gives the reason only to a walk that may (ENOTDIR is such), or
/// this system cannot ask: try [`open`] on a thread that may wait. Otherwise the errors of open(2).
pub fn open_cached(path: &Path) -> Result<OwnedFd, Errno> {
    platform::open_cached(path)
}

/// [`open_cached`] of a regular file on a filesystem of this machine, with what fstat(2) says of it. Nothing else is
/// opened: for a FIFO, a device or a FUSE file that is an event that others see.
///
/// # Errors
/// Those of [`open_cached`]; EAGAIN also for anything else than such a file.
pub fn open_file_cached(path: &Path) -> Result<(OwnedFd, Status), Errno> {
    let found = platform::find_cached(path)?;
    let Status { device, inode, .. } = file_status(found.as_fd(), None)?;
    let file = open_cached(path)?;
    // Once more: the name may stand for another file by now.
    let status = file_status(file.as_fd(), Some(Known { device, inode }))?;
    Ok((file, status))
}

fn file_status(fd: BorrowedFd<'_>, known: Option<Known>) -> Result<Status, Errno> {
    let status = descriptor::status_again(fd, known)?;
    match (status.kind, status.filesystem) {
        (Kind::Regular, Filesystem::Ordinary) => Ok(status),
        _ => Err(number(NixErrno::EAGAIN)),
    }
}

/// The same open as [`open_cached`], allowed to wait for a disk: one open(2).
///
/// # Errors
/// Those of open(2); EINVAL for a path with a NUL byte.
pub fn open(path: &Path) -> Result<OwnedFd, Errno> {
    nix::fcntl::open(path, FLAGS, Mode::empty()).map_err(number)
}
