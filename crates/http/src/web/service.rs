//! `/services/{name}`: what is it, why, what next?

pub mod builds;
pub mod deployments;

use std::fmt::Write as _;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::actions::Button;
use super::deploy_steps::{self, DeploySteps, Ended};
use super::hint_actions::{self, HintView};
use super::marks;
use super::topology;
use super::topology::Drawing;
use super::view_model;
use super::view_model::{Counted, PlanRow, StateMark as Shown};
use super::{PageFrame, PageOutcome, RequestContext, Web, page, signed_in, signed_in_and_counted, text_page};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::explain;
use crate::engine::commands::history;
use crate::engine::commands::history::HistoryQuery;
use crate::engine::commands::logs;
use crate::engine::commands::logs::LogsQuery;
use crate::engine::commands::trace;
use crate::engine::commands::verbs;
use crate::engine::report::exposure;
use crate::engine::report::leftovers::Leftover;
use crate::engine::report::service_plan;
use crate::engine::report::status;
use crate::engine::report::status::ServiceStatus;
use crate::words::Words;
use amarre_core::model::service::Service;
use amarre_core::model::{Code, Kind, Refusal, suggestion};
use amarre_core::plan::render::{Style, lines};

/// The last change.
const EVENTS_SHOWN: usize = 8;
/// Events that may be steps of a deploy.
const EVENTS_READ: u32 = 60;
/// Lines of a log on the page.
const LINES_SHOWN: u32 = 200;

/// The head of every page of a service.
struct Head {
    name: String,
    sync: Shown,
    health: Shown,
    domain: Option<(String, String)>,
    /// The image of its first container.
    image: String,
    about: String,
    tab: &'static str,
    may_act: bool,
    may_edit: bool,
    is_suspended: bool,
    /// The verb that the service needs most, and the class of its button.
    first: Option<Button>,
    first_tone: &'static str,
    /// Verbs that ask first.
    links: Vec<Button>,
    has_manifest: bool,
    /// It has containers: logs, and versions to go back to.
    has_containers: bool,
    is_deleted: bool,
    /// What is left of it is a server.
    /// What is left of it says this, where it is deleted.
    left_about: &'static str,
    purge_label: &'static str,
    may_purge: bool,
    /// It is built from a repository.
    is_app: bool,
    /// Its images are built from the source.
    is_built: bool,
    /// Its proxy lets everyone in against its manifest.
    is_exposed: bool,
}

impl Head {
    /// The mark of the state that says most.
    fn strongest(&self) -> &'static str {
        if self.is_exposed {
            return marks::tone("bad");
        }
        if self.health.tone == "ok" { self.sync.mark() } else { self.health.mark() }
    }

    fn new(pass: &PassView, row: &ServiceStatus, visitor: &RequestContext, tab: &'static str) -> Self {
        let (sync, health) = view_model::states(pass, row, visitor.words);
        let manifest = pass.services.get(&row.name);
        let is_new = visitor.session.is_none();
        let left = match row.leftover() {
            Some(Leftover::Server) => ("deleted-server-about", "act-purge-server"),
            Some(Leftover::Certificate) => ("deleted-certificate-about", "act-purge-certificate"),
            Some(Leftover::Data) | None => ("deleted-about", "act-purge"),
        };
        let has_containers = manifest.is_none_or(|service| service.all_containers().next().is_some())
            || row.resources.iter().any(|resource| resource.address.kind == Kind::Container);
        let is_suspended = pass.facts.suspended.contains_key(&row.name);
        let (verb, label, first_tone) = if is_suspended {
            (&verbs::RESUME, None, " primary")
        } else if has_drift_to_restore(row) && !pass.errors.contains_key(&row.name) {
            (&verbs::RECONCILE, Some("act-heal"), " primary")
        } else if row.attention && !is_refused(pass, row) {
            (&verbs::RETRY, None, " primary")
        } else if row.health == status::Health::Progressing {
            (&verbs::CANCEL, None, "")
        } else {
            (&verbs::RECONCILE, None, " second")
        };
        Self {
            name: row.name.clone(),
            sync,
            health,
            domain: row.urls.first().cloned().zip(row.domains.first().cloned()),
            image: view_model::image_of(pass, &row.name).unwrap_or_default(),
            about: manifest.map(|manifest| origin_text(pass, manifest)).unwrap_or_default(),
            tab,
            may_act: visitor.may(Role::Operator) || is_new,
            may_edit: visitor.may(Role::Editor) || is_new,
            is_suspended,
            first: Button::new(verb, label),
            first_tone,
            links: if has_containers { Button::links() } else { Vec::new() },
            has_manifest: manifest.is_some(),
            has_containers,
            is_exposed: exposure::of_service(pass, row).is_some_and(|found| found.is_lost()),
            is_deleted: row.deleted,
            left_about: left.0,
            purge_label: left.1,
            may_purge: visitor.may(Role::Admin),
            is_built: manifest.is_some_and(|service| service.app.is_none() && service.builds().next().is_some()),
            is_app: pass.apps.contains_key(&row.name) || pass.deployments.contains_key(&row.name),
        }
    }
}

