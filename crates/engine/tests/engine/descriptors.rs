//! Descriptors: every one is given back, and before the completion is heard.

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use sendfile64_core::End;
use sendfile64_engine::{Abort, Event, OwnerId, Sink, Started};
use sendfile64_sys::probe::{Feature, forbid};

use crate::scene::{
    MIB, PATIENCE, Plan, Sample, Scene, alone, fill, open_descriptors, read_all, tcp, unix,
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
                let number = command.destination.as_raw_fd().to_string();
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
                    reports.recv_timeout(PATIENCE).expect("a completion");
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
                }
                one_of_each(&sample, round);
                assert_eq!(open_descriptors(), before, "round {round}");
                assert_eq!(Arc::strong_count(&sample.fd), 1);
            }
        },
    );
}

fn one_of_each(sample: &Sample, round: usize) {
    const OTHER: OwnerId = OwnerId(2);
    let scene = Scene::new();
    let (mut sockets, mut readers, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    let mut ids = Vec::new();
    for number in 0..40 {
        let (sending, peer) = if number % 2 == 0 { tcp() } else { unix() };
        if number % 5 == 4 {
            fill(&sending);
        }
        let owner = if number % 4 == 0 { OTHER } else { OwnerId(1) };
        ids.push(scene.start(
            &sending,
            &sample.fd,
            Plan {
                owner,
                ..Plan::count(sample.bytes.len())
            },
        ));
        sockets.push(sending);
        if number % 3 == 0 {
            readers.push(read_all(peer))
        } else {
            silent.push(peer)
        }
    }
    for id in ids.iter().skip(round).step_by(7) {
        let how = if round.is_multiple_of(2) {
            Abort::Release
        } else {
            Abort::Shutdown
        };
        scene.engine.abort(*id, how);
    }
    let sink = Arc::clone(&scene.sink) as Arc<dyn Sink>;
    scene
        .engine
        .open(1, OTHER, sample.path.clone(), Arc::clone(&sink))
        .expect("a thread");
    scene
        .engine
        .open(2, OwnerId(1), sample.path.clone(), sink)
        .expect("a thread");

    scene.engine.cancel(OTHER);
    let owned_by_other = |event: &Event| match event {
        Event::Completed(completion) => ids
            .iter()
            .position(|id| *id == completion.id)
            .is_some_and(|n| n % 4 == 0),
        Event::Opened { id, .. } => *id == 1,
        Event::Progress { .. } => true,
    };
    let mut events = scene.rest();
    scene.engine.join();
    let late = scene.rest();
    assert!(
        !late.iter().any(owned_by_other),
        "after the cancel: {late:?}"
    );
    events.extend(late);
    for (number, id) in ids.iter().enumerate().filter(|(number, _)| number % 4 != 0) {
        let of_this =
            |event: &&Event| matches!(event, Event::Completed(completion) if completion.id == *id);
        let completions: Vec<_> = events.iter().filter(of_this).collect();
        assert_eq!(completions.len(), 1, "transfer {number}");
        let Event::Completed(completion) = completions[0] else {
            unreachable!("filtered")
        };
        let done = completion.transfer.bytes_sent() == sample.bytes.len() as u64;
        assert_eq!(
            completion.end,
            if done { End::Done } else { End::Aborted },
            "transfer {number}"
        );
    }
    let opens = events
        .iter()
        .filter(|event| matches!(event, Event::Opened { id: 2, .. }))
        .count();
    assert_eq!(opens, 1, "the other open is answered");
    drop((events, sockets, silent));
    for reader in readers {
        drop(reader.join().expect("a reader"));
    }
}
