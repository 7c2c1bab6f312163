//! FreeBSD and macOS have no open that promises not to wait.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno as NixErrno;
use sendfile64_core::Errno;

pub(crate) fn open_cached(_path: &Path) -> Result<OwnedFd, Errno> {
    Err(Errno(NixErrno::EAGAIN as i32))
}

pub(crate) fn open_local(_path: &Path) -> Option<Result<OwnedFd, Errno>> {
    None
}

pub(crate) fn find_cached(path: &Path) -> Result<OwnedFd, Errno> {
    open_cached(path)
}