/// Whether something that drifted may be put back: what is only reported may not.
fn has_drift_to_restore(row: &ServiceStatus) -> bool {
    let mut changes = row.resources.iter().filter_map(|resource| resource.change.as_deref());
    changes.any(|change| status::is_drift(change) && !change.refusal().is_some_and(Refusal::is_report))
}

/// Whether nothing was tried that could be tried again: its manifest, its mode or a person's decision stands in the way.
fn is_refused(pass: &PassView, row: &ServiceStatus) -> bool {
    let refusals = pass.changes_of(&row.name).filter_map(|change| change.refusal());
    let mut decides = refusals.filter(|refusal| !refusal.is_failure());
    pass.broken.contains_key(&row.name) || decides.any(|refusal| row.code == Some(refusal.code))
}

/// `services/cloud.yaml @ 3f2a9c1 by Alice Martin`
fn origin_text(pass: &PassView, manifest: &Service) -> String {
    let file = &manifest.origin.file;
    match pass.source.history.changed.get(file) {
        Some(commit) => format!("{file} @ {} ({}, {})", commit.short(), commit.subject, commit.author),
        None => format!("{file} @ {}", crate::engine::report::short_revision(&pass.source.revision)),
    }
}

#[derive(Template)]
#[template(path = "service_now.html")]
struct Now {
    frame: PageFrame,
    head: Head,
    what_now: Counted,
    code: Option<Code>,
    hints: Vec<HintView>,
    suspended: Option<String>,
    drawing: Drawing,
    /// The leftovers of a deleted service: kind and name.
    kept: Vec<[String; 2]>,
    network: Option<String>,
    /// A deploy that goes on, and its heading.
    steps: Option<DeploySteps>,
    steps_title: String,
    /// One that has ended a moment ago.
    ended: Option<Ended>,
    plan: Vec<PlanRow>,
    drift: Vec<Drift>,
    drift_title: String,
    events: Vec<LastChange>,
    host: String,
    file: String,
}

struct Drift {
    thing: String,
    field: String,
    wanted: String,
    now: String,
    why: String,
}

struct LastChange {
    at: String,
    mark: &'static str,
    what: String,
}

/// A service's row, or the page for an unknown one.
async fn find_row<'a>(
    web: &Web,
    visitor: &RequestContext,
    pass: &'a PassView,
    name: &str,
) -> Result<&'a ServiceStatus, Response> {
    if let Some(row) = pass.statuses().get(name) {
        return Ok(row);
    }
    let words = visitor.words;
    let known: Vec<&str> = pass.statuses().keys().map(String::as_str).collect();
    let near = suggestion::nearest(name, &known);
    let mut text = words.with("svc-unknown", "name", name);
    if let Some(near) = near {
        let _ = write!(text, " {}", words.with("svc-near", "name", near));
    }
    Err(text_page(web, visitor, StatusCode::NOT_FOUND, text).await)
}

