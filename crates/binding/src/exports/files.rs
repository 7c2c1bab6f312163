//! The open files that transfers read from. JavaScript knows them by their number; each is closed once, and what an
//! environment has left open is closed with it.

use napi::bindgen_prelude::{Either, Float64ArraySlice, Result};
use napi_derive::napi;

use crate::exports::environment::Environment;
use crate::marshal::number::{JsBytes, from_js, to_js};
use crate::marshal::records::Status;
use crate::marshal::typed_arrays::floats;

#[napi]
impl Environment {
    /// Opens a file without waiting for a disk or a server (openat2(2), RESOLVE_CACHED). Returns its number, or the
    /// negative errno. -EAGAIN means that the open would wait, or that the filesystem is not known yet. `status`
    /// receives the status of a source, at the indexes of `STATUS`.
    #[napi]
    pub fn open_cached(&self, path: &[u8], status: Float64ArraySlice<'_>) -> Result<i32> {
        fill_status(status, || self.link().open_cached(path))
    }

    /// Duplicates a descriptor that belongs to the caller (F_DUPFD_CLOEXEC), at once, so that closing or re-using the
    /// number cannot redirect a byte. Returns and fills in what `openCached` does, and the file position if `withPosition`.
    /// `device` and `inode`: of what `openFileCached` has opened by this number, which need not be asked for its filesystem
    /// again; below 0 for anything else.
    #[napi]
    pub fn adopt(
        &self,
        fd: i32,
        device: f64,
        inode: f64,
        with_position: bool,
        status: Float64ArraySlice<'_>,
    ) -> Result<i32> {
        let known = (device >= 0.0).then_some((device as u64, inode as u64));
        fill_status(status, || self.link().adopt(fd, known, with_position))
    }

    /// Writes the kind, device and inode of a descriptor of the caller to `status`, without asking a server. Returns
    /// the number, or the negative errno.
    #[napi]
    pub fn identify(&self, fd: i32, status: Float64ArraySlice<'_>) -> Result<i32> {
        fill_status(status, || self.link().identify(fd))
    }

    /// The same as `adopt` for a descriptor to send to; `start` takes it, `close` lets it go. `status` gets what is said of a
    /// destination.
    #[napi]
    pub fn adopt_destination(&self, fd: i32, status: Float64ArraySlice<'_>) -> Result<i32> {
        fill_status(status, || self.link().adopt_destination(fd))
    }

    /// Takes the file of an `opened` event without errno. Returns and fills in what `openCached` does.
    #[napi]
    pub fn take_opened(&self, id: f64, status: Float64ArraySlice<'_>) -> Result<i32> {
        fill_status(status, || self.link().take_opened(id as u64))
    }

    /// The file position (lseek(2), SEEK_CUR), or the negative errno as a number below 0.
    #[napi]
    pub fn position(&self, file: i32) -> JsBytes {
        match self.link().position(file) {
            Ok(position) => to_js(position),
            Err(errno) => Either::A(-f64::from(errno)),
        }
    }

    /// Sets the file position (lseek(2), SEEK_SET). Returns 0 or the negative errno.
    #[napi]
    pub fn set_position(&self, file: i32, offset: JsBytes) -> i32 {
        self.link()
            .set_position(file, from_js(offset))
            .map_or_else(|errno| -errno, |()| 0)
    }

    /// Sets the file position, unless it is below 0, and lets go of the file. Returns its size, in one call of what every
    /// piece of a stream needs; below 0 where it is not open here.
    #[napi]
    pub fn leave(&self, file: i32, position: f64) -> f64 {
        let position = (position >= 0.0).then_some(position as u64);
        self.link()
            .leave(file, position)
            .map_or_else(|errno| -f64::from(errno), |size| size as f64)
    }

    /// Closes a descriptor that `openFileCached` has just opened and that JavaScript has not passed on.
    #[napi]
    pub fn discard(&self, fd: i32) {
        self.link().discard(fd);
    }

    /// Lets go of a file, on a thread where its close may wait; transfers that run keep it open. Does nothing for a number that is not open here.
    #[napi]
    pub fn close(&self, file: i32) {
        self.link().forget(file);
    }
}

/// Fills `out` in with what `open` says of what it has opened, and returns its number.
pub fn fill_status(
    mut out: Float64ArraySlice<'_>,
    open: impl FnOnce() -> std::result::Result<(i32, Status), i32>,
) -> Result<i32> {
    let places = floats(&mut out)?; // before a descriptor exists that an error would leave open
    Ok(match open() {
        Ok((file, status)) => {
            for (place, value) in places.iter_mut().zip(status) {
                *place = value;
            }
            file
        }
        Err(errno) => -errno,
    })
}
