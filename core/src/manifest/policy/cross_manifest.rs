//! Rules that one key cannot know alone: what policy forbids, and what two manifests cannot both have.
//!
//! Of two manifests that want one thing the later one is broken, in the order of files and lines; of
//! two with one name both are, for nothing says which of them is meant.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use crate::model::address::service_of_network;
use crate::model::app::AppSource;
use crate::model::service::{Container, Dns, ManifestKind, Port, Service, Volume};
use crate::model::site::{PublicAddress, Right};
use crate::model::{Address, Assets, Code, Site, Text};
use crate::text;

use super::pool_share::PoolShare;
use super::{AllowedBy, Decision, Verdict};
use super::{container_claims, name_claims, ports, shared_names, totals};
use crate::manifest::kinds::shared::dependencies;
use crate::manifest::policy;
use crate::manifest::source_files::OtherFile;
use crate::manifest::yaml::diagnostic::{Problem, Spot};
use crate::manifest::yaml::reader::Scope;

/// What a document claims for itself, each with its place.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// The repository that it is built from.
    pub app: Option<AppSource>,
    /// Of `moved_from`.
    pub moved_from: Option<Spot>,
    pub name: Option<Spot>,
    pub domains: Vec<(String, Spot)>,
    /// Name and type.
    pub records: Vec<(String, String, Spot)>,
    pub ports: Vec<PortClaim>,
    pub subnets: Vec<(Ipv4Net, Spot)>,
    /// Manifests that come first.
    pub needs: Vec<(String, Spot)>,
    /// Manifests of instances that routes lead to.
    pub instances: Vec<(String, Spot)>,
    /// Volumes that mounts call external.
    pub external: BTreeMap<String, Volume>,
    /// Ports at which NPM listens.
    pub streams: Vec<(u16, Spot)>,
    /// Networks that it joins and does not define.
    pub networks: Vec<(String, Spot)>,
    /// Names and ports that routes and streams lead to, as far as one manifest can tell allowed.
    pub targets: Vec<(String, u16, Spot)>,
}

/// A published port.
#[derive(Debug)]
pub(crate) struct PortClaim {
    pub port: Port,
    pub spot: Spot,
}

/// Whether every manifest is among those that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadScope {
    /// Yes: who names another one is wrong when it is not there.
    All,
    /// No: what was good once is read again by itself.
    One,
}

/// One document on its way to being a service.
#[derive(Debug)]
pub(crate) struct DraftService<'a> {
    pub file: &'a str,
    /// Of the whole file.
    pub file_text: &'a str,
    /// Of the document, at its place.
    pub text: String,
    /// Where it begins.
    pub line: usize,
    /// Whose it is, where that can be told.
    pub name: Option<String>,
    pub service: Option<Service>,
    pub problems: Vec<Problem>,
    pub claims: Claims,
    /// Other files that were opened, by their number less one.
    pub files: Vec<OtherFile>,
    /// Everything of the source that it needs to be read again.
    pub uses: Assets,
    /// It does not look like a manifest: when one names its file, it is none.
    pub is_doubtful: bool,
    /// What policy says of it, where it is asked for.
    pub decisions: Vec<Decision>,
}

impl DraftService<'_> {
    /// The file in which a place lies, and its text.
    pub fn file_at(&self, spot: Spot) -> (&str, &str) {
        let other = usize::from(spot.file).checked_sub(1).and_then(|index| self.files.get(index));
        other.map_or((self.file, self.file_text), |other| (&other.path, &other.text))
    }

    /// Notes what is wrong with a use that other manifests decide about.
    pub fn decide(&mut self, right: Right, problem: &Problem) {
        let hint = problem.hint.clone().unwrap_or_default();
        self.push(right, problem.spot, Verdict::Refused(problem.code), hint);
    }

    /// What it says, as long as nothing is wrong with it.
    pub fn good(&self) -> Option<&Service> {
        self.service.as_ref().filter(|_| !self.problems.iter().any(Problem::is_error))
    }

    /// Its name, or where it begins.
    pub fn spot(&self) -> Spot {
        self.claims.name.unwrap_or(Spot::at(self.line, 1))
    }

    fn allow(&mut self, right: Right, spot: Spot, by: AllowedBy) {
        self.push(right, spot, Verdict::Allowed(by), Text::default());
    }

    fn push(&mut self, right: Right, spot: Spot, verdict: Verdict, hint: Text) {
        let file = self.file_at(spot).0.to_owned();
        self.decisions.push(Decision { file, line: spot.line, column: spot.column, right, verdict, hint });
    }
}

