//! An abort during an attempt on another thread.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc as StdArc;
use std::time::Duration;

use loom::sync::Arc;
use loom::thread;
use sendfile64_core::{End, Ended, Ladder, Method, Outcome, Request, Transfer};

use super::{TestMailbox, explore};
use crate::attempt::Attempted;
use crate::attempt::destination::Destination;
use crate::attempt::endpoints::Endpoints;
use crate::command::{Abort, Call, Command, Completion, Event, OwnerId, Sink, TransferId};
use crate::shard::message::{DiskResult, Message};
use crate::shard::slab::{Key, Slab};
use crate::transfer::Running;

struct NoopSink;

impl Sink for NoopSink {
    fn deliver(&self, _: Event) {}
}

fn null_device() -> OwnedFd {
    File::open("/dev/null").expect("/dev/null").into()
}

/// A shard with one transfer of 10 bytes, whose first attempt is on its way to the pool.
struct ShardModel {
    source: StdArc<OwnedFd>,
    transfers: Slab<Running>,
    key: Key,
    completions: Vec<Completion>,
}

impl ShardModel {
    fn new() -> (Self, StdArc<Endpoints>) {
        let source = StdArc::new(null_device());
        let request = Request::new(0, Some(10), Ladder::only(Method::Sendfile));
        let mut running = Running::new(Command {
            id: TransferId(7),
            owner: OwnerId(1),
            destination: Destination::socket(null_device()),
            source: StdArc::clone(&source),
            parts: None,
            source_waits: false,
            own_position: false,
            transfer: Transfer::new(request, 0),
            limits: crate::transfer::limits::Limits::default(),
            made: None,
            progress_interval: Duration::ZERO,
            sink: StdArc::new(NoopSink),
        });
        let endpoints = StdArc::clone(&running.endpoints);
        running.begin_disk_attempt();
        let mut transfers = Slab::new();
        let key = transfers.insert(running);
        (
            Self {
                source,
                transfers,
                key,
                completions: Vec::new(),
            },
            endpoints,
        )
    }

    fn handle(&mut self, message: Message) {
        let Some(running) = self.transfers.get_mut(self.key) else {
            return;
        };
        match message {
            Message::Abort(_, how) => running.abort(how),
            Message::DiskResult(DiskResult {
                endpoints,
                attempted,
                ..
            }) => {
                drop(endpoints);
                running.finish_disk_attempt(attempted);
            }
            Message::Start(_) | Message::Cancel(..) | Message::RateChanged | Message::Stop => {
                unreachable!("not in this model")
            }
        }
        if let Some(end) = running.transfer.end() {
            let running = self.transfers.remove(self.key).expect("it was there");
            self.completions.push(running.complete(end).0);
            assert_eq!(
                StdArc::strong_count(&self.source),
                1,
                "completed while its descriptors are held"
            );
        }
    }
}

/// The pool's attempt moves `bytes`, and an abort comes at any time.
fn abort_beside_an_attempt(bytes: u64, ended: Ended, how: Abort) -> Completion {
    let (mut shard, endpoints) = ShardModel::new();
    let mailbox = TestMailbox::new();
    let key = shard.key;
    let pool = thread::spawn({
        let mailbox = Arc::clone(&mailbox);
        move || {
            let attempted = Attempted {
                outcome: Outcome { bytes, ended },
                syscalls: 1,
                call: Call::Sendfile,
                took: 0,
            };
            let attempted = (!endpoints.is_abandoned()).then_some(attempted);
            mailbox.post(Message::DiskResult(DiskResult {
                key,
                endpoints,
                attempted,
            }));
        }
    });
    let javascript = thread::spawn({
        let mailbox = Arc::clone(&mailbox);
        move || mailbox.post(Message::Abort(TransferId(7), how))
    });
    for message in mailbox.receive_all(2) {
        shard.handle(message);
    }
    pool.join().expect("the pool");
    javascript.join().expect("the JavaScript thread");
    assert!(shard.transfers.is_empty());
    assert_eq!(
        shard.completions.len(),
        1,
        "one completion, no more and no less"
    );
    shard.completions.remove(0)
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
