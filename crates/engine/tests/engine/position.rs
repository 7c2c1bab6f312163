//! The source's own file position: where it was plus what was sent, whatever the method and the end.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use sendfile64_core::{End, Method, Rate};
use sendfile64_engine::{Abort, Choice, Event};
use sendfile64_sys::fd::{position, set_position};

use crate::scene::{MIB, Plan, Sample, Scene, assert_same, read_all, tcp, unix, wait_until};

const START: u64 = 1001;

fn at_start(sample: &Sample, choice: Choice, count: Option<u64>) -> Plan {
    set_position(sample.fd.as_fd(), START).expect("a seekable file");
    Plan {
        start: START,
        own_position: true,
        choice: Some(choice),
        quantum: 100_000,
        headers: b"before",
        trailers: b"after",
        count,
        ..Plan::default()
    }
}

fn assert_moved(sample: &Sample, sent: u64) {
    assert_eq!(position(sample.fd.as_fd()), Ok(START + sent));
}

#[test]
fn it_stands_behind_the_last_byte_sent_by_every_method() {
    let sample = Sample::new(MIB);
    for method in [Method::Sendfile, Method::Splice, Method::Copy] {
        for count in [Some(10), Some(500_000), None, Some(2 * MIB as u64)] {
            for pair in [tcp, unix] {
                let scene = Scene::new();
                let (sending, peer) = pair();
                let reader = read_all(peer);
                let plan = at_start(&sample, Choice::Only(method), count);
                let completion = scene.run(&sending, &sample.fd, plan);
                drop(sending);
                let sent = completion.transfer.bytes_sent();
                let most = MIB as u64 - START;
                assert_eq!(sent, count.unwrap_or(most).min(most));
                assert_moved(&sample, sent);
                let received = reader.join().expect("the reader");
                let body = &sample.bytes[START as usize..][..sent as usize];
                assert_same(&received[6..6 + body.len()], body);
            }
        }
    }
}

#[test]
fn it_stands_behind_the_last_byte_of_a_file_that_was_written() {
    let sample = Sample::new(MIB);
    for method in [
        Method::Sendfile,
        Method::Splice,
        Method::CopyFileRange,
        Method::Copy,
    ] {
        let target = Sample::new(0);
        let file = File::options()
            .write(true)
            .open(&target.path)
            .expect("the file");
        let scene = Scene::new();
        let plan = at_start(&sample, Choice::Only(method), Some(300_000));
        assert_eq!(
            scene.run(&OwnedFd::from(file), &sample.fd, plan).end,
            End::Done
        );
        assert_moved(&sample, 300_000);
        let body = &sample.bytes[START as usize..][..300_000];
        let written = std::fs::read(&target.path).expect("the file");
        assert_same(&written, &[b"before", body, b"after"].concat());
    }
}

/// A limit stops the transfer in the middle for as long as it takes to abort it.
#[test]
fn after_an_abort_it_stands_behind_what_was_sent() {
    let sample = Sample::new(MIB);
    for method in [Method::Sendfile, Method::Splice, Method::Copy] {
        let scene = Scene::new();
        let (sending, peer) = unix();
        let reader = read_all(peer);
        let plan = Plan {
            rate: Some(Rate {
                per_second: 1,
                burst: 250_000,
            }),
            progress_interval: Duration::from_millis(1),
            ..at_start(&sample, Choice::Only(method), Some(500_000))
        };
        let id = scene.start(&sending, &sample.fd, plan);
        scene.event(
            |event| matches!(event, Event::Progress { bytes_sent, .. } if *bytes_sent >= 250_000),
        );
        scene.engine.abort(id, Abort::Release);
        let completion = scene.completion(id);
        drop(sending);
        assert_eq!(completion.end, End::Aborted);
        let sent = completion.transfer.bytes_sent();
        assert!((250_000..250_100).contains(&sent), "{sent}");
        assert_moved(&sample, sent);
        let received = reader.join().expect("the reader");
        assert_same(
            &received[6..],
            &sample.bytes[START as usize..][..sent as usize],
        );
    }
}

/// Bytes that only the pipe between has taken do not count.
#[test]
fn after_an_abort_with_a_full_pipe_it_stands_behind_what_was_accepted() {
    let sample = Sample::new(4 * MIB);
    let scene = Scene::new();
    let (sending, peer) = unix();
    let plan = Plan {
        quantum: MIB as u64,
        ..at_start(&sample, Choice::Only(Method::Splice), None)
    };
    let id = scene.start(&sending, &sample.fd, plan);
    wait_until(|| {
        sendfile64_sys::fd::outstanding(sending.as_fd(), sendfile64_core::Kind::Socket)
            .is_some_and(|held| held > 100_000)
    });
    scene.engine.abort(id, Abort::Release);
    let sent = scene.completion(id).transfer.bytes_sent();
    drop(sending);
    assert_moved(&sample, sent);
    let received = read_all(peer).join().expect("the reader");
    assert_same(
        &received[6..],
        &sample.bytes[START as usize..][..sent as usize],
    );
    assert_eq!(Arc::strong_count(&sample.fd), 1);
}
