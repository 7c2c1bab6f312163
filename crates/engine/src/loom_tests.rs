//! The hand-over between threads under every interleaving that loom finds. A lost wake-up shows as a deadlock, which
//! loom reports. Run with `RUSTFLAGS="--cfg loom" cargo test -p sendfile64-engine --release --lib`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc as StdArc;
use std::time::Duration;

use loom::model::Builder;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use sendfile64_core::{End, Ended, Ladder, Method, Outcome, Request, Transfer};

use crate::command::{Abort, Command, Completion, Event, OwnerId, Sink, TransferId};
use crate::mailbox::{Mailbox, Wake};
use crate::message::{Back, Message};
use crate::queue::Queue;
use crate::run::{Attempted, Ends};
use crate::running::Running;
use crate::slab::{Key, Slab};
use crate::sync::{lock, wait};

/// Stands for a poller: a ring before the sleep ends it as well, and several rings are one.
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            rung: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    fn sleep(&self) {
        let mut rung = lock(&self.rung);
        while !*rung {
            rung = wait(&self.changed, rung);
        }
        *rung = false;
    }
}

impl Wake for Arc<Bell> {
    fn wake(&self) {
        *lock(&self.rung) = true;
        self.changed.notify_one();
    }
}

/// A mailbox, and the bell that its receiver sleeps by.
struct Door<T> {
    bell: Arc<Bell>,
    mailbox: Mailbox<T, Arc<Bell>>,
}

impl<T> Door<T> {
    fn new() -> Arc<Self> {
        let bell = Bell::new();
        Arc::new(Self {
            mailbox: Mailbox::new(Arc::clone(&bell)),
            bell,
        })
    }

    fn post(&self, message: T) {
        self.mailbox.post(message);
    }

    /// Sleeps, then takes what there is: an empty answer is a wake-up too many, which does no harm.
    fn receive(&self) -> Vec<T> {
        self.bell.sleep();
        let mut messages = Vec::new();
        self.mailbox.drain(&mut messages);
        messages
    }

