//! The man page: one call, its own errors, whatever the numbers are.

use std::fs::OpenOptions;
use std::io::Seek;
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno as NixErrno;
use nix::fcntl::OFlag;
use sendfile64_core::Errno;
use sendfile64_sys::call::sendfile::sendfile_once;

use crate::fixture::{bounded, collect, file, pattern, tcp};

/// No process here opens so many.
const CLOSED: RawFd = 1 << 29;

fn error(errno: NixErrno) -> Result<u64, Errno> {
    Err(Errno(errno as i32))
}

#[test]
fn bytes_and_positions() {
    bounded(|| {
        let contents = pattern(26);
        let mut source = file("once", &contents);
        let (ours, theirs) = tcp();
        let reader = collect(theirs, 26 + 24 + 26);
        let (out_fd, in_fd) = (ours.as_raw_fd(), source.as_raw_fd());

        assert_eq!(sendfile_once(out_fd, in_fd, Some(0), 26), Ok(26));
        assert_eq!(sendfile_once(out_fd, in_fd, Some(2), 24), Ok(24));
        assert_eq!(source.stream_position().expect("seek"), 0);
        assert_eq!(sendfile_once(out_fd, in_fd, None, i64::MAX as u64), Ok(26));
        assert_eq!(source.stream_position().expect("seek"), 26);
        assert_eq!(sendfile_once(out_fd, in_fd, None, 1), Ok(0));

        assert_eq!(
            reader.join().expect("no panic"),
            [&contents[..], &contents[2..], &contents[..]].concat()
        );
    });
}

#[test]
fn short_counts_are_returned_and_eagain_is_an_error() {
    bounded(|| {
        let contents = pattern(1 << 20);
        let mut source = file("short", &contents);
        let (_reader, writer) =
            nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).expect("pipe");
        let sent =
            sendfile_once(writer.as_raw_fd(), source.as_raw_fd(), None, 1 << 20).expect("sendfile");
        assert!(0 < sent && sent < 1 << 20, "{sent}");
        assert_eq!(source.stream_position().expect("seek"), sent);
        let again = sendfile_once(writer.as_raw_fd(), source.as_raw_fd(), None, 1 << 20);
        assert_eq!(again, error(NixErrno::EAGAIN));
    });
}

#[test]
fn bad_numbers() {
    bounded(|| {
        let source = file("numbers", b"0123456789");
        let sink = OpenOptions::new()
            .write(true)
            .open("/dev/null")
            .expect("open");
        let (out_fd, in_fd) = (sink.as_raw_fd(), source.as_raw_fd());
        let bad = [
            (-1, in_fd),
            (CLOSED, in_fd),
            (RawFd::MIN, in_fd),
            (in_fd, in_fd), // open to read only
            (out_fd, -1),
            (out_fd, CLOSED),
            (out_fd, RawFd::MAX),
            (out_fd, out_fd), // open to write only
        ];
        for (out_fd, in_fd) in bad {
            for count in [0, 10] {
                let answer = sendfile_once(out_fd, in_fd, Some(0), count);
                assert_eq!(answer, error(NixErrno::EBADF), "{out_fd} {in_fd} {count}");
            }
        }
    });
}

#[test]
fn offsets_and_counts_go_to_the_kernel_as_they_are() {
    bounded(|| {
        let source = file("arguments", b"0123456789");
        let sink = OpenOptions::new()
            .write(true)
            .open("/dev/null")
            .expect("open");
        let once =
            |offset, count| sendfile_once(sink.as_raw_fd(), source.as_raw_fd(), offset, count);
        assert_eq!(once(Some(0), 0), Ok(0));
        assert_eq!(once(Some(10), 5), Ok(0));
        assert_eq!(once(Some(11), 5), Ok(0));
        assert_eq!(once(Some(-1), 5), error(NixErrno::EINVAL));
        assert_eq!(once(Some(i64::MIN), 5), error(NixErrno::EINVAL));
        assert_eq!(once(Some(i64::MAX), 5), error(NixErrno::EINVAL));
        assert_eq!(once(Some(3), i64::MAX as u64 - 3), Ok(7));
        assert_eq!(once(Some(0), u64::MAX), error(NixErrno::EINVAL));
    });
}
