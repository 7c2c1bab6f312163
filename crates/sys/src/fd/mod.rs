//! Descriptors: what they are, whose they are, and where they stand.

mod outstanding;
pub mod pipe;
mod reopen;

use std::io::IsTerminal;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno as NixErrno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::socket::{Shutdown, SockType, getsockopt, shutdown, sockopt};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Whence, lseek};
pub use outstanding::outstanding;
pub use reopen::reopen_for_writing;
use sendfile64_core::Errno;

use crate::errno::number;
use crate::fs::Filesystem;
use crate::platform;

/// The type of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A terminal: a character device of which isatty(3) says so. The master of a pseudoterminal is one too, and one
    /// that hung up is not.
    Terminal,
    /// Any other character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A pipe or a FIFO.
    Fifo,
    /// A socket of type SOCK_STREAM.
    StreamSocket,
    /// A socket of any other type: one call may be one message.
    DatagramSocket,
    /// None of these: eventfd, epoll and their like.
    Other,
}

/// What fstat(2) says of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The type.
    pub kind: FileType,
    /// Size in bytes; 0 for what has none (devices, pipes, files of /proc).
    pub size: u64,
    /// The device that holds the file; with `inode` it names the file.
    pub device: u64,
    /// The file's number on its device.
    pub inode: u64,
    /// Where a regular file is; `Ordinary` for everything else.
    pub filesystem: Filesystem,
}

/// A regular file of an ordinary filesystem that has been met before, by the figures of [`Status`]. It stays one: a file
/// does not change its filesystem while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// The device that holds the file.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// What a descriptor may be used for: fcntl(2) F_GETFL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// O_RDONLY or O_RDWR.
    pub readable: bool,
    /// O_WRONLY or O_RDWR.
    pub writable: bool,
    /// O_APPEND: every write(2) goes to the end of the file.
    pub append: bool,
    /// O_NONBLOCK, which every duplicate of the descriptor shares, in all processes.
    pub nonblocking: bool,
}

/// fstat(2), plus what tells its kinds apart: SO_TYPE for sockets (socket(7)), isatty(3) for character devices, fstatfs(2)
/// for regular files. Of a file on a remote filesystem, both wait for its server.
///
/// # Errors
/// EBADF, EOVERFLOW: see the page.
pub fn status(fd: BorrowedFd<'_>) -> Result<Status, Errno> {
    let stat = fstat(fd).map_err(number)?;
    let kind = kind_of(fd, SFlag::from_bits_truncate(stat.st_mode))?;
    let filesystem = match kind {
        FileType::Regular => platform::filesystem::of(fd),
        _ => Filesystem::Ordinary,
    };
    Ok(Status {
        kind,
        filesystem,
        size: unsigned(stat.st_size),
        device: unsigned(stat.st_dev),
        inode: unsigned(stat.st_ino),
    })
}

/// [`status`] if it can be determined without waiting: of anything but a regular file, and of a file on a filesystem
/// that is known to be local. A descriptor of open(2) with O_PATH is enough. `known`: such a file, from an earlier
/// call.
///
/// # Errors
/// EAGAIN for any other file: ask [`status`] on a thread that may wait. EBADF.
pub fn status_at_once(fd: BorrowedFd<'_>, known: Option<KnownFile>) -> Result<Status, Errno> {
    platform::status::status_at_once(fd, known)
}

/// The type of a descriptor, and the identity of its file, without waiting. `size` is 0, and `filesystem` has no
/// meaning.
///
/// # Errors
/// EBADF.
pub fn identify(fd: BorrowedFd<'_>) -> Result<Status, Errno> {
    platform::status::identify(fd)
}

/// Whether the descriptor is on a filesystem that is known to be local. Never waits. A descriptor of open(2) with
/// O_PATH is enough.
pub(crate) fn is_local(fd: BorrowedFd<'_>) -> bool {
    platform::status::is_local(fd)
}

/// What is to be known of a file before it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseInfo {
    /// The size in bytes, if no server has to be asked for it.
    pub size: Option<u64>,
    /// Whether close(2) may wait: a remote filesystem is informed of every close, and the last close of a file without
    /// a name frees its blocks (unlink(2)).
    pub may_wait: bool,
}

