//! FreeBSD and macOS: the common names are enough.

use nix::errno::Errno;

pub(super) fn own_name(_errno: Errno) -> Option<&'static str> {
    None
}
