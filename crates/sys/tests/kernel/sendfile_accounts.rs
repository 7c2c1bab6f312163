//! Every byte is accounted for: offsets, positions, short counts, and what a peer leaves behind when it goes.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sendfile64_core::{Ended, Outcome};
use sendfile64_sys::call::sendfile::sendfile;

use crate::fixture::{
    bounded, collect, failed, file, nothing, path, pattern, progress, refused, reset, tcp, until,
};

#[test]
fn a_numeric_offset_leaves_the_position_alone_and_null_moves_it() {
    bounded(|| {
        let mut source = file("position", b"0123456789abcdef");
        source.seek(SeekFrom::Start(5)).expect("seek");
        let (ours, theirs) = tcp();
        let reader = collect(theirs, 3 + 4 + 7);

        assert_eq!(
            sendfile(ours.as_fd(), source.as_fd(), Some(1), 3),
            progress(3)
        );
        assert_eq!(source.stream_position().expect("seek"), 5);
        assert_eq!(sendfile(ours.as_fd(), source.as_fd(), None, 4), progress(4));
        assert_eq!(source.stream_position().expect("seek"), 9);
        assert_eq!(
            sendfile(ours.as_fd(), source.as_fd(), None, 100),
            progress(7)
        );
        assert_eq!(source.stream_position().expect("seek"), 16);
        assert_eq!(
            sendfile(ours.as_fd(), source.as_fd(), None, 100),
            nothing(Ended::EndOfFile)
        );

        assert_eq!(reader.join().expect("no panic"), b"12356789abcdef");
    });
}

#[test]
fn at_and_beyond_the_end_there_is_no_byte() {
    bounded(|| {
        let source = file("beyond", b"0123456789");
        let (ours, _theirs) = tcp();
        for offset in [10, 11, 1 << 32, 1 << 43] {
            assert_eq!(
                sendfile(ours.as_fd(), source.as_fd(), Some(offset), 5),
                nothing(Ended::EndOfFile),
                "{offset}"
            );
        }
    });
}

#[test]
fn offsets_that_no_file_can_have() {
    bounded(|| {
        let source = file("offsets", b"0123456789");
        let (ours, _theirs) = tcp();
        let answer = |offset| sendfile(ours.as_fd(), source.as_fd(), Some(offset), 5);
        // Beyond what the filesystem can hold: 16 TiB on ext4, more elsewhere.
        let far = [nothing(Ended::EndOfFile), refused(Errno::EOVERFLOW)];
        assert!(far.contains(&answer(1 << 62)), "{:?}", answer(1 << 62));
        assert_eq!(
            answer(i64::MAX as u64),
            refused(Errno::EINVAL),
            "offset + count overflows"
        );
        assert_eq!(answer(i64::MAX as u64 + 1), failed(Errno::EINVAL));
        assert_eq!(answer(u64::MAX), failed(Errno::EINVAL));
    });
}

#[test]
fn a_count_of_0_moves_nothing_and_is_not_the_end_of_the_file() {
    bounded(|| {
        let source = file("nothing", b"0123456789");
        let (ours, _theirs) = tcp();
        assert_eq!(
            sendfile(ours.as_fd(), source.as_fd(), Some(0), 0),
            progress(0)
        );
    });
}

#[test]
fn offsets_beyond_32_bits() {
    bounded(|| {
        const FAR: u64 = (1 << 32) + 4097;
        let path = path("sparse");
        let source = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .expect("open");
        fs::remove_file(&path).expect("remove");
        let contents = pattern(100_000);
        source.write_all_at(&contents, FAR).expect("write");
        source.set_len(5 << 30).expect("truncate");

        let (ours, theirs) = tcp();
        let reader = collect(theirs, contents.len());
        let outcome = sendfile(
            ours.as_fd(),
            source.as_fd(),
            Some(FAR),
            contents.len() as u64,
        );
        assert_eq!(outcome, progress(contents.len()));
        assert!(reader.join().expect("no panic") == contents);
    });
}

