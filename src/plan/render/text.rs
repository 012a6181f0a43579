//! A plan as people read it: from top to bottom in the order of execution.

use std::collections::{BTreeMap, BTreeSet};

use super::{Line, Look, Sign, Summary, Tone, away, handed_over, held, lines};
use crate::model::plan::{Gate, Refusal, Wait};
use crate::model::service::Target;
use crate::model::{Address, Change, Kind, Plan, Reason, ReasonCode, Service, Verb, Wants};
use crate::plan::Input;
use crate::plan::forecast::Forecast;
use crate::plan::{certificates, declared, generation, unused};

/// Column of the name, and of the detail after it.
pub(super) const KIND_WIDTH: usize = 14;
pub(super) const NAME_WIDTH: usize = 20;
/// What is said of each thing that the guard holds.
pub const HELD_BY_GUARD: &str = "held by the guard";

/// The whole plan. `revision` is the first line, such as `services @ 5e1c0aa`.
pub fn plan(input: &Input<'_>, forecast: &Forecast, revision: &str, look: Look) -> String {
    let by_service = super::lines(input, forecast);
    let summary = super::summary(input, forecast, &by_service);
    let mut out = String::new();
    if by_service.is_empty() {
        out.push_str(&nothing(forecast, revision, summary));
        notes(&forecast.plan, look, &mut out);
        return out;
    }
    out.push_str(revision);
    out.push('\n');
    if let Some(guard) = &forecast.plan.guard {
        out.push_str(&format!(
            "\n{} {}   {}, {}\n",
            look.sign(Sign::Refuse),
            look.paint(Tone::Bold, "guard"),
            guard.message,
            guard.code
        ));
        refusal_body(guard, look, &mut out);
        out.push_str("  Nothing is deleted; what else is planned goes on.\n");
    }
    let told = Told::of(input, forecast);
    for (name, lines) in by_service.iter().filter(|(_, lines)| !lines.iter().all(is_silent)) {
        out.push('\n');
        service(&told, name, lines, look, &mut out);
    }
    notes(&forecast.plan, look, &mut out);
    out.push('\n');
    out.push_str(&closing(forecast, &told.down, summary, look));
    out
}

/// What is found out once for all services of a plan.
struct Told<'a> {
    input: &'a Input<'a>,
    forecast: &'a Forecast,
    down: away::Services<'a>,
    /// What waits for something refused.
    held: BTreeSet<Address>,
    /// Volumes and certificates of ours that no manifest wants, by the service that they are of.
    unwanted: BTreeMap<&'a str, Vec<&'a Address>>,
}

impl<'a> Told<'a> {
    fn of(input: &'a Input<'a>, forecast: &'a Forecast) -> Self {
        let mut unwanted: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
        for (address, seen) in &input.world.seen {
            let is_kept = matches!(address.kind, Kind::Volume | Kind::Certificate) && seen.owner.is_ours();
            // What another manifest goes on with is not offered for deletion.
            let service = seen.service.as_deref().filter(|_| is_kept && !forecast.wants.map.contains_key(address));
            if let Some(service) = service {
                unwanted.entry(service).or_default().push(address);
            }
        }
        Self { input, forecast, down: away::services(input, forecast), held: held(forecast), unwanted }
    }
}

/// A part of a plan for those who arrange it themselves: a heading, and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// One line.
    pub title: String,
    /// Whole lines, or nothing.
    pub body: String,
}

