//! The truth table of [`super`]: one verdict for each address that is wanted or ours.

use std::collections::{BTreeMap, BTreeSet};

use super::exposure::OpenNames;
use super::refusals::{cannot_change, conflict, nobody_makes};
use super::{exposure, ordering, reason};
use crate::model::address::generations;
use crate::model::kinds::Removal;
use crate::model::plan::{Downtime, Impact, Wait};
use crate::model::service::{Reconcile, may_end};
use crate::model::{
    Address, Change, Code, Expect, FieldDiff, Fields, Gate, Hint, Kind, Need, Note, Owner, Plan, Reason, ReasonCode,
    Refusal, Rule, Seen, State, Timestamp, Value, Verb, Want, Wants,
};
use crate::plan::desired::{account, certificate, images, instance, subnets};
use crate::plan::input::Input;
use crate::plan::left_alone::{is_left_alone, is_released};
use crate::plan::rollout::{completion, restart_policy, start_conditions, stopped};
use crate::plan::{compare, exclusive, protection, settling, targets};
use crate::resources::cloud;
use crate::text;

/// What of a host is written only together with its certificate.
const TLS_FIELDS: [&str; 6] = ["certificate", "domains", "force_https", "http2", "hsts", "hsts_subdomains"];

/// Decides about every address. Changes come out in the order of safety: up first, then down.
pub fn decide(input: &Input<'_>, wants: &Wants) -> Plan {
    let mut plan = Plan { notes: wants.notes.clone(), gaps: input.world.gaps.clone(), ..Plan::default() };
    let mut ups: Vec<Change> = Vec::new();
    let open = OpenNames::of(input);
    let mut order: Vec<(&Address, &Want)> = wants.map.iter().collect();
    order.sort_by_key(|(address, _)| (address.kind, *address));
    for (address, want) in order {
        if is_left_alone(input, &want.service) || input.world.gap(address).is_some() {
            continue;
        }
        let seen = input.world.seen.get(address);
        if seen.is_some_and(|seen| is_released(input, address, seen)) {
            continue;
        }
        match seen {
            None if want.keep_only => (),
            None => ups.push(create(input, wants, &open, address, want)),
            // Images are never owned: one that is out of date is pulled anew.
            Some(seen) if seen.owner.is_ours() || address.kind == Kind::Image => {
                ups.extend(update(input, wants, &open, address, want, seen))
            }
            Some(seen) => ups.extend(foreign(input, address, want, seen, &mut plan.notes)),
        }
    }
    let loads = certificate::unloaded(input);
    // Until then nothing else is done with it.
    let unloaded: BTreeSet<Address> = loads.iter().map(|load| load.address.clone()).collect();
    ups.retain(|change| !unloaded.contains(&change.address));
    ups.splice(..0, loads);
    ups.extend(certificate::overdue(input, wants));
    ups.extend(released(input));
    let mut downs = deletes(input, wants, &mut plan.notes);
    downs.retain(|change| !unloaded.contains(&change.address));
    ordering::order(input, wants, &mut ups, &mut downs);
    // What stops comes after what points at it is switched off.
    ups.sort_by_key(stopped::stops);
    stopped::after_hosts(input, wants, &mut ups, &downs);
    plan.changes = ups;
    plan.changes.extend(downs);
    images::clean_up(input, wants, &mut plan);
    for change in &plan.changes {
        if let Gate::Until { at, .. } = change.gate {
            plan.next_look = Some(plan.next_look.map_or(at, |known: Timestamp| known.min(at)));
        }
    }
    plan.notes.sort();
    plan.notes.dedup();
    plan
}

fn create(input: &Input<'_>, wants: &Wants, open: &OpenNames<'_>, address: &Address, want: &Want) -> Change {
    let fields = compare::resolve(&want.fields, input.world);
    let settling = settling::gate(input, address, &want.service);
    let unmet = unmet(input, &want.needs);
    let refusal = want.refusal.as_deref().cloned().or_else(|| nobody_makes(input, wants, want, &unmet));
    let gate = match (refusal, settling) {
        (Some(refusal), _) => Gate::Held(refusal),
        (None, Some(gate)) => gate,
        (None, None) if unmet.is_empty() && !fields.is_unresolved() => Gate::Now,
        (None, None) => Gate::After(if unmet.is_empty() { outputs(&fields) } else { unmet }),
    };
    let impact = Impact {
        downtime: downtime_of(wants, address, want, input),
        exposes: exposure::by_create(input, open, address, &fields),
    };
    Change {
        address: address.clone(),
        service: want.service.clone(),
        verb: Verb::Create(fields),
        diff: Vec::new(),
        because: reason::of_create(input, address, want),
        impact,
        expects: Expect::Absent,
        gate,
    }
}

