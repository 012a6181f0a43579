//! What a container is made with: every field of a manifest's container, variables filled in, secrets as references.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::{Expansion, Home};
use super::joined_network;
use super::mounts;
use crate::model::service::{Container, ContainerNetwork, EnvValue, Healthcheck};
use crate::model::{Address, Fields, Hint, Kind, Refusal, Value};
use crate::plan::rollout::Rollout;

/// Variables whose value is known only when the network is.
const LATE_VARIABLES: [&str; 3] = ["network.subnet", "network.gateway", "npm.address"];

/// The field that tells for which instances of others a container was made.
pub const FOLLOWS: &str = "follows";

pub fn fields(
    expansion: &Expansion<'_>,
    home: &Home,
    key: &str,
    container: &Container,
    others: &BTreeMap<String, Rollout>,
) -> Fields {
    let input = expansion.input;
    let image = image_reference(&container.image);
    let image_address = Address::new(expansion.host.docker.clone(), Kind::Image, &image);
    let fill = |text: &str| fill(text, home);
    let mut environment: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in &input.site.defaults.environment {
        environment.insert(name.clone(), Value::text(value));
    }
    for (name, value) in &container.environment {
        let value = match value {
            EnvValue::Plain(text) => Value::text(fill(text)),
            EnvValue::Secret(secret) => expansion.secret(secret),
        };
        environment.insert(name.clone(), value);
    }
    // Its own name is among them: while it changes hands, it still answers.
    let name = expansion.service.container_name(key);
    let mut aliases: BTreeSet<&str> = BTreeSet::from([key, name.as_str()]);
    if expansion.service.containers.len() == 1 {
        aliases.insert(&expansion.service.name);
    }
    aliases.extend(container.aliases.iter().map(String::as_str));
    // Engines before 25 add it by themselves, and say so.
    aliases.extend(container.settings.get("hostname").and_then(Value::as_text));
    let (driver, options) = &container.logging;
    let options = options.iter().map(|(name, value)| (name.clone(), Value::text(value))).collect();
    let mut logging = BTreeMap::from([("driver".to_owned(), Value::text(driver))]);
    logging.insert("options".to_owned(), Value::Map(options));

    let mut fields = Fields::default()
        .with("image", Value::text(image))
        .with("image_id", Value::output(image_address, "id"))
        .with("environment", Value::Map(environment))
        .with("logging", Value::Map(logging))
        .with("restart", Value::text(&container.restart))
        .with("running", Value::Bool(true));
    match &container.network_mode {
        ContainerNetwork::Own => {
            fields.set("network", Value::text(&home.address.name));
            fields.set("aliases", Value::texts(aliases));
            let beside: Vec<String> = expansion.beside(container).map(|network| network.name).collect();
            if !beside.is_empty() {
                fields.set("also_on", Value::texts(beside));
            }
        }
        ContainerNetwork::None => fields.set("network", Value::text("none")),
        ContainerNetwork::Host => fields.set("network", Value::text("host")),
        ContainerNetwork::Of(_) => (),
        ContainerNetwork::Other(name) => {
            let (_, coming) = joined_network::shared(expansion, name);
            fields.set("network_of", Value::output(coming, "id"));
        }
    }
    if let Some(address) = container.ipv4_address {
        fields.set("ipv4_address", Value::text(address.to_string()));
    }
    let of = |namespace: &str, other: &String| {
        let of = others.get(other).map(|rollout| rollout.effective.clone());
        of.map(|of| (format!("{namespace}_of").into(), Value::output(of, "id")))
    };
    if let ContainerNetwork::Of(other) = &container.network_mode {
        fields.extend(of("network", other));
    }
    fields.extend(container.shares.iter().filter_map(|(namespace, other)| of(namespace, other)));
    let followed = container.follows().filter_map(|other| {
        let of = others.get(other)?.effective.clone();
        Some((other.clone(), Value::output(of, "id")))
    });
    let followed: BTreeMap<String, Value> = followed.collect();
    if !followed.is_empty() {
        fields.set(FOLLOWS, Value::Map(followed));
    }
    fields.extend(container.settings.iter().map(|(name, value)| (name.clone().into(), fill_value(value, home))));
    let texts = |list: &Vec<String>| Value::texts(list.iter().map(|text| fill(text)));
    if let Some(command) = &container.command {
        fields.set("command", texts(command));
    }
    if let Some(entrypoint) = &container.entrypoint {
        fields.set("entrypoint", texts(entrypoint));
    }
    if let Some(user) = &container.user {
        fields.set("user", Value::text(user));
    }
    if let Some(check) = &container.healthcheck {
        fields.set("healthcheck", healthcheck(check));
    }
    let labels = container.labels.iter().map(|(name, value)| (name.clone(), Value::text(fill(value)))).collect();
    fields.set("labels", Value::Map(labels));
    let mut ports: Vec<String> = container
        .ports
        .iter()
        .map(|port| format!("{}:{}:{}/{}", port.host_ip, port.published, port.target, port.protocol))
        .collect();
    ports.sort();
    fields.set("ports", Value::texts(ports));
    let anywhere = container.ports.iter().filter(|port| port.is_anywhere && expansion.host.publishes_on_ipv6);
    let on_ipv6: BTreeSet<String> =
        anywhere.map(|port| format!("{}:{}/{}", port.published, port.target, port.protocol)).collect();
    fields.set("on_ipv6", Value::texts(on_ipv6));
    mounts::set(expansion, container, &mut fields);
    fields
}

