//! Every kind of destination by every method: what arrives is exactly the bytes, with what goes around them.

use std::fs::{self, File};
use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::LazyLock;
use std::thread::{self, JoinHandle};

use nix::pty::openpty;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use sendfile64_core::{End, Errno, Method};
use sendfile64_engine::{Choice, Config};

use crate::scene::{MIB, Plan, Sample, Scene, assert_same, fill, read_all, tcp, unix};

const EBADF: Errno = Errno(9);
const EINVAL: Errno = Errno(22);

const METHODS: [Method; 4] = [
    Method::Sendfile,
    Method::Splice,
    Method::CopyFileRange,
    Method::Copy,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Unix,
    /// In blocking mode, as a shell hands it over.
    Pipe,
    Terminal,
    File,
    AppendedFile,
}

const KINDS: [Kind; 6] = [
    Kind::Tcp,
    Kind::Unix,
    Kind::Pipe,
    Kind::Terminal,
    Kind::File,
    Kind::AppendedFile,
];

/// A destination, and where its bytes come out.
struct Target {
    fd: OwnedFd,
    outlet: Outlet,
}

enum Outlet {
    Socket(UnixStream),
    Pipe(PipeReader),
    Terminal(OwnedFd),
    File(Sample),
}

impl Target {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Tcp => Self::socket(tcp()),
            Kind::Unix => Self::socket(unix()),
            Kind::Pipe => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                Self {
                    fd: writer.into(),
                    outlet: Outlet::Pipe(reader),
                }
            }
            Kind::Terminal => {
                let pty = openpty(None, None).expect("a terminal");
                let mut settings = tcgetattr(&pty.slave).expect("its settings");
                cfmakeraw(&mut settings); // a line feed stays one
                tcsetattr(&pty.slave, SetArg::TCSANOW, &settings).expect("raw mode");
                Self {
                    fd: pty.slave,
                    outlet: Outlet::Terminal(pty.master),
                }
            }
            Kind::File => Self::file(false),
            Kind::AppendedFile => Self::file(true),
        }
    }

    fn socket((sending, peer): (UnixStream, UnixStream)) -> Self {
        Self {
            fd: sending.into(),
            outlet: Outlet::Socket(peer),
        }
    }

    fn file(append: bool) -> Self {
        let sample = Sample::new(0);
        let mut options = File::options();
        let file = options.write(true).append(append).open(&sample.path);
        Self {
            fd: file.expect("the file").into(),
            outlet: Outlet::File(sample),
        }
    }

    /// Begins to read; the second half gives what there was when the destination has been closed.
    fn open(self) -> (OwnedFd, Box<dyn FnOnce() -> Vec<u8>>) {
        let read: Box<dyn FnOnce() -> Vec<u8>> = match self.outlet {
            Outlet::Socket(peer) => joined(read_all(peer)),
            Outlet::Pipe(reader) => joined(read_all(reader)),
            Outlet::Terminal(master) => joined(thread::spawn(|| read_terminal(File::from(master)))),
            Outlet::File(sample) => Box::new(move || fs::read(&sample.path).expect("the file")),
        };
        (self.fd, read)
    }
}

fn joined(reader: JoinHandle<Vec<u8>>) -> Box<dyn FnOnce() -> Vec<u8>> {
    Box::new(move || reader.join().expect("the reader"))
}

/// When the last descriptor of the other side is closed, a read of the master fails with EIO.
fn read_terminal(mut master: File) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match master.read(&mut buffer) {
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return bytes,
        }
    }
}

/// What the kernel says when it will not do it by this method.
fn refusal(kind: Kind, method: Method) -> Option<Errno> {
    match (kind, method) {
        (Kind::AppendedFile, Method::CopyFileRange) => Some(EBADF),
        (Kind::AppendedFile, Method::Sendfile | Method::Splice) => Some(EINVAL),
        (Kind::Tcp | Kind::Unix | Kind::Pipe | Kind::Terminal, Method::CopyFileRange) => {
            Some(EINVAL)
        }
        _ => None,
    }
}

/// Terminals are slow: 4 KiB at a time.
fn length(kind: Kind) -> usize {
    if kind == Kind::Terminal {
        100_003
    } else {
        MIB + 100_003
    }
}

