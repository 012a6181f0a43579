//! The HTTP interface as an OpenAPI 3.1 document: `/api/v1/openapi.json`. Router and document are made of the same
//! rows, so neither has a route that the other lacks.

mod apps;
mod schemas;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

pub(super) use self::apps::*;
pub(super) use self::schemas::{any_json, arguments, count, flag_type, line, list, or_null, roles, text, written};
use self::schemas::{healths, object, syncs, with};
pub(super) use self::schemas::{named, texts};
use super::auth::Permission;
use super::problem::PROBLEM;
use crate::accounts::Role;
use crate::engine::commands::act::{ActArgs, VerbRow};
use crate::engine::report::instances::{self, InstanceState};
use crate::engine::report::service_list::Only;

/// The path of the document.
pub const PATH: &str = "/api/v1/openapi.json";

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The parameters and answers of one route.
#[derive(Debug, Clone)]
pub struct Operation {
    /// As OpenAPI spells it: `get`, `post`.
    method: &'static str,
    /// The operation id.
    pub id: &'static str,
    summary: &'static str,
    /// Who may use it.
    pub needs: Permission,
    /// Whether vendors are asked for it.
    pub works: bool,
    parameters: Vec<Json>,
    body: Option<Json>,
    /// By status code.
    answers: Map<String, Json>,
}

impl Operation {
    fn new(method: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            id,
            summary,
            needs: Permission::Look,
            works: false,
            parameters: Vec::new(),
            body: None,
            answers: Map::new(),
        }
    }

    fn get(id: &'static str, summary: &'static str) -> Self {
        Self::new("get", id, summary)
    }

    /// A document of Amarre, by the name of its schema.
    pub(super) fn document(id: &'static str, summary: &'static str, schema: &str) -> Self {
        Self::get(id, summary).returns(200, summary, JSON, &named(schema)).refuses(503, STARTING)
    }

    /// Without authentication.
    fn open(mut self) -> Self {
        self.needs = Permission::Nothing;
        self
    }

    /// Only for this role.
    pub(super) fn only(mut self, role: Role) -> Self {
        self.needs = Permission::Role(role);
        self
    }

    pub(super) fn returns(mut self, status: u16, what: &str, content: &str, schema: &Json) -> Self {
        let answer =
            self.answers.entry(status.to_string()).or_insert_with(|| json!({"description": what, "content": {}}));
        answer["content"][content] = json!({"schema": schema});
        self
    }

    pub(super) fn refuses(self, status: u16, what: &str) -> Self {
        self.returns(status, what, PROBLEM, &named("Problem"))
    }

    pub(super) fn parameter(mut self, parameter: Json) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// A write; the body's fields, and the required ones.
    pub(super) fn writes(
        method: &'static str,
        id: &'static str,
        summary: &'static str,
        body: Option<(Json, &[&str])>,
    ) -> Self {
        let mut operation = Self::new(method, id, summary);
        if let Some((fields, required)) = body {
            let body = json!({"type": "object", "properties": fields, "required": required,
                "additionalProperties": false});
            operation = operation.with_body(body);
        }
        operation
    }

    /// Vendors are asked for it.
    pub(super) fn costs(mut self) -> Self {
        self.works = true;
        self
    }

    fn with_body(mut self, body: Json) -> Self {
        self.body = Some(body);
        self.refuses(400, "A1013: the body is no JSON, or a parameter of the query is not what it should be")
            .refuses(413, "A1013: the body is too large")
            .refuses(415, "A1013: the body is not called application/json")
            .refuses(422, "A1013: the body has other fields")
    }

    /// It was done, and the answer has no body.
    pub(super) fn returns_nothing(mut self, what: &str) -> Self {
        self.answers.insert("204".to_owned(), json!({"description": what}));
        self
    }

    /// A verb about what the path names, in these words; the body has its other arguments.
    pub(super) fn acts_on(row: &'static VerbRow, name: &str, summary: &'static str) -> Self {
        let operation = with_style(Self::new("post", row.word, summary)).parameter(in_path("name", name));
        let body = object(json!({}), arguments(row.args.iter().skip(1)));
        let role = (row.role)(&ActArgs::default(), true);
        operation.acts(with(body, "additionalProperties", json!(false))).only(role)
    }

    fn acts(self, body: Json) -> Self {
        let lines = "JSON lines: one `step` for each step, then one `end`";
        self.with_body(body)
            .returns(200, lines, "application/x-ndjson", &named("ActLine"))
            .refuses(404, "A1002: there is no such thing")
            .refuses(409, "It was not done; the code says why")
            .refuses(503, STOPPING)
    }

    /// An invalid query.
    pub(super) fn checks_query(self) -> Self {
        self.refuses(400, "A1013: a parameter of the query is not what it should be")
    }

    /// For the command line, which prints the text.
    fn answer(id: &'static str, summary: &'static str) -> Self {
        with_style(Self::document(id, summary, "Answer")).checks_query().refuses(503, STOPPING)
    }

    fn json(&self, over: Transport) -> Json {
        let mut answers = self.answers.clone();
        let mut refuses = |status: &str, name: &str| {
            answers.entry(status).or_insert_with(|| json!({"$ref": format!("#/components/responses/{name}")}));
        };
        let mut security = Vec::new();
        if over != Transport::Socket {
            refuses("421", "NotThisName");
            if !matches!(self.id, "healthz" | "readyz" | "health") {
                refuses("429", "TooMuch");
            }
            if self.needs != Permission::Nothing {
                refuses("401", "NobodyKnown");
                refuses("403", "NotAllowed");
                security.push(json!({"token": []}));
            }
            if self.needs != Permission::Nothing && self.method == "get" {
                security.push(json!({"session": []}));
            }
            if matches!(self.needs, Permission::Look | Permission::LookAsMember) && over.is_loopback() {
                security.push(json!({}));
            }
            if self.method != "get" && self.needs != Permission::Nothing {
                refuses("400", "BadKey");
                refuses("409", "Repeated");
                refuses("422", "OtherRequest");
            }
        }
        let least = match self.needs {
            Permission::Nothing => "anybody",
            Permission::Look | Permission::LookAsMember if over.is_loopback() => "anybody on this machine",
            Permission::Look => Role::Viewer.word(),
            Permission::LookAsMember => Role::Member.word(),
            Permission::Role(role) => role.word(),
        };
        let mut operation = json!({
            "operationId": self.id, "summary": self.summary, "responses": answers, "security": security, "x-who-may": least,
        });
        let keyed = over != Transport::Socket && self.method != "get" && self.needs != Permission::Nothing;
        let key = keyed.then(|| json!({"$ref": "#/components/parameters/IdempotencyKey"}));
        let parameters: Vec<&Json> = self.parameters.iter().chain(&key).collect();
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = json!({"required": true, "content": {JSON: {"schema": body}}});
        }
        operation
    }
}

