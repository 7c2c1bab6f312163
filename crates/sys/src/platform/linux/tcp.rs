//! Linux: TCP_INFO and SIOCOUTQ.
#![expect(
    unsafe_code,
    reason = "nix wraps neither, and an old kernel's TCP_INFO is shorter than the structure"
)]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno as NixErrno;
use nix::libc::{self, c_int, socklen_t};
use sendfile64_core::Errno;

use crate::errno::number;
use crate::net::tcp::Unacknowledged;

pub(crate) const CORK: c_int = libc::TCP_CORK;

/// `TCP_CLOSE` of linux/tcp_states.h.
const CLOSED: u8 = 7;

pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> Result<Option<Unacknowledged>, Errno> {
    // First the state: a closed connection's queue stays as it is. The other way round, one that ends well in between
    // would look like one that was cut.
    let state = match state(socket) {
        Ok(state) => state,
        // Not TCP, or no socket.
        Err(NixErrno::EOPNOTSUPP | NixErrno::ENOPROTOOPT | NixErrno::ENOTSOCK) => return Ok(None),
        Err(errno) => return Err(number(errno)),
    };
    let pending = queued(socket).map_err(number)?;
    Ok(Some(Unacknowledged {
        pending,
        gone: state == CLOSED && pending > 0,
    }))
}

pub(crate) fn is_multipath(socket: BorrowedFd<'_>) -> bool {
    let mut protocol: c_int = 0;
    let mut length = size_of::<c_int>() as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, those of `protocol`, and `length`; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PROTOCOL,
            (&raw mut protocol).cast(),
            &raw mut length,
        )
    };
    result == 0 && protocol == libc::IPPROTO_MPTCP
}

/// `tcpi_state`, the first byte of `struct tcp_info`. The kernel writes as much of the structure as fits.
fn state(socket: BorrowedFd<'_>) -> Result<u8, NixErrno> {
    let mut state: u8 = 0;
    let mut length = size_of::<u8>() as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the one of `state`, and `length`; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut state).cast(),
            &raw mut length,
        )
    };
    NixErrno::result(result).map(|_| state)
}

/// SIOCOUTQ: the bytes from the first unacknowledged one to the last written. When a connection is cut, the kernel drops
/// the queue and TCP_INFO's counters of it, but not the two sequence numbers that this is the difference of.
fn queued(socket: BorrowedFd<'_>) -> Result<u64, NixErrno> {
    let mut bytes: c_int = 0;
    // SAFETY: SIOCOUTQ, which has the number of TIOCOUTQ, writes one int; `bytes` outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    NixErrno::result(result).map(|_| u64::try_from(bytes).unwrap_or(0))
}
