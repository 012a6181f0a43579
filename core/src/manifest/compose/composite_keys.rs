//! Keys of a container with a form of their own: limits of disks and processes, names, ports without
//! a host's, memory disks, and its place on the network.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::settings::{SettingValues, one_or_many};
use super::unsupported::not_in_service;
use super::{mounts, settings};
use crate::manifest::reader::{Reader, UnknownKey, nothing_else};
use crate::manifest::scope::{PlacedText, Scope, is_compose};
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::manifest::yaml::tree::{Entry, Node, NodeData};
use crate::manifest::{policy, resolve};
use crate::model::{Code, Value};
use crate::text;

/// The keys that are read here.
pub(crate) const KEYS: [&str; 8] =
    ["attach", "blkio_config", "container_name", "expose", "extra_hosts", "networks", "tmpfs", "ulimits"];

/// A container's place on its networks.
#[derive(Default)]
pub(crate) struct NetworkPlace {
    pub aliases: Vec<String>,
    pub ipv4_address: Option<(Ipv4Addr, PlacedText)>,
    /// As the container calls them, to be compared with `network:`.
    pub networks: Vec<PlacedText>,
    /// Those on which it asks for an address.
    pub placed_on: Vec<PlacedText>,
}

/// Reads those that end up as settings.
pub(crate) fn read(reader: &mut Reader<'_>, settings: &mut SettingValues) {
    // Which containers `docker compose up` prints of: nothing of the container itself.
    let _ = reader.flag("attach");
    let found = [
        ("blkio_config", blkio(reader)),
        ("expose", exposed(reader)),
        ("extra_hosts", extra_hosts(reader)),
        ("tmpfs", tmpfs(reader)),
        ("ulimits", ulimits(reader)),
    ];
    for (key, value) in found {
        let value = value.filter(|value| !settings::is_nothing(value));
        settings.extend(value.map(|value| (key.to_owned(), value)));
    }
}

/// What Docker is to call the container.
pub(crate) fn container_name(reader: &mut Reader<'_>) -> Option<String> {
    const NAME_MAX: usize = 100;
    let text = reader.text("container_name")?;
    let is_good = text.text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && (2..=NAME_MAX).contains(&text.text.len())
        && text.text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !is_good {
        let hint = text!("letters, digits, `.`, `_` and `-`, at least two");
        reader.scope.not_allowed(&text, "`container_name`", hint);
        return None;
    }
    Some(text.text)
}

/// `{weight, weight_device, device_read_bps, …}`.
fn blkio(reader: &mut Reader<'_>) -> Option<Value> {
    const WEIGHT: (i64, i64) = (10, 1000);
    let node = reader.node("blkio_config")?;
    let scope = reader.scope;
    let mut reader = Reader::open(scope, node, "`blkio_config`", "blkio_config.")?;
    let mut map = BTreeMap::new();
    let weight = reader.number("weight", WEIGHT.0, WEIGHT.1);
    map.extend(weight.map(|weight| ("weight".to_owned(), Value::Int(weight))));
    for (key, is_weight, is_bytes) in [
        ("weight_device", true, false),
        ("device_read_bps", false, true),
        ("device_write_bps", false, true),
        ("device_read_iops", false, false),
        ("device_write_iops", false, false),
    ] {
        let Some(node) = reader.node(key) else { continue };
        let NodeData::List(items) = &node.data else {
            scope.wrong_type(node, reader.label(key), text!("a list"));
            continue;
        };
        let limits = items.iter().filter_map(|item| disk_limit(scope, item, is_weight, is_bytes)).collect();
        map.insert(key.to_owned(), Value::List(limits));
    }
    reader.finish(&nothing_else);
    map.retain(|_, value| !settings::is_nothing(value));
    Some(Value::Map(map))
}

fn disk_limit(scope: &Scope<'_>, node: &Node, is_weight: bool, is_bytes: bool) -> Option<Value> {
    let mut reader = Reader::open(scope, node, text!("a limit of a disk"), "blkio_config.")?;
    let disk = || text!("a disk of the host, as in `/dev/sda`");
    let path = reader.required("path", disk());
    let name = if is_weight { "weight" } else { "rate" };
    let number = if is_weight {
        reader.number("weight", 0, 1000)
    } else if is_bytes {
        let text = reader.required("rate", text!("bytes a second, as in `10m`"));
        text.and_then(|text| settings::bytes(scope, &text, "`blkio_config.rate`", 1))
    } else {
        reader.number("rate", 1, i64::MAX)
    };
    if !reader.has(name) && (is_weight || !is_bytes) {
        reader.missing(name, text!("a number"));
    }
    reader.finish(&nothing_else);
    let (path, number) = (path?, number?);
    if !path.text.starts_with("/dev/") {
        scope.not_allowed(&path, "`blkio_config.path`", disk());
    }
    Some(Value::Map(BTreeMap::from([
        ("path".to_owned(), Value::Text(path.text)),
        (name.to_owned(), Value::Int(number)),
    ])))
}