/// A stop-first successor means that its service is away until it is ready.
fn downtime_of(wants: &Wants, address: &Address, want: &Want, input: &Input<'_>) -> Downtime {
    let replaces = address.kind == Kind::Container
        && wants.stop_first.contains_key(&want.service)
        && want.needs.iter().any(|need| need.is == State::Absent && input.world.seen.contains_key(&need.on));
    // NPM takes a host off line while it asks for a certificate of one of its names.
    let takes_off = address.kind == Kind::Certificate && certificate::hosts_of(input, address).next().is_some();
    if replaces || takes_off { Downtime::Some } else { Downtime::None }
}

fn update(
    input: &Input<'_>,
    wants: &Wants,
    open: &OpenNames<'_>,
    address: &Address,
    want: &Want,
    seen: &Seen,
) -> Option<Change> {
    let schema = input.schema(address)?;
    let applied = input.facts.applied.get(address).map(|applied| &applied.fields);
    // A mark that names another service is not the mark that is wanted. What leads to a container is written as it moves.
    let marked = want.fields.get("mark").and(named_otherwise(address, want, seen));
    let unmarked = marked.map(|_| seen.fields.clone().with("mark", Value::Bool(false)));
    let seen_fields = unmarked.as_ref().unwrap_or(&seen.fields);
    let mut diffs = compare::compare_in(input.world, schema, &want.fields, seen_fields, applied);
    diffs.retain(|(_, diff)| !protection::ignores(input, &want.service, address.kind, &diff.field));
    if input.requests.adopting.as_ref() == Some(address) {
        diffs.retain(|(_, diff)| diff.field == "mark");
    }
    if diffs.is_empty() {
        return None;
    }
    let is_server = address.kind == Kind::Server;
    let is_instance = address.kind.is_instance();
    let held = is_instance.then(|| instance::first_change(input, address, want, &mut diffs)).flatten();
    let fields = compare::resolve(&want.fields, input.world);
    let is_fixed =
        diffs.iter().any(|(rule, _)| matches!(rule, Rule::Fixed | Rule::Generation | Rule::Volatile | Rule::AtMost));
    let changed = written(address, &fields, &diffs, seen);
    let diffs: Vec<FieldDiff> = diffs.into_iter().map(|(_, diff)| with_mark_shown(diff, want, marked, seen)).collect();
    let unmet = unmet(input, &needs_of(input, address, want, &changed));
    let mut draft = UpdateDraft { changed, diffs, unmet };
    draft.leave_out_what_waits(input, want);
    let UpdateDraft { changed, diffs, unmet } = draft;
    let gate =
        if let Some(refusal) = want.refusal.as_deref().cloned().or_else(|| nobody_makes(input, wants, want, &unmet)) {
            Gate::Held(refusal)
        } else if let Some(refusal) = held {
            Gate::Held(refusal)
        } else if is_fixed {
            Gate::Held(cannot_change(input, address, want, &diffs))
        } else if !unmet.is_empty() {
            Gate::After(unmet)
        } else {
            let rests = || wants.rests_until.get(address).copied().filter(|until| input.now.is_before(*until));
            let until = grace(input, address, want, &changed, seen).or_else(rests);
            until.map_or(Gate::Now, |at| Gate::Until { at, what: Wait::StoppedGrace })
        };
    let exposes = exposure::by_update(open, address, want, &diffs);
    let is_resized = is_server && changed.get("type").is_some();
    let downtime = if is_resized { Downtime::Some } else { Downtime::None };
    Some(Change {
        address: address.clone(),
        service: want.service.clone(),
        because: reason::of_update(input, wants, address, want, &diffs),
        verb: Verb::Update(changed),
        diff: diffs,
        impact: Impact { downtime, exposes },
        expects: Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() },
        gate,
    })
}

