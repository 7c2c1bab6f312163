//! The executor of a target with host descriptors: the engine that all environments of the process share.

mod cached;
mod engine;
mod events;
mod files;
mod probe;
mod start;

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sendfile64_core::{Ended, Errno, Outcome};
use sendfile64_engine::{Abort, Engine, Event, Inbox, OpenRequest, OwnerId, Sink, TransferId};
use sendfile64_sys::call::copy;
use sendfile64_sys::fd::{self, KnownFile};
use sendfile64_sys::fs::open;

use crate::codes::{event, status};
use crate::marshal::records::{EventRecord, Status, method_code};

pub use cached::{close_named, open_file_cached, read_cached, was_read};
use engine::{acquire, lock, next_id, release};
use events::completed;
use files::{CLOSED, ClosingFile, Files, figures};
pub use probe::{forbid, probe, sendfile_once};

const EMFILE: i32 = 24;
/// The question would have to wait for a server. JavaScript only sees that it is an error.
const EAGAIN: i32 = 11;

fn code(Errno(errno): Errno) -> i32 {
    errno
}

/// Events for one environment. `wake` is called when the queue is no longer empty. It is `None` once the environment
/// has ended.
struct EventQueue {
    events: Inbox<Event>,
    wake: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl EventQueue {
    /// When it returns, `wake` is gone: a thread that a disk keeps from letting go of its sink cannot reach what it woke.
    fn close(&self) {
        drop(lock(&self.wake).take());
    }
}

impl Sink for EventQueue {
    fn deliver(&self, event: Event) {
        if self.events.push(event)
            && let Some(wake) = &*lock(&self.wake)
        {
            wake();
        }
    }
}

/// One environment's connection to the engine.
pub struct Link {
    engine: Mutex<Option<Arc<Engine>>>,
    owner: OwnerId,
    events: Arc<EventQueue>,
    files: Files,
}

impl Link {
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let events = Arc::new(EventQueue {
            events: Inbox::new(),
            wake: Mutex::new(Some(Box::new(wake))),
        });
        Self {
            engine: Mutex::new(None),
            owner: OwnerId(next_id()),
            events,
            files: Files::default(),
        }
    }

    /// The last step in the creation of an environment: if an earlier step fails, there is no engine to release.
    pub fn connect(&self) {
        *lock(&self.engine) = Some(acquire());
    }

    pub fn send_head(&self, out_fd: i32, head: &[u8]) -> Result<u64, i32> {
        let Outcome { bytes, ended } = copy::send_more(borrow(&out_fd)?, head);
        match ended {
            Ended::Failed(errno) | Ended::Refused(errno) => Err(code(errno)),
            Ended::Progress
            | Ended::WouldBlock
            | Ended::Busy
            | Ended::Interrupted
            | Ended::EndOfFile => Ok(bytes),
        }
    }

    pub fn rate_changed(&self) {
        if let Some(engine) = self.engine() {
            engine.rate_changed();
        }
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
        self.want(OpenRequest::Path(PathBuf::from(OsStr::from_bytes(path))))
    }

    pub fn inspect(&self, fd: i32) -> Result<u64, i32> {
        self.want(OpenRequest::Open(fd::duplicate(fd).map_err(code)?))
    }

    fn want(&self, wanted: OpenRequest) -> Result<u64, i32> {
        let engine = self.engine().ok_or(CLOSED)?;
        let id = next_id();
        let sink = Arc::clone(&self.events) as Arc<dyn Sink>;
        engine
            .open(id, self.owner, wanted, sink)
            .map_err(|error| error.raw_os_error().unwrap_or(EMFILE))?;
        Ok(id)
    }

    /// Everything that has happened since the last call, in order.
    pub fn drain(&self) -> Vec<EventRecord> {
        let mut events = Vec::new();
        self.events.events.drain(&mut events);
        events.into_iter().map(|event| self.record(event)).collect()
    }

    pub fn take_opened(&self, id: u64) -> Result<(i32, Status), i32> {
        self.files.take_opened(id)
    }

