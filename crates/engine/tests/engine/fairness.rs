//! One turn each: by the order of the ends, not by the clock.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, mpsc};

use sendfile64_core::End;
use sendfile64_engine::{Abort, Event, Sink, Started};

use crate::scene::{MIB, ONE_SHARD, Plan, Sample, Scene, alone, assert_same, read_all, unix};

/// Keeps the shard in its delivery until the other side is dropped.
struct Gate(Mutex<mpsc::Receiver<()>>, mpsc::Sender<()>);

impl Sink for Gate {
    fn deliver(&self, _: Event) {
        let _told = self.1.send(());
        let _opened = self.0.lock().expect("no panic under this lock").recv();
    }
}

/// Holds the only shard of the engine until the sender is dropped.
fn hold_shard(scene: &Scene, sample: &Sample) -> mpsc::Sender<()> {
    let (open, gate) = mpsc::channel();
    let (told, reached) = mpsc::channel();
    let (sending, peer) = unix();
    let reader = read_all(peer);
    let command = Plan::count(sample.bytes.len()).command(
        scene.next_id(),
        &sending,
        &sample.fd,
        Arc::new(Gate(Mutex::new(gate), told)),
    );
    assert!(matches!(scene.engine.start(command), Ok(Started::Queued)));
    drop(sending);
    reached.recv().expect("the shard at the gate");
    assert_same(&reader.join().expect("the reader"), &sample.bytes);
    open
}

/// The caller's thread takes the first four quanta of each. Neither the order of their starts nor its reverse is that of
/// their lengths: a transfer with more than a quantum at a turn would end too early.
#[test]
fn a_transfer_that_needs_fewer_turns_is_done_first() {
    const QUANTUM: usize = 8192;
    let sample = Sample::new(MIB);
    let scene = Scene::with(ONE_SHARD);
    let open = hold_shard(&scene, &sample);
    let mut sockets = Vec::new();
    let mut expected = Vec::new();
    for turns in [5, 12, 1, 8, 3, 10, 2, 11, 6, 4, 9, 7] {
        let pair = unix();
        let plan = Plan {
            quantum: QUANTUM as u64,
            ..Plan::count((4 + turns) * QUANTUM)
        };
        expected.push((turns, scene.start(&pair.0, &sample.fd, plan)));
        sockets.push((pair, turns));
    }
    drop(open);
    expected.sort_unstable();
    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
    let ends: Vec<_> = expected
        .iter()
        .map(
            |_| match scene.event(|event| matches!(event, Event::Completed(_))) {
                Event::Completed(completion) => completion,
                other => panic!("{other:?}"),
            },
        )
        .collect();
    assert!(ends.iter().all(|completion| completion.end == End::Done));
    let order: Vec<_> = ends.iter().map(|completion| completion.id).collect();
    assert_eq!(order, expected);
    for ((sending, peer), turns) in sockets {
        drop(sending);
        let received = read_all(peer).join().expect("the reader");
        assert_same(&received, &sample.bytes[..(4 + turns) * QUANTUM]);
    }
}

/// The huge one never ends by itself: were it allowed to keep a thread, the others would not either.
#[test]
fn a_thousand_small_transfers_pass_a_huge_one() {
    alone(
        "fairness::a_thousand_small_transfers_pass_a_huge_one",
        || {
            const AT_ONCE: usize = 100;
            let sample = Sample::new(100_000);
            let scene = Scene::with(ONE_SHARD);
            let zero = Arc::new(OwnedFd::from(File::open("/dev/zero").expect("/dev/zero")));
            let null = File::options()
                .write(true)
                .open("/dev/null")
                .expect("/dev/null");
            let huge = scene.start(
                &null,
                &zero,
                Plan {
                    count: Some(1 << 60),
                    ..Plan::default()
                },
            );
            for _ in 0..1000 / AT_ONCE {
                let open = hold_shard(&scene, &sample);
                let mut running = Vec::new();
                for _ in 0..AT_ONCE {
                    let (sending, peer) = unix();
                    let id = scene.start(&sending, &sample.fd, Plan::count(sample.bytes.len()));
                    running.push((id, sending, peer));
                }
                drop(open);
                for (id, sending, peer) in running {
                    assert_eq!(scene.completion(id).end, End::Done);
                    drop(sending);
                    let received = read_all(peer).join().expect("the reader");
                    assert_same(&received, &sample.bytes);
                }
            }
            assert_eq!(scene.rest().len(), 0);
            scene.engine.abort(huge, Abort::Release);
            let completion = scene.completion(huge);
            assert_eq!(completion.end, End::Aborted);
            assert!(completion.transfer.bytes_sent() > MIB as u64);
        },
    );
}
