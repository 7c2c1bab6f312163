//! What descriptors are, and whose.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use nix::errno::Errno as NixErrno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::pty::openpty;
use nix::sys::eventfd::EventFd;
use nix::sys::stat::Mode;
use sendfile64_core::Errno;
use sendfile64_sys::fd::{
    FileType, Flags, close_info, duplicate, flags, outstanding, position, set_position,
    shutdown_both, status,
};

use crate::fixture::{bounded, file, path, tcp};

fn kind(fd: impl AsFd) -> FileType {
    status(fd.as_fd()).expect("fstat").kind
}

#[test]
fn kinds() {
    bounded(|| {
        assert_eq!(kind(file("kind", b"")), FileType::Regular);
        assert_eq!(kind(File::open("/").expect("open")), FileType::Directory);
        assert_eq!(
            kind(File::open("/dev/null").expect("open")),
            FileType::CharacterDevice
        );
        let pty = openpty(None, None).expect("openpty");
        assert_eq!(kind(&pty.master), FileType::Terminal);
        assert_eq!(kind(&pty.slave), FileType::Terminal);
        drop(pty.master);
        assert_eq!(kind(pty.slave), FileType::CharacterDevice, "hung up");
        assert_eq!(kind(std::io::pipe().expect("pipe").0), FileType::Fifo);
        assert_eq!(kind(EventFd::new().expect("eventfd")), FileType::Other);
    });
}

#[test]
fn kinds_of_sockets() {
    bounded(|| {
        assert_eq!(kind(tcp().0), FileType::StreamSocket);
        assert_eq!(
            kind(UnixStream::pair().expect("socketpair").0),
            FileType::StreamSocket
        );
        assert_eq!(
            kind(UdpSocket::bind("127.0.0.1:0").expect("bind")),
            FileType::DatagramSocket
        );
        assert_eq!(
            kind(UnixDatagram::unbound().expect("socket")),
            FileType::DatagramSocket
        );

        let path = path("listener");
        let listener = UnixListener::bind(&path).expect("bind");
        std::fs::remove_file(&path).expect("remove");
        assert_eq!(kind(listener), FileType::StreamSocket);
    });
}

#[test]
fn size_device_and_inode_are_those_of_fstat() {
    bounded(|| {
        let file = file("status", b"0123456789");
        let expected = file.metadata().expect("fstat");
        let status = status(file.as_fd()).expect("fstat");
        assert_eq!(
            (status.size, status.device, status.inode),
            (10, expected.dev(), expected.ino())
        );
    });
}

#[test]
fn what_a_descriptor_may_be_used_for() {
    bounded(|| {
        let path = path("flags");
        std::fs::write(&path, b"").expect("write");
        let of = |bits| {
            let fd = nix::fcntl::open(&path, bits | OFlag::O_CLOEXEC, Mode::empty()).expect("open");
            flags(fd.as_fd()).expect("fcntl")
        };
        let none = Flags {
            readable: false,
            writable: false,
            append: false,
            nonblocking: false,
        };
        let (readable, writable) = (true, true);
        assert_eq!(of(OFlag::O_RDONLY), Flags { readable, ..none });
        assert_eq!(of(OFlag::O_WRONLY), Flags { writable, ..none });
        let both = Flags {
            readable,
            writable,
            ..none
        };
        assert_eq!(of(OFlag::O_RDWR), both);
        assert_eq!(of(OFlag::O_PATH), none);
        // For ioctl(2) alone: open(2), "access mode 3".
        assert_eq!(of(OFlag::O_ACCMODE), none);
        let append = Flags {
            append: true,
            ..both
        };
        assert_eq!(of(OFlag::O_RDWR | OFlag::O_APPEND), append);
        let nonblocking = Flags {
            readable,
            nonblocking: true,
            ..none
        };
        assert_eq!(of(OFlag::O_NONBLOCK), nonblocking);
        std::fs::remove_file(&path).expect("remove");
    });
}

#[test]
fn a_duplicate_is_closed_on_exec_and_shares_the_position() {
    bounded(|| {
        let mut original = file("duplicate", b"0123456789");
        let copy = duplicate(original.as_raw_fd()).expect("fcntl");
        assert_ne!(copy.as_raw_fd(), original.as_raw_fd());
        let flags = FdFlag::from_bits_retain(fcntl(&copy, FcntlArg::F_GETFD).expect("fcntl"));
        assert!(flags.contains(FdFlag::FD_CLOEXEC));
        original.seek(SeekFrom::Start(7)).expect("seek");
        assert_eq!(position(copy.as_fd()), Ok(7));
    });
}

