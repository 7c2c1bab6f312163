//! Destinations without room, met by a thread of the pool.

use std::fs::{self, File};
use std::os::fd::OwnedFd;

use nix::sys::resource::{Resource, setrlimit};
use sendfile64_core::{End, Errno, Method};
use sendfile64_engine::Choice;

use crate::scene::{Plan, Sample, Scene, alone, assert_same};

const EFBIG: Errno = Errno(27);
const ENOSPC: Errno = Errno(28);

#[test]
fn a_file_size_limit_is_an_error_with_exact_bytes() {
    alone(
        "full::a_file_size_limit_is_an_error_with_exact_bytes",
        || {
            let sample = Sample::new(300_000);
            let targets = [
                Method::Sendfile,
                Method::Splice,
                Method::CopyFileRange,
                Method::Copy,
            ]
            .map(|method| (method, Sample::new(0)));
            setrlimit(Resource::RLIMIT_FSIZE, 100_001, 100_001).expect("a limit");
            for (method, target) in targets {
                let file = File::options()
                    .write(true)
                    .open(&target.path)
                    .expect("the file");
                let scene = Scene::new();
                let plan = Plan {
                    choice: Some(Choice::Only(method)),
                    headers: b"before",
                    ..Plan::count(sample.bytes.len())
                };
                let completion = scene.run(&OwnedFd::from(file), &sample.fd, plan);
                assert_eq!(completion.end, End::Failed(EFBIG), "{method:?}");
                assert_eq!(completion.transfer.bytes_sent(), 100_001 - 6, "{method:?}");
                let written = fs::read(&target.path).expect("the file");
                assert_same(&written[6..], &sample.bytes[..100_001 - 6]);
            }
        },
    );
}

#[test]
fn a_full_device_is_an_error_without_a_byte() {
    let sample = Sample::new(100_000);
    let scene = Scene::new();
    for (headers, choice) in [
        (&b""[..], Choice::Auto),
        (b"", Choice::Only(Method::Copy)),
        (b"before", Choice::Auto),
    ] {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let plan = Plan {
            choice: Some(choice),
            headers,
            ..Plan::count(sample.bytes.len())
        };
        let completion = scene.run(&OwnedFd::from(full), &sample.fd, plan);
        assert_eq!(completion.end, End::Failed(ENOSPC));
        assert_eq!(completion.transfer.bytes_sent(), 0);
    }
}
