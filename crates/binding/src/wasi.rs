//! The exports on a target without host descriptors: every call returns ENOSYS.

use crate::codes::{end, event};
use crate::marshal::command::{Start, Started};
use crate::marshal::records::{EventRecord, Status};

/// ENOSYS as Linux numbers it; JavaScript on this binding never turns it into a name.
const ENOSYS: i32 = 38;

pub fn probe(_feature: &str) -> i32 {
    -ENOSYS
}

pub fn forbid(_feature: &str) -> bool {
    false
}

pub fn sendfile_once(
    _out_fd: i32,
    _in_fd: i32,
    _offset: Option<u64>,
    _count: u64,
) -> Result<u64, i32> {
    Err(ENOSYS)
}

pub fn open_file_cached(_path: &[u8]) -> Result<(i32, Status), i32> {
    Err(ENOSYS)
}

pub fn read_cached(_fd: i32, _buffer: &mut [u8], _offset: Option<u64>) -> Result<usize, i32> {
    Err(ENOSYS)
}

pub fn was_read(_fd: i32, _offset: Option<u64>, _bytes: u64) {}

pub fn close_named(_fd: i32) -> bool {
    false
}

/// An environment that never has anything to do.
pub struct Link;

impl Link {
    pub fn new(_wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self
    }

    pub fn connect(&self) {}

    pub fn start(&self, _start: Start) -> Started {
        Started::Finished(EventRecord {
            end: end::FAILED,
            errno: ENOSYS,
            ..EventRecord::bare(0, event::COMPLETED)
        })
    }

    pub fn open_cached(&self, _path: &[u8]) -> Result<(i32, Status), i32> {
        Err(ENOSYS)
    }

    pub fn adopt(
        &self,
        _fd: i32,
        _known: Option<(u64, u64)>,
        _with_position: bool,
    ) -> Result<(i32, Status), i32> {
        Err(ENOSYS)
    }

    pub fn identify(&self, _fd: i32) -> Result<(i32, Status), i32> {
        Err(ENOSYS)
    }

    pub fn adopt_destination(&self, _fd: i32) -> Result<(i32, Status), i32> {
        Err(ENOSYS)
    }

    pub fn position(&self, _file: i32) -> Result<u64, i32> {
        Err(ENOSYS)
    }

    pub fn set_position(&self, _file: i32, _offset: u64) -> Result<(), i32> {
        Err(ENOSYS)
    }

    pub fn leave(&self, _file: i32, _position: Option<u64>) -> Result<u64, i32> {
        Err(ENOSYS)
    }

    pub fn forget(&self, _file: i32) {}

    pub fn discard(&self, _fd: i32) {}

    pub fn send_head(&self, _out_fd: i32, _head: &[u8]) -> Result<u64, i32> {
        Err(ENOSYS)
    }

    pub fn rate_changed(&self) {}

    pub fn abort(&self, _id: u64, _shutdown: bool) {}

    pub fn open(&self, _path: &[u8]) -> Result<u64, i32> {
        Err(ENOSYS)
    }

    pub fn inspect(&self, _fd: i32) -> Result<u64, i32> {
        Err(ENOSYS)
    }

    pub fn drain(&self) -> Vec<EventRecord> {
        Vec::new()
    }

    pub fn take_opened(&self, _id: u64) -> Result<(i32, Status), i32> {
        Err(ENOSYS)
    }

    pub fn close(&self) {}
}
