//! Files with known bytes.

use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{self, Command as Process};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file with known bytes, which goes with it.
pub(crate) struct Sample {
    pub(crate) path: PathBuf,
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) bytes: Vec<u8>,
}

impl Sample {
    /// Freshly written, so its pages are in memory.
    pub(crate) fn new(length: usize) -> Self {
        let path = fresh_path();
        let bytes = noise(length);
        fs::write(&path, &bytes).expect("a file");
        let fd = Arc::new(OwnedFd::from(File::open(&path).expect("the file")));
        Self { path, fd, bytes }
    }

    /// Writes it to the disk and has its pages dropped.
    pub(crate) fn cool(&self) {
        let target = format!("of={}", self.path.display());
        let arguments = [
            target.as_str(),
            "oflag=nocache",
            "conv=notrunc,fdatasync",
            "count=0",
            "status=none",
        ];
        let status = Process::new("dd").args(arguments).status().expect("dd");
        assert!(status.success(), "dd: {status}");
    }

    pub(crate) fn set_length(&self, length: u64) {
        let file = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .expect("the file");
        file.set_len(length).expect("another length");
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn fresh_path() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("engine-{}-{number}", process::id()))
}

/// Bytes that do not repeat at any offset a mistake could make (xorshift64).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Compares without printing megabytes.
pub(crate) fn assert_same(received: &[u8], expected: &[u8]) {
    assert_eq!(received.len(), expected.len(), "length");
    let difference = received
        .iter()
        .zip(expected)
        .position(|(left, right)| left != right);
    assert_eq!(difference, None, "first difference");
}
