//! The state of each service: sync, health, next step. Pure: a pass result in, values out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::countdown::{self, CountFrom, Then};
use super::failures::would_fail_again;
use super::leftovers::Leftover;
use super::waits::{self, PendingWait};
use super::{exposure, jobs, leftovers, next_step, service_health, wait_text};
use crate::engine::pass_result::ServiceError;
use crate::engine::report::pass_view::PassView;
use crate::ledger::LastFailure;
use amarre_core::manifest::{Diagnostic, Severity};
use amarre_core::model::failures;
use amarre_core::model::plan::{Gate, Hint, ReasonCode, Wait};
use amarre_core::model::service::{Route, Tls};
use amarre_core::model::world::Suspension;
use amarre_core::model::{
    Address, Change, Code, Kind, Need, Readiness, Refusal, Seen, State, Text, Timestamp, Value, Verb,
};
use amarre_core::plan::desired::foreign_use;
use amarre_core::plan::rollout::completion;
use amarre_core::text;

/// Does the world match the manifest? It does not while a new version is on its way, nor while a person's rollback keeps
/// an older one; an old container that only drains is no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sync {
    /// Something differs.
    OutOfSync,
    /// Something could not be observed.
    Unknown,
    Synced,
}

impl Sync {
    /// All, what is best first.
    pub const ALL: [Sync; 3] = [Sync::Synced, Sync::OutOfSync, Sync::Unknown];

    /// The word on screen and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Sync::Synced => "Synced",
            Sync::OutOfSync => "OutOfSync",
            Sync::Unknown => "Unknown",
        }
    }
}

/// Does it work? The worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Something is there and does not work.
    Degraded,
    /// A serving resource is missing.
    Missing,
    /// On its way.
    Progressing,
    /// Could not be observed.
    Unknown,
    Healthy,
}

impl Health {
    /// All, what is best first.
    pub const ALL: [Health; 5] =
        [Health::Healthy, Health::Progressing, Health::Degraded, Health::Missing, Health::Unknown];

    /// The word on screen and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Health::Healthy => "Healthy",
            Health::Progressing => "Progressing",
            Health::Degraded => "Degraded",
            Health::Missing => "Missing",
            Health::Unknown => "Unknown",
        }
    }
}

#[derive(Debug, Clone)]
pub struct ServiceStatus {
    pub name: String,
    pub host: String,
    /// As wanted?
    pub sync: Sync,
    /// Does it work?
    pub health: Health,
    /// Whether it needs a person.
    pub attention: bool,
    /// One line without its time; empty when all is well.
    pub what_now: Text,
    /// The time that the line counts to.
    pub what_now_clock: Option<CountFrom>,
    /// The next step, if there is one.
    pub hints: Vec<Hint>,
    /// The code of what is wrong, when something is.
    pub code: Option<Code>,
    /// The full names of its routes.
    pub domains: Vec<String>,
    /// The same as addresses, with https where a route has a certificate.
    pub urls: Vec<String>,
    /// Each of its resources.
    pub resources: Vec<ResourceStatus>,
    /// Its first wait, and how that ends.
    pub waiting: Option<PendingWait>,
    /// Its manifest is gone and everything that it created, but for its data, or its server with the records of that.
    pub deleted: bool,
}

impl ServiceStatus {
    /// The one line at this moment.
    pub fn status_line_at(&self, now: Timestamp) -> Text {
        countdown::with_time(&self.what_now, self.what_now_clock, now)
    }

    /// How far a wait with a limit is: `1:52 of 10:00`. Empty after the limit.
    pub fn progress(&self, now: Timestamp) -> Option<Text> {
        self.waiting.as_ref().filter(|waiting| !waiting.is_stalled())?.progress(now)
    }
}

