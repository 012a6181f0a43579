//! What needs a person: deletes of many services, records or hosts at once, of records that the ledger never knew, and of
//! services that it never had.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::plan::guards;
use crate::model::world::Applied;
use crate::model::{Address, Change, Commit, Gate, Hint, History, Kind, Plan, Refusal, Text, Verb};
use crate::plan::input::Input;
use crate::text;

/// This many services may go in one run, whatever their share.
const DELETES_MAX: usize = 3;
/// And this share of the manifests, or of the records, in percent.
const DELETES_PERCENT_MAX: usize = 30;
/// This many records, or hosts, of one service may go, whatever their share: a service with a few names.
const THINGS_FEW: usize = 10;
/// And no more than this many, whatever their share: more is hardly ever meant.
const THINGS_MAX: usize = 20;
/// Commits that are named; who removes services one by one is known well enough.
const COMMITS_MAX: usize = 3;
/// Things of a kind that are named.
const NAMES_MAX: usize = 20;

/// Holds every delete of vanished services when too many go at once, of records and hosts when too many of one service
/// go, of records that the ledger never knew, and of services that it never had. One service that it had is always
/// allowed; `destroy` is its own consent for what the ledger knew; the rest of the plan goes on. One number confirms all
/// that is held.
pub fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    let mut doomed = vanished(input, plan);
    doomed.retain(|service| !input.requests.confirmed.contains(service));
    let services = too_many(input, &doomed);
    if services.is_none() {
        doomed.retain(|service| is_never_had(input, plan, service));
    }
    let is_asked =
        |change: &&Change| !doomed.contains(&change.service) && !input.requests.confirmed.contains(&change.service);
    let addresses = |changes: Vec<&Change>| -> BTreeSet<Address> {
        changes.into_iter().filter(is_asked).map(|change| change.address.clone()).collect()
    };
    let of_doomed = unknown(input, plan).filter(|change| doomed.contains(&change.service));
    let of_doomed: BTreeSet<Address> = of_doomed.map(|change| change.address.clone()).collect();
    let unknown = addresses(unknown(input, plan).collect());
    let crowds = addresses(crowds(input, plan));
    let things: BTreeSet<Address> = unknown.union(&crowds).cloned().collect();
    let number = doomed.len() + things.len();
    if number == 0 || input.requests.confirmed_deletes == Some(number) {
        return;
    }
    let is_had = doomed.is_empty() || services.is_some();
    let (code, message) = match services {
        Some(message) => (guards::SERVICES, message),
        None if !doomed.is_empty() => (guards::UNKNOWN, never_had(doomed.len())),
        None if !unknown.is_empty() => {
            (guards::UNKNOWN, text!("this plan deletes {what} that the ledger never knew", what = counted(&unknown)))
        }
        None => (guards::CROWD, text!("this plan deletes {what} of one service at once", what = counted(&crowds))),
    };
    let mut found = Vec::new();
    if !doomed.is_empty() {
        found.push((text!("services"), doomed.iter().cloned().collect::<Vec<_>>().join(", ").into()));
        found.extend(since(&input.facts.history, &doomed).into_iter().map(|text| (text!("since"), text)));
    }
    found.extend(named(&things));
    if is_had {
        // They go with their services, by one number: who types it has read their names.
        found.extend(named(&of_doomed).into_iter().map(|(_, names)| (text!("never known"), names)));
    }
    let mut hints = vec![Hint::command(text!("if you mean it"), format!("amarre apply --confirm-deletes={number}"))];
    if !is_had {
        let another =
            text!("if another Amarre runs it, write another `instance:` in amarre.yaml, and a new ledger by `state:`");
        hints.push(Hint::text(another));
    }
    let refusal = Refusal { code, message, found, hints };
    for change in plan.changes.iter_mut().filter(|change| change.verb == Verb::Delete) {
        if doomed.contains(&change.service) || things.contains(&change.address) {
            change.gate = Gate::Held(refusal.clone());
        }
    }
    plan.guard = Some(refusal);
}

/// Why these services may not all go at once; `None`: they may.
fn too_many(input: &Input<'_>, doomed: &BTreeSet<String>) -> Option<Text> {
    let known: BTreeSet<&String> = input.services.keys().chain(there(input)).chain(doomed).collect();
    let (deletes, total) = (doomed.len(), known.len());
    let is_many = deletes > DELETES_MAX && deletes * 100 > total * DELETES_PERCENT_MAX;
    let is_all = deletes == total && total > 1;
    if is_many {
        return Some(text!(
            "this plan deletes {deletes} of {total} services, the limit is {most} and {percent} %",
            deletes,
            total,
            most = DELETES_MAX,
            percent = DELETES_PERCENT_MAX
        ));
    }
    is_all.then(|| text!("this plan deletes all {total} services", total))
}

