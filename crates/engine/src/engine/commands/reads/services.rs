//! The reads of services, of what a pass found, and of the past.

use serde_json::{Value as Json, json};

use super::{
    CURSOR, PAGE, ReadArg, ReadCall, ReadCost, ReadForm, ReadResult, ReadRow, ReadRun, ReadSchema, ReadShape, SMALL,
    arg, command, page, read, reported, reported_unless_stopping, required, typed,
};
use crate::accounts::Role;
use crate::engine::commands::events::{self, EventsQuery};
use crate::engine::commands::history::{self, HistoryQuery};
use crate::engine::commands::logs::{self, LogsQuery};
use crate::engine::commands::{self, CommandAnswer, PlanForm, explain, find_address, trace};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::service_list::{self, ListQuery, Only};
use crate::engine::report::status::{Health, ServiceStatus, Sync};
use crate::engine::report::subnets;
use crate::ledger::runs::Event;
use amarre_core::plan::render::Style;

pub(super) const ROWS: &[&ReadRow] = &[
    &STATUS,
    &SERVICES,
    &SERVICE,
    &SERVICE_EVENTS,
    &SERVICE_HISTORY,
    &SERVICE_LOGS,
    &DRIFT,
    &PLAN,
    &PREVIEW,
    &SUBNETS,
    &UNMANAGED,
    &LOGS,
    &EVENTS,
    &HISTORY,
    &EXPLAIN,
    &TRACE,
];

/// The recent events of one service.
const EVENTS_SHOWN: u32 = 5;

const NO_SERVICE: (u16, &str) = (404, "A1002: there is no such service");
const NOTHING: (u16, &str) = (404, "A1002: there is nothing of this name");
const REFUSED: (u16, &str) = (409, "The code says why");

const NAME: ReadArg = required(arg("name", ReadShape::Text, "Its name"));
const OPTIONAL_NAME: ReadArg = arg("name", ReadShape::Text, "A service or a container; without one, all");
const WIDE: ReadArg = arg("wide", ReadShape::Flag, "In the text, more columns");
const ONLY: ReadArg = arg("only", ReadShape::Word(only_words), "One sort of services");

fn only_words() -> Vec<String> {
    Only::WORDS.map(|(word, _)| word.to_owned()).to_vec()
}

fn only(call: &ReadCall<'_>) -> Option<Only> {
    let word = call.args.given("only")?;
    Only::WORDS.iter().find(|(known, _)| *known == word).map(|(_, only)| *only)
}

fn listing(call: &ReadCall<'_>) -> ListQuery {
    ListQuery { all: call.args.flag("all"), wide: call.args.flag("wide"), only: only(call) }
}

/// A document with a text that only people ask for.
fn both(call: &ReadCall<'_>, document: Json, text: impl FnOnce(Style) -> String) -> CommandAnswer {
    let text = if call.form == ReadForm::Text { text(call.style) } else { String::new() };
    CommandAnswer { document, text, exit: 0 }
}

/// Everything.
pub static STATUS: ReadRow = ReadRow {
    args: &[ONLY, arg("all", ReadShape::Flag, "In the text, quiet services as well"), WIDE],
    ..read(
        "status",
        "/api/v1/status",
        "Everything",
        ReadSchema::Named(&["Status", "Drift", "Unmanaged"]),
        ReadRun::Waits(|call| Box::pin(status(call))),
    )
};

async fn status(call: &ReadCall<'_>) -> ReadResult {
    let (pass, next) = call.handle.last_pass();
    // Without a daemon no pass is due.
    let next = call.handle.goes_on().then_some(next);
    let document = service_list::document(&pass, status_document(call.handle).await, only(call));
    reported(both(call, document, |style| report::status_text(&pass, listing(call), call.handle.now(), next, style)))
}

/// The status document with what only the ledger knows: the last run.
async fn status_document(handle: &Handle) -> Json {
    let (pass, next) = handle.last_pass();
    let next = (next.0 > 0).then_some(next);
    let mut document = report::status_json(&pass, next);
    if let (Ok(Some(run)), Some(object)) = (handle.ledger().last_run().await, document.as_object_mut()) {
        let run = json!({
            "id": run.id, "started_at": run.started.rfc3339(), "result": run.result, "writes": run.writes,
            "duration_s": run.ended.map(|ended| (ended - run.started).0 / 1000),
        });
        object.insert("last_run".to_owned(), run);
    }
    document
}

