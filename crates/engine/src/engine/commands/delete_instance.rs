//! Deletes a server that no manifest manages: one at a time, by its id, and only by the name that it has at its vendor, which the
//! vendor's list and details are asked for once more in the same call.

use serde_json::json;

use super::act::{ActArgs, VENDOR_NAME, VerbCall};
use super::instances::{InstanceDeed, NotAsked, act, prepared, refusal};
use super::{CommandAnswer, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::instances::InstanceRow;
use amarre_core::model::Code;
use amarre_core::text;

/// Carries it out, or shows what it would delete.
pub async fn delete(handle: &Handle, asked: VerbCall<'_>) -> Option<CommandAnswer> {
    act_by_name(handle, asked, InstanceDeed::Delete, |row, _| Ok(forecast(row))).await
}

/// Carries out on one server what loses its data, after its name at its vendor was typed; or shows what that would be.
pub(super) async fn act_by_name(
    handle: &Handle,
    asked: VerbCall<'_>,
    deed: InstanceDeed,
    forecast: impl FnOnce(&InstanceRow, &ActArgs) -> Result<CommandAnswer, NotAsked> + Send,
) -> Option<CommandAnswer> {
    let args = asked.args;
    let names = args.texts("instances");
    let (undone, usage) = if deed == InstanceDeed::Rebuild {
        ("it is not installed again", "amarre instance rebuild CLOUD:ID --name NAME")
    } else {
        ("it is not deleted", "amarre instance delete CLOUD:ID --name NAME")
    };
    let [name] = names.as_slice() else {
        let why = format!("one instance at a time, each by its own name; {undone}");
        return Some(refused(Code::A0465, &why, &format!("name one: {usage}")));
    };
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let found = prepared(&pass, name, deed, args).and_then(|row| Ok((forecast(&row, args)?, row)));
    let (forecast, row) = match found {
        Ok(found) => found,
        Err(why) => return Some(why.answer()),
    };
    if args.flag("dry_run") {
        return Some(forecast);
    }
    match args.given(VENDOR_NAME) {
        Some(typed) if typed == row.vendor_name => act(handle, asked, deed).await,
        Some(typed) => {
            let why = format!("{name} is not called `{typed}` at its vendor, so {undone}");
            Some(refused(Code::A0465, &why, &format!("amarre instance show {name} has its name")))
        }
        None => {
            let why = format!("only by the name that {name} has at its vendor; {undone}");
            let hint = format!("{usage}; `{VENDOR_NAME}` in a request");
            Some(refused(Code::A0465, &why, &hint))
        }
    }
}

/// Why a server is not deleted by this verb: a manifest names it, or made it.
pub(super) fn is_not_a_manifests(row: &InstanceRow) -> Result<(), NotAsked> {
    let name = row.shown_name();
    if row.is_made() {
        let message = text!("a manifest made {name}, so this does not delete it", name);
        let destroy = format!("amarre destroy {} --purge", row.address.name);
        let hint = match &row.manifest {
            Some(managed) => {
                let file = &managed.instance.origin.file;
                format!("write `reconcile: {{protect: false}}` in {file}, unless it says so, then {destroy}")
            }
            None => destroy,
        };
        return Err(refusal(Code::A0464, message, hint));
    }
    match &row.manifest {
        Some(managed) => {
            let file = managed.instance.origin.file.as_str();
            let message = text!("{file} manages {name}, so this does not delete it", name, file);
            Err(refusal(
                Code::A0464,
                message,
                format!("take {file} out of the source first: {name} then stays as it is"),
            ))
        }
        None => Ok(()),
    }
}

/// `paris · ci · GRA11`.
pub(super) fn place(row: &InstanceRow) -> String {
    let place = [&row.cloud, &row.project, &row.region].into_iter().filter(|part| !part.is_empty());
    place.map(String::as_str).collect::<Vec<_>>().join(" · ")
}

fn forecast(row: &InstanceRow) -> CommandAnswer {
    let InstanceRow { name, vendor_name, cloud, project, region, size, addresses, id, created, .. } = row;
    let mut text = format!("− {vendor_name}   {}\n  id {id}\n", place(row));
    let facts = [("type", size.clone()), ("addresses", addresses.join(", ")), ("made", created.clone())];
    for (label, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("  {label} {value}\n"));
    }
    text.push_str(
        "Its own disks go with it. Volumes, snapshots and addresses that were ordered apart stay, and are billed on.\n",
    );
    let document = json!({
        "schema": "amarre.instance_delete/v1", "instance": name, "vendor_name": vendor_name, "cloud": cloud,
        "project": project, "region": region, "type": size, "addresses": addresses, "id": id, "created": created,
    });
    CommandAnswer { document, text, exit: 0 }
}
