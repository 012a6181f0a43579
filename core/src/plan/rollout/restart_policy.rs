//! A container whose Compose file says nothing of `restart`: to Docker that is `no`, while its service is to run.
//!
//! | | it is |
//! |---|---|
//! | made from now on | made with `no` |
//! | there, with `unless-stopped`, as Amarre once made it | left so until it is made anew |
//! | ended by itself with code 0 | done |
//! | ended otherwise by itself | failed: Docker leaves it so, and so does Amarre |
//! | ended with its engine, or before it and not with code 0 | started again when the engine is there |
//! | ended, and the ledger is lost | started again, once |

use super::completion;
use crate::model::service::Container;
use crate::model::world::Applied;
use crate::model::{Fields, Seen, Timestamp, Value};
use crate::plan::expansion::Expansion;
use crate::text;

/// Whether it had ended with code 0 by itself when it was seen last. Where nothing says `restart`, the ledger keeps this.
pub const ENDED: &str = "ended";
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
pub fn is_due(container: &Container, applied: Option<&Applied>, came_up: Option<Timestamp>, seen: &Fields) -> bool {
    if !container.is_restart_unsaid || !completion::has_ended(seen) {
        return false;
    }
    let Some(row) = applied else { return true };
    let began = completion::time(seen, "started_at_ms");
    let fell = began.zip(came_up).is_some_and(|(began, came_up)| began < came_up);
    let is_done = has_ended_well(seen) && row.fields.flag(ENDED) == Some(true);
    fell && !is_done
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
