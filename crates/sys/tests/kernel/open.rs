//! Opening with and without leave to wait.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno as NixErrno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sendfile64_core::Errno;
use sendfile64_sys::fd::{self, FileType};
use sendfile64_sys::fs::open::{open, open_cached, open_file_cached};
use sendfile64_sys::probe::{Availability, Feature, availability};

use crate::fixture::{bounded, path};

type Open = fn(&Path) -> Result<OwnedFd, Errno>;
const BOTH: [Open; 2] = [
    |path| open(path).map(|(fd, _)| fd),
    |path| open_cached(path).map(|(fd, _)| fd),
];

fn error(errno: NixErrno) -> Result<(), Errno> {
    Err(Errno(errno as i32))
}

#[test]
fn a_path_that_was_just_used_opens_without_waiting() {
    bounded(|| {
        let path = path("cached");
        fs::write(&path, b"0123456789").expect("write");
        // Opening it once brings every directory of the path into the cache.
        for open in BOTH {
            let fd = open(&path).expect("open");
            let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL).expect("fcntl"));
            assert_eq!(flags & OFlag::O_ACCMODE, OFlag::O_RDONLY);
            assert!(flags.contains(OFlag::O_NONBLOCK));
            let flags = FdFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFD).expect("fcntl"));
            assert!(flags.contains(FdFlag::FD_CLOEXEC));
            let mut bytes = String::new();
            File::from(fd).read_to_string(&mut bytes).expect("read");
            assert_eq!(bytes, "0123456789");
        }
        fs::remove_file(&path).expect("remove");
        assert_eq!(availability(Feature::Openat2), Availability::Available);
    });
}

#[test]
fn a_name_that_is_not_cached_would_block_and_can_be_waited_for() {
    bounded(|| {
        // Every name below a process of /proc is made on demand, and the kernel does not make one in this mode.
        let path = format!("/proc/self/task/{}/limits", nix::unistd::gettid());
        let first = open_cached(Path::new(&path)).map(drop);
        assert_eq!(first, error(NixErrno::EAGAIN));
        assert_eq!(open(Path::new(&path)).map(drop), Ok(()));
    });
}

#[test]
fn errors_are_those_of_open_or_a_call_to_ask_it() {
    bounded(|| {
        let path = path("errors");
        fs::write(&path, b"").expect("write");
        let below_a_file = path.join("below-a-file");
        let nul = Path::new(OsStr::from_bytes(b"/dev\0/x"));
        let absent = Path::new("/proc/self/absent");
        let cases = [
            (below_a_file.as_path(), NixErrno::ENOTDIR),
            (nul, NixErrno::EINVAL),
            (Path::new(""), NixErrno::ENOENT),
            (absent, NixErrno::ENOENT),
        ];
        for (path, errno) in cases {
            assert_eq!(open(path).map(drop), error(errno), "{path:?}");
            // The kernel gives some reasons only to a walk that may wait.
            let answers = [error(errno), error(NixErrno::EAGAIN)];
            let answer = open_cached(path).map(drop);
            assert!(answers.contains(&answer), "{path:?}: {answer:?}");
        }
        fs::remove_file(&path).expect("remove");
        assert_eq!(
            availability(Feature::Openat2),
            Availability::Available,
            "no path may tell otherwise"
        );
    });
}

#[test]
fn a_fifo_without_a_writer_opens_at_once() {
    bounded(|| {
        let path = path("fifo");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("mkfifo");
        for open in BOTH {
            let fd = open(&path).expect("open");
            assert_eq!(
                nix::unistd::read(fd.as_fd(), &mut [0; 1]),
                Ok(0),
                "no writer: the end"
            );
        }
        fs::remove_file(&path).expect("remove");
    });
}

#[test]
fn a_directory_opens_and_is_the_callers_to_refuse() {
    bounded(|| {
        for open in BOTH {
            assert_eq!(open(Path::new("/")).map(drop), Ok(()));
        }
    });
}

#[test]
fn a_file_opens_with_what_fstat_says_of_it() {
    bounded(|| {
        let path = path("file");
        fs::write(&path, b"0123456789").expect("write");
        let (fd, status) = open_file_cached(&path).expect("open");
        assert_eq!(Ok(status), fd::status(fd.as_fd()));
        assert_eq!((status.kind, status.size), (FileType::Regular, 10));
        let mut bytes = String::new();
        File::from(fd).read_to_string(&mut bytes).expect("read");
        assert_eq!(bytes, "0123456789");
        fs::remove_file(&path).expect("remove");
    });
}

#[test]
fn only_a_regular_file_is_opened_as_a_file() {
    bounded(|| {
        let path = path("no-file");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("mkfifo");
        // A writer would be let in, if only for a moment, and then write to nobody.
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK).expect("inotify");
        inotify
            .add_watch(&path, AddWatchFlags::IN_OPEN)
            .expect("watch");
        for path in [&path, Path::new("/"), Path::new("/dev/zero")] {
            let answer = open_file_cached(path).map(|(_, status)| status);
            assert_eq!(answer, Err(Errno(NixErrno::EAGAIN as i32)), "{path:?}");
        }
        assert_eq!(
            inotify.read_events().map(|events| events.len()),
            Err(NixErrno::EAGAIN),
            "it has not been opened"
        );
        // The watch is not blind.
        drop(open_cached(&path).expect("open"));
        assert_eq!(inotify.read_events().map(|events| events.len()), Ok(1));
        fs::remove_file(&path).expect("remove");
    });
}