static SERVICES: ReadRow = ReadRow {
    args: &[
        arg(
            "q",
            ReadShape::Text,
            "Words that all match: part of a name, a domain or an image, an address, `access:none`, `image:`, `host:`, \
             `kind:`",
        ),
        arg("sync", ReadShape::Word(sync_words), "Only with this sync status"),
        arg("health", ReadShape::Word(health_words), "Only with this health"),
        arg("host", ReadShape::Text, "Only on this host"),
        ONLY,
        arg("sort", ReadShape::Word(sort_words), "By what; with `-`, the other way round"),
        WIDE,
        PAGE,
        CURSOR,
    ],
    ..read(
        "services",
        "/api/v1/services",
        "Services, those that are asked for",
        ReadSchema::Named(&["Services"]),
        ReadRun::OfPass(services),
    )
};

fn sync_words() -> Vec<String> {
    Sync::ALL.map(|sync| sync.word().to_owned()).to_vec()
}

fn health_words() -> Vec<String> {
    Health::ALL.map(|health| health.word().to_owned()).to_vec()
}

fn sort_words() -> Vec<String> {
    ["name", "since", "sync", "health"].into_iter().flat_map(|sort| [sort.to_owned(), format!("-{sort}")]).collect()
}

fn services(call: &ReadCall<'_>, pass: &PassView) -> CommandAnswer {
    let (only, args) = (only(call), &call.args);
    let is = |name: &str, is: &str| args.given(name).is_none_or(|asked| asked == is);
    let matches = |row: &ServiceStatus| {
        is("sync", row.sync.word())
            && is("health", row.health.word())
            && is("host", &row.host)
            && only.is_none_or(|only| only.matches(pass, row))
            && args.given("q").is_none_or(|text| service_list::is_about(pass, row, text))
    };
    // By name, which also orders equal rows.
    let statuses = pass.statuses();
    let mut rows: Vec<&ServiceStatus> = statuses.values().filter(|row| matches(row)).collect();
    let sort = args.text("sort");
    match sort.trim_start_matches('-') {
        "since" => rows.sort_by_key(|row| pass.since.get(&row.name).map(|(_, at)| *at)),
        "sync" => rows.sort_by_key(|row| row.sync),
        "health" => rows.sort_by_key(|row| row.health),
        _ => (),
    }
    if sort.starts_with('-') {
        rows.reverse();
    }
    let shown = page(call, rows.len());
    let next = (shown.end < rows.len()).then_some(shown.end);
    let listed: Vec<Json> = rows[shown].iter().map(|row| report::service_json(pass, row)).collect();
    let document = json!({"schema": "amarre.status/v1", "services": listed, "total": rows.len(), "next": next});
    both(call, document, |style| service_list::table(pass, &rows, call.handle.now(), listing(call), style))
}

/// One service.
pub static SERVICE: ReadRow = ReadRow {
    args: &[NAME],
    refuses: &[NO_SERVICE],
    ..read(
        "service",
        "/api/v1/services/{name}",
        "One service with what happened to it last",
        ReadSchema::Named(&["ServiceWithEvents"]),
        ReadRun::Waits(|call| Box::pin(service(call))),
    )
};

async fn service(call: &ReadCall<'_>) -> ReadResult {
    let ((pass, _), name) = (call.handle.last_pass(), call.args.text("name"));
    let Some(row) = pass.statuses().get(name) else {
        return Err(no_service(call, &pass, name).into());
    };
    let mut document = report::service_json(&pass, row);
    let events: Vec<Event> = call.handle.ledger().events(name, EVENTS_SHOWN).await.unwrap_or_default();
    document["events"] = report::events_json(&events);
    reported(both(call, document, |style| {
        report::service_text(&pass, name, &events, call.handle.now(), style).unwrap_or_default()
    }))
}

/// A program, and an account for some services, is not told which other services there are.
fn no_service(call: &ReadCall<'_>, pass: &PassView, name: &str) -> CommandAnswer {
    match call.form {
        ReadForm::Text if call.sees_all => find_address::no_service(pass, name),
        ReadForm::Text | ReadForm::Document => commands::no_such(&format!("there is no service {name}")),
    }
}

static DRIFT: ReadRow = read(
    "drift",
    "/api/v1/drift",
    "What differs from what was last applied",
    ReadSchema::Named(&["Drift"]),
    ReadRun::OfPass(|call, pass| both(call, report::drift_json(pass), |style| service_list::drift_text(pass, style))),
);

static UNMANAGED: ReadRow = read(
    "unmanaged",
    "/api/v1/unmanaged",
    "What is here that no manifest names",
    ReadSchema::Named(&["Unmanaged"]),
    ReadRun::OfPass(|call, pass| {
        both(call, service_list::unmanaged_json(pass), |style| service_list::unmanaged_text(pass, style.language))
    }),
);

