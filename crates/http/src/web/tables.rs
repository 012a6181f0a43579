//! Runs, the network, certificates.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::instances::Pager;
use super::service_rows::{self, Ring, Tile};
use super::timeline::Timeline;
use super::{FormFields, PageFrame, PageOutcome, RequestContext, Web, marks, page, signed_in, text_page, view_model};
use crate::engine::PassView;
use crate::engine::report::certificates;
use crate::engine::report::certificates::{CertificateReport, OrderBudget};
use crate::engine::report::service_list::{self, Only};
use crate::engine::report::subnets;
use crate::engine::report::subnets::{Cell, SubnetPool, SubnetRow};
use crate::ledger::runs;
use crate::words::Words;
use amarre_core::model::plan::ReasonCode;
use amarre_core::model::{Kind, Millis, Text, Timestamp};

/// Runs that are searched for those with changes.
const RUNS_READ: u32 = 300;
/// Events that are read for what they were for.
const EVENTS_READ: u32 = 2_000;
/// Cells in a row of a pool's diagram, and their distance, in the diagram's units.
const CELLS_ACROSS: usize = 32;
const CELL_PITCH: usize = 28;
/// With more cells than this none has an initial: they would be a wall of letters.
const INITIALS_MAX: usize = 128;
/// Subnets on a page.
const SUBNETS_SHOWN: usize = 50;

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
    /// `Run 7`, where no head names the columns.
    title: String,
    /// `3 changes`, there too.
    changes: String,
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
        let words = visitor.words;
        Self {
            id: run.id,
            title: words.with("run-title", "id", &run.id.to_string()),
            changes: words.count("runs-writes", &usize::try_from(run.writes).unwrap_or_default()),
            began: view_model::moment(run.started, web.handle.now()),
            took: run.ended.map(|ended| view_model::took(ended - run.started, words)).unwrap_or_default(),
            revision: crate::engine::report::short_revision(&run.revision),
            result: words.get(&result.map_or("runs-going-on".to_owned(), |result| format!("result-{result}"))),
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
    let (causes, failed) = causes(&web).await;
    let is_quiet = |run: &&runs::Run| run.writes == 0 && matches!(run.result.as_deref(), Some("applied" | "unchanged"));
    let quiet = all.iter().filter(is_quiet).count();
    let loud: Vec<&runs::Run> = all.iter().filter(|run| !is_quiet(run)).collect();
    let is_of = |run: &runs::Run, sort: &str| match sort {
        "drift" => causes.get(&run.id).is_some_and(RunCauses::are_drift),
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
        let why = causes.get(&run.id).map(|causes| causes.say(words)).unwrap_or_default();
        RunPage { why, ..RunPage::new(run, &web, &visitor) }
    });
    let rows = rows.collect();
    let here = if only.is_empty() { "/runs".to_owned() } else { format!("/runs?only={}", view_model::encoded(only)) };
    let frame = PageFrame::new(&web, &visitor, "activity", words.get("runs-title"), here).await;
    let timeline = Timeline::load(&web, words).await;
    page(&Runs { frame, timeline, chips: chips.map(chip).into(), runs: rows, quiet })
}

/// Why a run changed something.
#[derive(Default)]
struct RunCauses {
    reasons: BTreeSet<ReasonCode>,
    /// Rollbacks of people, in words.
    rollbacks: Vec<Text>,
    /// What it took away because something else has its place.
    replaced: BTreeSet<Kind>,
    /// It also made something, or changed it, for what it depends on.
    follows: bool,
}

impl RunCauses {
    fn note(&mut self, event: &runs::Event) {
        let known = ReasonCode::ALL.into_iter().find(|code| Some(code.word()) == event.reason.as_deref());
        let Some(code) = known else { return };
        self.reasons.insert(code);
        if code == ReasonCode::RollbackAsked && !self.rollbacks.contains(&event.text) {
            self.rollbacks.push(event.text.clone());
        }
        if code == ReasonCode::DependencyReplaced {
            let kind = event.address.as_ref().map(|address| address.kind);
            self.replaced.extend(kind.filter(|_| event.kind == "deleted"));
            self.follows |= event.kind != "deleted";
        }
    }

