use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use sendfile64_core::{Ladder, Method, Request};

use super::*;
use crate::attempt::destination::Destination;
use crate::command::Event;

struct NoopSink;

impl Sink for NoopSink {
    fn deliver(&self, _: Event) {}
}

fn null_device() -> OwnedFd {
    File::open("/dev/null").expect("/dev/null").into()
}

/// A transfer of 10 bytes whose first attempt is away.
fn on_disk() -> Running {
    on_disk_to(null_device())
}

fn on_disk_to(destination: OwnedFd) -> Running {
    let request = Request {
        stall_timeout: Some(1),
        ..Request::new(0, Some(10), Ladder::only(Method::Sendfile))
    };
    let mut running = Running::new(Command {
        id: TransferId(1),
        owner: OwnerId(1),
        destination: Destination::socket(destination),
        source: Arc::new(null_device()),
        parts: None,
        source_waits: false,
        own_position: false,
        transfer: Transfer::new(request, 0),
        limits: crate::transfer::limits::Limits::default(),
        made: None,
        progress_interval: Duration::ZERO,
        sink: Arc::new(NoopSink),
    });
    running.begin_disk_attempt();
    running
}

fn attempted(bytes: u64, ended: Ended) -> Option<Attempted> {
    Some(Attempted {
        outcome: Outcome { bytes, ended },
        syscalls: 1,
        call: Call::Sendfile,
        took: 0,
    })
}

#[test]
fn a_writable_event_during_a_disk_attempt_is_not_lost() {
    let mut running = on_disk();
    assert!(!running.handle_writable(), "it is not here");
    running.finish_disk_attempt(attempted(4, Ended::WouldBlock));
    assert_eq!(
        running.next_step(),
        Some(Step::Attempt {
            method: Method::Sendfile,
            offset: 4,
            count: 6
        })
    );

    running.begin_disk_attempt();
    running.finish_disk_attempt(attempted(1, Ended::WouldBlock));
    assert_eq!(
        running.next_step(),
        None,
        "that readiness was for the attempt before"
    );
    assert!(running.handle_writable());
    assert!(
        !running.handle_writable(),
        "it is in the ready queue already"
    );
}

#[test]
fn an_attempt_that_was_not_made_ends_the_transfer() {
    let mut running = on_disk();
    running.finish_disk_attempt(None);
    assert_eq!(running.transfer.end(), Some(End::Aborted));
}

#[test]
fn a_shutdown_by_an_abort_is_not_reported_as_a_failure_of_the_peer() {
    let mut running = on_disk();
    running.abort(Abort::Shutdown);
    assert_eq!(
        running.transfer.end(),
        None,
        "its attempt may be moving bytes"
    );
    running.finish_disk_attempt(attempted(3, Ended::Failed(Errno(32))));
    assert_eq!(
        (running.transfer.end(), running.transfer.bytes_sent()),
        (Some(End::Aborted), 3)
    );
}

#[test]
fn an_error_of_the_engine_ends_a_transfer_in_every_state() {
    let mut moving = on_disk();
    moving.finish_disk_attempt(attempted(4, Ended::Progress));
    let mut waiting = on_disk();
    waiting.finish_disk_attempt(attempted(4, Ended::WouldBlock));
    for running in [&mut moving, &mut waiting] {
        assert_eq!(running.fail(Errno(28), Call::Watch), End::Failed(Errno(28)));
        assert_eq!(running.transfer.end(), Some(End::Failed(Errno(28))));
    }
    let mut done = on_disk();
    done.finish_disk_attempt(attempted(10, Ended::Progress));
    assert_eq!(done.fail(Errno(28), Call::Watch), End::Done);
}

#[test]
fn a_wait_does_not_compare_with_an_earlier_wait() {
    let (near, mut far) = UnixStream::pair().expect("socketpair");
    let mut running = on_disk_to(near.try_clone().expect("a duplicate").into());
    running.finish_disk_attempt(attempted(0, Ended::WouldBlock));
    running.wait(true); // it holds nothing

    running.begin_disk_attempt();
    (&near).write_all(b"four").expect("room");
    running.finish_disk_attempt(attempted(4, Ended::WouldBlock));
    running.wait(true);
    far.read_exact(&mut [0; 4]).expect("four bytes");
    running.handle_timer(clock::now());
    assert_eq!(
        running.transfer.end(),
        None,
        "it has passed on what it held"
    );
    running.handle_timer(u64::MAX);
    assert_eq!(running.transfer.end(), Some(End::Stalled));
}
