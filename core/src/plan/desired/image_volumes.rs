//! What an image declares as `VOLUME` and the manifest does not map: a named volume each, so that the data outlives
//! the container.
//!
//! It is known once the image is there. Until then the field is an output of the image, as its id is.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::folders::as_word;
use crate::model::service::Container;
use crate::model::{Address, Fields, Kind, Seen, Value};
use crate::plan::expansion::Expansion;
use crate::resources::docker::{MountKind, MountSpec};

/// Field of a container: `volume:NAME:/path:rw` for each declared path.
pub const FIELD: &str = "image_mounts";

/// The mounts of `image` for the container of `key`; an output while the image is not there.
///
/// A volume that is in use at a path stays in use there, whatever it is called: a container that was made before its
/// image's volumes had names keeps its data.
pub fn mounts(
    expansion: &Expansion<'_>,
    key: &str,
    container: &Container,
    image: &str,
    instances: &BTreeMap<Address, &Seen>,
    last_good: Option<&Fields>,
) -> Value {
    let address = Address::new(expansion.host.docker.clone(), Kind::Image, image);
    let Some(seen) = expansion.input.world.seen.get(&address) else {
        return Value::output(address, FIELD);
    };
    let tmpfs = container.settings.get("tmpfs").and_then(Value::entries).into_iter().flatten();
    let mounts = container.mounts.iter().filter(|mount| !mount.is_copied()).map(|mount| mount.target.as_str());
    let mapped: BTreeSet<&str> = mounts.chain(tmpfs.map(|(path, _)| path.as_str())).collect();
    let known = instances.values().map(|seen| &seen.fields).chain(last_good);
    let in_use: BTreeMap<String, String> = known.flat_map(sources).map(|(source, target)| (target, source)).collect();
    let data = expansion.service.data_name();
    // One container is called as its service, and was so under the name before.
    let key = if key == expansion.service.name { data } else { key };
    // Of an image that is only foreseen, nothing is known: it is taken to declare what the one before it did.
    let declared = match seen.fields.get("volumes") {
        Some(declared) => declared.strings(),
        None => in_use.keys().map(String::as_str).collect(),
    };
    let paths = declared.into_iter().filter(|path| !mapped.contains(path));
    let mounts = paths.map(|path| {
        let source = in_use.get(path).cloned().unwrap_or_else(|| format!("{data}_{key}_{}", as_word(path)));
        MountSpec::new(MountKind::Volume, &source, path).to_string()
    });
    Value::texts(mounts.collect::<BTreeSet<String>>())
}

/// Names and paths of the volumes that a container has for what its image declares.
pub fn sources(fields: &Fields) -> Vec<(String, String)> {
    let mounts = fields.strings(FIELD).into_iter().filter_map(MountSpec::parse);
    let volumes = mounts.filter(|mount| mount.kind == MountKind::Volume && !mount.is_read_only);
    volumes.map(|mount| (mount.source.to_owned(), mount.target.to_owned())).collect()
}
