//! Linux: `ssize_t splice(int fd_in, off64_t *off_in, int fd_out, off64_t *off_out, size_t len, unsigned int flags)`.
#![expect(
    unsafe_code,
    reason = "the probing call has descriptors of −1, which no BorrowedFd can be"
)]

use std::os::fd::BorrowedFd;
use std::ptr;

use nix::errno::Errno as NixErrno;
use nix::fcntl::{self, SpliceFFlags};
use nix::libc;
use sendfile64_core::{Ended, Errno, MAX_ATTEMPT, Outcome};

use super::errno::of_splice;
use crate::attempt::{nothing, outcome, saturated};
use crate::errno::number;
use crate::probe::{self, Feature};

pub(crate) fn splice(
    source: BorrowedFd<'_>,
    offset: Option<u64>,
    destination: BorrowedFd<'_>,
    count: u64,
    more: bool,
) -> Outcome {
    if let Some(errno) = probe::answer(Feature::Splice) {
        return nothing(Ended::Refused(errno));
    }
    let Ok(mut offset) = offset.map(i64::try_from).transpose() else {
        // What the kernel says of a negative offset. No method can read there.
        return nothing(Ended::Failed(number(NixErrno::EINVAL)));
    };
    let mut flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    flags.set(SpliceFFlags::SPLICE_F_MORE, more);
    let result = fcntl::splice(
        source,
        offset.as_mut(),
        destination,
        None,
        saturated(count.min(MAX_ATTEMPT)),
        flags,
    );
    let outcome = outcome(result, count, of_splice);
    probe::remember(Feature::Splice, outcome.ended);
    outcome
}

/// Asks the kernel for a call that cannot move anything. Returns the errno of one that has no splice(2).
pub(crate) fn missing() -> Option<Errno> {
    // SAFETY: both offsets are NULL, and −1 is never an open descriptor: the kernel touches nothing.
    let result = unsafe { libc::splice(-1, ptr::null_mut(), -1, ptr::null_mut(), 1, 0) };
    match NixErrno::result(result) {
        Err(errno @ (NixErrno::ENOSYS | NixErrno::EPERM)) => Some(number(errno)),
        _ => None,
    }
}
