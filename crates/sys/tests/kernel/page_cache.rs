//! Which pages are in memory.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno as NixErrno;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, fstatfs,
};
use sendfile64_core::Errno;
use sendfile64_sys::fd;
use sendfile64_sys::fs::page_cache::Residency::{Absent, Resident, Unknown};
use sendfile64_sys::fs::page_cache::{Residency, read_cached, residency};
use sendfile64_sys::probe::{Availability, Feature, availability};

use crate::fixture::{bounded, file, in_own_process, path, pattern};

const MIB: u64 = 1 << 20;
// nix has no name for it on musl.
const XFS_SUPER_MAGIC: FsType = FsType(0x5846_5342);

/// What the filesystem of the target directory can say of a page that is there, and of one that is not.
fn expected(fd: BorrowedFd<'_>) -> [Residency; 2] {
    match fstatfs(fd).expect("fstatfs").filesystem_type() {
        EXT4_SUPER_MAGIC | XFS_SUPER_MAGIC | BTRFS_SUPER_MAGIC => [Resident, Absent],
        TMPFS_MAGIC => [Resident, Resident], // nothing is ever dropped
        OVERLAYFS_SUPER_MAGIC => [Unknown, Unknown],
        other => panic!("say what {other:?} answers"),
    }
}

/// Whether the filesystem of `file` knows no RWF_NOWAIT.
pub(crate) fn cannot_tell_by_reading(file: &File) -> bool {
    expected(file.as_fd()) != [Resident, Absent]
}

/// A file of one MiB of which no page is in memory, where the filesystem has a disk.
pub(crate) fn cold(name: &str) -> File {
    let file = file(name, &pattern(MIB as usize));
    file.sync_all().expect("fsync");
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("fadvise");
    file
}

#[test]
fn pages_that_were_just_written_are_there() {
    bounded(|| {
        let file = file("hot", &pattern(MIB as usize + 1));
        let [there, _] = expected(file.as_fd());
        for (offset, count) in [
            (0, 1),
            (0, MIB),
            (0, MIB + 1),
            (4095, 2),
            (MIB, 1),
            (77, MIB - 77),
        ] {
            assert_eq!(
                residency(file.as_fd(), offset, count),
                there,
                "{offset}+{count}"
            );
        }
    });
}

#[test]
fn a_range_that_passes_the_end_is_judged_by_what_the_file_has() {
    bounded(|| {
        let file = file("past", &pattern(10_000));
        let [there, _] = expected(file.as_fd());
        for count in [10_001, 1 << 30, i64::MAX as u64, u64::MAX] {
            assert_eq!(residency(file.as_fd(), 0, count), there, "{count}");
            assert_eq!(residency(file.as_fd(), 9_999, count), there, "{count}");
        }
    });
}

#[test]
fn beyond_the_end_there_is_nothing_to_wait_for() {
    bounded(|| {
        let file = file("beyond", &pattern(10_000));
        let nothing_to_wait_for = if expected(file.as_fd()) == [Resident, Absent] {
            Resident
        } else {
            Unknown
        };
        for offset in [10_000, 12_288, 1 << 33] {
            assert_eq!(
                residency(file.as_fd(), offset, 4096),
                nothing_to_wait_for,
                "{offset}"
            );
        }
        for offset in [0, 10_000, u64::MAX] {
            assert_eq!(
                residency(file.as_fd(), offset, 0),
                Resident,
                "an empty range at {offset}"
            );
        }
    });
}

#[test]
fn pages_on_the_disk_are_absent_until_they_are_read() {
    bounded(|| {
        // A fresh file each time: asking may start a read, and pages that are being read cannot be dropped.
        for (offset, count) in [(MIB / 2, 4096), (0, u64::MAX), (0, MIB)] {
            let file = cold("cold");
            let [_, absent] = expected(file.as_fd());
            assert_eq!(
                residency(file.as_fd(), offset, count),
                absent,
                "{offset}+{count}"
            );
        }
        let file = cold("warmed");
        let [there, _] = expected(file.as_fd());
        let mut bytes = vec![0; MIB as usize];
        file.read_exact_at(&mut bytes, 0).expect("read");
        assert_eq!(residency(file.as_fd(), 0, MIB), there);
    });
}

#[test]
fn one_absent_page_makes_the_range_absent() {
    bounded(|| {
        let file = cold("half");
        let [there, absent] = expected(file.as_fd());
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM).expect("fadvise"); // no readahead
        let read = |offset| file.read_exact_at(&mut [0; 4096], offset).expect("read");
        read(0);
        read(MIB - 4096);
        assert_eq!(residency(file.as_fd(), 0, 4096), there);
        assert_eq!(residency(file.as_fd(), MIB - 4096, 4096), there);
        assert_eq!(
            residency(file.as_fd(), 0, MIB),
            absent,
            "both ends are there, the middle is not"
        );
    });
}

