//! Which line gave a field: the key of the manifest, a key of amarre.yaml, or neither, which is the default. Pure.
//!
//! | field | its keys, the first that is there |
//! |---|---|
//! | one that is called as its key | that key, where the part of the manifest is: container, route, record, … |
//! | one that follows from other keys | those of the table below |
//! | an address or a ttl that no manifest says | `hosts.NAME.address`, `dns.ttl` in amarre.yaml |

use crate::model::{Address, FieldDiff, Kind, Origin, Want};
use crate::plan::Input;

/// Where a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// The key of a manifest.
    Key(&'a Origin),
    /// A key of amarre.yaml.
    Config(String),
    /// Nothing says it.
    Default,
}

/// Where a field of a resource comes from. `labels.a` is of `labels`.
pub fn of<'a>(input: &Input<'a>, address: &Address, want: &Want, field: &str) -> Source<'a> {
    let Some(service) = input.services.get(&want.service) else { return Source::Default };
    let field = field.split('.').next().unwrap_or(field);
    let keys = keys(address.kind, field);
    let part = service.places.get(&want.origin);
    let root = service.places.get(&service.origin);
    // `port: 80` is a route without a map of its own; what concerns all containers stands above them.
    let is_above = |key: &&str| part.is_none() || matches!(*key, "network" | "state" | "volumes");
    let own = std::iter::once(&field).filter(|_| keys.is_empty()).chain(keys);
    let mut found = own.filter_map(|key| {
        let above = root.filter(|_| is_above(key)).and_then(|root| root.get(*key));
        part.and_then(|part| part.get(*key)).or(above)
    });
    if let Some(origin) = found.next() {
        return Source::Key(origin);
    }
    match (address.kind, field) {
        (Kind::Record, "values") => Source::Config(format!("hosts.{}.address", service.host)),
        (Kind::Record, "ttl") => Source::Config("dns.ttl".to_owned()),
        (Kind::Network, "subnet") => Source::Config("network.pools".to_owned()),
        (_, _) => Source::Default,
    }
}

/// What of a manifest, or of amarre.yaml, made these differences: the first key among them.
pub fn of_diffs<'a>(input: &Input<'a>, address: &Address, want: &Want, diffs: &[FieldDiff]) -> Source<'a> {
    let mut sources: Vec<Source<'a>> = diffs.iter().map(|diff| of(input, address, want, &diff.field)).collect();
    let rank = |source: &Source<'a>| match source {
        Source::Key(origin) => (0, origin.line),
        Source::Config(_) => (1, 0),
        Source::Default => (2, 0),
    };
    sources.sort_by_key(rank);
    sources.into_iter().next().unwrap_or(Source::Default)
}

/// The keys that a field follows from, where it is not called as they are.
fn keys(kind: Kind, field: &str) -> &'static [&'static str] {
    match kind {
        Kind::Container => match field {
            "name" => &["container_name", "name"],
            "aliases" => &["networks", "container_name", "name"],
            "image_id" => &["image"],
            "environment" => &["environment", "env_file"],
            "labels" => &["labels", "label_file"],
            "mounts" | "image_mounts" => &["volumes", "configs", "secrets"],
            "files" => &["volumes", "configs", "secrets"],
            "ports" | "publish" => &["ports"],
            "network" | "network_of" => &["network_mode", "networks", "network"],
            "edge" => &["network"],
            "also_on" => &["networks"],
            "ipv4_address" | "mac_address" => &["networks", "mac_address"],
            "running" => &["state"],
            "pid_of" => &["pid"],
            "ipc_of" => &["ipc"],
            _ => &[],
        },
        Kind::ProxyHost | Kind::Redirection | Kind::Stream => match field {
            "domains" => &["domain", "aliases", "name"],
            "forward_scheme" | "forward_host" | "forward_port" => &["to", "port"],
            "certificate" => &["tls", "ssl"],
            "force_https" | "http2" => &["force_https", "http2", "tls", "ssl"],
            "hsts" | "hsts_subdomains" => &["hsts"],
            "enabled" => &["state"],
            _ => &[],
        },
        Kind::Record => match field {
            "values" => &["values", "value"],
            _ => &[],
        },
        Kind::Network => match field {
            "subnet" => &["subnet", "network"],
            _ => &[],
        },
        Kind::AccessList => match field {
            "satisfy_any" => &["satisfy"],
            _ => &[],
        },
        Kind::Volume => &["volumes"],
        Kind::Certificate => &["tls", "ssl"],
        Kind::Image => &["image"],
        Kind::Attachment | Kind::Zone => &[],
    }
}
