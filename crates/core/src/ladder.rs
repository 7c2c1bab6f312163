//! Which method is tried next, and why the better ones were not taken.

use crate::op::{Errno, Method};

/// The most methods a ladder holds: one place for each [`Method`].
const RUNGS: usize = 2;

/// One step down: `from` was refused with `errno`, the transfer went on by `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fallback {
    /// The method that was refused.
    pub from: Method,
    /// The method that took over at the current offset.
    pub to: Method,
    /// The kernel's answer to `from`.
    pub errno: Errno,
}

/// The methods a transfer may use, best first. A refused method is never tried again in the same transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    rungs: [Option<Method>; RUNGS],
    refusals: [Option<Errno>; RUNGS],
    current: usize,
}

impl Ladder {
    /// A ladder with one method: forced, without fallback.
    pub const fn only(method: Method) -> Self {
        Self {
            rungs: [Some(method), None],
            refusals: [None; RUNGS],
            current: 0,
        }
    }

    /// A ladder that tries `first`, and `second` once `first` is refused. The same method twice is one method.
    pub const fn of(first: Method, second: Method) -> Self {
        if first as u8 == second as u8 {
            return Self::only(first);
        }
        Self {
            rungs: [Some(first), Some(second)],
            refusals: [None; RUNGS],
            current: 0,
        }
    }

    /// The method in use, or the last one that was refused when none is left.
    pub fn method(&self) -> Method {
        self.rungs[self.current].unwrap_or(Method::Copy)
    }

    /// The steps down so far, in order.
    pub fn fallbacks(&self) -> impl Iterator<Item = Fallback> + '_ {
        (1..=self.current).filter_map(|rung| {
            let from = self.rungs[rung - 1]?;
            let to = self.rungs[rung]?;
            let errno = self.refusals[rung - 1]?;
            Some(Fallback { from, to, errno })
        })
    }

    /// Records that the method in use was refused. Returns whether another method is left.
    pub(crate) fn refuse(&mut self, errno: Errno) -> bool {
        self.refusals[self.current] = Some(errno);
        let next = self.current + 1;
        let left = self.rungs.get(next).is_some_and(Option::is_some);
        if left {
            self.current = next;
        }
        left
    }
}
