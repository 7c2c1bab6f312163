//! The executor of a target without host descriptors: everything answers ENOSYS.

#![expect(
    dead_code,
    reason = "no transfer begins here, so what describes one is never read"
)]

use crate::records::{EventRecord, StatusRecord};

/// ENOSYS as Linux numbers it; JavaScript on this binding never turns it into a name.
const ENOSYS: i32 = 38;
pub const CLOSED: i32 = ENOSYS;

/// No file can be open here.
pub enum File {}

pub fn number(file: &File) -> i32 {
    match *file {}
}

pub fn status(file: &File) -> Result<StatusRecord, i32> {
    match *file {}
}

pub fn position(file: &File) -> Result<u64, i32> {
    match *file {}
}

pub fn set_position(file: &File, _offset: u64) -> Result<(), i32> {
    match *file {}
}

pub fn open_cached(_path: &[u8]) -> Result<File, i32> {
    Err(ENOSYS)
}

pub fn adopt(_fd: i32) -> Result<File, i32> {
    Err(ENOSYS)
}

pub fn kernel() -> String {
    "wasi".to_owned()
}

pub fn probe_sendfile() -> u8 {
    2
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

/// What `Environment::start` takes.
pub struct Start<'a> {
    pub out_fd: i32,
    pub file: &'a File,
    pub transfer: sendfile64_core::Transfer,
    pub own_position: bool,
    pub progress_ms: u32,
}

/// An environment that never has anything to do.
pub struct Link;

impl Link {
    pub fn new(_wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self
    }

    pub fn start(&self, start: Start<'_>) -> Result<Started, i32> {
        match *start.file {}
    }

    pub fn abort(&self, _id: u64, _shutdown: bool) {}

    pub fn open(&self, _path: &[u8]) -> Result<u64, i32> {
        Err(ENOSYS)
    }

    pub fn drain(&self) -> Vec<EventRecord> {
        Vec::new()
    }

    pub fn take_opened(&self, _id: u64) -> Option<File> {
        None
    }

    pub fn close(&self) {}
}

/// A transfer has begun: finished at once, or on its way under this id.
pub enum Started {
    Finished(EventRecord),
    Queued(u64),
}
