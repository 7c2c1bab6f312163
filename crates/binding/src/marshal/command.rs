//! What JavaScript asks of `Environment::start`, and what it gets at once.

#![cfg_attr(
    target_family = "wasm",
    expect(
        dead_code,
        reason = "no transfer begins there, so what describes one is never read"
    )
)]

use sendfile64_core::{Ladder, LeastRate, Rate, Request};

use crate::codes::{command, target};
use crate::exports::limiter::{self, Share};
use crate::marshal::number::nanoseconds;
use crate::marshal::records::EventRecord;

/// A transfer that is to start.
pub struct Start {
    pub target: Target,
    /// A number that `open_cached` or its like has returned.
    pub file: i32,
    /// Everything but the ladder.
    pub request: Request,
    /// One of `only` or `prefer`.
    pub methods: u8,
    pub headers: Vec<u8>,
    pub trailers: Vec<u8>,
    pub own_position: bool,
    /// In milliseconds.
    pub progress_interval: u32,
    /// The rate that it shares.
    pub limiter: Option<Share>,
    pub least_rate: Option<LeastRate>,
}

/// Where the bytes go.
#[derive(Clone, Copy)]
pub enum Target {
    /// The number of a TCP or unix socket in non-blocking mode, valid in this tick.
    Socket(i32),
    /// The number of anything, valid in this tick.
    Descriptor(i32),
    /// What `adopt_destination` has returned; it is taken, also where the start fails.
    Adopted(i32),
}

/// A transfer has begun: finished at once, or on its way under this id.
pub enum Started {
    Finished(EventRecord),
    Queued(u64),
}

impl Start {
    /// `fields` has the indices of [`command`]; JavaScript has validated the values.
    pub fn of(fields: &[f64; command::LENGTH], headers: Vec<u8>, trailers: Vec<u8>) -> Self {
        let destination = fields[command::DESTINATION] as i32;
        let unbounded = fields[command::COUNT] < 0.0;
        let count =
            (!unbounded).then(|| bytes(fields[command::COUNT], fields[command::COUNT_REST]));
        let start = bytes(fields[command::OFFSET], fields[command::OFFSET_REST]);
        let request = Request {
            quantum: fields[command::QUANTUM] as u64,
            headers: headers.len() as u64,
            trailers: trailers.len() as u64,
            rate: rate(fields[command::RATE], fields[command::BURST]),
            stall_timeout: stall_timeout(fields[command::STALL_TIMEOUT]),
            acknowledged: fields[command::ACKNOWLEDGED] != 0.0,
            ..Request::new(start, count, Ladder::of(&[]))
        };
        Self {
            target: match fields[command::TARGET] as u8 {
                target::SOCKET => Target::Socket(destination),
                target::DESCRIPTOR => Target::Descriptor(destination),
                _ => Target::Adopted(destination),
            },
            file: fields[command::SOURCE] as i32,
            request,
            methods: fields[command::METHODS] as u8,
            headers,
            trailers,
            own_position: fields[command::OWN_POSITION] != 0.0,
            progress_interval: fields[command::PROGRESS_INTERVAL] as u32,
            limiter: limiter::share_of(fields[command::LIMITER]),
            least_rate: least_rate(fields[command::MIN_RATE], fields[command::MIN_RATE_WINDOW]),
        }
    }
}

/// A byte figure in two fields.
fn bytes(most: f64, rest: f64) -> u64 {
    (most as u64).saturating_add(rest as u64)
}

/// Bytes per second and at first; 0 per second for no limit.
pub fn rate(per_second: f64, burst: f64) -> Option<Rate> {
    (per_second > 0.0).then_some(Rate {
        per_second: per_second as u64,
        burst: burst as u64,
    })
}

/// Bytes per second over a window in milliseconds; 0 per second for no limit.
pub fn least_rate(per_second: f64, window: f64) -> Option<LeastRate> {
    (per_second > 0.0).then(|| LeastRate::new(per_second as u64, nanoseconds(window)))
}

/// Milliseconds from JavaScript; 0 for no limit.
pub fn stall_timeout(milliseconds: f64) -> Option<u64> {
    (milliseconds > 0.0).then(|| nanoseconds(milliseconds))
}
