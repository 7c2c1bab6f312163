//! The sans-IO planner: it decides what the next step of a transfer is and keeps every byte account.
//!
//! An executor asks [`Transfer::poll_op`] for the next [`Op`], performs it, and reports the [`Outcome`] to
//! [`Transfer::handle_outcome`], until the op is [`Op::Finish`]. The crate knows no file, clock, thread or errno
//! meaning; it builds where there is no operating system. There are two executors: `sendfile64-engine` with the
//! kernel, and `lib/executor/portable.ts` with JavaScript streams.

#![no_std]
#![forbid(unsafe_code)]

mod ladder;
mod least_rate;
mod limiter;
mod op;
mod rate;
mod request;
mod stall_timer;
mod stride;
mod transfer;

pub use ladder::{Fallback, Kind, Ladder};
pub use least_rate::LeastRate;
pub use limiter::{Admission, Limiter, Reservation};
pub use op::{End, Ended, Errno, Method, Op, Outcome, Part, Readiness, Wait};
pub use rate::Rate;
pub use request::{DEFAULT_QUANTUM, MAX_ATTEMPT, Request};
pub use transfer::{MAX_OFFSET, Transfer};
