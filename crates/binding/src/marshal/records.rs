//! Arrays of figures that cross to JavaScript. Enums cross as the numbers of [`codes`].

use sendfile64_core::{End, Errno, Method, Transfer};

use crate::codes::{self, end, event, fallback, method, report};

/// The status of a descriptor, by the indices of [`codes::status`].
pub type Status = [f64; codes::status::LENGTH];

/// Something that happened in the engine, or the end of a transfer that needed no engine.
pub struct EventRecord {
    pub id: u64,
    /// One of `event`.
    pub kind: u8,
    pub bytes_sent: u64,
    /// One of `end`.
    pub end: u8,
    pub errno: i32,
    /// One of `method`.
    pub method: u8,
    /// One of `call`.
    pub call: u8,
    pub syscalls: u64,
    pub would_block: u64,
    pub fallbacks: Vec<[f64; fallback::LENGTH]>,
}

const _: () = assert!(report::ROOM == report::LENGTH + 3 * fallback::LENGTH);

impl EventRecord {
    pub fn bare(id: u64, kind: u8) -> Self {
        Self {
            id,
            kind,
            bytes_sent: 0,
            end: 0,
            errno: 0,
            method: 0,
            call: 0,
            syscalls: 0,
            would_block: 0,
            fallbacks: Vec::new(),
        }
    }

    pub fn completed(id: u64, transfer: &Transfer, end: End, syscalls: u64, call: u8) -> Self {
        let (end, errno) = end_code(end);
        let fallbacks = transfer.ladder().fallbacks().map(|step| {
            let mut places = [0.0; fallback::LENGTH];
            places[fallback::FROM] = method_code(step.from).into();
            places[fallback::TO] = method_code(step.to).into();
            places[fallback::ERRNO] = step.errno.0.into();
            places
        });
        Self {
            id,
            kind: event::COMPLETED,
            bytes_sent: transfer.bytes_sent(),
            end,
            errno,
            method: method_code(transfer.method()),
            call,
            syscalls,
            would_block: transfer.would_block(),
            fallbacks: fallbacks.collect(),
        }
    }

    /// Writes the figures by the indices of [`report`]. Returns the length; `None` if the slice is too short.
    pub fn write_to(&self, places: &mut [f64]) -> Option<usize> {
        let length = report::LENGTH + self.fallbacks.len() * fallback::LENGTH;
        let (figures, steps) = places.get_mut(..length)?.split_at_mut(report::LENGTH);
        figures[report::ID] = self.id as f64;
        figures[report::KIND] = self.kind.into();
        figures[report::BYTES_SENT] = self.bytes_sent as f64;
        figures[report::END] = self.end.into();
        figures[report::ERRNO] = self.errno.into();
        figures[report::METHOD] = self.method.into();
        figures[report::CALL] = self.call.into();
        figures[report::SYSCALLS] = self.syscalls as f64;
        figures[report::WOULD_BLOCK] = self.would_block as f64;
        figures[report::FALLBACKS] = self.fallbacks.len() as f64;
        for (places, step) in steps
            .chunks_exact_mut(fallback::LENGTH)
            .zip(&self.fallbacks)
        {
            places.copy_from_slice(step);
        }
        Some(length)
    }
}

/// The end of a transfer as a number, with the errno behind it.
pub fn end_code(end: End) -> (u8, i32) {
    match end {
        End::Done => (end::DONE, 0),
        End::Truncated => (end::TRUNCATED, 0),
        End::Refused(Errno(errno)) => (end::REFUSED, errno),
        End::Failed(Errno(errno)) => (end::FAILED, errno),
        End::Aborted => (end::ABORTED, 0),
        End::Stalled => (end::STALLED, 0),
    }
}

/// A method as a number.
pub fn method_code(method: Method) -> u8 {
    match method {
        Method::Sendfile => method::SENDFILE,
        Method::Splice => method::SPLICE,
        Method::CopyFileRange => method::COPY_FILE_RANGE,
        Method::Copy => method::COPY,
    }
}
