//! Plain objects that cross to JavaScript. Enums cross as the numbers of `lib/binding.ts`.

use napi_derive::napi;
use sendfile64_core::{End, Errno, Method, Transfer};

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
    /// 0 progress, 1 completed, 2 opened.
    pub kind: u8,
    pub bytes_sent: f64,
    /// 0 done, 1 truncated, 2 refused, 3 failed, 4 aborted, 5 stalled.
    pub end: u8,
    /// The kernel's answer behind `end` (or of open(2)), 0 if there is none.
    pub errno: i32,
    /// 0 sendfile, 1 splice, 2 copy_file_range, 3 copy.
    pub method: u8,
    /// The system call that gave `errno`: 0 sendfile, 1 splice, 2 copy_file_range, 3 read, 4 write, 5 getsockopt.
    pub call: u8,
    pub syscalls: f64,
    pub would_block: f64,
    pub fallbacks: Vec<FallbackRecord>,
}

impl EventRecord {
    pub const PROGRESS: u8 = 0;
    pub const COMPLETED: u8 = 1;
    pub const OPENED: u8 = 2;

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
            kind: Self::COMPLETED,
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
    /// The figures without names: making an object costs more than moving 4 KiB.
    pub fn write_to(&self, report: &mut [f64]) {
        let (end, errno, method, call) = (
            self.end.into(),
            self.errno.into(),
            self.method.into(),
            self.call.into(),
        );
        let figures = [
            self.bytes_sent,
            end,
            errno,
            method,
            call,
            self.syscalls,
            self.would_block,
        ];
        for (place, figure) in report.iter_mut().zip(figures) {
            *place = figure;
        }
    }
}

/// The end of a transfer as a number, with the errno behind it.
pub fn end_code(end: End) -> (u8, i32) {
    match end {
        End::Done => (0, 0),
        End::Truncated => (1, 0),
        End::Refused(Errno(errno)) => (2, errno),
        End::Failed(Errno(errno)) => (3, errno),
        End::Aborted => (4, 0),
        End::Stalled => (5, 0),
    }
}

/// A method as a number.
pub fn method_code(method: Method) -> u8 {
    match method {
        Method::Sendfile => 0,
        Method::Splice => 1,
        Method::CopyFileRange => 2,
        Method::Copy => 3,
    }
}
