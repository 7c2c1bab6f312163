//! Inside a seccomp filter (seccomp(2)) that answers ENOSYS, as a kernel without the call would, or EPERM, as container
//! runtimes did for calls they had not listed.
#![expect(unsafe_code, reason = "the filter is installed by prctl(2)")]

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno as NixErrno;
use nix::libc::{self, c_long};
use nix::sys::memfd::{MFdFlags, memfd_create};
use sendfile64_core::{Errno, Outcome};
use sendfile64_sys::call::copy_file_range::copy_file_range;
use sendfile64_sys::call::sendfile::sendfile;
use sendfile64_sys::call::splice::splice;
use sendfile64_sys::fs::open::{open, open_cached};
use sendfile64_sys::fs::page_cache::{Residency, residency};
use sendfile64_sys::probe::Availability::{Available, Unavailable};
use sendfile64_sys::probe::{Feature, answer, availability, probe};

use crate::ends::{TEN, opened};
use crate::fixture::{file, in_own_process, in_own_variant, progress, refused, tcp};
use crate::page_cache::cannot_tell_by_reading;

const SYS_CACHESTAT: c_long = 451;

/// From here on `call` answers `errno` on this thread.
pub(crate) fn deny(call: c_long, errno: NixErrno) {
    let statement = |code, k| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let load_number = statement((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0);
    let unless_call = libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: 1,
        k: u32::try_from(call).expect("a system call number"),
    };
    let answer = statement(
        (libc::BPF_RET | libc::BPF_K) as u16,
        libc::SECCOMP_RET_ERRNO | errno as u32,
    );
    let allow = statement(
        (libc::BPF_RET | libc::BPF_K) as u16,
        libc::SECCOMP_RET_ALLOW,
    );
    let mut filter = [load_number, unless_call, answer, allow];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers only.
    let privileges = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    NixErrno::result(privileges).expect("no new privileges");
    // SAFETY: `program` points to the four statements of `filter`, and both outlive the call.
    let installed = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    NixErrno::result(installed).expect("seccomp");
}

/// Runs `test` once for each errno, in a process of its own: a finding is for good.
fn in_sandboxes(name: &str, call: c_long, test: fn(NixErrno)) {
    for errno in [NixErrno::ENOSYS, NixErrno::EPERM] {
        in_sandbox(name, call, errno, test);
    }
}

fn in_sandbox(name: &str, call: c_long, errno: NixErrno, test: fn(NixErrno)) {
    in_own_variant(name, &errno.to_string(), || {
        deny(call, errno);
        test(errno);
    });
}

#[test]
fn a_denied_sendfile_is_found_out_by_an_attempt() {
    in_sandboxes(
        "sandbox::a_denied_sendfile_is_found_out_by_an_attempt",
        libc::SYS_sendfile,
        |errno| {
            let source = file("denied", b"0123456789");
            let (ours, _theirs) = tcp();
            for _ in 0..2 {
                assert_eq!(
                    sendfile(ours.as_fd(), source.as_fd(), Some(0), 10),
                    refused(errno)
                );
                assert_eq!(availability(Feature::Sendfile), Unavailable);
            }
        },
    );
}

#[test]
fn a_denied_sendfile_is_found_out_by_a_probe() {
    in_sandboxes(
        "sandbox::a_denied_sendfile_is_found_out_by_a_probe",
        libc::SYS_sendfile,
        |errno| {
            assert_eq!(probe(Feature::Sendfile), Unavailable);
            let (ours, _theirs) = tcp();
            assert_eq!(
                sendfile(
                    ours.as_fd(),
                    file("probed", b"0123456789").as_fd(),
                    Some(0),
                    10
                ),
                refused(errno)
            );
        },
    );
}

#[test]
fn a_sealed_destination_is_refused_and_does_not_disable_the_call() {
    in_own_process(
        "sandbox::a_sealed_destination_is_refused_and_does_not_disable_the_call",
        || {
            let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
            let sealed = File::from(memfd_create(c"sealed", flags).expect("memfd"));
            sealed.set_len(10).expect("truncate");
            let seal = nix::fcntl::FcntlArg::F_ADD_SEALS(nix::fcntl::SealFlag::F_SEAL_WRITE);
            nix::fcntl::fcntl(&sealed, seal).expect("seal");
            let source = file("unsealed", b"0123456789");
            assert_eq!(
                sendfile(sealed.as_fd(), source.as_fd(), Some(0), 10),
                refused(NixErrno::EPERM)
            );
            let (reader, mut writer) = std::io::pipe().expect("pipe");
            writer.write_all(TEN).expect("write");
            assert_eq!(
                splice(reader.as_fd(), None, sealed.as_fd(), 10, false),
                refused(NixErrno::EPERM)
            );
            let (ours, _theirs) = tcp();
            assert_eq!(
                sendfile(ours.as_fd(), source.as_fd(), Some(0), 10),
                progress(10)
            );
            assert_eq!(availability(Feature::Sendfile), Available);
            assert_eq!(availability(Feature::Splice), Available);
        },
    );
}

