//! Makes another server like one.
//!
//! | the server | what is done |
//! |---|---|
//! | a manifest made it | a second manifest is written, with another name; the loop makes that server, without what is on the disk of the first |
//! | any other | an action at its vendor, within the limits and the budget of its cloud; no manifest manages what comes of it |

use serde_json::json;

use super::CommandAnswer;
use super::act::VerbCall;
use super::delete_instance::place;
use super::edit_manifest::{self, FileChange, ManifestDraft};
use super::instances::{InstanceDeed, NotAsked, answer, perform, prepared, refusal};
use super::manifest_text::{document_of, has_key, with_keys};
use super::resize_instance::{author, has_room, monthly, remarked};
use super::snapshot_instance::SHELF_NAME;
use crate::engine::pass_result::ActionState;
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::instances::InstanceRow;
use crate::engine::report::pass_view::PassView;
use crate::words::say;
use amarre_core::model::site::CloudSite;
use amarre_core::model::{Code, Language, Text};
use amarre_core::text;

/// The argument of the name of the other server.
pub const NEW_NAME: &str = "new_name";
/// What every vendor takes.
const NAME_LENGTHS: std::ops::RangeInclusive<usize> = 4..=40;

/// Carries it out, or shows what it would do.
pub async fn clone(handle: &Handle, asked: VerbCall<'_>) -> Option<CommandAnswer> {
    let args = asked.args;
    let name = args.texts("instances").concat();
    // What a manifest is written into is the published one.
    let pass = handle.pass().await?.pass;
    let outcome = match prepared(&pass, &name, InstanceDeed::Clone, args) {
        Ok(row) if row.is_made() => in_manifest(handle, &pass, &row, asked).await?,
        Ok(row) => at_vendor(handle, &pass, &row, asked).await?,
        Err(why) => Err(why),
    };
    Some(outcome.unwrap_or_else(|why| why.answer()))
}

/// What comes of it, or why nothing does; without it Amarre is stopping.
type Cloned = Option<Result<CommandAnswer, NotAsked>>;

async fn at_vendor(handle: &Handle, pass: &PassView, row: &InstanceRow, asked: VerbCall<'_>) -> Cloned {
    let (args, clone) = (asked.args, asked.args.text(NEW_NAME));
    let site = pass.context.as_ref().and_then(|context| context.site.clouds.get(&row.cloud));
    let room = || site.map_or(Ok(()), |site| has_room_for_one(pass, site, row));
    if let Err(why) = is_free(pass, row, clone).and_then(|()| room()) {
        return Some(Err(why));
    }
    if args.flag("dry_run") {
        return Some(Ok(forecast(row, clone, asked.style.language)));
    }
    let outcome = perform(handle, row, InstanceDeed::Clone, args, Some(clone.to_owned())).await?;
    let outcome = outcome.map(|(said, state)| if state == Some(ActionState::Done) { let name = row.shown_name();
            let said = text!(
                "{clone} is being made of {name}; no manifest manages it: `amarre instance manifests {clone}` prints one",
                clone,
                name
            );
            (said, state) } else { (said, state) });
    Some(Ok(answer(vec![(row.name.clone(), outcome)])))
}

/// Whether a server may be called so at this cloud.
fn is_free(pass: &PassView, row: &InstanceRow, clone: &str) -> Result<(), NotAsked> {
    let is_name = NAME_LENGTHS.contains(&clone.len())
        && clone.starts_with(|first: char| first.is_ascii_alphanumeric())
        && clone.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
        && !clone.ends_with(SHELF_NAME);
    if !is_name {
        let message = text!("`{clone}` is no name of a server", clone);
        let hint = text!("4 to 40 of A-Z, a-z, 0-9, `-` and `_`, a letter or a digit first");
        return Err(refusal(Code::A0754, message, hint));
    }
    let rows = pass.instances();
    match rows.iter().find(|one| one.cloud == row.cloud && one.vendor_name == clone) {
        None => Ok(()),
        Some(there) => {
            let message = text!("{cloud} has a server of the name {clone}", cloud = row.cloud.as_str(), clone);
            Err(refusal(Code::A0754, message, text!("take another name; that one is {id}", id = there.by_id())))
        }
    }
}

