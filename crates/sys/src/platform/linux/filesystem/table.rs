//! The known filesystems of this process, by the locations of their files.
//!
//! From Linux 6.8 on, the kernel describes a mount without asking its server (statmount(2)). Otherwise a thread that
//! may wait asks once; until then, attempts on files of this location are made by that thread.
//!
//! The table stays valid when filesystems are mounted and unmounted. A permanent mount id (Linux 6.8) is never reused.
//! Device numbers and older mount ids are, so everything is forgotten when the table of mounts has changed, which
//! poll(2) of /proc/self/mountinfo reports (proc_pid_mountinfo(5)) without reading it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::mounts::{self, Local, Mounts};
use super::named;
use super::statx::{self, Location};
use crate::fs::Filesystem;

/// The greatest number of locations that are remembered at a time; a container host has a mount for each container.
const MOST: usize = 256;

/// So long the table of mounts is not read again: where mounts come and go all the time, it is not worth it.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Table {
    locations: Vec<(Location, Filesystem)>,
    /// The table of mounts, to watch it.
    mounts: Option<File>,
    /// How often it has changed.
    changes: u64,
    /// The answer of the table of mounts; `None` if the table has changed or has not been read.
    local: Option<Local>,
    /// When it was read last.
    read: Option<Instant>,
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    locations: Vec::new(),
    mounts: None,
    changes: 0,
    local: None,
    read: None,
});

fn table() -> MutexGuard<'static, Table> {
    // No code runs while the lock is held that could leave the data half changed.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The filesystem of this location if it is remembered or the kernel describes it; no server is asked.
pub(in crate::platform::linux) fn lookup(location: Location) -> Option<Filesystem> {
    if let Some(known) = table().find(location) {
        return Some(known);
    }
    let found = location
        .is_permanent
        .then(|| statx::statmount(location.mount))
        .flatten()?;
    let filesystem = if mounts::is_remote_name(&found.name) {
        Filesystem::Remote
    } else {
        named(found.magic)
    };
    table().remember(location, filesystem);
    Some(filesystem)
}

/// Which paths lead to no server, by the mounts that this process sees. It costs one poll(2), which looks at none of the
/// mounts; their table is read when it has changed.
pub(super) fn local() -> Local {
    if let Some(answer) = table().local() {
        return answer;
    }
    // Outside of the lock, so that a lookup does not wait.
    let Ok(Mounts { file, text }) = mounts::read() else {
        return Local::Unknown;
    };
    let answer = mounts::local(&text);
    table().watch(file, answer);
    answer
}

/// Of all locations with this device.
pub(super) fn is_ordinary(device: u64) -> bool {
    let table = table();
    let mut here = table
        .locations
        .iter()
        .filter(|(location, _)| location.device == device)
        .map(|(_, filesystem)| *filesystem)
        .peekable();
    here.peek().is_some() && here.all(|filesystem| filesystem == Filesystem::Ordinary)
}

/// Asks for the filesystem of `file`, and remembers the answer. The lock is not held meanwhile.
pub(super) fn learn(file: BorrowedFd<'_>, ask: impl FnOnce() -> Filesystem) -> Filesystem {
    let Ok(seen) = statx::inspect(file) else {
        return ask();
    };
    if !seen.location.is_permanent {
        local(); // the table of mounts is watched from now on
    }
    let before = table().looked_for_changes(seen.location);
    let found = ask();
    let mut table = table();
    if before.is_some() && table.looked_for_changes(seen.location) == before {
        table.remember(seen.location, found);
    }
    found
}

/// Whether mountinfo gives the filesystem of this device the name of a remote one.
pub(super) fn has_remote_name(device: u64) -> bool {
    mounts::read().is_ok_and(|mounts| mounts::names_remote(&mounts.text, device))
}

impl Table {
    fn find(&mut self, location: Location) -> Option<Filesystem> {
        if !location.is_permanent {
            self.look_for_changes();
        }
        let known = self.locations.iter().find(|(known, _)| *known == location);
        known.map(|(_, filesystem)| *filesystem)
    }

