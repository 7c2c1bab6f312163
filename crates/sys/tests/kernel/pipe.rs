//! Pipes of our own.

use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use sendfile64_sys::fd::pipe::{Pair, pair};

use crate::fixture::{bounded, in_own_process};

#[test]
fn both_ends_are_closed_on_exec_and_do_not_wait() {
    bounded(|| {
        let Pair { reader, writer, .. } = pair(1 << 16).expect("pipe");
        for (end, mode) in [(reader, OFlag::O_RDONLY), (writer, OFlag::O_WRONLY)] {
            let flags = FdFlag::from_bits_retain(fcntl(&end, FcntlArg::F_GETFD).expect("fcntl"));
            assert!(flags.contains(FdFlag::FD_CLOEXEC));
            let flags = OFlag::from_bits_retain(fcntl(&end, FcntlArg::F_GETFL).expect("fcntl"));
            assert!(flags.contains(OFlag::O_NONBLOCK));
            assert_eq!(flags & OFlag::O_ACCMODE, mode);
        }
    });
}

#[test]
fn the_capacity_is_what_the_kernel_gave() {
    bounded(|| {
        for (asked, given) in [(0, 4096), (1, 4096), (5000, 8192), (1 << 20, 1 << 20)] {
            let pipe = pair(asked).expect("pipe");
            // Pages may be larger than 4 KiB.
            assert!(pipe.capacity >= given, "{asked}: {}", pipe.capacity);
            let said = fcntl(pipe.reader.as_fd(), FcntlArg::F_GETPIPE_SZ).expect("fcntl");
            assert_eq!(pipe.capacity, said as u64);
            let room = nix::unistd::write(&pipe.writer, &vec![0; 4 << 20]).expect("write");
            assert_eq!(pipe.capacity, room as u64);
        }
    });
}

#[test]
fn a_size_that_is_not_allowed_leaves_the_default() {
    in_own_process(
        "pipe::a_size_that_is_not_allowed_leaves_the_default",
        || {
            // Beyond /proc/sys/fs/pipe-max-size only CAP_SYS_RESOURCE helps.
            if nix::unistd::geteuid().is_root() {
                nix::unistd::setuid(nix::unistd::Uid::from_raw(65_534)).expect("setuid");
            }
            let default = pair(1 << 16).expect("pipe").capacity;
            for asked in [1 << 30, 1 << 40, u64::MAX] {
                assert_eq!(pair(asked).expect("pipe").capacity, default, "{asked}");
            }
        },
    );
}
