//! Every function and class that JavaScript can call.

mod cached;
mod environment;
pub(crate) mod files;
pub(crate) mod limiter;
pub(crate) mod planner;
mod probe;
mod version;
