//! The turn of one transfer: a step, and the state that follows.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use sendfile64_core::{Op, Wait};

use super::{Shard, errno_of};
use crate::clock;
use crate::command::{Abort, Call, Event};
use crate::disk_pool::{DiskAttempt, Job};
use crate::shard::message::DiskResult;
use crate::shard::slab::Key;
use crate::transfer::Running;
use crate::transfer::progress::Tick;

impl Shard {
    pub(super) fn start(&mut self, running: Box<Running>) {
        running.endpoints.pair().cork();
        let id = running.id;
        let key = self.transfers.insert(running);
        self.keys.insert(id, key);
        self.schedule(key);
    }

    /// One step, here or in the disk pool.
    pub(super) fn attempt(&mut self, key: Key) {
        let Some(running) = self.transfers.get_mut(key) else {
            return;
        };
        running.take_turn();
        let Some(step) = running.next_step() else {
            return;
        };
        let placed = running.placed(step);
        if placed.may_wait() {
            let endpoints = Arc::clone(&running.endpoints);
            let job = Job::Attempt(DiskAttempt {
                key,
                endpoints,
                placed,
                reply_to: Arc::clone(&self.mailbox),
            });
            if self.pool.submit(job).is_ok() {
                running.begin_disk_attempt();
                return;
            }
            // Without any thread to send it to, the attempt is made here: late for the others is better than never.
        }
        let attempted = placed.make(running.endpoints.pair(), &mut self.buffer);
        running.record(attempted);
        self.schedule(key);
    }

    pub(super) fn on_disk_result(&mut self, back: DiskResult) {
        let DiskResult {
            key,
            endpoints,
            attempted,
        } = back;
        drop(endpoints); // ours is the last one now, so that a completion finds the descriptors closed
        if let Some(running) = self.transfers.get_mut(key) {
            running.finish_disk_attempt(attempted);
            self.schedule(key);
        }
    }

    /// Puts the transfer where its next op is done.
    pub(super) fn schedule(&mut self, key: Key) {
        let Some(running) = self
            .transfers
            .get_mut(key)
            .filter(|running| !running.is_on_disk())
        else {
            return;
        };
        if running.transfer.poll_op(clock::now()) == Op::Confirm {
            running.confirm();
        }
        let until = match running.transfer.poll_op(clock::now()) {
            Op::Attempt { count, .. } if !running.is_queued() => match running.admit(count) {
                Ok(()) => {
                    running.queue();
                    self.ready.push_back(key);
                    None
                }
                Err(nanoseconds) => Some(clock::now().saturating_add(nanoseconds)),
            },
            Op::Attempt { .. } => None,
            Op::Drain { .. } | Op::Write { .. } => {
                if running.queue() {
                    self.ready.push_back(key);
                }
                None
            }
            // It has been asked a moment ago.
            Op::Confirm => Some(clock::now()),
            Op::Wait(wait) => wait_for(&self.poll, running, key, wait),
            Op::Finish(_) => None,
        };
        if running.transfer.end().is_some() {
            self.finish(key);
        } else {
            let due = self.report_progress(key);
            self.set_timer(key, until.into_iter().chain(due).min());
        }
    }

    /// Releases the descriptors, then delivers the completion.
    pub(super) fn finish(&mut self, key: Key) {
        let Some(end) = self
            .transfers
            .get_mut(key)
            .and_then(|running| running.transfer.end())
        else {
            return;
        };
        self.set_timer(key, None);
        let Some(running) = self.transfers.remove(key) else {
            return;
        };
        if self.keys.get(&running.id) == Some(&key) {
            self.keys.remove(&running.id);
        }
        if running.registered {
            unwatch(&self.poll, &running);
        }
        self.load.fetch_sub(1, Ordering::Relaxed);
        let (completion, sink) = running.complete(end);
        if let Some(sink) = sink {
            sink.deliver(Event::Completed(Box::new(completion)));
        }
    }

    pub(super) fn abort(&mut self, key: Key, how: Abort) {
        let Some(running) = self.transfers.get_mut(key) else {
            return;
        };
        running.abort(how);
        self.finish(key);
    }

    /// The transfer is looked at again at this time, and at no other.
    fn set_timer(&mut self, key: Key, time: Option<u64>) {
        let Some(running) = self.transfers.get_mut(key) else {
            return;
        };
        if running.timer == time {
            return;
        }
        if let Some(old) = running.timer {
            self.timers.remove(&(old, key));
        }
        running.timer = time;
        if let Some(time) = time {
            self.timers.insert((time, key));
        }
    }

    /// Reports progress if a report is due. Returns the time of the next report, if bytes have been sent since the last
    /// one.
    fn report_progress(&mut self, key: Key) -> Option<u64> {
        let running = self.transfers.get_mut(key)?;
        let bytes_sent = running.transfer.bytes_sent();
        match running.progress.as_mut()?.check(bytes_sent, clock::now()) {
            Tick::Nothing => None,
            Tick::At(time) => Some(time),
            Tick::Report => {
                if let Some(sink) = &running.sink {
                    sink.deliver(Event::Progress {
                        id: running.id,
                        bytes_sent,
                        method: running.transfer.method(),
                    });
                }
                None
            }
        }
    }
}

/// Registers the destination if the transfer waits for its readiness. Returns the time at which to look again.
fn wait_for(poll: &Poll, running: &mut Running, key: Key, wait: Wait) -> Option<u64> {
    let Wait { readiness, until } = wait;
    // Nothing is lost between the EAGAIN and the registration: epoll_ctl(2) ADD reports a destination that
    // is writable by then like any change, and so does kevent(2) EV_ADD.
    if readiness.is_some() && !running.registered {
        match watch(poll, running, key) {
            Ok(()) => running.registered = true,
            Err(error) => {
                running.fail(errno_of(&error), Call::Watch);
            }
        }
    }
    let look = readiness.and_then(|_| running.wait(until.is_some()));
    until.into_iter().chain(look).min()
}

/// Edge-triggered, so that a destination costs nothing while it is writable and its transfer is not waiting.
fn watch(poll: &Poll, running: &Running, key: Key) -> io::Result<()> {
    let fd = running.endpoints.pair().destination.as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&fd), Token(key.index()), Interest::WRITABLE)
}

/// Makes the poller report once more whether the destination is writable (epoll_ctl(2), EPOLL_CTL_MOD).
pub(super) fn watch_again(poll: &Poll, running: &Running, key: Key) {
    let fd = running.endpoints.pair().destination.as_raw_fd();
    let (token, interest) = (Token(key.index()), Interest::WRITABLE);
    // It fails only for a descriptor that is not registered, which no transfer waits for.
    let _ = poll
        .registry()
        .reregister(&mut SourceFd(&fd), token, interest);
}

/// Comes before our duplicate is closed: the registration belongs to the open file description, which the owner's
/// descriptor keeps alive, and would go on reporting (epoll(7), question 6).
fn unwatch(poll: &Poll, running: &Running) {
    let fd = running.endpoints.pair().destination.as_raw_fd();
    // It fails only for a descriptor that is not registered.
    let _ = poll.registry().deregister(&mut SourceFd(&fd));
}
