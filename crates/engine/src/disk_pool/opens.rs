//! The opens that have not completed yet.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sendfile64_core::Errno;
use sendfile64_sys::fd;
use sendfile64_sys::fs::open;

use crate::command::{Event, Opened, OwnerId, Sink};

/// What is to be opened.
#[derive(Debug)]
pub enum OpenRequest {
    /// A path.
    Path(PathBuf),
    /// An open descriptor. Only its status is read, for which a server may have to be asked.
    Open(OwnedFd),
}

impl From<PathBuf> for OpenRequest {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl OpenRequest {
    fn open(self) -> Result<Opened, Errno> {
        let (fd, status) = match self {
            Self::Path(path) => open::open(&path)?,
            Self::Open(fd) => {
                let status = fd::status(fd.as_fd())?;
                (fd, status)
            }
        };
        // Here, as lseek(2) waits while another thread reads at the position.
        let position = fd::position(fd.as_fd()).ok();
        Ok(Opened {
            fd,
            status,
            position,
        })
    }
}

/// The sinks of the pending opens. The threads that open files hold no sink, so a cancelled owner is released at once.
#[derive(Default)]
pub(crate) struct PendingOpens {
    waiting: Mutex<HashMap<(OwnerId, u64), Arc<dyn Sink>>>,
}

impl PendingOpens {
    pub(crate) fn expect(&self, owner: OwnerId, id: u64, sink: Arc<dyn Sink>) {
        self.waiting().insert((owner, id), sink);
    }

    pub(crate) fn forget(&self, owner: OwnerId, id: u64) {
        self.waiting().remove(&(owner, id));
    }

    pub(crate) fn cancel(&self, owner: OwnerId) {
        self.waiting().retain(|(waiting, _), _| *waiting != owner);
    }

    /// Opens the file and delivers the result; does nothing if the open was cancelled.
    pub(crate) fn open(&self, owner: OwnerId, id: u64, wanted: OpenRequest) {
        if self.waiting().contains_key(&(owner, id)) {
            self.answer(owner, id, wanted.open());
        }
    }

    fn answer(&self, owner: OwnerId, id: u64, result: Result<Opened, Errno>) {
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
