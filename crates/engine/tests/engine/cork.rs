//! What is held back in a TCP socket for more to come is let go, however the transfer ends.
//!
//! A cork that stays on holds every small write back for 200 ms (tcp(7), TCP_CORK).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use sendfile64_core::{End, Errno, Ladder, Method};
use sendfile64_engine::{Abort, Sink, Started};
use std::sync::Arc;

use crate::scene::{MIB, Plan, Sample, Scene, alone_with, assert_same, fill, tcp};

const EMFILE: Errno = Errno(24);

/// A tenth of what corks would cost.
const ROUNDS: u32 = 20;
const LIMIT: Duration = Duration::from_millis(2000);

/// Every byte waits for the one before it, so that nothing but a cork holds one back (Nagle's algorithm does not).
fn assert_uncorked(sending: &UnixStream, peer: &mut UnixStream) {
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let (mut sending, mut byte) = (sending, [0]);
        sending.write_all(b"x").expect("room for a byte");
        peer.read_exact(&mut byte).expect("the byte");
        peer.write_all(b"y").expect("room for the answer");
        sending.set_nonblocking(false).expect("blocking mode");
        sending.read_exact(&mut byte).expect("the answer");
        sending.set_nonblocking(true).expect("non-blocking mode");
    }
    assert!(begun.elapsed() < LIMIT, "held back: {:?}", begun.elapsed());
}

#[test]
fn after_a_transfer_with_trailers_the_socket_is_as_before() {
    let sample = Sample::new(300_000);
    for count in [0, 100, 300_000, 400_000] {
        let scene = Scene::new();
        let (sending, mut peer) = tcp();
        let plan = Plan {
            headers: b"before",
            trailers: b"after",
            ..Plan::count(count)
        };
        let completion = scene.run(&sending, &sample.fd, plan);
        let whole = count <= 300_000;
        assert_eq!(
            completion.end,
            if whole { End::Done } else { End::Truncated }
        );
        let body = &sample.bytes[..count.min(300_000)];
        let tail: &[u8] = if whole { b"after" } else { b"" };
        let expected = [b"before", body, tail].concat();
        let mut received = vec![0; expected.len()];
        peer.read_exact(&mut received).expect("all of it");
        assert_same(&received, &expected);
        assert_uncorked(&sending, &mut peer);
    }
}

#[test]
fn an_abort_lets_go_what_was_held_back() {
    let sample = Sample::new(16 * MIB);
    let scene = Scene::new();
    let (sending, mut peer) = tcp();
    let full = fill(&sending);
    let plan = Plan {
        headers: b"before",
        trailers: b"after",
        ..Plan::count(sample.bytes.len())
    };
    let id = scene.start(&sending, &sample.fd, plan);
    scene.engine.abort(id, Abort::Release);
    let completion = scene.completion(id);
    assert_eq!(
        (completion.end, completion.transfer.bytes_sent()),
        (End::Aborted, 0)
    );
    peer.read_exact(&mut vec![0; full])
        .expect("what was written");
    assert_uncorked(&sending, &mut peer);
}

/// SPLICE_F_MORE promises bytes that a file that has become shorter does not have.
#[test]
fn a_truncated_splice_holds_nothing_back() {
    let sample = Sample::new(100);
    let scene = Scene::new();
    let (sending, mut peer) = tcp();
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let plan = Plan {
            ladder: Ladder::only(Method::Splice),
            ..Plan::count(200)
        };
        assert_eq!(scene.run(&sending, &sample.fd, plan).end, End::Truncated);
        let mut received = [0; 100];
        peer.read_exact(&mut received).expect("what there was");
        assert_same(&received, &sample.bytes);
    }
    assert!(begun.elapsed() < LIMIT, "held back: {:?}", begun.elapsed());
}

/// The engine needs a poller, and there is no descriptor for one: by then the headers are on their way.
#[test]
fn a_start_that_fails_after_its_headers_reports_and_uncorks_them() {
    alone_with(
        "ulimit -n 64;",
        "cork::a_start_that_fails_after_its_headers_reports_and_uncorks_them",
        || {
            let sample = Sample::new(2 * MIB);
            let scene = Scene::new();
            let (sending, mut peer) = tcp();
            let plan = Plan {
                headers: b"before",
                trailers: b"after",
                ..Plan::count(2 * MIB)
            };
            let sink = Arc::clone(&scene.sink) as Arc<dyn Sink>;
            let command = plan.command(scene.next_id(), &sending, &sample.fd, sink);
            let taken: Vec<_> = std::iter::from_fn(|| sending.try_clone().ok()).collect();
            match scene.engine.start(command) {
                Ok(Started::Finished(completion)) => {
                    assert_eq!(completion.end, End::Failed(EMFILE));
                    assert_eq!(completion.transfer.headers_sent(), 6);
                }
                other => panic!("{other:?}"),
            }
            drop(taken);
            let mut received = [0; 6];
            peer.read_exact(&mut received).expect("the headers");
            assert_eq!(&received, b"before");
            assert_uncorked(&sending, &mut peer);
        },
    );
}
