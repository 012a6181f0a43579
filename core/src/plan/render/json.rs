//! A plan as machines read it: `amarre.plan/v1`. Secrets are `sensitive` and nothing more.

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::{PlanLine, Sign, downtime_lines, held};
use crate::manifest::Diagnostic;
use crate::model::plan::{Gate, Reason, Refusal};
use crate::model::{
    Change, FieldDiff, Gap, GapScope, Hint, History, Millis, Need, Note, ReasonCode, State, Text, Timestamp, Value,
    Verb,
};
use crate::plan::forecast::Forecast;
use crate::plan::input::Input;

/// The document. The digest covers everything but the time, gaps and notes.
pub fn plan(
    input: &Input<'_>,
    forecast: &Forecast,
    revision: &Json,
    diagnostics: &[Diagnostic],
    now: Timestamp,
) -> Json {
    let by_service = super::lines(input, forecast);
    let summary = super::summary(input, forecast, &by_service);
    let waiting = held(forecast);
    let down = downtime_lines::services(input, forecast);
    let services: Vec<Json> =
        by_service.iter().map(|(name, lines)| service(input, forecast, &down, name, lines)).collect();
    let guard = forecast.plan.guard.as_ref().map(|guard| {
        let command = guard.hints.iter().find_map(|hint| hint.command.clone());
        let mut object = Map::new();
        object.insert("code".to_owned(), json!(guard.code));
        guard.message.insert_into(&mut object, "message");
        object.insert("confirm".to_owned(), json!(command));
        Json::Object(object)
    });
    let mut counts = json!({
        "create": summary.create, "update": summary.update, "recreate": summary.recreate, "delete": summary.delete,
        "adopt": 0, "release": summary.release, "forget": 0, "held": summary.refused + summary.failed + summary.reported + waiting.len(),
        "services_changed": summary.services_changed, "services_in_sync": summary.services_in_sync + summary.others_in_sync,
    });
    // Services go side by side: the slowest tells how long.
    let lengths: Option<Vec<Millis>> = down.values().map(|expected| Some((*expected)?.about)).collect();
    put_downtime(&mut counts, lengths.map(|lengths| lengths.into_iter().max().unwrap_or_default()));
    let mut document = json!({
        "schema": "amarre.plan/v1",
        "revision": revision,
        "summary": counts,
        "guard": guard,
        "services": services,
        "diagnostics": diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
    });
    let digest = hex::encode(Sha256::digest(english(&document).to_string().as_bytes()));
    if let Some(object) = document.as_object_mut() {
        // Since when something is hidden does not make it another plan.
        let gaps = forecast.plan.gaps.iter().map(|hidden| {
            let mut document = gap(hidden);
            document["needed"] = json!(is_needed(input, forecast, hidden));
            document
        });
        object.insert("gaps".to_owned(), gaps.collect());
        object.insert("notes".to_owned(), forecast.plan.notes.iter().map(note).collect());
        object.insert("id".to_owned(), json!(format!("p-{}", &digest[..8])));
        object.insert("digest".to_owned(), json!(format!("sha256:{digest}")));
        object.insert("made_at".to_owned(), json!(now.rfc3339()));
    }
    document
}

/// The document without the templates and arguments beside its sentences: what is said counts, and not how it is kept.
fn english(document: &Json) -> Json {
    fn strip(said: &mut Json) {
        if let Some(object) = said.as_object_mut() {
            object.remove("template");
            object.remove("args");
        }
        let hints = said.get_mut("hints").and_then(Json::as_array_mut);
        hints.into_iter().flatten().for_each(strip);
    }
    let mut document = document.clone();
    document.get_mut("guard").into_iter().for_each(strip);
    let services = document.get_mut("services").and_then(Json::as_array_mut).into_iter().flatten();
    let changes = services.filter_map(|service| service.get_mut("changes")?.as_array_mut()).flatten();
    for change in changes {
        for place in ["/refusal", "/gate/refusal"] {
            change.pointer_mut(place).into_iter().for_each(strip);
        }
    }
    document
}

/// What is said beside the changes: what servers cost, what stays.
fn note(note: &Note) -> Json {
    let mut document =
        json!({"text": note.text.to_string(), "service": (!note.service.is_empty()).then_some(&note.service)});
    if let Some(code) = note.code {
        document["code"] = json!(code);
    }
    document
}

