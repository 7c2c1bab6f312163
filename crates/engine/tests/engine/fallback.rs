//! Methods that are refused.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use sendfile64_core::{End, Errno, Fallback, Ladder, Method};
use sendfile64_sys::probe::{Feature, forbid};

use crate::scene::{MIB, Plan, Sample, Scene, alone, assert_same, read_all, unix};

const EINVAL: Errno = Errno(22);
const ENOSYS: Errno = Errno(38);

/// A file that sendfile(2) cannot take since Linux 5.10, and whose bytes stay the same.
const STEADY_PROC_FILE: &str = "/proc/self/limits";

#[test]
fn a_source_that_sendfile_refuses_is_copied() {
    let scene = Scene::new();
    let source = Arc::new(OwnedFd::from(File::open(STEADY_PROC_FILE).expect("/proc")));
    let (sending, peer) = unix();
    let reader = read_all(peer);
    let completion = scene.run(&sending, &source, Plan::default());
    drop(sending);
    let fallbacks: Vec<_> = completion.transfer.ladder().fallbacks().collect();
    assert_eq!(
        fallbacks,
        [Fallback {
            from: Method::Sendfile,
            to: Method::Copy,
            errno: EINVAL
        }]
    );
    assert_eq!(
        (completion.end, completion.transfer.method()),
        (End::Done, Method::Copy)
    );
    assert_same(
        &reader.join().expect("the reader"),
        &fs::read(STEADY_PROC_FILE).expect("/proc"),
    );
}

#[test]
fn a_forced_method_that_is_refused_is_the_end() {
    let scene = Scene::new();
    let source = Arc::new(OwnedFd::from(File::open(STEADY_PROC_FILE).expect("/proc")));
    let (sending, _peer) = unix();
    let plan = Plan {
        ladder: Ladder::only(Method::Sendfile),
        ..Plan::default()
    };
    let completion = scene.run(&sending, &source, plan);
    assert_eq!(
        (completion.end, completion.transfer.bytes_sent()),
        (End::Refused(EINVAL), 0)
    );
}

#[test]
fn a_refusal_on_the_way_goes_on_at_the_same_byte() {
    alone(
        "fallback::a_refusal_on_the_way_goes_on_at_the_same_byte",
        || {
            let sample = Sample::new(8 * MIB);
            let scene = Scene::new();
            let (sending, mut peer) = unix();
            let id = scene.start(
                &sending,
                &sample.fd,
                Plan {
                    quantum: 64 * 1024,
                    ..Plan::count(sample.bytes.len())
                },
            );
            let mut start = vec![0; MIB];
            std::io::Read::read_exact(&mut peer, &mut start).expect("bytes by sendfile");
            forbid(Feature::Sendfile);
            let reader = read_all(peer);
            let completion = scene.completion(id);
            drop(sending);
            let fallbacks: Vec<_> = completion.transfer.ladder().fallbacks().collect();
            assert_eq!(
                fallbacks,
                [Fallback {
                    from: Method::Sendfile,
                    to: Method::Copy,
                    errno: ENOSYS
                }]
            );
            assert_eq!(completion.end, End::Done);
            assert_same(
                &[start, reader.join().expect("the reader")].concat(),
                &sample.bytes,
            );
        },
    );
}

/// A call that is known to be missing is not made, so it is not counted.
#[test]
fn a_missing_call_costs_none() {
    alone("fallback::a_missing_call_costs_none", || {
        forbid(Feature::Sendfile);
        let sample = Sample::new(1000);
        let scene = Scene::new();
        let (sending, peer) = unix();
        let reader = read_all(peer);
        let completion = scene.run(&sending, &sample.fd, Plan::count(1000));
        drop(sending);
        assert_eq!(
            (completion.end, completion.syscalls),
            (End::Done, 2),
            "read and send"
        );
        assert_same(&reader.join().expect("the reader"), &sample.bytes);
    });
}
