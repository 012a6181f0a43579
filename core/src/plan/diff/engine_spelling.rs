//! What an engine spells otherwise than a manifest does is no change: a container that Amarre made is as it was made, but
//! for what an engine changes while it is there.

use std::collections::BTreeMap;

use crate::model::world::Applied;
use crate::model::{Address, Kind, Rule, World};
use crate::resources::docker;

/// What `docker update` and `docker network` change, by the beginning of the field's name.
const CHANGEABLE: [&str; 10] = [
    "network",
    "ipv4_address",
    "mac_address",
    "also_on",
    "edge",
    "cpu",
    "mem",
    "pids_limit",
    "blkio_config",
    "publish",
];

/// Takes the spelling of the ledger for each field of a container that cannot have changed since.
pub fn as_made(world: &mut World, applied: &BTreeMap<Address, Applied>) {
    let is_fixed = |name: &str| !CHANGEABLE.iter().any(|start| name.starts_with(start));
    let fields = docker::CONTAINER.fields.iter().filter(|field| field.rule == Rule::Generation);
    let fixed: Vec<&'static str> = fields.map(|field| field.name).filter(|name| is_fixed(name)).collect();
    for (address, row) in applied.iter().filter(|(address, _)| address.kind == Kind::Container) {
        let Some(seen) = world.seen.get_mut(address).filter(|seen| seen.vendor_id == row.vendor_id) else { continue };
        for name in &fixed {
            let made = row.fields.get(name).filter(|made| !made.is_unresolved() && seen.fields.get(name) != Some(made));
            if let Some(made) = made.cloned() {
                seen.fields.set(*name, made);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fields, Owner, Readiness, Seen, Timestamp, Value};

    #[test]
    fn only_what_cannot_have_changed_is_as_it_was_made() {
        let web: Address = "docker/container/web@5e1c0aa".parse().unwrap();
        let fields = |folder: &str, memory: i64| {
            Fields::default().with("working_dir", Value::text(folder)).with("mem_limit", Value::Int(memory))
        };
        let seen = |vendor_id: &str| Seen {
            fields: fields("/srv", 2),
            ready: Readiness::Ready,
            owner: Owner::Ours,
            service: Some("web".to_owned()),
            vendor_id: vendor_id.to_owned(),
            at: Timestamp(1),
        };
        let row = Applied { service: "web".to_owned(), vendor_id: "c1".to_owned(), fields: fields("/srv/", 1) };
        let applied = BTreeMap::from([(web.clone(), row)]);
        for (vendor_id, expected) in [("c1", fields("/srv/", 2)), ("c2", fields("/srv", 2))] {
            let mut world = World { seen: [(web.clone(), seen(vendor_id))].into(), ..World::default() };
            as_made(&mut world, &applied);
            assert_eq!(world.seen[&web].fields, expected, "{vendor_id}");
        }
    }
}
