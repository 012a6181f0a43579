//! `amarre adopt --all --unsigned`: adopts records whose marks name this instance but carry no signature of our keys.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::sync::mpsc;

use super::{CommandAnswer, ProgressStep, ledger_refused, refused};
use crate::engine::commands;
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::pass_view::PassView;
use amarre_core::model::world::Applied;
use amarre_core::model::{Address, Code, Owner, Seen};
use amarre_core::plan::render::{Sign, Style};

/// An unsigned record and the service that wants it.
type WantedRecord<'a> = (&'a Address, &'a Seen, &'a str);

/// Adopts every unsigned record that a manifest wants; `confirm` is their expected number. With `dry_run`, only lists
/// them.
pub async fn adopt(
    handle: &Handle,
    (dry_run, confirm): (bool, Option<usize>),
    by: &str,
    timeout_ms: i64,
    style: Style,
    steps: &mpsc::Sender<ProgressStep>,
) -> Option<CommandAnswer> {
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let (wanted, unwanted) = unsigned(&pass);
    let addresses: Vec<String> = wanted.iter().map(|(address, _, _)| address.to_string()).collect();
    let document = json!({"unsigned": addresses, "count": addresses.len(), "left": unwanted.len()});
    let text = records_text(&wanted, &unwanted, style);
    if dry_run || wanted.is_empty() {
        return Some(CommandAnswer { document, text, exit: 0 });
    }
    let count = wanted.len();
    if confirm != Some(count) {
        let asked = confirm.map(|asked| format!(", not {asked}")).unwrap_or_default();
        let message = format!("{count} records would be taken over{asked}");
        return Some(refused(
            Code::A0432,
            &message,
            &format!("if you mean it: amarre adopt --all --unsigned --confirm {count}"),
        ));
    }
    let mut services = BTreeSet::new();
    for (address, seen, service) in wanted {
        let (service, vendor_id) = (service.to_owned(), seen.vendor_id.clone());
        services.insert(service.clone());
        let row = Box::new(Applied { service, vendor_id, fields: seen.fields.clone() });
        let asked = LoopCommand::Adopt { address: address.clone(), row, by: by.to_owned() };
        if let Some(error) = handle.request(asked).await?.error {
            return Some(ledger_refused(handle.ledger(), &error, "what was taken over stays so: ask again then"));
        }
    }
    let mut answer = commands::converge(handle, None, Some(services), timeout_ms, style, steps).await?;
    answer.text = format!("{count} records are ours again.\n{}", answer.text);
    Some(answer)
}

/// Splits unsigned records into those that a manifest wants and those that none does. Released records are left out.
fn unsigned(pass: &PassView) -> (Vec<WantedRecord<'_>>, Vec<&Address>) {
    let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
    for (address, seen) in pass.world.seen.iter().filter(|(_, seen)| seen.owner == Owner::Unverified) {
        match pass.wants.map.get(address) {
            _ if pass.facts.released.contains_key(address) => (),
            Some(want) => wanted.push((address, seen, want.service.as_str())),
            None => unwanted.push(address),
        }
    }
    (wanted, unwanted)
}

fn records_text(wanted: &[WantedRecord<'_>], unwanted: &[&Address], style: Style) -> String {
    let mut text = String::new();
    for (address, seen, service) in wanted {
        let values = seen.fields.strings("values").join(", ");
        text.push_str(&format!("{} record {}  {values}  for {service}\n", style.sign(Sign::Adopt), address.name));
    }
    text.push_str(&match wanted.len() {
        0 => "No record that a manifest wants carries a mark of ours without our signature.\n".to_owned(),
        1 => "1 record carries a mark of ours that no key of ours signed.\n".to_owned(),
        count => format!("{count} records carry marks of ours that no key of ours signed.\n"),
    });
    if !unwanted.is_empty() {
        let names: Vec<&str> = unwanted.iter().map(|address| address.name.as_str()).collect();
        text.push_str(&format!("No manifest wants these, they stay as they are: {}\n", names.join(", ")));
    }
    text
}