/// Where the interface is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// On this machine, where every client may read; sessions by this cookie.
    Loopback(&'static str),
    /// From elsewhere; sessions by this cookie.
    Network(&'static str),
    /// On the unix socket.
    Socket,
}

impl Transport {
    fn is_loopback(self) -> bool {
        match self {
            Transport::Loopback(_) => true,
            Transport::Network(_) | Transport::Socket => false,
        }
    }
}

/// The whole document.
pub fn document<'a>(routes: impl Iterator<Item = (&'a str, &'a Operation)>, over: Transport) -> Json {
    let own = Operation::document("openapi", "This document", "OpenApi").open();
    let mut paths: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
    for (path, of) in routes {
        paths.entry(path).or_default().insert(of.method.to_owned(), of.json(over));
    }
    paths.entry(PATH).or_default().insert(own.method.to_owned(), own.json(over));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Amarre",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the last look saw; asking costs no vendor a request unless it says so. Fields are only ever \
                added within v1: ignore those that you do not know. A field that is absent is not known, null is known to \
                be none. What changes something needs a token.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [],
        "paths": paths,
        "components": components(over),
    })
}

fn components(over: Transport) -> Json {
    let mut components = json!({"schemas": schemas::all()});
    let cookie = match over {
        Transport::Socket => return components,
        Transport::Loopback(cookie) | Transport::Network(cookie) => cookie,
    };
    let problem = |what: &str| json!({"description": what, "content": {PROBLEM: {"schema": named("Problem")}}});
    let mut too_much = problem("A1012: too many requests");
    too_much["headers"] = json!({"Retry-After": {"description": "Seconds", "schema": count()}});
    components["responses"] = json!({
        "NotThisName": problem("A1001: `Host` is no name that is served here"),
        "NobodyKnown": problem("A1010: there is no token, or it is not known or has ended"),
        "NotAllowed": problem("A1011: this token may not ask this"),
        "TooMuch": too_much,
        "BadKey": problem("A1013, A1014: the idempotency key does not fit"),
        "Repeated": problem("A1014: a request with this key is being done, or its answer is not kept"),
        "OtherRequest": problem("A1014: this key came with another request"),
    });
    components["parameters"] = json!({"IdempotencyKey": {
        "name": "Idempotency-Key", "in": "header",
        "description": "With the same key a request is done once in 24 hours, and is answered as before",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    }});
    components["securitySchemes"] = json!({
        "token": {"type": "http", "scheme": "bearer", "description": "amarre token add NAME --role ROLE"},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie},
    });
    components
}

