//! Linux: the ways to determine residency, and their order.

mod cachestat;
mod mincore;
mod preadv2;
mod recent;

use std::os::fd::BorrowedFd;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::errno::Errno as NixErrno;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::sys::uio::pread;
use nix::unistd::{SysconfVar, Whence, lseek, read, sysconf};
use sendfile64_core::Errno;

use self::cachestat::cached_pages;
use self::mincore::all_resident;
use self::preadv2::{peek, read_nowait};
use self::recent::{CHUNK, File, RecentReads};
use super::filesystem;
use crate::errno::number;
use crate::fs::Filesystem;
use crate::fs::page_cache::{Residency, Watch};
use crate::probe::{self, Availability, Feature};

/// The bytes of one page. 4 KiB is the smallest page that Linux has: a wrong answer would only count too many.
fn page() -> u64 {
    static PAGE: LazyLock<u64> = LazyLock::new(|| {
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        page.and_then(|page| u64::try_from(page).ok())
            .filter(|page| page.is_power_of_two())
            .unwrap_or(4096)
    });
    *PAGE
}

static MEMORY: LazyLock<Mutex<RecentReads>> = LazyLock::new(Mutex::default);
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(crate) fn residency(source: BorrowedFd<'_>, offset: u64, count: u64) -> Residency {
    let Some(last) = last_of(offset, count) else {
        return Residency::Resident;
    };
    let cached = cached_pages(source, offset, last);
    if cached == Some(pages(offset, last)) {
        match readahead_done(source, last) {
            Residency::Unknown => within_file(source, offset, last, None),
            residency => residency,
        }
    } else {
        within_file(source, offset, last, cached)
    }
}

pub(crate) fn was_read_recently(source: BorrowedFd<'_>, offset: u64, count: u64) -> bool {
    fstat(source).is_ok_and(|stat| is_all_recent(&stat, offset, count))
}

/// Whether what the file has of a range was read lately.
fn is_all_recent(stat: &FileStat, offset: u64, count: u64) -> bool {
    let (Some(last), Some(end)) = (last_of(offset, count), size_of(stat).checked_sub(1)) else {
        return count == 0;
    };
    offset <= end && is_recent(file_of(stat), offset, last.min(end))
}

/// Some pages of the range are not counted: perhaps only those beyond the end of the file, or the kernel counts none.
fn within_file(source: BorrowedFd<'_>, offset: u64, last: u64, cached: Option<u64>) -> Residency {
    let Ok(stat) = fstat(source) else {
        return Residency::Unknown;
    };
    let size = size_of(&stat);
    if offset >= size {
        return match peek(source, offset) {
            Residency::Unknown if is_local(&stat) => Residency::Resident,
            residency => residency,
        };
    }
    let range = (offset, last.min(size - 1));
    let counted = match cached {
        Some(1..) if range.1 < last => cached_pages(source, offset, range.1),
        counted => counted,
    };
    match counted {
        Some(counted) if counted == pages(offset, range.1) => match readahead_done(source, range.1)
        {
            Residency::Unknown => without_reads(source, &stat, range),
            residency => residency,
        },
        Some(1..) => Residency::Absent,
        counted => by_reading(source, &stat, range, counted.is_some()),
    }
}

/// Every page is counted as cached. Readahead adds its pages before it has read them, in order, so the last is the one
/// to look at.
fn readahead_done(source: BorrowedFd<'_>, last: u64) -> Residency {
    match peek(source, last) {
        // tmpfs does not support RWF_NOWAIT, but has no readahead either: a page that is present is complete.
        Residency::Unknown
            if fstatfs(source).is_ok_and(|fs| fs.filesystem_type() == TMPFS_MAGIC) =>
        {
            Residency::Resident
        }
        residency => residency,
    }
}

/// cachestat(2) has counted no page (`asked`), is missing, or is not allowed for this file. A read checks page by page.
/// It is made at the start of the attempt, so that its readahead serves the attempt.
fn by_reading(
    source: BorrowedFd<'_>,
    stat: &FileStat,
    range @ (first, last): (u64, u64),
    asked: bool,
) -> Residency {
    match peek(source, first) {
        // The pages of overlayfs belong to another inode, where cachestat(2) does not look.
        Residency::Unknown => without_reads(source, stat, range),
        // That it succeeds proves nothing where no page was counted: a fast disk may have answered it.
        _ if asked => Residency::Absent,
        Residency::Resident if pages(first, last) <= 2 => peek(source, last),
        Residency::Resident => match peek(source, last) {
            Residency::Resident if is_recent(file_of(stat), first, last) => Residency::Likely,
            Residency::Resident => sampled(source, stat, range),
            residency => residency,
        },
        residency => residency,
    }
}

