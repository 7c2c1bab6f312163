//! The executor of a target with host descriptors: the engine that all environments of the process share.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sendfile64_core::{Errno, Transfer};
use sendfile64_engine::{
    Abort, Command, Completion, Config, Engine, Event, Inbox, OwnerId, Sink, TransferId,
};
use sendfile64_sys::descriptor::{self, Kind};
use sendfile64_sys::probe::{self, Availability, Feature};

use crate::number::to_js;
use crate::records::{EventRecord, StatusRecord};

/// EBADF: the same number on every system we know.
pub const CLOSED: i32 = 9;
const EMFILE: i32 = 24;

/// An open descriptor of ours, shared with the transfers that read from it.
pub type File = Arc<OwnedFd>;

pub fn number(file: &File) -> i32 {
    file.as_raw_fd()
}

pub fn status(file: &File) -> Result<StatusRecord, i32> {
    let status = descriptor::status(file.as_fd()).map_err(code)?;
    let kind = match status.kind {
        Kind::Regular => 0,
        Kind::Directory => 1,
        Kind::CharacterDevice => 2,
        Kind::BlockDevice => 3,
        Kind::Fifo => 4,
        Kind::StreamSocket => 5,
        Kind::DatagramSocket => 6,
        Kind::Other => 7,
    };
    let (size, device, inode) = (
        to_js(status.size),
        to_js(status.device),
        to_js(status.inode),
    );
    Ok(StatusRecord {
        kind,
        size,
        device,
        inode,
    })
}

pub fn position(file: &File) -> Result<u64, i32> {
    descriptor::position(file.as_fd()).map_err(code)
}

pub fn set_position(file: &File, offset: u64) -> Result<(), i32> {
    descriptor::set_position(file.as_fd(), offset).map_err(code)
}

pub fn open_cached(path: &[u8]) -> Result<File, i32> {
    sendfile64_sys::open::open_cached(Path::new(OsStr::from_bytes(path)))
        .map(Arc::new)
        .map_err(code)
}

pub fn adopt(fd: i32) -> Result<File, i32> {
    descriptor::duplicate(fd).map(Arc::new).map_err(code)
}

pub fn kernel() -> String {
    sendfile64_sys::kernel()
}

pub fn probe_sendfile() -> u8 {
    match probe::probe_sendfile() {
        Availability::NotProbed => 0,
        Availability::Available => 1,
        Availability::Unavailable => 2,
    }
}

pub fn forbid(feature: &str) -> bool {
    let feature = match feature {
        "sendfile" => Feature::Sendfile,
        "openat2" => Feature::Openat2,
        "cachestat" => Feature::Cachestat,
        "readnowait" => Feature::ReadNowait,
        _ => return false,
    };
    probe::forbid(feature);
    true
}

pub fn sendfile_once(out_fd: i32, in_fd: i32, offset: Option<u64>, count: u64) -> Result<u64, i32> {
    let offset = offset.map(|offset| i64::try_from(offset).unwrap_or(i64::MAX));
    sendfile64_sys::sendfile::sendfile_once(out_fd, in_fd, offset, count).map_err(code)
}

fn code(Errno(errno): Errno) -> i32 {
    errno
}

/// The engine, and how many environments use it: the last one to end joins the threads.
static ENGINE: Mutex<Option<(Arc<Engine>, usize)>> = Mutex::new(None);
/// Transfer and owner ids are never used twice in a process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// No code runs while the lock is held that could leave its data half changed, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn acquire() -> Arc<Engine> {
    let mut slot = lock(&ENGINE);
    let (engine, users) = slot.get_or_insert_with(|| (Arc::new(Engine::new(Config::default())), 0));
    *users += 1;
    Arc::clone(engine)
}

fn release(engine: Arc<Engine>) {
    let last = {
        let mut slot = lock(&ENGINE);
        match slot.as_mut() {
            Some((_, users)) if *users > 1 => {
                *users -= 1;
                false
            }
            _ => slot.take().is_some(),
        }
    };
    if last {
        engine.join();
    }
}

/// Events on their way to one environment; `wake` is called when there is something after there was nothing.
struct Mailbox {
    events: Inbox<Event>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Sink for Mailbox {
    fn deliver(&self, event: Event) {
        if self.events.push(event) {
            (self.wake)();
        }
    }
}

/// What `Environment::start` takes.
pub struct Start<'a> {
    pub out_fd: i32,
    pub file: &'a File,
    pub transfer: Transfer,
    pub own_position: bool,
    pub progress_ms: u32,
}

