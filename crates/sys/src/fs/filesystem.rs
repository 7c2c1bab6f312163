//! What kind of filesystem a regular file is on.

/// How far the size and the cached pages of a regular file can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filesystem {
    /// They are those of the file. Also the answer for anything but a regular file, for a filesystem that is not listed
    /// (overlayfs does not show the ones below it), and on systems other than Linux.
    Ordinary,
    /// Another machine, the host of a virtual machine, or a process (FUSE) changes the file without this kernel knowing.
    /// read(2) asks whether the cached pages are still right; what sendfile(2) and splice(2) send may be stale.
    Remote,
    /// The bytes are made when they are read. `st_size` says nothing of them: 0 in /proc, 4096 in /sys.
    Pseudo,
}