/// By port and protocol: what the image exposes is there as well.
fn exposed(reader: &mut Reader<'_>) -> Option<Value> {
    /// As many as a container may publish.
    const EXPOSED_MAX: usize = 1_000;
    let mut ports = BTreeMap::new();
    for text in reader.texts("expose") {
        let (numbers, protocol) = text.text.split_once('/').unwrap_or((&text.text, "tcp"));
        let range = mounts::port_range(numbers).filter(|_| matches!(protocol, "tcp" | "udp" | "sctp"));
        let Some(range) = range else {
            let hint = text!("as in `3000`, `53/udp` or `8000-8010`");
            reader.scope.not_allowed(&text, text!("an item of {list}", list = "`expose`"), hint);
            continue;
        };
        if ports.len() + range.len() > EXPOSED_MAX {
            reader.scope.error(Code::A0108, text.spot, text!("more than {n} exposed ports", n = EXPOSED_MAX));
            break;
        }
        ports.extend(range.map(|port| (format!("{port}/{protocol}"), Value::Bool(true))));
    }
    Some(Value::Map(ports))
}

/// Whether a container may find another by this name.
pub(crate) fn is_network_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Adds ports to what `expose` says.
pub(crate) fn expose(ports: Vec<String>, settings: &mut SettingValues) {
    if ports.is_empty() {
        return;
    }
    let known = settings.remove("expose");
    let mut all = known.as_ref().and_then(Value::entries).cloned().unwrap_or_default();
    all.extend(ports.into_iter().map(|port| (port, Value::Bool(true))));
    settings.insert("expose".to_owned(), Value::Map(all));
}

/// `name:address` or `name=address`, or a map of names to one or several.
fn extra_hosts(reader: &mut Reader<'_>) -> Option<Value> {
    let node = reader.node("extra_hosts")?;
    let scope = reader.scope;
    let mut pairs: Vec<(String, PlacedText)> = Vec::new();
    match &node.data {
        NodeData::Map(entries) => {
            for entry in entries {
                let addresses = one_or_many(scope, &entry.value, &format!("`extra_hosts.{}`", shown(&entry.key)));
                pairs.extend(addresses.into_iter().flatten().map(|address| (entry.key.clone(), address)));
            }
        }
        NodeData::List(_) => {
            for text in scope.texts(node, "`extra_hosts`").unwrap_or_default() {
                let Some((name, address)) = text.text.split_once(['=', ':']) else {
                    let hint = text!("as in {example}", example = "`nas:192.168.1.20`");
                    scope.not_allowed(&text, text!("an item of {list}", list = "`extra_hosts`"), hint);
                    continue;
                };
                pairs.push((name.to_owned(), PlacedText { text: address.to_owned(), spot: text.spot }));
            }
        }
        NodeData::Scalar(_) => scope.wrong_type(node, "`extra_hosts`", text!("a list or a map")),
    }
    let mut lines = Vec::new();
    for (name, address) in pairs {
        let name = name.trim().to_owned();
        let bare = address.text.trim().trim_start_matches('[').trim_end_matches(']');
        if !is_network_name(&name) || !(bare == "host-gateway" || bare.parse::<IpAddr>().is_ok()) {
            let what = format!("the address of `{}`", shown(&name));
            scope.not_allowed(&address, &what, text!("as in `192.168.1.20` or `host-gateway`"));
            continue;
        }
        lines.push(format!("{name}:{bare}"));
    }
    Some(Value::texts(lines))
}

/// By path: options as `mount` has them.
fn tmpfs(reader: &mut Reader<'_>) -> Option<Value> {
    let node = reader.node("tmpfs")?;
    let scope = reader.scope;
    let mut map = BTreeMap::new();
    for text in one_or_many(scope, node, "`tmpfs`")? {
        let (path, options) = text.text.split_once(':').unwrap_or((&text.text, ""));
        let is_good = |path: &String| path != "/" && mounts::is_for_memory(path) && !path.contains(char::is_control);
        let Some(path) = resolve::normal_path(path).filter(is_good) else {
            let hint = text!("a folder that the container has to itself, as in `/run` or `/run:size=64m,mode=755`");
            scope.not_allowed(&text, text!("an item of {list}", list = "`tmpfs`"), hint);
            continue;
        };
        if !options.is_empty() && !options.split(',').all(is_memory_option) {
            let hint = text!("options of a folder in memory, as in `size=64m,mode=755,uid=1000,gid=1000,noexec`");
            scope.not_allowed(&text, text!("an item of {list}", list = "`tmpfs`"), hint);
        }
        if map.insert(path.clone(), Value::text(options)).is_some() {
            scope.error(Code::A0106, text.spot, text!("two mounts at {path}", path = shown(&path)));
        }
    }
    Some(Value::Map(map))
}

