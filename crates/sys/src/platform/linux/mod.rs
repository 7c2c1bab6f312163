//! Linux: every module of the contract.

pub(crate) mod copy_file_range;
mod errno;
pub(crate) mod filesystem;
pub(crate) mod flags;
pub(crate) mod open;
pub(crate) mod page_cache;
pub(crate) mod pipe;
pub(crate) mod reopen;
pub(crate) mod sendfile;
pub(crate) mod splice;
pub(crate) mod status;
pub(crate) mod tcp;

pub(crate) const IS_LINUX: bool = true;