// The operations of each route.

pub(super) fn healthz() -> Operation {
    Operation::get("healthz", "Whether the process answers").returns(200, "`ok`", TEXT, &text()).open()
}

pub(super) fn readyz() -> Operation {
    let operation = Operation::get("readyz", "Whether the first look is over").returns(200, "`ready`", TEXT, &text());
    operation.returns(503, "`first look in progress`", TEXT, &text()).open()
}

pub(super) fn health() -> Operation {
    Operation::document("health", "A summary; 200 when degraded, too", "Health").open()
}

pub(super) fn metrics() -> Operation {
    let operation = Operation::get("metrics", "For Prometheus");
    operation.returns(200, "The OpenMetrics form", super::metrics::CONTENT_TYPE, &text())
}

pub(super) fn status() -> Operation {
    Operation::document("status", "Everything", "Status")
}

pub(super) fn services_of() -> Operation {
    let words = |words: Vec<&str>| json!({"enum": words});
    let only: Vec<&str> = Only::WORDS.iter().map(|(word, _)| *word).filter(|word| *word != "unmanaged").collect();
    paged(Operation::document("services", "Services, those that are asked for", "Services"))
        .parameter(in_query("q", "Words that all match: part of a name, a domain or an image, an address, `access:none`, `image:`, `host:`, `kind:`", &text()))
        .parameter(in_query("sync", "Only with this sync status", &syncs()))
        .parameter(in_query("health", "Only with this health", &healths()))
        .parameter(in_query("host", "Only on this host", &text()))
        .parameter(in_query("only", "One sort of services", &words(only)))
        .parameter(in_query("sort", "By what; with `-`, the other way round", &words(super::services::SORTS.to_vec())))
        .checks_query()
}

pub(super) fn service() -> Operation {
    let operation = Operation::document("service", "One service with what happened to it last", "ServiceWithEvents");
    of_service(operation)
}

pub(super) fn drift() -> Operation {
    Operation::document("drift", "What differs from what was last applied", "Drift")
}

pub(super) fn plan() -> Operation {
    Operation::document("plan", "What would be done", "Plan")
}

pub(super) fn preview() -> Operation {
    let operation =
        Operation::document("preview", "Looks anew and plans, perhaps for another state of the source", "Plan");
    let reference = in_query("ref", "A branch, tag or commit that does not come into force", &text());
    let operation = operation.parameter(reference).checks_query().costs().only(Role::Viewer);
    operation.refuses(409, "There is no such state, or it cannot be read").refuses(503, STOPPING)
}

pub(super) fn subnets() -> Operation {
    Operation::document("subnets", "Who has which subnet and address, and where room is", "Subnets")
}

pub(super) fn page() -> Operation {
    let operation = Operation::get("page", "The page of an error code").parameter(in_path("code", "As in A0401"));
    let operation = operation.returns(200, "Markdown", "text/markdown; charset=utf-8", &text()).open();
    operation.refuses(404, "A1004: there is no such code")
}

