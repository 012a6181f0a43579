//! What `policy` lets a manifest use: one function for each word, and one door for what it does not allow.
//!
//! Every use that policy has a word in is a *right*: the manifest's name, the word and what is used. A few things no word
//! opens: they are reported as plain errors.

pub(super) mod nginx;
mod nginx_load;
pub(super) mod nginx_locations;
mod patterns;
pub(super) mod host_names;
pub(super) mod images;
pub(super) mod instances;
pub(super) mod pool_share;
pub(super) mod ports;
pub(super) mod records;
pub(super) mod targets;
pub(super) mod volume_drivers;
pub(super) mod name_claims;
pub(super) mod container_claims;
pub(super) mod shared_names;
pub(super) mod totals;
pub(super) mod needs;
pub(super) mod cross_manifest;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::Ipv4Net;

use super::resolve;
use super::scope::{AllowedBy, Decision, PlacedText, Scope, Verdict};
use super::yaml::diagnostic::{Problem, Spot, shown};
use crate::model::folders::is_within;
use crate::model::site::{Right, credential_key};
use crate::model::{Code, Site, Text};
use crate::text;

pub(super) use crate::model::suggestion::matches;

/// Where binds could lie before `policy.host_paths` had a narrower default.
const USUAL_BEFORE: &str = "/srv";

/// Something that policy does not allow.
pub(super) struct Closed<'a> {
    pub code: Code,
    pub spot: Spot,
    /// The word of `policy` that would allow it.
    pub word: &'static str,
    /// What is used, as the word's list would name it.
    pub item: &'a str,
    /// Lowercase, no full stop.
    pub message: Text,
    /// The way out.
    pub hint: Text,
}

/// Reports what policy does not allow.
pub(super) fn report_closed(scope: &Scope<'_>, closed: &Closed<'_>) {
    decide(scope, closed.spot, closed.word, closed.item, Verdict::Refused(closed.code), closed.hint.clone());
    scope.report(problem(closed));
}

/// As [`report_closed`], without a scope.
pub(super) fn problem(closed: &Closed<'_>) -> Problem {
    Problem::error(closed.code, closed.spot, closed.message.clone()).hint(closed.hint.clone())
}

/// Notes what allows a use.
pub(super) fn allowed(scope: &Scope<'_>, spot: Spot, word: &str, item: &str, by: AllowedBy) {
    // Lists of these two are beside what `authors` opens, and not in its place.
    let is_beside = matches!(word, "names" | "targets");
    let is_opened = matches!(by, AllowedBy::Policy(_)) && !is_beside && scope.site.policy.is_opened(word);
    let by = if is_opened { AllowedBy::authors() } else { by };
    decide(scope, spot, word, item, Verdict::Allowed(by), Text::default());
}

fn decide(scope: &Scope<'_>, spot: Spot, word: &str, item: &str, verdict: Verdict, hint: Text) {
    let Some(decisions) = &scope.decisions else { return };
    let right = Right { service: scope.name.clone(), word: word.to_owned(), item: item.to_owned() };
    let file = scope.path_of(spot);
    let decision = Decision { file, line: spot.line, column: spot.column, right, verdict, hint };
    decisions.borrow_mut().push(decision);
}

pub(super) fn ask_for(word: &str, item: &str) -> Text {
    text!("ask the operator to add {item} to `policy.{word}`", item = format!("`{}`", shown(item)), word)
}

fn ask_to_set(word: &str) -> Text {
    text!("leave it out, or ask the operator to set `policy.{word}: true`", word)
}

