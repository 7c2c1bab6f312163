//! Linux: `ssize_t copy_file_range(int fd_in, off64_t *off_in, int fd_out, off64_t *off_out, size_t size, unsigned int
//! flags)`, by number, because not every C library that we support has it.
#![expect(
    unsafe_code,
    reason = "the probing call has descriptors of −1, which no BorrowedFd can be"
)]

use std::os::fd::BorrowedFd;
use std::ptr;

use nix::errno::Errno as NixErrno;
use nix::fcntl;
use nix::libc;
use sendfile64_core::{Ended, Errno, MAX_ATTEMPT, Outcome};

use super::errno::of_copy_file_range;
use crate::attempt::{nothing, outcome, saturated};
use crate::errno::number;
use crate::fd;
use crate::fs::Filesystem;
use crate::probe::{self, Feature};

pub(crate) fn copy_file_range(
    source: BorrowedFd<'_>,
    offset: Option<u64>,
    destination: BorrowedFd<'_>,
    count: u64,
) -> Outcome {
    if let Some(errno) = probe::answer(Feature::CopyFileRange) {
        return nothing(Ended::Refused(errno));
    }
    let Ok(mut from) = offset.map(i64::try_from).transpose() else {
        // What the kernel says of a negative offset. No method can read there.
        return nothing(Ended::Failed(number(NixErrno::EINVAL)));
    };
    let count = count.min(MAX_ATTEMPT);
    let result = fcntl::copy_file_range(source, from.as_mut(), destination, None, saturated(count));
    let outcome = outcome(result, count, of_copy_file_range);
    probe::remember(Feature::CopyFileRange, outcome.ended);
    match outcome.ended {
        Ended::EndOfFile if !is_at_end(source, offset) => {
            nothing(Ended::Refused(number(NixErrno::EINVAL)))
        }
        _ => outcome,
    }
}

/// Whether a count of 0 can be believed. Before 5.19 the kernel bounds the copy by `st_size`, which says nothing of a
/// pseudo file, and a pseudo file that does claim a size gives 0 bytes all the same.
fn is_at_end(source: BorrowedFd<'_>, offset: Option<u64>) -> bool {
    let Ok(status) = fd::status(source) else {
        return true;
    };
    let at = offset.map_or_else(|| fd::position(source), Ok);
    status.filesystem != Filesystem::Pseudo && at.is_ok_and(|at| at >= status.size)
}

/// Asks the kernel for a call that cannot move anything. Returns the errno of one that has no copy_file_range(2).
pub(crate) fn missing() -> Option<Errno> {
    let none = ptr::null_mut::<libc::loff_t>();
    // SAFETY: both offsets are NULL, and −1 is never an open descriptor: the kernel touches nothing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_copy_file_range,
            -1,
            none,
            -1,
            none,
            1_usize,
            0_u32,
        )
    };
    match NixErrno::result(result) {
        Err(errno @ (NixErrno::ENOSYS | NixErrno::EPERM)) => Some(number(errno)),
        _ => None,
    }
}
