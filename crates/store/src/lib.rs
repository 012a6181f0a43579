//! What Amarre remembers: the ledger and the accounts.

use amarre_base::{error_chain, secret};

pub mod ledger;
pub mod accounts;
