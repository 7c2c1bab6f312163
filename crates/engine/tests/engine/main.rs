//! The engine with real sockets and files. Tests that change or count something of the whole process run in a process
//! of their own ([`scene::alone`]). They need Linux: its /proc, and its errno numbers.

mod acknowledged;
mod blocking;
mod cold;
mod cork;
mod descriptors;
mod destinations;
mod endings;
mod fairness;
mod fallback;
mod full;
mod inline;
mod limits;
mod position;
mod progress;
mod rate;
mod readiness;
mod scene;
mod stall;
mod states;
mod threads;
mod whole;
