//! What a person reads of servers at clouds: the list, one of them, its log, its timetable, manifests for those that have none.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use super::{CommandAnswer, refused};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::instance_log::{self, ShownLine};
use crate::engine::report::instance_text;
use crate::engine::report::instances::{self, InstancesQuery};
use crate::engine::report::pass_view::PassView;
use crate::ledger::Ledger;
use crate::ledger::runs::{Event, EventFilter};
use amarre_core::manifest::DOCUMENTS_PER_FILE_MAX;
use amarre_core::model::timetable::{Cron, Tick};
use amarre_core::model::{Address, Code, Timestamp};
use amarre_core::plan::render::Style;

/// The list, as text and document.
pub fn list(pass: &PassView, of: &InstancesQuery, wide: bool, style: Style) -> CommandAnswer {
    let rows = of.select(pass);
    let document = instances::document(pass, &rows, 0..rows.len());
    let clouds = pass.context.as_ref().map_or(0, |context| context.site.clouds.len());
    if clouds == 0 {
        let text = "No cloud is configured.\n  hint: amarre init --cloud ovh, or `clouds: {try: {simulated: true}}` to try without an account\n";
        return CommandAnswer { document, text: text.to_owned(), exit: 0 };
    }
    let known = pass.context.iter().flat_map(|context| context.site.clouds.keys()).map(String::as_str);
    let known: Vec<&str> = known.collect();
    if !of.cloud.is_empty() && !known.contains(&of.cloud.as_str()) {
        let cloud = &of.cloud;
        return refused(Code::A1002, &format!("there is no cloud {cloud}"), &format!("there are {}", known.join(", ")));
    }
    let mut text = instance_text::table(&rows, wide, style);
    for gap in document["gaps"].as_array().into_iter().flatten() {
        let said = |key: &str| gap[key].as_str().unwrap_or_default().to_owned();
        text.push_str(&format!(
            "! {} {}: {}, {}\n  hint: {}\n",
            said("cloud"),
            said("place"),
            said("message"),
            said("code"),
            said("hint")
        ));
    }
    CommandAnswer { document, text, exit: 0 }
}

/// Reads the prices of every cloud, where that is due; the next look shows them. What cannot be read is not shown.
pub async fn read_prices(handle: Handle) {
    let (pass, _) = handle.last_pass();
    let Some(context) = pass.context.clone() else { return };
    let (priced, now) = (context.providers.values(), handle.now());
    let priced = priced.filter_map(|provider| provider.capabilities().prices);
    for outcome in join_all(priced.map(|prices| prices.read_prices(now))).await {
        if let Err(error) = outcome {
            tracing::info!("{error}");
        }
    }
}

/// What comes of asking a vendor for its own list.
pub enum RawList {
    /// As it comes.
    Listed(Json),
    /// The configuration has no such cloud; what to do about it.
    NoKey(String),
    /// It could not be read.
    Failed {
        /// Why, for `amarre help`.
        code: Code,
        /// The same in a sentence.
        message: String,
        /// What to do.
        hint: String,
    },
}

/// The list of a cloud as its vendor gives it.
pub async fn raw_list(handle: &Handle, cloud: &str) -> RawList {
    let (pass, _) = handle.last_pass();
    let Some(context) = pass.context.clone() else {
        let message = "nothing was looked at yet".to_owned();
        return RawList::Failed { code: Code::A0904, message, hint: "ask again in a moment".to_owned() };
    };
    let provider = context.site.clouds.get(cloud).and_then(|site| context.providers.get(&site.provider));
    let Some(lists) = provider.and_then(|provider| provider.capabilities().raw_list) else {
        return RawList::NoKey(format!(
            "make a key in Kamatera's console, export KAMATERA_API_KEY=id:secret, and write `clouds: {{{cloud}: {{kamatera: {{}}}}}}` in amarre.yaml"
        ));
    };
    let failed = |error: crate::providers::ProviderError| RawList::Failed {
        code: error.code,
        message: error.message.to_string(),
        hint: error.hint.to_string(),
    };
    lists.raw_list(handle.now()).await.map_or_else(failed, RawList::Listed)
}

/// One server, as text and document.
pub async fn show(ledger: &Ledger, pass: &PassView, name: &str, style: Style) -> CommandAnswer {
    let row = match instances::find(pass, name) {
        Ok(row) => row,
        Err(hint) => return refused(Code::A1002, &format!("there is no instance {name}"), &hint),
    };
    let mut document = instances::json(&row);
    let address = row.address.to_string();
    let (kind, service, since, limit) = ("", "", Timestamp::default(), EVENTS_SHOWN);
    let filter = EventFilter { of: &address, kind, since, service, before: None, after: None, limit };
    let events = ledger.events_of(&filter).await.unwrap_or_default();
    let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
    document["schema"] = json!("amarre.instance/v1");
    document["events"] = crate::engine::report::events_json(&events);
    CommandAnswer { document, text: instance_text::details(&row, &events, style), exit: 0 }
}

