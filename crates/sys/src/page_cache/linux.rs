//! Linux: cachestat(2) and preadv2(2), both by number, because not every C library that we support has them.
#![expect(unsafe_code, reason = "neither call has a safe wrapper")]

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::LazyLock;

use nix::errno::Errno as NixErrno;
use nix::libc::{self, c_long, c_uint};
use nix::sys::stat::fstat;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::unistd::{SysconfVar, sysconf};
use sendfile64_core::Errno;

use super::Residency;
use crate::errno::number;
use crate::probe::{self, Availability, Feature};

/// The number of cachestat(2), the same on every architecture that Linux 6.5 runs on.
const SYS_CACHESTAT: c_long = 451;

/// The bytes of one page. 4 KiB is the smallest page that Linux has: a wrong answer would only count too many.
static PAGE: LazyLock<u64> = LazyLock::new(|| {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    page.and_then(|page| u64::try_from(page).ok())
        .filter(|page| page.is_power_of_two())
        .unwrap_or(4096)
});

/// `struct cachestat_range` of linux/mman.h.
#[repr(C)]
struct Range {
    offset: u64,
    /// 0 means to the end of the file.
    count: u64,
}

/// `struct cachestat` of linux/mman.h: numbers of pages.
#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

pub(super) fn residency(source: BorrowedFd<'_>, offset: u64, count: u64) -> Residency {
    let Some(last) = count.checked_sub(1).map(|more| offset.saturating_add(more)) else {
        return Residency::Resident;
    };
    match cached_pages(source, offset, last) {
        None => both(peek(source, offset), || peek(source, last)),
        Some(cached) if cached == pages(offset, last) => settled(source, last),
        Some(_) => within_file(source, offset, last),
    }
}

/// Some pages of the range are not there: perhaps only those beyond the end of the file.
fn within_file(source: BorrowedFd<'_>, offset: u64, last: u64) -> Residency {
    let Ok(size) = fstat(source).map(|stat| u64::try_from(stat.st_size).unwrap_or(0)) else {
        return Residency::Unknown;
    };
    if offset >= size {
        return peek(source, offset);
    }
    let last = last.min(size - 1);
    match cached_pages(source, offset, last) {
        Some(cached) if cached == pages(offset, last) => settled(source, last),
        // On overlayfs the pages belong to another inode, and the count is always 0; a read says that it cannot tell.
        // That it succeeds proves nothing: a fast disk may have answered it. It is made where the attempt would begin,
        // so what it reads ahead is what the attempt needs.
        Some(0) if peek(source, offset) == Residency::Unknown => Residency::Unknown,
        Some(_) => Residency::Absent,
        None => Residency::Unknown,
    }
}

/// Every page is counted as cached. Readahead adds its pages before it has read them, in order, so the last is the one
/// to look at.
fn settled(source: BorrowedFd<'_>, last: u64) -> Residency {
    match peek(source, last) {
        // tmpfs knows no RWF_NOWAIT, but reads nothing ahead either: what is there is whole.
        Residency::Unknown
            if fstatfs(source).is_ok_and(|fs| fs.filesystem_type() == TMPFS_MAGIC) =>
        {
            Residency::Resident
        }
        residency => residency,
    }
}

fn both(one: Residency, other: impl FnOnce() -> Residency) -> Residency {
    match one {
        Residency::Resident => other(),
        settled => settled,
    }
}

/// The pages that hold the bytes from `first` to `last`.
fn pages(first: u64, last: u64) -> u64 {
    last / *PAGE - first / *PAGE + 1
}

