//! `amarre adopt` and `amarre release`: what is there already comes under Amarre, what is ours is given out of hand.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::sync::mpsc;

use super::find_address;
use super::{Answer, Step, refused};
use crate::engine::commands;
use crate::engine::reconcile::daemon::{Command, Handle};
use crate::engine::{Given, Picture};
use amarre_core::model::world::Applied;
use amarre_core::model::{Address, Kind, Millis, Owner, Seen, Value, Want};
use amarre_core::plan::diff::reason::ADOPTED;
use amarre_core::plan::render::{Look, Sign, lines};

/// What can change hands: kinds whose mark can be put on and taken off.
const KINDS: [Kind; 4] = [Kind::ProxyHost, Kind::Redirection, Kind::Stream, Kind::Record];

/// What is to change hands, and how that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its address, or the end of it.
    pub thing: &'a str,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Who asks.
    pub by: &'a str,
    /// At most so long.
    pub timeout_ms: i64,
}

/// Takes over what a manifest wants and somebody else made: its mark is written, all else stays. With `dry_run`, nothing is
/// written; the text is the same.
pub async fn adopt(handle: &Handle, asked: Asked<'_>, look: Look) -> Option<Answer> {
    let Asked { thing, dry_run, by, timeout_ms } = asked;
    let picture = handle.ask(Command::Look).await?.picture;
    let (address, seen) = match found(&picture, thing) {
        Ok(found) => found,
        Err(refusal) => return Some(refusal),
    };
    let label = label(&address);
    let is_pending = picture.facts.released.contains_key(&address);
    if seen.owner.is_ours() && !is_pending {
        return Some(done(format!("{label} is ours already.\n")));
    }
    if let Owner::Other(instance) = &seen.owner {
        let hint = format!("release it there first: amarre release {thing}, with the configuration of {instance}");
        return Some(refused("A0420", &format!("{label} belongs to the instance {instance}"), &hint));
    }
    let Some(want) = picture.wants.map.get(&address) else {
        let hint = "write a manifest that wants it, then adopt it: what no manifest wants would be removed";
        return Some(refused("A0420", &format!("no manifest wants {label}"), hint));
    };
    let service = want.service.clone();
    let fields = seen.fields.clone().with(ADOPTED, Value::Bool(true));
    let row = Applied { service: service.clone(), vendor_id: seen.vendor_id.clone(), fields };
    let differs = differing(&picture, &address, &service, want);
    if dry_run {
        let text =
            format!("{} {label} comes under Amarre, for {service}: its mark is written.\n", look.sign(Sign::Adopt));
        return Some(Answer { document: document(&address, &service), text: text + &differs, exit: 0 });
    }
    let asked = Command::Adopt { address: address.clone(), row: Box::new(row), by: by.to_owned() };
    if let Some(error) = handle.ask(asked).await?.error {
        return Some(refused("A0903", &error, "is the disk full? nothing was changed"));
    }
    let asked = Command::Mark { address: address.clone(), timeout: Millis(timeout_ms) };
    let now = handle.ask(asked).await?.picture;
    if now.world.seen.get(&address).is_none_or(|seen| seen.owner != Owner::Ours) {
        let why = now.failing.get(&address).map(|failing| format!(": {}", failing.error)).unwrap_or_default();
        let text = format!("{label} is ours, for {service}; its mark is not written yet{why}.\n");
        return Some(Answer { document: document(&address, &service), text, exit: 3 });
    }
    let text = format!("{} {label} is ours, for {service}.\n{differs}", look.sign(Sign::Adopt));
    Some(Answer { document: document(&address, &service), text, exit: 0 })
}

/// Takes our mark off something, and leaves it as it is from then on. With `dry_run`, only what that would be.
pub async fn release(handle: &Handle, asked: Asked<'_>, look: Look, steps: &mpsc::Sender<Step>) -> Option<Answer> {
    let Asked { thing, dry_run, by, timeout_ms } = asked;
    let picture = handle.ask(Command::Look).await?.picture;
    let (address, seen) = match found(&picture, thing) {
        Ok(found) => found,
        Err(refusal) => return Some(refusal),
    };
    let label = label(&address);
    if !seen.owner.is_ours() {
        return Some(done(format!("{label} is not ours: there is nothing to release.\n")));
    }
    let applied = picture.facts.applied.get(&address).map(|row| &row.service);
    let Some(service) = seen.service.as_ref().or(applied).cloned() else {
        return Some(refused(
            "A0420",
            &format!("nobody knows for which service {label} is"),
            "amarre status --only unmanaged",
        ));
    };
    if dry_run {
        let mut text = format!("{} {label} would leave Amarre, and stay as it is.\n", look.sign(Sign::Release));
        text.push_str(&still_wanted(&picture, &address, &service, thing));
        return Some(Answer { document: document(&address, &service), text, exit: 0 });
    }
    let asked = Command::Release {
        address: address.clone(),
        service: service.clone(),
        vendor_id: seen.vendor_id.clone(),
        by: by.to_owned(),
    };
    if let Some(error) = handle.ask(asked).await?.error {
        return Some(refused("A0903", &error, "is the disk full? nothing was changed"));
    }
    let (reply, _) = commands::follow(handle, None, Some(BTreeSet::from([service.clone()])), timeout_ms, steps).await?;
    let now = &reply.picture;
    if now.world.seen.get(&address).is_some_and(|seen| seen.owner.is_ours()) {
        let text = format!("{label} is released, and still carries our mark: it is taken off with the next run.\n");
        return Some(Answer { document: document(&address, &service), text, exit: 3 });
    }
    let mut text = format!("{} {label} is not ours any more, and stays as it is.\n", look.sign(Sign::Release));
    text.push_str(&still_wanted(now, &address, &service, thing));
    Some(Answer { document: document(&address, &service), text, exit: 0 })
}

