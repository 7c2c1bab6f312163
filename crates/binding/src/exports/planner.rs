//! The planner for the portable executor: `lib/executor/portable.ts` reads and writes, this counts and decides.

use napi_derive::napi;
use sendfile64_core::{
    Ended, Ladder, LeastRate, Method, Op, Outcome, Part, Request, Transfer, Wait,
};

use crate::codes::{happened, step};
use crate::exports::limiter::{Share, share_of};
use crate::marshal::command::{least_rate, rate, stall_timeout};
use crate::marshal::number::{JsBytes, from_js, nanoseconds};
use crate::marshal::records::end_code;

/// The options of a planner, beside the range. Sizes in bytes, times in milliseconds.
#[napi(object, object_to_js = false)]
pub struct PlannerOptions {
    /// The size of a chunk.
    pub quantum: u32,
    pub headers: f64,
    pub trailers: f64,
    /// Bytes per second; 0 for no limit.
    pub rate: f64,
    pub burst: f64,
    /// 0 for no limit.
    pub stall_timeout: f64,
    /// The id of a limiter that the transfer shares, instead of a rate of its own; 0 for none.
    pub limiter: f64,
    /// Bytes per second; 0 for no limit.
    pub min_rate: f64,
    pub min_rate_window: f64,
}

/// One transfer by method `copy`, with JavaScript as its executor: one call for each of its steps.
#[napi]
pub struct Planner {
    transfer: Transfer,
    share: Option<Share>,
    /// The bytes of the requested chunk that the share has admitted.
    admitted: u64,
    least: Option<LeastRate>,
    /// All bytes that the destination has taken, and what it still owed when it last said so.
    taken: u64,
    outstanding: u64,
}

#[napi]
impl Planner {
    /// `count` null: until the source ends. `now` in milliseconds of a clock that never goes back, here and below.
    #[napi(constructor)]
    pub fn new(start: JsBytes, count: Option<JsBytes>, options: PlannerOptions, now: f64) -> Self {
        let request = Request {
            quantum: u64::from(options.quantum),
            headers: options.headers as u64,
            trailers: options.trailers as u64,
            rate: rate(options.rate, options.burst),
            stall_timeout: stall_timeout(options.stall_timeout),
            awaits_drain: true,
            ..Request::new(
                from_js(start),
                count.map(from_js),
                Ladder::only(Method::Copy),
            )
        };
        Self {
            transfer: Transfer::new(request, nanoseconds(now)),
            share: share_of(options.limiter),
            admitted: 0,
            least: least_rate(options.min_rate, options.min_rate_window),
            taken: 0,
            outstanding: 0,
        }
    }

    /// Takes what has happened, one of `HAPPENED`, and returns what comes next, one of `STEP` with its figure. `bytes`: how
    /// many the destination has taken, where it has. `owed`: what it still has to pass on, by a measure that changes as
    /// it goes on; asked for where it is waited for.
    #[napi]
    pub fn next(&mut self, now: f64, happened: u32, bytes: f64, outstanding: f64) -> f64 {
        let now = nanoseconds(now);
        self.enter(happened as u8, bytes as u64, now);
        if let happened::NOTHING | happened::BUSY = happened as u8 {
            self.transfer.handle_outstanding(outstanding as u64, now);
        }
        self.watch(happened as u8, bytes as u64, outstanding as u64, now);
        let (step, figure) = match self.transfer.poll_op(now) {
            Op::Attempt { count, .. } | Op::Drain { count, .. } => self.chunk(count),
            Op::Write { part, .. } => match part {
                Part::Headers => (step::HEADERS, 0.0),
                Part::Trailers => (step::TRAILERS, 0.0),
            },
            Op::Wait(Wait { until, .. }) => {
                let look = self.least.as_ref().and_then(LeastRate::due);
                let until = until.into_iter().chain(look).min();
                (step::WAIT, until.map_or(0.0, |until| pause(until, now)))
            }
            Op::Finish(end) => (step::OVER, end_code(end).0.into()),
            // What the peer of a stream has acknowledged is unknown, and is never requested.
            Op::Confirm => (step::OVER, 0.0),
        };
        f64::from(step) + f64::from(step::KINDS) * figure
    }

    /// Of the range; headers and trailers do not count.
    #[napi(getter)]
    pub fn bytes_sent(&self) -> f64 {
        self.transfer.bytes_sent() as f64
    }
}

impl Planner {
    /// The next chunk of at most `count` bytes, or the wait for a shared rate.
    fn chunk(&mut self, count: u64) -> (u8, f64) {
        let Some(share) = &mut self.share else {
            return (step::CHUNK, count as f64);
        };
        if self.admitted == 0 {
            match share.admit(count) {
                Ok(bytes) => self.admitted = bytes,
                Err(nanoseconds) => return (step::WAIT, pause(nanoseconds, 0)),
            }
        }
        (step::CHUNK, self.admitted.min(count) as f64)
    }

    /// Holds the destination to its least rate.
    fn watch(&mut self, happened: u8, bytes: u64, outstanding: u64, now: u64) {
        self.taken += bytes;
        if let happened::NOTHING | happened::BUSY = happened {
            self.outstanding = outstanding;
        } else {
            self.outstanding = 0;
        }
        let Some(least) = &mut self.least else { return };
        let taken = signed(self.taken) - signed(self.outstanding);
        match happened {
            happened::BUSY => least.wait_begins(taken, now),
            happened::NOTHING if least.is_below(taken, now) => self.transfer.give_up(),
            happened::NOTHING => {}
            _ => least.wait_ends(taken, now),
        }
    }

    /// What was admitted and has not gone is the others'.
    fn gone(&mut self, bytes: u64) {
        let left = std::mem::take(&mut self.admitted).saturating_sub(bytes);
        if let Some(share) = &mut self.share {
            share.give_back(left);
        }
    }

    fn enter(&mut self, happened: u8, bytes: u64, now: u64) {
        let outcome = |ended| Outcome { bytes, ended };
        // A wait for the rate has admitted nothing; headers and trailers are written before and after every chunk.
        if happened != happened::NOTHING && happened != happened::READY {
            self.gone(bytes);
        }
        match happened {
            happened::TAKEN => self.transfer.handle_outcome(outcome(Ended::Progress), now),
            happened::BUSY => self.transfer.handle_outcome(outcome(Ended::Busy), now),
            happened::READY => self.transfer.handle_ready(),
            happened::SOURCE_ENDED => {
                let bytes = 0;
                let ended = Ended::EndOfFile;
                self.transfer.handle_outcome(Outcome { bytes, ended }, now);
            }
            happened::ABORTED => self.transfer.abort(),
            _ => {}
        }
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Whole milliseconds, at least one: timers of JavaScript have no others.
fn pause(until: u64, now: u64) -> f64 {
    until.saturating_sub(now).div_ceil(1_000_000).max(1) as f64
}
