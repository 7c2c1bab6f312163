//! Whole files, and parts of them.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sendfile64_core::{End, Ladder, Method};
use sendfile64_engine::{Abort, Config, Event, TransferId};

use crate::scene::{MIB, Plan, Sample, Scene, assert_same, fill, read_all, tcp, unix};

#[test]
fn a_file_arrives_whole() {
    let sample = Sample::new(5 * MIB + 123);
    for pair in [tcp, unix] {
        let scene = Scene::new();
        let (sending, peer) = pair();
        let reader = read_all(peer);
        let completion = scene.run(&sending, &sample.fd, Plan::count(sample.bytes.len()));
        drop(sending);
        assert_same(&reader.join().expect("the reader"), &sample.bytes);
        assert_eq!(completion.end, End::Done);
        assert_eq!(completion.transfer.bytes_sent(), sample.bytes.len() as u64);
        assert_eq!(completion.transfer.method(), Method::Sendfile);
        assert_eq!(completion.transfer.ladder().fallbacks().count(), 0);
        assert!(
            completion.syscalls >= 6,
            "a quantum is 1 MiB, and there were {} calls",
            completion.syscalls
        );
    }
}

#[test]
fn a_range_arrives_and_no_byte_beside_it() {
    let sample = Sample::new(3 * MIB);
    for (start, count) in [
        (1, 2 * MIB),
        (MIB + 17, MIB + 3),
        (3 * MIB - 70_000, 70_000),
    ] {
        let scene = Scene::new();
        let (sending, peer) = tcp();
        let reader = read_all(peer);
        let plan = Plan {
            start: start as u64,
            ..Plan::count(count)
        };
        let completion = scene.run(&sending, &sample.fd, plan);
        drop(sending);
        assert_eq!(completion.end, End::Done);
        assert_same(
            &reader.join().expect("the reader"),
            &sample.bytes[start..start + count],
        );
    }
}

#[test]
fn offsets_beyond_four_gibibytes_are_exact() {
    const START: u64 = (5 << 30) + 3;
    let sample = Sample::new(2 * MIB);
    let long = Sample::new(0);
    let file = File::options()
        .write(true)
        .open(&long.path)
        .expect("the file");
    file.write_all_at(&sample.bytes, START)
        .expect("a sparse file");
    for method in [Method::Sendfile, Method::Copy] {
        let scene = Scene::new();
        let (sending, peer) = unix();
        let reader = read_all(peer);
        let ladder = Ladder::only(method);
        let plan = Plan {
            start: START,
            ladder,
            ..Plan::count(2 * MIB)
        };
        assert_eq!(scene.run(&sending, &long.fd, plan).end, End::Done);
        drop(sending);
        assert_same(&reader.join().expect("the reader"), &sample.bytes);
    }
}

#[test]
fn without_a_count_the_end_of_the_file_is_the_end() {
    let sample = Sample::new(2 * MIB + 5);
    let scene = Scene::new();
    let (sending, peer) = unix();
    let reader = read_all(peer);
    let completion = scene.run(
        &sending,
        &sample.fd,
        Plan {
            start: 5,
            ..Plan::default()
        },
    );
    drop(sending);
    assert_eq!(completion.end, End::Done);
    assert_same(&reader.join().expect("the reader"), &sample.bytes[5..]);
}

#[test]
fn two_hundred_transfers_at_once_mix_nothing_up() {
    const TRANSFERS: usize = 200;
    let sample = Sample::new(MIB + TRANSFERS);
    let scene = Scene::new();
    let mut running = Vec::new();
    for number in 0..TRANSFERS {
        let (sending, peer) = if number % 2 == 0 { tcp() } else { unix() };
        let plan = Plan {
            start: number as u64,
            ..Plan::count(MIB)
        };
        let id = scene.start(&sending, &sample.fd, plan);
        running.push((number, id, sending, read_all(peer)));
    }
    for (number, id, sending, reader) in running {
        assert_eq!(scene.completion(id).end, End::Done);
        drop(sending);
        assert_same(
            &reader.join().expect("a reader"),
            &sample.bytes[number..number + MIB],
        );
    }
    assert_eq!(scene.rest().len(), 0, "one completion each");
    assert_eq!(Arc::strong_count(&sample.fd), 1);
}

/// The reader takes a little whenever there is something, so the socket is full nearly all the time.
#[test]
fn a_slow_reader_gets_everything() {
    let sample = Sample::new(6 * MIB + 1);
    for pair in [tcp, unix] {
        let scene = Scene::new();
        let (sending, peer) = pair();
        let full = fill(&sending);
        let reader = thread::spawn(move || read_in_sips(peer));
        let completion = scene.run(&sending, &sample.fd, Plan::count(sample.bytes.len()));
        drop(sending);
        assert_same(&reader.join().expect("the reader")[full..], &sample.bytes);
        assert_eq!(completion.end, End::Done);
        assert!(completion.transfer.would_block() > 0, "the socket was full");
    }
}

