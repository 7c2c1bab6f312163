//! The queue of the threads of the disk pool.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock;
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait, wait_timeout};

/// A worker that has worked on one item for this long, in nanoseconds, counts as stuck: the disk may never answer. It
/// no longer counts against the limit.
const STUCK_AFTER: u64 = 50_000_000;

/// How long a worker that is not needed stays.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A first-in, first-out queue of which `limit` workers work at the same time. Workers that are stuck do not count.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    limit: usize,
}

struct State<T> {
    items: VecDeque<T>,
    workers: usize,
    /// The workers that have nothing to do, or not yet.
    idle: usize,
    /// Those of them that wait for the work of others to take too long.
    watching: usize,
    /// When those that work have begun, earliest first.
    working: VecDeque<(u64, Ticket)>,
    last_ticket: Ticket,
    closed: bool,
}

/// Names the work on one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl<T> State<T> {
    /// Whether no worker is idle, nor on its way.
    fn all_working(&self) -> bool {
        self.workers <= self.working.len()
    }

    /// How many work without being stuck, and when that number falls next by itself.
    fn working(&self, now: u64) -> (usize, u64) {
        let fresh = |&&(begun, _): &&(u64, Ticket)| now.saturating_sub(begun) < STUCK_AFTER;
        let earliest = self.working.iter().find(fresh);
        let count = self.working.iter().filter(fresh).count();
        (
            count,
            earliest.map_or(now, |(begun, _)| begun + STUCK_AFTER),
        )
    }
}

impl<T> Queue<T> {
    /// A queue of whose workers `limit` work at the same time.
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            workers: 0,
            idle: 0,
            watching: 0,
            working: VecDeque::new(),
            last_ticket: Ticket(0),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            limit,
        }
    }

    /// Adds an item at the end, or gives it back when the queue is closed.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(item);
        }
        state.items.push_back(item);
        // A watching worker wakes by itself when it may take an item, unless a working one has taken it before.
        let watcher_takes_it = state.watching > 0 && self.time_until_slot(&state).is_some();
        drop(state);
        if !watcher_takes_it {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// One more worker is about to come.
    pub(crate) fn add_worker(&self) {
        lock(&self.state).workers += 1;
    }

    /// It does not come, or has gone.
    pub(crate) fn remove_worker(&self) {
        lock(&self.state).workers -= 1;
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        lock(&self.state).workers
    }

    /// Takes the first item, waiting for one if need be. `None` once the queue is closed and empty, or when the worker is not
    /// needed any more. The work on it ends with [`done`](Self::done).
    pub(crate) fn pop(&self) -> Option<(T, Ticket)> {
        let mut state = lock(&self.state);
        loop {
            if let Some(time_until_slot) = self.time_until_slot(&state) {
                state.idle += 1;
                state.watching += 1;
                state = wait_timeout(&self.changed, state, time_until_slot).0;
                state.watching -= 1;
                state.idle -= 1;
            } else if let Some(item) = state.items.pop_front() {
                return Some((item, begin(&mut state)));
            } else if state.closed {
                return None;
            } else {
                let needed;
                (state, needed) = self.wait_for_item(state);
                if !needed {
                    return None;
                }
            }
        }
    }

    /// How long no worker may take the first item, because `limit` others work.
    fn time_until_slot(&self, state: &State<T>) -> Option<Duration> {
        if state.items.is_empty() || state.working.len() < self.limit {
            return None;
        }
        let now = clock::now();
        let (working, until) = state.working(now);
        (working >= self.limit).then(|| Duration::from_nanos(until.saturating_sub(now).max(1)))
    }

    /// Waits for an item. Returns whether the worker is still needed.
    fn wait_for_item<'a>(
        &self,
        mut state: MutexGuard<'a, State<T>>,
    ) -> (MutexGuard<'a, State<T>>, bool) {
        state.idle += 1;
        let mut needed = true;
        if state.workers <= self.limit {
            state = wait(&self.changed, state);
        } else {
            let late;
            (state, late) = wait_timeout(&self.changed, state, IDLE_TIMEOUT);
            needed = !late || !state.items.is_empty() || state.workers <= self.limit;
        }
        state.idle -= 1;
        (state, needed)
    }

    /// The work on an item is over.
    pub(crate) fn done(&self, ticket: Ticket) {
        let mut state = lock(&self.state);
        state.working.retain(|&(_, other)| other != ticket);
    }

    /// Whether another worker is needed: no idle worker would take one more item, or all workers work and none watches
    /// them.
    pub(crate) fn needs_worker(&self) -> bool {
        let state = lock(&self.state);
        if state.workers < self.limit {
            state.idle <= state.items.len()
        } else {
            state.all_working()
        }
    }

    /// Whether items wait while no worker watches whether those that work are stuck.
    pub(crate) fn needs_watcher(&self) -> bool {
        let state = lock(&self.state);
        state.all_working() && !state.items.is_empty()
    }

    /// Lets no more items in; those already there are still taken.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }
}

fn begin<T>(state: &mut State<T>) -> Ticket {
    state.last_ticket.0 += 1;
    let ticket = state.last_ticket;
    state.working.push_back((clock::now(), ticket));
    ticket
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::Queue;

    /// Until `holds`, or for ever, which a test bounds.
    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
            thread::yield_now();
        }
    }

    #[test]
    fn a_worker_is_needed_unless_one_waits_for_the_next_item() {
        let queue = Arc::new(Queue::new(4));
        assert!(queue.needs_worker());
        queue.add_worker();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            let take = move || queue.pop().map(|(item, _)| item);
            move || (take(), take())
        });
        until("the worker never came", || !queue.needs_worker());
        assert_eq!(queue.push(1), Ok(()));
        queue.close();
        assert_eq!(queue.push(2), Err(2));
        assert_eq!(worker.join().expect("the worker"), (Some(1), None));
    }

    #[test]
    fn no_more_than_limit_workers_work_unless_some_are_stuck() {
        let queue = Queue::new(1);
        for item in 0..3 {
            assert_eq!(queue.push(item), Ok(()));
        }
        let begun = Instant::now();
        let (first, ticket) = queue.pop().expect("an item");
        queue.done(ticket);
        let (second, _stuck) = queue.pop().expect("an item");
        let (third, _) = queue.pop().expect("an item");
        assert_eq!((first, second, third), (0, 1, 2));
        assert!(begun.elapsed() >= Duration::from_nanos(super::STUCK_AFTER));
    }
}
