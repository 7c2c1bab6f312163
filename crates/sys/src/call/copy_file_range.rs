//! copy_file_range(2): a filesystem copies inside itself, and may share the blocks instead (reflinks).

use std::os::fd::BorrowedFd;

use sendfile64_core::Outcome;

use crate::platform;
pub(crate) use crate::platform::copy_file_range::missing;

/// One copy_file_range(2) of at most `count` bytes, clamped to [`sendfile64_core::MAX_ATTEMPT`], between two regular
/// files. `offset` is an offset of the source, and leaves its file position alone; `None` uses and moves the position.
/// The destination is written at its file position, which moves.
///
/// It waits for the disk, with any status flags. It may raise SIGXFSZ ([`crate::signal::block_fatal`]).
///
/// `EndOfFile` where the source has no byte at this offset. A kernel that says so of a file whose bytes it cannot reach
/// (Linux 5.3 to 5.18 of /proc and its like: copy_file_range(2), BUGS) is taken to have refused with EINVAL. Where the
/// call is known to be missing the answer is `Refused` with the errno that said so, without a call; elsewhere than on
/// Linux that is ENOSYS.
pub fn copy_file_range(
    source: BorrowedFd<'_>,
    offset: Option<u64>,
    destination: BorrowedFd<'_>,
    count: u64,
) -> Outcome {
    platform::copy_file_range::copy_file_range(source, offset, destination, count)
}