/// What is written for the fields that differ, and what has to be written with them.
fn written(address: &Address, fields: &Fields, diffs: &[(Rule, FieldDiff)], seen: &Seen) -> Fields {
    if address.kind == Kind::Account {
        // Its script says the whole of it once more.
        return fields.clone();
    }
    let mut changed = Fields::default();
    for (_, diff) in diffs {
        // A map is written whole, though it is shown entry by entry.
        let name = diff.field.split('.').next().unwrap_or(&diff.field);
        let value = fields.get(name).cloned().or_else(|| diff.to.clone());
        changed.extend(value.map(|value| (name.to_owned().into(), value)));
    }
    if changed.get("aliases").is_some() {
        // With other names a container is connected anew, where it was.
        let place = ["address", "mac_address"].into_iter().filter_map(|name| Some((name, fields.get(name)?.clone())));
        changed.extend(place.map(|(name, value)| (name.into(), value)));
    }
    if address.kind == Kind::Image {
        // Of another platform it would be another image.
        changed.extend(fields.get("platform").map(|platform| ("platform".into(), platform.clone())));
    }
    if changed.flag("running") == Some(true) && seen.fields.get("started_at_ms").is_none() {
        // What never ran may lack its files: only the change says which they are.
        changed.extend(fields.get("files").map(|files| ("files".into(), files.clone())));
    }
    changed
}

/// A mark that changes is shown by whose it is, or by its signature.
fn with_mark_shown(diff: FieldDiff, want: &Want, marked: Option<&String>, seen: &Seen) -> FieldDiff {
    match (marked, super::reason::signature(seen)) {
        (Some(other), _) if diff.field == "mark" => {
            FieldDiff { from: Some(Value::text(other)), to: Some(Value::text(&want.service)), ..diff }
        }
        (None, Some(signature)) if diff.field == "mark" => {
            FieldDiff { from: Some(Value::text(signature)), to: Some(Value::text("signed")), ..diff }
        }
        (Some(_) | None, _) => diff,
    }
}

/// An update before it is known when it is done.
struct UpdateDraft {
    changed: Fields,
    /// What people are shown of it.
    diffs: Vec<FieldDiff>,
    /// What is not there yet.
    unmet: Vec<Need>,
}

impl UpdateDraft {
    /// Of what waits for something, the part that waits for nothing is done at once; the rest is left to a later plan.
    fn leave_out_what_waits(&mut self, input: &Input<'_>, want: &Want) {
        let waits_for_list = self.unmet.iter().any(|need| need.on.kind == Kind::AccessList);
        if self.changed.flag("enabled") == Some(false) && waits_for_list {
            // Nobody comes in through what is switched off: that waits for nothing.
            self.keep_only(|field| field == "enabled");
        }
        if self.changed.flag("enabled") == Some(true)
            && let Some(Value::Output { of, .. }) = want.fields.get("forward_host")
            && !input.world.seen.contains_key(of)
        {
            // What was switched off is switched on where it leads to something again.
            self.unmet.push(Need::present(of.as_ref().clone()));
        }
        let is_certificate = |need: &Need| need.on.kind == Kind::Certificate;
        if !self.unmet.is_empty() && self.unmet.iter().all(is_certificate) {
            // What has nothing to do with the certificate does not wait for it.
            let waits = |field: &str| TLS_FIELDS.contains(&field);
            if self.changed.names().any(|field| !waits(field)) {
                self.keep_only(|field| !waits(field));
            }
        }
    }

    /// Only these fields are written, and they wait for nothing.
    fn keep_only(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.changed.retain(|field, _| is_kept(field));
        self.diffs.retain(|diff| is_kept(&diff.field));
        self.unmet.clear();
    }
}

/// Which other service a record says that it is of: the one that had the name before.
fn named_otherwise<'a>(address: &Address, want: &Want, seen: &'a Seen) -> Option<&'a String> {
    seen.service.as_ref().filter(|named| address.kind == Kind::Record && **named != want.service)
}

