//! Files and filesystems: opening, types of filesystems, and the page cache.

mod filesystem;
pub mod open;
pub mod page_cache;
mod watch;

pub use filesystem::Filesystem;
