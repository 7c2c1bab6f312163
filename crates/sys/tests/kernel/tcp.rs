//! The cork, and what the peer has acknowledged.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::errno::Errno as NixErrno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use sendfile64_core::Errno;
use sendfile64_sys::call::copy::send;
use sendfile64_sys::net::tcp::{Unacknowledged, cork, unacknowledged};

use crate::fixture::{bounded, file, pattern, reset, tcp, until};

const ALL: Unacknowledged = Unacknowledged {
    pending: 0,
    gone: false,
};

fn account(socket: &TcpStream) -> Unacknowledged {
    unacknowledged(socket.as_fd())
        .expect("TCP_INFO")
        .expect("a TCP socket")
}

#[test]
fn a_cork_holds_back_what_fills_no_segment_until_it_is_drawn() {
    bounded(|| {
        let (mut ours, theirs) = tcp();
        ours.set_nodelay(true).expect("setsockopt");
        cork(ours.as_fd(), true).expect("setsockopt");
        ours.write_all(b"head ").expect("write");
        ours.write_all(b"body").expect("write");
        // On loopback a segment is at the peer when the call that sends it returns.
        theirs.set_nonblocking(true).expect("fcntl");
        let early = theirs.peek(&mut [0; 16]).expect_err("nothing yet");
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        assert_eq!(account(&ours).pending, 9);
        cork(ours.as_fd(), false).expect("setsockopt");
        until("the bytes are there", || {
            theirs.peek(&mut [0; 16]).is_ok_and(|bytes| bytes == 9)
        });
        assert!(ours.nodelay().expect("getsockopt"), "as it was");
    });
}

#[test]
fn only_tcp_has_a_cork() {
    bounded(|| {
        let (unix, _peer) = UnixStream::pair().expect("socketpair");
        for on in [true, false] {
            let not_tcp = cork(unix.as_fd(), on).expect_err("unix");
            let expected = [NixErrno::EOPNOTSUPP, NixErrno::ENOPROTOOPT];
            assert!(
                expected.contains(&NixErrno::from_raw(not_tcp.0)),
                "{not_tcp:?}"
            );
            let no_socket = cork(file("cork", b"").as_fd(), on);
            assert_eq!(no_socket, Err(Errno(NixErrno::ENOTSOCK as i32)));
        }
    });
}

/// Sends until the socket is full. Returns the bytes that went.
fn fill(ours: &TcpStream) -> usize {
    let block = pattern(1 << 16);
    let mut sent = 0;
    loop {
        match send(ours.as_fd(), &block).bytes {
            0 => return sent,
            bytes => sent += bytes as usize,
        }
    }
}

#[test]
fn what_is_pending_goes_to_nothing_as_the_peer_reads() {
    bounded(|| {
        let (ours, theirs) = tcp();
        assert_eq!(account(&ours), ALL);
        let sent = fill(&ours);
        let full = account(&ours);
        assert!(
            0 < full.pending && full.pending <= sent as u64 && !full.gone,
            "{full:?}"
        );

        let mut bytes = vec![0; sent];
        let mut reader = &theirs;
        reader.read_exact(&mut bytes).expect("read");
        until("everything is acknowledged", || account(&ours) == ALL);

        ours.shutdown(Shutdown::Write).expect("shutdown");
        until("the FIN is acknowledged", || account(&ours) == ALL);
    });
}

#[test]
fn a_peer_that_received_everything_and_left_has_acknowledged_it() {
    bounded(|| {
        for first in [true, false] {
            let (mut ours, mut theirs) = tcp();
            ours.write_all(b"bytes").expect("write");
            theirs.read_exact(&mut [0; 5]).expect("read");
            let (one, other) = if first {
                (&ours, &theirs)
            } else {
                (&theirs, &ours)
            };
            one.shutdown(Shutdown::Write).expect("shutdown");
            other.shutdown(Shutdown::Write).expect("shutdown");
            drop(theirs);
            // The state of a connection that ended well is CLOSE, as is that of one that was cut.
            until("both FINs are acknowledged", || account(&ours) == ALL);
        }
    });
}

#[test]
fn a_reset_leaves_bytes_that_nothing_will_acknowledge_and_its_error_to_others() {
    bounded(|| {
        let (ours, theirs) = tcp();
        fill(&ours);
        reset(&ours, theirs);
        for _ in 0..2 {
            let cut = account(&ours);
            assert!(cut.gone && cut.pending > 0, "{cut:?}");
        }
        let error = getsockopt(&ours, sockopt::SocketError).expect("getsockopt");
        assert_eq!(error, NixErrno::ECONNRESET as i32, "nobody took it");
    });
}

#[test]
fn a_reset_after_the_last_acknowledgement_loses_nothing() {
    bounded(|| {
        let (mut ours, theirs) = tcp();
        ours.write_all(b"taken by the peer's kernel, read by nobody")
            .expect("write");
        until("it is acknowledged", || account(&ours) == ALL);
        reset(&ours, theirs);
        assert_eq!(account(&ours), ALL);
        let error = getsockopt(&ours, sockopt::SocketError).expect("getsockopt");
        assert_eq!(error, NixErrno::ECONNRESET as i32);
    });
}

#[test]
fn bytes_in_a_small_window_are_counted_to_the_last() {
    bounded(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        setsockopt(&listener, sockopt::RcvBuf, &4096).expect("setsockopt");
        let ours = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        let (mut theirs, _) = listener.accept().expect("accept");
        let sent = fill(&ours);
        let mut read = 0;
        let mut last = account(&ours).pending;
        while read < sent {
            read += theirs.read(&mut vec![0; 4096]).expect("read");
            let now = account(&ours).pending;
            assert!(now <= last, "{now} after {last}");
            last = now;
        }
        until("everything is acknowledged", || account(&ours) == ALL);
    });
}

#[test]
fn only_tcp_has_an_account() {
    bounded(|| {
        let (unix, _peer) = UnixStream::pair().expect("socketpair");
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        assert_eq!(unacknowledged(unix.as_fd()), Ok(None));
        assert_eq!(unacknowledged(udp.as_fd()), Ok(None));
        assert_eq!(unacknowledged(file("account", b"").as_fd()), Ok(None));
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let einval = Err(Errno(NixErrno::EINVAL as i32));
        assert_eq!(unacknowledged(listener.as_fd()), einval);
    });
}