fn healthcheck(check: &Healthcheck) -> Value {
    let mut map = BTreeMap::new();
    // Without one, it is the image's.
    if !check.test.is_empty() {
        map.insert("test".to_owned(), Value::texts(check.test.iter().cloned()));
    }
    let numbers = [
        ("interval_ms", check.interval_ms),
        ("timeout_ms", check.timeout_ms),
        ("start_period_ms", check.start_period_ms),
        ("start_interval_ms", check.start_interval_ms),
        ("retries", check.retries),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            map.insert(name.to_owned(), Value::Int(number));
        }
    }
    Value::Map(map)
}

/// The variables that are known only here. On a network of somebody else only what it says of itself is known.
fn fill(text: &str, home: &Home) -> String {
    if !text.contains("${") {
        return text.to_owned();
    }
    let mut text = text.to_owned();
    for (name, value) in &home.variables {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    text
}

fn fill_value(value: &Value, home: &Home) -> Value {
    match value {
        Value::Text(text) => Value::text(fill(text, home)),
        Value::List(items) => Value::List(items.iter().map(|item| fill_value(item, home)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(name, item)| (name.clone(), fill_value(item, home))).collect())
        }
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Secret { .. } | Value::Output { .. } => value.clone(),
    }
}

/// The texts in a value.
fn texts_of<'v>(value: &'v Value, texts: &mut Vec<&'v String>) {
    match value {
        Value::Text(text) => texts.push(text),
        Value::List(items) => items.iter().for_each(|item| texts_of(item, texts)),
        Value::Map(entries) => entries.values().for_each(|item| texts_of(item, texts)),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Secret { .. } | Value::Output { .. } => (),
    }
}

pub fn no_value(variable: &str, home: &Home, has_network: bool, container: &Container) -> Refusal {
    let origin = &container.origin;
    let (why, or) = if has_network {
        (format!("on network {}, which is not ours", home.address.name), ", or use `network: auto`")
    } else {
        ("where no container is on the service's network".to_owned(), "")
    };
    Refusal {
        code: "A0410".to_owned(),
        message: format!("`${{{variable}}}` has no value {why}"),
        found: Vec::new(),
        hints: vec![Hint::text(format!("write the value itself in {}:{}{or}", origin.file, origin.line))],
    }
}

/// A variable that has no value on this network, if a text of the container names one.
pub fn unknown_variable(container: &Container, home: &Home) -> Option<&'static str> {
    let plain = container.environment.values().filter_map(|value| match value {
        EnvValue::Plain(text) => Some(text),
        EnvValue::Secret(_) => None,
    });
    let texts = plain.chain(container.command.iter().flatten()).chain(container.entrypoint.iter().flatten());
    let mut settings = Vec::new();
    container.settings.values().for_each(|value| texts_of(value, &mut settings));
    let mut texts = texts.chain(container.labels.values()).chain(settings);
    texts.find_map(|text| {
        LATE_VARIABLES
            .iter()
            .copied()
            .find(|name| text.contains(&format!("${{{name}}}")) && !home.variables.contains_key(*name))
    })
}

/// A reference as the engine lists it: Docker Hub's prefixes left out, `latest` said, a digest without the tag.
pub fn image_reference(text: &str) -> String {
    let text = text.strip_prefix("docker.io/").unwrap_or(text);
    let text = text.strip_prefix("library/").unwrap_or(text);
    if let Some((name, digest)) = text.split_once('@') {
        let name = untagged(name);
        return format!("{name}@{digest}");
    }
    if untagged(text).len() == text.len() { format!("{text}:latest") } else { text.to_owned() }
}

/// The name without its tag; a colon before the last slash is a registry's port.
pub fn untagged(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        Some(_) | None => text,
    }
}
