/** Every number that crosses between Rust and JavaScript. Written by `npm run codes` from crates/binding/src/codes.rs. */

/** The type of an event. */
export const EVENT = {
  progress: 0,
  completed: 1,
  opened: 2,
} as const

/** How a transfer ended. */
export const END = {
  done: 0,
  truncated: 1,
  refused: 2,
  failed: 3,
  aborted: 4,
  stalled: 5,
  /** Failed for want of what a transfer needs beside its range: a descriptor, a thread. */
  lacking: 6,
} as const

/** The system calls that an errno may come from, as Node names them. */
export const CALL = {
  sendfile: 0,
  splice: 1,
  copy_file_range: 2,
  read: 3,
  write: 4,
  /** TCP_INFO, which reports what the peer has acknowledged. */
  getsockopt: 5,
  /** A descriptor of the transfer's own. */
  fcntl: 6,
  pipe2: 7,
  /** On other systems kqueue(2), and kevent(2) for the three that follow. */
  epoll_create: 8,
  eventfd: 9,
  epoll_ctl: 10,
  epoll_wait: 11,
  pthread_create: 12,
} as const
/** The names of {@link CALL}, each at its number. */
export const CALLS = [
  'sendfile',
  'splice',
  'copy_file_range',
  'read',
  'write',
  'getsockopt',
  'fcntl',
  'pipe2',
  'epoll_create',
  'eventfd',
  'epoll_ctl',
  'epoll_wait',
  'pthread_create',
] as const

/** What moves the bytes. */
export const METHOD = {
  sendfile: 0,
  splice: 1,
  copy_file_range: 2,
  copy: 3,
} as const
/** The names of {@link METHOD}, each at its number. */
export const METHODS = ['sendfile', 'splice', 'copy_file_range', 'copy'] as const

/** Which methods a transfer may use: the best ones, or this one only. */
export const ONLY = {
  auto: 0,
  sendfile: 1,
  splice: 2,
  copy_file_range: 3,
  copy: 4,
} as const

/** The same: this method first, then the best ones. */
export const PREFER = {
  sendfile: 5,
  splice: 6,
  copy_file_range: 7,
  copy: 8,
} as const

/** What the number of a destination is. */
export const TARGET = {
  /** The number of a TCP or unix socket in non-blocking mode, valid in this tick. */
  socket: 0,
  /** The number of anything, valid in this tick. */
  descriptor: 1,
  /** What `adoptDestination` has returned; it is taken, also where the start fails. */
  adopted: 2,
} as const

/** What the planner asks the portable executor for. An answer is a step and `kinds` times the figure that belongs to it. */
export const STEP = {
  /** The figure is one of {@link END}. */
  over: 0,
  /** Read the next chunk and hand it on. The figure is how long it may be, in bytes. */
  chunk: 1,
  /** Hand on the headers. */
  headers: 2,
  /** Hand on the trailers. */
  trailers: 3,
  /** Wait until the destination accepts bytes again. The figure is the longest wait in milliseconds; 0 for no limit. */
  wait: 4,
  kinds: 8,
} as const

/** What has happened since the planner was asked last. */
export const HAPPENED = {
  /** Nothing: the time has come, or this is the first question. */
  nothing: 0,
  /** The destination has taken bytes. */
  taken: 1,
  /** The destination has accepted bytes, and will report when it accepts more. */
  busy: 2,
  /** The destination accepts bytes again. */
  ready: 3,
  /** The source has no byte more. */
  sourceEnded: 4,
  /** The caller gave up. */
  aborted: 5,
} as const

/** Whether a feature can be used, unless it is the negative errno of the answer that it cannot. */
export const AVAILABILITY = {
  unknown: 0,
  available: 1,
} as const

/** What fstat(2) says a descriptor is. */
export const KIND = {
  regular: 0,
  directory: 1,
  characterDevice: 2,
  blockDevice: 3,
  fifo: 4,
  streamSocket: 5,
  datagramSocket: 6,
  other: 7,
  /** A character device that is a terminal. */
  terminal: 8,
} as const

/** Where a file is. */
export const FILESYSTEM_KIND = {
  ordinary: 0,
  /** On the network, or in a process (FUSE). */
  remote: 1,
  /** Made up by the kernel: /proc, /sys. */
  pseudo: 2,
} as const

/** The indices of a descriptor's status. Figures are inexact above 2^53, as in `fs.Stats`. */
export const STATUS = {
  /** One of {@link KIND}. */
  kind: 0,
  /** In bytes: the sum of both, as one double is exact up to 2^53 only. */
  size: 1,
  sizeRest: 2,
  device: 3,
  inode: 4,
  /** Of a source: one of {@link FILESYSTEM_KIND}. */
  filesystem: 5,
  /** Of a duplicated source: the file position in bytes, below 0 where there is none. */
  position: 6,
  /** Of a destination: 1 if it can be written to. */
  writable: 7,
  /** Of a destination: 1 if every write goes to the end of the file (O_APPEND). */
  appends: 8,
  length: 9,
} as const

/** The indices of a command for `start`. A byte figure is the sum of two: one double is exact up to 2^53 only. */
export const COMMAND = {
  /** What `destination` is: one of {@link TARGET}. */
  target: 0,
  destination: 1,
  /** The number of a file that the addon holds open. */
  source: 2,
  /** In bytes, like all that follow unless they say otherwise. */
  offset: 3,
  offsetRest: 4,
  /** Below 0: until the source ends. */
  count: 5,
  countRest: 6,
  quantum: 7,
  /** One of {@link ONLY} or {@link PREFER}. */
  methods: 8,
  /** 1: the source is read from its own position, which moves. */
  ownPosition: 9,
  /** The longest time between two progress events while bytes move, in milliseconds; 0 for none. */
  progressInterval: 10,
  /** A second; 0 for no limit. */
  rate: 11,
  burst: 12,
  /** In milliseconds; 0 for no limit. */
  stallTimeout: 13,
  /** 1: the transfer is over only when the peer has acknowledged everything. */
  acknowledged: 14,
  /** The id of a limiter that the transfer shares, instead of a rate of its own; 0 for none. */
  limiter: 15,
  /** The least that the destination has to take, a second; 0 for no limit. */
  minRate: 16,
  /** The period of the average, in milliseconds. */
  minRateWindow: 17,
  length: 18,
} as const

/** The indices of an event. Making an object costs more than moving 4 KiB. The fallbacks of the event follow. */
export const REPORT = {
  id: 0,
  /** One of {@link EVENT}. */
  kind: 1,
  bytesSent: 2,
  /** One of {@link END}. */
  end: 3,
  /** The errno behind {@link END}, or that of open(2): positive; 0 for none. */
  errno: 4,
  /** One of {@link METHOD}. */
  method: 5,
  /** The system call that gave `errno`: one of {@link CALL}. */
  call: 6,
  syscalls: 7,
  wouldBlock: 8,
  /** How many fallbacks follow. */
  fallbacks: 9,
  length: 10,
  /** The greatest length of an event with its fallbacks: there are four methods. */
  room: 19,
} as const

/** The indices of one step down the ladder of methods. */
export const FALLBACK = {
  /** One of {@link METHOD}, as `to`. */
  from: 0,
  to: 1,
  errno: 2,
  length: 3,
} as const
