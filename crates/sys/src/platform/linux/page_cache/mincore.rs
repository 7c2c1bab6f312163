//! mincore(2) of a mapping that is never touched. A file of overlayfs is mapped from the filesystem below it, so this
//! sees its pages, which cachestat(2) does not.
#![expect(unsafe_code, reason = "a mapping has no safe wrapper")]

use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use nix::errno::Errno as NixErrno;
use nix::libc::{self, c_void};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::page;
use crate::errno::number;
use crate::probe::{self, Availability, Feature};

/// How many pages one call asks for: as many bytes of answers on the stack.
const PAGES_PER_CALL: usize = 1024;

/// Whether every page from the byte `first` to the byte `last` is in memory, and read; both lie within `size`, the file's.
/// `None` where the kernel does not say.
///
/// Of a file that is neither ours nor writable by us, mincore(2) says that all of it is there (Linux 5.2, can_do_mincore).
/// It says so of the page behind the end of the file as well, which is never there.
pub(super) fn all_resident(
    source: BorrowedFd<'_>,
    first: u64,
    last: u64,
    size: u64,
) -> Option<bool> {
    if probe::availability(Feature::Mincore) == Availability::Unavailable {
        return None;
    }
    let page = page();
    let start = first - first % page;
    let behind = size.checked_next_multiple_of(page)?;
    let asked = pages(last - start)?;
    let mapping = Mapping::of(source, start, behind.checked_add(page)? - start)?;
    if !mapping.are_resident(0, asked)? {
        return Some(false);
    }
    let lies = mapping.are_resident(pages(behind - 1 - start)?, 1)?;
    (!lies).then_some(true)
}

/// How many pages hold the bytes from a page's first one to the one at this distance.
fn pages(distance: u64) -> Option<usize> {
    usize::try_from(distance / page() + 1).ok()
}

struct Mapping {
    address: NonNull<c_void>,
    length: usize,
}

impl Mapping {
    fn of(source: BorrowedFd<'_>, start: u64, length: u64) -> Option<Self> {
        let length = NonZeroUsize::new(usize::try_from(length).ok()?)?;
        let offset = libc::off_t::try_from(start).ok()?;
        // SAFETY: the kernel chooses an unused address, and the address never leaves this module.
        let mapped = unsafe {
            mmap(
                None,
                length,
                ProtFlags::PROT_READ,
                MapFlags::MAP_SHARED,
                source,
                offset,
            )
        };
        // EACCES: not open for reading. ENODEV: no file that can be mapped. ENOMEM: no room for it.
        mapped.ok().map(|address| Self {
            address,
            length: length.get(),
        })
    }

    /// Whether `count` pages from the page `first` on are in memory.
    fn are_resident(&self, first: usize, count: usize) -> Option<bool> {
        let page = usize::try_from(page()).ok()?;
        for from in (first..first + count).step_by(PAGES_PER_CALL) {
            let count = PAGES_PER_CALL.min(first + count - from);
            let mut answers = [0_u8; PAGES_PER_CALL];
            let address = self.address.as_ptr().wrapping_byte_add(from * page);
            // SAFETY: `answers` has a byte for each of the `count` pages, and the pages are not touched.
            let result = unsafe { libc::mincore(address, count * page, answers.as_mut_ptr()) };
            match NixErrno::result(result) {
                Ok(_) => probe::found(Feature::Mincore),
                // A seccomp filter; the call is as old as Linux 2.4.
                Err(errno @ (NixErrno::ENOSYS | NixErrno::EPERM)) => {
                    probe::set_unavailable(Feature::Mincore, number(errno));
                    return None;
                }
                Err(_) => return None,
            }
            // The other bits mean nothing yet (mincore(2)).
            if answers.iter().take(count).any(|answer| answer & 1 == 0) {
                return Some(false);
            }
        }
        Some(true)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: all of what `of` has mapped, and nothing else; no reference to it has ever been.
        let _cannot_fail = unsafe { munmap(self.address, self.length) };
    }
}
