//! Whether an attempt would wait for a disk. O_NONBLOCK says nothing about disks: sendfile(2) and read(2) of pages that
//! are not in memory wait for them, so such an attempt belongs on a thread that may.

use std::os::fd::BorrowedFd;

use sendfile64_core::Errno;

pub use super::watch::Watch;
use crate::platform;

/// Where the pages of a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Residency {
    /// All in memory when asked. They may be dropped before they are used; that is rare, and costs a wait.
    Resident,
    /// Probably all in memory, although the kernel has not confirmed each page: the caller watches the read with a
    /// [`Watch`].
    Likely,
    /// At least one must come from the disk.
    Absent,
    /// This kernel or filesystem does not report it.
    Unknown,
}

impl Residency {
    /// Whether a read need not be expected to wait for a disk.
    pub fn is_resident(self) -> bool {
        matches!(self, Self::Resident | Self::Likely)
    }
}

/// Whether every page of `[offset, offset + count)` of the file is in the page cache. What lies beyond the end of the
/// file needs no disk: a range wholly beyond it is `Resident`.
///
/// On Linux it is cachestat(2) of the whole range and preadv2(2) with RWF_NOWAIT of its last byte, because cachestat
/// counts pages that readahead is still reading. Where cachestat cannot tell (before 6.5; files that are neither ours nor
/// writable by us, since 6.14; overlayfs), the answer comes from what was read within the last seconds (see [`Watch`]),
/// from mincore(2) of a mapping, which sees through overlayfs but only for files of ours (5.2), or from a page of every
/// 64 KiB. A file is mapped only on a device that [`crate::fd::status`] has found to be no server's.
/// An `Absent` answer may have started the reading of a page.
pub fn residency(source: BorrowedFd<'_>, offset: u64, count: u64) -> Residency {
    platform::page_cache::residency(source, offset, count)
}

/// Whether every byte of `[offset, offset + count)` that the file has was read within the last seconds, under a [`Watch`].
/// For a file of which [`residency`] has said `Unknown`, which is dearer to ask.
pub fn was_read_recently(source: BorrowedFd<'_>, offset: u64, count: u64) -> bool {
    platform::page_cache::was_read_recently(source, offset, count)
}

/// The bytes from `first` up to `end` have been read, by this or other code: they are in memory for now.
pub fn was_read(source: BorrowedFd<'_>, first: u64, end: u64) {
    platform::page_cache::remember(source, first, first, end);
}

/// Reads what is in memory of the file, from `offset` or, where there is none, from the file position, which moves on:
/// preadv2(2) with RWF_NOWAIT (Linux 4.14), or, where the filesystem does not know that, read(2) of what is in memory by
/// [`residency`]. Fewer bytes than there is room for: the file ends, or the next page must come
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
    platform::page_cache::read_cached(source, buffer, offset)
}
