//! What HTTP serves, as an OpenAPI 3.1 document: `/api/v1/openapi.json`. The router and the document are made of the same
//! rows, so neither has a route that the other lacks. Schemas are open: fields are only ever added within `v1`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::engine::listing::Only;
use crate::engine::status::{Health, Sync};
use crate::manifest::Severity;
use crate::model::plan::Wait;
use crate::model::{Kind, ReasonCode};

/// Where the document stands.
pub const PATH: &str = "/api/v1/openapi.json";

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What one route takes and gives.
#[derive(Debug, Clone)]
pub struct Operation {
    /// As OpenAPI spells it: `get`, `post`.
    method: &'static str,
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Json>,
    body: Option<Json>,
    /// By status code.
    answers: Map<String, Json>,
}

impl Operation {
    fn new(method: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self { method, id, summary, parameters: Vec::new(), body: None, answers: Map::new() }
    }

    fn get(id: &'static str, summary: &'static str) -> Self {
        Self::new("get", id, summary)
    }

    /// A document of ours, by the name of its schema.
    pub(super) fn document(id: &'static str, summary: &'static str, schema: &str) -> Self {
        Self::get(id, summary).gives(200, summary, JSON, &named(schema))
    }

    pub(super) fn gives(mut self, status: u16, what: &str, content: &str, schema: &Json) -> Self {
        let answer = json!({"description": what, "content": {content: {"schema": schema}}});
        self.answers.insert(status.to_string(), answer);
        self
    }

    pub(super) fn refuses(self, status: u16, what: &str) -> Self {
        self.gives(status, what, "application/problem+json", &named("Problem"))
    }

    fn takes(mut self, parameter: Json) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Changes something; the body's fields, and those of them that must be there.
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
            operation.body = Some(body);
            operation = operation
                .gives(400, "The body is no JSON", TEXT, &text())
                .gives(413, "The body is too large", TEXT, &text())
                .gives(415, "The body is not called application/json", TEXT, &text())
                .gives(422, "The body has other fields", TEXT, &text());
        }
        operation
    }

    /// About the user that the path names.
    pub(super) fn on_user(self) -> Self {
        let operation = self.takes(in_path("email", "By which the user signs in"));
        operation
            .refuses(404, "A1008: there is no such user")
            .refuses(409, "A1007: it is the last admin")
            .refuses(422, "A1007: something does not fit")
    }

    /// It was done, and there is nothing to say.
    pub(super) fn gives_nothing(mut self, what: &str) -> Self {
        self.answers.insert("204".to_owned(), json!({"description": what}));
        self
    }

    /// A command about the service that the path names.
    pub(super) fn acts_on_service(word: &'static str, summary: &'static str, body: Json) -> Self {
        let operation = look(Self::new("post", word, summary)).takes(in_path("name", "Its name"));
        let body = with(object(body, json!({})), "additionalProperties", json!(false));
        operation.acts(body, "The body is JSON, but not what the command takes")
    }

    fn acts(mut self, body: Json, is_other: &str) -> Self {
        let lines = "JSON lines: one `step` for each step, then one `end`";
        self.body = Some(body);
        self.gives(200, lines, "application/x-ndjson", &named("ActLine"))
            .gives(400, "The body is no JSON, or a parameter of the query is not what it should be", TEXT, &text())
            .gives(413, "The body is too large", TEXT, &text())
            .gives(415, "The body is not called application/json", TEXT, &text())
            .gives(422, is_other, TEXT, &text())
    }

    /// A query that makes no sense.
    fn checks_query(self) -> Self {
        self.gives(400, "A parameter of the query is not what it should be", TEXT, &text())
    }

    fn json(&self, is_checked: bool) -> Json {
        let mut answers = self.answers.clone();
        if is_checked {
            answers.insert("421".to_owned(), json!({"$ref": "#/components/responses/NotThisName"}));
        }
        let mut operation = json!({"operationId": self.id, "summary": self.summary, "responses": answers});
        if let Some(object) = operation.as_object_mut() {
            if !self.parameters.is_empty() {
                object.insert("parameters".to_owned(), json!(self.parameters));
            }
            if let Some(body) = &self.body {
                object.insert("requestBody".to_owned(), json!({"required": true, "content": {JSON: {"schema": body}}}));
            }
        }
        operation
    }
}

