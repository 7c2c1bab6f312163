//! A peer that goes away must not take the process with it.
#![expect(
    unsafe_code,
    reason = "the Rust runtime ignores SIGPIPE, so the test has to restore the default"
)]

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use sendfile64_sys::call::copy::send;
use sendfile64_sys::call::sendfile::sendfile;
use sendfile64_sys::signal::block_fatal;

use crate::fixture::{ending_of, failed, file, in_own_process, in_own_variant};

fn restore_default_action() {
    // SAFETY: the default action installs no handler that could run.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.expect("sigaction");
}

fn connection_without_a_peer() -> UnixStream {
    let (ours, theirs) = UnixStream::pair().expect("socketpair");
    drop(theirs);
    ours
}

fn sendfile_without_a_peer() {
    restore_default_action();
    let source = file("nobody", b"0123456789");
    let outcome = sendfile(
        connection_without_a_peer().as_fd(),
        source.as_fd(),
        Some(0),
        10,
    );
    assert_eq!(outcome, failed(Errno::EPIPE));
}

#[test]
fn a_thread_that_blocks_sigpipe_hears_of_it_as_an_error() {
    let name = "signal::a_thread_that_blocks_sigpipe_hears_of_it_as_an_error";
    in_own_variant(name, "blocked", || {
        block_fatal();
        sendfile_without_a_peer();
    });
    if let Some(ending) = ending_of(name, "not blocked", sendfile_without_a_peer) {
        let died_of = Some(Signal::SIGPIPE as i32);
        assert_eq!(
            ending.signal, died_of,
            "the test would not notice: {}",
            ending.output
        );
    }
}

#[test]
fn a_copy_raises_no_signal_on_any_thread() {
    in_own_process("signal::a_copy_raises_no_signal_on_any_thread", || {
        restore_default_action();
        assert_eq!(
            send(connection_without_a_peer().as_fd(), b"bytes"),
            failed(Errno::EPIPE)
        );
    });
}
