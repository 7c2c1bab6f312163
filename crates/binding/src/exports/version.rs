//! Which version of the package this binding belongs to.

use napi_derive::napi;

/// `lib/native/load.ts` does not use a binding of another version: the records that cross may differ.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
