//! The executor of a target with host descriptors: the engine that all environments of the process share.

mod cached;
mod engine;
mod files;
mod probe;
mod start;

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sendfile64_core::{End, Ended, Errno, Outcome, Transfer};
use sendfile64_engine::{
    Abort, Call, Completion, Engine, Event, Inbox, OwnerId, Sink, TransferId, Wanted,
};
use sendfile64_sys::call::copy;
use sendfile64_sys::fd::{self, Known};
use sendfile64_sys::fs::open;

use crate::codes::{call, end, event, status};
use crate::marshal::records::{EventRecord, Status, method_code};

pub use cached::{close_named, open_file_cached, read_cached, was_read};
use engine::{acquire, lock, next_id, release};
use files::{CLOSED, Files, Parted, figures};
pub use probe::{forbid, probe, sendfile_once};

const EMFILE: i32 = 24;
/// Somebody would have to be asked; JavaScript sees only that it is an error.
const EAGAIN: i32 = 11;

fn code(Errno(errno): Errno) -> i32 {
    errno
}

/// Events on their way to one environment; `wake` is called when there is something after there was nothing. Without it the
/// environment has ended.
struct Mailbox {
    events: Inbox<Event>,
    wake: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl Mailbox {
    /// When it returns, `wake` is gone: a thread that a disk keeps from letting go of its sink cannot reach what it woke.
    fn close(&self) {
        drop(lock(&self.wake).take());
    }
}

impl Sink for Mailbox {
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
    mailbox: Arc<Mailbox>,
    files: Files,
}

impl Link {
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let mailbox = Arc::new(Mailbox {
            events: Inbox::new(),
            wake: Mutex::new(Some(Box::new(wake))),
        });
        Self {
            engine: Mutex::new(None),
            owner: OwnerId(next_id()),
            mailbox,
            files: Files::default(),
        }
    }

    /// Comes last in the making of an environment: whatever fails before has no engine to give back.
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
        self.want(Wanted::Path(PathBuf::from(OsStr::from_bytes(path))))
    }

    pub fn inspect(&self, fd: i32) -> Result<u64, i32> {
        self.want(Wanted::Open(fd::duplicate(fd).map_err(code)?))
    }

    fn want(&self, wanted: Wanted) -> Result<u64, i32> {
        let engine = self.engine().ok_or(CLOSED)?;
        let id = next_id();
        let sink = Arc::clone(&self.mailbox) as Arc<dyn Sink>;
        engine
            .open(id, self.owner, wanted, sink)
            .map_err(|error| error.raw_os_error().unwrap_or(EMFILE))?;
        Ok(id)
    }

    /// Everything that has happened since the last call, in order.
    pub fn drain(&self) -> Vec<EventRecord> {
        let mut events = Vec::new();
        self.mailbox.events.drain(&mut events);
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
        let known = known.map(|(device, inode)| Known { device, inode });
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
        let parted = self.files.forget(file).ok_or(CLOSED)?;
        let size = parted.seen.size;
        let moved = position.map_or(Ok(()), |position| {
            fd::set_position(parted.fd.as_fd(), position).map_err(code)
        });
        Self::part(self.engine().as_deref(), parted);
        moved.and(size.ok_or(EAGAIN))
    }

    pub fn forget(&self, file: i32) {
        if let Some(parted) = self.files.forget(file) {
            Self::part(self.engine().as_deref(), parted);
        }
    }

    pub fn discard(&self, fd: i32) {
        if let Some(file) = cached::taken(fd) {
            Self::part(self.engine().as_deref(), Parted::of(Arc::new(file)));
        }
    }

    /// Closes it here, or on a thread where that may wait.
    fn part(engine: Option<&Engine>, parted: Parted) {
        match engine {
            Some(engine) if parted.seen.may_wait => engine.close(parted.fd),
            _ => drop(parted),
        }
    }

    /// The environment ends: its transfers are cancelled, and no event reaches it any more.
    pub fn close(&self) {
        self.mailbox.close();
        let engine = lock(&self.engine).take();
        if let Some(engine) = engine {
            engine.cancel(self.owner);
            for parted in self.files.clear() {
                Self::part(Some(&engine), parted);
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

fn completed(completion: &Completion) -> EventRecord {
    let TransferId(id) = completion.id;
    let Completion {
        ref transfer,
        end,
        syscalls,
        call,
        ..
    } = *completion;
    ended(id, transfer, end, syscalls, call)
}

/// The record of a transfer that is over, with `call` as its last one.
fn ended(id: u64, transfer: &Transfer, end: End, syscalls: u64, call: Call) -> EventRecord {
    let record = EventRecord::completed(id, transfer, end, syscalls, call_code(call));
    if matches!(end, End::Failed(_)) && call.provides() {
        return EventRecord {
            end: end::LACKING,
            ..record
        };
    }
    record
}

/// The record of a transfer that has not begun, because of what `call` has answered.
fn not_begun(errno: i32, call: Call) -> EventRecord {
    let end = if call.provides() {
        end::LACKING
    } else {
        end::FAILED
    };
    EventRecord {
        end,
        errno,
        call: call_code(call),
        ..EventRecord::bare(0, event::COMPLETED)
    }
}

fn call_code(call: Call) -> u8 {
    match call {
        Call::Sendfile => call::SENDFILE,
        Call::Splice => call::SPLICE,
        Call::CopyFileRange => call::COPY_FILE_RANGE,
        Call::Read => call::READ,
        Call::Write => call::WRITE,
        Call::Inquire => call::GETSOCKOPT,
        Call::Duplicate => call::FCNTL,
        Call::Pipe => call::PIPE2,
        Call::CreatePoller => call::EPOLL_CREATE,
        Call::CreateWaker => call::EVENTFD,
        Call::Watch => call::EPOLL_CTL,
        Call::Poll => call::EPOLL_WAIT,
        Call::CreateThread => call::PTHREAD_CREATE,
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