    pub fn open_cached(&self, path: &[u8]) -> Result<(i32, Status), i32> {
        let (file, status) = open::open_cached(Path::new(OsStr::from_bytes(path))).map_err(code)?;
        Ok(self.files.keep(file, &status))
    }

    /// Looked at before it is duplicated: a duplicate of a remote file could not be closed here without a word of its
    /// server.
    pub fn adopt(
        &self,
        fd: i32,
        known: Option<(u64, u64)>,
        with_position: bool,
    ) -> Result<(i32, Status), i32> {
        let known = known.map(|(device, inode)| KnownFile { device, inode });
        let status = fd::status_at_once(borrow(&fd)?, known).map_err(code)?;
        let copy = fd::duplicate(fd).map_err(code)?;
        let position = with_position.then(|| fd::position(copy.as_fd()).ok());
        let (file, mut figures) = self.files.keep(copy, &status);
        figures[status::POSITION] = position.flatten().map_or(-1.0, |position| position as f64);
        Ok((file, figures))
    }

    pub fn identify(&self, fd: i32) -> Result<(i32, Status), i32> {
        let status = fd::identify(borrow(&fd)?).map_err(code)?;
        Ok((fd, figures(&status)))
    }

    pub fn adopt_destination(&self, fd: i32) -> Result<(i32, Status), i32> {
        self.files
            .keep_destination(fd::duplicate(fd).map_err(code)?)
    }

    pub fn position(&self, file: i32) -> Result<u64, i32> {
        self.files.position(file)
    }

    pub fn set_position(&self, file: i32, offset: u64) -> Result<(), i32> {
        fd::set_position(self.files.source(file)?.fd.as_fd(), offset).map_err(code)
    }

    pub fn leave(&self, file: i32, position: Option<u64>) -> Result<u64, i32> {
        let closing = self.files.forget(file).ok_or(CLOSED)?;
        let size = closing.seen.size;
        let moved = position.map_or(Ok(()), |position| {
            fd::set_position(closing.fd.as_fd(), position).map_err(code)
        });
        Self::close_file(self.engine().as_deref(), closing);
        moved.and(size.ok_or(EAGAIN))
    }

    pub fn forget(&self, file: i32) {
        if let Some(closing) = self.files.forget(file) {
            Self::close_file(self.engine().as_deref(), closing);
        }
    }

    pub fn discard(&self, fd: i32) {
        if let Some(file) = cached::taken(fd) {
            Self::close_file(self.engine().as_deref(), ClosingFile::of(Arc::new(file)));
        }
    }

    /// Closes it here, or on a thread where that may wait.
    fn close_file(engine: Option<&Engine>, closing: ClosingFile) {
        match engine {
            Some(engine) if closing.seen.may_wait => engine.close(closing.fd),
            _ => drop(closing),
        }
    }

    /// The environment ends: its transfers are cancelled, and no event reaches it any more.
    pub fn close(&self) {
        self.events.close();
        let engine = lock(&self.engine).take();
        if let Some(engine) = engine {
            engine.cancel(self.owner);
            for closing in self.files.clear() {
                Self::close_file(Some(&engine), closing);
            }
            release(engine);
        }
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
                method,
            } => EventRecord {
                bytes_sent,
                method: method_code(method),
                ..EventRecord::bare(id, event::PROGRESS)
            },
            Event::Opened {
                id,
                result: Ok(opened),
            } => {
                self.files.expect(id, opened);
                EventRecord::bare(id, event::OPENED)
            }
            Event::Opened {
                id,
                result: Err(Errno(errno)),
            } => EventRecord {
                errno,
                ..EventRecord::bare(id, event::OPENED)
            },
        }
    }
}

/// The caller's descriptor, for no longer than its number stays where it is: in the call that got it.
///
/// # Errors
/// EBADF for a number below 0, which no descriptor has.
fn borrow(fd: &i32) -> Result<BorrowedFd<'_>, i32> {
    if *fd < 0 {
        return Err(CLOSED);
    }
    // SAFETY: not -1. JavaScript has read the number from a socket's handle or a stream in this tick, and only JavaScript,
    // which waits for us, could close it. One that is not open gets EBADF, and touches nothing.
    Ok(unsafe { BorrowedFd::borrow_raw(*fd) })
}
