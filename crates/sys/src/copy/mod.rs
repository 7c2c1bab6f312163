//! The method that works for every pair: read into memory, then write. Two calls, one attempt each.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno as NixErrno;
use nix::libc::off_t;
use nix::sys::socket::{self, MsgFlags};
use nix::sys::uio::pread;
use nix::unistd;
use sendfile64_core::{Ended, Outcome};

use crate::errno::{number, of_read, of_send};

/// Without a signal where send(2) can be asked for that. macOS cannot per call: its threads block SIGPIPE
/// ([`crate::signal::block_sigpipe`]).
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT;

/// One pread(2) at `offset`, or one read(2) from the file position, which moves, when it is `None`.
/// `bytes` of the outcome are the bytes read; none, into a buffer that has room, is the end of the file.
pub fn read(source: BorrowedFd<'_>, offset: Option<u64>, buffer: &mut [u8]) -> Outcome {
    let nothing = |ended| Outcome { bytes: 0, ended };
    let result = match offset.map(off_t::try_from) {
        None => unistd::read(source, buffer),
        Some(Ok(offset)) => pread(source, buffer, offset),
        // What the page says of a negative offset, which is what the kernel would see.
        Some(Err(_)) => return nothing(Ended::Failed(number(NixErrno::EINVAL))),
    };
    match result {
        Ok(0) if !buffer.is_empty() => nothing(Ended::EndOfFile),
        Ok(bytes) => moved(bytes),
        Err(errno) => nothing(of_read(errno)),
    }
}

/// As [`send`], with more to follow at once: MSG_MORE lets the kernel put it into the same TCP segment (send(2); on other
/// systems and sockets an ordinary send).
pub fn send_more(destination: BorrowedFd<'_>, bytes: &[u8]) -> Outcome {
    send_with(destination, bytes, SEND_FLAGS.union(MORE))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const MORE: MsgFlags = MsgFlags::from_bits_retain(nix::libc::MSG_MORE);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MORE: MsgFlags = MsgFlags::empty();

/// One send(2) that neither waits nor raises SIGPIPE (on macOS see [`crate::signal::block_sigpipe`]), whatever the
/// status flags of the socket. `bytes` of the outcome are the bytes that the kernel accepted.
pub fn send(destination: BorrowedFd<'_>, bytes: &[u8]) -> Outcome {
    send_with(destination, bytes, SEND_FLAGS)
}

fn send_with(destination: BorrowedFd<'_>, bytes: &[u8], flags: MsgFlags) -> Outcome {
    match socket::send(destination.as_raw_fd(), bytes, flags) {
        Ok(bytes) => moved(bytes),
        Err(errno) => Outcome {
            bytes: 0,
            ended: of_send(errno),
        },
    }
}

fn moved(bytes: usize) -> Outcome {
    Outcome {
        bytes: bytes as u64,
        ended: Ended::Progress,
    }
}
