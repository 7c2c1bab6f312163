//! Any request and any history of outcomes: the planner agrees with an account that is kept beside it.
//!
//! The account is the one of the property tests. A fuzzer finds what their distributions make rare: it is led by the
//! branches that an input reaches.
#![no_main]

#[path = "../../crates/core/tests/account/mod.rs"]
mod account;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use sendfile64_core::{Ended, Errno, MAX_OFFSET, Method, Op, Outcome, Transfer};

use account::{Account, Event, Plan};

#[derive(Arbitrary, Debug)]
struct History {
    start: Figure,
    count: Option<Figure>,
    quantum: Figure,
    first: Choice,
    second: Option<Choice>,
    steps: Vec<Step>,
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
    Copy,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// The bytes are a share of what was asked for.
    Outcome(Share, End),
    Ready,
    Abort,
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
                .chain(&self.second)
                .map(Choice::method)
                .collect(),
        }
    }
}

impl Choice {
    fn method(&self) -> Method {
        match self {
            Self::Sendfile => Method::Sendfile,
            Self::Copy => Method::Copy,
        }
    }
}

impl Step {
    fn event(&self, transfer: &Transfer) -> Event {
        match self {
            Self::Ready => Event::Ready,
            Self::Abort => Event::Abort,
            Self::Outcome(share, end) => Event::Outcome(Outcome {
                bytes: share.of(asked(transfer.poll_op())),
                ended: end.ended(),
            }),
        }
    }
}

/// How many bytes an op wants moved; an outcome that nobody asked for may say anything.
fn asked(op: Op) -> u64 {
    match op {
        Op::Attempt { count, .. } => count,
        Op::Wait(_) | Op::Finish(_) => u64::MAX,
    }
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
        }
    }
}

fuzz_target!(|history: History| {
    let (mut account, mut transfer) = Account::open(history.plan());
    for step in &history.steps {
        let event = step.event(&transfer);
        account.report(&mut transfer, event);
    }
});