    fn are_drift(&self) -> bool {
        self.reasons.contains(&ReasonCode::Drift) || self.reasons.contains(&ReasonCode::Missing)
    }

    /// `manifest changed`, `rollback by anna`. What only follows from another cause is none of its own.
    fn say(&self, words: Words) -> String {
        let apart = [ReasonCode::DependencyReplaced, ReasonCode::RollbackAsked];
        let own = self.reasons.iter().filter(|code| !apart.contains(code));
        let own = own.map(|code| words.get(&format!("reason-{}", code.word())));
        let all: Vec<String> = self.rollbacks.iter().map(|text| words.say(text)).chain(own).collect();
        let follows = match (self.reasons.contains(&ReasonCode::DependencyReplaced), self.follows) {
            (false, _) => String::new(),
            (true, false) if self.replaced.contains(&Kind::Container) => words.get("reason-drained"),
            (true, false) if self.replaced.contains(&Kind::Image) => words.get("reason-unused"),
            (true, _) => words.get("reason-dependency_replaced"),
        };
        if all.is_empty() { follows } else { all.join(", ") }
    }
}

/// Why the latest runs changed something, and those in which a change failed.
async fn causes(web: &Web) -> (BTreeMap<i64, RunCauses>, BTreeSet<i64>) {
    let filter = runs::EventFilter { limit: EVENTS_READ, ..runs::EventFilter::default() };
    let events = web.handle.ledger().events_of(&filter).await.unwrap_or_default();
    let mut causes: BTreeMap<i64, RunCauses> = BTreeMap::new();
    let mut failed = BTreeSet::new();
    for (_, event) in events.iter().filter(|(_, event)| event.run > 0 || event.is_failure()) {
        if event.is_failure() {
            failed.insert(event.run);
        }
        if event.run > 0 {
            causes.entry(event.run).or_default().note(event);
        }
    }
    (causes, failed)
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
    mark: &'static str,
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
        mark: view_model::event_mark(&event),
        what: view_model::event(&event, visitor.words),
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
    pager: Pager,
}

struct PoolDiagram {
    counts: String,
    next: String,
    width: usize,
    height: usize,
    has_cells: bool,
    /// All free cells, as one path: nothing more is to be said of them.
    free: String,
    cells: Vec<NetworkCell>,
}

struct NetworkCell {
    x: usize,
    y: usize,
    class: &'static str,
    initial: String,
    title: String,
}

impl PoolDiagram {
    fn new(pool: &SubnetPool, words: Words) -> Self {
        let place = |at: usize| (at % CELLS_ACROSS * CELL_PITCH + 2, at / CELLS_ACROSS * CELL_PITCH + 2);
        // One of which nothing is used says enough in one line.
        let has_cells = pool.leased + pool.foreign > 0;
        let drawn = pool.cells.iter().enumerate().filter(|_| has_cells);
        let is_free = |cell: &Cell| cell.who.is_empty() && !cell.is_ours && !cell.is_next;
        let (free, taken): (Vec<_>, Vec<_>) = drawn.partition(|(_, cell)| is_free(cell));
        let has_initials = taken.len() <= INITIALS_MAX;
        let free = free.into_iter().map(|(at, _)| {
            let (x, y) = place(at);
            format!("M{x} {y}h24v24h-24z")
        });
        let cell = |(at, cell): (usize, &Cell)| {
            let who = if cell.who.is_empty() { words.get("network-free") } else { cell.who.join(", ") };
            let service = cell.who.first().filter(|_| has_initials && cell.is_ours && cell.who.len() == 1);
            let (x, y) = place(at);
            NetworkCell {
                x,
                y,
                class: match cell {
                    Cell { is_next: true, .. } => "next",
                    Cell { is_ours: true, .. } => "lease",
                    Cell { .. } => "theirs",
                },
                initial: service.and_then(|name| name.chars().next()).map(String::from).unwrap_or_default(),
                title: words.pair(&cell.subnet, &who),
            }
        };
        Self {
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
            has_cells,
            free: free.collect(),
            cells: taken.into_iter().map(cell).collect(),
        }
    }
}

