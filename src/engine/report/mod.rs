//! Texts and documents of plan, status and drift, for people and machines. Pure: a pass result in, text out.

pub mod plan;
pub mod apps;
pub mod pools;
pub mod drift;
pub mod exposure;
pub mod status;
mod next_step;
mod leftovers;
pub mod service_list;
pub mod conditions;
pub mod countdown;
pub(super) mod wait_text;
pub mod waits;
pub(super) mod jobs;
pub mod service_plan;
pub mod subnets;
pub mod certificates;
pub(super) mod derived;
pub mod builds;
pub mod deployments;
pub mod read_scope;
pub mod instance_text;
pub mod instances;
pub mod instance_log;
pub mod savings;
pub mod missed_tick;
pub mod under_way;
pub mod run_end;

use serde_json::{Map, Value as Json, json};

use super::PassResult;
use crate::ledger::runs::Event;
use crate::source::SourceError;
use crate::words::{Words, say};
use amarre_core::manifest::Severity;
use amarre_core::model::{Code, Commit, Hint, Language, Millis, ProviderId, Text, Timestamp};
use amarre_core::plan::desired::certificate::OrderBudget;
use amarre_core::plan::input::Input;
use amarre_core::plan::render::{self, Sign, Style, Tone, lines};
use amarre_core::plan::safety::protect;
use amarre_core::text;
use countdown::CountFrom;
pub use drift::drift_json;
pub use plan::{plan_json, plan_markdown, plan_of, plan_text, plan_text_before};
pub use run_end::{RunEnd, RunTally, verdict};
use service_list::{ListQuery, Only};
use status::{Health, ResourceStatus, ServiceStatus, Sync};
use waits::PendingWait;

/// With fewer services than this, all are listed.
const LISTED_ALWAYS: usize = 10;

/// The revision in a few words: `services @ 5e1c0aa`.
pub fn revision(picture: &PassResult) -> String {
    let id = short_revision(&picture.source.revision);
    if id.is_empty() { "no source yet".to_owned() } else { format!("{} @ {id}", picture.source.label) }
}

/// A revision as it is shown.
pub fn short_revision(revision: &str) -> String {
    revision.chars().take(7).collect()
}

/// The same with its commit, if known: `main @ 3f2a9c1 "add gitea" (Alice Martin, 2 min ago)`.
fn revision_and_commit(picture: &PassResult) -> String {
    match &picture.source.commit {
        Some(commit) => format!("{} {}", revision(picture), commit_text(commit, picture.at)),
        None => revision(picture),
    }
}

/// `"add gitea" (Alice Martin, 2 min ago)`
fn commit_text(commit: &Commit, now: Timestamp) -> String {
    format!("\"{}\" ({}, {})", commit.subject, commit.author, ago(now - commit.at))
}

/// The state of the source.
pub fn revision_json(picture: &PassResult) -> Json {
    let source = &picture.source;
    revision_document((&source.revision, &source.label), source.commit.as_ref(), source.is_branch)
}

/// A revision by its id and its label, with its commit where it has one, and whether the label is a branch's.
pub fn revision_document((id, label): (&str, &str), commit: Option<&Commit>, is_branch: bool) -> Json {
    let kind = if commit.is_some() { "git" } else { "folder" };
    let mut document = json!({"id": id, "kind": kind, "label": label});
    if let (Some(object), Some(commit)) = (document.as_object_mut(), commit) {
        object.insert("subject".to_owned(), json!(commit.subject));
        object.insert("author".to_owned(), json!(commit.author));
        object.insert("committed_at".to_owned(), json!(commit.at.rfc3339()));
        if is_branch {
            object.insert("branch".to_owned(), json!(label));
        }
    }
    document
}

/// What is effective while the source cannot be used.
fn effective_text(picture: &PassResult, error: &SourceError, now: Timestamp) -> String {
    let Some(commit) = &picture.source.commit else {
        let is_bare = picture.services.is_empty() && picture.source.revision.is_empty();
        let stays = if is_bare { "no manifest is in force yet" } else { "the last good manifests are in force" };
        return stays.to_owned();
    };
    match error.fetched.map(|fetched| now - fetched).filter(|span| *span >= Millis::seconds(1)) {
        Some(span) => format!("going on with {} from {span} ago", commit.short()),
        None => format!("going on with {}", commit.short()),
    }
}