/// The last line of a plan: how much happens, how many are in sync, what is down meanwhile.
pub fn counts(input: &Input<'_>, forecast: &Forecast) -> String {
    let by_service = super::lines(input, forecast);
    let summary = super::summary(input, forecast, &by_service);
    if by_service.is_empty() {
        return nothing(forecast, "", summary).trim_matches([':', ' ', '\n']).to_owned();
    }
    closing(forecast, &away::services(input, forecast), summary, Look::PLAIN)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The guard, each service and what could not be seen, in the order of the text.
pub fn sections(input: &Input<'_>, forecast: &Forecast) -> Vec<(Option<Sign>, Section)> {
    let look = Look::PLAIN;
    let mut sections = Vec::new();
    if let Some(guard) = &forecast.plan.guard {
        let mut body = String::new();
        refusal_body(guard, look, &mut body);
        body.push_str("  Nothing is deleted; what else is planned goes on.\n");
        let title = format!("guard: {}, {}", guard.message, guard.code);
        sections.push((Some(Sign::Refuse), Section { title, body }));
    }
    let told = Told::of(input, forecast);
    for (name, lines) in super::lines(input, forecast).iter().filter(|(_, lines)| !lines.iter().all(is_silent)) {
        let mut body = String::new();
        service(&told, name, lines, look, &mut body);
        let body = body.split_once('\n').map_or("", |(_, rest)| rest).to_owned();
        let title = format!("{name}: {}", headline(forecast, &told.down, name, lines));
        sections.push((Some(strongest(lines)), Section { title, body }));
    }
    let mut body = String::new();
    notes(&forecast.plan, look, &mut body);
    if !body.is_empty() {
        let title = if forecast.plan.gaps.is_empty() { "notes" } else { "what could not be seen" }.to_owned();
        sections.push((None, Section { title, body: body.trim_start_matches('\n').to_owned() }));
    }
    sections
}

fn strongest(lines: &[Line<'_>]) -> Sign {
    lines.iter().filter(|line| line.counts).map(Line::sign).min().unwrap_or(Sign::Step)
}

fn nothing(forecast: &Forecast, revision: &str, summary: Summary) -> String {
    let gaps = forecast.plan.gaps.len();
    let services = match summary.services_in_sync {
        1 => "1 service in sync".to_owned(),
        n => format!("{n} services in sync"),
    };
    if gaps > 0 {
        return format!("{revision}: nothing to do in what could be seen\n");
    }
    format!("{revision}: nothing to do, {services}\n")
}

fn service(all: &Told<'_>, name: &str, lines: &[Line<'_>], look: Look, out: &mut String) {
    let Told { input, forecast, down, held, .. } = all;
    let manifest = input.services.get(name);
    let sign = strongest(lines);
    let why = headline(forecast, down, name, lines);
    out.push_str(&format!("{} {}   {why}\n", look.sign(sign), look.paint(Tone::Bold, name)));
    let (mut told, mut explained) = (BTreeSet::new(), Vec::new());
    for line in lines.iter().filter(|line| !is_silent(line)) {
        if let Some(manifest) = manifest {
            comes_after(forecast, manifest, line, &mut told, look, out);
        }
        one_line(input, line, held.contains(&line.change.address), look, out);
        let is_held = line.change.refusal().is_some() || held.contains(&line.change.address);
        if line.change.trouble().is_none() {
            diffs(line, look, out);
        }
        if let Some(why) = until(input, line.change) {
            out.push_str(&format!("      {}\n", look.paint(Tone::Dim, &why)));
        }
        if let (Some(manifest), Kind::Container, Verb::Create(_)) =
            (manifest.filter(|_| line.change.refusal().is_none()), line.change.address.kind, &line.change.verb)
        {
            healthy(manifest, line, look, out);
            let stops = forecast.wants.stop_first.contains_key(name);
            out.push_str(&handed_over::if_not_healthy(manifest, line, stops, look));
        }
        for exposed in line.change.impact.exposes.iter().filter(|_| !is_held) {
            out.push_str(&format!("      {}\n", look.paint(Tone::Dim, exposed)));
        }
        let refusal = line.change.trouble();
        // What several things are held for is explained once.
        let said = |refusal: &Refusal| (refusal.code.clone(), refusal.found.clone(), refusal.hints.clone());
        if let Some(refusal) = refusal.filter(|refusal| !explained.contains(&said(refusal))) {
            explained.push(said(refusal));
            refusal_body(refusal, look, out);
        }
    }
    if let Some(manifest) = manifest.filter(|_| !forecast.wants.stop_first.contains_key(name)) {
        out.push_str(&handed_over::drain(manifest, lines, look));
    }
    if let Some(why) = forecast.wants.stop_first.get(name).filter(|_| lines.iter().any(|line| line.replaces.is_some()))
    {
        out.push_str(&format!("  {}\n", look.paint(Tone::Dim, &format!("why stop-first: {why}"))));
    }
    kept(all, name, lines, look, out);
}

/// The services that the manifest needs and a container waits for: each has lines of its own, elsewhere. What is only
/// shared with another service, such as a network or a port, is not needed of it.
fn comes_after(
    forecast: &Forecast,
    manifest: &Service,
    line: &Line<'_>,
    told: &mut BTreeSet<String>,
    look: Look,
    out: &mut String,
) {
    let (Gate::After(needs), Kind::Container, false) = (&line.change.gate, line.change.address.kind, line.is_job)
    else {
        return;
    };
    let awaited = needs.iter().filter_map(|need| Some(&forecast.wants.map.get(&need.on)?.service));
    for service in awaited.filter(|service| manifest.needs.iter().any(|needed| needed.service == **service)) {
        if told.insert(service.clone()) {
            let step = look.sign(Sign::Step);
            out.push_str(&format!("  {step} {:KIND_WIDTH$}{service:NAME_WIDTH$}comes first\n", "needs"));
        }
    }
}

/// What has no line of its own: the guard tells once, above all services, of what it holds.
fn is_silent(line: &Line<'_>) -> bool {
    is_hidden(line) || line.change.refusal().is_some_and(Refusal::is_guard)
}

/// An attachment that is told by its network's line.
pub fn is_hidden(line: &Line<'_>) -> bool {
    line.change.address.kind == Kind::Attachment && !line.counts
}

/// Whether a container that comes again is on a network.
fn is_on(network: &Address, lines: &[Line<'_>]) -> bool {
    lines.iter().filter(|line| line.replaces.is_some()).any(|line| match &line.change.verb {
        Verb::Create(fields) => fields.text("network") == Some(network.name.as_str()),
        Verb::Update(_) | Verb::Delete => false,
    })
}

/// What the service's line says: refused, down, new, removed, or why it changes.
fn headline(forecast: &Forecast, away: &away::Services<'_>, name: &str, lines: &[Line<'_>]) -> String {
    let refusals = || lines.iter().filter_map(|line| line.change.trouble());
    let refusal = refusals().find(|refusal| !refusal.is_guard()).or_else(|| refusals().next());
    let reported = lines.iter().find_map(|line| line.change.refusal());
    let recreated = lines.iter().find(|line| line.replaces.is_some());
    let down = forecast.wants.stop_first.contains_key(name);
    let expected = away.get(name).and_then(Option::as_ref);
    let while_down = expected.map_or_else(|| "for a while".to_owned(), away::about);
    let reason = lines.iter().find(|line| line.counts).or(lines.first()).map(|line| &line.change.because);
    match (refusal, recreated, reason) {
        (Some(guard), _, _) if guard.is_guard() => format!("in part {HELD_BY_GUARD}, {}", guard.code),
        (Some(refusal), _, _) => format!("refused in part, {}", refusal.code),
        (None, _, _) if reported.is_some() => "mode report: shown, not put right".to_owned(),
        (None, Some(line), _) if line.change.address.kind == Kind::Network && !down => {
            "its network is replaced".to_owned()
        }
        (None, Some(_), _) if down && forecast.wants.moving.iter().any(|network| is_on(network, lines)) => {
            format!("down {while_down}: its network is replaced")
        }
        (None, Some(_), _) if down => format!("down {while_down}: the old one must stop first"),
        (None, Some(_), _) => "no downtime: the new one starts beside the old".to_owned(),
        (None, None, Some(reason)) => reason.text.clone(),
        (None, None, None) => "waits".to_owned(),
    }
}

/// The three columns of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// `container`, `pull`.
    pub kind: String,
    /// As people call it.
    pub name: String,
    /// What is worth knowing, or why it is refused.
    pub detail: String,
}

