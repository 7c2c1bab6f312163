//! The planner for the portable executor: `lib/copy.ts` reads and writes, this counts and decides.

use napi_derive::napi;
use sendfile64_core::{Ended, Ladder, Method, Op, Outcome, Part, Request, Transfer};

use crate::codes::step;
use crate::command::{rate, stall_timeout};
use crate::number::{JsBytes, from_js, nanoseconds, to_js};
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

/// One transfer by method `copy`, with JavaScript as its executor: one call a chunk. Every `now` is in milliseconds of
/// a clock that never goes back.
#[napi]
pub struct Planner {
    transfer: Transfer,
}

#[napi]
impl Planner {
    /// `count` null: until the source ends.
    #[napi(constructor)]
    pub fn new(start: JsBytes, count: Option<JsBytes>, terms: Terms, now: f64) -> Self {
        let request = Request {
            quantum: u64::from(terms.quantum),
            headers: terms.headers as u64,
            trailers: terms.trailers as u64,
            rate: rate(terms.rate, terms.burst),
            stall_timeout: stall_timeout(terms.stall_timeout),
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

    /// What comes next: one of `STEP`.
    #[napi]
    pub fn step(&self, now: f64) -> u8 {
        match self.transfer.poll_op(nanoseconds(now)) {
            Op::Finish(_) | Op::Confirm => step::OVER,
            Op::Attempt { .. } | Op::Drain { .. } => step::CHUNK,
            Op::Write {
                part: Part::Headers,
                ..
            } => step::HEADERS,
            Op::Write {
                part: Part::Trailers,
                ..
            } => step::TRAILERS,
            Op::Wait(_) => step::WAIT,
        }
    }

    /// How many bytes to read at `offset` and to write next.
    #[napi]
    pub fn size(&self, now: f64) -> u32 {
        match self.transfer.poll_op(nanoseconds(now)) {
            Op::Attempt { count, .. } => u32::try_from(count).unwrap_or(u32::MAX),
            _ => 0,
        }
    }

    /// How long to wait, in milliseconds, unless the destination goes on before; Infinity where only that ends it.
    #[napi]
    pub fn patience(&self, now: f64) -> f64 {
        let now = nanoseconds(now);
        match self.transfer.poll_op(now) {
            Op::Wait(wait) => wait.until.map_or(f64::INFINITY, |until| {
                until.saturating_sub(now) as f64 / 1e6
            }),
            _ => 0.0,
        }
    }

    /// The destination took `bytes`; `full` if it asked to wait.
    #[napi]
    pub fn moved(&mut self, bytes: f64, full: bool, now: f64) {
        let ended = if full {
            Ended::WouldBlock
        } else {
            Ended::Progress
        };
        let bytes = bytes as u64;
        self.transfer
            .handle_outcome(Outcome { bytes, ended }, nanoseconds(now));
    }

    /// The destination goes on.
    #[napi]
    pub fn ready(&mut self) {
        self.transfer.handle_ready();
    }

    /// It does not, but it has moved on with what it took before.
    #[napi]
    pub fn movement(&mut self, now: f64) {
        self.transfer.handle_movement(nanoseconds(now));
    }

    /// The wait has been long enough.
    #[napi]
    pub fn time(&mut self, now: f64) {
        self.transfer.handle_time(nanoseconds(now));
    }

    /// The source has no byte at `offset`.
    #[napi]
    pub fn end_of_file(&mut self, now: f64) {
        self.transfer.handle_outcome(
            Outcome {
                bytes: 0,
                ended: Ended::EndOfFile,
            },
            nanoseconds(now),
        );
    }

    /// The caller gave up.
    #[napi]
    pub fn abort(&mut self) {
        self.transfer.abort();
    }

    /// The offset of the byte after the last one sent.
    #[napi(getter)]
    pub fn offset(&self) -> JsBytes {
        to_js(self.transfer.next_offset())
    }

    #[napi(getter)]
    pub fn bytes_sent(&self) -> f64 {
        self.transfer.bytes_sent() as f64
    }

    #[napi(getter)]
    pub fn would_block(&self) -> f64 {
        self.transfer.would_block() as f64
    }

    /// One of `END`; null while there is something to do.
    #[napi(getter)]
    pub fn end(&self) -> Option<u8> {
        self.transfer.end().map(|end| end_code(end).0)
    }
}