/// `GET /services/{name}`
pub async fn now(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor = RequestContext::new(&headers, &web).await;
    let (pass, _) = web.handle.last_pass();
    let row = find_row(&web, &visitor, &pass, &name).await?;
    let words = visitor.words;
    let manifest = pass.services.get(&name);
    let plan = service_plan::of_service(&pass, &name).map(|plan| (name.clone(), plan));
    let is_drift = |change: &amarre_core::model::Change| status::is_drift(change);
    let only_drift = pass.changes_of(&name).all(is_drift);
    let drift: Vec<Drift> = drifts(row, words).collect();
    let latest = web.handle.ledger().events(&name, EVENTS_READ).await.unwrap_or_default();
    let events = latest.iter().take(EVENTS_SHOWN).map(|event| LastChange {
        at: view_model::moment(event.at, web.handle.now()),
        mark: view_model::event_mark(event),
        what: view_model::event(event, words),
    });
    let steps = DeploySteps::new(&pass, row, &latest, (web.handle.now(), words));
    let ended = deploy_steps::ended(&pass, row, &latest, (web.handle.now(), words)).filter(|_| steps.is_none());
    let suspended = pass.facts.suspended.get(&name).map(|suspension| {
        if suspension.why.is_empty() {
            words.with("svc-suspended-by-whom", "who", &suspension.by)
        } else {
            words.with_all("svc-suspended-by", &[("who", &suspension.by), ("why", &words.say(&suspension.why))])
        }
    });
    let mut frame =
        PageFrame::new(&web, &visitor, "services", name.clone(), format!("/services/{}", view_model::encoded(&name)))
            .await;
    frame.moves |= row.health == status::Health::Progressing;
    Ok(page(&Now {
        drawing: topology::draw(&pass, row, web.handle.now(), words),
        kept: left_behind(row, words),
        head: Head::new(&pass, row, &visitor, "now"),
        what_now: Counted::new(&row.what_now, row.what_now_clock, web.handle.now(), words),
        code: row.code,
        hints: hint_actions::of_service(row, &pass, &visitor),
        suspended,
        network: network(row, words),
        steps_title: steps_title(&steps, words),
        plan: if only_drift || steps.is_some() { Vec::new() } else { view_model::plan(plan.as_slice(), words) },
        drift_title: words.count("svc-drift", &drift.len()),
        drift,
        steps,
        ended,
        events: events.collect(),
        host: row.host.clone(),
        file: manifest.map(|manifest| manifest.origin.file.clone()).unwrap_or_default(),
        frame,
    }))
}

fn steps_title(steps: &Option<DeploySteps>, words: Words) -> String {
    let Some(steps) = steps else { return String::new() };
    if steps.is_drift {
        return words.get("step-title-drift");
    }
    if steps.is_served {
        return words.with("step-title-served", "revision", &steps.revision);
    }
    match steps.subject.as_str() {
        "" => words.with("step-title", "revision", &steps.revision),
        subject => words.with_all("step-title-commit", &[("revision", &steps.revision), ("subject", subject)]),
    }
}

fn drifts(row: &ServiceStatus, words: Words) -> impl Iterator<Item = Drift> {
    let drifted = row.resources.iter().filter_map(|resource| Some((resource, resource.change.as_deref()?)));
    drifted.filter(|(_, change)| status::is_drift(change)).flat_map(move |(resource, change)| {
        let thing = words.say(&resource.label());
        let why = words.say(&change.because.text);
        let shown = |field: &str, value: Option<&amarre_core::model::Value>| match value {
            Some(value) if value.is_sensitive() => "(sensitive)".to_owned(),
            value => lines::value(field, value),
        };
        let mut rows: Vec<Drift> = change
            .diff
            .iter()
            .map(|diff| Drift {
                thing: thing.clone(),
                field: diff.field.clone(),
                wanted: shown(&diff.field, diff.to.as_ref()),
                now: shown(&diff.field, diff.from.as_ref()),
                why: why.clone(),
            })
            .collect();
        if rows.is_empty() {
            let (field, wanted, now) = (String::new(), String::new(), String::new());
            rows.push(Drift { thing, field, wanted, now, why });
        }
        rows
    })
}