/// The whole document. `is_checked`: requests are refused that name another host.
pub fn document<'a>(routes: impl Iterator<Item = (&'static str, &'a Operation)>, is_checked: bool) -> Json {
    let own = Operation::document("openapi", "This document", "OpenApi");
    let mut paths: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
    for (path, of) in routes {
        paths.entry(path).or_default().insert(of.method.to_owned(), of.json(is_checked));
    }
    paths.entry(PATH).or_default().insert(own.method.to_owned(), own.json(is_checked));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Amarre",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the last look saw; asking costs no vendor a request. Fields are only ever added within v1: \
                ignore those that you do not know. A field that is absent is not known, null is known to be none. \
                There are no accounts: it listens on loopback, where it only reads, and on a unix socket of mode 0600.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [],
        "paths": paths,
        "components": components(is_checked),
    })
}

fn components(is_checked: bool) -> Json {
    let mut schemas = Map::new();
    for part in [general(), services(), differences(), plans(), rest()] {
        schemas.extend(part.as_object().cloned().unwrap_or_default());
    }
    let mut components = json!({"schemas": schemas});
    if let Some(object) = components.as_object_mut().filter(|_| is_checked) {
        let problem = json!({"application/problem+json": {"schema": named("Problem")}});
        let what = "A1001: `Host` is not localhost, 127.0.0.1 or [::1]";
        object.insert("responses".to_owned(), json!({"NotThisName": {"description": what, "content": problem}}));
    }
    components
}

// What each route says.

pub(super) fn healthz() -> Operation {
    Operation::get("healthz", "Whether the process answers").gives(200, "`ok`", TEXT, &text())
}

pub(super) fn readyz() -> Operation {
    let operation = Operation::get("readyz", "Whether the first look is over").gives(200, "`ready`", TEXT, &text());
    operation.gives(503, "`first look in progress`", TEXT, &text())
}

pub(super) fn health() -> Operation {
    Operation::document("health", "A summary; 200 when degraded, too", "Health")
}

pub(super) fn metrics() -> Operation {
    let operation = Operation::get("metrics", "For Prometheus");
    operation.gives(200, "The OpenMetrics form", super::metrics::CONTENT_TYPE, &text())
}

pub(super) fn status() -> Operation {
    Operation::document("status", "Everything", "Status")
}

