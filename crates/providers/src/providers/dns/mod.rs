//! What any provider of DNS zones needs: whose a record is, which rows make a record set, whether the world sees it.

pub mod backend;
pub mod provider;
pub(crate) mod record_sets;
pub(crate) mod ownership;
pub(crate) mod propagation;
mod change;
mod observe;
pub mod query;
