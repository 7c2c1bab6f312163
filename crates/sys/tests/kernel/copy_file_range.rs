//! copy_file_range(2): what it copies, and what it will not.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use sendfile64_core::{Ended, Outcome};
use sendfile64_sys::call::copy_file_range::copy_file_range;

use crate::ends::{TEN, assert_answers, destinations, opened, sources};
use crate::fixture::{bounded, failed, file, nothing, pattern, progress, refused};

fn both_ways() -> OpenOptions {
    OpenOptions::new().read(true).write(true).clone()
}

#[test]
fn both_positions() {
    bounded(|| {
        let mut source = file("copied", b"0123456789abcdef");
        source.seek(SeekFrom::Start(5)).expect("seek");
        let mut target = opened("copy", &both_ways());
        target.write_all(b"hello").expect("write");
        let go = |offset, count| copy_file_range(source.as_fd(), offset, target.as_fd(), count);
        assert_eq!(go(Some(1), 3), progress(3));
        assert_eq!((&source).stream_position().expect("seek"), 5);
        assert_eq!((&target).stream_position().expect("seek"), 8);
        assert_eq!(go(None, 4), progress(4));
        assert_eq!((&source).stream_position().expect("seek"), 9);
        assert_eq!(go(None, u64::MAX), progress(7));
        assert_eq!(go(None, 100), nothing(Ended::EndOfFile));
        assert_eq!(go(Some(17), 100), nothing(Ended::EndOfFile));
        assert_eq!(go(Some(0), 0), progress(0));
        target.rewind().expect("seek");
        let mut bytes = String::new();
        target.read_to_string(&mut bytes).expect("read");
        assert_eq!(bytes, "hello12356789abcdef");
    });
}

#[test]
fn offsets_beyond_32_bits_and_beyond_any_file() {
    bounded(|| {
        const FAR: u64 = (1 << 32) + 4097;
        let source = opened("copied-sparse", &both_ways());
        let contents = pattern(100_000);
        source.write_all_at(&contents, FAR).expect("write");
        let mut target = opened("copy-sparse", &both_ways());
        target.seek(SeekFrom::Start(FAR + 1)).expect("seek");
        let go = |offset| copy_file_range(source.as_fd(), Some(offset), target.as_fd(), 100_000);
        assert_eq!(go(FAR), progress(100_000));
        let mut bytes = vec![0; 100_000];
        target.read_exact_at(&mut bytes, FAR + 1).expect("read");
        assert!(bytes == contents);
        assert_eq!(go(i64::MAX as u64), nothing(Ended::EndOfFile));
        assert_eq!(go(i64::MAX as u64 + 1), failed(Errno::EINVAL));
    });
}

#[test]
fn a_range_that_overlaps_itself_is_refused() {
    bounded(|| {
        let mut same = opened("overlap", &both_ways());
        same.write_all(TEN).expect("write");
        same.seek(SeekFrom::Start(5)).expect("seek");
        let go = |offset, count| copy_file_range(same.as_fd(), Some(offset), same.as_fd(), count);
        assert_eq!(go(2, 8), refused(Errno::EINVAL));
        assert_eq!(go(0, 5), progress(5), "side by side");
    });
}

#[test]
fn only_a_file_of_the_same_filesystem_takes_bytes() {
    bounded(|| {
        let source = file("copied-to", TEN);
        assert_answers(
            &destinations(),
            |fd| copy_file_range(source.as_fd(), Some(0), fd, 10),
            |name| match name {
                "file" => progress(10),
                // 5.3 to 5.18 copy between any two filesystems.
                "memfd" => refused(Errno::EXDEV),
                "file, O_APPEND" | "O_RDONLY" | "O_PATH" => refused(Errno::EBADF),
                "directory" => refused(Errno::EISDIR),
                _ => refused(Errno::EINVAL),
            },
        );
    });
}

#[test]
fn only_a_file_of_the_same_filesystem_gives_bytes() {
    bounded(|| {
        for offset in [Some(0), None] {
            assert_answers(
                &sources(),
                |fd| {
                    let target = opened("copy-of", &both_ways());
                    let outcome = copy_file_range(fd, offset, target.as_fd(), 10);
                    let length = target.metadata().expect("fstat").len();
                    assert_eq!(length, outcome.bytes);
                    outcome
                },
                from,
            );
        }
    });
}

fn from(source: &str) -> Outcome {
    match source {
        "file" => progress(10),
        "empty file" => nothing(Ended::EndOfFile),
        "memfd" => refused(Errno::EXDEV),
        // 5.3 to 5.18 say 0 bytes, which this crate takes for EINVAL.
        "/proc/version" | "/proc/self/status" | "/sys" => refused(Errno::EXDEV),
        "directory" => refused(Errno::EISDIR),
        "O_WRONLY" | "O_PATH" => refused(Errno::EBADF),
        _ => refused(Errno::EINVAL),
    }
}

#[test]
fn the_end_of_a_pseudo_file_is_never_believed() {
    bounded(|| {
        // One filesystem, so that the kernel looks at the size: /proc says 0 of each of its files.
        let source = File::open("/proc/version").expect("open");
        let target = File::options()
            .write(true)
            .open("/proc/self/comm")
            .expect("open");
        let outcome = copy_file_range(source.as_fd(), Some(0), target.as_fd(), 10);
        assert_eq!(outcome.bytes, 0);
        assert!(matches!(outcome.ended, Ended::Refused(_)), "{outcome:?}");
    });
}
