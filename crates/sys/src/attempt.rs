//! The answer of one call, as an outcome.

use nix::errno::Errno as NixErrno;
use sendfile64_core::{Ended, Outcome};

/// An attempt that moved no byte.
pub(crate) fn nothing(ended: Ended) -> Outcome {
    Outcome { bytes: 0, ended }
}

/// An attempt by a call that moves at most `count` bytes from a source and gives bytes or an error, never both: none of
/// some bytes is the end of the source.
pub(crate) fn outcome(
    result: Result<usize, NixErrno>,
    count: u64,
    of_errno: fn(NixErrno) -> Ended,
) -> Outcome {
    match result {
        Ok(0) if count > 0 => nothing(Ended::EndOfFile),
        Ok(bytes) => progress(bytes),
        Err(errno) => nothing(of_errno(errno)),
    }
}

/// An attempt that moved this many bytes.
pub(crate) fn progress(bytes: usize) -> Outcome {
    Outcome {
        bytes: bytes as u64,
        ended: Ended::Progress,
    }
}

/// A count for a call that takes a `size_t`.
pub(crate) fn saturated(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
