//! What FreeBSD and macOS do not have. Each function returns what makes its caller take the portable way.

pub(crate) mod copy_file_range;
pub(crate) mod filesystem;
pub(crate) mod open;
pub(crate) mod page_cache;
pub(crate) mod pipe;
pub(crate) mod reopen;
pub(crate) mod splice;
pub(crate) mod status;
pub(crate) mod tcp;