    /// Receives until `count` messages are there.
    fn receive_all(&self, count: usize) -> Vec<T> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.extend(self.receive());
        }
        messages
    }
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn every_message_arrives_once_and_in_its_senders_order() {
    explore(4, || {
        let door = Door::new();
        let posters = [0, 1].map(|poster| {
            let door = Arc::clone(&door);
            thread::spawn(move || {
                door.post((poster, 0));
                door.post((poster, 1));
            })
        });
        let mut messages = door.receive_all(4);
        messages.sort_by_key(|&(poster, _)| poster); // stable: the order within a poster stays
        assert_eq!(messages, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        for poster in posters {
            poster.join().expect("a poster");
        }
    });
}

/// JavaScript's side of a sink: it looks only when it is called, once per call.
#[test]
fn no_event_is_left_without_a_wake_up() {
    explore(4, || {
        let door = Door::new();
        let shard = thread::spawn({
            let door = Arc::clone(&door);
            move || (0..3).for_each(|event| door.post(event))
        });
        assert_eq!(door.receive_all(3), [0, 1, 2]);
        shard.join().expect("the shard");
    });
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Start(u32),
    Back(u32),
    Stop,
}

#[test]
fn a_transfer_comes_back_from_the_pool_and_completes() {
    explore(2, || {
        let (shard_door, sink) = (Door::new(), Door::new());
        let queue = Arc::new(Queue::new());
        let pool = thread::spawn({
            let (queue, shard_door) = (Arc::clone(&queue), Arc::clone(&shard_door));
            move || {
                while let Some(id) = queue.pop() {
                    shard_door.post(Step::Back(id));
                }
            }
        });
        let shard = thread::spawn({
            let (queue, shard_door, sink) = (
                Arc::clone(&queue),
                Arc::clone(&shard_door),
                Arc::clone(&sink),
            );
            move || {
                let mut stopped = false;
                while !stopped {
                    for step in shard_door.receive() {
                        match step {
                            Step::Start(id) => assert_eq!(queue.push(id), Ok(())),
                            Step::Back(id) => sink.post(id),
                            Step::Stop => stopped = true,
                        }
                    }
                }
            }
        });
        shard_door.post(Step::Start(1));
        shard_door.post(Step::Start(2));
        assert_eq!(sink.receive_all(2), [1, 2]);
        shard_door.post(Step::Stop);
        shard.join().expect("the shard");
        queue.close();
        pool.join().expect("the pool");
    });
}

struct Deaf;

impl Sink for Deaf {
    fn deliver(&self, _: Event) {}
}

fn null_device() -> OwnedFd {
    File::open("/dev/null").expect("/dev/null").into()
}

/// A shard with one transfer of 10 bytes, whose first attempt is on its way to the pool.
struct Desk {
    source: StdArc<OwnedFd>,
    transfers: Slab<Running>,
    key: Key,
    completions: Vec<Completion>,
}

impl Desk {
    fn new() -> (Self, StdArc<Ends>) {
        let source = StdArc::new(null_device());
        let request = Request {
            start: 0,
            count: Some(10),
            quantum: 10,
            ladder: Ladder::only(Method::Sendfile),
        };
        let mut running = Running::new(Command {
            id: TransferId(7),
            owner: OwnerId(1),
            destination: null_device(),
            source: StdArc::clone(&source),
            own_position: false,
            transfer: Transfer::new(request),
            progress_interval: Duration::ZERO,
            sink: StdArc::new(Deaf),
        });
        let ends = StdArc::clone(&running.ends);
        running.leave();
        let mut transfers = Slab::new();
        let key = transfers.insert(running);
        (
            Self {
                source,
                transfers,
                key,
                completions: Vec::new(),
            },
            ends,
        )
    }

    fn handle(&mut self, message: Message) {
        let Some(running) = self.transfers.get_mut(self.key) else {
            return;
        };
        match message {
            Message::Abort(_, how) => running.abort(how),
            Message::Back(Back {
                ends, attempted, ..
            }) => {
                drop(ends);
                running.come_back(attempted);
            }
            Message::Start(_) | Message::Cancel(..) | Message::Stop => {
                unreachable!("not in this model")
            }
        }
        if let Some(end) = running.end() {
            let running = self.transfers.remove(self.key).expect("it was there");
            self.completions.push(running.complete(end).0);
            assert_eq!(
                StdArc::strong_count(&self.source),
                1,
                "completed while somebody holds its descriptors"
            );
        }
    }
}

/// The pool's attempt moves `bytes`, and an abort comes at any time.
fn abort_beside_an_attempt(bytes: u64, ended: Ended, how: Abort) -> Completion {
    let (mut desk, ends) = Desk::new();
    let door = Door::new();
    let key = desk.key;
    let pool = thread::spawn({
        let door = Arc::clone(&door);
        move || {
            let attempted = Attempted {
                outcome: Outcome { bytes, ended },
                syscalls: 1,
            };
            let attempted = (!ends.is_abandoned()).then_some(attempted);
            door.post(Message::Back(Back {
                key,
                ends,
                attempted,
            }));
        }
    });
    let javascript = thread::spawn({
        let door = Arc::clone(&door);
        move || door.post(Message::Abort(TransferId(7), how))
    });
    for message in door.receive_all(2) {
        desk.handle(message);
    }
    pool.join().expect("the pool");
    javascript.join().expect("the JavaScript thread");
    assert!(desk.transfers.is_empty());
    assert_eq!(
        desk.completions.len(),
        1,
        "one completion, no more and no less"
    );
    desk.completions.remove(0)
}

#[test]
fn an_abort_beside_a_last_attempt_gives_one_completion() {
    explore(4, || {
        let completion = abort_beside_an_attempt(10, Ended::Progress, Abort::Release);
        match completion.end {
            End::Done => assert_eq!(
                (completion.transfer.bytes_sent(), completion.syscalls),
                (10, 1)
            ),
            End::Aborted => assert_eq!(
                (completion.transfer.bytes_sent(), completion.syscalls),
                (0, 0)
            ),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn an_abort_beside_an_unfinished_attempt_counts_its_bytes() {
    explore(4, || {
        let completion = abort_beside_an_attempt(4, Ended::WouldBlock, Abort::Shutdown);
        assert_eq!(completion.end, End::Aborted);
        assert_eq!(completion.transfer.bytes_sent(), 4 * completion.syscalls);
    });
}

#[test]
fn a_closing_queue_loses_nothing() {
    explore(3, || {
        let queue = Arc::new(Queue::new());
        let takers = [0, 1].map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || std::iter::from_fn(|| queue.pop()).collect::<Vec<u32>>())
        });
        let closer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.close()
        });
        let mut seen = Vec::new();
        for item in [1, 2] {
            if let Err(item) = queue.push(item) {
                seen.push(item);
            }
        }
        closer.join().expect("the closer");
        for taker in takers {
            seen.extend(taker.join().expect("a taker"));
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    });
}

/// As the engine does it: whoever hands over or stops holds the crew's lock, and a stop takes the door away.
#[test]
fn what_was_accepted_before_a_stop_is_seen_before_it() {
    explore(4, || {
        let door = Door::new();
        let crew = Arc::new(Mutex::new(Some(Arc::clone(&door))));
        let shard = thread::spawn(move || {
            let mut started = Vec::new();
            loop {
                for step in door.receive() {
                    match step {
                        Step::Start(id) => started.push(id),
                        Step::Stop => return started,
                        Step::Back(_) => unreachable!("not in this model"),
                    }
                }
            }
        });
        let starter = thread::spawn({
            let crew = Arc::clone(&crew);
            move || {
                let offer = |id: u32| {
                    lock(&crew)
                        .as_ref()
                        .map(|door| door.post(Step::Start(id)))
                        .map(|()| id)
                };
                [1, 2].into_iter().filter_map(offer).collect::<Vec<_>>()
            }
        });
        if let Some(door) = lock(&crew).take() {
            door.post(Step::Stop);
        }
        let accepted = starter.join().expect("the starter");
        assert_eq!(shard.join().expect("the shard"), accepted);
    });
}
