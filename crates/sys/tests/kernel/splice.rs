//! splice(2): offsets, positions, short counts, and the two ends that can be full or empty.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sendfile64_core::Ended;
use sendfile64_sys::call::splice::splice;
use sendfile64_sys::fd::pipe::{Pair, pair};
use sendfile64_sys::signal::block_fatal;

use crate::ends::opened;
use crate::fixture::{
    bounded, collect, failed, file, nothing, pattern, progress, refused, reset, tcp, until,
};

fn content(reader: OwnedFd) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::from(reader).read_to_end(&mut bytes).expect("read");
    bytes
}

#[test]
fn a_numeric_offset_leaves_the_position_alone_and_none_moves_it() {
    bounded(|| {
        let mut source = file("splice-position", b"0123456789abcdef");
        source.seek(SeekFrom::Start(5)).expect("seek");
        let Pair { reader, writer, .. } = pair(1 << 16).expect("pipe");
        let go = |offset, count| splice(source.as_fd(), offset, writer.as_fd(), count, false);
        assert_eq!(go(Some(1), 3), progress(3));
        assert_eq!((&source).stream_position().expect("seek"), 5);
        assert_eq!(go(None, 4), progress(4));
        assert_eq!((&source).stream_position().expect("seek"), 9);
        assert_eq!(go(None, 100), progress(7));
        assert_eq!(go(None, 100), nothing(Ended::EndOfFile));
        assert_eq!(go(Some(16), 1), nothing(Ended::EndOfFile));
        assert_eq!(go(Some(0), 0), progress(0));
        drop(writer);
        assert_eq!(content(reader), b"12356789abcdef");
    });
}

#[test]
fn offsets_beyond_32_bits_and_beyond_any_file() {
    bounded(|| {
        const FAR: u64 = (1 << 32) + 4097;
        let source = opened("splice-sparse", File::options().read(true).write(true));
        let contents = pattern(10_000);
        source.write_all_at(&contents, FAR).expect("write");
        let Pair { reader, writer, .. } = pair(1 << 16).expect("pipe");
        let go = |offset| splice(source.as_fd(), Some(offset), writer.as_fd(), 10_000, false);
        assert_eq!(go(FAR), progress(10_000));
        assert_eq!(go(FAR + 10_000), nothing(Ended::EndOfFile));
        assert_eq!(go(i64::MAX as u64 + 1), failed(Errno::EINVAL));
        assert_eq!(
            go(i64::MAX as u64),
            refused(Errno::EINVAL),
            "offset + count overflows"
        );
        drop(writer);
        assert!(content(reader) == contents);
    });
}

#[test]
fn a_pipe_takes_what_it_holds_and_then_would_block_though_it_is_a_blocking_one() {
    bounded(|| {
        let contents = pattern(1 << 20);
        let source = file("splice-full", &contents);
        let (mut reader, writer) = std::io::pipe().expect("pipe");
        let sent = splice(source.as_fd(), Some(0), writer.as_fd(), u64::MAX, false);
        assert_eq!(sent.ended, Ended::Progress);
        assert!(0 < sent.bytes && sent.bytes < 1 << 20, "{sent:?}");
        let again = splice(source.as_fd(), Some(sent.bytes), writer.as_fd(), 1, false);
        assert_eq!(again, nothing(Ended::WouldBlock));
        drop(writer);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("read");
        assert!(bytes == contents[..bytes.len()] && bytes.len() as u64 == sent.bytes);
    });
}

#[test]
fn an_empty_pipe_would_block_and_one_without_writers_is_at_its_end() {
    bounded(|| {
        let source = pair(4096).expect("pipe");
        let target = pair(1 << 16).expect("pipe");
        let go = || {
            splice(
                source.reader.as_fd(),
                None,
                target.writer.as_fd(),
                10,
                false,
            )
        };
        assert_eq!(go(), nothing(Ended::WouldBlock));
        nix::unistd::write(&source.writer, b"last").expect("write");
        drop(source.writer);
        assert_eq!(go(), progress(4), "fewer than asked for");
        assert_eq!(go(), nothing(Ended::EndOfFile));
    });
}

#[test]
fn a_full_pipe_hides_the_end_of_the_file() {
    bounded(|| {
        let source = file("splice-hidden", b"0123456789");
        let pipe = pair(4096).expect("pipe"); // one page: any byte fills it
        let go = |offset| {
            splice(
                source.as_fd(),
                Some(offset),
                pipe.writer.as_fd(),
                100,
                false,
            )
        };
        assert_eq!(go(0), progress(10));
        assert_eq!(go(10), nothing(Ended::WouldBlock));
        nix::unistd::read(&pipe.reader, &mut [0; 10]).expect("read");
        assert_eq!(go(10), nothing(Ended::EndOfFile));
    });
}