/// What a line says. `is_held`: it waits for something that is refused.
pub fn columns(input: &Input<'_>, line: &Line<'_>, is_held: bool) -> Columns {
    let address = &line.change.address;
    let fields = match &line.change.verb {
        Verb::Create(fields) | Verb::Update(fields) => Some(fields),
        Verb::Delete => None,
    };
    let manifest = input.services.get(&line.change.service);
    let port = manifest.and_then(|manifest| routed_port(manifest, address));
    let detail = match (&line.change.verb, line.replaces) {
        _ if is_held => "held".to_owned(),
        // What it says stands above all services.
        _ if line.change.refusal().is_some_and(Refusal::is_guard) => HELD_BY_GUARD.to_owned(),
        (_, _) if line.change.trouble().is_some() => {
            let message = line.change.trouble().map(|refusal| refusal.message.clone()).unwrap_or_default();
            // Kind and name stand in their columns.
            let said = format!("{} {} ", address.kind.label(), address.name);
            let short = format!("{} {} ", address.kind.label(), lines::name(address, fields));
            message.strip_prefix(&said).or_else(|| message.strip_prefix(&short)).unwrap_or(&message).to_owned()
        }
        (Verb::Create(_), None) if line.is_job => job(manifest, address),
        (Verb::Create(_), None) if address.kind == Kind::Certificate => match certificates::waits(input, address) {
            Some((at, Wait::Budget)) => format!("Let's Encrypt, none for another {}, A0805", at - input.now),
            Some((at, Wait::Settle)) => {
                format!("Let's Encrypt, asked for a moment ago, shows within {}", at - input.now)
            }
            Some((at, _)) => format!("Let's Encrypt, not asked for another {}: the last order failed", at - input.now),
            None => {
                let how = if certificates::is_by_record(&line.change.verb) { " by a record in the DNS" } else { "" };
                format!("Let's Encrypt{how}, {} left this week", certificates::left(input, address))
            }
        },
        (Verb::Create(_), Some(_)) | (Verb::Update(_), _) => reason_detail(&line.change.because),
        (Verb::Create(fields), None) => lines::detail(address, fields, port),
        (Verb::Delete, _) => goes(input, line.change),
    };
    let is_old = super::is_superseded(line.change);
    let name = lines::name(address, fields);
    let name = if is_old { format!("old {name}") } else { name };
    let kind = match (is_old, line.is_job) {
        (true, _) => "drain".to_owned(),
        (false, true) => "job".to_owned(),
        (false, false) => lines::kind(address.kind, &line.change.verb),
    };
    Columns { kind, name, detail }
}

