//! Starts a transfer: completes it within the call if that needs no waiting, otherwise in the engine.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use sendfile64_core::{End, Errno, Kind, Method, Request, Transfer};
use sendfile64_engine::{
    Attempts, Call, Choice, Command, Destination, Engine, HeadersAndTrailers, Limit, Limits, Pair,
    Sink, StartError, TransferId, attempt_now, now, unconfirmable,
};
use sendfile64_sys::fd;

use super::events::{completed, ended, not_started};
use super::files::{CLOSED, ClosingFile, Source};
use super::{EMFILE, Link, borrow, code, next_id};
use crate::codes::{only, prefer};
use crate::exports::limiter::Share;
use crate::marshal::command::{Start, Started, Target};
use crate::marshal::records::EventRecord;

/// A [`Target`] that has been looked up.
enum ResolvedTarget {
    Socket(i32),
    Own(Destination),
}

/// The parts of a transfer that are ready before the engine has it.
struct Prepared {
    destination: Destination,
    transfer: Transfer,
    made: Option<Attempts>,
}

impl ResolvedTarget {
    /// The record of a transfer that cannot be confirmed, because the system cannot report what the peer has
    /// acknowledged.
    fn unconfirmable(&self, request: Request) -> Option<EventRecord> {
        let errno = match self {
            Self::Socket(fd) => unconfirmable(borrow(fd).ok()?),
            Self::Own(destination) => unconfirmable(destination.as_fd()),
        }?;
        let mut transfer = Transfer::new(request, now());
        transfer.refuse(errno);
        let end = transfer.end()?;
        Some(ended(0, &transfer, end, 0, Call::GetTcpInfo))
    }
}

impl Limit for Share {
    fn admit(&mut self, wanted: u64) -> Result<u64, u64> {
        Self::admit(self, wanted)
    }

    fn give_back(&mut self, bytes: u64) {
        Self::give_back(self, bytes);
    }
}

impl Link {
    /// Duplicates the destination at once: its number is only valid in this tick.
    pub fn start(&self, start: Start) -> Started {
        self.begin(start).unwrap_or_else(Started::Finished)
    }

    /// The record of a transfer that could not begin is an error.
    fn begin(&self, start: Start) -> Result<Started, EventRecord> {
        let engine = self.engine().ok_or_else(closed)?;
        let target = self.target(start.target)?; // first, so that an error below does not leave it behind
        let kept = match &target {
            ResolvedTarget::Own(destination) => Some(destination.clone()),
            ResolvedTarget::Socket(_) => None,
        };
        let begun = self.begin_to(target, &engine, start);
        // Where it is over already, this is the last one, whose close may wait.
        if let Some(kept) = kept {
            Self::close_file(Some(&engine), ClosingFile::of(kept.into_descriptor()));
        }
        begun
    }

    fn begin_to(
        &self,
        target: ResolvedTarget,
        engine: &Engine,
        start: Start,
    ) -> Result<Started, EventRecord> {
        let source = self.files.source(start.file).map_err(|_| closed())?;
        let has_parts = !start.headers.is_empty() || !start.trailers.is_empty();
        let parts = has_parts.then(|| {
            Box::new(HeadersAndTrailers {
                headers: start.headers,
                trailers: start.trailers,
            })
        });
        if start.request.acknowledged
            && let Some(refused) = target.unconfirmable(start.request)
        {
            return Err(refused);
        }
        let limits = Limits {
            shared: start.limiter.map(|share| Box::new(share) as Box<dyn Limit>),
            least: start.least_rate,
        };
        let prepared = prepare(
            target,
            &source,
            start.request,
            choice(start.methods),
            parts.as_deref(),
            start.own_position,
            limits.shared.is_some(),
        )?;
        let command = Command {
            id: TransferId(next_id()),
            owner: self.owner,
            destination: prepared.destination,
            source_waits: source.is_remote,
            source: source.fd,
            parts,
            own_position: start.own_position,
            transfer: prepared.transfer,
            limits,
            made: prepared.made,
            progress_interval: Duration::from_millis(start.progress_interval.into()),
            sink: Arc::clone(&self.events) as Arc<dyn Sink>,
        };
        hand_over(engine, command)
    }

    fn target(&self, target: Target) -> Result<ResolvedTarget, EventRecord> {
        let lacking = |errno| not_started(code(errno), Call::Duplicate);
        match target {
            Target::Socket(out_fd) => Ok(ResolvedTarget::Socket(out_fd)),
            Target::Descriptor(out_fd) => {
                let fd = fd::duplicate(out_fd).map_err(lacking)?;
                Destination::of(fd)
                    .map(ResolvedTarget::Own)
                    .map_err(lacking)
            }
            Target::Adopted(number) => {
                let taken = self.files.take_destination(number);
                taken.map(ResolvedTarget::Own).map_err(|_| closed())
            }
        }
    }
}

