//! Pipes of our own, through which splice(2) goes where neither end is one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
#[cfg(target_vendor = "apple")]
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use sendfile64_core::Errno;

use crate::errno::number;

/// Both ends of a pipe: closed on exec, and non-blocking.
#[derive(Debug)]
pub struct Pair {
    /// The end that gives the bytes.
    pub reader: OwnedFd,
    /// The end that takes them.
    pub writer: OwnedFd,
    /// The bytes that the pipe holds when every page in it is full (pipe(7)). What begins or ends within a page takes a
    /// whole one.
    pub capacity: u64,
}

/// A new pipe for `capacity` bytes (pipe2(2), fcntl(2) F_SETPIPE_SZ). The kernel rounds up, and gives its default of 64
/// KiB where it will not give as much: [`Pair::capacity`] is what it gave. Elsewhere than on Linux nobody can ask.
///
/// # Errors
/// EMFILE, ENFILE: see pipe(2).
pub fn pair(capacity: u64) -> Result<Pair, Errno> {
    let (reader, writer) = ends().map_err(number)?;
    let capacity = resized(writer.as_fd(), capacity);
    Ok(Pair {
        reader,
        writer,
        capacity,
    })
}

#[cfg(not(target_vendor = "apple"))]
fn ends() -> nix::Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
}

/// macOS has no pipe2(2): a process that another thread starts in between inherits both ends.
#[cfg(target_vendor = "apple")]
fn ends() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe()?;
    for end in [&reader, &writer] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok((reader, writer))
}

/// The default of Linux: 16 pages (pipe(7)).
#[cfg(target_os = "linux")]
const DEFAULT: u64 = 64 << 10;
/// What FreeBSD and macOS begin with (PIPE_SIZE of sys/pipe.h).
#[cfg(not(target_os = "linux"))]
const DEFAULT: u64 = 16 << 10;

#[cfg(target_os = "linux")]
fn resized(pipe: BorrowedFd<'_>, capacity: u64) -> u64 {
    use nix::fcntl::{FcntlArg, fcntl};
    let wanted = i32::try_from(capacity).unwrap_or(i32::MAX);
    // EPERM: beyond /proc/sys/fs/pipe-max-size, or this user has too many pages in pipes. ENOMEM. It stays as it is.
    let _refused = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(wanted));
    let given = fcntl(pipe, FcntlArg::F_GETPIPE_SZ);
    given.map_or(DEFAULT, |given| u64::try_from(given).unwrap_or(DEFAULT))
}

#[cfg(not(target_os = "linux"))]
fn resized(_pipe: BorrowedFd<'_>, _capacity: u64) -> u64 {
    DEFAULT
}
