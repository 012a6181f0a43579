//! Runs, the network, certificates.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::service_rows::{self, Ring, Tile};
use super::timeline::Timeline;
use super::{FormFields, PageFrame, PageOutcome, RequestContext, Web, marks, page, signed_in, text_page, view_model};
use crate::engine::PassResult;
use crate::engine::report::certificates;
use crate::engine::report::certificates::{CertificateReport, OrderBudget};
use crate::engine::report::service_list::{self, Only};
use crate::engine::report::subnets;
use crate::engine::report::subnets::{Cell, SubnetPool, SubnetRow};
use crate::ledger::runs;
use crate::words::Words;
use amarre_core::model::plan::ReasonCode;
use amarre_core::model::{Millis, Timestamp};

/// Runs that are searched for those with changes.
const RUNS_READ: u32 = 300;
/// Events that are read for what they were for.
const EVENTS_READ: u32 = 2_000;
/// Cells in a row of a pool's diagram, and their distance, in the diagram's units.
const CELLS_ACROSS: usize = 32;
const CELL_PITCH: usize = 28;

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs {
    frame: PageFrame,
    timeline: Option<Timeline>,
    chips: Vec<RunChip>,
    runs: Vec<RunPage>,
    quiet: usize,
}

/// A filter of runs.
struct RunChip {
    word: String,
    href: &'static str,
    count: usize,
    is_chosen: bool,
}

struct RunPage {
    id: i64,
    began: String,
    took: String,
    revision: String,
    result: String,
    tone: &'static str,
    /// What its changes were for.
    why: String,
    writes: i64,
}

impl RunPage {
    fn new(run: &runs::Run, web: &Web, visitor: &RequestContext) -> Self {
        let result = run.result.clone();
        let tone = match result.as_deref() {
            Some("applied" | "unchanged") => "ok",
            Some("partial" | "guarded") => "warn",
            Some(_) => "bad",
            None => "go",
        };
        Self {
            id: run.id,
            began: view_model::moment(run.started, web.handle.now()),
            took: run.ended.map(|ended| (ended - run.started).to_string()).unwrap_or_default(),
            revision: crate::engine::report::short_revision(&run.revision),
            result: result.unwrap_or_else(|| visitor.words.get("runs-going-on")),
            tone,
            why: String::new(),
            writes: run.writes,
        }
    }

    fn mark(&self) -> &'static str {
        marks::tone(self.tone)
    }
}

/// `GET /runs?only=`: the runs that changed something, or one of their sorts.
pub async fn runs(State(web): State<Web>, headers: HeaderMap, Query(fields): Query<FormFields>) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let words = visitor.words;
    let only = fields.get("only").map(String::as_str).unwrap_or_default();
    let all = web.handle.ledger().runs(Timestamp(i64::MAX), None, RUNS_READ).await.unwrap_or_default();
    let (reasons, failed) = reasons(&web).await;
    let is_quiet = |run: &&runs::Run| run.writes == 0 && matches!(run.result.as_deref(), Some("applied" | "unchanged"));
    let quiet = all.iter().filter(is_quiet).count();
    let loud: Vec<&runs::Run> = all.iter().filter(|run| !is_quiet(run)).collect();
    let is_of = |run: &runs::Run, sort: &str| match sort {
        "drift" => reasons.get(&run.id).is_some_and(|known| known.contains("drift") || known.contains("missing")),
        "failed" => run.result.as_deref() == Some("failed") || failed.contains(&run.id),
        _ => true,
    };
    let chip = |(key, sort, href): (&str, &str, &'static str)| RunChip {
        word: words.get(key),
        href,
        count: loud.iter().filter(|run| is_of(run, sort)).count(),
        is_chosen: only == sort,
    };
    let chips = [
        ("runs-with-changes", "", "/runs"),
        ("runs-drift", "drift", "/runs?only=drift"),
        ("runs-failed", "failed", "/runs?only=failed"),
    ];
    let rows = loud.iter().filter(|run| is_of(run, only)).map(|run| {
        let why = reasons.get(&run.id).into_iter().flatten().map(|reason| words.get(&format!("reason-{reason}")));
        let why = why.collect::<Vec<_>>().join(", ");
        RunPage { why, ..RunPage::new(run, &web, &visitor) }
    });
    let rows = rows.collect();
    let here = if only.is_empty() { "/runs".to_owned() } else { format!("/runs?only={}", view_model::encoded(only)) };
    let frame = PageFrame::new(&web, &visitor, "activity", words.get("runs-title"), here).await;
    let timeline = Timeline::load(&web, words).await;
    page(&Runs { frame, timeline, chips: chips.map(chip).into(), runs: rows, quiet })
}

