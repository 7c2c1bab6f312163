//! The planner for the portable executor: `lib/copy.ts` reads and writes, this counts and decides.

use napi_derive::napi;
use sendfile64_core::{Ended, Ladder, Method, Op, Outcome, Request, Transfer};

use crate::number::{JsBytes, from_js, to_js};
use crate::records::end_code;

/// One transfer by method `copy`, with JavaScript as its executor: one call a chunk.
#[napi]
pub struct Planner {
    transfer: Transfer,
}

#[napi]
impl Planner {
    /// `count` null: until the source ends. `quantum`: the size of a chunk in bytes.
    #[napi(constructor)]
    pub fn new(start: JsBytes, count: Option<JsBytes>, quantum: u32) -> Self {
        let request = Request {
            start: from_js(start),
            count: count.map(from_js),
            quantum: u64::from(quantum),
            ladder: Ladder::only(Method::Copy),
        };
        Self {
            transfer: Transfer::new(request),
        }
    }

    /// How many bytes to read at `offset` and to write next; 0 when the transfer is finished.
    #[napi]
    pub fn attempt(&self) -> u32 {
        match self.transfer.poll_op() {
            Op::Attempt { count, .. } => u32::try_from(count).unwrap_or(u32::MAX),
            Op::Wait(_) | Op::Finish(_) => 0,
        }
    }

    /// The destination took `bytes`; `full` if it asked to wait. Waiting is the executor's: it asks again after.
    #[napi]
    pub fn moved(&mut self, bytes: u32, full: bool) {
        let ended = if full {
            Ended::WouldBlock
        } else {
            Ended::Progress
        };
        self.transfer.handle_outcome(Outcome {
            bytes: u64::from(bytes),
            ended,
        });
        self.transfer.handle_ready();
    }

    /// The source gave no byte at `offset`.
    #[napi]
    pub fn end_of_file(&mut self) {
        self.transfer.handle_outcome(Outcome {
            bytes: 0,
            ended: Ended::EndOfFile,
        });
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

    /// 0 done, 1 truncated, 4 aborted; null while there is something to do.
    #[napi(getter)]
    pub fn end(&self) -> Option<u8> {
        match self.transfer.poll_op() {
            Op::Finish(end) => Some(end_code(end).0),
            Op::Attempt { .. } | Op::Wait(_) => None,
        }
    }
}

/// The ladder behind a number from JavaScript: 0 sendfile then copy, 1 sendfile only, 2 copy only.
pub fn ladder(code: u32) -> Ladder {
    match code {
        0 => Ladder::of(Method::Sendfile, Method::Copy),
        1 => Ladder::only(Method::Sendfile),
        _ => Ladder::only(Method::Copy),
    }
}
