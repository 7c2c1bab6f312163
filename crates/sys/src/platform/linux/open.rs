//! Linux: openat2(2) with RESOLVE_CACHED.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno as NixErrno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::libc;
use sendfile64_core::Errno;

use super::filesystem::{self, Local};
use crate::errno::number;
use crate::fs::open::FLAGS;
use crate::probe::{self, Availability, Feature};

const EAGAIN: Errno = Errno(NixErrno::EAGAIN as i32);

pub(crate) fn open_cached(path: &Path) -> Result<OwnedFd, Errno> {
    walk_cached(path, FLAGS, ResolveFlag::empty())
}

/// [`open_cached`] if nothing that the path may lead to has a server. A relative one may begin below a mount that is in no
/// table: one that was unmounted, or of another namespace.
pub(crate) fn open_local(path: &Path) -> Option<Result<OwnedFd, Errno>> {
    if !path.is_absolute() {
        return None;
    }
    let bounds = match filesystem::local() {
        Local::All => ResolveFlag::empty(),
        Local::Root => ResolveFlag::RESOLVE_NO_XDEV,
        Local::Unknown => return None,
    };
    let opened = walk_cached(path, FLAGS, bounds);
    match opened {
        Err(errno) if errno == number(NixErrno::EXDEV) => None,
        _ => Some(opened),
    }
}

/// Only names what the path leads to: open(2), O_PATH.
pub(crate) fn find_cached(path: &Path) -> Result<OwnedFd, Errno> {
    walk_cached(path, OFlag::O_PATH | OFlag::O_CLOEXEC, ResolveFlag::empty())
}

fn walk_cached(path: &Path, flags: OFlag, bounds: ResolveFlag) -> Result<OwnedFd, Errno> {
    if probe::availability(Feature::Openat2) == Availability::Unavailable {
        return Err(EAGAIN);
    }
    let errno = match openat2(AT_FDCWD, path, cached(flags, bounds)) {
        Ok(fd) => {
            probe::found(Feature::Openat2);
            return Ok(fd);
        }
        Err(errno) => errno,
    };
    match errno {
        // ENOSYS: before 5.6. EINVAL: 5.6 to 5.11 do not know RESOLVE_CACHED. EPERM: a seccomp filter. The last two
        // may as well be about this path (a NUL byte in it; fanotify(7) denies it).
        NixErrno::ENOSYS | NixErrno::EINVAL | NixErrno::EPERM => match missing() {
            Some(found) => {
                probe::set_unavailable(Feature::Openat2, found);
                Err(EAGAIN)
            }
            None => Err(number(errno)),
        },
        // EAGAIN: the walk would wait. Anything else is open(2)'s own answer: ENOENT, EACCES, ELOOP, EMFILE.
        other => Err(number(other)),
    }
}

/// Opens the root directory, which needs no disk and no permission, to distinguish a missing call from a bad path.
fn missing() -> Option<Errno> {
    match openat2(
        AT_FDCWD,
        "/",
        cached(OFlag::O_PATH | OFlag::O_CLOEXEC, ResolveFlag::empty()),
    ) {
        Err(errno @ (NixErrno::ENOSYS | NixErrno::EINVAL | NixErrno::EPERM)) => Some(number(errno)),
        _ => None,
    }
}

fn cached(flags: OFlag, bounds: ResolveFlag) -> OpenHow {
    OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::from_bits_retain(libc::RESOLVE_CACHED) | bounds)
}
