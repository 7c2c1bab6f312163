//! Short transfers, which finish on the caller's own thread.

use std::os::fd::AsFd;

use sendfile64_core::{End, Ladder, Method};
use sendfile64_engine::{INLINE_LIMIT, Started};
use sendfile64_sys::fs::page_cache::{Residency, residency};

use crate::scene::{Plan, Sample, Scene, alone, assert_same, fill, read_all, unix};

/// Some filesystems cannot tell what is in memory; there, every attempt goes to the pool.
fn is_resident(sample: &Sample) -> bool {
    matches!(
        residency(sample.fd.as_fd(), 0, sample.bytes.len() as u64),
        Residency::Resident
    )
}

#[test]
fn a_short_transfer_needs_no_thread() {
    let sample = Sample::new(INLINE_LIMIT as usize);
    for method in [Method::Sendfile, Method::Copy] {
        let scene = Scene::new();
        let (sending, peer) = unix();
        let reader = read_all(peer);
        let plan = Plan {
            ladder: Ladder::only(method),
            ..Plan::count(sample.bytes.len())
        };
        let (_, started) = scene.try_start(&sending, &sample.fd, plan);
        if let Started::Finished(completion) = started {
            assert_eq!(completion.end, End::Done);
            assert_eq!(completion.transfer.bytes_sent(), INLINE_LIMIT);
            assert_eq!(
                completion.syscalls,
                if method == Method::Sendfile { 1 } else { 2 }
            );
            assert_eq!(scene.engine.threads(), 0);
        } else {
            assert!(!is_resident(&sample), "it could have been finished at once");
            scene.engine.join();
        }
        drop(sending);
        assert_same(&reader.join().expect("the reader"), &sample.bytes);
        assert_eq!(
            scene.rest().len(),
            0,
            "no event for what was answered at once"
        );
    }
}

#[test]
fn an_empty_range_is_finished_without_a_call() {
    let sample = Sample::new(10);
    let scene = Scene::new();
    let (sending, _peer) = unix();
    let (_, started) = scene.try_start(&sending, &sample.fd, Plan::count(0));
    let Started::Finished(completion) = started else {
        panic!("{started:?}")
    };
    assert_eq!((completion.end, completion.syscalls), (End::Done, 0));
    assert_eq!(scene.engine.threads(), 0);
}

#[test]
fn a_short_transfer_that_has_no_room_goes_on_later() {
    let sample = Sample::new(30_000);
    let scene = Scene::new();
    let (sending, peer) = unix();
    let full = fill(&sending);
    let id = scene.start(&sending, &sample.fd, Plan::count(sample.bytes.len()));
    let reader = read_all(peer);
    let completion = scene.completion(id);
    drop(sending);
    assert_eq!(completion.end, End::Done);
    assert!(completion.transfer.would_block() > 0);
    assert_same(&reader.join().expect("the reader")[full..], &sample.bytes);
}

#[test]
fn a_short_transfer_reports_its_truncation_at_once() {
    let sample = Sample::new(1000);
    let scene = Scene::new();
    let (sending, _peer) = unix();
    let completion = scene.run(&sending, &sample.fd, Plan::count(2000));
    assert_eq!(
        (completion.end, completion.transfer.bytes_sent()),
        (End::Truncated, 1000)
    );
}

/// What is not known to be in memory is not touched here: without the means to know, nothing is.
#[test]
fn a_transfer_that_may_wait_for_a_disk_never_runs_here() {
    alone(
        "inline::a_transfer_that_may_wait_for_a_disk_never_runs_here",
        || {
            sendfile64_sys::probe::forbid(sendfile64_sys::probe::Feature::Cachestat);
            sendfile64_sys::probe::forbid(sendfile64_sys::probe::Feature::ReadNowait);
            let sample = Sample::new(1000);
            let scene = Scene::new();
            let (sending, peer) = unix();
            let reader = read_all(peer);
            let id = scene.start(&sending, &sample.fd, Plan::count(1000));
            assert_eq!(scene.completion(id).end, End::Done);
            assert_eq!(scene.engine.threads(), 2, "one shard, one that may wait");
            drop(sending);
            assert_same(&reader.join().expect("the reader"), &sample.bytes);
        },
    );
}
