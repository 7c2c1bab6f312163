//! The descriptors that an environment holds open, by their numbers.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use sendfile64_core::Kind;
use sendfile64_engine::Destination;
use sendfile64_sys::descriptor::{self, Filesystem, Kind as Found, Known};

use super::shared::lock;

/// EBADF: the same number on every system we know.
pub(super) const CLOSED: i32 = 9;

/// Kind, size, device, inode, filesystem: see `Environment::open_cached`.
pub type Status = [f64; 5];

/// The same and the file position: see `Environment::adopt`.
pub type PlacedStatus = [f64; 6];

/// Kind, size, device, inode and flags: see `Environment::adopt_destination`.
pub type DestinationStatus = [f64; 5];

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
    opened: Mutex<HashMap<u64, OwnedFd>>,
}

impl Files {
    pub(super) fn keep(&self, fd: OwnedFd, known: Option<Known>) -> Result<(i32, Status), i32> {
        let status = descriptor::status_again(fd.as_fd(), known).map_err(super::code)?;
        let number = fd.as_raw_fd();
        let source = Source {
            fd: Arc::new(fd),
            kind: kind_of(&status),
        };
        lock(&self.sources).insert(number, source);
        Ok((number, figures(&status)))
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
    pub(super) fn forget(&self, number: i32) {
        lock(&self.sources).remove(&number);
        lock(&self.destinations).remove(&number);
    }

    pub(super) fn expect(&self, id: u64, fd: OwnedFd) {
        lock(&self.opened).insert(id, fd);
    }

    pub(super) fn take_opened(&self, id: u64) -> Result<(i32, Status), i32> {
        let opened = lock(&self.opened).remove(&id);
        self.keep(opened.ok_or(CLOSED)?, None)
    }

    pub(super) fn keep_destination(&self, fd: OwnedFd) -> Result<(i32, DestinationStatus), i32> {
        let status = destination_status(fd.as_fd())?;
        let destination = Destination::of(fd).map_err(super::code)?;
        let number = destination.as_fd().as_raw_fd();
        lock(&self.destinations).insert(number, destination);
        Ok((number, status))
    }

    pub(super) fn take_destination(&self, number: i32) -> Result<Destination, i32> {
        lock(&self.destinations).remove(&number).ok_or(CLOSED)
    }

    pub(super) fn clear(&self) {
        lock(&self.opened).clear();
        lock(&self.sources).clear();
        lock(&self.destinations).clear();
    }
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

/// Inexact above 2^53, as in fs.Stats.
pub(super) fn figures(status: &descriptor::Status) -> Status {
    let filesystem = match status.filesystem {
        Filesystem::Ordinary => 0.0,
        Filesystem::Remote => 1.0,
        Filesystem::Pseudo => 2.0,
    };
    [
        kind_code(status.kind),
        status.size as f64,
        status.device as f64,
        status.inode as f64,
        filesystem,
    ]
}

fn destination_status(fd: BorrowedFd<'_>) -> Result<DestinationStatus, i32> {
    let status = descriptor::status(fd).map_err(super::code)?;
    let flags = descriptor::flags(fd).map_err(super::code)?;
    Ok([
        kind_code(status.kind),
        status.size as f64,
        status.device as f64,
        status.inode as f64,
        f64::from(u8::from(flags.writable) + 2 * u8::from(flags.append)),
    ])
}

fn kind_code(kind: Found) -> f64 {
    match kind {
        Found::Regular => 0.0,
        Found::Directory => 1.0,
        Found::CharacterDevice => 2.0,
        Found::BlockDevice => 3.0,
        Found::Fifo => 4.0,
        Found::StreamSocket => 5.0,
        Found::DatagramSocket => 6.0,
        Found::Other => 7.0,
        Found::Terminal => 8.0,
    }
}
