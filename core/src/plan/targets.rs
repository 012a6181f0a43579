//! What hosts and streams of NPM point at: the main target and that of each path. Whoever moves, keeps or deletes a
//! container asks here, so that nothing of NPM ever points at nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::addressing;
use super::input::Input;
use crate::model::service::{Service, StreamTarget, Target};
use crate::model::{Address, Fields, Kind, ProviderId, Seen, Value, Want, World};
use crate::resources::docker::PortSpec;

/// The fields that say where something leads.
pub const FIELDS: [&str; 3] = ["forward_host", "forward_port", "locations"];

/// What of one NPM points at addresses.
pub fn hosts<'a>(world: &'a World, npm: &'a ProviderId) -> impl Iterator<Item = (&'a Address, &'a Seen)> + 'a {
    Kind::ALL.into_iter().filter(|kind| kind.traits().forwards).flat_map(|kind| world.of_kind(npm, kind))
}

/// A place that something of NPM leads to.
#[derive(Debug, Clone, Copy)]
pub struct Pointer<'a> {
    /// Which path leads there; `None`: the host itself.
    pub path: Option<&'a str>,
    /// Name or address.
    pub host: &'a str,
    /// Port, where it is known.
    pub port: Option<i64>,
}

/// Every place that the fields of a host lead to.
pub fn all(fields: &Fields) -> impl Iterator<Item = Pointer<'_>> {
    let port = fields.get("forward_port").and_then(Value::as_int);
    let main = fields.text("forward_host").map(|host| Pointer { path: None, host, port });
    let locations = fields.get("locations").map(Value::items).unwrap_or_default();
    let paths = locations.iter().filter_map(|location| {
        let entries = location.entries()?;
        let text = |name: &str| entries.get(name).and_then(Value::as_text);
        let port = entries.get("port").and_then(Value::as_int);
        Some(Pointer { path: Some(text("path")?), host: text("host")?, port })
    });
    main.into_iter().chain(paths)
}

/// Whether anything in a host leads to a container of this engine. What leads to the engine's own machine leads to
/// the container of its service that is on the machine's network.
pub fn lead_to(input: &Input<'_>, host: &Seen, engine: &ProviderId, container: &Seen) -> bool {
    all(&host.fields).any(|pointer| leads_to(input, host, pointer, engine, container))
}

/// Those of some containers to which a host of ours leads.
pub fn led_to(input: &Input<'_>, containers: &[&Address]) -> BTreeSet<Address> {
    if containers.is_empty() {
        return BTreeSet::new();
    }
    let proxies: BTreeSet<&ProviderId> =
        input.site.hosts.values().filter_map(|host| Some(&host.npm.as_ref()?.provider)).collect();
    let hosts = proxies.into_iter().flat_map(|npm| hosts(input.world, npm));
    let ours: Vec<&Seen> = hosts.map(|(_, host)| host).filter(|host| host.owner.is_ours()).collect();
    let is_led_to = |address: &Address| {
        let seen = input.world.seen.get(address);
        seen.is_some_and(|seen| ours.iter().any(|host| lead_to(input, host, &address.provider, seen)))
    };
    containers.iter().filter(|address| is_led_to(address)).map(|address| (*address).clone()).collect()
}

/// Whether one place that a host leads to is a container's.
pub fn leads_to(input: &Input<'_>, host: &Seen, to: Pointer<'_>, engine: &ProviderId, container: &Seen) -> bool {
    let is_meant = || host.service == container.service || is_left_over(input, host, to);
    is_at(to.host, to.port, &container.fields)
        || is_on_host(&container.fields) && is_meant() && is_machine(input, engine, to.host)
}

/// Whether a host that has another manifest now, or none, still leads to the machine for the one before: what its own
/// manifest leads to is not there. It may be any container on the machine's network.
fn is_left_over(input: &Input<'_>, host: &Seen, to: Pointer<'_>) -> bool {
    let Some(of) = &host.service else { return false };
    let Some(of) = input.services.get(of) else { return true };
    let port = host.fields.get("port").and_then(Value::as_int);
    if let Some(stream) = of.streams.iter().find(|stream| Some(i64::from(stream.port)) == port) {
        return match &stream.to {
            StreamTarget::Container { service, key, .. } => {
                !input.services.get(service).is_some_and(|service| service.is_on_host(key))
            }
            StreamTarget::Address { host, port } => to.host != host || to.port != Some(i64::from(*port)),
        };
    }
    let domains = host.fields.strings("domains");
    let is_it = |domain: &String| domains.contains(&domain.as_str());
    let Some(route) = of.routes.iter().find(|route| route.domains.iter().any(is_it)) else { return false };
    let target = match to.path {
        None => Some(&route.to),
        Some(path) => route.locations.iter().find(|location| location.path == path).map(|location| &location.to),
    };
    target.is_some_and(|target| match target {
        Target::Container { key, .. } => !of.is_on_host(key),
        Target::Url { .. } | Target::Instance { .. } => false,
    })
}

