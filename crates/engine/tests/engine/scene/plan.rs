//! The options of a transfer, and the command that is made of them.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use sendfile64_core::{DEFAULT_QUANTUM, Kind, Ladder, Method, Rate, Request, Transfer};
use sendfile64_engine::{
    Choice, Command, Destination, HeadersAndTrailers, Limits, OwnerId, Sink, TransferId, now,
};

/// Methods as the product chooses them.
pub(crate) fn auto() -> Ladder {
    Ladder::of(&[Method::Sendfile, Method::Copy])
}

/// The options of one transfer.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) start: u64,
    pub(crate) count: Option<u64>,
    pub(crate) quantum: u64,
    pub(crate) ladder: Ladder,
    /// Overrides the ladder by the one that the product uses for this pair.
    pub(crate) choice: Option<Choice>,
    pub(crate) headers: &'static [u8],
    pub(crate) trailers: &'static [u8],
    pub(crate) rate: Option<Rate>,
    pub(crate) stall_timeout: Option<Duration>,
    pub(crate) acknowledged: bool,
    pub(crate) own_position: bool,
    pub(crate) progress_interval: Duration,
    pub(crate) owner: OwnerId,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            start: 0,
            count: None,
            quantum: DEFAULT_QUANTUM,
            ladder: auto(),
            choice: None,
            headers: &[],
            trailers: &[],
            rate: None,
            stall_timeout: None,
            acknowledged: false,
            own_position: false,
            progress_interval: Duration::ZERO,
            owner: OwnerId(1),
        }
    }
}

impl Plan {
    pub(crate) fn count(count: usize) -> Self {
        Self {
            count: Some(count as u64),
            ..Self::default()
        }
    }

    /// The command, with a duplicate of the destination, as the binding makes it.
    pub(crate) fn command(
        self,
        id: TransferId,
        destination: &impl AsFd,
        source: &Arc<OwnedFd>,
        sink: Arc<dyn Sink>,
    ) -> Command {
        let duplicate = destination
            .as_fd()
            .try_clone_to_owned()
            .expect("a duplicate");
        let destination = Destination::of(duplicate).expect("a descriptor");
        let has_parts = !self.headers.is_empty() || !self.trailers.is_empty();
        let (ladder, refused) = match self.choice {
            Some(choice) => destination.ladder(Kind::File, choice, has_parts),
            None => (self.ladder, None),
        };
        let request = Request {
            quantum: self.quantum,
            headers: self.headers.len() as u64,
            trailers: self.trailers.len() as u64,
            rate: self.rate,
            stall_timeout: self.stall_timeout.map(|time| time.as_nanos() as u64),
            acknowledged: self.acknowledged,
            through_pipe: destination.kind() != Kind::Pipe,
            ..Request::new(self.start, self.count, ladder)
        };
        let mut transfer = Transfer::new(request, now());
        if let Some(errno) = refused {
            transfer.refuse(errno);
        }
        let parts = has_parts.then(|| {
            Box::new(HeadersAndTrailers {
                headers: self.headers.to_vec(),
                trailers: self.trailers.to_vec(),
            })
        });
        Command {
            id,
            owner: self.owner,
            destination,
            source: Arc::clone(source),
            source_waits: false,
            parts,
            own_position: self.own_position,
            transfer,
            limits: Limits::default(),
            made: None,
            progress_interval: self.progress_interval,
            sink,
        }
    }
}
