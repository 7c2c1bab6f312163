//! Where a transfer is. This and the next op of its planner determine the next action.

/// # Clocks
///
/// A destination that takes nothing is looked at again by three clocks, each of which answers one question:
///
/// - [`sendfile64_core::Transfer`]'s own: has it accepted nothing for so long that the caller gives it up? It cannot see
///   that a destination passes on what it had accepted before. `held` does: less than before is a movement, with which
///   that clock begins anew.
/// - [`LeastRate`](sendfile64_core::LeastRate): has it passed on too little, on average?
/// - [`Retry`](crate::transfer::retry::Retry): is an event of the poller missing? The poller reports a change once
///   (epoll(7), EPOLLET), and some refusals are not followed by a change.
///
/// All of them run in `Waiting` alone; the first of their times is the transfer's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// With its shard, which makes the next step or waits for a time: that of a rate, or of the next question to the peer.
    Ready,
    /// In the ready queue of its shard.
    Queued,
    /// Its destination has turned an attempt away, and the poller watches it.
    Waiting {
        /// What the destination held when it was last checked, if the wait has a limit and the system reports it.
        held: Option<u64>,
    },
    /// Its attempt is made on a thread that may wait for a disk; until that is back nothing else is done with it.
    OnDisk {
        /// The poller has reported the destination as writable meanwhile, and will not do so again.
        writable: bool,
    },
}
