//! Every event in every state, to depth 6, over small ranges.
//!
//! Histories that lead to the same account are walked once, with their number kept; that they lead to the same
//! transfer as well, unless it is over, is one of the assertions, so nothing is lost by it.

mod account;

use std::collections::HashMap;

use sendfile64_core::{End, Ended, Errno, MAX_OFFSET, Method, Op, Outcome, Rate, Transfer};

use account::{Account, Event, Plan};

const DEPTH: i32 = 6;
const MILLISECOND: u64 = 1_000_000;
const COUNTS: [Option<u64>; 6] = [None, Some(0), Some(1), Some(2), Some(3), Some(4)];
const QUANTA: [u64; 3] = [1, 2, 3];
/// The beginning of a file, its middle, and so near its largest offset that the range does or does not fit.
const STARTS: [u64; 6] = [0, 7, MAX_OFFSET - 4, MAX_OFFSET - 2, MAX_OFFSET, u64::MAX];
const LADDERS: [&[Method]; 5] = [
    &[Method::Copy],
    &[Method::Sendfile, Method::Copy],
    &[Method::CopyFileRange, Method::Sendfile, Method::Copy],
    &[Method::Splice, Method::Splice],
    &[Method::Copy, Method::Splice, Method::Copy],
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
    pauses: u64,
    attempts: u64,
    drains: u64,
    writes: u64,
    questions: u64,
    fallbacks: u64,
    ends: HashMap<&'static str, u64>,
}

impl Seen {
    fn note(&mut self, account: &Account, transfer: &Transfer) {
        self.states += 1;
        self.fallbacks += u64::from(transfer.ladder().fallbacks().next().is_some());
        let end = match transfer.poll_op(account.now()) {
            Op::Attempt { .. } => return self.attempts += 1,
            Op::Drain { .. } => return self.drains += 1,
            Op::Write { .. } => return self.writes += 1,
            Op::Confirm => return self.questions += 1,
            Op::Wait(wait) if wait.readiness.is_none() => return self.pauses += 1,
            Op::Wait(_) => return self.waits += 1,
            Op::Finish(End::Done) => "done",
            Op::Finish(End::Truncated) => "truncated",
            Op::Finish(End::Refused(_)) => "refused",
            Op::Finish(End::Failed(_)) => "failed",
            Op::Finish(End::Aborted) => "aborted",
            Op::Finish(End::Stalled) => "stalled",
        };
        *self.ends.entry(end).or_default() += 1;
    }
}

/// Every event, with an errno that tells at which depth it came. Where nothing was asked for, outcomes claim up to
/// `quantum` bytes, which the transfer must ignore. Time passes in steps as small as it is worth.
fn events(account: &Account, transfer: &Transfer, plan: &Plan, errno: Errno) -> Vec<Event> {
    let op = transfer.poll_op(account.now());
    let most = match op {
        Op::Attempt { count, .. } | Op::Drain { count, .. } | Op::Write { count, .. } => count,
        Op::Wait(_) | Op::Confirm | Op::Finish(_) => plan.quantum,
    };
    let ways = [
        Ended::Progress,
        Ended::WouldBlock,
        Ended::Busy,
        Ended::Interrupted,
        Ended::EndOfFile,
        Ended::Refused(errno),
        Ended::Failed(errno),
    ];
    let outcomes = ways
        .into_iter()
        .flat_map(|ended| (0..=most).map(move |bytes| Event::Outcome(Outcome { bytes, ended })));
    let others = [Event::Ready, Event::Movement, Event::Abort];
    let mut events: Vec<Event> = outcomes.chain(others).collect();
    if plan.awaits_drain {
        events.extend([0, 1].map(Event::Outstanding));
    }
    if plan.acknowledged {
        events.extend([0, 1, 2].map(Event::Unacknowledged));
    }
    if plan.rate.is_some() || plan.stall_timeout.is_some() || plan.acknowledged {
        events.extend([1, 20 * MILLISECOND].map(Event::Pass));
        events.push(Event::Took(most, 200 * MILLISECOND));
        if let Op::Wait(wait) = op {
            events.extend(
                wait.until
                    .map(|until| Event::Pass(until.saturating_sub(account.now()))),
            );
        }
    } else {
        events.extend([Event::Pass(0), Event::Fail(errno)]);
    }
    events
}

fn next_level(level: &Level, plan: &Plan, errno: Errno, seen: &mut Seen) -> Level {
    let mut next = Level::new();
    for (account, (transfer, histories)) in level {
        for event in events(account, transfer, plan, errno) {
            let (mut account, mut transfer) = (account.clone(), *transfer);
            account.report(&mut transfer, event);
            seen.events += 1;
            let (known, sum) = next.entry(account).or_insert((transfer, 0));
            if transfer.end().is_none() {
                assert_eq!(*known, transfer, "one account, two transfers");
            }
            *sum += histories;
        }
    }
    next
}

fn walk(plan: &Plan, depth: i32, seen: &mut Seen) {
    let (account, transfer) = Account::open(plan.clone());
    let mut level = Level::from([(account, (transfer, 1))]);
    for depth in 1..=depth {
        level = next_level(&level, plan, Errno(depth), seen);
        for (account, (transfer, _)) in &level {
            seen.note(account, transfer);
        }
    }
    seen.histories += level.values().map(|(_, histories)| histories).sum::<u64>();
}

