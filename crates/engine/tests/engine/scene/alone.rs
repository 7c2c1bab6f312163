//! Tests that change or count something of the whole process.

use std::fs;
use std::path::PathBuf;
use std::process::Command as Process;
use std::thread;
use std::time::Instant;

use super::TIMEOUT;

/// Runs `body` in a process that runs nothing else: this test program again, with `test` (its full name) alone.
/// `limits` are shell commands to run before, such as `ulimit`.
pub(crate) fn alone_with(limits: &str, test: &str, body: impl FnOnce()) {
    const MARK: &str = "SENDFILE64_TEST_ALONE";
    if std::env::var_os(MARK).is_some_and(|name| name == test) {
        return body();
    }
    let program = std::env::current_exe().expect("this program");
    let mut child = Process::new("sh");
    child
        .arg("-c")
        .arg(format!("{limits} exec \"$0\" --exact \"$1\" --nocapture"))
        .arg(program)
        .arg(test);
    let output = child.env(MARK, test).output().expect("a child process");
    let said = [
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    ]
    .concat();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{test} is no test: {said}");
}

/// [`alone_with`] no limits.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    alone_with("", test, body);
}

/// What the numbers of this process stand for.
pub(crate) fn open_descriptors() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir("/proc/self/fd").expect("/proc");
    let names = entries.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    // The directory itself is among the names, and closed by the time it is looked up.
    let names = names.collect::<Vec<_>>().into_iter();
    names
        .filter_map(|name| {
            fs::read_link(format!("/proc/self/fd/{name}"))
                .ok()
                .map(|link| (name, link))
        })
        .collect()
}

/// Waits for what the process itself brings about, without an event to wait for.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < TIMEOUT, "it never came");
        thread::yield_now();
    }
}
