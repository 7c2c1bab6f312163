//! Byte figures between JavaScript and Rust: a number while it is exact, a bigint above 2^53 - 1.

use napi::bindgen_prelude::{BigInt, Either};
use napi_derive::napi;

/// A byte figure as JavaScript gives and takes it.
#[napi]
pub type JsBytes = Either<f64, BigInt>;

const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A validated figure from JavaScript: `lib/options/sendfile.ts` lets only whole numbers from 0 to 2^63 - 1 pass.
pub fn from_js(value: JsBytes) -> u64 {
    match value {
        Either::A(number) => number as u64,
        Either::B(bigint) => bigint.get_u64().1,
    }
}

/// The figure for JavaScript.
pub fn to_js(value: u64) -> JsBytes {
    if value <= MAX_SAFE_INTEGER {
        Either::A(value as f64)
    } else {
        Either::B(BigInt::from(value))
    }
}

/// Milliseconds of a clock of JavaScript's.
pub fn nanoseconds(milliseconds: f64) -> u64 {
    (milliseconds * 1e6) as u64
}
