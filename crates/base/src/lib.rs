//! What every room of Amarre stands on: secrets, words in two languages, chains of errors, turns, texts for terminals.

pub mod error_chain;
pub mod words;
pub mod secret;
pub mod turns;
pub mod terminal;
