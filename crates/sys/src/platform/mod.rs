//! The only place that chooses the platform.
//!
//! Each platform is a folder with the same modules. The functions are documented where they are called: in `call`, `fd`,
//! `fs` and `net`. A new platform is a new folder and a line here.
//!
//! # Required modules
//!
//! | module | items |
//! | --- | --- |
//! | `sendfile` | `sendfile`, `sendfile_raw` |
//! | `splice` | `splice`, `missing` |
//! | `copy_file_range` | `copy_file_range`, `missing` |
//! | `flags` | flags of open(2) and send(2): `PATH_ONLY`, `SEND`, `MORE` |
//! | `pipe` | `ends`, `resized` |
//! | `reopen` | `reopen_for_writing` |
//! | `status` | `status_at_once`, `identify`, `is_local`, `parting` |
//! | `filesystem` | `of` |
//! | `open` | `open_cached`, `open_local`, `find_cached` |
//! | `page_cache` | `residency`, `was_read_recently`, `read_cached`, `remember`, `disappoint`, `sleeps` |
//! | `tcp` | `CORK`, `is_multipath`, `unacknowledged` |
//!
//! `IS_LINUX` says whether the features that only Linux has may exist.

#[cfg(target_vendor = "apple")]
mod apple;
#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod position;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(target_vendor = "apple")]
pub(crate) use apple::*;
#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;
