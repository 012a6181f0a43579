//! Everything of `/domain/zone/{zone}` but its records.

use serde_json::{Value, json};

use super::state::{Row, State, Task, Zone, date_now};
use super::zonefile::{self, Entry};
use crate::dns::zone::absolute;
use crate::ovh_api::{Call, Reply, bad_request, conflict, no_such_object, no_such_service, no_such_url};

pub(super) fn answer(state: &mut State, name: &str, rest: &[&str], call: &Call) -> Reply {
    let fresh = Fresh(state.next_id());
    let habits = &state.habits;
    let (export, drafts) = (habits.export, habits.export_drafts);
    let Some(zone) = state.zones.get_mut(name) else {
        return no_such_service();
    };
    let reply = match (call.method.as_str(), rest) {
        ("GET", []) => Reply::ok(about(zone)),
        ("POST", ["refresh"]) => refresh(zone),
        ("GET", ["soa"]) => Reply::ok(soa(zone)),
        ("PUT", ["soa"]) => set_soa(zone, &call.body),
        ("GET", ["status"]) => Reply::ok(status(zone)),
        ("GET", ["export"]) if export => Reply::ok(json!(text(zone, drafts))),
        ("POST", ["import"]) => import(zone, &call.body, &fresh),
        ("GET", ["task"]) => Reply::ok(tasks(zone, call)),
        ("GET", ["task", id]) => task(zone, id),
        ("POST", ["reset"]) => reset(zone, &call.body, &fresh),
        ("GET", ["history"]) => Reply::ok(json!(zone.history.keys().collect::<Vec<_>>())),
        ("GET", ["history", date]) => moment(zone, date),
        ("POST", ["history", date, "restore"]) => restore(zone, date, &fresh),
        ("GET", ["capabilities"]) => Reply::ok(json!({ "dynHost": true })),
        ("GET", ["dnssec"]) => Reply::ok(json!({ "status": "disabled" })),
        // There are none, and none can be made here.
        ("GET", ["redirection"] | ["dynHost", "record"] | ["dynHost", "login"]) => Reply::ok(json!([])),
        _ => no_such_url(),
    };
    // Ids that a replaced zone took.
    let used = state.zones.get(name).and_then(|zone| zone.rows.keys().max().copied());
    state.skip_ids(used.unwrap_or(0));
    reply
}

/// The next free id of the account.
struct Fresh(u64);

fn about(zone: &Zone) -> Value {
    json!({
        "name": zone.name,
        "dnssecSupported": true,
        "hasDnsAnycast": false,
        "lastUpdate": zone.last_update,
        "nameServers": zone.name_servers,
        "iam": {
            "id": "00000000-0000-0000-0000-000000000000",
            "urn": format!("urn:v1:eu:resource:dnsZone:{}", zone.name),
        },
    })
}

fn refresh(zone: &mut Zone) -> Reply {
    match zone.deploy() {
        Ok(()) => {
            zone.refreshes += 1;
            Reply::no_content()
        }
        Err(why) => conflict(&why),
    }
}

fn soa(zone: &Zone) -> Value {
    json!({
        "server": zone.soa.server,
        "email": zone.soa.email,
        "serial": zone.soa.serial,
        "refresh": zone.soa.refresh,
        "expire": zone.soa.expire,
        "nxDomainTtl": zone.soa.negative_ttl,
        "ttl": zone.soa.ttl,
    })
}

/// The serial is the vendor's: it moves with a refresh.
fn set_soa(zone: &mut Zone, body: &Value) -> Reply {
    let mut changed = zone.soa.clone();
    let numbers = [
        ("refresh", &mut changed.refresh),
        ("expire", &mut changed.expire),
        ("nxDomainTtl", &mut changed.negative_ttl),
        ("ttl", &mut changed.ttl),
    ];
    for (name, field) in numbers {
        let sent = body.get(name).and_then(Value::as_u64);
        if let Some(number) = sent.and_then(|number| u32::try_from(number).ok()) {
            *field = number;
        }
    }
    for (name, field) in [("server", &mut changed.server), ("email", &mut changed.email)] {
        if let Some(sent) = body.get(name).and_then(Value::as_str) {
            if absolute(sent).is_err() {
                return bad_request(&format!("[{name}] is not a name"));
            }
            sent.clone_into(field);
        }
    }
    zone.soa = changed;
    Reply::void()
}

fn status(zone: &Zone) -> Value {
    let errors: Vec<&String> = zone.conflict.iter().collect();
    json!({ "isDeployed": errors.is_empty(), "errors": errors, "warnings": [] })
}

fn text(zone: &Zone, drafts: bool) -> String {
    if drafts {
        zonefile::export(&zone.rows.values().collect::<Vec<_>>(), &zone.soa)
    } else {
        zonefile::export(&zone.published.iter().collect::<Vec<_>>(), &zone.published_soa)
    }
}

