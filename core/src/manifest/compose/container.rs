//! The container's vocabulary: the Compose Spec's keys, names and short and long forms.
//!
//! Ports and mounts are in `mounts.rs`; Compose keys without a meaning here are in `unsupported.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::mounts::PublishedPorts;
use super::{build, composite_keys, delivered_files, dependencies, deploy, mounts, rights, settings, unquoted};
use crate::manifest::policy::images;
use crate::manifest::reader::{Reader, flag, nothing_else};
use crate::manifest::resolve::ShellWords;
use crate::manifest::scope::{PlacedText, Scope, is_compose};
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::manifest::yaml::tree::{Node, NodeData};
use crate::manifest::{policy, resolve, secret_keys};
use crate::model::app::Build;
use crate::model::service::{Container, ContainerNetwork, EnvValue, Healthcheck, PullPolicy};
use crate::model::{Arg, Code, Millis, SecretName, Text, Value};
use crate::resources::docker::setting;
use crate::text;

/// A registry is not asked more often.
const HOUR: Millis = Millis::minutes(60);
/// Keys of a container that are read here or in `mounts.rs`.
const KEYS: [&str; 15] = [
    "image",
    "build",
    "deploy",
    "depends_on",
    "command",
    "environment",
    "ports",
    "volumes",
    "healthcheck",
    "user",
    "restart",
    "labels",
    "logging",
    "pull_policy",
    "entrypoint",
];

/// Whether a container may have a key, whatever it does there.
pub(crate) fn is_key(key: &str) -> bool {
    KEYS.contains(&key) || rights::KEYS.contains(&key) || composite_keys::KEYS.contains(&key) || setting(key).is_some()
}

/// A container, and what it depends on with the place where it says so.
pub(crate) struct ContainerRead {
    pub container: Container,
    /// By `depends_on`, and those whose namespaces it shares.
    pub siblings: Vec<PlacedText>,
    /// As it calls its networks.
    pub networks: Vec<PlacedText>,
    /// Those of them on which it asks for an address.
    pub placed_on: Vec<PlacedText>,
    /// Where it asks for an address.
    pub address: Option<PlacedText>,
    /// Whether it says itself when Docker restarts it.
    pub is_restart_said: bool,
}

/// Reads the keys of a container out of a map that may have others; in the short form `dns` is one of them.
pub(crate) fn container(reader: &mut Reader<'_>, is_short: bool) -> Option<ContainerRead> {
    let scope = reader.scope;
    let (image, build) = image_or_build(reader);
    let command = words(reader, "command");
    let entrypoint = words(reader, "entrypoint");
    let environment = environment(reader);
    let PublishedPorts { published: ports, exposed } =
        if is_on_host(reader) { none_on_host(reader) } else { mounts::ports(reader) };
    let mounts = mounts::volumes(reader);
    let healthcheck = healthcheck(reader);
    let user = reader.text("user").map(|text| text.text);
    let restart = restart(reader);
    let labels = labels(reader);
    let (depends_on, mut siblings) = dependencies::depends_on(reader);
    let logging = logging(reader);
    let pull_policy = pull_policy(reader);
    let container_name = composite_keys::container_name(reader);
    let mut settings = settings::read(reader, is_short);
    let shared = rights::read(reader, &mut settings);
    composite_keys::read(reader, &mut settings);
    composite_keys::expose(exposed, &mut settings);
    let place = composite_keys::networks(reader, &mut settings);
    let deployed = deploy::read(reader, &mut settings);
    let is_restart_said = reader.has("restart") || deployed.is_some();
    // What Docker does where a Compose file is silent; Amarre's usual policy is for its own manifests.
    let is_unsaid = !is_restart_said && is_compose(reader.spot) && scope.site.defaults.restart.is_none();
    let restart = if is_unsaid { "no".to_owned() } else { deployed.unwrap_or(restart) };
    settings::contradictions(reader, &settings);
    if !is_compose(reader.spot) {
        delivered_files::judge_memory(scope, &mounts, &settings, reader.key_spot("tmpfs"));
    }
    settings::kernel(reader, &settings, &shared.network);
    siblings.extend(shared.siblings);
    let (ipv4_address, address) = place.ipv4_address.unzip();
    let container = Container {
        image: image?,
        build: build.map(Box::new),
        command,
        entrypoint,
        environment,
        ports,
        mounts,
        healthcheck,
        user,
        restart,
        is_restart_unsaid: is_unsaid,
        labels,
        depends_on,
        logging,
        pull_policy,
        container_name,
        network_mode: shared.network,
        home: None,
        also_on: BTreeSet::new(),
        aliases: place.aliases,
        ipv4_address,
        shares: shared.others,
        settings,
        origin: scope.origin(reader.spot),
    };
    network_contradictions(reader, &container);
    let (networks, placed_on) = (place.networks, place.placed_on);
    Some(ContainerRead { container, siblings, networks, placed_on, address, is_restart_said })
}

