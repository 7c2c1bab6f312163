//! The engine with real sockets and files. Tests that change or count something of the whole process run in a process
//! of their own ([`scene::alone`]). They need Linux: its /proc, and its errno numbers.

mod cold;
mod cork;
mod descriptors;
mod endings;
mod fallback;
mod inline;
mod progress;
mod readiness;
mod scene;
mod stall;
mod threads;
mod whole;
