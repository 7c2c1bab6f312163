//! The public interface: passes commands to shards, and paths to the disk pool.

use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use sendfile64_core::Errno;

use crate::command::{Abort, Call, Command, OwnerId, Sink, Started, TransferId};
use crate::disk_pool::opens::{OpenRequest, PendingOpens};
use crate::disk_pool::{Job, Open, Pool};
use crate::shard::Handle;
use crate::shard::message::Message;
use crate::sync::join::wait_for;
use crate::transfer::{EIO, Running};

/// Why [`Engine::start`] could not take a command: a thread or a poller could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartError {
    /// EAGAIN, EMFILE, ENFILE or ENOMEM.
    pub errno: Errno,
    /// The call that gave it.
    pub call: Call,
}

impl StartError {
    /// What `call` has answered.
    pub(crate) fn of(call: Call) -> impl Fn(io::Error) -> Self {
        move |error| Self {
            errno: Errno(error.raw_os_error().unwrap_or(EIO)),
            call,
        }
    }
}

/// How many threads an [`Engine`] may have, and how long their end is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Threads that run transfers; at least 1. Default: 2, or 1 on a machine with one processor.
    pub shards: usize,
    /// Threads that may wait for a disk at the same time; at least 1. A thread that has waited for 50 ms counts as stuck,
    /// and another one takes its place, up to eight threads for each of these. While all of them work, one more watches
    /// whether they are stuck. With the defaults an engine has 2 shards and 4 disk threads, a fifth disk thread that
    /// watches, and at most 32 disk threads if disks do not answer. Default: 4.
    pub disk_threads: usize,
    /// How long [`Engine::cancel`] and [`Engine::join`] wait for threads that wait for a disk. Default: 250 ms, more than an
    /// attempt takes on a disk that answers.
    pub join_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            shards: processors.min(2),
            disk_threads: 4,
            join_timeout: Duration::from_millis(250),
        }
    }
}

/// Runs transfers on a small, fixed number of threads, which are started as they are needed.
///
/// All methods may be called from any thread but the engine's own, that is, not from inside [`Sink::deliver`].
pub struct Engine {
    config: Config,
    threads: Mutex<Threads>,
    opens: Arc<PendingOpens>,
}

/// The threads.
struct Threads {
    shards: Vec<Handle>,
    pool: Arc<Pool>,
}

impl Engine {
    /// An engine without threads.
    pub fn new(config: Config) -> Self {
        let pool = Arc::new(Pool::new(config.disk_threads));
        Self {
            config,
            threads: Mutex::new(Threads {
                shards: Vec::new(),
                pool,
            }),
            opens: Arc::default(),
        }
    }

