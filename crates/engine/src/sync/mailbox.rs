//! The way into a thread that sleeps in a poller.

use crate::sync::inbox::Inbox;

/// Ends a sleep, now or, if the thread is awake, its next one.
pub(crate) trait Wake {
    fn wake(&self);
}

impl Wake for mio::Waker {
    fn wake(&self) {
        // An eventfd write fails only if the counter is full, which mio handles, or if other code has closed the
        // descriptor. There is no caller to report it to; the messages stay in the inbox for the next turn.
        let _ = mio::Waker::wake(self);
    }
}

/// An [`Inbox`] together with what wakes its receiver.
pub(crate) struct Mailbox<T, W> {
    inbox: Inbox<T>,
    waker: W,
}

impl<T, W: Wake> Mailbox<T, W> {
    pub(crate) fn new(waker: W) -> Self {
        Self {
            inbox: Inbox::new(),
            waker,
        }
    }

    /// Hands a message over. Messages of one thread arrive in the order in which it posted them.
    pub(crate) fn post(&self, message: T) {
        if self.inbox.push(message) {
            self.waker.wake();
        }
    }

    /// Takes everything posted so far; for the receiver alone.
    pub(crate) fn drain(&self, into: &mut Vec<T>) {
        self.inbox.drain(into);
    }
}