fn one_line(input: &Input<'_>, line: &Line<'_>, is_held: bool, look: Look, out: &mut String) {
    let Columns { kind, name, detail } = columns(input, line, is_held);
    let text = format!("{kind:KIND_WIDTH$}{name:NAME_WIDTH$}{detail}");
    // A name that does not fit keeps its whole length, and a blank.
    let text = if name.chars().count() >= NAME_WIDTH { format!("{kind:KIND_WIDTH$}{name}  {detail}") } else { text };
    out.push_str(format!("  {} {text}", look.sign(line.sign())).trim_end());
    out.push('\n');
}

/// When a job runs, and for how long at most.
fn job(manifest: Option<&Service>, address: &Address) -> String {
    let job = manifest.and_then(|manifest| {
        manifest.jobs.iter().find(|(key, _)| manifest.address_name(key) == address.name).map(|(_, job)| job)
    });
    job.map_or_else(String::new, |job| format!("before the update, at most {}", job.timeout))
}

/// What a change waits for, and how long.
fn until(input: &Input<'_>, change: &Change) -> Option<String> {
    let Gate::Until { at, what } = &change.gate else { return None };
    // Its own line says so.
    if matches!(change.verb, Verb::Create(_)) && matches!(what, Wait::Budget | Wait::Order) {
        return None;
    }
    let left = *at - input.now;
    Some(match what {
        Wait::StoppedGrace => format!("in {left}: somebody stopped it, maybe for a backup"),
        Wait::Settle => format!("in {left}: a call has left and nothing is known of it yet"),
        Wait::Backoff => format!("in {left}: the last try went wrong"),
        Wait::EngineStart => format!("in {left}: the engine has just started and brings its containers back itself"),
        Wait::Provider => format!("in {left}: {} fails for everybody", change.address.provider),
        Wait::Budget => format!("in {left}: Let's Encrypt gives no more until then, A0805"),
        Wait::Order => format!("in {left}: the last order failed, or its end is not known"),
        Wait::Drain => format!("in {left}: nothing leads to it any more, what is open at it ends"),
    })
}

