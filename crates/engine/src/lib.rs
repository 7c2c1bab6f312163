//! Runs transfers in the kernel: it performs the ops that `sendfile64-core` asks for with the single attempts of
//! `sendfile64-sys`, many transfers on few threads.
//!
//! - A *shard* is one thread with one poller. It gives every transfer that can move bytes one attempt in turn, and
//!   waits for the sockets of the others.
//! - The *disk pool* is a bounded set of threads that may wait for a disk: attempts whose pages are not in the page
//!   cache, and opens whose path is not in the dentry cache.
//! - The thread of the caller passes a [`Command`] and receives the events through its [`Sink`]. A short transfer may
//!   finish within the call.
//!
//! # Signals
//!
//! sendfile(2) has no MSG_NOSIGNAL: it raises SIGPIPE in the calling thread when the peer is gone. The engine's own
//! threads block it. The thread that calls [`Engine::start`] keeps its mask as it is; its process must ignore SIGPIPE,
//! as Node.js does before it runs any JavaScript (an ignored signal stays ignored in every thread, signal(7)).

#![forbid(unsafe_code)]

mod attempt;
mod clock;
mod command;
mod disk_pool;
mod engine;
mod shard;
mod sync;
mod transfer;

pub use attempt::destination::{Choice, Destination};
pub use attempt::endpoints::{HeadersAndTrailers, Pair, unconfirmable};
pub use attempt::inline::{Attempts, INLINE_LIMIT, attempt_now};
pub use clock::now;
pub use command::{
    Abort, Call, Command, Completion, Event, Opened, OwnerId, Sink, Started, TransferId,
};
pub use disk_pool::opens::OpenRequest;
pub use engine::{Config, Engine, StartError};
pub use sync::inbox::Inbox;
pub use transfer::limits::{Limit, Limits};
