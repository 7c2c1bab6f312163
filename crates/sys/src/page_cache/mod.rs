//! Whether an attempt would wait for a disk. O_NONBLOCK says nothing about disks: sendfile(2) and read(2) of pages that
//! are not in memory wait for them, so such an attempt belongs on a thread that may.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod platform;

use std::os::fd::BorrowedFd;

use sendfile64_core::Errno;

/// Where the pages of a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Residency {
    /// All in memory when asked. They may be dropped before they are used; that is rare, and costs a wait.
    Resident,
    /// At least one must come from the disk.
    Absent,
    /// This kernel or filesystem cannot tell.
    Unknown,
}

/// Whether every page of `[offset, offset + count)` of the file is in the page cache. What lies beyond the end of the
/// file needs no disk: a range wholly beyond it is `Resident`.
///
/// On Linux it is cachestat(2) of the whole range and preadv2(2) with RWF_NOWAIT of its last byte, because cachestat
/// counts pages that readahead is still reading. Without cachestat the first and the last byte are read, and what
/// lies between is taken to be as they are.
/// An `Absent` answer may have started the reading of a page.
pub fn residency(source: BorrowedFd<'_>, offset: u64, count: u64) -> Residency {
    platform::residency(source, offset, count)
}

/// Reads what is in memory of the file, from `offset` or, where there is none, from the file position, which moves on:
/// preadv2(2) with RWF_NOWAIT (Linux 4.14). Fewer bytes than there is room for: the file ends, or the next page must come
/// from the disk. 0: the end of the file.
///
/// # Errors
/// EAGAIN where the first byte must come from the disk, or this kernel or filesystem cannot tell. Otherwise those of
/// preadv(2).
pub fn read_cached(
    source: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: Option<u64>,
) -> Result<usize, Errno> {
    platform::read_cached(source, buffer, offset)
}
