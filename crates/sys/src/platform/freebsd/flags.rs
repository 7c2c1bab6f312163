//! FreeBSD: flags of open(2) and send(2).

use nix::fcntl::OFlag;
use nix::sys::socket::MsgFlags;

/// A descriptor with this flag only names a file (open(2), O_PATH).
pub(crate) const PATH_ONLY: OFlag = OFlag::O_PATH;

/// A send(2) with these flags neither blocks nor raises SIGPIPE.
pub(crate) const SEND: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

/// There is no MSG_MORE.
pub(crate) const MORE: MsgFlags = MsgFlags::empty();
