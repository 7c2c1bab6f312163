//! Errno names that only Linux has, of those that files and sockets answer with.

use nix::errno::Errno;

pub(super) fn own_name(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        // ext4 and xfs: the structures on the disk are damaged.
        Errno::EUCLEAN => "EUCLEAN",
        // fscrypt: the file's key is not there.
        Errno::ENOKEY => "ENOKEY",
        // Block devices.
        Errno::ENODATA => "ENODATA",
        Errno::EREMOTEIO => "EREMOTEIO",
        Errno::ENOMEDIUM => "ENOMEDIUM",
        // Network paths.
        Errno::ENONET => "ENONET",
        Errno::ECOMM => "ECOMM",
        Errno::ETIME => "ETIME",
        _ => return None,
    })
}
