//! A container's published ports and its mounts, in Compose's short and long forms.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::unsupported::not_in_service;
use super::{delivered_files, settings};
use crate::manifest::reader::{Reader, UnknownKey, nothing_else};
use crate::manifest::scope::{PlacedText, PortClaim, Scope, is_compose};
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::manifest::yaml::tree::{Node, NodeData};
use crate::manifest::{policy, resolve};
use crate::model::folders::{TIME_ZONE, is_within};
use crate::model::service::{Mount, MountSource, Port, Volume};
use crate::model::{Code, Text};
use crate::text;

/// Published to everyone, as Compose has it.
const EVERYWHERE: &str = "0.0.0.0";
/// Of all containers of a manifest, ranges included. Each is a rule of the host's firewall and, with Docker's usual settings,
/// a process.
const PORTS_MAX: usize = 1_000;
/// How mounts that are made later show on the other side.
const PROPAGATIONS: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// The ports of a container that its `ports:` names.
#[derive(Default)]
pub(crate) struct PublishedPorts {
    /// On its host.
    pub published: Vec<Port>,
    /// As `expose` has them: those that a Compose file leaves to the engine to publish, on any port that is free.
    pub exposed: Vec<String>,
}

/// `ports:`.
pub(crate) fn ports(reader: &mut Reader<'_>) -> PublishedPorts {
    let mut ports = PublishedPorts::default();
    for item in items(reader, "ports") {
        let scope = reader.scope;
        let exposed = &mut ports.exposed;
        let found = match &item.data {
            NodeData::Scalar(_) => scope
                .text(item, text!("an item of {list}", list = "`ports`"))
                .and_then(|text| short_port(scope, &text, exposed)),
            NodeData::Map(_) => long_port(scope, item, exposed),
            NodeData::List(_) => {
                scope.wrong_type(item, text!("an item of {list}", list = "`ports`"), text!("text or a map"));
                None
            }
        };
        let found = found.unwrap_or_default();
        if scope.claims.borrow().ports.len() + found.len() > PORTS_MAX || ports.exposed.len() > PORTS_MAX {
            scope.error(
                Code::A0108,
                item.spot,
                text!("more than {most} published ports in one manifest", most = PORTS_MAX),
            );
            break;
        }
        policy::ports::judge(scope, &found, item.spot);
        for port in found {
            let claim = PortClaim { port: port.clone(), spot: item.spot };
            scope.claims.borrow_mut().ports.push(claim);
            ports.published.push(port);
        }
    }
    ports
}

/// `8080`, or `8080-8090`.
pub(crate) fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    const RANGE_MAX: u16 = 1000;
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last && last - first < RANGE_MAX).then_some(first..=last)
}

/// `[IP:]HOST:CONTAINER[/PROTOCOL]`, both ports maybe ranges of one length.
fn short_port(scope: &Scope<'_>, text: &PlacedText, exposed: &mut Vec<String>) -> Option<Vec<Port>> {
    let what = || text!("an item of {list}", list = "`ports`");
    let (numbers, protocol) = text.text.split_once('/').unwrap_or((&text.text, "tcp"));
    if !matches!(protocol, "tcp" | "udp") {
        scope.not_allowed(text, what(), text!("the protocol is `tcp` or `udp`"));
        return None;
    }
    let (rest, target) = numbers.rsplit_once(':').unwrap_or(("", numbers));
    let (said, published) = match rest.rsplit_once(':') {
        // `${BIND:-}:443:443` with nothing in the variable is published everywhere.
        Some(("", published)) => (None, published),
        Some((ip, published)) => (Some(ip.trim_start_matches('[').trim_end_matches(']')), published),
        None => (None, rest),
    };
    if published.is_empty() && (!numbers.contains(':') || is_compose(text.spot)) {
        return unpublished(scope, &PlacedText { text: target.to_owned(), ..*text }, protocol, exposed);
    }
    match (address(said.unwrap_or(EVERYWHERE)), port_range(published), port_range(target)) {
        (Some(host_ip), Some(published), Some(target)) => {
            pairs(scope, text, &host_ip, said.is_none(), published, target, protocol)
        }
        _ => {
            let hint = text!(
                "as in {first}, {second} or {third}; ports are from 1 to 65535",
                first = "`8080:80`",
                second = "`8000-8010:8000-8010`",
                third = "`127.0.0.1:8080:80/udp`"
            );
            scope.not_allowed(text, what(), hint);
            None
        }
    }
}

