//! splice(2): bytes change hands inside the kernel, to or from a pipe.
//!
//! What a pipe holds are references to pages, as with [`crate::call::sendfile`]: a file that is changed before the reader has
//! it is read changed.

use std::os::fd::BorrowedFd;

use sendfile64_core::Outcome;

use crate::platform;
pub(crate) use crate::platform::splice::missing;

/// One splice(2) of at most `count` bytes, clamped to [`sendfile64_core::MAX_ATTEMPT`], with SPLICE_F_MOVE and
/// SPLICE_F_NONBLOCK. One end at least must be a pipe. `offset` is an offset of the source, and leaves its file position
/// alone; `None` uses and moves the position, and is the only choice for a pipe or a socket. The destination is written
/// at its own position. `more` adds SPLICE_F_MORE: what a socket gets may wait for what follows (MSG_MORE of send(2)).
///
/// SPLICE_F_NONBLOCK speaks of the pipe. The other end waits, or not, by its own O_NONBLOCK, and where a page is not in
/// memory it waits for the disk ([`crate::fs::page_cache`]). `WouldBlock` does not say which end it was: the pipe may be full
/// or empty, the socket too. It may raise SIGPIPE ([`crate::signal::block_fatal`]).
///
/// A pipe without room is `WouldBlock` before the source is looked at, though that may be at its end.
/// `EndOfFile` where the source has no byte at this offset, or is a pipe without bytes and writers, or a socket whose
/// peer sends no more. Where the call is known to be missing the answer is `Refused` with the errno that said so,
/// without a call; elsewhere than on Linux that is ENOSYS.
pub fn splice(
    source: BorrowedFd<'_>,
    offset: Option<u64>,
    destination: BorrowedFd<'_>,
    count: u64,
    more: bool,
) -> Outcome {
    platform::splice::splice(source, offset, destination, count, more)
}
