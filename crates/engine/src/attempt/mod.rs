//! One attempt: performs an op of the planner and returns its outcome.

pub(crate) mod destination;
pub(crate) mod endpoints;
pub(crate) mod inline;
pub(crate) mod placement;

use std::os::fd::AsFd;

use sendfile64_core::{Ended, Errno, Kind, Method, Op, Outcome, Part, Transfer};
use sendfile64_sys::EAGAIN;
use sendfile64_sys::call::{copy, copy_file_range, sendfile, splice};
use sendfile64_sys::fd::{self, pipe};
use sendfile64_sys::probe::{self, Availability, Feature};

use crate::attempt::endpoints::Pair;
use crate::clock;
use crate::command::Call;

/// The most bytes one attempt copies: what fits the buffer that each thread keeps for it.
pub(crate) const COPY_LIMIT: usize = 128 * 1024;

/// What the pipe of a splice should hold: one quantum of the default size.
const PIPE_CAPACITY: u64 = 1 << 20;

/// An op that a thread performs, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Attempt {
        method: Method,
        offset: u64,
        count: u64,
    },
    Drain {
        count: u64,
        more: bool,
    },
    Write {
        part: Part,
        from: u64,
        more: bool,
    },
}

impl Step {
    /// What the planner asks for, if it is something to perform.
    pub(crate) fn next(transfer: &Transfer, now: u64) -> Option<Self> {
        match transfer.poll_op(now) {
            Op::Attempt {
                method,
                offset,
                count,
            } => Some(Self::Attempt {
                method,
                offset,
                count,
            }),
            Op::Drain { count, more } => Some(Self::Drain { count, more }),
            Op::Write {
                part, from, more, ..
            } => Some(Self::Write { part, from, more }),
            Op::Confirm | Op::Wait(_) | Op::Finish(_) => None,
        }
    }

    /// The same with a bound on the bytes of the range that it moves.
    pub(crate) fn at_most(self, bytes: u64) -> Self {
        match self {
            Self::Attempt {
                method,
                offset,
                count,
            } => Self::Attempt {
                method,
                offset,
                count: count.min(bytes),
            },
            step => step,
        }
    }
}

/// What came of a step, and how many system calls it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempted {
    pub(crate) outcome: Outcome,
    pub(crate) syscalls: u64,
    /// The call that ended it.
    pub(crate) call: Call,
    /// How long it took, in nanoseconds.
    pub(crate) took: u64,
}

impl Attempted {
    /// One call, which moved the bytes itself; 0 where it is known to be missing and was not made.
    fn by(call: Call, feature: Feature, outcome: impl FnOnce() -> Outcome) -> Self {
        let made = probe::availability(feature) != Availability::Unavailable;
        Self {
            outcome: outcome(),
            syscalls: u64::from(made),
            call,
            took: 0,
        }
    }

    /// It ended before any byte was moved.
    fn nothing(ended: Ended, syscalls: u64, call: Call) -> Self {
        Self {
            outcome: Outcome { bytes: 0, ended },
            syscalls,
            call,
            took: 0,
        }
    }

    /// Gives it to the planner, and leaves the source's own position after the last byte sent. sendfile(2) has moved it
    /// by itself; the other methods read at an offset, because they may read more than is accepted.
    pub(crate) fn report(self, transfer: &mut Transfer, pair: Pair<'_>, now: u64) {
        transfer.handle_outcome(self.outcome, now);
        transfer.handle_duration(self.outcome.bytes, self.took);
        if pair.own_position && self.outcome.bytes > 0 && self.call != Call::Sendfile {
            // Seeking inside an open regular file does not fail (lseek(2)).
            let _ = fd::set_position(pair.source, transfer.next_offset());
        }
    }
}

/// Makes the attempt, and takes the time. [`crate::attempt::placement::PlacedStep`] knows on which thread.
pub(crate) fn run(pair: Pair<'_>, step: Step, buffer: &mut CopyBuffer) -> Attempted {
    let begun = clock::now();
    let attempted = attempt(pair, step, buffer);
    Attempted {
        took: clock::now() - begun,
        ..attempted
    }
}

fn attempt(pair: Pair<'_>, step: Step, buffer: &mut CopyBuffer) -> Attempted {
    match step {
        Step::Attempt {
            method,
            offset,
            count,
        } => match method {
            Method::Sendfile => by_sendfile(pair, offset, count),
            Method::Splice => by_splice(pair, offset, count),
            Method::CopyFileRange => by_copy_file_range(pair, offset, count),
            Method::Copy => by_copy(pair, offset, count, buffer),
        },
        Step::Drain { count, more } => drain(pair, count, more),
        Step::Write { part, from, more } => write_part(pair, part, from, more),
    }
}

