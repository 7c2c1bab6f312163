//! Questions about a descriptor that wait for nobody: answered from memory.

use std::os::fd::BorrowedFd;

use nix::errno::Errno as NixErrno;
use nix::sys::stat::{SFlag, fstat};
use sendfile64_core::Errno;

use super::place::{Seen, look};
use super::{Filesystem, Kind, Known, Parting, Status, kind_of, known, unsigned};
use crate::errno::number;

pub(super) fn status_at_once(fd: BorrowedFd<'_>, met: Option<Known>) -> Result<Status, Errno> {
    let seen = look(fd)?;
    let status = identified(fd, &seen)?;
    if status.kind != Kind::Regular {
        return Ok(status);
    }
    let Status { device, inode, .. } = status;
    let filesystem = match met {
        Some(met) if met == (Known { device, inode }) => Some(Filesystem::Ordinary),
        _ => known::remembered(seen.place),
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

pub(super) fn identify(fd: BorrowedFd<'_>) -> Result<Status, Errno> {
    identified(fd, &look(fd)?)
}

pub(super) fn parting(fd: BorrowedFd<'_>) -> Parting {
    let Ok(seen) = look(fd) else {
        return Parting {
            size: None,
            may_wait: true,
        };
    };
    if SFlag::from_bits_truncate(seen.mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Parting {
            size: None,
            may_wait: false,
        };
    }
    let is_local = is_here(&seen);
    Parting {
        size: seen.size.filter(|_| is_local),
        may_wait: !is_local || seen.links == Some(0),
    }
}

pub(super) fn is_local(fd: BorrowedFd<'_>) -> bool {
    look(fd).is_ok_and(|seen| is_here(&seen))
}

fn is_here(seen: &Seen) -> bool {
    !matches!(
        known::remembered(seen.place),
        None | Some(Filesystem::Remote)
    )
}

fn identified(fd: BorrowedFd<'_>, seen: &Seen) -> Result<Status, Errno> {
    Ok(Status {
        kind: kind_of(fd, SFlag::from_bits_truncate(seen.mode))?,
        filesystem: Filesystem::Ordinary,
        size: 0,
        device: seen.place.device,
        inode: seen.inode,
    })
}
