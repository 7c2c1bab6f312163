//! Transfers that end before their last byte.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use sendfile64_core::{End, Errno};
use sendfile64_engine::{Abort, Completion, Config, Event, Sink, Started, TransferId};

use crate::scene::{
    MIB, Plan, Sample, Scene, alone_with, assert_same, fill, read_all, tcp, unix, wait_until,
};

const EPIPE: Errno = Errno(32);
const ECONNRESET: Errno = Errno(104);
const EMFILE: i32 = 24;

/// Starts a transfer whose reader does not read, and waits until its socket is full.
fn stalled(scene: &Scene, sending: &UnixStream, sample: &Sample) -> TransferId {
    let id = scene.start(sending, &sample.fd, Plan::count(sample.bytes.len()));
    wait_until_full(sending);
    id
}

/// Waits until the socket takes no byte, by asking a poller of our own.
fn wait_until_full(sending: &UnixStream) {
    let fd = sending.as_raw_fd();
    wait_until(|| {
        let mut poll = Poll::new().expect("a poller");
        poll.registry()
            .register(&mut SourceFd(&fd), Token(0), Interest::WRITABLE)
            .expect("a registration");
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::ZERO))
            .expect("an answer");
        events.is_empty()
    });
}

#[test]
fn a_released_connection_goes_on_right_behind_the_bytes_that_were_sent() {
    let sample = Sample::new(16 * MIB);
    for pair in [tcp, unix] {
        let scene = Scene::new();
        let (sending, peer) = pair();
        let id = stalled(&scene, &sending, &sample);
        scene.engine.abort(id, Abort::Release);
        let completion = scene.completion(id);
        assert_eq!(completion.end, End::Aborted);
        let sent = completion.transfer.bytes_sent() as usize;
        assert!(0 < sent && sent < sample.bytes.len());

        let reader = read_all(peer);
        sending.set_nonblocking(false).expect("blocking mode");
        (&sending)
            .write_all(b"and the rest")
            .expect("a usable connection");
        drop(sending);
        let received = reader.join().expect("the reader");
        assert_same(&received[..sent], &sample.bytes[..sent]);
        assert_eq!(&received[sent..], b"and the rest");
    }
}

#[test]
fn after_a_shutdown_the_peer_sees_the_end_while_the_socket_is_still_open() {
    let sample = Sample::new(16 * MIB);
    for pair in [tcp, unix] {
        let scene = Scene::new();
        let (sending, peer) = pair();
        let id = stalled(&scene, &sending, &sample);
        scene.engine.abort(id, Abort::Shutdown);
        let completion = scene.completion(id);
        assert_eq!(completion.end, End::Aborted);
        let sent = completion.transfer.bytes_sent() as usize;
        assert_same(
            &read_all(peer).join().expect("the reader"),
            &sample.bytes[..sent],
        );
        drop(sending);
    }
}

#[test]
fn a_transfer_in_full_swing_can_be_given_up() {
    let sample = Sample::new(32 * MIB);
    let scene = Scene::new();
    let (sending, mut peer) = unix();
    let id = scene.start(&sending, &sample.fd, Plan::count(sample.bytes.len()));
    let mut start = vec![0; MIB];
    peer.read_exact(&mut start).expect("some bytes");
    let reader = read_all(peer);
    scene.engine.abort(id, Abort::Release);
    let completion = scene.completion(id);
    drop(sending);
    let received = [start, reader.join().expect("the reader")].concat();
    let sent = completion.transfer.bytes_sent() as usize;
    match completion.end {
        End::Aborted => assert!(sent < sample.bytes.len()),
        end => assert_eq!(
            (end, sent),
            (End::Done, sample.bytes.len()),
            "it was faster than the abort"
        ),
    }
    assert_same(&received, &sample.bytes[..sent]);
}

#[test]
fn aborts_of_unknown_and_finished_transfers_are_ignored() {
    let sample = Sample::new(2 * MIB);
    let scene = Scene::new();
    scene.engine.abort(TransferId(99), Abort::Shutdown);
    let (sending, peer) = unix();
    let reader = read_all(peer);
    let id = scene.start(&sending, &sample.fd, Plan::count(MIB));
    scene.engine.abort(TransferId(99), Abort::Shutdown);
    assert_eq!(scene.completion(id).end, End::Done);
    scene.engine.abort(id, Abort::Shutdown);
    // The next one, on the same connection, is behind that abort.
    let second = scene.start(&sending, &sample.fd, Plan::count(2 * MIB));
    assert_eq!(scene.completion(second).end, End::Done);
    drop(sending);
    let expected = [&sample.bytes[..MIB], &sample.bytes].concat();
    assert_same(&reader.join().expect("the reader"), &expected);
    assert_eq!(scene.rest().len(), 0);
}

#[test]
fn a_reader_that_goes_away_is_a_failure_with_the_bytes_so_far() {
    let sample = Sample::new(16 * MIB);
    for pair in [tcp, unix] {
        let scene = Scene::new();
        let (sending, mut peer) = pair();
        let id = stalled(&scene, &sending, &sample);
        let mut some = [0; 1000];
        peer.read_exact(&mut some).expect("some bytes");
        drop(peer);
        let completion = scene.completion(id);
        assert!(
            matches!(completion.end, End::Failed(EPIPE | ECONNRESET)),
            "{:?}",
            completion.end
        );
        let sent = completion.transfer.bytes_sent();
        assert!(1000 <= sent && sent < 16 * MIB as u64, "{sent}");
    }
}

