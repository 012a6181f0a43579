//! Texts and documents of plan, status and drift, for people and machines. Pure: a pass result in, text out.

pub mod plan;
pub mod apps;
pub mod pools;
pub mod pool_documents;
pub mod app_documents;
pub mod frameworks;
pub mod drift;
pub mod exposure;
pub mod status;
mod service_health;
mod next_step;
mod status_text;
pub mod leftovers;
pub mod service_list;
pub mod attention;
pub mod conditions;
pub mod countdown;
pub(super) mod wait_text;
pub mod waits;
pub(super) mod jobs;
pub mod service_plan;
pub mod subnets;
pub mod certificates;
pub mod failures;
pub mod pass_view;
pub mod settled;
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

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use crate::engine::report::pass_view::PassView;
use crate::ledger::runs::Event;
use crate::source::SourceError;
use crate::words::{self, say};
use amarre_core::manifest::Severity;
use amarre_core::model::{Code, Commit, Hint, Language, Millis, ProviderId, Text, Timestamp};
use amarre_core::plan::input::Input;
use amarre_core::plan::protection;
use amarre_core::plan::render::{self, Sign, Style, Tone, lines};
use amarre_core::text;
use app_documents::BaseDocument;
use countdown::CountFrom;
pub use drift::drift_json;
pub use plan::{plan_json, plan_markdown, plan_of, plan_text, plan_text_before};
pub use run_end::{RunEnd, RunTally, verdict};
use service_list::Only;
use status::{ResourceStatus, ServiceStatus, Sync};
pub(in crate::engine) use status_text::resource_text;
pub use status_text::{service_text, status_text};
use waits::PendingWait;

/// The revision in a few words: `services @ 5e1c0aa`.
pub fn revision(pass: &PassView) -> String {
    revision_text(pass).to_string()
}

fn revision_text(pass: &PassView) -> Text {
    let id = short_revision(&pass.source.revision);
    if id.is_empty() { text!("no source yet") } else { format!("{} @ {id}", pass.source.label).into() }
}

/// A revision as it is shown.
pub fn short_revision(revision: &str) -> String {
    revision.chars().take(7).collect()
}

/// The same with its commit, if known: `main @ 3f2a9c1 "add gitea" (Alice Martin, 2 min ago)`.
fn revision_and_commit(pass: &PassView) -> String {
    match &pass.source.commit {
        Some(commit) => format!("{} {}", revision(pass), commit_text(commit, pass.at)),
        None => revision(pass),
    }
}

/// `"add gitea" (Alice Martin, 2 min ago)`
fn commit_text(commit: &Commit, now: Timestamp) -> Text {
    let (subject, author) = (format!("\"{}\"", commit.subject), &commit.author);
    text!("{subject} ({author}, {ago})", subject, author, ago = ago(now - commit.at))
}

/// The state of the source.
pub fn revision_json(pass: &PassView) -> Json {
    let source = &pass.source;
    revision_document(&source.revision, &source.label, source.commit.as_ref(), source.is_branch)
}