static PLAN: ReadRow = read(
    "plan",
    "/api/v1/plan",
    "What would be done",
    ReadSchema::Named(&["Plan"]),
    ReadRun::OfPass(|call, pass| commands::plan_answer(pass, call.style)),
);

/// The plan of a new look.
pub static PREVIEW: ReadRow = ReadRow {
    args: &[
        arg("ref", ReadShape::Text, "A branch, tag or commit that does not come into force"),
        arg("markdown", ReadShape::Flag, "The text as the comment of a merge request"),
        arg("asks", ReadShape::Flag, "The text without the command that carries the plan out: a question follows"),
    ],
    role: Some(Role::Viewer),
    cost: ReadCost::NewPass,
    refuses: &[(409, "There is no such state, or it cannot be read")],
    ..read(
        "preview",
        "/api/v1/preview",
        "Looks anew and plans, perhaps for another state of the source",
        ReadSchema::Named(&["Plan"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let form = match (call.args.flag("markdown"), call.args.flag("asks")) {
                    (true, _) => PlanForm::Markdown,
                    (false, true) => PlanForm::Asks,
                    (false, false) => PlanForm::Whole,
                };
                let reference = call.args.given("ref");
                reported_unless_stopping(commands::plan(call.handle, reference, call.style, form).await)
            })
        }),
    )
};

static SUBNETS: ReadRow = ReadRow {
    command: command("", "subnets", "Show the owner of each subnet and address, and the free ranges"),
    ..read(
        "subnets",
        "/api/v1/subnets",
        "Who has which subnet and address, and where room is",
        ReadSchema::Named(&["Subnets"]),
        ReadRun::OfPass(|call, pass| both(call, subnets::document(pass), |style| subnets::text(pass, style))),
    )
};

const LAST_FAILED: ReadArg = arg("last_failed", ReadShape::Flag, "What is kept of those that failed");
const LINES: ReadArg = arg("lines", SMALL, "At most so many of each, 50 if not said");

/// The last output of containers.
pub static LOGS: ReadRow = ReadRow {
    args: &[OPTIONAL_NAME, LAST_FAILED, LINES],
    role: Some(Role::Viewer),
    cost: ReadCost::NewPass,
    refuses: &[NOTHING, REFUSED],
    ..read(
        "logs",
        "/api/v1/logs",
        "What containers printed last",
        ReadSchema::Named(&["Logs"]),
        ReadRun::Waits(|call| {
            Box::pin(async { reported_unless_stopping(logs::logs(call.handle, &logs_query(call)).await) })
        }),
    )
};

static SERVICE_LOGS: ReadRow = ReadRow {
    id: "service_logs",
    path: "/api/v1/services/{name}/logs",
    args: &[NAME, LAST_FAILED, LINES],
    refuses: &[NO_SERVICE, REFUSED],
    run: ReadRun::Waits(|call| {
        Box::pin(async {
            let of = LogsQuery { service: call.args.given("name").map(str::to_owned), ..logs_query(call) };
            reported_unless_stopping(logs::logs(call.handle, &of).await)
        })
    }),
    ..LOGS
};

fn logs_query(call: &ReadCall<'_>) -> LogsQuery {
    let usual = LogsQuery::default();
    LogsQuery {
        name: call.args.given("name").map(str::to_owned),
        last_failed: call.args.flag("last_failed"),
        lines: call.args.number("lines").unwrap_or(usual.lines),
        ..usual
    }
}

const EVENT_KIND: ReadArg = typed(
    arg("kind", ReadShape::Text, "`created`, `failed`, …, or a reason such as `drift`"),
    "kind",
    "KIND",
    "Only this kind (`created`, `updated`, `deleted`, `failed`, `degraded`) or reason (`drift`, …)",
);
const SINCE: ReadArg = arg("since_s", SMALL, "Not older than so many seconds");
const EVENTS_MAX: ReadArg = arg("limit", SMALL, "At most so many, 50 if not said");
const BEFORE: ReadArg = arg("cursor", SMALL, "What was before: the `next` of another answer");
const DONE_AND_SEEN: &str = "What was done and seen; the newest, the oldest of them first";

/// Events.
pub static EVENTS: ReadRow = ReadRow {
    args: &[
        arg("name", ReadShape::Text, "A service, an address or its end; without one, all"),
        EVENT_KIND,
        SINCE,
        EVENTS_MAX,
        BEFORE,
    ],
    role: Some(Role::Viewer),
    cost: ReadCost::Ledger,
    is_live: true,
    refuses: &[NOTHING, REFUSED],
    ..read(
        "events",
        "/api/v1/events",
        DONE_AND_SEEN,
        ReadSchema::Named(&["Events"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let of = EventsQuery { name: call.args.given("name").map(str::to_owned), ..events_query(call) };
                reported(events::events(call.handle, &of, call.style.language).await)
            })
        }),
    )
};

