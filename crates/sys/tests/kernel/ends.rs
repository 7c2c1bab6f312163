//! One descriptor of every kind, to read from and to write to.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use nix::fcntl::OFlag;
use nix::pty::openpty;
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket, socketpair};
use nix::sys::stat::Mode;
use sendfile64_core::Outcome;

use crate::fixture::{file, path, tcp};

/// What every source holds.
pub(crate) const TEN: &[u8] = b"0123456789";

/// One end of a call, and what must live as long as it.
pub(crate) struct End {
    name: &'static str,
    fd: OwnedFd,
    _peer: Box<dyn Any>,
}

impl End {
    fn new(name: &'static str, fd: impl Into<OwnedFd>) -> Self {
        Self::with(name, fd, ())
    }

    fn with(name: &'static str, fd: impl Into<OwnedFd>, peer: impl Any) -> Self {
        let (fd, _peer) = (fd.into(), Box::new(peer));
        Self { name, fd, _peer }
    }
}

/// Makes `attempt` with each end, and compares all answers at once.
pub(crate) fn assert_answers(
    ends: &[End],
    attempt: impl Fn(BorrowedFd<'_>) -> Outcome,
    expected: impl Fn(&str) -> Outcome,
) {
    let answers = ends.iter().map(|end| (end.name, attempt(end.fd.as_fd())));
    let expected = ends.iter().map(|end| (end.name, expected(end.name)));
    assert_eq!(answers.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

/// An empty file, opened like this.
pub(crate) fn opened(name: &str, options: &OpenOptions) -> File {
    let path = path(name);
    fs::write(&path, b"").expect("write");
    let file = options.open(&path).expect("open");
    fs::remove_file(&path).expect("remove");
    file
}

fn writing() -> OpenOptions {
    OpenOptions::new().write(true).clone()
}

fn device(path: &str) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("open")
}

fn named(name: &str) -> OwnedFd {
    let path = path(name);
    fs::write(&path, TEN).expect("write");
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let named = nix::fcntl::open(&path, flags, Mode::empty()).expect("open");
    fs::remove_file(&path).expect("remove");
    named
}

fn memory(contents: &[u8]) -> File {
    let mut memory = File::from(memfd_create(c"ends", MFdFlags::MFD_CLOEXEC).expect("memfd"));
    memory.write_all(contents).expect("write");
    std::io::Seek::rewind(&mut memory).expect("seek");
    memory
}

fn pair(kind: SockType) -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).expect("socketpair")
}

fn sockets() -> Vec<End> {
    let (tcp_ours, tcp_theirs) = tcp();
    let (unix_ours, unix_theirs) = UnixStream::pair().expect("socketpair");
    let (datagram_ours, datagram_theirs) = UnixDatagram::pair().expect("socketpair");
    let (packet_ours, packet_theirs) = pair(SockType::SeqPacket);
    let udp_theirs = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let udp_ours = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = udp_theirs.local_addr().expect("address");
    udp_ours.connect(address).expect("connect");
    let kind = SockType::Stream;
    let never = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None).expect("socket");
    let (shut, peer) = tcp();
    shut.shutdown(Shutdown::Write).expect("shutdown");
    vec![
        End::with("TCP", tcp_ours, tcp_theirs),
        End::with("unix stream", unix_ours, unix_theirs),
        End::with("unix datagram", datagram_ours, datagram_theirs),
        End::with("unix seqpacket", packet_ours, packet_theirs),
        End::with("UDP", udp_ours, udp_theirs),
        End::new("TCP, never connected", never),
        End::with("TCP, shut down", shut, peer),
    ]
}

/// What bytes may be written to, or not.
pub(crate) fn destinations() -> Vec<End> {
    let mut all = sockets();
    all.extend(no_sockets());
    all
}

fn no_sockets() -> Vec<End> {
    let (reader, writer) = std::io::pipe().expect("pipe");
    let pty = openpty(None, None).expect("openpty");
    let other = openpty(None, None).expect("openpty");
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("epoll");
    vec![
        End::with("pipe", writer, reader),
        End::new("file", opened("end", &writing())),
        End::new(
            "file, O_APPEND",
            opened("end-append", OpenOptions::new().append(true)),
        ),
        End::new("memfd", memory(b"")),
        End::new("/dev/null", device("/dev/null")),
        End::new("/dev/full", device("/dev/full")),
        End::new("eventfd", EventFd::new().expect("eventfd")),
        End::new("epoll", epoll.0),
        End::with("terminal, master", pty.master, pty.slave),
        End::with("terminal", other.slave, other.master),
        End::new("directory", File::open("/").expect("open")),
        End::new("O_RDONLY", file("end-read-only", TEN)),
        End::new("O_PATH", named("end-path")),
    ]
}

/// What bytes may be read from, or not. The pipe and the sockets hold ten, and their other ends are closed.
pub(crate) fn sources() -> Vec<End> {
    let (reader, mut writer) = std::io::pipe().expect("pipe");
    writer.write_all(TEN).expect("write");
    let (tcp_ours, mut tcp_theirs) = tcp();
    tcp_theirs.write_all(TEN).expect("write");
    let (unix_ours, mut unix_theirs) = UnixStream::pair().expect("socketpair");
    unix_theirs.write_all(TEN).expect("write");
    let open = |path| File::open(path).expect("open");
    vec![
        End::new("file", file("source", TEN)),
        End::new("empty file", file("source-empty", b"")),
        End::new("memfd", memory(TEN)),
        End::new("/proc/version", open("/proc/version")),
        End::new("/proc/self/status", open("/proc/self/status")),
        End::new("/sys", open("/sys/devices/system/cpu/possible")),
        End::new("/dev/zero", open("/dev/zero")),
        End::new("directory", open("/")),
        End::new("pipe", reader),
        End::new("TCP", tcp_ours),
        End::new("unix stream", unix_ours),
        End::new("eventfd", EventFd::new().expect("eventfd")),
        End::new("O_WRONLY", opened("source-write-only", &writing())),
        End::new("O_PATH", named("source-path")),
    ]
}