#[test]
fn a_duplicate_outlives_the_number_it_was_made_of() {
    bounded(|| {
        let original = file("outlives", b"0123456789");
        let mut copy = File::from(duplicate(original.as_raw_fd()).expect("fcntl"));
        drop(original);
        let mut bytes = String::new();
        copy.read_to_string(&mut bytes).expect("read");
        assert_eq!(bytes, "0123456789");
    });
}

#[test]
fn numbers_that_are_not_open_cannot_be_duplicated() {
    bounded(|| {
        for closed in [-1, i32::MIN, 1 << 29, i32::MAX] {
            assert_eq!(
                duplicate(closed).map(drop),
                Err(Errno(NixErrno::EBADF as i32)),
                "{closed}"
            );
        }
    });
}

#[test]
fn positions() {
    bounded(|| {
        let file = file("positions", b"0123456789");
        assert_eq!(position(file.as_fd()), Ok(0));
        for offset in [4, 1 << 33] {
            assert_eq!(set_position(file.as_fd(), offset), Ok(()));
            assert_eq!(position(file.as_fd()), Ok(offset));
        }
        let einval = Err(Errno(NixErrno::EINVAL as i32));
        assert_eq!(set_position(file.as_fd(), 1 << 63), einval);
        assert_eq!(set_position(file.as_fd(), u64::MAX), einval);
        assert_eq!(position(file.as_fd()), Ok(1 << 33));
    });
}

#[test]
fn what_cannot_seek_has_no_position() {
    bounded(|| {
        let (pipe, _writer) = std::io::pipe().expect("pipe");
        let espipe = Errno(NixErrno::ESPIPE as i32);
        assert_eq!(position(pipe.as_fd()), Err(espipe));
        assert_eq!(set_position(pipe.as_fd(), 0), Err(espipe));
    });
}

#[test]
fn a_shutdown_reaches_the_peer_though_another_descriptor_is_open() {
    bounded(|| {
        let (mut ours, mut theirs) = tcp();
        ours.write_all(b"before").expect("write");
        let copy = duplicate(ours.as_raw_fd()).expect("fcntl");
        shutdown_both(copy.as_fd());
        let mut bytes = Vec::new();
        theirs.read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes, b"before");
        assert_eq!(
            ours.write(b"after").expect_err("shut down").raw_os_error(),
            Some(NixErrno::EPIPE as i32)
        );
        shutdown_both(file("no-socket", b"").as_fd()); // nothing to shut down, nothing to say
    });
}

#[test]
fn what_a_destination_holds_shrinks_as_its_reader_reads() {
    use sendfile64_core::Kind as End;
    bounded(|| {
        let (unix, unix_peer) = UnixStream::pair().expect("socketpair");
        let (pipe_reader, pipe) = std::io::pipe().expect("pipe");
        let unix = (File::from(std::os::fd::OwnedFd::from(unix)), End::Socket);
        let unix_peer = File::from(std::os::fd::OwnedFd::from(unix_peer));
        let pipe = (File::from(std::os::fd::OwnedFd::from(pipe)), End::Pipe);
        let pipe_reader = File::from(std::os::fd::OwnedFd::from(pipe_reader));
        for ((mut writer, end), mut reader) in [(unix, unix_peer), (pipe, pipe_reader)] {
            assert_eq!(outstanding(writer.as_fd(), end), Some(0));
            writer.write_all(b"some").expect("write");
            writer.write_all(b"thing").expect("write");
            let full = outstanding(writer.as_fd(), end).expect("ioctl");
            assert!(full >= 9, "{full}");
            reader.read_exact(&mut [0; 8]).expect("read");
            let less = outstanding(writer.as_fd(), end).expect("ioctl");
            assert!(0 < less && less < full, "{less} of {full}");
        }

        // TCP counts what is not acknowledged, and the peer's kernel acknowledges what nobody has read.
        let (mut sending, peer) = tcp();
        sending.write_all(b"bytes").expect("write");
        crate::fixture::until("everything is acknowledged", || {
            outstanding(sending.as_fd(), End::Socket) == Some(0)
        });
        drop(peer);

        let null = File::options().write(true).open("/dev/null").expect("open");
        assert_eq!(outstanding(null.as_fd(), End::Device), None);
        assert_eq!(
            outstanding(file("outstanding", b"bytes").as_fd(), End::File),
            None
        );
    });
}

#[test]
fn a_file_has_a_name_until_the_last_is_removed() {
    bounded(|| {
        let (one, other) = (path("one-name"), path("other-name"));
        let file = File::create(&one).expect("create");
        std::fs::hard_link(&one, &other).expect("link");
        status(file.as_fd()).expect("fstat");
        for (removed, may_wait) in [(&one, false), (&other, true)] {
            std::fs::remove_file(removed).expect("remove");
            assert_eq!(close_info(file.as_fd()).may_wait, may_wait);
        }
    });
}
