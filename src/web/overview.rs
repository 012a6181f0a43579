//! `/`: does anything need me?

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::view_model;
use super::view_model::StateMark as Shown;
use super::{FormFields, PageFrame, RequestContext, Web, page};
use crate::accounts::Role;
use crate::engine::PassResult;
use crate::engine::report;
use crate::engine::report::service_list;
use crate::engine::report::service_list::Only;
use crate::engine::report::status::{Health, ServiceStatus, Sync};
use crate::words::Words;
use amarre_core::model::{Code, Hint, Timestamp};

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: PageFrame,
    counts: String,
    is_plan_only: bool,
    may_act: bool,
    may_edit: bool,
    may_apply: bool,
    may_purge: bool,
    has_looked: bool,
    is_empty: bool,
    source: String,
    needs: Vec<AttentionRow>,
    query: String,
    chips: Vec<Chip>,
    unmanaged: usize,
    rows: Vec<ServiceRow>,
    deleted: Vec<Deleted>,
}

/// A deleted service, and its leftovers.
struct Deleted {
    name: String,
    kept: String,
    /// What purges it, in words.
    purge: String,
}

/// Something that needs a person.
struct AttentionRow {
    tone: &'static str,
    /// The service; empty: none.
    name: String,
    what: String,
    hints: Vec<Hint>,
    code: Option<Code>,
    has_logs: bool,
}

impl AttentionRow {
    fn mark(&self) -> &'static str {
        view_model::mark(self.tone)
    }
}

struct Chip {
    word: String,
    only: &'static str,
    count: usize,
    is_chosen: bool,
}

struct ServiceRow {
    name: String,
    domain: String,
    url: String,
    sync: Shown,
    health: Shown,
    now: String,
    since: String,
    /// The instant, for a page that stays open.
    since_at: Option<i64>,
}

/// `GET /`
pub async fn show(State(web): State<Web>, headers: HeaderMap, Query(fields): Query<FormFields>) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let words = visitor.words;
    let (picture, _) = web.handle.last_pass();
    let now = web.handle.now();
    let (gone, all): (BTreeMap<_, _>, BTreeMap<_, _>) = picture.statuses().iter().partition(|(_, row)| row.deleted);
    let all: BTreeMap<&String, &ServiceStatus> = all;
    let chosen = fields.get("only").and_then(|word| Only::WORDS.iter().find(|(known, _)| known == word));
    let chosen = chosen.map(|(_, only)| *only);
    let query = fields.get("q").map(|text| text.trim().to_owned()).unwrap_or_default();
    let is_meant = |row: &&ServiceStatus| service_list::is_about(&picture, row, &query);
    let rows = service_list::rows(&picture, all.values().copied(), chosen).into_iter().filter(is_meant);
    let unmanaged = service_list::unmanaged_count(&picture);
    let may_act = visitor.may(Role::Operator) || visitor.session.is_none();
    let here = if query.is_empty() { "/".to_owned() } else { format!("/?q={}", view_model::encoded(&query)) };
    let frame = PageFrame::new(&web, &visitor, "services", words.get("overview-title"), here).await;
    page(&Overview {
        counts: counts(&picture, &all, words),
        is_plan_only: picture.context.is_some() && !picture.consented,
        may_act,
        may_edit: visitor.may(Role::Editor) || visitor.session.is_none(),
        may_apply: visitor.may(Role::Admin),
        has_looked: picture.context.is_some(),
        is_empty: all.is_empty(),
        may_purge: visitor.may(Role::Admin),
        source: web.handle.source_name(),
        needs: problem_rows(&picture, words, now).chain(needs(all.values().copied(), words, now)).collect(),
        query: fields.get("q").cloned().unwrap_or_default(),
        chips: chips(&picture, &all, chosen, words),
        unmanaged,
        rows: rows.map(|status| row(&picture, status, words, now)).collect(),
        deleted: gone.values().map(|row| deleted(row, words)).collect(),
        frame,
    })
}

/// The number of services that match a filter.
fn count_only(picture: &PassResult, all: &BTreeMap<&String, &ServiceStatus>, only: Only) -> usize {
    service_list::rows(picture, all.values().copied(), Some(only)).len()
}