/// All services as a table, those that need a person first. `next`: when the next pass is due, with a daemon.
pub fn status_text(
    picture: &PassResult,
    listing: ListQuery,
    now: Timestamp,
    next: Option<Timestamp>,
    style: Style,
) -> String {
    let services = picture.statuses();
    let mut out = format!("{}, checked {}", revision(picture), ago(now - picture.at));
    match next {
        Some(next) if picture.acts => out.push_str(&format!(", next run {}", countdown::within(next, now))),
        Some(_) => out.push_str("; nothing is changed before amarre apply"),
        None => out.push_str("; no daemon is running"),
    }
    out.push('\n');
    problems_text(picture, now, style, &mut out);
    match listing.only {
        Some(Only::Drift) => return format!("{out}\n{}", service_list::drift_text(picture, style)),
        Some(Only::Unmanaged) => return format!("{out}\n{}", service_list::unmanaged_text(picture)),
        Some(Only::Attention | Only::NoTls | Only::Suspended | Only::Expiring) | None => (),
    }
    let rows = service_list::rows(picture, services.values(), listing.only);
    let hide = !listing.all && listing.only.is_none() && rows.len() >= LISTED_ALWAYS;
    let shown: Vec<&ServiceStatus> =
        rows.iter().copied().filter(|row| !(hide && service_list::is_quiet(row))).collect();
    if !shown.is_empty() {
        out.push('\n');
        out.push_str(&service_list::table(picture, &shown, now, listing, style));
    }
    out.push('\n');
    if let Some(only) = listing.only.filter(|only| *only != Only::Attention) {
        out.push_str(&format!("{}\n", style.paint(Tone::Bold, &service_list::closing(&rows, only))));
        return out;
    }
    if listing.wide {
        for OrderBudget { domain, left, of } in certificates::budgets(picture) {
            out.push_str(&format!("Let's Encrypt: {left} of {of} certificates left this week below {domain}.\n"));
        }
    }
    let needy: Vec<&str> = rows.iter().filter(|row| row.attention).map(|row| row.name.as_str()).collect();
    let hidden_text = match rows.len() - shown.len() {
        0 => String::new(),
        n if n == rows.len() => format!("{n} services, all in sync. "),
        n => format!("{n} more are in sync. "),
    };
    let is_troubled = !problems(picture, now).is_empty();
    let need_text = match needy.as_slice() {
        [] if is_troubled => "What stands above needs you.".to_owned(),
        [] if rows.is_empty() && listing.only.is_none() => format!("No manifest in {}.", picture.source.label),
        [] if !picture.consented && rows.iter().any(|row| picture.is_changing(&row.name)) => {
            "Nothing is changed before amarre apply, or amarre run --yes.".to_owned()
        }
        [] => "Nothing needs you.".to_owned(),
        needy => {
            let mut commands: Vec<String> = needy.iter().take(3).map(|name| format!("amarre status {name}")).collect();
            if needy.len() > commands.len() {
                commands.push(format!("and {} more", needy.len() - commands.len()));
            }
            let verb = if needy.len() == 1 { "needs" } else { "need" };
            format!("{} {verb} you: {}", needy.len(), commands.join(", "))
        }
    };
    out.push_str(&format!("{hidden_text}{}\n", style.paint(Tone::Bold, &need_text)));
    out
}

