//! Strategies for random histories: what is asked for, and what happens then.

use std::ops::RangeInclusive;

use proptest::prelude::*;
use sendfile64_core::{
    DEFAULT_QUANTUM, Ended, Errno, MAX_ATTEMPT, MAX_OFFSET, Method, Op, Outcome, Transfer,
};

use crate::account::{Event, Plan};

/// One event of a history. The bytes are a share of what will be asked for, which is not known beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Outcome { share: u16, ended: Ended },
    Ready,
    Abort,
}

impl Step {
    pub(crate) fn event(self, transfer: &Transfer) -> Event {
        let asked = match transfer.poll_op() {
            Op::Attempt { count, .. } => count,
            Op::Wait(_) | Op::Finish(_) => u64::MAX,
        };
        match self {
            Self::Outcome { share, ended } => Event::Outcome(Outcome {
                bytes: share_of(asked, share),
                ended,
            }),
            Self::Ready => Event::Ready,
            Self::Abort => Event::Abort,
        }
    }
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
        100 => Just(Ended::Interrupted),
        1 => Just(Ended::EndOfFile),
        4 => errnos().prop_map(Ended::Refused),
        1 => errnos().prop_map(Ended::Failed),
    ];
    prop_oneof![
        700 => (shares(), ended).prop_map(|(share, ended)| Step::Outcome { share, ended }),
        300 => Just(Step::Ready),
        1 => Just(Step::Abort),
    ]
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

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    const EACH: [Method; 2] = [Method::Sendfile, Method::Copy];
    let ladders = prop_oneof![
        1 => prop::collection::vec(prop::sample::select(&EACH), 1..=2),
        2 => Just(EACH.to_vec()).prop_shuffle(),
    ];
    let counts = prop::option::weighted(0.5, figures());
    (figures(), counts, quanta(), ladders).prop_map(|(start, count, quantum, methods)| Plan {
        start,
        count,
        quantum,
        methods,
    })
}

/// Hundreds of events; few under Miri, which takes a thousand times as long for each.
pub(crate) fn hundreds() -> RangeInclusive<usize> {
    if cfg!(miri) { 10..=20 } else { 200..=500 }
}

pub(crate) fn histories() -> impl Strategy<Value = (Plan, Vec<Step>)> {
    (plans(), prop::collection::vec(steps(), hundreds()))
}
