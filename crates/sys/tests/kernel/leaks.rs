//! Nothing stays open.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use sendfile64_sys::call::sendfile::sendfile;
use sendfile64_sys::fd::pipe::pair;
use sendfile64_sys::fd::{duplicate, reopen_for_writing, status};
use sendfile64_sys::fs::open::{open, open_cached};
use sendfile64_sys::fs::page_cache::residency;

use crate::fixture::{in_own_process, path, tcp};

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("proc").count()
}

#[test]
fn as_many_descriptors_are_open_after_as_before() {
    in_own_process(
        "leaks::as_many_descriptors_are_open_after_as_before",
        || {
            let path = path("leaks");
            fs::write(&path, b"0123456789").expect("write");
            drop(open_cached(&path).expect("open")); // the table of mounts stays open from here on
            let before = open_descriptors();
            for _ in 0..200 {
                let (source, _) = open_cached(&path).expect("open");
                let (ours, _theirs) = tcp();
                let destination = duplicate(ours.as_raw_fd()).expect("fcntl");
                assert_eq!(
                    sendfile(destination.as_fd(), source.as_fd(), Some(0), 10).bytes,
                    10
                );
                assert_eq!(status(source.as_fd()).expect("fstat").size, 10);
                let _residency = residency(source.as_fd(), 0, 10);

                let pipe = pair(1 << 20).expect("pipe");
                assert!(reopen_for_writing(pipe.writer.as_fd()).is_ok());
                drop(pipe.reader);
                assert!(reopen_for_writing(pipe.writer.as_fd()).is_ok());
                assert!(reopen_for_writing(source.as_fd()).is_err());

                let directory = File::from(open(Path::new("/")).expect("open").0);
                assert_eq!(
                    sendfile(destination.as_fd(), directory.as_fd(), Some(0), 10).bytes,
                    0
                );
                assert!(open(&path.join("below-a-file")).is_err());
                assert!(open_cached(&path.join("below-a-file")).is_err());
                assert!(duplicate(-1).is_err());
            }
            assert_eq!(open_descriptors(), before);
            fs::remove_file(&path).expect("remove");
        },
    );
}
