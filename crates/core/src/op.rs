//! The words that planner and executors share.

/// An errno value as the kernel gave it (positive). The planner never interprets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

/// The system call that moves the bytes, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// sendfile(2): the kernel moves pages from the page cache to the destination.
    Sendfile,
    /// Read into memory, then write: works for every pair of descriptors.
    Copy,
}

/// What a transfer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Readiness {
    /// The destination accepts bytes again.
    Writable,
}

/// One step that the planner asks an executor for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Move at most `count` bytes (never 0) that start at `offset` of the source, by `method`, in one attempt.
    Attempt {
        /// How to move them.
        method: Method,
        /// The first byte to move, counted from the start of the source.
        offset: u64,
        /// The most bytes to move.
        count: u64,
    },
    /// Do nothing until the readiness is there, then call [`Transfer::handle_ready`](crate::Transfer::handle_ready).
    Wait(Readiness),
    /// The transfer is over. This op never changes again.
    Finish(End),
}

/// What one attempt did: the bytes it moved and how it ended, together, because both can be true at once
/// (on FreeBSD and macOS sendfile(2) reports EAGAIN and a byte count in the same call).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Bytes the destination accepted, at most the `count` of the attempt.
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
}
