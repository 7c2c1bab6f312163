//! Tells the linker what an addon needs.

fn main() {
    napi_build::setup();
    // Node unloads an addon with the last worker that has loaded it. A thread of ours that waits for a disk runs on.
    if matches!(
        std::env::var("CARGO_CFG_TARGET_OS").as_deref(),
        Ok("linux" | "freebsd")
    ) {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
