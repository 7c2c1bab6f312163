//! Connected sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use super::TIMEOUT;

/// A connection over TCP: the sending side, in non-blocking mode, and its peer. Both are sockets like any other to
/// read(2) and write(2), so one type does for TCP and unix.
pub(crate) fn tcp() -> (UnixStream, UnixStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let sending =
        TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    let (peer, _) = listener.accept().expect("its other side");
    ready_pair(
        UnixStream::from(OwnedFd::from(sending)),
        UnixStream::from(OwnedFd::from(peer)),
    )
}

/// The same over a unix socket.
pub(crate) fn unix() -> (UnixStream, UnixStream) {
    let (sending, peer) = UnixStream::pair().expect("a pair");
    ready_pair(sending, peer)
}

fn ready_pair(sending: UnixStream, peer: UnixStream) -> (UnixStream, UnixStream) {
    sending.set_nonblocking(true).expect("non-blocking mode");
    peer.set_read_timeout(Some(TIMEOUT)).expect("a time limit");
    (sending, peer)
}

/// Writes until the socket takes no more; returns how much it took.
pub(crate) fn fill(sending: &UnixStream) -> usize {
    let mut sending = sending;
    let mut total = 0;
    loop {
        match sending.write(&[b'x'; 4096]) {
            Ok(written) => total += written,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return total;
            }
        }
    }
}

/// Reads everything up to the end, on a thread of its own.
pub(crate) fn read_all(mut peer: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes)
            .expect("all bytes and the end, in time");
        bytes
    })
}
