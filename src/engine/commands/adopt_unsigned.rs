//! `amarre adopt --all --unsigned`: records whose marks name us, and that no key of ours signed, come under Amarre again.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::sync::mpsc;

use super::{Answer, Step, refused};
use crate::engine::Picture;
use crate::engine::commands;
use crate::engine::reconcile::daemon::{Command, Handle};
use amarre_core::model::world::Applied;
use amarre_core::model::{Address, Owner, Seen};
use amarre_core::plan::render::{Look, Sign};

/// One of them, and the service that wants it.
type Wanted<'a> = (&'a Address, &'a Seen, &'a str);

/// Takes over every one that a manifest wants; `confirm` is how many they are. With `dry_run`, only says which.
pub async fn adopt(
    handle: &Handle,
    (dry_run, confirm): (bool, Option<usize>),
    by: &str,
    timeout_ms: i64,
    look: Look,
    steps: &mpsc::Sender<Step>,
) -> Option<Answer> {
    let picture = handle.ask(Command::Look).await?.picture;
    let (wanted, unwanted) = unsigned(&picture);
    let addresses: Vec<String> = wanted.iter().map(|(address, _, _)| address.to_string()).collect();
    let document = json!({"unsigned": addresses, "count": addresses.len(), "left": unwanted.len()});
    let text = listed(&wanted, &unwanted, look);
    if dry_run || wanted.is_empty() {
        return Some(Answer { document, text, exit: 0 });
    }
    let count = wanted.len();
    if confirm != Some(count) {
        let asked = confirm.map(|asked| format!(", not {asked}")).unwrap_or_default();
        let message = format!("{count} records would be taken over{asked}");
        return Some(refused(
            "A0432",
            &message,
            &format!("if you mean it: amarre adopt --all --unsigned --confirm {count}"),
        ));
    }
    let mut services = BTreeSet::new();
    for (address, seen, service) in wanted {
        let (service, vendor_id) = (service.to_owned(), seen.vendor_id.clone());
        services.insert(service.clone());
        let row = Box::new(Applied { service, vendor_id, fields: seen.fields.clone() });
        let asked = Command::Adopt { address: address.clone(), row, by: by.to_owned() };
        if let Some(error) = handle.ask(asked).await?.error {
            return Some(refused(
                "A0903",
                &error,
                "is the disk full? ask again when it is not: what was taken over stays so",
            ));
        }
    }
    let mut answer = commands::converge(handle, None, Some(services), timeout_ms, look, steps).await?;
    answer.text = format!("{count} records are ours again.\n{}", answer.text);
    Some(answer)
}

/// What a manifest wants, and what none does. What was released is left out.
fn unsigned(picture: &Picture) -> (Vec<Wanted<'_>>, Vec<&Address>) {
    let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
    for (address, seen) in picture.world.seen.iter().filter(|(_, seen)| seen.owner == Owner::Unverified) {
        match picture.wants.map.get(address) {
            _ if picture.facts.released.contains_key(address) => (),
            Some(want) => wanted.push((address, seen, want.service.as_str())),
            None => unwanted.push(address),
        }
    }
    (wanted, unwanted)
}

fn listed(wanted: &[Wanted<'_>], unwanted: &[&Address], look: Look) -> String {
    let mut text = String::new();
    for (address, seen, service) in wanted {
        let values = seen.fields.strings("values").join(", ");
        text.push_str(&format!("{} record {}  {values}  for {service}\n", look.sign(Sign::Adopt), address.name));
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