fn transfer(kind: Kind, choice: Choice, plan: Plan, sample: &Sample) {
    let scene = Scene::new();
    let (fd, read) = Target::new(kind).open();
    let plan = Plan {
        choice: Some(choice),
        ..plan
    };
    let completion = scene.run(&fd, &sample.fd, plan);
    drop(fd);
    let received = read();
    let count = plan.count.map_or(0, |count| count as usize);
    let what = format!("{kind:?} {choice:?} {count}");
    let refusal = match choice {
        Choice::Only(method) if count > 0 => refusal(kind, method),
        _ => None,
    };
    if let Some(errno) = refusal {
        assert_eq!(completion.end, End::Refused(errno), "{what}");
        assert_same(&received, plan.headers);
        return;
    }
    assert_eq!(completion.end, End::Done, "{what}");
    assert_eq!(completion.transfer.bytes_sent(), count as u64, "{what}");
    if let Choice::Only(method) = choice {
        assert_eq!(completion.transfer.method(), method, "{what}");
    }
    assert_same(
        &received,
        &[plan.headers, &sample.bytes[..count], plan.trailers].concat(),
    );
    assert_eq!(Arc::strong_count(&sample.fd), 1, "{what}");
}

fn choices() -> impl Iterator<Item = Choice> {
    let only = METHODS.map(Choice::Only);
    let prefer = METHODS.map(Choice::Prefer);
    [Choice::Auto].into_iter().chain(only).chain(prefer)
}

#[test]
fn every_destination_gets_every_byte_by_every_method() {
    for kind in KINDS {
        let sample = Sample::new(length(kind));
        for choice in choices() {
            let plan = Plan {
                quantum: 256 * 1024,
                ..Plan::count(sample.bytes.len())
            };
            transfer(kind, choice, plan, &sample);
        }
    }
}

/// What goes around: a plan borrows it for ever.
static AROUND: LazyLock<Vec<u8>> = LazyLock::new(|| Sample::new(300_000).bytes.clone());

#[test]
fn headers_and_trailers_go_around_the_bytes_on_every_destination() {
    let (headers, trailers) = AROUND[..20_000].split_at(7_000);
    for kind in KINDS {
        let sample = Sample::new(length(kind));
        for choice in choices() {
            for count in [0, 1, 5_000, sample.bytes.len()] {
                let whole = Plan {
                    headers,
                    trailers,
                    ..Plan::count(count)
                };
                transfer(kind, choice, whole, &sample);
            }
            for (headers, trailers) in [(headers, &[][..]), (&[], trailers)] {
                let half = Plan {
                    headers,
                    trailers,
                    ..Plan::count(3_000)
                };
                transfer(kind, choice, half, &sample);
            }
        }
    }
}

/// The smallest send buffer takes a part of everything at a time.
#[test]
fn headers_and_trailers_that_go_in_pieces_are_whole() {
    let (headers, trailers) = AROUND.split_at(180_000);
    let sample = Sample::new(100_000);
    for pair in [tcp, unix] {
        for method in [Method::Sendfile, Method::Splice, Method::Copy] {
            let scene = Scene::with(Config {
                shards: 1,
                ..Config::default()
            });
            let (sending, peer) = pair();
            setsockopt(&sending, sockopt::SndBuf, &1).expect("the smallest buffer");
            let before = fill(&sending);
            let plan = Plan {
                choice: Some(Choice::Only(method)),
                headers,
                trailers,
                ..Plan::count(sample.bytes.len())
            };
            let id = scene.start(&sending, &sample.fd, plan);
            // The only shard makes its first attempt before that of another transfer: until then nobody reads.
            scene.proves_alive(&sample);
            let reader = read_all(peer);
            let completion = scene.completion(id);
            drop(sending);
            assert_eq!(completion.end, End::Done, "{method:?}");
            assert!(completion.transfer.would_block() > 0, "{method:?}");
            assert_same(
                &reader.join().expect("the reader")[before..],
                &[headers, &sample.bytes, trailers].concat(),
            );
        }
    }
}

/// The pipe between has taken the bytes by then: they are read again.
#[test]
fn bytes_in_the_pipe_of_a_refused_splice_are_not_lost() {
    let sample = Sample::new(MIB + 3);
    let scene = Scene::new();
    let (fd, read) = Target::new(Kind::AppendedFile).open();
    let plan = Plan {
        start: 3,
        choice: Some(Choice::Prefer(Method::Splice)),
        ..Plan::count(MIB)
    };
    let completion = scene.run(&fd, &sample.fd, plan);
    let steps: Vec<_> = completion.transfer.ladder().fallbacks().collect();
    let steps: Vec<_> = steps.iter().map(|step| (step.from, step.errno)).collect();
    assert_eq!(
        steps,
        [
            (Method::Splice, EINVAL),
            (Method::CopyFileRange, EBADF),
            (Method::Sendfile, EINVAL)
        ]
    );
    assert_eq!(completion.end, End::Done);
    assert_same(&read(), &sample.bytes[3..]);
}