/// Both ends are there. What lies between is known from a mapping, or else from a page of each chunk.
fn sampled(source: BorrowedFd<'_>, stat: &FileStat, (first, last): (u64, u64)) -> Residency {
    match through_mapping(source, stat, (first, last)) {
        Residency::Unknown => {}
        residency => return residency,
    }
    let mut between = (first / CHUNK + 1..=last / CHUNK).map(|chunk| peek(source, chunk * CHUNK));
    between
        .find(|found| *found != Residency::Resident)
        .unwrap_or(Residency::Likely)
}

/// Only recent reads or a mapping can show residency.
fn without_reads(source: BorrowedFd<'_>, stat: &FileStat, (first, last): (u64, u64)) -> Residency {
    if is_recent(file_of(stat), first, last) {
        return Residency::Likely;
    }
    through_mapping(source, stat, (first, last))
}

/// A file of a server is not mapped: mmap(2) of one may ask the server.
fn through_mapping(
    source: BorrowedFd<'_>,
    stat: &FileStat,
    (first, last): (u64, u64),
) -> Residency {
    if !is_local(stat) {
        return Residency::Unknown;
    }
    match all_resident(source, first, last, size_of(stat)) {
        Some(true) => Residency::Likely,
        Some(false) => Residency::Absent,
        None => Residency::Unknown,
    }
}

pub(crate) fn read_cached(
    source: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: Option<u64>,
) -> Result<usize, Errno> {
    let answer = match read_nowait(source, buffer, offset) {
        // This kernel or filesystem does not support the read.
        Err(NixErrno::ENOSYS | NixErrno::EPERM | NixErrno::EOPNOTSUPP) => {
            read_where_resident(source, buffer, offset)
        }
        answer => answer,
    };
    answer.map_err(number)
}

fn read_where_resident(
    source: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: Option<u64>,
) -> Result<usize, NixErrno> {
    let at = match offset {
        Some(offset) => offset,
        None => lseek(source, 0, Whence::SeekCur)?.cast_unsigned(),
    };
    let count = buffer.len() as u64;
    let stat = fstat(source)?;
    if at >= size_of(&stat) && is_local(&stat) {
        return Ok(0);
    }
    let residency = if is_all_recent(&stat, at, count) {
        Residency::Likely
    } else {
        residency(source, at, count)
    };
    if !residency.is_resident() {
        return Err(NixErrno::EAGAIN);
    }
    let watch = Watch::begin(residency);
    let bytes = match offset {
        Some(offset) => pread(source, buffer, offset.cast_signed())?,
        None => read(source, buffer)?,
    };
    if let Some(watch) = watch {
        watch.end(source, at, at, bytes as u64);
    }
    Ok(bytes)
}

/// `start`: before `first`, all bytes from there on had been read by the same reader.
pub(crate) fn remember(source: BorrowedFd<'_>, start: u64, first: u64, end: u64) {
    if probe::availability(Feature::Recency) == Availability::Unavailable {
        return;
    }
    let Ok(stat) = fstat(source) else {
        return;
    };
    // What has just been read from may be asked.
    let is_ordinary = || filesystem::of(source) == Filesystem::Ordinary;
    if is_local(&stat) || (is_regular(&stat) && is_ordinary()) {
        let first = start.max(first - first % CHUNK).min(first);
        memory().remember(file_of(&stat), first, end, size_of(&stat), now());
    }
}

/// A read that was to find everything in memory has waited.
pub(crate) fn distrust() {
    memory().distrust(now());
}

fn is_recent(file: File, first: u64, last: u64) -> bool {
    let is_recent = probe::availability(Feature::Recency) != Availability::Unavailable
        && memory().covers(file, first, last, now());
    if is_recent {
        probe::found(Feature::Recency);
    }
    is_recent
}

/// How often this thread has slept; `None` if the system does not report it.
pub(crate) fn sleeps() -> Option<i64> {
    getrusage(UsageWho::RUSAGE_THREAD)
        .ok()
        .map(|usage| usage.voluntary_context_switches())
}

/// A regular file of which it is known that no server has to be asked for it.
fn is_local(stat: &FileStat) -> bool {
    is_regular(stat) && filesystem::is_ordinary_device(file_of(stat).device)
}

fn is_regular(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
}

fn file_of(stat: &FileStat) -> File {
    File {
        device: stat.st_dev,
        inode: stat.st_ino,
    }
}

fn size_of(stat: &FileStat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn last_of(offset: u64, count: u64) -> Option<u64> {
    count.checked_sub(1).map(|more| offset.saturating_add(more))
}

/// The pages that hold the bytes from `first` to `last`.
fn pages(first: u64, last: u64) -> u64 {
    last / page() - first / page() + 1
}

fn memory() -> MutexGuard<'static, RecentReads> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> u64 {
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