static SERVICE_EVENTS: ReadRow = ReadRow {
    args: &[NAME, EVENT_KIND, SINCE, EVENTS_MAX, BEFORE],
    role: Some(Role::Viewer),
    cost: ReadCost::Ledger,
    refuses: &[NO_SERVICE, REFUSED],
    ..read(
        "service_events",
        "/api/v1/services/{name}/events",
        DONE_AND_SEEN,
        ReadSchema::Named(&["Events"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let of = EventsQuery { service: call.args.given("name").map(str::to_owned), ..events_query(call) };
                reported(events::events(call.handle, &of, call.style.language).await)
            })
        }),
    )
};

fn events_query(call: &ReadCall<'_>) -> EventsQuery {
    let usual = EventsQuery::default();
    EventsQuery {
        kind: call.args.given("kind").map(str::to_owned),
        since_s: call.args.number("since_s"),
        cursor: call.args.number("cursor"),
        limit: call.args.number("limit").unwrap_or(usual.limit),
        ..usual
    }
}

/// Runs, or the versions of a service.
pub static HISTORY: ReadRow = ReadRow {
    args: &[
        OPTIONAL_NAME,
        arg("at_ms", ReadShape::Number(0, u64::MAX), "What was done then, milliseconds since 1970"),
        arg("to_ms", ReadShape::Number(0, u64::MAX), "With `at_ms`: what was done from then until before this"),
        arg("limit", SMALL, "At most so many, 20 if not said"),
        BEFORE,
    ],
    role: Some(Role::Viewer),
    cost: ReadCost::Ledger,
    refuses: &[NOTHING, REFUSED],
    ..read(
        "history",
        "/api/v1/history",
        "Runs, what one of them did, or the versions of a service",
        ReadSchema::Named(&["History"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let usual = HistoryQuery::default();
                let of = HistoryQuery {
                    name: call.args.given("name").map(str::to_owned),
                    at_ms: call.args.number("at_ms"),
                    to_ms: call.args.number("to_ms"),
                    cursor: call.args.number("cursor"),
                    limit: call.args.number("limit").unwrap_or(usual.limit),
                };
                reported(history::history(call.handle, &of, call.style.language).await)
            })
        }),
    )
};

static SERVICE_HISTORY: ReadRow = ReadRow {
    args: &[NAME],
    role: Some(Role::Viewer),
    cost: ReadCost::NewPass,
    refuses: &[NO_SERVICE, REFUSED],
    ..read(
        "service_history",
        "/api/v1/services/{name}/history",
        "Its versions",
        ReadSchema::Named(&["History"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                let of = HistoryQuery { name: call.args.given("name").map(str::to_owned), ..HistoryQuery::default() };
                reported(history::history(call.handle, &of, call.style.language).await)
            })
        }),
    )
};

static EXPLAIN: ReadRow = ReadRow {
    args: &[required(typed(
        arg("thing", ReadShape::Text, "An address, or the end of it"),
        "",
        "RESOURCE",
        "Resource: `proxy-host/git.example.org`, `container/git`; an IP address; or a service",
    ))],
    role: Some(Role::Viewer),
    cost: ReadCost::NewPass,
    refuses: &[NOTHING, REFUSED],
    command: command("", "explain", "Show why a resource exists, its owner, and the origin of its fields"),
    ..read(
        "explain",
        "/api/v1/explain",
        "Why a thing is there, whose it is, where its fields come from",
        ReadSchema::Named(&["Explain"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                reported_unless_stopping(explain::explain(call.handle, call.args.text("thing"), call.style).await)
            })
        }),
    )
};

static TRACE: ReadRow = ReadRow {
    args: &[required(typed(arg("domain", ReadShape::Domain, "A whole name"), "", "DOMAIN", "Domain to trace"))],
    role: Some(Role::Viewer),
    cost: ReadCost::NewPass,
    refuses: &[NOTHING, REFUSED],
    command: command("", "trace", "Trace a domain to its container, step by step"),
    ..read(
        "trace",
        "/api/v1/trace",
        "The way of a request, from the name to the container",
        ReadSchema::Named(&["Trace"]),
        ReadRun::Waits(|call| {
            Box::pin(async {
                reported_unless_stopping(trace::trace(call.handle, call.args.text("domain"), call.style).await)
            })
        }),
    )
};
