//! Signals that a transfer must not die of.

use nix::sys::signal::{SigSet, Signal};

/// Blocks for the calling thread (pthread_sigmask(3)) the signals by which an attempt can end the process: SIGPIPE, when
/// a peer goes away, for only send(2) has MSG_NOSIGNAL; and SIGXFSZ, when a file would pass RLIMIT_FSIZE (setrlimit(2)).
/// The attempt then says EPIPE or EFBIG. Call it first on every thread that makes attempts.
pub fn block_fatal() {
    let mut fatal = SigSet::empty();
    fatal.add(Signal::SIGPIPE);
    fatal.add(Signal::SIGXFSZ);
    // pthread_sigmask(3) fails only for an unknown `how`, and nix offers none.
    let _blocked = fatal.thread_block();
}
