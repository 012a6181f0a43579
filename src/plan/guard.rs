//! What needs a person: deletes of many services at once.

use std::collections::{BTreeMap, BTreeSet};

use super::Input;
use crate::model::{Commit, Gate, Hint, History, Kind, Plan, Refusal, Verb};

/// This many services may go in one run, whatever their share.
const DELETES_MAX: usize = 3;
/// And this share of the manifests, in percent.
const DELETES_PERCENT_MAX: usize = 30;
/// Commits that are named; who removes services one by one is known well enough.
const COMMITS_MAX: usize = 3;

/// Holds every delete of vanished services when too many go at once. One is always allowed;
/// `destroy` is its own consent; the rest of the plan goes on.
pub fn guard(input: &Input<'_>, plan: &mut Plan) {
    let mut doomed = doomed(input, plan);
    doomed.retain(|service| !input.facts.confirmed.contains(service));
    if doomed.is_empty() {
        return;
    }
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
    let mut found = vec![("services".to_owned(), doomed.iter().cloned().collect::<Vec<_>>().join(", "))];
    found.extend(since(&input.facts.history, &doomed).into_iter().map(|text| ("since".to_owned(), text)));
    let refusal = Refusal {
        code: "A0401".to_owned(),
        message: limit,
        found,
        hints: vec![Hint::command("if you mean it", format!("amarre apply --confirm-deletes={deletes}"))],
    };
    for change in &mut plan.changes {
        if change.verb == Verb::Delete && doomed.contains(&change.service) {
            change.gate = Gate::Held(refusal.clone());
        }
    }
    plan.guard = Some(refusal);
}

/// Which commits took the manifests away, the newest first, as far as that is known:
/// `91c0e2d "tidy" (Bob Durand) removed 5 files in services/old/`.
fn since(history: &History, doomed: &BTreeSet<String>) -> Vec<String> {
    let mut commits: BTreeMap<&str, (&Commit, BTreeSet<&str>)> = BTreeMap::new();
    for file in doomed.iter().filter_map(|service| history.gone.get(service)) {
        // A file that is still there, with fewer services in it, tells itself in each service's reason.
        let Some(commit) = history.removed.get(file) else { continue };
        commits.entry(&commit.id).or_insert_with(|| (commit, BTreeSet::new())).1.insert(file);
    }
    let mut commits: Vec<(&Commit, BTreeSet<&str>)> = commits.into_values().collect();
    commits.sort_by_key(|(commit, _)| std::cmp::Reverse(commit.at));
    let line = |(commit, files): (&Commit, BTreeSet<&str>)| {
        format!("{} \"{}\" ({}) removed {}", commit.short(), commit.subject, commit.author, gathered(&files))
    };
    commits.into_iter().take(COMMITS_MAX).map(line).collect()
}

/// One file by its name, several by their number and the folder that they share.
fn gathered(files: &BTreeSet<&str>) -> String {
    match (files.first(), files.last()) {
        (Some(first), Some(last)) if first != last => {
            // In order, so what the first and the last share is shared by all between them.
            let shared = first.chars().zip(last.chars()).take_while(|(one, other)| one == other);
            let shared: String = shared.map(|(char, _)| char).collect();
            let place = shared.rsplit_once('/').map(|(folder, _)| format!(" in {folder}/")).unwrap_or_default();
            format!("{} files{place}", files.len())
        }
        (Some(file), _) => (*file).to_owned(),
        (None, _) => String::new(),
    }
}

/// Services whose manifest is gone and that lose something, `destroy` apart.
pub fn doomed(input: &Input<'_>, plan: &Plan) -> BTreeSet<String> {
    // What is cleaned up, long after, is no loss.
    let is_loss = |kind: Kind| !matches!(kind, Kind::Image | Kind::Certificate);
    let deletes = plan.changes.iter().filter(|change| change.verb == Verb::Delete && is_loss(change.address.kind));
    let deletes = deletes.map(|change| &change.service);
    let vanished = deletes.filter(|name| !input.services.contains_key(*name));
    vanished.filter(|name| !input.facts.suspended.get(*name).is_some_and(|s| s.destroy)).cloned().collect()
}