/// The leftovers of a deleted service: kind and name.
pub fn left_behind(row: &ServiceStatus, words: crate::words::Words) -> Vec<[String; 2]> {
    let all = row.resources.iter().filter(|_| row.deleted);
    all.map(|one| [words.kind(&one.address.kind.label()), lines::name_and_type(&one.address)]).collect()
}

fn network(row: &ServiceStatus, words: crate::words::Words) -> Option<String> {
    let network = row.resources.iter().find(|resource| resource.address.kind == Kind::Network)?;
    let name = words.with("svc-network", "name", &lines::name(&network.address, None));
    Some(if network.detail.is_empty() { name } else { words.pair(&name, &words.say(&network.detail)) })
}

#[derive(Template)]
#[template(path = "service_history.html")]
struct HistoryPage {
    frame: PageFrame,
    head: Head,
    versions: Vec<VersionRow>,
}

struct VersionRow {
    revision: String,
    whole: String,
    since: String,
    images: String,
    is_now: bool,
}

/// `GET /services/{name}/history`
pub async fn history(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor = signed_in(&web, &headers, &format!("/services/{}/history", view_model::encoded(&name))).await?;
    let (pass, _) = web.handle.last_pass();
    let row = find_row(&web, &visitor, &pass, &name).await?;
    let of = HistoryQuery { name: Some(name.clone()), ..HistoryQuery::default() };
    let answer = history::history(&web.handle, &of, visitor.words.0).await;
    let texts = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let versions = answer.document["versions"].as_array().into_iter().flatten().rev().map(|version| {
        let text = |key: &str| version[key].as_str().unwrap_or_default().to_owned();
        let at =
            text("good_at").parse::<jiff::Timestamp>().map(|at| amarre_core::model::Timestamp(at.as_millisecond()));
        VersionRow {
            revision: crate::engine::report::short_revision(&text("revision")),
            whole: text("revision"),
            since: at.map(view_model::day).unwrap_or_default(),
            images: texts(&version["images"]).join(", "),
            is_now: version["now"].as_bool().unwrap_or_default(),
        }
    });
    let here = format!("/services/{}/history", view_model::encoded(&name));
    let frame = PageFrame::new(&web, &visitor, "services", name.clone(), here).await;
    Ok(page(&HistoryPage { frame, head: Head::new(&pass, row, &visitor, "history"), versions: versions.collect() }))
}

#[derive(Template)]
#[template(path = "service_text.html")]
struct TextPage {
    frame: PageFrame,
    head: Head,
    title: String,
    text: String,
    is_log: bool,
    may_change: bool,
}