/// One resource of a service.
#[derive(Debug, Clone)]
pub struct ResourceStatus {
    pub address: Address,
    /// Whether a change is planned for it, or it is hidden.
    pub sync: Sync,
    /// Whether it works.
    pub health: Health,
    /// The text, without its time.
    pub detail: Text,
    /// The time that the text counts from.
    pub detail_clock: Option<CountFrom>,
    /// The change that is planned; boxed as the next is, since most resources have none.
    pub change: Option<Box<Change>>,
    /// The failure of a container that does not work, if known.
    pub failure: Option<Box<LastFailure>>,
    /// Docker restarts it whenever it ends.
    pub is_restarted: bool,
    /// Its name in the manifest, of a job.
    pub job: Option<String>,
    /// It is not there yet and is created without a person: nothing failed.
    pub to_come: bool,
}

impl ResourceStatus {
    /// The text at this moment.
    pub fn detail_at(&self, now: Timestamp) -> Text {
        countdown::with_time(&self.detail, self.detail_clock, now)
    }

    /// `job backup`, `container cloud-app`.
    pub fn label(&self) -> Text {
        match &self.job {
            Some(job) => text!("job {job}", job),
            None => text!("{kind} {name}", kind = self.address.kind, name = jobs::shown_name(&self.address)),
        }
    }
}

/// Adds what each service waits for, which depends on since when it is as it is.
pub fn add_waits(pass: &PassView, rows: &mut BTreeMap<String, ServiceStatus>) {
    for row in rows.values_mut() {
        row.waiting = waits::first_wait(pass, row);
    }
}

/// Every service, without what it waits for; [`PassView::statuses`] has all of them ready.
pub fn before_waits(pass: &PassView) -> BTreeMap<String, ServiceStatus> {
    let known = pass.facts.applied.values().map(|applied| &applied.service);
    let names: BTreeSet<&String> =
        pass.services.keys().chain(pass.broken.keys()).chain(pass.facts.suspended.keys()).chain(known).collect();
    let parts = service_health::parts_of_gone(pass);
    let row = |name: &String| (name.clone(), service(pass, name, parts.get(name)));
    let mut rows: BTreeMap<String, ServiceStatus> =
        names.into_iter().filter(|name| !name.is_empty()).map(row).collect();
    for (name, refusal) in pass.with_input(foreign_use::second_writers).unwrap_or_default() {
        if let Some(row) = rows.get_mut(&name).filter(|row| !row.attention) {
            row.attention = true;
            row.what_now = refusal.message;
            row.code = Some(refusal.code);
            row.hints = refusal.hints;
        }
    }
    rows
}

/// The addresses of a route. A name that every browser resolves to its own machine opens at a simulated proxy there,
/// which speaks no TLS; `visited`: its address.
fn urls<'a>(pass: &'a PassView, route: &'a Route, visited: Option<SocketAddr>) -> impl Iterator<Item = String> + 'a {
    let is_plain = route.tls == Tls::None || route.domains.iter().any(|name| pass.is_served_plain(name));
    let scheme = if is_plain { "http" } else { "https" };
    route.domains.iter().map(move |domain| match visited.filter(|_| domain.ends_with(".localhost")) {
        Some(at) => format!("http://{domain}:{}", at.port()),
        None => format!("{scheme}://{domain}"),
    })
}

fn service(pass: &PassView, name: &str, parts: Option<&BTreeSet<Address>>) -> ServiceStatus {
    let manifest = pass.services.get(name);
    let resources = resources(pass, name);
    let sync = worst_sync(pass, name, &resources);
    let health = service_health::health(pass, name, &resources, parts);
    let mut status = ServiceStatus {
        name: name.to_owned(),
        host: manifest.map_or_else(|| "default".to_owned(), |manifest| manifest.host.clone()),
        sync,
        health,
        attention: false,
        what_now: Text::default(),
        what_now_clock: None,
        hints: Vec::new(),
        code: None,
        domains: manifest
            .map(|manifest| manifest.routes.iter().flat_map(|route| route.domains.clone()).collect())
            .unwrap_or_default(),
        urls: manifest
            .map(|manifest| {
                manifest.routes.iter().flat_map(|route| urls(pass, route, pass.visited(&manifest.host))).collect()
            })
            .unwrap_or_default(),
        deleted: leftovers::is_deleted(pass, name, &resources),
        resources,
        waiting: None,
    };
    explain(pass, &mut status);
    // An outage is one problem, that of its provider: what it hides is not counted again.
    let mut gaps = pass.plan.gaps.iter();
    status.attention &= !gaps.any(|gap| status.code == Some(gap.code) && status.what_now == gap.message);
    exposure::mark_lost(pass, &mut status);
    status
}

