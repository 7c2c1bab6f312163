//! `acknowledged`: over when the peer's kernel has everything.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use sendfile64_core::{End, Errno, Kind};
use sendfile64_engine::{Abort, Started};
use sendfile64_sys::fd::outstanding;

use crate::scene::{
    MIB, ONE_SHARD, Plan, Sample, Scene, TIMEOUT, assert_same, read_all, tcp, unix, wait_until,
};

const ECONNRESET: i32 = 104;
const EPIPE: i32 = 32;

/// What fits the sender's buffer, and by far not the receiver's.
const LENGTH: usize = 60_000;

/// A connection whose peer has the smallest buffer there is.
fn narrow() -> (UnixStream, UnixStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    setsockopt(&listener, sockopt::RcvBuf, &1).expect("the smallest buffer");
    let address = listener.local_addr().expect("its address");
    let sending = TcpStream::connect(address).expect("a connection");
    let (peer, _) = listener.accept().expect("its other side");
    sending.set_nonblocking(true).expect("non-blocking mode");
    peer.set_read_timeout(Some(TIMEOUT)).expect("a time limit");
    (
        UnixStream::from(OwnedFd::from(sending)),
        UnixStream::from(OwnedFd::from(peer)),
    )
}

fn acknowledged() -> Plan {
    Plan {
        acknowledged: true,
        ..Plan::count(LENGTH)
    }
}

fn pending(sending: &UnixStream) -> u64 {
    outstanding(sending.as_fd(), Kind::Socket).expect("SIOCOUTQ")
}

/// A transfer of which everything is queued, and not everything acknowledged.
fn confirming(
    scene: &Scene,
    sample: &Sample,
) -> (sendfile64_engine::TransferId, UnixStream, UnixStream) {
    let (sending, peer) = narrow();
    let id = scene.start(&sending, &sample.fd, acknowledged());
    for _ in 0..10 {
        scene.proves_alive(sample);
    }
    assert_eq!(scene.rest().len(), 0, "the peer's buffer is full");
    assert!(pending(&sending) > 0);
    (id, sending, peer)
}

#[test]
fn it_waits_for_the_peers_kernel() {
    let sample = Sample::new(LENGTH);
    let scene = Scene::with(ONE_SHARD);
    let (id, sending, peer) = confirming(&scene, &sample);
    let reader = read_all(peer);
    let completion = scene.completion(id);
    assert_eq!((completion.end, pending(&sending)), (End::Done, 0));
    drop(sending);
    assert_same(&reader.join().expect("the reader"), &sample.bytes);
}

#[test]
fn it_is_over_soon_where_the_peer_has_room() {
    let sample = Sample::new(4 * MIB);
    let scene = Scene::new();
    let (sending, peer) = tcp();
    let reader = read_all(peer);
    let plan = Plan {
        headers: b"before",
        trailers: b"after",
        count: Some(4 * MIB as u64),
        ..acknowledged()
    };
    let completion = scene.run(&sending, &sample.fd, plan);
    assert_eq!((completion.end, pending(&sending)), (End::Done, 0));
    drop(sending);
    assert_same(
        &reader.join().expect("the reader"),
        &[b"before", &sample.bytes[..], b"after"].concat(),
    );
}

#[test]
fn a_reset_is_an_error_and_stays_one_for_the_sockets_owner() {
    let sample = Sample::new(LENGTH);
    let scene = Scene::with(ONE_SHARD);
    let (id, sending, peer) = confirming(&scene, &sample);
    drop(peer); // with bytes unread: RFC 2525, 2.17
    let completion = scene.completion(id);
    assert_eq!(completion.end, End::Failed(Errno(ECONNRESET)));
    assert_eq!(completion.transfer.bytes_sent(), LENGTH as u64);
    let error = getsockopt(&sending, sockopt::SocketError).expect("SO_ERROR");
    assert!([ECONNRESET, EPIPE].contains(&error), "{error}");
}

#[test]
fn a_peer_that_acknowledges_nothing_more_has_stalled() {
    let sample = Sample::new(LENGTH);
    let scene = Scene::with(ONE_SHARD);
    let (sending, mut peer) = narrow();
    let plan = Plan {
        stall_timeout: Some(Duration::from_millis(300)),
        ..acknowledged()
    };
    let id = scene.start(&sending, &sample.fd, plan);
    let completion = scene.completion(id);
    assert_eq!(completion.end, End::Stalled);
    assert_eq!(completion.transfer.bytes_sent(), LENGTH as u64);
    drop(sending);
    let mut received = Vec::new();
    peer.read_to_end(&mut received)
        .expect("the connection stays open");
    assert_same(&received, &sample.bytes);
}

#[test]
fn a_confirming_transfer_can_be_aborted_and_the_connection_goes_on() {
    let sample = Sample::new(LENGTH);
    let scene = Scene::with(ONE_SHARD);
    let (id, sending, peer) = confirming(&scene, &sample);
    scene.engine.abort(id, Abort::Release);
    assert_eq!(scene.completion(id).end, End::Aborted);
    let reader = read_all(peer);
    wait_until(|| pending(&sending) == 0);
    (&sending).write_all(b"more").expect("a usable connection");
    drop(sending);
    assert_same(
        &reader.join().expect("the reader"),
        &[&sample.bytes[..], b"more"].concat(),
    );
}

#[test]
fn nothing_is_acknowledged_at_once() {
    let sample = Sample::new(10);
    let scene = Scene::new();
    let (sending, _peer) = tcp();
    let plan = Plan {
        count: Some(0),
        ..acknowledged()
    };
    assert_eq!(scene.run(&sending, &sample.fd, plan).end, End::Done);
}

/// What a unix socket has taken is in the peer's queue; a file's is in the file.
#[test]
fn elsewhere_queued_is_all_there_is() {
    let sample = Sample::new(LENGTH);
    let scene = Scene::new();
    let (sending, _peer) = unix();
    let completion = match scene.try_start(&sending, &sample.fd, acknowledged()) {
        (id, Started::Queued) => scene.completion(id),
        (_, Started::Finished(completion)) => *completion,
    };
    assert_eq!(completion.end, End::Done);

    let target = Sample::new(0);
    let file = std::fs::File::options()
        .write(true)
        .open(&target.path)
        .expect("the file");
    assert_eq!(
        scene
            .run(&OwnedFd::from(file), &sample.fd, acknowledged())
            .end,
        End::Done
    );
    assert_same(
        &std::fs::read(&target.path).expect("the file"),
        &sample.bytes,
    );
}