/// One service with its resources and its last event.
pub fn service_text(
    picture: &PassResult,
    name: &str,
    events: &[Event],
    now: Timestamp,
    style: Style,
) -> Option<String> {
    let services = picture.statuses();
    let row = services.get(name)?;
    let mut out = format!(
        "{}   {}{}\n",
        style.paint(Tone::Bold, name),
        match row.state_words() {
            (sync, "") => sync.to_owned(),
            (sync, health) => format!("{sync}, {health}"),
        },
        Some(since_text(picture, name, now))
            .filter(|span| !span.is_empty())
            .map(|span| format!(" for {span}"))
            .unwrap_or_default()
    );
    for url in &row.urls {
        out.push_str(&format!("  {url}\n"));
    }
    if let Some(manifest) = picture.services.get(name) {
        let id = short_revision(&picture.source.revision);
        let file = &manifest.origin.file;
        match picture.source.history.changed.get(file) {
            Some(commit) => {
                out.push_str(&format!("  {file} @ {} {}\n", commit.short(), commit_text(commit, now)));
            }
            None => out.push_str(&format!("  {file} @ {id}\n")),
        }
    }
    if !row.what_now.is_empty() {
        out.push_str(&format!("  {}\n", with_code(row, now, style.language)));
        for hint in &row.hints {
            hint_line(hint, "  ", style, &mut out);
        }
    }
    out.push_str(&wait_text::wait(row, now, style.language));
    if let Some((_, newer)) = builds::with_newer_bases(picture).find(|(of, _)| *of == name) {
        out.push_str(&format!("  {}\n", say(&builds::newer_text(&newer), style.language)));
        let command = format!("amarre app deploy {name} --pull");
        hint_line(&Hint::command(text!("to build on it"), command), "  ", style, &mut out);
    }
    out.push('\n');
    for resource in &row.resources {
        resource_text(resource, now, style, &mut out);
        out.push_str(&wait_text::failure(picture, resource, now, style.language));
    }
    if !events.is_empty() {
        out.push_str("\n  last\n");
    }
    for event in events {
        let words = Words(style.language);
        let thing = event.address.as_ref();
        let thing =
            thing.map(|a| format!("{} {}", words.kind(&a.kind.label()), lines::name(a, None))).unwrap_or_default();
        let (kind, said) = (words.event(&event.kind), words.say(&event.text));
        let line = format!("  {}  {kind} {thing}: {said}", exact_time(event.at, Language::En));
        out.push_str(&format!("{}\n", style.paint(Tone::Dim, &line)));
    }
    Some(out)
}

pub(super) fn resource_text(resource: &ResourceStatus, now: Timestamp, style: Style, out: &mut String) {
    let sign = match (resource.health, resource.sync) {
        (_, Sync::Unknown) => "?".to_owned(),
        // Only failures are marked.
        (Health::Missing, _) if resource.to_come => style.sign(Sign::Step),
        (Health::Healthy, Sync::Synced) => style.sign(Sign::Done),
        (Health::Degraded | Health::Missing, _) => style.sign(Sign::Failed),
        (Health::Healthy | Health::Progressing | Health::Unknown, _) => style.sign(Sign::Step),
    };
    let label = if resource.job.is_some() { "job".to_owned() } else { resource.address.kind.label() };
    let label = Words(style.language).kind(&label);
    let name = lines::name(&resource.address, None);
    let line = format!("  {sign} {label:14}{name:<19} {}", say(&resource.detail_at(now), style.language));
    out.push_str(line.trim_end());
    out.push('\n');
    for change in resource.change.iter().filter(|change| status::is_drift(change)) {
        let why = say(&change.because.text, style.language);
        for diff in &change.diff {
            let (from, to) =
                (lines::value(&diff.field, diff.from.as_ref()), lines::value(&diff.field, diff.to.as_ref()));
            out.push_str(&format!("      {}   {to} {} {from}, {why}\n", diff.field, style.arrow()));
        }
        if change.diff.is_empty() {
            out.push_str(&format!("      {why}\n"));
        }
    }
}

/// Problems beside the services, a line each with its hints.
pub(super) fn problems_text(picture: &PassResult, now: Timestamp, style: Style, out: &mut String) {
    let problems = problems(picture, now);
    for (index, SiteProblem { text, code, hints }) in problems.iter().enumerate() {
        let text = say(text, style.language);
        out.push_str(&format!("{} {text}, {code}\n", style.sign(Sign::Refuse)));
        // Hints that several in a row have in common follow the last of them.
        if problems.get(index + 1).is_some_and(|next| next.hints == *hints) {
            continue;
        }
        for hint in hints {
            hint_line(hint, "  ", style, out);
        }
    }
}

/// A problem beside the services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteProblem {
    /// One sentence.
    pub text: Text,
    /// `A0601`.
    pub code: Code,
    /// The hints.
    pub hints: Vec<Hint>,
}

