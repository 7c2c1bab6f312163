//! errno → how the attempt ended, one function per family of calls.
//!
//! `Refused` means that another method may work for this pair of descriptors; `Failed` that the caller receives the
//! error. An errno without an arm is a failure: a fallback that hides an unforeseen error would send wrong bytes or
//! none.

use nix::errno::Errno;
use sendfile64_core::Ended;

use super::number;

/// sendfile(2).
pub(crate) fn of_sendfile(errno: Errno) -> Ended {
    match errno {
        // The destination is full. On Linux it comes alone, on FreeBSD and macOS a byte count may come with it.
        Errno::EAGAIN => Ended::WouldBlock,

        // A signal came before the first byte (Linux), or after some (FreeBSD, macOS).
        Errno::EINTR => Ended::Interrupted,

        // Overloaded. Linux: the destination has O_APPEND or does not support splice (/dev/full, eventfd, epoll); the
        // source does not (/proc files since 5.10, directories, FUSE with direct_io, ZFS by version), or is a pipe or
        // socket read at its position; a kernel-TLS record of another type is open; the offset is out of range.
        // FreeBSD, macOS: the source is not a regular file, or the destination not a stream socket.
        // If the argument itself is wrong, read(2) and send(2) report it in their turn.
        Errno::EINVAL => Ended::Refused(number(errno)),

        // Not in this kernel, or a seccomp filter pretends so (SECCOMP_RET_ERRNO).
        Errno::ENOSYS => Ended::Refused(number(errno)),

        // A seccomp filter that answers EPERM, as container runtimes did for calls they had not listed; or a sealed or
        // immutable destination, to which write(2) answers EPERM too.
        Errno::EPERM => Ended::Refused(number(errno)),

        // The filesystem of the source or the protocol of the destination cannot do it; FreeBSD, macOS: not from this
        // kind of file.
        Errno::EOPNOTSUPP => Ended::Refused(number(errno)),
        // A number of its own on macOS; the same as EOPNOTSUPP elsewhere.
        _ if errno == Errno::ENOTSUP => Ended::Refused(number(errno)),

        // The source is a pipe, a socket or a terminal, and an offset was given.
        Errno::ESPIPE => Ended::Refused(number(errno)),

        // FreeBSD, macOS: the destination is a file or a pipe.
        Errno::ENOTSOCK => Ended::Refused(number(errno)),

        // Linux: the offset is at or beyond the largest file the source's filesystem can hold; pread(2) calls the same
        // place the end of the file.
        Errno::EOVERFLOW => Ended::Refused(number(errno)),

        // The peer is gone, or this end was shut down or never connected.
        Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN => Ended::Failed(number(errno)),

        // The disk could not give the page: another method reads the same page.
        Errno::EIO => Ended::Failed(number(errno)),

        // A number that is not open, or open for the other direction only.
        Errno::EBADF => Ended::Failed(number(errno)),

        // Out of memory or of network buffers: a method that copies needs more of both.
        Errno::ENOMEM | Errno::ENOBUFS => Ended::Failed(number(errno)),

        // The file that is written has no room, or passes RLIMIT_FSIZE.
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => Ended::Failed(number(errno)),

        // Among them ETIMEDOUT and EHOSTUNREACH, which a dying connection leaves behind, and EACCES from a security module.
        _ => Ended::Failed(number(errno)),
    }
}

/// read(2), pread(2).
pub(crate) fn of_read(errno: Errno) -> Ended {
    match errno {
        // Never from a regular file; from a non-blocking pipe, socket or terminal with nothing in it.
        Errno::EAGAIN => Ended::WouldBlock,

        // A signal came before the first byte: terminals, pipes, sockets, files on FUSE.
        Errno::EINTR => Ended::Interrupted,

        // EIO: the disk. EISDIR: a directory. EBADF: open for writing only. ESPIPE: an offset, and nothing to seek in.
        // Reading is the last method there is.
        _ => Ended::Failed(number(errno)),
    }
}

/// send(2).
pub(crate) fn of_send(errno: Errno) -> Ended {
    match errno {
        // The send buffer is full.
        Errno::EAGAIN => Ended::WouldBlock,

        // A signal came before the first byte.
        Errno::EINTR => Ended::Interrupted,

        // EPIPE, ECONNRESET, ENOTCONN: the connection. ENOTSOCK: not a socket. ENOBUFS (FreeBSD, macOS): the network
        // interface's queue is full, and nothing would tell when it is not.
        _ => Ended::Failed(number(errno)),
    }
}

/// write(2).
pub(crate) fn of_write(errno: Errno) -> Ended {
    match errno {
        // The pipe is full, or the terminal's queue.
        Errno::EAGAIN => Ended::WouldBlock,

        // A signal came before the first byte.
        Errno::EINTR => Ended::Interrupted,

        // What cannot be written to like this, by any method: an epoll or timer descriptor; an eventfd, but for eight
        // bytes at a time; a file open with O_DIRECT, but for whole blocks.
        Errno::EINVAL => Ended::Refused(number(errno)),

        // No room: ENOSPC, EDQUOT; EFBIG passes RLIMIT_FSIZE or what the filesystem can hold. EPIPE: no reader. EIO: the
        // disk, or a terminal that hung up. EPERM: sealed or immutable. EBADF: open for reading only, O_PATH.
        // Writing is the last method there is.
        _ => Ended::Failed(number(errno)),
    }
}