/// A call between descriptors, its number, and an attempt that would move ten bytes.
type Call = (Feature, c_long, fn() -> Outcome);
const CALLS: [Call; 3] = [
    (Feature::Sendfile, libc::SYS_sendfile, || {
        let (_reader, writer) = std::io::pipe().expect("pipe");
        sendfile(writer.as_fd(), file("call", TEN).as_fd(), Some(0), 10)
    }),
    (Feature::Splice, libc::SYS_splice, || {
        let (_reader, writer) = std::io::pipe().expect("pipe");
        splice(
            file("call", TEN).as_fd(),
            Some(0),
            writer.as_fd(),
            10,
            false,
        )
    }),
    (Feature::CopyFileRange, libc::SYS_copy_file_range, || {
        let target = opened("call-target", File::options().write(true));
        copy_file_range(file("call", TEN).as_fd(), Some(0), target.as_fd(), 10)
    }),
];

#[test]
fn a_denied_call_is_found_out_by_an_attempt_or_a_probe_and_others_are_not() {
    let name = "sandbox::a_denied_call_is_found_out_by_an_attempt_or_a_probe_and_others_are_not";
    for (denied, call, attempt) in CALLS {
        for errno in [NixErrno::ENOSYS, NixErrno::EPERM] {
            let said = Some(Errno(errno as i32));
            in_own_variant(name, &format!("{denied:?}, {errno}, attempt"), || {
                deny(call, errno);
                for _ in 0..2 {
                    assert_eq!(attempt(), refused(errno));
                    assert_eq!(availability(denied), Unavailable);
                    assert_eq!(answer(denied), said);
                }
                for (other, _, attempt) in CALLS.into_iter().filter(|call| call.0 != denied) {
                    assert_eq!(attempt(), progress(10), "{other:?}");
                    assert_eq!((availability(other), answer(other)), (Available, None));
                }
            });
            in_own_variant(name, &format!("{denied:?}, {errno}, probe"), || {
                deny(call, errno);
                assert_eq!(probe(denied), Unavailable);
                assert_eq!(answer(denied), said);
                assert_eq!(attempt(), refused(errno));
            });
        }
    }
}

#[test]
fn an_answer_that_may_be_about_the_descriptors_is_not_remembered() {
    let name = "sandbox::an_answer_that_may_be_about_the_descriptors_is_not_remembered";
    for (feature, call, attempt) in CALLS {
        in_own_variant(name, &format!("{feature:?}"), || {
            deny(call, NixErrno::EINVAL);
            assert_eq!(attempt(), refused(NixErrno::EINVAL));
            assert_eq!((availability(feature), answer(feature)), (Available, None));
        });
    }
}

#[test]
fn without_openat2_every_path_may_have_to_wait() {
    let name = "sandbox::without_openat2_every_path_may_have_to_wait";
    // EINVAL is what Linux 5.6 to 5.11 say of RESOLVE_CACHED.
    for errno in [NixErrno::ENOSYS, NixErrno::EPERM, NixErrno::EINVAL] {
        in_sandbox(name, libc::SYS_openat2, errno, |_| {
            for _ in 0..2 {
                assert_eq!(
                    open_cached(Path::new("/")).map(drop),
                    Err(Errno(NixErrno::EAGAIN as i32))
                );
                assert_eq!(availability(Feature::Openat2), Unavailable);
            }
            assert_eq!(open(Path::new("/")).map(drop), Ok(()));
        });
    }
}

#[test]
fn without_cachestat_the_ends_of_the_range_are_read() {
    in_sandboxes(
        "sandbox::without_cachestat_the_ends_of_the_range_are_read",
        SYS_CACHESTAT,
        |_| {
            let hot = file("no-cachestat", &[7; 100_000]);
            for _ in 0..2 {
                // tmpfs and overlayfs cannot tell by reading.
                let answer = residency(hot.as_fd(), 0, 100_000);
                assert!(
                    answer == Residency::Likely || cannot_tell_by_reading(&hot),
                    "{answer:?}"
                );
                assert_eq!(availability(Feature::Cachestat), Unavailable);
            }
        },
    );
}

#[test]
fn without_a_read_that_does_not_wait_nothing_on_a_disk_is_certain() {
    let name = "sandbox::without_a_read_that_does_not_wait_nothing_on_a_disk_is_certain";
    in_sandboxes(name, libc::SYS_preadv2, |_| {
        let hot = file("no-nowait", &[7; 100_000]);
        let answer = residency(hot.as_fd(), 0, 100_000);
        assert!(
            answer == Residency::Unknown || cannot_tell_by_reading(&hot),
            "{answer:?}"
        );
        assert_eq!(availability(Feature::ReadNowait), Unavailable);
    });
}
