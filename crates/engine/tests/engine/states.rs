//! Transfers in every state, cancelled, joined and aborted.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use sendfile64_core::{End, Kind, Ladder, Method, Rate};
use sendfile64_engine::{Abort, OwnerId, TransferId};
use sendfile64_sys::fd::outstanding;

use crate::scene::{
    MIB, ONE_SHARD, Plan, Sample, Scene, alone, fill, open_descriptors, tcp, unix, wait_until,
};

const OTHER: OwnerId = OwnerId(2);

/// A descriptor that takes a write once it has been read: an eventfd at its limit (eventfd(2)).
pub(crate) fn late_device() -> EventFd {
    let device = EventFd::new().expect("an eventfd");
    device.write(u64::MAX - 1).expect("the limit");
    device
}

/// Lets the thread go that waits for the device.
fn answer(device: &EventFd) {
    let file = device.as_fd().try_clone_to_owned().expect("a duplicate");
    File::from(file)
        .read_exact(&mut [0; 8])
        .expect("the counter");
}

/// One transfer in each state, and the other ends.
struct States {
    ids: Vec<TransferId>,
    device: EventFd,
    _sockets: Vec<(UnixStream, UnixStream)>,
    _pipe: (PipeReader, PipeWriter),
}

impl States {
    fn new(scene: &Scene, sample: &Sample, eight: &Sample) -> Self {
        let mut sockets: Vec<_> = (0..5)
            .map(|number| if number % 2 == 0 { tcp() } else { unix() })
            .collect();
        let plan = Plan {
            owner: OTHER,
            headers: b"before",
            trailers: b"after",
            ..Plan::count(sample.bytes.len())
        };
        let blocked = scene.start(&sockets[0].0, &sample.fd, plan);
        let rated = Plan {
            rate: Some(Rate {
                per_second: 1,
                burst: 100_000,
            }),
            ..plan
        };
        let paused = scene.start(&sockets[1].0, &sample.fd, rated);
        let timed = Plan {
            stall_timeout: Some(Duration::from_secs(3600)),
            progress_interval: Duration::from_secs(3600),
            ..plan
        };
        fill(&sockets[2].0);
        let stalling = scene.start(&sockets[2].0, &sample.fd, timed);
        let acknowledged = Plan {
            acknowledged: true,
            ..Plan {
                count: Some(10),
                ..plan
            }
        };
        fill(&sockets[4].0);
        let confirming = scene.start(&sockets[4].0, &sample.fd, acknowledged);
        let spliced = Plan {
            ladder: Ladder::only(Method::Splice),
            ..plan
        };
        let in_pipe = scene.start(&sockets[3].0, &sample.fd, spliced);
        let pipe = std::io::pipe().expect("a pipe");
        let piped = scene.start(&pipe.1, &sample.fd, plan);
        let device = late_device();
        let away = Plan {
            owner: OTHER,
            ladder: Ladder::only(Method::Copy),
            ..Plan::count(8)
        };
        let away = scene.start(&device, &eight.fd, away);
        wait_until(|| outstanding(pipe.1.as_fd(), Kind::Pipe).is_some_and(|held| held > 60_000));
        sockets.push(unix());
        let last = &sockets[5].0;
        let just_created = scene.start(last, &sample.fd, plan);
        Self {
            ids: vec![
                blocked,
                paused,
                stalling,
                confirming,
                in_pipe,
                piped,
                away,
                just_created,
            ],
            device,
            _sockets: sockets,
            _pipe: pipe,
        }
    }
}

fn samples() -> (Sample, Sample) {
    (Sample::new(16 * MIB), Sample::new(8))
}

/// What the test's own number of descriptors is when nothing of the engine is left.
fn assert_released(sample: &Sample, eight: &Sample, before: &[(String, std::path::PathBuf)]) {
    wait_until(|| open_descriptors().len() == before.len());
    assert_eq!(std::sync::Arc::strong_count(&sample.fd), 1);
    assert_eq!(std::sync::Arc::strong_count(&eight.fd), 1);
}

#[test]
fn a_cancel_ends_transfers_in_every_state_without_an_event() {
    alone(
        "states::a_cancel_ends_transfers_in_every_state_without_an_event",
        || {
            let (sample, eight) = samples();
            let before = open_descriptors();
            let scene = Scene::with(ONE_SHARD);
            let states = States::new(&scene, &sample, &eight);
            scene.engine.cancel(OTHER);
            assert_eq!(std::sync::Arc::strong_count(&sample.fd), 1);
            answer(&states.device);
            assert_eq!(scene.rest().len(), 0);
            drop(states);
            drop(scene);
            assert_released(&sample, &eight, &before);
        },
    );
}

#[test]
fn aborts_end_transfers_in_every_state_with_one_event_each() {
    alone(
        "states::aborts_end_transfers_in_every_state_with_one_event_each",
        || {
            let (sample, eight) = samples();
            let before = open_descriptors();
            for how in [Abort::Release, Abort::Shutdown] {
                let scene = Scene::with(ONE_SHARD);
                let states = States::new(&scene, &sample, &eight);
                for &id in &states.ids {
                    scene.engine.abort(id, how);
                }
                answer(&states.device);
                for &id in &states.ids {
                    let end = scene.completion(id).end;
                    // What the device took, it took: that transfer may be done.
                    let done = end == End::Done && id == states.ids[6];
                    assert!(end == End::Aborted || done, "{id:?} {end:?}");
                }
                assert_eq!(scene.rest().len(), 0);
                drop(states);
                drop(scene);
                assert_released(&sample, &eight, &before);
            }
        },
    );
}

#[test]
fn a_join_ends_transfers_in_every_state() {
    alone("states::a_join_ends_transfers_in_every_state", || {
        let (sample, eight) = samples();
        let before = open_descriptors();
        let scene = Scene::with(ONE_SHARD);
        let states = States::new(&scene, &sample, &eight);
        thread::scope(|scope| {
            scope.spawn(|| scene.engine.join());
            // The join waits for the device as for a disk.
            wait_until(|| std::sync::Arc::strong_count(&sample.fd) == 1);
            answer(&states.device);
        });
        for &id in &states.ids {
            scene.completion(id);
        }
        assert_eq!((scene.rest().len(), scene.engine.threads()), (0, 0));
        drop(states);
        assert_released(&sample, &eight, &before);
    });
}

/// A file is where the threads of the pool wait; its transfers end like all others.
#[test]
fn transfers_to_files_can_be_aborted_and_leave_whole_quanta_or_less() {
    let (sample, _) = samples();
    let target = Sample::new(0);
    let file: OwnedFd = File::options()
        .write(true)
        .open(&target.path)
        .expect("the file")
        .into();
    let scene = Scene::new();
    let id = scene.start(
        &file,
        &sample.fd,
        Plan {
            ladder: Ladder::only(Method::Copy),
            ..Plan::count(sample.bytes.len())
        },
    );
    scene.engine.abort(id, Abort::Shutdown);
    let completion = scene.completion(id);
    let sent = completion.transfer.bytes_sent() as usize;
    let written = std::fs::read(&target.path).expect("the file");
    crate::scene::assert_same(&written, &sample.bytes[..sent]);
}
