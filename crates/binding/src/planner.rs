//! The planner for the portable executor: `lib/copy.ts` reads and writes, this counts and decides.

use napi_derive::napi;
use sendfile64_core::{Ended, Ladder, Method, Op, Outcome, Part, Request, Transfer, Wait};

use crate::codes::{happened, step};
use crate::command::{rate, stall_timeout};
use crate::number::{JsBytes, from_js, nanoseconds};
use crate::records::end_code;

/// What a planner is asked for, beside the range. Sizes in bytes, times in milliseconds.
#[napi(object, object_to_js = false)]
pub struct Terms {
    /// The size of a chunk.
    pub quantum: u32,
    pub headers: f64,
    pub trailers: f64,
    /// Bytes per second; 0 for no limit.
    pub rate: f64,
    pub burst: f64,
    /// 0 for no limit.
    pub stall_timeout: f64,
}

/// One transfer by method `copy`, with JavaScript as its executor: one call for each of its steps.
#[napi]
pub struct Planner {
    transfer: Transfer,
}

#[napi]
impl Planner {
    /// `count` null: until the source ends. `now` in milliseconds of a clock that never goes back, here and below.
    #[napi(constructor)]
    pub fn new(start: JsBytes, count: Option<JsBytes>, terms: Terms, now: f64) -> Self {
        let request = Request {
            quantum: u64::from(terms.quantum),
            headers: terms.headers as u64,
            trailers: terms.trailers as u64,
            rate: rate(terms.rate, terms.burst),
            stall_timeout: stall_timeout(terms.stall_timeout),
            settles: true,
            ..Request::new(
                from_js(start),
                count.map(from_js),
                Ladder::only(Method::Copy),
            )
        };
        Self {
            transfer: Transfer::new(request, nanoseconds(now)),
        }
    }

    /// Takes what has happened, one of `HAPPENED`, and returns what comes next, one of `STEP` with its figure. `bytes`: how
    /// many the destination has taken, where it has. `owed`: what it still has to pass on, by a measure that changes as
    /// it goes on; asked for where it is waited for.
    #[napi]
    pub fn next(&mut self, now: f64, happened: u32, bytes: f64, owed: f64) -> f64 {
        let now = nanoseconds(now);
        self.enter(happened as u8, bytes as u64, now);
        if let happened::NOTHING | happened::BUSY = happened as u8 {
            self.transfer.handle_owed(owed as u64, now);
        }
        let (step, figure) = match self.transfer.poll_op(now) {
            Op::Attempt { count, .. } | Op::Drain { count, .. } => (step::CHUNK, count as f64),
            Op::Write { part, .. } => match part {
                Part::Headers => (step::HEADERS, 0.0),
                Part::Trailers => (step::TRAILERS, 0.0),
            },
            Op::Wait(Wait { until, .. }) => {
                (step::WAIT, until.map_or(0.0, |until| pause(until, now)))
            }
            Op::Finish(end) => (step::OVER, end_code(end).0.into()),
            // Nobody can tell what the peer of a stream has acknowledged: it is never asked for.
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
    fn enter(&mut self, happened: u8, bytes: u64, now: u64) {
        let outcome = |ended| Outcome { bytes, ended };
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

/// Whole milliseconds, at least one: timers of JavaScript have no others.
fn pause(until: u64, now: u64) -> f64 {
    until.saturating_sub(now).div_ceil(1_000_000).max(1) as f64
}
