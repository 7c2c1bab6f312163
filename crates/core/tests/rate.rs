//! A rate: never more than `burst + rate × time`, and never more than a grain less, however late the executor wakes.

use sendfile64_core::{
    End, Ended, Ladder, MAX_OFFSET, Method, Op, Outcome, Rate, Request, Transfer,
};

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;

fn transfer(count: u64, quantum: u64, rate: Rate, now: u64) -> Transfer {
    let request = Request {
        quantum,
        rate: Some(rate),
        ..Request::new(0, Some(count), Ladder::only(Method::Sendfile))
    };
    Transfer::new(request, now)
}

/// An executor whose destination takes everything at once. It sleeps until the first tick of its clock that is not
/// before the time it was given.
struct Executor {
    transfer: Transfer,
    rate: Rate,
    opened: u64,
    now: u64,
    tick: u64,
    pauses: u64,
}

impl Executor {
    fn new(count: u64, quantum: u64, rate: Rate, tick: u64) -> Self {
        let opened = 1 << 40;
        Self {
            transfer: transfer(count, quantum, rate, opened),
            rate,
            opened,
            now: opened,
            tick,
            pauses: 0,
        }
    }

    /// Runs to the end, or for `seconds`, and returns the nanoseconds that it took.
    fn run(&mut self, seconds: u64) -> u64 {
        while self.transfer.end().is_none() && self.now < self.opened + seconds * SECOND {
            match self.transfer.poll_op(self.now) {
                Op::Attempt { count, .. } => self.attempt(count),
                Op::Wait(wait) => {
                    self.assert_not_behind();
                    let until = wait.until.expect("nothing else to wait for");
                    assert!(until > self.now && wait.readiness.is_none());
                    self.now = until.next_multiple_of(self.tick);
                    self.transfer.handle_time(self.now);
                    self.pauses += 1;
                }
                op => panic!("{op:?} has no place in a range"),
            }
        }
        self.now - self.opened
    }

    fn attempt(&mut self, bytes: u64) {
        let ended = Ended::Progress;
        self.transfer
            .handle_outcome(Outcome { bytes, ended }, self.now);
        let sent = u128::from(self.transfer.bytes_sent());
        assert!(sent * u128::from(SECOND) <= self.allowed(), "too fast");
    }

    /// After everything that may go now has gone, less than a grain is missing.
    fn assert_not_behind(&self) {
        let grain = u128::from((self.rate.per_second / 50).max(1));
        let sent = u128::from(self.transfer.bytes_sent()) + grain;
        assert!(
            sent * u128::from(SECOND) > self.allowed(),
            "behind after {} ns: {:?}",
            self.now - self.opened,
            self.transfer
        );
    }

    /// In billionths of a byte.
    fn allowed(&self) -> u128 {
        let time = u128::from(self.now - self.opened);
        u128::from(self.rate.burst) * u128::from(SECOND) + u128::from(self.rate.per_second) * time
    }
}

const RATES: [u64; 9] = [
    1,
    3,
    49,
    99,
    101,
    65_537,
    100_000_007,
    3_000_000_001,
    10_000_000_000,
];

#[test]
#[cfg_attr(miri, ignore = "hundreds of thousands of steps")]
fn late_wake_ups_cost_nothing() {
    for per_second in RATES {
        for burst in [1, per_second.div_ceil(10), per_second * 3] {
            let rate = Rate { per_second, burst };
            for tick in [1, MILLISECOND, 4 * MILLISECOND] {
                let mut executor = Executor::new(MAX_OFFSET, 1 << 20, rate, tick);
                executor.run(if per_second > SECOND { 1 } else { 20 });
                let lateness = u128::from(per_second) * u128::from(tick);
                let missing = executor.allowed()
                    - u128::from(executor.transfer.bytes_sent()) * u128::from(SECOND);
                let grain = u128::from((per_second / 50).max(1)) * u128::from(SECOND);
                assert!(missing < grain + lateness + grain, "{rate:?} {tick}");
            }
        }
    }
}

#[test]
fn a_whole_file_takes_what_the_rate_says() {
    // (10 MB - 1 MB) at 1 MB/s, to a millisecond of the executor.
    let rate = Rate {
        per_second: 1_000_000,
        burst: 1_000_000,
    };
    let took = Executor::new(10_000_000, 1 << 20, rate, MILLISECOND).run(60);
    assert!((9 * SECOND..=9 * SECOND + MILLISECOND).contains(&took));
    // A byte a second: the first one is the burst.
    let rate = Rate {
        per_second: 1,
        burst: 1,
    };
    let took = Executor::new(5, 1 << 20, rate, MILLISECOND).run(60);
    assert!((4 * SECOND..=4 * SECOND + MILLISECOND).contains(&took));
}

