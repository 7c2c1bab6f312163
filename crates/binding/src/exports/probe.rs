//! The features of this machine, and the system call of `sendfileSync`.

use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::executor;
use crate::marshal::number::{JsBytes, from_js, to_js};

/// Whether a feature can be used: one of `AVAILABILITY`, or the negative errno of the answer that it is not.
/// 'sendfile', 'splice' and 'copy_file_range' are asked for by a call that cannot move anything; the others are known
/// once they have been needed. -EINVAL for a name that is not known.
#[napi]
pub fn probe(feature: String) -> i32 {
    executor::probe(&feature)
}

/// Treats a feature as unavailable for the rest of the process: 'sendfile', 'splice', 'copy_file_range', 'openat2',
/// 'cachestat', 'readnowait', 'mincore', 'recency' or 'reopen'. The switch behind the environment variable SENDFILE64_WITHOUT. Returns
/// whether the name is known.
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
