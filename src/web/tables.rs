//! Runs, the network, certificates.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::timeline::Timeline;
use super::{PageFrame, PageOutcome, RequestContext, Web, page, signed_in, text_page, view_model};
use crate::engine::report::certificates;
use crate::engine::report::certificates::CertificateReport;
use crate::engine::report::subnets;
use crate::engine::report::subnets::{Cell, SubnetPool, SubnetRow};
use crate::ledger::runs;
use amarre_core::model::Timestamp;

/// Runs that are searched for those with changes.
const RUNS_READ: u32 = 300;
/// Cells in a row of a pool's diagram, and their distance, in the diagram's units.
const CELLS_ACROSS: usize = 32;
const CELL_PITCH: usize = 28;

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs {
    frame: PageFrame,
    timeline: Option<Timeline>,
    runs: Vec<RunPage>,
    quiet: usize,
}

struct RunPage {
    id: i64,
    began: String,
    took: String,
    revision: String,
    result: String,
    tone: &'static str,
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
            writes: run.writes,
        }
    }

    fn mark(&self) -> &'static str {
        view_model::mark(self.tone)
    }
}

/// `GET /runs`
pub async fn runs(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let all = web.handle.ledger().runs(Timestamp(i64::MAX), None, RUNS_READ).await.unwrap_or_default();
    let is_quiet = |run: &&runs::Run| run.writes == 0 && matches!(run.result.as_deref(), Some("applied" | "unchanged"));
    let quiet = all.iter().filter(is_quiet).count();
    let runs = all.iter().filter(|run| !is_quiet(run)).map(|run| RunPage::new(run, &web, &visitor)).collect();
    let frame = PageFrame::new(&web, &visitor, "runs", visitor.words.get("runs-title"), "/runs".to_owned()).await;
    let timeline = Timeline::load(&web, visitor.words).await;
    page(&Runs { frame, timeline, runs, quiet })
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
    service: String,
    what: String,
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
        service: event.service,
    });
    let title = visitor.words.with("run-title", "id", &id.to_string());
    let frame = PageFrame::new(&web, &visitor, "runs", title, format!("/runs/{id}")).await;
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
        cells: pool.cells.iter().enumerate().map(|cell| drawn(cell, words)).collect(),
    });
    let frame = PageFrame::new(&web, &visitor, "network", words.get("network-title"), "/network".to_owned()).await;
    let has_hosts = rows.iter().map(|row| &row.host).collect::<std::collections::BTreeSet<_>>().len() > 1;
    page(&Network { frame, pools: pools.collect(), rows, has_hosts })
}

#[derive(Template)]
#[template(path = "certificates.html")]
struct Certificates {
    frame: PageFrame,
    budgets: Vec<String>,
    certificates: Vec<CertificateReport>,
}

/// `GET /certificates`
pub async fn certificates(State(web): State<Web>, headers: HeaderMap) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let words = visitor.words;
    let (picture, _) = web.handle.last_pass();
    let budgets = certificates::budgets(&picture).into_iter().map(|budget| {
        let (left, of) = (budget.left.to_string(), budget.of.to_string());
        words.with_all("certificates-budget", &[("left", &left), ("of", &of), ("domain", &budget.domain)])
    });
    let here = "/certificates".to_owned();
    let frame = PageFrame::new(&web, &visitor, "certificates", words.get("certificates-title"), here).await;
    page(&Certificates { frame, budgets: budgets.collect(), certificates: certificates::reports(&picture) })
}
