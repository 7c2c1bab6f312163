//! The hand-over queue between threads.

use std::fmt;

use crate::sync::{Mutex, lock};

/// Items on their way from many threads to one that is woken by other means.
///
/// The protocol: the sender whose [`push`](Self::push) found the inbox empty wakes the receiver. The receiver
/// [drains](Self::drain) the inbox after every wake-up, before it sleeps again. Items therefore never wait without a
/// wake-up on its way, and a thousand items cost one wake-up.
pub struct Inbox<T> {
    items: Mutex<Vec<T>>,
}

impl<T> Inbox<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            items: Mutex::new(Vec::new()),
        }
    }

    /// Adds an item at the end. Returns whether it was empty: then the caller wakes the receiver.
    #[must_use = "when the inbox was empty, the receiver must be woken"]
    pub fn push(&self, item: T) -> bool {
        let mut items = lock(&self.items);
        items.push(item);
        items.len() == 1
    }

    /// Moves all items to the end of `into`, in the order of their pushes.
    pub fn drain(&self, into: &mut Vec<T>) {
        into.append(&mut lock(&self.items));
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}