fn by_sendfile(pair: Pair<'_>, offset: u64, count: u64) -> Attempted {
    let offset = (!pair.own_position).then_some(offset);
    Attempted::by(Call::Sendfile, Feature::Sendfile, || {
        sendfile::sendfile(pair.destination, pair.source, offset, count)
    })
}

fn by_copy_file_range(pair: Pair<'_>, offset: u64, count: u64) -> Attempted {
    Attempted::by(Call::CopyFileRange, Feature::CopyFileRange, || {
        copy_file_range::copy_file_range(pair.source, Some(offset), pair.destination, count)
    })
}

/// Into the destination if that is a pipe, else into the pipe between.
fn by_splice(pair: Pair<'_>, offset: u64, count: u64) -> Attempted {
    if pair.kind == Kind::Pipe {
        return Attempted::by(Call::Splice, Feature::Splice, || {
            splice::splice(pair.source, Some(offset), pair.destination, count, false)
        });
    }
    match between(pair) {
        Ok(pipe) => Attempted::by(Call::Splice, Feature::Splice, || {
            splice::splice(
                pair.source,
                Some(offset),
                pipe.writer.as_fd(),
                count.min(pipe.capacity),
                false,
            )
        }),
        Err(errno) => Attempted::nothing(Ended::Failed(errno), 0, Call::Pipe),
    }
}

fn drain(pair: Pair<'_>, count: u64, more: bool) -> Attempted {
    match between(pair) {
        Ok(pipe) => Attempted::by(Call::Splice, Feature::Splice, || {
            splice::splice(pipe.reader.as_fd(), None, pair.destination, count, more)
        }),
        Err(errno) => Attempted::nothing(Ended::Failed(errno), 0, Call::Pipe),
    }
}

/// Bytes that were read and not accepted are forgotten here and read again by a later attempt: the account knows
/// accepted bytes only, and a fallback or an abort in between finds nothing left over.
fn by_copy(pair: Pair<'_>, offset: u64, count: u64, buffer: &mut CopyBuffer) -> Attempted {
    let room = buffer.of(count);
    let read = copy::read(pair.source, Some(offset), room);
    match read.ended {
        Ended::Progress => {}
        // A file that has nothing for now (some of /sys and /proc): the poller watches destinations only.
        Ended::WouldBlock => return Attempted::nothing(Ended::Failed(EAGAIN), 1, Call::Read),
        ended => return Attempted::nothing(ended, 1, Call::Read),
    }
    let length = usize::try_from(read.bytes).map_or(room.len(), |bytes| bytes.min(room.len()));
    Attempted {
        outcome: write(pair, &room[..length], false),
        syscalls: 2,
        call: Call::Write,
        took: 0,
    }
}

fn write_part(pair: Pair<'_>, part: Part, from: u64, more: bool) -> Attempted {
    let bytes = pair.parts.map_or(&[][..], |parts| parts.part(part));
    let from = usize::try_from(from).map_or(bytes.len(), |from| from.min(bytes.len()));
    // Not part of a copy: `syscalls` does not count it.
    Attempted {
        outcome: write(pair, &bytes[from..], more),
        syscalls: 0,
        call: Call::Write,
        took: 0,
    }
}

fn write(pair: Pair<'_>, bytes: &[u8], more: bool) -> Outcome {
    match pair.kind {
        Kind::Socket if more => copy::send_more(pair.destination, bytes),
        Kind::Socket => copy::send(pair.destination, bytes),
        Kind::File | Kind::Pipe | Kind::Device => copy::write(pair.destination, bytes),
    }
}

fn between(pair: Pair<'_>) -> Result<&pipe::Pair, Errno> {
    // Only a transfer with descriptors of its own has a pipe, and no other is asked to splice.
    let pipe = pair.pipe.ok_or(EAGAIN)?;
    pipe.get_or_init(|| pipe::pair(PIPE_CAPACITY))
        .as_ref()
        .map_err(|&errno| errno)
}

/// The memory that copied bytes pass through; none until the first copy.
#[derive(Default)]
pub(crate) struct CopyBuffer {
    bytes: Vec<u8>,
}

impl CopyBuffer {
    /// Room for `count` bytes, or for as many as one attempt may copy.
    fn of(&mut self, count: u64) -> &mut [u8] {
        let length = usize::try_from(count).map_or(COPY_LIMIT, |count| count.min(COPY_LIMIT));
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
        &mut self.bytes[..length]
    }
}
