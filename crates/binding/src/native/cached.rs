//! Files whose descriptors are JavaScript's own.

use std::ffi::OsStr;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sendfile64_sys::fd;
use sendfile64_sys::fs::{open, page_cache};

use super::files::figures;
use super::{borrow, code};
use crate::marshal::records::Status;

pub fn open_file_cached(path: &[u8]) -> Result<(i32, Status), i32> {
    let path = Path::new(OsStr::from_bytes(path));
    let (file, status) = open::open_file_cached(path).map_err(code)?;
    Ok((file.into_raw_fd(), figures(&status)))
}

pub fn read_cached(fd: i32, buffer: &mut [u8], offset: Option<u64>) -> Result<usize, i32> {
    page_cache::read_cached(borrow(&fd)?, buffer, offset).map_err(code)
}

pub fn was_read(fd: i32, offset: Option<u64>, bytes: u64) {
    let Ok(file) = borrow(&fd) else {
        return;
    };
    let behind = || fd::position(file).ok();
    if let Some(first) = offset.or_else(|| behind()?.checked_sub(bytes)) {
        page_cache::was_read(file, first, first.saturating_add(bytes));
    }
}

pub fn close_named(fd: i32) -> bool {
    let closes_at_once = borrow(&fd).is_ok_and(|file| !fd::close_info(file).may_wait);
    if closes_at_once {
        // SAFETY: the number is open, as we have just seen, and JavaScript, whose it is, asks us to close it.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    closes_at_once
}

/// What `open_file_cached` has opened, taken back.
pub(super) fn taken(fd: i32) -> Option<OwnedFd> {
    if fd < 0 {
        return None;
    }
    // SAFETY: the number belongs to JavaScript, which received it from us and returns it; no other code has it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}
