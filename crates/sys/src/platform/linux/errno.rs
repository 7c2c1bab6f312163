//! Errnos of the calls that only Linux has.

use nix::errno::Errno;
use sendfile64_core::Ended;

use crate::errno::number;

/// splice(2).
pub(crate) fn of_splice(errno: Errno) -> Ended {
    match errno {
        // The pipe is full or empty, or the socket is. It does not say which.
        Errno::EAGAIN => Ended::WouldBlock,

        // A signal came before the first byte.
        Errno::EINTR => Ended::Interrupted,

        // Neither end is a pipe, or both are the same; the destination has O_APPEND or takes no splice (epoll, eventfd);
        // the source gives none (/proc files since 5.10, directories, FUSE with direct_io); a kernel-TLS record of
        // another type is open; the offset is out of range.
        Errno::EINVAL => Ended::Refused(number(errno)),

        // Not in this kernel, or a seccomp filter pretends so.
        Errno::ENOSYS => Ended::Refused(number(errno)),

        // A seccomp filter that answers EPERM; or a sealed or immutable destination, to which write(2) answers EPERM too.
        Errno::EPERM => Ended::Refused(number(errno)),

        // An offset was given, and the source cannot seek.
        Errno::ESPIPE => Ended::Refused(number(errno)),

        // The protocol or the driver of one end cannot do it.
        Errno::EOPNOTSUPP => Ended::Refused(number(errno)),

        // The reader of the pipe or the peer of the socket is gone.
        Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN => Ended::Failed(number(errno)),

        // The file that is written has no room, or passes RLIMIT_FSIZE.
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => Ended::Failed(number(errno)),

        // EBADF: open for the other direction only. EIO: the disk. ENOMEM.
        _ => Ended::Failed(number(errno)),
    }
}

/// copy_file_range(2).
pub(crate) fn of_copy_file_range(errno: Errno) -> Ended {
    match errno {
        // A signal came before the first byte: NFS and CIFS wait for a server.
        Errno::EINTR => Ended::Interrupted,

        // Not from a filesystem on a disk. A method that knows how to wait for a file must ask again.
        Errno::EAGAIN => Ended::Refused(number(errno)),

        // Before 4.5, or a seccomp filter pretends so.
        Errno::ENOSYS => Ended::Refused(number(errno)),

        // Two filesystems: before 5.3 any two, since 5.19 two that are not of one kind.
        Errno::EXDEV => Ended::Refused(number(errno)),

        // One end is not a regular file; the ranges overlap in one file; the filesystem cannot copy this range.
        Errno::EINVAL => Ended::Refused(number(errno)),

        // A seccomp filter that answers EPERM; CIFS; or an immutable destination, to which write(2) answers EPERM too.
        Errno::EPERM => Ended::Refused(number(errno)),

        // The filesystem has no such operation; NFS servers before 4.2.
        Errno::EOPNOTSUPP => Ended::Refused(number(errno)),

        // CIFS, whose server may know how to read and write and not how to copy. Of a broken disk read(2) says it again.
        Errno::EIO => Ended::Refused(number(errno)),

        // The destination has O_APPEND, which write(2) takes. An end that is open for the other direction only says so
        // again.
        Errno::EBADF => Ended::Refused(number(errno)),

        // The range passes what a file can hold; read(2) finds the end of the source first.
        Errno::EOVERFLOW => Ended::Refused(number(errno)),

        // One end is a swap file, or a directory.
        Errno::ETXTBSY | Errno::EISDIR => Ended::Refused(number(errno)),

        // CephFS before 4.20, between two of its mounts.
        Errno::EACCES => Ended::Refused(number(errno)),

        // No room, or RLIMIT_FSIZE: another method would meet the same.
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => Ended::Failed(number(errno)),

        // Among them ENOMEM and ESTALE.
        _ => Ended::Failed(number(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::tests::refused;

    #[test]
    fn splice_refuses_with_these_and_no_other() {
        let expected = [
            Errno::EPERM,
            Errno::EINVAL,
            Errno::ESPIPE,
            Errno::ENOSYS,
            Errno::EOPNOTSUPP,
        ];
        assert_eq!(refused(of_splice), expected);
    }

    #[test]
    fn copy_file_range_refuses_with_these_and_no_other() {
        let expected = [
            Errno::EPERM,
            Errno::EIO,
            Errno::EBADF,
            Errno::EAGAIN,
            Errno::EACCES,
            Errno::EXDEV,
            Errno::EISDIR,
            Errno::EINVAL,
            Errno::ETXTBSY,
            Errno::ENOSYS,
            Errno::EOVERFLOW,
            Errno::EOPNOTSUPP,
        ];
        assert_eq!(refused(of_copy_file_range), expected);
    }

    #[test]
    fn a_copy_inside_the_kernel_is_interrupted_and_fails_like_any_other() {
        assert_eq!(of_copy_file_range(Errno::EINTR), Ended::Interrupted);
        for errno in [Errno::ENOSPC, Errno::EDQUOT, Errno::EFBIG, Errno::ENOMEM] {
            assert_eq!(of_copy_file_range(errno), Ended::Failed(number(errno)));
        }
    }

    #[test]
    fn splice_waits_and_fails_like_the_other_calls() {
        assert_eq!(of_splice(Errno::EAGAIN), Ended::WouldBlock);
        assert_eq!(of_splice(Errno::EINTR), Ended::Interrupted);
        for errno in [
            Errno::EPIPE,
            Errno::ECONNRESET,
            Errno::EIO,
            Errno::EBADF,
            Errno::ENOMEM,
            Errno::ETIMEDOUT,
        ] {
            assert_eq!(of_splice(errno), Ended::Failed(number(errno)));
        }
    }
}
