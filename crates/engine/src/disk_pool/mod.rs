//! The threads that may wait for a disk.

pub(crate) mod opens;
pub(crate) mod queue;

use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use sendfile64_sys::signal;

use crate::attempt::CopyBuffer;
use crate::attempt::endpoints::Endpoints;
use crate::attempt::placement::PlacedStep;
use crate::command::OwnerId;
use crate::disk_pool::opens::{OpenRequest, PendingOpens};
use crate::disk_pool::queue::Queue;
use crate::shard::message::{DiskResult, Message, ShardMailbox};
use crate::shard::slab::Key;
use crate::sync::join::wait_for;

/// How many threads there may be for each that works: the others are stuck, on disks that do not answer.
const THREADS_PER_SLOT: usize = 8;

/// A bounded set of threads that may wait for a disk. Each is started when there is work for it.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Queue<Job>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    limit: usize,
}

pub(crate) enum Job {
    Attempt(DiskAttempt),
    Open(Open),
    /// Only lets go of it: the last close may wait for a disk, and any for a server.
    Close(Arc<OwnedFd>),
}

/// One attempt of a transfer whose pages may have to come from a disk, or go to one. Its destination does not wait for
/// a reader, so the disk is all that the thread can wait for.
pub(crate) struct DiskAttempt {
    pub(crate) key: Key,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) placed: PlacedStep,
    pub(crate) reply_to: Arc<ShardMailbox>,
}

pub(crate) struct Open {
    pub(crate) opens: Arc<PendingOpens>,
    pub(crate) owner: OwnerId,
    pub(crate) id: u64,
    pub(crate) wanted: OpenRequest,
}

impl Pool {
    /// A pool of which `limit` threads work at the same time, and at least one. Those that have been stuck for a while
    /// are made up for by others, up to eight times as many.
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        let shared = Arc::new(Shared {
            queue: Queue::new(limit),
            threads: Mutex::new(Vec::new()),
            limit,
        });
        Self { shared }
    }

    /// Has the job done by one of the threads.
    ///
    /// # Errors
    ///
    /// No thread exists and none could be created, or the pool has been joined. The job is dropped.
    pub(crate) fn submit(&self, job: Job) -> io::Result<()> {
        if self.shared.queue.needs_worker() {
            self.shared.grow()?;
        }
        self.shared
            .queue
            .push(job)
            .map_err(|_| io::Error::other("the engine has ended"))
    }

    /// How many threads there are.
    pub(crate) fn threads_started(&self) -> usize {
        self.shared.queue.workers()
    }

    /// Takes no more jobs and does those it has. Waits for the threads to end, until `deadline` at the latest; those that
    /// have not ended do so when their disks answer.
    pub(crate) fn join(&self, deadline: Instant) {
        self.shared.queue.close();
        loop {
            // Not under the lock: a thread that ends may start another before.
            let threads = mem::take(&mut *self.shared.threads());
            if threads.is_empty() {
                return;
            }
            for thread in threads {
                wait_for(thread, deadline);
            }
        }
    }
}

impl Shared {
    /// One thread more, unless there are enough.
    fn grow(self: &Arc<Self>) -> io::Result<()> {
        let mut threads = self.threads();
        if self.queue.workers() >= self.limit * THREADS_PER_SLOT {
            return Ok(());
        }
        threads.retain(|thread| !thread.is_finished());
        match self.spawn() {
            Ok(thread) => threads.push(thread),
            Err(error) if threads.is_empty() => return Err(error),
            Err(_) => {} // the threads that are there get to it later
        }
        Ok(())
    }

    fn spawn(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let shared = Arc::clone(self);
        let number = self.queue.workers();
        self.queue.add_worker();
        thread::Builder::new()
            .name(format!("sendfile64-disk-{number}"))
            .spawn(move || shared.work())
            .inspect_err(|_| self.queue.remove_worker())
    }

