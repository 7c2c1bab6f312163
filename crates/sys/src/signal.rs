//! Signals that a transfer must not die of.

use nix::sys::signal::{SigSet, Signal};

/// Blocks SIGPIPE for the calling thread (pthread_sigmask(3)): sendfile(2) has no MSG_NOSIGNAL, and the default action
/// ends the process when a peer goes away. Call it first on every thread that makes attempts.
pub fn block_sigpipe() {
    // pthread_sigmask(3) fails only for an unknown `how`, and nix offers none.
    let _blocked = SigSet::from(Signal::SIGPIPE).thread_block();
}
