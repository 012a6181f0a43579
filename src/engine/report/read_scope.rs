//! What belongs to a service, for accounts limited to some services: they write manifests that use their own resources.
//!
//! A service owns what is named after it, and what its manifest uses already: more was given to it by an account with
//! full access.

use std::collections::BTreeSet;
use std::fmt;

use crate::engine::PassResult;
use amarre_core::manifest::{self, AllowedBy, Decision, Loaded, SourceFile, Verdict};
use amarre_core::model::address::service_of_network;
use amarre_core::model::service::{Dns, MountSource, NetworkMode, StreamTarget, Target};
use amarre_core::model::site::{NginxPolicy, is_below};
use amarre_core::model::{Asset, Assets, Service, Site};

/// A resource that a manifest uses or claims.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    kind: UseKind,
    item: String,
}

/// What is used, in the order of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum UseKind {
    ContainerName,
    ContainerOf,
    DataOf,
    File,
    Folder,
    WrittenFolder,
    HostPort,
    NginxLines,
    Name,
    Network,
    Port,
    Right,
    Secret,
    Subnet,
    Target,
    Volume,
    WrittenVolume,
}

impl UseKind {
    const fn word(self) -> &'static str {
        match self {
            UseKind::ContainerName => "container name",
            UseKind::ContainerOf => "container of",
            UseKind::DataOf => "data of",
            UseKind::File => "file",
            UseKind::Folder => "folder",
            UseKind::WrittenFolder => "folder to write to",
            UseKind::HostPort => "host port",
            UseKind::NginxLines => "lines for nginx",
            UseKind::Name => "name",
            UseKind::Network => "network",
            UseKind::Port => "port",
            UseKind::Right => "right",
            UseKind::Secret => "secret",
            UseKind::Subnet => "subnet",
            UseKind::Target => "target",
            UseKind::Volume => "volume",
            UseKind::WrittenVolume => "volume to write to",
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.kind.word(), self.item)
    }
}

/// What a text for the file of a service uses that belongs to none of `owners`. A text that is no good manifest uses
/// nothing yet: its diagnostics are reported elsewhere.
pub fn foreign_uses(picture: &PassResult, (file, text): (&str, &str), owners: &BTreeSet<String>) -> Vec<Use> {
    let Some(site) = picture.context.as_ref().map(|context| &context.site) else { return Vec::new() };
    let assets = all_files(picture);
    let now = ScopeText::read(file, text, &assets, site);
    let before = picture.source.files.iter().find(|(path, _)| path == file);
    let before = before.map(|(_, text)| ScopeText::read(file, text, &assets, site)).unwrap_or_default();
    let mut others = BTreeSet::new();
    for (service, files) in &now.services {
        let mut known = picture.services.get(&service.name).map(uses).unwrap_or_default();
        known.extend(before.rights.iter().cloned());
        for (old, files) in &before.services {
            known.extend(uses(old).into_iter().filter(|_| old.name == service.name));
            known.extend(files.iter().cloned());
        }
        let fresh = uses(service).into_iter().chain(now.rights.iter().cloned()).chain(files.iter().cloned());
        others.extend(fresh.filter(|used| !known.contains(used)));
    }
    let taken = OthersNames::new(picture, owners);
    let is_own = |used: &Use| owners.iter().any(|owner| is_of(used, owner, site)) && !taken.has(used);
    others.into_iter().filter(|used| !is_own(used)).collect()
}

/// What other services are called: a name below that of an owner may be theirs.
struct OthersNames {
    names: BTreeSet<String>,
    containers: BTreeSet<String>,
}

impl OthersNames {
    fn new(picture: &PassResult, owners: &BTreeSet<String>) -> Self {
        let mut taken = Self { names: BTreeSet::new(), containers: BTreeSet::new() };
        for service in picture.services.values().filter(|service| !owners.contains(&service.name)) {
            names(service, &mut |kind, item| {
                if kind == UseKind::Name {
                    taken.names.insert(item);
                }
            });
            taken.containers.extend(service.containers.keys().map(|key| service.container_name(key)));
        }
        taken
    }