fn resources(pass: &PassView, name: &str) -> Vec<ResourceStatus> {
    let mut addresses: BTreeSet<Address> = pass.wanted_by(name).iter().cloned().collect();
    addresses.extend(pass.changes_of(name).map(|change| change.address.clone()));
    let owned = pass.owned_by(name).iter();
    addresses.extend(owned.clone().filter(|address| pass.world.gap(address).is_some()).cloned());
    // Data that outlives its manifest is shown: people need to see what is left, and what a purge deletes.
    let kept = owned.clone().filter(|address| pass.world.seen.contains_key(*address));
    let is_destroyed = pass.facts.suspended.get(name).is_some_and(|suspension| suspension.destroy);
    addresses.extend(kept.filter(|_| is_destroyed || !pass.services.contains_key(name)).cloned());
    let unasked =
        |address: &Address| pass.world.seen.get(address).is_some_and(|seen| seen.fields.get("unasked").is_some());
    addresses.retain(|address| !matches!(address.kind, Kind::Image) || unasked(address));
    // Of what is left as it is, no successor is made: what serves is shown.
    if pass.facts.frozen.contains(name) {
        let is_made = |address: &Address| pass.world.seen.contains_key(address) || !pass.has_other_ready(address);
        let (mut shown, next): (BTreeSet<Address>, BTreeSet<Address>) = addresses.into_iter().partition(is_made);
        shown.extend(next.iter().flat_map(|next| pass.wants.instances(&pass.world, next).into_keys()));
        addresses = shown;
    }
    addresses.into_iter().map(|address| resource(pass, address)).collect()
}

