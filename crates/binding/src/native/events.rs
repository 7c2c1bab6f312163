//! Ends of transfers, as records for JavaScript.

use sendfile64_core::{End, Transfer};
use sendfile64_engine::{Call, Completion, TransferId};

use crate::codes::{call, end, event};
use crate::marshal::records::EventRecord;

pub(super) fn completed(completion: &Completion) -> EventRecord {
    let TransferId(id) = completion.id;
    let Completion {
        ref transfer,
        end,
        syscalls,
        call,
        ..
    } = *completion;
    ended(id, transfer, end, syscalls, call)
}

/// The record of a transfer that is over, with `call` as its last one.
pub(super) fn ended(
    id: u64,
    transfer: &Transfer,
    end: End,
    syscalls: u64,
    call: Call,
) -> EventRecord {
    let record = EventRecord::completed(id, transfer, end, syscalls, call_code(call));
    if matches!(end, End::Failed(_)) && call.provides() {
        return EventRecord {
            end: end::LACKING,
            ..record
        };
    }
    record
}

/// The record of a transfer that has not begun, because of what `call` has answered.
pub(super) fn not_started(errno: i32, call: Call) -> EventRecord {
    let end = if call.provides() {
        end::LACKING
    } else {
        end::FAILED
    };
    EventRecord {
        end,
        errno,
        call: call_code(call),
        ..EventRecord::bare(0, event::COMPLETED)
    }
}

fn call_code(call: Call) -> u8 {
    match call {
        Call::Sendfile => call::SENDFILE,
        Call::Splice => call::SPLICE,
        Call::CopyFileRange => call::COPY_FILE_RANGE,
        Call::Read => call::READ,
        Call::Write => call::WRITE,
        Call::GetTcpInfo => call::GETSOCKOPT,
        Call::Duplicate => call::FCNTL,
        Call::Pipe => call::PIPE2,
        Call::CreatePoller => call::EPOLL_CREATE,
        Call::CreateWaker => call::EVENTFD,
        Call::Watch => call::EPOLL_CTL,
        Call::Poll => call::EPOLL_WAIT,
        Call::CreateThread => call::PTHREAD_CREATE,
    }
}