fn has_room_for_one(pass: &PassView, site: &CloudSite, row: &InstanceRow) -> Result<(), NotAsked> {
    let rows = pass.instances();
    let count = rows.iter().filter(|one| one.cloud == row.cloud && one.is_made()).count() + 1;
    if count > site.limits.instances {
        let message = text!(
            "with it, {count} servers would be of Amarre at {cloud}, and {key} allows {limit}",
            count = count.to_string(),
            cloud = row.cloud.as_str(),
            key = format!("clouds.{}.limits.instances", row.cloud),
            limit = site.limits.instances.to_string()
        );
        let hint =
            text!("an admin raises it in amarre.yaml: {what}", what = format!("`limits: {{instances: {count}}}`"));
        return Err(refusal(Code::A0750, message, hint));
    }
    if row.size.is_empty() && (!site.limits.types.is_empty() || site.budget.is_some()) {
        let message =
            text!("the size of {name} is not known yet, so the limits cannot be kept", name = row.shown_name());
        let hint = text!("amarre instance show {name} has it read; then ask again", name = row.name.as_str());
        return Err(refusal(Code::A0751, message, hint));
    }
    has_room(pass, site, row, (&row.size, row.prices.as_ref()))
}

/// Of one that a manifest made: what stands in a manifest is what the loop makes.
async fn in_manifest(handle: &Handle, pass: &PassView, row: &InstanceRow, asked: VerbCall<'_>) -> Cloned {
    let (args, clone, service) = (asked.args, asked.args.text(NEW_NAME), row.name.as_str());
    if edit_manifest::is_taken(handle, clone) {
        let message = text!("there is a manifest of the name {clone}", clone);
        return Some(Err(refusal(Code::A0120, message, text!("take another name"))));
    }
    let read = edit_manifest::file_of(pass, service);
    let text = read.as_ref().and_then(|(_, text)| {
        let (_, document) = document_of(text, service)?;
        let document = with_own_names(document, service)?;
        with_keys(&document, service, &["name"], &format!("name: {}\n", quoted(clone)))
    });
    let Some(text) = text else {
        let message = text!("the manifest of {service} cannot be copied: it is not written line by line", service);
        return Some(Err(refusal(Code::A0461, message, text!("copy it by hand, with another `name`"))));
    };
    let file = handle.path_of(clone);
    let ManifestDraft { settle, .. } = edit_manifest::draft(handle, (&file, &text), clone, Vec::new(), true).await?;
    if let Some(why) = settle.into_iter().next() {
        return Some(Err(remarked(why)));
    }
    let said = text!(
        "{file} makes {clone} as {service} is made, from its image: what is on the disk of {service} is not copied",
        file = file.as_str(),
        clone,
        service
    );
    let is_written = !args.flag("dry_run");
    let cost = monthly(row.prices.as_ref());
    let mut one = json!({
        "instance": clone, "result": if is_written { "done" } else { "planned" }, "file": file, "text": text, "cost": cost.to_string(),
    });
    if let Some(one) = one.as_object_mut() {
        said.insert_into(one, "message");
    }
    if is_written {
        let message = format!("add {clone}, a clone of {service}");
        let change = FileChange { file, before: None, after: Some(text), author: author(args.text("by")), message };
        if let Err(why) = edit_manifest::write(handle, change).await {
            return Some(Err(remarked(why)));
        }
    }
    let document = json!({"schema": "amarre.instance_actions/v1", "results": [one]});
    let language = asked.style.language;
    let text = format!("{}\n  {}\n", say(&said, language), say(&cost_line(cost), language));
    Some(Ok(CommandAnswer { document, text, exit: 0 }))
}

/// A name in the DNS leads to one server: in the place of those of the first, the other has that of its manifest.
fn with_own_names(document: &str, service: &str) -> Option<String> {
    if has_key(document, &["domain", "aliases"]) {
        with_keys(document, service, &["domain", "aliases", "dns"], "dns: auto\n")
    } else {
        Some(document.to_owned())
    }
}

/// As YAML takes it for one text.
fn quoted(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(is_plain);
    if is_plain { name.to_owned() } else { json!(name).to_string() }
}

fn cost_line(cost: Text) -> Text {
    text!("cost a month {cost}, without tax", cost)
}

fn forecast(row: &InstanceRow, clone: &str, language: Language) -> CommandAnswer {
    let InstanceRow { name, vendor_name, size, id, .. } = row;
    let cost = monthly(row.prices.as_ref());
    let lines = [
        text!("of {name}, id {id}", name = vendor_name.as_str(), id = id.as_str()),
        text!("type {size}", size = size.as_str()),
        cost_line(cost.clone()),
    ];
    let about = [
        text!(
            "What is on the disk is copied. Where that takes a snapshot, it stays at the vendor, and is billed until it is deleted there."
        ),
        text!("No manifest manages the clone."),
    ];
    let mut text = format!("+ {clone}   {}\n", place(row));
    for line in lines {
        text.push_str(&format!("  {}\n", say(&line, language)));
    }
    for line in about {
        text.push_str(&format!("{}\n", say(&line, language)));
    }
    let document = json!({
        "schema": "amarre.instance_clone/v1", "instance": name, "vendor_name": vendor_name, "id": id, "clone": clone, "type": size,
        "cost": cost.to_string(),
    });
    CommandAnswer { document, text, exit: 0 }
}
