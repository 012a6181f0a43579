//! What a plan says of one service: its rows in the order of execution, and what stands below each of them. Text and
//! pages write it down, and add nothing of their own. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{Columns, columns, is_hidden, routed_port};
use super::{PlanLine, Sign, downtime_lines, handover_lines, held, lines};
use crate::model::kinds::Removal;
use crate::model::plan::{Gate, ReasonCode, Refusal, Wait};
use crate::model::{Address, Arg, Change, Code, Hint, Kind, Readiness, Service, Text, Verb, Wants};
use crate::plan::desired::image_volumes;
use crate::plan::forecast::Forecast;
use crate::plan::input::Input;
use crate::plan::rollout::generation;
use crate::plan::safety::unused_certificates;
use crate::text;

/// What is found out once for all services of a plan.
pub struct SharedFacts<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) forecast: &'a Forecast,
    pub(super) down: downtime_lines::Services<'a>,
    /// What waits for something refused.
    held: BTreeSet<Address>,
    /// Volumes and certificates of ours that no manifest wants, by the service that they are of.
    unwanted: BTreeMap<&'a str, Vec<&'a Address>>,
    /// Containers that are there and not healthy yet, by service: what leads to old ones waits for them.
    starting: BTreeMap<&'a str, Vec<&'a Address>>,
}

/// A row: a change, or a step between two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlanRow {
    pub sign: Sign,
    /// Whether it waits for something that is refused.
    pub is_held: bool,
    /// To what, in words.
    pub columns: Columns,
    /// Field, and what it was and becomes; `None`: that is a secret.
    pub diff: Vec<(String, Option<(String, String)>)>,
    /// Sentences below it: what it waits for, what becomes reachable, what follows if it does not work.
    pub below: Vec<Text>,
    /// Why it is not done.
    pub refusal: Option<Refusal>,
    /// Whether its refusal is explained here: of several things that are held for the same, the first.
    pub explains: bool,
}

impl ServicePlanRow {
    pub(super) fn step(kind: &str, name: Text, detail: Text) -> Self {
        let columns = Columns { kind: kind.to_owned(), name, detail };
        let (diff, below) = (Vec::new(), Vec::new());
        Self { sign: Sign::Step, is_held: false, columns, diff, below, refusal: None, explains: false }
    }

    /// Whether the guard holds it, which is told once above all services.
    pub fn is_guarded(&self) -> bool {
        self.refusal.as_ref().is_some_and(Refusal::is_guard)
    }
}

/// What stands below the rows of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowNote {
    /// Why the old container stops before the new one starts.
    WhyStopFirst(Text),
    /// What a service that goes leaves behind, and how that goes too.
    Kept(Text, Hint),
}

/// What a plan says of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlan {
    /// The strongest of its signs.
    pub sign: Sign,
    /// Refused, down, new, removed, or why it changes.
    pub headline: Text,
    /// Whether it does not answer for a while.
    pub is_down: bool,
    /// In the order of execution.
    pub rows: Vec<ServicePlanRow>,
    /// Below them.
    pub notes: Vec<RowNote>,
}

impl<'a> SharedFacts<'a> {
    /// Of a plan.
    pub fn of(input: &'a Input<'a>, forecast: &'a Forecast) -> Self {
        let mut unwanted: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
        let mut starting: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
        let left = forecast.wants.left();
        for (address, seen) in &input.world.seen {
            let want =
                forecast.wants.map.get(address).filter(|_| address.kind == Kind::Container && seen.owner.is_ours());
            if let (Some(want), Readiness::NotYet { .. }) = (want, &seen.ready)
                && !left.contains(address)
            {
                starting.entry(&want.service).or_default().push(address);
            }
            let is_kept = address.kind.is_kept() && seen.owner.is_ours();
            // What another manifest goes on with is not offered for deletion.
            let service = seen.service.as_deref().filter(|_| is_kept && !forecast.wants.map.contains_key(address));
            if let Some(service) = service {
                unwanted.entry(service).or_default().push(address);
            }
        }
        Self {
            input,
            forecast,
            down: downtime_lines::services(input, forecast),
            held: held(forecast),
            unwanted,
            starting,
        }
    }