/// What holds of something released that a manifest goes on wanting.
fn still_wanted(picture: &Picture, address: &Address, service: &str, thing: &str) -> String {
    if !picture.wants.map.contains_key(address) {
        return String::new();
    }
    format!(
        "{service} still wants it: it is used as it is, and a change to the manifest would be a conflict.\n\
         To take it back: amarre adopt {thing}\n"
    )
}

fn done(text: String) -> Answer {
    Answer { document: json!({"ok": true}), text, exit: 0 }
}

fn document(address: &Address, service: &str) -> serde_json::Value {
    json!({"address": address.to_string(), "service": service})
}

fn label(address: &Address) -> String {
    format!("{} {}", address.kind.label(), lines::name(address, None))
}

/// The one thing that is meant, by its address or any end of that.
fn found(picture: &Picture, thing: &str) -> Result<(Address, Seen), Answer> {
    let is_meant = |address: &Address| find_address::is_meant(address, thing);
    let all: Vec<(&Address, &Seen)> = picture.world.seen.iter().filter(|(address, _)| is_meant(address)).collect();
    let fit: Vec<&(&Address, &Seen)> = all.iter().filter(|(address, _)| KINDS.contains(&address.kind)).collect();
    match (fit.as_slice(), all.first()) {
        ([(address, seen)], _) => Ok(((*address).clone(), (*seen).clone())),
        ([], None) => Err(find_address::nothing(thing)),
        ([], Some((address, _))) => {
            let why = format!("{} cannot change hands", label(address));
            Err(refused("A0420", &why, way(address.kind)))
        }
        (several, _) => {
            let found: Vec<Address> = several.iter().map(|(address, _)| (*address).clone()).collect();
            Err(find_address::several(thing, &found))
        }
    }
}

/// What to do instead.
fn way(kind: Kind) -> &'static str {
    match kind {
        Kind::Container | Kind::Network | Kind::Attachment => {
            "Docker puts no label on what is there, and takes none off: stop and remove it, and Amarre makes its own; \
             its volumes stay, and are used when they have the names that the manifest gives"
        }
        Kind::Volume => "a volume that is there is used by its name, and is deleted by nobody",
        Kind::AccessList => "an access list is ours by its name: name one of NPM's in `access_list:`, and it is used",
        Kind::Certificate => "a certificate that is there and fits is used",
        Kind::Image | Kind::Zone => "nobody owns it",
        Kind::ProxyHost | Kind::Redirection | Kind::Stream | Kind::Record => "",
    }
}

/// What of it is not as the manifest says, and is left to the next run.
fn differing(picture: &Picture, address: &Address, service: &str, want: &Want) -> String {
    let Some(context) = &picture.context else { return String::new() };
    let mut world = picture.world.clone();
    if let Some(seen) = world.seen.get_mut(address) {
        (seen.owner, seen.service) = (Owner::MarkLost, Some(service.to_owned()));
    }
    let mut facts = picture.facts.clone();
    facts.released.remove(address);
    let given = Given { world: &world, facts: &facts, ..picture.given() };
    let (_, plan) = context.with_input(given, amarre_core::plan::look);
    let mut changes = plan.changes.iter().filter(|change| change.address == *address);
    let fields: Vec<&str> =
        changes.next().map(|change| &change.diff).into_iter().flatten().map(|diff| diff.field.as_str()).collect();
    let fields: Vec<&str> = fields.into_iter().filter(|field| *field != "mark").collect();
    if fields.is_empty() {
        return format!("It is as {} says.\n", want.origin.file);
    }
    format!(
        "Nothing else of it changes now. It differs from {} in {}: amarre plan shows how, and the next run changes it.\n",
        want.origin.file,
        fields.join(", ")
    )
}