/// The image that is named, or the one that is built, with how it is.
fn image_or_build(reader: &mut Reader<'_>) -> (Option<String>, Option<Build>) {
    let scope = reader.scope;
    let Some(entry) = reader.entry("build") else {
        let hint = text!("as in `image: gitea/gitea:1.22`, or `build: ./app` of files beside it");
        let text = reader.required("image", hint);
        return (text.and_then(|text| image(scope, &text)), None);
    };
    if reader.entry("image").is_some() {
        let message = text!("`image` and `build` are both there");
        let hint = text!("leave one of them out: what is built is called after the service and what goes in");
        scope.error_hint(Code::A0140, reader.key_spot("image"), message, hint);
    }
    let build = build::read(scope, entry);
    (build.as_ref().map(|build| build.image.clone()), build)
}

/// Whether it is on the host's network, where every port of it is open as it is.
fn is_on_host(reader: &mut Reader<'_>) -> bool {
    let mode = reader.entry("network_mode").and_then(|entry| entry.value.scalar());
    mode == Some("host") && is_compose(reader.key_spot("ports"))
}

/// The published ports of such a container: Compose passes them over.
fn none_on_host(reader: &mut Reader<'_>) -> PublishedPorts {
    if reader.entry("ports").is_some() {
        let message = text!("{key} has no effect beside {other}", key = "`ports`", other = "`network_mode: host`");
        let hint = text!("leave it out; on the host's network every port of the container is open as it is");
        reader.scope.no_effect(reader.key_spot("ports"), message, hint);
    }
    PublishedPorts::default()
}

/// Keys that say something of a network which the container does not have to itself.
fn network_contradictions(reader: &Reader<'_>, container: &Container) {
    const NEVER: [&str; 3] = ["ports", "networks", "mac_address"];
    const OF_OTHER: [&str; 6] = ["hostname", "domainname", "dns_opt", "dns_search", "extra_hosts", "expose"];
    let (mode, is_other) = match &container.network_mode {
        ContainerNetwork::Own => ("", false),
        ContainerNetwork::None => ("none", false),
        ContainerNetwork::Host => ("host", false),
        ContainerNetwork::Of(_) => ("service:…", true),
        ContainerNetwork::Other(_) => ("container:…", true),
    };
    let clash = |key: &str, beside: &str| {
        let message = text!("`{key}` means nothing beside `{beside}`", key, beside);
        reader.scope.error_hint(Code::A0140, reader.key_spot(key), message, text!("leave one of them out"));
    };
    let mut nothing: Vec<&str> = Vec::new();
    if !mode.is_empty() {
        let is_said = |key: &&str| *key == "ports" && mode == "host" && is_compose(reader.key_spot(key));
        nothing.extend(NEVER.into_iter().filter(|key| !is_said(key)));
    }
    if is_other {
        nothing.extend(OF_OTHER);
        nothing.extend(container.settings.contains_key("dns").then_some("dns"));
    }
    for key in nothing.into_iter().filter(|key| reader.has(key)) {
        clash(key, &format!("network_mode: {mode}"));
    }
    if container.settings.contains_key("uts") {
        for key in ["hostname", "domainname"].into_iter().filter(|key| reader.has(key)) {
            clash(key, "uts: host");
        }
    }
    let tmpfs = container.settings.get("tmpfs").and_then(Value::entries);
    let twice = container.mounts.iter().find(|mount| tmpfs.is_some_and(|tmpfs| tmpfs.contains_key(&mount.target)));
    if let Some(mount) = twice {
        let message = text!("two mounts at {path}", path = shown(&mount.target));
        let hint = text!("one in `volumes`, one in `tmpfs`; keep one");
        reader.scope.error_hint(Code::A0140, reader.key_spot("tmpfs"), message, hint);
    }
}

