//! overlayfs, and files of another user, as in a container. Each test has a mount namespace of its own,
//! which needs root.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno as NixErrno;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, getuid, setresuid};
use sendfile64_core::Errno;
use sendfile64_sys::fd;
use sendfile64_sys::fs::page_cache::Residency::{Absent, Likely, Resident, Unknown};
use sendfile64_sys::fs::page_cache::{Watch, read_cached, residency, was_read, was_read_recently};
use sendfile64_sys::probe::{Feature, forbid};

use crate::fixture::{in_own_variant, path, pattern};
use crate::limits::{SKIPPED, say};

const LENGTH: u64 = 1 << 20;
const NOBODY: Uid = Uid::from_raw(65_534);
const EAGAIN: Errno = Errno(NixErrno::EAGAIN as i32);

/// A file below an overlayfs, and through it.
struct Layers {
    directory: PathBuf,
    below: File,
    above: File,
}

impl Layers {
    fn mount(name: &str) -> Self {
        let none: Option<&str> = None;
        unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
        // Always the same: what nobody could not remove, root's next run does.
        let directory = path(name).with_file_name(format!("overlay-{name}"));
        let _not_there = fs::remove_dir_all(&directory);
        let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|part| {
            let part = directory.join(part);
            fs::create_dir_all(&part).expect("a directory");
            part
        });
        fs::write(lower.join("file"), pattern(LENGTH as usize)).expect("write");
        let text = |path: &Path| path.display().to_string();
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            text(&lower),
            text(&upper),
            text(&work)
        );
        mount(
            Some("overlay"),
            &merged,
            Some("overlay"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .expect("overlayfs");
        let below = File::open(lower.join("file")).expect("open");
        below.sync_all().expect("fsync");
        let above = File::open(merged.join("file")).expect("open");
        Self {
            directory,
            below,
            above,
        }
    }

    /// What the program does before it sends a file: from then on its filesystem is known.
    fn met(self) -> Self {
        fd::status(self.above.as_fd()).expect("fstat");
        self
    }

    fn cool(&self) {
        posix_fadvise(&self.below, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("fadvise");
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        // What is mounted there is so in this namespace only, which ends with the process.
        let _not_ours = fs::remove_dir_all(&self.directory);
    }
}

fn warm(file: &File) {
    file.read_exact_at(&mut vec![0; LENGTH as usize], 0)
        .expect("read");
}

fn become_nobody() {
    setresuid(NOBODY, NOBODY, NOBODY).expect("setresuid");
}

/// In a process of its own, once for each variant; skipped without the rights to mount.
fn as_root(name: &str, variants: &[&str], test: impl Fn(&str)) {
    if !getuid().is_root() || unshare_is_forbidden() {
        say(&format!("{SKIPPED}: {name} mounts overlayfs"));
        return;
    }
    for variant in variants {
        in_own_variant(name, variant, || test(variant));
    }
}

/// Tried by a thread of its own, because a mount namespace belongs to the thread that has asked for it.
fn unshare_is_forbidden() -> bool {
    let tried = std::thread::spawn(|| unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS));
    tried.join().expect("a thread").is_err()
}

#[test]
fn through_overlayfs_the_pages_below_are_seen() {
    as_root(
        "overlay::through_overlayfs_the_pages_below_are_seen",
        &[""],
        |_| {
            let layers = Layers::mount("seen");
            let above = layers.above.as_fd();
            warm(&layers.below);
            assert_eq!(residency(above, 0, LENGTH), Unknown, "it may be a server's");
            let layers = layers.met();
            let above = layers.above.as_fd();
            for (offset, count) in [(0, LENGTH), (0, u64::MAX), (4097, 3), (LENGTH - 1, 1)] {
                assert_eq!(residency(above, offset, count), Likely, "{offset}+{count}");
            }
            assert_eq!(
                residency(above, LENGTH, 1),
                Resident,
                "there is nothing to wait for"
            );
            layers.cool();
            assert_eq!(residency(above, 0, LENGTH), Absent);
            layers.below.read_exact_at(&mut [0; 1], 0).expect("read");
            assert_eq!(residency(above, 0, 4096), Likely);
            assert_eq!(residency(above, 0, LENGTH), Absent, "one page is not all");
        },
    );
}

