//! `amarre logs`: the last output of containers, from the engine, or from the ledger for those that failed.

use std::collections::BTreeMap;

use futures_util::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::find_address;
use super::{CommandAnswer, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::reconcile::failure_log;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::wait_text;
use crate::providers::LogQuery;
use amarre_core::model::{Address, Code, Kind, Seen, Timestamp, failures};

/// The default number of lines for each container.
const LINES: u32 = 50;
/// The largest number of lines that is read of one container.
pub(crate) const LINES_MAX: u32 = 1_000;
/// Containers whose logs are read at once.
const READS_IN_FLIGHT: usize = 4;

/// A request for logs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LogsQuery {
    /// A service or a container; `None` = all.
    pub name: Option<String>,
    /// The recorded output of failed containers.
    pub last_failed: bool,
    /// At most this many lines of each.
    pub lines: u32,
    /// Only containers of the service with exactly this name.
    #[serde(skip)]
    pub service: Option<String>,
    /// A heading also where only one container prints.
    #[serde(skip)]
    pub with_headings: bool,
}

impl Default for LogsQuery {
    fn default() -> Self {
        Self { name: None, last_failed: false, lines: LINES, service: None, with_headings: false }
    }
}

impl LogsQuery {
    /// Lines to read of each container.
    pub(crate) fn tail(&self) -> usize {
        self.lines.clamp(1, LINES_MAX) as usize
    }
}

/// The output of one container.
struct Printed {
    heading: String,
    lines: Vec<String>,
    note: String,
    document: Json,
}

/// Reads the logs; `None` when the loop has ended.
pub async fn logs(handle: &Handle, of: &LogsQuery) -> Option<CommandAnswer> {
    let (mut pass, _) = handle.last_pass();
    if pass.context.is_none() {
        pass = handle.request(LoopCommand::Pass).await?.pass;
    }
    let lines = of.tail();
    let mut printed = if of.last_failed {
        failed_logs(&pass, of.name.as_deref(), lines, handle.now())
    } else {
        running_logs(&pass, of.name.as_deref(), lines).await
    };
    if printed.is_empty() {
        return Some(no_logs(&pass, of));
    }
    // A container of another service may have the name of this one.
    printed.retain(|one| of.service.as_deref().is_none_or(|service| one.document["service"] == service));
    let documents: Vec<&Json> = printed.iter().map(|one| &one.document).collect();
    let document = json!({"schema": "amarre.logs/v1", "containers": documents});
    let is_all_unread = printed.iter().all(|one| one.lines.is_empty() && !one.note.is_empty());
    let has_headings = of.with_headings || of.last_failed || printed.len() > 1;
    let texts: Vec<String> = printed.iter().map(|one| text(one, has_headings)).collect();
    Some(CommandAnswer { document, text: texts.join("\n"), exit: u8::from(is_all_unread && !of.last_failed) })
}

fn text(printed: &Printed, has_heading: bool) -> String {
    let heading = if has_heading { format!("==> {} <==\n", printed.heading) } else { String::new() };
    let lines: String = printed.lines.iter().map(|line| format!("{line}\n")).collect();
    let note = if printed.note.is_empty() { String::new() } else { format!("({})\n", printed.note) };
    format!("{heading}{lines}{note}")
}

/// The recorded output of failed containers, by container.
fn failed_logs(pass: &PassView, name: Option<&str>, lines: usize, now: Timestamp) -> Vec<Printed> {
    let asked = |container: &Address, service: &str| name.is_none_or(|name| matches_name(container, service, name));
    let failures = pass.last_failures.values().filter(|failure| asked(&failure.container, &failure.service));
    let printed = failures.map(|failure| {
        let at = wait_text::time(failure.at, now);
        let mut document = wait_text::failure_json(failure);
        let last: Vec<String> = failure.log[failure.log.len().saturating_sub(lines)..].to_vec();
        if let Some(object) = document.as_object_mut() {
            object.insert("container".to_owned(), json!(failure.container.to_string()));
            object.insert("service".to_owned(), json!(failure.service));
            object.insert("lines".to_owned(), json!(last));
        }
        let why = failures::in_parts(&failure.why);
        let heading = format!("{}, {}, failed {at}: {why}", failure.container.name, failure.image);
        Printed { heading, lines: last, note: failure.log_note.clone(), document }
    });
    printed.collect()
}

