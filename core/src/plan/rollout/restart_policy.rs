//! A container whose Compose file says nothing of `restart`: to Docker that is `no`, while its service is to run.
//!
//! | | it is |
//! |---|---|
//! | made from now on | made with `no` |
//! | there, with `unless-stopped`, as Amarre once made it | left so until it is made anew |
//! | ended by itself with code 0 | done |
//! | ended otherwise by itself | failed: Docker leaves it so, and so does Amarre |
//! | ended with its engine, or before it and not with code 0 | started again when the engine is there |
//! | ended with its engine in the middle of its update, with an explicit policy that lets it end | started again: it has not served yet |
//! | ended, and the ledger is lost | started again, once |

use super::completion;
use crate::model::service::Container;
use crate::model::{Address, Facts, Fields, Millis, Seen, Timestamp, Value};
use crate::plan::expansion::Expansion;
use crate::text;

/// Whether it had ended with code 0 by itself when it was seen last. Where nothing says `restart`, the ledger keeps this.
pub const ENDED: &str = "ended";
/// An engine that starts has dealt with what it ran within this time.
pub const ENGINE_COMES_UP: Millis = Millis::seconds(60);
/// What containers of Compose files were made with once.
const USUAL: &str = "unless-stopped";

/// The policy of one that is there.
pub fn policy<'a>(container: &'a Container, seen: &'a Fields) -> &'a str {
    match seen.text("restart") {
        Some(kept @ USUAL) if container.is_restart_unsaid => kept,
        Some(_) | None => &container.restart,
    }
}

/// Whether one that stands still is to start again though its policy lets it end.
pub fn is_due(
    container: &Container,
    address: &Address,
    facts: &Facts,
    came_up: Option<Timestamp>,
    seen: &Fields,
) -> bool {
    if !completion::has_ended(seen) {
        return false;
    }
    let ran_before = completion::time(seen, "started_at_ms").zip(came_up).is_some_and(|(began, at)| began < at);
    if !container.is_restart_unsaid {
        return ran_before && is_coming(address, facts) && fell(seen, came_up);
    }
    let Some(row) = facts.applied.get(address) else { return true };
    let is_done = has_ended_well(seen) && row.fields.flag(ENDED) == Some(true);
    ran_before && !is_done
}

/// Whether it is of an update that was under way: another generation is the last good one.
fn is_coming(address: &Address, facts: &Facts) -> bool {
    let good = facts.last_good.get(&address.base());
    good.is_some_and(|(generation, _)| address.generation.as_ref() != Some(generation))
}

/// Whether it ended while its engine came up, which ends what a killed one left running.
fn fell(seen: &Fields, came_up: Option<Timestamp>) -> bool {
    let ended = completion::time(seen, "finished_at_ms").zip(came_up);
    ended.is_some_and(|(ended, came_up)| (ended - came_up).0.abs() <= ENGINE_COMES_UP.0)
}

/// Whether it stands still with code 0.
pub fn has_ended_well(seen: &Fields) -> bool {
    completion::has_ended(seen) && seen.get("exit_code").and_then(Value::as_int) == Some(0)
}

/// What the ledger is to know of one that is there, or comes.
pub fn note(container: &Container, seen: Option<&Seen>, is_due: bool, fields: &mut Fields) {
    if !container.is_restart_unsaid {
        return;
    }
    if let Some(seen) = seen {
        fields.set("restart", Value::text(policy(container, &seen.fields)));
    }
    let has_ended = seen.is_some_and(|seen| has_ended_well(&seen.fields)) && !is_due;
    fields.set(ENDED, Value::Bool(has_ended));
}

/// Says in the plan what that means for those that come.
pub fn note_changes<'a>(expansion: &mut Expansion<'_>, new: impl Iterator<Item = &'a String>) {
    let service = expansion.service;
    let is_unsaid = |key: &&String| service.containers.get(*key).is_some_and(|one| one.is_restart_unsaid);
    let keys: Vec<&str> = new.filter(is_unsaid).filter(|key| !service.is_task(key)).map(String::as_str).collect();
    if !keys.is_empty() {
        let text = text!(
            "no `restart` in the Compose file for {keys}: Docker leaves what ends so; after a restart of the engine, Amarre starts what had not ended with code 0",
            keys = keys.join(", ")
        );
        expansion.note(None, text);
    }
}
