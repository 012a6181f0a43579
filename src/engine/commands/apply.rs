//! `amarre apply` and `amarre reconcile`: the loop is asked to act, for all services or for one.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::{Answer, Step, converge, refused, unknown};
use crate::engine::reconcile::daemon::{Command, Handle};
use crate::engine::report;
use amarre_core::model::Hint;
use amarre_core::plan::render::Look;

/// Why a plan that was saved is not applied.
const STALE: &str = "the saved plan is not what would be done now; nothing was changed";

/// What somebody agreed to beforehand.
pub struct Agreed {
    /// The number of services that are deleted.
    pub confirm_deletes: Option<usize>,
    /// The digest of the plan that was seen.
    pub plan: Option<String>,
    /// The commit that does not follow on the one before.
    pub accept_rewrite: Option<String>,
}

/// Carries out the plan; where one was saved, that one or none.
pub async fn apply(
    handle: &Handle,
    agreed: Agreed,
    timeout_ms: i64,
    look: Look,
    steps: &mpsc::Sender<Step>,
) -> Option<Answer> {
    match &agreed.accept_rewrite {
        Some(commit) => {
            if let Err(error) = handle.accept_rewrite(commit).await {
                let hint = error.hints.first().map(Hint::in_line).unwrap_or_default();
                return Some(refused(error.code, &error.message, &hint));
            }
        }
        None => handle.fetch().await,
    }
    if let Some(meant) = agreed.plan {
        let now = report::plan_json(&handle.ask(Command::Look).await?.picture);
        if now["digest"] != meant.as_str() {
            return Some(Answer { exit: 4, ..refused("A0421", STALE, "amarre plan shows what would be done now") });
        }
    }
    converge(handle, agreed.confirm_deletes, None, timeout_ms, look, steps).await
}

/// Puts right what differs, of one service or of all. It is no first consent: that is `apply`.
pub async fn reconcile(
    handle: &Handle,
    service: Option<String>,
    timeout_ms: i64,
    look: Look,
    steps: &mpsc::Sender<Step>,
) -> Option<Answer> {
    handle.fetch().await;
    let picture = handle.ask(Command::Look).await?.picture;
    if !picture.consented {
        return Some(refused("A0404", "nothing was applied with this ledger yet", "amarre plan, then amarre apply"));
    }
    if let Some(name) = service.as_ref().filter(|name| picture.facts.suspended.contains_key(*name)) {
        return Some(refused("A0403", &format!("{name} is suspended"), &format!("amarre resume {name}")));
    }
    let only = service.map(|service| BTreeSet::from([service]));
    if let Some(unknown) = unknown(handle, only.as_ref()).await? {
        return Some(unknown);
    }
    converge(handle, None, only, timeout_ms, look, steps).await
}
