//! `amarre adopt` and `amarre release`: Amarre begins to manage an existing resource, or stops and leaves it as it is.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::sync::mpsc;

use super::{CommandAnswer, ProgressStep, find_address, ledger_refused, refused};
use crate::engine::commands;
use crate::engine::pass_result::PassInput;
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::pass_view::PassView;
use amarre_core::model::kinds::Adoption;
use amarre_core::model::world::Applied;
use amarre_core::model::{Address, Code, Fields, Kind, Millis, Owner, Seen, Value, Want, World};
use amarre_core::plan::diff::reason::ADOPTED;
use amarre_core::plan::render::{Sign, Style, lines};

/// A request to adopt or release a resource.
#[derive(Debug, Clone, Copy)]
pub struct OwnershipQuery<'a> {
    /// The address, or an unambiguous end of it.
    pub thing: &'a str,
    /// Report what would be done, and write nothing.
    pub dry_run: bool,
    /// The account that asks.
    pub by: &'a str,
    /// Wait at most this long.
    pub timeout_ms: i64,
}

/// Adopts a resource that a manifest wants and that Amarre did not make: writes its mark and changes nothing else. With
/// `dry_run`, nothing is written; the text is the same.
pub async fn adopt(handle: &Handle, asked: OwnershipQuery<'_>, style: Style) -> Option<CommandAnswer> {
    let OwnershipQuery { thing, dry_run, by, timeout_ms } = asked;
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let (address, seen) = match find_resource(&pass, thing) {
        Ok(found) => found,
        Err(refusal) => return Some(refusal),
    };
    let label = label(&address);
    let is_pending = pass.facts.released.contains_key(&address);
    if seen.owner.is_ours() && !is_pending {
        return Some(accepted_answer(format!("{label} is ours already.\n")));
    }
    if let Owner::Other(instance) = &seen.owner {
        let hint = format!("release it there first: amarre release {thing}, with the configuration of {instance}");
        return Some(refused(Code::A0420, &format!("{label} belongs to the instance {instance}"), &hint));
    }
    let Some(want) = pass.wants.map.get(&address) else {
        let hint = "write a manifest that wants it, then adopt it: what no manifest wants would be removed";
        return Some(refused(Code::A0420, &format!("no manifest wants {label}"), hint));
    };
    let service = want.service.clone();
    // What its manifest says nothing of is not ours to take back later: it is kept as it is.
    let named = seen.fields.iter().filter(|(name, _)| want.fields.get(name).is_some());
    let named: Fields = named.map(|(name, value)| (name.clone(), value.clone())).collect();
    let fields = named.with(ADOPTED, Value::Bool(true));
    let row = Applied { service: service.clone(), vendor_id: seen.vendor_id.clone(), fields };
    let differs = differing(&pass, &address, &service, want);
    if dry_run {
        let text =
            format!("{} {label} comes under Amarre, for {service}: its mark is written.\n", style.sign(Sign::Adopt));
        return Some(CommandAnswer { document: document(&address, &service), text: text + &differs, exit: 0 });
    }
    let asked = LoopCommand::Adopt { address: address.clone(), row: Box::new(row), by: by.to_owned() };
    if let Some(error) = handle.request(asked).await?.error {
        return Some(ledger_refused(handle.ledger(), &error, "nothing was changed"));
    }
    let asked = LoopCommand::Mark { address: address.clone(), timeout: Millis(timeout_ms) };
    let now = handle.request(asked).await?.pass;
    if now.world.seen.get(&address).is_none_or(|seen| seen.owner != Owner::Ours) {
        let why = now.failing.get(&address).map(|failing| format!(": {}", failing.error)).unwrap_or_default();
        let text = format!("{label} is ours, for {service}; its mark is not written yet{why}.\n");
        return Some(CommandAnswer { document: document(&address, &service), text, exit: 3 });
    }
    let text = format!("{} {label} is ours, for {service}.\n{differs}", style.sign(Sign::Adopt));
    Some(CommandAnswer { document: document(&address, &service), text, exit: 0 })
}