/// Whether a change of these fields moves where something points.
pub fn moves(changed: &Fields) -> bool {
    FIELDS.iter().any(|field| changed.get(field).is_some())
}

/// The service to a container of which a host or stream of ours is to lead, whatever it leads to now.
pub fn meant_service<'a>(input: &Input<'a>, host: &Address, seen: &Seen) -> Option<&'a str> {
    let of = input.services.get(seen.service.as_ref()?)?;
    meant(of, host, None).map(|(to, _)| to)
}

/// The containers, by service and key, that the manifests lead to by a name or a port of a host that is there.
pub fn wanted_targets<'a>(
    input: &Input<'a>,
    host: &'a Address,
    seen: &'a Seen,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let domains = seen.fields.strings("domains");
    let of_host = move |service: &'a Service| -> Vec<(&'a str, &'a str)> {
        if host.kind == Kind::Stream {
            return meant(service, host, None).into_iter().collect();
        }
        let routes =
            service.routes.iter().filter(|route| route.domains.iter().any(|own| domains.contains(&own.as_str())));
        let to = routes.flat_map(|route| route.targets()).filter_map(|to| match to {
            Target::Container { key, .. } => Some((service.name.as_str(), key.as_str())),
            Target::Url { .. } | Target::Instance { .. } => None,
        });
        to.collect()
    };
    input.services.values().flat_map(of_host)
}

/// The container that a host or stream of a manifest, or a path of it, means: its service and its key.
fn meant<'a>(of: &'a Service, host: &Address, path: Option<&str>) -> Option<(&'a str, &'a str)> {
    if host.kind == Kind::Stream {
        let stream = of.streams.iter().find(|stream| stream.port.to_string() == host.name)?;
        return match &stream.to {
            StreamTarget::Container { service, key, .. } => Some((service, key)),
            StreamTarget::Address { .. } => None,
        };
    }
    let route = of.routes.iter().find(|route| route.domains.first() == Some(&host.name))?;
    let to = match path {
        None => &route.to,
        Some(path) => &route.locations.iter().find(|location| location.path == path)?.to,
    };
    match to {
        Target::Container { key, .. } => Some((&of.name, key)),
        Target::Url { .. } | Target::Instance { .. } => None,
    }
}

