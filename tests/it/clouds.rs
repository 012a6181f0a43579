//! Instances at clouds: the providers and the loop against the simulated vendors, over real HTTP.

mod seen;
mod fair;
mod power;
mod actions;
mod savings;
mod missed;
mod names;
mod ready;
mod stories;
mod kamatera;
mod deleted;
mod verbs;
mod made;
mod made_rig;
mod made_stories;
mod proof;
mod support;

pub use self::support::{engine_of, parts_of};