/// Binds lie below `policy.host_paths`, and reach Docker's socket by a word of its own only.
pub(super) fn bind(scope: &Scope<'_>, path: &str, spot: Spot) {
    const SOCKETS: [&str; 4] = ["/var/run/docker.sock", "/run/docker.sock", "/var/run", "/run"];
    if let Some(sign) = path.chars().find(|sign| *sign == ':' || sign.is_control()) {
        // Docker divides `source:target:options` at colons: what follows one would be mounted in its place.
        let message = match sign {
            ':' => text!("the bind mount {path} has `:` in its source", path = shown(path)),
            _ => text!("the bind mount {path} has a control character in its source", path = shown(path)),
        };
        scope.error_hint(Code::A0261, spot, message, text!("rename the folder on the host"));
        return;
    }
    let policy = &scope.site.policy;
    let is_socket = SOCKETS.contains(&path);
    if policy.docker_socket && path.ends_with("docker.sock") {
        return allowed(scope, spot, "docker_socket", path, AllowedBy::Policy("docker_socket: true".to_owned()));
    }
    let root = roots(scope).into_iter().find(|folder| is_within(path, folder));
    if let Some(root) = root.filter(|_| !is_socket || policy.docker_socket) {
        return allowed(scope, spot, "host_paths", path, AllowedBy::Policy(format!("host_paths: {root}")));
    }
    let message = text!("policy forbids the bind mount {path}", path = shown(path));
    if is_socket && !policy.docker_socket {
        let hint = text!("ask the operator to set `policy.{word}: true`", word = "docker_socket");
        return report_closed(
            scope,
            &Closed { code: Code::A0205, spot, word: "docker_socket", item: path, message, hint },
        );
    }
    // Only what the narrower default closed has a code of its own.
    let is_narrowed = !policy.are_host_paths_named && is_within(path, USUAL_BEFORE);
    let (code, hint) = if is_narrowed {
        let own = roots(scope).into_iter().next().unwrap_or_default();
        let way = ask_for("host_paths", path);
        let wide = text!("keep the service's files below {own}, or {way}", own, way);
        (Code::A0262, wide)
    } else {
        (Code::A0205, ask_for("host_paths", path))
    };
    report_closed(scope, &Closed { code, spot, word: "host_paths", item: path, message, hint });
}

/// The folders of the service, and of the one whose data it takes over.
fn roots(scope: &Scope<'_>) -> Vec<String> {
    let data = scope.site.hosts.get(&scope.host).map_or(USUAL_BEFORE, |host| host.data.as_str());
    let names = std::iter::once(&scope.name).chain(&scope.data_of).filter(|name| !name.is_empty());
    let roots = names.flat_map(|name| scope.site.policy.host_roots(data, name));
    roots.filter_map(|root| resolve::normal_path(&root)).collect()
}

/// A right over the host that one word of the policy gives.
pub(super) fn host(scope: &Scope<'_>, is_allowed: bool, what: &str, word: &'static str, spot: Spot) {
    if is_allowed {
        return allowed(scope, spot, word, what, AllowedBy::Policy(format!("{word}: true")));
    }
    let (message, hint) = (text!("policy forbids {what}", what), ask_to_set(word));
    report_closed(scope, &Closed { code: Code::A0205, spot, word, item: what, message, hint });
}

/// Settings by which a container takes from the host what it was not given: with `policy.privileged` only.
/// `item` has its value too.
pub(super) fn setting(scope: &Scope<'_>, key: &str, item: &str, spot: Spot) {
    let word = "privileged";
    if scope.site.policy.privileged {
        return allowed(scope, spot, word, item, AllowedBy::Policy("privileged: true".to_owned()));
    }
    let (message, hint) = (text!("policy forbids {what}", what = format!("`{key}`")), ask_to_set(word));
    report_closed(scope, &Closed { code: Code::A0268, spot, word, item, message, hint });
}

/// What one of a list of patterns allows; `message` says what is used where none does.
fn listed(scope: &Scope<'_>, code: Code, word: &'static str, list: &[String], text: &PlacedText, message: Text) {
    let item = text.text.as_str();
    match list.iter().find(|pattern| matches(pattern, item)) {
        Some(pattern) => allowed(scope, text.spot, word, item, AllowedBy::Policy(format!("{word}: {pattern}"))),
        None => {
            report_closed(scope, &Closed { code, spot: text.spot, word, item, message, hint: ask_for(word, item) });
        }
    }
}

/// Devices, rules for them and `gpus` match one of `policy.devices`.
pub(super) fn device(scope: &Scope<'_>, device: &str, message: Text, spot: Spot) {
    let text = PlacedText { text: device.to_owned(), spot };
    listed(scope, Code::A0205, "devices", &scope.site.policy.devices, &text, message);
}

