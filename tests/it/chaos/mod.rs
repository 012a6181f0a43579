//! The whole engine, its ledger and its sources against simulated vendors that misbehave, and a process that dies.
//!
//! ```text
//! story.rs   what people do: manifests before, acts
//! seeds.rs   small stories with random faults
//! crash.rs   thirteen stories with a crash at every call
//! walks.rs   manifests of all kinds that come and go
//! writes.rs  small stories with a crash at every write to the ledger
//! ledger.rs  what becomes of the ledger
//! script.rs  what goes wrong, and where: keyed by (vendor, method and route, n-th call), or by the number of the call
//! stage.rs   runs a story under a script, pass by pass, to its end
//! watch.rs   what holds after every single write, whatever goes wrong
//! oracle.rs  what holds at the end, once nothing goes wrong any more
//! ```
//!
//! `scripts/chaos` runs more of it than CI does, and tells the story of one seed.

mod crash;
pub mod ledger;
mod oracle;
mod script;
mod seeds;
mod stage;
mod story;
mod walks;
mod watch;
mod writes;

/// The seeds of one run: as many as `scripts/chaos` asks for, from the first that it names; else `usual` ones, those of the day by
/// its `SEED_ROUND`, out of the first `all`, each of which `scripts/long` tells.
fn seeds_of_this_run(number: &str, (usual, all): (u64, u64)) -> std::ops::Range<u64> {
    let round = from_environment("SEED_ROUND").unwrap_or_default();
    let first = from_environment("CHAOS_FIRST").unwrap_or(round % (all / usual) * usual);
    first..first + from_environment(number).unwrap_or(usual)
}

/// What `scripts/chaos` and `scripts/test` ask for.
#[expect(clippy::disallowed_methods, reason = "it says how many, and which")]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}
