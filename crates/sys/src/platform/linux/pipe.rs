//! Linux: pipe2(2), and pipes whose capacity can be set.

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// The default capacity: 16 pages (pipe(7)).
const DEFAULT: u64 = 64 << 10;

pub(crate) fn ends() -> nix::Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
}

pub(crate) fn resized(pipe: BorrowedFd<'_>, capacity: u64) -> u64 {
    let wanted = i32::try_from(capacity).unwrap_or(i32::MAX);
    // EPERM: beyond /proc/sys/fs/pipe-max-size, or this user has too many pages in pipes. ENOMEM. It stays as it is.
    let _refused = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(wanted));
    let given = fcntl(pipe, FcntlArg::F_GETPIPE_SZ);
    given.map_or(DEFAULT, |given| u64::try_from(given).unwrap_or(DEFAULT))
}