pub(super) fn unmanaged() -> Operation {
    Operation::document("unmanaged", "What is here that no manifest names", "Unmanaged")
}

pub(super) fn schema() -> Operation {
    Operation::get("schema", "The JSON Schema of manifests").returns(200, "A JSON Schema", JSON, &any_json()).open()
}

pub(super) fn plan_text() -> Operation {
    let reference = in_query("ref", "A branch, tag or commit that does not come into force", &text());
    let operation = Operation::answer("plan_text", "Looks anew and plans").parameter(reference);
    operation.parameter(flag("markdown", "As the comment of a merge request"))
}

pub(super) fn subnets_text() -> Operation {
    Operation::answer("subnets_text", "Looks anew at the subnets")
}

pub(super) fn status_text() -> Operation {
    let only: Vec<&str> = Only::WORDS.iter().map(|(word, _)| *word).collect();
    let operation = Operation::answer("status_text", "The status with its text");
    let operation = operation.parameter(flag("all", "Quiet services too")).parameter(flag("wide", "More columns"));
    operation.parameter(in_query("only", "One sort of services", &json!({"enum": only})))
}

pub(super) fn service_text() -> Operation {
    of_service(Operation::answer("service_text", "A service with its text"))
}

/// The output of containers: of all, of one service by its path, or as text.
pub(super) fn logs(form: RequestForm) -> Operation {
    let what = "What containers printed last";
    let operation = match form {
        RequestForm::Whole => of_optional_service(query_operation("logs", what, "Logs")),
        RequestForm::OfService => of_service(query_operation("service_logs", what, "Logs")),
        RequestForm::Text => of_optional_service(Operation::answer("logs_text", what)),
    };
    let operation = operation.parameter(flag("last_failed", "What is kept of those that failed"));
    operation.parameter(in_query("lines", "At most so many of each, 50 if not said", &small())).only(Role::Viewer)
}

pub(super) fn logs_follow() -> Operation {
    let lines = "JSON lines: one `line` for each that is printed; one `end` where there is nothing to follow. After ten \
        minutes it is to be asked for again";
    let follow =
        Operation { works: true, ..Operation::new("get", "logs_follow", "What containers print, as they print it") };
    of_optional_service(follow)
        .parameter(in_query("lines", "First the last so many of each, 50 if not said", &small()))
        .returns(200, lines, "application/x-ndjson", &named("LogLine"))
        .checks_query()
        .only(Role::Viewer)
}

pub(super) fn events(form: RequestForm) -> Operation {
    let what = "What was done and seen; the newest, the oldest of them first";
    let name = in_query("name", "A service, an address or its end; without one, all", &text());
    let operation = match form {
        RequestForm::Whole => {
            let live = "With `Accept: text/event-stream`: as it happens; a message says that there is something new";
            let live = query_operation("events", what, "Events").returns(200, live, "text/event-stream", &text());
            live.parameter(name)
        }
        RequestForm::OfService => of_service(query_operation("service_events", what, "Events")),
        RequestForm::Text => Operation::answer("events_text", what).parameter(name),
    };
    let operation =
        operation.parameter(in_query("kind", "`created`, `failed`, …, or a reason such as `drift`", &text()));
    let operation = operation.parameter(in_query("since_s", "Not older than so many seconds", &small()));
    cursor(operation, 50).only(Role::Viewer)
}

/// Runs, and the versions of a service.
pub(super) fn history(form: RequestForm) -> Operation {
    let what = "Runs, what one of them did, or the versions of a service";
    let operation = match form {
        RequestForm::Whole => of_optional_service(query_operation("history", what, "History")),
        RequestForm::OfService => {
            return of_service(query_operation("service_history", "Its versions", "History")).only(Role::Viewer);
        }
        RequestForm::Text => of_optional_service(Operation::answer("history_text", what)),
    };
    let at = in_query("at_ms", "What was done then, milliseconds since 1970", &count());
    let to = in_query("to_ms", "With `at_ms`: what was done from then until before this", &count());
    cursor(operation.parameter(at).parameter(to), 20).only(Role::Viewer)
}