/// What is worth knowing about something that goes.
fn goes(input: &Input<'_>, change: &Change) -> String {
    let address = &change.address;
    let seen = input.world.seen.get(address).map(|seen| &seen.fields);
    match (change.because.code, address.kind) {
        (ReasonCode::Rollback | ReasonCode::DependencyReplaced, _) => change.because.text.clone(),
        (_, Kind::Record) => seen.map(|fields| lines::value_of_record(address, fields)).unwrap_or_default(),
        (_, Kind::Network) => match seen.and_then(|fields| fields.text("subnet")) {
            Some(subnet) => format!("{subnet} goes back to the pool"),
            None => String::new(),
        },
        (_, _) => String::new(),
    }
}

fn reason_detail(reason: &Reason) -> String {
    match reason.code {
        ReasonCode::DependencyReplaced | ReasonCode::Drift | ReasonCode::ImageMoved | ReasonCode::Rollback => {
            reason.text.clone()
        }
        ReasonCode::ManifestNew | ReasonCode::ManifestChanged | ReasonCode::ManifestRemoved => reason.text.clone(),
        ReasonCode::Missing | ReasonCode::DestroyAsked | ReasonCode::Released => reason.text.clone(),
    }
}

fn diffs(line: &Line<'_>, look: Look, out: &mut String) {
    let width = line.diff.iter().map(|diff| diff.field.len()).max().unwrap_or_default() + 3;
    for diff in &line.diff {
        let sensitive = [&diff.from, &diff.to].into_iter().flatten().any(crate::model::Value::is_sensitive);
        let change = if sensitive {
            "(sensitive, changed)".to_owned()
        } else {
            let from = look.paint(Tone::Dim, &lines::value(&diff.field, diff.from.as_ref()));
            format!("{from} {} {}", look.arrow(), lines::value(&diff.field, diff.to.as_ref()))
        };
        out.push_str(&format!("      {:width$}{change}\n", diff.field));
    }
}

/// What a new container has to show before anything points at it.
fn healthy(manifest: &Service, line: &Line<'_>, look: Look, out: &mut String) {
    let key = manifest.containers.keys().find(|key| manifest.address_name(key) == line.change.address.name);
    let Some((key, container)) = key.and_then(|key| Some((key, manifest.containers.get(key)?))) else { return };
    let writes = match &line.change.verb {
        Verb::Create(fields) => container.writes_data() || !fields.strings(declared::FIELD).is_empty(),
        Verb::Update(_) | Verb::Delete => container.writes_data(),
    };
    let timeout = generation::health_timeout(&manifest.update, container, writes);
    let how = match (&container.healthcheck, routed_port(manifest, &line.change.address)) {
        (Some(check), _) if check.test.first().is_none_or(|word| word != "NONE") => {
            format!("its healthcheck, at most {timeout}")
        }
        (_, Some(port)) => format!("GET / on {port}, 3 of 5, at most {timeout}"),
        (_, None) if manifest.is_task(key) => "when it has ended with code 0".to_owned(),
        (_, None) => "by uptime only, 15 s without a restart".to_owned(),
    };
    let name = manifest.container_name(key);
    out.push_str(&format!("  {} {:KIND_WIDTH$}{:NAME_WIDTH$}{how}\n", look.sign(Sign::Step), "healthy", name));
}

/// Volumes of a service that goes stay; the line says how to be rid of them.
fn kept(all: &Told<'_>, name: &str, lines: &[Line<'_>], look: Look, out: &mut String) {
    if all.input.services.contains_key(name) || lines.iter().any(|line| line.change.address.kind == Kind::Volume) {
        return;
    }
    let unwanted = all.unwanted.get(name).map(Vec::as_slice).unwrap_or_default();
    let volumes: Vec<&str> =
        unwanted.iter().filter(|address| address.kind == Kind::Volume).map(|address| address.name.as_str()).collect();
    let plural = if volumes.len() > 1 { "volumes" } else { "volume" };
    let data = (!volumes.is_empty()).then(|| format!("{plural} {}", volumes.join(", ")));
    let certificate = kept_certificate(all.input, &all.forecast.wants, unwanted);
    let kept: Vec<String> = data.into_iter().chain(certificate).collect();
    if !kept.is_empty() {
        let text = format!("kept: {}", kept.join(", "));
        out.push_str(&format!("  {}\n", look.paint(Tone::Dim, &text)));
        let text = format!("to delete them too: amarre destroy {name} --purge");
        out.push_str(&format!("        {}\n", look.paint(Tone::Dim, &text)));
    }
}

