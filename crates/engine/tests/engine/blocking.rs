//! Destinations in blocking mode: no thread waits in a call, and the flags of other owners stay.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use nix::pty::openpty;
use sendfile64_core::{End, Errno, Fallback, Method};
use sendfile64_engine::{Abort, Choice};
use sendfile64_sys::fd::{flags, outstanding};
use sendfile64_sys::probe::{Feature, forbid};

use crate::scene::{
    MIB, ONE_SHARD, Plan, Sample, Scene, alone, assert_same, read_all, tcp, unix, wait_until,
};

const EAGAIN: Errno = Errno(11);

fn is_blocking(fd: &impl AsFd) -> bool {
    !flags(fd.as_fd()).expect("fcntl").nonblocking
}

fn choosing(choice: Choice, count: usize) -> Plan {
    Plan {
        choice: Some(choice),
        ..Plan::count(count)
    }
}

/// Nobody reads for a while; the only shard must not wait for that.
fn goes_on_beside_a_full_pipe(choice: Choice, expected: &[Fallback]) {
    let sample = Sample::new(MIB);
    let scene = Scene::with(ONE_SHARD);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let id = scene.start(&writer, &sample.fd, choosing(choice, MIB));
    wait_until(|| {
        outstanding(writer.as_fd(), sendfile64_core::Kind::Pipe).is_some_and(|held| held > 60_000)
    });
    scene.proves_alive(&sample);
    assert!(is_blocking(&writer) && is_blocking(&reader));
    let reading = read_all(reader);
    let completion = scene.completion(id);
    assert!(is_blocking(&writer));
    drop(writer);
    assert_eq!(completion.end, End::Done);
    assert!(completion.transfer.would_block() > 0);
    let fallbacks: Vec<_> = completion.transfer.ladder().fallbacks().collect();
    assert_eq!(fallbacks, expected);
    assert_same(&reading.join().expect("the reader"), &sample.bytes);
}

#[test]
fn a_full_pipe_delays_no_other_transfer_and_keeps_its_flags() {
    goes_on_beside_a_full_pipe(Choice::Auto, &[]);
    goes_on_beside_a_full_pipe(Choice::Only(Method::Splice), &[]);
    goes_on_beside_a_full_pipe(Choice::Only(Method::Copy), &[]);
}

/// Where every attempt may wait for a disk, and so is a thread's of the pool.
#[test]
fn a_full_pipe_holds_no_thread_of_the_pool_up() {
    alone(
        "blocking::a_full_pipe_holds_no_thread_of_the_pool_up",
        || {
            forbid(Feature::Cachestat);
            forbid(Feature::ReadNowait);
            forbid(Feature::Mincore);
            forbid(Feature::Recency);
            let sample = Sample::new(MIB);
            let scene = Scene::with(ONE_SHARD);
            let pipes: Vec<_> = (0..8).map(|_| std::io::pipe().expect("a pipe")).collect();
            for (_, writer) in &pipes {
                scene.start(writer, &sample.fd, Plan::count(MIB));
            }
            scene.proves_alive(&sample);
        },
    );
}

#[test]
fn a_pipe_that_cannot_be_opened_again_is_spliced_to_or_refused() {
    alone(
        "blocking::a_pipe_that_cannot_be_opened_again_is_spliced_to_or_refused",
        || {
            forbid(Feature::Reopen);
            let fallback = Fallback {
                from: Method::Sendfile,
                to: Method::Splice,
                errno: EAGAIN,
            };
            goes_on_beside_a_full_pipe(Choice::Auto, &[fallback]);
            goes_on_beside_a_full_pipe(Choice::Only(Method::Splice), &[]);

            let sample = Sample::new(1000);
            let (mut reader, writer) = std::io::pipe().expect("a pipe");
            let scene = Scene::new();
            let has_parts = Plan {
                headers: b"before",
                ..choosing(Choice::Auto, 1000)
            };
            let copied = choosing(Choice::Only(Method::Copy), 1000);
            let sent = choosing(Choice::Only(Method::Sendfile), 1000);
            for plan in [has_parts, copied, sent] {
                let completion = scene.run(&writer, &sample.fd, plan);
                assert_eq!(completion.end, End::Refused(EAGAIN));
                assert_eq!(completion.syscalls, 0);
            }
            drop(writer);
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).expect("the end");
            assert_eq!(bytes, b"", "not a byte of the headers either");
        },
    );
}

