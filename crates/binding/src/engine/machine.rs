//! What this machine can do, and one bare system call: nothing of it needs the engine.

use sendfile64_sys::probe::{self, Availability, Feature};
use sendfile64_sys::sendfile;

use super::code;

pub fn kernel() -> String {
    sendfile64_sys::kernel()
}

pub fn probe_sendfile() -> u8 {
    match probe::probe_sendfile() {
        Availability::NotProbed => 0,
        Availability::Available => 1,
        Availability::Unavailable => 2,
    }
}

pub fn forbid(feature: &str) -> bool {
    let feature = match feature {
        "sendfile" => Feature::Sendfile,
        "openat2" => Feature::Openat2,
        "cachestat" => Feature::Cachestat,
        "readnowait" => Feature::ReadNowait,
        _ => return false,
    };
    probe::forbid(feature);
    true
}

pub fn sendfile_once(out_fd: i32, in_fd: i32, offset: Option<u64>, count: u64) -> Result<u64, i32> {
    let offset = offset.map(|offset| i64::try_from(offset).unwrap_or(i64::MAX));
    sendfile::sendfile_once(out_fd, in_fd, offset, count).map_err(code)
}
