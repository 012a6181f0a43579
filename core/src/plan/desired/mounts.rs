//! What a container has of data and files: volumes, binds, and what is copied in before it starts.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::Expansion;
use super::{image_volumes, images};
use crate::model::service::{Container, Delivery, DeliveryContent, Mount, MountSource, Volume};
use crate::model::{Address, Code, Fields, Hint, Kind, Need, Refusal, Service, Value};
use crate::resources::docker;
use crate::resources::docker::{MountKind, MountSpec, MountedData};
use crate::text;

/// The field with the folders of the host that are created where they are missing.
pub const CREATED_FOLDERS: &str = "created_folders";

/// What the generation in force needs to be there, wanted as well.
pub fn image_and_volumes(expansion: &mut Expansion<'_>, container: &Container, fields: &Fields) -> Vec<Need> {
    let docker = expansion.host.docker.clone();
    let mut needs = vec![images::want(expansion, container, fields.text("image").unwrap_or_default())];
    for mount in &container.mounts {
        let MountSource::Volume(volume) = &mount.source else { continue };
        let address = Address::new(docker.clone(), Kind::Volume, &expansion.service.volume_name(volume));
        let said = expansion.service.volumes.get(volume);
        if said.is_none_or(|said| !said.is_external) {
            expansion.want(address.clone(), volume_fields(said), Vec::new(), &container.origin);
        }
        needs.push(Need::present(address));
    }
    for (name, _) in image_volumes::sources(fields) {
        let address = Address::new(docker.clone(), Kind::Volume, &name);
        expansion.want(address.clone(), Fields::default(), Vec::new(), &container.origin);
        needs.push(Need::present(address));
    }
    needs
}

/// A volume that is only used, and is not there: nothing of the container is made before it is.
pub fn missing_volume(expansion: &Expansion<'_>, container: &Container) -> Option<Refusal> {
    let service = expansion.service;
    let volumes = container.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Volume(volume) => Some((service.volume_name(volume), service.volumes.get(volume)?)),
        MountSource::Bind(_) | MountSource::Tmpfs | MountSource::Copied(_) => None,
    });
    for (name, said) in volumes.filter(|(_, said)| said.is_external) {
        let address = Address::new(expansion.host.docker.clone(), Kind::Volume, &name);
        let world = expansion.input.world;
        if world.seen.contains_key(&address) || world.gap(&address).is_some() {
            continue;
        }
        let origin = &said.origin;
        return Some(Refusal {
            code: Code::A0160,
            message: text!("volume {name} is external and is not there", name = &name),
            found: vec![origin.said_in()],
            hints: vec![Hint::command(text!("to make an empty one"), format!("docker volume create {name}"))],
        });
    }
    None
}

/// The fields `mounts` and `files` of a container.
pub fn set(expansion: &Expansion<'_>, container: &Container, fields: &mut Fields) {
    let mut mounts: Vec<String> =
        container.mounts.iter().filter_map(|mount| mount_text(expansion.service, mount)).collect();
    mounts.sort();
    fields.set("mounts", Value::texts(mounts));
    let created: BTreeSet<&String> = container.mounts.iter().filter_map(Mount::created_folder).collect();
    if !created.is_empty() {
        fields.set(CREATED_FOLDERS, Value::texts(created));
    }
    let files: BTreeMap<String, Value> =
        container.deliveries().map(|(target, delivery)| (target.clone(), delivered(expansion, delivery))).collect();
    if !files.is_empty() {
        fields.set("files", Value::Map(files));
    }
}

/// The text of a mount of a manifest; what is copied in is no mount to Docker.
pub fn mount_text(service: &Service, mount: &Mount) -> Option<String> {
    let (kind, source) = match &mount.source {
        MountSource::Volume(volume) => (MountKind::Volume, service.volume_name(volume)),
        MountSource::Bind(path) => (MountKind::Bind, path.clone()),
        MountSource::Tmpfs => (MountKind::Tmpfs, String::new()),
        MountSource::Copied(_) => return None,
    };
    let options = mount.options.iter().map(|(name, value)| (name.as_str(), value.into())).collect();
    let spec = MountSpec { is_read_only: mount.read_only, options, ..MountSpec::new(kind, &source, &mount.target) };
    Some(spec.to_string())
}

/// The data that a container writes to. A folder in memory is each one's own.
pub fn written(fields: &Fields) -> impl Iterator<Item = MountedData<'_>> {
    docker::mounts(fields).filter(|mount| !mount.is_read_only).filter_map(|mount| mount.data())
}

/// What a plan says of files: by digest, a secret by its name and mark.
fn delivered(expansion: &Expansion<'_>, delivery: &Delivery) -> Value {
    let content = match &delivery.content {
        DeliveryContent::Bundle(bundle) => Value::text(&bundle.digest),
        DeliveryContent::Secret(name) => expansion.secret(name),
    };
    let owner = Value::text(format!("{}:{}", delivery.uid, delivery.gid));
    let mut entries = BTreeMap::from([("content".to_owned(), content), ("owner".to_owned(), owner)]);
    if let Some(mode) = delivery.mode {
        entries.insert("mode".to_owned(), Value::text(format!("{mode:04o}")));
    }
    Value::Map(entries)
}

/// What a Compose file says of a volume.
fn volume_fields(said: Option<&Volume>) -> Fields {
    let mut fields = Fields::default();
    let Some(said) = said else { return fields };
    if let Some(driver) = &said.driver {
        fields.set("driver", Value::text(driver));
    }
    for (name, texts) in [("options", &said.options), ("labels", &said.labels)] {
        if !texts.is_empty() {
            let map = texts.iter().map(|(key, text)| (key.clone(), Value::text(text))).collect();
            fields.set(name, Value::Map(map));
        }
    }
    fields
}
