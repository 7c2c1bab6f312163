//! What kind of filesystem a regular file is on: fstatfs(2) `f_type`.

mod mounts;
pub(super) mod statx;
pub(super) mod table;

use std::os::fd::BorrowedFd;

pub(crate) use self::mounts::Local;
use crate::fs::Filesystem;

/// Asks for the filesystem and remembers the answer. May wait for the filesystem's server.
pub(crate) fn of(file: BorrowedFd<'_>) -> Filesystem {
    table::learn(file, || ask(file))
}

/// Which paths are known to lead to no server. Never waits.
pub(crate) fn local() -> Local {
    table::local()
}

/// Whether at least one location of this device is remembered, and all of them are ordinary. Makes no system call, not
/// even to check whether the mounts have changed: only for uses in which a wrong answer does no harm.
pub(crate) fn is_ordinary_device(device: u64) -> bool {
    table::is_ordinary(device)
}

fn ask(file: BorrowedFd<'_>) -> Filesystem {
    let found = nix::sys::statfs::fstatfs(file).map_or(Filesystem::Ordinary, |statfs| {
        // The field is signed or unsigned, of 32 or 64 bits, by architecture and C library; the number has 32.
        named(statfs.filesystem_type().0 as u32)
    });
    match (found, statx::inspect(file)) {
        (Filesystem::Ordinary, Ok(seen)) if table::has_remote_name(seen.location.device) => {
            Filesystem::Remote
        }
        _ => found,
    }
}

/// The numbers of statfs(2) and linux/magic.h; of those that are in neither, the filesystem's own source.
const REMOTE: &[u32] = &[
    0x6969,      // NFS
    0x517b,      // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2, SMB3
    0x564c,      // NCP
    0x5346_414f, // AFS: OpenAFS
    0x6b41_4653, // AFS: the kernel's own
    0x7375_7245, // Coda
    0x00c3_6400, // Ceph
    0x2003_0528, // OrangeFS
    0x0102_1997, // 9P
    0x6573_5546, // FUSE, virtiofs among it
    0x786f_4256, // VirtualBox shared folders
    0xbacb_acbc, // VMware shared folders
    0x7c7c_6673, // Parallels shared folders
];

const PSEUDO: &[u32] = &[
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6265_6570, // configfs
    0x7363_6673, // securityfs
    0xf97c_ff8c, // selinuxfs
    0x4341_5d53, // smackfs
    0x5a3c_69f0, // apparmorfs
    0xcafe_4a11, // bpf
    0x0765_5821, // resctrl
    0x4249_4e4d, // binfmt_misc
    0x6573_5543, // fusectl
    0x6e66_7364, // nfsd
    0x6759_6969, // rpc_pipefs
    0x1980_0202, // mqueue
    0x6e73_6673, // nsfs
    0xabba_1974, // xenfs
    0x9fa1,      // openpromfs
];

pub(super) fn named(magic: u32) -> Filesystem {
    if REMOTE.contains(&magic) {
        Filesystem::Remote
    } else if PSEUDO.contains(&magic) {
        Filesystem::Pseudo
    } else {
        Filesystem::Ordinary
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::statfs as nix;

    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_c_library_where_it_has_them() {
        let remote = [
            nix::NFS_SUPER_MAGIC,
            nix::SMB_SUPER_MAGIC,
            nix::NCP_SUPER_MAGIC,
            nix::AFS_SUPER_MAGIC,
            nix::CODA_SUPER_MAGIC,
            nix::FUSE_SUPER_MAGIC,
        ];
        for magic in remote {
            assert_eq!(named(magic.0 as u32), Filesystem::Remote, "{magic:?}");
        }
        let pseudo = [
            nix::PROC_SUPER_MAGIC,
            nix::SYSFS_MAGIC,
            nix::DEBUGFS_MAGIC,
            nix::TRACEFS_MAGIC,
            nix::CGROUP_SUPER_MAGIC,
            nix::CGROUP2_SUPER_MAGIC,
            nix::SECURITYFS_MAGIC,
            nix::SELINUX_MAGIC,
            nix::SMACK_MAGIC,
            nix::BPF_FS_MAGIC,
            nix::RDTGROUP_SUPER_MAGIC,
            nix::NSFS_MAGIC,
            nix::XENFS_SUPER_MAGIC,
            nix::OPENPROM_SUPER_MAGIC,
        ];
        for magic in pseudo {
            assert_eq!(named(magic.0 as u32), Filesystem::Pseudo, "{magic:?}");
        }
        for magic in [
            nix::EXT4_SUPER_MAGIC,
            nix::TMPFS_MAGIC,
            nix::XFS_SUPER_MAGIC,
        ] {
            assert_eq!(named(magic.0 as u32), Filesystem::Ordinary, "{magic:?}");
        }
    }

    #[test]
    fn a_number_whose_sign_was_extended_is_the_same_number() {
        let cifs = i64::from(0xff53_4d42_u32.cast_signed());
        assert_eq!(named(cifs as u32), Filesystem::Remote);
    }
}
