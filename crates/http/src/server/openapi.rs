//! The HTTP interface as an OpenAPI 3.1 document: `/api/v1/openapi.json`. Router and document are made of the same
//! rows, so neither has a route that the other lacks.

mod schemas;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

pub(super) use self::schemas::{any_json, arguments, count, flag_type, line, list, or_null, roles, text, written};
pub(super) use self::schemas::{named, texts};
use self::schemas::{object, with};
use super::auth::Permission;
use super::problem::PROBLEM;
use super::reads;
use crate::accounts::Role;
use crate::engine::commands::act::{ActArgs, VerbRow};
use crate::engine::commands::reads::{ReadArg, ReadCost, ReadRow, ReadSchema, ReadShape};

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

    /// A read of the table.
    pub(super) fn reads(row: &'static ReadRow) -> Self {
        let schema = match row.schema {
            ReadSchema::Named([one]) => named(one),
            ReadSchema::Named(several) => {
                json!({"anyOf": several.iter().map(|name| named(name)).collect::<Vec<_>>()})
            }
            ReadSchema::OfStruct(schema) => json!(schema(&mut schemas::generator())),
        };
        let mut operation = Self::get(row.id, row.about)
            .returns(200, row.about, JSON, &schema)
            .returns(200, row.about, TEXT, &text())
            .returns(200, row.about, reads::ANSWER, &named("Answer"));
        if row.is_live {
            let live = "With `Accept: text/event-stream`: as it happens; a message says that there is something new";
            operation = operation.returns(200, live, "text/event-stream", &text());
        }
        for arg in row.args {
            operation = operation.parameter(parameter(row, arg));
        }
        for (status, what) in row.refuses {
            operation = operation.refuses(*status, what);
        }
        if row.args.iter().any(|arg| !row.is_in_path(arg)) {
            operation = operation.checks_query();
        }
        operation = operation.refuses(503, STARTING);
        Self {
            needs: row.role.map_or(Permission::Look, Permission::Role),
            works: row.cost == ReadCost::NewPass,
            ..operation
        }
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

pub(super) fn page() -> Operation {
    let operation = Operation::get("page", "The page of an error code").parameter(in_path("code", "As in A0401"));
    let operation = operation.returns(200, "Markdown", "text/markdown; charset=utf-8", &text()).open();
    operation.refuses(404, "A1004: there is no such code")
}

pub(super) fn schema() -> Operation {
    Operation::get("schema", "The JSON Schema of manifests").returns(200, "A JSON Schema", JSON, &any_json()).open()
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

pub(super) fn act() -> Operation {
    with_style(Operation::new("post", "act", "Acts; docs/http.md lists what each command needs"))
        .acts(named("Act"))
        .only(Role::Member)
}

const STARTING: &str = "A1035: Amarre is starting, and has not looked at anything yet";
pub(super) const STOPPING: &str = "A0904: Amarre is stopping; A0903: the ledger cannot be read";

fn of_optional_service(operation: Operation) -> Operation {
    operation.parameter(in_query("name", "A service or a container; without one, all", &text()))
}

/// An argument of a read.
fn parameter(row: &ReadRow, arg: &ReadArg) -> Json {
    let schema = match arg.shape {
        ReadShape::Text => text(),
        ReadShape::Domain => json!({"type": "string", "format": "hostname", "maxLength": 253}),
        ReadShape::Flag => json!({"type": "boolean", "default": false}),
        ReadShape::Number(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        ReadShape::Word(words) => json!({"enum": words()}),
    };
    if row.is_in_path(arg) {
        return in_path(arg.name, arg.about);
    }
    let mut parameter = in_query(arg.name, arg.about, &schema);
    if arg.is_required {
        parameter["required"] = json!(true);
    }
    parameter
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
