//! What the engine relies on the poller for.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::scene::{TIMEOUT, fill, tcp, unix};

fn is_reported(poll: &mut Poll, join_timeout: Duration) -> bool {
    let mut events = Events::with_capacity(4);
    poll.poll(&mut events, Some(join_timeout))
        .expect("an answer");
    events
        .iter()
        .any(|event| event.token() == Token(7) && event.is_writable())
}

/// Between the EAGAIN and the registration the reader may have made room. Were that not reported, the transfer would
/// wait for ever.
#[test]
fn a_registration_reports_the_room_that_is_there_already() {
    for pair in [tcp, unix] {
        let (sending, mut peer) = pair();
        let mut full = vec![0; fill(&sending)];
        peer.read_exact(&mut full).expect("what was written");
        let mut poll = Poll::new().expect("a poller");
        let fd = sending.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), Token(7), Interest::WRITABLE)
            .expect("a registration");
        assert!(is_reported(&mut poll, TIMEOUT));
        assert!(
            !is_reported(&mut poll, Duration::ZERO),
            "edge-triggered: reported once"
        );
    }
}

#[test]
fn nothing_is_reported_after_the_deregistration_although_the_socket_lives_on() {
    let (sending, mut peer) = unix();
    let mut full = vec![0; fill(&sending)];
    let mut poll = Poll::new().expect("a poller");
    let duplicate = sending.try_clone().expect("a duplicate");
    let fd = duplicate.as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&fd), Token(7), Interest::WRITABLE)
        .expect("a registration");
    poll.registry()
        .deregister(&mut SourceFd(&fd))
        .expect("a deregistration");
    drop(duplicate);
    peer.read_exact(&mut full).expect("what was written");
    assert!(!is_reported(&mut poll, Duration::ZERO));
}
