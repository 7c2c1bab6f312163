//! Plain objects and arrays of figures that cross to JavaScript. Enums cross as the numbers of [`codes`].

use napi_derive::napi;
use sendfile64_core::{End, Errno, Method, Transfer};

use crate::codes::{self, end, event, method, report};

/// What is said of a descriptor, by the places of [`codes::status`].
pub type Status = [f64; codes::status::LENGTH];

/// One step down the ladder of methods.
#[napi(object, object_from_js = false)]
pub struct FallbackRecord {
    pub from: u8,
    pub to: u8,
    pub errno: i32,
}

/// Something that happened in the engine, or the end of a transfer that needed no engine.
#[napi(object, object_from_js = false)]
pub struct EventRecord {
    pub id: f64,
    /// One of `EVENT`.
    pub kind: u8,
    pub bytes_sent: f64,
    /// One of `END`.
    pub end: u8,
    /// The kernel's answer behind `end` (or of open(2)), 0 if there is none.
    pub errno: i32,
    /// One of `METHOD`.
    pub method: u8,
    /// The system call that gave `errno`: one of `CALL`.
    pub call: u8,
    pub syscalls: f64,
    pub would_block: f64,
    pub fallbacks: Vec<FallbackRecord>,
}

impl EventRecord {
    pub fn bare(id: u64, kind: u8) -> Self {
        let fallbacks = Vec::new();
        let id = id as f64;
        Self {
            id,
            kind,
            bytes_sent: 0.0,
            end: 0,
            errno: 0,
            method: 0,
            call: 0,
            syscalls: 0.0,
            would_block: 0.0,
            fallbacks,
        }
    }

    pub fn completed(id: u64, transfer: &Transfer, end: End, syscalls: u64, call: u8) -> Self {
        let (end, errno) = end_code(end);
        let fallbacks = transfer.ladder().fallbacks().map(|step| FallbackRecord {
            from: method_code(step.from),
            to: method_code(step.to),
            errno: step.errno.0,
        });
        Self {
            id: id as f64,
            kind: event::COMPLETED,
            bytes_sent: transfer.bytes_sent() as f64,
            end,
            errno,
            method: method_code(transfer.method()),
            call,
            syscalls: syscalls as f64,
            would_block: transfer.would_block() as f64,
            fallbacks: fallbacks.collect(),
        }
    }
}

impl EventRecord {
    /// The figures by the places of [`report`].
    pub fn write_to(&self, places: &mut [f64; report::LENGTH]) {
        places[report::BYTES_SENT] = self.bytes_sent;
        places[report::END] = self.end.into();
        places[report::ERRNO] = self.errno.into();
        places[report::METHOD] = self.method.into();
        places[report::CALL] = self.call.into();
        places[report::SYSCALLS] = self.syscalls;
        places[report::WOULD_BLOCK] = self.would_block;
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