    fn has(&self, used: &Use) -> bool {
        match used.kind {
            UseKind::Name => {
                let about = [Some(used.item.as_str()), manifest::subject(&used.item)];
                about.into_iter().flatten().any(|name| self.names.contains(name))
            }
            UseKind::ContainerName => self.containers.contains(&used.item),
            UseKind::Network => used.item.strip_prefix(OF_CONTAINER).is_some_and(|name| self.containers.contains(name)),
            UseKind::ContainerOf
            | UseKind::DataOf
            | UseKind::File
            | UseKind::Folder
            | UseKind::WrittenFolder
            | UseKind::HostPort
            | UseKind::NginxLines
            | UseKind::Port
            | UseKind::Right
            | UseKind::Secret
            | UseKind::Subnet
            | UseKind::Target
            | UseKind::Volume
            | UseKind::WrittenVolume => false,
        }
    }
}

/// A network that is a container's.
const OF_CONTAINER: &str = "container:";

/// The content of a text.
#[derive(Default)]
struct ScopeText {
    /// Its services, each with the files of the source that it reads.
    services: Vec<(Service, BTreeSet<Use>)>,
    /// The rights of the policy that allow it.
    rights: BTreeSet<Use>,
}

impl ScopeText {
    fn read(path: &str, text: &str, assets: &Assets, site: &Site) -> Self {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        let rights = rights(&file, assets, site);
        let Loaded { services, mut texts, .. } = manifest::load_again(&file, assets, site);
        let with_files = |service: Service| {
            let files = texts.remove(&service.name).map(|text| text.assets).unwrap_or_default();
            (service, files.into_keys().map(|item| Use { kind: UseKind::File, item }).collect())
        };
        Self { services: services.into_iter().map(with_files).collect(), rights }
    }
}

/// Whether a right of the policy allows a use, and not the service's name; with nginx lines where policy checks none.
fn rights(file: &SourceFile, assets: &Assets, site: &Site) -> BTreeSet<Use> {
    /// Rights whose uses are checked by themselves, or that reveal nothing foreign.
    const PLAIN: [&str; 9] =
        ["host_paths", "images", "log_drivers", "networks", "nginx", "secrets", "subnets", "targets", "volumes"];
    let (loaded, decisions) = manifest::explain(std::slice::from_ref(file), assets, site);
    let is_given = |decision: &Decision| {
        matches!(&decision.verdict, Verdict::Allowed(AllowedBy::Policy(_)))
            && !PLAIN.contains(&decision.right.word.as_str())
    };
    let given = decisions.into_iter().filter(is_given).map(|decision| decision.right);
    let mut rights: BTreeSet<Use> =
        given.map(|right| Use { kind: UseKind::Right, item: format!("{} {}", right.word, right.item) }).collect();
    if site.policy.nginx == NginxPolicy::Any {
        let routes = loaded.services.iter().flat_map(|service| &service.routes).map(|route| &route.advanced);
        let redirects = loaded.services.iter().flat_map(|service| &service.answered).map(|one| &one.advanced);
        let lines = routes.chain(redirects).filter(|lines| !lines.is_empty());
        rights.extend(lines.map(|lines| Use { kind: UseKind::NginxLines, item: lines.clone() }));
    }
    rights
}

/// Every file of the source. A Compose file looks like a manifest, so it may stand among the manifests.
fn all_files(picture: &PassResult) -> Assets {
    let asset =
        |text: &String| Asset { bytes: Some(text.as_bytes().into()), size: text.len() as u64, executable: false };
    let source = &picture.source;
    let mut assets: Assets = source.files.iter().map(|(path, text)| (path.clone(), asset(text))).collect();
    assets.extend(source.assets.iter().map(|(path, asset)| (path.clone(), asset.clone())));
    assets
}

