//! Every feature that can be missing, switched off: what takes its place works.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno as NixErrno;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use sendfile64_core::Errno;
use sendfile64_sys::call::copy_file_range::copy_file_range;
use sendfile64_sys::call::sendfile::{sendfile, sendfile_once};
use sendfile64_sys::call::splice::splice;
use sendfile64_sys::fs::open::{open, open_cached};
use sendfile64_sys::fs::page_cache::{Residency, read_cached, residency};
use sendfile64_sys::probe::Availability::{Available, NotProbed, Unavailable};
use sendfile64_sys::probe::{Feature, answer, availability, forbid, probe};

use crate::ends::opened;
use crate::fixture::{bounded, file, in_own_process, progress, refused, tcp, until};
use crate::page_cache::{cannot_tell_by_reading, cold};

const ENOSYS: Errno = Errno(NixErrno::ENOSYS as i32);

#[test]
fn nothing_is_probed_before_it_is_needed() {
    in_own_process("forbidden::nothing_is_probed_before_it_is_needed", || {
        for feature in [
            Feature::Sendfile,
            Feature::Splice,
            Feature::CopyFileRange,
            Feature::Openat2,
            Feature::Cachestat,
            Feature::ReadNowait,
            Feature::Reopen,
        ] {
            assert_eq!(availability(feature), NotProbed, "{feature:?}");
            assert_eq!(answer(feature), None, "{feature:?}");
        }
        assert_eq!(probe(Feature::Sendfile), Available);
        assert_eq!(availability(Feature::Sendfile), Available);
        for feature in [Feature::Sendfile, Feature::Splice, Feature::CopyFileRange] {
            assert_eq!(probe(feature), Available, "{feature:?}");
            assert_eq!(availability(feature), Available, "{feature:?}");
        }
        for feature in [
            Feature::Openat2,
            Feature::Cachestat,
            Feature::ReadNowait,
            Feature::Reopen,
        ] {
            assert_eq!(probe(feature), NotProbed, "{feature:?}: only use can tell");
        }
        assert_eq!(open_cached(Path::new("/")).map(drop), Ok(()));
        assert_eq!(availability(Feature::Openat2), Available);
    });
}

#[test]
fn the_first_attempt_settles_what_it_used() {
    in_own_process("forbidden::the_first_attempt_settles_what_it_used", || {
        let (ours, _theirs) = tcp();
        assert_eq!(
            sendfile(
                ours.as_fd(),
                file("first", b"0123456789").as_fd(),
                Some(0),
                10
            ),
            progress(10)
        );
        assert_eq!(availability(Feature::Sendfile), Available);
    });
}

#[test]
fn a_forbidden_sendfile_refuses_without_a_call() {
    in_own_process(
        "forbidden::a_forbidden_sendfile_refuses_without_a_call",
        || {
            bounded(|| {
                let source = file("forbidden", b"0123456789");
                let (ours, mut theirs) = tcp();
                assert_eq!(
                    sendfile(ours.as_fd(), source.as_fd(), Some(0), 4),
                    progress(4)
                );
                forbid(Feature::Sendfile);
                assert_eq!(
                    sendfile(ours.as_fd(), source.as_fd(), Some(4), 6),
                    refused(NixErrno::ENOSYS)
                );
                assert_eq!(
                    sendfile_once(ours.as_raw_fd(), source.as_raw_fd(), Some(4), 6),
                    Err(ENOSYS)
                );
                assert_eq!(probe(Feature::Sendfile), Unavailable);
                drop(ours);
                let mut bytes = Vec::new();
                theirs.read_to_end(&mut bytes).expect("read");
                assert_eq!(bytes, b"0123", "nothing went after the switch");
            });
        },
    );
}

