//! Whose bytes the page cache holds, and whose sizes mean nothing.

use std::fs::File;
use std::os::fd::AsFd;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statfs::fstatfs;
use sendfile64_sys::descriptor::{Filesystem, Known, status, status_again};

use crate::fixture::{bounded, file};

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
fn the_filesystem_of_a_known_file_is_not_asked_for_again_and_that_of_any_other_is() {
    bounded(|| {
        let file = open("/proc/version");
        let status = status(file.as_fd()).expect("fstat");
        let known = Known {
            device: status.device,
            inode: status.inode,
        };
        let again = |known| status_again(file.as_fd(), Some(known)).map(|status| status.filesystem);
        // It is not, and who says so is believed.
        assert_eq!(again(known), Ok(Filesystem::Ordinary));
        let other = Known {
            inode: known.inode + 1,
            ..known
        };
        assert_eq!(again(other), Ok(Filesystem::Pseudo));
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
