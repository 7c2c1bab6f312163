//! A description of our own of what others share.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno as NixErrno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::pty::openpty;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sendfile64_core::{Ended, Errno};
use sendfile64_sys::call::copy::write;
use sendfile64_sys::fd::{FileType, flags, reopen_for_writing, status};
use sendfile64_sys::probe::{Feature, forbid};

use crate::fixture::{bounded, file, in_own_process, nothing, path, progress, tcp};

fn error(fd: BorrowedFd<'_>) -> Errno {
    reopen_for_writing(fd).expect_err("nothing to reopen")
}

#[test]
fn a_blocking_pipe_stays_blocking_for_everybody_else() {
    bounded(|| {
        let (mut reader, writer) = std::io::pipe().expect("pipe");
        let ours = reopen_for_writing(writer.as_fd()).expect("open");
        let own = flags(ours.as_fd()).expect("fcntl");
        assert!(own.nonblocking && own.writable && !own.readable && !own.append);
        let bits = FdFlag::from_bits_retain(fcntl(&ours, FcntlArg::F_GETFD).expect("fcntl"));
        assert!(bits.contains(FdFlag::FD_CLOEXEC));
        assert!(!flags(writer.as_fd()).expect("fcntl").nonblocking);
        assert!(!flags(reader.as_fd()).expect("fcntl").nonblocking);

        assert_eq!(write(ours.as_fd(), &[7; 1 << 20]), progress(1 << 16));
        assert_eq!(write(ours.as_fd(), b"x"), nothing(Ended::WouldBlock));
        drop((writer, ours));
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes.len(), 1 << 16, "the reader sees the end");
    });
}

#[test]
fn the_read_end_of_a_pipe_can_be_written_through_a_new_description() {
    bounded(|| {
        // open(2) asks for the permission of the pipe, not of the descriptor: what may be written is for `flags` to say.
        let (reader, _writer) = std::io::pipe().expect("pipe");
        assert!(!flags(reader.as_fd()).expect("fcntl").writable);
        let ours = reopen_for_writing(reader.as_fd()).expect("open");
        assert!(flags(ours.as_fd()).expect("fcntl").writable);
    });
}

#[test]
fn a_fifo_and_its_last_reader() {
    bounded(|| {
        let path = path("reopened-fifo");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("mkfifo");
        let both = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .expect("open");
        let writer = File::options().write(true).open(&path).expect("open");
        fs::remove_file(&path).expect("remove");
        let ours = reopen_for_writing(writer.as_fd()).expect("a name is not needed");
        assert_eq!(write(ours.as_fd(), b"bytes"), progress(5));
        drop((both, ours));
        assert_eq!(error(writer.as_fd()), Errno(NixErrno::ENXIO as i32));
    });
}

#[test]
fn a_terminal_but_not_the_master_which_would_be_another_one() {
    bounded(|| {
        let pty = openpty(None, None).expect("openpty");
        assert_eq!(
            status(pty.master.as_fd()).expect("fstat").kind,
            FileType::Terminal
        );
        let ours = reopen_for_writing(pty.slave.as_fd()).expect("open");
        assert!(flags(ours.as_fd()).expect("fcntl").nonblocking);
        assert!(!flags(pty.slave.as_fd()).expect("fcntl").nonblocking);
        assert_eq!(write(ours.as_fd(), b"bytes"), progress(5));
        let mut bytes = [0; 5];
        File::from(pty.master.try_clone().expect("fcntl"))
            .read_exact(&mut bytes)
            .expect("read");
        assert_eq!(&bytes, b"bytes");
        assert_eq!(error(pty.master.as_fd()), Errno(NixErrno::EINVAL as i32));
    });
}

#[test]
fn nothing_else() {
    bounded(|| {
        let einval = Errno(NixErrno::EINVAL as i32);
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let null = nix::fcntl::open("/dev/null", flags, Mode::empty()).expect("open");
        assert_eq!(error(tcp().0.as_fd()), einval, "TCP");
        let (unix, _peer) = UnixStream::pair().expect("socketpair");
        assert_eq!(error(unix.as_fd()), einval, "unix");
        // A second description of a file has a position of its own.
        assert_eq!(error(file("reopened", b"").as_fd()), einval, "file");
        assert_eq!(
            error(File::open("/").expect("open").as_fd()),
            einval,
            "directory"
        );
        assert_eq!(error(null.as_fd()), einval, "device");
    });
}

#[test]
fn a_forbidden_reopen_is_not_there() {
    in_own_process("reopen::a_forbidden_reopen_is_not_there", || {
        let (_reader, writer) = std::io::pipe().expect("pipe");
        forbid(Feature::Reopen);
        assert_eq!(error(writer.as_fd()), Errno(NixErrno::ENOSYS as i32));
    });
}
