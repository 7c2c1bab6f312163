//! The messages from other threads to a shard.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::attempt::Attempted;
use crate::attempt::endpoints::Endpoints;
use crate::command::{Abort, OwnerId, TransferId};
use crate::shard::slab::Key;
use crate::sync::mailbox::Mailbox;
use crate::transfer::Running;

/// The way into a shard.
pub(crate) type ShardMailbox = Mailbox<Message, mio::Waker>;

pub(crate) enum Message {
    Start(Box<Running>),
    Abort(TransferId, Abort),
    /// An attempt returns from the disk pool.
    DiskResult(DiskResult),
    /// A shared rate has changed: a wait for it may be over.
    RateChanged,
    /// The owner has ended. Dropping the sender reports that the shard holds nothing of it any more.
    Cancel(OwnerId, Sender<()>),
    /// The last message: abort everything, and end when nothing is left.
    Stop,
}

pub(crate) struct DiskResult {
    pub(crate) key: Key,
    pub(crate) endpoints: Arc<Endpoints>,
    /// `None` if the attempt was not made.
    pub(crate) attempted: Option<Attempted>,
}