/// The summary line of the services.
fn counts(picture: &PassResult, all: &BTreeMap<&String, &ServiceStatus>, words: Words) -> String {
    let count = |test: &dyn Fn(&ServiceStatus) -> bool| all.values().filter(|row| test(row)).count();
    let (attention, suspended) = (count_only(picture, all, Only::Attention), count_only(picture, all, Only::Suspended));
    let synced = count(&|row| row.sync == Sync::Synced);
    if synced == all.len() && attention == 0 && suspended == 0 && !all.is_empty() {
        return words.count("overview-all-well", &all.len());
    }
    let parts = [
        ("count-synced", synced),
        ("count-attention", attention),
        ("count-drifted", count_only(picture, all, Only::Drift)),
        ("count-moving", count(&|row| row.health == Health::Progressing)),
        ("count-unknown", count(&|row| row.health == Health::Unknown)),
        ("count-suspended", suspended),
    ];
    let parts = parts.iter().filter(|(_, n)| *n > 0).map(|(key, n)| words.count(key, n));
    std::iter::once(words.count("overview-counts", &all.len())).chain(parts).collect::<Vec<_>>().join(" · ")
}

/// The filters of the list.
fn chips(
    picture: &PassResult,
    all: &BTreeMap<&String, &ServiceStatus>,
    chosen: Option<Only>,
    words: Words,
) -> Vec<Chip> {
    let of = |only: Only| count_only(picture, all, only);
    let chips = [
        ("filter-all", "", all.len()),
        ("filter-attention", "attention", of(Only::Attention)),
        ("filter-drifted", "drift", of(Only::Drift)),
        ("filter-no-tls", "no-tls", of(Only::NoTls)),
        ("filter-suspended", "suspended", of(Only::Suspended)),
    ];
    let is_chosen = |only: &str| chosen.map_or("", Only::word) == only;
    let chip = |(key, only, count)| Chip { word: words.get(key), only, count, is_chosen: is_chosen(only) };
    chips.map(chip).into()
}

fn row(picture: &PassResult, row: &ServiceStatus, words: Words, now: Timestamp) -> ServiceRow {
    let (sync, health) = view_model::states(picture, row, words);
    ServiceRow {
        name: row.name.clone(),
        domain: row.domains.first().cloned().unwrap_or_default(),
        url: row.urls.first().cloned().unwrap_or_default(),
        sync,
        health,
        now: words.say(&row.status_line_at(now)),
        since: state_since(picture, &row.name).map(|at| view_model::span(now - at)).unwrap_or_default(),
        since_at: state_since(picture, &row.name).map(|at| at.0),
    }
}

fn deleted(row: &ServiceStatus, words: Words) -> Deleted {
    let kept = super::service::left_behind(row, words).into_iter().map(|[kind, name]| format!("{kind} {name}"));
    let purge = words.get(if row.keeps_server() { "act-purge-server" } else { "act-purge" });
    Deleted { name: row.name.clone(), kept: kept.collect::<Vec<_>>().join(", "), purge }
}

fn state_since(picture: &PassResult, name: &str) -> Option<Timestamp> {
    picture.since.get(name).map(|(_, at)| *at).filter(|at| at.0 > 0)
}

/// Problems beside the services.
fn problem_rows(picture: &PassResult, words: Words, now: Timestamp) -> impl Iterator<Item = AttentionRow> {
    report::problems(picture, now).into_iter().map(move |trouble| AttentionRow {
        tone: "dim",
        name: String::new(),
        what: words.say(&trouble.text),
        hints: trouble.hints,
        code: Some(trouble.code),
        has_logs: false,
    })
}

fn needs<'a>(
    rows: impl Iterator<Item = &'a ServiceStatus>,
    words: Words,
    now: Timestamp,
) -> impl Iterator<Item = AttentionRow> {
    rows.filter(|row| row.attention).map(move |row| AttentionRow {
        tone: if row.health == Health::Missing { "missing" } else { "bad" },
        name: row.name.clone(),
        what: words.say(&row.status_line_at(now)),
        hints: row.hints.clone(),
        code: row.code,
        has_logs: row.resources.iter().any(|resource| resource.failure.is_some()),
    })
}
