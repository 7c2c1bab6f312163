//! The table of the mounts that this process sees: proc_pid_mountinfo(5). The kernel writes it from memory, without
//! asking a server.

use std::fs::File;
use std::io::{self, Read};

/// Longer tables are not read to the end: some hundred mounts.
const MOST: u64 = 64 * 1024;

/// The types of Docker Desktop's shared folders: their numbers are in no list.
const REMOTE_NAMES: &[&str] = &["fakeowner", "grpcfuse", "osxfs"];

/// The types of which no file has a server. Nothing harmful follows where one is missing here: files are looked at before
/// they are opened then. autofs has no files; it is walked through, which openat2(2) with RESOLVE_CACHED does not do where
/// something would have to be mounted.
const LOCAL_NAMES: &[&str] = &[
    "autofs",
    "bcachefs",
    "binfmt_misc",
    "bpf",
    "btrfs",
    "cgroup",
    "cgroup2",
    "configfs",
    "cramfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fusectl",
    "hfsplus",
    "hugetlbfs",
    "iso9660",
    "jfs",
    "mqueue",
    "nsfs",
    "ntfs3",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "reiserfs",
    "rootfs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "udf",
    "vfat",
    "xfs",
    "zfs",
];

/// A table of mounts: its file, which poll(2) watches, and what it said.
pub(super) struct Mounts {
    pub(super) file: File,
    pub(super) text: String,
}

/// Opens the table and reads it, up to a length that takes no time.
pub(super) fn read() -> io::Result<Mounts> {
    let file = File::open("/proc/self/mountinfo")?;
    let mut bytes = Vec::new();
    (&file).take(MOST).read_to_end(&mut bytes)?;
    Ok(Mounts {
        file,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

/// Which absolute paths lead to no server, except through links of /proc, which RESOLVE_CACHED does not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// All of them: no mount has one.
    All,
    /// Those that stay on the mount of the root directory.
    Root,
    /// Not known.
    Unknown,
}

/// What a table says.
pub(super) fn local(table: &str) -> Local {
    if table.len() as u64 >= MOST || !table.ends_with('\n') {
        return Local::Unknown; // there is more of it
    }
    let is_local = |line| name_of(line).is_some_and(|name| LOCAL_NAMES.contains(&name));
    let is_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    if table.lines().all(is_local) {
        Local::All
    } else if table.lines().rfind(is_root).is_some_and(is_local) {
        Local::Root
    } else {
        Local::Unknown
    }
}

/// Whether this is the name of a remote filesystem that has no number of its own.
pub(super) fn is_remote_name(name: &str) -> bool {
    REMOTE_NAMES.contains(&name)
}

/// Whether a table gives the filesystem of this device such a name.
pub(super) fn names_remote(table: &str, device: u64) -> bool {
    let (major, minor) = (nix::libc::major(device), nix::libc::minor(device));
    let device = format!("{major}:{minor}");
    table.lines().any(|line| {
        let is_here = line.split(' ').nth(2) == Some(&device);
        is_here && name_of(line).is_some_and(is_remote_name)
    })
}

/// The type: "36 35 98:0 /root /point options tags - type source options".
fn name_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" - ")?;
    rest.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = "\
        23 28 0:21 / /sys rw,relatime shared:7 - sysfs sysfs rw\n\
        31 28 254:1 /a\\040b / rw shared:1 master:2 - ext4 /dev/vda1 rw\n\
        612 598 0:52 /Users /Users rw,relatime - fakeowner grpcfuse rw\n";

    #[test]
    fn the_shared_folders_of_docker_desktop_are_known_by_their_names() {
        for name in ["fakeowner", "grpcfuse", "osxfs"] {
            let shared = SHARED.replace("- fakeowner", &format!("- {name}"));
            assert!(names_remote(&shared, nix::libc::makedev(0, 52)), "{name}");
            assert!(!names_remote(&shared, nix::libc::makedev(0, 21)));
            assert!(!names_remote(&shared, nix::libc::makedev(254, 1)));
            assert!(!names_remote(&shared, nix::libc::makedev(0, 5)));
            assert!(!names_remote(&shared, nix::libc::makedev(0, 521)));
        }
    }

    #[test]
    fn a_table_is_local_if_every_mount_of_it_is_known_to_be() {
        let (whole, _) = SHARED.split_at(SHARED.find("612").expect("the third line"));
        assert_eq!(local(whole), Local::All);
        for name in [
            "fakeowner",
            "grpcfuse",
            "osxfs",
            "fuse",
            "fuseblk",
            "fuse.sshfs",
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "9p",
            "ceph",
            "afs",
            "virtiofs",
            "something",
        ] {
            let table = SHARED.replace("- fakeowner", &format!("- {name}"));
            assert_eq!(local(&table), Local::Root, "{name}");
            let table = table.replace("- ext4", &format!("- {name}"));
            assert_eq!(local(&table), Local::Unknown, "{name}");
        }
        let mounted_over = format!("{whole}32 31 0:60 / / rw - nfs4 server:/ rw\n");
        assert_eq!(local(&mounted_over), Local::Unknown);
        for table in [
            whole.trim_end(),
            "",
            "31 28 254:1 / / rw shared:1\n",
            &whole.repeat(1000),
        ] {
            assert_eq!(local(table), Local::Unknown);
        }
    }
}
