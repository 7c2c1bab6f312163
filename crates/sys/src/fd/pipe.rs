//! Pipes of our own, through which splice(2) goes where neither end is one.

use std::os::fd::{AsFd, OwnedFd};

use sendfile64_core::Errno;

use crate::errno::number;
use crate::platform;

/// Both ends of a pipe: closed on exec, and non-blocking.
#[derive(Debug)]
pub struct Pair {
    /// The end that gives the bytes.
    pub reader: OwnedFd,
    /// The end that takes them.
    pub writer: OwnedFd,
    /// The bytes that the pipe holds when every page in it is full (pipe(7)). What begins or ends within a page takes a
    /// whole one.
    pub capacity: u64,
}

/// A new pipe for `capacity` bytes (pipe2(2), fcntl(2) F_SETPIPE_SZ). The kernel rounds up, and gives its default of 64
/// KiB where it will not give as much: [`Pair::capacity`] is what it gave. Other systems than Linux cannot report it.
///
/// # Errors
/// EMFILE, ENFILE: see pipe(2).
pub fn pair(capacity: u64) -> Result<Pair, Errno> {
    let (reader, writer) = platform::pipe::ends().map_err(number)?;
    let capacity = platform::pipe::resized(writer.as_fd(), capacity);
    Ok(Pair {
        reader,
        writer,
        capacity,
    })
}
