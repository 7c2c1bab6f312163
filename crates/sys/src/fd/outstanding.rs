//! How much a destination holds that has not reached its reader.
#![expect(unsafe_code, reason = "nix has no safe wrapper for these calls")]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno as NixErrno;
use nix::libc::{self, c_int};
use sendfile64_core::Kind;

/// What the destination has accepted and not passed on, in a unit of the kernel's; less than before means that it has
/// moved. SIOCOUTQ for a socket (tcp(7), unix(7)), FIONREAD for a pipe (pipe(7), "I/O on pipes and FIFOs"), TIOCOUTQ for
/// a terminal (TIOCOUTQ(2const)). `None` for what holds nothing back, and where the system cannot tell.
pub fn outstanding(destination: BorrowedFd<'_>, kind: Kind) -> Option<u64> {
    let request = match kind {
        // Linux gives SIOCOUTQ the number of TIOCOUTQ; elsewhere a socket does not know it.
        Kind::Socket | Kind::Device => libc::TIOCOUTQ,
        Kind::Pipe => libc::FIONREAD,
        Kind::File => return None,
    };
    let mut held: c_int = 0;
    // SAFETY: each of these requests writes one int, or fails; `held` outlives the call.
    let result = unsafe { libc::ioctl(destination.as_raw_fd(), request, &raw mut held) };
    NixErrno::result(result).ok()?;
    u64::try_from(held).ok()
}
