//! preadv2(2) with RWF_NOWAIT, by number, because not every C library that we support has it.
#![expect(unsafe_code, reason = "the call has no safe wrapper")]

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno as NixErrno;
use nix::libc::{self, c_long};

use crate::errno::number;
use crate::fs::page_cache::Residency;
use crate::probe::{self, Availability, Feature};

/// Whether the page that holds this byte is in memory, and read. Where it is not, the kernel may start to read it.
pub(super) fn peek(source: BorrowedFd<'_>, offset: u64) -> Residency {
    match read_nowait(source, &mut [0], Some(offset)) {
        // 0 bytes: beyond the end of the file, where no read waits.
        Ok(_) => Residency::Resident,
        Err(NixErrno::EAGAIN) => Residency::Absent,
        // EOPNOTSUPP: the filesystem (tmpfs, overlayfs, procfs, NFS) or, up to 4.13, the kernel. EINVAL: O_DIRECT, or
        // an offset out of range. ESPIPE, EISDIR: no file. EIO: the attempt itself will say so.
        Err(_) => Residency::Unknown,
    }
}

/// preadv2(2) with RWF_NOWAIT. ENOSYS without a call where there has been none before.
pub(super) fn read_nowait(
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
            probe::set_unavailable(Feature::ReadNowait, number(errno));
        }
        Err(_) => {}
    }
    read
}
