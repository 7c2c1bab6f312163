//! How many threads there are, and what they do when there is nothing to do.

use std::fs;

use sendfile64_core::End;
use sendfile64_engine::{Config, Sink};

use crate::scene::{MIB, Plan, Sample, Scene, alone, assert_same, read_all, unix};

/// The engine's threads in this process, with the nanoseconds that each has run (proc(5), schedstat).
fn run_times() -> Vec<(u64, u64)> {
    let mut times = Vec::new();
    for task in fs::read_dir("/proc/self/task").expect("/proc") {
        let task = task.expect("an entry");
        // A thread may end between the listing and the look.
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").starts_with("sendfile64-") {
            let number = task
                .file_name()
                .to_string_lossy()
                .parse()
                .expect("a thread id");
            let time = read("schedstat")
                .split(' ')
                .next()
                .and_then(|time| time.parse().ok())
                .expect("a time");
            times.push((number, time));
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
                cold_threads: 4,
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
                let sink = std::sync::Arc::clone(&scene.sink) as std::sync::Arc<dyn Sink>;
                scene
                    .engine
                    .open(id, Plan::default().owner, sample.path.clone(), sink)
                    .expect("a thread");
            }
            assert!(
                (3..=6).contains(&scene.engine.threads()),
                "{}",
                scene.engine.threads()
            );
            assert_eq!(scene.engine.threads(), run_times().len());
            scene.engine.join();
            assert_eq!((scene.engine.threads(), run_times().len()), (0, 0));
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
        let threads: Vec<_> = run_times().into_iter().map(|(thread, _)| thread).collect();
        assert!(!threads.is_empty());
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
