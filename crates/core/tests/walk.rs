//! Every event in every state, to depth 6, over small ranges.
//!
//! Histories that lead to the same account are walked once, with their number kept; that they lead to the same
//! transfer as well is one of the assertions, so nothing is lost by it.

mod account;

use std::collections::HashMap;

use sendfile64_core::{End, Ended, Errno, MAX_OFFSET, Method, Op, Outcome, Transfer};

use account::{Account, Event, Plan};

const DEPTH: i32 = 6;
const COUNTS: [Option<u64>; 6] = [None, Some(0), Some(1), Some(2), Some(3), Some(4)];
const QUANTA: [u64; 3] = [1, 2, 3];
/// The beginning of a file, its middle, and so near its largest offset that the range does or does not fit.
const STARTS: [u64; 6] = [0, 7, MAX_OFFSET - 4, MAX_OFFSET - 2, MAX_OFFSET, u64::MAX];
const LADDERS: [&[Method]; 6] = [
    &[Method::Sendfile],
    &[Method::Copy],
    &[Method::Sendfile, Method::Copy],
    &[Method::Copy, Method::Sendfile],
    &[Method::Sendfile, Method::Sendfile],
    &[Method::Copy, Method::Copy],
];

/// The states after one number of events, with the number of histories that lead to each.
type Level = HashMap<Account, (Transfer, u64)>;

/// What the walk saw, so that a generator that stops generating is noticed.
#[derive(Debug, Default)]
struct Seen {
    states: u64,
    events: u64,
    histories: u64,
    waits: u64,
    fallbacks: u64,
    ends: HashMap<&'static str, u64>,
}

impl Seen {
    fn note(&mut self, transfer: &Transfer) {
        self.states += 1;
        self.fallbacks += u64::from(transfer.ladder().fallbacks().next().is_some());
        let end = match transfer.poll_op() {
            Op::Attempt { .. } => return,
            Op::Wait(_) => return self.waits += 1,
            Op::Finish(End::Done) => "done",
            Op::Finish(End::Truncated) => "truncated",
            Op::Finish(End::Refused(_)) => "refused",
            Op::Finish(End::Failed(_)) => "failed",
            Op::Finish(End::Aborted) => "aborted",
        };
        *self.ends.entry(end).or_default() += 1;
    }
}

/// Every event, with an errno that tells at which depth it came. Where no attempt was asked for, outcomes claim up
/// to `quantum` bytes: nobody may believe them.
fn events(transfer: &Transfer, quantum: u64, errno: Errno) -> Vec<Event> {
    let most = match transfer.poll_op() {
        Op::Attempt { count, .. } => count,
        Op::Wait(_) | Op::Finish(_) => quantum,
    };
    let ways = [
        Ended::Progress,
        Ended::WouldBlock,
        Ended::Interrupted,
        Ended::EndOfFile,
        Ended::Refused(errno),
        Ended::Failed(errno),
    ];
    let outcomes = ways
        .into_iter()
        .flat_map(|ended| (0..=most).map(move |bytes| Event::Outcome(Outcome { bytes, ended })));
    outcomes.chain([Event::Ready, Event::Abort]).collect()
}

fn next_level(level: &Level, quantum: u64, errno: Errno, seen: &mut Seen) -> Level {
    let mut next = Level::new();
    for (account, (transfer, histories)) in level {
        for event in events(transfer, quantum, errno) {
            let (mut account, mut transfer) = (account.clone(), *transfer);
            account.report(&mut transfer, event);
            seen.events += 1;
            let (known, sum) = next.entry(account).or_insert((transfer, 0));
            assert_eq!(*known, transfer, "one account, two transfers");
            *sum += histories;
        }
    }
    next
}

fn walk(plan: &Plan, seen: &mut Seen) {
    let (account, transfer) = Account::open(plan.clone());
    let mut level = Level::from([(account, (transfer, 1))]);
    for depth in 1..=DEPTH {
        level = next_level(&level, plan.quantum, Errno(depth), seen);
        level.values().for_each(|(transfer, _)| seen.note(transfer));
    }
    seen.histories += level.values().map(|(_, histories)| histories).sum::<u64>();
}

#[test]
#[cfg_attr(miri, ignore = "millions of steps, and no unsafe code to watch")]
fn every_history_of_six_events_keeps_the_account() {
    let mut seen = Seen::default();
    for start in STARTS {
        for count in COUNTS {
            for quantum in QUANTA {
                for methods in LADDERS {
                    let plan = Plan {
                        start,
                        count,
                        quantum,
                        methods: methods.to_vec(),
                    };
                    walk(&plan, &mut seen);
                }
            }
        }
    }
    // Floors just under what the walk reaches: a generator that loses a case falls below one of them.
    assert!(seen.states >= 216_000, "{seen:?}");
    assert!(seen.events >= 2_600_000, "{seen:?}");
    assert!(seen.histories >= 71_000_000_000, "{seen:?}");
    assert!(seen.waits >= 23_000, "{seen:?}");
    assert!(seen.fallbacks >= 97_000, "{seen:?}");
    for (end, floor) in [
        ("done", 18_000),
        ("truncated", 16_000),
        ("refused", 43_000),
        ("failed", 54_000),
        ("aborted", 26_000),
    ] {
        let reached = seen.ends.get(end).copied().unwrap_or(0);
        assert!(reached >= floor, "{end}: {seen:?}");
    }
}