pub(super) fn services_of() -> Operation {
    Operation::document("services", "All services", "Services")
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

pub(super) fn subnets() -> Operation {
    Operation::document("subnets", "Who has which subnet and address, and where room is", "Subnets")
}

pub(super) fn page() -> Operation {
    let operation = Operation::get("page", "The page of an error code").takes(in_path("code", "As in A0401"));
    let operation = operation.gives(200, "Markdown", "text/markdown; charset=utf-8", &text());
    operation.refuses(404, "A1004: there is no such code")
}

pub(super) fn plan_text() -> Operation {
    let reference = in_query("ref", "A branch, tag or commit that does not come into force", &text());
    let operation = Operation::document("plan_text", "Looks anew and plans", "Answer").takes(reference);
    let operation = look(operation).takes(flag("markdown", "As the comment of a merge request"));
    operation.checks_query().refuses(503, STOPPING)
}

pub(super) fn subnets_text() -> Operation {
    let operation = Operation::document("subnets_text", "Looks anew at the subnets", "Answer");
    look(operation).checks_query().refuses(503, STOPPING)
}

pub(super) fn status_text() -> Operation {
    let only: Vec<&str> = Only::WORDS.iter().map(|(word, _)| *word).collect();
    let operation = look(Operation::document("status_text", "The status with its text", "Answer"));
    let operation = operation.takes(flag("all", "Quiet services too")).takes(flag("wide", "More columns"));
    operation.takes(in_query("only", "One sort of services", &json!({"enum": only}))).checks_query()
}

pub(super) fn service_text() -> Operation {
    of_service(look(Operation::document("service_text", "A service with its text", "Answer"))).checks_query()
}

pub(super) fn logs() -> Operation {
    let name = in_query("name", "A service or a container; without one, all", &text());
    let operation = look(Operation::document("logs", "What containers printed last", "Answer")).takes(name);
    let operation = operation.takes(flag("last_failed", "What is kept of those that failed"));
    operation
        .takes(in_query("lines", "At most so many of each, 50 if not said", &count()))
        .checks_query()
        .refuses(503, STOPPING)
}

pub(super) fn logs_follow() -> Operation {
    let name = in_query("name", "A service or a container; without one, all", &text());
    let lines = "JSON lines: one `line` for each that is printed; one `end` where there is nothing to follow";
    Operation::new("get", "logs_follow", "What containers print, as they print it")
        .takes(name)
        .takes(in_query("lines", "First the last so many of each, 50 if not said", &count()))
        .gives(200, lines, "application/x-ndjson", &named("LogLine"))
        .checks_query()
}

pub(super) fn events() -> Operation {
    let name = in_query("name", "A service, an address or its end; without one, all", &text());
    let operation = look(Operation::document("events", "What was done and seen", "Answer")).takes(name);
    let operation = operation.takes(in_query("kind", "`created`, `failed`, …, or a reason such as `drift`", &text()));
    operation
        .takes(in_query("since_s", "Not older than so many seconds", &count()))
        .takes(in_query("limit", "At most so many, 50 if not said", &count()))
        .checks_query()
}

pub(super) fn history() -> Operation {
    let name = in_query("name", "A service: its versions; without one, the runs", &text());
    let operation =
        look(Operation::document("history", "Runs, what one of them did, or the versions of a service", "Answer"));
    operation
        .takes(name)
        .takes(in_query("at_ms", "What was done then, milliseconds since 1970", &count()))
        .takes(in_query("limit", "At most so many, 20 if not said", &count()))
        .checks_query()
}

pub(super) fn explain() -> Operation {
    let thing = in_query("thing", "An address, or the end of it", &text());
    look(Operation::document("explain", "Why a thing is there, whose it is, where its fields come from", "Answer"))
        .takes(thing)
        .checks_query()
        .refuses(503, STOPPING)
}

pub(super) fn trace() -> Operation {
    let domain = in_query("domain", "A whole name", &text());
    look(Operation::document("trace", "The way of a request, from the name to the container", "Answer"))
        .takes(domain)
        .checks_query()
        .refuses(503, STOPPING)
}

pub(super) fn act() -> Operation {
    look(Operation::new("post", "act", "Acts")).acts(named("Act"), "The body is JSON, but none of the commands")
}

const STOPPING: &str = "A0904: Amarre is stopping";

fn of_service(operation: Operation) -> Operation {
    operation.takes(in_path("name", "Its name")).refuses(404, "A1002: there is no such service")
}

fn look(operation: Operation) -> Operation {
    operation.takes(flag("ascii", "ASCII signs")).takes(flag("colour", "ANSI colours"))
}

fn in_path(name: &str, what: &str) -> Json {
    json!({"name": name, "in": "path", "required": true, "description": what, "schema": text()})
}

fn in_query(name: &str, what: &str, schema: &Json) -> Json {
    json!({"name": name, "in": "query", "description": what, "schema": schema})
}

fn flag(name: &str, what: &str) -> Json {
    in_query(name, what, &json!({"type": "boolean", "default": false}))
}

// The schemas.

/// What many documents have.
fn general() -> Json {
    json!({
        "OpenApi": object(json!({"openapi": text(), "info": any(), "servers": any(), "security": any(), "paths": any(),
            "components": any()}), json!({})),
        "User": object(json!({"email": text(), "name": text(), "role": text(), "created_at": time()}), json!({})),
        "Users": object(json!({"schema": text(), "users": list(named("User"))}), json!({})),
        "Problem": object(json!({
            "type": says("Where the page of the code is", text()), "title": text(), "status": count(), "code": code(),
            "hints": list(named("Hint")),
        }), json!({})),
        "Hint": object(json!({"text": text()}), json!({"command": says("A complete command", text())})),
        "Error": object(json!({"code": code(), "message": text()}), json!({"hints": list(named("Hint"))})),
        "Refusal": object(json!({
            "code": code(), "message": text(), "hints": list(named("Hint")),
            "found": {"type": "object", "additionalProperties": text()},
        }), json!({})),
        "Gap": object(json!({
            "provider": text(), "zone": or_null(text()), "since": time(), "error": named("Error"),
        }), json!({})),
        "Revision": object(
            json!({"id": says("Empty before the first look", text()), "kind": {"enum": ["git", "folder"]}, "label": text()}),
            json!({"subject": text(), "author": text(), "committed_at": time(), "branch": text()}),
        ),
        "Value": says("Of a field. A secret is {\"sensitive\": true}; what is known later has `known_after`", any()),
        "Diff": object(json!({
            "field": text(), "from": named("Value"), "to": named("Value"), "sensitive": flag_type(),
        }), json!({})),
        "Reason": object(json!({"code": reasons(), "text": text()}), json!({
            "file": text(), "line": count(), "revision": says("The commit of the file", text()),
            "who": says("Its author", text()), "at": time(),
        })),
    })
}

fn services() -> Json {
    json!({
        "Health": object(json!({
            "status": {"enum": ["ok", "degraded"]}, "services": count(), "attention": count(), "gaps": count(),
            "ledger": flag_type(), "source": flag_type(), "checked_at": time(),
        }), json!({})),
        "Status": object(json!({
            "schema": {"const": "amarre.status/v1"}, "instance": or_null(text()), "version": text(), "source": named("Source"),
            "summary": object(json!({
                "services": count(), "synced": count(), "out_of_sync": count(), "unknown": count(), "attention": count(),
            }), json!({})),
            "planning_only": says("The ledger is new and nobody has applied", flag_type()),
            "ledger": holder_of_error(), "configuration": holder_of_error(), "guard": or_null(named("Refusal")),
            "providers": list(named("Provider")), "services": list(named("Service")),
            "certificates": says("What Let's Encrypt would still give", list(object(json!({
                "domain": text(), "left_this_week": count(), "of": count(),
            }), json!({})))),
        }), json!({"next_run_at": time(), "last_run": named("Run")})),
        "Source": object(json!({
            "revision": named("Revision"), "checked_at": time(),
            "error": or_null(object(json!({
                "code": code(), "message": text(), "hints": list(named("Hint")), "since": or_null(time()),
                "fetched_at": or_null(time()),
            }), json!({}))),
        }), json!({})),
        "Run": object(json!({
            "id": count(), "started_at": time(), "result": or_null(text()), "writes": count(), "duration_s": or_null(count()),
        }), json!({})),
        "Provider": object(
            json!({"name": text(), "kind": text(), "state": {"enum": ["up", "down", "auth"]}}),
            json!({"version": text(), "zone": or_null(text()), "since": time(), "error": named("Error"), "next_try_at": time()}),
        ),
        "Services": object(json!({
            "schema": {"const": "amarre.status/v1"}, "services": list(named("Service")),
        }), json!({})),
        "Service": object(service_always(), service_sometimes()),
        "ServiceWithEvents": object(with(service_always(), "events", list(named("Event"))), service_sometimes()),
        "Resource": object(json!({
            "address": text(), "kind": kinds(), "name": text(), "sync": syncs(), "health": healths(), "detail": text(),
            "drift": list(named("Diff")),
        }), json!({"failure": named("Failure"), "job": says("Its name in the manifest, of a job", text())})),
        "Trouble": object(json!({"code": code(), "message": text(), "hints": list(named("Hint"))}), json!({
            "doing": text(), "first_at": time(), "count": count(), "failure": named("Failure"),
        })),
        "Failure": object(json!({
            "generation": text(), "image": text(), "message": text(), "exit_code": or_null(json!({"type": "integer"})),
            "restarts": count(), "tries": count(), "first_at": time(), "at": time(), "run": count(),
            "last_line": or_null(text()), "log_note": says("Why there are no lines", or_null(text())),
        }), json!({})),
        "Waiting": object(json!({
            "what": text(), "since": or_null(time()), "limit_s": or_null(count()), "by_itself": flag_type(),
            "deadline": says("`since` and `limit_s`", or_null(time())),
            "job": says("That is waited for, by its name in the manifest", or_null(text())),
            "next_at": or_null(time()), "hints": list(named("Hint")),
        }), json!({})),
        "Condition": object(json!({
            "type": {"enum": crate::engine::conditions::TYPES}, "status": {"enum": ["True", "False", "Unknown"]},
            "reason": text(), "message": text(),
        }), json!({"since": time()})),
        "Event": object(json!({
            "at": time(), "run": count(), "kind": says("`created`, `updated`, `deleted`, `failed`, …", text()),
            "address": or_null(text()), "text": text(),
        }), json!({})),
    })
}

fn service_always() -> Json {
    json!({
        "name": text(), "host": text(), "sync": syncs(), "health": healths(), "attention": says("Needs somebody", flag_type()),
        "what_now": says("Empty when all is well", text()), "urls": list(object(json!({"url": text()}), json!({}))),
        "suspended": or_null(object(json!({"by": text(), "why": text(), "since": time()}), json!({}))),
        "error": or_null(named("Trouble")), "resources": list(named("Resource")),
        "stalled": says("What it waits for will not come by itself", flag_type()), "next_try_at": or_null(time()),
        "waiting": or_null(named("Waiting")), "conditions": list(named("Condition")),
    })
}

fn service_sometimes() -> Json {
    json!({"since": says("Absent until a process has seen it change", time())})
}

fn differences() -> Json {
    json!({
        "Drift": object(json!({
            "schema": {"const": "amarre.drift/v1"}, "at": time(),
            "count": object(json!({"services": count(), "resources": count(), "fields": count()}), json!({})),
            "items": list(named("DriftItem")),
        }), json!({})),
        "DriftItem": object(json!({
            "service": text(), "address": text(), "kind": kinds(), "what": {"enum": ["changed", "missing"]}, "seen_at": time(),
            "mode": {"enum": ["enforce"]}, "reason": named("Reason"), "flaps": count(), "quarantined": flag_type(),
            "who": object(json!({"name": or_null(text()), "evidence": text()}), json!({})),
            "fields": list(object(json!({
                "field": text(), "applied": named("Value"), "now": named("Value"), "wanted": named("Value"),
                "sensitive": flag_type(),
            }), json!({}))),
        }), json!({})),
    })
}

fn plans() -> Json {
    let made = json!({
        "id": text(), "digest": says("Of everything but `made_at` and `gaps`", text()), "made_at": time(),
        "revision": named("Revision"), "summary": named("PlanSummary"),
        "guard": or_null(object(json!({"code": code(), "message": text(), "confirm": or_null(text())}), json!({}))),
        "services": list(named("PlanService")), "gaps": list(named("Gap")), "diagnostics": list(named("Diagnostic")),
    });
    let downtime = || says("Away for about so long; 0 = not at all, absent = not known", count());
    let names = |object: &Json| object.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    let all = names(&made);
    json!({
        "Plan": with(
            object(json!({"schema": says("Alone before the first look", json!({"const": "amarre.plan/v1"}))}), made),
            "dependentRequired", json!({"id": all}),
        ),
        "PlanSummary": object(json!({
            "create": count(), "update": count(), "recreate": count(), "delete": count(), "adopt": count(), "release": count(),
            "forget": count(), "held": count(), "services_changed": count(), "services_in_sync": count(),
        }), json!({"downtime_s": downtime()})),
        "PlanService": object(json!({"name": text(), "action": actions(), "changes": list(named("Change"))}), json!({
            "host": text(), "file": text(), "line": count(), "strategy": {"enum": ["start-first", "stop-first"]},
            "reason": named("Reason"), "downtime_s": downtime(),
        })),
        "Change": object(json!({
            "seq": says("The order of execution, from 1", count()), "address": text(), "kind": kinds(), "name": text(),
            "action": actions(), "step": or_null(json!({"enum": ["drain", "job", "pull"]})), "gate": named("Gate"),
            "reason": named("Reason"), "fields": list(named("Diff")), "needs": list(text()),
            "impact": object(json!({"exposes": list(text())}), json!({"downtime_s": downtime()})), "refusal": or_null(named("Refusal")),
        }), json!({})),
        "Gate": {"oneOf": [
            object(json!({"state": {"const": "now"}}), json!({})),
            object(json!({"state": {"const": "after"}, "needs": list(object(
                json!({"on": text(), "is": {"enum": ["present", "ready", "absent"]}}), json!({})))}), json!({})),
            object(json!({"state": {"const": "until"}, "at": time(),
                "what": {"enum": Wait::ALL.map(Wait::word)}}), json!({})),
            object(json!({"state": {"const": "held"}, "refusal": named("Refusal")}), json!({})),
        ]},
        "Diagnostic": object(json!({
            "code": code(), "severity": {"enum": [Severity::Error.word(), Severity::Warning.word()]}, "file": text(),
            "line": says("From 1; 0 = the file as a whole", count()), "column": count(), "end_line": count(),
            "end_column": count(), "message": text(), "hint": or_null(text()), "service": or_null(text()),
        }), json!({})),
    })
}

/// Subnets, and what only the socket serves.
fn rest() -> Json {
    json!({
        "Subnets": object(json!({
            "schema": {"const": "amarre.subnets/v1"}, "pools": list(named("Pool")), "subnets": list(named("Subnet")),
        }), json!({"at": says("Absent before the first look", time())})),
        "Pool": object(json!({
            "pool": text(), "prefix": count(), "leased": count(), "foreign": count(), "free": count(), "next": or_null(text()),
        }), json!({})),
        "Subnet": object(json!({
            "subnet": text(), "host": says("null: counts on every host", or_null(text())),
            "service": says("null: not ours", or_null(text())), "by": says("What holds it, where it is not ours", text()),
            "network_exists": flag_type(),
            "addresses": list(object(json!({"address": text(), "who": text()}), json!({}))),
        }), json!({})),
        "Answer": object(json!({
            "document": says("For machines", any()), "text": says("What the command prints", text()),
            "exit": says("Its exit code", count()),
        }), json!({})),
        "Act": {"oneOf": [
            closed("apply", json!({"timeout_ms": timeout()}), json!({"confirm_deletes": or_null(count()), "plan": or_null(text())})),
            closed("reconcile", json!({"timeout_ms": timeout()}), json!({"service": or_null(text())})),
            closed("destroy", json!({"services": list(text()), "all": flag_type(), "purge": flag_type(), "by": text(),
                "timeout_ms": timeout()}), json!({})),
            closed("suspend", json!({"service": text(), "why": text(), "by": text()}),
                json!({"until_ms": or_null(count())})),
            closed("resume", json!({"service": text()}), json!({})),
            closed("rollback", json!({"service": text(), "dry_run": flag_type(), "by": text(), "timeout_ms": timeout()}),
                json!({"to": or_null(text())})),
            closed("adopt", json!({"thing": text(), "dry_run": flag_type(), "by": text(), "timeout_ms": timeout()}),
                json!({})),
            closed("release", json!({"thing": text(), "by": text(), "timeout_ms": timeout()}), json!({})),
            closed("cancel", json!({"service": text(), "by": text()}), json!({})),
            closed("retry", json!({"service": text(), "timeout_ms": timeout()}), json!({})),
            closed("rescue", json!({"dry_run": flag_type(), "by": text()}), json!({"npm": or_null(text())})),
        ]},
        "ActLine": {"oneOf": [
            object(json!({"step": named("Step")}), json!({})),
            object(json!({"end": says("null: Amarre is stopping", or_null(named("Answer")))}), json!({})),
        ]},
        "LogLine": {"oneOf": [
            object(json!({"line": object(json!({
                "container": text(), "generation": says("Which version of it", or_null(text())), "service": text(), "line": text(),
            }), json!({}))}), json!({})),
            object(json!({"end": says("null: Amarre is stopping", or_null(named("Answer")))}), json!({})),
        ]},
        "Step": object(json!({
            "at_ms": count(), "service": text(), "state": {"enum": ["begun", "going", "done", "failed", "waiting"]}, "action": text(),
            "kind": text(), "name": text(), "detail": text(), "took_ms": count(),
        }), json!({})),
    })
}

// Words of which schemas are made.

/// Fields that are always there, and fields that are there sometimes.
fn object(always: Json, sometimes: Json) -> Json {
    let fields = |json: Json| match json {
        Json::Object(fields) => fields,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Map::new(),
    };
    let mut properties = fields(always);
    let required: Vec<String> = properties.keys().cloned().collect();
    properties.extend(fields(sometimes));
    json!({"type": "object", "required": required, "properties": properties})
}

/// A command: nothing else beside it, nothing unknown in it.
fn closed(command: &str, always: Json, sometimes: Json) -> Json {
    let inner = with(object(always, sometimes), "additionalProperties", json!(false));
    with(object(json!({command: inner}), json!({})), "additionalProperties", json!(false))
}

fn with(mut object: Json, name: &str, value: Json) -> Json {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}

fn says(what: &str, schema: Json) -> Json {
    with(schema, "description", json!(what))
}

fn named(schema: &str) -> Json {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn or_null(schema: Json) -> Json {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn list(items: Json) -> Json {
    json!({"type": "array", "items": items})
}

fn holder_of_error() -> Json {
    object(json!({"error": or_null(named("Error"))}), json!({}))
}

fn any() -> Json {
    json!({})
}

pub(super) fn text() -> Json {
    json!({"type": "string"})
}

pub(super) fn flag_type() -> Json {
    json!({"type": "boolean"})
}

pub(super) fn timeout() -> Json {
    says("At most so long, milliseconds", json!({"type": "integer"}))
}

fn count() -> Json {
    json!({"type": "integer", "minimum": 0})
}

fn time() -> Json {
    json!({"type": "string", "format": "date-time"})
}

fn code() -> Json {
    json!({"type": "string", "pattern": "^A[0-9]{4}$"})
}

fn syncs() -> Json {
    let all = [Sync::Synced, Sync::OutOfSync, Sync::Unknown];
    json!({"enum": all.map(Sync::word)})
}

fn healths() -> Json {
    let all = [Health::Healthy, Health::Progressing, Health::Degraded, Health::Missing, Health::Unknown];
    json!({"enum": all.map(Health::word)})
}

fn kinds() -> Json {
    json!({"enum": Kind::ALL.map(Kind::word)})
}

fn actions() -> Json {
    json!({"enum": ["create", "update", "recreate", "delete", "held", "step"]})
}

fn reasons() -> Json {
    use ReasonCode as Code;
    json!({"enum": [
        Code::ManifestNew, Code::ManifestChanged, Code::ManifestRemoved, Code::Missing, Code::Drift, Code::ImageMoved,
        Code::DependencyReplaced, Code::DestroyAsked, Code::Rollback,
    ]})
}