    /// Takes a transfer. It never waits, neither for a disk nor for the peer: a short transfer
    /// (up to [`INLINE_LIMIT`](crate::INLINE_LIMIT)) whose pages are in memory is tried here and now, unless it has been, every other one is handed to a shard.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; the command's descriptors are released, and no byte has been moved, of the headers neither.
    /// Where some have, the same error is a completion with [`End::Failed`](sendfile64_core::End::Failed), which tells
    /// how many.
    pub fn start(&self, command: Command) -> Result<Started, StartError> {
        let untried = command.made.is_none();
        let mut running = Box::new(Running::new(command));
        if untried {
            running.attempt_inline();
        }
        if let Some(end) = running.transfer.end() {
            return Ok(Started::Finished(Box::new(running.complete(end).0)));
        }
        let mut threads = self.lock_threads();
        match threads.least_loaded_shard(self.config.shards) {
            Ok(shard) => {
                shard.start(running);
                Ok(Started::Queued)
            }
            Err(error) => {
                let moved = running.transfer.headers_sent() + running.transfer.bytes_sent() > 0;
                let end = running.fail(error.errno, error.call);
                let (completion, _) = running.complete(end);
                if moved {
                    Ok(Started::Finished(Box::new(completion)))
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Gives a transfer up; its completion comes through its sink. Unknown and finished ids are ignored.
    pub fn abort(&self, id: TransferId, how: Abort) {
        for shard in &self.lock_threads().shards {
            shard.post(Message::Abort(id, how));
        }
    }

    /// A rate that transfers share has changed: those that wait for it are looked at again.
    pub fn rate_changed(&self) {
        for shard in &self.lock_threads().shards {
            shard.post(Message::RateChanged);
        }
    }

    /// Opens a file for reading on a thread that may wait for a disk; the answer is an
    /// [`Event::Opened`](crate::Event::Opened) with the same `id`, which is unique among the unanswered opens of
    /// `owner`. See open(2), with O_CLOEXEC, O_NONBLOCK and O_NOCTTY.
    ///
    /// # Errors
    ///
    /// A thread could not be made; there will be no event.
    pub fn open(
        &self,
        id: u64,
        owner: OwnerId,
        wanted: impl Into<OpenRequest>,
        sink: Arc<dyn Sink>,
    ) -> io::Result<()> {
        let threads = self.lock_threads();
        self.opens.expect(owner, id, sink);
        let job = Job::Open(Open {
            opens: Arc::clone(&self.opens),
            owner,
            id,
            wanted: wanted.into(),
        });
        threads
            .pool
            .submit(job)
            .inspect_err(|_| self.opens.forget(owner, id))
    }

    /// Lets go of a file whose close may wait, on a thread that may. Where none can be had, it is closed here.
    pub fn close(&self, file: Arc<OwnedFd>) {
        let _closed = self.lock_threads().pool.submit(Job::Close(file));
    }

    /// Ends all transfers and opens of `owner`, without an event. When it returns, the owner's sinks and descriptors
    /// have been released, except by threads that are blocked on a disk. A shard is seldom blocked, but it may then
    /// still hold a sink: the owner closes its sink first.
    pub fn cancel(&self, owner: OwnerId) {
        self.opens.cancel(owner);
        let (acknowledge, acknowledged) = mpsc::channel();
        for shard in &self.lock_threads().shards {
            shard.post(Message::Cancel(owner, acknowledge.clone()));
        }
        drop(acknowledge);
        // Nothing is ever sent: it ends when the last shard has dropped its sender.
        let _ = acknowledged.recv_timeout(self.config.join_timeout);
    }

    /// Aborts all transfers, answers all opens, and waits for every thread to end, but no longer than
    /// [`patience`](Config::patience) for those that wait for a disk. They own what they use, and do the rest when the
    /// disk answers; the code that they run must stay where it is. A later start begins anew.
    pub fn join(&self) {
        let mut threads = self.lock_threads();
        let shards = mem::take(&mut threads.shards);
        let pool = mem::replace(
            &mut threads.pool,
            Arc::new(Pool::new(self.config.disk_threads)),
        );
        drop(threads);
        let deadline = Instant::now() + self.config.join_timeout;
        for shard in &shards {
            shard.post(Message::Stop);
        }
        // They want the pool until they have their last attempts back.
        for shard in shards {
            wait_for(shard.into_thread(), deadline);
        }
        pool.join(deadline);
    }

    /// How many threads the engine has now.
    pub fn threads(&self) -> usize {
        let threads = self.lock_threads();
        threads.shards.len() + threads.pool.threads_started()
    }

    fn lock_threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.join();
    }
}

impl Threads {
    /// The shard with the fewest transfers: a new one if all have some and there may be more of them.
    fn least_loaded_shard(&mut self, limit: usize) -> Result<&Handle, StartError> {
        let number = self.shards.len();
        if self.shards.iter().all(|shard| shard.load() > 0) && number < limit.max(1) {
            match Handle::spawn(number, Arc::clone(&self.pool)) {
                Ok(shard) => self.shards.push(shard),
                Err(error) if self.shards.is_empty() => return Err(error),
                Err(_) => {} // the shards that are there take it on
            }
        }
        let least = self.shards.iter().min_by_key(|shard| shard.load());
        least.ok_or(StartError {
            errno: Errno(EIO),
            call: Call::CreateThread,
        })
    }
}
