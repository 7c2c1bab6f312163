//! Sockets: the TCP options and counters that a transfer needs.

mod option;
pub mod tcp;