/// What the changed fields point to must be there; a host whose container is down may still be changed elsewhere.
fn needs_of(input: &Input<'_>, address: &Address, want: &Want, changed: &Fields) -> Vec<Need> {
    // A name leads to another host once the service is there.
    if address.kind == Kind::Record && changed.get("values").is_some() {
        let is_unseen = |on: &Address| !input.world.seen.contains_key(on) && input.world.gap(on).is_none();
        let is_to_come = |need: &&Need| need.on.kind == Kind::Container && is_unseen(&need.on);
        return want.needs.iter().filter(is_to_come).cloned().collect();
    }
    let leads = targets::moves(changed) || changed.flag("enabled") == Some(true);
    // What a field of a host can name, and whether the change names it.
    let named = [
        (Kind::Container, leads),
        (Kind::Instance, leads),
        (Kind::Server, leads),
        (Kind::Attachment, leads),
        (Kind::Certificate, changed.get("certificate").is_some()),
        (Kind::AccessList, changed.get("access_list").is_some()),
    ];
    want.needs.iter().filter(|need| named.contains(&(need.on.kind, true))).cloned().collect()
}

/// A stopped container may have been stopped for a backup: it is started after a while.
fn grace(input: &Input<'_>, address: &Address, want: &Want, changed: &Fields, seen: &Seen) -> Option<Timestamp> {
    let applied = input.facts.applied.get(address).map(|row| &row.fields);
    let policy = want.fields.text("restart").unwrap_or_default();
    if stopped::is_ours(applied, &seen.fields, policy) {
        return None;
    }
    // One that nothing says `restart` of comes here only after its engine took it down.
    if want.fields.get(restart_policy::ENDED).is_some() && may_end(policy) {
        return None;
    }
    let grace = input.services.get(&want.service).map(|service| service.reconcile.stopped_grace);
    let grace = grace.unwrap_or(Reconcile::default().stopped_grace);
    changed.flag("running").filter(|running| *running && !input.requests.is_awaited(&want.service))?;
    // What was made but never started is ours to start: the crash was between the two calls.
    let finished = seen.fields.get("finished_at_ms").and_then(Value::as_int)?;
    let finished = Timestamp(finished);
    let until = finished + grace;
    (input.now.is_before(until) && !fell_with_its_engine(input, address, seen, finished)).then_some(until)
}

/// Whether it ran before its engine started, and ended while that came up: an engine that was killed ends what ran,
/// and leaves it stopped.
fn fell_with_its_engine(input: &Input<'_>, address: &Address, seen: &Seen, finished: Timestamp) -> bool {
    let Some(came_up) = input.world.started.get(&address.provider) else { return false };
    let ran_before = completion::time(&seen.fields, "started_at_ms").is_none_or(|began| began < *came_up);
    ran_before && (finished - *came_up).0.abs() <= restart_policy::ENGINE_COMES_UP.0
}

/// Takes the mark off what was given out of hand.
fn released(input: &Input<'_>) -> Vec<Change> {
    let seen = input.facts.released.keys().filter_map(|address| Some((address, input.world.seen.get(address)?)));
    let marked = seen.filter(|(address, seen)| is_released(input, address, seen) && input.world.gap(address).is_none());
    let change = |(address, seen): (&Address, &Seen)| Change {
        address: address.clone(),
        service: seen.service.clone().unwrap_or_default(),
        verb: Verb::Update(Fields::default().with("mark", Value::Bool(false))),
        diff: Vec::new(),
        because: Reason { code: ReasonCode::Released, text: text!("leaves Amarre, stays as it is"), origin: None },
        impact: Impact::default(),
        expects: Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() },
        gate: Gate::Now,
    };
    marked.map(change).collect()
}

fn foreign(input: &Input<'_>, address: &Address, want: &Want, seen: &Seen, notes: &mut Vec<Note>) -> Option<Change> {
    let schema = input.schema(address)?;
    let mut fields = compare::resolve(&want.fields, input.world);
    // A mark is what makes it ours; an equal thing without it is used as it is.
    for ours in ["mark", "online"] {
        fields.remove(ours);
    }
    if address.kind == Kind::Record {
        // The same answer with another TTL is the same answer.
        fields.remove("ttl");
    }
    let diffs = compare::compare(schema, &fields, &seen.fields, None);
    if diffs.is_empty() && !fields.is_unresolved() {
        let why = match &seen.owner {
            Owner::Unverified => text!("its mark says that it is ours, and no key of ours signed that"),
            Owner::Other(instance) => text!("it belongs to the instance {instance}", instance),
            Owner::Ours | Owner::MarkLost | Owner::Foreign => text!("it was here already"),
        };
        let note = Note {
            service: want.service.clone(),
            address: Some(address.clone()),
            text: text!("{kind} {name} is used, not owned: {why}", kind = address.kind, name = &address.name, why),
            code: None,
        };
        // Images and zones are never owned, and a certificate that fits is used as a matter of course.
        if address.kind.may_be_owned() && address.kind != Kind::Certificate {
            notes.push(note);
        }
        return None;
    }
    let diffs: Vec<FieldDiff> = diffs.into_iter().map(|(_, diff)| diff).collect();
    Some(Change {
        address: address.clone(),
        service: want.service.clone(),
        verb: Verb::Create(fields),
        because: reason::of_create(input, address, want),
        impact: Impact::default(),
        expects: Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() },
        gate: Gate::Held(conflict(input, address, want, seen, &diffs)),
        diff: diffs,
    })
}