fn resource(pass: &PassView, address: Address) -> ResourceStatus {
    let change = pass.change_of(&address);
    let seen = pass.world.seen.get(&address);
    let is_hidden = pass.world.gap(&address).is_some();
    let unasked = seen.and_then(|seen| seen.fields.text("unasked")).filter(|_| address.kind == Kind::Image);
    let sync = match (change, is_hidden || unasked.is_some()) {
        (_, true) => Sync::Unknown,
        (Some(_), false) => Sync::OutOfSync,
        (None, false) => Sync::Synced,
    };
    let is_stopped = is_stopped_as_wanted(pass, &address);
    let refused = refused_create(change);
    let has_failed = pass.facts.failed.contains_key(&address);
    let is_held_up = change.is_some_and(|change| pass.errors.contains_key(&change.service));
    let is_overridden = is_hidden || unasked.is_some() || refused.is_some() || is_stopped;
    let (health, detail) = match seen.map(|seen| &seen.ready) {
        _ if is_hidden => (Health::Unknown, text!("cannot be seen")),
        _ if unasked.is_some() => (Health::Unknown, unasked.unwrap_or_default().into()),
        // Nothing has failed: the one before goes on in its place.
        _ if refused.is_some() && !has_failed && pass.has_other_ready(&address) => {
            (Health::Healthy, text!("held: {why}", why = refused.unwrap_or_default()))
        }
        _ if refused.is_some() => (Health::Missing, refused.unwrap_or_default()),
        None if change.is_some_and(|change| change.verb == Verb::Delete) => (Health::Healthy, text!("goes")),
        // What it is made of, or waits for, has failed.
        None if is_held_up && pass.has_other_ready(&address) => (Health::Degraded, text!("not there yet")),
        None => (Health::Missing, text!("not there")),
        Some(_) if is_stopped => (Health::Healthy, text!("stopped")),
        Some(Readiness::Ready) => (Health::Healthy, ready_text(pass, &address)),
        Some(Readiness::NotYet { why, .. }) => (Health::Progressing, why.clone()),
        Some(Readiness::Failed { why }) => (Health::Degraded, why.clone()),
    };
    let failed = pass.facts.failed.get(&address).filter(|_| health != Health::Healthy);
    let (health, detail) = match failed {
        Some(failure) if seen.is_some() => (Health::Degraded, failures::while_there(&failure.why)),
        Some(failure) => (Health::Degraded, failures::in_parts(&failure.why)),
        None => (health, detail),
    };
    let (health, detail) = match waits::is_overdue(pass, &address).filter(|_| address.kind == Kind::Container) {
        Some(limit) if health == Health::Progressing => {
            (Health::Degraded, text!("not healthy after {limit}: {why}", limit, why = detail))
        }
        Some(_) | None => (health, detail),
    };
    let failure = last_failure(pass, &address, health);
    // Between two of Docker's restarts it runs for a moment.
    let between = failure.filter(|_| health == Health::Progressing);
    let is_restarted = between.is_some() || seen.is_some_and(is_restarting);
    let (health, detail) = match between {
        Some(failure) => (Health::Degraded, failures::while_there(&failure.why)),
        None => (health, detail),
    };
    let dead_end = pass.dead_ends.get(&address).filter(|end| health == Health::Healthy || !end.is_led);
    let (health, detail) = match dead_end {
        Some(end) if end.is_fresh(pass.at) => (Health::Progressing, end.text().into()),
        Some(end) => (Health::Degraded, end.text().into()),
        None => (health, detail),
    };
    let job = jobs::job(pass, &address).map(str::to_owned);
    let to_come = health == Health::Missing && change.is_some_and(|change| is_made_by_itself(pass, change));
    let detail = if to_come { text!("not there yet") } else { detail };
    let is_observed = !is_overridden && failed.is_none() && failure.is_none() && dead_end.is_none();
    let detail_clock = seen.filter(|_| is_observed).and_then(|seen| clock(&address, seen));
    let detail = match (pass.is_simulated(&address.provider), detail.is_empty()) {
        (false, _) => detail,
        (true, true) => text!("simulated"),
        (true, false) => text!("{what}, simulated", what = detail),
    };
    let (change, failure) = (change.cloned().map(Box::new), failure.cloned().map(Box::new));
    ResourceStatus { address, sync, health, detail, detail_clock, change, failure, is_restarted, job, to_come }
}

/// Whether a change creates something new, and nothing blocks it.
fn is_made_by_itself(pass: &PassView, change: &Change) -> bool {
    let has_failed = pass.failing.contains_key(&change.address)
        || pass.past_failures.values().any(|(address, _)| *address == change.address);
    matches!(change.verb, Verb::Create(_)) && change.refusal().is_none() && !has_failed && !is_drift(change)
}

/// Whether Docker is about to start it again: the engine says of such a container that it runs.
fn is_restarting(seen: &Seen) -> bool {
    matches!(seen.ready, Readiness::Failed { .. }) && seen.fields.flag("running") == Some(true)
}

/// Since when it is as its readiness says.
fn clock(address: &Address, seen: &Seen) -> Option<CountFrom> {
    match &seen.ready {
        Readiness::NotYet { since, .. } => Some(CountFrom::For(*since)),
        Readiness::Ready if address.kind == Kind::Container && !completion::has_ended(&seen.fields) => {
            seen.fields.get("started_at_ms").and_then(Value::as_int).map(|started| CountFrom::Up(Timestamp(started)))
        }
        Readiness::Ready | Readiness::Failed { .. } => None,
    }
}

/// The failure of a container that does not work: of this generation, and of this instance if it seems to be starting
/// again.
fn last_failure<'a>(pass: &'a PassView, address: &Address, health: Health) -> Option<&'a LastFailure> {
    let failure = pass.last_failures.get(&address.base())?;
    let seen = pass.world.seen.get(address);
    let is_it = address.generation.as_ref() == Some(&failure.generation);
    let is_looping = || {
        let restarts = seen.and_then(|seen| seen.fields.get("restarts")).and_then(Value::as_int).unwrap_or_default();
        restarts > 0 && seen.is_some_and(|seen| seen.vendor_id == failure.vendor_id)
    };
    let does_not_work = match health {
        Health::Degraded => true,
        Health::Progressing => is_looping(),
        Health::Missing | Health::Unknown | Health::Healthy => false,
    };
    (is_it && does_not_work).then_some(failure)
}

