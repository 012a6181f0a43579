//! By which names containers are found, on the engine and on networks.

use std::collections::BTreeMap;

use super::super::address::service_of_network;
use super::super::service::{Container, ContainerNetwork, NetworkMode, Service, Target};
use super::super::site::{Reach, Site};
use super::super::value::Value;

/// The network that NPM shares with routed containers.
const EDGE: &str = "edge";

/// A name by which something finds a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerName {
    pub host: String,
    /// `None`: on the engine.
    pub network: Option<String>,
    pub name: String,
}

/// The network on which a container lives.
pub fn home_network<'a>(service: &'a Service, container: &'a Container) -> &'a str {
    match (&container.home, &service.network) {
        (Some(home), _) => home,
        (None, NetworkMode::Shared(name)) => name,
        (None, NetworkMode::Auto | NetworkMode::Subnet(_) | NetworkMode::Defined { .. }) => &service.name,
    }
}

/// The names of a service's containers, each with whether it comes from the manifest's own. `streamed`: the containers, of whatever
/// service, that streams lead to, by service and key.
pub fn container_names(service: &Service, site: &Site, streamed: &[(&str, &str)]) -> BTreeMap<ContainerName, bool> {
    let host = &service.host;
    let mut names: BTreeMap<ContainerName, bool> = BTreeMap::new();
    let mut add = |network: Option<&str>, name: &str, is_own: bool| {
        let network = network.map(|network| service_of_network(network).unwrap_or(network).to_owned());
        let name = if network.is_some() { name.to_ascii_lowercase() } else { name.to_owned() };
        *names.entry(ContainerName { host: host.clone(), network, name }).or_default() |= is_own;
    };
    let is_on_edge =
        site.hosts.get(host).and_then(|host| host.npm.as_ref()).is_some_and(|npm| npm.reach == Reach::Edge);
    for (key, container) in &service.containers {
        let called = service.container_name(key);
        let is_own = container.container_name.is_none();
        add(None, &called, is_own);
        if container.network_mode != ContainerNetwork::Own {
            continue;
        }
        let hostname = container.settings.get("hostname").and_then(Value::as_text);
        if is_on_edge && is_led(service, key, streamed) {
            add(Some(EDGE), &called, is_own);
            hostname.into_iter().for_each(|name| add(Some(EDGE), name, false));
        }
        for network in container.also_on.iter().map(String::as_str).chain([home_network(service, container)]) {
            add(Some(network), &called, is_own);
            add(Some(network), key, *key == service.name);
            if service.containers.len() == 1 {
                add(Some(network), &service.name, true);
            }
            let more = container.aliases.iter().map(String::as_str).chain(hostname);
            more.for_each(|name| add(Some(network), name, false));
        }
    }
    for (key, job) in &service.jobs {
        let called = service.address_name(key);
        add(None, &called, true);
        // As one is called that did not end well.
        add(None, &format!("{called}-failed"), true);
        if job.container.network_mode == ContainerNetwork::Own {
            let home = home_network(service, &job.container);
            let hostname = job.container.settings.get("hostname").and_then(Value::as_text);
            hostname.into_iter().for_each(|name| add(Some(home), name, false));
            add(Some(home), &called, true);
        }
    }
    names
}

/// Whether a route or a stream leads to a container.
fn is_led(service: &Service, key: &str, streamed: &[(&str, &str)]) -> bool {
    let mut routed = service.routes.iter().flat_map(|route| route.targets());
    let is_it = |target: &Target| matches!(target, Target::Container { key: other, .. } if other == key);
    routed.any(is_it) || streamed.contains(&(service.name.as_str(), key))
}