/// Problems beside the services, each with its hints.
pub fn problems(picture: &PassResult, now: Timestamp) -> Vec<SiteProblem> {
    let trouble = |text: Text, code: Code, hints: Vec<Hint>| SiteProblem { text, code, hints };
    let mut lines = Vec::new();
    if let Some(error) = &picture.ledger_error {
        let text = text!("{error}; nothing is written anywhere until it can be", error = Text::from(error));
        let hint = Hint::text(text!("is the disk full? what runs goes on running"));
        lines.push(trouble(text, Code::A0903, vec![hint]));
    }
    if let Some(wrong) = &picture.config_trouble {
        let hint = Hint::text(text!("correct amarre.yaml, then send SIGHUP again; until then the one before stays"));
        lines.push(trouble(Text::from(&wrong.message), wrong.code, vec![hint]));
    }
    if let Some(wrong) = &picture.listener_trouble {
        let hint = Hint::text(text!("amarre doctor says how to correct it; new files are served without a restart"));
        lines.push(trouble(Text::from(&wrong.message), wrong.code, vec![hint]));
    }
    if let Some(error) = &picture.source_error {
        let since = error.since.map(|since| now - since).filter(|span| *span >= Millis::seconds(1));
        let since = since.map(|span| format!(", for {span}")).unwrap_or_default();
        let text = format!("{error}{since}; {}", effective_text(picture, error, now));
        lines.push(trouble(text.into(), error.code, error.hints.clone()));
    }
    for (name, error) in apps::behind(picture) {
        lines.push(trouble(format!("{name}: {error}").into(), error.code, error.hints.clone()));
    }
    for gap in &picture.plan.gaps {
        let (place, span) = (format!("{}{}", gap.provider, gap.place()), now - gap.since);
        let text = text!("{place}: {why}, for {span}", place, why = gap.message.clone(), span);
        lines.push(trouble(text, gap.code, gap.hint().into_iter().collect()));
    }
    let files = picture.diagnostics.iter().filter(|known| known.service.is_none() && known.severity == Severity::Error);
    for known in files {
        let hint = known.hint.clone().map(Hint::text);
        let hint = hint.unwrap_or_else(|| Hint::command(text!("to see the place"), "amarre validate"));
        lines.push(trouble(known.placed(), known.code, vec![hint]));
    }
    if let Some(guard) = &picture.plan.guard {
        lines.push(trouble(guard.message.clone(), guard.code, guard.hints.clone()));
    }
    lines
}

fn with_code(row: &ServiceStatus, now: Timestamp, language: Language) -> String {
    let line = say(&row.status_line_at(now), language);
    match &row.code {
        Some(code) => format!("{line}, {code}"),
        None => line,
    }
}

fn hint_line(hint: &Hint, indent: &str, style: Style, out: &mut String) {
    let label = style.paint(Tone::Dim, &say(&text!("hint:"), style.language));
    out.push_str(&format!("{indent}{label} {}\n", hint_text(hint, style.language)));
}

fn ago(span: Millis) -> String {
    if span < Millis::seconds(1) { "now".to_owned() } else { format!("{span} ago") }
}

pub(super) fn hint_text(hint: &Hint, language: Language) -> String {
    let text = say(&hint.text, language);
    match &hint.command {
        Some(command) => format!("{text}, {command}"),
        None => text,
    }
}

/// How long the state has lasted; empty when that is not known.
pub fn since_text(picture: &PassResult, name: &str, now: Timestamp) -> String {
    let known = picture.since.get(name).filter(|(_, at)| at.0 > 0);
    known.map(|(_, at)| (now - *at).to_string()).unwrap_or_default()
}