/// Whether a manifest wants it stopped, and it is.
fn is_stopped_as_wanted(pass: &PassView, address: &Address) -> bool {
    let (want, seen) = (pass.wants.map.get(address), pass.world.seen.get(address));
    want.zip(seen).is_some_and(|(want, seen)| {
        ["running", "enabled"]
            .iter()
            .any(|field| want.fields.flag(field) == Some(false) && seen.fields.flag(field) == Some(false))
    })
}

/// Why a resource cannot be created, if it cannot.
fn refused_create(change: Option<&Change>) -> Option<Text> {
    let change = change.filter(|change| matches!(change.verb, Verb::Create(_)))?;
    change.refusal().map(|refusal| refusal.message.clone())
}

fn ready_text(pass: &PassView, address: &Address) -> Text {
    let Some(seen) = pass.world.seen.get(address) else { return Text::default() };
    if address.kind == Kind::Container {
        let has_ended = completion::has_ended(&seen.fields);
        return if has_ended { text!("ended with code 0") } else { text!("healthy") };
    }
    if address.kind == Kind::Certificate {
        return amarre_core::plan::desired::certificate::in_words(&seen.fields, pass.at);
    }
    if address.kind == Kind::Volume && !pass.wants.map.contains_key(address) {
        return text!("kept");
    }
    amarre_core::plan::render::lines::detail(address, &seen.fields, None)
}

fn worst_sync(pass: &PassView, name: &str, resources: &[ResourceStatus]) -> Sync {
    if pass.broken.contains_key(name) {
        return Sync::OutOfSync;
    }
    // A refresh that is just due is no difference; a failed one is.
    let unpublished = pass.unpublished.iter().filter(|(_, error)| error.is_some()).any(|(dirty, _)| {
        resources.iter().any(|resource| {
            let host = resource.address.name.split('/').next().unwrap_or_default();
            resource.address.provider == dirty.provider && amarre_core::model::site::is_below(host, &dirty.scope)
        })
    });
    let is_destroyed = pass.facts.suspended.get(name).is_some_and(|suspension| suspension.destroy);
    // A rollback lasts for as long as the manifest asks for something else.
    let differs = unpublished
        || is_destroyed && pass.services.contains_key(name)
        || pass.rollbacks.get(name).is_some_and(|rollback| rollback.done)
        || resources.iter().any(|resource| is_coming(pass, resource));
    let leaves = |resource: &ResourceStatus| resource.change.as_deref().is_some_and(|change| is_leaving(pass, change));
    let left = resources.iter().filter(|resource| !leaves(resource));
    let worst = left.map(|resource| resource.sync).min().unwrap_or(Sync::Synced);
    if differs { worst.min(Sync::OutOfSync) } else { worst }
}

/// A wanted generation of a container that is there and was never ready: another one serves, or none yet.
fn is_coming(pass: &PassView, resource: &ResourceStatus) -> bool {
    let address = &resource.address;
    let is_wanted = pass.wants.map.get(address).is_some_and(|want| !want.keep_only);
    let good = pass.facts.last_good.get(&address.base()).map(|(generation, _)| generation);
    let is_container = address.kind == Kind::Container && resource.job.is_none();
    // One that takes too long is there, and does not work.
    let is_awaited = resource.health == Health::Progressing || pass.has_other_ready(address);
    let ready = pass.world.seen.get(address).map(|seen| &seen.ready);
    let is_starting = is_awaited && matches!(ready, Some(Readiness::NotYet { .. }));
    is_container && is_wanted && is_starting && good != address.generation.as_ref()
}

/// An old generation of a container that only drains: the wanted one serves, and nothing is needed of anyone.
pub fn is_leaving(pass: &PassView, change: &Change) -> bool {
    let goes = change.verb == Verb::Delete && matches!(change.because.code, ReasonCode::DependencyReplaced);
    let is_hindered = change.refusal().is_some() || pass.failing.contains_key(&change.address);
    let is_old = change.address.kind == Kind::Container && change.address.generation.is_some();
    goes && is_old && !is_hindered && pass.has_other_ready(&change.address)
}

