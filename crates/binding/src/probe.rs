//! What this machine can do, and the one system call that `sendfileSync` is.

use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::executor;
use crate::number::{JsBytes, from_js, to_js};

/// The operating system and its release, as uname(2) gives them.
#[napi]
pub fn kernel() -> String {
    executor::kernel()
}

/// Whether sendfile(2) can be called: 0 not probed, 1 available, 2 unavailable.
#[napi]
pub fn probe_sendfile() -> u8 {
    executor::probe_sendfile()
}

/// Treats a feature as unavailable for the rest of the process: 'sendfile', 'openat2', 'cachestat' or 'readnowait'.
/// The switch behind the environment variable SENDFILE64_WITHOUT. Returns whether the name is known.
#[napi]
pub fn forbid(feature: String) -> bool {
    executor::forbid(&feature)
}

/// Exactly one sendfile64(2). `offset` null uses and moves the file position. Returns the bytes sent, or the negative
/// errno as a number below 0.
#[napi]
pub fn sendfile_once(out_fd: i32, in_fd: i32, offset: Option<JsBytes>, count: JsBytes) -> JsBytes {
    match executor::sendfile_once(out_fd, in_fd, offset.map(from_js), from_js(count)) {
        Ok(bytes) => to_js(bytes),
        Err(errno) => Either::A(-f64::from(errno)),
    }
}
