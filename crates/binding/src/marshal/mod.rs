//! The values that cross between JavaScript and Rust.

pub(crate) mod command;
pub(crate) mod number;
pub(crate) mod records;
pub(crate) mod typed_arrays;
