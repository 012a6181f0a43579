//! What any provider of DNS zones needs: whose a record is, which rows make a record set, whether the world sees it.

pub(crate) mod record_sets;
pub(crate) mod ownership;
pub(crate) mod propagation;
pub mod query;