/// Everything of ours that no manifest wants any more, users first.
fn deletes(input: &Input<'_>, wants: &Wants, notes: &mut Vec<Note>) -> Vec<Change> {
    let mut doomed: Vec<(&Address, &Seen, String)> = Vec::new();
    for (address, seen) in &input.world.seen {
        if wants.map.contains_key(address) || !seen.owner.is_ours() || input.world.gap(address).is_some() {
            continue;
        }
        if is_released(input, address, seen) {
            continue;
        }
        let service = seen.service.clone();
        let service = service.or_else(|| input.facts.applied.get(address).map(|applied| applied.service.clone()));
        let Some(service) = service else {
            notes.push(unmanaged(address));
            continue;
        };
        notes.extend(not_pruned(input, address, &service));
        if may_delete(input, wants, address, &service) {
            doomed.push((address, seen, service));
        }
    }
    doomed.sort_by_key(|(address, _, _)| (address.kind.traits().down_rank, *address));
    let gone: Vec<(Address, String)> =
        doomed.iter().map(|(address, _, service)| ((*address).clone(), service.clone())).collect();
    let mut changes = Vec::new();
    for (address, seen, service) in doomed {
        if let Some(note) = hidden_users(input, wants, address, &service) {
            notes.push(note);
            continue;
        }
        changes.push(Change {
            address: address.clone(),
            because: reason::of_delete(input, wants, address, &service),
            verb: Verb::Delete,
            diff: Vec::new(),
            impact: Impact { downtime: downtime_of_delete(input, wants, address, seen, &service), ..Impact::default() },
            expects: Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() },
            gate: delete_gate(input, wants, address, seen, &service, &gone),
            service,
        });
    }
    changes
}

/// A container that stops for its successor is away until that is ready, and so is one that goes because its network is
/// made anew, or that an update, since overtaken, had put elsewhere. One that is taken back serves nobody.
fn downtime_of_delete(input: &Input<'_>, wants: &Wants, address: &Address, seen: &Seen, service: &str) -> Downtime {
    if address.kind != Kind::Container {
        return Downtime::None;
    }
    let is_on_it = wants
        .moving
        .iter()
        .any(|network| network.provider == address.provider && exclusive::is_on(&seen.fields, network));
    let own = input.services.get(service).map(|service| subnets::networks_of(input, service));
    let has_none = own.into_iter().flatten().any(|own| wants.moving.contains(&own.address));
    let heir = wants.heir(address);
    let comes = |wanted: &Address| wanted.is_same(&heir) && !input.world.seen.contains_key(wanted);
    let stops_first = wants.before_delete.contains_key(address) && wants.stop_first.contains_key(service);
    let is_replaced = stops_first && wants.map.keys().any(comes);
    let has_failed = reason::failure(input, wants, address).is_some();
    let is_away = is_on_it || has_none || is_replaced && !has_failed;
    if is_away { Downtime::Some } else { Downtime::None }
}