/// Compose has the engine publish such a port on any that is free. Behind a proxy nobody asks for that one: the containers
/// of the service and NPM reach it without.
fn unpublished(scope: &Scope<'_>, target: &PlacedText, protocol: &str, exposed: &mut Vec<String>) -> Option<Vec<Port>> {
    let port = shown(&target.text);
    let Some(range) = port_range(&target.text) else {
        let (first, second) = ("`8080:80`", "`3000`");
        let hint = text!("as in {first} or {second}; ports are from 1 to 65535", first, second);
        scope.not_allowed(target, text!("an item of {list}", list = "`ports`"), hint);
        return None;
    };
    let form = format!("`{port}:{port}`");
    let message = text!("port {port} is published nowhere", port);
    if !is_compose(target.spot) {
        let hint = text!("write {form}; Docker would choose a port at random", form);
        scope.error_hint(Code::A0106, target.spot, message, hint);
        return None;
    }
    let hint = text!("NPM and the containers of the service reach it; to publish it on the host: {form}", form);
    scope.report(Problem::warning(Code::A0186, target.spot, message).hint(hint));
    exposed.extend(range.map(|port| format!("{port}/{protocol}")));
    Some(Vec::new())
}

/// One port for each of a range.
fn pairs(
    scope: &Scope<'_>,
    text: &PlacedText,
    host_ip: &str,
    is_anywhere: bool,
    published: RangeInclusive<u16>,
    target: RangeInclusive<u16>,
    protocol: &str,
) -> Option<Vec<Port>> {
    if published.len() != target.len() {
        let hint = text!("two ranges of one length; Docker would choose a port at random");
        scope.not_allowed(text, text!("an item of {list}", list = "`ports`"), hint);
        return None;
    }
    let one = |(published, target)| Port {
        host_ip: host_ip.to_owned(),
        is_anywhere,
        published,
        target,
        protocol: protocol.to_owned(),
    };
    Some(published.zip(target).map(one).collect())
}

fn long_port(scope: &Scope<'_>, node: &Node, exposed: &mut Vec<String>) -> Option<Vec<Port>> {
    const PORT_MAX: i64 = 65_535;
    let mut reader = Reader::open(scope, node, text!("an item of {list}", list = "`ports`"), "ports.")?;
    let target = required_number(&mut reader, "target", PORT_MAX);
    let is_published = reader.has("published") || !is_compose(node.spot);
    let published = is_published.then(|| required_number(&mut reader, "published", PORT_MAX)).flatten();
    // For people, or for a swarm: on one engine both modes publish on the host.
    let _ = (reader.text("name"), reader.text("app_protocol"));
    let _ = reader.choice("mode", &[("host", ()), ("ingress", ())]);
    let protocol = reader.choice("protocol", &[("tcp", "tcp"), ("udp", "udp")]).unwrap_or("tcp").to_owned();
    let said = reader.text("host_ip").filter(|text| !text.text.is_empty());
    let is_anywhere = said.is_none();
    let host_ip = match said {
        None => Some(EVERYWHERE.to_owned()),
        Some(text) => {
            let host_ip = address(&text.text);
            if host_ip.is_none() {
                let hint = text!("an address, as in {example}", example = "`127.0.0.1`");
                scope.not_allowed(&text, "`ports.host_ip`", hint);
            }
            host_ip
        }
    };
    let spot = reader.key_spot("target");
    reader.finish(&nothing_else);
    if let (Some(target), false) = (target, is_published) {
        return unpublished(scope, &PlacedText { text: target.to_string(), spot }, &protocol, exposed);
    }
    Some(vec![Port {
        host_ip: host_ip?,
        is_anywhere,
        published: u16::try_from(published?).ok()?,
        target: u16::try_from(target?).ok()?,
        protocol,
    }])
}

