//! Linux: flags of open(2) and send(2).

use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::socket::MsgFlags;

/// A descriptor with this flag only names a file (open(2), O_PATH).
pub(crate) const PATH_ONLY: OFlag = OFlag::O_PATH;

/// A send(2) with these flags neither blocks nor raises SIGPIPE.
pub(crate) const SEND: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

/// More bytes follow at once.
pub(crate) const MORE: MsgFlags = MsgFlags::from_bits_retain(libc::MSG_MORE);