/// Whether a manifest wants something there, or something of ours is there: then a plan without it is not whole.
fn is_needed(input: &Input<'_>, forecast: &Forecast, gap: &Gap) -> bool {
    forecast.wants.map.keys().chain(input.facts.applied.keys()).any(|address| gap.covers(address))
}

fn service(
    input: &Input<'_>,
    forecast: &Forecast,
    down: &downtime_lines::Services<'_>,
    name: &str,
    lines: &[PlanLine<'_>],
) -> Json {
    let manifest = input.services.get(name);
    let sign = lines.iter().filter(|line| line.counts).map(PlanLine::sign).min().unwrap_or(Sign::Step);
    let history = &input.facts.history;
    let changes: Vec<Json> = lines.iter().enumerate().map(|(at, line)| change(input, at + 1, line)).collect();
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(name));
    object.insert("action".to_owned(), json!(action(sign)));
    if let Some(manifest) = manifest {
        object.insert("host".to_owned(), json!(manifest.host));
        object.insert("file".to_owned(), json!(manifest.origin.file));
        object.insert("line".to_owned(), json!(manifest.origin.line));
    }
    if lines.iter().any(|line| line.replaces.is_some()) {
        let stop_first = forecast.wants.stop_first.contains_key(name);
        object.insert("strategy".to_owned(), json!(if stop_first { "stop-first" } else { "start-first" }));
    }
    let length = down.get(name).map_or(Some(Millis(0)), |expected| expected.map(|expected| expected.about));
    object.extend(length.map(|length| ("downtime_s".to_owned(), json!(downtime_lines::seconds(length)))));
    if let Some(line) = lines.first() {
        object.insert("reason".to_owned(), reason_in(&line.change.because, history));
    }
    object.insert("changes".to_owned(), json!(changes));
    Json::Object(object)
}

fn action(sign: Sign) -> &'static str {
    match sign {
        Sign::Refuse => "held",
        Sign::Delete => "delete",
        Sign::Recreate => "recreate",
        Sign::Update => "update",
        Sign::Create => "create",
        Sign::Adopt => "adopt",
        Sign::Release => "release",
        Sign::Step | Sign::Done | Sign::Failed => "step",
    }
}

/// How long something is away, where that is known.
fn put_downtime(object: &mut Json, length: Option<Millis>) {
    if let (Some(object), Some(length)) = (object.as_object_mut(), length) {
        object.insert("downtime_s".to_owned(), json!(downtime_lines::seconds(length)));
    }
}

fn change(input: &Input<'_>, seq: usize, line: &PlanLine<'_>) -> Json {
    let change = line.change;
    let mut impact = json!({"exposes": change.impact.exposes.iter().map(Text::to_string).collect::<Vec<_>>()});
    put_downtime(&mut impact, downtime_lines::of_change(input, change));
    if change.begins_to_cost() {
        impact["costs_money"] = json!(true);
    }
    let sign = line.sign();
    let action = if sign == Sign::Refuse { change.action() } else { action(sign) };
    let step = match (&change.verb, line.is_job) {
        (Verb::Delete, _) => "drain",
        (Verb::Create(_) | Verb::Update(_), true) => "job",
        (Verb::Create(fields), false) if fields.get("build").is_some() => "build",
        (Verb::Create(_) | Verb::Update(_), false) => "pull",
    };
    json!({
        "seq": seq,
        "address": change.address.to_string(),
        "kind": change.address.kind.word(),
        "name": super::lines::name(&change.address, None),
        "action": action,
        "step": (action == "step").then_some(step),
        "gate": gate(&change.gate),
        "reason": reason_in(&change.because, &input.facts.history),
        "fields": line.diff.iter().map(field).collect::<Vec<_>>(),
        "needs": needs(change),
        "impact": impact,
        "refusal": change.refusal().map(refusal),
    })
}

fn gate(gate: &Gate) -> Json {
    match gate {
        Gate::Now => json!({"state": "now"}),
        Gate::After(needs) => json!({"state": "after", "needs": needs.iter().map(need).collect::<Vec<_>>()}),
        Gate::Until { at, what } => json!({"state": "until", "at": at.rfc3339(), "what": what.word()}),
        Gate::Held(why) => json!({"state": "held", "refusal": refusal(why)}),
    }
}

fn needs(change: &Change) -> Vec<String> {
    match &change.gate {
        Gate::After(needs) => needs.iter().map(|need| need.on.to_string()).collect(),
        Gate::Now | Gate::Until { .. } | Gate::Held(_) => Vec::new(),
    }
}