/// Replaces every record: even one that stays the same gets another id (terraform-provider-ovh issue 275).
fn import(zone: &mut Zone, body: &Value, fresh: &Fresh) -> Reply {
    let Some(text) = body.get("zoneFile").and_then(Value::as_str) else {
        return bad_request("Missing required parameter: zoneFile");
    };
    let mut soa = zone.soa.clone();
    let entries = match zonefile::parse(text, &zone.name, &mut soa) {
        Ok(entries) => entries,
        // Guessed text, here and in every other refusal of a file.
        Err(why) => return bad_request(&why),
    };
    let before = std::mem::replace(&mut zone.soa, soa);
    match replace(zone, entries, fresh) {
        Ok(last) => Reply::ok(begin(zone, "ZoneImport", last + 1)),
        Err(refusal) => {
            zone.soa = before;
            refusal
        }
    }
}

/// Publishes these records instead of all; answers the last id given.
fn replace(zone: &mut Zone, entries: Vec<Entry>, fresh: &Fresh) -> Result<u64, Reply> {
    let mut rows = std::collections::BTreeMap::new();
    for (id, entry) in (fresh.0..).zip(entries) {
        let row = Row { id, sub: entry.sub, kind: entry.kind, target: entry.target, ttl: entry.ttl };
        rows.insert(id, row.checked(&zone.name)?);
    }
    let last = rows.keys().max().copied().unwrap_or(fresh.0);
    let before = std::mem::replace(&mut zone.rows, rows);
    match zone.deploy() {
        Ok(()) => Ok(last),
        Err(why) => {
            zone.rows = before;
            zone.conflict = None;
            Err(conflict(&why))
        }
    }
}

fn begin(zone: &mut Zone, function: &'static str, id: u64) -> Value {
    let task = Task { function, created: date_now(), looks: 0 };
    let body = shown(id, &task);
    zone.tasks.insert(id, task);
    body
}

fn shown(id: u64, task: &Task) -> Value {
    let done = task.progress() == "done";
    json!({
        "id": id,
        "function": task.function,
        "status": task.progress(),
        "canAccelerate": false,
        "canCancel": false,
        "canRelaunch": false,
        "comment": null,
        "creationDate": task.created,
        "todoDate": task.created,
        "lastUpdate": task.created,
        "doneDate": done.then_some(&task.created),
    })
}

fn tasks(zone: &Zone, call: &Call) -> Value {
    let wanted = |name, value: &str| call.parameter(name).is_none_or(|wanted| wanted == value);
    let tasks =
        zone.tasks.iter().filter(|(_, task)| wanted("function", task.function) && wanted("status", task.progress()));
    tasks.map(|(id, _)| json!(id)).collect()
}

fn task(zone: &mut Zone, id: &str) -> Reply {
    let number = id.parse().unwrap_or(0);
    match zone.tasks.get_mut(&number) {
        Some(task) => {
            task.looks += 1;
            Reply::ok(shown(number, task))
        }
        None => no_such_object(id),
    }
}

/// Back to the vendor's own records; `minimized` leaves out all but the name servers. Which others
/// there are is guessed.
fn reset(zone: &mut Zone, body: &Value, fresh: &Fresh) -> Reply {
    let entry = |kind: &str, target: &str| Entry {
        sub: String::new(),
        kind: kind.to_owned(),
        target: target.to_owned(),
        ttl: 0,
    };
    let servers = zone.name_servers.iter();
    let mut entries: Vec<Entry> = servers.map(|server| entry("NS", &format!("{server}."))).collect();
    let chosen = body.get("DnsRecords").and_then(Value::as_array);
    let text = |record: &Value, name: &str| {
        let text = record.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    match chosen {
        Some(records) => {
            entries.extend(records.iter().map(|record| entry(&text(record, "fieldType"), &text(record, "target"))))
        }
        None if body.get("minimized") == Some(&Value::Bool(true)) => (),
        None => entries.extend([entry("A", "213.186.33.5"), entry("MX", "1 mx0.mail.ovh.net.")]),
    }
    match replace(zone, entries, fresh) {
        Ok(_) => Reply::void(),
        Err(refusal) => refusal,
    }
}

fn moment(zone: &Zone, date: &str) -> Reply {
    if zone.history.contains_key(date) {
        let url = format!("https://history.invalid/{}/{date}", zone.name);
        Reply::ok(json!({ "creationDate": date, "zoneFileUrl": url }))
    } else {
        no_such_object(date)
    }
}

fn restore(zone: &mut Zone, date: &str, fresh: &Fresh) -> Reply {
    let Some(rows) = zone.history.get(date) else {
        return no_such_object(date);
    };
    let entries = rows
        .iter()
        .map(|row| Entry { sub: row.sub.clone(), kind: row.kind.clone(), target: row.target.clone(), ttl: row.ttl })
        .collect();
    match replace(zone, entries, fresh) {
        Ok(last) => Reply::ok(begin(zone, "ZoneRestore", last + 1)),
        Err(refusal) => refusal,
    }
}
