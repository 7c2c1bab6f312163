//! cachestat(2), by number, because not every C library that we support has it.
#![expect(unsafe_code, reason = "the call has no safe wrapper")]

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno as NixErrno;
use nix::libc::{self, c_long, c_uint};

use crate::errno::number;
use crate::probe::{self, Availability, Feature};

/// The number of cachestat(2), the same on every architecture that Linux 6.5 runs on.
const SYS_CACHESTAT: c_long = 451;

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

/// cachestat(2): how many pages of the bytes from `first` to `last` are in the page cache; `None` if it is not known.
pub(super) fn cached_pages(source: BorrowedFd<'_>, first: u64, last: u64) -> Option<u64> {
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
        Err(errno @ NixErrno::ENOSYS) => probe::set_unavailable(Feature::Cachestat, number(errno)),
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
                Err(NixErrno::EPERM) => probe::set_unavailable(Feature::Cachestat, number(errno)),
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