#[test]
fn a_forbidden_splice_and_copy_file_range_refuse_without_a_call() {
    in_own_process(
        "forbidden::a_forbidden_splice_and_copy_file_range_refuse_without_a_call",
        || {
            let source = file("forbidden-source", b"0123456789");
            let (reader, writer) = std::io::pipe().expect("pipe");
            let target = opened("forbidden-target", File::options().write(true));
            forbid(Feature::Splice);
            forbid(Feature::CopyFileRange);
            let splice = splice(source.as_fd(), Some(0), writer.as_fd(), 10, false);
            assert_eq!(splice, refused(NixErrno::ENOSYS));
            let copy = copy_file_range(source.as_fd(), Some(0), target.as_fd(), 10);
            assert_eq!(copy, refused(NixErrno::ENOSYS));
            for feature in [Feature::Splice, Feature::CopyFileRange] {
                assert_eq!(
                    (probe(feature), answer(feature)),
                    (Unavailable, Some(ENOSYS))
                );
            }
            drop(writer);
            assert_eq!(std::io::read_to_string(reader).expect("read"), "");
            assert_eq!(target.metadata().expect("fstat").len(), 0);
        },
    );
}

#[test]
fn without_openat2_every_path_may_have_to_wait() {
    in_own_process(
        "forbidden::without_openat2_every_path_may_have_to_wait",
        || {
            forbid(Feature::Openat2);
            assert_eq!(
                open_cached(Path::new("/")).map(drop),
                Err(Errno(NixErrno::EAGAIN as i32))
            );
            assert_eq!(open(Path::new("/")).map(drop), Ok(()));
            assert_eq!(availability(Feature::Openat2), Unavailable);
        },
    );
}

#[test]
fn without_cachestat_the_ends_of_the_range_are_read() {
    in_own_process(
        "forbidden::without_cachestat_the_ends_of_the_range_are_read",
        || {
            bounded(|| {
                let hot = file("ends", &[7; 100_000]);
                let unknown = cannot_tell_by_reading(&hot);
                forbid(Feature::Cachestat);
                let [whole, ends] = if unknown {
                    [Residency::Unknown; 2]
                } else {
                    [Residency::Likely, Residency::Resident]
                };
                for (offset, count, expected) in [
                    (0, 100_000, whole),
                    (0, 200_000, whole),
                    (5, 1, ends),
                    (5, 4096, ends),
                    (100_000, 1, ends),
                ] {
                    assert_eq!(
                        residency(hot.as_fd(), offset, count),
                        expected,
                        "{offset}+{count}"
                    );
                }

                let expected = if unknown {
                    Residency::Unknown
                } else {
                    Residency::Absent
                };
                // The question starts a read, and sometimes the disk is as fast as the question.
                until("the disk is slower than the question", || {
                    residency(cold("cold-ends").as_fd(), 0, 1 << 20) == expected
                });
                for hot_end in [0, (1 << 20) - 4096] {
                    until("the disk is slower than the question", || {
                        let half = cold("cold-end");
                        posix_fadvise(&half, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM)
                            .expect("fadvise"); // no readahead
                        half.read_exact_at(&mut [0; 4096], hot_end).expect("read");
                        residency(half.as_fd(), 0, 1 << 20) == expected
                    });
                }
                assert_eq!(availability(Feature::Cachestat), Unavailable);
            });
        },
    );
}

#[test]
fn without_a_read_that_does_not_wait_nothing_on_a_disk_is_certain() {
    in_own_process(
        "forbidden::without_a_read_that_does_not_wait_nothing_on_a_disk_is_certain",
        || {
            forbid(Feature::ReadNowait);
            let hot = file("uncertain", &[7; 100_000]);
            let on_tmpfs = fstatfs(&hot).expect("fstatfs").filesystem_type() == TMPFS_MAGIC;
            let expected = if on_tmpfs {
                Residency::Resident
            } else {
                Residency::Unknown
            };
            assert_eq!(residency(hot.as_fd(), 0, 100_000), expected);
            let answer = read_cached(hot.as_fd(), &mut [0; 8], Some(0));
            assert_eq!(answer, Err(Errno(NixErrno::EAGAIN as i32)));
            forbid(Feature::Cachestat);
            assert_eq!(residency(hot.as_fd(), 0, 100_000), Residency::Unknown);
        },
    );
}
