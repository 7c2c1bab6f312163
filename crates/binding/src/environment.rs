//! One JavaScript environment (the main thread or a worker): starts transfers and hears of them in batches.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use napi::bindgen_prelude::{Either, Env, Error, Float64ArraySlice, Function, Result, Status};
use napi::threadsafe_function::{
    ThreadsafeCallContext, ThreadsafeFunction, ThreadsafeFunctionCallMode,
};
use napi_derive::napi;

use crate::codes::event;
use crate::command::{Start, Started};
use crate::exclusive::floats;
use crate::executor::Link;
use crate::records::EventRecord;

/// Wakes JavaScript with everything that has happened. Weak: by itself it does not keep the process alive.
type Wake = ThreadsafeFunction<(), (), Vec<EventRecord>, Status, false, true>;

/// How many transfers and opens JavaScript waits for. While there is one, the environment stays alive.
struct Pending {
    count: Cell<usize>,
    wake: OnceLock<Arc<Wake>>,
}

impl Pending {
    fn add(&self, env: &Env) {
        self.count.set(self.count.get() + 1);
        if self.count.get() == 1
            && let Some(wake) = self.wake.get()
        {
            // SAFETY: called on the environment's own thread, while it lives, with the function it has created. A
            // failure could only mean that the environment is ending.
            let _ = unsafe { napi::sys::napi_ref_threadsafe_function(env.raw(), wake.raw()) };
        }
    }

    fn remove(&self, env: &Env, finished: usize) {
        if finished == 0 {
            return;
        }
        self.count.set(self.count.get().saturating_sub(finished));
        if self.count.get() == 0
            && let Some(wake) = self.wake.get()
        {
            // SAFETY: as in `add`.
            let _ = unsafe { napi::sys::napi_unref_threadsafe_function(env.raw(), wake.raw()) };
        }
    }
}

/// The connection between one environment and the engine.
#[napi]
pub struct Environment {
    link: Arc<Link>,
    pending: Rc<Pending>,
}

#[napi]
impl Environment {
    /// `onEvents` gets everything of one turn of the event loop in one call.
    #[napi(constructor)]
    pub fn new(env: Env, on_events: Function<'_, Vec<EventRecord>, ()>) -> Result<Self> {
        let slot: Arc<OnceLock<Arc<Wake>>> = Arc::new(OnceLock::new());
        let sender = Arc::clone(&slot);
        let link = Arc::new(Link::new(move || {
            if let Some(wake) = sender.get() {
                wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
        }));
        let pending = Rc::new(Pending {
            count: Cell::new(0),
            wake: OnceLock::new(),
        });
        let wake = Arc::new(build_wake(
            &on_events,
            Arc::clone(&link),
            Rc::clone(&pending),
        )?);
        let _ = slot.set(Arc::clone(&wake));
        let _ = pending.wake.set(wake);
        // Hooks run last in, first out: after the function above was made, so before Node takes it down.
        env.add_env_cleanup_hook(Arc::clone(&link), |link| link.close())?;
        link.connect();
        Ok(Self { link, pending })
    }

    /// Starts a transfer that `command` describes by the places of `COMMAND`. Both numbers are duplicated at once.
    /// Returns its id; or, where it needed no waiting or could not begin, 0 with the figures of the event in `report`, by the
    /// places of `REPORT`. The event itself if there are fallbacks.
    #[napi]
    pub fn start(
        &self,
        env: Env,
        command: Float64ArraySlice<'_>,
        headers: Option<&[u8]>,
        trailers: Option<&[u8]>,
        mut report: Float64ArraySlice<'_>,
    ) -> Result<Either<f64, EventRecord>> {
        let bytes = |part: Option<&[u8]>| part.map(<[u8]>::to_vec).unwrap_or_default();
        let fields = command.first_chunk().ok_or_else(too_short)?;
        let start = Start::of(fields, bytes(headers), bytes(trailers));
        let report = floats(&mut report)?;
        let report = report.first_chunk_mut().ok_or_else(too_short)?;
        Ok(match self.link.start(start) {
            Started::Finished(event) if event.fallbacks.is_empty() => {
                event.write_to(report);
                Either::A(0.0)
            }
            Started::Finished(event) => Either::B(event),
            Started::Queued(id) => {
                self.pending.add(&env);
                Either::A(id as f64)
            }
        })
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

    /// What has happened and not been told yet: who hears next of something that came after it, hears of it first.
    #[napi]
    pub fn take_events(&self, env: Env) -> Vec<EventRecord> {
        take_events(&env, &self.link, &self.pending)
    }

    /// The rate of a limiter has changed: transfers that wait for it are looked at again.
    #[napi]
    pub fn rate_changed(&self) {
        self.link.rate_changed();
    }

    /// Opens a file on a thread that may wait for the disk; an event tells when. Returns its id, or the negative errno.
    #[napi]
    pub fn open(&self, env: Env, path: &[u8]) -> f64 {
        self.opening(&env, self.link.open(path))
    }

    /// Duplicates a descriptor at once, as `adopt`, and has a thread that may wait for the server of its filesystem ask
    /// what it is; an event tells when. Returns its id, to be taken as what `open` has opened, or the negative errno.
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

fn build_wake(
    on_events: &Function<'_, Vec<EventRecord>, ()>,
    link: Arc<Link>,
    pending: Rc<Pending>,
) -> Result<Wake> {
    on_events
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .build_callback(move |context: ThreadsafeCallContext<()>| {
            Ok(take_events(&context.env, &link, &pending))
        })
}

fn take_events(env: &Env, link: &Link, pending: &Pending) -> Vec<EventRecord> {
    let events = link.drain();
    let finished = events
        .iter()
        .filter(|event| event.kind != event::PROGRESS)
        .count();
    pending.remove(env, finished);
    events
}