/// An image with a tag or a digest; without a tag it is `latest`, and said so.
fn image(scope: &Scope<'_>, text: &PlacedText) -> Option<String> {
    const IMAGE_CHARS_MAX: usize = 300;
    let image = text.text.as_str();
    let is_odd = |c: char| !(c.is_ascii_alphanumeric() || "._-/:@+".contains(c));
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map(|(_, tag)| tag);
    let repository = name.strip_suffix(&tag.map(|tag| format!(":{tag}")).unwrap_or_default()).unwrap_or(name);
    let path =
        repository.split_once('/').filter(|(registry, _)| registry.contains(['.', ':']) || *registry == "localhost");
    let path = path.map_or(repository, |(_, path)| path);
    let hint = if image.len() > IMAGE_CHARS_MAX {
        Some(text!("at most {n} characters", n = IMAGE_CHARS_MAX))
    } else if image.is_empty() || image.contains(is_odd) || name.split('/').any(str::is_empty) {
        Some(text!("as in {example}", example = "`ghcr.io/owner/name:1.2`"))
    } else if path.contains(|c: char| c.is_ascii_uppercase()) {
        Some(text!("names of images are in lower case"))
    } else if path.contains(':') || !tag.is_none_or(is_tag) || digest.is_some_and(|digest| !is_digest(digest)) {
        Some(text!("as in `ghcr.io/owner/name:1.2`, or with `@sha256:…`"))
    } else {
        None
    };
    if let Some(hint) = hint {
        scope.not_allowed(text, "`image`", hint);
        return None;
    }
    images::judge(scope, text);
    if digest.is_some() {
        return Some(image.to_owned());
    }
    let message = match tag {
        None => text!("image without a tag follows `latest`"),
        Some("latest") => text!("image follows `latest`"),
        Some(_) => return Some(image.to_owned()),
    };
    let hint = text!("name the version, as in {image}", image = format!("{repository}:1.2"));
    scope.report(Problem::warning(Code::A0131, text.spot, message).hint(hint));
    Some(format!("{repository}:latest"))
}

