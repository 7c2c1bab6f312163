//! The fixtures of the tests: an engine with a record of its events, files with known bytes, connected sockets.

mod alone;
mod plan;
mod sample;
mod sockets;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use sendfile64_core::End;
use sendfile64_engine::{
    Command, Completion, Config, Engine, Event, Limits, Sink, Started, TransferId,
};

pub(crate) use alone::{alone, alone_with, open_descriptors, wait_until};
pub(crate) use plan::Plan;
pub(crate) use sample::{Sample, assert_same};
pub(crate) use sockets::{fill, read_all, tcp, unix};

/// No wait in a test is longer.
///
/// A sanitizer on a busy machine takes minutes for what takes a second otherwise.
pub(crate) const TIMEOUT: Duration = match option_env!("SENDFILE64_SANITIZER") {
    None => Duration::from_secs(30),
    Some(_) => Duration::from_secs(300),
};

pub(crate) const MIB: usize = 1 << 20;

/// An engine on which everything meets everything.
pub(crate) const ONE_SHARD: Config = Config {
    shards: 1,
    disk_threads: 4,
    join_timeout: TIMEOUT,
};

/// Ends the process when a test takes too long: a hanging join would go on for ever.
struct Watchdog {
    _finished: mpsc::Sender<()>,
}

impl Watchdog {
    fn new() -> Self {
        let (sender, finished) = mpsc::channel::<()>();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            if finished.recv_timeout(3 * TIMEOUT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = writeln!(std::io::stderr(), "{test} hangs");
                process::abort();
            }
        });
        Self { _finished: sender }
    }
}

/// Passes every event on to the test.
pub(crate) struct EventSink(Mutex<mpsc::Sender<Event>>);

impl Sink for EventSink {
    fn deliver(&self, event: Event) {
        // A test that has heard enough may be gone.
        let _ = self.0.lock().expect("no panic under this lock").send(event);
    }
}

/// An engine and its events.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) sink: Arc<EventSink>,
    events: mpsc::Receiver<Event>,
    kept: RefCell<Vec<Event>>,
    ids: Cell<u64>,
    _watchdog: Watchdog,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let (sender, events) = mpsc::channel();
        Self {
            engine: Engine::new(Config {
                join_timeout: TIMEOUT,
                ..config
            }),
            sink: Arc::new(EventSink(Mutex::new(sender))),
            events,
            kept: RefCell::default(),
            ids: Cell::new(0),
            _watchdog: Watchdog::new(),
        }
    }

    pub(crate) fn next_id(&self) -> TransferId {
        self.ids.set(self.ids.get() + 1);
        TransferId(self.ids.get())
    }

    pub(crate) fn try_start(
        &self,
        destination: &impl AsFd,
        source: &Arc<OwnedFd>,
        plan: Plan,
    ) -> (TransferId, Started) {
        let id = self.next_id();
        let command = plan.command(
            id,
            destination,
            source,
            Arc::clone(&self.sink) as Arc<dyn Sink>,
        );
        (
            id,
            self.engine.start(command).expect("threads and a poller"),
        )
    }

    /// Starts a transfer that is too long to finish on the spot.
    pub(crate) fn start(
        &self,
        destination: &impl AsFd,
        source: &Arc<OwnedFd>,
        plan: Plan,
    ) -> TransferId {
        let (id, started) = self.try_start(destination, source, plan);
        assert!(matches!(started, Started::Queued), "{started:?}");
        id
    }

    /// The same, within limits.
    pub(crate) fn start_limited(
        &self,
        destination: &impl AsFd,
        source: &Arc<OwnedFd>,
        plan: Plan,
        limits: Limits,
    ) -> TransferId {
        let id = self.next_id();
        let sink = Arc::clone(&self.sink) as Arc<dyn Sink>;
        let command = Command {
            limits,
            ..plan.command(id, destination, source, sink)
        };
        let started = self.engine.start(command).expect("threads and a poller");
        assert!(matches!(started, Started::Queued), "{started:?}");
        id
    }

    /// Runs a transfer of any length to its end.
    pub(crate) fn run(
        &self,
        destination: &impl AsFd,
        source: &Arc<OwnedFd>,
        plan: Plan,
    ) -> Completion {
        match self.try_start(destination, source, plan) {
            (_, Started::Finished(completion)) => *completion,
            (id, Started::Queued) => self.completion(id),
        }
    }

    /// Waits for a transfer's completion. Other events are kept.
    pub(crate) fn completion(&self, id: TransferId) -> Completion {
        let event = self
            .event(|event| matches!(event, Event::Completed(completion) if completion.id == id));
        let Event::Completed(completion) = event else {
            unreachable!("the filter accepts only a completion")
        };
        *completion
    }

    /// Waits for the first event that is `wanted`. Others are kept.
    pub(crate) fn event(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        let mut kept = self.kept.borrow_mut();
        if let Some(index) = kept.iter().position(&wanted) {
            return kept.remove(index);
        }
        loop {
            let event = self.events.recv_timeout(TIMEOUT).expect("an event in time");
            if wanted(&event) {
                return event;
            }
            kept.push(event);
        }
    }

    /// Runs a transfer to a socket that is read, and compares: the shards are at work.
    pub(crate) fn proves_alive(&self, sample: &Sample) {
        let (sending, peer) = unix();
        let reader = read_all(peer);
        let completion = self.run(&sending, &sample.fd, Plan::count(sample.bytes.len()));
        drop(sending);
        assert_eq!(completion.end, End::Done);
        assert_same(&reader.join().expect("the reader"), &sample.bytes);
    }

    /// Every delivered event that no test has taken yet.
    pub(crate) fn rest(&self) -> Vec<Event> {
        let mut rest = self.kept.take();
        rest.extend(self.events.try_iter());
        rest
    }
}