/// The lines of a log, where no number is asked for.
pub const LOG_LINES: u32 = 50;
/// The most that are shown.
const LOG_LINES_MAX: u32 = 500;

/// The log of one server: the last `lines` of it.
pub async fn logs(ledger: &Ledger, pass: &PassView, name: &str, lines: u32, style: Style) -> CommandAnswer {
    let row = match instances::find(pass, name) {
        Ok(row) => row,
        Err(hint) => return refused(Code::A1002, &format!("there is no instance {name}"), &hint),
    };
    let shown = log_lines(ledger, &row.address, lines).await;
    let (document, text) = (instance_log::document(&row, &shown), instance_log::text(&row, &shown, "", style));
    CommandAnswer { document, text, exit: 0 }
}

/// The last lines of the log of a server, the oldest first.
pub async fn log_lines(ledger: &Ledger, address: &Address, lines: u32) -> Vec<ShownLine> {
    let limit = lines.clamp(1, LOG_LINES_MAX);
    let of = address.to_string();
    let filter = EventFilter { of: &of, limit, ..EventFilter::default() };
    let events = ledger.events_of(&filter).await.unwrap_or_default();
    let logged = ledger.instance_log(address, limit).await.unwrap_or_default();
    let events = events.into_iter().rev().map(|(_, event)| event).collect();
    instance_log::merged(events, logged, usize::try_from(limit).unwrap_or_default())
}

/// The events that are shown with a server.
const EVENTS_SHOWN: u32 = 20;
/// The ticks that are shown of a timetable.
const TICKS_SHOWN: usize = 10;

/// The next ticks of a server's timetable.
pub fn schedule(pass: &PassView, now: Timestamp, name: &str, style: Style) -> CommandAnswer {
    let row = match instances::find(pass, name) {
        Ok(row) => row,
        Err(hint) => return refused(Code::A1002, &format!("there is no instance {name}"), &hint),
    };
    let Some(table) = row.manifest.as_ref().and_then(|managed| managed.instance.rule.timetable()) else {
        let hint = "write `schedule: {timezone, on, off}` in its manifest, or paint its week on its page";
        return refused(Code::A0461, &format!("{name} has no timetable"), hint);
    };
    let ticks: Vec<Tick> = table.ticks(now).take(TICKS_SHOWN).collect();
    let written = |crons: &[Cron]| crons.iter().map(|cron| cron.as_str().to_owned()).collect::<Vec<_>>();
    let (on, off) = (written(table.on()), written(table.off()));
    let document = json!({
        "schema": "amarre.instance_schedule/v1", "name": row.name, "timezone": table.timezone(), "on": on, "off": off,
        "off_as": table.off_as().as_str(),
        "next": ticks.iter().map(|tick| json!({"at": tick.at.rfc3339(), "to": tick.to.as_str()})).collect::<Vec<_>>(),
    });
    let mut text = format!("{name}   {}\n  on   {}\n  off  {}\n", table.timezone(), on.join(" | "), off.join(" | "));
    for tick in ticks {
        let at = instances::local_time(tick.at, table.timezone(), style.language);
        text.push_str(&format!("  {at}  {}\n", tick.to.as_str()));
    }
    CommandAnswer { document, text, exit: 0 }
}

/// Manifests of the servers that have none, with which nothing changes: their power stays unmanaged.
pub fn manifests(pass: &PassView, of: &InstancesQuery) -> CommandAnswer {
    let rows = of.select(pass);
    let taken: BTreeSet<String> = pass.services.keys().cloned().collect();
    let mut names = taken.clone();
    let mut texts = Vec::new();
    for row in rows.iter().filter(|row| row.manifest.is_none()) {
        let name = instance_text::manifest_name(row, &names);
        names.insert(name.clone());
        texts.push(instance_text::manifest(row, &name));
    }
    if texts.len() > DOCUMENTS_PER_FILE_MAX {
        let message = format!("{} manifests, and a file of the source holds {DOCUMENTS_PER_FILE_MAX}", texts.len());
        return refused(
            Code::A0108,
            &message,
            "choose with `--project`, `--region` or `--cloud`, and write several files",
        );
    }
    let document = json!({"schema": "amarre.instance_manifests/v1", "manifests": texts});
    let text = match texts.len() {
        0 => "# every instance that matches has a manifest\n".to_owned(),
        _ => texts.join("---\n"),
    };
    CommandAnswer { document, text, exit: 0 }
}
