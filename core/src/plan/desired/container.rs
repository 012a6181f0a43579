//! What a container is made with: every field of a manifest's container, variables filled in, secrets as references.

use std::collections::{BTreeMap, BTreeSet};

use super::{joined_network, mounts};
use crate::model::pool::{Between, TURN, turn};
use crate::model::service::{Container, ContainerNetwork, EnvValue, Port};
use crate::model::{Address, Code, Fields, Hint, Kind, Refusal, Value};
use crate::plan::expansion::{Expansion, Home};
use crate::resources::docker::{ContainerPort, HealthcheckSpec, PortSpec};
use crate::text;

/// Variables whose value is known only when the network is.
const LATE_VARIABLES: [&str; 3] = ["network.subnet", "network.gateway", "npm.address"];

/// The field that tells for which instances of others a container was made.
pub const FOLLOWS: &str = "follows";
/// Whether the namespaces that it shares are those of the other container as it runs now.
pub const JOINED: &str = "joined";

/// A container or a job of a manifest, and where it lives.
#[derive(Clone, Copy)]
pub struct ContainerSlot<'a> {
    /// What its manifest calls it.
    pub key: &'a str,
    /// What its manifest says of it.
    pub container: &'a Container,
    /// The network that it is on, unless it says that it is on none.
    pub home: &'a Home,
}

/// Every field; `in_force` answers which instance of a sibling is in force.
pub fn fields(
    expansion: &Expansion<'_>,
    slot: ContainerSlot<'_>,
    in_force: impl Fn(&str) -> Option<Address>,
) -> Fields {
    let ContainerSlot { container, home, .. } = slot;
    let image = image_reference(&container.image);
    let image_address = Address::new(expansion.host.docker.clone(), Kind::Image, &image);
    let mut fields = Fields::default()
        .with("image", Value::text(image))
        .with("image_id", Value::output(image_address, "id"))
        .with("environment", environment(expansion, slot))
        .with("logging", logging(container))
        .with("restart", Value::text(&container.restart))
        .with("running", Value::Bool(true));
    set_network(expansion, slot, &mut fields);
    set_siblings(container, in_force, &mut fields);
    fields.extend(container.settings.iter().map(|(name, value)| (name.clone().into(), fill_value(value, home))));
    let texts = |list: &Vec<String>| Value::texts(list.iter().map(|text| fill(text, home)));
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
        fields.set("healthcheck", HealthcheckSpec::from(check).value());
    }
    let labels = container.labels.iter().map(|(name, value)| (name.clone(), Value::text(fill(value, home)))).collect();
    fields.set("labels", Value::Map(labels));
    set_ports(expansion, container, &mut fields);
    mounts::set(expansion, container, &mut fields);
    fields
}

/// What amarre.yaml gives to all, then what its manifest says.
fn environment(expansion: &Expansion<'_>, ContainerSlot { key, container, home }: ContainerSlot<'_>) -> Value {
    let mut environment: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in &expansion.input.site.defaults.environment {
        environment.insert(name.clone(), Value::text(value));
    }
    for (name, value) in &container.environment {
        let value = match value {
            EnvValue::Plain(text) => Value::text(fill(text, home)),
            EnvValue::Secret(secret) => expansion.secret(secret),
        };
        environment.insert(name.clone(), value);
    }
    let Expansion { input, service, .. } = expansion;
    if service.pool.as_ref().is_some_and(|pool| pool.between == Between::Rebuild) {
        let turn = turn(input.facts.pools.get(&service.name), &service.address_name(key));
        environment.insert(TURN.to_owned(), Value::text(turn));
    }
    Value::Map(environment)
}

fn logging(container: &Container) -> Value {
    let (driver, options) = &container.logging;
    let options = options.iter().map(|(name, value)| (name.clone(), Value::text(value))).collect();
    let mut logging = BTreeMap::from([("driver".to_owned(), Value::text(driver))]);
    logging.insert("options".to_owned(), Value::Map(options));
    Value::Map(logging)
}

/// Which networks it is on, and under which names and address.
fn set_network(expansion: &Expansion<'_>, slot: ContainerSlot<'_>, fields: &mut Fields) {
    let ContainerSlot { key, container, home } = slot;
    match &container.network_mode {
        ContainerNetwork::Own => {
            fields.set("network", Value::text(&home.address.name));
            fields.set("aliases", aliases(expansion, key, container));
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
}

/// The names by which others on its network reach it.
fn aliases(expansion: &Expansion<'_>, key: &str, container: &Container) -> Value {
    // Its own name is among them: while it changes hands, it still answers.
    let name = expansion.service.container_name(key);
    let mut aliases: BTreeSet<&str> = BTreeSet::from([key, name.as_str()]);
    if expansion.service.containers.len() == 1 {
        aliases.insert(&expansion.service.name);
    }
    aliases.extend(container.aliases.iter().map(String::as_str));
    // Engines before 25 add it by themselves, and say so.
    aliases.extend(container.settings.get("hostname").and_then(Value::as_text));
    Value::texts(aliases)
}

/// For which instances of its siblings it is made: those whose namespaces it shares, and those that it follows.
fn set_siblings(container: &Container, in_force: impl Fn(&str) -> Option<Address>, fields: &mut Fields) {
    let instance_of = |other: &String| Some(Value::output(in_force(other)?, "id"));
    if let ContainerNetwork::Of(other) = &container.network_mode {
        fields.extend(instance_of(other).map(|instance| ("network_of".into(), instance)));
    }
    let shared = container.shares.iter();
    fields
        .extend(shared.filter_map(|(namespace, other)| Some((format!("{namespace}_of").into(), instance_of(other)?))));
    if container.joins().next().is_some() || container.network_of_other().is_some() {
        fields.set(JOINED, Value::Bool(true));
    }
    let followed = container.follows().filter_map(|other| Some((other.clone(), instance_of(other)?)));
    let followed: BTreeMap<String, Value> = followed.collect();
    if !followed.is_empty() {
        fields.set(FOLLOWS, Value::Map(followed));
    }
}

/// The ports of the host that it publishes, and those among them that are open on IPv6 as well.
fn set_ports(expansion: &Expansion<'_>, container: &Container, fields: &mut Fields) {
    let mut ports: Vec<String> = container.ports.iter().map(|port| port_spec(port).to_string()).collect();
    ports.sort();
    fields.set("ports", Value::texts(ports));
    let anywhere = container.ports.iter().filter(|port| port.is_anywhere && expansion.host.publishes_on_ipv6);
    let on_ipv6: BTreeSet<String> = anywhere.map(|port| port_spec(port).without_address()).collect();
    fields.set("on_ipv6", Value::texts(on_ipv6));
}

fn port_spec(port: &Port) -> PortSpec<'_> {
    let target = ContainerPort { number: port.target, protocol: &port.protocol };
    PortSpec { ip: &port.host_ip, published: port.published, target }
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
    let (variable, place) = (format!("`${{{variable}}}`"), format!("{}:{}", origin.file, origin.line));
    let (message, hint) = if has_network {
        let network = &home.address.name;
        (
            text!("{variable} has no value on network {network}, which is not ours", variable, network),
            text!("write the value itself in {place}, or use `network: auto`", place),
        )
    } else {
        (
            text!("{variable} has no value where no container is on the service's network", variable),
            text!("write the value itself in {place}", place),
        )
    };
    Refusal { code: Code::A0410, message, found: Vec::new(), hints: vec![Hint::text(hint)] }
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
