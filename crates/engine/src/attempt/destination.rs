//! The type of a destination, and which methods can be attempted on it without blocking on its reader.
//!
//! O_NONBLOCK belongs to the open file description, which other processes may share (a pipe or terminal that was
//! inherited), so it is never changed. A pipe or terminal is reopened instead: that description belongs to the transfer.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use sendfile64_core::{Errno, Kind, Ladder, Method};
use sendfile64_sys::fd::{self, FileType};
use sendfile64_sys::{EAGAIN, ENXIO, EPIPE};

/// Which methods the caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The best ones for the pair, one after the other.
    Auto,
    /// This one or none.
    Only(Method),
    /// This one first, then the others.
    Prefer(Method),
}

impl Choice {
    /// The methods to move bytes from one kind of descriptor to another.
    pub fn ladder(self, source: Kind, destination: Kind) -> Ladder {
        match self {
            Self::Auto => Ladder::between(source, destination),
            Self::Only(method) => Ladder::only(method),
            Self::Prefer(method) => Ladder::between(source, destination).preferring(method),
        }
    }
}

/// Where the bytes go. A clone refers to the same descriptor; dropping the last clone closes it.
#[derive(Clone, Debug)]
pub struct Destination {
    fd: Arc<OwnedFd>,
    kind: Kind,
    allowed: Allowed,
    waits_for_disk: bool,
}

/// Which methods never wait for the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    All,
    /// The descriptor is in blocking mode, but this method has a flag for a non-blocking call.
    Only(Method),
    /// The descriptor is in blocking mode, and no method has such a flag.
    Nothing,
}

impl Destination {
    /// A stream socket that is known to be one, in non-blocking mode.
    pub fn socket(fd: OwnedFd) -> Self {
        Self {
            fd: Arc::new(fd),
            kind: Kind::Socket,
            allowed: Allowed::All,
            waits_for_disk: false,
        }
    }

    /// Whatever the descriptor is. Its number is ours; the description behind it may be shared.
    ///
    /// # Errors
    /// Those of fstat(2) and fcntl(2); EPIPE for a FIFO in blocking mode without a reader.
    pub fn of(fd: OwnedFd) -> Result<Self, Errno> {
        let nonblocking = fd::flags(fd.as_fd())?.nonblocking;
        let blocking = |allowed| if nonblocking { Allowed::All } else { allowed };
        let (kind, allowed, waits_for_disk) = match fd::identify(fd.as_fd())?.kind {
            FileType::Regular => (Kind::File, Allowed::All, true),
            // send(2) takes MSG_DONTWAIT; sendfile(2) and splice(2) go by O_NONBLOCK.
            FileType::StreamSocket => (Kind::Socket, blocking(Allowed::Only(Method::Copy)), false),
            // splice(2) takes SPLICE_F_NONBLOCK.
            FileType::Fifo => (Kind::Pipe, blocking(Allowed::Only(Method::Splice)), false),
            FileType::Terminal => (Kind::Device, blocking(Allowed::Nothing), false),
            // There is no reader at the other end: a device waits for its hardware, as a disk does.
            _ => (Kind::Device, Allowed::All, true),
        };
        let reopens = kind == Kind::Pipe || (kind == Kind::Device && !waits_for_disk);
        let own = reopens.then(|| fd::reopen_for_writing(fd.as_fd()));
        match own {
            Some(Ok(own)) => Ok(Self {
                fd: Arc::new(own),
                kind,
                allowed: Allowed::All,
                waits_for_disk,
            }),
            // It takes no byte. Found out by an attempt, a reader that comes in between could make that wait.
            Some(Err(ENXIO)) if kind == Kind::Pipe && !nonblocking => Err(EPIPE),
            _ => Ok(Self {
                fd: Arc::new(fd),
                kind,
                allowed,
                waits_for_disk,
            }),
        }
    }

    /// What it stands for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The methods to move bytes of a source to it, and the errno if all of them are refused already: EAGAIN, because
    /// they would wait. `writes`: something goes before or after these bytes, by write(2).
    pub fn ladder(&self, source: Kind, choice: Choice, writes: bool) -> (Ladder, Option<Errno>) {
        let ladder = choice.ladder(source, self.kind);
        match self.allowed {
            Allowed::All => (ladder, None),
            Allowed::Only(Method::Splice) if writes => (ladder, Some(EAGAIN)),
            Allowed::Only(method) if ladder.method() == method => (Ladder::only(method), None),
            Allowed::Only(method) if !matches!(choice, Choice::Only(_)) => {
                (Ladder::refused(ladder.method(), EAGAIN, method), None)
            }
            Allowed::Only(_) | Allowed::Nothing => (ladder, Some(EAGAIN)),
        }
    }

    /// The descriptor, to close it where that may wait.
    pub fn into_descriptor(self) -> Arc<OwnedFd> {
        self.fd
    }

    pub(crate) fn waits_for_disk(&self) -> bool {
        self.waits_for_disk
    }
}

impl AsFd for Destination {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