fn is_never_had(input: &Input<'_>, plan: &Plan, service: &str) -> bool {
    let mut of_it = plan.changes.iter().filter(|change| change.verb == Verb::Delete && change.service == service);
    of_it.all(|change| input.is_never_had(service, &change.address))
}

/// Their marks say that they are ours, and another Amarre of the same name has the same marks.
fn never_had(services: usize) -> Text {
    text!(
        services;
        "this plan deletes 1 service that this ledger never had",
        "this plan deletes {services} services that this ledger never had",
    )
}

/// Services of which the ledger has more than what a delete leaves: data, or a server with the records that lead to it.
fn there<'a>(input: &Input<'a>) -> impl Iterator<Item = &'a String> {
    let applied = &input.facts.applied;
    let servers = applied.iter().filter(|(address, _)| address.kind.is_instance());
    let servers: BTreeSet<&String> = servers.map(|(_, row)| &row.service).collect();
    let is_left = move |(address, row): &(&Address, &Applied)| {
        let kind = address.kind;
        kind.is_kept() || !is_loss(kind) || kind == Kind::Record && servers.contains(&row.service)
    };
    applied.iter().filter(move |one| !is_left(one)).map(|(_, row)| &row.service)
}

/// Whether something is lost with it: what is cleaned up, long after, is no loss; an account that is over is meant to go.
fn is_loss(kind: Kind) -> bool {
    !matches!(kind, Kind::Image | Kind::Certificate | Kind::Account)
}

/// Deletes of what is there; a mark that is left of a record is nothing that is lost.
fn deletes<'a>(input: &'a Input<'_>, plan: &'a Plan) -> impl Iterator<Item = &'a Change> {
    let is_there = |change: &&Change| {
        let seen = input.world.seen.get(&change.address);
        change.address.kind != Kind::Record || seen.is_some_and(|seen| !seen.fields.strings("values").is_empty())
    };
    plan.changes.iter().filter(|change| change.verb == Verb::Delete).filter(is_there)
}

/// Records that the ledger never knew: only their marks say that they are ours.
fn unknown<'a>(input: &'a Input<'_>, plan: &'a Plan) -> impl Iterator<Item = &'a Change> {
    let facts = input.facts;
    deletes(input, plan).filter(|change| change.address.kind == Kind::Record).filter(|change| {
        !facts.applied.contains_key(&change.address) && !facts.open_intents.contains_key(&change.address)
    })
}

/// What many of one service and kind go at once; what comes in another type at the same name is not lost.
fn crowds<'a>(input: &'a Input<'_>, plan: &'a Plan) -> Vec<&'a Change> {
    let counts = |address: &Address| address.kind.is_entry();
    let name = |address: &Address| {
        // The type of a record stands behind its name.
        let types = if address.kind == Kind::Record { address.name.rfind('/') } else { None };
        (address.kind, address.name[..types.unwrap_or(address.name.len())].to_owned())
    };
    let made = plan.changes.iter().filter(|change| change.verb != Verb::Delete);
    let comes: BTreeSet<(Kind, String)> = made.map(|change| name(&change.address)).collect();
    let is_destroyed = |service: &str| input.facts.suspended.get(service).is_some_and(|suspension| suspension.destroy);
    let mut crowds: BTreeMap<(&str, Kind), Vec<&Change>> = BTreeMap::new();
    for change in deletes(input, plan).filter(|change| counts(&change.address)) {
        if !comes.contains(&name(&change.address)) && !is_destroyed(&change.service) {
            crowds.entry((&change.service, change.address.kind)).or_default().push(change);
        }
    }
    let owned = |kind: Kind| {
        let seen = input.world.seen.iter().filter(|(address, seen)| address.kind == kind && seen.owner.is_ours());
        seen.count()
    };
    let is_crowd = |count: usize, kind: Kind| {
        count > THINGS_MAX || (count > THINGS_FEW && count * 100 > owned(kind) * DELETES_PERCENT_MAX)
    };
    crowds.retain(|(_, kind), changes| is_crowd(changes.len(), *kind));
    crowds.into_values().flatten().collect()
}

/// `15 proxy hosts and 15 records`.
fn counted(things: &BTreeSet<Address>) -> Text {
    let counts = by_kind(things).into_iter().map(|(kind, names)| of_kind(kind, names.len()));
    counts.reduce(|first, more| text!("{first} and {more}", first, more)).unwrap_or_default()
}

