//! The threads that may wait for a disk.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use sendfile64_sys::signal;

use crate::command::OwnerId;
use crate::ends::Ends;
use crate::message::{Back, Door, Message};
use crate::opens::Opens;
use crate::queue::Queue;
use crate::run::CopyBuffer;
use crate::slab::Key;
use crate::visit::Visit;

/// A bounded set of threads, started one by one as there is work for them.
pub(crate) struct Pool {
    queue: Arc<Queue<Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    limit: usize,
}

pub(crate) enum Job {
    Attempt(AwayAttempt),
    Open(Open),
}

/// One attempt of a transfer whose pages may have to come from a disk, or go to one. Its destination does not wait for
/// a reader, so the disk is all that the thread can wait for.
pub(crate) struct AwayAttempt {
    pub(crate) key: Key,
    pub(crate) ends: Arc<Ends>,
    pub(crate) visit: Visit,
    pub(crate) reply_to: Arc<Door>,
}

pub(crate) struct Open {
    pub(crate) opens: Arc<Opens>,
    pub(crate) owner: OwnerId,
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
}

impl Pool {
    /// A pool of at most `limit` threads, and at least one.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            queue: Arc::new(Queue::new()),
            threads: Mutex::new(Vec::new()),
            limit: limit.max(1),
        }
    }

    /// Has the job done by one of the threads.
    ///
    /// # Errors
    ///
    /// There is no thread and none could be made, or the pool has been joined. The job is dropped.
    pub(crate) fn submit(&self, job: Job) -> io::Result<()> {
        let mut threads = self.threads();
        if threads.len() < self.limit && self.queue.is_short_of_takers() {
            match self.spawn(threads.len()) {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => return Err(error),
                Err(_) => {} // the threads that are there get to it later
            }
        }
        self.queue
            .push(job)
            .map_err(|_| io::Error::other("the engine has ended"))
    }

    /// How many threads have been started.
    pub(crate) fn threads_started(&self) -> usize {
        self.threads().len()
    }

    /// Takes no more jobs, does those it has, and waits for the threads to end.
    pub(crate) fn join(&self) {
        self.queue.close();
        for thread in self.threads().drain(..) {
            let _ = thread.join(); // a panic has been caught inside
        }
    }

    fn spawn(&self, number: usize) -> io::Result<JoinHandle<()>> {
        let queue = Arc::clone(&self.queue);
        thread::Builder::new()
            .name(format!("sendfile64-cold-{number}"))
            .spawn(move || {
                signal::block_fatal();
                let mut buffer = CopyBuffer::default();
                while let Some(job) = queue.pop() {
                    job.perform(&mut buffer);
                }
            })
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Never panics: the thread is needed for the next job, and a shard waits for every attempt it has sent away.
    fn perform(self, buffer: &mut CopyBuffer) {
        match self {
            Self::Attempt(AwayAttempt {
                key,
                ends,
                visit,
                reply_to,
            }) => {
                let made = || (!ends.is_abandoned()).then(|| visit.make(ends.pair(), buffer));
                let attempted = catch_unwind(AssertUnwindSafe(made)).unwrap_or_default();
                reply_to.post(Message::Back(Back {
                    key,
                    ends,
                    attempted,
                }));
            }
            Self::Open(Open {
                opens,
                owner,
                id,
                path,
            }) => {
                // Only the sink could panic, and then nobody waits any more.
                let _ = catch_unwind(AssertUnwindSafe(|| opens.open(owner, id, &path)));
            }
        }
    }
}
