//! `amarre apply` and `amarre reconcile`: asks the loop to act, for all services or for one.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::{CommandAnswer, ProgressStep, converge, find_address, refused, unknown_service};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report;
use crate::engine::report::pass_view::PassView;
use amarre_core::model::{Code, Hint};
use amarre_core::plan::render::Style;

/// Why a saved plan is not applied.
const STALE: &str = "the saved plan is not what would be done now; nothing was changed";

/// What the caller confirmed in advance.
pub struct Agreed {
    /// The number of services to delete.
    pub confirm_deletes: Option<usize>,
    /// The digest of the plan that was reviewed.
    pub plan: Option<String>,
    /// The commit to accept although it does not descend from the accepted one.
    pub accept_rewrite: Option<String>,
}

/// Carries out the plan. If a plan was saved, carries out exactly that plan or nothing.
pub async fn apply(
    handle: &Handle,
    agreed: Agreed,
    timeout_ms: i64,
    style: Style,
    steps: &mpsc::Sender<ProgressStep>,
) -> Option<CommandAnswer> {
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
        let now = report::plan_json(&handle.request(LoopCommand::Pass).await?.pass);
        if now["digest"] != meant.as_str() {
            return Some(CommandAnswer {
                exit: 4,
                ..refused(Code::A0421, STALE, "amarre plan shows what would be done now")
            });
        }
    }
    converge(handle, agreed.confirm_deletes, None, timeout_ms, style, steps).await
}

/// Corrects what differs, of one service or of all. It gives no first consent: `apply` does.
pub async fn reconcile(
    handle: &Handle,
    service: Option<String>,
    timeout_ms: i64,
    style: Style,
    steps: &mpsc::Sender<ProgressStep>,
) -> Option<CommandAnswer> {
    handle.fetch().await;
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    if let Err(refusal) = find_address::may_act(&pass, service.as_deref()) {
        return Some(refusal);
    }
    let only = service.map(|service| BTreeSet::from([service]));
    if let Some(unknown) = unknown_service(handle, only.as_ref()).await? {
        return Some(unknown);
    }
    if let Some(refusal) = only.iter().flatten().find_map(|service| only_reported(&pass, service)) {
        return Some(refusal);
    }
    converge(handle, None, only, timeout_ms, style, steps).await
}

/// Refuses to correct a service, if all of it that differs is only reported.
pub(super) fn only_reported(pass: &PassView, service: &str) -> Option<CommandAnswer> {
    let mut refusals = pass.changes_of(service).map(|change| change.refusal().filter(|refusal| refusal.is_report()));
    let first = refusals.next()??;
    let hint = first.hints.first().map(Hint::in_line).unwrap_or_default();
    refusals.all(|other| other.is_some()).then(|| refused(first.code, &first.message.to_string(), &hint))
}
