//! Which method is tried next, and why the better ones were refused.

use crate::op::{Errno, Method};

/// The most methods a ladder holds: one place for each [`Method`].
const RUNGS: usize = 4;

/// The type of a descriptor, as far as the choice of a method depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A stream socket.
    Socket,
    /// A pipe or FIFO.
    Pipe,
    /// A device, terminals included.
    Device,
}

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
            rungs: [Some(method), None, None, None],
            refusals: [None; RUNGS],
            current: 0,
        }
    }

    /// A ladder that tries the methods in this order, the same one once. Without any it copies.
    pub fn of(methods: &[Method]) -> Self {
        let mut rungs = [None; RUNGS];
        let mut length = 0;
        for &method in methods {
            if !rungs.contains(&Some(method)) {
                rungs[length] = Some(method); // there are as many rungs as methods
                length += 1;
            }
        }
        if length == 0 {
            rungs[0] = Some(Method::Copy);
        }
        Self {
            rungs,
            refusals: [None; RUNGS],
            current: 0,
        }
    }

    /// A ladder whose first method has been refused before anything was tried; `next` is in use.
    pub fn refused(first: Method, errno: Errno, next: Method) -> Self {
        let mut ladder = Self::of(&[first, next]);
        ladder.refuse(errno);
        ladder
    }

    /// The methods that are worth trying from one kind of descriptor to another, best first.
    ///
    /// sendfile(2) goes to anything (Linux 2.6.33). From file to file copy_file_range(2) is better: a filesystem may
    /// share the blocks instead of copying them. Copying works for every pair and is never refused, so it is last.
    /// splice(2) is only used on request: where it works, sendfile(2) does the same in fewer calls.
    pub fn between(source: Kind, destination: Kind) -> Self {
        match (source, destination) {
            (Kind::File, Kind::File) => {
                Self::of(&[Method::CopyFileRange, Method::Sendfile, Method::Copy])
            }
            _ => Self::of(&[Method::Sendfile, Method::Copy]),
        }
    }

    /// The same methods, none of them refused yet, with `method` before all others.
    pub fn preferring(&self, method: Method) -> Self {
        let mut methods = [method; RUNGS];
        let others = self.rungs.iter().flatten().copied();
        let others = others.filter(|&other| other != method);
        for (place, other) in methods.iter_mut().skip(1).zip(others) {
            *place = other;
        }
        Self::of(&methods)
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