/// The output of running containers, read from their engines.
async fn running_logs(pass: &PassView, name: Option<&str>, lines: usize) -> Vec<Printed> {
    let mut reads = Vec::new();
    for (address, seen) in selected_containers(pass, name) {
        reads.push(read(pass, address, seen, lines).boxed());
    }
    futures_util::stream::iter(reads).buffered(READS_IN_FLIGHT).collect().await
}

/// The owned containers that the name selects.
pub(crate) fn selected_containers<'a>(
    pass: &'a PassView,
    name: Option<&'a str>,
) -> impl Iterator<Item = (&'a Address, &'a Seen)> {
    pass.world.seen.iter().filter(move |(address, seen)| {
        let service = seen.service.as_deref().unwrap_or_default();
        let is_asked =
            name.is_none_or(|name| matches_name(address, service, name) || seen.fields.text("name") == Some(name));
        address.kind == Kind::Container && seen.owner.is_ours() && is_asked
    })
}

/// The provider's query, without secrets.
pub(crate) fn log_query(pass: &PassView, address: &Address, lines: usize) -> LogQuery {
    let fields = pass.wants.map.get(address).map(|want| &want.fields);
    let fields = fields.or_else(|| pass.facts.applied.get(address).map(|row| &row.fields));
    LogQuery { lines, hidden: fields.map(failure_log::secret_variables).unwrap_or_default(), since: None }
}

async fn read(pass: &PassView, address: &Address, seen: &Seen, lines: usize) -> Printed {
    let ask = log_query(pass, address, lines);
    let provider = pass.context.as_ref().and_then(|context| context.providers.get(&address.provider));
    let answer = match provider.map(|provider| provider.capabilities().logs) {
        Some(Some(logs)) => {
            logs.logs(address, seen, &ask).await.map_err(|error| (error.message.to_string(), error.hint.to_string()))
        }
        Some(None) => Err((format!("{} {} prints nothing", address.kind.label(), address.name), String::new())),
        None => Err((format!("{} is not configured any more", address.provider), String::new())),
    };
    let (lines, note) = match answer {
        Ok(lines) => (lines.iter().map(|line| failure_log::scrub_line(line, &pass.scrubber)).collect(), String::new()),
        Err((message, hint)) if hint.is_empty() => (Vec::new(), message),
        Err((message, hint)) => (Vec::new(), format!("{message}; {hint}")),
    };
    let called = seen.fields.text("name").unwrap_or(&address.name);
    let image = seen.fields.text("image").unwrap_or_default();
    let document: BTreeMap<&str, Json> = BTreeMap::from([
        ("container", json!(address.base().to_string())),
        ("generation", json!(address.generation)),
        ("service", json!(seen.service)),
        ("image", json!(image)),
        ("lines", json!(lines)),
        ("log_note", json!(Some(&note).filter(|note| !note.is_empty()))),
    ]);
    Printed { heading: format!("{called}, {image}"), lines, note, document: json!(document) }
}

/// Whether a name selects a container: its service, its own name, or the end of its address.
fn matches_name(container: &Address, service: &str, name: &str) -> bool {
    let address = container.base().to_string();
    service == name || container.name == name || address == name || address.ends_with(&format!("/{name}"))
}

/// Why there is nothing to show.
pub(crate) fn no_logs(pass: &PassView, of: &LogsQuery) -> CommandAnswer {
    let Some(name) = &of.name else {
        let what = if of.last_failed { "no container has failed" } else { "no container of ours is there" };
        return CommandAnswer {
            document: json!({"schema": "amarre.logs/v1", "containers": []}),
            text: format!("({what})\n"),
            exit: 0,
        };
    };
    let is_service = pass.statuses().contains_key(name);
    let of_wants = |(address, want): (&Address, &amarre_core::model::Want)| {
        address.kind == Kind::Container && matches_name(address, &want.service, name)
    };
    let is_known = is_service || pass.wants.map.iter().any(of_wants);
    match (is_known, of.last_failed) {
        (false, _) => refused(
            Code::A1002,
            &format!("there is no service or container {name}"),
            &find_address::service_hint(pass, name),
        ),
        (true, true) => {
            let hint = format!("amarre logs {name} shows what is there now");
            refused(Code::A0516, &format!("nothing of {name} has failed, as far as is known"), &hint)
        }
        (true, false) => {
            let hint = format!("amarre logs {name} --last-failed shows what is kept of one that failed");
            refused(Code::A0516, &format!("no container of {name} is there"), &hint)
        }
    }
}
