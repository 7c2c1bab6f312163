//! The two descriptors of a transfer, the pipe between them, and the headers and trailers.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use sendfile64_core::{Errno, Kind, Method, Part, Transfer};
use sendfile64_sys::EPROTONOSUPPORT;
use sendfile64_sys::fd::pipe;
use sendfile64_sys::net::tcp;

use crate::attempt::destination::Destination;
use crate::sync::{AtomicBool, Ordering};

/// The pipe that splice(2) needs between two descriptors of which neither is one: made when it is first needed.
pub(crate) type PipeBetween = OnceLock<Result<pipe::Pair, Errno>>;

/// The bytes that go before and after the range.
#[derive(Debug, Default)]
pub struct HeadersAndTrailers {
    /// Before.
    pub headers: Vec<u8>,
    /// After.
    pub trailers: Vec<u8>,
}

impl HeadersAndTrailers {
    pub(crate) fn part(&self, part: Part) -> &[u8] {
        match part {
            Part::Headers => &self.headers,
            Part::Trailers => &self.trailers,
        }
    }
}

/// What an attempt moves bytes between; the descriptors may be anybody's.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// Where the bytes go.
    pub destination: BorrowedFd<'a>,
    /// What that is.
    pub kind: Kind,
    /// Where they come from.
    pub source: BorrowedFd<'a>,
    /// Whether the source's own file position is used and moved.
    pub own_position: bool,
    /// What goes before and after.
    pub parts: Option<&'a HeadersAndTrailers>,
    pub(crate) pipe: Option<&'a PipeBetween>,
}

impl<'a> Pair<'a> {
    /// A socket that the caller owns, for attempts on the thread of the caller.
    pub fn of_socket(destination: BorrowedFd<'a>, source: BorrowedFd<'a>) -> Self {
        Self {
            destination,
            kind: Kind::Socket,
            source,
            own_position: false,
            parts: None,
            pipe: None,
        }
    }

    /// How many bytes of a part are left from byte `from` on.
    pub(crate) fn part_left(self, part: Part, from: u64) -> u64 {
        let length = self.parts.map_or(0, |parts| parts.part(part).len() as u64);
        length.saturating_sub(from)
    }

    /// Holds partial segments back where trailers are to share one with the end of the range (tcp(7), TCP_CORK).
    /// sendfile(2) has no MSG_MORE.
    pub(crate) fn cork(self) {
        if self.kind == Kind::Socket && self.parts.is_some_and(|parts| !parts.trailers.is_empty()) {
            let _no_tcp = tcp::cork(self.destination, true);
        }
    }

    /// Lets go what [`cork`](Self::cork), MSG_MORE or SPLICE_F_MORE has held back, however the transfer has ended.
    ///
    /// Up to Linux 6.4 sendfile(2) itself sends with MSG_MORE as long as there is less than it was asked for, and does not
    /// take it back where the file ends (mended by 219d92056ba3): the end of the file would wait for 200 ms or more.
    pub fn uncork(self, transfer: &Transfer) {
        let spliced = self.pipe.is_some_and(|pipe| pipe.get().is_some());
        let short = transfer.method() == Method::Sendfile && transfer.fell_short();
        if self.kind == Kind::Socket && (spliced || short || self.parts.is_some()) {
            let _no_tcp = tcp::cork(self.destination, false);
        }
    }
}

/// The errno if the system cannot report what the peer has acknowledged. TCP_INFO of a Multipath TCP socket is that of
/// the first subflow, which may be closed while the connection is open (multipath-tcp/mptcp_net-next#21).
pub fn unconfirmable(destination: BorrowedFd<'_>) -> Option<Errno> {
    tcp::is_multipath(destination).then_some(EPROTONOSUPPORT)
}

/// The same, with descriptors of our own. Shared with the disk pool while an attempt is there.
pub(crate) struct Endpoints {
    destination: Destination,
    source: Arc<OwnedFd>,
    own_position: bool,
    parts: Option<Box<HeadersAndTrailers>>,
    pipe: PipeBetween,
    abandoned: AtomicBool,
}

impl Endpoints {
    pub(crate) fn new(
        destination: Destination,
        source: Arc<OwnedFd>,
        own_position: bool,
        parts: Option<Box<HeadersAndTrailers>>,
    ) -> Self {
        Self {
            destination,
            source,
            own_position,
            parts,
            pipe: PipeBetween::new(),
            abandoned: AtomicBool::new(false),
        }
    }

    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The transfer was given up: an attempt that another thread has not begun yet is not made.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// The two descriptors, for an attempt.
    pub(crate) fn pair(&self) -> Pair<'_> {
        Pair {
            destination: self.destination.as_fd(),
            kind: self.destination.kind(),
            source: self.source.as_fd(),
            own_position: self.own_position,
            parts: self.parts.as_deref(),
            pipe: Some(&self.pipe),
        }
    }
}
