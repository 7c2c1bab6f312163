//! The number of an errno, and how it ends an attempt.

mod ended;
#[cfg(test)]
pub(crate) mod tests;

use nix::errno::Errno as NixErrno;
use sendfile64_core::Errno;

pub(crate) use ended::{of_read, of_send, of_sendfile, of_write};

/// What a call answers that would have to wait, with this system's number.
pub const EAGAIN: Errno = Errno(NixErrno::EAGAIN as i32);

/// What a call answers on a connection that its peer has reset, with this system's number.
pub const ECONNRESET: Errno = Errno(NixErrno::ECONNRESET as i32);

/// A FIFO without a reader was opened for writing with O_NONBLOCK (open(2)).
pub const ENXIO: Errno = Errno(NixErrno::ENXIO as i32);

/// The protocol of a socket is not one for this.
pub const EPROTONOSUPPORT: Errno = Errno(NixErrno::EPROTONOSUPPORT as i32);

/// The destination has no reader.
pub const EPIPE: Errno = Errno(NixErrno::EPIPE as i32);

/// The number of the error that a call on this thread has just returned.
pub(crate) fn number(errno: NixErrno) -> Errno {
    match errno {
        // The kernel leaks numbers that userspace has no name for (524, ENOTSUPP, from kernel TLS and some drivers).
        NixErrno::UnknownErrno => Errno(NixErrno::last_raw()),
        known => Errno(known as i32),
    }
}