fn uses(service: &Service) -> BTreeSet<Use> {
    let mut uses: BTreeSet<Use> = BTreeSet::new();
    let mut add = |kind: UseKind, item: String| {
        uses.insert(Use { kind, item });
    };
    service.secrets().into_iter().for_each(|(secret, _)| add(UseKind::Secret, secret.0.clone()));
    for container in service.all_containers() {
        container.container_name.iter().for_each(|name| add(UseKind::ContainerName, name.clone()));
        for mount in &container.mounts {
            match &mount.source {
                MountSource::Bind(path) => add(UseKind::Folder, path.clone()),
                MountSource::Volume(volume) => add(UseKind::Volume, service.volume_name(volume)),
                MountSource::Tmpfs | MountSource::Copied(_) => (),
            }
        }
    }
    for container in service.all_containers() {
        // A readable foreign file may not be writable.
        for mount in container.mounts.iter().filter(|mount| !mount.read_only) {
            match &mount.source {
                MountSource::Bind(path) => add(UseKind::WrittenFolder, path.clone()),
                MountSource::Volume(volume) => add(UseKind::WrittenVolume, service.volume_name(volume)),
                MountSource::Tmpfs | MountSource::Copied(_) => (),
            }
        }
        let networks = container.home.iter().chain(&container.also_on);
        let networks = networks.filter(|network| !service.networks.contains_key(*network));
        networks.for_each(|network| add(UseKind::Network, network.clone()));
        container
            .network_of_other()
            .into_iter()
            .for_each(|name| add(UseKind::Network, format!("{OF_CONTAINER}{name}")));
        let ports = container.ports.iter().map(|port| format!("{}:{}/{}", port.host_ip, port.published, port.protocol));
        ports.for_each(|port| add(UseKind::HostPort, port));
    }
    match &service.network {
        NetworkMode::Subnet(subnet) | NetworkMode::Defined { subnet: Some(subnet), .. } => {
            add(UseKind::Subnet, subnet.to_string());
        }
        NetworkMode::Auto | NetworkMode::Shared(_) | NetworkMode::Defined { subnet: None, .. } => (),
    }
    service.networks.values().filter_map(|own| own.subnet).for_each(|subnet| add(UseKind::Subnet, subnet.to_string()));
    let devices = service.volumes.values().filter_map(|volume| volume.options.get("device"));
    devices.for_each(|device| add(UseKind::Folder, device.clone()));
    if let NetworkMode::Shared(network) = &service.network {
        add(UseKind::Network, network.clone());
    }
    names(service, &mut add);
    service.data.of.iter().for_each(|old| add(UseKind::DataOf, old.clone()));
    uses
}

/// Names, and their targets.
fn names(service: &Service, add: &mut impl FnMut(UseKind, String)) {
    let routes = service.routes.iter().flat_map(|route| &route.domains);
    let redirects = service.answered.iter().flat_map(|host| &host.domains);
    let instances = service.instance.iter().flat_map(|instance| &instance.domains);
    routes.chain(redirects).chain(instances).for_each(|domain| add(UseKind::Name, domain.clone()));
    if let Dns::Records(records) = &service.dns {
        records.iter().for_each(|record| add(UseKind::Name, record.name.clone()));
    }
    for target in service.routes.iter().flat_map(|route| route.targets()) {
        match target {
            Target::Url { host, port, .. } => add(UseKind::Target, format!("{host}:{port}")),
            Target::Instance { name, .. } => add(UseKind::ContainerOf, name.clone()),
            Target::Container { .. } => (),
        }
    }
    for stream in &service.streams {
        add(UseKind::Port, stream.port.to_string());
        match &stream.to {
            StreamTarget::Container { service, .. } => add(UseKind::ContainerOf, service.clone()),
            StreamTarget::Address { host, port } => add(UseKind::Target, format!("{host}:{port}")),
        }
    }
}

fn is_of(used: &Use, owner: &str, site: &Site) -> bool {
    let item = used.item.as_str();
    let after = item.strip_prefix(owner);
    match used.kind {
        UseKind::Secret => after.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        UseKind::ContainerName => after.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
        UseKind::Volume | UseKind::WrittenVolume => after.is_some_and(|rest| rest.starts_with('_')),
        UseKind::Network => match item.strip_prefix(OF_CONTAINER) {
            Some(container) => {
                container.strip_prefix(owner).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            }
            None => item == owner || service_of_network(item) == Some(owner),
        },
        UseKind::DataOf | UseKind::ContainerOf => item == owner,
        UseKind::File => item.split('/').rev().skip(1).any(|folder| folder == owner),
        UseKind::Folder | UseKind::WrittenFolder => site.hosts.values().any(|host| {
            let own = format!("{}/{owner}", host.data.trim_end_matches('/'));
            item.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }),
        UseKind::Name => {
            let bare = item.strip_prefix("*.").unwrap_or(item);
            // `*.shop.example.org` is below `shop.example.org`, and `*.example.org` is not.
            site.domains.iter().any(|domain| is_below(bare, &format!("{owner}.{domain}")))
        }
        // A port of NPM or of the host, a subnet, a resource that is no container, and a right that policy gives belong
        // to no service.
        UseKind::HostPort
        | UseKind::NginxLines
        | UseKind::Port
        | UseKind::Right
        | UseKind::Subnet
        | UseKind::Target => false,
    }
}