impl TextPage {
    /// What people asked for of a service, below one of its tabs.
    async fn new(
        (web, visitor, pass): (&Web, &RequestContext, &PassView),
        row: &ServiceStatus,
        (here, tab): (String, &'static str),
        (title, text): (String, String),
    ) -> Self {
        let frame = PageFrame::new(web, visitor, "services", row.name.clone(), here).await;
        let head = Head::new(pass, row, visitor, tab);
        Self { frame, head, title, text, is_log: false, may_change: false }
    }
}

/// `GET /services/{name}/logs`
pub async fn logs(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let here = format!("/services/{}/logs", view_model::encoded(&name));
    let visitor = signed_in(&web, &headers, &here).await?;
    let (pass, _) = web.handle.last_pass();
    let row = find_row(&web, &visitor, &pass, &name).await?;
    let has_failed = row.resources.iter().any(|resource| resource.failure.is_some());
    let mut text = String::new();
    for last_failed in [true, false].into_iter().filter(|last_failed| !last_failed || has_failed) {
        // The last words of one that failed stand above those of the one that serves.
        let of = LogsQuery {
            name: Some(name.clone()),
            last_failed,
            lines: LINES_SHOWN,
            with_headings: has_failed,
            ..LogsQuery::default()
        };
        match logs::logs(&web.handle, &of).await {
            Some(answer) => text.push_str(&answer.text),
            None => return Err((StatusCode::SERVICE_UNAVAILABLE, "Amarre is stopping\n").into_response()),
        }
    }
    let said = (visitor.words.get("tab-logs"), text);
    let logs = TextPage::new((&web, &visitor, &pass), row, (here, "logs"), said).await;
    Ok(page(&TextPage { is_log: true, ..logs }))
}

/// The resource to explain.
#[derive(Deserialize)]
pub struct ResourceQuery {
    thing: String,
}

/// `GET /services/{name}/explain?thing=`: why a resource is there.
pub async fn explain(
    State(web): State<Web>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(asked): Query<ResourceQuery>,
) -> PageOutcome {
    let here = format!("/services/{}/explain?thing={}", view_model::encoded(&name), view_model::encoded(&asked.thing));
    let visitor = signed_in(&web, &headers, &here).await?;
    let (pass, _) = web.handle.last_pass();
    let row = find_row(&web, &visitor, &pass, &name).await?;
    let Some(answer) = explain::explain(&web.handle, &asked.thing, Style::PLAIN).await else {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "Amarre is stopping\n").into_response());
    };
    if let Some(refused) = answer.refused() {
        return Err(text_page(&web, &visitor, StatusCode::NOT_FOUND, refused.message).await);
    }
    let said = (visitor.words.get("svc-explain"), answer.text);
    Ok(page(&TextPage::new((&web, &visitor, &pass), row, (here, "now"), said).await))
}

/// The name to follow a request for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TracePageQuery {
    domain: String,
}

/// `GET /services/{name}/trace?domain=`: the way of a request, step by step, tested now.
pub async fn trace(
    State(web): State<Web>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(asked): Query<TracePageQuery>,
) -> PageOutcome {
    let here = format!("/services/{}/trace", view_model::encoded(&name));
    let visitor = signed_in_and_counted(&web, &headers, &here).await?;
    let (pass, _) = web.handle.last_pass();
    let row = find_row(&web, &visitor, &pass, &name).await?;
    let domain = row.domains.iter().find(|known| **known == asked.domain).or_else(|| row.domains.first());
    let Some(domain) = domain else {
        return Err(text_page(&web, &visitor, StatusCode::NOT_FOUND, visitor.words.get("svc-no-domain")).await);
    };
    let style = Style { language: visitor.words.0, ..Style::PLAIN };
    let Some(answer) = trace::trace(&web.handle, domain, style).await else {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "Amarre is stopping\n").into_response());
    };
    let said = (visitor.words.with("svc-trace", "name", domain), answer.text);
    Ok(page(&TextPage::new((&web, &visitor, &pass), row, (here, "now"), said).await))
}

/// `GET /services/{name}/manifest`
pub async fn manifest(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let here = format!("/services/{}/manifest", view_model::encoded(&name));
    let visitor = signed_in(&web, &headers, &here).await?;
    let (pass, _) = web.handle.last_pass();
    let row = find_row(&web, &visitor, &pass, &name).await?;
    let file = crate::engine::commands::edit_manifest::file_of(&pass, &name);
    let said = file.unwrap_or_else(|| (visitor.words.get("svc-no-manifest"), String::new()));
    let shown = TextPage::new((&web, &visitor, &pass), row, (here, "manifest"), said).await;
    let may_change = shown.head.may_edit && !shown.text.is_empty();
    Ok(page(&TextPage { may_change, ..shown }))
}
