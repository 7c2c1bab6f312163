//! Files whose descriptors are JavaScript's own.

use std::ffi::OsStr;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sendfile64_sys::{descriptor, open, page_cache};

use super::files::{CLOSED, figures};
use super::{borrow, code};
use crate::records::Status;

pub fn open_file_cached(path: &[u8]) -> Result<(i32, Status), i32> {
    let path = Path::new(OsStr::from_bytes(path));
    let (file, status) = open::open_file_cached(path).map_err(code)?;
    Ok((file.into_raw_fd(), figures(&status)))
}

pub fn read_cached(fd: i32, buffer: &mut [u8], offset: Option<u64>) -> Result<usize, i32> {
    if fd < 0 {
        return Err(CLOSED);
    }
    page_cache::read_cached(borrow(fd), buffer, offset).map_err(code)
}

pub fn was_read(fd: i32, offset: Option<u64>, bytes: u64) {
    if fd < 0 {
        return;
    }
    let behind = || descriptor::position(borrow(fd)).ok();
    if let Some(first) = offset.or_else(|| behind()?.checked_sub(bytes)) {
        page_cache::was_read(borrow(fd), first, first.saturating_add(bytes));
    }
}

pub fn close_named(fd: i32) -> bool {
    let has_name = fd >= 0 && descriptor::has_name(borrow(fd)) == Ok(true);
    if has_name {
        // SAFETY: the number is open, as we have just seen, and JavaScript, whose it is, asks us to close it.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    has_name
}
