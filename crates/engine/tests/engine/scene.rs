//! What the tests are made of: an engine that is heard, files with known bytes, connected sockets.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{self, Command as Process};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sendfile64_core::{DEFAULT_QUANTUM, Ladder, Method, Request, Transfer};
use sendfile64_engine::{
    Command, Completion, Config, Engine, Event, OwnerId, Sink, Started, TransferId,
};

/// No wait in a test is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const MIB: usize = 1 << 20;

/// Methods as the product chooses them.
pub(crate) const AUTO: Ladder = Ladder::of(Method::Sendfile, Method::Copy);

/// Ends the process when a test takes too long: a hanging join would go on for ever.
struct Watchdog {
    _finished: mpsc::Sender<()>,
}

impl Watchdog {
    fn new() -> Self {
        let (sender, finished) = mpsc::channel::<()>();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            if finished.recv_timeout(3 * PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = writeln!(std::io::stderr(), "{test} hangs");
                process::abort();
            }
        });
        Self { _finished: sender }
    }
}

/// Passes every event on to the test.
pub(crate) struct Ear(Mutex<mpsc::Sender<Event>>);

impl Sink for Ear {
    fn deliver(&self, event: Event) {
        // A test that has heard enough may be gone.
        let _ = self.0.lock().expect("no panic under this lock").send(event);
    }
}

/// What to transfer, and how.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) start: u64,
    pub(crate) count: Option<u64>,
    pub(crate) quantum: u64,
    pub(crate) ladder: Ladder,
    pub(crate) own_position: bool,
    pub(crate) progress_interval: Duration,
    pub(crate) owner: OwnerId,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            start: 0,
            count: None,
            quantum: DEFAULT_QUANTUM,
            ladder: AUTO,
            own_position: false,
            progress_interval: Duration::ZERO,
            owner: OwnerId(1),
        }
    }
}

impl Plan {
    pub(crate) fn count(count: usize) -> Self {
        Self {
            count: Some(count as u64),
            ..Self::default()
        }
    }

    /// The command, with a duplicate of the destination, as the binding makes it.
    pub(crate) fn command(
        self,
        id: TransferId,
        destination: &impl AsFd,
        source: &Arc<OwnedFd>,
        sink: Arc<dyn Sink>,
    ) -> Command {
        let Self {
            start,
            count,
            quantum,
            ladder,
            own_position,
            progress_interval,
            owner,
        } = self;
        let destination = destination
            .as_fd()
            .try_clone_to_owned()
            .expect("a duplicate");
        let transfer = Transfer::new(Request {
            start,
            count,
            quantum,
            ladder,
        });
        Command {
            id,
            owner,
            destination,
            source: Arc::clone(source),
            own_position,
            transfer,
            progress_interval,
            sink,
        }
    }
}

/// An engine, and everything it says.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) sink: Arc<Ear>,
    events: mpsc::Receiver<Event>,
    heard: RefCell<Vec<Event>>,
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
            engine: Engine::new(config),
            sink: Arc::new(Ear(Mutex::new(sender))),
            events,
            heard: RefCell::default(),
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

    /// Runs a transfer of any length to its end.
    pub(crate) fn run(
        &self,
        destination: &impl AsFd,
        source: &Arc<OwnedFd>,
        plan: Plan,
    ) -> Completion {
        match self.try_start(destination, source, plan) {
            (_, Started::Finished(completion)) => completion,
            (id, Started::Queued) => self.completion(id),
        }
    }

    /// Waits for a transfer's completion. Other events are kept.
    pub(crate) fn completion(&self, id: TransferId) -> Completion {
        let event = self
            .event(|event| matches!(event, Event::Completed(completion) if completion.id == id));
        let Event::Completed(completion) = event else {
            unreachable!("asked for a completion")
        };
        completion
    }

    /// Waits for the first event that is `wanted`. Others are kept.
    pub(crate) fn event(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        let mut heard = self.heard.borrow_mut();
        if let Some(index) = heard.iter().position(&wanted) {
            return heard.remove(index);
        }
        loop {
            let event = self
                .events
                .recv_timeout(PATIENCE)
                .expect("an event in time");
            if wanted(&event) {
                return event;
            }
            heard.push(event);
        }
    }

    /// Everything that has been delivered and not been asked for.
    pub(crate) fn rest(&self) -> Vec<Event> {
        let mut rest = self.heard.take();
        rest.extend(self.events.try_iter());
        rest
    }
}

