//! What the kernel reports about a file without asking the server of its filesystem: statx(2) with AT_STATX_DONT_SYNC,
//! for only the type, number and mount of the file. NFS, CIFS, Ceph and FUSE answer that from the inode in memory.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno as NixErrno;
use nix::libc;
use sendfile64_core::Errno;

use crate::errno::number;
use crate::probe::{self, Availability, Feature};

/// Where a file is. Device numbers of filesystems without a disk are given out again, and so are mount ids before
/// Linux 6.8; an id of STATX_MNT_ID_UNIQUE never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform::linux) struct Location {
    pub(in crate::platform::linux) device: u64,
    pub(in crate::platform::linux) mount: u64,
    /// Whether `mount` is never reused.
    pub(in crate::platform::linux) is_permanent: bool,
}

/// The figures of a file. `size` and `links` are those of the inode in memory: right for a filesystem of this machine.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform::linux) struct FileInfo {
    pub(in crate::platform::linux) location: Location,
    pub(in crate::platform::linux) mode: u32,
    pub(in crate::platform::linux) inode: u64,
    /// `None` if the filesystem has not reported it. It was not requested, but most local filesystems report all
    /// fields.
    pub(in crate::platform::linux) size: Option<u64>,
    pub(in crate::platform::linux) links: Option<u32>,
}

/// `struct statx` of linux/stat.h. Not every C library has it.
#[repr(C)]
#[derive(Default)]
struct Statx {
    mask: u32,
    blksize: u32,
    attributes: u64,
    nlink: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    pad: u16,
    ino: u64,
    size: u64,
    blocks: u64,
    attributes_mask: u64,
    times: [u64; 8],
    rdev: [u32; 2],
    dev_major: u32,
    dev_minor: u32,
    mnt_id: u64,
    rest: [u64; 13],
}

const _: () = assert!(size_of::<Statx>() == 256, "the size in linux/stat.h");

// linux/stat.h and linux/fcntl.h
const AT_EMPTY_PATH: libc::c_int = 0x1000;
const AT_STATX_DONT_SYNC: libc::c_int = 0x4000;
const STATX_TYPE: u32 = 1;
const STATX_INO: u32 = 0x100;
const STATX_SIZE: u32 = 0x200;
const STATX_NLINK: u32 = 4;
const STATX_MNT_ID: u32 = 0x1000;
const STATX_MNT_ID_UNIQUE: u32 = 0x4000;

/// Queries a file. Never waits for a server.
#[expect(unsafe_code, reason = "nix has no statx")]
pub(in crate::platform::linux) fn inspect(fd: BorrowedFd<'_>) -> Result<FileInfo, Errno> {
    let mut found = Statx::default();
    let permanent = match probe::availability(Feature::Statmount) {
        Availability::Unavailable => 0, // as before Linux 6.8
        _ => STATX_MNT_ID_UNIQUE,
    };
    let asked = STATX_TYPE | STATX_INO | STATX_MNT_ID | permanent;
    // SAFETY: `fd` is open, the path is empty and ends with NUL, and `found` has the size and layout of a `struct statx`.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_statx,
            fd.as_raw_fd(),
            c"".as_ptr(),
            AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
            asked,
            &raw mut found,
        )
    };
    NixErrno::result(answer).map_err(number)?;
    Ok(FileInfo {
        location: Location {
            device: libc::makedev(found.dev_major, found.dev_minor),
            mount: found.mnt_id,
            is_permanent: found.mask & STATX_MNT_ID_UNIQUE != 0,
        },
        mode: found.mode.into(),
        inode: found.ino,
        size: (found.mask & STATX_SIZE != 0).then_some(found.size),
        links: (found.mask & STATX_NLINK != 0).then_some(found.nlink),
    })
}

/// What a mount is of.
pub(in crate::platform::linux) struct MountInfo {
    /// `f_type` of statfs(2).
    pub(in crate::platform::linux) magic: u32,
    /// As in /proc/self/mountinfo.
    pub(in crate::platform::linux) name: String,
}

/// `struct mnt_id_req` of linux/mount.h, in its first version.
#[repr(C)]
struct MountRequest {
    size: u32,
    spare: u32,
    mount: u64,
    asked: u64,
}

/// `struct statmount` of linux/mount.h: 512 bytes, and room for the one string that is asked for.
#[repr(C)]
struct StatMount {
    size: u32,
    options: u32,
    mask: u64,
    device: [u32; 2],
    magic: u64,
    flags: u32,
    name: u32,
    rest: [u64; 59],
    strings: [u8; 64],
}

const _: () = assert!(std::mem::offset_of!(StatMount, strings) == 512);

/// The same number on every architecture.
const SYS_STATMOUNT: libc::c_long = 457;
const STATMOUNT_SB_BASIC: u64 = 1;
const STATMOUNT_FS_TYPE: u64 = 0x20;

/// Asks the kernel for the mount with a permanent id: statmount(2), Linux 6.8. It is answered from memory. `None` if
/// the call is missing or not allowed, or the mount is not visible to this process.
#[expect(unsafe_code, reason = "nix has no statmount")]
pub(in crate::platform::linux) fn statmount(mount: u64) -> Option<MountInfo> {
    let asked = STATMOUNT_SB_BASIC | STATMOUNT_FS_TYPE;
    let request = MountRequest {
        size: size_of::<MountRequest>() as u32,
        spare: 0,
        mount,
        asked,
    };
    let mut found = StatMount {
        size: 0,
        options: 0,
        mask: 0,
        device: [0; 2],
        magic: 0,
        flags: 0,
        name: 0,
        rest: [0; 59],
        strings: [0; 64],
    };
    // SAFETY: both have the layouts of linux/mount.h, and their sizes are passed.
    let answer = unsafe {
        libc::syscall(
            SYS_STATMOUNT,
            &raw const request,
            &raw mut found,
            size_of::<StatMount>(),
            0,
        )
    };
    if answer != 0 || found.mask & asked != asked {
        return None;
    }
    let name = found.strings.get(found.name as usize..)?;
    let name = std::ffi::CStr::from_bytes_until_nul(name).ok()?;
    Some(MountInfo {
        magic: found.magic as u32,
        name: name.to_string_lossy().into_owned(),
    })
}
