//! A thread that runs transfers: its loop and its messages.

pub(crate) mod message;
pub(crate) mod slab;
mod turn;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use sendfile64_core::Errno;
use sendfile64_sys::signal;

use self::turn::watch_again;
use crate::attempt::CopyBuffer;
use crate::clock;
use crate::command::{Abort, Call, OwnerId, TransferId};
use crate::disk_pool::Pool;
use crate::engine::StartError;
use crate::shard::message::{Message, ShardMailbox};
use crate::shard::slab::{Key, Slab};
use crate::transfer::{EIO, Running};

/// How many attempts are made before the poller and the door are looked at again, which costs one epoll_wait(2). Where
/// the kernel copies gigabytes a second, eight quanta of 1 MiB are a few milliseconds.
const ATTEMPTS_PER_LOOK: usize = 8;

/// The most events that one call of the poller returns.
const EVENTS_PER_LOOK: usize = 256;

/// The waker's token; the other tokens are indices of the slab.
const WAKER: Token = Token(usize::MAX);

/// How long a shard whose poller is broken waits instead.
const BROKEN_POLLER_PAUSE: Duration = Duration::from_millis(10);

/// A shard as the engine sees it.
pub(crate) struct Handle {
    mailbox: Arc<ShardMailbox>,
    load: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

fn errno_of(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(EIO))
}

impl Handle {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// epoll_create(2), eventfd(2) or pthread_create(3) said no.
    pub(crate) fn spawn(number: usize, pool: Arc<Pool>) -> Result<Self, StartError> {
        let poll = Poll::new().map_err(StartError::of(Call::CreatePoller))?;
        let waker = Waker::new(poll.registry(), WAKER);
        let waker = waker.map_err(StartError::of(Call::CreateWaker))?;
        let mailbox = Arc::new(ShardMailbox::new(waker));
        let load = Arc::new(AtomicUsize::new(0));
        let shard = Shard {
            poll,
            mailbox: Arc::clone(&mailbox),
            load: Arc::clone(&load),
            pool,
            transfers: Slab::new(),
            keys: HashMap::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            messages: Vec::new(),
            buffer: CopyBuffer::default(),
            stopping: false,
        };
        let thread = thread::Builder::new()
            .name(format!("sendfile64-io-{number}"))
            .spawn(move || shard.run())
            .map_err(StartError::of(Call::CreateThread))?;
        Ok(Self {
            mailbox,
            load,
            thread,
        })
    }

    pub(crate) fn start(&self, running: Box<Running>) {
        self.load.fetch_add(1, Ordering::Relaxed);
        self.post(Message::Start(running));
    }

    pub(crate) fn post(&self, message: Message) {
        self.mailbox.post(message);
    }

    /// How many transfers it has.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Its thread, which [`Message::Stop`] makes end.
    pub(crate) fn into_thread(self) -> JoinHandle<()> {
        self.thread
    }
}

struct Shard {
    poll: Poll,
    mailbox: Arc<ShardMailbox>,
    load: Arc<AtomicUsize>,
    pool: Arc<Pool>,
    transfers: Slab<Box<Running>>,
    keys: HashMap<TransferId, Key>,
    /// Those that can be attempted, each of them once; keys of finished ones are passed over.
    ready: VecDeque<Key>,
    /// When transfers want to be looked at again, at most one time for each.
    timers: BTreeSet<(u64, Key)>,
    /// What was taken from the door and not handled yet, last first.
    messages: Vec<Message>,
    buffer: CopyBuffer,
    stopping: bool,
}

impl Shard {
    fn run(mut self) {
        signal::block_fatal();
        // After a panic, which only a defect here or in a sink can cause, no transfer's state is to be trusted: all
        // of them are given up, and the thread is there for the next ones.
        while catch_unwind(AssertUnwindSafe(|| self.work())).is_err() {
            for key in self.transfers.keys(|_| true) {
                let _ = catch_unwind(AssertUnwindSafe(|| self.abort(key, Abort::Release)));
            }
        }
    }

    fn work(&mut self) {
        let mut events = Events::with_capacity(EVENTS_PER_LOOK);
        loop {
            self.handle_messages();
            if self.stopping && self.transfers.is_empty() {
                return;
            }
            for _ in 0..ATTEMPTS_PER_LOOK {
                let Some(key) = self.ready.pop_front() else {
                    break;
                };
                self.attempt(key);
            }
            self.fire_timers();
            match self.poll.poll(&mut events, self.poll_timeout()) {
                Ok(()) => self.handle_events(&events),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.do_without_poller(&error),
            }
        }
    }

    /// How long the poller may wait: not at all while an attempt can be made.
    fn poll_timeout(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let (due, _) = self.timers.first()?;
        Some(Duration::from_nanos(due.saturating_sub(clock::now())))
    }

    fn handle_messages(&mut self) {
        if self.messages.is_empty() {
            self.mailbox.drain(&mut self.messages);
            self.messages.reverse();
        }
        while let Some(message) = self.messages.pop() {
            match message {
                Message::Start(running) => self.start(running),
                Message::Abort(id, how) => {
                    if let Some(&key) = self.keys.get(&id) {
                        self.abort(key, how);
                    }
                }
                Message::DiskResult(back) => self.on_disk_result(back),
                Message::RateChanged => {
                    for key in self.transfers.keys(|running| running.is_metered()) {
                        self.schedule(key);
                    }
                }
                Message::Cancel(owner, acknowledge) => {
                    self.cancel(owner);
                    drop(acknowledge);
                }
                Message::Stop => self.stop(),
            }
        }
    }

    fn handle_events(&mut self, events: &Events) {
        for event in events.iter().filter(|event| event.token() != WAKER) {
            let Some(key) = self.transfers.key_at(event.token().0) else {
                continue;
            };
            // Whatever the event is, an attempt finds out: a broken connection makes it fail.
            if self
                .transfers
                .get_mut(key)
                .is_some_and(|running| running.handle_writable())
            {
                self.schedule(key);
            }
        }
    }

    fn cancel(&mut self, owner: OwnerId) {
        for key in self.transfers.keys(|running| running.owner == owner) {
            if let Some(running) = self.transfers.get_mut(key) {
                running.sink = None;
            }
            self.abort(key, Abort::Release);
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        for key in self.transfers.keys(|_| true) {
            self.abort(key, Abort::Release);
        }
    }

    fn fire_timers(&mut self) {
        let now = clock::now();
        while let Some(&(time, key)) = self.timers.first()
            && time <= now
        {
            self.timers.pop_first();
            let Some(running) = self.transfers.get_mut(key) else {
                continue;
            };
            running.timer = None;
            if running.handle_timer(now) {
                watch_again(&self.poll, running, key);
            }
            self.schedule(key);
        }
    }

    /// epoll_wait(2) fails only if the descriptor is no longer a poller, because other code in the process has closed
    /// it. A waiting transfer would wait forever, so it ends with the error. Attempts and messages continue.
    fn do_without_poller(&mut self, error: &io::Error) {
        for key in self
            .transfers
            .keys(|running| !running.is_on_disk() && running.next_step().is_none())
        {
            if let Some(running) = self.transfers.get_mut(key) {
                running.fail(errno_of(error), Call::Poll);
            }
            self.finish(key);
        }
        thread::sleep(BROKEN_POLLER_PAUSE);
    }
}
