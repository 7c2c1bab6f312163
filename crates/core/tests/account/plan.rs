//! What a transfer is asked to do, and everything that can happen to it.

use sendfile64_core::{Errno, Ladder, Method, Outcome, Rate, Request};

/// A [`Request`] that can be compared and hashed, and the time at which it is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    pub(crate) start: u64,
    pub(crate) count: Option<u64>,
    pub(crate) quantum: u64,
    pub(crate) methods: Vec<Method>,
    pub(crate) headers: u64,
    pub(crate) trailers: u64,
    pub(crate) through_pipe: bool,
    pub(crate) rate: Option<Rate>,
    pub(crate) stall_timeout: Option<u64>,
    pub(crate) acknowledged: bool,
    pub(crate) awaits_drain: bool,
    pub(crate) opened: u64,
}

impl Plan {
    /// A range and nothing else.
    pub(crate) fn of_range(
        start: u64,
        count: Option<u64>,
        quantum: u64,
        methods: &[Method],
    ) -> Self {
        Self {
            start,
            count,
            quantum,
            methods: methods.to_vec(),
            headers: 0,
            trailers: 0,
            through_pipe: false,
            rate: None,
            stall_timeout: None,
            acknowledged: false,
            awaits_drain: false,
            opened: 0,
        }
    }

    pub(crate) fn request(&self) -> Request {
        let ladder = match *self.methods {
            [only] => Ladder::only(only),
            _ => Ladder::of(&self.methods),
        };
        Request {
            quantum: self.quantum,
            headers: self.headers,
            trailers: self.trailers,
            through_pipe: self.through_pipe,
            rate: self.rate,
            stall_timeout: self.stall_timeout,
            acknowledged: self.acknowledged,
            awaits_drain: self.awaits_drain,
            ..Request::new(self.start, self.count, ladder)
        }
    }
}

/// Everything that can happen to a transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Outcome(Outcome),
    /// The last attempt moved these bytes, in this number of nanoseconds.
    Took(u64, u64),
    Ready,
    Movement,
    Outstanding(u64),
    Unacknowledged(u64),
    /// So many nanoseconds pass.
    Pass(u64),
    Abort,
    Fail(Errno),
}