/// Sends until the destination is full. Returns the bytes that went.
fn fill(destination: impl AsFd, source: impl AsFd) -> u64 {
    let mut sent = 0;
    loop {
        let Outcome { bytes, ended } =
            sendfile(destination.as_fd(), source.as_fd(), Some(sent), u64::MAX);
        sent += bytes;
        match ended {
            Ended::Progress => assert!(bytes > 0),
            Ended::WouldBlock => {
                assert_eq!(bytes, 0, "on Linux EAGAIN comes alone");
                return sent;
            }
            other => panic!("{other:?} after {sent} bytes"),
        }
    }
}

#[test]
fn a_full_socket_takes_a_part_and_then_would_block() {
    bounded(|| {
        let contents = pattern(16 << 20);
        let source = file("full", &contents);
        let (ours, theirs) = tcp();
        ours.set_nonblocking(true).expect("fcntl");

        let mut sent = fill(&ours, &source);
        assert!(0 < sent && sent < contents.len() as u64, "{sent}");

        let reader = collect(theirs, contents.len());
        while sent < contents.len() as u64 {
            let mut waiting = [PollFd::new(ours.as_fd(), PollFlags::POLLOUT)];
            poll(&mut waiting, PollTimeout::NONE).expect("poll");
            sent += one_mebibyte(&ours, &source, sent);
        }
        assert!(
            reader.join().expect("no panic") == contents,
            "a byte was lost or sent twice"
        );
    });
}

fn one_mebibyte(destination: impl AsFd, source: impl AsFd, offset: u64) -> u64 {
    let outcome = sendfile(destination.as_fd(), source.as_fd(), Some(offset), 1 << 20);
    assert!(
        matches!(outcome.ended, Ended::Progress | Ended::WouldBlock),
        "{outcome:?}"
    );
    outcome.bytes
}

#[test]
fn a_full_pipe_takes_a_part_and_then_would_block() {
    bounded(|| {
        let contents = pattern(1 << 20);
        let source = file("pipe", &contents);
        let (reader, writer) =
            nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).expect("pipe");
        let sent = fill(&writer, &source);
        assert!(0 < sent && sent < contents.len() as u64, "{sent}");
        drop(writer);
        let mut bytes = Vec::new();
        std::fs::File::from(reader)
            .read_to_end(&mut bytes)
            .expect("read");
        assert!(bytes == contents[..sent as usize]);
    });
}

#[test]
fn would_block_does_not_move_the_position() {
    bounded(|| {
        let mut source = file("blocked", &pattern(1 << 20));
        let (_reader, writer) =
            nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).expect("pipe");
        let sent = fill(&writer, &source);
        source.seek(SeekFrom::Start(77)).expect("seek");
        assert_eq!(
            sendfile(writer.as_fd(), source.as_fd(), None, 10),
            nothing(Ended::WouldBlock),
            "after {sent}"
        );
        assert_eq!(source.stream_position().expect("seek"), 77);
    });
}

#[test]
fn a_peer_that_closed_is_a_broken_pipe() {
    bounded(|| {
        let source = file("gone", b"0123456789");
        let answer =
            |destination: &dyn AsFd| sendfile(destination.as_fd(), source.as_fd(), Some(0), 10);

        let (ours, theirs) = UnixStream::pair().expect("socketpair");
        drop(theirs);
        assert_eq!(answer(&ours), failed(Errno::EPIPE), "unix");

        let (reader, writer) = std::io::pipe().expect("pipe");
        drop(reader);
        assert_eq!(answer(&writer), failed(Errno::EPIPE), "pipe");

        // A FIN says only that the peer sends no more; the reset that our bytes provoke says the rest.
        let (ours, theirs) = tcp();
        drop(theirs);
        let mut last = answer(&ours);
        assert_eq!(last, progress(10), "TCP, first");
        until("the connection is reset", || {
            last = answer(&ours);
            last != progress(10)
        });
        let ends = [failed(Errno::EPIPE), failed(Errno::ECONNRESET)];
        assert!(ends.contains(&last), "{last:?}");
    });
}

#[test]
fn a_peer_that_resets_is_a_reset_once_and_then_a_broken_pipe() {
    bounded(|| {
        let source = file("reset", b"0123456789");
        let (mut ours, theirs) = tcp();
        ours.write_all(b"never read").expect("write");
        reset(&ours, theirs);
        let answer = || sendfile(ours.as_fd(), source.as_fd(), Some(0), 10);
        assert_eq!(answer(), failed(Errno::ECONNRESET));
        assert_eq!(answer(), failed(Errno::EPIPE));
    });
}