fn is_tag(tag: &str) -> bool {
    const TAG_MAX: usize = 128;
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !tag.is_empty() && tag.len() <= TAG_MAX && !tag.starts_with(['.', '-']) && tag.chars().all(is_word)
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A command: a list as it is, or text split as a shell does.
fn words(reader: &mut Reader<'_>, key: &'static str) -> Option<Vec<String>> {
    let node = reader.node(key)?;
    let scope = reader.scope;
    let label = reader.label(key);
    if matches!(node.data, NodeData::List(_)) {
        return Some(scope.texts(node, &label)?.into_iter().map(|text| text.text).collect());
    }
    if matches!(node.data, NodeData::Map(_)) {
        scope.wrong_type(node, &label, text!("text or a list"));
        return None;
    }
    let text = scope.text(node, &label)?;
    match resolve::shell_words(&text.text) {
        Ok(ShellWords { words, ends_at }) => {
            ends_at.into_iter().for_each(|sign| report_shell(scope, &label, sign, text.spot));
            Some(words)
        }
        Err(why) => {
            let message = text!("{label} cannot be split into words: {why}", label, why);
            scope.error_hint(Code::A0106, text.spot, message, text!("or write a list"));
            None
        }
    }
}

/// Who writes `a && b` means a shell, and there is none.
fn report_shell(scope: &Scope<'_>, label: &str, sign: char, spot: Spot) {
    let sign = sign.to_string();
    let problem = if is_compose(spot) {
        let message =
            text!("{label} ends before `{sign}`, as with `docker compose`: no shell reads it", label, sign = &sign);
        Problem::warning(Code::A0191, spot, message)
    } else {
        let message = text!("{label} has a `{sign}` without quotes, and no shell reads it", label, sign = &sign);
        Problem::error(Code::A0191, spot, message)
    };
    let example = "`[sh, -c, \"…\"]`";
    let hint = text!("for a shell write a list, {example}; to pass `{sign}` itself, put it into quotes", example, sign);
    scope.report(problem.hint(hint));
}

fn environment(reader: &mut Reader<'_>) -> BTreeMap<String, EnvValue> {
    let defaults = reader.scope.site.defaults.environment.iter();
    let mut environment: BTreeMap<String, EnvValue> =
        defaults.map(|(name, value)| (name.clone(), EnvValue::Plain(value.clone()))).collect();
    for (name, spot, value) in pairs(reader, "environment") {
        let scope = reader.scope;
        if name.is_empty() || name.contains('=') || name.chars().any(char::is_control) {
            scope.error(Code::A0106, spot, text!("a variable needs a name, without `=`"));
            continue;
        }
        let value = match value {
            PairValue::Text(text) => Some(EnvValue::Plain(text)),
            PairValue::Node(node) => env_value(scope, node, &name),
            PairValue::Nothing => {
                let example = format!("`{name}: \"\"`");
                let hint = text!("{example} for an empty one; Amarre's own environment is never passed on", example);
                let message = text!("variable `{name}` has no value", name = shown(&name));
                scope.error_hint(Code::A0104, spot, message, hint);
                None
            }
        };
        environment.extend(value.map(|value| (name, value)));
    }
    environment
}

fn env_value(scope: &Scope<'_>, node: &Node, name: &str) -> Option<EnvValue> {
    let variable = text!("variable `{name}`", name = shown(name));
    let label = variable.to_string();
    match &node.data {
        NodeData::Scalar(_) => {
            written_anew(scope, node, variable, name);
            Some(EnvValue::Plain(scope.text(node, &label)?.text))
        }
        NodeData::Map(_) => Some(EnvValue::Secret(secret(scope, node, &label)?)),
        NodeData::List(_) => {
            scope.wrong_type(node, &label, text!("text or a map with `secret`"));
            None
        }
    }
}

/// Tells of a value of a Compose file that `docker compose` reads as a number: what is there already has it as it is written.
fn written_anew(scope: &Scope<'_>, node: &Node, label: Text, name: &str) {
    let NodeData::Scalar(scalar) = &node.data else { return };
    let is_read = is_compose(node.spot) && scalar.plain && scalar.literal;
    let Some(passed) = unquoted::passed(&scalar.text).filter(|_| is_read) else { return };
    let (message, hint) = if secret_keys::looks_secret(name) {
        let message = text!("{label} is passed as it is written; `docker compose` passes another number", label);
        (message, text!("put quotes around it"))
    } else {
        let value = shown(&scalar.text);
        let (written, other) = (format!("`\"{value}\"`"), format!("`\"{passed}\"`"));
        let message =
            text!("{label} is `{value}`, as it is written; `docker compose` passes `{passed}`", label, value, passed);
        (message, text!("write {written}, or {other}", written, other))
    };
    scope.report(Problem::warning(Code::A0190, node.spot, message).hint(hint));
}

/// `{secret: cloud/db}`.
pub(crate) fn secret(scope: &Scope<'_>, node: &Node, what: impl Into<Arg>) -> Option<SecretName> {
    let mut reader = Reader::open(scope, node, what, "")?;
    let text = reader.required("secret", text!("as in {example}", example = "`{secret: cloud/db}`"));
    reader.finish(&nothing_else);
    secret_name(scope, &text?)
}

/// The name of a secret, as written.
pub(crate) fn secret_name(scope: &Scope<'_>, text: &PlacedText) -> Option<SecretName> {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if text.text.len() <= 200 && text.text.split('/').all(is_part) {
        policy::secret(scope, text);
        return Some(SecretName(text.text.clone()));
    }
    // What was meant as a name may be the password itself: it is not repeated.
    let hint = text!("letters, digits, `-`, `_`, `.`, parts divided by `/`, as in `cloud/db`");
    scope.error_hint(Code::A0106, text.spot, text!("not the name of a secret"), hint);
    None
}

