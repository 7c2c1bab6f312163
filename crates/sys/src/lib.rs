//! What sendfile64 asks of the operating system: one attempt per function.
//!
//! A function here makes its call and reports the bytes moved and how it ended, together. It never loops, sleeps, logs
//! or chooses what comes next: [`sendfile64_core::Transfer`] chooses. Two things are remembered for the life of the
//! process, in [`probe`]: which calls this system has, and which it has not.
//!
//! Linux is complete. On FreeBSD and macOS sendfile(2) is there, and what has no counterpart ([`page_cache`],
//! [`open::open_cached`], [`splice`](mod@splice), [`copy_file_range`](mod@copy_file_range),
//! [`tcp::unacknowledged`]) answers what makes the caller take the slow way.

pub mod copy;
pub mod copy_file_range;
pub mod descriptor;
pub mod open;
pub mod page_cache;
pub mod pipe;
pub mod probe;
pub mod sendfile;
pub mod signal;
pub mod splice;
pub mod tcp;

mod attempt;
mod errno;

pub use errno::{EAGAIN, ECONNRESET, ENXIO, EPIPE, EPROTONOSUPPORT};
