//! The request for a transfer.

use crate::ladder::Ladder;
use crate::rate::Rate;

/// The most bytes one call of sendfile(2), read(2) or write(2) moves on Linux ("NOTES" of each page).
pub const MAX_ATTEMPT: u64 = 0x7fff_f000;

/// The default of [`Request::quantum`]: 1 MiB. Less costs system calls, more keeps other transfers waiting.
pub const DEFAULT_QUANTUM: u64 = 1 << 20;

/// What to move, and how. Sizes are bytes, times are nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The first byte of the range, counted from the start of the source.
    pub start: u64,
    /// The number of bytes in the range; `None` means until the source ends.
    pub count: Option<u64>,
    /// The most bytes one attempt may move before another transfer gets its turn; 1 to [`MAX_ATTEMPT`], values
    /// outside are clamped. Attempts that take long ask for less
    /// ([`Transfer::handle_duration`](crate::Transfer::handle_duration)).
    pub quantum: u64,
    /// The methods to use, best first.
    pub ladder: Ladder,
    /// How many bytes go before the range. Neither they nor the trailers count as sent.
    pub headers: u64,
    /// How many bytes go after it.
    pub trailers: u64,
    /// Whether splice(2) needs a pipe between the two, because neither end is one. For a source that cannot be read
    /// again at the same offset, splice(2) is then the only method: a pipe that cannot be drained is given up.
    pub through_pipe: bool,
    /// How fast the range may go; `None` for as fast as the destination takes it.
    pub rate: Option<Rate>,
    /// How long the destination may accept nothing; `None` for as long as it likes.
    pub stall_timeout: Option<u64>,
    /// Whether the transfer is over only when the peer has acknowledged everything.
    pub acknowledged: bool,
    /// Whether the transfer is over only when a destination that reported `Busy` or `WouldBlock` with the last byte
    /// accepts bytes again.
    pub awaits_drain: bool,
}

impl Request {
    /// A range and the methods to move it by; everything else as it is by default.
    pub const fn new(start: u64, count: Option<u64>, ladder: Ladder) -> Self {
        Self {
            start,
            count,
            quantum: DEFAULT_QUANTUM,
            ladder,
            headers: 0,
            trailers: 0,
            through_pipe: false,
            rate: None,
            stall_timeout: None,
            acknowledged: false,
            awaits_drain: false,
        }
    }
}
