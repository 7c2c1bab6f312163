//! Which system calls this process may use. What was found stays found; nothing is asked before it is needed.

use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno as NixErrno;
use sendfile64_core::{Ended, Errno};

use crate::call::{copy_file_range, sendfile, splice};
use crate::platform;

/// A system call, or what is made of some, that not every kernel or sandbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// sendfile(2).
    Sendfile,
    /// splice(2): Linux.
    Splice,
    /// copy_file_range(2): Linux 4.5.
    CopyFileRange,
    /// openat2(2) with RESOLVE_CACHED: Linux 5.12.
    Openat2,
    /// cachestat(2): Linux 6.5.
    Cachestat,
    /// preadv2(2) with RWF_NOWAIT: Linux 4.14.
    ReadNowait,
    /// mincore(2) of a mapping, as an answer for files that cachestat(2) does not count: Linux.
    Mincore,
    /// No call: that what was read a moment ago is taken to be in memory still ([`crate::fs::page_cache::Watch`]). Linux.
    Recency,
    /// open(2) of /proc/self/fd ([`crate::fd::reopen_for_writing`]): Linux.
    Reopen,
    /// statmount(2), and the permanent mount ids that it takes: Linux 6.8.
    Statmount,
}

/// What is known of a [`Feature`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Availability {
    /// Not needed so far.
    NotProbed,
    /// The kernel has it.
    Available,
    /// The kernel has it not, or a sandbox forbids it. It is not called again.
    Unavailable,
}

// A finding is NOT_PROBED, AVAILABLE, or the positive errno that says it is not there. Relaxed suffices: a finding
// publishes no other memory, and to find the same thing twice does no harm.
const NOT_PROBED: i32 = 0;
const AVAILABLE: i32 = -1;
const LINUX_ONLY: i32 = if platform::IS_LINUX {
    NOT_PROBED
} else {
    NixErrno::ENOSYS as i32
};

static SENDFILE: AtomicI32 = AtomicI32::new(NOT_PROBED);
static SPLICE: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static COPY_FILE_RANGE: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static OPENAT2: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static CACHESTAT: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static READ_NOWAIT: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static MINCORE: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static RECENCY: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static REOPEN: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static STATMOUNT: AtomicI32 = AtomicI32::new(LINUX_ONLY);

/// What is known so far. Makes no call.
pub fn availability(feature: Feature) -> Availability {
    match finding(feature).load(Ordering::Relaxed) {
        NOT_PROBED => Availability::NotProbed,
        AVAILABLE => Availability::Available,
        _ => Availability::Unavailable,
    }
}

/// Settles [`Feature::Sendfile`], [`Feature::Splice`] or [`Feature::CopyFileRange`] if nothing has yet, by a call with
/// two descriptors of −1: EBADF says that the call is there, ENOSYS and EPERM that it is not. The other features show
/// only in use; of them it says what is known so far.
pub fn probe(feature: Feature) -> Availability {
    if availability(feature) == Availability::NotProbed
        && let Some(missing) = probing_call(feature)
    {
        match missing() {
            Some(errno) => set_unavailable(feature, errno),
            None => found(feature),
        }
    }
    availability(feature)
}

/// The errno that said that `feature` is unavailable; ENOSYS where [`forbid`] did. `None` while nothing has said so.
/// Makes no call.
pub fn answer(feature: Feature) -> Option<Errno> {
    let errno = finding(feature).load(Ordering::Relaxed);
    (errno > NOT_PROBED).then_some(Errno(errno))
}

/// Test switch: `feature` counts as unavailable, with ENOSYS, for the rest of the process.
pub fn forbid(feature: Feature) {
    set_unavailable(feature, Errno(NixErrno::ENOSYS as i32));
}

/// The kernel has answered as one that has `feature`. An earlier finding stands, a forbidden feature stays forbidden.
pub(crate) fn found(feature: Feature) {
    let finding = finding(feature);
    // The plain load keeps the cache line shared between threads that make attempts all the time.
    if finding.load(Ordering::Relaxed) == NOT_PROBED {
        let _earlier =
            finding.compare_exchange(NOT_PROBED, AVAILABLE, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// The kernel has answered `errno` as one that has `feature` not.
pub(crate) fn set_unavailable(feature: Feature, errno: Errno) {
    finding(feature).store(errno.0, Ordering::Relaxed);
}

/// What the end of an attempt by `feature` says of it.
pub(crate) fn remember(feature: Feature, ended: Ended) {
    const ENOSYS: i32 = NixErrno::ENOSYS as i32;
    const EPERM: i32 = NixErrno::EPERM as i32;
    match ended {
        Ended::Refused(errno @ Errno(ENOSYS)) => set_unavailable(feature, errno),
        // A sealed or immutable destination gives EPERM as well, which does not concern other descriptors.
        Ended::Refused(Errno(EPERM)) => match probing_call(feature).and_then(|missing| missing()) {
            Some(errno) => set_unavailable(feature, errno),
            None => found(feature),
        },
        _ => found(feature),
    }
}

/// A call that cannot move anything, and says whether the kernel has `feature`.
fn probing_call(feature: Feature) -> Option<fn() -> Option<Errno>> {
    match feature {
        Feature::Sendfile => Some(sendfile::missing),
        Feature::Splice => Some(splice::missing),
        Feature::CopyFileRange => Some(copy_file_range::missing),
        Feature::Openat2
        | Feature::Cachestat
        | Feature::ReadNowait
        | Feature::Mincore
        | Feature::Recency
        | Feature::Reopen
        | Feature::Statmount => None,
    }
}

fn finding(feature: Feature) -> &'static AtomicI32 {
    match feature {
        Feature::Sendfile => &SENDFILE,
        Feature::Splice => &SPLICE,
        Feature::CopyFileRange => &COPY_FILE_RANGE,
        Feature::Openat2 => &OPENAT2,
        Feature::Cachestat => &CACHESTAT,
        Feature::ReadNowait => &READ_NOWAIT,
        Feature::Mincore => &MINCORE,
        Feature::Recency => &RECENCY,
        Feature::Reopen => &REOPEN,
        Feature::Statmount => &STATMOUNT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_feature_stays_forbidden_whatever_an_attempt_on_its_way_finds() {
        let feature = Feature::Cachestat;
        forbid(feature);
        found(feature);
        assert_eq!(availability(feature), Availability::Unavailable);
        assert_eq!(answer(feature), Some(Errno(NixErrno::ENOSYS as i32)));
    }
}
