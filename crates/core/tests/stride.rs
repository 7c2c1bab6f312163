//! What one attempt asks for, by how long the last ones took.

use sendfile64_core::{
    DEFAULT_QUANTUM, Ended, Ladder, MAX_ATTEMPT, Method, Op, Outcome, Request, Transfer,
};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;

fn transfer(quantum: u64) -> Transfer {
    let ladder = Ladder::only(Method::CopyFileRange);
    let request = Request {
        quantum,
        ..Request::new(0, Some(1 << 40), ladder)
    };
    Transfer::new(request, 0)
}

fn asked(transfer: &Transfer) -> u64 {
    match transfer.poll_op(0) {
        Op::Attempt { count, .. } => count,
        op => panic!("{op:?}"),
    }
}

/// The whole attempt that is asked for, by a source of this speed. Returns how long it took.
fn attempt(transfer: &mut Transfer, bytes_per_second: u64) -> u64 {
    let bytes = asked(transfer);
    let took = bytes * 1000 / bytes_per_second * MILLISECOND;
    let ended = Ended::Progress;
    transfer.handle_outcome(Outcome { bytes, ended }, 0);
    transfer.handle_duration(bytes, took);
    took
}

#[test]
fn no_attempt_but_the_first_takes_longer_than_a_tenth_of_a_second_whatever_the_quantum() {
    for bytes_per_second in [MIB, 3 * MIB, 8 * MIB, 50 * MIB, 400 * MIB, 5000 * MIB] {
        for quantum in [DEFAULT_QUANTUM, 3 * MIB, 256 * MIB, MAX_ATTEMPT] {
            let mut transfer = transfer(quantum);
            let first = attempt(&mut transfer, bytes_per_second);
            assert!(first <= SECOND, "{bytes_per_second}, {quantum}: {first}");
            for _ in 0..100 {
                let took = attempt(&mut transfer, bytes_per_second);
                let most = 100 * MILLISECOND;
                assert!(took <= most, "{bytes_per_second}, {quantum}: {took}");
            }
        }
    }
}

#[test]
fn a_fast_source_is_asked_for_more_up_to_the_quantum_and_4_mib() {
    for (quantum, most) in [
        (MIB / 2, MIB / 2),
        (MIB, MIB),
        (3 * MIB, 3 * MIB),
        (MAX_ATTEMPT, 4 * MIB),
    ] {
        let mut transfer = transfer(quantum);
        assert_eq!(asked(&transfer), quantum.min(MIB));
        let mut sizes = Vec::new();
        for _ in 0..4 {
            attempt(&mut transfer, 1 << 32);
            sizes.push(asked(&transfer));
        }
        assert!(sizes.is_sorted(), "{sizes:?}");
        assert_eq!(sizes.last(), Some(&most));
    }
}

#[test]
fn a_source_that_becomes_slow_is_asked_for_less_and_one_that_is_fast_again_for_more() {
    let mut transfer = transfer(MIB);
    attempt(&mut transfer, MIB);
    assert_eq!(asked(&transfer), MIB / 10);
    attempt(&mut transfer, 1024);
    assert_eq!(asked(&transfer), 64 << 10, "not less than a call is worth");
    for _ in 0..4 {
        attempt(&mut transfer, 1 << 32);
    }
    assert_eq!(asked(&transfer), MIB);
}

#[test]
fn an_attempt_that_the_destination_cut_short_says_nothing_of_a_fast_source() {
    let mut transfer = transfer(4 * MIB);
    for _ in 0..10 {
        transfer.handle_duration(MIB - 1, 1);
    }
    assert_eq!(asked(&transfer), MIB);
    transfer.handle_duration(0, SECOND);
    assert_eq!(asked(&transfer), 64 << 10, "a second for nothing");
}