    fn work(self: Arc<Self>) {
        signal::block_fatal();
        let mut buffer = CopyBuffer::default();
        while let Some((job, ticket)) = self.queue.pop() {
            if self.queue.needs_watcher() {
                let _later_then = self.grow();
            }
            job.perform(&mut buffer);
            self.queue.done(ticket);
        }
        self.queue.remove_worker();
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Never panics: the thread is needed for the next job, and a shard waits for every attempt it has sent away.
    fn perform(self, buffer: &mut CopyBuffer) {
        match self {
            Self::Attempt(DiskAttempt {
                key,
                endpoints,
                placed,
                reply_to,
            }) => {
                let made =
                    || (!endpoints.is_abandoned()).then(|| placed.make(endpoints.pair(), buffer));
                let attempted = catch_unwind(AssertUnwindSafe(made)).unwrap_or_default();
                reply_to.post(Message::DiskResult(DiskResult {
                    key,
                    endpoints,
                    attempted,
                }));
            }
            Self::Open(Open {
                opens,
                owner,
                id,
                wanted,
            }) => {
                // Only the sink can panic, and then nothing waits for the open any more.
                let _ = catch_unwind(AssertUnwindSafe(|| opens.open(owner, id, wanted)));
            }
            Self::Close(file) => drop(file),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::path::PathBuf;
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::time::Duration;

    use super::*;
    use crate::command::{Event, Sink};

    const LONG: Duration = Duration::from_secs(30);

    /// Tells that it has been called, and then comes back when it may.
    struct Slow {
        called: Sender<u64>,
        may_end: Mutex<Receiver<()>>,
    }

    impl Sink for Slow {
        fn deliver(&self, event: Event) {
            let Event::Opened { id, .. } = event else {
                unreachable!("only opens were submitted");
            };
            let _ = self.called.send(id);
            let may_end = self.may_end.lock().unwrap_or_else(PoisonError::into_inner);
            let _ended = may_end.recv();
        }
    }

    /// Has something opened whose answer keeps the thread until the sender is dropped.
    fn submit(pool: &Pool, id: u64, called: &Sender<u64>) -> Sender<()> {
        let (end, may_end) = mpsc::channel();
        let opens = Arc::new(PendingOpens::default());
        let sink = Slow {
            called: called.clone(),
            may_end: Mutex::new(may_end),
        };
        opens.expect(OwnerId(1), id, Arc::new(sink));
        let job = Job::Open(Open {
            opens,
            owner: OwnerId(1),
            id,
            wanted: OpenRequest::Path(PathBuf::from("/")),
        });
        pool.submit(job).expect("a thread");
        end
    }

    /// The first calls, in the order of their numbers: threads that begin together tell in any order.
    fn first(count: usize, calls: &Receiver<u64>) -> Vec<u64> {
        let call = |_| {
            calls
                .recv_timeout(LONG)
                .expect("it waits behind the others")
        };
        let mut ids: Vec<_> = (0..count).map(call).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn stuck_threads_are_replaced() {
        let pool = Pool::new(2);
        let (called, calls) = mpsc::channel();
        let mut stuck = Vec::new();
        for id in 0..7 {
            stuck.push(submit(&pool, id, &called));
        }
        assert_eq!(first(7, &calls), (0..7).collect::<Vec<_>>());
        assert!(pool.threads_started() <= 2 * THREADS_PER_SLOT);
        stuck.clear();
        drop(submit(&pool, 7, &called));
        assert_eq!(calls.recv_timeout(LONG), Ok(7));
        pool.join(Instant::now() + LONG);
        assert_eq!(pool.threads_started(), 0);
    }

    #[test]
    fn the_number_of_replacement_threads_is_bounded() {
        let pool = Pool::new(1);
        let (called, calls) = mpsc::channel();
        let stuck: Vec<_> = (0..20).map(|id| submit(&pool, id, &called)).collect();
        let most = THREADS_PER_SLOT as u64;
        assert_eq!(
            first(THREADS_PER_SLOT, &calls),
            (0..most).collect::<Vec<_>>()
        );
        assert_eq!(pool.threads_started(), THREADS_PER_SLOT);
        assert!(calls.recv_timeout(Duration::from_millis(300)).is_err());
        drop(stuck);
        assert_eq!(
            first(20 - THREADS_PER_SLOT, &calls),
            (most..20).collect::<Vec<_>>()
        );
        pool.join(Instant::now() + LONG);
    }
}