pub(crate) enum PairValue<'a> {
    Text(String),
    Node(&'a Node),
    Nothing,
}

/// Names and values out of a map, or out of a list of `NAME=value`.
pub(crate) fn pairs<'a>(reader: &mut Reader<'a>, key: &'static str) -> Vec<(String, Spot, PairValue<'a>)> {
    let Some(node) = reader.node(key) else { return Vec::new() };
    let scope = reader.scope;
    let label = reader.label(key);
    match &node.data {
        NodeData::Map(entries) => entries
            .iter()
            .map(|entry| {
                let value = if entry.value.is_null() { PairValue::Nothing } else { PairValue::Node(&entry.value) };
                (entry.key.clone(), entry.key_spot, value)
            })
            .collect(),
        NodeData::List(items) => {
            let mut pairs: Vec<(String, Spot, PairValue<'a>)> = Vec::new();
            let mut places: BTreeMap<String, Spot> = BTreeMap::new();
            for item in items {
                let Some(text) = scope.text(item, text!("an item of {list}", list = &label)) else { continue };
                let (name, value) = match text.text.split_once('=') {
                    Some((name, value)) => (name.to_owned(), PairValue::Text(value.to_owned())),
                    None => (text.text, PairValue::Nothing),
                };
                if let Some(first) = places.insert(name.clone(), text.spot) {
                    scope.report(twice(&name, &label, text.spot, first));
                }
                pairs.push((name, text.spot, value));
            }
            pairs
        }
        NodeData::Scalar(_) => {
            scope.wrong_type(node, &label, text!("a map, or a list of `NAME=value`"));
            Vec::new()
        }
    }
}

/// A name that a list has twice: of a Compose file, the last one holds.
pub(crate) fn twice(name: &str, label: &str, spot: Spot, first: Spot) -> Problem {
    let (name, line) = (shown(name), first.line.to_string());
    if is_compose(spot) {
        let message = text!("`{name}` stands twice in {label}: this one holds", name, label);
        return Problem::warning(Code::A0188, spot, message).hint(text!("remove the one in line {line}", line));
    }
    let problem = Problem::error(Code::A0102, spot, text!("duplicate `{name}` in {label}", name, label));
    problem.hint(text!("first written in line {line}", line))
}

pub(crate) fn labels(reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    const OURS: [&str; 2] = ["io.amarre.", "com.docker.compose."];
    let mut labels = BTreeMap::new();
    for (name, spot, value) in pairs(reader, "labels") {
        let scope = reader.scope;
        if let Some(prefix) = OURS.iter().find(|prefix| name.starts_with(**prefix)) {
            let message = text!("label `{name}` is not yours to set", name = shown(&name));
            let hint = text!("`{prefix}*` is how Amarre marks what it made", prefix = *prefix);
            scope.error_hint(Code::A0106, spot, message, hint);
            continue;
        }
        if name.is_empty() || name.chars().any(char::is_control) {
            scope.error(Code::A0106, spot, text!("a label needs a name of plain characters"));
            continue;
        }
        let value = match value {
            PairValue::Text(text) => Some(text),
            PairValue::Node(node) => {
                let label = text!("label `{name}`", name = shown(&name));
                let what = label.to_string();
                written_anew(scope, node, label, &name);
                scope.text(node, &what).map(|text| text.text)
            }
            PairValue::Nothing => Some(String::new()),
        };
        labels.extend(value.map(|value| (name, value)));
    }
    labels
}

fn restart(reader: &mut Reader<'_>) -> String {
    const USUAL: &str = "unless-stopped";
    let default = reader.scope.site.defaults.restart.clone().unwrap_or_else(|| USUAL.to_owned());
    let Some(node) = reader.node("restart") else { return default };
    // `restart: no` is text here, but tools that rewrite YAML make `false` of it.
    if flag(node) == Ok(false) {
        return "no".to_owned();
    }
    let Some(text) = reader.scope.text(node, "`restart`") else { return default };
    let is_count = |count: &str| count.parse::<u32>().is_ok();
    let is_known = matches!(text.text.as_str(), "no" | "always" | "unless-stopped" | "on-failure")
        || text.text.strip_prefix("on-failure:").is_some_and(is_count);
    if !is_known {
        let words = vec!["`no`", "`always`", "`unless-stopped`", "`on-failure`", "`on-failure:5`"];
        let hint = text!("one of {words}", words);
        reader.scope.not_allowed(&text, "`restart`", hint);
    }
    text.text
}

fn pull_policy(reader: &mut Reader<'_>) -> PullPolicy {
    let Some(text) = reader.text("pull_policy") else { return PullPolicy::Missing };
    match text.text.as_str() {
        "missing" | "if_not_present" => return PullPolicy::Missing,
        "never" => return PullPolicy::Never,
        // More often nobody is asked.
        "always" => return PullPolicy::Every(HOUR),
        "daily" => return PullPolicy::Every(Millis(24 * HOUR.0)),
        "weekly" => return PullPolicy::Every(Millis(7 * 24 * HOUR.0)),
        _ => (),
    }
    let span = text.text.strip_prefix("every_").and_then(|span| resolve::duration_ms(span).ok()).map(Millis);
    let hint = match span {
        Some(span) if span >= HOUR => return PullPolicy::Every(span),
        Some(_) => text!("a registry is asked once an hour at most: `every_1h`"),
        None if text.text == "build" => {
            text!("leave it out: what `build` says is built whenever something goes in that is new")
        }
        None => {
            let words = vec!["`missing`", "`always`", "`daily`", "`weekly`", "`every_12h`", "`never`"];
            text!("one of {words}", words)
        }
    };
    reader.scope.not_allowed(&text, "`pull_policy`", hint);
    PullPolicy::Missing
}

fn healthcheck(reader: &mut Reader<'_>) -> Option<Healthcheck> {
    const RETRIES_MAX: i64 = 1000;
    let node = reader.node("healthcheck")?;
    let scope = reader.scope;
    let mut reader = Reader::open(scope, node, "`healthcheck`", "healthcheck.")?;
    let mut test = healthcheck_test(&mut reader);
    if reader.flag("disable") == Some(true) {
        test = vec!["NONE".to_owned()];
    }
    let interval_ms = pause(&mut reader, "interval");
    let timeout_ms = duration(&mut reader, "timeout");
    let start_period_ms = duration(&mut reader, "start_period");
    let start_interval_ms = pause(&mut reader, "start_interval");
    // To an engine, 0 stands for its default.
    let least = if is_compose(reader.spot) { 0 } else { 1 };
    let retries = reader.number("retries", least, RETRIES_MAX).filter(|retries| *retries > 0);
    reader.finish(&nothing_else);
    let check = Healthcheck { test, interval_ms, timeout_ms, start_period_ms, start_interval_ms, retries };
    // `disable: false` is what holds anyway.
    Some(check).filter(|check| *check != Healthcheck::default())
}

fn healthcheck_test(reader: &mut Reader<'_>) -> Vec<String> {
    let Some(node) = reader.node("test") else { return Vec::new() };
    let scope = reader.scope;
    let label = reader.label("test");
    match &node.data {
        NodeData::Scalar(_) => {
            let text = scope.text(node, &label);
            text.map(|text| vec!["CMD-SHELL".to_owned(), text.text]).unwrap_or_default()
        }
        NodeData::List(_) => {
            let texts = scope.texts(node, &label).unwrap_or_default();
            let is_known = match texts.first().map(|first| first.text.as_str()) {
                Some("CMD") => texts.len() > 1,
                Some("CMD-SHELL") if texts.len() > 2 && is_compose(node.spot) => {
                    let command = shown(&texts[1].text);
                    let message = text!("{label} runs `{command}` alone", label = &label, command);
                    let hint =
                        text!("what follows are the shell's own arguments; write one line, or `CMD` for a program");
                    scope.no_effect(node.spot, message, hint);
                    true
                }
                Some("CMD-SHELL") => texts.len() == 2,
                Some("NONE") => texts.len() == 1,
                Some(_) | None => false,
            };
            if !is_known {
                let examples = vec!["`[CMD, program, argument…]`", "`[CMD-SHELL, \"one line\"]`", "`[NONE]`"];
                let hint = text!("{examples}, or plain text for a shell", examples);
                scope.error_hint(Code::A0106, node.spot, text!("{label} does not say how to run it", label), hint);
            }
            texts.into_iter().map(|text| text.text).collect()
        }
        NodeData::Map(_) => {
            scope.wrong_type(node, &label, text!("text or a list"));
            Vec::new()
        }
    }
}

/// The pause between two checks. Each is a new process in the container; 0 is the engine's default.
fn pause(reader: &mut Reader<'_>, key: &'static str) -> Option<i64> {
    const PAUSE_MS_MIN: i64 = 1_000;
    let span = duration(reader, key)?;
    if (1..PAUSE_MS_MIN).contains(&span) {
        let message = text!("{label} is less than a second", label = reader.label(key));
        let hint = text!("each check starts a process: `1s` or more");
        reader.scope.error_hint(Code::A0106, reader.key_spot(key), message, hint);
    }
    Some(span)
}

/// A span of time, in milliseconds.
pub(crate) fn duration(reader: &mut Reader<'_>, key: &'static str) -> Option<i64> {
    let text = reader.text(key)?;
    match resolve::duration_ms(&text.text) {
        Ok(span) => Some(span),
        Err(hint) => {
            reader.scope.not_allowed(&text, reader.label(key), hint);
            None
        }
    }
}

fn logging(reader: &mut Reader<'_>) -> (String, BTreeMap<String, String>) {
    let defaults = &reader.scope.site.defaults;
    let usual = (defaults.log_driver.clone(), defaults.log_options.clone());
    let Some(node) = reader.node("logging") else { return usual };
    let scope = reader.scope;
    let Some(mut reader) = Reader::open(scope, node, "`logging`", "logging.") else { return usual };
    let driver = reader.text("driver");
    let mut options: BTreeMap<String, PlacedText> = BTreeMap::new();
    let given = reader.node("options");
    if let Some(NodeData::Map(entries)) = given.map(|node| &node.data) {
        for entry in entries {
            let value = scope.text(&entry.value, format!("`logging.options.{}`", shown(&entry.key)));
            options.extend(value.map(|value| (entry.key.clone(), value)));
        }
    } else if let Some(node) = given {
        scope.wrong_type(node, "`logging.options`", text!("a map"));
    }
    let spot = reader.spot;
    reader.finish(&nothing_else);
    match &driver {
        Some(driver) => policy::log_driver(scope, driver),
        None => policy::log_options(scope, &usual.0, options.keys(), spot),
    }
    // The engine would refuse it at the start; where it does not, the log fills the disk.
    if let Some(size) = options.get("max-size").filter(|size| size.text.trim_start().starts_with(['-', '0'])) {
        scope.not_allowed(size, "`logging.options.max-size`", text!("a size, as in `10m`"));
    }
    policy::log_files(scope, driver.as_ref().map_or(&usual.0, |driver| &driver.text), &options);
    let options = options.into_iter().map(|(name, value)| (name, value.text)).collect();
    match (driver, given) {
        (Some(driver), _) => (driver.text, options),
        (None, Some(_)) => (usual.0, options),
        (None, None) => {
            let (message, hint) = (text!("`logging` says nothing"), text!("`driver:`, `options:` or both"));
            scope.error_hint(Code::A0105, spot, message, hint);
            usual
        }
    }
}
