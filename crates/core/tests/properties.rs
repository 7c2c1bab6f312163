//! Long random histories over every size of range, up to the largest numbers there are.

mod account;
mod histories;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sendfile64_core::{
    End, Ended, Ladder, MAX_ATTEMPT, MAX_OFFSET, Method, Op, Outcome, Request, Transfer,
};

use account::{Account, Event};
use histories::{Step, histories, hundreds, plans, share_of, steps};

const BOTH: Ladder = Ladder::of(Method::Sendfile, Method::Copy);

/// Failing input is printed, not kept in a file: it becomes a named test.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_long_history_keeps_the_account((plan, steps) in histories()) {
        let (mut account, mut transfer) = Account::open(plan);
        for step in steps {
            let event = step.event(&transfer);
            account.report(&mut transfer, event);
        }
    }

    #[test]
    fn steady_progress_takes_as_few_attempts_as_the_quantum_allows(
        quantum in 1..=MAX_ATTEMPT,
        full_attempts in 0..=300_u64,
        rest in any::<u64>(),
        room_after in prop_oneof![0..=3_u64, Just(MAX_OFFSET)],
    ) {
        let count = full_attempts * quantum + rest % quantum;
        let start = (MAX_OFFSET - count).saturating_sub(room_after);
        let mut transfer = Transfer::new(Request { start, count: Some(count), quantum, ladder: BOTH });
        let mut attempts = 0;
        while let Op::Attempt { count: asked, .. } = transfer.poll_op() {
            attempts += 1;
            prop_assert!(attempts <= 301);
            transfer.handle_outcome(Outcome { bytes: asked, ended: Ended::Progress });
        }
        prop_assert_eq!(transfer.poll_op(), Op::Finish(End::Done));
        prop_assert_eq!(attempts, count.div_ceil(quantum));
        prop_assert_eq!(transfer.bytes_sent(), count);
        prop_assert_eq!(transfer.next_offset(), start + count);
        prop_assert_eq!(transfer.would_block(), 0);
    }

    #[test]
    fn endless_retries_never_change_the_account(
        plan in plans(),
        first_share in 1..=u16::MAX,
        retries in prop::collection::vec(prop::bool::ANY, hundreds()),
    ) {
        let (mut account, mut transfer) = Account::open(plan);
        let moved = Step::Outcome { share: first_share, ended: Ended::Progress }.event(&transfer);
        account.report(&mut transfer, moved);
        let (op, sent) = (transfer.poll_op(), transfer.bytes_sent());
        let offset = transfer.next_offset();
        for &interrupted in &retries {
            let ended = if interrupted { Ended::Interrupted } else { Ended::WouldBlock };
            account.report(&mut transfer, Event::Outcome(Outcome { bytes: 0, ended }));
            account.report(&mut transfer, Event::Ready);
            prop_assert_eq!(transfer.poll_op(), op);
            prop_assert_eq!((transfer.bytes_sent(), transfer.next_offset()), (sent, offset));
        }
        let blocked = retries.iter().filter(|interrupted| !**interrupted).count();
        let alive = matches!(op, Op::Attempt { .. });
        prop_assert_eq!(transfer.would_block(), if alive { blocked as u64 } else { 0 });
    }

    #[test]
    fn the_destination_holds_exactly_the_bytes_of_the_account(
        source in prop::collection::vec(any::<u8>(), 0..=4 * hundreds().end()),
        start in 0..=2100_u64,
        count in prop::option::of(0..=2100_u64),
        quantum in 1..=400_u64,
        steps in prop::collection::vec(steps(), hundreds()),
    ) {
        let mut transfer = Transfer::new(Request { start, count, quantum, ladder: BOTH });
        let (end, destination) = carry_out(&mut transfer, &source, steps);

        let from = source.len().min(usize::try_from(start)?);
        let sent = usize::try_from(transfer.bytes_sent())?;
        prop_assert_eq!(&destination[..], &source[from..from + sent]);
        let there_is = (source.len() - from) as u64;
        match end {
            End::Done => prop_assert_eq!(transfer.bytes_sent(), count.unwrap_or(there_is)),
            End::Truncated => {
                prop_assert!(count.is_some_and(|count| count > there_is));
                prop_assert_eq!(transfer.bytes_sent(), there_is);
            }
            End::Refused(_) | End::Failed(_) | End::Aborted => {
                prop_assert!(transfer.bytes_sent() <= count.unwrap_or(there_is).min(there_is));
            }
        }
    }
}

