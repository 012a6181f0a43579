//! `amarre explain`: why a resource exists, who owns it, and where each of its fields comes from.

use serde_json::{Value as Json, json};

use super::{CommandAnswer, explain_service, find_address};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::pass_view::PassView;
use crate::engine::report::{status, wait_text};
use crate::ledger::runs::{Event, EventFilter};
use amarre_core::model::{Address, Change, Field, Gate, Kind, Owner, Rule, Seen, Value, Want};
use amarre_core::plan::desired::certificate;
use amarre_core::plan::diff::provenance;
use amarre_core::plan::diff::provenance::FieldSource;
use amarre_core::plan::input::Input;
use amarre_core::plan::protection;
use amarre_core::plan::render::{Style, Tone, lines};

/// One line: its topic and its text.
type Fact = (&'static str, String);

/// A field of the resource.
struct FieldRow {
    name: &'static str,
    /// On one line.
    value: String,
    /// With all its lines.
    whole: String,
    from: String,
}

/// Explains a resource by its address, the end of it, or an IP address that it has; or a service by its name.
pub async fn explain(handle: &Handle, thing: &str, style: Style) -> Option<CommandAnswer> {
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let found = match thing.parse() {
        Ok(ip) => explain_service::having(&pass, ip),
        Err(_) => find_address::matching_addresses(&pass, thing),
    };
    let address = match (found.as_slice(), pass.statuses().get(thing)) {
        ([address], _) => address,
        (_, Some(row)) => return Some(explain_service::service(&pass, row, style)),
        ([], None) => return Some(explain_service::nothing(&pass, thing)),
        (several, None) => return Some(find_address::ambiguous_match(thing, several)),
    };
    let base = address.base().to_string();
    let filter = EventFilter { of: &base, limit: 1_000, ..EventFilter::default() };
    let events = handle.ledger().events_of(&filter).await.unwrap_or_default();
    let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
    let facts = facts(&pass, address, &events);
    let fields = fields(&pass, address);
    let mut text = head(&pass, address, style);
    text.push('\n');
    for (about, said) in &facts {
        text.push_str(&format!("  {about:<18}{said}\n"));
    }
    if !fields.is_empty() {
        let width =
            |of: fn(&FieldRow) -> &str| fields.iter().map(|row| of(row).chars().count()).max().unwrap_or_default();
        let (first, second) = (width(|row| row.name).max(5) + 3, width(|row| &row.value).clamp(5, 36) + 3);
        text.push_str(&format!("\n  {:first$}{:second$}FROM\n", "FIELD", "VALUE"));
        for FieldRow { name: field, value, from, .. } in &fields {
            // A text that does not fit moves to a line of its own and is never cut.
            let gap =
                if value.chars().count() < second { String::new() } else { format!("\n{:1$}", "", first + second + 2) };
            text.push_str(&format!("  {field:first$}{value:second$}{gap}{from}\n"));
        }
    }
    let next = next_step(&pass, address);
    text.push_str(&format!("\n  next   {next}\n"));
    let facts: serde_json::Map<String, Json> =
        facts.into_iter().map(|(about, said)| (about.replace(' ', "_"), json!(said))).collect();
    let row = |row: &FieldRow| json!({"field": row.name, "value": row.whole, "from": row.from});
    let document = json!({
        "schema": "amarre.explain/v1", "address": address.base().to_string(), "facts": facts,
        "fields": fields.iter().map(row).collect::<Vec<_>>(), "next": next,
    });
    Some(CommandAnswer { document, text, exit: 0 })
}

/// `npm.main/proxy-host/cloud.example.org   id 17   OutOfSync`
fn head(pass: &PassView, address: &Address, style: Style) -> String {
    let seen = pass.world.seen.get(address);
    let id = seen.map(|seen| seen.vendor_id.chars().take(12).collect::<String>()).unwrap_or_default();
    let sync = match (change(pass, address), seen, pass.world.gap(address)) {
        (_, _, Some(_)) => "Unknown",
        (Some(_), _, _) => "OutOfSync",
        (None, Some(_), None) if is_foreign(pass, address) => "not managed",
        (None, Some(_), _) => "Synced",
        (None, None, _) => "Missing",
    };
    let id = if id.is_empty() { String::new() } else { format!("id {id}   ") };
    format!("{}   {id}{sync}\n", style.paint(Tone::Bold, &address.base().to_string()))
}

fn change<'a>(pass: &'a PassView, address: &Address) -> Option<&'a Change> {
    pass.plan.changes.iter().find(|change| change.address == *address)
}