#[test]
fn a_terminal_without_a_reader_delays_no_other_transfer_and_keeps_its_flags() {
    let sample = Sample::new(MIB);
    let scene = Scene::with(ONE_SHARD);
    let pty = openpty(None, None).expect("a terminal");
    for method in [Method::Sendfile, Method::Copy, Method::Splice] {
        let id = scene.start(&pty.slave, &sample.fd, choosing(Choice::Only(method), MIB));
        scene.proves_alive(&sample);
        assert!(is_blocking(&pty.slave));
        scene.engine.abort(id, Abort::Release);
        assert_eq!(scene.completion(id).end, End::Aborted);
    }
}

#[test]
fn a_terminal_that_cannot_be_opened_again_is_refused() {
    alone(
        "blocking::a_terminal_that_cannot_be_opened_again_is_refused",
        || {
            forbid(Feature::Reopen);
            let sample = Sample::new(1000);
            let scene = Scene::new();
            let pty = openpty(None, None).expect("a terminal");
            let completion = scene.run(&pty.slave, &sample.fd, choosing(Choice::Auto, 1000));
            assert_eq!(
                (completion.end, completion.syscalls),
                (End::Refused(EAGAIN), 0)
            );
        },
    );
}

#[test]
fn a_socket_in_blocking_mode_is_copied_to_without_waiting() {
    let sample = Sample::new(16 * MIB);
    for pair in [tcp, unix] {
        let scene = Scene::with(ONE_SHARD);
        let (sending, peer) = pair();
        sending.set_nonblocking(false).expect("blocking mode");
        let plan = Plan {
            headers: b"before",
            trailers: b"after",
            ..choosing(Choice::Auto, sample.bytes.len())
        };
        let id = scene.start(&sending, &sample.fd, plan);
        scene.proves_alive(&sample);
        let reader = read_all(peer);
        let completion = scene.completion(id);
        assert!(is_blocking(&sending));
        drop(sending);
        assert_eq!(completion.end, End::Done);
        let fallbacks: Vec<_> = completion.transfer.ladder().fallbacks().collect();
        assert_eq!(
            fallbacks,
            [Fallback {
                from: Method::Sendfile,
                to: Method::Copy,
                errno: EAGAIN
            }]
        );
        assert_same(
            &reader.join().expect("the reader"),
            &[b"before", &sample.bytes[..], b"after"].concat(),
        );
    }
}

#[test]
fn a_socket_in_blocking_mode_is_refused_to_other_methods() {
    let sample = Sample::new(1000);
    let scene = Scene::new();
    let (sending, _peer) = unix();
    sending.set_nonblocking(false).expect("blocking mode");
    for method in [Method::Sendfile, Method::Splice] {
        let completion = scene.run(&sending, &sample.fd, choosing(Choice::Only(method), 1000));
        assert_eq!(
            (completion.end, completion.syscalls),
            (End::Refused(EAGAIN), 0)
        );
    }
}

/// A device that answers late, as a disk may: an eventfd at its limit takes eight bytes once it has been read.
#[test]
fn a_device_that_answers_late_holds_no_socket_up() {
    let sample = Sample::new(MIB);
    let eight = Sample::new(8);
    std::fs::write(&eight.path, 5_u64.to_ne_bytes()).expect("a number");
    let scene = Scene::with(ONE_SHARD);
    let event = crate::states::late_device();
    let device = event.as_fd().try_clone_to_owned().expect("a duplicate");
    let plan = choosing(Choice::Only(Method::Copy), 8);
    let id = scene.start(&device, &eight.fd, plan);
    scene.proves_alive(&sample);
    assert_eq!(scene.rest().len(), 0, "it still waits");
    let mut answer = [0; 8];
    File::from(OwnedFd::from(event))
        .read_exact(&mut answer)
        .expect("the answer");
    assert_eq!(scene.completion(id).end, End::Done);
}
