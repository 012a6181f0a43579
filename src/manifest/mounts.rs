//! A container's published ports and its mounts, in Compose's short and long forms.

use std::net::IpAddr;

use crate::model::service::{Mount, MountSource, Port};

use super::check::{self, PortClaim};
use super::diagnostic::{A0104, A0106, A0113, A0205, Problem, Spot, shown};
use super::reader::{Reader, Scope, Text, Verdict};
use super::yaml::{Data, Node};
use super::{deliver, resolve};

/// Published to everyone, as Compose has it.
const EVERYWHERE: &str = "0.0.0.0";

/// The ports that a container publishes on its host.
pub(super) fn ports(reader: &mut Reader<'_>) -> Vec<Port> {
    let mut ports = Vec::new();
    for item in items(reader, "ports") {
        let scope = reader.scope;
        let port = match &item.data {
            Data::Scalar(_) => scope.text(item, "an item of `ports`").and_then(|text| short_port(scope, &text)),
            Data::Map(_) => long_port(scope, item),
            Data::List(_) => {
                scope.wrong_type(item, "an item of `ports`", "text or a map");
                None
            }
        };
        let Some(port) = port else { continue };
        let claim = PortClaim { port: port.clone(), spot: item.spot };
        scope.claims.borrow_mut().ports.push(claim);
        ports.push(port);
    }
    ports
}

/// `[IP:]HOST:CONTAINER[/PROTOCOL]`.
fn short_port(scope: &Scope<'_>, text: &Text) -> Option<Port> {
    let what = "an item of `ports`";
    let (numbers, protocol) = text.text.split_once('/').unwrap_or((&text.text, "tcp"));
    if !matches!(protocol, "tcp" | "udp") {
        scope.not_allowed(text, what, "the protocol is `tcp` or `udp`");
        return None;
    }
    let (rest, target) = match numbers.rsplit_once(':') {
        Some(parts) => parts,
        None => {
            let hint = format!("write `{0}:{0}`; Docker would choose a port at random", shown(numbers));
            scope.error_hint(A0106, text.spot, format!("port {} is published nowhere", shown(numbers)), &hint);
            return None;
        }
    };
    let (host_ip, published) = match rest.rsplit_once(':') {
        Some((ip, published)) => (ip.trim_start_matches('[').trim_end_matches(']'), published),
        None => (EVERYWHERE, rest),
    };
    if published.contains('-') || target.contains('-') {
        let message = "a range of ports is not yet supported".to_owned();
        scope.error_hint(A0113, text.spot, message, "one line for each port");
        return None;
    }
    match (address(host_ip), number(published), number(target)) {
        (Some(host_ip), Some(published), Some(target)) => {
            Some(Port { host_ip, published, target, protocol: protocol.to_owned() })
        }
        _ => {
            scope.not_allowed(text, what, "as in `8080:80` or `127.0.0.1:8080:80/udp`");
            None
        }
    }
}

fn long_port(scope: &Scope<'_>, node: &Node) -> Option<Port> {
    const PORT_MAX: i64 = 65_535;
    let mut reader = Reader::open(scope, node, "an item of `ports`", "ports.")?;
    let target = required_number(&mut reader, "target", PORT_MAX);
    let published = required_number(&mut reader, "published", PORT_MAX);
    let protocol = reader.choice("protocol", &[("tcp", "tcp"), ("udp", "udp")]).unwrap_or("tcp").to_owned();
    let host_ip = match reader.text("host_ip") {
        None => Some(EVERYWHERE.to_owned()),
        Some(text) => {
            let host_ip = address(&text.text);
            if host_ip.is_none() {
                scope.not_allowed(&text, "`ports.host_ip`", "an address, as in `127.0.0.1`");
            }
            host_ip
        }
    };
    reader.finish(&|entry| later(entry.key_spot, "ports", &entry.key, &["name", "mode", "app_protocol"]));
    Some(Port {
        host_ip: host_ip?,
        published: u16::try_from(published?).ok()?,
        target: u16::try_from(target?).ok()?,
        protocol,
    })
}

fn required_number(reader: &mut Reader<'_>, key: &'static str, max: i64) -> Option<i64> {
    if reader.has(key) {
        return reader.number(key, 1, max);
    }
    reader.entry(key);
    reader.missing(key, "a published port needs `published:` and `target:`");
    None
}

/// The mounts of a container.
pub(super) fn volumes(reader: &mut Reader<'_>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for item in items(reader, "volumes") {
        let scope = reader.scope;
        let mount = match &item.data {
            Data::Scalar(_) => scope.text(item, "an item of `volumes`").and_then(|text| short_mount(scope, &text)),
            Data::Map(_) => long_mount(scope, item),
            Data::List(_) => {
                scope.wrong_type(item, "an item of `volumes`", "text or a map");
                None
            }
        };
        let Some(mount) = mount else { continue };
        if mounts.iter().any(|other| other.target == mount.target) {
            scope.error(A0106, item.spot, format!("two mounts at {}", shown(&mount.target)));
        }
        mounts.push(mount);
    }
    mounts
}

