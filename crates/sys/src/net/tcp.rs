//! Features of TCP alone: a cork, and an account of the bytes that the peer has acknowledged.

use std::os::fd::BorrowedFd;

use sendfile64_core::Errno;

use super::option;
use crate::platform;

/// What a TCP socket has sent and not seen acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unacknowledged {
    /// Bytes written that the peer's kernel has not acknowledged; our FIN counts as one. 0 exactly when it has
    /// acknowledged everything.
    pub pending: u64,
    /// The connection was reset or timed out with bytes pending: nothing will ever acknowledge them.
    pub gone: bool,
}

/// Holds back what does not fill a segment (tcp(7) TCP_CORK; TCP_NOPUSH on FreeBSD and macOS), or lets it go again. On
/// Linux the kernel lets it go by itself after 200 ms.
///
/// # Errors
/// EOPNOTSUPP or ENOPROTOOPT for a socket that is not TCP, ENOTSOCK for no socket, EINTR.
pub fn cork(socket: BorrowedFd<'_>, on: bool) -> Result<(), Errno> {
    option::set(socket, platform::tcp::CORK, on)
}

/// Whether the socket is one of Multipath TCP, whose TCP_INFO is that of its first subflow (socket(7), SO_PROTOCOL).
pub fn is_multipath(socket: BorrowedFd<'_>) -> bool {
    platform::tcp::is_multipath(socket)
}

/// What the peer's kernel has yet to acknowledge. It reads the connection's state (tcp(7) TCP_INFO) and the length of
/// its send queue (SIOCOUTQ), and never SO_ERROR, because reading clears it.
///
/// `None` if the descriptor is not a TCP socket, and on systems other than Linux.
///
/// # Errors
/// Those of getsockopt(2). EINVAL for a socket that listens.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> Result<Option<Unacknowledged>, Errno> {
    platform::tcp::unacknowledged(socket)
}