/// Who has what two documents cannot both have: first what was good before and asks for nothing that it did not have, then what asks
/// for more, then newcomers; of alike ones the first in the order of files and lines. Indices of drafts.
pub(super) fn precedence(drafts: &[DraftService<'_>], site: &Site) -> Vec<usize> {
    let rank = |index: &usize| {
        let known = drafts[*index].service.as_ref().map(|service| (service, site.shares.get(&service.name)));
        match known {
            Some((service, Some(before))) => u8::from(!totals::share(service).claims.is_subset(&before.claims)),
            Some((_, None)) | None => 2,
        }
    };
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_cached_key(rank);
    order
}

/// Finds what two documents cannot both have. The drafts are in the order of files and lines.
pub(crate) fn check(drafts: &mut [DraftService<'_>], site: &Site, company: ReadScope) {
    names(drafts, site);
    if company == ReadScope::All {
        dependencies::check_cycles(drafts);
        dependencies::check_instances(drafts);
    }
    // By itself, a manifest does not show which networks are defined.
    if company == ReadScope::All {
        networks(drafts, site);
        shared_names::check(drafts, site);
        name_claims::check(drafts, site);
        container_claims::check(drafts, site);
    }
    moved(drafts);
    // One manifest alone was judged beside the others when it was good.
    if company == ReadScope::All {
        totals::check(drafts, site);
    }
    ports::kept(drafts, site);
    let mut taken = TakenNames::default();
    let mut share = PoolShare::of(site);
    for index in precedence(drafts, site) {
        let draft = &mut drafts[index];
        let Some(service) = draft.good() else { continue };
        let wanted = WantedNames::of(draft, service, site);
        let place = |spot: Spot| format!("{}:{}", draft.file_at(spot).0, spot.line);
        let problems = taken.conflicts(&wanted, &place);
        let excess = if problems.is_empty() { share.excess(draft, service, site) } else { Vec::new() };
        if problems.is_empty() && !excess.iter().any(|(_, problem)| problem.is_error()) {
            taken.add(wanted);
        }
        draft.problems.extend(problems);
        for (right, problem) in excess {
            draft.decide(right, &problem);
            draft.problems.push(problem);
        }
    }
}

/// Data are one service's: `moved_from` names a manifest that is no more.
fn moved(drafts: &mut [DraftService<'_>]) {
    let known: BTreeSet<String> = drafts.iter().filter_map(|draft| draft.name.clone()).collect();
    for draft in drafts.iter_mut() {
        let old = draft.service.as_ref().and_then(|service| service.data.of.clone());
        let Some(old) = old.filter(|old| known.contains(old)) else { continue };
        let spot = draft.claims.moved_from.unwrap_or(Spot::at(draft.line, 1));
        let message =
            text!("`moved_from: {old}` names a manifest that is there: both would write to its data", old = &old);
        let hint = text!("remove the manifest of {old}, or leave the line out", old);
        draft.problems.push(Problem::error(Code::A0106, spot, message).hint(hint));
    }
}

/// A network that is joined is a `Network` manifest's, or policy allows it.
fn networks(drafts: &mut [DraftService<'_>], site: &Site) {
    let defines =
        |draft: &&DraftService<'_>| draft.service.as_ref().is_some_and(|service| service.kind == ManifestKind::NETWORK);
    let defined: BTreeSet<String> = drafts.iter().filter(defines).filter_map(|draft| draft.name.clone()).collect();
    for draft in drafts.iter_mut() {
        let Some(name) = draft.name.clone() else { continue };
        let defined_by = |network: &str| {
            let own = service_of_network(network).unwrap_or(network);
            defined.get(own).map(|name| AllowedBy::rule(text!("the `Network` manifest {name} defines it", name)))
        };
        let mut problems: Vec<(Right, Problem)> = Vec::new();
        for (network, spot) in draft.claims.networks.clone() {
            let right = Right { service: name.clone(), word: "networks".to_owned(), item: network.clone() };
            match defined_by(&network).or_else(|| policy::allowed_network(site, &network)) {
                Some(by) => draft.allow(right, spot, by),
                None => problems.push((right, policy::network(&network, spot))),
            }
        }
        for (right, problem) in problems {
            draft.decide(right, &problem);
            draft.problems.push(problem);
        }
    }
}

/// A name is one manifest's: that in the file where it was good before; of newcomers, no one's.
fn names(drafts: &mut [DraftService<'_>], site: &Site) {
    let mut places: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        if let Some(name) = &draft.name {
            let line = draft.claims.name.map_or(draft.line, |spot| spot.line);
            places.entry(name.clone()).or_default().push((index, format!("{}:{line}", draft.file)));
        }
    }
    for (name, places) in places.iter().filter(|(_, places)| places.len() > 1) {
        let known = site.shares.get(name).map(|share| share.file.as_str());
        let mut there = places.iter().filter(|(index, _)| Some(drafts[*index].file) == known);
        let holder = there.next().map(|(index, _)| *index).filter(|_| there.next().is_none());
        for (index, own) in places.iter().filter(|(index, _)| Some(*index) != holder) {
            let draft = &mut drafts[*index];
            let spot = draft.spot();
            let other = places.iter().map(|(_, place)| place).find(|place| *place != own);
            let hint = text!("rename one of them; the other is {place}", place = other.unwrap_or(own));
            let message = text!("two manifests are named {name}", name);
            draft.problems.push(Problem::error(Code::A0120, spot, message).hint(hint));
        }
    }
}

/// What a good document wants for itself alone, with the place that says so.
struct WantedNames {
    host: String,
    domains: Vec<(String, Spot, String)>,
    records: Vec<(String, String, Spot, String)>,
    ports: Vec<(Port, Spot, String)>,
    subnets: Vec<(Ipv4Net, Spot, String)>,
    containers: Vec<(String, Spot, String)>,
    /// What plans and the ledger call them.
    addresses: Vec<(String, Spot, String)>,
    /// By the NPM, which several hosts may share.
    streams: Vec<((String, u16), Spot, String)>,
    /// The server whose power it manages.
    instances: Vec<(Address, Spot, String)>,
    /// Machines of pools, by address and port.
    machines: Vec<((String, u16), Spot, String)>,
}

impl WantedNames {
    fn of(draft: &DraftService<'_>, service: &Service, site: &Site) -> Self {
        let place = |spot: Spot| format!("{}:{}", draft.file_at(spot).0, spot.line);
        let claims = &draft.claims;
        let mut records: Vec<(String, String, Spot, String)> = claims
            .records
            .iter()
            .map(|(name, record_type, spot)| (name.clone(), record_type.clone(), *spot, place(*spot)))
            .collect();
        let addresses = site.host_of(service).map(|host| host.address.as_slice()).unwrap_or_default();
        let is_recorded = |domain: &str| service.dns == Dns::Auto && site.dns_provider(domain).is_some();
        for (domain, spot) in claims.domains.iter().filter(|(domain, _)| is_recorded(domain)) {
            let types: BTreeSet<&str> = addresses.iter().map(record_type_of).collect();
            records.extend(types.into_iter().map(|word| (domain.clone(), word.to_owned(), *spot, place(*spot))));
        }
        let of_instance = service.instance.iter().flat_map(|_| &claims.domains);
        for (domain, spot) in of_instance.filter(|(domain, _)| site.dns_provider(domain).is_some()) {
            records.extend(["A", "AAAA"].map(|word| (domain.clone(), word.to_owned(), *spot, place(*spot))));
        }
        let npm = site.host_of(service).and_then(|host| host.npm.as_ref());
        let npm = npm.map(|npm| npm.provider.to_string()).unwrap_or_default();
        let streams = claims.streams.iter().map(|(port, spot)| ((npm.clone(), *port), *spot, place(*spot)));
        let spot = claims.name.unwrap_or(Spot::at(draft.line, 1));
        let names = service.containers.keys().map(|key| service.container_name(key));
        let names = names.chain(service.jobs.keys().map(|job| service.address_name(job)));
        let containers = names.map(|name| (name, spot, place(spot)));
        let keys = service.containers.keys().chain(service.jobs.keys());
        let addresses = keys.map(|key| (service.address_name(key), spot, place(spot)));
        let machines = service.pool.iter().flat_map(|pool| pool.machines.values());
        Self {
            host: service.host.clone(),
            domains: claims.domains.iter().map(|(name, spot)| (name.clone(), *spot, place(*spot))).collect(),
            records,
            ports: claims.ports.iter().map(|claim| (claim.port.clone(), claim.spot, place(claim.spot))).collect(),
            subnets: claims.subnets.iter().map(|(net, spot)| (*net, *spot, place(*spot))).collect(),
            containers: containers.collect(),
            addresses: addresses.collect(),
            streams: streams.collect(),
            instances: service.servers().map(|one| (one.address.clone(), spot, place(spot))).collect(),
            machines: machines
                .filter(|one| one.server.is_none())
                .map(|one| ((one.address.clone(), one.port), spot, place(spot)))
                .collect(),
        }
    }
}

fn record_type_of(address: &PublicAddress) -> &'static str {
    match address {
        PublicAddress::Ip(ip) if ip.is_ipv4() => "A",
        PublicAddress::Ip(_) => "AAAA",
        PublicAddress::Name(_) => "CNAME",
    }
}

/// What earlier documents have, with the places.
#[derive(Default)]
struct TakenNames {
    domains: BTreeMap<String, String>,
    records: BTreeMap<String, Vec<(String, String)>>,
    /// By host, port and protocol: addresses.
    ports: BTreeMap<(String, u16, String), Vec<(String, String)>>,
    subnets: BTreeMap<String, Vec<(Ipv4Net, String)>>,
    containers: BTreeMap<(String, String), String>,
    addresses: BTreeMap<(String, String), String>,
    streams: BTreeMap<(String, u16), String>,
    instances: BTreeMap<Address, String>,
    machines: BTreeMap<(String, u16), String>,
}

impl TakenNames {
    fn conflicts(&self, wanted: &WantedNames, place: &dyn Fn(Spot) -> String) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut own: BTreeMap<&str, String> = BTreeMap::new();
        for (domain, spot, place) in &wanted.domains {
            if let Some(first) = own.insert(domain, place.clone()) {
                let message = text!("{domain} stands in this manifest twice", domain);
                let hint = text!("first in {place}", place = first);
                problems.push(Problem::error(Code::A0121, *spot, message).hint(hint));
            } else if let Some(first) = self.domains.get(domain) {
                let problem = Problem::error(Code::A0121, *spot, text!("two services want {domain}", domain));
                problems.push(problem.hint(text!("first wanted by {place}", place = first)));
            }
        }
        for (name, record_type, spot, _) in &wanted.records {
            let others = self.records.get(name).map(Vec::as_slice).unwrap_or_default();
            // Nothing can stand beside a CNAME.
            let is_same = |other: &str| other == record_type || other == "CNAME" || record_type == "CNAME";
            let is_reported =
                wanted.domains.iter().any(|(domain, ..)| domain == name && self.domains.contains_key(name));
            if let Some((other, first)) = others.iter().find(|(other, _)| is_same(other) && !is_reported) {
                let message = text!("two services want the record {name} {record_type}", name, record_type);
                let hint = match other == record_type {
                    true => text!("first wanted by {place}", place = first),
                    false => text!("first wanted as {other} by {place}", other, place = first),
                };
                problems.push(Problem::error(Code::A0122, *spot, message).hint(hint));
            }
        }
        self.port_conflicts(wanted, place, &mut problems);
        for (subnet, spot, _) in &wanted.subnets {
            let others = self.subnets.get(&wanted.host).map(Vec::as_slice).unwrap_or_default();
            let overlap = others.iter().find(|(other, _)| other.contains(subnet) || subnet.contains(other));
            if let Some((other, first)) = overlap {
                let (subnet, other) = (subnet.to_string(), other.to_string());
                let message = text!("two networks overlap: {subnet} and {other}", subnet, other);
                let hint = text!("the other is wanted by {place}", place = first);
                problems.push(Problem::error(Code::A0124, *spot, message).hint(hint));
            }
        }
        for (stream, spot, _) in &wanted.streams {
            if let Some(first) = self.streams.get(stream) {
                let message = text!("two streams want port {port}", port = stream.1.to_string());
                let hint = text!("first wanted by {place}; one stream takes TCP and UDP", place = first);
                problems.push(Problem::error(Code::A0171, *spot, message).hint(hint));
            }
        }
        for (address, spot, _) in &wanted.instances {
            if let Some(first) = self.instances.get(address) {
                let message = text!("two manifests manage the instance {name}", name = &address.name);
                let hint = text!("the other is {place}", place = first);
                problems.push(Problem::error(Code::A0194, *spot, message).hint(hint));
            }
        }
        for (machine, spot, _) in &wanted.machines {
            if let Some(first) = self.machines.get(machine) {
                let machine = format!("{}:{}", machine.0, machine.1);
                let message = text!("two pools have the machine {machine}", machine);
                let hint = text!("the other is {place}", place = first);
                problems.push(Problem::error(Code::A0106, *spot, message).hint(hint));
            }
        }
        self.name_conflicts(wanted, &mut problems);
        problems
    }

    fn name_conflicts(&self, wanted: &WantedNames, problems: &mut Vec<Problem>) {
        let called = wanted.containers.iter().map(|(name, spot, _)| (name, spot, &self.containers));
        let addressed = wanted.addresses.iter().map(|(name, spot, _)| (name, spot, &self.addresses));
        let mut named: BTreeSet<&String> = BTreeSet::new();
        for (name, spot, taken) in called.chain(addressed) {
            if let Some(first) = taken.get(&(wanted.host.clone(), name.clone())).filter(|_| named.insert(name)) {
                let message = text!("two containers would be named {name}", name);
                let hint = text!("rename one of them; the other is of {place}", place = first);
                problems.push(Problem::error(Code::A0120, *spot, message).hint(hint));
            }
        }
    }

    fn port_conflicts(&self, wanted: &WantedNames, place: &dyn Fn(Spot) -> String, problems: &mut Vec<Problem>) {
        for (index, (port, spot, _)) in wanted.ports.iter().enumerate() {
            let own = wanted.ports[..index].iter().find(|(other, ..)| {
                other.published == port.published && other.protocol == port.protocol && is_one(&other.host_ip, port)
            });
            let key = (wanted.host.clone(), port.published, port.protocol.clone());
            let others = self.ports.get(&key).map(Vec::as_slice).unwrap_or_default();
            let other = others.iter().find(|(ip, _)| is_one(ip, port)).map(|(_, place)| place.clone());
            let first = own.map(|(_, spot, _)| place(*spot)).or(other);
            if let Some(first) = first {
                let port = format!("{}/{}", port.published, port.protocol);
                let message = text!("port {port} is published twice on one host", port);
                let hint = text!("first by {place}", place = first);
                problems.push(Problem::error(Code::A0123, *spot, message).hint(hint));
            }
        }
    }

    fn add(&mut self, wanted: WantedNames) {
        let host = wanted.host;
        self.domains.extend(wanted.domains.into_iter().map(|(name, _, place)| (name, place)));
        for (name, record_type, _, place) in wanted.records {
            self.records.entry(name).or_default().push((record_type, place));
        }
        for (port, _, place) in wanted.ports {
            let key = (host.clone(), port.published, port.protocol);
            self.ports.entry(key).or_default().push((port.host_ip, place));
        }
        for (subnet, _, place) in wanted.subnets {
            self.subnets.entry(host.clone()).or_default().push((subnet, place));
        }
        self.instances.extend(wanted.instances.into_iter().map(|(address, _, place)| (address, place)));
        self.machines.extend(wanted.machines.into_iter().map(|(machine, _, place)| (machine, place)));
        self.streams.extend(wanted.streams.into_iter().map(|(stream, _, place)| (stream, place)));
        let of_host = |(name, _, place)| ((host.clone(), name), place);
        self.containers.extend(wanted.containers.into_iter().map(of_host));
        self.addresses.extend(wanted.addresses.into_iter().map(of_host));
    }
}

/// Whether two addresses of a host cannot both have a port.
fn is_one(ip: &str, port: &Port) -> bool {
    let is_all = |ip: &str| matches!(ip, "0.0.0.0" | "::");
    ip == port.host_ip || is_all(ip) || is_all(&port.host_ip)
}

/// A circle of `depends_on`, its first container named again at the end.
pub(crate) fn circle<'a>(containers: &BTreeMap<&'a str, &'a Container>) -> Option<Vec<&'a str>> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in containers.keys() {
        let mut path: Vec<&str> = vec![start];
        if let Some(circle) = walk(containers, &mut path, &mut done) {
            return Some(circle);
        }
    }
    None
}

/// Depth first; at most as deep as there are containers, which is limited.
fn walk<'a>(
    containers: &BTreeMap<&'a str, &'a Container>,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    let key = *path.last()?;
    if done.contains(key) {
        return None;
    }
    let container = containers.get(key)?;
    for needed in container.depends_on.keys().chain(container.joins()) {
        if let Some(at) = path.iter().position(|other| other == needed) {
            let mut circle = path[at..].to_vec();
            circle.push(path[at]);
            return Some(circle);
        }
        path.push(needed);
        if let Some(circle) = walk(containers, path, done) {
            return Some(circle);
        }
        path.pop();
    }
    done.insert(key);
    None
}

/// Names in NPM need one; `what` says what sort they are of.
pub(crate) fn needs_npm(scope: &Scope<'_>, spot: Spot, what: Text) {
    let Some(host) = scope.site.hosts.get(&scope.host) else { return };
    if host.npm.is_none() {
        let host = &scope.host;
        let hint = text!(
            "add it below `npm:` in amarre.yaml (and name it in `hosts.{host}.npm` when there are several)",
            host
        );
        let message = text!("host `{host}` has no Nginx Proxy Manager for {what}", host, what);
        scope.error_hint(Code::A0209, spot, message, hint);
    }
}
