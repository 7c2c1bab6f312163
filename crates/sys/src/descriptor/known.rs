//! What is known of the filesystems of this process, by the places of their files.
//!
//! From Linux 6.8 on, the kernel tells of a mount without its server (statmount(2)). Otherwise a thread that may wait asks
//! once, and the files of this place go by the thread until then.
//!
//! It stays right although filesystems come and go: a place with a lasting mount id (Linux 6.8) never stands for another
//! filesystem. Before, device numbers and mount ids are given out again, so everything is forgotten whenever the table of
//! mounts has changed, which poll(2) of /proc/self/mountinfo tells (proc_pid_mountinfo(5)) without a look at any of them.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::filesystem::{Filesystem, named};
use super::place::{self, Place};

/// More places than that are not remembered at a time; a container host has a mount for each container.
const MOST: usize = 256;

/// The types of Docker Desktop's shared folders: their numbers are in no list.
const REMOTE_NAMES: [&str; 3] = ["fakeowner", "grpcfuse", "osxfs"];

const MOUNTS: &str = "/proc/self/mountinfo";

#[derive(Default)]
struct Table {
    places: Vec<(Place, Filesystem)>,
    /// The table of mounts, where places do not last.
    mounts: Option<File>,
    /// How often it has changed.
    changes: u64,
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    places: Vec::new(),
    mounts: None,
    changes: 0,
});

fn table() -> MutexGuard<'static, Table> {
    // No code runs while the lock is held that could leave the data half changed.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is remembered of this place, or told by the kernel alone; no server is asked.
pub(super) fn remembered(place: Place) -> Option<Filesystem> {
    if let Some(known) = table().find(place) {
        return Some(known);
    }
    let told = place.lasts.then(|| place::mounted(place.mount)).flatten()?;
    let filesystem = if REMOTE_NAMES.contains(&told.name.as_str()) {
        Filesystem::Remote
    } else {
        named(told.magic)
    };
    table().remember(place, filesystem);
    Some(filesystem)
}

/// Of all places with this device.
pub(super) fn is_ordinary(device: u64) -> bool {
    let table = table();
    let mut here = table
        .places
        .iter()
        .filter(|(place, _)| place.device == device)
        .map(|(_, filesystem)| *filesystem)
        .peekable();
    here.peek().is_some() && here.all(|filesystem| filesystem == Filesystem::Ordinary)
}

/// Asks for the filesystem of `file`, and remembers the answer. The lock is not held meanwhile.
pub(super) fn learn(file: BorrowedFd<'_>, ask: impl FnOnce() -> Filesystem) -> Filesystem {
    let Ok(seen) = place::look(file) else {
        return ask();
    };
    if !seen.place.lasts {
        // Outside of the lock: whoever looks something up waits for nothing.
        let opened = table().mounts.is_none().then(|| File::open(MOUNTS));
        if let Some(Ok(mounts)) = opened {
            table().mounts.get_or_insert(mounts);
        }
    }
    let before = table().looked_for_changes(seen.place);
    let found = ask();
    let mut table = table();
    if before.is_some() && table.looked_for_changes(seen.place) == before {
        table.remember(seen.place, found);
    }
    found
}

/// Whether mountinfo gives the filesystem of this device a name of [`REMOTE_NAMES`].
pub(super) fn has_remote_name(device: u64) -> bool {
    fs::read_to_string(MOUNTS).is_ok_and(|mounts| names_remote(&mounts, device))
}

/// By proc_pid_mountinfo(5): "36 35 98:0 /root /point options tags - type source options".
fn names_remote(mounts: &str, device: u64) -> bool {
    let (major, minor) = (nix::libc::major(device), nix::libc::minor(device));
    let device = format!("{major}:{minor}");
    mounts.lines().any(|line| {
        let is_here = line.split(' ').nth(2) == Some(&device);
        let name = line
            .split_once(" - ")
            .and_then(|(_, rest)| rest.split(' ').next());
        is_here && name.is_some_and(|name| REMOTE_NAMES.contains(&name))
    })
}

impl Table {
    fn find(&mut self, place: Place) -> Option<Filesystem> {
        if !place.lasts {
            self.look_for_changes();
        }
        let known = self.places.iter().find(|(known, _)| *known == place);
        known.map(|(_, filesystem)| *filesystem)
    }

    /// Forgets everything if a filesystem has been mounted or unmounted, or nobody can tell.
    fn look_for_changes(&mut self) {
        let is_as_before = self.mounts.as_ref().is_some_and(|mounts| {
            let mut watched = [PollFd::new(mounts.as_fd(), PollFlags::POLLPRI)];
            poll(&mut watched, PollTimeout::ZERO) == Ok(0)
        });
        if !is_as_before {
            self.places.retain(|(place, _)| place.lasts);
            self.changes += 1;
        }
    }

    /// How often the mounts have changed, for a place to which that matters; `None` where nobody could tell.
    fn looked_for_changes(&mut self, place: Place) -> Option<u64> {
        if place.lasts {
            return Some(0);
        }
        self.look_for_changes();
        self.mounts.is_some().then_some(self.changes)
    }

    fn remember(&mut self, place: Place, filesystem: Filesystem) {
        self.places.retain(|(known, _)| *known != place);
        if self.places.len() >= MOST {
            self.places.remove(0);
        }
        self.places.push((place, filesystem));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = "\
        23 28 0:21 / /sys rw,relatime shared:7 - sysfs sysfs rw\n\
        31 28 254:1 /a\\040b / rw shared:1 master:2 - ext4 /dev/vda1 rw\n\
        612 598 0:52 /Users /Users rw,relatime - fakeowner grpcfuse rw\n";

    #[test]
    fn the_shared_folders_of_docker_desktop_are_known_by_their_names() {
        assert!(names_remote(SHARED, nix::libc::makedev(0, 52)));
        assert!(!names_remote(SHARED, nix::libc::makedev(0, 21)));
        assert!(!names_remote(SHARED, nix::libc::makedev(254, 1)));
        assert!(!names_remote(SHARED, nix::libc::makedev(0, 5)));
        assert!(!names_remote(SHARED, nix::libc::makedev(0, 521)));
    }

    #[test]
    fn a_place_that_does_not_last_is_forgotten_when_nobody_can_tell_of_changes() {
        let passing = Place {
            device: 1,
            mount: 2,
            lasts: false,
        };
        let lasting = Place {
            lasts: true,
            ..passing
        };
        let mut table = Table::default();
        assert_eq!(table.looked_for_changes(passing), None);
        assert_eq!(table.looked_for_changes(lasting), Some(0));
        table.remember(passing, Filesystem::Ordinary);
        table.remember(lasting, Filesystem::Remote);
        table.look_for_changes();
        assert_eq!(table.places, [(lasting, Filesystem::Remote)]);
    }

    #[test]
    fn a_place_that_does_not_last_is_remembered_while_the_mounts_stay() {
        let place = Place {
            device: 1,
            mount: 2,
            lasts: false,
        };
        let mut table = Table {
            mounts: File::open(MOUNTS).ok(),
            ..Table::default()
        };
        let before = table.looked_for_changes(place);
        assert!(before.is_some());
        table.remember(place, Filesystem::Ordinary);
        assert_eq!(table.looked_for_changes(place), before);
        assert_eq!(table.places, [(place, Filesystem::Ordinary)]);
    }
}
