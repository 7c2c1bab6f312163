//! The opens that have not been answered yet.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sendfile64_core::Errno;
use sendfile64_sys::open;

use crate::command::{Event, OwnerId, Sink};

/// Who waits for which open. The threads that open hold no sink: a cancelled owner's goes at once, whatever a disk does.
#[derive(Default)]
pub(crate) struct Opens {
    waiting: Mutex<HashMap<(OwnerId, u64), Arc<dyn Sink>>>,
}

impl Opens {
    pub(crate) fn expect(&self, owner: OwnerId, id: u64, sink: Arc<dyn Sink>) {
        self.waiting().insert((owner, id), sink);
    }

    pub(crate) fn forget(&self, owner: OwnerId, id: u64) {
        self.waiting().remove(&(owner, id));
    }

    pub(crate) fn cancel(&self, owner: OwnerId) {
        self.waiting().retain(|(waiting, _), _| *waiting != owner);
    }

    /// Opens the path and tells who waits for it; does nothing when nobody does.
    pub(crate) fn open(&self, owner: OwnerId, id: u64, path: &Path) {
        if self.waiting().contains_key(&(owner, id)) {
            let result = open::open(path);
            self.answer(owner, id, result);
        }
    }

    fn answer(&self, owner: OwnerId, id: u64, result: Result<OwnedFd, Errno>) {
        // Delivered under the lock, so that a cancel has the event either before it or never.
        let mut waiting = self.waiting();
        if let Some(sink) = waiting.remove(&(owner, id)) {
            sink.deliver(Event::Opened { id, result });
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<(OwnerId, u64), Arc<dyn Sink>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
