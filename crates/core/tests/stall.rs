//! When a destination counts as stalled, and when its peer is asked what it has acknowledged.

use sendfile64_core::{
    End, Ended, Errno, Ladder, Method, Op, Outcome, Rate, Readiness, Request, Transfer, Wait,
};

const MILLISECOND: u64 = 1_000_000;
const TIMEOUT: u64 = 100 * MILLISECOND;

fn request(count: u64) -> Request {
    Request {
        stall_timeout: Some(TIMEOUT),
        ..Request::new(0, Some(count), Ladder::only(Method::Sendfile))
    }
}

fn report(transfer: &mut Transfer, bytes: u64, ended: Ended, now: u64) {
    transfer.handle_outcome(Outcome { bytes, ended }, now);
}

fn wait_until(transfer: &Transfer, now: u64) -> Option<u64> {
    match transfer.poll_op(now) {
        Op::Wait(wait) => wait.until,
        op => panic!("{op:?} does not wait"),
    }
}

#[test]
fn a_destination_that_accepts_nothing_in_time_has_stalled() {
    let mut transfer = Transfer::new(request(10), 5);
    report(&mut transfer, 4, Ended::WouldBlock, 7);
    let expected = Wait {
        readiness: Some(Readiness::Writable),
        until: Some(7 + TIMEOUT),
    };
    assert_eq!(transfer.poll_op(8), Op::Wait(expected));
    transfer.handle_time(6 + TIMEOUT);
    assert_eq!(transfer.end(), None);
    transfer.handle_time(7 + TIMEOUT);
    assert_eq!(transfer.end(), Some(End::Stalled));
    assert_eq!(transfer.bytes_sent(), 4);
}

#[test]
fn readiness_and_movement_start_the_clock_again() {
    let mut transfer = Transfer::new(request(10), 0);
    report(&mut transfer, 0, Ended::WouldBlock, 0);
    transfer.handle_movement(TIMEOUT - 1);
    transfer.handle_time(TIMEOUT);
    assert_eq!(wait_until(&transfer, TIMEOUT), Some(2 * TIMEOUT - 1));
    transfer.handle_ready();
    // It was ready and takes nothing all the same: the clock starts with this answer.
    let later = 5 * TIMEOUT;
    transfer.handle_time(later);
    report(&mut transfer, 0, Ended::WouldBlock, later);
    assert_eq!(wait_until(&transfer, later), Some(later + TIMEOUT));
    transfer.handle_time(later + TIMEOUT);
    assert_eq!(transfer.end(), Some(End::Stalled));
}

#[test]
fn trying_again_does_not_start_the_clock_again_but_a_byte_ends_it() {
    let mut transfer = Transfer::new(request(10), 0);
    report(&mut transfer, 0, Ended::WouldBlock, 0);
    transfer.handle_retry();
    report(&mut transfer, 0, Ended::WouldBlock, TIMEOUT / 2);
    assert_eq!(wait_until(&transfer, TIMEOUT / 2), Some(TIMEOUT));
    transfer.handle_retry();
    report(&mut transfer, 1, Ended::Progress, TIMEOUT - 1);
    report(&mut transfer, 0, Ended::WouldBlock, TIMEOUT);
    assert_eq!(wait_until(&transfer, TIMEOUT), Some(2 * TIMEOUT));
    transfer.handle_retry();
    transfer.handle_time(2 * TIMEOUT);
    report(&mut transfer, 0, Ended::WouldBlock, 2 * TIMEOUT);
    transfer.handle_time(2 * TIMEOUT);
    assert_eq!(transfer.end(), Some(End::Stalled));
}

#[test]
fn only_a_destination_that_turns_bytes_away_can_stall() {
    let mut transfer = Transfer::new(request(10), 0);
    for attempt in 1..=5 {
        transfer.handle_time(attempt * TIMEOUT);
        transfer.handle_movement(attempt * TIMEOUT);
        report(&mut transfer, 1, Ended::Progress, attempt * TIMEOUT);
        report(&mut transfer, 0, Ended::Interrupted, attempt * TIMEOUT);
    }
    assert_eq!((transfer.end(), transfer.bytes_sent()), (None, 5));
}

#[test]
fn a_pause_for_the_rate_is_not_a_stall() {
    let rate = Some(Rate {
        per_second: 1,
        burst: 1,
    });
    let mut transfer = Transfer::new(
        Request {
            rate,
            ..request(10)
        },
        0,
    );
    report(&mut transfer, 1, Ended::Progress, 0);
    let expected = Wait {
        readiness: None,
        until: Some(1_000 * MILLISECOND),
    };
    assert_eq!(transfer.poll_op(0), Op::Wait(expected));
    transfer.handle_time(999 * MILLISECOND);
    assert_eq!(transfer.end(), None);
    assert_eq!(transfer.poll_op(999 * MILLISECOND), Op::Wait(expected));
}

#[test]
fn without_a_timeout_or_with_the_longest_one_nothing_stalls() {
    for stall_timeout in [None, Some(u64::MAX)] {
        let mut transfer = Transfer::new(
            Request {
                stall_timeout,
                ..request(10)
            },
            1,
        );
        report(&mut transfer, 0, Ended::WouldBlock, 1);
        assert_eq!(wait_until(&transfer, 1), stall_timeout);
        transfer.handle_time(u64::MAX - 1);
        assert_eq!(transfer.end(), None);
    }
}

/// Everything is queued at `now`, and the peer is to acknowledge it.
fn confirming(stall_timeout: Option<u64>, now: u64) -> Transfer {
    let request = Request {
        acknowledged: true,
        stall_timeout,
        ..request(10)
    };
    let mut transfer = Transfer::new(request, now);
    report(&mut transfer, 10, Ended::Failed(Errno(32)), now);
    assert_eq!(transfer.poll_op(now), Op::Confirm);
    transfer
}