/// `GET /network?page=`
pub async fn network(State(web): State<Web>, headers: HeaderMap, Query(fields): Query<FormFields>) -> Response {
    let visitor = RequestContext::new(&headers, &web).await;
    let words = visitor.words;
    let (pass, _) = web.handle.last_pass();
    let (pools, rows) = subnets::diagrams(&pass);
    let has_hosts = rows.iter().map(|row| &row.host).collect::<BTreeSet<_>>().len() > 1;
    let asked = fields.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let (page_number, pager) = network_pager(asked, rows.len(), words);
    let here = if page_number > 1 { format!("/network?page={page_number}") } else { "/network".to_owned() };
    page(&Network {
        frame: PageFrame::new(&web, &visitor, "network", words.get("network-title"), here).await,
        pools: pools.iter().map(|pool| PoolDiagram::new(pool, words)).collect(),
        rows: rows.into_iter().skip((page_number - 1) * SUBNETS_SHOWN).take(SUBNETS_SHOWN).collect(),
        has_hosts,
        pager,
    })
}

/// The page that is shown, and the way to the others.
fn network_pager(asked: usize, count: usize, words: Words) -> (usize, Pager) {
    let pages = count.div_ceil(SUBNETS_SHOWN).max(1);
    let page = asked.clamp(1, pages);
    if pages == 1 {
        return (page, Pager::default());
    }
    let from = ((page - 1) * SUBNETS_SHOWN + 1).to_string();
    let (to, count) = ((page * SUBNETS_SHOWN).min(count).to_string(), count.to_string());
    let text = words.with_all("overview-page", &[("from", &from), ("to", &to), ("count", &count)]);
    let href = |page: usize| format!("/network?page={page}");
    let before = (page > 1).then(|| href(page - 1));
    (page, Pager { text, before, after: (page < pages).then(|| href(page + 1)) })
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
    let (pass, _) = web.handle.last_pass();
    let now = web.handle.now();
    let budgets = certificates::budgets(&pass);
    let reports = certificates::reports(&pass);
    let here = "/certificates".to_owned();
    let frame = PageFrame::new(&web, &visitor, "certificates", words.get("certificates-title"), here).await;
    let rows = reports.into_iter().map(|report| CertificateLine {
        ring: report.ends.map_or_else(|| Ring::none(words), |ends| Ring::new(ends, now, words)),
        days: report.ends.map(|ends| ((ends - now).0 / Millis::minutes(24 * 60).0).clamp(0, 90)),
        used_by: report.used_by.iter().map(|name| (name.clone(), pass.statuses().contains_key(name))).collect(),
        report,
    });
    let rows: Vec<CertificateLine> = rows.collect();
    let budget_text = |budget: &OrderBudget| {
        let (left, of) = (budget.left.to_string(), budget.of.to_string());
        words.with_all("certificates-budget", &[("left", &left), ("of", &of), ("domain", &budget.domain)])
    };
    page(&Certificates {
        tiles: if rows.is_empty() { Vec::new() } else { certificate_tiles(&pass, &rows, budgets.first(), words) },
        budgets: budgets.iter().map(budget_text).collect(),
        certificates: rows,
        frame,
    })
}

fn certificate_tiles(
    pass: &PassView,
    rows: &[CertificateLine],
    budget: Option<&OrderBudget>,
    words: Words,
) -> Vec<Tile> {
    let plain = service_list::matching(pass, Only::NoTls);
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
