//! Deletes a server that no manifest manages: one at a time, by its id, and only by the name that it has at its vendor, which the
//! vendor's list and details are asked for once more in the same call.

use serde_json::json;

use super::act::{Asked, VENDOR_NAME};
use super::instances::{InstanceDeed, NotAsked, act, prepared};
use super::{CommandAnswer, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::instances::InstanceRow;
use amarre_core::model::Code;

/// Carries it out, or shows what it would delete.
pub async fn delete(handle: &Handle, asked: Asked<'_>) -> Option<CommandAnswer> {
    let args = asked.args;
    let names = args.texts("instances");
    let [name] = names.as_slice() else {
        let why = "one instance is deleted at a time, each by its own name";
        return Some(refused(Code::A0465, why, "name one: amarre instance delete CLOUD:ID"));
    };
    let picture = handle.request(LoopCommand::Pass).await?.picture;
    let row = match prepared(&picture, name, InstanceDeed::Delete, args) {
        Ok(row) => row,
        Err(NotAsked { code, message, hint }) => return Some(refused(code, &message.to_string(), &hint)),
    };
    if args.flag("dry_run") {
        return Some(forecast(&row));
    }
    match args.given(VENDOR_NAME) {
        Some(typed) if typed == row.vendor_name => act(handle, asked, InstanceDeed::Delete).await,
        Some(typed) => {
            let why = format!("{name} is not called `{typed}` at its vendor, so it is not deleted");
            Some(refused(Code::A0465, &why, &format!("amarre instance show {name} has its name")))
        }
        None => {
            let why = format!("{name} is deleted only by the name that it has at its vendor");
            let hint = format!("amarre instance delete {name} --name NAME; `{VENDOR_NAME}` in a request");
            Some(refused(Code::A0465, &why, &hint))
        }
    }
}

fn forecast(row: &InstanceRow) -> CommandAnswer {
    let InstanceRow { name, vendor_name, cloud, project, region, size, addresses, id, created, .. } = row;
    let place = [cloud, project, region].into_iter().filter(|part| !part.is_empty());
    let place = place.map(String::as_str).collect::<Vec<_>>().join(" · ");
    let mut text = format!("− {vendor_name}   {place}\n  id {id}\n");
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
