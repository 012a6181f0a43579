//! The OVH provider against the simulated OVH, over real HTTP and real DNS.

mod changes;
mod faults;
mod looks;
mod propagation;
mod service_account;
mod support;
mod traps;