/// Inspects a file before it is closed. Never waits.
pub fn close_info(fd: BorrowedFd<'_>) -> CloseInfo {
    platform::status::close_info(fd)
}

pub(crate) fn kind_of(fd: BorrowedFd<'_>, mode: SFlag) -> Result<FileType, Errno> {
    Ok(match mode & SFlag::S_IFMT {
        SFlag::S_IFREG => FileType::Regular,
        SFlag::S_IFDIR => FileType::Directory,
        SFlag::S_IFCHR if fd.is_terminal() => FileType::Terminal,
        SFlag::S_IFCHR => FileType::CharacterDevice,
        SFlag::S_IFBLK => FileType::BlockDevice,
        SFlag::S_IFIFO => FileType::Fifo,
        SFlag::S_IFSOCK => socket_kind(fd)?,
        _ => FileType::Other,
    })
}

/// The access mode and the status flags of open(2). A descriptor made with O_PATH is neither readable nor writable.
///
/// # Errors
/// None that a descriptor of ours can have.
pub fn flags(fd: BorrowedFd<'_>) -> Result<Flags, Errno> {
    let bits = fcntl(fd, FcntlArg::F_GETFL).map_err(number)?;
    let flags = OFlag::from_bits_retain(bits);
    let mode = flags & OFlag::O_ACCMODE;
    let usable = !flags.intersects(platform::flags::PATH_ONLY);
    Ok(Flags {
        readable: usable && (mode == OFlag::O_RDONLY || mode == OFlag::O_RDWR),
        writable: usable && (mode == OFlag::O_WRONLY || mode == OFlag::O_RDWR),
        append: flags.contains(OFlag::O_APPEND),
        nonblocking: flags.contains(OFlag::O_NONBLOCK),
    })
}

/// fcntl(2) F_DUPFD_CLOEXEC of a number that belongs to another owner. The copy is ours, and shares file position and
/// status flags (O_NONBLOCK among them) with the original.
///
/// # Errors
/// EBADF for a number that is not open; EMFILE.
#[expect(
    unsafe_code,
    reason = "a number of another owner may be closed, which BorrowedFd cannot express"
)]
pub fn duplicate(fd: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: F_DUPFD_CLOEXEC accesses no memory of this process, for any `fd`.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    let copy = NixErrno::result(copy).map_err(number)?;
    // SAFETY: the kernel has just created `copy` for this call, so no other code owns it.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(copy) })
}

/// The file position: lseek(2) with SEEK_CUR.
///
/// # Errors
/// ESPIPE for pipes, sockets and terminals.
pub fn position(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    lseek(fd, 0, Whence::SeekCur).map(unsigned).map_err(number)
}

/// Moves the file position to `offset` bytes from the start: lseek(2) with SEEK_SET.
///
/// # Errors
/// ESPIPE as for [`position`]; EINVAL for an offset that no file can have.
pub fn set_position(fd: BorrowedFd<'_>, offset: u64) -> Result<(), Errno> {
    let offset = offset.try_into().map_err(|_| number(NixErrno::EINVAL))?;
    lseek(fd, offset, Whence::SeekSet).map(drop).map_err(number)
}

/// shutdown(2) with SHUT_RDWR: the peer sees the end now, however many descriptors share the socket. An error
/// (ENOTCONN, ENOTSOCK) means that there is nothing to shut down.
pub fn shutdown_both(fd: BorrowedFd<'_>) {
    let _nothing_to_shut_down = shutdown(fd.as_raw_fd(), Shutdown::Both);
}

fn socket_kind(fd: BorrowedFd<'_>) -> Result<FileType, Errno> {
    match getsockopt(&fd, sockopt::SockType) {
        Ok(SockType::Stream) => Ok(FileType::StreamSocket),
        // EINVAL is nix's answer to a type it has no name for.
        Ok(_) | Err(NixErrno::EINVAL) => Ok(FileType::DatagramSocket),
        Err(errno) => Err(number(errno)),
    }
}

/// The fields of `struct stat` differ in width and sign between systems; none is ever negative.
pub(crate) fn unsigned<T: TryInto<u64>>(value: T) -> u64 {
    value.try_into().unwrap_or(0)
}