/// The one line, by importance.
fn explain(pass: &PassView, status: &mut ServiceStatus) {
    let name = status.name.clone();
    if let Some(why) = pass.broken.get(&name) {
        explain_broken(pass, status, why);
    } else if let Some(suspension) = pass.facts.suspended.get(&name) {
        explain_suspension(pass, status, suspension);
    } else if let Some(refusal) = refusal(pass, &name) {
        explain_refusal(pass, status, refusal);
    } else if let Some(order) = waits::waiting_order(pass, &name) {
        waits::explain_order(pass, status, order);
    } else if let Some(known) = pass.errors.get(&name) {
        explain_error(pass, status, known);
    } else if let Some((address, why)) = pass.past_failures.get(&name).filter(|_| pass.is_changing(&name)) {
        let thing = jobs::resource_label(pass, address);
        status.what_now = text!("{thing} did not work the last time: {why}", thing, why = why.clone());
        status.hints = vec![Hint::command(text!("to try again now"), format!("amarre reconcile {name}"))];
        status.attention = true;
    } else if let Some(gap) = hiding_gap(pass, status) {
        status.what_now = gap.message.clone();
        status.code = Some(gap.code);
        status.hints = vec![Hint::text(gap.hint.clone())];
    } else if let Some((zone, error)) = unpublished(pass, status) {
        status.what_now = error.message.clone();
        status.code = Some(error.code);
        status.hints = vec![Hint::text(if error.hint.is_empty() {
            text!("zone {zone} is refreshed again by itself", zone)
        } else {
            error.hint.clone()
        })];
        status.attention = true;
    } else if let Some(bad) = status.resources.iter().find(|resource| has_problem(resource)).cloned() {
        explain_bad(pass, status, &bad);
    } else if !pass.consented && pass.is_changing(&name) {
        status.what_now = text!("waits for amarre apply");
    } else if pass.services.get(&name).is_some_and(|service| service.stopped) && !pass.is_changing(&name) {
        status.what_now = text!("stopped, as its manifest says");
    } else if !pass.services.contains_key(&name) && !pass.is_changing(&name) && !status.resources.is_empty() {
        if status.deleted {
            explain_left(status);
        } else {
            status.what_now = text!("its manifest is gone, it stays as it is");
        }
    } else {
        explain_next_step(pass, status);
    }
}

fn explain_broken(pass: &PassView, status: &mut ServiceStatus, why: &String) {
    let name = status.name.clone();
    let is_own = |known: &&Diagnostic| known.severity == Severity::Error && known.service.as_deref() == Some(&name);
    // A mistyped key explains the missing key.
    let diagnostic = pass.diagnostics.iter().filter(is_own).min_by_key(|known| known.code != Code::A0103);
    let what = diagnostic.map_or_else(|| Text::from(why), Diagnostic::placed);
    status.code = diagnostic.map(|diagnostic| diagnostic.code);
    status.hints = diagnostic.and_then(|diagnostic| diagnostic.hint.clone()).map(Hint::text).into_iter().collect();
    let by = pass.facts.suspended.get(&name).map(|suspension| &suspension.by);
    status.what_now = match (by, pass.facts.frozen.contains(&name)) {
        (Some(by), true) => text!("suspended by {by}; {what}; left as it is", by, what),
        (Some(by), false) => text!("suspended by {by}; {what}; the last good one stays", by, what),
        (None, true) => text!("{what}; left as it is", what),
        (None, false) => text!("{what}; the last good one stays", what),
    };
    status.attention = true;
}