/// Floors just under what a walk reaches: a generator that loses a case falls below one of them.
fn assert_floors(seen: &Seen, floors: &[(&str, u64)]) {
    for &(what, floor) in floors {
        let reached = match what {
            "states" => seen.states,
            "events" => seen.events,
            "histories" => seen.histories,
            "waits" => seen.waits,
            "pauses" => seen.pauses,
            "attempts" => seen.attempts,
            "drains" => seen.drains,
            "writes" => seen.writes,
            "questions" => seen.questions,
            "fallbacks" => seen.fallbacks,
            end => seen.ends.get(end).copied().unwrap_or(0),
        };
        assert!(reached >= floor, "{what}: {seen:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "millions of steps, and no unsafe code to watch")]
fn every_history_of_six_events_keeps_the_account() {
    let mut seen = Seen::default();
    for start in STARTS {
        for count in COUNTS {
            for quantum in QUANTA {
                for methods in LADDERS {
                    let plan = Plan::of_range(start, count, quantum, methods);
                    walk(&plan, DEPTH, &mut seen);
                }
            }
        }
    }
    assert_floors(
        &seen,
        &[
            ("states", 297_000),
            ("events", 3_770_000),
            ("histories", 121_000_000_000),
            ("waits", 33_000),
            ("attempts", 51_000),
            ("fallbacks", 199_000),
            ("done", 26_700),
            ("truncated", 22_000),
            ("refused", 41_000),
            ("failed", 83_000),
            ("aborted", 38_000),
        ],
    );
}

/// Short ranges with everything that a request may ask for, alone and together.
fn plans_with_everything() -> Vec<Plan> {
    let mut plans = Vec::new();
    let pipe_first = [Method::Splice, Method::Copy];
    let counts = [None, Some(0), Some(2)];
    let parts = [(0, 0), (1, 0), (0, 1), (2, 1)];
    for start in [7, MAX_OFFSET - 1, MAX_OFFSET] {
        for count in counts {
            for (headers, trailers) in parts {
                for through_pipe in [false, true] {
                    plans.push(Plan {
                        headers,
                        trailers,
                        through_pipe,
                        ..Plan::of_range(start, count, 2, &pipe_first)
                    });
                }
            }
        }
    }
    plans
}

/// Histories in which time passes: limits, stalls, and peers that are asked.
fn plans_with_a_clock() -> Vec<Plan> {
    let rates = [(1, 1), (1_000_000_000_000, 1)];
    let rates = rates.map(|(per_second, burst)| Rate { per_second, burst });
    let rates = rates.into_iter().map(Some).chain([None]);
    let mut plans = Vec::new();
    for rate in rates {
        for stall_timeout in [None, Some(20 * MILLISECOND)] {
            for (acknowledged, awaits_drain) in [(false, false), (true, false), (false, true)] {
                for (count, headers, trailers) in [(Some(2), 0, 0), (None, 1, 1)] {
                    for through_pipe in [false, true] {
                        plans.push(Plan {
                            headers,
                            trailers,
                            through_pipe,
                            rate,
                            stall_timeout,
                            acknowledged,
                            awaits_drain,
                            opened: 1 << 40,
                            ..Plan::of_range(7, count, 2, &[Method::Splice, Method::Copy])
                        });
                    }
                }
            }
        }
    }
    plans
}

#[test]
#[cfg_attr(miri, ignore = "millions of steps, and no unsafe code to watch")]
fn every_history_with_parts_and_a_pipe_keeps_the_account() {
    let mut seen = Seen::default();
    for plan in plans_with_everything() {
        walk(&plan, DEPTH, &mut seen);
    }
    assert_floors(
        &seen,
        &[
            ("states", 40_000),
            ("histories", 8_200_000_000),
            ("waits", 5_200),
            ("attempts", 4_500),
            ("drains", 480),
            ("writes", 2_500),
            ("fallbacks", 23_000),
            ("done", 3_200),
            ("truncated", 1_300),
            ("refused", 4_000),
            ("failed", 13_000),
            ("aborted", 5_600),
        ],
    );
}

#[test]
#[cfg_attr(miri, ignore = "millions of steps, and no unsafe code to watch")]
fn every_history_in_which_time_passes_keeps_the_account() {
    let mut seen = Seen::default();
    for plan in plans_with_a_clock() {
        walk(&plan, DEPTH - 1, &mut seen);
    }
    assert_floors(
        &seen,
        &[
            ("states", 218_000),
            ("events", 1_280_000),
            ("waits", 34_000),
            ("pauses", 13_600),
            ("attempts", 36_000),
            ("drains", 3_300),
            ("writes", 9_100),
            ("questions", 9_400),
            ("fallbacks", 118_000),
            ("done", 7_200),
            ("truncated", 15_800),
            ("refused", 17_500),
            ("failed", 45_800),
            ("aborted", 22_200),
            ("stalled", 3_700),
        ],
    );
}
