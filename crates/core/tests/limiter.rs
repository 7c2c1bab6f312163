//! A shared rate: together never more than `burst + rate × time`, equal parts for those that ask, nothing is lost.

use sendfile64_core::{Admission, Limiter, Rate, Reservation};

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;

/// A transfer that always has `wanted` bytes to send, and of what is admitted sends a share of `uses` percent.
struct Member {
    reservation: Reservation,
    wanted: u64,
    uses: u64,
    asks_at: u64,
    sent: u64,
}

impl Member {
    fn new(wanted: u64, uses: u64) -> Self {
        Self {
            reservation: Reservation::default(),
            wanted,
            uses,
            asks_at: 0,
            sent: 0,
        }
    }
}

/// Members on a clock of which each tick takes `tick` nanoseconds; a member wakes up with the tick after its time.
fn run(limiter: &mut Limiter, members: &mut [Member], from: u64, to: u64, tick: u64) {
    let mut now = from;
    while now < to {
        for member in members.iter_mut().filter(|member| member.asks_at <= now) {
            // One admission for each look, as an executor gives the others their turn after an attempt.
            match limiter.admit(&mut member.reservation, member.wanted, now) {
                Admission::Go(bytes) => {
                    assert!(bytes >= 1 && bytes <= member.wanted);
                    let used = (bytes * member.uses).div_ceil(100);
                    member.sent += used;
                    limiter.give_back(bytes - used, now);
                    member.asks_at = now;
                }
                Admission::Wait(until) => {
                    assert!(until > now);
                    member.asks_at = until;
                }
            }
        }
        now += tick;
    }
}

fn total(members: &[Member]) -> u64 {
    members.iter().map(|member| member.sent).sum()
}

const RATES: [u64; 6] = [7, 1_000, 65_537, 1 << 20, 100_000_007, 3_000_000_001];

#[test]
#[cfg_attr(miri, ignore = "hundreds of thousands of steps")]
fn together_they_keep_the_rate_and_lose_nothing_of_it() {
    for per_second in RATES {
        for count in [1, 2, 7, 50] {
            let burst = per_second.div_ceil(10);
            let mut limiter = Limiter::new(Rate { per_second, burst }, 0);
            let mut members: Vec<_> = (0..count).map(|_| Member::new(1 << 20, 100)).collect();
            run(&mut limiter, &mut members, 0, 10 * SECOND, MILLISECOND);
            let allowed = burst + per_second * 10;
            assert!(total(&members) <= allowed, "{per_second} {count}: too fast");
            // A tick bounds what one member can send: a quantum for each look.
            let possible = (count << 20) * 10_000;
            let slack = 3 * (per_second / 50).max(1) + count;
            let least = (allowed - slack.min(allowed)).min(possible);
            assert!(
                total(&members) >= least,
                "{per_second} {count}: {} of {allowed}",
                total(&members)
            );
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of thousands of steps")]
fn each_member_gets_an_equal_part_whatever_it_wants_at_once() {
    let rate = Rate {
        per_second: 10 << 20,
        burst: 1 << 20,
    };
    let mut limiter = Limiter::new(rate, 0);
    let mut members: Vec<_> = (0..10)
        .map(|index| Member::new(1 << (16 + index % 4), 100))
        .collect();
    run(&mut limiter, &mut members, 0, 10 * SECOND, MILLISECOND);
    let equal = total(&members) / 10;
    // The burst goes to those that ask first.
    for member in &members {
        assert!(
            member.sent.abs_diff(equal) <= rate.burst,
            "{} is not near {equal}",
            member.sent
        );
    }
}

#[test]
fn what_a_slow_member_leaves_is_there_for_the_others() {
    let rate = Rate {
        per_second: 1 << 20,
        burst: 1,
    };
    let mut limiter = Limiter::new(rate, 0);
    let mut members = [Member::new(1 << 20, 100), Member::new(1 << 20, 1)];
    run(&mut limiter, &mut members, 0, 10 * SECOND, MILLISECOND);
    assert!(total(&members) >= 10 * rate.per_second * 98 / 100);
    assert!(members[0].sent > 9 * members[1].sent);
}

#[test]
fn a_member_that_waits_no_longer_keeps_nothing_from_the_others() {
    let rate = Rate {
        per_second: 1_000,
        burst: 1_000,
    };
    let mut limiter = Limiter::new(rate, 0);
    let mut first = Reservation::default();
    assert_eq!(limiter.admit(&mut first, 1_000, 0), Admission::Go(1_000));
    let mut second = Reservation::default();
    let Admission::Wait(before) = limiter.admit(&mut second, 1_000, 0) else {
        panic!("the bucket is empty");
    };
    let mut third = Reservation::default();
    let Admission::Wait(behind) = limiter.admit(&mut third, 1_000, 0) else {
        panic!("the bucket is empty");
    };
    assert!(behind > before);
    limiter.withdraw(&mut second, 0);
    limiter.withdraw(&mut second, 0);
    let Admission::Wait(until) = limiter.admit(&mut third, 1_000, 0) else {
        panic!("nothing has been brought yet");
    };
    assert!(until < behind);
    assert!(matches!(
        limiter.admit(&mut third, 1_000, until),
        Admission::Go(_)
    ));
}

#[test]
fn another_rate_is_there_for_those_that_wait_already() {
    let slow = Rate {
        per_second: 10,
        burst: 1,
    };
    let fast = Rate {
        per_second: 1 << 30,
        burst: 1,
    };
    let mut limiter = Limiter::new(slow, 0);
    let mut reservation = Reservation::default();
    assert_eq!(limiter.admit(&mut reservation, 1, 0), Admission::Go(1));
    let Admission::Wait(late) = limiter.admit(&mut reservation, 5, 0) else {
        panic!("the bucket is empty");
    };
    limiter.set_rate(fast, 1);
    let Admission::Wait(soon) = limiter.admit(&mut reservation, 5, 1) else {
        panic!("nothing has been brought yet");
    };
    assert!(late >= SECOND / 10 && soon <= 100, "{late} {soon}");
}

#[test]
fn what_an_idle_bucket_holds_is_the_burst() {
    let rate = Rate {
        per_second: 1_000_000,
        burst: 100_000,
    };
    let mut limiter = Limiter::new(rate, 0);
    let mut reservation = Reservation::default();
    for second in 0..3 {
        let now = second * SECOND;
        assert_eq!(
            limiter.admit(&mut reservation, u64::MAX, now),
            Admission::Go(rate.burst)
        );
        assert!(matches!(
            limiter.admit(&mut reservation, u64::MAX, now),
            Admission::Wait(_)
        ));
        limiter.withdraw(&mut reservation, now);
    }
}