fn required_number(reader: &mut Reader<'_>, key: &'static str, max: i64) -> Option<i64> {
    if reader.has(key) {
        return reader.number(key, 1, max);
    }
    reader.entry(key);
    reader.missing(key, text!("a published port needs `published:` and `target:`"));
    None
}

/// The mounts of a container.
pub(crate) fn volumes(reader: &mut Reader<'_>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut spots = Vec::new();
    for item in items(reader, "volumes") {
        let scope = reader.scope;
        let mount = match &item.data {
            NodeData::Scalar(_) => scope
                .text(item, text!("an item of {list}", list = "`volumes`"))
                .and_then(|text| short_mount(scope, &text)),
            NodeData::Map(_) => long_mount(scope, item),
            NodeData::List(_) => {
                scope.wrong_type(item, text!("an item of {list}", list = "`volumes`"), text!("text or a map"));
                None
            }
        };
        let Some(mount) = mount else { continue };
        if mounts.iter().any(|other| other.target == mount.target) {
            scope.error(Code::A0106, item.spot, text!("two mounts at {path}", path = shown(&mount.target)));
        }
        mounts.push(mount);
        spots.push(item.spot);
    }
    for (copy, spot) in mounts.iter().zip(spots).filter(|(mount, _)| mount.is_copied()) {
        delivered_files::judge_target(reader.scope, copy, &mounts, spot);
        if copy.writes_copy && is_compose(spot) {
            let message =
                text!("the container gets a copy of this folder: what it writes there goes with the container");
            let hint =
                text!("write `:ro` if it only reads; data belongs onto the host: take the folder out of the source");
            reader.scope.no_effect(spot, message, hint);
        }
    }
    mounts
}

/// What is missing of a mount whose text has one part, which is the target of an absolute path, else the source.
fn half_a_mount(scope: &Scope<'_>, part: &str, spot: Spot) {
    if part.starts_with('/') {
        let hint = text!("give the volume a name: {example}", example = format!("`data:{}`", shown(part)));
        scope.error_hint(Code::A0106, spot, text!("a volume without a name"), hint);
        return;
    }
    let folder = if is_volume_name(part) { part } else { "data" };
    let example = format!("`{}:/{}`", shown(part), shown(folder));
    let message = text!("a volume without its path in the container");
    scope.error_hint(Code::A0106, spot, message, text!("as in {example}", example));
}

/// `SOURCE:TARGET[:ro,…]`.
fn short_mount(scope: &Scope<'_>, text: &PlacedText) -> Option<Mount> {
    let mut parts = text.text.splitn(3, ':');
    let (source, target, options) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let Some(target) = target else {
        half_a_mount(scope, source, text.spot);
        return None;
    };
    let is_bind = source.starts_with(['/', '.', '~']);
    let mut mount_options = BTreeMap::new();
    let mut read_only = false;
    for option in options.iter().flat_map(|options| options.split(',')) {
        match option {
            "ro" => read_only = true,
            "rw" => read_only = false,
            "nocopy" if !is_bind => {
                mount_options.insert("nocopy".to_owned(), "true".to_owned());
            }
            propagation if is_bind && PROPAGATIONS.contains(&propagation) => {
                mount_options.insert("propagation".to_owned(), propagation.to_owned());
            }
            // How a desktop keeps its copy in step: nothing on an engine of Linux.
            "cached" | "delegated" | "consistent" => (),
            // On what the engine keeps itself, it sets labels anyway.
            "z" | "Z" if !is_bind && is_compose(text.spot) => (),
            "z" | "Z" => selinux(scope, text.spot, text!("mount option `{option}`", option)),
            _ => {
                let hint = text!("as in {first} or {second}", first = "`data:/data`", second = "`/srv/x:/data:ro`");
                scope.not_allowed(text, text!("an item of {list}", list = "`volumes`"), hint);
            }
        }
    }
    let place = if is_bind {
        bind(scope, source, read_only, text.spot)?
    } else {
        MountSource::Volume(volume(scope, source, text.spot)?)
    };
    let mount = mounted(place, target_path(scope, target, text.spot)?, read_only, mount_options);
    // As Compose does; what is missing there is no folder.
    let is_folder = is_bind && !source.ends_with(".sock");
    Some(Mount { creates_folder: is_folder && scope.site.policy.are_authors_operators(), ..mount })
}

