//! Waits for threads to end, for a limited time. A thread that is blocked on a disk ends when the disk answers, possibly
//! never; the thread that stops the engine must not wait for it.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How soon it is looked again whether a thread has ended, at first and later.
const SOON: Duration = Duration::from_micros(50);
const LATER: Duration = Duration::from_millis(5);

/// Waits for a thread, until `deadline` at the latest. Returns whether it has ended. Otherwise the thread ends by
/// itself: it owns everything that it uses.
pub(crate) fn wait_for(thread: JoinHandle<()>, deadline: Instant) -> bool {
    let mut pause = SOON;
    while !thread.is_finished() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(LATER);
    }
    let _ = thread.join(); // a panic has been caught inside
    true
}
