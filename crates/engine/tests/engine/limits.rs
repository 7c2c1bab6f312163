//! A rate that transfers share, and the least rate that a destination has to take.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sendfile64_core::{Admission, End, LeastRate, Limiter, Rate, Reservation};
use sendfile64_engine::{Abort, Limit, Limits, now};

use crate::scene::{Plan, Sample, Scene, assert_same, read_all, tcp};

/// The limiter as the binding shares it.
struct Share {
    bucket: Arc<Mutex<Limiter>>,
    reservation: Reservation,
}

impl Limit for Share {
    fn admit(&mut self, wanted: u64) -> Result<u64, u64> {
        let now = now();
        let mut bucket = self.bucket.lock().expect("no panic under this lock");
        match bucket.admit(&mut self.reservation, wanted, now) {
            Admission::Go(bytes) => Ok(bytes),
            Admission::Wait(until) => Err(until - now),
        }
    }

    fn give_back(&mut self, bytes: u64) {
        let mut bucket = self.bucket.lock().expect("no panic under this lock");
        bucket.give_back(bytes, now());
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut bucket = self.bucket.lock().expect("no panic under this lock");
        bucket.withdraw(&mut self.reservation, now());
    }
}

fn bucket(per_second: u64, burst: u64) -> Arc<Mutex<Limiter>> {
    Arc::new(Mutex::new(Limiter::new(Rate { per_second, burst }, now())))
}

fn sharing(bucket: &Arc<Mutex<Limiter>>) -> Limits {
    Limits {
        shared: Some(Box::new(Share {
            bucket: Arc::clone(bucket),
            reservation: Reservation::default(),
        })),
        least: None,
    }
}

#[test]
fn transfers_that_share_a_rate_keep_it_together_and_end_together() {
    const LENGTH: usize = 300_000;
    let sample = Sample::new(LENGTH);
    let scene = Scene::new();
    let bucket = bucket(1_000_000, 20_000);
    let begun = Instant::now();
    let pairs: Vec<_> = (0..4)
        .map(|_| {
            let (sending, peer) = tcp();
            let reader = read_all(peer);
            let plan = Plan::count(LENGTH);
            let id = scene.start_limited(&sending, &sample.fd, plan, sharing(&bucket));
            (id, sending, reader)
        })
        .collect();
    let mut ended = Vec::new();
    for (id, ..) in &pairs {
        assert_eq!(scene.completion(*id).end, End::Done);
        ended.push(begun.elapsed());
    }
    // 1.2 MB at 1 MB a second, less the burst.
    assert!(ended[3] >= Duration::from_millis(1_100), "{ended:?}");
    assert!(ended[3] < Duration::from_secs(4), "{ended:?}");
    // One after the other they would end at 0.3, 0.6, 0.9 and 1.2 seconds.
    assert!(
        ended[0] * 2 > ended[3],
        "they do not get equal parts: {ended:?}"
    );
    for (_, sending, reader) in pairs {
        drop(sending);
        assert_same(&reader.join().expect("the reader"), &sample.bytes);
    }
}

#[test]
fn another_rate_ends_a_wait() {
    let sample = Sample::new(100_000);
    let scene = Scene::new();
    let bucket = bucket(1, 1);
    let (sending, peer) = tcp();
    let reader = read_all(peer);
    let id = scene.start_limited(&sending, &sample.fd, Plan::count(100_000), sharing(&bucket));
    thread::sleep(Duration::from_millis(20)); // it would wait for a day, so any time will do
    let fast = Rate {
        per_second: 1 << 40,
        burst: 1 << 40,
    };
    bucket.lock().expect("the bucket").set_rate(fast, now());
    scene.engine.rate_changed();
    assert_eq!(scene.completion(id).end, End::Done);
    drop(sending);
    assert_same(&reader.join().expect("the reader"), &sample.bytes);
}

#[test]
fn a_transfer_that_is_given_up_leaves_its_part_to_the_others() {
    let sample = Sample::new(1_000);
    let scene = Scene::new();
    let bucket = bucket(100, 1);
    let (first, _peer) = tcp();
    let id = scene.start_limited(&first, &sample.fd, Plan::count(1_000), sharing(&bucket));
    scene.engine.abort(id, Abort::Release);
    assert_eq!(scene.completion(id).end, End::Aborted);
    let mut bucket = bucket.lock().expect("the bucket");
    let mut reservation = Reservation::default();
    let Admission::Wait(until) = bucket.admit(&mut reservation, 1, now()) else {
        return; // the time for one byte has passed
    };
    assert!(
        until - now().min(until) <= 20_000_000,
        "another transfer is first"
    );
}

fn trickle(mut peer: UnixStream, bytes: usize, every: Duration, stop: Arc<AtomicBool>) {
    let mut buffer = vec![0; bytes];
    while !stop.load(Ordering::Relaxed) && matches!(peer.read(&mut buffer), Ok(1..)) {
        thread::sleep(every);
    }
}

#[test]
fn a_reader_below_the_least_rate_is_given_up_and_one_above_it_is_not() {
    const LENGTH: usize = 16 << 20;
    let sample = Sample::new(LENGTH);
    for (bytes, ends) in [(1_000, true), (400_000, false)] {
        let scene = Scene::new();
        let (sending, peer) = tcp();
        let stop = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stop);
        let reader = thread::spawn(move || trickle(peer, bytes, Duration::from_millis(10), stops));
        // 0.1 MB a second against 1 MB, and 40 MB a second.
        let least = LeastRate::new(1_000_000, 400_000_000);
        let limits = Limits {
            shared: None,
            least: Some(least),
        };
        let id = scene.start_limited(&sending, &sample.fd, Plan::count(LENGTH), limits);
        let completion = scene.completion(id);
        stop.store(true, Ordering::Relaxed);
        drop(sending);
        reader.join().expect("the reader");
        let expected = if ends { End::Stalled } else { End::Done };
        assert_eq!(completion.end, expected, "{bytes} bytes each 10 ms");
    }
}
