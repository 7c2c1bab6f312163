//! What Linux says of each kind of source, towards a TCP connection (sendfile(2): "a file that supports mmap-like
//! operations").

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::eventfd::EventFd;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use sendfile64_core::{Ended, Outcome};
use sendfile64_sys::call::sendfile::sendfile;

use crate::fixture::{
    bounded, collect, failed, file, nothing, path, pattern, progress, refused, tcp,
};

/// Sends `source` from offset 0 and again from its position, and compares what arrives.
fn assert_sends(mut source: File, expected: &[u8]) {
    for offset in [Some(0), None] {
        let (ours, theirs) = tcp();
        let reader = collect(theirs, expected.len());
        let outcome = sendfile(
            ours.as_fd(),
            source.as_fd(),
            offset,
            expected.len() as u64 + 1,
        );
        drop(ours);
        assert_eq!(outcome, progress(expected.len()), "offset {offset:?}");
        assert!(
            reader.join().expect("no panic") == expected,
            "offset {offset:?}: other bytes arrived"
        );
    }
    let mut rest = Vec::new();
    source.read_to_end(&mut rest).expect("read");
    assert_eq!(rest, [], "the second call used and moved the position");
}

/// What the kernel says with an offset, and with NULL.
fn answers(source: impl AsFd) -> [Outcome; 2] {
    let (ours, _theirs) = tcp();
    [Some(0), None].map(|offset| sendfile(ours.as_fd(), source.as_fd(), offset, 10))
}

#[test]
fn files_on_disk_and_in_memory() {
    bounded(|| {
        let contents = pattern(200_001);
        assert_sends(file("regular", &contents), &contents);

        let mut memory = File::from(memfd_create(c"memory", MFdFlags::MFD_CLOEXEC).expect("memfd"));
        memory.write_all(&contents).expect("write");
        std::io::Seek::rewind(&mut memory).expect("seek");
        assert_sends(memory, &contents);
    });
}

#[test]
fn a_file_open_for_direct_io() {
    bounded(|| {
        let contents = pattern(65_536);
        let path = path("direct");
        fs::write(&path, &contents).expect("write");
        // tmpfs took O_DIRECT only in 6.6.
        let direct = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(&path);
        fs::remove_file(&path).expect("remove");
        match direct {
            Ok(source) => {
                let (ours, theirs) = tcp();
                let reader = collect(theirs, contents.len());
                assert_eq!(
                    sendfile(ours.as_fd(), source.as_fd(), Some(0), 65_536),
                    progress(65_536)
                );
                assert!(reader.join().expect("no panic") == contents);
            }
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EINVAL)),
        }
    });
}

#[test]
fn an_empty_file_has_no_byte() {
    bounded(|| assert_eq!(answers(file("empty", b"")), [nothing(Ended::EndOfFile); 2]));
}

#[test]
fn files_of_proc_and_sys_that_have_a_buffer() {
    bounded(|| {
        for path in ["/proc/version", "/sys/devices/system/cpu/possible"] {
            let expected = fs::read(path).expect("read");
            assert!(!expected.is_empty());
            let (ours, theirs) = tcp();
            let reader = collect(theirs, expected.len());
            let source = File::open(path).expect("open");
            assert_eq!(
                sendfile(ours.as_fd(), source.as_fd(), Some(0), 4096),
                progress(expected.len()),
                "{path}"
            );
            assert_eq!(reader.join().expect("no panic"), expected, "{path}");
        }
    });
}

#[test]
fn files_of_proc_that_are_made_line_by_line_are_refused() {
    bounded(|| {
        for path in ["/proc/self/status", "/proc/self/maps"] {
            assert_eq!(
                answers(File::open(path).expect("open")),
                [refused(Errno::EINVAL); 2],
                "{path}"
            );
        }
    });
}

#[test]
fn endless_devices_give_what_was_asked_for() {
    bounded(|| {
        for path in ["/dev/zero", "/dev/urandom"] {
            for outcome in answers(File::open(path).expect("open")) {
                // Kernels before 6.5 splice from no character device.
                assert!(
                    [progress(10), refused(Errno::EINVAL)].contains(&outcome),
                    "{path}: {outcome:?}"
                );
            }
        }
    });
}

#[test]
fn a_directory_is_refused() {
    bounded(|| {
        assert_eq!(
            answers(File::open("/").expect("open")),
            [refused(Errno::EINVAL); 2]
        )
    });
}

#[test]
fn what_cannot_seek_is_refused_with_and_without_an_offset() {
    bounded(|| {
        let expected = [refused(Errno::ESPIPE), refused(Errno::EINVAL)];

        let (pipe, mut end) = std::io::pipe().expect("pipe");
        end.write_all(b"0123456789").expect("write");
        assert_eq!(answers(&pipe), expected, "pipe");

        let (unix, mut end) = UnixStream::pair().expect("socketpair");
        end.write_all(b"0123456789").expect("write");
        assert_eq!(answers(&unix), expected, "unix socket");

        let (tcp, mut end): (TcpStream, TcpStream) = tcp();
        end.write_all(b"0123456789").expect("write");
        assert_eq!(answers(&tcp), expected, "TCP socket");

        assert_eq!(
            answers(EventFd::new().expect("eventfd")),
            expected,
            "eventfd"
        );
    });
}

#[test]
fn a_descriptor_that_cannot_be_read_fails() {
    bounded(|| {
        let path = path("unreadable");
        fs::write(&path, b"bytes").expect("write");
        let written = OpenOptions::new().write(true).open(&path).expect("open");
        let named =
            nix::fcntl::open(&path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).expect("open");
        fs::remove_file(&path).expect("remove");
        assert_eq!(answers(written), [failed(Errno::EBADF); 2], "O_WRONLY");
        assert_eq!(answers(named), [failed(Errno::EBADF); 2], "O_PATH");
    });
}