fn read_in_sips(mut peer: UnixStream) -> Vec<u8> {
    let mut received = Vec::new();
    let mut sip = [0; 3000];
    loop {
        match peer.read(&mut sip).expect("bytes in time") {
            0 => return received,
            length => received.extend_from_slice(&sip[..length]),
        }
        thread::yield_now();
    }
}

#[test]
fn a_forced_copy_is_a_copy() {
    let sample = Sample::new(2 * MIB + 77);
    let scene = Scene::new();
    let (sending, peer) = tcp();
    let reader = thread::spawn(move || read_in_sips(peer));
    let plan = Plan {
        ladder: Ladder::only(Method::Copy),
        ..Plan::count(sample.bytes.len())
    };
    let completion = scene.run(&sending, &sample.fd, plan);
    drop(sending);
    assert_same(&reader.join().expect("the reader"), &sample.bytes);
    assert_eq!(
        (completion.end, completion.transfer.method()),
        (End::Done, Method::Copy)
    );
    assert!(
        completion.syscalls >= 2 * 17,
        "read and send for each 128 KiB: {}",
        completion.syscalls
    );
}

#[test]
fn the_files_own_position_moves_only_when_asked_to() {
    const START: usize = 1000;
    const COUNT: usize = MIB + 500;
    let sample = Sample::new(2 * MIB);
    for method in [Method::Sendfile, Method::Copy] {
        for own_position in [true, false] {
            let scene = Scene::new();
            let (sending, peer) = unix();
            let reader = read_all(peer);
            let mut file = File::from(sample.fd.try_clone().expect("a duplicate"));
            file.seek(std::io::SeekFrom::Start(START as u64))
                .expect("a position");
            let ladder = Ladder::only(method);
            let plan = Plan {
                start: START as u64,
                ladder,
                own_position,
                ..Plan::count(COUNT)
            };
            let completion = scene.run(&sending, &sample.fd, plan);
            drop(sending);
            assert_eq!(completion.end, End::Done);
            assert_same(
                &reader.join().expect("the reader"),
                &sample.bytes[START..START + COUNT],
            );
            let expected = if own_position { START + COUNT } else { START };
            assert_eq!(
                file.stream_position().expect("a position"),
                expected as u64,
                "{method:?} {own_position}"
            );
        }
    }
}

/// The null device stands for a reader that is always faster than the engine: nobody ever waits, and every turn ends
/// with the quantum. A report after every attempt shows whose turn it was.
#[test]
fn a_short_transfer_and_long_ones_take_turns() {
    const LONG: usize = 4;
    let sample = Sample::new(4 * MIB);
    let scene = Scene::with(Config {
        shards: 1,
        ..Config::default()
    });
    let null_device = File::options()
        .write(true)
        .open("/dev/null")
        .expect("/dev/null");
    let ids = [4 * MIB, 4 * MIB, 4 * MIB, 4 * MIB, 128 * 1024].map(|count| {
        let progress_interval = Duration::from_nanos(1);
        let plan = Plan {
            quantum: 1024,
            progress_interval,
            ..Plan::count(count)
        };
        scene.start(&null_device, &sample.fd, plan)
    });
    let first = scene.event(|event| matches!(event, Event::Completed(_)));
    let Event::Completed(first) = first else {
        unreachable!("asked for a completion")
    };
    assert_eq!(
        (first.id, first.end),
        (ids[LONG], End::Done),
        "the short one is the first"
    );

    let reports = scene.rest();
    let is_turn_of = |wanted: TransferId, event: &Event| matches!(event, Event::Progress { id, .. } if *id == wanted);
    let first = reports
        .iter()
        .position(|event| is_turn_of(ids[LONG], event))
        .expect("a turn");
    let last = reports
        .iter()
        .rposition(|event| is_turn_of(ids[LONG], event))
        .expect("a turn");
    let turns_of = |id: TransferId| {
        reports[first..=last]
            .iter()
            .filter(|event| is_turn_of(id, event))
            .count()
    };
    let short = turns_of(ids[LONG]);
    for id in &ids[..LONG] {
        let long = turns_of(*id);
        assert!(
            long >= short / 2,
            "{long} turns beside {short} of the short one"
        );
    }
    for id in &ids[..LONG] {
        scene.engine.abort(*id, Abort::Release);
    }
}
