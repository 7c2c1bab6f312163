//! Which system calls this process may use. What was found stays found; nothing is asked before it is needed.

use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno as NixErrno;
use sendfile64_core::Errno;

use crate::sendfile;

/// A system call that not every kernel or sandbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// sendfile(2).
    Sendfile,
    /// openat2(2) with RESOLVE_CACHED: Linux 5.12.
    Openat2,
    /// cachestat(2): Linux 6.5.
    Cachestat,
    /// preadv2(2) with RWF_NOWAIT: Linux 4.14.
    ReadNowait,
}

/// What is known of a [`Feature`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Availability {
    /// Nobody has needed it yet.
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
const LINUX_ONLY: i32 = if cfg!(target_os = "linux") {
    NOT_PROBED
} else {
    NixErrno::ENOSYS as i32
};

static SENDFILE: AtomicI32 = AtomicI32::new(NOT_PROBED);
static OPENAT2: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static CACHESTAT: AtomicI32 = AtomicI32::new(LINUX_ONLY);
static READ_NOWAIT: AtomicI32 = AtomicI32::new(LINUX_ONLY);

/// What is known so far. Makes no call.
pub fn availability(feature: Feature) -> Availability {
    match finding(feature).load(Ordering::Relaxed) {
        NOT_PROBED => Availability::NotProbed,
        AVAILABLE => Availability::Available,
        _ => Availability::Unavailable,
    }
}

/// Settles [`Feature::Sendfile`] if nothing has yet, by a call with two descriptors of −1: EBADF says that the call
/// is there, ENOSYS and EPERM that it is not.
pub fn probe_sendfile() -> Availability {
    if availability(Feature::Sendfile) == Availability::NotProbed {
        match sendfile::missing() {
            Some(errno) => found_missing(Feature::Sendfile, errno),
            None => found(Feature::Sendfile),
        }
    }
    availability(Feature::Sendfile)
}

/// Test switch: `feature` counts as unavailable, with ENOSYS, for the rest of the process.
pub fn forbid(feature: Feature) {
    found_missing(feature, Errno(NixErrno::ENOSYS as i32));
}

/// The errno to answer with, without a call, when `feature` is known to be unavailable.
pub(crate) fn missing(feature: Feature) -> Option<Errno> {
    let errno = finding(feature).load(Ordering::Relaxed);
    (errno > NOT_PROBED).then_some(Errno(errno))
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
pub(crate) fn found_missing(feature: Feature, errno: Errno) {
    finding(feature).store(errno.0, Ordering::Relaxed);
}

fn finding(feature: Feature) -> &'static AtomicI32 {
    match feature {
        Feature::Sendfile => &SENDFILE,
        Feature::Openat2 => &OPENAT2,
        Feature::Cachestat => &CACHESTAT,
        Feature::ReadNowait => &READ_NOWAIT,
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
        assert_eq!(missing(feature), Some(Errno(NixErrno::ENOSYS as i32)));
    }
}
