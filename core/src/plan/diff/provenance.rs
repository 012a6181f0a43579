//! Which line gave a field: the key of the manifest, a key of amarre.yaml, or neither, which is the default. Pure.
//!
//! | field | its keys, the first that is there |
//! |---|---|
//! | one that is called as its key | that key, where the part of the manifest is: container, route, record, … |
//! | one that follows from other keys | those of the table below |
//! | an address or a ttl that no manifest says | `hosts.NAME.address`, `dns.ttl` in amarre.yaml |

use crate::model::{Address, FieldDiff, Kind, Origin, Want};
use crate::plan::input::Input;

/// Where a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldSource<'a> {
    /// The key of a manifest.
    Key(&'a Origin),
    /// A key of amarre.yaml.
    Config(String),
    /// Nothing says it.
    Default,
}

/// Where a manifest asks for a resource: the key that it follows from, else the part of the manifest that wants it.
pub fn origin_of<'a>(input: &Input<'a>, address: &Address, want: &'a Want) -> &'a Origin {
    let keys = WHOLE.iter().find(|(kind, _)| *kind == address.kind).map_or(&[][..], |(_, keys)| *keys);
    // A route in a map of its own begins where it is asked for.
    let is_root = input.services.get(&want.service).is_some_and(|service| service.origin == want.origin);
    let is_named = address.kind.has_host_names() || address.kind == Kind::Record;
    let keys = if is_root && is_named { ENTRY } else { keys };
    first_key(input, want, keys.iter().copied()).unwrap_or(&want.origin)
}

/// Where a field of a resource comes from. `labels.a` is of `labels`.
pub fn field_source<'a>(input: &Input<'a>, address: &Address, want: &Want, field: &str) -> FieldSource<'a> {
    let Some(service) = input.services.get(&want.service) else { return FieldSource::Default };
    let field = field.split('.').next().unwrap_or(field);
    let keys = keys(address.kind, field);
    let own = std::iter::once(field).filter(|_| keys.is_empty()).chain(keys.iter().copied());
    if let Some(origin) = first_key(input, want, own) {
        return FieldSource::Key(origin);
    }
    match (address.kind, field) {
        (Kind::Record, "values") => FieldSource::Config(format!("hosts.{}.address", service.host)),
        (Kind::Record, "ttl") => FieldSource::Config("dns.ttl".to_owned()),
        (Kind::Network, "subnet") => FieldSource::Config("network.pools".to_owned()),
        (_, _) => FieldSource::Default,
    }
}

/// The first of some keys that is there: in the part of the manifest that wants the resource, or above it.
fn first_key<'a, 'k>(input: &Input<'a>, want: &Want, keys: impl Iterator<Item = &'k str>) -> Option<&'a Origin> {
    let service = input.services.get(&want.service)?;
    let part = service.places.get(&want.origin);
    let root = service.places.get(&service.origin);
    // `port: 80` is a route without a map of its own; what concerns all containers stands above them.
    let is_above = |key: &str| part.is_none() || matches!(key, "network" | "state" | "volumes");
    let mut found = keys.filter_map(|key| {
        let above = root.filter(|_| is_above(key)).and_then(|root| root.get(key));
        part.and_then(|part| part.get(key)).or(above)
    });
    found.next()
}

/// What of a manifest, or of amarre.yaml, made these differences: the first key among them.
pub fn of_diffs<'a>(input: &Input<'a>, address: &Address, want: &Want, diffs: &[FieldDiff]) -> FieldSource<'a> {
    let mut sources: Vec<FieldSource<'a>> =
        diffs.iter().map(|diff| field_source(input, address, want, &diff.field)).collect();
    let rank = |source: &FieldSource<'a>| match source {
        FieldSource::Key(origin) => (0, origin.line),
        FieldSource::Config(_) => (1, 0),
        FieldSource::Default => (2, 0),
    };
    sources.sort_by_key(rank);
    sources.into_iter().next().unwrap_or(FieldSource::Default)
}

/// The keys that a field follows from, where it is not called as they are.
fn keys(kind: Kind, field: &str) -> &'static [&'static str] {
    let table = if kind.is_proxied() { HOST } else { named_keys(kind) };
    table.iter().find(|(named, _)| *named == field || *named == ANY).map_or(&[], |(_, keys)| *keys)
}

/// By kind of resource: the keys of a manifest that ask for one.
const WHOLE: &[(Kind, &[&str])] = &[
    (Kind::Image, &["image", "build"]),
    (Kind::Volume, &["volumes"]),
    (Kind::Network, &["network"]),
    (Kind::Stream, &["port"]),
];

/// The keys that ask for a host name where they are the manifest's own.
const ENTRY: &[&str] = &["domain", "port"];

/// By field: the keys of a manifest.
type FieldKeys = &'static [(&'static str, &'static [&'static str])];

/// Stands for every field.
const ANY: &str = "";

fn named_keys(kind: Kind) -> FieldKeys {
    const TABLES: [(Kind, FieldKeys); 8] = [
        (Kind::Container, CONTAINER),
        (Kind::Record, &[("values", &["values", "value"])]),
        (Kind::Network, &[("subnet", &["subnet", "network"])]),
        (Kind::AccessList, &[("satisfy_any", &["satisfy"])]),
        (Kind::Volume, &[(ANY, &["volumes"])]),
        (Kind::Certificate, &[(ANY, &["tls", "ssl"])]),
        (Kind::Image, &[("platform", &["platform"]), (ANY, &["image", "build"])]),
        (Kind::Server, &[("ssh_key", &["ssh_keys"])]),
    ];
    TABLES.into_iter().find(|(named, _)| *named == kind).map_or(&[], |(_, table)| table)
}

const CONTAINER: FieldKeys = &[
    ("name", &["container_name", "name"]),
    ("aliases", &["networks", "container_name", "name"]),
    ("image_id", &["image"]),
    ("environment", &["environment", "env_file"]),
    ("labels", &["labels", "label_file"]),
    ("mounts", &["volumes", "configs", "secrets"]),
    ("image_mounts", &["volumes", "configs", "secrets"]),
    ("files", &["volumes", "configs", "secrets"]),
    ("ports", &["ports"]),
    ("publish", &["ports"]),
    ("network", &["network_mode", "networks", "network"]),
    ("network_of", &["network_mode", "networks", "network"]),
    ("edge", &["network"]),
    ("also_on", &["networks"]),
    ("ipv4_address", &["networks", "mac_address"]),
    ("mac_address", &["networks", "mac_address"]),
    ("running", &["state"]),
    ("pid_of", &["pid"]),
    ("ipc_of", &["ipc"]),
];

const HOST: FieldKeys = &[
    ("domains", &["domain", "aliases", "name"]),
    ("forward_scheme", &["to", "port"]),
    ("forward_host", &["to", "port"]),
    ("forward_port", &["to", "port"]),
    ("certificate", &["tls", "ssl"]),
    ("force_https", &["force_https", "http2", "tls", "ssl"]),
    ("http2", &["force_https", "http2", "tls", "ssl"]),
    ("hsts", &["hsts"]),
    ("hsts_subdomains", &["hsts"]),
    ("enabled", &["state"]),
];
