//! The one engine of the process, shared by all environments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sendfile64_engine::{Config, Engine};

/// The engine, and the number of environments that use it. The last one to end joins the threads, except those that are
/// blocked on a disk.
static ENGINE: Mutex<Option<(Arc<Engine>, usize)>> = Mutex::new(None);
/// Transfer and owner ids are never used twice in a process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

pub(super) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// No code runs while the lock is held that could leave its data half changed, so a poisoned lock is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn acquire() -> Arc<Engine> {
    let mut slot = lock(&ENGINE);
    let (engine, users) = slot.get_or_insert_with(|| (Arc::new(Engine::new(Config::default())), 0));
    *users += 1;
    Arc::clone(engine)
}

pub(super) fn release(engine: Arc<Engine>) {
    let last = {
        let mut slot = lock(&ENGINE);
        match slot.as_mut() {
            Some((_, users)) if *users > 1 => {
                *users -= 1;
                false
            }
            _ => slot.take().is_some(),
        }
    };
    if last {
        engine.join();
    }
}
