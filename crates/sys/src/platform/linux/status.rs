//! The status of a descriptor from memory, without waiting.

use std::os::fd::BorrowedFd;

use nix::errno::Errno as NixErrno;
use nix::sys::stat::{SFlag, fstat};
use sendfile64_core::Errno;

use super::filesystem::statx::{FileInfo, inspect};
use super::filesystem::table;
use crate::errno::number;
use crate::fd::{CloseInfo, FileType, KnownFile, Status, kind_of, unsigned};
use crate::fs::Filesystem;

pub(crate) fn status_at_once(fd: BorrowedFd<'_>, met: Option<KnownFile>) -> Result<Status, Errno> {
    let seen = inspect(fd)?;
    let status = identified(fd, &seen)?;
    if status.kind != FileType::Regular {
        return Ok(status);
    }
    let Status { device, inode, .. } = status;
    let filesystem = match met {
        Some(met) if met == (KnownFile { device, inode }) => Some(Filesystem::Ordinary),
        _ => table::lookup(seen.location),
    };
    match filesystem {
        None | Some(Filesystem::Remote) => Err(number(NixErrno::EAGAIN)),
        Some(filesystem) => Ok(Status {
            filesystem,
            size: match seen.size {
                Some(size) => size,
                None => unsigned(fstat(fd).map_err(number)?.st_size),
            },
            ..status
        }),
    }
}

pub(crate) fn identify(fd: BorrowedFd<'_>) -> Result<Status, Errno> {
    identified(fd, &inspect(fd)?)
}

pub(crate) fn close_info(fd: BorrowedFd<'_>) -> CloseInfo {
    let Ok(seen) = inspect(fd) else {
        return CloseInfo {
            size: None,
            may_wait: true,
        };
    };
    if SFlag::from_bits_truncate(seen.mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return CloseInfo {
            size: None,
            may_wait: false,
        };
    }
    let is_local = is_here(&seen);
    CloseInfo {
        size: seen.size.filter(|_| is_local),
        may_wait: !is_local || seen.links == Some(0),
    }
}

pub(crate) fn is_local(fd: BorrowedFd<'_>) -> bool {
    inspect(fd).is_ok_and(|seen| is_here(&seen))
}

fn is_here(seen: &FileInfo) -> bool {
    !matches!(
        table::lookup(seen.location),
        None | Some(Filesystem::Remote)
    )
}

fn identified(fd: BorrowedFd<'_>, seen: &FileInfo) -> Result<Status, Errno> {
    Ok(Status {
        kind: kind_of(fd, SFlag::from_bits_truncate(seen.mode))?,
        filesystem: Filesystem::Ordinary,
        size: 0,
        device: seen.location.device,
        inode: seen.inode,
    })
}
