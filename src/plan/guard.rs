//! What needs a person: deletes of many services at once.

use std::collections::BTreeSet;

use super::Input;
use crate::model::{Gate, Hint, Kind, Plan, Refusal, Verb};

/// This many services may go in one run, whatever their share.
const DELETES_MAX: usize = 3;
/// And this share of the manifests, in percent.
const DELETES_PERCENT_MAX: usize = 30;

/// Holds every delete of vanished services when too many go at once. One is always allowed;
/// `destroy` is its own consent; the rest of the plan goes on.
pub fn guard(input: &Input<'_>, plan: &mut Plan) {
    let mut doomed = doomed(input, plan);
    doomed.retain(|service| !input.facts.confirmed.contains(service));
    let known: BTreeSet<&String> = input
        .services
        .keys()
        .chain(input.facts.applied.values().map(|applied| &applied.service))
        .chain(&doomed)
        .collect();
    let (deletes, total) = (doomed.len(), known.len());
    let is_many = deletes > DELETES_MAX && deletes * 100 > total * DELETES_PERCENT_MAX;
    let is_all = deletes == total && total > 1;
    if !(is_many || is_all) || input.confirmed_deletes == Some(deletes) {
        return;
    }
    let limit = if is_all && !is_many {
        format!("this plan deletes all {total} services")
    } else {
        format!(
            "this plan deletes {deletes} of {total} services, the limit is {DELETES_MAX} and {DELETES_PERCENT_MAX} %"
        )
    };
    let refusal = Refusal {
        code: "A0401".to_owned(),
        message: limit,
        found: vec![("services".to_owned(), doomed.iter().cloned().collect::<Vec<_>>().join(", "))],
        hints: vec![Hint::command("if you mean it", format!("amarre apply --confirm-deletes={deletes}"))],
    };
    for change in &mut plan.changes {
        if change.verb == Verb::Delete && doomed.contains(&change.service) {
            change.gate = Gate::Held(refusal.clone());
        }
    }
    plan.guard = Some(refusal);
}

/// Services whose manifest is gone and that lose something, `destroy` apart.
pub fn doomed(input: &Input<'_>, plan: &Plan) -> BTreeSet<String> {
    // An image that is cleaned up is no loss.
    let deletes =
        plan.changes.iter().filter(|change| change.verb == Verb::Delete && change.address.kind != Kind::Image);
    let deletes = deletes.map(|change| &change.service);
    let vanished = deletes.filter(|name| !input.services.contains_key(*name));
    vanished.filter(|name| !input.facts.suspended.get(*name).is_some_and(|s| s.destroy)).cloned().collect()
}