/// Labels are an act on the host's files, which the engine does for the short form of its own only.
fn selinux(scope: &Scope<'_>, spot: Spot, what: Text) {
    let hint = text!("leave it out; on a host with SELinux: chcon -Rt container_file_t on the folder");
    if is_compose(spot) {
        let message = text!("{what} has no effect: Amarre changes no labels of the host's files", what);
        scope.no_effect(spot, message, hint);
    } else {
        scope.error_hint(Code::A0112, spot, text!("{what} is not supported in a Service", what), hint);
    }
}

fn long_mount(scope: &Scope<'_>, node: &Node) -> Option<Mount> {
    let mut reader = Reader::open(scope, node, text!("an item of {list}", list = "`volumes`"), "volumes.")?;
    let kind = reader.required("type", text!("`volume`, `bind` or `tmpfs`"));
    let target = reader.required("target", text!("a path in the container"));
    let Some(kind) = kind else {
        // What else is missing is worth saying in the same pass; what else is there depends on the type.
        let _ = reader.required("source", text!("a volume's name, or a path on the host"));
        return None;
    };
    let read_only = reader.flag("read_only").unwrap_or(false);
    // How a desktop keeps its copy in step: nothing on an engine of Linux.
    let _ = reader.text("consistency");
    // A Compose file says so of the volumes at its top.
    let is_external = !is_compose(node.spot) && reader.flag("external").unwrap_or(false);
    if is_external && kind.text != "volume" {
        let message = text!("`volumes.external` stands in a mount of type `volume`, not `{found}`", found = &kind.text);
        scope.error_hint(Code::A0140, kind.spot, message, text!("leave it out"));
    }
    let mut options = BTreeMap::new();
    let mut creates_folder = false;
    let source = match kind.text.as_str() {
        "volume" => {
            let source = reader.required("source", text!("a volume's name"));
            volume_options(&mut reader, &mut options);
            source.and_then(|source| {
                let name = volume(scope, &source.text, source.spot)?;
                if is_external {
                    external(scope, &source);
                }
                Some(MountSource::Volume(name))
            })
        }
        "bind" => {
            let source = reader.required("source", text!("a path on the host"));
            creates_folder = bind_options(&mut reader, &mut options);
            source.and_then(|source| bind(scope, &source.text, read_only, source.spot))
        }
        "tmpfs" => {
            tmpfs_options(&mut reader, &mut options);
            if let Some(target) = &target
                && resolve::normal_path(&target.text).is_some_and(|path| !is_for_memory(&path))
            {
                let hint = text!("a folder that the container has to itself, as in {example}", example = "`/run`");
                scope.not_allowed(target, text!("`volumes.target` of a folder in memory"), hint);
            }
            Some(MountSource::Tmpfs)
        }
        "npipe" | "cluster" | "image" => {
            let message = not_in_service(&format!("volumes.type: {}", kind.text));
            let hint =
                text!("use `volume`, `bind` or `tmpfs`; a mount of an image's files is a container that copies them");
            scope.error_hint(Code::A0112, kind.spot, message, hint);
            return None;
        }
        _ => {
            scope.not_allowed(&kind, "`volumes.type`", text!("`volume`, `bind` or `tmpfs`"));
            return None;
        }
    };
    reader.finish(&|entry| match entry.key.as_str() {
        "bind" | "volume" | "tmpfs" | "image" => {
            let message = text!("`volumes.{key}` stands in a mount of type `{of}`", key = &entry.key, of = &kind.text);
            UnknownKey::Reported(Problem::error(Code::A0140, entry.key_spot, message))
        }
        _ => UnknownKey::Unknown,
    });
    let (source, target) = (source?, target?);
    let mount = mounted(source, target_path(scope, &target.text, target.spot)?, read_only, options);
    Some(Mount { creates_folder, ..mount })
}