/// `certificate until 20 Dec`: of those of a service that goes, the one that goes last.
fn kept_certificate(input: &Input<'_>, wants: &Wants, unwanted: &[&Address]) -> Option<String> {
    let left = unwanted.iter().filter(|address| address.kind == Kind::Certificate);
    let until = left.map(|address| wants.unused.get(*address).copied().unwrap_or(input.now + unused::KEPT)).max()?;
    let day = jiff::Timestamp::from_millisecond(until.0).ok().filter(|_| input.now < until)?;
    Some(format!("certificate until {}", day.strftime("%-d %b")))
}

/// What was found and the ways past it.
pub fn refusal_body(refusal: &Refusal, look: Look, out: &mut String) {
    let width = refusal.found.iter().map(|(name, _)| name.chars().count() + 1).max().unwrap_or_default().max(9);
    for (name, value) in &refusal.found {
        out.push_str(&format!("      {name:width$}{value}\n"));
    }
    for hint in &refusal.hints {
        let text = match &hint.command {
            Some(command) => format!("{}, {command}", hint.text),
            None => hint.text.clone(),
        };
        out.push_str(&format!("  {} {text}\n", look.paint(Tone::Dim, "hint:")));
    }
}

fn notes(plan: &Plan, look: Look, out: &mut String) {
    if !plan.gaps.is_empty() || !plan.notes.is_empty() {
        out.push('\n');
    }
    for gap in &plan.gaps {
        let place = gap.zone.as_ref().map(|zone| format!(" zone {zone}")).unwrap_or_default();
        out.push_str(&format!("{} {}{place}   {}, {}\n", look.sign(Sign::Refuse), gap.provider, gap.message, gap.code));
        out.push_str(&format!(
            "  {}\n",
            look.paint(Tone::Dim, "unknown is not missing: nothing is created or deleted there")
        ));
        if !gap.hint.is_empty() {
            out.push_str(&format!("  {} {}\n", look.paint(Tone::Dim, "hint:"), gap.hint));
        }
    }
    for note in &plan.notes {
        out.push_str(&format!("  {}\n", look.paint(Tone::Dim, &format!("note: {}", note.text))));
    }
}

fn closing(forecast: &Forecast, down: &away::Services<'_>, summary: Summary, look: Look) -> String {
    let counts = [
        (summary.create, "to create"),
        (summary.update, "to update"),
        (summary.recreate, "to re-create"),
        (summary.delete, "to delete"),
        (summary.release, "to release"),
        (summary.reported, "only reported"),
        (summary.refused, "refused"),
        (summary.held, "held"),
    ];
    let parts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let parts = if parts.is_empty() { "Only steps are left".to_owned() } else { parts.join(", ") };
    let downtime = if down.is_empty() {
        " No downtime.".to_owned()
    } else {
        let lines: Vec<String> = down.iter().map(|(name, expected)| away::line(name, expected.as_ref())).collect();
        format!(" Downtime: {}.", lines.join(", "))
    };
    let in_sync = match summary.services_in_sync {
        0 => String::new(),
        1 => " 1 service in sync.".to_owned(),
        n => format!(" {n} services in sync."),
    };
    let changes = summary.create + summary.update + summary.recreate;
    let is_silent = down.is_empty() && (summary.refused > 0 || changes == 0);
    let downtime = if is_silent { String::new() } else { downtime };
    let can_act = forecast.first.changes.iter().any(Change::is_now)
        || summary.create + summary.update + summary.recreate + summary.delete + summary.release > 0;
    let next = match (&forecast.plan.guard, can_act) {
        (_, false) => String::new(),
        (None, true) if summary.delete > 0 => "Next: amarre apply (asks before it deletes)\n".to_owned(),
        (_, true) => "Next: amarre apply\n".to_owned(),
    };
    format!("{}\n{next}", look.paint(Tone::Bold, &format!("{parts}.{in_sync}{downtime}")))
}

fn routed_port(manifest: &Service, address: &Address) -> Option<u16> {
    manifest.routes.iter().find_map(|route| match &route.to {
        Target::Container { key, port } if manifest.address_name(key) == address.name => Some(*port),
        Target::Container { .. } | Target::Url { .. } => None,
    })
}
