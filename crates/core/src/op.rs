//! The types that the planner and the executors share.

/// An errno value as the kernel gave it (positive). The planner never interprets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

/// The system call that moves the bytes, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// sendfile(2): the kernel moves pages from the page cache to the destination.
    Sendfile,
    /// splice(2): the kernel moves pages through a pipe.
    Splice,
    /// copy_file_range(2): the kernel or the filesystem copies from file to file.
    CopyFileRange,
    /// Read into memory, then write: works for every pair of descriptors.
    Copy,
}

/// What surrounds the range of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The bytes that go before.
    Headers,
    /// The bytes that go after.
    Trailers,
}

/// What a transfer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Readiness {
    /// The destination accepts bytes again.
    Writable,
}

/// How long nothing is to be done: until the readiness is there or the time has come, whichever is first. One of the
/// two is always given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    /// Report it by [`Transfer::handle_ready`](crate::Transfer::handle_ready).
    pub readiness: Option<Readiness>,
    /// A point in time, in the nanoseconds of the executor's clock; report it by
    /// [`Transfer::handle_time`](crate::Transfer::handle_time).
    pub until: Option<u64>,
}

/// One step that the planner asks an executor for. Counts are never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Move at most `count` bytes that start at `offset` of the source, by `method`, in one attempt. Where splice(2)
    /// needs a pipe between the two, into that pipe.
    Attempt {
        /// How to move them.
        method: Method,
        /// The first byte to move, counted from the start of the source.
        offset: u64,
        /// The most bytes to move.
        count: u64,
    },
    /// Move the `count` bytes that are in the pipe between source and destination to the destination. If that is
    /// refused, they count as never taken, and the next method reads them again.
    Drain {
        /// What the pipe holds.
        count: u64,
        /// Whether more bytes follow at once (SPLICE_F_MORE).
        more: bool,
    },
    /// Write `count` bytes of the headers or the trailers, from byte `from` of them on.
    Write {
        /// Which of the two.
        part: Part,
        /// The first byte to write, counted from the start of the part.
        from: u64,
        /// The most bytes to write: all that is left of the part.
        count: u64,
        /// Whether more bytes follow at once (MSG_MORE).
        more: bool,
    },
    /// Ask how much of what was queued the peer has not acknowledged yet, and report it by
    /// [`Transfer::handle_unacknowledged`](crate::Transfer::handle_unacknowledged).
    Confirm,
    /// Do nothing for a while.
    Wait(Wait),
    /// The transfer is over. This op never changes again.
    Finish(End),
}

/// What one attempt did: the bytes it moved and how it ended, together, because both can be true at once
/// (on FreeBSD and macOS sendfile(2) reports EAGAIN and a byte count in the same call).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Bytes the destination accepted, or the pipe, at most the `count` of the op.
    pub bytes: u64,
    /// How the attempt ended.
    pub ended: Ended,
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The call returned with bytes moved; fewer than asked for means nothing (sendfile(2): "may write fewer bytes
    /// than requested").
    Progress,
    /// The destination takes no more for now (EAGAIN).
    WouldBlock,
    /// The destination has accepted the bytes and is processing them; it reports when it accepts more. No byte was
    /// rejected, so this does not count in [`Transfer::would_block`](crate::Transfer::would_block).
    Busy,
    /// A signal came first (EINTR).
    Interrupted,
    /// The source has no byte at this offset.
    EndOfFile,
    /// The kernel will not do this pair of descriptors by this method; another method may.
    Refused(Errno),
    /// No method can go on.
    Failed(Errno),
}

/// Why a transfer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Every byte of the range was accepted.
    Done,
    /// The source ended before the range did.
    Truncated,
    /// Every method on the ladder was refused; the errno is the last refusal's.
    Refused(Errno),
    /// The kernel answered with an error that no other method avoids.
    Failed(Errno),
    /// The caller gave up.
    Aborted,
    /// The destination accepted no byte for as long as the caller was willing to wait.
    Stalled,
}
