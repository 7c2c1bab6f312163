//! What sendfile64 asks of the operating system: one attempt per function.
//!
//! A function here makes its call and reports the bytes moved and how it ended, together. It never loops, sleeps, logs
//! or chooses what comes next: [`sendfile64_core::Transfer`] chooses. Two things are remembered for the life of the
//! process, in [`probe`]: which calls this system has, and which it has not.
//!
//! Linux is complete. On FreeBSD and macOS sendfile(2) is there, and what has no counterpart ([`fs::page_cache`],
//! [`fs::open::open_cached`], [`call::splice`], [`call::copy_file_range`], [`net::tcp::unacknowledged`]) answers what makes the caller take the slow way.

pub mod call;
pub mod fd;
pub mod fs;
pub mod net;
pub mod probe;
pub mod signal;

mod attempt;
mod errno;
mod platform;

pub use errno::{EAGAIN, ECONNRESET, ENXIO, EPIPE, EPROTONOSUPPORT};
