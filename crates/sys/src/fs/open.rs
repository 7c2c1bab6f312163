//! Opening a file to read, with and without leave to wait for a disk.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno as NixErrno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use sendfile64_core::Errno;

use super::Filesystem;
use crate::errno::number;
use crate::fd::{self, FileType, Status};
use crate::platform;

/// O_NONBLOCK: a FIFO without a writer opens at once. O_NOCTTY: a terminal does not become ours.
pub(crate) const FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_CLOEXEC)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY);

/// Opens `path` only if neither a disk nor the server of a remote filesystem is needed: openat2(2) with RESOLVE_CACHED
/// (Linux 5.12). If this process sees mounts that may have a server, the target of the path is checked before it is
/// opened. The status is that of the checked target; a caller that has to exclude a rename in between compares.
///
/// # Errors
/// EAGAIN if the open would wait, if the kernel gives the reason only to a walk that may wait (ENOTDIR is one), or if
/// this system has no such open: call [`open`] on a thread that may wait. Otherwise the errors of open(2).
pub fn open_cached(path: &Path) -> Result<(OwnedFd, Status), Errno> {
    if let Some(opened) = platform::open::open_local(path) {
        let file = opened?;
        let status = fd::status_at_once(file.as_fd(), None)?;
        return Ok((file, status));
    }
    let named = platform::open::find_cached(path)?;
    let found = fd::status_at_once(named.as_fd(), None)?;
    if found.kind == FileType::Regular {
        return Ok((platform::open::open_cached(path)?, found));
    }
    if !fd::is_local(named.as_fd()) {
        return Err(number(NixErrno::EAGAIN)); // to open a directory asks its server as well
    }
    let file = platform::open::open_cached(path)?;
    // Only what is open says whether it is a terminal.
    let status = fd::status_at_once(file.as_fd(), None)?;
    Ok((file, status))
}

/// [`open_cached`] of a regular file on an ordinary filesystem. Nothing else is opened: for a FIFO or a device that is an
/// event that others see.
///
/// # Errors
/// Those of [`open_cached`]; EAGAIN also for anything else than such a file.
pub fn open_file_cached(path: &Path) -> Result<(OwnedFd, Status), Errno> {
    let found = platform::open::find_cached(path)?;
    let status = fd::status_at_once(found.as_fd(), None)?;
    match (status.kind, status.filesystem) {
        (FileType::Regular, Filesystem::Ordinary) => {
            Ok((platform::open::open_cached(path)?, status))
        }
        _ => Err(number(NixErrno::EAGAIN)),
    }
}

/// The same open as [`open_cached`], allowed to wait for a disk and for a server.
///
/// # Errors
/// Those of open(2); EINVAL for a path with a NUL byte.
pub fn open(path: &Path) -> Result<(OwnedFd, Status), Errno> {
    let file = nix::fcntl::open(path, FLAGS, Mode::empty()).map_err(number)?;
    let status = fd::status(file.as_fd())?;
    if status.kind != FileType::Regular {
        platform::filesystem::of(file.as_fd()); // known from now on
    }
    Ok((file, status))
}
