//! Every number that crosses the border between Rust and JavaScript, and the place of every figure in an array that
//! crosses it. `npm run codes` writes `lib/native/codes.ts` from this file; the script reads constants and their
//! comments, nothing else.

#![expect(
    dead_code,
    reason = "JavaScript alone names some of them, and without host descriptors most never cross"
)]

/// The type of an event.
pub mod event {
    pub const PROGRESS: u8 = 0;
    pub const COMPLETED: u8 = 1;
    pub const OPENED: u8 = 2;
}

/// How a transfer ended.
pub mod end {
    pub const DONE: u8 = 0;
    pub const TRUNCATED: u8 = 1;
    pub const REFUSED: u8 = 2;
    pub const FAILED: u8 = 3;
    pub const ABORTED: u8 = 4;
    pub const STALLED: u8 = 5;
    /// Failed for want of what a transfer needs beside its range: a descriptor, a thread.
    pub const LACKING: u8 = 6;
}

/// The system calls that an errno may come from, as Node names them.
pub mod call {
    pub const SENDFILE: u8 = 0;
    pub const SPLICE: u8 = 1;
    pub const COPY_FILE_RANGE: u8 = 2;
    pub const READ: u8 = 3;
    pub const WRITE: u8 = 4;
    /// TCP_INFO, which reports what the peer has acknowledged.
    pub const GETSOCKOPT: u8 = 5;
    /// A descriptor of the transfer's own.
    pub const FCNTL: u8 = 6;
    pub const PIPE2: u8 = 7;
    /// On other systems kqueue(2), and kevent(2) for the three that follow.
    pub const EPOLL_CREATE: u8 = 8;
    pub const EVENTFD: u8 = 9;
    pub const EPOLL_CTL: u8 = 10;
    pub const EPOLL_WAIT: u8 = 11;
    pub const PTHREAD_CREATE: u8 = 12;
}

/// What moves the bytes.
pub mod method {
    pub const SENDFILE: u8 = 0;
    pub const SPLICE: u8 = 1;
    pub const COPY_FILE_RANGE: u8 = 2;
    pub const COPY: u8 = 3;
}

/// Which methods a transfer may use: the best ones, or this one only.
pub mod only {
    pub const AUTO: u8 = 0;
    pub const SENDFILE: u8 = 1;
    pub const SPLICE: u8 = 2;
    pub const COPY_FILE_RANGE: u8 = 3;
    pub const COPY: u8 = 4;
}

/// The same: this method first, then the best ones.
pub mod prefer {
    pub const SENDFILE: u8 = 5;
    pub const SPLICE: u8 = 6;
    pub const COPY_FILE_RANGE: u8 = 7;
    pub const COPY: u8 = 8;
}

/// What the number of a destination is.
pub mod target {
    /// The number of a TCP or unix socket in non-blocking mode, valid in this tick.
    pub const SOCKET: u8 = 0;
    /// The number of anything, valid in this tick.
    pub const DESCRIPTOR: u8 = 1;
    /// What `adoptDestination` has returned; it is taken, also where the start fails.
    pub const ADOPTED: u8 = 2;
}

/// What the planner asks the portable executor for. An answer is a step and `KINDS` times the figure that belongs to it.
pub mod step {
    /// The figure is one of `end`.
    pub const OVER: u8 = 0;
    /// Read the next chunk and hand it on. The figure is how long it may be, in bytes.
    pub const CHUNK: u8 = 1;
    /// Hand on the headers.
    pub const HEADERS: u8 = 2;
    /// Hand on the trailers.
    pub const TRAILERS: u8 = 3;
    /// Wait until the destination accepts bytes again. The figure is the longest wait in milliseconds; 0 for no limit.
    pub const WAIT: u8 = 4;
    pub const KINDS: u8 = 8;
}

/// What has happened since the planner was asked last.
pub mod happened {
    /// Nothing: the time has come, or this is the first question.
    pub const NOTHING: u8 = 0;
    /// The destination has taken bytes.
    pub const TAKEN: u8 = 1;
    /// The destination has accepted bytes, and will report when it accepts more.
    pub const BUSY: u8 = 2;
    /// The destination accepts bytes again.
    pub const READY: u8 = 3;
    /// The source has no byte more.
    pub const SOURCE_ENDED: u8 = 4;
    /// The caller gave up.
    pub const ABORTED: u8 = 5;
}

/// Whether a feature can be used, unless it is the negative errno of the answer that it cannot.
pub mod availability {
    pub const UNKNOWN: i32 = 0;
    pub const AVAILABLE: i32 = 1;
}

