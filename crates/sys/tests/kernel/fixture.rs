//! What the tests of this crate stand on: files, connected pairs, a deadline, and processes of their own.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno as NixErrno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sendfile64_core::{Ended, Errno, Outcome};

/// No test here needs a second; a machine may be slow, and under a sanitizer it takes minutes.
const DEADLINE: Duration = match option_env!("SENDFILE64_SANITIZER") {
    None => Duration::from_secs(60),
    Some(_) => Duration::from_secs(600),
};

/// Set in the process that [`in_own_process`] starts.
const CHILD: &str = "SENDFILE64_TEST_CHILD";

/// `length` bytes in which no two pages are alike, so that a byte from a wrong offset shows.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (at >> 12) as u8)
        .collect()
}

/// A path in the target directory, on a disk wherever that is on one.
pub(crate) fn path(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sys");
    fs::create_dir_all(&directory).expect("the target directory is writable");
    directory.join(format!("{name}-{}", std::process::id()))
}

/// A file with these contents, open to read, that goes away with the last descriptor.
pub(crate) fn file(name: &str, contents: &[u8]) -> File {
    // Tests that run at the same time may use the same name.
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let path = path(&format!("{name}-{number}"));
    fs::write(&path, contents).expect("write");
    let file = File::open(&path).expect("open");
    fs::remove_file(&path).expect("remove");
    file
}

/// Two ends of a TCP connection over loopback.
pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (server, _) = listener.accept().expect("accept");
    (server, client)
}

/// Exactly `length` bytes, read on a thread of its own so that the writer cannot deadlock against it.
pub(crate) fn collect(
    reader: impl Read + Send + 'static,
    length: usize,
) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        reader
            .take(length as u64)
            .read_to_end(&mut bytes)
            .expect("read");
        bytes
    })
}

/// Runs `test` on a thread, and panics when it is not done in time.
pub(crate) fn bounded(test: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _done: mpsc::Sender<()> = done; // dropped on return and on panic alike
        test();
    });
    let outcome = finished.recv_timeout(DEADLINE);
    assert_ne!(
        outcome,
        Err(mpsc::RecvTimeoutError::Timeout),
        "the test took longer than {DEADLINE:?}"
    );
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `test` in a process of its own, which starts with nothing probed, forbidden or blocked.
/// `name` is the path of the calling #[test] function. Panics unless the process ends well.
pub(crate) fn in_own_process(name: &str, test: impl FnOnce()) {
    in_own_variant(name, "", test);
}

/// Like [`in_own_process`], for a test that needs several of them.
pub(crate) fn in_own_variant(name: &str, variant: &str, test: impl FnOnce()) {
    if let Some(ending) = ending_of(name, variant, test) {
        assert_eq!(ending.signal, None, "{}", ending.output);
        assert!(ending.success, "{}", ending.output);
    }
}

/// How a process ended.
pub(crate) struct Ending {
    pub(crate) success: bool,
    pub(crate) signal: Option<i32>,
    pub(crate) output: String,
}

/// Like [`in_own_variant`], but leaves the verdict to the caller.
/// Returns `None` in the child, after `test`.
pub(crate) fn ending_of(name: &str, variant: &str, test: impl FnOnce()) -> Option<Ending> {
    let mark = format!("{name}/{variant}");
    if let Ok(child) = std::env::var(CHILD) {
        if child == mark {
            test();
        }
        return None;
    }
    let program = std::env::current_exe().expect("the test's own program");
    let mut child = Command::new(program)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, mark)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("spawn");
    let stdout = child.stdout.take().map(text).expect("piped");
    let stderr = child.stderr.take().map(text).expect("piped");
    let (done, finished) = mpsc::channel();
    let pid = child.id();
    let waiter = thread::spawn(move || {
        let status = child.wait();
        let _received = done.send(());
        status
    });
    if finished.recv_timeout(DEADLINE).is_err() {
        let _killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
    let status = waiter.join().expect("no panic").expect("wait");
    let output = stdout.join().expect("no panic") + &stderr.join().expect("no panic");
    assert!(
        output.contains("running 1 test"),
        "{name} is not the name of a test: {output}"
    );
    Some(Ending {
        success: status.success(),
        signal: status.signal(),
        output,
    })
}

fn text(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _length = stream.read_to_string(&mut text);
        text
    })
}

/// Makes the peer of `ours`, which has bytes unread, reset the connection, and waits for the reset.
pub(crate) fn reset(ours: &TcpStream, theirs: TcpStream) {
    // Closing a socket with unread bytes sends a reset (RFC 2525, 2.17).
    until("the bytes are there", || {
        theirs.peek(&mut [0; 1]).is_ok_and(|bytes| bytes == 1)
    });
    drop(theirs);
    let mut waiting = [PollFd::new(ours.as_fd(), PollFlags::empty())]; // POLLERR and POLLHUP need no asking
    poll(&mut waiting, PollTimeout::NONE).expect("poll");
}

/// Waits, bounded, until `condition` holds; for what the kernel does in its own time and nobody signals.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited too long until {what}");
        thread::yield_now();
    }
}

pub(crate) fn progress(bytes: usize) -> Outcome {
    Outcome {
        bytes: bytes as u64,
        ended: Ended::Progress,
    }
}

pub(crate) fn nothing(ended: Ended) -> Outcome {
    Outcome { bytes: 0, ended }
}

pub(crate) fn refused(errno: NixErrno) -> Outcome {
    nothing(Ended::Refused(Errno(errno as i32)))
}

pub(crate) fn failed(errno: NixErrno) -> Outcome {
    nothing(Ended::Failed(Errno(errno as i32)))
}
