//! The schemas of the document, and the parts of which they are made. Schemas are open: fields are only ever added
//! within `v1`.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use crate::accounts::Role;
use crate::engine::commands::act::{ArgRow, ArgShape, TIMEOUT_MS_MAX, UNTIL_MS_MAX};
use crate::engine::commands::reads::{self, ReadSchema};
use crate::engine::commands::verbs::VERBS;
use crate::engine::report::instances::InstanceState;
use crate::engine::report::status::{Health, Sync};
use amarre_core::manifest::Severity;
use amarre_core::model::plan::Wait;
use amarre_core::model::{Kind, ReasonCode};

/// Makes the schemas of structs, each to be found below the components of the document.
pub fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.into_generator()
}

/// All schemas, by name.
pub fn all() -> Map<String, Json> {
    let parts =
        [general(), passes(), manifests(), services(), instances(), differences(), plans(), streamed(), remaining()];
    let parts = parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten();
    let mut generator = generator();
    for row in reads::all() {
        if let ReadSchema::OfStruct(schema) = row.schema {
            schema(&mut generator);
        }
    }
    parts.chain(generator.take_definitions(true)).collect()
}

/// Shared parts.
fn general() -> Json {
    json!({
        "OpenApi": object(json!({"openapi": text(), "info": any_json(), "servers": any_json(), "security": any_json(), "paths": any_json(),
            "components": any_json()}), json!({})),
        "Token": object(token(), json!({})),
        "NewToken": object(with(token(), "token", described("Shown this once", text())), json!({})),
        "Tokens": object(json!({"schema": text(), "tokens": list(named("Token"))}), json!({})),
        "Notifications": object(json!({"schema": text(), "channels": list(object(json!({
            "name": text(), "by": {"enum": ["slack", "discord", "ntfy", "smtp", "webhook"]}, "on": list(text()),
            "services": described("Empty: all", list(text())), "after_s": described("Only what lasts so long", count()),
            "sent_at": or_null(time()), "error": or_null(object(json!({"message": text(), "at": time()}), json!({}))),
        }), json!({})))}), json!({})),
        "Audit": object(json!({"schema": text(), "next": or_null(count()), "audit": list(object(json!({
            "id": count(), "at": time(), "who": text(), "address": text(), "action": text(), "target": text(), "result": text(),
            "count": described("How often, of what was refused", count()), "until_at": described("When it was refused last", time()),
        }), json!({})))}), json!({})),
        "User": object(json!({"email": text(), "name": text(), "role": text(), "created_at": time()}), json!({})),
        "Users": object(json!({"schema": text(), "users": list(named("User"))}), json!({})),
        "Problem": object(json!({
            "type": described("Where the page of the code is", text()), "title": text(), "status": count(), "code": code(),
            "hints": list(named("Hint")),
        }), json!({"errors": described("All that is wrong with a manifest", list(object(json!({
            "code": code(), "detail": text(), "hints": list(named("Hint")),
        }), json!({}))))})),
        "Hint": object(json!({"text": text()}), json!({
            "command": described("A complete command", text()), "template": template(), "args": args(),
        })),
        "Error": object(json!({"code": code(), "message": text()}), json!({
            "hints": list(named("Hint")), "template": template(), "args": args(),
        })),
        "Refusal": object(json!({
            "code": code(), "message": text(), "hints": list(named("Hint")),
            "found": {"type": "object", "additionalProperties": text()},
        }), json!({"template": template(), "args": args()})),
        "Gap": object(json!({
            "provider": text(), "zone": or_null(text()), "since": time(), "error": named("Error"),
        }), json!({
            "needed": described("In plans: a manifest wants something there, or something of ours is there", flag_type()),
            "resource": described("The address of the one thing that is hidden; without it, and without a zone, all of the provider is", text()),
            "part": named("ProviderPart"),
        })),
        "ProviderPart": object(json!({
            "word": described("What it is: `machine`", text()), "path": described("Which: `lab/m2`", text()),
        }), json!({})),
        "Revision": object(
            json!({"id": described("Empty before the first look", text()), "kind": {"enum": ["git", "folder"]}, "label": text()}),
            json!({"subject": text(), "author": text(), "committed_at": time(), "branch": text()}),
        ),
        "Value": described("Of a field. A secret is {\"sensitive\": true}; what is known later has `known_after`", any_json()),
        "Diff": object(json!({
            "field": text(), "from": named("Value"), "to": named("Value"), "sensitive": flag_type(),
        }), json!({})),
        "Reason": object(json!({"code": reasons(), "text": text()}), json!({
            "file": text(), "line": count(), "revision": described("The commit of the file", text()),
            "who": described("Its author", text()), "at": time(),
        })),
    })
}

