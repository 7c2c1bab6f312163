//! Headers, then the range, then trailers; and a pipe between source and destination keeps what it was given.

use sendfile64_core::{
    End, Ended, Errno, Ladder, MAX_OFFSET, Method, Op, Outcome, Part, Rate, Request, Transfer,
};

const SPLICE_THEN_COPY: [Method; 2] = [Method::Splice, Method::Copy];

fn through_pipe(count: Option<u64>) -> Request {
    Request {
        through_pipe: true,
        ..Request::new(100, count, Ladder::of(&SPLICE_THEN_COPY))
    }
}

fn report(transfer: &mut Transfer, bytes: u64, ended: Ended) {
    transfer.handle_outcome(Outcome { bytes, ended }, 0);
}

fn write(part: Part, from: u64, count: u64, more: bool) -> Op {
    Op::Write {
        part,
        from,
        count,
        more,
    }
}

fn attempt(method: Method, offset: u64, count: u64) -> Op {
    Op::Attempt {
        method,
        offset,
        count,
    }
}

#[test]
fn headers_go_before_the_range_and_trailers_after_it() {
    let request = Request {
        headers: 3,
        trailers: 2,
        ..Request::new(100, Some(4), Ladder::only(Method::Sendfile))
    };
    let mut transfer = Transfer::new(request, 0);
    assert_eq!(transfer.poll_op(0), write(Part::Headers, 0, 3, true));
    report(&mut transfer, 1, Ended::Progress);
    assert_eq!(transfer.poll_op(0), write(Part::Headers, 1, 2, true));
    report(&mut transfer, 2, Ended::Progress);
    assert_eq!(transfer.poll_op(0), attempt(Method::Sendfile, 100, 4));
    report(&mut transfer, 4, Ended::WouldBlock);
    transfer.handle_ready();
    assert_eq!(transfer.poll_op(0), write(Part::Trailers, 0, 2, false));
    report(&mut transfer, 2, Ended::Progress);
    assert_eq!(transfer.poll_op(0), Op::Finish(End::Done));
    assert_eq!((transfer.bytes_sent(), transfer.next_offset()), (4, 104));
}

#[test]
fn an_empty_range_still_has_headers_and_trailers() {
    let request = Request {
        headers: 3,
        trailers: 2,
        ..Request::new(100, Some(0), Ladder::only(Method::Sendfile))
    };
    let mut transfer = Transfer::new(request, 0);
    assert_eq!(transfer.poll_op(0), write(Part::Headers, 0, 3, true));
    report(&mut transfer, 3, Ended::Progress);
    assert_eq!(transfer.poll_op(0), write(Part::Trailers, 0, 2, false));
    let without_trailers = Request {
        trailers: 0,
        ..request
    };
    let transfer = Transfer::new(without_trailers, 0);
    assert_eq!(transfer.poll_op(0), write(Part::Headers, 0, 3, false));
}

#[test]
fn headers_do_not_wait_for_a_range_that_the_rate_holds_back() {
    let rate = Some(Rate {
        per_second: 1_000_000,
        burst: 1,
    });
    let request = Request {
        headers: 3,
        rate,
        ..Request::new(0, Some(1_000_000), Ladder::only(Method::Sendfile))
    };
    let transfer = Transfer::new(request, 0);
    assert_eq!(transfer.poll_op(0), write(Part::Headers, 0, 3, false));
}

#[test]
fn a_truncated_range_has_no_trailers() {
    for start in [100, MAX_OFFSET, u64::MAX] {
        let request = Request {
            headers: 3,
            trailers: 2,
            ..Request::new(start, Some(4), Ladder::only(Method::Sendfile))
        };
        let mut transfer = Transfer::new(request, 0);
        report(&mut transfer, 3, Ended::Progress);
        report(&mut transfer, 0, Ended::EndOfFile);
        assert_eq!(transfer.end(), Some(End::Truncated), "from {start}");
    }
}

#[test]
fn the_end_of_a_source_of_unknown_size_is_followed_by_trailers() {
    let request = Request {
        trailers: 2,
        ..Request::new(100, None, Ladder::only(Method::Sendfile))
    };
    let mut transfer = Transfer::new(request, 0);
    report(&mut transfer, 4, Ended::EndOfFile);
    assert_eq!(transfer.poll_op(0), write(Part::Trailers, 0, 2, false));
}