/// A revision by its id and its label, with its commit where it has one, and whether the label is a branch's.
pub fn revision_document(id: &str, label: &str, commit: Option<&Commit>, is_branch: bool) -> Json {
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
fn effective_text(pass: &PassView, error: &SourceError, now: Timestamp) -> Text {
    let Some(commit) = &pass.source.commit else {
        let is_bare = pass.services.is_empty() && pass.source.revision.is_empty();
        return if is_bare {
            text!("no manifest is in force yet")
        } else {
            text!("the last good manifests are in force")
        };
    };
    match error.fetched.map(|fetched| now - fetched).filter(|span| *span >= Millis::seconds(1)) {
        Some(span) => text!("going on with {commit} from {span} ago", commit = commit.short(), span),
        None => text!("going on with {commit}", commit = commit.short()),
    }
}

/// Problems beside the services, a line each with its hints.
pub(super) fn problems_text(pass: &PassView, now: Timestamp, style: Style, out: &mut String) {
    let problems = problems(pass, now);
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
    pub text: Text,
    /// `A0601`.
    pub code: Code,
    pub hints: Vec<Hint>,
}

/// Problems beside the services, each with its hints.
pub fn problems(pass: &PassView, now: Timestamp) -> Vec<SiteProblem> {
    let trouble = |text: Text, code: Code, hints: Vec<Hint>| SiteProblem { text, code, hints };
    let mut lines = Vec::new();
    if let Some(error) = &pass.ledger_error {
        let text = text!("{error}; nothing is written anywhere until it can be", error = Text::from(&error.message));
        lines.push(trouble(text, Code::A0903, vec![Hint::text(error.hint.clone())]));
    }
    if let Some(wrong) = &pass.config_trouble {
        let hint = Hint::text(text!("correct amarre.yaml, then send SIGHUP again; until then the one before stays"));
        lines.push(trouble(Text::from(&wrong.message), wrong.code, vec![hint]));
    }
    if let Some(wrong) = &pass.listener_trouble {
        let hint = Hint::text(text!("amarre doctor says how to correct it; new files are served without a restart"));
        lines.push(trouble(Text::from(&wrong.message), wrong.code, vec![hint]));
    }
    if let Some(error) = &pass.source_error {
        let since = error.since.map(|since| now - since).filter(|span| *span >= Millis::seconds(1));
        let what = Text::from(error.to_string());
        let what = since.map_or_else(|| what.clone(), |span| text!("{what}, for {span}", what = what.clone(), span));
        let text = text!("{what}; {effect}", what, effect = effective_text(pass, error, now));
        lines.push(trouble(text, error.code, error.hints.clone()));
    }
    for (name, error) in apps::behind(pass) {
        lines.push(trouble(format!("{name}: {error}").into(), error.code, error.hints.clone()));
    }
    for gap in &pass.plan.gaps {
        let (place, span) = (format!("{}{}", gap.provider, gap.place()), now - gap.since);
        let text = text!("{place}: {why}, for {span}", place, why = gap.message.clone(), span);
        lines.push(trouble(text, gap.code, gap.hint().into_iter().collect()));
    }
    let files = pass.diagnostics.iter().filter(|known| known.service.is_none() && known.severity == Severity::Error);
    for known in files {
        let hint = known.hint.clone().map(Hint::text);
        let hint = hint.unwrap_or_else(|| Hint::command(text!("to see the place"), "amarre validate"));
        lines.push(trouble(known.placed(), known.code, vec![hint]));
    }
    if let Some(guard) = &pass.plan.guard {
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

fn ago(span: Millis) -> Text {
    if span < Millis::seconds(1) { text!("now") } else { text!("{span} ago", span) }
}

pub(super) fn hint_text(hint: &Hint, language: Language) -> String {
    let text = say(&hint.text, language);
    match &hint.command {
        Some(command) => format!("{text}, {command}"),
        None => text,
    }
}

/// How long the state has lasted; empty when that is not known.
pub fn since_text(pass: &PassView, name: &str, now: Timestamp, language: Language) -> String {
    let known = pass.since.get(name).filter(|(_, at)| at.0 > 0);
    known.map(|(_, at)| say(&text!("{span}", span = now - *at), language)).unwrap_or_default()
}

/// Everything, `amarre.status/v1`.
pub fn status_json(pass: &PassView, next_run: Option<Timestamp>) -> Json {
    let services = pass.statuses();
    let there = || services.values().filter(|row| !row.deleted);
    let count = |test: &dyn Fn(&ServiceStatus) -> bool| there().filter(|row| test(row)).count();
    let listed = |only: Only| service_list::matching(pass, only).len();
    let needs = attention::json(pass);
    let mut document = json!({
        "schema": "amarre.status/v1",
        "instance": pass.context.as_ref().map(|context| context.site.instance.clone()),
        "version": env!("CARGO_PKG_VERSION"),
        "test_mode": test_mode(pass),
        "source": {
            "revision": revision_json(pass),
            "checked_at": pass.at.rfc3339(),
            "error": pass.source_error.as_ref().map(|error| json!({
                "code": error.code, "message": error.message, "hints": error.hints,
                "since": error.since.map(Timestamp::rfc3339), "fetched_at": error.fetched.map(Timestamp::rfc3339),
            })),
        },
        "summary": {
            "services": there().count(),
            "synced": count(&|row| row.sync == Sync::Synced),
            "out_of_sync": count(&|row| row.sync == Sync::OutOfSync),
            "unknown": count(&|row| row.sync == Sync::Unknown),
            "attention": needs.len(),
            "open": listed(Only::Open),
            "no_tls": listed(Only::NoTls),
        },
        "needs_you": needs,
        "planning_only": !pass.consented,
        "ledger": {"error": pass.ledger_error.as_ref().map(
            |trouble| json!({"code": Code::A0903, "message": trouble.message}))},
        "configuration": {"error": pass.config_trouble.as_ref().map(
            |trouble| json!({"code": trouble.code, "message": trouble.message}))},
        "listener": {"error": pass.listener_trouble.as_ref().map(
            |trouble| json!({"code": trouble.code, "message": trouble.message}))},
        "guard": pass.plan.guard.as_ref().map(render::json::refusal),
        "providers": providers_json(pass),
        "certificates": certificates::budgets(pass).iter().map(|budget| json!({
            "domain": budget.domain, "left_this_week": budget.left, "of": budget.of,
        })).collect::<Vec<_>>(),
        "services": services.values().map(|row| service_json(pass, row)).collect::<Vec<_>>(),
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
pub fn test_mode(pass: &PassView) -> Vec<&str> {
    pass.simulated().map(ProviderId::as_str).collect()
}

fn providers_json(pass: &PassView) -> Vec<Json> {
    let Some(context) = &pass.context else { return Vec::new() };
    context
        .providers
        .keys()
        .map(|id| {
            let gap = pass.plan.gaps.iter().find(|gap| gap.provider == *id && gap.scope.resource().is_none());
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
            if let Some(version) = pass.versions.get(id) {
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
            if let (None, Some(open)) = (gap, pass.open.get(id)) {
                object.insert("since".to_owned(), json!(open.since.rfc3339()));
                object.insert("next_try_at".to_owned(), json!(open.backoff.until.rfc3339()));
                object.insert("error".to_owned(), open_error(open));
            }
            Json::Object(object)
        })
        .collect()
}

/// Why a provider is tried by one change at a time.
fn open_error(open: &super::pass_result::OpenBreaker) -> Json {
    let mut error = serde_json::Map::new();
    error.insert("code".to_owned(), json!(open.error.code));
    open.error.message.insert_into(&mut error, "message");
    error.insert("hints".to_owned(), json!(open.error.hints()));
    Json::Object(error)
}

/// A time in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub Timestamp);

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339())
    }
}

impl JsonSchema for DateTime {
    fn schema_name() -> Cow<'static, str> {
        "DateTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A document as JSON, with its keys in order.
pub fn as_json(document: &impl Serialize) -> Json {
    // These documents have no map with other keys than texts.
    serde_json::to_value(document).unwrap_or_default()
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
    exact_time_in(at, "", language)
}

/// The same in a time zone; an empty one is this machine's.
pub fn exact_time_in(at: Timestamp, zone: &str, language: Language) -> String {
    let at = words::local(at, zone);
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
pub fn service_json(pass: &PassView, row: &ServiceStatus) -> Json {
    let suspended = pass.facts.suspended.get(&row.name).map(
        |suspension| json!({"by": suspension.by, "why": suspension.why.to_string(), "since": suspension.at.rfc3339()}),
    );
    let error = row.code.as_ref().map(|code| {
        let mut error = json!({"code": code, "hints": row.hints});
        insert(&mut error, &row.what_now, "message");
        wait_text::with_failure(error, pass, row)
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
        "conditions": conditions::json(pass, row),
        "resources": row.resources.iter().map(|resource| resource_json(pass, resource)).collect::<Vec<_>>(),
    });
    // Absent is "not known": at its first pass a process cannot tell since when.
    let since = pass.since.get(&row.name).filter(|(_, at)| at.0 > 0);
    if let (Some(object), Some((_, at))) = (document.as_object_mut(), since) {
        object.insert("since".to_owned(), json!(at.rfc3339()));
    }
    if let Some(protected) = protected_json(pass, &row.name) {
        document["protected"] = protected;
    }
    let bases = pass.services.get(&row.name).map(|service| builds::bases(pass, service)).unwrap_or_default();
    if !bases.is_empty() {
        document["bases"] = json!(bases.iter().map(BaseDocument::new).collect::<Vec<_>>());
    }
    document
}

/// Why a service cannot be destroyed; `purge`: only with its data it cannot.
fn protected_json(pass: &PassView, name: &str) -> Option<Json> {
    let refused = |input: &Input<'_>| {
        let whole = protection::indestructible(input, name).map(|refusal| (refusal, false));
        whole.or_else(|| protection::unpurgeable(input, name).map(|refusal| (refusal, true)))
    };
    let (refusal, purge) = pass.with_input(refused).flatten()?;
    let mut document = json!({"code": refusal.code, "hints": refusal.hints, "purge": purge});
    insert(&mut document, &refusal.message, "message");
    Some(document)
}

fn resource_json(pass: &PassView, resource: &ResourceStatus) -> Json {
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
        if pass.world.seen.get(&resource.address).is_some_and(|seen| !seen.owner.is_ours()) {
            object.insert("owned".to_owned(), json!(false));
        }
        if pass.is_simulated(&resource.address.provider) {
            object.insert("simulated".to_owned(), json!(true));
        }
    }
    document
}
