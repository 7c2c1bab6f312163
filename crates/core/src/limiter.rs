//! A token bucket that several transfers share. Each of them gets its turn, and an equal part of the rate.

use crate::rate::{Rate, SECOND, grain, narrow, tokens};

/// The least part that is worth a call, where the rate allows more than that in a fiftieth of a second.
const LEAST_PART: u64 = 4096;

/// A bucket that any number of transfers draw from, in the order in which they have asked.
///
/// A transfer asks for a part by [`Limiter::admit`]. Where the bucket has nothing left, the transfer reserves a small
/// part and waits until the bucket has brought everything that was reserved before it, and this part. Nobody reserves a
/// second part before the first one came, so transfers that wait get equal parts in turn. What has been reserved or
/// admitted and is not used is given back, and is there for the others at once.
///
/// Tokens are billionths of a byte, so nothing is rounded. Times are nanoseconds of the executor's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limiter {
    per_second: u64,
    /// The most that the bucket holds while no transfer draws from it.
    capacity: u128,
    /// All tokens that the bucket has brought.
    brought: u128,
    /// All tokens that were reserved. More than `brought` while transfers wait.
    reserved: u128,
    /// Up to when `brought` has been counted.
    at: u64,
    /// How many transfers wait.
    waiting: u64,
}

/// What one transfer has reserved of a [`Limiter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    bytes: u64,
    /// The account of the bucket at which the bytes are there.
    due: u128,
}

/// The answer of a [`Limiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// So many bytes may go now; at least 1.
    Go(u64),
    /// None may go before this time; a change of the rate can bring it nearer.
    Wait(u64),
}

impl Limiter {
    /// A bucket that holds the burst.
    pub fn new(rate: Rate, now: u64) -> Self {
        Self {
            per_second: rate.per_second.max(1),
            capacity: capacity(rate),
            brought: tokens(rate.burst.max(1)),
            reserved: 0,
            at: now,
            waiting: 0,
        }
    }

    /// From now on the bucket fills at another rate, also for those that wait. It keeps what it holds, up to the burst.
    pub fn set_rate(&mut self, rate: Rate, now: u64) {
        self.count(now);
        self.per_second = rate.per_second.max(1);
        self.capacity = capacity(rate);
        self.brought = self
            .brought
            .min(self.reserved.saturating_add(self.capacity));
    }

    /// How many bytes may go now of the `wanted` ones (at least 1), or when to ask again. What may go is gone from the
    /// bucket; [`Self::give_back`] returns the unused rest.
    pub fn admit(&mut self, reservation: &mut Reservation, wanted: u64, now: u64) -> Admission {
        self.count(now);
        if reservation.bytes == 0 {
            let held = self.brought.saturating_sub(self.reserved) / SECOND;
            let least = self.part().min(wanted.max(1));
            if held >= u128::from(least) && self.waiting == 0 {
                let bytes = narrow(held).min(wanted.max(1));
                self.reserved += tokens(bytes);
                return Admission::Go(bytes);
            }
            self.reserved += tokens(least);
            self.waiting += 1;
            *reservation = Reservation {
                bytes: least,
                due: self.reserved,
            };
        }
        let missing = reservation.due.saturating_sub(self.brought);
        if missing > 0 {
            let wait = missing.div_ceil(u128::from(self.per_second));
            return Admission::Wait(self.at.saturating_add(narrow(wait)));
        }
        self.waiting -= 1;
        Admission::Go(core::mem::take(reservation).bytes)
    }

    /// `bytes` that were admitted did not go.
    pub fn give_back(&mut self, bytes: u64, now: u64) {
        self.count(now);
        let full = self.reserved.saturating_add(self.capacity);
        self.brought = self.brought.saturating_add(tokens(bytes)).min(full);
    }

    /// A transfer waits no longer.
    pub fn withdraw(&mut self, reservation: &mut Reservation, now: u64) {
        if reservation.bytes == 0 {
            return;
        }
        self.waiting -= 1;
        self.give_back(core::mem::take(reservation).bytes, now);
    }

    /// What one transfer reserves: less, the more of them wait, so that each soon gets its turn.
    fn part(&self) -> u64 {
        let grain = grain(self.per_second);
        (grain / (self.waiting + 1)).max(LEAST_PART.min(grain))
    }

    fn count(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        let gained = u128::from(elapsed) * u128::from(self.per_second);
        let full = self.reserved.saturating_add(self.capacity);
        self.brought = self.brought.saturating_add(gained).min(full);
    }
}

/// The burst, or two grains: executors wake up some milliseconds late, and what they miss has to fit.
fn capacity(rate: Rate) -> u128 {
    tokens(rate.burst.max(1)).max(tokens(2 * grain(rate.per_second.max(1))))
}
