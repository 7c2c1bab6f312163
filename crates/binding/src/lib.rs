//! The Node-API addon: napi types in and out, duplicates of descriptors, the end of an environment. No decisions.
//!
//! Every export exists on every target, so that `binding.d.cts` is one file. On `wasm32-wasip1` there are no host
//! descriptors; what needs one answers ENOSYS, and the planner does the work ([`planner`]).

#![expect(
    unsafe_code,
    reason = "Node-API calls and descriptor numbers that come from JavaScript"
)]
#![expect(
    unreachable_pub,
    reason = "the exports of a cdylib are found by napi-derive, not by path"
)]

mod cached;
mod codes;
mod command;
mod environment;
mod exclusive;
mod files;
mod limiter;
mod number;
mod planner;
mod probe;
mod records;
mod version;

#[cfg(not(target_family = "wasm"))]
mod engine;
#[cfg(not(target_family = "wasm"))]
use engine as executor;

#[cfg(target_family = "wasm")]
mod absent;
#[cfg(target_family = "wasm")]
use absent as executor;
