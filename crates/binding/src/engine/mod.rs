//! The executor of a target with host descriptors: the engine that all environments of the process share.

mod machine;
mod shared;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sendfile64_core::{Ended, Errno, Op, Outcome, Transfer};
use sendfile64_engine::{
    Abort, Call, Command, Completion, Engine, Event, Inbox, OwnerId, Sink, TransferId, attempt_now,
};
use sendfile64_sys::copy;
use sendfile64_sys::descriptor::{self, Kind};
use sendfile64_sys::open;

use crate::records::EventRecord;

pub use machine::{forbid, kernel, probe_sendfile, sendfile_once};
use shared::{acquire, lock, next_id, release};

/// EBADF: the same number on every system we know.
const CLOSED: i32 = 9;
const EMFILE: i32 = 24;

/// An open descriptor of ours, shared with the transfers that read from it.
type File = Arc<OwnedFd>;

/// Kind, size, device, inode: see `Environment::open_cached`.
pub type Status = [f64; 4];

fn status(file: &File) -> Result<Status, i32> {
    let status = descriptor::status(file.as_fd()).map_err(code)?;
    let kind = match status.kind {
        Kind::Regular => 0.0,
        Kind::Directory => 1.0,
        Kind::CharacterDevice | Kind::Terminal => 2.0,
        Kind::BlockDevice => 3.0,
        Kind::Fifo => 4.0,
        Kind::StreamSocket => 5.0,
        Kind::DatagramSocket => 6.0,
        Kind::Other => 7.0,
    };
    // Inexact above 2^53, as in fs.Stats.
    Ok([
        kind,
        status.size as f64,
        status.device as f64,
        status.inode as f64,
    ])
}

fn code(Errno(errno): Errno) -> i32 {
    errno
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
pub struct Start {
    pub out_fd: i32,
    /// A number that `open_cached` or its like has returned.
    pub file: i32,
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
    /// Opened by a thread, not taken yet.
    opened: Mutex<HashMap<u64, File>>,
    files: Mutex<HashMap<i32, File>>,
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
            opened: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// Duplicates the destination at once: its number is only valid in this tick.
    pub fn start(&self, start: Start) -> Result<Started, i32> {
        let engine = self.engine().ok_or(CLOSED)?;
        let Start {
            out_fd,
            file,
            mut transfer,
            own_position,
            progress_ms,
        } = start;
        let source = self.file(file)?;
        let made = attempt_now(&mut transfer, borrow(out_fd), source.as_fd(), own_position);
        if let Op::Finish(end) = transfer.poll_op() {
            let call = call_code(made.call);
            return Ok(Started::Finished(EventRecord::completed(
                0,
                &transfer,
                end,
                made.syscalls,
                call,
            )));
        }
        // The number is only valid in this tick: duplicated at once, whoever re-uses it.
        let destination = descriptor::duplicate(out_fd).map_err(code)?;
        let id = next_id();
        let command = Command {
            id: TransferId(id),
            owner: self.owner,
            destination,
            source,
            own_position,
            transfer,
            syscalls: made.syscalls,
            progress_interval: Duration::from_millis(u64::from(progress_ms)),
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

    pub fn send_head(&self, out_fd: i32, head: &[u8]) -> Result<u64, i32> {
        let Outcome { bytes, ended } = copy::send_more(borrow(out_fd), head);
        match ended {
            Ended::Failed(errno) | Ended::Refused(errno) => Err(code(errno)),
            Ended::Progress | Ended::WouldBlock | Ended::Interrupted | Ended::EndOfFile => {
                Ok(bytes)
            }
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

    pub fn take_opened(&self, id: u64) -> Result<(i32, Status), i32> {
        let file = lock(&self.opened).remove(&id).ok_or(CLOSED)?;
        self.keep(file)
    }

    pub fn open_cached(&self, path: &[u8]) -> Result<(i32, Status), i32> {
        let file = open::open_cached(Path::new(OsStr::from_bytes(path))).map_err(code)?;
        self.keep(Arc::new(file))
    }

    pub fn adopt(&self, fd: i32) -> Result<(i32, Status), i32> {
        let file = descriptor::duplicate(fd).map_err(code)?;
        self.keep(Arc::new(file))
    }

    pub fn position(&self, file: i32) -> Result<u64, i32> {
        descriptor::position(self.file(file)?.as_fd()).map_err(code)
    }

    pub fn set_position(&self, file: i32, offset: u64) -> Result<(), i32> {
        descriptor::set_position(self.file(file)?.as_fd(), offset).map_err(code)
    }

    pub fn forget(&self, file: i32) {
        lock(&self.files).remove(&file);
    }

    fn keep(&self, file: File) -> Result<(i32, Status), i32> {
        let status = status(&file)?;
        let number = file.as_raw_fd();
        lock(&self.files).insert(number, file);
        Ok((number, status))
    }

    fn file(&self, number: i32) -> Result<File, i32> {
        lock(&self.files).get(&number).map(Arc::clone).ok_or(CLOSED)
    }

    /// The environment ends: its transfers are cancelled, and no event reaches it any more.
    pub fn close(&self) {
        let engine = lock(&self.engine).take();
        if let Some(engine) = engine {
            engine.cancel(self.owner);
            release(engine);
        }
        lock(&self.opened).clear();
        lock(&self.files).clear();
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
        call_code(completion.call),
    )
}

fn call_code(call: Call) -> u8 {
    match call {
        Call::Sendfile => 0,
        Call::Read => 1,
        Call::Send => 2,
    }
}

/// The caller's descriptor for the time of one call.
fn borrow<'a>(fd: i32) -> BorrowedFd<'a> {
    // SAFETY: JavaScript has read the number from a socket's handle in this tick, and only JavaScript, which waits for
    // us, could close it. A number that is not open is answered with EBADF, and touches nothing.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
