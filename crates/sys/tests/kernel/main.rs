//! What the kernel really answers, and what this crate makes of it. Written on Linux 6.18; a row that older kernels
//! answer differently names the version.
#![cfg(target_os = "linux")]

mod copy;
mod copy_file_range;
mod descriptor;
mod ends;
mod filesystem;
mod fixture;
mod forbidden;
mod leaks;
mod limits;
mod ltp;
mod open;
mod overlay;
mod page_cache;
mod pipe;
mod reopen;
mod sandbox;
mod sendfile_accounts;
mod sendfile_destinations;
mod sendfile_once;
mod sendfile_sources;
mod signal;
mod splice;
mod splice_ends;
mod tcp;
mod write;
