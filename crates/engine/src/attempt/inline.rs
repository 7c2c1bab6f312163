//! Attempts on the caller's own thread: short transfers that need no waiting.

use sendfile64_core::{Kind, Method, Transfer};

use super::endpoints::Pair;
use super::placement::SourcePages;
use super::{CopyBuffer, Step};
use crate::clock;
use crate::command::Call;

/// The most bytes that one attempt of [`Engine::start`](crate::Engine::start) moves on the caller's own thread: 64 KiB. For a few pages the
/// way to a shard and back costs more processor time than the sending.
pub const INLINE_LIMIT: u64 = 64 * 1024;

/// The most steps that [`Engine::start`](crate::Engine::start) takes on the caller's own thread: headers, an attempt that may be partial,
/// another that does the rest, trailers.
const INLINE_STEPS: usize = 4;

/// What [`attempt_now`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// How many system calls it made.
    pub syscalls: u64,
    /// The last of them.
    pub call: Call,
}

impl Attempts {
    /// None was made.
    pub const NONE: Self = Self {
        syscalls: 0,
        call: Call::Sendfile,
    };
}

/// Moves what can be moved without waiting, on the caller's thread and with descriptors that stay the caller's: a short
/// transfer (up to [`INLINE_LIMIT`]) to a socket, whose pages are in memory. What is left can be given to
/// [`Engine::start`](crate::Engine::start).
pub fn attempt_now(transfer: &mut Transfer, pair: Pair<'_>) -> Attempts {
    let mut made = Attempts::NONE;
    if pair.kind != Kind::Socket {
        return made;
    }
    let mut buffer = CopyBuffer::default();
    let mut pages = SourcePages::default();
    for turn in 0..INLINE_STEPS {
        let Some(step) = Step::next(transfer, clock::now()).filter(|&step| is_short(pair, step))
        else {
            break;
        };
        let placed = pages.look(transfer, pair, step);
        if placed.may_wait() {
            break;
        }
        if turn == 0 {
            pair.cork();
        }
        let attempted = placed.make(pair, &mut buffer);
        attempted.report(transfer, pair, clock::now());
        made.syscalls += attempted.syscalls;
        made.call = attempted.call;
    }
    made
}

/// The planner asks for no more than what is left, so a long transfer shows here unless its quantum is short.
fn is_short(pair: Pair<'_>, step: Step) -> bool {
    match step {
        // Its pipe lives as long as the transfer.
        Step::Attempt {
            method: Method::Splice,
            ..
        }
        | Step::Drain { .. } => false,
        Step::Attempt { count, .. } => count <= INLINE_LIMIT,
        Step::Write { part, from, .. } => pair.part_left(part, from) <= INLINE_LIMIT,
    }
}