/// Everything, `amarre.status/v1`.
pub fn status_json(picture: &PassResult, next_run: Option<Timestamp>) -> Json {
    let services = picture.statuses();
    let there = || services.values().filter(|row| !row.deleted);
    let count = |test: &dyn Fn(&ServiceStatus) -> bool| there().filter(|row| test(row)).count();
    let mut document = json!({
        "schema": "amarre.status/v1",
        "instance": picture.context.as_ref().map(|context| context.site.instance.clone()),
        "version": env!("CARGO_PKG_VERSION"),
        "test_mode": test_mode(picture),
        "source": {
            "revision": revision_json(picture),
            "checked_at": picture.at.rfc3339(),
            "error": picture.source_error.as_ref().map(|error| json!({
                "code": error.code, "message": error.message, "hints": error.hints,
                "since": error.since.map(Timestamp::rfc3339), "fetched_at": error.fetched.map(Timestamp::rfc3339),
            })),
        },
        "summary": {
            "services": there().count(),
            "synced": count(&|row| row.sync == Sync::Synced),
            "out_of_sync": count(&|row| row.sync == Sync::OutOfSync),
            "unknown": count(&|row| row.sync == Sync::Unknown),
            "attention": count(&|row| row.attention),
        },
        "planning_only": !picture.consented,
        "ledger": {"error": picture.ledger_error.as_ref().map(|message| json!({"code": Code::A0903, "message": message}))},
        "configuration": {"error": picture.config_trouble.as_ref().map(
            |trouble| json!({"code": trouble.code, "message": trouble.message}))},
        "listener": {"error": picture.listener_trouble.as_ref().map(
            |trouble| json!({"code": trouble.code, "message": trouble.message}))},
        "guard": picture.plan.guard.as_ref().map(render::json::refusal),
        "providers": providers_json(picture),
        "certificates": certificates::budgets(picture).iter().map(|budget| json!({
            "domain": budget.domain, "left_this_week": budget.left, "of": budget.of,
        })).collect::<Vec<_>>(),
        "services": services.values().map(|row| service_json(picture, row)).collect::<Vec<_>>(),
    });
    if let (Some(object), Some(at)) = (document.as_object_mut(), next_run) {
        object.insert("next_run_at".to_owned(), json!(at.rfc3339()));
    }
    document
}

/// `58.0 MiB`.
pub fn size(bytes: u64) -> String {
    amarre_core::plan::desired::images::size(bytes)
}

/// The simulated providers by name: `["npm", "ovh"]`.
pub fn test_mode(picture: &PassResult) -> Vec<&str> {
    picture.simulated().map(ProviderId::as_str).collect()
}

fn providers_json(picture: &PassResult) -> Vec<Json> {
    let Some(context) = &picture.context else { return Vec::new() };
    context
        .providers
        .keys()
        .map(|id| {
            let gap = picture.plan.gaps.iter().find(|gap| gap.provider == *id && gap.scope.resource().is_none());
            let mut object = Map::new();
            object.insert("name".to_owned(), json!(id.as_str()));
            object.insert("kind".to_owned(), json!(id.family()));
            let is_auth =
                gap.is_some_and(|gap| matches!(gap.code, Code::A0602 | Code::A0604 | Code::A0606 | Code::A0702));
            object.insert(
                "state".to_owned(),
                json!(if gap.is_none() {
                    "up"
                } else if is_auth {
                    "auth"
                } else {
                    "down"
                }),
            );
            if let Some(version) = picture.versions.get(id) {
                object.insert("version".to_owned(), json!(version));
            }
            if let Some(gap) = gap {
                object.extend(
                    render::json::gap(gap)
                        .as_object()
                        .cloned()
                        .unwrap_or_default()
                        .into_iter()
                        .filter(|(name, _)| name != "provider"),
                );
            }
            if let (None, Some(open)) = (gap, picture.open.get(id)) {
                object.insert("since".to_owned(), json!(open.since.rfc3339()));
                object.insert("next_try_at".to_owned(), json!(open.backoff.until.rfc3339()));
                object.insert("error".to_owned(), open_error(open));
            }
            Json::Object(object)
        })
        .collect()
}

/// Why a provider is tried by one change at a time.
fn open_error(open: &super::reconcile::breaker::OpenBreaker) -> Json {
    let mut error = serde_json::Map::new();
    error.insert("code".to_owned(), json!(open.error.code));
    open.error.message.insert_into(&mut error, "message");
    error.insert("hints".to_owned(), json!(open.error.hints()));
    Json::Object(error)
}

/// The events of a service, newest first.
pub fn events_json(events: &[Event]) -> Json {
    let event = |event: &Event| {
        let mut document = json!({
            "at": event.at.rfc3339(), "run": event.run, "kind": event.kind,
            "address": event.address.as_ref().map(ToString::to_string),
        });
        insert(&mut document, &event.text, "text");
        document
    };
    Json::Array(events.iter().map(event).collect())
}

