//! Opening a file to read, with and without leave to wait for a disk.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod platform;

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use sendfile64_core::Errno;

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

/// The same open, allowed to wait for a disk: one open(2).
///
/// # Errors
/// Those of open(2); EINVAL for a path with a NUL byte.
pub fn open(path: &Path) -> Result<OwnedFd, Errno> {
    nix::fcntl::open(path, FLAGS, Mode::empty()).map_err(number)
}