/// Why a resource is there.
pub(super) fn explain(form: RequestForm) -> Operation {
    let what = "Why a thing is there, whose it is, where its fields come from";
    let operation = match form {
        RequestForm::Whole | RequestForm::OfService => query_operation("explain", what, "Explain"),
        RequestForm::Text => Operation::answer("explain_text", what),
    };
    operation.parameter(in_query("thing", "An address, or the end of it", &text())).only(Role::Viewer)
}

/// The path of a request.
pub(super) fn trace(form: RequestForm) -> Operation {
    let what = "The way of a request, from the name to the container";
    let operation = match form {
        RequestForm::Whole | RequestForm::OfService => query_operation("trace", what, "Trace"),
        RequestForm::Text => Operation::answer("trace_text", what),
    };
    let name = json!({"type": "string", "format": "hostname", "maxLength": 253});
    let mut domain = in_query("domain", "A whole name", &name);
    domain["required"] = json!(true);
    operation.parameter(domain).only(Role::Viewer)
}

pub(super) fn webhook() -> Operation {
    let taken = json!({"type": "object", "properties": {"taken": flag_type(), "why": text()}, "required": ["taken"]});
    Operation::new("post", "webhook", "A forge says that something was pushed; signed with `server.webhook_secret`")
        .returns(200, "It is right, and there is nothing to do", JSON, &taken)
        .returns(202, "The source is asked at once", JSON, &taken)
        .refuses(401, "A1015: the signature is not right")
        .refuses(404, "A1015: no webhook is taken here")
        .refuses(413, "A1013: the body is too large")
        .open()
}

fn of_pool(operation: Operation) -> Operation {
    operation.parameter(in_path("name", "Its name")).refuses(404, "A1002: there is no such pool").only(Role::Member)
}

pub(super) fn pools() -> Operation {
    Operation::document("pools", "All pools", "MachinePools").only(Role::Member)
}

pub(super) fn pool() -> Operation {
    of_pool(Operation::document("pool", "One pool with its machines and reservations", "MachinePool"))
}

pub(super) fn pool_history() -> Operation {
    of_pool(Operation::document("pool_history", "Who had which machines of a pool", "Reservations")).only(Role::Viewer)
}

pub(super) fn pools_text() -> Operation {
    Operation::answer("pools_text", "The pools, as the command line prints them").only(Role::Viewer)
}

pub(super) fn pool_text() -> Operation {
    of_pool(Operation::answer("pool_text", "A pool, as the command line prints it"))
}

pub(super) fn pool_history_text() -> Operation {
    of_pool(Operation::answer("pool_history_text", "Its history, as the command line prints it"))
}

pub(super) fn pool_key_text() -> Operation {
    Operation::answer("pool_key_text", "The line that lets Amarre into machines").only(Role::Viewer)
}

fn of_instance(operation: Operation) -> Operation {
    let name = "The name of its manifest, `CLOUD:ID`, or a vendor's name that only one has";
    operation.parameter(in_path("name", name)).refuses(404, "A1002: there is no such instance")
}

fn filtered(operation: Operation) -> Operation {
    let words = |words: Vec<&str>| json!({"enum": words});
    let sorts = instances::SORTS.into_iter().flat_map(|sort| [sort.to_owned(), format!("-{sort}")]);
    operation
        .parameter(in_query("q", "Part of a name, an id, an address or a size", &text()))
        .parameter(in_query("cloud", "Only of this cloud", &text()))
        .parameter(in_query("project", "Only of this project", &text()))
        .parameter(in_query("region", "Only in this region", &text()))
        .parameter(in_query(
            "state",
            "Only in this state",
            &words(InstanceState::ALL.map(InstanceState::word).to_vec()),
        ))
        .parameter(in_query("managed", "Only those with a manifest, or without", &words(vec!["yes", "no"])))
        .parameter(in_query(
            "sort",
            "By what; with `-`, the other way round",
            &json!({"enum": sorts.collect::<Vec<_>>()}),
        ))
        .checks_query()
}