/// The engine's own runtime needs no word, for nothing has to be said to get it.
pub(super) fn runtime(scope: &Scope<'_>, text: &PlacedText) {
    let message = text!("policy forbids the runtime {name}", name = shown(&text.text));
    listed(scope, Code::A0266, "runtimes", &scope.site.policy.runtimes, text, message);
}

/// The configuration's own driver is allowed, whatever the list says.
pub(super) fn log_driver(scope: &Scope<'_>, text: &PlacedText) {
    if text.text == scope.site.defaults.log_driver {
        return allowed(scope, text.spot, "log_drivers", &text.text, AllowedBy::rule("defaults.logging.driver"));
    }
    let message = text!("policy forbids the log driver {name}", name = shown(&text.text));
    listed(scope, Code::A0267, "log_drivers", &scope.site.policy.log_drivers, text, message);
}

/// What any driver takes, and what says how much is kept on this host (Docker's reference of each driver).
const HARMLESS_OPTIONS: [&str; 13] = [
    "cache-compress",
    "cache-disabled",
    "cache-max-file",
    "cache-max-size",
    "compress",
    "env",
    "env-regex",
    "labels",
    "labels-regex",
    "max-buffer-size",
    "max-file",
    "max-size",
    "mode",
];

/// Options for a driver that the configuration chose: what says where to a log goes belongs to the list.
pub(super) fn log_options<'a>(scope: &Scope<'_>, driver: &str, names: impl Iterator<Item = &'a String>, spot: Spot) {
    let mut others = names.filter(|name| *name != "tag" && !HARMLESS_OPTIONS.contains(&name.as_str()));
    let list = &scope.site.policy.log_drivers;
    let Some(option) = others.next().filter(|_| !list.iter().any(|pattern| matches(pattern, driver))) else { return };
    let message =
        text!("policy forbids the option `{option}` of the log driver {driver}", option = shown(option), driver);
    let item = format!("{driver} {option}");
    let hint = ask_for("log_drivers", driver);
    report_closed(scope, &Closed { code: Code::A0267, spot, word: "log_drivers", item: &item, message, hint });
}

/// Options that name a file or a socket of the host, which the engine opens as root: with any driver they need a word of
/// their own.
pub(super) fn log_files(scope: &Scope<'_>, driver: &str, options: &BTreeMap<String, PlacedText>) {
    /// Names at the other end and texts for people, which may begin as a path does.
    const NAMES: [&str; 6] =
        ["awslogs-group", "awslogs-stream", "splunk-index", "splunk-source", "splunk-sourcetype", "tag"];
    let is_name = |name: &str| NAMES.contains(&name) || HARMLESS_OPTIONS.contains(&name);
    for (name, value) in options.iter().filter(|(name, value)| !is_name(name) && is_of_host_files(name, &value.text)) {
        let item = format!("logging {driver} {name}={}", value.text);
        setting(scope, &format!("logging.options.{}", shown(name)), &item, value.spot);
    }
}

/// Whether an option of a log driver names a file or a socket, by its name or by what it says.
fn is_of_host_files(name: &str, value: &str) -> bool {
    const WORDS: [&str; 6] = ["ca", "cert", "file", "key", "path", "socket"];
    const SCHEMES: [&str; 5] = ["fd", "file", "npipe", "systemd", "unix"];
    let (name, value) = (name.to_ascii_lowercase(), value.trim().to_ascii_lowercase());
    let is_file = |word: &str| WORDS.contains(&word) || word.ends_with("path") || word.ends_with("file");
    let is_local = |scheme: &str| SCHEMES.contains(&scheme) || scheme.starts_with("unix");
    let is_address = value.split_once(':').is_some_and(|(scheme, _)| is_local(scheme));
    !value.is_empty() && (name.split(['-', '_', '.']).any(is_file) || value.starts_with(['/', '.', '~']) || is_address)
}

fn by_its_name() -> Text {
    text!("it is called after the service")
}

