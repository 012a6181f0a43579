//! What every room of Amarre stands on: secrets, words in two languages, chains of errors, turns.

pub mod error_chain;
pub mod words;
pub mod secret;
pub mod turns;
