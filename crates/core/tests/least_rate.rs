//! When a destination that still moves counts as too slow.

use sendfile64_core::LeastRate;

const SECOND: u64 = 1_000_000_000;

/// A destination that takes `bytes` each `every` nanoseconds and is waited for all the time. Returns when it is given up.
fn given_up(least: &mut LeastRate, bytes: i64, every: u64, limit: u64) -> Option<u64> {
    let (mut now, mut taken, mut next) = (0, 0, every);
    least.wait_begins(taken, now);
    while now < limit {
        let due = least.due().expect("it is waited for");
        now = due.min(next);
        if now == next {
            taken += bytes;
            next += every;
            least.wait_ends(taken, now);
            least.wait_begins(taken, now);
        }
        if least.is_below(taken, now) {
            return Some(now);
        }
    }
    None
}

#[test]
fn one_that_takes_nothing_is_given_up_after_a_window() {
    let mut least = LeastRate::new(1, 8 * SECOND);
    assert_eq!(
        given_up(&mut least, 0, SECOND, 60 * SECOND),
        Some(8 * SECOND)
    );
}

#[test]
fn one_that_trickles_is_given_up_and_one_that_keeps_the_rate_is_not() {
    let each = |bytes| {
        given_up(
            &mut LeastRate::new(1_000, 10 * SECOND),
            bytes,
            SECOND / 10,
            120 * SECOND,
        )
    };
    assert_eq!(each(1), Some(10 * SECOND));
    assert_eq!(each(90), Some(10 * SECOND));
    assert_eq!(each(101), None);
    assert_eq!(each(5_000), None);
}

#[test]
fn one_that_has_been_fast_is_given_up_a_window_after_it_became_slow() {
    let mut least = LeastRate::new(1_000, 8 * SECOND);
    assert_eq!(given_up(&mut least, 10_000, SECOND, 20 * SECOND), None);
    let mut now = 20 * SECOND;
    let taken = 200_000;
    let begun = now;
    while !least.is_below(taken, now) {
        now += SECOND / 100;
        assert!(now < begun + 60 * SECOND, "it is never given up");
    }
    assert!(
        now >= begun + 7 * SECOND && now <= begun + 9 * SECOND,
        "{}",
        now - begun
    );
}

#[test]
fn time_in_which_it_is_not_waited_for_does_not_count() {
    let mut least = LeastRate::new(1_000, 8 * SECOND);
    let mut now = 0;
    for _ in 0..70 {
        least.wait_begins(0, now);
        now += SECOND / 10;
        assert!(
            !least.is_below(0, now),
            "seven seconds of waits are no window"
        );
        least.wait_ends(0, now);
        assert_eq!(least.due(), None);
        now += 100 * SECOND;
    }
    least.wait_begins(0, now);
    assert!(!least.is_below(0, now + SECOND - 1));
    assert!(least.is_below(0, now + SECOND));
}

#[test]
fn what_was_in_the_buffer_of_a_destination_before_may_be_on_the_scale() {
    let mut least = LeastRate::new(1_000, 8 * SECOND);
    least.wait_begins(-4_000_000, 0);
    assert!(!least.is_below(-4_000_000 + 8_000, 8 * SECOND));
    assert!(least.is_below(-4_000_000 + 8_000 + 999, 9 * SECOND - 1 + SECOND));
}