/// Releases a resource: removes our mark and leaves the resource as it is. With `dry_run`, only reports what would be
/// done.
pub async fn release(
    handle: &Handle,
    asked: OwnershipQuery<'_>,
    style: Style,
    steps: &mpsc::Sender<ProgressStep>,
) -> Option<CommandAnswer> {
    let OwnershipQuery { thing, dry_run, by, timeout_ms } = asked;
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let (address, seen) = match find_resource(&pass, thing) {
        Ok(found) => found,
        Err(refusal) => return Some(refusal),
    };
    let label = label(&address);
    if !seen.owner.is_ours() {
        return Some(accepted_answer(format!("{label} is not ours: there is nothing to release.\n")));
    }
    let applied = pass.facts.applied.get(&address).map(|row| &row.service);
    let Some(service) = seen.service.as_ref().or(applied).cloned() else {
        return Some(refused(
            Code::A0420,
            &format!("nobody knows for which service {label} is"),
            "amarre status --only unmanaged",
        ));
    };
    if dry_run {
        let mut text = format!("{} {label} would leave Amarre, and stay as it is.\n", style.sign(Sign::Release));
        text.push_str(&still_wanted(&pass, &address, &service, thing));
        return Some(CommandAnswer { document: document(&address, &service), text, exit: 0 });
    }
    let asked = LoopCommand::Release {
        address: address.clone(),
        service: service.clone(),
        vendor_id: seen.vendor_id.clone(),
        by: by.to_owned(),
    };
    if let Some(error) = handle.request(asked).await?.error {
        return Some(ledger_refused(handle.ledger(), &error, "nothing was changed"));
    }
    let (reply, _) =
        commands::follow(handle, None, Some(BTreeSet::from([service.clone()])), timeout_ms, (steps, style.language))
            .await?;
    let now = &reply.pass;
    if now.world.seen.get(&address).is_some_and(|seen| seen.owner.is_ours()) {
        let text = format!("{label} is released, and still carries our mark: it is taken off with the next run.\n");
        return Some(CommandAnswer { document: document(&address, &service), text, exit: 3 });
    }
    let mut text = format!("{} {label} is not ours any more, and stays as it is.\n", style.sign(Sign::Release));
    text.push_str(&still_wanted(now, &address, &service, thing));
    Some(CommandAnswer { document: document(&address, &service), text, exit: 0 })
}

/// A note for a released resource that a manifest still wants.
fn still_wanted(pass: &PassView, address: &Address, service: &str, thing: &str) -> String {
    if !pass.wants.map.contains_key(address) {
        return String::new();
    }
    format!(
        "{service} still wants it: it is used as it is, and a change to the manifest would be a conflict.\n\
         To take it back: amarre adopt {thing}\n"
    )
}

fn accepted_answer(text: String) -> CommandAnswer {
    CommandAnswer { document: json!({"ok": true}), text, exit: 0 }
}

fn document(address: &Address, service: &str) -> serde_json::Value {
    json!({"address": address.to_string(), "service": service})
}

fn label(address: &Address) -> String {
    format!("{} {}", address.kind.label(), lines::name(address, None))
}

/// The one resource that the address, or an end of it, names; else the answer that says why there is none.
fn find_resource(pass: &PassView, thing: &str) -> Result<(Address, Seen), CommandAnswer> {
    let is_meant = |address: &Address| find_address::matches_address(address, thing);
    let all: Vec<(&Address, &Seen)> = pass.world.seen.iter().filter(|(address, _)| is_meant(address)).collect();
    let fit: Vec<&(&Address, &Seen)> =
        all.iter().filter(|(address, _)| address.kind.traits().adoption == Adoption::Mark).collect();
    match (fit.as_slice(), all.first()) {
        ([(address, seen)], _) => Ok(((*address).clone(), (*seen).clone())),
        ([], None) => Err(find_address::no_match(thing)),
        ([], Some((address, _))) => {
            let why = format!("{} cannot change hands", label(address));
            Err(refused(Code::A0420, &why, hint_for_kind(address.kind)))
        }
        (several, _) => {
            let found: Vec<Address> = several.iter().map(|(address, _)| (*address).clone()).collect();
            Err(find_address::ambiguous_match(thing, &found))
        }
    }
}

/// The hint for a kind that cannot be adopted.
fn hint_for_kind(kind: Kind) -> &'static str {
    match kind.traits().adoption {
        Adoption::Relabel => {
            "Docker puts no label on what is there, and takes none off: stop and remove it, and Amarre makes its own; \
             its volumes stay, and are used when they have the names that the manifest gives"
        }
        Adoption::UsedByName => "a volume that is there is used by its name, and is deleted by nobody",
        Adoption::NamedByManifest => {
            "an access list is ours by its name: name one of NPM's in `access_list:`, and it is used"
        }
        Adoption::UsedWhereItFits => "a certificate that is there and fits is used",
        Adoption::NotOwned => "nobody owns it",
        Adoption::Mark => "",
    }
}

/// The fields that differ from the manifest and are left to the next run.
fn differing(pass: &PassView, address: &Address, service: &str, want: &Want) -> String {
    let Some(context) = &pass.context else { return String::new() };
    let mut world = World::clone(&pass.world);
    if let Some(seen) = world.seen.get_mut(address) {
        (seen.owner, seen.service) = (Owner::MarkLost, Some(service.to_owned()));
    }
    let mut facts = pass.facts.clone();
    facts.released.remove(address);
    let given = PassInput { world: &world, facts: &facts, ..pass.input() };
    let (_, plan) = context.with_input(given, amarre_core::plan::pass);
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