fn explain_suspension(pass: &PassView, status: &mut ServiceStatus, suspension: &Suspension) {
    let is_open = |resource: &ResourceStatus| resource.change.is_some() || resource.sync == Sync::Unknown;
    let going = suspension.destroy && status.resources.iter().any(is_open);
    if suspension.destroy && !going {
        return explain_destroyed(pass, status, &suspension.by);
    }
    let until = suspension.until.map(|until| wait_text::instant(until, pass.at));
    let (by, why) = (&suspension.by, suspension.why.clone());
    status.what_now = match (until, why.is_empty()) {
        _ if going => text!("is being destroyed"),
        (Some(until), false) => text!("suspended by {by} until {until}: {why}", by, until, why),
        (Some(until), true) => text!("suspended by {by} until {until}", by, until),
        (None, false) => text!("suspended by {by}: {why}", by, why),
        (None, true) => text!("suspended by {by}", by),
    };
    status.hints = vec![Hint::command(text!("to take it up again"), format!("amarre resume {}", status.name))];
}

/// What is destroyed stays so for as long as its file asks for it.
fn explain_destroyed(pass: &PassView, status: &mut ServiceStatus, by: &str) {
    let name = &status.name;
    match pass.services.get(name).map(|manifest| &manifest.origin.file) {
        Some(file) => {
            status.what_now = text!("destroyed by {by}; {file} still asks for it", by, file);
            status.hints = vec![
                Hint::text(text!("to be rid of it, delete {file}", file)),
                Hint::command(text!("to make it again"), format!("amarre resume {name}")),
            ];
        }
        None if status.deleted => explain_left(status),
        None => status.what_now = text!("destroyed by {by}", by),
    }
}

/// Its manifest is gone, and something of it is kept.
fn explain_left(status: &mut ServiceStatus) {
    status.what_now = match status.leftover() {
        Some(Leftover::Server) => text!("its manifest is gone, its server goes on and is billed"),
        Some(Leftover::Certificate) => text!("its manifest is gone, its certificate is kept"),
        Some(Leftover::Data) | None => text!("its manifest is gone, its data is kept"),
    };
    let purge = format!("amarre destroy {} --purge", status.name);
    status.hints = vec![Hint::command(text!("to delete that too"), purge)];
}

/// What the guard holds is reported once for all services; other refusals belong to this one.
fn refusal<'a>(pass: &'a PassView, name: &str) -> Option<&'a Refusal> {
    let mine = || pass.changes_of(name);
    let own = mine().filter_map(Change::trouble).find(|refusal| !refusal.is_guard());
    own.or_else(|| mine().find_map(Change::trouble)).or_else(|| mine().find_map(Change::refusal))
}

fn explain_refusal(pass: &PassView, status: &mut ServiceStatus, refusal: &Refusal) {
    status.what_now = match refusal.is_guard() {
        true => text!("held by the guard"),
        false if refusal.is_failure() => refusal.message.clone(),
        false => text!("refused: {why}", why = refusal.message.clone()),
    };
    status.code = Some(refusal.code);
    status.hints = refusal.hints.clone();
    // The guard is one problem, whatever it holds; it stands beside the services.
    status.attention = !refusal.is_left() && !refusal.is_guard();
    if refusal.is_report() {
        status.what_now = text!("only reported: something differs");
    }
    let failed = status.resources.iter().find(|resource| resource.failure.is_some());
    let Some(failed) = failed.filter(|_| refusal.code == Code::A0512) else { return };
    status.hints.extend(log_hint(failed));
    status
        .hints
        .push(Hint::command(text!("to stay with the last good one"), format!("amarre rollback {}", status.name)));
    if let Some(what_now) = wait_text::serving_instead(pass, failed) {
        status.what_now = what_now;
    }
}

fn explain_error(pass: &PassView, status: &mut ServiceStatus, known: &ServiceError) {
    let next = waits::next_try(pass, known);
    status.what_now = known.error.message.clone();
    status.what_now_clock = (!would_fail_again(known)).then_some(CountFrom::Until(Then::NextTry, next));
    status.code = Some(known.error.code);
    status.hints = known.error.hints();
    status.attention = known.count > 1 || known.error.class == crate::providers::Class::Rejected;
}