/// A volume by the name that Docker knows it by: the service's own are called after it.
pub(super) fn volume(scope: &Scope<'_>, name: &PlacedText) {
    let owners = std::iter::once(&scope.name).chain(&scope.data_of);
    let is_own = |owner: &String| name.text.strip_prefix(owner.as_str()).is_some_and(|rest| rest.starts_with('_'));
    if owners.filter(|owner| !owner.is_empty()).any(is_own) {
        return allowed(scope, name.spot, "volumes", &name.text, AllowedBy::rule(by_its_name()));
    }
    let message = text!("policy forbids the volume {name}", name = shown(&name.text));
    listed(scope, Code::A0264, "volumes", &scope.site.policy.volumes, name, message);
}

/// The machine's own route to a range leads into the network that has it: what the range holds elsewhere, nothing on this
/// host reaches any more.
pub(super) fn subnet(scope: &Scope<'_>, subnet: Ipv4Net, text: &PlacedText) {
    /// This machine, its neighbours, and what is no single machine.
    const NEVER: [([u8; 4], u8); 4] =
        [([0, 0, 0, 0], 8), ([127, 0, 0, 0], 8), ([169, 254, 0, 0], 16), ([224, 0, 0, 0], 3)];
    let overlaps = |other: &Ipv4Net| other.contains(&subnet) || subnet.contains(other);
    if NEVER.iter().any(|(start, prefix)| overlaps(&Ipv4Net::new_assert((*start).into(), *prefix))) {
        let hint = text!("a range that no machine has for itself, as in {example}", example = "`172.20.40.0/24`");
        scope.not_allowed(text, "`subnet`", hint);
        return;
    }
    let item = subnet.to_string();
    /// Sixteen times what a service gets by itself.
    const WIDER_MAX: u8 = 4;
    let within = |nets: &[Ipv4Net]| nets.iter().find(|net| net.contains(&subnet)).map(ToString::to_string);
    let is_small = subnet.prefix_len().saturating_add(WIDER_MAX) >= scope.site.prefix;
    if let Some(pool) = within(&scope.site.pools).filter(|_| is_small) {
        return allowed(scope, text.spot, "subnets", &item, AllowedBy::rule(format!("network.pools: {pool}")));
    }
    if let Some(range) = within(&scope.site.policy.subnets) {
        return allowed(scope, text.spot, "subnets", &item, AllowedBy::Policy(format!("subnets: {range}")));
    }
    let message = if is_small {
        text!("policy forbids the subnet {subnet}: it lies in none of the pools", subnet = &item)
    } else {
        text!("policy forbids the subnet {subnet}: it takes the room of many services", subnet = &item)
    };
    let hint = text!("leave it out, take one of `network.pools`, or {way}", way = ask_for("subnets", &item));
    report_closed(scope, &Closed { code: Code::A0273, spot: text.spot, word: "subnets", item: &item, message, hint });
}

/// That of a container, in `policy.networks`.
const OF_CONTAINER: &str = "container:";

/// What allows a network that no `Network` manifest defines, or that of a container of somebody else's.
pub(super) fn allowed_network(site: &Site, name: &str) -> Option<AllowedBy> {
    // `*` is every network, and no container.
    let is_kind = |pattern: &&String| pattern.starts_with(OF_CONTAINER) == name.starts_with(OF_CONTAINER);
    let pattern = site.policy.networks.iter().filter(is_kind).find(|pattern| matches(pattern, name))?;
    let is_opened = site.policy.is_opened("networks");
    Some(if is_opened { AllowedBy::authors() } else { AllowedBy::Policy(format!("networks: {pattern}")) })
}

/// A network that no `Network` manifest defines, or that of a container of somebody else's, and policy does not allow it.
pub(super) fn network(name: &str, spot: Spot) -> Problem {
    let way = ask_for("networks", name);
    let (message, hint) = match name.strip_prefix(OF_CONTAINER) {
        Some(other) => (
            text!(
                "policy forbids the network of container {container}: {why}",
                container = shown(other),
                why = text!("whoever shares it hears all that the container does")
            ),
            text!("`network_mode: service:KEY` needs no word; or {way}", way),
        ),
        None => (
            text!("policy forbids the network {network}: no `Network` manifest defines it", network = shown(name)),
            text!("write one ({example}), or {way}", example = "`{kind: Network, name: …}`", way),
        ),
    };
    let closed = Closed { code: Code::A0265, spot, word: "networks", item: name, message, hint };
    problem(&closed)
}

