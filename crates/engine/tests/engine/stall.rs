//! Destinations that take nothing.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sendfile64_core::{End, Rate};
use sendfile64_engine::Event;

use crate::scene::{MIB, Plan, Sample, Scene, assert_same, fill, read_all, tcp, unix};

#[test]
fn a_reader_that_reads_nothing_is_given_up_in_time() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    let sample = Sample::new(16 * MIB);
    for pair in [tcp, unix] {
        let scene = Scene::new();
        let (sending, peer) = pair();
        fill(&sending);
        let begun = Instant::now();
        let plan = Plan {
            stall_timeout: Some(TIMEOUT),
            ..Plan::count(sample.bytes.len())
        };
        let id = scene.start(&sending, &sample.fd, plan);
        let completion = scene.completion(id);
        assert_eq!(
            (completion.end, completion.transfer.bytes_sent()),
            (End::Stalled, 0)
        );
        assert!(begun.elapsed() >= TIMEOUT, "{:?}", begun.elapsed());
        assert!(begun.elapsed() < TIMEOUT * 10, "{:?}", begun.elapsed());
        drop(peer);
    }
}

/// Reads `sip` bytes, then rests, until the end.
fn sip(mut peer: UnixStream, sip: usize, rest: Duration) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; sip]);
        loop {
            match peer.read(&mut buffer).expect("bytes in time") {
                0 => return bytes,
                read => bytes.extend_from_slice(&buffer[..read]),
            }
            thread::sleep(rest);
        }
    })
}

/// A unix socket has room again when three quarters of its buffer are empty: this reader takes a second for that, and is
/// at work all the time.
#[test]
fn a_slow_reader_has_not_stalled() {
    let sample = Sample::new(600_000);
    let scene = Scene::new();
    let (sending, peer) = unix();
    let plan = Plan {
        stall_timeout: Some(Duration::from_millis(600)),
        ..Plan::count(sample.bytes.len())
    };
    let id = scene.start(&sending, &sample.fd, plan);
    let reader = sip(peer, 4096, Duration::from_millis(20));
    let completion = scene.completion(id);
    drop(sending);
    assert_eq!(completion.end, End::Done);
    assert!(completion.transfer.would_block() > 0, "the socket was full");
    assert_same(&reader.join().expect("the reader"), &sample.bytes);
}

/// It is the limit that pauses, for longer than a destination may.
#[test]
fn a_pause_of_the_limit_is_not_a_stall() {
    let sample = Sample::new(300_000);
    let scene = Scene::new();
    let (sending, peer) = unix();
    let reader = read_all(peer);
    let plan = Plan {
        rate: Some(Rate {
            per_second: 100_000,
            burst: 200_000,
        }),
        quantum: 200_000,
        stall_timeout: Some(Duration::from_millis(5)),
        ..Plan::count(sample.bytes.len())
    };
    assert_eq!(scene.run(&sending, &sample.fd, plan).end, End::Done);
    drop(sending);
    assert_same(&reader.join().expect("the reader"), &sample.bytes);
}

/// What went before counts no more: each wait is a new one.
#[test]
fn every_accepted_byte_begins_the_time_anew() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    let sample = Sample::new(4 * MIB);
    let scene = Scene::new();
    let (sending, mut peer) = unix();
    let begun = Instant::now();
    let plan = Plan {
        stall_timeout: Some(TIMEOUT),
        progress_interval: Duration::from_millis(1),
        ..Plan::count(sample.bytes.len())
    };
    let id = scene.start(&sending, &sample.fd, plan);
    let mut received = Vec::new();
    for _ in 0..6 {
        thread::sleep(TIMEOUT / 4);
        let mut part = vec![0; 100_000];
        peer.read_exact(&mut part).expect("bytes");
        received.extend(part);
    }
    let last = Instant::now();
    let completion = scene.completion(id);
    assert_eq!(completion.end, End::Stalled);
    assert!(last.elapsed() >= TIMEOUT / 2, "{:?}", last.elapsed());
    assert!(begun.elapsed() > TIMEOUT * 3 / 2, "{:?}", begun.elapsed());
    let sent = completion.transfer.bytes_sent() as usize;
    drop(sending);
    peer.read_to_end(&mut received).expect("the rest");
    assert_same(&received, &sample.bytes[..sent]);
    assert!(
        scene
            .rest()
            .iter()
            .all(|event| matches!(event, Event::Progress { .. }))
    );
}