#[test]
fn a_transfer_is_done_once_nothing_is_owed() {
    let mut transfer = confirming(None, 3);
    transfer.handle_unacknowledged(5, 3);
    assert_eq!(wait_until(&transfer, 3), Some(3 + MILLISECOND));
    transfer.handle_unacknowledged(0, 3); // not asked for by the transfer
    assert_eq!(transfer.end(), None);
    assert_eq!(transfer.poll_op(3 + MILLISECOND), Op::Confirm);
    transfer.handle_unacknowledged(0, 3 + MILLISECOND);
    assert_eq!(transfer.end(), Some(End::Done));
}

#[test]
fn a_peer_that_stands_still_is_asked_less_and_less_often_until_it_has_stalled() {
    let mut transfer = confirming(Some(TIMEOUT), 0);
    let mut now = 0;
    let mut questions = Vec::new();
    while transfer.end().is_none() {
        if transfer.poll_op(now) == Op::Confirm {
            questions.push(now / MILLISECOND);
            transfer.handle_unacknowledged(8, now);
        } else {
            now = wait_until(&transfer, now).expect("a peer reports nothing by itself");
            transfer.handle_time(now);
        }
    }
    assert_eq!(questions, [0, 1, 3, 7, 15, 31, 63]);
    assert_eq!((transfer.end(), now), (Some(End::Stalled), TIMEOUT));
}

#[test]
fn a_slow_peer_is_asked_at_its_own_pace() {
    // 10 MB at 1 MB/s.
    let mut transfer = confirming(Some(TIMEOUT), 0);
    let (mut now, mut questions) = (0, 0);
    while transfer.end().is_none() {
        if transfer.poll_op(now) == Op::Confirm {
            questions += 1;
            transfer.handle_unacknowledged(10_000_000_u64.saturating_sub(now / 1_000), now);
        } else {
            now = wait_until(&transfer, now).expect("a peer reports nothing by itself");
            transfer.handle_time(now);
        }
    }
    assert_eq!(transfer.end(), Some(End::Done));
    assert!((10_000..=10_001).contains(&(now / MILLISECOND)), "{now}");
    assert!(questions <= 210, "{questions}");
}

#[test]
fn a_late_executor_asks_once_more_before_the_peer_has_stalled() {
    for (owed, end) in [(0, End::Done), (8, End::Stalled)] {
        let mut transfer = confirming(Some(TIMEOUT), 0);
        transfer.handle_unacknowledged(8, 0);
        let late = 10 * TIMEOUT;
        transfer.handle_time(late);
        assert_eq!(transfer.poll_op(late), Op::Confirm);
        transfer.handle_unacknowledged(owed, late);
        assert_eq!(transfer.end(), Some(end));
    }
}

#[test]
fn nothing_to_send_has_nothing_to_wait_for_but_the_peer() {
    let queued = Transfer::new(request(0), 0);
    assert_eq!(queued.end(), Some(End::Done));
    let request = Request {
        acknowledged: true,
        ..request(0)
    };
    let acknowledged = Transfer::new(request, 0);
    assert_eq!(acknowledged.poll_op(0), Op::Confirm);
}

#[test]
fn a_destination_that_is_looked_at_has_stalled_at_the_fourth_look_that_finds_it_standing() {
    let mut transfer = Transfer::new(request(10), 0);
    report(&mut transfer, 4, Ended::WouldBlock, 0);
    transfer.handle_outstanding(4, 0);
    let mut looks = Vec::new();
    let mut now = 0;
    while transfer.end().is_none() {
        now = wait_until(&transfer, now).expect("a time to look");
        looks.push(now / MILLISECOND);
        // It moves once, between the first look and the second, whatever that measures.
        transfer.handle_outstanding(if looks.len() == 1 { 4 } else { 7 }, now);
    }
    assert_eq!(looks, [25, 50, 75, 100, 125, 150]);
    assert_eq!(transfer.end(), Some(End::Stalled));
}

#[test]
fn without_a_timeout_a_look_leads_to_no_other() {
    let mut transfer = Transfer::new(Request::new(0, None, Ladder::only(Method::Copy)), 0);
    report(&mut transfer, 4, Ended::Busy, 0);
    transfer.handle_outstanding(4, 0);
    assert_eq!(wait_until(&transfer, 0), None);
    assert_eq!(transfer.would_block(), 0); // at work is not turned away
}

/// The last byte has been taken, and the destination wants to wait.
fn settling(ended: Ended) -> Transfer {
    let request = Request {
        awaits_drain: true,
        ..request(10)
    };
    let mut transfer = Transfer::new(request, 0);
    report(&mut transfer, 10, ended, 0);
    assert_eq!(wait_until(&transfer, 0), Some(TIMEOUT));
    transfer
}

#[test]
fn what_settles_is_over_when_the_destination_goes_on_after_the_last_byte() {
    for ended in [Ended::WouldBlock, Ended::Busy] {
        let mut gone_on = settling(ended);
        gone_on.handle_retry(); // there is nothing left to be tried
        assert_eq!(gone_on.end(), None);
        gone_on.handle_ready();
        assert_eq!(gone_on.end(), Some(End::Done));

        let mut stalled = settling(ended);
        stalled.handle_outstanding(10, TIMEOUT / 2);
        stalled.handle_outstanding(10, TIMEOUT);
        assert_eq!(stalled.end(), Some(End::Stalled));

        let mut given_up = settling(ended);
        given_up.abort();
        assert_eq!(given_up.end(), Some(End::Done));
    }
}