/// A volume that is there, whatever it is called: used, never made or deleted.
fn external(scope: &Scope<'_>, name: &PlacedText) {
    policy::volume(scope, name);
    let said = Volume {
        name: Some(name.text.clone()),
        is_external: true,
        driver: None,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        origin: scope.origin(name.spot),
    };
    scope.claims.borrow_mut().external.insert(name.text.clone(), said);
}

/// `{nocopy, subpath}`.
fn volume_options(reader: &mut Reader<'_>, options: &mut BTreeMap<String, String>) {
    let Some(node) = reader.node("volume") else { return };
    let scope = reader.scope;
    let Some(mut inner) = Reader::open(scope, node, "`volumes.volume`", "volumes.volume.") else { return };
    if inner.flag("nocopy") == Some(true) {
        options.insert("nocopy".to_owned(), "true".to_owned());
    }
    if let Some(text) = inner.text("subpath") {
        let is_plain = !text.text.starts_with('/') && !text.text.contains([',', ':']) && !text.text.contains("..");
        if is_plain && !text.text.is_empty() {
            options.insert("subpath".to_owned(), text.text);
        } else {
            let hint = text!("a path in the volume, as in {example}", example = "`uploads/2024`");
            scope.not_allowed(&text, "`volumes.volume.subpath`", hint);
        }
    }
    inner.finish(&|entry| match entry.key.as_str() {
        "labels" => {
            let problem = Problem::error(Code::A0112, entry.key_spot, not_in_service("volumes.volume.labels"));
            let hint = text!("leave it out; a volume outlives the container that would label it");
            UnknownKey::Reported(problem.hint(hint))
        }
        _ => UnknownKey::Unknown,
    });
}

/// `{propagation, create_host_path, recursive}`. Answers whether the folder is created as that of a short form is, which
/// each engine can; the option of the same name needs a newer one.
fn bind_options(reader: &mut Reader<'_>, options: &mut BTreeMap<String, String>) -> bool {
    let Some(node) = reader.node("bind") else { return false };
    let scope = reader.scope;
    let Some(mut inner) = Reader::open(scope, node, "`volumes.bind`", "volumes.bind.") else { return false };
    let words = PROPAGATIONS.map(|word| (word, word));
    if let Some(word) = inner.choice("propagation", &words) {
        options.insert("propagation".to_owned(), word.to_owned());
    }
    let creates = inner.flag("create_host_path") == Some(true);
    let creates_folder = creates && scope.site.policy.are_authors_operators();
    if creates && !creates_folder {
        options.insert("create".to_owned(), "true".to_owned());
    }
    if inner.has("selinux") {
        selinux(scope, inner.key_spot("selinux"), text!("Compose key `{key}`", key = "volumes.bind.selinux"));
        inner.entry("selinux");
    }
    inner.finish(&|entry| match entry.key.as_str() {
        "recursive" => {
            let problem = Problem::error(Code::A0112, entry.key_spot, not_in_service("volumes.bind.recursive"));
            UnknownKey::Reported(problem.hint(text!("leave it out; mounts below the folder come along")))
        }
        _ => UnknownKey::Unknown,
    });
    creates_folder
}

/// `{size, mode}`.
fn tmpfs_options(reader: &mut Reader<'_>, options: &mut BTreeMap<String, String>) {
    const MODE_MAX: u32 = 0o7777;
    let Some(node) = reader.node("tmpfs") else { return };
    let scope = reader.scope;
    let Some(mut inner) = Reader::open(scope, node, "`volumes.tmpfs`", "volumes.tmpfs.") else { return };
    if let Some(text) = inner.text("size") {
        let size = settings::bytes(scope, &text, "`volumes.tmpfs.size`", 1);
        options.extend(size.map(|size| ("size".to_owned(), size.to_string())));
    }
    if let Some(text) = inner.text("mode") {
        let digits = text.text.strip_prefix("0o").unwrap_or(&text.text);
        match u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= MODE_MAX) {
            Some(mode) => {
                options.insert("mode".to_owned(), format!("{mode:04o}"));
            }
            None => {
                let hint = text!("as in {first} or {second}", first = "`0755`", second = "`1777`");
                scope.not_allowed(&text, "`volumes.tmpfs.mode`", hint);
            }
        }
    }
    inner.finish(&nothing_else);
}

