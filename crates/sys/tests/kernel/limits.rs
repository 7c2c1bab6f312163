//! Destinations without room: a short count first, and then the reason, which kills no process.
#![expect(
    unsafe_code,
    reason = "the Rust runtime leaves SIGXFSZ alone, but the parent of the tests may not"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use sendfile64_core::Outcome;
use sendfile64_sys::call::copy::write;
use sendfile64_sys::call::copy_file_range::copy_file_range;
use sendfile64_sys::call::sendfile::sendfile;
use sendfile64_sys::call::splice::splice;
use sendfile64_sys::fd::pipe::pair;
use sendfile64_sys::signal::block_fatal;

use crate::ends::opened;
use crate::fixture::{Ending, ending_of, failed, file, in_own_variant, path, pattern, progress};

type Method = fn(&[u8], BorrowedFd<'_>) -> Outcome;

fn by_write(contents: &[u8], target: BorrowedFd<'_>) -> Outcome {
    write(target, contents)
}

fn by_sendfile(contents: &[u8], target: BorrowedFd<'_>) -> Outcome {
    sendfile(target, file("limited", contents).as_fd(), Some(0), u64::MAX)
}

fn by_splice(contents: &[u8], target: BorrowedFd<'_>) -> Outcome {
    let pipe = pair(1 << 20).expect("pipe");
    let mut writer = File::from(pipe.writer);
    let into = contents.len().min(1 << 15);
    writer.write_all(&contents[..into]).expect("write");
    splice(pipe.reader.as_fd(), None, target, u64::MAX, false)
}

const METHODS: [(&str, Method); 3] = [
    ("write", by_write),
    ("sendfile", by_sendfile),
    ("splice", by_splice),
];

/// Two calls of `method`, of 10,000 bytes to a new file, where none may be larger than 1000.
fn assert_limited(method: impl Fn(BorrowedFd<'_>) -> Outcome) {
    let target = opened("limit", OpenOptions::new().write(true));
    setrlimit(Resource::RLIMIT_FSIZE, 1000, 1000).expect("setrlimit");
    assert_eq!(method(target.as_fd()), progress(1000));
    assert_eq!(method(target.as_fd()), failed(Errno::EFBIG));
}

fn restore_default_action() {
    // SAFETY: the default action installs no handler that could run.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigDfl) }.expect("sigaction");
}

#[test]
fn a_file_grows_to_rlimit_fsize_and_then_is_too_big() {
    let name = "limits::a_file_grows_to_rlimit_fsize_and_then_is_too_big";
    type Call = fn(BorrowedFd<'_>, BorrowedFd<'_>) -> Outcome;
    let calls: [(&str, Call); 2] = [
        ("sendfile", |from, to| sendfile(to, from, Some(0), 10_000)),
        ("copy_file_range", |from, to| {
            copy_file_range(from, Some(0), to, 10_000)
        }),
    ];
    for (variant, call) in calls {
        in_own_variant(name, variant, || {
            restore_default_action();
            block_fatal();
            let source = file("limit-source", &pattern(10_000));
            assert_limited(|target| call(source.as_fd(), target));
        });
    }
    for (variant, method) in [("write", by_write as Method), ("splice", by_splice)] {
        in_own_variant(name, variant, || {
            restore_default_action();
            block_fatal();
            assert_limited(|target| method(&pattern(10_000), target));
        });
    }
    let not_blocked = || {
        restore_default_action();
        assert_limited(|target| write(target, &pattern(10_000)));
    };
    if let Some(ending) = ending_of(name, "not blocked", not_blocked) {
        let died_of = Some(Signal::SIGXFSZ as i32);
        assert_eq!(
            ending.signal, died_of,
            "the test would not notice: {}",
            ending.output
        );
    }
}

#[test]
fn a_full_filesystem_takes_a_part_and_then_has_no_space() {
    let name = "limits::a_full_filesystem_takes_a_part_and_then_has_no_space";
    let ending = ending_of(name, "", || {
        let directory = path("full");
        fs::create_dir_all(&directory).expect("mkdir");
        match mount_64_kib(&directory) {
            Ok(()) => {
                for (name, method) in METHODS {
                    fill(&directory, name, method);
                }
                copy_within(&directory);
                umount(&directory).expect("umount");
            }
            Err(errno) => say(&format!("{SKIPPED}: nothing may be mounted here: {errno}")),
        }
        fs::remove_dir(&directory).expect("rmdir");
    });
    if let Some(Ending {
        success, output, ..
    }) = ending
    {
        assert!(success, "{output}");
        output
            .lines()
            .filter(|line| line.contains(SKIPPED))
            .for_each(say);
    }
}

pub(crate) const SKIPPED: &str = "skipped";

pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr");
}

/// A file system that only this thread sees.
fn mount_64_kib(directory: &Path) -> nix::Result<()> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let size = Some("size=64k");
    mount(
        Some("none"),
        directory,
        Some("tmpfs"),
        MsFlags::empty(),
        size,
    )
}

fn fill(directory: &Path, name: &str, method: Method) {
    let contents = pattern(100_000);
    let path = directory.join(name);
    let target = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .expect("open");
    let mut taken = 0;
    let last = loop {
        let outcome = method(&contents[taken..], target.as_fd());
        taken += outcome.bytes as usize;
        if outcome.bytes == 0 {
            break outcome;
        }
    };
    assert_eq!(last, failed(Errno::ENOSPC), "{name}");
    assert_eq!(taken, 64 << 10, "{name}");
    let mut bytes = Vec::new();
    File::open(&path)
        .expect("open")
        .read_to_end(&mut bytes)
        .expect("read");
    assert!(bytes == contents[..taken], "{name}");
    fs::remove_file(&path).expect("remove");
}

/// copy_file_range(2) goes between no two filesystems since 5.19, so the source takes its share of the room.
fn copy_within(directory: &Path) {
    let contents = pattern(40 << 10);
    let source = directory.join("source");
    fs::write(&source, &contents).expect("write");
    let source = File::open(&source).expect("open");
    let target = File::create(directory.join("copy")).expect("create");
    let go = |offset| copy_file_range(source.as_fd(), Some(offset), target.as_fd(), u64::MAX);
    assert_eq!(go(0), progress(24 << 10));
    assert_eq!(go(24 << 10), failed(Errno::ENOSPC));
    let copied = fs::read(directory.join("copy")).expect("read");
    assert!(copied == contents[..24 << 10]);
}
