//! The hand-over between threads under every interleaving that loom finds. A lost wake-up shows as a deadlock, which
//! loom reports. Run with `RUSTFLAGS="--cfg loom" cargo test -p sendfile64-engine --release --lib`.

mod abort;

use loom::model::Builder;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::disk_pool::queue::Queue;
use crate::sync::mailbox::{Mailbox, Wake};
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
struct TestMailbox<T> {
    bell: Arc<Bell>,
    mailbox: Mailbox<T, Arc<Bell>>,
}

impl<T> TestMailbox<T> {
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

    /// Sleeps, then takes all messages. An empty result is a spurious wake-up, which does no harm.
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
        let mailbox = TestMailbox::new();
        let posters = [0, 1].map(|poster| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                mailbox.post((poster, 0));
                mailbox.post((poster, 1));
            })
        });
        let mut messages = mailbox.receive_all(4);
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
        let mailbox = TestMailbox::new();
        let shard = thread::spawn({
            let mailbox = Arc::clone(&mailbox);
            move || (0..3).for_each(|event| mailbox.post(event))
        });
        assert_eq!(mailbox.receive_all(3), [0, 1, 2]);
        shard.join().expect("the shard");
    });
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Start(u32),
    DiskResult(u32),
    Stop,
}

#[test]
fn a_transfer_comes_back_from_the_pool_and_completes() {
    explore(2, || {
        let (shard_mailbox, sink) = (TestMailbox::new(), TestMailbox::new());
        let queue = Arc::new(Queue::new(usize::MAX));
        let pool = thread::spawn({
            let (queue, shard_mailbox) = (Arc::clone(&queue), Arc::clone(&shard_mailbox));
            move || {
                while let Some((id, _)) = queue.pop() {
                    shard_mailbox.post(Step::DiskResult(id));
                }
            }
        });
        let shard = thread::spawn({
            let (queue, shard_mailbox, sink) = (
                Arc::clone(&queue),
                Arc::clone(&shard_mailbox),
                Arc::clone(&sink),
            );
            move || {
                let mut stopped = false;
                while !stopped {
                    for step in shard_mailbox.receive() {
                        match step {
                            Step::Start(id) => assert_eq!(queue.push(id), Ok(())),
                            Step::DiskResult(id) => sink.post(id),
                            Step::Stop => stopped = true,
                        }
                    }
                }
            }
        });
        shard_mailbox.post(Step::Start(1));
        shard_mailbox.post(Step::Start(2));
        assert_eq!(sink.receive_all(2), [1, 2]);
        shard_mailbox.post(Step::Stop);
        shard.join().expect("the shard");
        queue.close();
        pool.join().expect("the pool");
    });
}

#[test]
fn a_closing_queue_loses_nothing() {
    explore(3, || {
        let queue = Arc::new(Queue::new(usize::MAX));
        let workers = [0, 1].map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                std::iter::from_fn(|| queue.pop().map(|(item, _)| item)).collect::<Vec<u32>>()
            })
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
        for worker in workers {
            seen.extend(worker.join().expect("a worker"));
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    });
}

/// As in the engine: a start and a stop hold the lock of the threads, and a stop removes the mailbox.
#[test]
fn what_was_accepted_before_a_stop_is_seen_before_it() {
    explore(4, || {
        let mailbox = TestMailbox::new();
        let threads = Arc::new(Mutex::new(Some(Arc::clone(&mailbox))));
        let shard = thread::spawn(move || {
            let mut started = Vec::new();
            loop {
                for step in mailbox.receive() {
                    match step {
                        Step::Start(id) => started.push(id),
                        Step::Stop => return started,
                        Step::DiskResult(_) => unreachable!("not in this model"),
                    }
                }
            }
        });
        let starter = thread::spawn({
            let threads = Arc::clone(&threads);
            move || {
                let offer = |id: u32| {
                    lock(&threads)
                        .as_ref()
                        .map(|mailbox| mailbox.post(Step::Start(id)))
                        .map(|()| id)
                };
                [1, 2].into_iter().filter_map(offer).collect::<Vec<_>>()
            }
        });
        if let Some(mailbox) = lock(&threads).take() {
            mailbox.post(Step::Stop);
        }
        let accepted = starter.join().expect("the starter");
        assert_eq!(shard.join().expect("the shard"), accepted);
    });
}