/// A transfer has begun: finished at once, or on its way under this id.
pub enum Started {
    Finished(EventRecord),
    Queued(u64),
}

/// One environment's connection to the engine.
pub struct Link {
    engine: Mutex<Option<Arc<Engine>>>,
    owner: OwnerId,
    mailbox: Arc<Mailbox>,
    opened: Mutex<HashMap<u64, File>>,
}

impl Link {
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let mailbox = Arc::new(Mailbox {
            events: Inbox::new(),
            wake: Box::new(wake),
        });
        let engine = Mutex::new(Some(acquire()));
        Self {
            engine,
            owner: OwnerId(next_id()),
            mailbox,
            opened: Mutex::new(HashMap::new()),
        }
    }

    /// Duplicates the destination at once: its number is only valid in this tick.
    pub fn start(&self, start: Start<'_>) -> Result<Started, i32> {
        let engine = self.engine().ok_or(CLOSED)?;
        let destination = descriptor::duplicate(start.out_fd).map_err(code)?;
        let id = next_id();
        let command = Command {
            id: TransferId(id),
            owner: self.owner,
            destination,
            source: Arc::clone(start.file),
            own_position: start.own_position,
            transfer: start.transfer,
            progress_interval: Duration::from_millis(u64::from(start.progress_ms)),
            sink: Arc::clone(&self.mailbox) as Arc<dyn Sink>,
        };
        // Threads and pollers fail for want of descriptors or of processes, never because of the transfer.
        let started = engine
            .start(command)
            .map_err(|error| error.raw_os_error().unwrap_or(EMFILE))?;
        Ok(match started {
            sendfile64_engine::Started::Finished(completion) => {
                Started::Finished(completed(&completion))
            }
            sendfile64_engine::Started::Queued => Started::Queued(id),
        })
    }

    pub fn abort(&self, id: u64, shutdown: bool) {
        if let Some(engine) = self.engine() {
            engine.abort(
                TransferId(id),
                if shutdown {
                    Abort::Shutdown
                } else {
                    Abort::Release
                },
            );
        }
    }

    pub fn open(&self, path: &[u8]) -> Result<u64, i32> {
        let engine = self.engine().ok_or(CLOSED)?;
        let id = next_id();
        let path = PathBuf::from(OsStr::from_bytes(path));
        let sink = Arc::clone(&self.mailbox) as Arc<dyn Sink>;
        engine
            .open(id, self.owner, path, sink)
            .map_err(|error| error.raw_os_error().unwrap_or(EMFILE))?;
        Ok(id)
    }

    /// Everything that has happened since the last call, in order.
    pub fn drain(&self) -> Vec<EventRecord> {
        let mut events = Vec::new();
        self.mailbox.events.drain(&mut events);
        events.into_iter().map(|event| self.record(event)).collect()
    }

    pub fn take_opened(&self, id: u64) -> Option<File> {
        lock(&self.opened).remove(&id)
    }

    /// The environment ends: its transfers are cancelled, and no event reaches it any more.
    pub fn close(&self) {
        let engine = lock(&self.engine).take();
        if let Some(engine) = engine {
            engine.cancel(self.owner);
            release(engine);
        }
        lock(&self.opened).clear();
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        lock(&self.engine).clone()
    }

    fn record(&self, event: Event) -> EventRecord {
        match event {
            Event::Completed(completion) => completed(&completion),
            Event::Progress {
                id: TransferId(id),
                bytes_sent,
            } => {
                let bytes_sent = bytes_sent as f64;
                EventRecord {
                    bytes_sent,
                    ..EventRecord::bare(id, EventRecord::PROGRESS)
                }
            }
            Event::Opened { id, result: Ok(fd) } => {
                lock(&self.opened).insert(id, Arc::new(fd));
                EventRecord::bare(id, EventRecord::OPENED)
            }
            Event::Opened {
                id,
                result: Err(Errno(errno)),
            } => EventRecord {
                errno,
                ..EventRecord::bare(id, EventRecord::OPENED)
            },
        }
    }
}

fn completed(completion: &Completion) -> EventRecord {
    let TransferId(id) = completion.id;
    EventRecord::completed(
        id,
        &completion.transfer,
        completion.end,
        completion.syscalls,
    )
}