/// What says how large a folder in memory is and what may be done in it (tmpfs(5), and the flags that Docker takes). What
/// makes another mount of it (`bind`, `remount`, `shared`) is not among them.
fn is_memory_option(option: &str) -> bool {
    const FLAGS: [&str; 23] = [
        "async",
        "atime",
        "defaults",
        "dev",
        "diratime",
        "exec",
        "mand",
        "noatime",
        "nodev",
        "nodiratime",
        "noexec",
        "nomand",
        "norelatime",
        "nostrictatime",
        "nosuid",
        "relatime",
        "ro",
        "rw",
        "strictatime",
        "suid",
        "sync",
        "iversion",
        "noiversion",
    ];
    let Some((name, value)) = option.split_once('=') else { return FLAGS.contains(&option) };
    let is_made_of = |signs: fn(char) -> bool| !value.is_empty() && value.chars().all(signs);
    match name {
        "size" | "nr_blocks" | "nr_inodes" => {
            value.starts_with(|first: char| first.is_ascii_digit())
                && is_made_of(|sign| sign.is_ascii_alphanumeric() || sign == '%')
        }
        "mode" => is_made_of(|sign| ('0'..='7').contains(&sign)),
        "uid" | "gid" => is_made_of(|sign| sign.is_ascii_digit()),
        "mpol" => is_made_of(|sign| sign.is_ascii_alphanumeric() || matches!(sign, ':' | '-' | '=')),
        _ => false,
    }
}

/// Limits by name: one number, or `{soft, hard}`.
fn ulimits(reader: &mut Reader<'_>) -> Option<Value> {
    let form = || text!("a number, or {example}; -1 for no limit", example = "`{soft: 1024, hard: 2048}`");
    let node = reader.node("ulimits")?;
    let scope = reader.scope;
    let NodeData::Map(entries) = &node.data else {
        scope.wrong_type(node, "`ulimits`", text!("a map of names"));
        return None;
    };
    let mut limits = BTreeMap::new();
    for entry in entries {
        let label = format!("`ulimits.{}`", shown(&entry.key));
        if !entry.key.bytes().all(|b| b.is_ascii_lowercase()) || entry.key.is_empty() {
            let message = text!("{label} is no limit", label);
            scope.error_hint(Code::A0106, entry.key_spot, message, text!("as in `nofile` or `memlock`"));
            continue;
        }
        let (soft, hard) = if matches!(entry.value.data, NodeData::Map(_)) {
            let Some(mut inner) = Reader::open(scope, &entry.value, &label, "ulimits.") else { continue };
            for key in ["soft", "hard"] {
                if !inner.has(key) {
                    inner.missing(key, form());
                }
            }
            let found = (inner.number("soft", -1, i64::MAX), inner.number("hard", -1, i64::MAX));
            inner.finish(&nothing_else);
            found
        } else {
            let Some(text) = scope.text(&entry.value, &label) else { continue };
            let number = text.text.parse::<i64>().ok().filter(|number| *number >= -1);
            if number.is_none() {
                scope.not_allowed(&text, &label, form());
            }
            (number, number)
        };
        let (Some(soft), Some(hard)) = (soft, hard) else { continue };
        if hard != -1 && (soft > hard || soft == -1) {
            let message = text!("{label}: soft is more than hard", label);
            scope.error_hint(Code::A0140, entry.key_spot, message, form());
        }
        // The kernel's `RLIMIT_RTPRIO` and `RLIMIT_NICE`: up to 0, and up to 20, they raise nothing.
        let raises = |limit: i64| match entry.key.as_str() {
            "rtprio" => limit != 0,
            "nice" => !(0..=20).contains(&limit),
            _ => false,
        };
        if raises(soft) || raises(hard) {
            let item = format!("ulimits {}={soft}:{hard}", entry.key);
            policy::setting(scope, &format!("ulimits.{}", shown(&entry.key)), &item, entry.key_spot);
        }
        let limit = [("soft".to_owned(), Value::Int(soft)), ("hard".to_owned(), Value::Int(hard))];
        limits.insert(entry.key.clone(), Value::Map(limit.into()));
    }
    Some(Value::Map(limits))
}

