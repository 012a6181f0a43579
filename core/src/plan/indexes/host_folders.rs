//! The folders of a host that containers mount, themselves or by volumes that are made of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::folders::normal;
use crate::model::service::{Container, Mount, MountSource, Volume};
use crate::model::{Address, Fields, Kind, ProviderId, Service, Text, Value};
use crate::plan::input::Input;
use crate::resources::docker;
use crate::resources::docker::{MountKind, MountSpec, MountedData};
use crate::text;

/// A folder or file of the host that a container mounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostFolder {
    /// As it is asked for.
    pub path: String,
    /// The volume that is made of it.
    pub volume: Option<String>,
    /// The container may write there.
    pub is_written: bool,
}

impl HostFolder {
    /// As a message calls it.
    pub fn shown(&self) -> Text {
        let path = &self.path;
        match &self.volume {
            Some(volume) => text!("volume {volume}, which is {path},", volume, path),
            None => text!("the bind of {path}", path),
        }
    }
}

/// The mounts of a container as its manifest says them.
pub fn of_manifest(service: &Service, container: &Container) -> Fields {
    let mounts = container.mounts.iter().filter_map(|mount| self::mount_text(service, mount));
    Fields::default().with("mounts", Value::texts(mounts))
}

/// Folders below which a service may mount.
pub(crate) fn roots(input: &Input<'_>, data: &str, service: &Service) -> BTreeSet<String> {
    let of = |name: &str| input.site.policy.host_roots(data, name);
    of(&service.name).into_iter().chain(of(service.data_name())).map(|root| normal(&root)).collect()
}

/// The folders of the host among a container's mounts, those of volumes that are made of one too.
pub fn folders(input: &Input<'_>, service: &Service, provider: &ProviderId, fields: &Fields) -> Vec<HostFolder> {
    let folder = |mount: MountSpec<'_>| {
        let (path, volume) = match mount.data()? {
            MountedData::Path(path) => (normal(path), None),
            MountedData::Volume(name) => (device(input, service, provider, name)?, Some(name.to_owned())),
        };
        Some(HostFolder { path, volume, is_written: !mount.is_read_only })
    };
    let folders: BTreeSet<HostFolder> = docker::mounts(fields).filter_map(folder).collect();
    folders.into_iter().collect()
}

/// The folder of which a volume is made, as it is there or as the manifest says. One that is not ours is the operator's.
pub(crate) fn device(input: &Input<'_>, service: &Service, provider: &ProviderId, name: &str) -> Option<String> {
    let address = Address::new(provider.clone(), Kind::Volume, name);
    let option = |options: &BTreeMap<String, String>| {
        let of = |key: &str| options.get(key).map_or("", String::as_str);
        let is_bind = of("o").split(',').any(|word| matches!(word.trim(), "bind" | "rbind"));
        let is_plain = matches!(of("type"), "none" | "bind");
        (of("device").starts_with('/') && (is_bind || is_plain)).then(|| normal(of("device")))
    };
    if let Some(seen) = input.world.seen.get(&address) {
        let entries = seen.fields.get("options").and_then(Value::entries).into_iter().flatten();
        let texts = entries.filter_map(|(key, value)| Some((key.clone(), value.as_text()?.to_owned()))).collect();
        return option(&texts).filter(|_| seen.owner.is_ours());
    }
    let is_it = |(key, said): &(&String, &Volume)| !said.is_external && service.volume_name(key) == name;
    service.volumes.iter().find(is_it).and_then(|(_, said)| option(&said.options))
}

/// The binds of a container.
pub(crate) fn binds(fields: &Fields) -> impl Iterator<Item = HostFolder> {
    let binds = docker::mounts(fields).filter(|mount| mount.kind == MountKind::Bind);
    binds.map(|mount| HostFolder { path: normal(mount.source), volume: None, is_written: !mount.is_read_only })
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
