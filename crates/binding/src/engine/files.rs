//! The descriptors that an environment holds open, by their numbers.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use sendfile64_core::Kind;
use sendfile64_engine::Destination;
use sendfile64_sys::descriptor::{self, Filesystem, Kind as Found, Parting};

use super::shared::lock;
use crate::codes::{filesystem_kind, kind, status as place};
use crate::records::Status;

/// EBADF: the same number on every system we know.
pub(super) const CLOSED: i32 = 9;

/// A file that transfers read from, shared with them.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) kind: Kind,
}

/// What an environment has open, until it lets go or ends.
#[derive(Default)]
pub(super) struct Files {
    sources: Mutex<HashMap<i32, Source>>,
    destinations: Mutex<HashMap<i32, Destination>>,
    /// Opened by a thread, not taken yet.
    opened: Mutex<HashMap<u64, (OwnedFd, descriptor::Status)>>,
}

impl Files {
    pub(super) fn keep(&self, fd: OwnedFd, status: &descriptor::Status) -> (i32, Status) {
        let number = fd.as_raw_fd();
        let source = Source {
            fd: Arc::new(fd),
            kind: kind_of(status),
        };
        lock(&self.sources).insert(number, source);
        (number, figures(status))
    }

    pub(super) fn source(&self, number: i32) -> Result<Source, i32> {
        lock(&self.sources).get(&number).cloned().ok_or(CLOSED)
    }

    /// The file position of a source or a destination.
    pub(super) fn position(&self, number: i32) -> Result<u64, i32> {
        let position = |fd| descriptor::position(fd).map_err(super::code);
        if let Ok(source) = self.source(number) {
            return position(source.fd.as_fd());
        }
        let destinations = lock(&self.destinations);
        position(destinations.get(&number).ok_or(CLOSED)?.as_fd())
    }

    /// Lets go of a source or a destination that no transfer has taken.
    pub(super) fn forget(&self, number: i32) -> Option<Parted> {
        lock(&self.destinations).remove(&number);
        lock(&self.sources)
            .remove(&number)
            .map(|source| Parted::of(source.fd))
    }

    pub(super) fn expect(&self, id: u64, opened: (OwnedFd, descriptor::Status)) {
        lock(&self.opened).insert(id, opened);
    }

    pub(super) fn take_opened(&self, id: u64) -> Result<(i32, Status), i32> {
        let (fd, status) = lock(&self.opened).remove(&id).ok_or(CLOSED)?;
        let position = place_of(fd.as_fd());
        let (number, mut figures) = self.keep(fd, &status);
        figures[place::POSITION] = position;
        Ok((number, figures))
    }

    pub(super) fn keep_destination(&self, fd: OwnedFd) -> Result<(i32, Status), i32> {
        let status = destination_status(fd.as_fd())?;
        let destination = Destination::of(fd).map_err(super::code)?;
        let number = destination.as_fd().as_raw_fd();
        lock(&self.destinations).insert(number, destination);
        Ok((number, status))
    }

    pub(super) fn take_destination(&self, number: i32) -> Result<Destination, i32> {
        lock(&self.destinations).remove(&number).ok_or(CLOSED)
    }

    /// Lets go of everything; the sources are returned.
    pub(super) fn clear(&self) -> Vec<Parted> {
        lock(&self.opened).clear();
        lock(&self.destinations).clear();
        lock(&self.sources)
            .drain()
            .map(|(_, source)| Parted::of(source.fd))
            .collect()
    }
}

/// A source that is needed no longer, and whether its close may wait.
pub(super) struct Parted {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) seen: Parting,
}

impl Parted {
    pub(super) fn of(fd: Arc<OwnedFd>) -> Self {
        let seen = descriptor::parting(fd.as_fd());
        Self { fd, seen }
    }
}

/// The file position, below 0 where there is none.
pub(super) fn place_of(fd: BorrowedFd<'_>) -> f64 {
    descriptor::position(fd).map_or(-1.0, |position| position as f64)
}

fn kind_of(status: &descriptor::Status) -> Kind {
    match (status.kind, status.filesystem) {
        (Found::Regular, Filesystem::Ordinary | Filesystem::Remote) => Kind::File,
        (Found::StreamSocket, _) => Kind::Socket,
        (Found::Fifo, _) => Kind::Pipe,
        // Files that the kernel makes up as they are read have that in common with devices.
        _ => Kind::Device,
    }
}

/// The figures of a source.
pub(super) fn figures(status: &descriptor::Status) -> Status {
    let filesystem = match status.filesystem {
        Filesystem::Ordinary => filesystem_kind::ORDINARY,
        Filesystem::Remote => filesystem_kind::REMOTE,
        Filesystem::Pseudo => filesystem_kind::PSEUDO,
    };
    let mut figures = figures_of_any(status);
    figures[place::FILESYSTEM] = filesystem.into();
    figures
}

fn destination_status(fd: BorrowedFd<'_>) -> Result<Status, i32> {
    let status = descriptor::identify(fd).map_err(super::code)?;
    let flags = descriptor::flags(fd).map_err(super::code)?;
    let mut figures = figures_of_any(&status);
    figures[place::WRITABLE] = f64::from(u8::from(flags.writable));
    figures[place::APPENDS] = f64::from(u8::from(flags.append));
    Ok(figures)
}

fn figures_of_any(status: &descriptor::Status) -> Status {
    let mut figures = [0.0; place::LENGTH];
    figures[place::KIND] = kind_code(status.kind).into();
    figures[place::SIZE] = status.size as f64;
    figures[place::DEVICE] = status.device as f64;
    figures[place::INODE] = status.inode as f64;
    figures
}

fn kind_code(kind: Found) -> u8 {
    match kind {
        Found::Regular => kind::REGULAR,
        Found::Directory => kind::DIRECTORY,
        Found::CharacterDevice => kind::CHARACTER_DEVICE,
        Found::BlockDevice => kind::BLOCK_DEVICE,
        Found::Fifo => kind::FIFO,
        Found::StreamSocket => kind::STREAM_SOCKET,
        Found::DatagramSocket => kind::DATAGRAM_SOCKET,
        Found::Other => kind::OTHER,
        Found::Terminal => kind::TERMINAL,
    }
}