#[test]
fn a_burst_larger_than_the_file_never_pauses() {
    for burst in [1_000, u64::MAX] {
        let rate = Rate {
            per_second: 1,
            burst,
        };
        let mut executor = Executor::new(1_000, 10, rate, MILLISECOND);
        assert_eq!(executor.run(1), 0);
        assert_eq!(executor.pauses, 0);
        assert_eq!(executor.transfer.end(), Some(End::Done));
    }
}

#[test]
fn the_first_burst_goes_at_once() {
    let rate = Rate {
        per_second: 1_000,
        burst: 300,
    };
    let transfer = transfer(1_000, 1 << 20, rate, 7);
    assert!(matches!(
        transfer.poll_op(7),
        Op::Attempt { count: 300, .. }
    ));
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of thousands of steps")]
fn fifty_wake_ups_a_second_do() {
    let rate = Rate {
        per_second: 10_000_000,
        burst: 1,
    };
    let mut executor = Executor::new(MAX_OFFSET, 1 << 20, rate, MILLISECOND);
    executor.run(10);
    assert!(executor.pauses <= 10 * 50 + 1, "{}", executor.pauses);
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of thousands of steps")]
fn what_many_short_attempts_round_is_not_lost() {
    let rate = Rate {
        per_second: 3_333_333,
        burst: 1_000_000,
    };
    let mut transfer = transfer(MAX_OFFSET, 1 << 30, rate, 0);
    let mut now = 0;
    let mut bytes = rate.burst;
    let ended = Ended::Interrupted;
    for _ in 0..=100_000 {
        if let Op::Attempt { .. } = transfer.poll_op(now) {
            transfer.handle_outcome(Outcome { bytes, ended }, now);
            bytes = 0;
        }
        now += 1_001;
    }
    let Op::Attempt { count, .. } = transfer.poll_op(now) else {
        panic!("a tenth of a second has passed");
    };
    assert_eq!(
        u128::from(count),
        u128::from(now) * 3_333_333 / u128::from(SECOND)
    );
}

#[test]
fn a_pause_for_readiness_fills_the_bucket_no_further_than_its_size() {
    let rate = Rate {
        per_second: 1_000,
        burst: 300,
    };
    let mut transfer = transfer(100_000, 1 << 20, rate, 0);
    let blocked = Outcome {
        bytes: 300,
        ended: Ended::WouldBlock,
    };
    transfer.handle_outcome(blocked, 0);
    transfer.handle_ready();
    let op = transfer.poll_op(3_600 * SECOND);
    assert!(matches!(op, Op::Attempt { count: 300, .. }), "{op:?}");
}

#[test]
fn the_largest_numbers_neither_panic_nor_hang() {
    for per_second in [0, 1, u64::MAX] {
        for burst in [0, 1, u64::MAX] {
            for now in [0, u64::MAX - 1] {
                let rate = Rate { per_second, burst };
                let mut transfer = transfer(MAX_OFFSET, u64::MAX, rate, now);
                for now in [now, u64::MAX] {
                    if let Op::Attempt { count: bytes, .. } = transfer.poll_op(now) {
                        let ended = Ended::Progress;
                        transfer.handle_outcome(Outcome { bytes, ended }, now);
                    }
                }
                let most = u128::from(burst.max(1)) + u128::from(u64::MAX);
                assert!(u128::from(transfer.bytes_sent()) <= most);
            }
        }
    }
}

#[test]
fn neither_headers_nor_trailers_count() {
    let request = Request {
        headers: 1_000,
        trailers: 1_000,
        rate: Some(Rate {
            per_second: 1,
            burst: 1,
        }),
        ..Request::new(0, Some(1), Ladder::only(Method::Sendfile))
    };
    let mut transfer = Transfer::new(request, 0);
    for expected in [1_000, 1, 1_000] {
        let (Op::Write { count: bytes, .. } | Op::Attempt { count: bytes, .. }) =
            transfer.poll_op(0)
        else {
            panic!("a pause: {transfer:?}");
        };
        assert_eq!(bytes, expected);
        let ended = Ended::Progress;
        transfer.handle_outcome(Outcome { bytes, ended }, 0);
    }
    assert_eq!(transfer.end(), Some(End::Done));
}
