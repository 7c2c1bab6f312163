//! The method that works for every pair: read into memory, then write. Two calls, one attempt each.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno as NixErrno;
use nix::libc::off_t;
use nix::sys::socket::{self, MsgFlags};
use nix::sys::uio::pread;
use nix::unistd;
use sendfile64_core::{Ended, Outcome};

use crate::attempt::{nothing, outcome, progress};
use crate::errno::{number, of_read, of_send, of_write};
use crate::platform::flags;

/// One pread(2) at `offset`, or one read(2) from the file position, which moves, when it is `None`.
/// `bytes` of the outcome are the bytes read; none, into a buffer that has room, is the end of the file.
pub fn read(source: BorrowedFd<'_>, offset: Option<u64>, buffer: &mut [u8]) -> Outcome {
    let result = match offset.map(off_t::try_from) {
        None => unistd::read(source, buffer),
        Some(Ok(offset)) => pread(source, buffer, offset),
        // What the page says of a negative offset, which is what the kernel would see.
        Some(Err(_)) => return nothing(Ended::Failed(number(NixErrno::EINVAL))),
    };
    outcome(result, buffer.len() as u64, of_read)
}

/// As [`send`], with more to follow at once: MSG_MORE lets the kernel put it into the same TCP segment (send(2); on other
/// systems and sockets an ordinary send).
pub fn send_more(destination: BorrowedFd<'_>, bytes: &[u8]) -> Outcome {
    send_with(destination, bytes, flags::SEND.union(flags::MORE))
}

/// One send(2) that neither waits nor raises SIGPIPE (on macOS see [`crate::signal::block_fatal`]), whatever the
/// status flags of the socket. `bytes` of the outcome are the bytes that the kernel accepted.
pub fn send(destination: BorrowedFd<'_>, bytes: &[u8]) -> Outcome {
    send_with(destination, bytes, flags::SEND)
}

fn send_with(destination: BorrowedFd<'_>, bytes: &[u8], flags: MsgFlags) -> Outcome {
    match socket::send(destination.as_raw_fd(), bytes, flags) {
        Ok(bytes) => progress(bytes),
        Err(errno) => nothing(of_send(errno)),
    }
}

/// One write(2) for what is no socket: pipes, files, devices. Where there is a file position it writes there and moves
/// it; with O_APPEND it writes at the end. `bytes` of the outcome are the bytes that were accepted.
///
/// It waits where the descriptor is a blocking one, and may raise SIGPIPE and SIGXFSZ ([`crate::signal::block_fatal`]).
///
/// A call that accepts none of some bytes, and gives no error, is `Failed` with EIO. write(2) gives 0 a meaning only for
/// an empty buffer; to call again, as after a short count, might never end.
pub fn write(destination: BorrowedFd<'_>, bytes: &[u8]) -> Outcome {
    match unistd::write(destination, bytes) {
        Ok(0) if !bytes.is_empty() => nothing(Ended::Failed(number(NixErrno::EIO))),
        Ok(written) => progress(written),
        Err(errno) => nothing(of_write(errno)),
    }
}
