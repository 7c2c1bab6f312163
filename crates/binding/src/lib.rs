//! The Node-API addon: napi types in and out, duplicates of descriptors, the end of an environment. No decisions.
//!
//! Every export exists on every target, so that `binding.d.cts` is one file. On `wasm32-wasip1` there are no host
//! descriptors; what needs one answers ENOSYS, and the planner does the work ([`exports::planner`]).

#![expect(
    unsafe_code,
    reason = "Node-API calls and descriptor numbers that come from JavaScript"
)]
#![expect(
    unreachable_pub,
    reason = "the exports of a cdylib are found by napi-derive, not by path"
)]

mod codes;
mod exports;
mod marshal;

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
use native as executor;

#[cfg(target_family = "wasm")]
mod wasi;
#[cfg(target_family = "wasm")]
use wasi as executor;
