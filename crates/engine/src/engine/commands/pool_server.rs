//! What may be asked of a server that a pool makes: what it is, its pool says, and nothing wipes it while a reservation has it.

use super::instances::{InstanceDeed, NotAsked, refusal};
use crate::engine::report::instances::InstanceRow;
use crate::engine::report::pass_view::PassView;
use amarre_core::model::Code;
use amarre_core::model::reservations::Reservation;
use amarre_core::text;

/// Whether its pool leaves room for it; of every other server, yes.
pub(super) fn allows(pass: &PassView, row: &InstanceRow, deed: InstanceDeed) -> Result<(), NotAsked> {
    let Some(pool) = pool_of(pass, row) else { return Ok(()) };
    let name = row.name.as_str();
    match deed {
        InstanceDeed::Resize | InstanceDeed::Clone => {
            let message = text!("pool {pool} makes {name}: all of its servers are alike", pool, name);
            let hint = format!("change `type` or `count` below `instance` in the manifest of {pool}");
            Err(refusal(Code::A0464, message, hint))
        }
        InstanceDeed::Delete => {
            let message = text!("pool {pool} made {name}, so this does not delete it", pool, name);
            let hint = if pass.services.contains_key(pool) {
                format!("with `reconcile: {{protect: false}}` in {pool}, a smaller `count` deletes the last ones")
            } else {
                format!("amarre destroy {pool} --purge")
            };
            Err(refusal(Code::A0464, message, hint))
        }
        InstanceDeed::Rebuild => {
            let holder = pass.facts.pools.get(pool).and_then(|facts| facts.holder(&row.address.name));
            match holder.map(Reservation::label) {
                Some(reservation) => {
                    let hint = format!("amarre pool release {pool} {reservation} --others");
                    let message = text!("{reservation} has {name}, and its work would be lost", reservation, name);
                    Err(refusal(Code::A0464, message, hint))
                }
                None => Ok(()),
            }
        }
        InstanceDeed::Start
        | InstanceDeed::Stop
        | InstanceDeed::Reboot
        | InstanceDeed::Shelve
        | InstanceDeed::Unshelve
        | InstanceDeed::Follow
        | InstanceDeed::Snapshot
        | InstanceDeed::Console => Ok(()),
    }
}

/// The pool that makes it, or made it.
fn pool_of<'a>(pass: &'a PassView, row: &'a InstanceRow) -> Option<&'a String> {
    let said = row.manifest.as_ref().map(|managed| &managed.service);
    let service = said.or_else(|| pass.facts.applied.get(&row.address).map(|applied| &applied.service))?;
    (row.is_made() && *service != row.address.name).then_some(service)
}
