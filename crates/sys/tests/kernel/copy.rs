//! The method for every pair: one read, one send.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use sendfile64_core::Ended;
use sendfile64_sys::call::copy::{read, send, send_more};

use crate::fixture::{bounded, collect, failed, file, nothing, pattern, progress, reset, tcp};

#[test]
fn reading_at_an_offset_leaves_the_position_alone_and_without_one_moves_it() {
    bounded(|| {
        let mut source = file("read", b"0123456789");
        source.seek(SeekFrom::Start(4)).expect("seek");
        let mut buffer = [0; 4];

        assert_eq!(read(source.as_fd(), Some(1), &mut buffer), progress(4));
        assert_eq!(&buffer, b"1234");
        assert_eq!(source.stream_position().expect("seek"), 4);

        assert_eq!(read(source.as_fd(), None, &mut buffer), progress(4));
        assert_eq!(&buffer, b"4567");
        assert_eq!(
            read(source.as_fd(), None, &mut buffer),
            progress(2),
            "a short read"
        );
        assert_eq!(&buffer[..2], b"89");
        assert_eq!(source.stream_position().expect("seek"), 10);
    });
}

#[test]
fn the_end_of_the_file_and_an_empty_buffer_are_two_things() {
    bounded(|| {
        let source = file("end", b"0123456789");
        let mut buffer = [0; 4];
        for offset in [10, 11, 1 << 43] {
            assert_eq!(
                read(source.as_fd(), Some(offset), &mut buffer),
                nothing(Ended::EndOfFile),
                "{offset}"
            );
        }
        assert_eq!(read(source.as_fd(), Some(0), &mut []), progress(0));
    });
}

#[test]
fn offsets_that_no_file_can_have_fail() {
    bounded(|| {
        let source = file("offsets", b"0123456789");
        for offset in [i64::MAX as u64 + 1, u64::MAX] {
            assert_eq!(
                read(source.as_fd(), Some(offset), &mut [0; 4]),
                failed(Errno::EINVAL),
                "{offset}"
            );
        }
    });
}

#[test]
fn sources_that_cannot_be_read_fail() {
    bounded(|| {
        let directory = File::open("/").expect("open");
        assert_eq!(
            read(directory.as_fd(), Some(0), &mut [0; 4]),
            failed(Errno::EISDIR)
        );
        let sink = File::options().write(true).open("/dev/null").expect("open");
        assert_eq!(
            read(sink.as_fd(), Some(0), &mut [0; 4]),
            failed(Errno::EBADF)
        );
        let (pipe, _writer) = std::io::pipe().expect("pipe");
        assert_eq!(
            read(pipe.as_fd(), Some(0), &mut [0; 4]),
            failed(Errno::ESPIPE)
        );
    });
}

#[test]
fn an_empty_pipe_would_block_and_a_closed_one_is_at_its_end() {
    bounded(|| {
        let (reader, writer) =
            nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).expect("pipe");
        assert_eq!(
            read(reader.as_fd(), None, &mut [0; 4]),
            nothing(Ended::WouldBlock)
        );
        drop(writer);
        assert_eq!(
            read(reader.as_fd(), None, &mut [0; 4]),
            nothing(Ended::EndOfFile)
        );
    });
}

#[test]
fn sending_never_waits_though_the_socket_would() {
    bounded(|| {
        let contents = pattern(64 << 20);
        let (ours, theirs) = tcp(); // blocking
        let mut sent = 0;
        let full = loop {
            let outcome = send(ours.as_fd(), &contents[sent..]);
            sent += outcome.bytes as usize;
            if outcome.ended != Ended::Progress {
                break outcome;
            }
        };
        assert_eq!(full, nothing(Ended::WouldBlock));
        assert!(0 < sent && sent < contents.len(), "{sent}");
        let reader = collect(theirs, sent);
        assert!(reader.join().expect("no panic") == contents[..sent]);
    });
}

#[test]
fn sending_nothing_is_progress() {
    bounded(|| {
        let (ours, _theirs) = tcp();
        assert_eq!(send(ours.as_fd(), b""), progress(0));
    });
}

#[test]
fn destinations_that_take_nothing_fail() {
    bounded(|| {
        let (ours, theirs) = UnixStream::pair().expect("socketpair");
        drop(theirs);
        assert_eq!(
            send(ours.as_fd(), b"bytes"),
            failed(Errno::EPIPE),
            "peer gone"
        );

        let file = file("no-socket", b"");
        assert_eq!(
            send(file.as_fd(), b"bytes"),
            failed(Errno::ENOTSOCK),
            "file"
        );

        let unconnected = UnixDatagram::unbound().expect("socket");
        assert_eq!(
            send(unconnected.as_fd(), b"bytes"),
            failed(Errno::ENOTCONN),
            "unconnected"
        );
    });
}

#[test]
fn a_reset_comes_once() {
    bounded(|| {
        let (mut ours, theirs) = tcp();
        ours.write_all(b"never read").expect("write");
        reset(&ours, theirs);
        assert_eq!(send(ours.as_fd(), b"bytes"), failed(Errno::ECONNRESET));
        assert_eq!(send(ours.as_fd(), b"bytes"), failed(Errno::EPIPE));
    });
}

#[test]
fn bytes_sent_with_more_to_follow_come_first_and_are_not_lost_without_it() {
    bounded(|| {
        let (sender, receiver) = tcp();
        let collected = collect(receiver, 14);
        assert_eq!(send_more(sender.as_fd(), b"head "), progress(5));
        assert_eq!(send(sender.as_fd(), b"body"), progress(4));
        assert_eq!(send_more(sender.as_fd(), b" tail"), progress(5));
        drop(sender);
        assert_eq!(collected.join().expect("the reader"), b"head body tail");
    });
}