fn may_delete(input: &Input<'_>, wants: &Wants, address: &Address, service: &str) -> bool {
    if address.kind == Kind::Account {
        // Its reservation is over, whatever became of the pool.
        return true;
    }
    if is_left_alone(input, service) {
        return false;
    }
    let suspension = input.facts.suspended.get(service);
    let is_purged = suspension.is_some_and(|suspension| suspension.destroy && suspension.purge);
    // A manifest of the server's own name may take it over, also one that cannot be read.
    let may_be_taken_over = || {
        let (services, frozen) = (input.services, &input.facts.frozen);
        input.facts.prune_blocked || services.contains_key(&address.name) || frozen.contains(&address.name)
    };
    let has_left = input.services.get(service).is_some_and(|service| service.has_no_more(address));
    let is_left_over = has_left && !may_be_taken_over();
    let is_asked = match address.kind.traits().removal {
        Removal::NotOwned => false,
        Removal::Unused => wants.unused.get(address).is_some_and(|until| is_purged || !input.now.is_before(*until)),
        Removal::Purge => is_purged || is_left_over,
        Removal::Unwanted => true,
    };
    let is_wanted_service = input.services.contains_key(service);
    if !is_wanted_service && suspension.is_none() && address.kind == Kind::Record && has_server(input, service) {
        // As the server itself, what leads to it stays when its manifest is gone.
        return false;
    }
    // A service with another name may have gone on with its volumes.
    let row = input.facts.applied.get(address).filter(|_| address.kind == Kind::Volume);
    let is_its = row.is_none_or(|row| row.service == service);
    is_asked
        && is_its
        && (is_wanted_service || suspension.is_some() || (input.site.prune && !input.facts.prune_blocked))
}

/// Whether Amarre made a server for a service.
fn has_server(input: &Input<'_>, service: &str) -> bool {
    input.facts.applied.iter().any(|(address, row)| address.kind == Kind::Server && row.service == service)
}

/// A vanished manifest whose things stay.
fn not_pruned(input: &Input<'_>, address: &Address, service: &str) -> Option<Note> {
    let is_asked = input.services.contains_key(service) || input.facts.suspended.contains_key(service);
    let is_kept = address.kind.is_kept();
    if address.kind == Kind::Server && !is_asked && !input.facts.prune_blocked {
        let text = text!(
            "server {name} stays with its records, and costs what it cost: its manifest is gone; put it back, or `amarre destroy {service} --purge` deletes the server with its disks",
            name = &address.name,
            service
        );
        return Some(Note { service: service.to_owned(), address: Some(address.clone()), text, code: None });
    }
    let text = match (input.site.prune, input.facts.prune_blocked) {
        _ if is_asked || is_kept || input.facts.frozen.contains(service) => return None,
        (false, _) => {
            text!("the manifest of {service} is gone, its things stay: `reconcile.prune` is off", service)
        }
        (true, true) => {
            text!("the manifest of {service} is gone, its things stay: a file is broken that may hold it", service)
        }
        (true, false) => return None,
    };
    Some(Note { service: service.to_owned(), address: None, text, code: None })
}

fn unmanaged(address: &Address) -> Note {
    Note {
        service: String::new(),
        address: Some(address.clone()),
        text: text!(
            "{kind} {name} is ours, but no manifest is known for it: left alone",
            kind = address.kind,
            name = &address.name
        ),
        code: None,
    }
}

/// Down order across a provider that cannot be seen: what may still be pointed at stays.
fn hidden_users(input: &Input<'_>, wants: &Wants, address: &Address, service: &str) -> Option<Note> {
    let note = |text| Note { service: service.to_owned(), address: Some(address.clone()), text, code: None };
    let (kind, name) = (address.kind, &address.name);
    let is_superseded = generations(&wants.map, address).next().is_some();
    if let Some(host) = hidden_host(input, address, service).filter(|_| !is_superseded) {
        let host = &host.name;
        return Some(note(text!(
            "{kind} {name} stays: {host}, which may lead to it, cannot be seen",
            kind,
            name,
            host
        )));
    }
    if !address.kind.traits().is_pointed_at || is_superseded {
        return None;
    }
    let dark = input.world.gaps.iter().find(|gap| gap.hides_upstreams())?;
    let provider = &dark.provider;
    Some(note(text!("{kind} {name} stays: {provider} cannot be asked what points at it", kind, name, provider)))
}

/// A host of the same service that a gap of its own hides: what it leads to, and the record of its name, stay with it.
fn hidden_host<'a>(input: &'a Input<'_>, address: &Address, service: &str) -> Option<&'a Address> {
    if !address.kind.traits().is_pointed_at {
        return None;
    }
    let hidden = input.world.gaps.iter().filter_map(|gap| gap.scope.resource());
    let mut hosts = hidden.filter(|hidden| hidden.kind.is_proxied());
    hosts.find(|host| {
        let named = || input.facts.applied.get(*host).map(|row| row.fields.strings("domains")).unwrap_or_default();
        let record = address.name.rsplit_once('/').map(|(name, _)| name).filter(|_| address.kind == Kind::Record);
        let is_its = input.facts.applied.get(*host).is_some_and(|row| row.service == service);
        is_its && record.is_none_or(|name| named().contains(&name))
    })
}

