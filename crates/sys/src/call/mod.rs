//! The calls that move bytes: one attempt per function.

pub mod copy;
pub mod copy_file_range;
pub mod sendfile;
pub mod splice;
