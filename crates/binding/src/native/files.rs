//! The descriptors that an environment holds open, by their numbers.

use std::collections::HashMap;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use sendfile64_core::Kind;
use sendfile64_engine::{Destination, Opened};
use sendfile64_sys::fd::{self, CloseInfo, FileType};
use sendfile64_sys::fs::Filesystem;

use super::engine::lock;
use crate::codes::{filesystem_kind, kind, status as place};
use crate::marshal::records::Status;

/// EBADF: the same number on every system we know.
pub(super) const CLOSED: i32 = 9;

/// A file that transfers read from, shared with them.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) kind: Kind,
    /// On a filesystem whose server may take its time.
    pub(super) is_remote: bool,
}

/// What an environment has open, until it lets go or ends.
#[derive(Default)]
pub(super) struct Files {
    sources: Mutex<HashMap<i32, Source>>,
    destinations: Mutex<HashMap<i32, Destination>>,
    /// Opened by a thread, not taken yet.
    opened: Mutex<HashMap<u64, Opened>>,
}

impl Files {
    pub(super) fn keep(&self, fd: OwnedFd, status: &fd::Status) -> (i32, Status) {
        let number = fd.as_raw_fd();
        let source = Source {
            fd: Arc::new(fd),
            kind: kind_of(status),
            is_remote: status.filesystem == Filesystem::Remote,
        };
        lock(&self.sources).insert(number, source);
        (number, figures(status))
    }

    pub(super) fn source(&self, number: i32) -> Result<Source, i32> {
        lock(&self.sources).get(&number).cloned().ok_or(CLOSED)
    }

    /// The file position of a source or a destination.
    pub(super) fn position(&self, number: i32) -> Result<u64, i32> {
        let position = |fd| fd::position(fd).map_err(super::code);
        if let Ok(source) = self.source(number) {
            return position(source.fd.as_fd());
        }
        let destinations = lock(&self.destinations);
        position(destinations.get(&number).ok_or(CLOSED)?.as_fd())
    }

    /// Lets go of a source or a destination that no transfer has taken.
    pub(super) fn forget(&self, number: i32) -> Option<ClosingFile> {
        let source = lock(&self.sources).remove(&number).map(|source| source.fd);
        let destination = || Some(lock(&self.destinations).remove(&number)?.into_descriptor());
        source.or_else(destination).map(ClosingFile::of)
    }

    pub(super) fn expect(&self, id: u64, opened: Opened) {
        lock(&self.opened).insert(id, opened);
    }

    pub(super) fn take_opened(&self, id: u64) -> Result<(i32, Status), i32> {
        let Opened {
            fd,
            status,
            position,
        } = lock(&self.opened).remove(&id).ok_or(CLOSED)?;
        let (number, mut figures) = self.keep(fd, &status);
        figures[place::POSITION] = position.map_or(-1.0, |position| position as f64);
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

    /// Lets go of everything.
    pub(super) fn clear(&self) -> Vec<ClosingFile> {
        let opened = mem::take(&mut *lock(&self.opened)).into_values();
        let destinations = mem::take(&mut *lock(&self.destinations)).into_values();
        let sources = mem::take(&mut *lock(&self.sources)).into_values();
        opened
            .map(|opened| Arc::new(opened.fd))
            .chain(destinations.map(Destination::into_descriptor))
            .chain(sources.map(|source| source.fd))
            .map(ClosingFile::of)
            .collect()
    }
}

/// What is needed no longer, and whether its close may wait.
pub(super) struct ClosingFile {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) seen: CloseInfo,
}

impl ClosingFile {
    pub(super) fn of(fd: Arc<OwnedFd>) -> Self {
        let seen = fd::close_info(fd.as_fd());
        Self { fd, seen }
    }
}

fn kind_of(status: &fd::Status) -> Kind {
    match (status.kind, status.filesystem) {
        (FileType::Regular, Filesystem::Ordinary | Filesystem::Remote) => Kind::File,
        (FileType::StreamSocket, _) => Kind::Socket,
        (FileType::Fifo, _) => Kind::Pipe,
        // Files that the kernel makes up as they are read have that in common with devices.
        _ => Kind::Device,
    }
}

/// The figures of a source.
pub(super) fn figures(status: &fd::Status) -> Status {
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
    let status = fd::identify(fd).map_err(super::code)?;
    let flags = fd::flags(fd).map_err(super::code)?;
    let mut figures = figures_of_any(&status);
    figures[place::WRITABLE] = f64::from(u8::from(flags.writable));
    figures[place::APPENDS] = f64::from(u8::from(flags.append));
    Ok(figures)
}

fn figures_of_any(status: &fd::Status) -> Status {
    let mut figures = [0.0; place::LENGTH];
    figures[place::KIND] = kind_code(status.kind).into();
    let [size, rest] = halves(status.size);
    figures[place::SIZE] = size;
    figures[place::SIZE_REST] = rest;
    figures[place::DEVICE] = status.device as f64;
    figures[place::INODE] = status.inode as f64;
    figures
}

/// Two figures whose sum is this one: the second is 0 where a double is exact.
fn halves(bytes: u64) -> [f64; 2] {
    const LOW: u64 = 0xffff_ffff;
    let rest = if bytes > 1 << 53 { bytes & LOW } else { 0 };
    [(bytes - rest) as f64, rest as f64]
}

fn kind_code(kind: FileType) -> u8 {
    match kind {
        FileType::Regular => kind::REGULAR,
        FileType::Directory => kind::DIRECTORY,
        FileType::CharacterDevice => kind::CHARACTER_DEVICE,
        FileType::BlockDevice => kind::BLOCK_DEVICE,
        FileType::Fifo => kind::FIFO,
        FileType::StreamSocket => kind::STREAM_SOCKET,
        FileType::DatagramSocket => kind::DATAGRAM_SOCKET,
        FileType::Other => kind::OTHER,
        FileType::Terminal => kind::TERMINAL,
    }
}