fn explain_bad(pass: &PassView, status: &mut ServiceStatus, bad: &ResourceStatus) {
    status.what_now = text!("{thing}: {why}", thing = bad.label(), why = bad.detail.clone());
    status.what_now_clock = bad.detail_clock;
    let is_dead_end = pass.dead_ends.contains_key(&bad.address);
    status.code = Some(if is_dead_end { Code::A0532 } else { Code::A0512 });
    let domain = bad.address.name.split(['/', ',']).next().unwrap_or_default();
    let way = format!("amarre trace {domain}");
    let way = is_dead_end.then(|| Hint::command(text!("to follow the way of a request"), way));
    status.hints = log_hint(bad).into_iter().chain(way).chain(waits::way_back(pass, &status.name, bad)).collect();
    status.attention = true;
}

fn explain_next_step(pass: &PassView, status: &mut ServiceStatus) {
    let name = status.name.clone();
    (status.what_now, status.what_now_clock) = next_step::next_step(pass, &name);
    if pass.rollbacks.get(&name).is_some_and(|rollback| !rollback.done) {
        status.what_now = text!("is being rolled back: {step}", step = status.what_now.clone());
    }
    let is_stopped =
        pass.changes_of(&name).any(|change| matches!(change.gate, Gate::Until { what: Wait::StoppedGrace, .. }));
    if is_stopped {
        status.hints = vec![Hint::command(text!("to start it now"), format!("amarre reconcile {name}"))];
        status.attention = true;
    }
}

/// Where the last output of a container can be read.
fn log_hint(resource: &ResourceStatus) -> Option<Hint> {
    resource.failure.as_ref()?;
    Some(Hint::command(text!("what it said last"), format!("amarre logs {} --last-failed", resource.address.name)))
}

/// A container stopped by hand is started again without a person.
fn has_problem(resource: &ResourceStatus) -> bool {
    let gate = resource.change.as_deref().map(|change| &change.gate);
    let is_waited_for = matches!(gate, Some(Gate::Until { what: Wait::StoppedGrace | Wait::EngineStart, .. }));
    resource.health == Health::Degraded && !is_waited_for
}

fn hiding_gap<'a>(pass: &'a PassView, status: &ServiceStatus) -> Option<&'a amarre_core::model::Gap> {
    let hidden = status.resources.iter().find(|resource| resource.sync == Sync::Unknown)?;
    pass.world.gap(&hidden.address)
}

fn unpublished<'a>(
    pass: &'a PassView,
    status: &ServiceStatus,
) -> Option<(&'a str, &'a crate::providers::ProviderError)> {
    let records: Vec<&str> = status
        .resources
        .iter()
        .filter(|resource| resource.address.kind == Kind::Record)
        .filter_map(|resource| resource.address.name.split('/').next())
        .collect();
    pass.unpublished.iter().find_map(|(dirty, error)| {
        let zone = dirty.scope.as_str();
        let touches = records.iter().any(|name| amarre_core::model::site::is_below(name, zone));
        error.as_ref().filter(|_| touches).map(|error| (zone, error))
    })
}

/// What is needed, as what is waited for.
pub(crate) fn need_text(pass: &PassView, need: &Need) -> Text {
    let thing = jobs::resource_label(pass, &need.on);
    let why = match pass.world.seen.get(&need.on).map(|seen| &seen.ready) {
        Some(Readiness::NotYet { why, .. } | Readiness::Failed { why }) => Some(why.clone()),
        Some(Readiness::Ready) | None => None,
    };
    match (need.is, why) {
        (State::Listening(port), None) => text!("port {port} of {thing}", port = port.to_string(), thing),
        (State::Present | State::Ready | State::Listening(_), Some(why)) => text!("{thing} ({why})", thing, why),
        (State::Present | State::Ready, None) => thing,
        (State::Absent, _) => text!("{thing} to go", thing),
    }
}

/// Whether a change corrects drift.
pub fn is_drift(change: &Change) -> bool {
    matches!(change.because.code, ReasonCode::Drift | ReasonCode::Missing)
}

/// The first field that differs, or what is missing.
pub fn drift_word(change: &Change) -> &str {
    change.diff.first().map_or(change.address.kind.word(), |diff| diff.field.as_str())
}
