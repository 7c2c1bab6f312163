//! The open file a transfer reads from.

use napi::bindgen_prelude::{Buffer, Either, Result};
use napi_derive::napi;

use crate::executor;
use crate::number::{JsBytes, to_js};
use crate::records::StatusRecord;

/// An open descriptor of ours. Running transfers share it; it is closed when the last of them and this object let go.
#[napi]
pub struct Source {
    pub(crate) file: Option<executor::File>,
}

#[napi]
impl Source {
    pub(crate) fn of(file: executor::File) -> Self {
        Self { file: Some(file) }
    }

    /// The number, for `fs.read` in the portable executor; -1 once closed.
    #[napi(getter)]
    pub fn fd(&self) -> i32 {
        self.file.as_ref().map_or(-1, executor::number)
    }

    /// fstat(2), or the negative errno.
    #[napi]
    pub fn status(&self) -> Result<Either<StatusRecord, i32>> {
        Ok(answer(
            self.file
                .as_ref()
                .ok_or(executor::CLOSED)
                .and_then(executor::status),
        ))
    }

    /// The file position, lseek(2) with SEEK_CUR, or the negative errno as a number below 0.
    #[napi]
    pub fn position(&self) -> JsBytes {
        match self
            .file
            .as_ref()
            .ok_or(executor::CLOSED)
            .and_then(executor::position)
        {
            Ok(position) => to_js(position),
            Err(errno) => Either::A(-f64::from(errno)),
        }
    }

    /// Sets the file position, lseek(2) with SEEK_SET. Returns 0 or the negative errno.
    #[napi]
    pub fn set_position(&self, offset: JsBytes) -> i32 {
        let offset = crate::number::from_js(offset);
        let moved = self
            .file
            .as_ref()
            .ok_or(executor::CLOSED)
            .and_then(|file| executor::set_position(file, offset));
        moved.map_or_else(|errno| -errno, |()| 0)
    }

    /// Lets go of the descriptor. Calling it again does nothing.
    #[napi]
    pub fn close(&mut self) {
        self.file = None;
    }
}

/// Opens a file without waiting for a disk (openat2(2), RESOLVE_CACHED). Returns the negative errno otherwise;
/// -EAGAIN means that a disk would have to be asked.
#[napi]
pub fn open_cached(path: Buffer) -> Either<Source, i32> {
    answer(executor::open_cached(&path).map(Source::of))
}

/// Duplicates a descriptor that belongs to the caller (F_DUPFD_CLOEXEC), at once, so that closing or re-using the
/// number cannot redirect a byte. Returns the negative errno otherwise.
#[napi]
pub fn adopt(fd: i32) -> Either<Source, i32> {
    answer(executor::adopt(fd).map(Source::of))
}

/// The value, or the negative errno as Node writes it.
fn answer<T>(result: std::result::Result<T, i32>) -> Either<T, i32> {
    match result {
        Ok(value) => Either::A(value),
        Err(errno) => Either::B(-errno),
    }
}
