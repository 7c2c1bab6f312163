//! FreeBSD: pipe2(2).

use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;

pub(crate) use crate::platform::unsupported::pipe::resized;

pub(crate) fn ends() -> nix::Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
}
