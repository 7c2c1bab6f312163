//! Descriptors: every one is given back, and before the completion is heard.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use sendfile64_core::End;
use sendfile64_engine::{Abort, Completion, Event, OwnerId, Sink, Started, TransferId};
use sendfile64_sys::probe::{Feature, forbid};

use crate::scene::{
    MIB, Plan, Sample, Scene, TIMEOUT, alone, fill, open_descriptors, read_all, tcp, unix,
};

/// Looks, at the moment it hears of a completion, whether the transfer's descriptors are open.
struct Inspector {
    duplicate: (String, PathBuf),
    source: Arc<std::os::fd::OwnedFd>,
    report: mpsc::SyncSender<(bool, usize)>,
}

impl Sink for Inspector {
    fn deliver(&self, _: Event) {
        let duplicate_open = open_descriptors().contains(&self.duplicate);
        let _ = self
            .report
            .try_send((duplicate_open, Arc::strong_count(&self.source)));
    }
}

#[test]
fn a_completion_comes_after_the_descriptors_are_released() {
    alone(
        "descriptors::a_completion_comes_after_the_descriptors_are_released",
        || {
            let sample = Sample::new(4 * MIB);
            let scene = Scene::new();
            for (round, aborted) in [false, true, false, true].into_iter().enumerate() {
                if round == 2 {
                    forbid(Feature::Cachestat); // from here on, every attempt is made by the pool
                    forbid(Feature::ReadNowait);
                    forbid(Feature::Mincore);
                    forbid(Feature::Recency);
                }
                let (sending, peer) = unix();
                let (report, reports) = mpsc::sync_channel(1);
                let source = Arc::clone(&sample.fd);
                let plan = Plan::count(sample.bytes.len());
                let mut command = plan.command(
                    scene.next_id(),
                    &sending,
                    &source,
                    Arc::clone(&scene.sink) as Arc<dyn Sink>,
                );
                let number = command.destination.as_fd().as_raw_fd().to_string();
                let open = open_descriptors();
                let duplicate = open
                    .into_iter()
                    .find(|(name, _)| *name == number)
                    .expect("the duplicate");
                command.sink = Arc::new(Inspector {
                    duplicate,
                    source,
                    report,
                });
                let id = command.id;
                assert!(matches!(scene.engine.start(command), Ok(Started::Queued)));
                let reader = (!aborted).then(|| read_all(peer));
                if aborted {
                    scene.engine.abort(id, Abort::Release);
                }
                let (duplicate_open, holders) =
                    reports.recv_timeout(TIMEOUT).expect("a completion");
                assert!(!duplicate_open);
                assert_eq!(holders, 2, "this test's and the inspector's own");
                drop(sending);
                drop(reader.map(|reader| reader.join().expect("the reader")));
            }
        },
    );
}

/// Transfers that wait, that move, that are away and that are on their way in; some finish, some are aborted, the
/// others are cancelled or joined away.
#[test]
fn whatever_becomes_of_transfers_no_descriptor_stays_and_no_event_comes_late() {
    alone(
        "descriptors::whatever_becomes_of_transfers_no_descriptor_stays_and_no_event_comes_late",
        || {
            let sample = Sample::new(4 * MIB);
            let before = open_descriptors();
            for round in 0..12 {
                if round == 6 {
                    forbid(Feature::Cachestat); // from here on, every attempt is made by the pool
                    forbid(Feature::ReadNowait);
                    forbid(Feature::Mincore);
                    forbid(Feature::Recency);
                }
                one_of_each(&sample, round);
                assert_eq!(open_descriptors(), before, "round {round}");
                assert_eq!(Arc::strong_count(&sample.fd), 1);
            }
        },
    );
}

const OTHER: OwnerId = OwnerId(2);

/// Every fourth transfer is the other owner's.
fn owner_of(number: usize) -> OwnerId {
    if number.is_multiple_of(4) {
        OTHER
    } else {
        OwnerId(1)
    }
}

fn is_aborted(number: usize, round: usize) -> bool {
    number >= round && (number - round).is_multiple_of(7)
}

fn one_of_each(sample: &Sample, round: usize) {
    let scene = Scene::new();
    let (mut sockets, mut readers, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    let mut ids = Vec::new();
    for number in 0..40 {
        let (sending, peer) = if number % 2 == 0 { tcp() } else { unix() };
        if number % 5 == 4 {
            fill(&sending);
        }
        let plan = Plan {
            owner: owner_of(number),
            ..Plan::count(sample.bytes.len())
        };
        ids.push(scene.start(&sending, &sample.fd, plan));
        sockets.push(sending);
        if number % 3 == 0 {
            readers.push(read_all(peer))
        } else {
            silent.push(peer)
        }
    }
    let how = if round.is_multiple_of(2) {
        Abort::Release
    } else {
        Abort::Shutdown
    };
    for (_, id) in ids
        .iter()
        .enumerate()
        .filter(|(number, _)| is_aborted(*number, round))
    {
        scene.engine.abort(*id, how);
    }
    for (id, owner) in [(1, OTHER), (2, OwnerId(1))] {
        let sink = Arc::clone(&scene.sink) as Arc<dyn Sink>;
        scene
            .engine
            .open(id, owner, sample.path.clone(), sink)
            .expect("a thread");
    }
    scene.engine.cancel(OTHER);
    let early = scene.rest();
    scene.engine.join();
    let late = scene.rest();
    check_cancelled(&early, &late, &ids, round);
    let events: Vec<_> = early.iter().chain(&late).collect();
    check_joined(&events, &ids, sample.bytes.len() as u64);
    drop((sockets, silent));
    for reader in readers {
        drop(reader.join().expect("a reader"));
    }
}

fn completion_of(event: &Event, id: TransferId) -> Option<&Completion> {
    match event {
        Event::Completed(completion) if completion.id == id => Some(completion),
        _ => None,
    }
}

/// The other owner hears of what ended before its cancel, and of nothing since.
fn check_cancelled(early: &[Event], late: &[Event], ids: &[TransferId], round: usize) {
    for (number, id) in ids
        .iter()
        .enumerate()
        .filter(|(number, _)| owner_of(*number) == OTHER)
    {
        assert!(
            late.iter().all(|event| completion_of(event, *id).is_none()),
            "transfer {number}: late"
        );
        for completion in early.iter().filter_map(|event| completion_of(event, *id)) {
            let expected = completion.end == End::Done || is_aborted(number, round);
            assert!(expected, "transfer {number}: {completion:?}");
        }
    }
    assert!(
        !late
            .iter()
            .any(|event| matches!(event, Event::Opened { id: 1, .. })),
        "a late open"
    );
}

/// Everybody else hears of everything, once.
fn check_joined(events: &[&Event], ids: &[TransferId], length: u64) {
    for (number, id) in ids
        .iter()
        .enumerate()
        .filter(|(number, _)| owner_of(*number) != OTHER)
    {
        let completions: Vec<_> = events
            .iter()
            .filter_map(|event| completion_of(event, *id))
            .collect();
        assert_eq!(completions.len(), 1, "transfer {number}");
        let done = completions[0].transfer.bytes_sent() == length;
        assert_eq!(
            completions[0].end,
            if done { End::Done } else { End::Aborted },
            "transfer {number}"
        );
    }
    let opens = events
        .iter()
        .filter(|event| matches!(event, Event::Opened { id: 2, .. }))
        .count();
    assert_eq!(opens, 1, "the other open is answered");
}
