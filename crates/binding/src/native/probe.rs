//! The features of this machine, and the system call of `sendfileSync`. Neither uses the engine.

use sendfile64_core::Errno;
use sendfile64_sys::call::sendfile;
use sendfile64_sys::probe::{self, Availability, Feature};

use super::code;
use crate::codes::availability;

/// EINVAL, the same number on every Unix.
const UNKNOWN: i32 = -22;

pub fn probe(name: &str) -> i32 {
    let Some(feature) = feature(name) else {
        return UNKNOWN;
    };
    match probe::probe(feature) {
        Availability::NotProbed => availability::UNKNOWN,
        Availability::Available => availability::AVAILABLE,
        Availability::Unavailable => -probe::answer(feature).map_or(0, |Errno(errno)| errno),
    }
}

pub fn forbid(name: &str) -> bool {
    let found = feature(name);
    if let Some(feature) = found {
        probe::forbid(feature);
    }
    found.is_some()
}

fn feature(name: &str) -> Option<Feature> {
    Some(match name {
        "sendfile" => Feature::Sendfile,
        "splice" => Feature::Splice,
        "copy_file_range" => Feature::CopyFileRange,
        "openat2" => Feature::Openat2,
        "cachestat" => Feature::Cachestat,
        "readnowait" => Feature::ReadNowait,
        "mincore" => Feature::Mincore,
        "recency" => Feature::Recency,
        "reopen" => Feature::Reopen,
        "statmount" => Feature::Statmount,
        _ => return None,
    })
}

pub fn sendfile_once(out_fd: i32, in_fd: i32, offset: Option<u64>, count: u64) -> Result<u64, i32> {
    let offset = offset.map(|offset| i64::try_from(offset).unwrap_or(i64::MAX));
    sendfile::sendfile_once(out_fd, in_fd, offset, count).map_err(code)
}