#[test]
fn files_in_memory_are_always_there() {
    bounded(|| {
        let mut file = File::from(memfd_create(c"memory", MFdFlags::MFD_CLOEXEC).expect("memfd"));
        file.write_all(&pattern(100_000)).expect("write");
        for (offset, count) in [(0, 100_000), (0, u64::MAX), (99_999, 1)] {
            assert_eq!(
                residency(file.as_fd(), offset, count),
                Resident,
                "{offset}+{count}"
            );
        }
    });
}

#[test]
fn files_without_pages_cannot_tell() {
    bounded(|| {
        for path in ["/proc/version", "/proc/self/status", "/"] {
            let file = File::open(path).expect("open");
            assert_eq!(residency(file.as_fd(), 0, 4096), Unknown, "{path}");
        }
        let (pipe, _writer) = std::io::pipe().expect("pipe");
        assert_eq!(residency(pipe.as_fd(), 0, 4096), Unknown, "pipe");
    });
}

#[test]
fn a_descriptor_that_cannot_be_read_cannot_tell() {
    bounded(|| {
        let path = path("write-only");
        let file = File::create(&path).expect("create");
        fs::remove_file(&path).expect("remove");
        file.set_len(100).expect("truncate");
        assert_eq!(residency(file.as_fd(), 0, 100), Unknown);
    });
}

#[test]
fn files_of_another_user_do_not_disable_the_call() {
    let name = "page_cache::files_of_another_user_do_not_disable_the_call";
    in_own_process(name, || {
        // Since 6.14 cachestat(2) answers EPERM about files that are neither ours nor writable, unless we are root.
        let theirs = File::open("/etc/passwd").expect("open");
        theirs.read_exact_at(&mut [0], 0).expect("read");
        let [there, _] = expected(theirs.as_fd());
        assert_eq!(residency(theirs.as_fd(), 0, 10), there);
        let ours = file("ours", &pattern(10_000));
        let [there, _] = expected(ours.as_fd());
        assert_eq!(residency(ours.as_fd(), 0, 10_000), there);
        assert_eq!(availability(Feature::Cachestat), Availability::Available);
    });
}

#[test]
fn what_is_in_memory_is_read_at_once() {
    bounded(|| {
        let bytes = pattern(10_000);
        let file = file("read", &bytes);
        if expected(file.as_fd())[0] != Resident || cannot_tell_by_reading(&file) {
            let answer = read_cached(file.as_fd(), &mut [0; 8], Some(0));
            assert_eq!(answer, Err(Errno(NixErrno::EAGAIN as i32)));
            return;
        }
        let mut buffer = [0; 4_000];
        for offset in [0, 1, 5_999, 6_000] {
            let read = read_cached(file.as_fd(), &mut buffer, Some(offset));
            assert_eq!(read, Ok(4_000), "{offset}");
            assert_eq!(buffer[..], bytes[offset as usize..offset as usize + 4_000]);
        }
        assert_eq!(fd::position(file.as_fd()), Ok(0));
        assert_eq!(
            read_cached(file.as_fd(), &mut buffer, Some(9_000)),
            Ok(1_000)
        );
        assert_eq!(read_cached(file.as_fd(), &mut buffer, Some(10_000)), Ok(0));
    });
}

#[test]
fn without_an_offset_the_file_position_moves_on() {
    bounded(|| {
        let bytes = pattern(10_000);
        let file = file("position", &bytes);
        if cannot_tell_by_reading(&file) {
            return;
        }
        let mut all = Vec::new();
        let mut buffer = [0; 4_000];
        for expected in [4_000, 4_000, 2_000, 0] {
            assert_eq!(read_cached(file.as_fd(), &mut buffer, None), Ok(expected));
            all.extend_from_slice(&buffer[..expected]);
        }
        assert_eq!(all, bytes);
        assert_eq!(fd::position(file.as_fd()), Ok(10_000));
    });
}

#[test]
fn what_must_come_from_the_disk_is_not_waited_for() {
    bounded(|| {
        let file = cold("cold-read");
        if cannot_tell_by_reading(&file) {
            return;
        }
        let answer = read_cached(file.as_fd(), &mut [0; 8], Some(MIB / 2));
        assert_eq!(answer, Err(Errno(NixErrno::EAGAIN as i32)));
        assert_eq!(fd::position(file.as_fd()), Ok(0));
    });
}

#[test]
fn what_cannot_be_read_says_why() {
    bounded(|| {
        let path = path("not-to-be-read");
        let file = File::create(&path).expect("create");
        let answer = read_cached(file.as_fd(), &mut [0; 8], Some(0));
        assert_eq!(answer, Err(Errno(NixErrno::EBADF as i32)));
        fs::remove_file(&path).expect("remove");
    });
}
