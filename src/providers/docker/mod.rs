//! A Docker engine.

pub mod kinds;
