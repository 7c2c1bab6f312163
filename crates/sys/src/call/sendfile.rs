//! sendfile(2): the kernel moves pages from the page cache to the destination.
//!
//! Where the pages go is part of the contract: a pipe or a socket holds references to them, so a file that is changed
//! before the reader has it is read changed.

use std::os::fd::{BorrowedFd, RawFd};

use nix::errno::Errno as NixErrno;
use sendfile64_core::{Ended, Errno, MAX_ATTEMPT, Outcome};

use crate::attempt::{nothing, saturated};
use crate::errno::{number, of_sendfile};
use crate::platform;
use crate::probe::{self, Feature};

/// What one call did: the bytes moved, and the error, if there was one. Both can be true at once on FreeBSD and macOS.
pub(crate) type Answer = (u64, Result<(), NixErrno>);

/// One sendfile(2) of at most `count` bytes from `offset` of the source, which leaves the file position alone; `None`
/// uses and moves the position (NULL in the page). `count` is clamped to [`MAX_ATTEMPT`].
///
/// It waits for the disk where the pages are not in memory, whatever the status flags of the descriptors
/// ([`crate::fs::page_cache`]), and for the destination where that is a blocking one. It may raise SIGPIPE
/// ([`crate::signal::block_fatal`]).
///
/// Where the call is known to be missing the answer is `Refused` with the errno that said so, without a call.
pub fn sendfile(
    destination: BorrowedFd<'_>,
    source: BorrowedFd<'_>,
    offset: Option<u64>,
    count: u64,
) -> Outcome {
    if let Some(errno) = probe::answer(Feature::Sendfile) {
        return nothing(Ended::Refused(errno));
    }
    let Ok(offset) = offset.map(i64::try_from).transpose() else {
        // What the kernel says of a negative offset. No method can read there.
        return nothing(Ended::Failed(number(NixErrno::EINVAL)));
    };
    let (bytes, result) = platform::sendfile::sendfile(
        destination,
        source,
        offset,
        saturated(count.min(MAX_ATTEMPT)),
    );
    let ended = match result {
        Ok(()) if bytes == 0 && count > 0 => Ended::EndOfFile,
        Ok(()) => Ended::Progress,
        Err(errno) => of_sendfile(errno),
    };
    probe::remember(Feature::Sendfile, ended);
    Outcome { bytes, ended }
}

/// sendfile(2) as its page describes it: exactly one call, with unchanged arguments. Returns the bytes moved. The
/// kernel itself rejects an `offset` of −1 and numbers that are not open.
///
/// Bytes that came with an error (FreeBSD, macOS) are a short count, as they are on Linux: the next call has the error.
///
/// # Errors
/// Those of the page; ENOSYS where [`probe`] says that the call is missing.
pub fn sendfile_once(
    out_fd: RawFd,
    in_fd: RawFd,
    offset: Option<i64>,
    count: u64,
) -> Result<u64, Errno> {
    if let Some(errno) = probe::answer(Feature::Sendfile) {
        return Err(errno);
    }
    match platform::sendfile::sendfile_raw(out_fd, in_fd, offset, saturated(count)) {
        (bytes, Err(_)) if bytes > 0 => Ok(bytes),
        (_, Err(errno)) => Err(number(errno)),
        (bytes, Ok(())) => Ok(bytes),
    }
}

/// Asks the kernel for a call that cannot move anything. Returns the errno of one that has no sendfile(2).
pub(crate) fn missing() -> Option<Errno> {
    match platform::sendfile::sendfile_raw(-1, -1, Some(0), 1) {
        // ENOSYS: an old kernel, or a filter that plays one. EPERM: a filter that refuses by number, for a kernel that
        // looks at the arguments first answers EBADF.
        (_, Err(errno @ (NixErrno::ENOSYS | NixErrno::EPERM))) => Some(number(errno)),
        _ => None,
    }
}
