//! Keys of a container that policy has a word in: rights over the host, its devices and its namespaces.
//!
//! A value that takes nothing from the host is allowed to everyone.

use std::collections::BTreeMap;

use super::composite_keys::is_network_name;
use super::settings;
use super::settings::SettingValues;
use super::unsupported::not_in_service;
use crate::manifest::policy;
use crate::manifest::reader::{Reader, nothing_else};
use crate::manifest::scope::{PlacedText, Scope, is_compose};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::manifest::yaml::tree::{Node, NodeData};
use crate::model::service::ContainerNetwork;
use crate::model::{Code, Text, Value};
use crate::text;

/// The keys that are read here.
pub(crate) const KEYS: [&str; 14] = [
    "cap_add",
    "cap_drop",
    "cgroup",
    "device_cgroup_rules",
    "devices",
    "gpus",
    "ipc",
    "network_mode",
    "pid",
    "privileged",
    "security_opt",
    "use_api_socket",
    "userns_mode",
    "uts",
];

/// Whose namespaces a container shares, with the places that say so.
#[derive(Default)]
pub(crate) struct SharedNamespaces {
    pub network: ContainerNetwork,
    /// `pid`, `ipc`: by key of the other container.
    pub others: BTreeMap<String, String>,
    pub siblings: Vec<PlacedText>,
}

fn as_in(example: &str) -> Text {
    text!("as in {example}", example)
}

fn no_item(scope: &Scope<'_>, text: &PlacedText, key: &str, hint: Text) {
    scope.not_allowed(text, text!("an item of {list}", list = format!("`{key}`")), hint);
}

/// Reads them into settings; answers what is shared with other containers.
pub(crate) fn read(reader: &mut Reader<'_>, settings: &mut SettingValues) -> SharedNamespaces {
    for key in ["cap_add", "cap_drop"] {
        capabilities(reader, key, settings);
    }
    privileged(reader, settings);
    security(reader, settings);
    devices(reader, settings);
    device_rules(reader, settings);
    gpus(reader, settings);
    for key in ["cgroup", "uts", "userns_mode"] {
        namespace(reader, key, settings);
    }
    let mut shared = SharedNamespaces::default();
    for key in ["pid", "ipc"] {
        shareable(reader, key, settings, &mut shared);
    }
    network_mode(reader, &mut shared);
    api_socket(reader);
    shared
}

fn capabilities(reader: &mut Reader<'_>, key: &'static str, settings: &mut SettingValues) {
    let mut names: Vec<String> = Vec::new();
    for text in reader.texts(key) {
        let name = text.text.to_ascii_uppercase();
        let name = name.strip_prefix("CAP_").unwrap_or(&name).to_owned();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') {
            no_item(reader.scope, &text, key, as_in("`NET_ADMIN`"));
            continue;
        }
        if key == "cap_add" {
            policy::capability(reader.scope, &name, text.spot);
        }
        names.push(name);
    }
    names.sort();
    names.dedup();
    if !names.is_empty() {
        settings.insert(key.to_owned(), Value::texts(names));
    }
}

fn privileged(reader: &mut Reader<'_>, settings: &mut SettingValues) {
    if reader.flag("privileged") == Some(true) {
        let (scope, spot) = (reader.scope, reader.key_spot("privileged"));
        policy::host(scope, scope.site.policy.privileged, "`privileged`", "privileged", spot);
        settings.insert("privileged".to_owned(), Value::Bool(true));
    }
}

