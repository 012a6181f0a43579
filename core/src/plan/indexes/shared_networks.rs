//! Which containers share the network of a container of another service, and which services come first therefore.

use std::collections::BTreeMap;

use crate::model::Service;
use crate::model::service::Needed;
use crate::plan::input::Input;

/// Whose networks are shared, by host and name, and a container that does.
pub struct SharedNetworks<'a>(BTreeMap<&'a str, BTreeMap<&'a str, String>>);

impl<'a> SharedNetworks<'a> {
    /// By all manifests.
    pub fn by(input: &Input<'a>) -> Self {
        let mut shared: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for service in input.services.values() {
            for (key, container) in &service.containers {
                let Some(name) = container.network_of_other() else { continue };
                shared.entry(&service.host).or_default().insert(name, service.container_name(key));
            }
        }
        Self(shared)
    }

    /// Who is on the network of a container, if anybody.
    pub fn user(&self, host: &str, name: &str) -> Option<&str> {
        self.0.get(host)?.get(name).map(String::as_str)
    }
}

/// The service that has the container of a name, with the container's key.
pub(crate) fn of_service<'a>(input: &Input<'a>, user: &Service, name: &str) -> Option<(&'a Service, &'a String)> {
    let mut others = input.services.values().filter(|other| other.host == user.host && other.name != user.name);
    others.find_map(|other| Some((other, other.key_of(name)?)))
}

/// The services that come first: those that a manifest names, and those whose network its containers share.
pub fn needed(input: &Input<'_>, service: &Service) -> Vec<Needed> {
    let mut all = service.needs.clone();
    for container in service.containers.values() {
        let Some((other, _)) = container.network_of_other().and_then(|name| of_service(input, service, name)) else {
            continue;
        };
        if all.iter().all(|known| known.service != other.name) {
            all.push(Needed { service: other.name.clone(), origin: container.origin.clone() });
        }
    }
    all
}