/// What fstat(2) says a descriptor is.
pub mod kind {
    pub const REGULAR: u8 = 0;
    pub const DIRECTORY: u8 = 1;
    pub const CHARACTER_DEVICE: u8 = 2;
    pub const BLOCK_DEVICE: u8 = 3;
    pub const FIFO: u8 = 4;
    pub const STREAM_SOCKET: u8 = 5;
    pub const DATAGRAM_SOCKET: u8 = 6;
    pub const OTHER: u8 = 7;
    /// A character device that is a terminal.
    pub const TERMINAL: u8 = 8;
}

/// Where a file is.
pub mod filesystem_kind {
    pub const ORDINARY: u8 = 0;
    /// On the network, or in a process (FUSE).
    pub const REMOTE: u8 = 1;
    /// Made up by the kernel: /proc, /sys.
    pub const PSEUDO: u8 = 2;
}

/// The indices of a descriptor's status. Figures are inexact above 2^53, as in `fs.Stats`.
pub mod status {
    /// One of `kind`.
    pub const KIND: usize = 0;
    /// In bytes: the sum of both, as one double is exact up to 2^53 only.
    pub const SIZE: usize = 1;
    pub const SIZE_REST: usize = 2;
    pub const DEVICE: usize = 3;
    pub const INODE: usize = 4;
    /// Of a source: one of `filesystem_kind`.
    pub const FILESYSTEM: usize = 5;
    /// Of a duplicated source: the file position in bytes, below 0 where there is none.
    pub const POSITION: usize = 6;
    /// Of a destination: 1 if it can be written to.
    pub const WRITABLE: usize = 7;
    /// Of a destination: 1 if every write goes to the end of the file (O_APPEND).
    pub const APPENDS: usize = 8;
    pub const LENGTH: usize = 9;
}

/// The indices of a command for `start`. A byte figure is the sum of two: one double is exact up to 2^53 only.
pub mod command {
    /// What `DESTINATION` is: one of `target`.
    pub const TARGET: usize = 0;
    pub const DESTINATION: usize = 1;
    /// The number of a file that the addon holds open.
    pub const SOURCE: usize = 2;
    /// In bytes, like all that follow unless they say otherwise.
    pub const OFFSET: usize = 3;
    pub const OFFSET_REST: usize = 4;
    /// Below 0: until the source ends.
    pub const COUNT: usize = 5;
    pub const COUNT_REST: usize = 6;
    pub const QUANTUM: usize = 7;
    /// One of `only` or `prefer`.
    pub const METHODS: usize = 8;
    /// 1: the source is read from its own position, which moves.
    pub const OWN_POSITION: usize = 9;
    /// The longest time between two progress events while bytes move, in milliseconds; 0 for none.
    pub const PROGRESS_INTERVAL: usize = 10;
    /// A second; 0 for no limit.
    pub const RATE: usize = 11;
    pub const BURST: usize = 12;
    /// In milliseconds; 0 for no limit.
    pub const STALL_TIMEOUT: usize = 13;
    /// 1: the transfer is over only when the peer has acknowledged everything.
    pub const ACKNOWLEDGED: usize = 14;
    /// The id of a limiter that the transfer shares, instead of a rate of its own; 0 for none.
    pub const LIMITER: usize = 15;
    /// The least that the destination has to take, a second; 0 for no limit.
    pub const MIN_RATE: usize = 16;
    /// The period of the average, in milliseconds.
    pub const MIN_RATE_WINDOW: usize = 17;
    pub const LENGTH: usize = 18;
}

/// The indices of an event. Making an object costs more than moving 4 KiB. The fallbacks of the event follow.
pub mod report {
    pub const ID: usize = 0;
    /// One of `event`.
    pub const KIND: usize = 1;
    pub const BYTES_SENT: usize = 2;
    /// One of `end`.
    pub const END: usize = 3;
    /// The errno behind `end`, or that of open(2): positive; 0 for none.
    pub const ERRNO: usize = 4;
    /// One of `method`.
    pub const METHOD: usize = 5;
    /// The system call that gave `ERRNO`: one of `call`.
    pub const CALL: usize = 6;
    pub const SYSCALLS: usize = 7;
    pub const WOULD_BLOCK: usize = 8;
    /// How many fallbacks follow.
    pub const FALLBACKS: usize = 9;
    pub const LENGTH: usize = 10;
    /// The greatest length of an event with its fallbacks: there are four methods.
    pub const ROOM: usize = 19;
}

/// The indices of one step down the ladder of methods.
pub mod fallback {
    /// One of `method`, as `TO`.
    pub const FROM: usize = 0;
    pub const TO: usize = 1;
    pub const ERRNO: usize = 2;
    pub const LENGTH: usize = 3;
}
