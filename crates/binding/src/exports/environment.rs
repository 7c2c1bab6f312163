//! One JavaScript environment (the main thread or a worker): starts transfers and receives their events in batches.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use napi::bindgen_prelude::{Env, Error, Float64ArraySlice, Function, Result, Status};
use napi::threadsafe_function::{
    ThreadsafeCallContext, ThreadsafeFunction, ThreadsafeFunctionCallMode,
};
use napi_derive::napi;

use crate::codes::{event, report};
use crate::executor::Link;
use crate::marshal::command::{Start, Started};
use crate::marshal::records::EventRecord;
use crate::marshal::typed_arrays::floats;

/// Wakes JavaScript when something has happened. Weak: by itself it does not keep the process alive.
type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// The number of transfers and opens that JavaScript waits for. The environment stays alive while it is above 0.
struct Pending {
    count: Cell<usize>,
    wake: Arc<Wake>,
}

impl Pending {
    fn add(&self, env: &Env) {
        self.count.set(self.count.get() + 1);
        if self.count.get() == 1 {
            // SAFETY: called on the environment's own thread, while it lives, with the function it has created. A
            // failure could only mean that the environment is ending.
            let _ = unsafe { napi::sys::napi_ref_threadsafe_function(env.raw(), self.wake.raw()) };
        }
    }

    fn remove(&self, env: &Env, finished: usize) {
        if finished == 0 {
            return;
        }
        self.count.set(self.count.get().saturating_sub(finished));
        if self.count.get() == 0 {
            // SAFETY: as in `add`.
            let _ =
                unsafe { napi::sys::napi_unref_threadsafe_function(env.raw(), self.wake.raw()) };
        }
    }
}

/// The connection between one environment and the engine.
#[napi]
pub struct Environment {
    link: Arc<Link>,
    pending: Pending,
    /// What JavaScript has not taken yet, because its array was full.
    undelivered: RefCell<VecDeque<EventRecord>>,
}

#[napi]
impl Environment {
    /// `onEvents` is called in each turn of the event loop in which `takeEvents` has events to return.
    #[napi(constructor)]
    pub fn new(env: Env, on_events: Function<'_, (), ()>) -> Result<Self> {
        let slot: Arc<OnceLock<Arc<Wake>>> = Arc::new(OnceLock::new());
        let sender = Arc::clone(&slot);
        let link = Arc::new(Link::new(move || {
            if let Some(wake) = sender.get() {
                wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
        }));
        let wake = on_events
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .build_callback(|_: ThreadsafeCallContext<()>| Ok(()))?;
        let wake: Arc<Wake> = Arc::new(wake);
        let _ = slot.set(Arc::clone(&wake));
        let pending = Pending {
            count: Cell::new(0),
            wake,
        };
        // Hooks run last in, first out: after the function above was made, so before Node takes it down.
        env.add_env_cleanup_hook(Arc::clone(&link), |link| link.close())?;
        link.connect();
        Ok(Self {
            link,
            pending,
            undelivered: RefCell::default(),
        })
    }

    /// Starts a transfer that `command` describes by the places of `COMMAND`. Both numbers are duplicated at once.
    /// Returns its id; or, where it needed no waiting or could not begin, 0 with the event in `report`, by the places of
    /// `REPORT`.
    #[napi]
    pub fn start(
        &self,
        env: Env,
        command: Float64ArraySlice<'_>,
        headers: Option<&[u8]>,
        trailers: Option<&[u8]>,
        mut report: Float64ArraySlice<'_>,
    ) -> Result<f64> {
        let bytes = |part: Option<&[u8]>| part.map(<[u8]>::to_vec).unwrap_or_default();
        let fields = command.first_chunk().ok_or_else(too_short)?;
        let start = Start::of(fields, bytes(headers), bytes(trailers));
        let report: &mut [f64; report::ROOM] = floats(&mut report)?
            .first_chunk_mut()
            .ok_or_else(too_short)?;
        match self.link.start(start) {
            Started::Finished(event) => {
                event.write_to(report);
                Ok(0.0)
            }
            Started::Queued(id) => {
                self.pending.add(&env);
                Ok(id as f64)
            }
        }
    }

    /// Sends what goes before a file, in the same TCP segment where the kernel can (send(2), MSG_MORE). `outFd` is used in
    /// this call only. Returns how many bytes it took, perhaps none, or the negative errno of a failure.
    #[napi]
    pub fn send_head(&self, out_fd: i32, head: &[u8]) -> f64 {
        match self.link.send_head(out_fd, head) {
            Ok(bytes) => bytes as f64,
            Err(errno) => -f64::from(errno),
        }
    }

    /// Ends a transfer where it is; its completion comes as an event. `shutdown`: the owner has closed the socket, so
    /// the peer must see the end now although our duplicate is still open. Unknown ids are ignored.
    #[napi]
    pub fn abort(&self, id: f64, shutdown: bool) {
        self.link.abort(id as u64, shutdown);
    }

    /// Puts what has happened into `events`, one event after the other by the places of `REPORT`. Returns how many places
    /// that took; what found no room stays for the next call.
    #[napi]
    pub fn take_events(&self, env: Env, mut events: Float64ArraySlice<'_>) -> Result<u32> {
        let places = floats(&mut events)?;
        let mut undelivered = self.undelivered.borrow_mut();
        undelivered.extend(self.link.drain());
        let (mut taken, mut finished) = (0, 0);
        while let Some(event) = undelivered.front() {
            let Some(length) = event.write_to(&mut places[taken..]) else {
                break;
            };
            taken += length;
            finished += usize::from(event.kind != event::PROGRESS);
            undelivered.pop_front();
        }
        self.pending.remove(&env, finished);
        Ok(taken as u32)
    }

    /// The rate of a limiter has changed: transfers that wait for it are looked at again.
    #[napi]
    pub fn rate_changed(&self) {
        self.link.rate_changed();
    }

    /// Opens a file on a thread that may wait for the disk. An event reports the end. Returns the id of the open, or
    /// the negative errno.
    #[napi]
    pub fn open(&self, env: Env, path: &[u8]) -> f64 {
        self.opening(&env, self.link.open(path))
    }

    /// Duplicates a descriptor at once, as `adopt` does. A thread that may wait for the server of its filesystem reads
    /// its status, and an event reports the end. Returns the id, which `takeOpened` takes as that of `open`, or the
    /// negative errno.
    #[napi]
    pub fn inspect(&self, env: Env, fd: i32) -> f64 {
        self.opening(&env, self.link.inspect(fd))
    }

    fn opening(&self, env: &Env, id: std::result::Result<u64, i32>) -> f64 {
        match id {
            Ok(id) => {
                self.pending.add(env);
                id as f64
            }
            Err(errno) => -f64::from(errno),
        }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }
}

fn too_short() -> Error {
    Error::from_reason("an array is too short")
}