/// cachestat(2): how many pages of the bytes from `first` to `last` are in the page cache. `None` where it cannot tell.
fn cached_pages(source: BorrowedFd<'_>, first: u64, last: u64) -> Option<u64> {
    if probe::availability(Feature::Cachestat) == Availability::Unavailable {
        return None;
    }
    let range = Range {
        offset: first,
        count: (last - first).saturating_add(1),
    };
    match cachestat(source.as_raw_fd(), range) {
        Ok(counts) => {
            probe::found(Feature::Cachestat);
            return Some(counts.cached);
        }
        // Before 6.5.
        Err(errno @ NixErrno::ENOSYS) => probe::found_missing(Feature::Cachestat, number(errno)),
        // A seccomp filter; or, since 6.14 and in older stable kernels, the file is neither ours nor writable by us.
        // Only the first concerns other files.
        Err(errno @ NixErrno::EPERM)
            if probe::availability(Feature::Cachestat) == Availability::NotProbed =>
        {
            let nowhere = Range {
                offset: 0,
                count: 1,
            };
            match cachestat(-1, nowhere) {
                Err(NixErrno::EPERM) => probe::found_missing(Feature::Cachestat, number(errno)),
                _ => probe::found(Feature::Cachestat),
            }
        }
        // EOPNOTSUPP: hugetlbfs.
        Err(_) => {}
    }
    None
}

fn cachestat(fd: RawFd, range: Range) -> Result<Counts, NixErrno> {
    const NO_FLAGS: c_uint = 0;
    let mut counts = Counts::default();
    // SAFETY: both structures have the kernel's layout and outlive the call; the kernel checks the number.
    let result = unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            fd,
            &raw const range,
            &raw mut counts,
            NO_FLAGS,
        )
    };
    NixErrno::result(result).map(|_| counts)
}

/// Whether the page that holds this byte is in memory, and read. Where it is not, the kernel may start to read it.
fn peek(source: BorrowedFd<'_>, offset: u64) -> Residency {
    match read_nowait(source, &mut [0], Some(offset)) {
        // 0 bytes: beyond the end of the file, for which nobody has to wait.
        Ok(_) => Residency::Resident,
        Err(NixErrno::EAGAIN) => Residency::Absent,
        // EOPNOTSUPP: the filesystem (tmpfs, overlayfs, procfs, NFS) or, up to 4.13, the kernel. EINVAL: O_DIRECT, or
        // an offset out of range. ESPIPE, EISDIR: no file. EIO: the attempt itself will say so.
        Err(_) => Residency::Unknown,
    }
}

pub(super) fn read_cached(
    source: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: Option<u64>,
) -> Result<usize, Errno> {
    read_nowait(source, buffer, offset).map_err(|errno| match errno {
        NixErrno::ENOSYS | NixErrno::EPERM | NixErrno::EOPNOTSUPP => number(NixErrno::EAGAIN),
        other => number(other),
    })
}

/// preadv2(2) with RWF_NOWAIT. ENOSYS without a call where there has been none before.
fn read_nowait(
    source: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: Option<u64>,
) -> Result<usize, NixErrno> {
    const ONE: c_long = 1;
    const FILE_POSITION: u64 = u64::MAX; // -1
    if probe::availability(Feature::ReadNowait) == Availability::Unavailable {
        return Err(NixErrno::ENOSYS);
    }
    let vector = [IoSliceMut::new(buffer)];
    let offset = offset.unwrap_or(FILE_POSITION);
    // The kernel takes the offset as two longs, low and high. Where a long has 64 bits the first is all of it.
    let (low, high) = (offset as c_long, (offset >> 32) as c_long);
    // SAFETY: `vector` is ABI-compatible with an array of ONE struct iovec (guaranteed by IoSliceMut) over `buffer`, and
    // both outlive the call; the kernel checks the number.
    let read = unsafe {
        libc::syscall(
            libc::SYS_preadv2,
            source.as_raw_fd(),
            vector.as_ptr(),
            ONE,
            low,
            high,
            libc::RWF_NOWAIT,
        )
    };
    let read = NixErrno::result(read).map(|bytes| usize::try_from(bytes).unwrap_or(0));
    match read {
        Ok(_) | Err(NixErrno::EAGAIN) => probe::found(Feature::ReadNowait),
        // ENOSYS: before 4.6. EPERM: a seccomp filter; no file answers a read with it.
        Err(errno @ (NixErrno::ENOSYS | NixErrno::EPERM)) => {
            probe::found_missing(Feature::ReadNowait, number(errno));
        }
        Err(_) => {}
    }
    read
}
