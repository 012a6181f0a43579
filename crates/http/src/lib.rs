//! The API and the pages.

use amarre_base::{secret, terminal, words};
use amarre_engine::{engine, notifications};
use amarre_store::{accounts, ledger};

pub mod templates;
pub mod error_pages;
pub mod server;
pub mod web;