/// `SOURCE:TARGET[:ro]`.
fn short_mount(scope: &Scope<'_>, text: &Text) -> Option<Mount> {
    let mut parts = text.text.splitn(3, ':');
    let (source, target, options) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let Some(target) = target else {
        let hint = format!("give the volume a name: `data:{}`", shown(source));
        scope.error_hint(A0106, text.spot, "a volume without a name".to_owned(), &hint);
        return None;
    };
    let mut read_only = false;
    for option in options.iter().flat_map(|options| options.split(',')) {
        match option {
            "ro" => read_only = true,
            "rw" => read_only = false,
            "z" | "Z" | "cached" | "delegated" | "consistent" | "nocopy" | "rprivate" | "private" | "rshared"
            | "shared" | "rslave" | "slave" => {
                scope.error(A0113, text.spot, format!("mount option `{option}` is not yet supported"));
            }
            _ => scope.not_allowed(text, "an item of `volumes`", "as in `data:/data` or `/srv/x:/data:ro`"),
        }
    }
    let source = if source.starts_with(['/', '.', '~']) {
        bind(scope, source, text.spot)?
    } else {
        MountSource::Volume(volume(scope, source, text.spot)?)
    };
    Some(mounted(source, target_path(scope, target, text.spot)?, read_only))
}

fn long_mount(scope: &Scope<'_>, node: &Node) -> Option<Mount> {
    let mut reader = Reader::open(scope, node, "an item of `volumes`", "volumes.")?;
    let kind = reader.required("type", "`volume` or `bind`");
    let source = reader.required("source", "a volume's name, or a path on the host");
    let target = reader.required("target", "a path in the container");
    let read_only = reader.flag("read_only").unwrap_or(false);
    reader.finish(&|entry| {
        later(entry.key_spot, "volumes", &entry.key, &["bind", "volume", "tmpfs", "image", "consistency"])
    });
    let (kind, source, target) = (kind?, source?, target?);
    let source = match kind.text.as_str() {
        "volume" => MountSource::Volume(volume(scope, &source.text, source.spot)?),
        "bind" => bind(scope, &source.text, source.spot)?,
        "tmpfs" | "npipe" | "cluster" | "image" => {
            scope.error(A0113, kind.spot, format!("a mount of type `{}` is not yet supported", kind.text));
            return None;
        }
        _ => {
            scope.not_allowed(&kind, "`volumes.type`", "`volume` or `bind`");
            return None;
        }
    };
    Some(mounted(source, target_path(scope, &target.text, target.spot)?, read_only))
}

/// A copy is the container's own: what is written to it goes with the container.
fn mounted(source: MountSource, target: String, read_only: bool) -> Mount {
    let mut mount = Mount { source, target, read_only };
    mount.read_only |= mount.is_copied();
    mount
}

fn volume(scope: &Scope<'_>, name: &str, spot: Spot) -> Option<String> {
    const NAME_MAX: usize = 100;
    let is_good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= NAME_MAX
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if is_good {
        return Some(name.to_owned());
    }
    let hint = "letters, digits, `.`, `_` and `-`; a path on the host begins with `/`";
    scope.error_hint(A0106, spot, format!("not the name of a volume: `{}`", shown(name)), hint);
    None
}

fn bind(scope: &Scope<'_>, source: &str, spot: Spot) -> Option<MountSource> {
    if source.starts_with(['.', '~']) {
        return deliver::relative(scope, source, spot);
    }
    let Some(path) = resolve::normal_path(source) else {
        if source.starts_with('/') {
            let message = format!("policy forbids the bind mount {}", shown(source));
            scope.error_hint(A0205, spot, message, "write the path without `..`");
        } else {
            let hint = "a whole path of the host, as in `/srv/x`";
            scope.error_hint(A0106, spot, format!("cannot bind {}", shown(source)), hint);
        }
        return None;
    };
    check::bind_policy(scope, &path, spot);
    Some(MountSource::Bind(path))
}

fn target_path(scope: &Scope<'_>, target: &str, spot: Spot) -> Option<String> {
    match resolve::normal_path(target) {
        Some(path) if path != "/" => Some(path),
        Some(_) | None => {
            let hint = "a whole path in the container, as in `/data`";
            scope.error_hint(A0106, spot, format!("cannot mount at {}", shown(target)), hint);
            None
        }
    }
}

/// The items of a list that may hold short and long forms.
fn items<'a>(reader: &mut Reader<'a>, key: &'static str) -> Vec<&'a Node> {
    let Some(node) = reader.node(key) else { return Vec::new() };
    match &node.data {
        Data::List(items) => items.iter().map(AsRef::as_ref).collect(),
        Data::Map(_) if key == "volumes" => {
            let message = "`volumes` must be a list of mounts, not a map".to_owned();
            let hint = "named volumes need no declaration: `volumes: [data:/data]`";
            reader.scope.error_hint(A0104, reader.key_spot(key), message, hint);
            Vec::new()
        }
        Data::Map(_) | Data::Scalar(_) => {
            reader.scope.wrong_type(node, &reader.label(key), "a list");
            Vec::new()
        }
    }
}

fn later(spot: Spot, of: &str, key: &str, known: &[&str]) -> Verdict {
    if known.contains(&key) {
        return Verdict::Refused(Problem::error(A0113, spot, format!("`{of}.{key}` is not yet supported")));
    }
    Verdict::Unknown
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0 && text.bytes().all(|b| b.is_ascii_digit()))
}

fn address(text: &str) -> Option<String> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_string())
}
