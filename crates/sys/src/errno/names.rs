//! Errno names, as Node.js spells them.

use nix::errno::Errno as NixErrno;
use sendfile64_core::Errno;

use super::platform::own_name;

macro_rules! names {
    ($($name:ident),* $(,)?) => {
        /// The name of an errno: `"EAGAIN"`. Where one number has two names it is the one Node.js uses (`EAGAIN`,
        /// `ENOTSUP`). `"UNKNOWN"` for a number without a name on every supported system.
        pub fn errno_name(errno: Errno) -> &'static str {
            match NixErrno::from_raw(errno.0) {
                $(NixErrno::$name => stringify!($name),)*
                // An alias of EOPNOTSUPP on Linux and FreeBSD, so it cannot be an arm of its own.
                other if other == NixErrno::ENOTSUP => "ENOTSUP",
                NixErrno::EOPNOTSUPP => "EOPNOTSUPP",
                other => own_name(other).unwrap_or("UNKNOWN"),
            }
        }
    };
}

names! {
    E2BIG, EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, EBADMSG, EBUSY, ECANCELED, ECHILD,
    ECONNABORTED, ECONNREFUSED, ECONNRESET, EDEADLK, EDESTADDRREQ, EDOM, EDQUOT, EEXIST, EFAULT, EFBIG, EHOSTDOWN,
    EHOSTUNREACH, EIDRM, EILSEQ, EINPROGRESS, EINTR, EINVAL, EIO, EISCONN, EISDIR, ELOOP, EMFILE, EMLINK, EMSGSIZE,
    EMULTIHOP, ENAMETOOLONG, ENETDOWN, ENETRESET, ENETUNREACH, ENFILE, ENOBUFS, ENODEV, ENOENT, ENOEXEC, ENOLCK,
    ENOLINK, ENOMEM, ENOMSG, ENOPROTOOPT, ENOSPC, ENOSYS, ENOTBLK, ENOTCONN, ENOTDIR, ENOTEMPTY, ENOTSOCK, ENOTTY,
    ENXIO, EOVERFLOW, EPERM, EPFNOSUPPORT, EPIPE, EPROTO, EPROTONOSUPPORT, EPROTOTYPE, ERANGE, EROFS, ESHUTDOWN,
    ESOCKTNOSUPPORT, ESPIPE, ESRCH, ESTALE, ETIMEDOUT, ETOOMANYREFS, ETXTBSY, EUSERS, EXDEV,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_ones_node_uses() {
        assert_eq!(errno_name(Errno(NixErrno::EAGAIN as i32)), "EAGAIN");
        assert_eq!(errno_name(Errno(NixErrno::EWOULDBLOCK as i32)), "EAGAIN");
        assert_eq!(errno_name(Errno(NixErrno::ENOTSUP as i32)), "ENOTSUP");
        assert_eq!(errno_name(Errno(NixErrno::EPIPE as i32)), "EPIPE");
    }

    #[test]
    fn a_number_without_a_name_is_unknown() {
        for number in [0, -1, 524, i32::MIN, i32::MAX] {
            assert_eq!(errno_name(Errno(number)), "UNKNOWN");
        }
    }
}