#[test]
fn through_a_small_pipe_every_byte_of_a_file_reaches_a_socket() {
    bounded(|| {
        let contents = pattern(1_000_003);
        let source = file("splice-through", &contents);
        let (ours, theirs) = tcp();
        ours.set_nonblocking(true).expect("fcntl");
        let reader = collect(theirs, contents.len());
        let pipe = pair(4096).expect("pipe");
        let (mut read, mut sent) = (0, 0);
        while sent < contents.len() as u64 {
            read += splice(
                source.as_fd(),
                Some(read),
                pipe.writer.as_fd(),
                u64::MAX,
                false,
            )
            .bytes;
            let more = read < contents.len() as u64;
            let out = splice(pipe.reader.as_fd(), None, ours.as_fd(), u64::MAX, more);
            match out.ended {
                Ended::Progress => sent += out.bytes,
                Ended::WouldBlock => {
                    let mut waiting = [PollFd::new(ours.as_fd(), PollFlags::POLLOUT)];
                    poll(&mut waiting, PollTimeout::NONE).expect("poll");
                }
                other => panic!("{other:?} after {sent} bytes"),
            }
        }
        assert!(reader.join().expect("no panic") == contents);
    });
}

#[test]
fn a_full_socket_would_block_and_what_it_did_not_take_stays_in_the_pipe() {
    bounded(|| {
        let contents = pattern(16 << 20);
        let source = file("splice-socket", &contents);
        let (ours, theirs) = tcp();
        ours.set_nonblocking(true).expect("fcntl");
        let pipe = pair(1 << 16).expect("pipe");
        let (mut read, mut sent) = (0, 0);
        loop {
            read += splice(
                source.as_fd(),
                Some(read),
                pipe.writer.as_fd(),
                u64::MAX,
                false,
            )
            .bytes;
            let out = splice(pipe.reader.as_fd(), None, ours.as_fd(), u64::MAX, false);
            if out == nothing(Ended::WouldBlock) {
                break;
            }
            assert_eq!(out.ended, Ended::Progress);
            sent += out.bytes;
        }
        assert!(
            sent < read && read < contents.len() as u64,
            "{sent} of {read}"
        );
        drop(pipe.writer);
        assert!(content(pipe.reader) == contents[sent as usize..read as usize]);
        let reader = collect(theirs, sent as usize);
        assert!(reader.join().expect("no panic") == contents[..sent as usize]);
    });
}

#[test]
fn from_a_socket_to_a_file_at_its_position() {
    bounded(|| {
        let (ours, mut theirs) = tcp();
        ours.set_nonblocking(true).expect("fcntl");
        let mut target = opened("splice-out", File::options().read(true).write(true));
        target.write_all(b"hello").expect("write");
        let pipe = pair(4096).expect("pipe");
        let receive = || splice(ours.as_fd(), None, pipe.writer.as_fd(), 100, false);
        assert_eq!(receive(), nothing(Ended::WouldBlock));
        theirs.write_all(b"0123456789").expect("write");
        let mut waiting = [PollFd::new(ours.as_fd(), PollFlags::POLLIN)];
        poll(&mut waiting, PollTimeout::NONE).expect("poll");
        assert_eq!(receive(), progress(10));
        assert_eq!(
            splice(pipe.reader.as_fd(), None, target.as_fd(), 100, false),
            progress(10)
        );
        assert_eq!(target.stream_position().expect("seek"), 15);
        drop(theirs);
        poll(&mut waiting, PollTimeout::NONE).expect("poll");
        assert_eq!(receive(), nothing(Ended::EndOfFile));
        target.rewind().expect("seek");
        let mut bytes = String::new();
        target.read_to_string(&mut bytes).expect("read");
        assert_eq!(bytes, "hello0123456789");
    });
}

#[test]
fn a_reader_that_left_and_a_peer_that_reset() {
    bounded(|| {
        block_fatal();
        let source = file("splice-gone", b"0123456789");
        let Pair { reader, writer, .. } = pair(4096).expect("pipe");
        drop(reader);
        let go = splice(source.as_fd(), Some(0), writer.as_fd(), 10, false);
        assert_eq!(go, failed(Errno::EPIPE));

        let (mut ours, theirs) = tcp();
        ours.write_all(b"never read").expect("write");
        reset(&ours, theirs);
        let pipe = pair(4096).expect("pipe");
        let receive = splice(ours.as_fd(), None, pipe.writer.as_fd(), 10, false);
        assert_eq!(receive, failed(Errno::ECONNRESET));
    });
}

#[test]
fn more_to_follow_holds_back_what_fills_no_segment() {
    bounded(|| {
        let (ours, theirs) = tcp();
        theirs.set_nonblocking(true).expect("fcntl");
        let pipe = pair(1 << 16).expect("pipe");
        let go = |bytes: &[u8], more| {
            nix::unistd::write(&pipe.writer, bytes).expect("write");
            splice(pipe.reader.as_fd(), None, ours.as_fd(), 100, more)
        };
        assert_eq!(go(b"head ", true), progress(5));
        // On loopback a segment is at the peer when the call that sends it returns.
        let early = theirs.peek(&mut [0; 16]).expect_err("nothing yet");
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        assert_eq!(go(b"body", false), progress(4));
        until("both are there", || {
            theirs.peek(&mut [0; 16]).is_ok_and(|bytes| bytes == 9)
        });
    });
}
