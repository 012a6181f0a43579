#![expect(clippy::unwrap_used, reason = "tests")]

mod npm_provider;
//! The one integration binary.
mod ovh_provider;