/// So many of what the guard counts. Each kind has its own plural.
fn of_kind(kind: Kind, n: usize) -> Text {
    let known = [
        (Kind::Record, text!(n; "1 record", "{n} records")),
        (Kind::ProxyHost, text!(n; "1 proxy host", "{n} proxy hosts")),
        (Kind::Redirection, text!(n; "1 redirection", "{n} redirections")),
        (Kind::Stream, text!(n; "1 stream", "{n} streams")),
    ];
    let found = known.into_iter().find(|(one, _)| *one == kind).map(|(_, text)| text);
    found.unwrap_or_else(|| text!(n; "1 {kind}", "{n} {kind}s", kind))
}

fn by_kind(things: &BTreeSet<Address>) -> BTreeMap<Kind, Vec<&str>> {
    let mut kinds: BTreeMap<Kind, Vec<&str>> = BTreeMap::new();
    for address in things {
        kinds.entry(address.kind).or_default().push(&address.name);
    }
    kinds
}

/// `records`: `mail.example.org/MX, …`, for each kind.
fn named(things: &BTreeSet<Address>) -> Vec<(Text, Text)> {
    let line = |(kind, names): (Kind, Vec<&str>)| {
        let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| (*name).to_owned()).collect();
        let more = names.len().saturating_sub(NAMES_MAX);
        let names = shown.join(", ");
        (text!("{kind}s", kind), if more == 0 { names.into() } else { text!("{names}, {more} more", names, more) })
    };
    by_kind(things).into_iter().map(line).collect()
}

/// Which commits took the manifests away, the newest first, as far as that is known:
/// `91c0e2d "tidy" (Bob Durand) removed 5 files in services/old/`.
fn since(history: &History, doomed: &BTreeSet<String>) -> Vec<Text> {
    let mut commits: BTreeMap<&str, (&Commit, BTreeSet<&str>)> = BTreeMap::new();
    for file in doomed.iter().filter_map(|service| history.gone.get(service)) {
        // A file that is still there, with fewer services in it, tells itself in each service's reason.
        let Some(commit) = history.removed.get(file) else { continue };
        commits.entry(&commit.id).or_insert_with(|| (commit, BTreeSet::new())).1.insert(file);
    }
    let mut commits: Vec<(&Commit, BTreeSet<&str>)> = commits.into_values().collect();
    commits.sort_by_key(|(commit, _)| std::cmp::Reverse(commit.at));
    let line = |(commit, files): (&Commit, BTreeSet<&str>)| {
        text!(
            "{commit} {subject} ({author}) removed {files}",
            commit = commit.short(),
            subject = format!("\"{}\"", commit.subject),
            author = &commit.author,
            files = gathered(&files)
        )
    };
    commits.into_iter().take(COMMITS_MAX).map(line).collect()
}

/// One file by its name, several by their number and the folder that they share.
fn gathered(files: &BTreeSet<&str>) -> Text {
    match (files.first(), files.last()) {
        (Some(first), Some(last)) if first != last => {
            // In order, so what the first and the last share is shared by all between them.
            let shared = first.chars().zip(last.chars()).take_while(|(one, other)| one == other);
            let shared: String = shared.map(|(char, _)| char).collect();
            match shared.rsplit_once('/') {
                Some((folder, _)) => text!("{n} files in {folder}/", n = files.len(), folder),
                None => text!("{n} files", n = files.len()),
            }
        }
        (Some(file), _) => (*file).into(),
        (None, _) => Text::default(),
    }
}

/// Services that a person agrees to by the number: whose manifest is gone, and those that lose records which are held.
pub fn doomed(input: &Input<'_>, plan: &Plan) -> BTreeSet<String> {
    let mut doomed = vanished(input, plan);
    let records = unknown(input, plan).chain(crowds(input, plan));
    doomed.extend(records.map(|change| change.service.clone()));
    doomed
}

/// Services whose manifest is gone and that lose something, `destroy` apart.
fn vanished(input: &Input<'_>, plan: &Plan) -> BTreeSet<String> {
    let deletes = plan.changes.iter().filter(|change| change.verb == Verb::Delete && is_loss(change.address.kind));
    let deletes = deletes.map(|change| &change.service);
    let vanished = deletes.filter(|name| !input.services.contains_key(*name));
    vanished.filter(|name| !input.facts.suspended.get(*name).is_some_and(|s| s.destroy)).cloned().collect()
}