/// The record for a file or an engine that has been closed with its environment, or never existed.
fn closed() -> EventRecord {
    not_started(CLOSED, Call::Sendfile)
}

/// Prepares the transfer for a socket, which is attempted at once, or for a descriptor that the engine attempts.
#[inline]
fn prepare(
    target: ResolvedTarget,
    source: &Source,
    request: Request,
    choice: Choice,
    parts: Option<&HeadersAndTrailers>,
    own_position: bool,
    shares_rate: bool,
) -> Result<Prepared, EventRecord> {
    match target {
        ResolvedTarget::Socket(ref out_fd) => {
            let destination = borrow(out_fd).map_err(|_| closed())?;
            let mut pair = Pair::of_socket(destination, source.fd.as_fd());
            pair.own_position = own_position;
            pair.parts = parts;
            let ladder = choice.ladder(source.kind, Kind::Socket);
            prepare_socket(pair, request, ladder, shares_rate || source.is_remote)
        }
        ResolvedTarget::Own(destination) => Ok(prepare_descriptor(
            destination,
            source,
            request,
            choice,
            parts.is_some(),
        )),
    }
}

/// Starts the transfer in the engine, which completes it within the call if it needs no waiting.
#[inline]
fn hand_over(engine: &Engine, command: Command) -> Result<Started, EventRecord> {
    let id = command.id.0;
    let started = engine
        .start(command)
        .map_err(|StartError { errno, call }| not_started(errno.0, call))?;
    Ok(match started {
        sendfile64_engine::Started::Finished(completion) => {
            Started::Finished(completed(&completion))
        }
        sendfile64_engine::Started::Queued => Started::Queued(id),
    })
}

/// Makes the attempts that need no waiting, then duplicates the socket. No attempt is made if the transfer `waits` for a
/// shared rate or for a server. A transfer that is over by then is an error with its record.
fn prepare_socket(
    pair: Pair<'_>,
    request: Request,
    ladder: sendfile64_core::Ladder,
    waits: bool,
) -> Result<Prepared, EventRecord> {
    let request = Request {
        ladder,
        through_pipe: true,
        ..request
    };
    let mut transfer = Transfer::new(request, now());
    let made = if waits {
        Attempts::NONE
    } else {
        attempt_now(&mut transfer, pair)
    };
    let finished = |transfer: &Transfer, end, call| {
        pair.uncork(transfer);
        ended(0, transfer, end, made.syscalls, call)
    };
    if let Some(end) = transfer.end() {
        return Err(finished(&transfer, end, made.call));
    }
    let duplicate = match pair.destination.try_clone_to_owned() {
        Ok(duplicate) => duplicate,
        Err(error) => {
            let errno = Errno(error.raw_os_error().unwrap_or(EMFILE));
            transfer.fail(errno);
            return Err(finished(&transfer, End::Failed(errno), Call::Duplicate));
        }
    };
    Ok(Prepared {
        destination: Destination::socket(duplicate),
        transfer,
        made: (!waits).then_some(made),
    })
}

/// Nothing is attempted on this thread: a file or a device may wait for its disk.
fn prepare_descriptor(
    destination: Destination,
    source: &Source,
    request: Request,
    choice: Choice,
    has_parts: bool,
) -> Prepared {
    let (ladder, refused) = destination.ladder(source.kind, choice, has_parts);
    let request = Request {
        ladder,
        through_pipe: destination.kind() != Kind::Pipe,
        ..request
    };
    let mut transfer = Transfer::new(request, now());
    if let Some(errno) = refused {
        transfer.refuse(errno);
    }
    Prepared {
        destination,
        transfer,
        made: None,
    }
}

/// One of [`only`] or [`prefer`].
fn choice(methods: u8) -> Choice {
    match methods {
        only::SENDFILE => Choice::Only(Method::Sendfile),
        only::SPLICE => Choice::Only(Method::Splice),
        only::COPY_FILE_RANGE => Choice::Only(Method::CopyFileRange),
        only::COPY => Choice::Only(Method::Copy),
        prefer::SENDFILE => Choice::Prefer(Method::Sendfile),
        prefer::SPLICE => Choice::Prefer(Method::Splice),
        prefer::COPY_FILE_RANGE => Choice::Prefer(Method::CopyFileRange),
        prefer::COPY => Choice::Prefer(Method::Copy),
        _ => Choice::Auto,
    }
}