/// The result of a pass.
fn passes() -> Json {
    json!({
        "Health": object(json!({
            "status": {"enum": ["ok", "degraded", "starting"]}, "services": count(), "attention": count(), "gaps": count(),
            "ledger": flag_type(), "source": flag_type(), "checked_at": time(),
        }), json!({
            "stalled_since": described("No look has ended since, for more than three intervals", time()),
            "heartbeat": described("Where `reconcile.heartbeat` is set", object(json!({
                "sent_at": or_null(time()), "error": or_null(object(json!({"message": text(), "at": time()}), json!({}))),
            }), json!({}))),
        })),
        "Status": object(json!({
            "schema": {"const": "amarre.status/v1"}, "instance": or_null(text()), "version": text(), "source": named("Source"),
            "test_mode": described("What is simulated, for want of an account", list(text())),
            "summary": object(json!({
                "services": count(), "synced": count(), "out_of_sync": count(), "unknown": count(),
                "attention": described("Everything that needs a person", count()),
                "open": described("Services that everyone can reach", count()),
                "no_tls": described("Services with a route over plain HTTP", count()),
            }), json!({})),
            "needs_you": described("What needs a person: problems beside the services, services, servers and pools", list(object(json!({
                "kind": {"enum": ["site", "service", "instance", "pool"]},
            }), json!({"name": text(), "code": text()})))),
            "planning_only": described("The ledger is new and nobody has applied", flag_type()),
            "ledger": holder_of_error(), "configuration": holder_of_error(), "listener": holder_of_error(), "guard": or_null(named("Refusal")),
            "providers": list(named("Provider")), "services": list(named("Service")),
            "certificates": described("What Let's Encrypt would still give", list(object(json!({
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
            json!({
                "version": text(), "zone": or_null(text()), "since": time(), "error": named("Error"), "next_try_at": time(),
                "part": described("Only this part of it is concerned", named("ProviderPart")),
            }),
        ),
    })
}

/// Manifests, their diagnostics, and findings about the set-up.
fn manifests() -> Json {
    json!({
        "Manifest": object(json!({
            "service": text(), "file": text(), "text": text(), "tag": described("Of the text: what a change names", text()),
            "alone": described("The file holds nothing else", flag_type()),
        }), json!({})),
        "Written": object(json!({
            "service": text(), "file": text(), "tag": text(), "written": described("False: it was a dry run", flag_type()),
            "plan": described("What is done for it; null: nothing", or_null(named("PlanService"))),
        }), json!({
            "text": described("Of a template: what it became", text()),
            "secrets": described("Of a template: what is generated for it", list(text())),
            "notes": described("Of a template: what is to be done then", text()),
        })),
        "Templates": object(json!({"templates": list(object(json!({
            "name": text(), "title": text(), "about": text(),
            "parameters": list(object(json!({"key": text(), "about": text(), "default": text()}), json!({}))),
        }), json!({})))}), json!({})),
        "Validated": object(json!({
            "schema": {"const": "amarre.validate/v1"}, "revision": named("Revision"), "good": count(),
            "broken": described("Services whose manifest or secret is not good", list(text())),
            "diagnostics": list(object(json!({
                "code": code(), "severity": {"enum": ["error", "warning"]}, "file": text(), "line": count(), "column": count(),
                "message": text(),
            }), json!({"hint": text(), "service": text()}))),
        }), json!({})),
        "Doctor": object(json!({
            "schema": {"const": "amarre.doctor/v1"}, "wrong": count(), "know": count(),
            "findings": list(object(json!({
                "topic": text(), "verdict": {"enum": ["good", "unchecked", "know", "wrong"]}, "text": text(), "notes": list(text()),
                "hints": list(text()),
            }), json!({"code": code()}))),
        }), json!({})),
    })
}

/// Servers at clouds.
fn instances() -> Json {
    let power = || json!({"enum": ["on", "off", "shelved"]});
    let tick = || object(json!({"at": time(), "to": power()}), json!({}));
    let managed = object(
        json!({
            "manifest": text(), "file": text(), "rule": described("`schedule`, or the power that it says", text()),
            "wanted": described("Null: it is neither started nor stopped", or_null(power())), "because": text(),
            "override": described("What holds in place of the rule", or_null(any_json())), "next": or_null(tick()),
        }),
        json!({}),
    );
    let instance = || {
        json!({
            "name": text(), "vendor_name": text(), "id": text(), "cloud": text(), "project": text(), "region": text(),
            "type": text(), "addresses": list(text()), "domains": described("The names that its manifest gives it", list(text())),
            "state": {"enum": InstanceState::ALL.map(InstanceState::word)}, "status": described("The vendor's word", text()),
            "pending": described("Why what its manifest says is not done, or not yet; null: nothing is held", or_null(named("Pending"))),
            "under_way": described("What its vendor does with it now; null: nothing", or_null(object(json!({
                "what": text(), "since": time(), "until": described("When it is taken for failed; null: no manifest waits for it", or_null(time())),
            }), json!({})))),
            "unanswered": described("Why it is not ready although it runs; null: it is, or nothing is said of `ready`", or_null(text())),
            "billing": {"enum": ["hour", "month"]}, "cost": described("Without tax; null: it is not known", or_null(object(json!({
            "hour": or_null(text()), "month": text(), "currency": text(),
        }), json!({})))),
        "saved": described("What its timetable saved; null: it has none", or_null(object(with(with(saved(),
            "off_is_billed", described("Its vendor bills it while it is off", flag_type())),
            "without_snapshot", described("What its snapshot costs is not taken off", flag_type())), json!({})))),
        "created": or_null(text()), "managed": or_null(managed.clone()),
            "seen_at": time(), "attention": flag_type(),
            "gap": described("Why it is not seen now", or_null(named("Error"))),
        })
    };
    json!({
        "Instances": object(json!({
            "schema": {"const": "amarre.instances/v1"}, "at": time(), "total": count(), "next": or_null(count()),
            "gaps": list(object(json!({"cloud": text(), "place": text(), "code": code(), "message": text(), "hint": text()}), json!({}))),
            "saved": described("The sums of all that match, by currency", list(object(saved(), json!({})))),
            "instances": list(named("Instance")),
        }), json!({})),
        "Instance": object(instance(), json!({})),
        "InstanceWithEvents": object(with(with(instance(), "schema", text()), "events", list(named("Event"))), json!({})),
        "InstanceSchedule": object(json!({
            "schema": text(), "name": text(), "timezone": text(), "on": list(text()), "off": list(text()), "off_as": text(),
            "next": list(tick()),
        }), json!({})),
        "InstanceLog": object(json!({
            "schema": text(), "name": text(), "id": text(),
            "lines": list(named("InstanceLogLine")),
            "console": described("What the server itself prints; null: its vendor does not give it", or_null(text())),
        }), json!({})),
        "InstanceLogLine": object(json!({
            "at": time(), "kind": described("`request`, `status`, or the kind of an event", text()), "text": text(),
        }), json!({"template": template(), "args": args()})),
    })
}

/// Machines that people reserve.
fn saved() -> Json {
    json!({
        "month": described("In this month of UTC", text()), "week": described("Today and in the six days before", text()),
        "currency": described("Null: no price is known yet", or_null(text())),
    })
}

fn services() -> Json {
    json!({
        "Services": object(json!({
            "schema": {"const": "amarre.status/v1"}, "services": list(named("Service")),
            "total": described("So many fit", count()), "next": described("For `cursor`; null: this is the end", or_null(count())),
        }), json!({})),
        "Service": object(service_always(), service_sometimes()),
        "ServiceWithEvents": object(with(service_always(), "events", list(named("Event"))), service_sometimes()),
        "Resource": object(json!({
            "address": text(), "kind": kinds(), "name": text(), "sync": syncs(), "health": healths(), "detail": text(),
            "drift": list(named("Diff")),
        }), json!({
            "since": described("Since when `detail` is so, where it counts a time", time()), "failure": named("Failure"), "job": described("Its name in the manifest, of a job", text()),
            "owned": described("It is used, and not Amarre's", json!({"const": false})),
            "simulated": described("Test mode: it is not real", json!({"const": true})),
        })),
        "Trouble": object(json!({"code": code(), "message": text(), "hints": list(named("Hint"))}), json!({
            "template": template(), "args": args(),
            "doing": text(), "first_at": time(), "count": count(), "failure": named("Failure"),
        })),
        "Pending": object(json!({"code": or_null(code()), "message": text(), "hints": list(named("Hint"))}), json!({
            "template": template(), "args": args(),
        })),
        "Protected": object(json!({
            "code": code(), "message": text(), "hints": list(named("Hint")), "purge": described("Only with its data", flag_type()),
        }), json!({"template": template(), "args": args()})),
        "Failure": object(json!({
            "generation": text(), "image": text(), "message": text(), "exit_code": or_null(json!({"type": "integer"})),
            "restarts": count(), "tries": count(), "first_at": time(), "at": time(), "run": count(),
            "last_line": or_null(text()), "log_note": described("Why there are no lines", or_null(text())),
        }), json!({})),
        "Waiting": object(json!({
            "what": text(), "since": or_null(time()), "limit_s": or_null(count()), "by_itself": flag_type(),
            "deadline": described("`since` and `limit_s`", or_null(time())),
            "job": described("That is waited for, by its name in the manifest", or_null(text())),
            "next_at": or_null(time()), "hints": list(named("Hint")),
        }), json!({"template": template(), "args": args()})),
        "Condition": object(json!({
            "type": {"enum": crate::engine::report::conditions::TYPES}, "status": {"enum": ["True", "False", "Unknown"]},
            "reason": text(), "message": text(),
        }), json!({"since": time()})),
        "Event": object(json!({
            "at": time(), "run": count(), "kind": described("`created`, `updated`, `deleted`, `failed`, …", text()),
            "address": or_null(text()), "text": text(),
        }), json!({"template": template(), "args": args()})),
    })
}

fn service_always() -> Json {
    json!({
        "name": text(), "host": text(), "sync": syncs(), "health": healths(), "attention": described("Needs somebody", flag_type()),
        "deleted": described("Its manifest is gone, and only its data is left", flag_type()),
        "what_now": described("Empty when all is well", text()), "urls": list(object(json!({"url": text()}), json!({}))),
        "suspended": or_null(object(json!({"by": text(), "why": text(), "since": time()}), json!({}))),
        "error": or_null(named("Trouble")), "resources": list(named("Resource")),
        "stalled": described("What it waits for will not come by itself", flag_type()), "next_try_at": or_null(time()),
        "waiting": or_null(named("Waiting")), "conditions": list(named("Condition")),
    })
}

fn service_sometimes() -> Json {
    json!({
        "since": described("Absent until a process has seen it change", time()),
        "protected": described("Why it cannot be destroyed; absent: it can", named("Protected")),
        "bases": described("The images that it is built from; absent: it is not built", list(object(base_keys(), json!({})))),
    })
}

/// An image that something is built from.
pub(super) fn base_keys() -> Json {
    json!({
        "image": text(), "digest": described("What every build has; null: it came from no registry", or_null(text())),
        "newer": described("What the registry has by now, where that is another one", or_null(text())),
        "asked_at": or_null(time()), "error": described("Why the registry did not say", or_null(text())),
    })
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
        "id": text(), "digest": described("Of everything but `made_at`, `gaps` and `notes`", text()), "made_at": time(),
        "revision": named("Revision"), "summary": named("PlanSummary"),
        "guard": or_null(object(
            json!({"code": code(), "message": text(), "confirm": or_null(text())}),
            json!({"template": template(), "args": args()}),
        )),
        "services": list(named("PlanService")), "gaps": list(named("Gap")), "diagnostics": list(named("Diagnostic")),
        "notes": described("What servers cost a month, what stays", list(object(json!({
            "text": text(), "service": or_null(text()),
        }), json!({"code": code()})))),
    });
    let downtime = || described("Away for about so long; 0 = not at all, absent = not known", count());
    let names = |object: &Json| object.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    let all = names(&made);
    json!({
        "Plan": with(
            object(json!({"schema": described("Alone before the first look", json!({"const": "amarre.plan/v1"}))}), made),
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
            "seq": described("The order of execution, from 1", count()), "address": text(), "kind": kinds(), "name": text(),
            "action": actions(), "step": or_null(json!({"enum": ["build", "drain", "job", "pull"]})), "gate": named("Gate"),
            "reason": named("Reason"), "fields": list(named("Diff")), "needs": list(text()),
            "impact": object(json!({"exposes": list(text())}), json!({"downtime_s": downtime(), "costs_money": flag_type()})), "refusal": or_null(named("Refusal")),
        }), json!({})),
        "Gate": {"oneOf": [
            object(json!({"state": {"const": "now"}}), json!({})),
            object(json!({"state": {"const": "after"}, "needs": list(object(
                json!({"on": text(), "is": {"enum": ["present", "ready", "listening", "absent"]}}), json!({"port": count()})))}), json!({})),
            object(json!({"state": {"const": "until"}, "at": time(),
                "what": {"enum": Wait::ALL.map(Wait::word)}}), json!({})),
            object(json!({"state": {"const": "held"}, "refusal": named("Refusal")}), json!({})),
        ]},
        "Diagnostic": object(json!({
            "code": code(), "severity": {"enum": [Severity::Error.word(), Severity::Warning.word()]}, "file": text(),
            "line": described("From 1; 0 = the file as a whole", count()), "column": count(), "end_line": count(),
            "end_column": count(), "message": text(), "hint": or_null(text()), "service": or_null(text()),
        }), json!({})),
    })
}

/// Events, runs and explanations.
fn streamed() -> Json {
    let event = json!({
        "at": time(), "run": count(), "service": or_null(text()), "address": or_null(text()), "kind": text(),
        "reason": or_null(text()), "text": text(),
    });
    let parts = || json!({"template": template(), "args": args()});
    let next = || described("For `cursor`; null: this is the end", or_null(count()));
    json!({
        "Events": object(json!({
            "schema": {"const": "amarre.events/v1"}, "next": next(),
            "events": list(object(with(event.clone(), "id", count()), parts())),
        }), json!({})),
        "History": object(json!({"schema": {"const": "amarre.history/v1"}}), json!({
            "runs": list(object(json!({
                "id": count(), "started_at": time(), "ended_at": or_null(time()), "revision": text(),
                "result": or_null(text()), "writes": count(),
            }), json!({}))),
            "next": next(), "events": list(object(event, parts())), "service": text(),
            "versions": list(object(json!({
                "revision": text(), "good_at": time(), "now": flag_type(), "images": list(text()), "file": or_null(text()),
            }), json!({}))),
        })),
        "Explain": object(json!({
            "schema": {"const": "amarre.explain/v1"}, "address": text(),
            "facts": {"type": "object", "additionalProperties": text()},
            "fields": list(object(json!({"field": text(), "value": text(), "from": text()}), json!({}))),
            "next": or_null(text()),
        }), json!({})),
        "Trace": object(json!({
            "schema": {"const": "amarre.trace/v1"}, "domain": text(), "managed": flag_type(), "stops_at": or_null(text()),
            "steps": list(object(json!({
                "step": text(), "what": text(), "found": text(), "verdict": text(),
                "ms": or_null(json!({"type": "integer"})), "hint": or_null(text()),
            }), json!({}))),
        }), json!({})),
        "Logs": object(json!({
            "schema": {"const": "amarre.logs/v1"},
            "containers": list(object(json!({
                "container": text(), "generation": or_null(text()), "service": or_null(text()), "image": or_null(text()),
                "lines": list(text()), "log_note": described("Why there are no lines", or_null(text())),
            }), json!({
                "message": text(), "exit_code": or_null(json!({"type": "integer"})), "restarts": count(), "tries": count(),
                "first_at": time(), "at": time(), "run": count(), "last_line": or_null(text()),
            }))),
        }), json!({})),
        "Unmanaged": object(json!({
            "schema": {"const": "amarre.unmanaged/v1"}, "at": time(),
            "items": list(object(json!({
                "address": text(), "kind": kinds(), "name": text(), "instance": or_null(text()),
            }), json!({
                "type": described("Of a record", text()),
                "value": described("Of a record; of a certificate, how long it is valid", text()),
            }))),
        }), json!({})),
    })
}

/// A token, without its secret.
fn token() -> Json {
    json!({
        "name": text(), "role": roles(), "services": described("Only for these; null: for all", or_null(list(text()))),
        "user": described("Whose it is", or_null(text())), "created_at": time(),
        "expires_at": described("null: not by itself", or_null(time())), "used_at": or_null(time()),
    })
}

/// Subnets, and commands.
fn remaining() -> Json {
    json!({
        "Subnets": object(json!({
            "schema": {"const": "amarre.subnets/v1"}, "pools": list(named("Pool")), "subnets": list(named("Subnet")),
        }), json!({"at": described("Absent before the first look", time())})),
        "Pool": object(json!({
            "pool": text(), "prefix": count(), "leased": count(), "foreign": count(), "free": count(), "next": or_null(text()),
        }), json!({})),
        "Subnet": object(json!({
            "subnet": text(), "host": described("null: counts on every host", or_null(text())),
            "service": described("null: not ours", or_null(text())), "by": described("What holds it, where it is not ours", text()),
            "network_exists": flag_type(),
            "addresses": list(object(json!({"address": text(), "who": text()}), json!({}))),
        }), json!({})),
        "PublicKey": object(json!({"schema": text(), "key": text()}), json!({"app": text(), "url": text()})),
        "InstanceManifests": object(json!({"schema": text(), "manifests": list(text())}), json!({})),
        "Answer": object(json!({
            "document": described("For machines", any_json()), "text": described("What the command prints", text()),
            "exit": described("Its exit code", count()),
        }), json!({})),
        "Act": {"oneOf": VERBS.into_iter().map(|row| {
            let (always, sometimes): (Vec<&ArgRow>, Vec<&ArgRow>) = row.args.iter().partition(|arg| arg.is_required);
            closed(row.word, arguments(always), arguments(sometimes))
        }).collect::<Vec<_>>()},
        "ActLine": {"oneOf": [
            object(json!({"step": named("Step")}), json!({})),
            object(json!({"end": described("null: Amarre is stopping", or_null(named("Answer")))}), json!({})),
        ]},
        "LogLine": {"oneOf": [
            object(json!({"line": object(json!({
                "container": text(), "generation": described("Which version of it", or_null(text())), "service": text(), "line": text(),
            }), json!({}))}), json!({})),
            object(json!({"end": described("null: Amarre is stopping", or_null(named("Answer")))}), json!({})),
        ]},
        "Step": object(json!({
            "at_ms": count(), "service": text(), "state": {"enum": ["begun", "going", "done", "failed", "waiting"]}, "action": text(),
            "kind": text(), "name": text(), "detail": text(), "took_ms": count(),
        }), json!({})),
    })
}

/// Arguments of a verb.
pub fn arguments<'a>(args: impl IntoIterator<Item = &'a ArgRow>) -> Json {
    let schema = |shape: ArgShape| match shape {
        ArgShape::Text | ArgShape::By => text(),
        ArgShape::TextOrNull => or_null(text()),
        ArgShape::Texts => list(text()),
        ArgShape::Single => with(with(list(text()), "minItems", json!(1)), "maxItems", json!(1)),
        ArgShape::Flag => flag_type(),
        ArgShape::Count => or_null(count()),
        ArgShape::Timeout => timeout(),
        ArgShape::Until => or_null(until_time()),
        ArgShape::Span => or_null(described("Milliseconds", count())),
    };
    args.into_iter().map(|arg| (arg.name.to_owned(), schema(arg.shape))).collect()
}

// Parts of schemas.

/// Required fields, and optional ones.
pub fn object(always: Json, sometimes: Json) -> Json {
    let fields = |json: Json| match json {
        Json::Object(fields) => fields,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Map::new(),
    };
    let mut properties = fields(always);
    let required: Vec<String> = properties.keys().cloned().collect();
    properties.extend(fields(sometimes));
    json!({"type": "object", "required": required, "properties": properties})
}

/// A command: no other key beside it, and no unknown one in it.
fn closed(command: &str, always: Json, sometimes: Json) -> Json {
    let inner = with(object(always, sometimes), "additionalProperties", json!(false));
    with(object(json!({command: inner}), json!({})), "additionalProperties", json!(false))
}

pub fn with(mut object: Json, name: &str, value: Json) -> Json {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}

pub fn described(what: &str, schema: Json) -> Json {
    with(schema, "description", json!(what))
}

pub fn named(schema: &str) -> Json {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

pub fn or_null(schema: Json) -> Json {
    json!({"anyOf": [schema, {"type": "null"}]})
}

pub fn list(items: Json) -> Json {
    json!({"type": "array", "items": items})
}

fn holder_of_error() -> Json {
    object(json!({"error": or_null(named("Error"))}), json!({}))
}

pub fn any_json() -> Json {
    json!({})
}

/// Texts by arbitrary names.
pub fn texts() -> Json {
    json!({"type": "object", "additionalProperties": text()})
}

pub fn text() -> Json {
    json!({"type": "string"})
}

/// A text of this format.
pub fn written(pattern: &str) -> Json {
    json!({"type": "string", "pattern": pattern})
}

/// A text that is neither empty nor long; an error states any further condition.
pub fn line() -> Json {
    json!({"type": "string", "minLength": 1, "maxLength": 100})
}

pub fn flag_type() -> Json {
    json!({"type": "boolean"})
}

fn timeout() -> Json {
    let schema = json!({"type": "integer", "minimum": 0, "maximum": TIMEOUT_MS_MAX, "default": 900_000});
    described("At most so long, milliseconds", schema)
}

fn until_time() -> Json {
    described("Milliseconds since 1970", json!({"type": "integer", "minimum": 0, "maximum": UNTIL_MS_MAX}))
}

pub fn count() -> Json {
    json!({"type": "integer", "minimum": 0})
}

pub fn time() -> Json {
    json!({"type": "string", "format": "date-time"})
}

/// The English template of the sentence beside it.
fn template() -> Json {
    described("The sentence beside it with the names of its arguments in braces, to say it in another language", text())
}

fn args() -> Json {
    described("The arguments of `template` by name, each as `{TYPE: VALUE}`", json!({"type": "object"}))
}

fn code() -> Json {
    json!({"type": "string", "pattern": "^A[0-9]{4}$"})
}

pub fn roles() -> Json {
    json!({"enum": Role::ALL.map(Role::word)})
}

pub fn syncs() -> Json {
    json!({"enum": Sync::ALL.map(Sync::word)})
}

pub fn healths() -> Json {
    json!({"enum": Health::ALL.map(Health::word)})
}

fn kinds() -> Json {
    json!({"enum": Kind::ALL.map(Kind::word)})
}

fn actions() -> Json {
    json!({"enum": ["create", "update", "recreate", "delete", "held", "step"]})
}

fn reasons() -> Json {
    json!({"enum": ReasonCode::ALL})
}