/// The containers that streams lead to.
#[derive(Debug, Default)]
pub struct StreamTargets<'a>(BTreeMap<&'a str, Vec<(&'a str, u16)>>);

impl<'a> StreamTargets<'a> {
    /// Those of every manifest in force.
    pub fn by(input: &Input<'a>) -> Self {
        let (site, services) = (input.site, input.services);
        let npm = |service: &Service| site.host_of(service)?.npm.as_ref().map(|npm| &npm.provider);
        let mut stream_targets = Self::default();
        for service in services.values() {
            for stream in &service.streams {
                let StreamTarget::Container { service: of, key, port } = &stream.to else { continue };
                let own = npm(service);
                if own.is_some() && services.get(of).is_some_and(|of| npm(of) == own) {
                    stream_targets.0.entry(of).or_default().push((key, *port));
                }
            }
        }
        stream_targets
    }

    /// The keys of the containers of a service that streams of its NPM lead to, each with the port.
    pub fn of(&self, service: &Service) -> impl Iterator<Item = (&'a str, u16)> {
        self.0.get(service.name.as_str()).into_iter().flatten().copied()
    }
}

/// The keys of the containers of a service that its routes lead to, each with the port.
pub fn routed(service: &Service) -> impl Iterator<Item = (&str, u16)> {
    service.routes.iter().flat_map(|route| route.targets()).filter_map(|to| match to {
        Target::Container { key, port } => Some((key.as_str(), *port)),
        Target::Url { .. } | Target::Instance { .. } => None,
    })
}

/// The service and the key of the container that is meant at a place, if one is.
type Meant<'a> = Option<(&'a str, &'a str)>;

/// Where everything of ours in an NPM leads, and which container of which manifest is meant there.
#[derive(Debug, Default)]
pub struct HostTargets<'a>(BTreeMap<&'a str, Vec<(Option<i64>, Meant<'a>)>>);

impl<'a> HostTargets<'a> {
    /// As it is seen.
    pub fn by(input: &Input<'a>) -> Self {
        let hosts = input.world.seen.iter().filter(|(host, seen)| host.kind.traits().forwards && seen.owner.is_ours());
        let hosts = hosts.map(|(host, seen)| (host, seen.service.as_ref(), &seen.fields));
        // Of hosts that cannot be seen, the ledger knows where they pointed.
        let world = input.world;
        let hidden =
            input.facts.applied.iter().filter(|(host, _)| host.kind.traits().forwards && world.gap(host).is_some());
        let hidden = hidden.map(|(host, row)| (host, Some(&row.service), &row.fields));
        let all = hosts.chain(hidden).flat_map(|(host, of, fields)| {
            let of = of.and_then(|of| input.services.get(of));
            all(fields).map(move |pointer| (pointer, of.and_then(|of| meant(of, host, pointer.path))))
        });
        let mut host_targets = Self::default();
        for (pointer, meant) in all {
            host_targets.0.entry(pointer.host).or_default().push((pointer.port, meant));
        }
        host_targets
    }

    /// The ports of `host` that something leads to and that do not mean the container `key` of a service: there it would
    /// answer for another.
    pub fn meant_for_others(&self, host: &str, (service, key): (&str, &str)) -> impl Iterator<Item = Option<i64>> {
        let at = self.0.get(host).into_iter().flatten();
        at.filter(move |(_, meant)| *meant != Some((service, key))).map(|(port, _)| *port)
    }

    /// Whether anything leads to an address and does not mean this container.
    pub fn is_meant_for_others(&self, address: &Ipv4Addr, container: (&str, &str)) -> bool {
        self.meant_for_others(&address.to_string(), container).next().is_some()
    }
}

/// A host or stream that is there leads where it does now. What is switched off is switched on where it leads to something
/// again.
pub fn keep_pointing(want: &mut Want, seen: &Fields) {
    for name in FIELDS {
        want.fields.remove(name);
        want.fields.extend(seen.get(name).map(|value| (name.into(), value.clone())));
    }
    if let Some(enabled) = seen.get("enabled") {
        want.fields.set("enabled", enabled.clone());
    }
}

/// Whether a container is on the host's own network.
pub fn is_on_host(fields: &Fields) -> bool {
    fields.text("network") == Some("host")
}

/// Whether an address is that of the machine on which an engine runs, as NPM finds it.
pub fn is_machine(input: &Input<'_>, engine: &ProviderId, address: &str) -> bool {
    let mut hosts = input.site.hosts.values().filter(|host| host.docker == *engine);
    let is_private = hosts.any(|host| host.private_address.is_some_and(|own| own.to_string() == address));
    let mut networks = input.world.of_kind(engine, Kind::Network);
    address == "127.0.0.1" || is_private || networks.any(|(_, seen)| gateway(seen).as_deref() == Some(address))
}

/// The gateway that a network says it has, else the first address of its subnet, as Docker chooses it.
pub(crate) fn gateway(network: &Seen) -> Option<String> {
    let said = network.fields.text("gateway").map(str::to_owned);
    said.or_else(|| Some(addressing::gateway(network.fields.text("subnet")?.parse().ok()?).to_string()))
}

/// Whether `host` and `port` are a place at which a container is reached.
pub fn is_at(host: &str, port: Option<i64>, container: &Fields) -> bool {
    let is_it = |at: PortSpec<'_>| at.ip == host && port == Some(i64::from(at.published));
    ["address", "edge_address"].iter().any(|field| container.text(field) == Some(host))
        || ports_of(container, "published").any(is_it)
}

/// The ports of a field: `published` or `ports`.
pub(crate) fn ports_of<'a>(fields: &'a Fields, field: &str) -> impl Iterator<Item = PortSpec<'a>> {
    fields.strings(field).into_iter().filter_map(PortSpec::parse)
}

/// The ports of the host that a container has: published for NPM, or by its manifest.
pub fn host_ports(fields: &Fields) -> impl Iterator<Item = u16> {
    ports_of(fields, "published").chain(ports_of(fields, "ports")).map(|port| port.published)
}
