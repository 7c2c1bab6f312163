//! What Linux says of each kind of destination, from a file on disk (sendfile(2): since 2.6.33 "any file").

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket, socketpair};
use sendfile64_core::{Ended, Outcome};
use sendfile64_sys::call::sendfile::sendfile;

use crate::fixture::{
    bounded, collect, failed, file, nothing, path, pattern, progress, refused, tcp,
};

/// Sends ten bytes to `destination`.
fn answer(destination: impl AsFd) -> Outcome {
    sendfile(
        destination.as_fd(),
        file("ten", b"0123456789").as_fd(),
        Some(0),
        10,
    )
}

#[test]
fn stream_sockets_take_the_whole_file() {
    bounded(|| {
        let contents = pattern(300_007);
        let source = file("stream", &contents);

        let (ours, theirs) = tcp();
        let reader = collect(theirs, contents.len());
        assert_eq!(
            sendfile(ours.as_fd(), source.as_fd(), Some(0), u64::MAX),
            progress(contents.len()),
            "TCP"
        );
        assert!(reader.join().expect("no panic") == contents, "TCP");

        let (ours, theirs) = UnixStream::pair().expect("socketpair");
        let reader = collect(theirs, contents.len());
        assert_eq!(
            sendfile(ours.as_fd(), source.as_fd(), Some(0), u64::MAX),
            progress(contents.len()),
            "unix"
        );
        assert!(reader.join().expect("no panic") == contents, "unix");
    });
}

#[test]
fn message_sockets_make_messages_of_it() {
    bounded(|| {
        let mut message = [0; 20];

        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        sender
            .connect(receiver.local_addr().expect("address"))
            .expect("connect");
        assert_eq!(answer(&sender), progress(10), "UDP");
        assert_eq!(receiver.recv(&mut message).expect("receive"), 10, "UDP");

        let (sender, receiver) = UnixDatagram::pair().expect("socketpair");
        assert_eq!(answer(&sender), progress(10), "unix datagram");
        assert_eq!(
            receiver.recv(&mut message).expect("receive"),
            10,
            "unix datagram"
        );

        let kind = SockType::SeqPacket;
        let (sender, receiver) =
            socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)
                .expect("socketpair");
        assert_eq!(answer(&sender), progress(10), "unix seqpacket");
        assert_eq!(
            nix::unistd::read(&receiver, &mut message).expect("receive"),
            10,
            "unix seqpacket"
        );
        assert_eq!(&message[..10], b"0123456789");
    });
}

#[test]
fn a_full_datagram_socket_would_block() {
    bounded(|| {
        let (sender, _receiver) = UnixDatagram::pair().expect("socketpair");
        sender.set_nonblocking(true).expect("fcntl");
        while sender.send(&[0; 1000]).is_ok() {}
        assert_eq!(answer(&sender), nothing(Ended::WouldBlock));
    });
}

#[test]
fn a_pipe() {
    bounded(|| {
        let (mut reader, writer) = std::io::pipe().expect("pipe");
        assert_eq!(answer(&writer), progress(10));
        drop(writer);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes, b"0123456789");
    });
}

#[test]
fn files_are_written_at_their_position_which_moves() {
    bounded(|| {
        let path = path("written");
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .clone();
        let on_disk = options.open(&path).expect("open");
        fs::remove_file(&path).expect("remove");
        let in_memory = File::from(memfd_create(c"written", MFdFlags::MFD_CLOEXEC).expect("memfd"));
        for mut destination in [on_disk, in_memory] {
            destination.write_all(b"hello").expect("write");
            assert_eq!(answer(&destination), progress(10));
            assert_eq!(destination.stream_position().expect("seek"), 15);
            destination.write_all(b"world").expect("write");
            let mut bytes = Vec::new();
            destination.seek(SeekFrom::Start(0)).expect("seek");
            destination.read_to_end(&mut bytes).expect("read");
            assert_eq!(bytes, b"hello0123456789world");
        }
    });
}

#[test]
fn a_file_open_for_appending_is_refused() {
    bounded(|| {
        let path = path("appended");
        let destination = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .expect("open");
        let outcome = answer(&destination);
        let length = destination.metadata().expect("fstat").len();
        fs::remove_file(&path).expect("remove");
        assert_eq!((outcome, length), (refused(Errno::EINVAL), 0));
    });
}

#[test]
fn devices() {
    bounded(|| {
        let open = |path| OpenOptions::new().write(true).open(path).expect("open");
        assert_eq!(answer(open("/dev/null")), progress(10));
        assert_eq!(answer(open("/dev/full")), refused(Errno::EINVAL));
    });
}

#[test]
fn what_takes_no_stream_of_bytes_is_refused() {
    bounded(|| {
        assert_eq!(
            answer(EventFd::new().expect("eventfd")),
            refused(Errno::EINVAL),
            "eventfd"
        );
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("epoll");
        assert_eq!(answer(epoll.0), refused(Errno::EINVAL), "epoll");
    });
}

#[test]
fn a_descriptor_that_cannot_be_written_fails() {
    bounded(|| assert_eq!(answer(file("read-only", b"")), failed(Errno::EBADF)));
}

#[test]
fn a_socket_without_a_connection_fails() {
    bounded(|| {
        let never = socket(
            AddressFamily::Inet,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .expect("socket");
        assert_eq!(answer(&never), failed(Errno::EPIPE), "never connected");

        let (ours, _theirs) = tcp();
        ours.shutdown(std::net::Shutdown::Write).expect("shutdown");
        assert_eq!(
            answer(&ours),
            failed(Errno::EPIPE),
            "after our own shutdown"
        );
    });
}