/// Whether Amarre does not manage the resource.
fn is_foreign(pass: &PassView, address: &Address) -> bool {
    let is_ours = pass.world.seen.get(address).is_some_and(|seen| seen.owner.is_ours());
    !is_ours && !pass.wants.map.contains_key(address)
}

fn facts(pass: &PassView, address: &Address, events: &[Event]) -> Vec<Fact> {
    let want = pass.wants.map.get(address);
    let mut facts = Vec::new();
    match want {
        Some(want) => {
            let said = |input: &Input<'_>| provenance::origin_of(input, address, want).clone();
            let origin = pass.with_input(said).unwrap_or_else(|| want.origin.clone());
            facts.push(("why it is there", format!("{}, {}:{}", want.service, origin.file, origin.line)));
            facts.extend(explain_service::wanted_by(pass, &origin.file));
        }
        None => facts.push(("why it is there", "no manifest wants it".to_owned())),
    }
    let last = |kind: &str| events.iter().find(|event| event.kind == kind);
    let at = |event: &Event| format!("{} in run {}", wait_text::time(event.at, pass.at), event.run);
    let made = last("created").map(at);
    let written = last("updated").filter(|event| last("created").is_none_or(|made| made.at <= event.at)).map(at);
    match (made, written) {
        (Some(made), Some(written)) => facts.push(("made", format!("{made}, last written {written}"))),
        (Some(made), None) => facts.push(("made", made)),
        (None, Some(written)) => facts.push(("last written", written)),
        (None, None) => (),
    }
    if let Some(seen) = pass.world.seen.get(address) {
        facts.push(("owned by", owner(pass, address, seen)));
    }
    let needs = want.map(|want| want.needs.iter().map(|need| label(&need.on)).collect::<Vec<_>>()).unwrap_or_default();
    let users = pass.wants.map.iter().filter(|(_, other)| other.needs.iter().any(|need| need.on == *address));
    let users: Vec<String> = users.map(|(user, _)| label(user)).collect();
    facts.push(("needs", label_text(needs)));
    facts.push(("needed by", label_text(users)));
    if let Some(seen) = pass.world.seen.get(address).filter(|_| address.kind == Kind::Certificate) {
        facts.push(("lasts", certificate::in_words(&seen.fields, pass.at).to_string()));
    }
    facts
}

fn label_text(mut labels: Vec<String>) -> String {
    labels.sort();
    labels.dedup();
    if labels.is_empty() { "nothing".to_owned() } else { labels.join(", ") }
}

fn label(address: &Address) -> String {
    format!("{} {}", address.kind.label(), lines::name(address, None))
}

/// The owner, and the proof of ownership.
fn owner(pass: &PassView, address: &Address, seen: &Seen) -> String {
    let instance = pass.context.as_ref().map(|context| context.site.instance.as_str()).unwrap_or_default();
    let is_known = pass.facts.applied.contains_key(address);
    match (&seen.owner, is_known) {
        (Owner::Ours, true) => format!("this Amarre ({instance}): ledger and mark agree"),
        (Owner::Ours, false) => format!("this Amarre ({instance}): by its mark; the ledger does not know it yet"),
        (Owner::MarkLost, _) => format!("this Amarre ({instance}): by the ledger; its mark is gone"),
        (Owner::Other(other), _) => format!("the instance {other}"),
        (Owner::Unverified, _) => {
            format!(
                "not known: its mark names this Amarre ({instance}), and no key of ours signed it; it is never deleted"
            )
        }
        (Owner::Foreign, _) if pass.wants.map.contains_key(address) => "not us: it is used as it is".to_owned(),
        (Owner::Foreign, _) => "not us".to_owned(),
    }
}

