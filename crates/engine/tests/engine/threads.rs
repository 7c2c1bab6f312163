//! How many threads there are, and what they do when there is nothing to do.

use std::fs;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use sendfile64_core::End;
use sendfile64_engine::{Config, Engine, Event, Sink};

use crate::scene::{
    MIB, Plan, Sample, Scene, TIMEOUT, alone, assert_same, read_all, unix, wait_until,
};

/// The engine's threads in this process, with the nanoseconds that each has run (proc(5), schedstat).
fn run_times() -> Vec<(u64, u64)> {
    let mut times = Vec::new();
    for task in fs::read_dir("/proc/self/task").expect("/proc") {
        let task = task.expect("an entry");
        // A thread may end between the listing and the look; then it has no name or no time.
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let time = read("schedstat")
            .split(' ')
            .next()
            .and_then(|time| time.parse().ok());
        if let Some(time) = time
            && read("comm").starts_with("sendfile64-")
        {
            times.push((
                task.file_name()
                    .to_string_lossy()
                    .parse()
                    .expect("a thread id"),
                time,
            ));
        }
    }
    times.sort_unstable();
    times
}

#[test]
fn threads_start_with_work_and_end_with_the_join() {
    alone(
        "threads::threads_start_with_work_and_end_with_the_join",
        || {
            let sample = Sample::new(4 * MIB);
            let scene = Scene::with(Config {
                shards: 2,
                disk_threads: 4,
                ..Config::default()
            });
            assert_eq!((scene.engine.threads(), run_times().len()), (0, 0));
            let mut sockets = Vec::new();
            for started in 1..=20 {
                let (sending, peer) = unix();
                scene.start(&sending, &sample.fd, Plan::count(sample.bytes.len()));
                sockets.push((sending, peer));
                assert!(scene.engine.threads() >= started.min(2));
            }
            for id in 0..100 {
                let sink = Arc::clone(&scene.sink) as Arc<dyn Sink>;
                scene
                    .engine
                    .open(id, Plan::default().owner, sample.path.clone(), sink)
                    .expect("a thread");
            }
            // Two shards and four threads, and on a busy machine more that make up for those kept at one open for long.
            assert!(
                (3..=34).contains(&scene.engine.threads()),
                "{}",
                scene.engine.threads()
            );
            // A thread gets its name when it first runs.
            wait_until(|| run_times().len() == scene.engine.threads());
            scene.engine.join();
            assert_eq!(scene.engine.threads(), 0);
            // The kernel wakes a joining thread a moment before it takes the ended thread off the list.
            wait_until(|| run_times().is_empty());
        },
    );
}

/// Another engine's work is the clock: as long as it takes, the first engine's threads do not run at all.
#[test]
fn waiting_transfers_use_no_processor_time() {
    const ROUNDS: usize = 50;
    alone("threads::waiting_transfers_use_no_processor_time", || {
        let sample = Sample::new(8 * MIB);
        let waiting = Scene::new();
        let mut sockets = Vec::new();
        for _ in 0..100 {
            let (sending, peer) = unix();
            waiting.start(&sending, &sample.fd, Plan::count(sample.bytes.len()));
            sockets.push((sending, peer));
        }
        // A thread gets its name when it first runs.
        wait_until(|| run_times().len() == waiting.engine.threads());
        let threads: Vec<_> = run_times().into_iter().map(|(thread, _)| thread).collect();
        let working = Scene::new();
        let mut last = Vec::new();
        for _ in 0..ROUNDS {
            let (sending, peer) = unix();
            let reader = read_all(peer);
            assert_eq!(
                working
                    .run(&sending, &sample.fd, Plan::count(sample.bytes.len()))
                    .end,
                End::Done
            );
            drop(sending);
            assert_same(&reader.join().expect("the reader"), &sample.bytes);
            let mut now = run_times();
            now.retain(|(thread, _)| threads.contains(thread));
            if now == last {
                return; // quiet for a whole round, however long the sockets took to fill up before
            }
            last = now;
        }
        panic!("the waiting engine's threads ran in each of {ROUNDS} rounds");
    });
}

/// sendfile(2) to a peer that is gone raises SIGPIPE; a program that embeds the engine may not ignore it on every thread.
#[test]
fn the_engines_threads_block_sigpipe_and_the_callers_mask_stays() {
    const SIGPIPE: u64 = 1 << 12;
    alone(
        "threads::the_engines_threads_block_sigpipe_and_the_callers_mask_stays",
        || {
            let sample = Sample::new(2 * MIB);
            let scene = Scene::with(Config {
                shards: 1,
                disk_threads: 1,
                ..Config::default()
            });
            let (sending, peer) = unix();
            scene.try_start(&sending, &sample.fd, Plan::count(1000));
            scene.start(&sending, &sample.fd, Plan::count(2 * MIB));
            let sink = Arc::clone(&scene.sink) as Arc<dyn Sink>;
            scene
                .engine
                .open(1, Plan::default().owner, sample.path.clone(), sink)
                .expect("a thread");
            wait_until(|| run_times().len() == 2);
            for (thread, _) in run_times() {
                wait_until(|| {
                    blocked_signals(&format!("/proc/self/task/{thread}/status")) & SIGPIPE != 0
                });
            }
            assert_eq!(blocked_signals("/proc/thread-self/status") & SIGPIPE, 0);
            drop((sending, peer));
        },
    );
}

/// The thread's signal mask (proc(5), status).
fn blocked_signals(status: &str) -> u64 {
    let status = fs::read_to_string(status).expect("a thread that lives");
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:"))
        .expect("its mask");
    u64::from_str_radix(mask.trim(), 16).expect("a number")
}

/// Keeps the thread that calls it until the test lets it go.
struct DeadDisk {
    called: mpsc::Sender<()>,
    lets_go: Mutex<mpsc::Receiver<()>>,
}

impl Sink for DeadDisk {
    fn deliver(&self, _: Event) {
        let _ = self.called.send(());
        let lets_go = self.lets_go.lock().expect("one caller");
        let _ended = lets_go.recv();
    }
}

#[test]
fn the_end_of_an_engine_does_not_wait_for_a_disk_that_does_not_answer() {
    let engine = Engine::new(Config {
        join_timeout: Duration::from_millis(50),
        ..Config::default()
    });
    let (called, is_called) = mpsc::channel();
    let (let_go, lets_go) = mpsc::channel();
    let disk = Arc::new(DeadDisk {
        called,
        lets_go: Mutex::new(lets_go),
    });
    let sample = Sample::new(MIB);
    let owner = Plan::default().owner;
    let sink = Arc::clone(&disk) as Arc<dyn Sink>;
    engine
        .open(1, owner, sample.path.clone(), sink)
        .expect("a thread");
    is_called.recv_timeout(TIMEOUT).expect("a busy thread");

    let begun = Instant::now();
    engine.join();
    assert!(begun.elapsed() < TIMEOUT / 2, "{:?}", begun.elapsed());
    assert_eq!(
        Arc::strong_count(&disk),
        2,
        "the thread has what it needs, until it is let go"
    );
    drop(let_go);
    wait_until(|| Arc::strong_count(&disk) == 1);
}