#[test]
fn a_part_that_cannot_be_written_is_a_failure_and_refuses_no_method() {
    let request = Request {
        headers: 3,
        ..Request::new(0, Some(4), Ladder::of(&SPLICE_THEN_COPY))
    };
    let mut transfer = Transfer::new(request, 0);
    report(&mut transfer, 0, Ended::Refused(Errno(22)));
    assert_eq!(transfer.end(), Some(End::Failed(Errno(22))));
    assert_eq!(transfer.ladder().fallbacks().count(), 0);
}

#[test]
fn parts_of_any_size_keep_their_account() {
    let request = Request {
        headers: u64::MAX,
        trailers: u64::MAX,
        ..Request::new(MAX_OFFSET, None, Ladder::only(Method::Sendfile))
    };
    let mut transfer = Transfer::new(request, 0);
    report(&mut transfer, u64::MAX - 1, Ended::Progress);
    let last = write(Part::Headers, u64::MAX - 1, 1, true);
    assert_eq!(transfer.poll_op(0), last);
    report(&mut transfer, 1, Ended::Progress);
    report(&mut transfer, u64::MAX, Ended::Failed(Errno(32)));
    assert_eq!(transfer.end(), Some(End::Done));
    assert_eq!(transfer.bytes_sent(), 0);
}

#[test]
fn a_pipe_is_empty_before_it_is_filled_again() {
    let mut transfer = Transfer::new(through_pipe(Some(10)), 0);
    report(&mut transfer, 6, Ended::Progress);
    let drain = |count, more| Op::Drain { count, more };
    assert_eq!(transfer.poll_op(0), drain(6, true));
    assert_eq!(transfer.bytes_sent(), 0);
    report(&mut transfer, 2, Ended::WouldBlock);
    transfer.handle_ready();
    assert_eq!(transfer.poll_op(0), drain(4, true));
    report(&mut transfer, 4, Ended::Progress);
    assert_eq!(transfer.poll_op(0), attempt(Method::Splice, 106, 4));
    report(&mut transfer, 4, Ended::Progress);
    assert_eq!(transfer.poll_op(0), drain(4, false));
    report(&mut transfer, 4, Ended::Progress);
    assert_eq!(transfer.end(), Some(End::Done));
}

#[test]
fn whatever_comes_with_a_fill_waits_until_the_pipe_is_empty() {
    let ways = [
        (Ended::EndOfFile, None, Some(End::Done)),
        (Ended::EndOfFile, Some(9), Some(End::Truncated)),
        (Ended::Failed(Errno(5)), None, Some(End::Failed(Errno(5)))),
        (Ended::Refused(Errno(22)), None, None),
        (Ended::WouldBlock, None, None),
    ];
    for (ended, count, end) in ways {
        let mut transfer = Transfer::new(through_pipe(count), 0);
        report(&mut transfer, 3, ended);
        let drain = transfer.poll_op(0);
        assert!(matches!(drain, Op::Drain { count: 3, .. }), "{ended:?}");
        report(&mut transfer, 3, Ended::Progress);
        assert_eq!(transfer.next_offset(), 103);
        report(&mut transfer, 0, ended);
        assert_eq!((transfer.end(), transfer.bytes_sent()), (end, 3));
    }
}

#[test]
fn what_a_refused_drain_did_not_move_is_read_again_by_the_next_method() {
    let mut transfer = Transfer::new(through_pipe(Some(10)), 0);
    report(&mut transfer, 10, Ended::Progress);
    report(&mut transfer, 4, Ended::Refused(Errno(22)));
    assert_eq!(transfer.poll_op(0), attempt(Method::Copy, 104, 6));
    assert_eq!(transfer.bytes_sent(), 4);
}

#[test]
fn nothing_of_the_source_ends_while_the_pipe_is_drained() {
    for count in [None, Some(10)] {
        let mut transfer = Transfer::new(through_pipe(count), 0);
        report(&mut transfer, 5, Ended::Progress);
        report(&mut transfer, 1, Ended::EndOfFile);
        assert!(matches!(transfer.poll_op(0), Op::Drain { count: 4, .. }));
    }
}

#[test]
fn without_a_pipe_between_the_two_a_splice_is_accepted_at_once() {
    let request = Request {
        through_pipe: false,
        ..through_pipe(Some(10))
    };
    let mut transfer = Transfer::new(request, 0);
    report(&mut transfer, 6, Ended::Progress);
    assert_eq!(transfer.poll_op(0), attempt(Method::Splice, 106, 4));
    assert_eq!(transfer.bytes_sent(), 6);
}
