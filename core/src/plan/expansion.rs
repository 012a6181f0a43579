//! The expansion of one manifest: what it knows of all others, and how it adds a want.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::indexes::all_mounts::AllMounts;
use super::indexes::known_containers::KnownContainers;
use super::indexes::occupied::{OccupiedPorts, Places};
use super::indexes::shared_networks::SharedNetworks;
use super::indexes::zone_names::ZoneNames;
use super::input::Input;
use super::targets::{HostTargets, StreamTargets};
use super::{addressing, targets};
use crate::model::address::network_name;
use crate::model::service::Container;
use crate::model::site::HostSite;
use crate::model::{
    Address, Arg, Code, Fields, Hint, Kind, Need, Note, Origin, ProviderId, Refusal, SecretName, Service, Text, Value,
    Want, Wants,
};
use crate::text;

/// Where routes to a container point, and what records wait for.
#[derive(Debug, Clone)]
pub struct RouteTarget {
    /// The instance that serves, or will.
    pub address: Address,
    /// The generation in force, which may not serve yet.
    pub coming: Address,
    /// The generation that the manifest wants; another one than that in force after it has failed.
    pub wanted: Address,
    /// It is on the host's own network: what it listens on, the host listens on.
    pub on_host: bool,
    /// It is not what the manifest describes: an old one until the new one is ready, or the last good one.
    pub interim: Option<Interim>,
}

/// What serves for the time being.
#[derive(Debug, Clone)]
pub struct Interim {
    /// It is on another network than its successor: only what leads to it already can lead to it.
    pub is_abroad: bool,
    /// What the manifest describes.
    pub successor: Box<RouteTarget>,
}

impl RouteTarget {
    /// An instance with these fields.
    pub fn of(address: &Address, fields: &Fields) -> Self {
        let (coming, wanted) = (address.clone(), address.clone());
        Self { address: address.clone(), coming, wanted, on_host: targets::is_on_host(fields), interim: None }
    }

    /// The same without what is yet to come.
    pub fn as_it_serves(&self) -> Self {
        Self { coming: self.address.clone(), wanted: self.address.clone(), ..self.clone() }
    }
}

/// The containers of a manifest, by key, and how NPM gets there.
pub struct ServiceEndpoints {
    /// Which generation of each serves.
    pub(crate) targets: BTreeMap<String, RouteTarget>,
    /// NPM on their networks.
    pub(crate) attachments: Attachments,
    /// Where NPM asks for each port that a stream leads to: address and port, as they are known.
    pub(crate) at: BTreeMap<(String, u16), (Value, Value)>,
    /// They are leaving a network that is made anew.
    pub(crate) moves: bool,
}

/// NPM on the networks of a service.
#[derive(Debug, Default)]
pub struct Attachments {
    /// On that of the service.
    pub(crate) home: Option<Address>,
    /// On that of a container which lives elsewhere.
    pub(crate) elsewhere: BTreeMap<String, Option<Address>>,
}

impl Attachments {
    /// That by which NPM reaches a container.
    pub(crate) fn of(&self, key: &str) -> Option<&Address> {
        self.elsewhere.get(key).unwrap_or(&self.home).as_ref()
    }
}

/// The network that a manifest's containers live on.
#[derive(Debug, Clone)]
pub struct Home {
    /// Its address; nothing is there when no container of the manifest is on it.
    pub address: Address,
    /// Its subnet, when it is ours.
    pub subnet: Option<Ipv4Net>,
    /// Values of `${network.…}` and `${npm.address}` there.
    pub variables: BTreeMap<&'static str, String>,
}

impl Home {
    /// That of a manifest.
    pub fn own(address: Address, subnet: Option<Ipv4Net>, service: &Service) -> Self {
        let mut variables = BTreeMap::new();
        if let Some(subnet) = subnet {
            variables.insert("network.subnet", subnet.to_string());
            variables.insert("network.gateway", addressing::gateway(subnet).to_string());
            variables.insert("npm.address", addressing::npm_address(subnet, service).to_string());
        }
        Self { address, subnet, variables }
    }

    /// Somebody else's: what it says of itself, when it is there.
    fn foreign(address: Address, seen: Option<&crate::model::Seen>) -> Self {
        let mut variables = BTreeMap::new();
        for (variable, field) in [("network.subnet", "subnet"), ("network.gateway", "gateway")] {
            let value = seen.and_then(|seen| seen.fields.text(field));
            variables.extend(value.map(|value| (variable, value.to_owned())));
        }
        Self { address, subnet: None, variables }
    }
}

