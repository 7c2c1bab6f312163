//! Reports of progress.

use std::io::Read;
use std::time::{Duration, Instant};

use sendfile64_core::End;
use sendfile64_engine::Event;

use crate::scene::{MIB, Plan, Sample, Scene, assert_same, read_all, unix};

const INTERVAL: Duration = Duration::from_millis(5);

fn figures(events: &[Event]) -> Vec<u64> {
    let figure = |event: &Event| match event {
        Event::Progress { bytes_sent, .. } => *bytes_sent,
        other => panic!("{other:?}"),
    };
    events.iter().map(figure).collect()
}

#[test]
fn reports_rise_and_keep_their_distance_and_end_with_the_transfer() {
    let sample = Sample::new(32 * MIB);
    let scene = Scene::new();
    let (sending, mut peer) = unix();
    let begun = Instant::now();
    let plan = Plan {
        progress_interval: INTERVAL,
        ..Plan::count(sample.bytes.len())
    };
    let id = scene.start(&sending, &sample.fd, plan);
    // Nothing more can move: the report tells of bytes that moved too early to be reported when they did.
    let event = scene.event(|event| matches!(event, Event::Progress { .. }));
    assert!(begun.elapsed() >= INTERVAL);
    let first = figures(&[event])[0];
    let mut received = vec![0; first as usize];
    peer.read_exact(&mut received)
        .expect("what was reported has been sent");

    let reader = read_all(peer);
    assert_eq!(scene.completion(id).end, End::Done);
    let elapsed = begun.elapsed();
    scene.engine.join();
    drop(sending);
    received.extend(reader.join().expect("the reader"));
    assert_same(&received, &sample.bytes);
    let mut reports = figures(&scene.rest());
    reports.insert(0, first);
    assert!(
        reports.is_sorted_by(|earlier, later| earlier < later),
        "news only: {reports:?}"
    );
    assert!(
        reports
            .iter()
            .all(|&bytes| bytes < sample.bytes.len() as u64),
        "the end is the completion's: {reports:?}"
    );
    let most = elapsed.as_nanos() / INTERVAL.as_nanos() + 1;
    assert!(
        reports.len() as u128 <= most,
        "{} reports, {most} intervals",
        reports.len()
    );
}

#[test]
fn no_interval_no_reports() {
    let sample = Sample::new(16 * MIB);
    let scene = Scene::new();
    let (sending, peer) = unix();
    let reader = read_all(peer);
    assert_eq!(
        scene
            .run(&sending, &sample.fd, Plan::count(sample.bytes.len()))
            .end,
        End::Done
    );
    drop(sending);
    assert_same(&reader.join().expect("the reader"), &sample.bytes);
    assert_eq!(scene.rest().len(), 0);
}