/// A copy is the container's own: what is written to it goes with the container.
fn mounted(source: MountSource, target: String, read_only: bool, options: BTreeMap<String, String>) -> Mount {
    let mut mount = Mount { source, target, read_only, options, writes_copy: false, creates_folder: false };
    mount.writes_copy = !read_only && mount.is_copied_folder();
    mount.read_only |= mount.is_copied();
    mount
}

fn volume(scope: &Scope<'_>, name: &str, spot: Spot) -> Option<String> {
    const NAME_MAX: usize = 100;
    if name.len() <= NAME_MAX && is_volume_name(name) {
        return Some(name.to_owned());
    }
    let hint = text!("letters, digits, `.`, `_` and `-`; a path on the host begins with `/`");
    scope.error_hint(Code::A0106, spot, text!("not the name of a volume: `{name}`", name = shown(name)), hint);
    None
}

/// Whether Docker takes it as the name of a volume; nothing in one divides the text of a mount.
pub(crate) fn is_volume_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn bind(scope: &Scope<'_>, source: &str, read_only: bool, spot: Spot) -> Option<MountSource> {
    if source.starts_with(['.', '~']) {
        return delivered_files::relative(scope, source, spot);
    }
    let Some(path) = resolve::normal_path(source) else {
        if source.starts_with('/') {
            let message = text!("policy forbids the bind mount {path}", path = shown(source));
            scope.error_hint(Code::A0205, spot, message, text!("write the path without `..`"));
        } else {
            let hint = text!("an absolute path of the host, as in {example}", example = "`/srv/x`");
            scope.error_hint(Code::A0106, spot, text!("cannot bind {path}", path = shown(source)), hint);
        }
        return None;
    };
    if !(read_only && TIME_ZONE.contains(&path.as_str())) {
        policy::bind(scope, &path, spot);
    }
    Some(MountSource::Bind(path))
}

/// A place in the container. Docker and the text of a mount divide `source:target:options` at colons: what follows one in
/// the target would be read as options.
pub(crate) fn target_path(scope: &Scope<'_>, target: &str, spot: Spot) -> Option<String> {
    let is_plain = |path: &String| path != "/" && !path.contains(|sign: char| sign == ':' || sign.is_control());
    let path = resolve::normal_path(target).filter(is_plain);
    if path.is_none() {
        let hint = text!("an absolute path in the container, as in {example}, without `:`", example = "`/data`");
        scope.error_hint(Code::A0106, spot, text!("cannot mount at {path}", path = shown(target)), hint);
    }
    path
}

/// A folder in memory. Over these the container would hide what the kernel shows and what keeps it apart.
pub(crate) fn is_for_memory(path: &str) -> bool {
    path != "/dev" && !["/proc", "/sys"].iter().any(|folder| is_within(path, folder))
}

/// The items of a list that may hold short and long forms.
fn items<'a>(reader: &mut Reader<'a>, key: &'static str) -> Vec<&'a Node> {
    let Some(node) = reader.node(key) else { return Vec::new() };
    match &node.data {
        NodeData::List(items) => items.iter().map(AsRef::as_ref).collect(),
        NodeData::Map(_) if key == "volumes" => {
            let (wanted, found) = (text!("a list of mounts"), text!("a map"));
            let message = text!("{what} must be {wanted}, not {found}", what = "`volumes`", wanted, found);
            let hint = text!("named volumes need no declaration: {example}", example = "`volumes: [data:/data]`");
            reader.scope.error_hint(Code::A0104, reader.key_spot(key), message, hint);
            Vec::new()
        }
        NodeData::Map(_) | NodeData::Scalar(_) => {
            reader.scope.wrong_type(node, reader.label(key), text!("a list"));
            Vec::new()
        }
    }
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0 && text.bytes().all(|b| b.is_ascii_digit()))
}

fn address(text: &str) -> Option<String> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_string())
}