pub(super) fn instances() -> Operation {
    paged(filtered(Operation::document(
        "instances",
        "The servers of all clouds, those that are asked for",
        "Instances",
    )))
}

pub(super) fn instance() -> Operation {
    of_instance(Operation::document("instance", "One server with what happened to it last", "InstanceWithEvents"))
}

pub(super) fn instance_schedule() -> Operation {
    of_instance(Operation::document("instance_schedule", "The next ticks of a server's timetable", "InstanceSchedule"))
        .refuses(409, "A0461: it has no timetable")
}

pub(super) fn instance_logs() -> Operation {
    logged(Operation::document("instance_logs", "Requests, answers and changes of status of a server", "InstanceLog"))
}

pub(super) fn instance_logs_text() -> Operation {
    logged(Operation::answer("instance_logs_text", "The same, as the command line prints it"))
}

fn logged(operation: Operation) -> Operation {
    of_instance(operation)
        .parameter(in_query("lines", "The last so many, 50 if not said, at most 500", &small()))
        .checks_query()
}

pub(super) fn instances_text() -> Operation {
    filtered(Operation::answer("instances_text", "The list, as the command line prints it"))
}

pub(super) fn instance_text() -> Operation {
    of_instance(Operation::answer("instance_text", "A server, as the command line prints it"))
}

pub(super) fn instance_schedule_text() -> Operation {
    of_instance(Operation::answer("instance_schedule_text", "The next ticks, as the command line prints them"))
}

pub(super) fn instance_manifests_text() -> Operation {
    filtered(Operation::answer("instance_manifests_text", "Manifests of servers that have none"))
}

pub(super) fn act() -> Operation {
    with_style(Operation::new("post", "act", "Acts; docs/http.md lists what each command needs"))
        .acts(named("Act"))
        .only(Role::Member)
}

/// Options for the form of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestForm {
    Whole,
    /// A document about the service that the path names.
    OfService,
    /// With the text that the command line prints.
    Text,
}

const STARTING: &str = "A1035: Amarre is starting, and has not looked at anything yet";
pub(super) const STOPPING: &str = "A0904: Amarre is stopping; A0903: the ledger cannot be read";

/// A document that may need a pass.
fn query_operation(id: &'static str, summary: &'static str, schema: &str) -> Operation {
    let mut operation = Operation::document(id, summary, schema).checks_query();
    operation.works = !matches!(id, "events" | "service_events" | "history");
    operation
        .refuses(404, "A1002: there is nothing of this name")
        .refuses(409, "The code says why")
        .refuses(503, STOPPING)
}

fn of_service(operation: Operation) -> Operation {
    operation.parameter(in_path("name", "Its name")).refuses(404, "A1002: there is no such service")
}

fn of_optional_service(operation: Operation) -> Operation {
    operation.parameter(in_query("name", "A service or a container; without one, all", &text()))
}

fn paged(operation: Operation) -> Operation {
    let operation = operation.parameter(in_query(
        "limit",
        "At most so many; 1,000 if not said, and at most",
        &json!({"type": "integer", "minimum": 1, "maximum": 1_000}),
    ));
    operation.parameter(in_query("cursor", "Where to go on: the `next` of another answer", &small()))
}

fn cursor(operation: Operation, usual: u32) -> Operation {
    let what = format!("At most so many, {usual} if not said");
    let operation = operation.parameter(in_query("limit", &what, &small()));
    operation.parameter(in_query("cursor", "What was before: the `next` of another answer", &small()))
}

/// A number that fits its reader.
pub(super) fn small() -> Json {
    json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
}

fn with_style(operation: Operation) -> Operation {
    operation.parameter(flag("ascii", "ASCII signs")).parameter(flag("colour", "ANSI colours"))
}

pub(super) fn in_path(name: &str, what: &str) -> Json {
    json!({"name": name, "in": "path", "required": true, "description": what, "schema": text()})
}

pub(super) fn in_query(name: &str, what: &str, schema: &Json) -> Json {
    json!({"name": name, "in": "query", "description": what, "schema": schema})
}

fn flag(name: &str, what: &str) -> Json {
    in_query(name, what, &json!({"type": "boolean", "default": false}))
}
