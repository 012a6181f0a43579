//! The pass: observe, plan, guard, execute, and what people see and ask of it.

use amarre_base::{error_chain, secret, words};
use amarre_providers::{providers, source};
use amarre_store::{accounts, ledger};

pub mod engine;
pub mod notifications;