/// Capabilities are Docker's own, or among `policy.capabilities`.
pub(super) fn capability(scope: &Scope<'_>, capability: &str, spot: Spot) {
    /// What Docker gives every container (the engine's `oci/caps/defaults.go`).
    const USUAL: [&str; 14] = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    let word = "capabilities";
    let policy = &scope.site.policy;
    if USUAL.contains(&capability) {
        return allowed(scope, spot, word, capability, AllowedBy::rule(text!("Docker gives it to every container")));
    }
    // Only the written word gives more than its own.
    let is_privileged = policy.privileged && !policy.is_opened("privileged");
    if ["ALL", capability].iter().any(|one| policy.capabilities.contains(*one)) || is_privileged {
        return allowed(scope, spot, word, capability, AllowedBy::Policy("capabilities".to_owned()));
    }
    let hint = text!("leave it out, or {way}", way = ask_for(word, capability));
    let message = text!("policy forbids the capability {name}", name = shown(capability));
    report_closed(scope, &Closed { code: Code::A0215, spot, word, item: capability, message, hint });
}

/// A manifest reads the secrets that are called after it, those below `shared/`, and what `policy.secrets` lists.
pub(super) fn secret(scope: &Scope<'_>, name: &PlacedText) {
    let word = "secrets";
    if scope.site.own_secrets.contains(&credential_key(&name.text)) {
        let message = text!("`{name}` is a credential of Amarre's own", name = shown(&name.text));
        let example = format!("`{}/password`", shown(&scope.name));
        let hint = text!("a service's secrets are called after it, as in {example}", example);
        decide(scope, name.spot, word, &name.text, Verdict::Refused(Code::A0260), hint.clone());
        scope.error_hint(Code::A0260, name.spot, message, hint);
        return;
    }
    let is_of = |owner: &str| {
        !owner.is_empty() && name.text.strip_prefix(owner).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_of(&scope.name) || scope.data_of.as_deref().is_some_and(is_of) {
        return allowed(scope, name.spot, word, &name.text, AllowedBy::rule(by_its_name()));
    }
    if name.text.starts_with("shared/") {
        let rule = AllowedBy::rule(text!("every service may read {names}", names = "shared/*"));
        return allowed(scope, name.spot, word, &name.text, rule);
    }
    if let Some(pattern) = entry(&scope.name, &scope.site.policy.secrets, &name.text) {
        return allowed(scope, name.spot, word, &name.text, AllowedBy::Policy(format!("secrets: {pattern}")));
    }
    let (service, secret) = (shown(&scope.name), shown(&name.text));
    let entry = format!("`policy.secrets: {{{service}: [{secret}]}}`");
    let hint = text!("call it `{service}/…`, or ask the operator for {entry}", service = &service, entry);
    let message = text!("policy forbids {service} to read the secret `{secret}`", service, secret);
    report_closed(scope, &Closed { code: Code::A0270, spot: name.spot, word, item: &name.text, message, hint });
}

/// The pattern of this manifest, or of all, that a text matches.
pub(super) fn entry<'a>(
    service: &str,
    by_manifest: &'a BTreeMap<String, Vec<String>>,
    text: &str,
) -> Option<&'a String> {
    let lists = [service, "*"].into_iter().filter_map(|name| by_manifest.get(name));
    lists.flatten().find(|pattern| matches(pattern, text))
}

/// Whether `ip` is an address of one of the hosts, as the configuration has them.
pub(super) fn is_of_host(site: &Site, ip: IpAddr) -> bool {
    site.hosts
        .values()
        .any(|host| host.ips().any(|own| own == ip) || host.also_at.contains(&ip) || host.private_address == Some(ip))
}
