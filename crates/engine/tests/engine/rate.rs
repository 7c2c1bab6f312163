//! Limits: not faster, hardly slower, and asleep in between.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use sendfile64_core::{End, Method, Rate};
use sendfile64_engine::Choice;

use crate::scene::{Plan, Sample, Scene, alone, assert_same, read_all, tcp, unix};

const RATE: Rate = Rate {
    per_second: 500_000,
    burst: 100_000,
};
const LENGTH: usize = 600_000;
/// What the bytes beyond the burst take.
const DUE: Duration = Duration::from_secs(1);

/// Machines are slow at times, and never fast.
fn assert_in_time(elapsed: Duration) {
    assert!(elapsed >= DUE - Duration::from_millis(50), "{elapsed:?}");
    assert!(elapsed < 4 * DUE, "{elapsed:?}");
}

#[test]
fn a_limit_holds_by_every_method() {
    let sample = Sample::new(LENGTH);
    for method in [Method::Sendfile, Method::Splice, Method::Copy] {
        let scene = Scene::new();
        let (sending, peer) = tcp();
        let reader = read_all(peer);
        let plan = Plan {
            rate: Some(RATE),
            choice: Some(Choice::Only(method)),
            headers: b"before",
            trailers: b"after",
            ..Plan::count(LENGTH)
        };
        let begun = Instant::now();
        let completion = scene.run(&sending, &sample.fd, plan);
        assert_in_time(begun.elapsed());
        drop(sending);
        assert_eq!(completion.end, End::Done);
        assert_same(
            &reader.join().expect("the reader"),
            &[b"before", &sample.bytes[..], b"after"].concat(),
        );
    }
}

#[test]
fn a_limit_holds_for_a_file() {
    let sample = Sample::new(LENGTH);
    let target = Sample::new(0);
    let file = File::options()
        .write(true)
        .open(&target.path)
        .expect("the file");
    let scene = Scene::new();
    let plan = Plan {
        rate: Some(RATE),
        choice: Some(Choice::Auto),
        ..Plan::count(LENGTH)
    };
    let begun = Instant::now();
    assert_eq!(
        scene.run(&OwnedFd::from(file), &sample.fd, plan).end,
        End::Done
    );
    assert_in_time(begun.elapsed());
    assert_same(&fs::read(&target.path).expect("the file"), &sample.bytes);
}

/// At no time has the reader more than burst and rate allow.
#[test]
fn the_reader_never_has_more_than_the_limit_allows() {
    let sample = Sample::new(LENGTH);
    let scene = Scene::new();
    let (sending, mut peer) = unix();
    let plan = Plan {
        rate: Some(RATE),
        ..Plan::count(LENGTH)
    };
    let begun = Instant::now();
    let id = scene.start(&sending, &sample.fd, plan);
    let mut received = 0;
    let mut buffer = vec![0; LENGTH];
    while received < LENGTH {
        received += peer.read(&mut buffer).expect("bytes in time");
        let allowed = 100_000.0 + begun.elapsed().as_secs_f64() * 500_000.0;
        assert!(received as f64 <= allowed, "{received} of {allowed}");
    }
    assert_eq!(scene.completion(id).end, End::Done);
}

/// Nanoseconds on a processor, of all threads of the process (proc(5), schedstat).
fn processor_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc");
    let times = tasks.filter_map(|task| {
        let path = task.expect("a thread").path().join("schedstat");
        let text = fs::read_to_string(path).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

#[test]
fn a_transfer_that_waits_for_a_limit_sleeps() {
    alone("rate::a_transfer_that_waits_for_a_limit_sleeps", || {
        let sample = Sample::new(LENGTH);
        let scene = Scene::new();
        let running: Vec<_> = (0..10)
            .map(|_| {
                let (sending, peer) = unix();
                let plan = Plan {
                    rate: Some(RATE),
                    ..Plan::count(LENGTH)
                };
                let id = scene.start(&sending, &sample.fd, plan);
                (id, sending, read_all(peer))
            })
            .collect();
        let (begun, before) = (Instant::now(), processor_time());
        for (id, sending, _reader) in running {
            assert_eq!(scene.completion(id).end, End::Done);
            drop(sending);
        }
        let (elapsed, used) = (begun.elapsed(), processor_time() - before);
        assert!(elapsed >= DUE - Duration::from_millis(100), "{elapsed:?}");
        assert!(
            used < elapsed / 2,
            "{used:?} of {elapsed:?}: a thread spins"
        );
    });
}