/// Each field with the origin of its value.
fn fields(pass: &PassView, address: &Address) -> Vec<FieldRow> {
    let schema = pass.with_input(|input| input.schema(address)).flatten();
    let known = schema.map(|schema| schema.fields).unwrap_or_default();
    let (want, seen) = (pass.wants.map.get(address), pass.world.seen.get(address));
    let row = |known: &Field| {
        let name = known.name;
        let wanted = want.and_then(|want| want.fields.get(name));
        let value = seen.map_or(wanted, |seen| seen.fields.get(name))?;
        // A field that is neither wanted nor present is not listed.
        let is_empty = matches!(value, Value::None) || value.items().is_empty() && matches!(value, Value::List(_));
        if wanted.is_none() && is_empty || name == "mark" || name == "online" {
            return None;
        }
        // An engine fills in a great many fields by itself.
        if wanted.is_none() && address.kind == Kind::Container {
            return None;
        }
        let shown = |how: fn(&str, Option<&Value>) -> String| {
            if value.is_sensitive() { "(sensitive)".to_owned() } else { shortened(&how(name, Some(value))) }
        };
        let from = origin(pass, address, want, known);
        Some(FieldRow { name, value: shown(lines::value), whole: shown(lines::whole_value), from })
    };
    known.iter().filter(|field| field.rule != Rule::Observed).filter_map(row).collect()
}

/// The first twelve digits of a digest identify it.
fn shortened(value: &str) -> String {
    match value.strip_prefix("sha256:") {
        Some(digits) if digits.len() == 64 => format!("sha256:{}", &digits[..12]),
        Some(_) | None => value.to_owned(),
    }
}

fn origin(pass: &PassView, address: &Address, want: Option<&Want>, known: &Field) -> String {
    let name = known.name;
    let Some(want) = want else { return "as it is".to_owned() };
    let is_ignored = pass.with_input(|input| protection::ignores(input, &want.service, address.kind, name));
    let Some(wanted) = want.fields.get(name) else { return "not managed: left as it is".to_owned() };
    let top = |field: &str| field.split('.').next() == Some(name);
    let differs = change(pass, address).filter(|change| change.diff.iter().any(|diff| top(&diff.field)));
    match (wanted, differs) {
        _ if is_ignored == Some(true) => "left to others: `reconcile.ignore`".to_owned(),
        (_, Some(change)) => {
            let to = lines::value(name, Some(wanted));
            let to =
                if wanted.is_sensitive() || wanted.is_unresolved() { String::new() } else { format!("; wanted {to}") };
            format!("{}{to}", change.because.text)
        }
        (Value::Output { of, field }, None) => format!("{field} of {}", label(of)),
        (wanted, None) => {
            let said = |input: &Input<'_>| match provenance::field_source(input, address, want, name) {
                FieldSource::Key(origin) => format!("{}:{}", origin.file, origin.line),
                FieldSource::Config(_) if is_default(known, wanted) => "the default".to_owned(),
                FieldSource::Config(key) => format!("amarre.yaml: {key}"),
                FieldSource::Default => "the default".to_owned(),
            };
            pass.with_input(said).unwrap_or_default()
        }
    }
}

/// Whether the value is a default: neither a manifest nor amarre.yaml states it.
fn is_default(known: &Field, wanted: &Value) -> bool {
    let default = known.default.and_then(|text| serde_json::from_str::<Value>(text).ok());
    default.as_ref() == Some(wanted)
}

/// The next change of the resource.
fn next_step(pass: &PassView, address: &Address) -> String {
    let Some(change) = change(pass, address) else {
        return match pass.world.gap(address) {
            Some(gap) => format!("nothing while it cannot be seen: {}", gap.message),
            None if is_foreign(pass, address) => "nothing: it is not ours, and no manifest wants it".to_owned(),
            None => "nothing: it is as wanted".to_owned(),
        };
    };
    let what = match change.action() {
        "create" => "it is made",
        "delete" => "it is deleted",
        _ => "it is put right",
    };
    match &change.gate {
        Gate::Now if pass.consented => format!("{what} with the next run"),
        Gate::Now => format!("{what} with amarre apply"),
        Gate::After(needs) => {
            let first = needs.first().map(|need| status::need_text(pass, need)).unwrap_or_default();
            format!("{what} after {first}")
        }
        Gate::Until { at, .. } => format!("{what} at {}", wait_text::time(*at, pass.at)),
        Gate::Held(refusal) => format!("nothing by itself: {}, {}", refusal.message, refusal.code),
    }
}
