//! macOS: flags of open(2) and send(2).

use nix::fcntl::OFlag;
use nix::sys::socket::MsgFlags;

/// There is no O_PATH.
pub(crate) const PATH_ONLY: OFlag = OFlag::empty();

/// A send(2) with this flag does not block. macOS has no MSG_NOSIGNAL: the threads block SIGPIPE
/// ([`crate::signal::block_fatal`]).
pub(crate) const SEND: MsgFlags = MsgFlags::MSG_DONTWAIT;

/// There is no MSG_MORE.
pub(crate) const MORE: MsgFlags = MsgFlags::empty();
