//! Strategies for random histories: what is asked for, and what happens then.

use std::ops::RangeInclusive;

use proptest::prelude::*;
use sendfile64_core::{
    DEFAULT_QUANTUM, Ended, Errno, MAX_ATTEMPT, MAX_OFFSET, Method, Op, Outcome, Rate, Transfer,
};

use crate::account::{Event, Plan};

/// One event of a history. The bytes are a share of what will be asked for, which is not known beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Outcome {
        share: u16,
        ended: Ended,
    },
    /// The bytes are a share of what will be asked for.
    Took {
        share: u16,
        nanoseconds: u64,
    },
    Ready,
    Movement,
    Outstanding(u64),
    Unacknowledged(u64),
    Pass(u64),
    /// Time passes until what is waited for.
    PassTheWait,
    Abort,
    Fail(Errno),
}

impl Step {
    pub(crate) fn event(self, transfer: &Transfer, now: u64) -> Event {
        let op = transfer.poll_op(now);
        match self {
            Self::Outcome { share, ended } => Event::Outcome(Outcome {
                bytes: share_of(asked(op).unwrap_or(u64::MAX), share),
                ended,
            }),
            Self::Took { share, nanoseconds } => {
                Event::Took(share_of(asked(op).unwrap_or(u64::MAX), share), nanoseconds)
            }
            Self::Ready => Event::Ready,
            Self::Movement => Event::Movement,
            Self::Outstanding(owed) => Event::Outstanding(owed),
            Self::Unacknowledged(owed) => Event::Unacknowledged(owed),
            Self::Pass(nanoseconds) => Event::Pass(nanoseconds),
            Self::PassTheWait => Event::Pass(wait(op, now)),
            Self::Abort => Event::Abort,
            Self::Fail(errno) => Event::Fail(errno),
        }
    }
}

/// How many bytes an op wants moved, if it wants that.
pub(crate) fn asked(op: Op) -> Option<u64> {
    match op {
        Op::Attempt { count, .. } | Op::Drain { count, .. } | Op::Write { count, .. } => {
            Some(count)
        }
        Op::Confirm | Op::Wait(_) | Op::Finish(_) => None,
    }
}

/// How long an op waits, unless that is longer than a history lasts.
pub(crate) fn wait(op: Op, now: u64) -> u64 {
    let until = match op {
        Op::Wait(wait) => wait.until.unwrap_or(now),
        _ => now,
    };
    until.saturating_sub(now).min(1 << 40)
}

pub(crate) fn share_of(asked: u64, share: u16) -> u64 {
    let bytes = u128::from(asked) * u128::from(share) / u128::from(u16::MAX);
    u64::try_from(bytes).expect("a share is at most the whole")
}

/// None, all, and everything between.
fn shares() -> impl Strategy<Value = u16> {
    prop_oneof![2 => Just(0), 2 => Just(u16::MAX), 3 => any::<u16>()]
}

fn errnos() -> impl Strategy<Value = Errno> {
    any::<i32>().prop_map(Errno)
}

/// What ends a transfer is rare, so that most histories go on for hundreds of steps.
pub(crate) fn steps() -> impl Strategy<Value = Step> {
    let ended = prop_oneof![
        400 => Just(Ended::Progress),
        200 => Just(Ended::WouldBlock),
        20 => Just(Ended::Busy),
        100 => Just(Ended::Interrupted),
        1 => Just(Ended::EndOfFile),
        10 => errnos().prop_map(Ended::Refused),
        1 => errnos().prop_map(Ended::Failed),
    ];
    prop_oneof![
        900 => (shares(), ended).prop_map(|(share, ended)| Step::Outcome { share, ended }),
        200 => (shares(), times()).prop_map(|(share, nanoseconds)| Step::Took { share, nanoseconds }),
        400 => Just(Step::Ready),
        200 => times().prop_map(Step::Pass),
        200 => Just(Step::PassTheWait),
        50 => Just(Step::Movement),
        20 => (0..=2_u64).prop_map(Step::Outstanding),
        50 => prop_oneof![0..=4_u64, any::<u64>()].prop_map(Step::Unacknowledged),
        1 => Just(Step::Abort),
        1 => errnos().prop_map(Step::Fail),
    ]
}

/// Nanoseconds, from none to a quarter of an hour.
fn times() -> impl Strategy<Value = u64> {
    prop_oneof![0..=3_u64, 0..=100_000_000_u64, 0..1_u64 << 40]
}

/// Byte figures small, large, and on both sides of every border.
fn figures() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0..=1000_u64,
        1 => any::<u64>(),
        2 => MAX_OFFSET - 1000..=MAX_OFFSET + 1000,
        3 => (0..1_u64 << 40).prop_map(|below| MAX_OFFSET - below),
        1 => u64::MAX - 1000..=u64::MAX,
    ]
}

fn quanta() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..=4_u64,
        Just(DEFAULT_QUANTUM),
        MAX_ATTEMPT - 1..=MAX_ATTEMPT + 1,
        any::<u64>(),
    ]
}

const EACH: [Method; 4] = [
    Method::Sendfile,
    Method::Splice,
    Method::CopyFileRange,
    Method::Copy,
];

/// One to four methods, some of them twice.
pub(crate) fn ladders() -> impl Strategy<Value = Vec<Method>> {
    prop_oneof![
        1 => prop::sample::select(&EACH).prop_map(|method| vec![method]),
        1 => prop::collection::vec(prop::sample::select(&EACH), 1..=6),
        2 => Just(EACH.to_vec()).prop_shuffle(),
    ]
}

/// Mostly nothing, or little; now and then more than any file holds.
fn parts() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0), 3 => 1..=100_u64, 1 => any::<u64>()]
}

pub(crate) fn rates() -> impl Strategy<Value = Rate> {
    let figures = || prop_oneof![0..=100_u64, 0..=1_u64 << 34, any::<u64>()];
    (figures(), figures()).prop_map(|(per_second, burst)| Rate { per_second, burst })
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let counts = prop::option::weighted(0.5, figures());
    let ranges = (figures(), counts, quanta(), ladders());
    let ends = (any::<bool>(), any::<bool>());
    let around = (parts(), parts(), any::<bool>(), ends);
    let rates = prop::option::weighted(0.3, rates());
    let timeouts = prop::option::weighted(0.3, prop_oneof![times(), any::<u64>()]);
    (ranges, around, rates, timeouts, 0..1_u64 << 60).prop_map(
        |(range, around, rate, stall_timeout, opened)| {
            let (start, count, quantum, methods) = range;
            let (headers, trailers, through_pipe, (acknowledged, awaits_drain)) = around;
            Plan {
                headers,
                trailers,
                through_pipe,
                rate,
                stall_timeout,
                acknowledged,
                awaits_drain,
                opened,
                ..Plan::of_range(start, count, quantum, &methods)
            }
        },
    )
}

/// Hundreds of events; few under Miri, which takes a thousand times as long for each.
pub(crate) fn hundreds() -> RangeInclusive<usize> {
    if cfg!(miri) { 10..=20 } else { 200..=500 }
}

pub(crate) fn histories() -> impl Strategy<Value = (Plan, Vec<Step>)> {
    (plans(), prop::collection::vec(steps(), hundreds()))
}