/// `networks`: the service's, with an address on it, and such as others share. Aliases are names on all of them.
pub(crate) fn networks(reader: &mut Reader<'_>, settings: &mut SettingValues) -> NetworkPlace {
    let mut place = NetworkPlace::default();
    let Some(node) = reader.node("networks") else { return place };
    let scope = reader.scope;
    match &node.data {
        NodeData::List(_) => place.networks = scope.texts(node, "`networks`").unwrap_or_default(),
        NodeData::Map(entries) => {
            for entry in entries {
                place.networks.push(PlacedText { text: entry.key.clone(), spot: entry.key_spot });
                if !entry.value.is_null() {
                    attachment(scope, entry, &mut place, settings);
                }
            }
        }
        NodeData::Scalar(_) => scope.wrong_type(node, "`networks`", text!("a list or a map")),
    }
    place
}

fn attachment(scope: &Scope<'_>, entry: &Entry, place: &mut NetworkPlace, settings: &mut SettingValues) {
    let what = text!("network `{name}`", name = shown(&entry.key));
    let Some(mut reader) = Reader::open(scope, &entry.value, what, "networks.") else { return };
    for alias in reader.texts("aliases") {
        if !is_network_name(&alias.text) {
            scope.not_allowed(&alias, "`networks.aliases`", text!("letters, digits, `-`, `_` and `.`"));
            continue;
        }
        place.aliases.push(alias.text);
    }
    if reader.has("ipv4_address") || reader.has("mac_address") {
        place.placed_on.push(PlacedText { text: entry.key.clone(), spot: entry.key_spot });
    }
    if let Some(text) = reader.text("ipv4_address") {
        match text.text.parse() {
            Ok(address) => place.ipv4_address = Some((address, text)),
            Err(_) => {
                let hint = text!("as in {example}", example = "`172.20.40.10`");
                scope.not_allowed(&text, "`networks.ipv4_address`", hint);
            }
        }
    }
    if let Some(mac) = settings::mac(&mut reader) {
        if settings.contains_key("mac_address") {
            let message = text!("`mac_address` stands in two places");
            scope.error_hint(Code::A0140, reader.key_spot("mac_address"), message, text!("keep one"));
        }
        settings.insert("mac_address".to_owned(), mac);
    }
    // Which of several networks comes first: the service's does.
    let _ = (reader.number("priority", i64::MIN, i64::MAX), reader.number("gw_priority", i64::MIN, i64::MAX));
    if reader.has("ipv6_address") && is_compose(entry.key_spot) {
        ignored(scope, reader.key_spot("ipv6_address"), "networks.ipv6_address");
        reader.entry("ipv6_address");
    }
    reader.finish(&|entry| {
        let hint = match entry.key.as_str() {
            "ipv6_address" | "link_local_ips" => text!("leave it out; networks of services have IPv4"),
            "driver_opts" | "interface_name" => text!("leave it out; the network is a bridge"),
            _ => return UnknownKey::Unknown,
        };
        let message = not_in_service(&format!("networks.{}", entry.key));
        UnknownKey::Reported(Problem::error(Code::A0112, entry.key_spot, message).hint(hint))
    });
}

/// Says of a part about IPv6 that nothing comes of it.
pub(crate) fn ignored(scope: &Scope<'_>, spot: Spot, key: &str) {
    let message = text!("{key} has no effect: networks of services have IPv4", key = format!("`{key}`"));
    scope.no_effect(spot, message, text!("for IPv6 make the network yourself and use it by `external: true`"));
}

/// An address can be promised only in a subnet that is known. In the upper half Docker could hand it out to a container that is
/// not Amarre's; those on such a network are few, and Compose promises no more.
pub(crate) fn check_address(scope: &Scope<'_>, subnet: Option<ipnet::Ipv4Net>, address: Ipv4Addr, text: &PlacedText) {
    let Some(subnet) = subnet else {
        let message = text!("`networks.ipv4_address` needs a subnet that is known");
        let hint = text!("as in {example} beside `containers:`", example = "`network: {subnet: 172.20.40.0/24}`");
        scope.error_hint(Code::A0105, text.spot, message, hint);
        return;
    };
    // `.1` is the gateway. What stands at `.2` has NPM take another one.
    let (first, last) = (u32::from(subnet.network()) + 2, u32::from(subnet.broadcast()) - 1);
    if !(first..=last).contains(&u32::from(address)) {
        let (first, last) = (Ipv4Addr::from(first).to_string(), Ipv4Addr::from(last).to_string());
        scope.not_allowed(text, "`networks.ipv4_address`", text!("from {first} to {last}", first, last));
    }
}
