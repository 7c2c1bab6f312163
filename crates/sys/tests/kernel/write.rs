//! write(2), the last method: every destination that takes bytes takes them.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::thread;

use nix::errno::Errno;
use nix::libc;
use sendfile64_core::Ended;
use sendfile64_sys::call::copy::write;
use sendfile64_sys::fd::pipe::pair;
use sendfile64_sys::signal::block_fatal;

use crate::ends::{TEN, assert_answers, destinations, opened};
use crate::fixture::{bounded, failed, in_own_process, nothing, pattern, progress, refused};
use crate::sandbox::deny;

#[test]
fn every_kind_of_destination() {
    bounded(|| {
        block_fatal();
        assert_answers(
            &destinations(),
            |fd| write(fd, TEN),
            |name| match name {
                "TCP, never connected" | "TCP, shut down" => failed(Errno::EPIPE),
                "/dev/full" => failed(Errno::ENOSPC),
                // Older kernels take eight of the ten bytes for an eventfd's number.
                "eventfd" | "epoll" => refused(Errno::EINVAL),
                "directory" | "O_RDONLY" | "O_PATH" => failed(Errno::EBADF),
                _ => progress(10),
            },
        );
    });
}

#[test]
fn a_file_is_written_at_its_position_and_at_its_end_with_o_append() {
    bounded(|| {
        let mut file = opened("write-position", OpenOptions::new().read(true).write(true));
        file.write_all(b"hello world").expect("write");
        file.seek(std::io::SeekFrom::Start(5)).expect("seek");
        assert_eq!(write(file.as_fd(), b"012"), progress(3));
        assert_eq!(file.stream_position().expect("seek"), 8);
        assert_eq!(write(file.as_fd(), b""), progress(0));
        file.rewind().expect("seek");
        let mut bytes = String::new();
        file.read_to_string(&mut bytes).expect("read");
        assert_eq!(bytes, "hello012rld");

        let mut log = opened("write-append", OpenOptions::new().read(true).append(true));
        log.write_all(b"first").expect("write");
        log.rewind().expect("seek");
        assert_eq!(write(log.as_fd(), b"second"), progress(6));
        log.rewind().expect("seek");
        let mut bytes = String::new();
        log.read_to_string(&mut bytes).expect("read");
        assert_eq!(bytes, "firstsecond");
    });
}

#[test]
fn a_pipe_takes_what_it_holds_and_then_would_block() {
    bounded(|| {
        let contents = pattern(1 << 20);
        let pipe = pair(1 << 16).expect("pipe");
        let sent = write(pipe.writer.as_fd(), &contents);
        assert_eq!(sent, progress(1 << 16));
        assert_eq!(write(pipe.writer.as_fd(), b"x"), nothing(Ended::WouldBlock));
        drop(pipe.writer);
        let mut bytes = Vec::new();
        File::from(pipe.reader)
            .read_to_end(&mut bytes)
            .expect("read");
        assert!(bytes == contents[..1 << 16]);
    });
}

#[test]
fn a_pipe_without_a_reader_is_broken() {
    bounded(|| {
        block_fatal();
        let pipe = pair(4096).expect("pipe");
        drop(pipe.reader);
        assert_eq!(write(pipe.writer.as_fd(), b"x"), failed(Errno::EPIPE));
    });
}

#[test]
fn a_call_that_takes_nothing_and_says_nothing_is_not_made_for_ever() {
    in_own_process(
        "write::a_call_that_takes_nothing_and_says_nothing_is_not_made_for_ever",
        || {
            let sink = opened("write-zero", OpenOptions::new().write(true));
            // On a thread of its own, for the test itself must be able to write.
            let answers = thread::spawn(move || {
                deny(libc::SYS_write, Errno::UnknownErrno); // errno 0: the call returns 0
                [write(sink.as_fd(), b"bytes"), write(sink.as_fd(), b"")]
            });
            assert_eq!(
                answers.join().expect("no panic"),
                [failed(Errno::EIO), progress(0)]
            );
        },
    );
}