/// The expansion of one manifest.
pub struct Expansion<'a> {
    pub(crate) input: &'a Input<'a>,
    pub(crate) service: &'a Service,
    pub(crate) host: &'a HostSite,
    pub(crate) names: &'a ZoneNames<'a>,
    /// Containers of ours, by service.
    pub(crate) known: &'a KnownContainers<'a>,
    /// Containers that streams lead to.
    pub(crate) stream_targets: &'a StreamTargets<'a>,
    /// What all containers mount.
    pub(crate) all_mounts: &'a AllMounts<'a>,
    /// Where everything of ours in an NPM leads.
    pub(crate) host_targets: &'a HostTargets<'a>,
    /// Whose networks containers of other services share.
    pub(crate) joined: &'a SharedNetworks<'a>,
    /// Addresses that manifests ask for, whoever they are.
    pub(crate) asked_for: &'a BTreeSet<Ipv4Addr>,
    pub(crate) subnets: &'a BTreeMap<Address, Result<Ipv4Net, Box<Refusal>>>,
    pub(crate) wants: &'a mut Wants,
    /// Addresses given out in this expansion, by network.
    pub(crate) taken: &'a mut BTreeMap<Address, BTreeSet<Ipv4Addr>>,
    /// Ports of hosts given out in this expansion, and those that are not free, by engine.
    pub(crate) ports: &'a mut BTreeMap<ProviderId, OccupiedPorts>,
    /// Where containers are, by engine, once that has been asked for.
    pub(crate) places: &'a mut BTreeMap<ProviderId, Places>,
    /// Access lists that manifests define, each with its NPM.
    pub(crate) lists: &'a BTreeSet<(&'a ProviderId, &'a str)>,
    /// Services that come before this one, and some others.
    pub(crate) reached: &'a BTreeMap<&'a str, ServiceEndpoints>,
}

/// Who wants something: a service, and the place where its manifest says so.
pub(crate) struct Author<'a> {
    pub(crate) service: &'a str,
    pub(crate) origin: &'a Origin,
}

/// Adds a want of a service; the first that wants an address has it.
pub(crate) fn want<'w>(
    input: &Input<'_>,
    wants: &'w mut Wants,
    author: Author<'_>,
    address: Address,
    mut fields: Fields,
    needs: Vec<Need>,
) -> &'w mut Want {
    let Author { service, origin } = author;
    let refusal = (input.spell)(&address, &mut fields).err().map(|why| not_taken(&address, &why, origin));
    // What was written like this is in memory once, and compared at once.
    let written = input.facts.applied.get(&address).map(|row| &row.fields).filter(|written| **written == fields);
    let fields = written.cloned().unwrap_or(fields);
    let want = Want {
        fields,
        needs,
        service: service.to_owned(),
        origin: origin.clone(),
        keep_only: false,
        refusal: refusal.map(Box::new),
    };
    wants.map.entry(address).or_insert(want)
}

/// A value that the vendor would refuse is held before it is sent.
fn not_taken(address: &Address, why: &str, origin: &Origin) -> Refusal {
    Refusal {
        code: Code::A0407,
        message: text!(
            "{provider} would not take {kind} {name}: {why}",
            provider = &address.provider,
            kind = address.kind,
            name = &address.name,
            why = Arg::Foreign(why.to_owned())
        ),
        found: Vec::new(),
        hints: vec![Hint::text(text!("correct it in {place}", place = format!("{}:{}", origin.file, origin.line)))],
    }
}

impl Expansion<'_> {
    /// Adds a want; the first manifest that wants an address has it.
    pub(crate) fn want(&mut self, address: Address, fields: Fields, needs: Vec<Need>, origin: &Origin) -> &mut Want {
        let author = Author { service: &self.service.name, origin };
        want(self.input, self.wants, author, address, fields, needs)
    }

    pub(crate) fn note(&mut self, address: Option<Address>, text: Text) {
        self.wants.notes.push(Note { service: self.service.name.clone(), address, text, code: None });
    }

    pub(crate) fn home_at(&self, address: Address) -> Home {
        match self.subnets.get(&address) {
            Some(subnet) => Home::own(address, subnet.as_ref().ok().copied(), self.service),
            None => {
                let seen = self.input.world.seen.get(&address);
                Home::foreign(address, seen)
            }
        }
    }

    /// Where a container lives: on the network of the service, unless its manifest says another.
    pub(crate) fn home_of<'h>(&self, home: &'h Home, container: &Container) -> Cow<'h, Home> {
        match &container.home {
            Some(name) => Cow::Owned(self.home_at(self.shared(name))),
            None => Cow::Borrowed(home),
        }
    }

    /// A network that a container calls by a name: one of the service's own, that of a `Network` manifest, or somebody else's.
    pub(crate) fn shared(&self, name: &str) -> Address {
        let docker = &self.host.docker;
        let defined = Address::new(docker.clone(), Kind::Network, &network_name(name));
        if self.subnets.contains_key(&defined) { defined } else { Address::new(docker.clone(), Kind::Network, name) }
    }

    /// The networks that a container is on beside its home.
    pub(crate) fn beside(&self, container: &Container) -> impl Iterator<Item = Address> {
        container.also_on.iter().map(|name| self.shared(name))
    }

    /// Every network of a container that is not the service's.
    pub(crate) fn not_at_home(&self, container: &Container) -> impl Iterator<Item = Address> {
        container.home.iter().chain(&container.also_on).map(|name| self.shared(name))
    }

    /// A reference to a secret with its mark.
    pub(crate) fn secret(&self, name: &SecretName) -> Value {
        let mark = self.input.marks.get(name).cloned().unwrap_or(crate::model::Mark(String::new()));
        Value::secret(name.clone(), mark)
    }
}
