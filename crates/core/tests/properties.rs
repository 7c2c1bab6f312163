//! Long random histories over every size of range, up to the largest numbers there are.

mod account;
mod executor;
mod histories;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sendfile64_core::{
    DEFAULT_QUANTUM, End, Ended, Ladder, MAX_OFFSET, Method, Op, Outcome, Part, Request, Transfer,
};

use account::{Account, Event};
use executor::Ends;
use histories::{Step, asked, histories, hundreds, ladders, plans, rates, steps};

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
            let event = step.event(&transfer, account.now());
            account.report(&mut transfer, event);
        }
    }

    #[test]
    fn steady_progress_takes_as_few_attempts_as_the_quantum_allows(
        quantum in 1..=DEFAULT_QUANTUM,
        full_attempts in 0..=300_u64,
        rest in any::<u64>(),
        room_after in prop_oneof![0..=3_u64, Just(MAX_OFFSET)],
    ) {
        let count = full_attempts * quantum + rest % quantum;
        let start = (MAX_OFFSET - count).saturating_sub(room_after);
        let mut transfer = Transfer::new(Request { quantum, ..Request::new(start, Some(count), both()) }, 0);
        let mut attempts = 0;
        while let Op::Attempt { count: asked, .. } = transfer.poll_op(0) {
            attempts += 1;
            prop_assert!(attempts <= 301);
            transfer.handle_outcome(Outcome { bytes: asked, ended: Ended::Progress }, 0);
        }
        prop_assert_eq!(transfer.poll_op(0), Op::Finish(End::Done));
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
        let moved = Step::Outcome { share: first_share, ended: Ended::Progress }.event(&transfer, account.now());
        account.report(&mut transfer, moved);
        let (op, sent) = (transfer.poll_op(account.now()), transfer.bytes_sent());
        let offset = transfer.next_offset();
        for &interrupted in &retries {
            let ended = if interrupted { Ended::Interrupted } else { Ended::WouldBlock };
            account.report(&mut transfer, Event::Outcome(Outcome { bytes: 0, ended }));
            account.report(&mut transfer, Event::Ready);
            prop_assert_eq!(transfer.poll_op(account.now()), op);
            prop_assert_eq!((transfer.bytes_sent(), transfer.next_offset()), (sent, offset));
        }
        let blocked = retries.iter().filter(|interrupted| !**interrupted).count();
        let alive = asked(op).is_some();
        prop_assert_eq!(transfer.would_block(), if alive { blocked as u64 } else { 0 });
    }

    #[test]
    fn the_destination_holds_headers_range_and_trailers_in_this_order(
        parts in [prop::collection::vec(any::<u8>(), 0..=50), prop::collection::vec(any::<u8>(), 0..=50)],
        source in prop::collection::vec(any::<u8>(), 0..=4 * hundreds().end()),
        (start, count) in (0..=2100_u64, prop::option::of(0..=2100_u64)),
        (quantum, methods, through_pipe) in (1..=400_u64, ladders(), any::<bool>()),
        (rate, acknowledged) in (prop::option::weighted(0.3, rates()), any::<bool>()),
        steps in prop::collection::vec(steps(), hundreds()),
    ) {
        let [headers, trailers] = parts;
        let request = Request {
            quantum,
            headers: headers.len() as u64,
            trailers: trailers.len() as u64,
            through_pipe,
            rate,
            acknowledged,
            ..Request::new(start, count, Ladder::of(&methods))
        };
        let mut transfer = Transfer::new(request, 0);
        let mut ends = Ends::new(headers, source, trailers, through_pipe);
        let end = ends.carry_out(&mut transfer, steps);

        let from = ends.source.len().min(usize::try_from(start)?);
        let sent = usize::try_from(transfer.bytes_sent())?;
        let before = usize::try_from(ends.written(Part::Headers))?;
        let after = usize::try_from(ends.written(Part::Trailers))?;
        let expected = [&ends.headers[..before], &ends.source[from..from + sent], &ends.trailers[..after]];
        prop_assert_eq!(ends.destination(), expected.concat());
        prop_assert!(before == ends.headers.len() || sent + after == 0);
        let there_is = (ends.source.len() - from) as u64;
        prop_assert!(after == 0 || transfer.bytes_sent() == count.unwrap_or(there_is));
        match end {
            End::Done => {
                prop_assert_eq!(transfer.bytes_sent(), count.unwrap_or(there_is));
                prop_assert_eq!(after, ends.trailers.len());
            }
            End::Truncated => {
                prop_assert!(count.is_some_and(|count| count > there_is));
                prop_assert_eq!(transfer.bytes_sent(), there_is);
            }
            End::Refused(_) | End::Failed(_) | End::Aborted | End::Stalled => {
                prop_assert!(transfer.bytes_sent() <= count.unwrap_or(there_is).min(there_is));
            }
        }
    }
}

/// The properties are worth what their histories reach. The runner is seeded: the same histories every time.
#[test]
#[cfg_attr(miri, ignore = "it measures the generator, not the planner")]
fn the_histories_reach_every_end_and_go_on_for_hundreds_of_steps() {
    let mut runner = TestRunner::deterministic();
    let mut ends = [0_u32; 6];
    let (mut long, mut blocked, mut fell_back, mut near_largest_offset) = (0, 0, 0, 0);
    for _ in 0..400 {
        let (plan, steps) = histories()
            .new_tree(&mut runner)
            .expect("no filter")
            .current();
        let (mut account, mut transfer) = Account::open(plan);
        let mut alive = 0;
        for step in steps {
            let event = step.event(&transfer, account.now());
            account.report(&mut transfer, event);
            if transfer.end().is_some() {
                break;
            }
            alive += 1;
        }
        match transfer.end() {
            Some(End::Done) => ends[0] += 1,
            Some(End::Truncated) => ends[1] += 1,
            Some(End::Refused(_)) => ends[2] += 1,
            Some(End::Failed(_)) => ends[3] += 1,
            Some(End::Aborted) => ends[4] += 1,
            Some(End::Stalled) => ends[5] += 1,
            None => {}
        }
        long += u32::from(alive >= 200);
        blocked += u32::from(transfer.would_block() >= 20);
        fell_back += u32::from(transfer.ladder().fallbacks().count() > 0);
        let moved = transfer.bytes_sent() > 0;
        near_largest_offset += u32::from(moved && MAX_OFFSET - transfer.next_offset() < 1 << 40);
    }
    // Floors under [73, 48, 42, 61, 23, 52], 146, 82, 73 and 149 of the 400.
    assert!(
        ends.iter().all(|&reached| reached >= 20),
        "done, truncated, ...: {ends:?}"
    );
    assert!(long >= 80, "{long} of 400 histories go on for 200 steps");
    assert!(blocked >= 60, "{blocked} of 400 histories block 20 times");
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
        transfer.poll_op(0),
        Op::Attempt {
            offset: 14,
            count: 4,
            ..
        }
    ));
}

fn report_too_much() -> Transfer {
    let range = Request {
        quantum: 4,
        ..Request::new(10, Some(8), both())
    };
    let mut transfer = Transfer::new(range, 0);
    let too_much = Outcome {
        bytes: u64::MAX,
        ended: Ended::Progress,
    };
    transfer.handle_outcome(too_much, 0);
    transfer
}

fn both() -> Ladder {
    Ladder::of(&[Method::Sendfile, Method::Copy])
}