    /// What the table of mounts says; `None` if it is to be read.
    fn local(&mut self) -> Option<Local> {
        let rests = self.read.is_some_and(|read| read.elapsed() < PAUSE);
        if rests && matches!(self.local, None | Some(Local::Unknown)) {
            return Some(Local::Unknown);
        }
        if self.local.is_some() {
            self.look_for_changes();
        }
        match self.local {
            None if rests => Some(Local::Unknown),
            None | Some(Local::Unknown) => {
                self.read = Some(Instant::now());
                self.local
            }
            answer => answer,
        }
    }

    /// From now on, changes are those of this table.
    fn watch(&mut self, mounts: File, local: Local) {
        self.mounts = Some(mounts);
        self.forget();
        self.local = Some(local);
    }

    fn forget(&mut self) {
        self.locations.retain(|(location, _)| location.is_permanent);
        self.changes += 1;
        self.local = None;
    }

    /// Forgets everything if a filesystem has been mounted or unmounted, or if changes cannot be detected.
    fn look_for_changes(&mut self) {
        let is_as_before = self.mounts.as_ref().is_some_and(|mounts| {
            let mut watched = [PollFd::new(mounts.as_fd(), PollFlags::POLLPRI)];
            poll(&mut watched, PollTimeout::ZERO) == Ok(0)
        });
        if !is_as_before {
            self.forget();
        }
    }

    /// The number of changes of the mounts, for a location whose id can be reused; `None` if changes cannot be
    /// detected.
    fn looked_for_changes(&mut self, location: Location) -> Option<u64> {
        if location.is_permanent {
            return Some(0);
        }
        self.look_for_changes();
        self.mounts.is_some().then_some(self.changes)
    }

    fn remember(&mut self, location: Location, filesystem: Filesystem) {
        self.locations.retain(|(known, _)| *known != location);
        if self.locations.len() >= MOST {
            self.locations.remove(0);
        }
        self.locations.push((location, filesystem));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_with_a_reusable_id_is_forgotten_if_changes_cannot_be_detected() {
        let passing = Location {
            device: 1,
            mount: 2,
            is_permanent: false,
        };
        let permanent = Location {
            is_permanent: true,
            ..passing
        };
        let mut table = Table::default();
        assert_eq!(table.looked_for_changes(passing), None);
        assert_eq!(table.looked_for_changes(permanent), Some(0));
        table.remember(passing, Filesystem::Ordinary);
        table.remember(permanent, Filesystem::Remote);
        table.look_for_changes();
        assert_eq!(table.locations, [(permanent, Filesystem::Remote)]);
    }

    #[test]
    fn a_location_with_a_reusable_id_is_remembered_while_the_mounts_stay() {
        let location = Location {
            device: 1,
            mount: 2,
            is_permanent: false,
        };
        let mut table = Table {
            mounts: mounts::read().ok().map(|mounts| mounts.file),
            ..Table::default()
        };
        let before = table.looked_for_changes(location);
        assert!(before.is_some());
        table.remember(location, Filesystem::Ordinary);
        assert_eq!(table.looked_for_changes(location), before);
        assert_eq!(table.locations, [(location, Filesystem::Ordinary)]);
    }

    #[test]
    fn the_table_is_read_once_and_then_watched() {
        let mut table = Table::default();
        assert_eq!(table.local(), None, "to be read");
        assert_eq!(
            table.local(),
            Some(Local::Unknown),
            "a reader holds the table"
        );
        let Mounts { file, .. } = mounts::read().expect("a table of mounts");
        table.watch(file, Local::All);
        assert_eq!(table.local(), Some(Local::All));
        table.mounts = None; // as if it had changed
        assert_eq!(table.local(), Some(Local::Unknown), "read a moment ago");
        table.read = Instant::now().checked_sub(PAUSE);
        assert_eq!(table.local(), None);
    }

    #[test]
    fn a_table_with_a_server_is_not_read_again_before_it_changes() {
        let mut table = Table::default();
        let Mounts { file, .. } = mounts::read().expect("a table of mounts");
        table.watch(file, Local::Unknown);
        table.read = Instant::now().checked_sub(PAUSE);
        assert_eq!(table.local(), Some(Local::Unknown));
        table.read = Instant::now().checked_sub(PAUSE);
        table.mounts = None; // as if it had changed
        assert_eq!(table.local(), None);
    }
}