/// Why the latest runs changed something, and those in which a change failed.
async fn reasons(web: &Web) -> (BTreeMap<i64, BTreeSet<&'static str>>, BTreeSet<i64>) {
    let filter = runs::EventFilter { limit: EVENTS_READ, ..runs::EventFilter::default() };
    let events = web.handle.ledger().events_of(&filter).await.unwrap_or_default();
    let mut reasons: BTreeMap<i64, BTreeSet<&'static str>> = BTreeMap::new();
    let mut failed = BTreeSet::new();
    for (_, event) in events {
        if event.kind == "failed" {
            failed.insert(event.run);
        }
        let known =
            ReasonCode::ALL.into_iter().map(ReasonCode::word).find(|word| Some(*word) == event.reason.as_deref());
        if let Some(reason) = known.filter(|_| event.run > 0) {
            reasons.entry(event.run).or_default().insert(reason);
        }
    }
    (reasons, failed)
}

#[derive(Template)]
#[template(path = "run.html")]
struct OneRun {
    frame: PageFrame,
    run: RunPage,
    events: Vec<RunStep>,
}

struct RunStep {
    at: String,
    kind: String,
    service: String,
    what: String,
}

impl RunStep {
    fn mark(&self) -> &'static str {
        view_model::event_mark(&self.kind)
    }
}

/// `GET /runs/{id}`
pub async fn run(State(web): State<Web>, headers: HeaderMap, Path(id): Path<i64>) -> PageOutcome {
    let visitor = signed_in(&web, &headers, &format!("/runs/{id}")).await?;
    let all = web.handle.ledger().runs(Timestamp(i64::MAX), None, RUNS_READ).await.unwrap_or_default();
    let Some(found) = all.iter().find(|run| run.id == id) else {
        return Err(text_page(&web, &visitor, StatusCode::NOT_FOUND, visitor.words.get("problem-not-here")).await);
    };
    let events = web.handle.ledger().events_of_run(id).await.unwrap_or_default();
    let events = events.into_iter().map(|event| RunStep {
        at: view_model::clock(event.at),
        what: view_model::event(&event, visitor.words),
        kind: event.kind,
        service: event.service,
    });
    let title = visitor.words.with("run-title", "id", &id.to_string());
    let frame = PageFrame::new(&web, &visitor, "activity", title, format!("/runs/{id}")).await;
    Ok(page(&OneRun { frame, run: RunPage::new(found, &web, &visitor), events: events.collect() }))
}

#[derive(Template)]
#[template(path = "network.html")]
struct Network {
    frame: PageFrame,
    pools: Vec<PoolDiagram>,
    rows: Vec<SubnetRow>,
    has_hosts: bool,
}

struct PoolDiagram {
    counts: String,
    next: String,
    width: usize,
    height: usize,
    cells: Vec<NetworkPage>,
}

struct NetworkPage {
    x: usize,
    y: usize,
    class: &'static str,
    initial: String,
    title: String,
}

fn drawn((at, cell): (usize, &Cell), words: crate::words::Words) -> NetworkPage {
    let class = match cell {
        Cell { is_next: true, .. } => "next",
        Cell { is_ours: true, .. } => "lease",
        Cell { who, .. } if who.is_empty() => "free",
        Cell { .. } => "theirs",
    };
    let who = if cell.who.is_empty() { words.get("network-free") } else { cell.who.join(", ") };
    let service = cell.who.first().filter(|_| cell.is_ours && cell.who.len() == 1);
    NetworkPage {
        x: at % CELLS_ACROSS * CELL_PITCH + 2,
        y: at / CELLS_ACROSS * CELL_PITCH + 2,
        class,
        initial: service.and_then(|name| name.chars().next()).map(String::from).unwrap_or_default(),
        title: format!("{}: {who}", cell.subnet),
    }
}

