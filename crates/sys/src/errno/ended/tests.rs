use super::*;

/// Every errno that any system has is below this.
const END: i32 = 160;

/// The calls whose destination or source may have to be waited for.
const WAITING: &[fn(Errno) -> Ended] = &[
    of_sendfile,
    of_read,
    of_send,
    of_write,
    #[cfg(target_os = "linux")]
    of_splice,
];

fn refused(ended_of: fn(Errno) -> Ended) -> Vec<Errno> {
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

#[cfg(target_os = "linux")]
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

#[cfg(target_os = "linux")]
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

#[cfg(target_os = "linux")]
#[test]
fn a_copy_inside_the_kernel_is_interrupted_and_fails_like_any_other() {
    assert_eq!(of_copy_file_range(Errno::EINTR), Ended::Interrupted);
    for errno in [Errno::ENOSPC, Errno::EDQUOT, Errno::EFBIG, Errno::ENOMEM] {
        assert_eq!(of_copy_file_range(errno), Ended::Failed(number(errno)));
    }
}

#[test]
fn the_last_method_refuses_nothing_but_a_destination_that_no_write_fits() {
    assert_eq!(refused(of_read), []);
    assert_eq!(refused(of_send), []);
    assert_eq!(refused(of_write), [Errno::EINVAL]);
}

#[test]
fn would_block_and_interrupted_are_no_failures() {
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
