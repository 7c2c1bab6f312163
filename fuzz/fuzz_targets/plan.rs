//! Any request and any history of outcomes: the planner agrees with an account that is kept beside it.
//!
//! The account is the one of the property tests. A fuzzer finds what their distributions make rare: it is led by the
//! branches that an input reaches.
#![no_main]

#[path = "../../crates/core/tests/account/mod.rs"]
mod account;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use sendfile64_core::{Ended, Errno, MAX_OFFSET, Method, Op, Outcome, Rate, Transfer};

use account::{Account, Event, Plan};

#[derive(Arbitrary, Debug)]
struct History {
    start: Figure,
    count: Option<Figure>,
    quantum: Figure,
    first: Choice,
    others: Vec<Choice>,
    headers: Part,
    trailers: Part,
    through_pipe: bool,
    acknowledged: bool,
    awaits_drain: bool,
    rate: Option<(Figure, Figure)>,
    stall_timeout: Option<Figure>,
    opened: u32,
    steps: Vec<Step>,
}

/// Headers or trailers: mostly none or few bytes.
#[derive(Arbitrary, Debug)]
enum Part {
    None,
    Small(u8),
    Any(u64),
}

/// A byte figure. Plain numbers would hardly ever come near a border.
#[derive(Arbitrary, Debug)]
enum Figure {
    Small(u16),
    BelowLargestOffset(u32),
    AboveLargestOffset(u8),
    Any(u64),
}

#[derive(Arbitrary, Debug)]
enum Choice {
    Sendfile,
    Splice,
    CopyFileRange,
    Copy,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// The bytes are a share of what was asked for.
    Outcome(Share, End),
    /// The last attempt took so many microseconds.
    Took(Share, u32),
    Ready,
    Movement,
    Unacknowledged(Figure),
    /// Nanoseconds, or microseconds: a history is shorter than the clock is long.
    Pass(u32),
    PassLong(u32),
    /// Time passes until what is waited for.
    PassTheWait,
    Abort,
    Fail(i32),
    Outstanding(u32),
}

#[derive(Arbitrary, Debug)]
enum Share {
    None,
    AllBut(u8),
    AtMost(u32),
}

#[derive(Arbitrary, Debug)]
enum End {
    Progress,
    WouldBlock,
    Interrupted,
    EndOfFile,
    Refused(i32),
    Failed(i32),
    Busy,
}

impl Figure {
    fn value(&self) -> u64 {
        match *self {
            Self::Small(value) => value.into(),
            Self::BelowLargestOffset(by) => MAX_OFFSET - u64::from(by),
            Self::AboveLargestOffset(by) => MAX_OFFSET + u64::from(by),
            Self::Any(value) => value,
        }
    }
}

impl History {
    fn plan(&self) -> Plan {
        Plan {
            start: self.start.value(),
            count: self.count.as_ref().map(Figure::value),
            quantum: self.quantum.value(),
            methods: std::iter::once(&self.first)
                .chain(self.others.iter().take(5))
                .map(Choice::method)
                .collect(),
            headers: self.headers.bytes(),
            trailers: self.trailers.bytes(),
            through_pipe: self.through_pipe,
            rate: self.rate.as_ref().map(|(per_second, burst)| Rate {
                per_second: per_second.value(),
                burst: burst.value(),
            }),
            stall_timeout: self.stall_timeout.as_ref().map(Figure::value),
            acknowledged: self.acknowledged,
            awaits_drain: self.awaits_drain,
            opened: self.opened.into(),
        }
    }
}

impl Part {
    fn bytes(&self) -> u64 {
        match *self {
            Self::None => 0,
            Self::Small(bytes) => bytes.into(),
            Self::Any(bytes) => bytes,
        }
    }
}

impl Choice {
    fn method(&self) -> Method {
        match self {
            Self::Sendfile => Method::Sendfile,
            Self::Splice => Method::Splice,
            Self::CopyFileRange => Method::CopyFileRange,
            Self::Copy => Method::Copy,
        }
    }
}

impl Step {
    fn event(&self, transfer: &Transfer, now: u64) -> Event {
        let op = transfer.poll_op(now);
        match self {
            Self::Took(share, microseconds) => {
                Event::Took(share.of(asked(op)), u64::from(*microseconds) * 1000)
            }
            Self::Ready => Event::Ready,
            Self::Movement => Event::Movement,
            Self::Unacknowledged(owed) => Event::Unacknowledged(owed.value()),
            Self::Pass(nanoseconds) => Event::Pass((*nanoseconds).into()),
            Self::PassLong(microseconds) => Event::Pass(u64::from(*microseconds) * 1000),
            Self::PassTheWait => Event::Pass(wait(op, now)),
            Self::Abort => Event::Abort,
            Self::Outstanding(owed) => Event::Outstanding((*owed).into()),
            Self::Fail(errno) => Event::Fail(Errno(*errno)),
            Self::Outcome(share, end) => Event::Outcome(Outcome {
                bytes: share.of(asked(op)),
                ended: end.ended(),
            }),
        }
    }
}

/// How many bytes an op wants moved; an outcome that nobody asked for may say anything.
fn asked(op: Op) -> u64 {
    match op {
        Op::Attempt { count, .. } | Op::Drain { count, .. } | Op::Write { count, .. } => count,
        Op::Confirm | Op::Wait(_) | Op::Finish(_) => u64::MAX,
    }
}

/// How long an op waits, unless that is longer than a history lasts.
fn wait(op: Op, now: u64) -> u64 {
    let until = match op {
        Op::Wait(wait) => wait.until.unwrap_or(now),
        _ => now,
    };
    until.saturating_sub(now).min(1 << 40)
}

impl Share {
    fn of(&self, asked: u64) -> u64 {
        match *self {
            Self::None => 0,
            Self::AllBut(bytes) => asked.saturating_sub(bytes.into()),
            Self::AtMost(bytes) => asked.min(bytes.into()),
        }
    }
}

impl End {
    fn ended(&self) -> Ended {
        match *self {
            Self::Progress => Ended::Progress,
            Self::WouldBlock => Ended::WouldBlock,
            Self::Interrupted => Ended::Interrupted,
            Self::EndOfFile => Ended::EndOfFile,
            Self::Refused(errno) => Ended::Refused(Errno(errno)),
            Self::Failed(errno) => Ended::Failed(Errno(errno)),
            Self::Busy => Ended::Busy,
        }
    }
}

fuzz_target!(|history: History| {
    let (mut account, mut transfer) = Account::open(history.plan());
    for step in &history.steps {
        let event = step.event(&transfer, account.now());
        account.report(&mut transfer, event);
    }
});
