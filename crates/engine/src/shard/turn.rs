//! One transfer's turn: an attempt, and where it goes from there.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use sendfile64_core::Op;

use super::Shard;
use crate::cold::{AwayAttempt, Job};
use crate::command::{Abort, Event};
use crate::message::Back;
use crate::progress::Tick;
use crate::run::run;
use crate::running::Running;
use crate::slab::Key;

impl Shard {
    pub(super) fn take_on(&mut self, running: Box<Running>) {
        let id = running.id;
        let key = self.transfers.insert(running);
        self.keys.insert(id, key);
        self.go_on(key);
    }

    /// One attempt, here or in the cold pool.
    pub(super) fn attempt(&mut self, key: Key) {
        let Some(running) = self.transfers.get_mut(key) else {
            return;
        };
        let Some(attempt) = running.next_attempt() else {
            return;
        };
        if running.may_wait_for_disk(attempt) {
            let ends = Arc::clone(&running.ends);
            let job = Job::Attempt(AwayAttempt {
                key,
                ends,
                attempt,
                reply_to: Arc::clone(&self.door),
            });
            if self.pool.submit(job).is_ok() {
                running.leave();
                return;
            }
            // Without any thread to send it to, the attempt is made here: late for the others is better than never.
        }
        running.record(run(running.ends.pair(), attempt, &mut self.buffer));
        self.go_on(key);
    }

    pub(super) fn welcome_back(&mut self, back: Back) {
        let Back {
            key,
            ends,
            attempted,
        } = back;
        drop(ends); // ours is the last one now, so that a completion finds the descriptors closed
        if let Some(running) = self.transfers.get_mut(key) {
            running.come_back(attempted);
            self.go_on(key);
        }
    }

    /// Puts the transfer where its next op is done.
    pub(super) fn go_on(&mut self, key: Key) {
        let Some(running) = self.transfers.get_mut(key) else {
            return;
        };
        match running.transfer.poll_op() {
            Op::Attempt { .. } => self.ready.push_back(key),
            // Nothing is lost between the EAGAIN and the registration: epoll_ctl(2) ADD reports a destination that is
            // writable by then like any change, and so does kevent(2) EV_ADD.
            Op::Wait(_) if running.registered => {}
            Op::Wait(_) => match watch(&self.poll, running, key) {
                Ok(()) => running.registered = true,
                Err(error) => {
                    running.fail(&error);
                }
            },
            Op::Finish(_) => {}
        }
        if running.end().is_some() {
            self.finish(key)
        } else {
            self.report_progress(key)
        }
    }

    /// Lets the descriptors go, then tells of the completion.
    pub(super) fn finish(&mut self, key: Key) {
        let Some(end) = self
            .transfers
            .get_mut(key)
            .and_then(|running| running.end())
        else {
            return;
        };
        let Some(running) = self.transfers.remove(key) else {
            return;
        };
        if let Some(timer) = running
            .progress
            .as_ref()
            .and_then(|progress| progress.timer)
        {
            self.timers.remove(&(timer, key));
        }
        if self.keys.get(&running.id) == Some(&key) {
            self.keys.remove(&running.id);
        }
        if running.registered {
            unwatch(&self.poll, &running);
        }
        self.load.fetch_sub(1, Ordering::Relaxed);
        let (completion, sink) = running.complete(end);
        if let Some(sink) = sink {
            sink.deliver(Event::Completed(completion));
        }
    }

    pub(super) fn abort(&mut self, key: Key, how: Abort) {
        let Some(running) = self.transfers.get_mut(key) else {
            return;
        };
        running.abort(how);
        if running.end().is_some() {
            self.finish(key);
        }
    }

    pub(super) fn report_progress(&mut self, key: Key) {
        let Some(running) = self.transfers.get_mut(key) else {
            return;
        };
        let Some(progress) = running.progress.as_mut() else {
            return;
        };
        let bytes_sent = running.transfer.bytes_sent();
        match progress.check(bytes_sent, Instant::now()) {
            Tick::Nothing => {}
            Tick::At(_) if progress.timer.is_some() => {}
            Tick::At(time) => {
                progress.timer = Some(time);
                self.timers.insert((time, key));
            }
            Tick::Report => {
                if let Some(sink) = &running.sink {
                    sink.deliver(Event::Progress {
                        id: running.id,
                        bytes_sent,
                    });
                }
            }
        }
    }
}

/// Edge-triggered, so that a destination costs nothing while it is writable and its transfer is not waiting.
fn watch(poll: &Poll, running: &Running, key: Key) -> io::Result<()> {
    let fd = running.ends.destination().as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&fd), Token(key.index()), Interest::WRITABLE)
}

/// Comes before our duplicate is closed: the registration belongs to the open file description, which the owner's
/// descriptor keeps alive, and would go on reporting (epoll(7), question 6).
fn unwatch(poll: &Poll, running: &Running) {
    let fd = running.ends.destination().as_raw_fd();
    // It fails only for a descriptor that is not registered.
    let _ = poll.registry().deregister(&mut SourceFd(&fd));
}
