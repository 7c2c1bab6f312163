//! A peer that goes away must not take the process with it.
#![expect(
    unsafe_code,
    reason = "the Rust runtime ignores SIGPIPE, so the test has to restore the default"
)]

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use sendfile64_sys::sendfile::sendfile;
use sendfile64_sys::signal::block_sigpipe;

use crate::fixture::{ending_of, failed, file};

fn send_to_nobody(blocked: bool) {
    // SAFETY: the default action installs no handler that could run.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.expect("sigaction");
    if blocked {
        block_sigpipe();
    }
    let (ours, theirs) = UnixStream::pair().expect("socketpair");
    drop(theirs);
    let outcome = sendfile(
        ours.as_fd(),
        file("nobody", b"0123456789").as_fd(),
        Some(0),
        10,
    );
    assert_eq!(outcome, failed(Errno::EPIPE));
}

#[test]
fn a_thread_that_blocks_sigpipe_hears_of_it_as_an_error() {
    let name = "signal::a_thread_that_blocks_sigpipe_hears_of_it_as_an_error";
    if let Some(ending) = ending_of(name, "blocked", || send_to_nobody(true)) {
        assert!(ending.success, "{}", ending.output);
    }
    if let Some(ending) = ending_of(name, "not blocked", || send_to_nobody(false)) {
        assert_eq!(
            ending.signal,
            Some(Signal::SIGPIPE as i32),
            "the test would not notice: {}",
            ending.output
        );
    }
}
