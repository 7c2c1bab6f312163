//! What may wait for a disk: files that are not in memory, and opens.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use sendfile64_core::{End, Errno, Ladder, Method};
use sendfile64_engine::{Abort, Config, Event, OwnerId, Sink};
use sendfile64_sys::fs::page_cache::{Residency, residency};
use sendfile64_sys::probe::{Feature, forbid};

use crate::scene::{MIB, Plan, Sample, Scene, alone, assert_same, read_all, tcp, unix};

const ENOENT: Errno = Errno(2);

fn opened(scene: &Scene, wanted: u64) -> Result<File, Errno> {
    match scene.event(|event| matches!(event, Event::Opened { id, .. } if *id == wanted)) {
        Event::Opened { result, .. } => result.map(|opened| File::from(opened.fd)),
        other => unreachable!("asked for an open, got {other:?}"),
    }
}

fn open(scene: &Scene, id: u64, path: impl Into<PathBuf>) {
    let sink = Arc::clone(&scene.sink) as Arc<dyn Sink>;
    scene
        .engine
        .open(id, OwnerId(1), Into::<PathBuf>::into(path), sink)
        .expect("a thread");
}

#[test]
fn cold_files_are_read_by_the_pool() {
    const FILES: usize = 6;
    let scene = Scene::with(Config {
        shards: 1,
        ..Config::default()
    });
    let samples = [3 * MIB; FILES].map(Sample::new);
    samples.iter().for_each(Sample::cool);
    // Where the filesystem keeps the pages all the same, or cannot tell, the bytes are what is tested.
    let is_cold = |sample: &Sample| {
        matches!(
            residency(sample.fd.as_fd(), 0, 3 * MIB as u64),
            Residency::Absent
        )
    };
    let some_cold = samples.iter().any(is_cold);
    let running = samples.each_ref().map(|sample| {
        let (sending, peer) = tcp();
        let id = scene.start(&sending, &sample.fd, Plan::count(3 * MIB));
        (sample, id, sending, read_all(peer))
    });
    for (sample, id, sending, reader) in running {
        assert_eq!(scene.completion(id).end, End::Done);
        drop(sending);
        assert_same(&reader.join().expect("a reader"), &sample.bytes);
        assert_eq!(Arc::strong_count(&sample.fd), 1);
    }
    let threads = scene.engine.threads();
    // One shard, four that may wait, one that looks after them; and one for each that waits for long.
    assert!(threads <= 6 + FILES, "{threads}");
    assert!(
        threads >= 2 || !some_cold,
        "no thread was free to wait for the disk"
    );
}

/// Where nothing is known, every attempt is away while the socket fills and empties: a readiness that is reported in
/// the meantime must not be lost.
#[test]
fn attempts_away_miss_no_readiness() {
    alone("cold::attempts_away_miss_no_readiness", || {
        forbid(Feature::Cachestat);
        forbid(Feature::ReadNowait);
        forbid(Feature::Mincore);
        forbid(Feature::Recency);
        let sample = Sample::new(4 * MIB + 1);
        let scene = Scene::with(Config {
            shards: 2,
            disk_threads: 4,
            ..Config::default()
        });
        let mut running = Vec::new();
        for number in 0..16 {
            let (sending, peer) = if number % 2 == 0 { tcp() } else { unix() };
            let method = if number % 4 < 2 {
                Method::Sendfile
            } else {
                Method::Copy
            };
            let plan = Plan {
                ladder: Ladder::only(method),
                ..Plan::count(sample.bytes.len())
            };
            let id = scene.start(&sending, &sample.fd, plan);
            running.push((id, sending, read_all(peer)));
        }
        for (id, sending, reader) in running {
            assert_eq!(scene.completion(id).end, End::Done);
            drop(sending);
            assert_same(&reader.join().expect("a reader"), &sample.bytes);
        }
        let threads = scene.engine.threads();
        assert!(threads >= 6, "two shards and a full pool: {threads}");
    });
}

#[test]
fn aborts_meet_attempts_that_are_away() {
    alone("cold::aborts_meet_attempts_that_are_away", || {
        forbid(Feature::Cachestat);
        forbid(Feature::ReadNowait);
        forbid(Feature::Mincore);
        forbid(Feature::Recency);
        let sample = Sample::new(8 * MIB);
        let scene = Scene::new();
        for round in 0..50 {
            let how = if round % 2 == 0 {
                Abort::Release
            } else {
                Abort::Shutdown
            };
            let (sending, mut peer) = unix();
            let id = scene.start(&sending, &sample.fd, Plan::count(sample.bytes.len()));
            let mut start = vec![0; round * 4096];
            peer.read_exact(&mut start).expect("some bytes");
            let reader = read_all(peer);
            scene.engine.abort(id, how);
            let completion = scene.completion(id);
            let sent = completion.transfer.bytes_sent() as usize;
            match completion.end {
                End::Aborted => assert!(sent < sample.bytes.len()),
                end => assert_eq!(
                    (end, sent),
                    (End::Done, sample.bytes.len()),
                    "it was faster than the abort"
                ),
            }
            // After a shutdown the peer sees the end although this side is open.
            if how == Abort::Release || completion.end == End::Done {
                drop(sending);
            }
            let received = [start, reader.join().expect("the reader")].concat();
            assert_same(&received, &sample.bytes[..sent]);
        }
        assert_eq!(scene.rest().len(), 0, "one completion each");
        assert_eq!(Arc::strong_count(&sample.fd), 1);
    });
}

#[test]
fn an_open_is_answered() {
    let sample = Sample::new(1234);
    let scene = Scene::new();
    open(&scene, 1, &sample.path);
    open(&scene, 2, sample.path.with_extension("missing"));
    let mut bytes = Vec::new();
    opened(&scene, 1)
        .expect("the file")
        .read_to_end(&mut bytes)
        .expect("its bytes");
    assert_same(&bytes, &sample.bytes);
    assert_eq!(opened(&scene, 2).map(drop), Err(ENOENT));
    assert_eq!(scene.rest().len(), 0);
    assert!(
        scene.engine.threads() <= 2,
        "no shard, and one thread for each open at most"
    );
}

#[test]
fn every_accepted_open_is_answered_before_a_join_is_over() {
    const OPENS: u64 = 100;
    let sample = Sample::new(10);
    let scene = Scene::new();
    for id in 0..OPENS {
        open(&scene, id, &sample.path);
    }
    scene.engine.join();
    assert_eq!(scene.engine.threads(), 0);
    for id in 0..OPENS {
        opened(&scene, id).expect("the file");
    }
    assert_eq!(scene.rest().len(), 0);
    open(&scene, OPENS, &sample.path);
    opened(&scene, OPENS).expect("the file, from a new thread");
}
