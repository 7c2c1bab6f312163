//! setsockopt(2) of the TCP level, for options that nix has no type for.
#![expect(unsafe_code, reason = "no safe wrapper takes the option's number")]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno as NixErrno;
use nix::libc::{self, c_int, socklen_t};
use sendfile64_core::Errno;

use crate::errno::number;

pub(super) fn set(socket: BorrowedFd<'_>, option: c_int, on: bool) -> Result<(), Errno> {
    let value = c_int::from(on);
    // SAFETY: the kernel reads `size_of::<c_int>()` bytes of `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as socklen_t,
        )
    };
    NixErrno::result(result).map(drop).map_err(number)
}
