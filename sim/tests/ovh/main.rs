//! The simulated OVH: its API over plain signed HTTP, its zones' servers over UDP and TCP.
#![expect(clippy::unwrap_used, reason = "tests")]

mod dns;
mod http;
mod support;
mod zone;