#[test]
fn a_file_that_ends_early_is_truncated_with_exact_bytes() {
    let sample = Sample::new(2 * MIB + 11);
    let scene = Scene::new();
    let (sending, peer) = tcp();
    let reader = read_all(peer);
    let completion = scene.run(&sending, &sample.fd, Plan::count(3 * MIB));
    drop(sending);
    assert_eq!(completion.end, End::Truncated);
    assert_eq!(completion.transfer.bytes_sent(), sample.bytes.len() as u64);
    assert_same(&reader.join().expect("the reader"), &sample.bytes);
}

/// Pages that are in the socket already keep their bytes; a file cut to a page boundary leaves no zeros behind.
#[test]
fn a_file_that_is_cut_while_it_is_sent_is_truncated() {
    let sample = Sample::new(16 * MIB);
    let scene = Scene::new();
    let (sending, peer) = unix();
    let full = fill(&sending);
    let id = scene.start(&sending, &sample.fd, Plan::count(sample.bytes.len()));
    sample.set_length(4 * MIB as u64);
    let reader = read_all(peer);
    let completion = scene.completion(id);
    drop(sending);
    assert_eq!(completion.end, End::Truncated);
    assert_eq!(completion.transfer.bytes_sent(), 4 * MIB as u64);
    assert_same(
        &reader.join().expect("the reader")[full..],
        &sample.bytes[..4 * MIB],
    );
}

/// Panics when it hears of a completion for the first time.
struct Faulty {
    panicked: AtomicBool,
}

impl Sink for Faulty {
    fn deliver(&self, _: Event) {
        assert!(
            self.panicked.swap(true, Ordering::SeqCst),
            "this panic belongs to the test"
        );
    }
}

#[test]
fn a_panic_gives_up_the_shards_transfers_and_not_the_shard() {
    let sample = Sample::new(4 * MIB);
    let scene = Scene::with(Config {
        shards: 1,
        ..Config::default()
    });
    let (beside, _peer_of_beside) = unix();
    let beside = stalled(&scene, &beside, &sample);

    let faulty = Arc::new(Faulty {
        panicked: AtomicBool::new(false),
    });
    let (sending, peer) = unix();
    let sink = Arc::clone(&faulty) as Arc<dyn Sink>;
    let command =
        Plan::count(sample.bytes.len()).command(scene.next_id(), &sending, &sample.fd, sink);
    assert!(matches!(scene.engine.start(command), Ok(Started::Queued)));
    let reader = read_all(peer);
    assert_eq!(scene.completion(beside).end, End::Aborted);
    assert!(faulty.panicked.load(Ordering::SeqCst));
    drop(sending);
    assert_same(&reader.join().expect("the reader"), &sample.bytes);

    let (sending, peer) = unix();
    let reader = read_all(peer);
    assert_eq!(
        scene
            .run(&sending, &sample.fd, Plan::count(sample.bytes.len()))
            .end,
        End::Done
    );
    drop(sending);
    assert_same(&reader.join().expect("the reader"), &sample.bytes);
    assert_eq!(Arc::strong_count(&sample.fd), 1);
}

/// A poller needs a descriptor, and there is none to be had.
#[test]
fn a_start_without_a_poller_is_an_error_that_releases_the_descriptors() {
    alone_with(
        "ulimit -n 64;",
        "endings::a_start_without_a_poller_is_an_error_that_releases_the_descriptors",
        || {
            let sample = Sample::new(2 * MIB);
            let scene = Scene::new();
            let (sending, mut peer) = unix();
            let written = fill(&sending);
            let commands = [2 * MIB, 60_000, 60_000].map(|count| {
                let sink = Arc::clone(&scene.sink) as Arc<dyn Sink>;
                let plan = Plan {
                    quantum: 16_384,
                    ..Plan::count(count)
                };
                plan.command(scene.next_id(), &sending, &sample.fd, sink)
            });
            let mut taken = Vec::new();
            let mut sent = 0;
            for (number, command) in commands.into_iter().enumerate() {
                taken.extend(std::iter::from_fn(|| sending.try_clone().ok()));
                if number == 2 {
                    // Now there is room for an attempt or two, and it takes four.
                    peer.read_exact(&mut [0; 8192]).expect("what was written");
                }
                let errno = match scene.engine.start(command) {
                    Err(error) => {
                        assert!(error.call.provides(), "{error:?}");
                        Some(error.errno.0)
                    }
                    Ok(Started::Finished(completion)) => {
                        let Completion { end, transfer, .. } = *completion;
                        sent += transfer.bytes_sent() as usize;
                        assert!(number == 2 && 0 < sent && sent < 60_000, "{number}: {sent}");
                        match end {
                            End::Failed(Errno(errno)) => Some(errno),
                            other => panic!("{other:?}"),
                        }
                    }
                    Ok(other) => panic!("{other:?}"),
                };
                assert_eq!(errno, Some(EMFILE));
                assert_eq!(scene.engine.threads(), 0);
            }
            assert_eq!(Arc::strong_count(&sample.fd), 1);

            drop(taken);
            drop(sending);
            let mut received = Vec::new();
            peer.read_to_end(&mut received)
                .expect("the end: nobody else holds the socket");
            assert_eq!(received.len(), written - 8192 + sent);
            assert_same(&received[written - 8192..], &sample.bytes[..sent]);
        },
    );
}
