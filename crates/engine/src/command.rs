//! What crosses the border of the engine: commands in, events out.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use sendfile64_core::{End, Errno, Method, Transfer};
use sendfile64_sys::fd::Status;

use crate::attempt::destination::Destination;
use crate::attempt::endpoints::HeadersAndTrailers;
use crate::attempt::inline::Attempts;
use crate::transfer::limits::Limits;

/// Names a transfer; unique among all transfers of one engine that have not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(pub u64);

/// The owner of transfers and opens, which can be [cancelled](crate::Engine::cancel) together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(pub u64);

/// One transfer, with everything the engine needs to run it.
pub struct Command {
    /// The name under which it can be aborted.
    pub id: TransferId,
    /// Whose it is.
    pub owner: OwnerId,
    /// Where the bytes go: a duplicate that belongs to the transfer. The engine registers it, and closes it unless
    /// there is a clone.
    pub destination: Destination,
    /// A regular file or a device, open for reading.
    pub source: Arc<OwnedFd>,
    /// Whether any question about the source may wait, for the server of its filesystem: then each attempt is made by a
    /// thread that may.
    pub source_waits: bool,
    /// The headers and trailers. Their lengths are those in the request of the planner.
    pub parts: Option<Box<HeadersAndTrailers>>,
    /// Whether the source's own file position is used and moved (sendfile(2), `offset` NULL). The transfer's range
    /// must start at that position.
    pub own_position: bool,
    /// The planner, in any state.
    pub transfer: Transfer,
    /// What bounds its speed beside the planner's own rate.
    pub limits: Limits,
    /// What [`attempt_now`](crate::attempt_now) has done before; `None` if it was not called.
    pub made: Option<Attempts>,
    /// The least time between two [`Event::Progress`]; zero for none at all.
    pub progress_interval: Duration,
    /// Receives the events of the transfer.
    pub sink: Arc<dyn Sink>,
}

/// What [`Engine::start`](crate::Engine::start) did with a command.
#[derive(Clone, Debug)]
pub enum Started {
    /// The transfer is over and its descriptors are released. The sink receives no event.
    Finished(Box<Completion>),
    /// The transfer continues. The sink receives the completion.
    Queued,
}

/// How a transfer is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// The destination is let go as it is. The connection stays usable, and a reset that its owner asked for is not
    /// turned into an orderly end.
    Release,
    /// The destination is shut down in both directions first: its owner has closed it, and our duplicate must not keep
    /// the end of the connection from the peer.
    Shutdown,
}

/// Hears what becomes of transfers and opens.
pub trait Sink: Send + Sync {
    /// Takes an event. Called on the engine's threads: it must not block, nor call into the engine.
    fn deliver(&self, event: Event);
}

/// An event for a [`Sink`].
#[derive(Debug)]
pub enum Event {
    /// A transfer is over. The last event of that transfer.
    Completed(Box<Completion>),
    /// A transfer has moved bytes since the last report, at most one per
    /// [`progress_interval`](Command::progress_interval).
    Progress {
        /// Which one.
        id: TransferId,
        /// Bytes that its destination has accepted so far.
        bytes_sent: u64,
        /// The method in use.
        method: Method,
    },
    /// An [open](crate::Engine::open) has been answered.
    Opened {
        /// The name given to it.
        id: u64,
        /// The open file, or the errno.
        result: Result<Opened, Errno>,
    },
}

/// What a thread that may wait has opened or looked at.
#[derive(Debug)]
pub struct Opened {
    /// The open file.
    pub fd: OwnedFd,
    /// What it is.
    pub status: Status,
    /// The file position in bytes; `None` where there is none.
    pub position: Option<u64>,
}

/// The end of a transfer. When it exists, the engine holds neither of the transfer's descriptors any more.
#[derive(Clone, Debug)]
pub struct Completion {
    /// Which one.
    pub id: TransferId,
    /// Its final state: bytes, method, fallbacks.
    pub transfer: Transfer,
    /// How it ended.
    pub end: End,
    /// How many system calls moved its bytes or tried to.
    pub syscalls: u64,
    /// The last of them: where the end is the kernel's answer, the call that it answered.
    pub call: Call,
}

/// A system call that moves bytes, or one that a transfer needs beside those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// sendfile(2).
    Sendfile,
    /// splice(2).
    Splice,
    /// copy_file_range(2).
    CopyFileRange,
    /// pread(2) of the source, half of a copy.
    Read,
    /// send(2) or write(2) to the destination, the other half; or of what surrounds the range.
    Write,
    /// getsockopt(2) with TCP_INFO: what the peer has acknowledged.
    GetTcpInfo,
    /// fcntl(2) with F_DUPFD_CLOEXEC: a descriptor of the transfer's own.
    Duplicate,
    /// pipe2(2): the pipe between of a splice.
    Pipe,
    /// epoll_create(2) or kqueue(2).
    CreatePoller,
    /// eventfd(2), or what wakes a poller elsewhere.
    CreateWaker,
    /// epoll_ctl(2) or kevent(2).
    Watch,
    /// epoll_wait(2) or kevent(2).
    Poll,
    /// pthread_create(3).
    CreateThread,
}

impl Call {
    /// Whether it provides what a transfer needs beside its range: if it fails, the pair of source and destination is not
    /// at fault, and another executor may go on.
    pub fn provides(self) -> bool {
        matches!(
            self,
            Self::Duplicate
                | Self::Pipe
                | Self::CreatePoller
                | Self::CreateWaker
                | Self::Watch
                | Self::CreateThread
        )
    }
}