    /// One service of it, of which `lines` are.
    pub fn service(&self, name: &str, lines: &[PlanLine<'_>]) -> ServicePlan {
        let manifest = self.input.services.get(name);
        let stops = self.forecast.wants.stop_first.get(name);
        let (mut told, mut explained) = (BTreeSet::new(), Vec::new());
        let headline = headline(self.forecast, &self.down, name, lines);
        let mut rows = Vec::new();
        if let Some(manifest) = manifest.filter(|_| lines.iter().any(|line| !is_hidden(line))) {
            let starting = self.starting.get(name).into_iter().flatten();
            rows.extend(starting.filter_map(|address| healthy(manifest, address, false)));
            rows.dedup();
        }
        for line in lines.iter().filter(|line| !is_hidden(line)) {
            self.rows_of(manifest, &headline, line, &mut told, &mut explained, &mut rows);
        }
        if let Some(manifest) = manifest.filter(|_| stops.is_none()) {
            rows.extend(handover_lines::drain(manifest, lines));
        }
        let is_recreated = lines.iter().any(|line| line.replaces.is_some());
        let why = stops.filter(|_| is_recreated).map(|why| RowNote::WhyStopFirst(why.clone()));
        ServicePlan {
            sign: strongest(lines),
            headline,
            is_down: stops.is_some() && is_recreated && !lines.iter().any(|line| line.change.refusal().is_some()),
            rows,
            notes: why.into_iter().chain(self.kept(name, lines)).collect(),
        }
    }

    /// The row of a change, with those of the steps before and after it.
    fn rows_of(
        &self,
        manifest: Option<&Service>,
        headline: &Text,
        line: &PlanLine<'_>,
        told: &mut BTreeSet<String>,
        explained: &mut Vec<RefusalWords>,
        rows: &mut Vec<ServicePlanRow>,
    ) {
        let change = line.change;
        let refusal = change.refusal();
        let is_held = self.held.contains(&change.address);
        let is_guarded = refusal.is_some_and(Refusal::is_guard);
        if let Some(manifest) = manifest.filter(|_| !is_guarded) {
            rows.extend(comes_after(self.forecast, manifest, line, told));
        }
        let mut row = ServicePlanRow {
            sign: line.sign(),
            is_held,
            columns: columns(self.input, line, is_held),
            diff: if change.trouble().is_some() { Vec::new() } else { diffs(line) },
            below: removed(change, headline).into_iter().chain(cost(change)).chain(until(self.input, change)).collect(),
            refusal: refusal.cloned(),
            explains: false,
        };
        let is_new_container = change.address.kind == Kind::Container && matches!(change.verb, Verb::Create(_));
        let manifest = manifest.filter(|_| is_new_container && refusal.is_none());
        let healthy = manifest.and_then(|manifest| {
            let has_volumes = match &line.change.verb {
                Verb::Create(fields) => !fields.strings(image_volumes::FIELD).is_empty(),
                Verb::Update(_) | Verb::Delete => false,
            };
            let mut healthy = healthy(manifest, &line.change.address, has_volumes)?;
            let stops = self.forecast.wants.stop_first.contains_key(&change.service);
            healthy.below = handover_lines::if_not_healthy(manifest, line, stops);
            Some(healthy)
        });
        let exposed = change.impact.exposes.iter().filter(|_| !is_held && refusal.is_none()).cloned();
        if let Some(mut healthy) = healthy {
            healthy.below.extend(exposed);
            rows.extend([row, healthy]);
            return;
        }
        row.below.extend(exposed);
        // What several things are held for is explained once.
        if let Some(refusal) = change.trouble() {
            let said = (refusal.code, refusal.found.clone(), refusal.hints.clone());
            if is_guarded || !explained.contains(&said) {
                row.explains = true;
                explained.push(said);
            }
        }
        rows.push(row);
    }

    /// What holds data of a service that goes stays; the note says how to be rid of them.
    fn kept(&self, name: &str, lines: &[PlanLine<'_>]) -> Option<RowNote> {
        let has_manifest = self.input.services.contains_key(name);
        let is_purged = |kind: Kind| kind.traits().removal == Removal::Purge;
        if has_manifest || lines.iter().any(|line| is_purged(line.change.address.kind)) {
            return None;
        }
        let unwanted = self.unwanted.get(name).map(Vec::as_slice).unwrap_or_default();
        let data = Kind::ALL.into_iter().filter(|kind| is_purged(*kind)).filter_map(|kind| {
            let all: Vec<&str> =
                unwanted.iter().filter(|address| address.kind == kind).map(|address| address.name.as_str()).collect();
            let names = all.join(", ");
            match all.len() {
                0 => None,
                1 => Some(text!("{kind} {names}", kind, names)),
                _ => Some(text!("{kind}s {names}", kind, names)),
            }
        });
        let certificate = kept_certificate(self.input, &self.forecast.wants, unwanted);
        let kept: Vec<Arg> = data.chain(certificate).map(Arg::from).collect();
        let purge = Hint::command(text!("to delete them too"), format!("amarre destroy {name} --purge"));
        (!kept.is_empty()).then(|| RowNote::Kept(text!("{parts}", parts = kept), purge))
    }
}

/// What a refusal says beside its message.
type RefusalWords = (Code, Vec<(Text, Text)>, Vec<Hint>);

/// The strongest of the signs of what counts.
pub fn strongest(lines: &[PlanLine<'_>]) -> Sign {
    lines.iter().filter(|line| line.counts).map(PlanLine::sign).min().unwrap_or(Sign::Step)
}

/// The services that the manifest needs and a container waits for: each has lines of its own, elsewhere. What is only
/// shared with another service, such as a network or a port, is not needed of it.
fn comes_after(
    forecast: &Forecast,
    manifest: &Service,
    line: &PlanLine<'_>,
    told: &mut BTreeSet<String>,
) -> Vec<ServicePlanRow> {
    let (Gate::After(needs), Kind::Container, false) = (&line.change.gate, line.change.address.kind, line.is_job)
    else {
        return Vec::new();
    };
    let awaited = needs.iter().filter_map(|need| Some(&forecast.wants.map.get(&need.on)?.service));
    let awaited = awaited.filter(|service| manifest.needs.iter().any(|needed| needed.service == **service));
    let fresh = awaited.filter(|service| told.insert((*service).clone()));
    fresh.map(|service| ServicePlanRow::step("needs", service.into(), text!("comes first"))).collect()
}

fn diffs(line: &PlanLine<'_>) -> Vec<(String, Option<(String, String)>)> {
    let diff = line.diff.iter().map(|diff| {
        let is_secret = [&diff.from, &diff.to].into_iter().flatten().any(crate::model::Value::is_sensitive);
        let value = |value| lines::value(&diff.field, value);
        let values = (!is_secret).then(|| (value(diff.from.as_ref()), value(diff.to.as_ref())));
        (diff.field.clone(), values)
    });
    diff.collect()
}

/// What a new container has to show before anything points at it. `has_volumes`: its image declares some.
fn healthy(manifest: &Service, address: &Address, has_volumes: bool) -> Option<ServicePlanRow> {
    let key = manifest.containers.keys().find(|key| manifest.address_name(key) == address.name)?;
    let container = manifest.containers.get(key)?;
    let timeout = generation::health_timeout(&manifest.update, container, container.writes_data() || has_volumes);
    let how = match (&container.healthcheck, routed_port(manifest, address)) {
        (Some(check), _) if check.test.first().is_none_or(|word| word != "NONE") => {
            text!("its healthcheck, at most {timeout}", timeout)
        }
        (_, Some(port)) => text!("GET / on {port}, 3 of 5, at most {timeout}", port = port.to_string(), timeout),
        (_, None) if manifest.is_task(key) => text!("when it has ended with code 0"),
        (_, None) => text!("by uptime only, 15 s without a restart"),
    };
    Some(ServicePlanRow::step("healthy", manifest.container_name(key).into(), how))
}

/// What a change waits for, and how long.
fn until(input: &Input<'_>, change: &Change) -> Option<Text> {
    let Gate::Until { at, what } = &change.gate else { return None };
    // Its own line says so.
    if matches!(change.verb, Verb::Create(_)) && matches!(what, Wait::Budget | Wait::Order) {
        return None;
    }
    let left = *at - input.now.exact();
    Some(match what {
        Wait::StoppedGrace => text!("in {left}: somebody stopped it, maybe for a backup", left),
        Wait::Settle => text!("in {left}: a call has left and nothing is known of it yet", left),
        Wait::Backoff => text!("in {left}: the last try went wrong", left),
        Wait::EngineStart => {
            text!("in {left}: the engine has just started and brings its containers back itself", left)
        }
        Wait::Provider => {
            text!("in {left}: {provider} fails for everybody", left, provider = &change.address.provider)
        }
        Wait::Budget => text!("in {left}: Let's Encrypt gives no more until then, A0805", left),
        Wait::Order => text!("in {left}: the last order failed, or its end is not known", left),
        Wait::Lent => text!("in {left}: a reservation has the machine until then", left),
        Wait::Builds => {
            let most = input.site.images.builds_per_hour.to_string();
            text!("in {left}: {most} builds within an hour, images.builds_per_hour", left, most)
        }
        Wait::Drain => text!("in {left}: nothing leads to it any more, what is open at it ends", left),
    })
}

/// `certificate, until it is deleted on 20 Dec`: of those of a service that goes, the one that goes last.
fn kept_certificate(input: &Input<'_>, wants: &Wants, unwanted: &[&Address]) -> Option<Text> {
    let left = unwanted.iter().filter(|address| address.kind == Kind::Certificate);
    let until = left
        .map(|address| wants.unused.get(*address).copied().unwrap_or(input.now.exact() + unused_certificates::KEPT))
        .max()?;
    (input.now.is_before(until)).then(|| text!("certificate, until it is deleted on {day}", day = Arg::Day(until)))
}

/// Whether a container that comes again is on a network.
fn is_on(network: &Address, lines: &[PlanLine<'_>]) -> bool {
    lines.iter().filter(|line| line.replaces.is_some()).any(|line| match &line.change.verb {
        Verb::Create(fields) => fields.text("network") == Some(network.name.as_str()),
        Verb::Update(_) | Verb::Delete => false,
    })
}

/// What the service's line says: refused, down, new, removed, or why it changes.
pub(super) fn headline(
    forecast: &Forecast,
    away: &downtime_lines::Services<'_>,
    name: &str,
    lines: &[PlanLine<'_>],
) -> Text {
    let refusals = || lines.iter().filter_map(|line| line.change.trouble());
    let refusal = refusals().find(|refusal| !refusal.is_guard()).or_else(|| refusals().next());
    let reported = lines.iter().find_map(|line| line.change.refusal());
    let recreated = lines.iter().find(|line| line.replaces.is_some());
    let down = forecast.wants.stop_first.contains_key(name);
    let expected = away.get(name).and_then(Option::as_ref);
    let about = expected.map(downtime_lines::about);
    let reason = lines.iter().find(|line| line.counts).or(lines.first()).map(|line| &line.change.because);
    match (refusal, recreated, reason) {
        (Some(guard), _, _) if guard.is_guard() => text!("in part held by the guard, {code}", code = guard.code),
        (Some(refusal), _, _) if refusal.is_failure() => text!("tried and failed, {code}", code = refusal.code),
        (Some(refusal), _, _) => text!("refused in part, {code}", code = refusal.code),
        (None, _, _) if reported.is_some() => text!("mode report: shown, not put right"),
        (None, Some(line), _) if line.change.address.kind == Kind::Network && !down => {
            text!("its network is replaced")
        }
        (None, Some(_), _) if down && forecast.wants.moving.iter().any(|network| is_on(network, lines)) => {
            match about {
                None => text!("down for a while: its network is replaced"),
                Some(span) => text!("down about {span}: its network is replaced", span),
            }
        }
        (None, Some(_), _) if down => match about {
            None => text!("down for a while: the old one must stop first"),
            Some(span) => text!("down about {span}: the old one must stop first", span),
        },
        (None, Some(_), _) => text!("no downtime: the new one starts beside the old"),
        (None, None, Some(reason)) => reason.text.clone(),
        (None, None, None) => text!("waits"),
    }
}

/// That a vendor bills what is created.
fn cost(change: &Change) -> Option<Text> {
    let is_told = change.begins_to_cost() && change.trouble().is_none();
    is_told.then(|| text!("{vendor} bills it from its creation on", vendor = change.address.provider.title()))
}

/// Who removed it, where the headline does not say so.
fn removed(change: &Change, headline: &Text) -> Option<Text> {
    let because = &change.because;
    let is_told = because.code != ReasonCode::Missing || because.text == *headline || change.trouble().is_some();
    (!is_told).then(|| because.text.clone())
}
