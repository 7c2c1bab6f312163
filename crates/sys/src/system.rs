//! Which kernel this is.

use nix::sys::utsname::uname;

/// Name and release of the kernel, as `uname -sr` prints them: `"Linux 6.18.44"`. Empty where uname(2) fails.
pub fn kernel() -> String {
    uname().map_or_else(
        |_| String::new(),
        |name| {
            format!(
                "{} {}",
                name.sysname().to_string_lossy(),
                name.release().to_string_lossy()
            )
        },
    )
}