/// A file with known bytes, which goes with it.
pub(crate) struct Sample {
    pub(crate) path: PathBuf,
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) bytes: Vec<u8>,
}

impl Sample {
    /// Freshly written, so its pages are in memory.
    pub(crate) fn new(length: usize) -> Self {
        let path = fresh_path();
        let bytes = noise(length);
        fs::write(&path, &bytes).expect("a file");
        let fd = Arc::new(OwnedFd::from(File::open(&path).expect("the file")));
        Self { path, fd, bytes }
    }

    /// Writes it to the disk and has its pages dropped.
    pub(crate) fn cool(&self) {
        let target = format!("of={}", self.path.display());
        let arguments = [
            target.as_str(),
            "oflag=nocache",
            "conv=notrunc,fdatasync",
            "count=0",
            "status=none",
        ];
        let status = Process::new("dd").args(arguments).status().expect("dd");
        assert!(status.success(), "dd: {status}");
    }

    pub(crate) fn set_length(&self, length: u64) {
        let file = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .expect("the file");
        file.set_len(length).expect("another length");
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn fresh_path() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("engine-{}-{number}", process::id()))
}

/// Bytes that do not repeat at any offset a mistake could make (xorshift64).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A connection over TCP: the sending side, in non-blocking mode, and its peer. Both are sockets like any other to
/// read(2) and write(2), so one type does for TCP and unix.
pub(crate) fn tcp() -> (UnixStream, UnixStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let sending =
        TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    let (peer, _) = listener.accept().expect("its other side");
    ready_pair(
        UnixStream::from(OwnedFd::from(sending)),
        UnixStream::from(OwnedFd::from(peer)),
    )
}

/// The same over a unix socket.
pub(crate) fn unix() -> (UnixStream, UnixStream) {
    let (sending, peer) = UnixStream::pair().expect("a pair");
    ready_pair(sending, peer)
}

fn ready_pair(sending: UnixStream, peer: UnixStream) -> (UnixStream, UnixStream) {
    sending.set_nonblocking(true).expect("non-blocking mode");
    peer.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    (sending, peer)
}

/// Writes until the socket takes no more; returns how much it took.
pub(crate) fn fill(sending: &UnixStream) -> usize {
    let mut sending = sending;
    let mut total = 0;
    loop {
        match sending.write(&[b'x'; 4096]) {
            Ok(written) => total += written,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return total;
            }
        }
    }
}

/// Reads everything up to the end of the connection, on a thread of its own.
pub(crate) fn read_all(mut peer: UnixStream) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes)
            .expect("all bytes and the end, in time");
        bytes
    })
}

/// Compares without printing megabytes.
pub(crate) fn assert_same(received: &[u8], expected: &[u8]) {
    assert_eq!(received.len(), expected.len(), "length");
    let difference = received
        .iter()
        .zip(expected)
        .position(|(left, right)| left != right);
    assert_eq!(difference, None, "first difference");
}

/// Runs `body` in a process that runs nothing else: this test program again, with `test` (its full name) alone.
/// `limits` are shell commands to run before, such as `ulimit`.
pub(crate) fn alone_with(limits: &str, test: &str, body: impl FnOnce()) {
    const MARK: &str = "SENDFILE64_TEST_ALONE";
    if std::env::var_os(MARK).is_some_and(|name| name == test) {
        return body();
    }
    let program = std::env::current_exe().expect("this program");
    let mut child = Process::new("sh");
    child
        .arg("-c")
        .arg(format!("{limits} exec \"$0\" --exact \"$1\" --nocapture"))
        .arg(program)
        .arg(test);
    let output = child.env(MARK, test).output().expect("a child process");
    let said = [
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    ]
    .concat();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{test} is no test: {said}");
}

/// [`alone_with`] no limits.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    alone_with("", test, body);
}

/// What the numbers of this process stand for.
pub(crate) fn open_descriptors() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir("/proc/self/fd").expect("/proc");
    let names = entries.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    // The directory itself is among the names, and closed by the time it is looked up.
    let names = names.collect::<Vec<_>>().into_iter();
    names
        .filter_map(|name| {
            Some(
                (fs::read_link(format!("/proc/self/fd/{name}"))
                    .ok()
                    .map(|link| (name, link)))?,
            )
        })
        .collect()
}