/// What a container is kept from. Taking a protection away needs `policy.privileged`.
fn security(reader: &mut Reader<'_>, settings: &mut SettingValues) {
    let scope = reader.scope;
    let is_privileged = settings.contains_key("privileged");
    let mut options: Vec<String> = Vec::new();
    for text in reader.texts("security_opt") {
        let option = text.text.as_str();
        let (word, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
        match (word, value) {
            ("no-new-privileges", "" | "true" | "false") | ("apparmor", "docker-default") => (),
            ("label", "disable") if is_privileged => continue,
            ("seccomp", "unconfined") | ("apparmor" | "label", _) if !value.is_empty() => {
                let what = format!("`security_opt: {}`", shown(option));
                policy::host(scope, scope.site.policy.privileged, &what, "privileged", text.spot);
            }
            ("seccomp", _) => {
                let message = text!("a seccomp profile of a file is not yet supported");
                let hint = text!("leave it out: the engine's own profile holds");
                scope.error_hint(Code::A0113, text.spot, message, hint);
                continue;
            }
            _ => {
                let hint = text!("`no-new-privileges:true`, `apparmor=…`, `label=…` or `seccomp=unconfined`");
                no_item(scope, &text, "security_opt", hint);
                continue;
            }
        }
        options.push(option.to_owned());
    }
    if !options.is_empty() {
        settings.insert("security_opt".to_owned(), Value::texts(options));
    }
}

fn devices(reader: &mut Reader<'_>, settings: &mut SettingValues) {
    let Some(node) = reader.node("devices") else { return };
    let scope = reader.scope;
    let NodeData::List(items) = &node.data else {
        scope.wrong_type(node, "`devices`", text!("a list"));
        return;
    };
    let devices: Vec<Value> = items.iter().filter_map(|item| device(scope, item)).collect();
    if !devices.is_empty() {
        settings.insert("devices".to_owned(), Value::List(devices));
    }
}

/// `/dev/x[:/dev/y[:rwm]]`, or `{source, target, permissions}`.
fn device(scope: &Scope<'_>, node: &Node) -> Option<Value> {
    let what = || text!("an item of {list}", list = "`devices`");
    let form = || text!("as in {first} or {second}", first = "`/dev/ttyUSB0`", second = "`/dev/ttyUSB0:/dev/modem:rw`");
    let (source, target, permissions) = if matches!(node.data, NodeData::Map(_)) {
        let mut reader = Reader::open(scope, node, what(), "devices.")?;
        let source =
            reader.required("source", text!("a device of the host, as in {example}", example = "`/dev/ttyUSB0`"));
        let (target, permissions) = (reader.text("target"), reader.text("permissions"));
        reader.finish(&nothing_else);
        (source?, target.map(|text| text.text), permissions.map(|text| text.text))
    } else {
        let text = scope.text(node, what())?;
        let mut parts = text.text.splitn(3, ':').map(str::to_owned);
        let source = PlacedText { text: parts.next().unwrap_or_default(), spot: text.spot };
        match (parts.next(), parts.next()) {
            (Some(second), None) if !second.starts_with('/') => (source, None, Some(second)),
            (second, third) => (source, second, third),
        }
    };
    let target = target.unwrap_or_else(|| source.text.clone());
    let permissions = permissions.unwrap_or_else(|| "rwm".to_owned());
    let is_right = !permissions.is_empty() && permissions.chars().all(|c| "rwm".contains(c));
    if !source.text.starts_with('/') && source.text.contains('=') {
        scope.error_hint(Code::A0113, source.spot, text!("devices of the CDI are not yet supported"), form());
        return None;
    }
    if !source.text.starts_with('/') || source.text.contains("/..") || !target.starts_with('/') || !is_right {
        no_item(scope, &source, "devices", form());
        return None;
    }
    let message = text!("policy forbids the device {device}", device = shown(&source.text));
    policy::device(scope, &source.text, message, source.spot);
    let parts = [("source", source.text), ("target", target), ("permissions", permissions)];
    Some(Value::Map(parts.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect()))
}

fn device_rules(reader: &mut Reader<'_>, settings: &mut SettingValues) {
    let mut rules = Vec::new();
    for text in reader.texts("device_cgroup_rules") {
        if !is_device_rule(&text.text) {
            no_item(reader.scope, &text, "device_cgroup_rules", as_in("`c 188:* rmw`"));
            continue;
        }
        let message = text!("policy forbids the device rule {rule}", rule = shown(&text.text));
        policy::device(reader.scope, &text.text, message, text.spot);
        rules.push(text.text);
    }
    if !rules.is_empty() {
        settings.insert("device_cgroup_rules".to_owned(), Value::texts(rules));
    }
}

fn is_device_rule(text: &str) -> bool {
    let parts: Vec<&str> = text.split(' ').collect();
    let is_number = |part: &str| part == "*" || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let [kind, numbers, permissions] = parts.as_slice() else { return false };
    matches!(*kind, "a" | "b" | "c")
        && numbers.split_once(':').is_some_and(|(major, minor)| is_number(major) && is_number(minor))
        && !permissions.is_empty()
        && permissions.chars().all(|c| "rwm".contains(c))
}

/// `all`, or a list as in `deploy.resources.reservations.devices`.
fn gpus(reader: &mut Reader<'_>, settings: &mut SettingValues) {
    let Some(node) = reader.node("gpus") else { return };
    let scope = reader.scope;
    let requests = if matches!(node.data, NodeData::Scalar(_)) {
        let Some(text) = scope.text(node, "`gpus`") else { return };
        if text.text != "all" {
            let hint = text!("`all`, or a list as in {example}", example = "`[{driver: nvidia, count: 1}]`");
            scope.not_allowed(&text, "`gpus`", hint);
            return;
        }
        use_of_gpus(scope, text.spot);
        vec![request("", -1, Vec::new(), vec!["gpu".to_owned()], BTreeMap::new())]
    } else {
        device_requests(scope, node, "`gpus`", "gpus.", true)
    };
    if !requests.is_empty() {
        settings.insert("gpus".to_owned(), Value::List(requests));
    }
}

fn use_of_gpus(scope: &Scope<'_>, spot: Spot) {
    policy::device(scope, "gpus", text!("policy forbids the use of {device}", device = "gpus"), spot);
}

/// Requests to a driver of the engine for devices. For `gpus` the capability goes without saying.
pub(crate) fn device_requests(
    scope: &Scope<'_>,
    node: &Node,
    what: &str,
    path: &'static str,
    is_gpu: bool,
) -> Vec<Value> {
    let NodeData::List(items) = &node.data else {
        scope.wrong_type(node, what, text!("a list"));
        return Vec::new();
    };
    items.iter().filter_map(|item| device_request(scope, item, what, path, is_gpu)).collect()
}

fn device_request(scope: &Scope<'_>, node: &Node, what: &str, path: &'static str, is_gpu: bool) -> Option<Value> {
    const COUNT_MAX: i64 = 64;
    let mut reader = Reader::open(scope, node, text!("an item of {list}", list = what), path)?;
    let driver = reader.text("driver").map(|text| text.text).unwrap_or_default();
    let is_all = reader.node("count").and_then(Node::scalar) == Some("all");
    let count = if is_all { Some(-1) } else { reader.number("count", 1, COUNT_MAX) };
    let ids: Vec<String> = reader.texts("device_ids").into_iter().map(|text| text.text).collect();
    let mut capabilities: Vec<String> = reader.texts("capabilities").into_iter().map(|text| text.text).collect();
    let options = settings::named(&mut reader, "options");
    let spot = reader.spot;
    if count.is_some() && !ids.is_empty() {
        let message = text!("`{path}count` stands beside `{path}device_ids`", path);
        scope.error_hint(Code::A0140, spot, message, text!("how many, or which"));
    }
    if is_gpu && !capabilities.iter().any(|one| one == "gpu") {
        capabilities.push("gpu".to_owned());
    }
    if capabilities.is_empty() {
        reader.missing("capabilities", as_in("`capabilities: [gpu]`"));
    }
    reader.finish(&nothing_else);
    use_of_gpus(scope, spot);
    capabilities.sort();
    let count = count.unwrap_or(if ids.is_empty() { -1 } else { 0 });
    Some(request(&driver, count, ids, capabilities, options))
}

fn request(
    driver: &str,
    count: i64,
    ids: Vec<String>,
    capabilities: Vec<String>,
    options: BTreeMap<String, Value>,
) -> Value {
    let mut map = BTreeMap::from([
        ("count".to_owned(), Value::Int(count)),
        ("capabilities".to_owned(), Value::List(vec![Value::texts(capabilities)])),
    ]);
    let more = [("driver", Value::text(driver)), ("device_ids", Value::texts(ids)), ("options", Value::Map(options))];
    let more = more.into_iter().filter(|(_, value)| !settings::is_nothing(value));
    map.extend(more.map(|(name, value)| (name.to_owned(), value)));
    Value::Map(map)
}

/// `cgroup`, `uts`, `userns_mode`: the host's needs a word of the policy.
fn namespace(reader: &mut Reader<'_>, key: &'static str, settings: &mut SettingValues) {
    let Some(text) = reader.text(key) else { return };
    let scope = reader.scope;
    match (key, text.text.as_str()) {
        (_, "host") => of_host(scope, key, text.spot),
        ("cgroup", "private") => (),
        _ => {
            let hint = match key {
                "cgroup" => text!("`private` or `host`"),
                _ => text!("`host`, or leave it out"),
            };
            scope.not_allowed(&text, format!("`{key}`"), hint);
            return;
        }
    }
    settings.insert(key.to_owned(), Value::text(text.text));
}

fn of_host(scope: &Scope<'_>, key: &str, spot: Spot) {
    let allowed = scope.site.policy.host_namespaces;
    policy::host(scope, allowed, &format!("`{key}: host`"), "host_namespaces", spot);
}

/// `pid`, `ipc`: the host's, another container's, or (for `ipc`) a kind of its own.
fn shareable(reader: &mut Reader<'_>, key: &'static str, settings: &mut SettingValues, shared: &mut SharedNamespaces) {
    let Some(text) = reader.text(key) else { return };
    let scope = reader.scope;
    if let Some(sibling) = sibling(scope, key, &text, shared) {
        shared.others.insert(key.to_owned(), sibling);
        return;
    }
    match (key, text.text.as_str()) {
        (_, "host") => of_host(scope, key, text.spot),
        ("ipc", "none" | "private" | "shareable") => (),
        (_, other) if other.contains(':') => return,
        _ => {
            let more = if key == "ipc" { "`none`, `private`, `shareable`, " } else { "" };
            let words = format!("{more}`host`, `service:KEY`");
            scope.not_allowed(&text, format!("`{key}`"), text!("one of {words}", words));
            return;
        }
    }
    settings.insert(key.to_owned(), Value::text(text.text));
}

fn network_mode(reader: &mut Reader<'_>, shared: &mut SharedNamespaces) {
    let Some(text) = reader.text("network_mode") else { return };
    let scope = reader.scope;
    if let Some(name) = text.text.strip_prefix("container:") {
        shared.network = network_of_other(scope, name, &text);
        return;
    }
    if let Some(sibling) = sibling(scope, "network_mode", &text, shared) {
        shared.network = ContainerNetwork::Of(sibling);
        return;
    }
    match text.text.as_str() {
        "none" => shared.network = ContainerNetwork::None,
        "host" => {
            let allowed = scope.site.policy.host_network;
            policy::host(scope, allowed, "`network_mode: host`", "host_network", text.spot);
            shared.network = ContainerNetwork::Host;
        }
        // Every service has a bridge of its own, on which names are known as well.
        "bridge" | "default" if is_compose(text.spot) => (),
        "bridge" => {
            let hint = text!("leave it out; every service has a bridge of its own");
            scope.error_hint(Code::A0112, text.spot, not_in_service("network_mode: bridge"), hint);
        }
        other if other.contains(':') => (),
        _ => {
            let words = "`none`, `host`, `service:KEY`, `container:NAME`";
            scope.not_allowed(&text, "`network_mode`", text!("one of {words}; for others use `network:`", words));
        }
    }
}

/// `container:NAME`. Whoever shares a network hears and answers what the other does: policy has a word in it, whoever made
/// the other.
fn network_of_other(scope: &Scope<'_>, name: &str, text: &PlacedText) -> ContainerNetwork {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && is_network_name(name);
    if !is_name {
        let (form, example) = ("`container:NAME`", "`container:gluetun`");
        scope.not_allowed(text, "`network_mode`", text!("{form}, as in {example}", form, example));
        return ContainerNetwork::Own;
    }
    scope.claims.borrow_mut().networks.push((text.text.clone(), text.spot));
    ContainerNetwork::Other(name.to_owned())
}

/// `service:KEY`; any other container is reported.
fn sibling(scope: &Scope<'_>, key: &str, text: &PlacedText, shared: &mut SharedNamespaces) -> Option<String> {
    let (word, name) = text.text.split_once(':')?;
    if word == "service" && !name.is_empty() {
        shared.siblings.push(PlacedText { text: name.to_owned(), spot: text.spot });
        return Some(name.to_owned());
    }
    let hint = text!("`service:KEY` names a container of the same manifest; put both into one");
    if word == "container" {
        scope.error_hint(Code::A0112, text.spot, not_in_service(&format!("{key}: container:…")), hint);
    } else {
        scope.not_allowed(text, format!("`{key}`"), hint);
    }
    None
}

/// Compose's short way of giving a container Docker's socket.
fn api_socket(reader: &mut Reader<'_>) {
    if reader.flag("use_api_socket") == Some(true) {
        let line = "`volumes: [/var/run/docker.sock:/var/run/docker.sock]`";
        let hint = text!("where `policy.docker_socket` allows it: {line}", line);
        let message = not_in_service("use_api_socket");
        reader.scope.error_hint(Code::A0112, reader.key_spot("use_api_socket"), message, hint);
    }
}
