//! A rate that the transfers of both executors and piped streams share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use napi_derive::napi;
use sendfile64_core::{Admission, Rate, Reservation};

/// The bucket has a clock of its own: its transfers run on threads, and in JavaScript.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now() -> u64 {
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

type Bucket = Mutex<sendfile64_core::Limiter>;

/// The buckets of all environments, by their ids: a number crosses the border for less than an object.
static BUCKETS: LazyLock<Mutex<HashMap<u64, Weak<Bucket>>>> = LazyLock::new(Mutex::default);
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// The bucket of a `RateLimiter`.
#[napi]
pub struct Limiter {
    id: u64,
    bucket: Arc<Bucket>,
}

impl Drop for Limiter {
    fn drop(&mut self) {
        lock(&BUCKETS).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rate(per_second: f64, burst: f64) -> Rate {
    Rate {
        per_second: per_second as u64,
        burst: burst as u64,
    }
}

#[napi]
impl Limiter {
    /// `perSecond` and `burst` in bytes.
    #[napi(constructor)]
    pub fn new(per_second: f64, burst: f64) -> Self {
        let bucket = sendfile64_core::Limiter::new(rate(per_second, burst), now());
        let bucket = Arc::new(Mutex::new(bucket));
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        lock(&BUCKETS).insert(id, Arc::downgrade(&bucket));
        Self { id, bucket }
    }

    /// What `start` and a planner know it by; above 0. It is known while this object is reachable.
    #[napi(getter)]
    pub fn id(&self) -> f64 {
        self.id as f64
    }

    /// From now on, also for what waits already.
    #[napi]
    pub fn set_rate(&self, per_second: f64, burst: f64) {
        lock(&self.bucket).set_rate(rate(per_second, burst), now());
    }
}

/// The share of one more transfer in the limiter with this id; `None` if there is no such limiter.
pub(crate) fn share_of(id: f64) -> Option<Share> {
    let bucket = lock(&BUCKETS).get(&(id as u64))?.upgrade()?;
    Some(Share {
        bucket,
        reservation: Reservation::default(),
    })
}

/// What one transfer draws from a bucket. Dropped, it waits no longer.
pub struct Share {
    bucket: Arc<Bucket>,
    reservation: Reservation,
}

impl Share {
    /// How many of the bytes may go now. They count as gone until they are [given back](Self::give_back).
    /// Where none may, the error is how many nanoseconds to wait before asking again; another rate can end that wait.
    pub(crate) fn admit(&mut self, wanted: u64) -> Result<u64, u64> {
        let now = now();
        match lock(&self.bucket).admit(&mut self.reservation, wanted, now) {
            Admission::Go(bytes) => Ok(bytes),
            Admission::Wait(until) => Err(until.saturating_sub(now).max(1)),
        }
    }

    /// Bytes that were admitted did not go.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        if bytes > 0 {
            lock(&self.bucket).give_back(bytes, now());
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        lock(&self.bucket).withdraw(&mut self.reservation, now());
    }
}

/// The share of a transfer that JavaScript makes the attempts of.
#[napi]
pub struct LimiterShare {
    share: Option<Share>,
}

#[napi]
impl LimiterShare {
    #[napi(constructor)]
    pub fn new(limiter: &Limiter) -> Self {
        Self {
            share: share_of(limiter.id()),
        }
    }

    /// How many of the bytes may go now; below 0, how many milliseconds to wait before asking again.
    #[napi]
    pub fn admit(&mut self, wanted: f64) -> f64 {
        match self.share.as_mut().map(|share| share.admit(wanted as u64)) {
            Some(Ok(bytes)) => bytes as f64,
            Some(Err(nanoseconds)) => -(nanoseconds as f64 / 1e6),
            None => wanted,
        }
    }

    /// Bytes that were admitted did not go.
    #[napi]
    pub fn give_back(&mut self, bytes: f64) {
        if let Some(share) = &mut self.share {
            share.give_back(bytes as u64);
        }
    }

    /// Waits no longer, and keeps nothing from the others.
    #[napi]
    pub fn release(&mut self) {
        self.share = None;
    }
}
