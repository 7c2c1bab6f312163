//! The queue that the threads of the cold pool wait on.

use std::collections::VecDeque;

use crate::sync::{Condvar, Mutex, lock, wait};

/// A first-in, first-out queue with any number of takers.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    idle: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let state = State {
            items: VecDeque::new(),
            idle: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Adds an item at the end, or gives it back when the queue is closed.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(item);
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes the first item, waiting for one if need be. `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut state = lock(&self.state);
        loop {
            if let Some(item) = state.items.pop_front() {
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = wait(&self.changed, state);
            state.idle -= 1;
        }
    }

    /// Whether one more item would find no taker waiting for it.
    pub(crate) fn is_short_of_takers(&self) -> bool {
        let state = lock(&self.state);
        state.idle <= state.items.len()
    }

    /// Lets no more items in; those already there are still taken.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::Queue;

    #[test]
    fn it_is_short_of_takers_unless_one_waits_for_the_next_item() {
        let queue = Arc::new(Queue::new());
        assert!(queue.is_short_of_takers());
        let taker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || (queue.pop(), queue.pop())
        });
        let begun = Instant::now();
        while queue.is_short_of_takers() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the taker never came"
            );
            thread::yield_now();
        }
        assert_eq!(queue.push(1), Ok(()));
        queue.close();
        assert_eq!(queue.push(2), Err(2));
        assert_eq!(taker.join().expect("the taker"), (Some(1), None));
    }
}