/// An executor between two byte strings: it follows `steps` as far as a kernel could, then only makes progress.
fn carry_out(transfer: &mut Transfer, source: &[u8], steps: Vec<Step>) -> (End, Vec<u8>) {
    let most_ops = steps.len() + source.len() + 2;
    let mut steps = steps.into_iter();
    let mut destination = Vec::new();
    for _ in 0..=2 * most_ops {
        let (offset, count) = match transfer.poll_op() {
            Op::Finish(end) => return (end, destination),
            Op::Wait(_) => {
                transfer.handle_ready();
                continue;
            }
            Op::Attempt { offset, count, .. } => (offset, count),
        };
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| source.get(offset..));
        let rest = rest.unwrap_or_default();
        let most = rest
            .len()
            .min(usize::try_from(count).expect("a quantum fits"));
        let steady = Step::Outcome {
            share: u16::MAX,
            ended: Ended::Progress,
        };
        let (share, ended) = match steps.next().unwrap_or(steady) {
            Step::Outcome {
                ended: Ended::Progress | Ended::EndOfFile,
                ..
            } if most == 0 => (0, Ended::EndOfFile),
            Step::Outcome {
                share,
                ended: Ended::EndOfFile,
            } => (share, Ended::Progress),
            Step::Outcome { share, ended } => (share, ended),
            Step::Ready => {
                transfer.handle_ready();
                continue;
            }
            Step::Abort => {
                transfer.abort();
                continue;
            }
        };
        let bytes = share_of(most as u64, share);
        destination.extend_from_slice(&rest[..usize::try_from(bytes).expect("within the source")]);
        transfer.handle_outcome(Outcome { bytes, ended });
    }
    panic!("{most_ops} ops and no end: {transfer:?}");
}

/// The properties are worth what their histories reach. The runner is seeded: the same histories every time.
#[test]
#[cfg_attr(miri, ignore = "it measures the generator, not the planner")]
fn the_histories_reach_every_end_and_go_on_for_hundreds_of_steps() {
    let mut runner = TestRunner::deterministic();
    let mut ends = [0_u32; 5];
    let (mut long, mut blocked, mut fell_back, mut near_largest_offset) = (0, 0, 0, 0);
    for _ in 0..400 {
        let (plan, steps) = histories()
            .new_tree(&mut runner)
            .expect("no filter")
            .current();
        let (mut account, mut transfer) = Account::open(plan);
        let mut alive = 0;
        for step in steps {
            let event = step.event(&transfer);
            account.report(&mut transfer, event);
            match transfer.poll_op() {
                Op::Attempt { .. } | Op::Wait(_) => alive += 1,
                Op::Finish(_) => break,
            }
        }
        match transfer.poll_op() {
            Op::Finish(End::Done) => ends[0] += 1,
            Op::Finish(End::Truncated) => ends[1] += 1,
            Op::Finish(End::Refused(_)) => ends[2] += 1,
            Op::Finish(End::Failed(_)) => ends[3] += 1,
            Op::Finish(End::Aborted) => ends[4] += 1,
            Op::Attempt { .. } | Op::Wait(_) => {}
        }
        long += u32::from(alive >= 200);
        blocked += u32::from(transfer.would_block() >= 20);
        fell_back += u32::from(transfer.ladder().fallbacks().count() == 1);
        let moved = transfer.bytes_sent() > 0;
        near_largest_offset += u32::from(moved && MAX_OFFSET - transfer.next_offset() < 1 << 40);
    }
    // Floors under [111, 80, 51, 33, 47], 121, 136, 71 and 166 of the 400.
    assert!(
        ends.iter().all(|&reached| reached >= 20),
        "done, truncated, ...: {ends:?}"
    );
    assert!(long >= 80, "{long} of 400 histories go on for 200 steps");
    assert!(blocked >= 80, "{blocked} of 400 histories block 20 times");
    assert!(fell_back >= 40, "{fell_back} of 400 histories fall back");
    assert!(
        near_largest_offset >= 100,
        "{near_largest_offset} of 400 come near the largest offset"
    );
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "more bytes than it was asked to move")]
fn an_outcome_beyond_the_attempt_is_a_defect_of_the_executor() {
    report_too_much();
}

#[cfg(not(debug_assertions))]
#[test]
fn an_outcome_beyond_the_attempt_never_leaves_the_range() {
    let transfer = report_too_much();
    assert_eq!(transfer.bytes_sent(), 4);
    assert_eq!(transfer.next_offset(), 14);
    assert!(matches!(
        transfer.poll_op(),
        Op::Attempt {
            offset: 14,
            count: 4,
            ..
        }
    ));
}

fn report_too_much() -> Transfer {
    let range = Request {
        start: 10,
        count: Some(8),
        quantum: 4,
        ladder: BOTH,
    };
    let mut transfer = Transfer::new(range);
    transfer.handle_outcome(Outcome {
        bytes: u64::MAX,
        ended: Ended::Progress,
    });
    transfer
}
