//! The loop: the steps of a pass, when the next one comes, retries, and what is recorded.

pub mod pass;
pub mod observe;
pub mod poll;
pub mod schedule;
pub mod retry;
pub mod breaker;
pub(super) mod hand_out;
pub mod lane;
pub mod health;
pub mod upstream_probe;
pub mod port80;
pub mod clock;
pub mod publish;
pub mod settled;
pub(super) mod attribution;
pub mod state_age;
pub mod bind_links;
pub mod failure_log;
pub(super) mod manifest_loader;
pub mod earlier_use;
pub mod rollback;
pub mod daemon;
pub mod counters;
pub mod effective_manifests;
pub mod pass_ledger;
pub mod change_timeout;