#[test]
fn through_overlayfs_what_is_in_memory_is_read_at_once() {
    let name = "overlay::through_overlayfs_what_is_in_memory_is_read_at_once";
    as_root(name, &[""], |_| {
        let layers = Layers::mount("read").met();
        let above = layers.above.as_fd();
        let bytes = pattern(LENGTH as usize);
        let mut buffer = [0; 10_000];
        layers.cool();
        assert_eq!(read_cached(above, &mut buffer, Some(0)), Err(EAGAIN));
        warm(&layers.below);
        assert_eq!(read_cached(above, &mut buffer, Some(77)), Ok(10_000));
        assert_eq!(buffer[..], bytes[77..10_077]);
        assert_eq!(fd::position(above), Ok(0));
        for at in [0, 10_000] {
            assert_eq!(read_cached(above, &mut buffer, None), Ok(10_000));
            assert_eq!(buffer[..], bytes[at..at + 10_000]);
        }
        assert_eq!(fd::position(above), Ok(20_000));
        assert_eq!(read_cached(above, &mut buffer, Some(LENGTH - 5)), Ok(5));
        assert_eq!(read_cached(above, &mut buffer, Some(LENGTH)), Ok(0));
    });
}

/// mincore(2) says of a file of another user that all of it is there.
#[test]
fn of_a_file_of_another_user_only_recent_reads_are_known() {
    let name = "overlay::of_a_file_of_another_user_only_recent_reads_are_known";
    as_root(name, &["lower", "upper"], |layer| {
        let layers = Layers::mount(&format!("theirs-{layer}"));
        let merged = layers.directory.join("merged/file");
        if layer == "upper" {
            let copied_up = File::options().append(true).open(&merged).expect("open");
            copied_up.sync_all().expect("fsync");
        }
        let file = File::open(&merged).expect("open");
        let above = file.as_fd();
        fd::status(above).expect("fstat");
        warm(&file);
        become_nobody();
        assert_eq!(residency(above, 0, LENGTH), Unknown);
        assert_eq!(read_cached(above, &mut [0; 8], Some(0)), Err(EAGAIN));

        let watch = Watch::begin(Unknown).expect("there is something to learn");
        warm(&file);
        watch.end(above, 0, 0, LENGTH);
        assert_eq!(residency(above, 0, LENGTH), Likely);
        assert!(was_read_recently(above, 0, u64::MAX));
        let mut buffer = [0; 100];
        assert_eq!(read_cached(above, &mut buffer, Some(1000)), Ok(100));
        assert_eq!(buffer[..], pattern(2000)[1000..1100]);

        forbid(Feature::Recency);
        assert_eq!(residency(above, 0, LENGTH), Unknown);
        assert!(!was_read_recently(above, 0, 1));
        was_read(above, 0, LENGTH);
    });
}

/// Ordinary filesystems, too, tell root more than others: since 6.14 cachestat(2) answers EPERM.
#[test]
fn of_a_file_of_another_user_a_missing_page_between_others_is_found() {
    let name = "overlay::of_a_file_of_another_user_a_missing_page_between_others_is_found";
    as_root(name, &[""], |_| {
        let layers = Layers::mount("hole");
        let below = layers.below.as_fd();
        fd::status(below).expect("fstat");
        become_nobody();
        warm(&layers.below);
        assert!(residency(below, 0, LENGTH).is_resident());
        layers.cool();
        // No readahead, which would fill the hole.
        posix_fadvise(below, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM).expect("fadvise");
        for (from, to) in [(0, 256 * 1024), (512 * 1024, LENGTH)] {
            let mut bytes = vec![0; (to - from) as usize];
            layers.below.read_exact_at(&mut bytes, from).expect("read");
            assert!(residency(below, from, to - from).is_resident());
        }
        assert_eq!(residency(below, 0, LENGTH), Absent);
    });
}

#[test]
fn without_mincore_the_pages_of_an_overlayfs_are_not_known() {
    let name = "overlay::without_mincore_the_pages_of_an_overlayfs_are_not_known";
    as_root(name, &[""], |_| {
        let layers = Layers::mount("no-mincore").met();
        forbid(Feature::Mincore);
        warm(&layers.below);
        assert_eq!(residency(layers.above.as_fd(), 0, LENGTH), Unknown);
        was_read(layers.above.as_fd(), 0, LENGTH);
        assert_eq!(residency(layers.above.as_fd(), 0, LENGTH), Likely);
    });
}
