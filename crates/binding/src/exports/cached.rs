//! The operations of a file stream that do not wait for a disk. The descriptors belong to JavaScript, which uses and closes
//! them with `fs`.

use napi::bindgen_prelude::{Float64ArraySlice, Result, Uint8ArraySlice};
use napi_derive::napi;

use crate::executor;
use crate::exports::files::fill_status;
use crate::marshal::typed_arrays::bytes;

/// Opens a regular file of an ordinary filesystem without waiting for a disk; other files are not touched. Returns its
/// number, or the negative errno: -EAGAIN where that cannot be done at once. `status` gets what it gets of `openCached`.
#[napi]
pub fn open_file_cached(path: &[u8], status: Float64ArraySlice<'_>) -> Result<i32> {
    fill_status(status, || executor::open_file_cached(path))
}

/// Reads what is in memory of a file: from `position` on, or below 0 from the file position. Returns the bytes read, 0 at
/// the end of the file, or the negative errno: -EAGAIN where a disk would have to be asked.
#[napi]
pub fn read_cached(fd: i32, mut buffer: Uint8ArraySlice<'_>, position: f64) -> Result<i32> {
    let buffer = bytes(&mut buffer)?;
    Ok(match executor::read_cached(fd, buffer, offset(position)) {
        Ok(bytes) => i32::try_from(bytes).unwrap_or(i32::MAX),
        Err(errno) => -errno,
    })
}

/// Records that `fs` has read these bytes of a regular file: from `position` on, or if that is below 0, up to the file
/// position. They are in memory for now; `readCached` uses this where the kernel does not report residency.
#[napi]
pub fn was_read(fd: i32, position: f64, bytes: u32) {
    executor::was_read(fd, offset(position), u64::from(bytes));
}

fn offset(position: f64) -> Option<u64> {
    (position >= 0.0).then_some(position as u64)
}

/// Closes a file unless that could wait for a disk, because the file has no name any more. Returns whether it has.
#[napi]
pub fn close_named(fd: i32) -> bool {
    executor::close_named(fd)
}
