//! FreeBSD: its own sendfile(2), send(2) and pipe(2). The other modules of the contract are those of `unsupported`.

pub(crate) mod flags;
pub(crate) mod pipe;
pub(crate) mod sendfile;

pub(crate) use super::unsupported::{
    copy_file_range, filesystem, open, page_cache, reopen, splice, status, tcp,
};

pub(crate) const IS_LINUX: bool = false;
