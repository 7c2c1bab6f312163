//! Whose bytes the page cache holds, and whose sizes mean nothing.

use std::fs::File;
use std::os::fd::AsFd;

use nix::errno::Errno as NixErrno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statfs::fstatfs;
use sendfile64_core::Errno;
use sendfile64_sys::fd::{CloseInfo, KnownFile, Status, close_info, status, status_at_once};
use sendfile64_sys::fs::Filesystem;

use crate::fixture::{bounded, file};

const EAGAIN: Errno = Errno(NixErrno::EAGAIN as i32);

fn class(fd: impl AsFd) -> Filesystem {
    status(fd.as_fd()).expect("fstat").filesystem
}

fn open(path: &str) -> File {
    File::open(path).expect("open")
}

#[test]
fn files_on_disks_and_in_memory_are_ordinary() {
    bounded(|| {
        let on_disk = file("ordinary", b"0123456789");
        let kind = fstatfs(&on_disk).expect("fstatfs").filesystem_type();
        assert_eq!(class(&on_disk), Filesystem::Ordinary, "{kind:?}");
        let memory = memfd_create(c"ordinary", MFdFlags::MFD_CLOEXEC).expect("memfd");
        assert_eq!(class(memory), Filesystem::Ordinary);
    });
}

#[test]
fn files_of_proc_and_sys_have_sizes_that_mean_nothing() {
    bounded(|| {
        for path in [
            "/proc/version",
            "/proc/self/status",
            "/sys/devices/system/cpu/possible",
        ] {
            let status = status(open(path).as_fd()).expect("fstat");
            let bytes = std::fs::read(path).expect("read").len() as u64;
            assert_eq!(status.filesystem, Filesystem::Pseudo, "{path}");
            assert_ne!(status.size, bytes, "{path}");
        }
    });
}

#[test]
fn the_status_without_waiting_is_that_of_a_thread_that_may_wait() {
    bounded(|| {
        for path in ["/proc/version", "/sys/devices/system/cpu/possible"] {
            let file = open(path);
            let early = status_at_once(file.as_fd(), None);
            let asked = status(file.as_fd()).expect("fstat");
            // Before Linux 6.8, a filesystem that nobody has asked for is not known.
            assert!(early == Ok(asked) || early == Err(EAGAIN), "{early:?}");
            assert_eq!(status_at_once(file.as_fd(), None), Ok(asked));
        }
    });
}

#[test]
fn a_file_that_has_been_met_is_ordinary_and_any_other_is_not() {
    bounded(|| {
        let file = open("/proc/version");
        let status = status(file.as_fd()).expect("fstat");
        let met = KnownFile {
            device: status.device,
            inode: status.inode,
        };
        let again = |met| status_at_once(file.as_fd(), Some(met)).map(|status| status.filesystem);
        // It is not, and who says so is believed.
        assert_eq!(again(met), Ok(Filesystem::Ordinary));
        let other = KnownFile {
            inode: met.inode + 1,
            ..met
        };
        assert_eq!(again(other), Ok(Filesystem::Pseudo));
    });
}

#[test]
fn anything_but_a_regular_file_has_its_status_without_waiting() {
    bounded(|| {
        for path in ["/dev/null", "/proc", "/sys"] {
            let file = open(path);
            assert_eq!(
                status_at_once(file.as_fd(), None),
                status(file.as_fd()).map(|status| Status { size: 0, ..status })
            );
        }
    });
}

#[test]
fn the_close_of_a_file_without_a_name_may_wait_and_that_of_others_does_not() {
    bounded(|| {
        let unlinked = file("parting", b"0123456789");
        assert_eq!(class(&unlinked), Filesystem::Ordinary);
        let seen = close_info(unlinked.as_fd());
        assert_eq!(
            seen,
            CloseInfo {
                size: Some(10),
                may_wait: true
            }
        );
        let named = File::open(std::env::current_exe().expect("a path")).expect("open");
        assert_eq!(class(&named), Filesystem::Ordinary);
        assert!(!close_info(named.as_fd()).may_wait);
        assert!(!close_info(open("/dev/null").as_fd()).may_wait);
    });
}

#[test]
fn only_regular_files_have_a_class() {
    bounded(|| {
        assert_eq!(class(open("/proc")), Filesystem::Ordinary);
        assert_eq!(class(open("/dev/null")), Filesystem::Ordinary);
        assert_eq!(
            class(std::io::pipe().expect("pipe").0),
            Filesystem::Ordinary
        );
    });
}
