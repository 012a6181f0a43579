//! What a container has of data and files: volumes, binds, and what is copied in before it starts.

use std::collections::{BTreeMap, BTreeSet};

use super::{image_volumes, images};
use crate::model::service::{Container, Delivery, DeliveryContent, Mount, MountSource, Volume};
use crate::model::{Address, Code, Fields, Hint, Kind, Need, Refusal, Value};
use crate::plan::expansion::Expansion;
use crate::plan::indexes::host_folders;
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
        container.mounts.iter().filter_map(|mount| host_folders::mount_text(expansion.service, mount)).collect();
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
