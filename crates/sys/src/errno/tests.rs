use nix::errno::Errno;
use sendfile64_core::Ended;

use super::{number, of_read, of_send, of_sendfile, of_write};

/// Every errno that any system has is below this.
const END: i32 = 160;

/// The calls whose destination or source may have to be waited for.
const WAITING: &[fn(Errno) -> Ended] = &[of_sendfile, of_read, of_send, of_write];

pub(crate) fn refused(ended_of: fn(Errno) -> Ended) -> Vec<Errno> {
    let all = (1..END)
        .map(Errno::from_raw)
        .filter(|&errno| errno != Errno::UnknownErrno);
    all.filter(|&errno| matches!(ended_of(errno), Ended::Refused(_)))
        .collect()
}

#[test]
fn sendfile_refuses_with_these_and_no_other() {
    let mut expected = vec![
        Errno::EINVAL,
        Errno::ENOSYS,
        Errno::EPERM,
        Errno::EOPNOTSUPP,
        Errno::ENOTSUP,
        Errno::ESPIPE,
        Errno::ENOTSOCK,
        Errno::EOVERFLOW,
    ];
    expected.sort_by_key(|&errno| errno as i32);
    expected.dedup();
    assert_eq!(refused(of_sendfile), expected);
}

#[test]
fn the_last_method_refuses_only_a_destination_that_rejects_every_write() {
    assert_eq!(refused(of_read), []);
    assert_eq!(refused(of_send), []);
    assert_eq!(refused(of_write), [Errno::EINVAL]);
}

#[test]
fn would_block_and_interrupted_are_not_failures() {
    for ended_of in WAITING {
        assert_eq!(ended_of(Errno::EAGAIN), Ended::WouldBlock);
        assert_eq!(ended_of(Errno::EINTR), Ended::Interrupted);
    }
}

#[test]
fn a_broken_connection_and_a_broken_disk_fail_with_their_number() {
    for errno in [
        Errno::EPIPE,
        Errno::ECONNRESET,
        Errno::EIO,
        Errno::EBADF,
        Errno::ENOMEM,
        Errno::ETIMEDOUT,
    ] {
        for ended_of in WAITING {
            assert_eq!(ended_of(errno), Ended::Failed(number(errno)));
        }
    }
}