fn need(need: &Need) -> Json {
    let on = need.on.to_string();
    match need.is {
        State::Present => json!({"on": on, "is": "present"}),
        State::Ready => json!({"on": on, "is": "ready"}),
        State::Listening(port) => json!({"on": on, "is": "listening", "port": port}),
        State::Absent => json!({"on": on, "is": "absent"}),
    }
}

/// A reason with the commit that its file comes from, where the manifest is the reason and the commit is known.
fn reason_in(because: &Reason, history: &History) -> Json {
    let mut json = reason(because);
    let is_manifest =
        matches!(because.code, ReasonCode::ManifestNew | ReasonCode::ManifestChanged | ReasonCode::ManifestRemoved);
    let file = because.origin.as_ref().filter(|_| is_manifest).map(|origin| &origin.file);
    let commit = file.and_then(|file| history.removed.get(file).or_else(|| history.changed.get(file)));
    if let (Some(object), Some(commit)) = (json.as_object_mut(), commit) {
        object.insert("revision".to_owned(), json!(commit.id));
        object.insert("who".to_owned(), json!(commit.author));
        object.insert("at".to_owned(), json!(commit.at.rfc3339()));
    }
    json
}

pub fn reason(reason: &Reason) -> Json {
    let mut object = Map::new();
    object.insert("code".to_owned(), json!(reason.code));
    object.insert("text".to_owned(), json!(reason.text.to_string()));
    if let Some(origin) = &reason.origin {
        object.insert("file".to_owned(), json!(origin.file));
        if origin.line > 0 {
            object.insert("line".to_owned(), json!(origin.line));
        }
    }
    Json::Object(object)
}

pub fn refusal(refusal: &Refusal) -> Json {
    let found: Map<String, Json> =
        refusal.found.iter().map(|(name, value)| (name.to_string(), json!(value.to_string()))).collect();
    let mut object = Map::new();
    object.insert("code".to_owned(), json!(refusal.code));
    refusal.message.insert_into(&mut object, "message");
    object.insert("found".to_owned(), json!(found));
    object.insert("hints".to_owned(), json!(refusal.hints));
    Json::Object(object)
}

/// One field that differs.
pub fn field(diff: &FieldDiff) -> Json {
    let sensitive = [&diff.from, &diff.to].into_iter().flatten().any(Value::is_sensitive);
    json!({
        "field": diff.field,
        "from": diff.from.as_ref().map_or(Json::Null, value),
        "to": diff.to.as_ref().map_or(Json::Null, value),
        "sensitive": sensitive,
    })
}

/// A value; a secret never shows more than that it is one.
pub fn value(value_: &Value) -> Json {
    match value_ {
        Value::None => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::List(items) => Json::Array(items.iter().map(value).collect()),
        Value::Map(entries) => Json::Object(entries.iter().map(|(key, item)| (key.clone(), value(item))).collect()),
        Value::Secret { .. } => json!({"sensitive": true}),
        Value::Output { of, field } => json!({"known_after": of.to_string(), "field": field}),
    }
}

pub fn gap(gap: &Gap) -> Json {
    let hints: Vec<Hint> = gap.hint().into_iter().collect();
    let mut error = Map::new();
    error.insert("code".to_owned(), json!(gap.code));
    gap.message.insert_into(&mut error, "message");
    error.insert("hints".to_owned(), json!(hints));
    let mut document = json!({
        "provider": gap.provider.as_str(),
        "zone": gap.scope.zone(),
        "since": gap.since.rfc3339(),
        "error": error,
    });
    match &gap.scope {
        GapScope::Whole | GapScope::Zone(_) => (),
        GapScope::Part { word, path } => document["part"] = json!({"word": word, "path": path}),
        GapScope::Kind(kind) => document["kind"] = json!(kind.word()),
        GapScope::Resource(resource) => document["resource"] = json!(resource.to_string()),
    }
    document
}

/// What is wrong with a manifest.
pub fn diagnostic(diagnostic: &Diagnostic) -> Json {
    json!({
        "code": diagnostic.code,
        "severity": diagnostic.severity.word(),
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "end_line": diagnostic.end_line,
        "end_column": diagnostic.end_column,
        "message": diagnostic.message.to_string(),
        "hint": diagnostic.hint.as_ref().map(Text::to_string),
        "service": diagnostic.service,
    })
}