/// `GET /network`
pub async fn network(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let words = visitor.words;
    let (picture, _) = web.handle.last_pass();
    let (pools, rows) = subnets::diagrams(&picture);
    let pools = pools.iter().map(|pool: &SubnetPool| PoolDiagram {
        counts: words.with_all(
            "network-counts",
            &[
                ("pool", &pool.pool),
                ("prefix", &pool.prefix.to_string()),
                ("leased", &pool.leased.to_string()),
                ("foreign", &pool.foreign.to_string()),
                ("free", &pool.free.to_string()),
            ],
        ),
        next: match &pool.next {
            Some(next) => words.with("network-next", "subnet", next),
            None => words.get("network-full"),
        },
        width: pool.cells.len().min(CELLS_ACROSS) * CELL_PITCH,
        height: pool.cells.len().div_ceil(CELLS_ACROSS) * CELL_PITCH,
        // One of which nothing is used says enough in one line.
        cells: pool
            .cells
            .iter()
            .enumerate()
            .filter(|_| pool.leased + pool.foreign > 0)
            .map(|cell| drawn(cell, words))
            .collect(),
    });
    let frame = PageFrame::new(&web, &visitor, "network", words.get("network-title"), "/network".to_owned()).await;
    let has_hosts = rows.iter().map(|row| &row.host).collect::<std::collections::BTreeSet<_>>().len() > 1;
    page(&Network { frame, pools: pools.collect(), rows, has_hosts })
}

#[derive(Template)]
#[template(path = "certificates.html")]
struct Certificates {
    frame: PageFrame,
    tiles: Vec<Tile>,
    budgets: Vec<String>,
    certificates: Vec<CertificateLine>,
}

struct CertificateLine {
    report: CertificateReport,
    ring: Ring,
    /// Days, for the bar; `None`: its end is not known.
    days: Option<i64>,
    /// Services, with whether there is a page.
    used_by: Vec<(String, bool)>,
}

/// `GET /certificates`
pub async fn certificates(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let words = visitor.words;
    let (picture, _) = web.handle.last_pass();
    let now = web.handle.now();
    let budgets = certificates::budgets(&picture);
    let reports = certificates::reports(&picture);
    let here = "/certificates".to_owned();
    let frame = PageFrame::new(&web, &visitor, "certificates", words.get("certificates-title"), here).await;
    let rows = reports.into_iter().map(|report| CertificateLine {
        ring: report.ends.map_or_else(|| Ring::none(words), |ends| Ring::new(ends, now, words)),
        days: report.ends.map(|ends| ((ends - now).0 / Millis::minutes(24 * 60).0).clamp(0, 90)),
        used_by: report.used_by.iter().map(|name| (name.clone(), picture.statuses().contains_key(name))).collect(),
        report,
    });
    let rows: Vec<CertificateLine> = rows.collect();
    let budget_text = |budget: &OrderBudget| {
        let (left, of) = (budget.left.to_string(), budget.of.to_string());
        words.with_all("certificates-budget", &[("left", &left), ("of", &of), ("domain", &budget.domain)])
    };
    page(&Certificates {
        tiles: if rows.is_empty() { Vec::new() } else { certificate_tiles(&picture, &rows, budgets.first(), words) },
        budgets: budgets.iter().map(budget_text).collect(),
        certificates: rows,
        frame,
    })
}

fn certificate_tiles(
    picture: &PassResult,
    rows: &[CertificateLine],
    budget: Option<&OrderBudget>,
    words: Words,
) -> Vec<Tile> {
    let plain = service_list::rows(picture, picture.statuses().values(), Some(Only::NoTls));
    let names: Vec<String> = plain.iter().map(|row| row.name.clone()).collect();
    let first = rows.iter().filter(|row| row.days.is_some()).min_by_key(|row| row.days);
    let next = first.map(|row| {
        let class = if row.ring.class.is_empty() { "" } else { " warn" };
        let value = words.with("certificates-days", "days", &row.ring.days);
        let tile = Tile::number("shield", words.get("certificates-next"), value, "#certificates");
        Tile { class, detail: row.report.domains.join(", "), ..tile }
    });
    let budget = budget.map(|budget| {
        let tile = Tile::number("globe", words.get("certificates-week"), budget.left.to_string(), "#certificates");
        let of = words.with("tile-of", "count", &budget.of.to_string());
        Tile { of, detail: budget.domain.clone(), ..tile }
    });
    let open = Tile::number("open", words.get("filter-no-tls"), names.len().to_string(), "/?only=no-tls");
    let open = Tile { detail: service_rows::first_names(&names), ..open };
    next.into_iter().chain(budget).chain([open]).collect()
}