/// To the second, in the time zone of this machine.
pub fn exact_time(at: Timestamp, language: Language) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
    match language {
        Language::En => at.strftime("%d %b %H:%M:%S").to_string(),
        Language::Fr => at.strftime("%d/%m %H:%M:%S").to_string(),
    }
}

/// A sentence in a document, as [`Text::insert_into`] has it, with times as people read them.
pub(crate) fn insert(document: &mut Json, text: &Text, key: &str) {
    if let Some(object) = document.as_object_mut() {
        text.insert_into(object, key);
        object.insert(key.to_owned(), json!(say(text, Language::En)));
    }
}

/// One service, as in the list.
pub fn service_json(picture: &PassResult, row: &ServiceStatus) -> Json {
    let suspended = picture.facts.suspended.get(&row.name).map(
        |suspension| json!({"by": suspension.by, "why": suspension.why.to_string(), "since": suspension.at.rfc3339()}),
    );
    let error = row.code.as_ref().map(|code| {
        let mut error = json!({"code": code, "hints": row.hints});
        insert(&mut error, &row.what_now, "message");
        wait_text::with_failure(error, picture, row)
    });
    let mut document = json!({
        "name": row.name,
        "host": row.host,
        "sync": row.sync.word(),
        "health": row.health.word(),
        "attention": row.attention,
        "deleted": row.deleted,
        "what_now": say(&row.what_now, Language::En),
        "urls": row.urls.iter().map(|url| json!({"url": url})).collect::<Vec<_>>(),
        "suspended": suspended,
        "error": error,
        "stalled": row.waiting.as_ref().is_some_and(PendingWait::is_stalled),
        "next_try_at": row.waiting.as_ref().and_then(PendingWait::ends_at).map(Timestamp::rfc3339),
        "waiting": row.waiting.as_ref().map(wait_text::waiting_json),
        "conditions": conditions::json(picture, row),
        "resources": row.resources.iter().map(|resource| resource_json(picture, resource)).collect::<Vec<_>>(),
    });
    // Absent is "not known": at its first pass a process cannot tell since when.
    let since = picture.since.get(&row.name).filter(|(_, at)| at.0 > 0);
    if let (Some(object), Some((_, at))) = (document.as_object_mut(), since) {
        object.insert("since".to_owned(), json!(at.rfc3339()));
    }
    if let Some(protected) = protected_json(picture, &row.name) {
        document["protected"] = protected;
    }
    let bases = picture.services.get(&row.name).map(|service| builds::bases(picture, service)).unwrap_or_default();
    if !bases.is_empty() {
        document["bases"] = json!(builds::bases_json(&bases));
    }
    document
}

/// Why a service cannot be destroyed; `purge`: only with its data it cannot.
fn protected_json(picture: &PassResult, name: &str) -> Option<Json> {
    let refused = |input: &Input<'_>| {
        let whole = protect::indestructible(input, name).map(|refusal| (refusal, false));
        whole.or_else(|| protect::unpurgeable(input, name).map(|refusal| (refusal, true)))
    };
    let (refusal, purge) = picture.with_input(refused).flatten()?;
    let mut document = json!({"code": refusal.code, "hints": refusal.hints, "purge": purge});
    insert(&mut document, &refusal.message, "message");
    Some(document)
}

fn resource_json(picture: &PassResult, resource: &ResourceStatus) -> Json {
    let drift = resource.change.iter().filter(|change| status::is_drift(change)).flat_map(|change| &change.diff);
    let mut document = json!({
        "address": resource.address.to_string(),
        "kind": resource.address.kind.word(),
        "name": lines::name(&resource.address, None),
        "sync": resource.sync.word(),
        "health": resource.health.word(),
        "detail": resource.detail.to_string(),
        "drift": drift.map(render::json::field).collect::<Vec<_>>(),
    });
    if let Some(object) = document.as_object_mut() {
        object.extend(resource.failure.iter().map(|failure| ("failure".to_owned(), wait_text::failure_json(failure))));
        let since = resource.detail_clock.and_then(CountFrom::since);
        object.extend(since.map(|since| ("since".to_owned(), json!(since.rfc3339()))));
        object.extend(resource.job.iter().map(|job| ("job".to_owned(), json!(job))));
        if picture.is_simulated(&resource.address.provider) {
            object.insert("simulated".to_owned(), json!(true));
        }
    }
    document
}