fn delete_gate(
    input: &Input<'_>,
    wants: &Wants,
    address: &Address,
    seen: &Seen,
    service: &str,
    gone: &[(Address, String)],
) -> Gate {
    if let Some(at) = input.facts.applied.get(address).and_then(cloud::deleted_by)
        && input.now.is_before(at)
    {
        return Gate::Until { at, what: Wait::Settle };
    }
    let record = address.name.rsplit_once('/').map(|(name, _)| name).filter(|_| address.kind == Kind::Record);
    let is_named = |host: &Address| {
        let domains = input.world.seen.get(host).map(|host| host.fields.strings("domains")).unwrap_or_default();
        record.is_some_and(|name| domains.contains(&name))
    };
    let mut needs: Vec<Need> = match wants.before_delete.get(address) {
        // A stop-first predecessor stays until everything else of its successor is there.
        Some(first) => unmet(input, first),
        None => {
            // A network that is made anew waits for what is on it only: the rest may wait for the next one.
            let is_moving = wants.moving.contains(address);
            let before = gone.iter().filter(|(other, owner)| {
                let is_own = owner == service && !is_moving;
                (is_own || is_named(other)) && other.kind.traits().down_rank < address.kind.traits().down_rank
            });
            let users = exclusive::users(input, address, seen);
            let users = before.map(|(other, _)| other.clone()).chain(users).map(Need::absent);
            users.chain(start_conditions::go_first(input, wants, address, service, gone)).collect()
        }
    };
    if address.kind == Kind::Network
        && let Some(refusal) = foreign_containers(input, address, seen, gone)
    {
        return Gate::Held(refusal);
    }
    needs.sort();
    needs.dedup();
    // Of a pool without a manifest, or a machine that left it, no account is taken away before its end.
    let lent = account::lent_until(input, address).map(|at| (at, Wait::Lent));
    match wants.drains.get(address).map(|at| (*at, Wait::Drain)).or(lent) {
        _ if !needs.is_empty() => Gate::After(needs),
        Some((at, what)) if input.now.is_before(at) => Gate::Until { at, what },
        Some(_) | None => Gate::Now,
    }
}

/// Containers on a network that are not ours to remove: without it, a stopped one would not start again.
fn foreign_containers(
    input: &Input<'_>,
    address: &Address,
    seen: &Seen,
    gone: &[(Address, String)],
) -> Option<Refusal> {
    let attached: BTreeSet<&str> = gone
        .iter()
        .filter(|(other, _)| other.kind == Kind::Attachment)
        .filter_map(|(other, _)| other.name.split_once('/').filter(|(network, _)| *network == address.name))
        .map(|(_, container)| container)
        .collect();
    let ours: BTreeMap<&str, &Address> = input
        .world
        .of_kind(&address.provider, Kind::Container)
        .filter(|(_, container)| container.owner.is_ours())
        .filter_map(|(own, container)| Some((container.fields.text("name")?, own)))
        .collect();
    let members = seen.fields.strings("members");
    let strangers: Vec<&str> =
        members.into_iter().filter(|name| !ours.contains_key(name) && !attached.contains(name)).collect();
    let (first, users) = (strangers.first()?, strangers.clone());
    Some(Refusal {
        code: Code::A0507,
        message: text!("network {name} is used by {users}, which is not ours", name = &address.name, users),
        found: Vec::new(),
        hints: vec![Hint::command(
            text!("detach it"),
            format!("docker network disconnect -f {} {first}", address.name),
        )],
    })
}

/// The needs that do not hold, or of which nothing is known.
fn unmet(input: &Input<'_>, needs: &[Need]) -> Vec<Need> {
    let goes = |need: &Need| need.is != State::Absent && input.facts.going.contains(&need.on);
    needs.iter().filter(|need| input.world.holds(need) != Some(true) || goes(need)).cloned().collect()
}

fn outputs(fields: &Fields) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for value in fields.values() {
        if let Value::Output { of, .. } = value {
            needs.push(Need::ready(Address::clone(of)));
        }
    }
    needs
}
