//! What a name or a port of one manifest means for the others, and for NPM, which is on the networks of all that have routes.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::service::{Container, ContainerNetwork, Dns, Record, Service, StreamTarget, Target};
use crate::model::site::{PublicAddress, Right, is_below};
use crate::model::{Code, Site, Value};
use crate::text;

use super::Closed;
use super::cross_manifest::DraftService;
use super::targets;
use crate::manifest::policy;
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};

/// Judges all of them. The drafts are in the order of files and lines.
pub(crate) fn check(drafts: &mut [DraftService<'_>], site: &Site) {
    let names = LedNames::of(drafts, site);
    let shared = host_networks(drafts);
    let meant = meant(drafts);
    for draft in drafts.iter_mut() {
        let Some(name) = draft.name.clone() else { continue };
        let mut found = led_by_names(draft, &name, &names, site);
        found.extend(on_host(draft, &name, &shared, site));
        found.extend(shadowed(draft, &name, &meant, site));
        for (right, problem) in found {
            draft.decide(right, &problem);
            draft.problems.push(problem);
        }
    }
}

type NameUses = Vec<(Right, Problem)>;

fn right(service: &str, word: &str, item: String) -> Right {
    Right { service: service.to_owned(), word: word.to_owned(), item }
}

fn by_hand(draft: &DraftService<'_>) -> Vec<Record> {
    match draft.service.as_ref().map(|service| &service.dns) {
        Some(Dns::Records(records)) => records.clone(),
        Some(Dns::Auto | Dns::None) | None => Vec::new(),
    }
}

/// Where names lead by what manifests write and route, and by the configuration.
struct LedNames {
    records: Vec<Record>,
    /// Those that lead to one of the hosts; `*.lab.example.org` is each name below.
    to_hosts: BTreeSet<String>,
}

impl LedNames {
    fn of(drafts: &[DraftService<'_>], site: &Site) -> Self {
        let routed = drafts.iter().flat_map(|draft| draft.claims.domains.iter().map(|(domain, _)| domain.clone()));
        let hosts = site.hosts.values().flat_map(|host| &host.address).filter_map(|address| match address {
            PublicAddress::Name(name) => Some(name.trim_end_matches('.').to_owned()),
            PublicAddress::Ip(_) => None,
        });
        Self { records: drafts.iter().flat_map(by_hand).collect(), to_hosts: routed.chain(hosts).collect() }
    }

    /// The records that a name leads to, those behind aliases too, and whether it leads to a host.
    fn led<'a>(&'a self, name: &str) -> (Vec<(&'a str, &'a str)>, bool) {
        /// As many aliases as resolvers follow.
        const ALIASES_MAX: usize = 8;
        let mut names = vec![name.to_owned()];
        let mut values: Vec<(&str, &str)> = Vec::new();
        let mut at = 0;
        while let Some(name) = names.get(at).filter(|_| at < ALIASES_MAX).cloned() {
            at += 1;
            let own = self.records.iter().filter(|record| covers(&record.name, &name));
            values.extend(own.map(|record| (record.record_type.as_str(), record.value.as_str())));
            let aliases = values.iter().filter(|(kind, _)| *kind == "CNAME");
            let aliases = aliases.map(|(_, value)| value.trim_end_matches('.').to_owned());
            let new: Vec<String> = aliases.filter(|alias| !names.contains(alias)).collect();
            names.extend(new);
        }
        let is_to_host = names.iter().any(|name| self.is_hosts(name));
        (values, is_to_host)
    }

    /// There may be many thousand names: none is compared with each of them.
    fn is_hosts(&self, name: &str) -> bool {
        let mut all_above = std::iter::successors(above(name), |name| above(name));
        self.to_hosts.contains(name) || all_above.any(|above| self.to_hosts.contains(&format!("*.{above}")))
    }
}

/// The name without its first label.
fn above(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, above)| above)
}

/// Whether a name of a record or a route is, or stands for, another one.
fn covers(own: &str, name: &str) -> bool {
    match own.strip_prefix("*.") {
        Some(above) => name.strip_suffix(above).is_some_and(|rest| rest.ends_with('.')),
        None => own == name,
    }
}

/// A target by a name may be led elsewhere by a record that another manifest writes, and to a host by any route.
fn led_by_names(draft: &DraftService<'_>, name: &str, names: &LedNames, site: &Site) -> NameUses {
    let led = draft.claims.targets.iter().map(|target| (target, false));
    let judged = led.chain(draft.claims.machine_names.iter().map(|machine| (machine, true))).filter_map(|judged| {
        let target = judged.0;
        let problem = targets::by_name(site, name, judged, names.led(&target.0))?;
        Some((right(name, "targets", format!("{}:{}", target.0, target.1)), problem))
    });
    judged.collect()
}

/// Containers with the host's network: service and key.
fn host_networks(drafts: &[DraftService<'_>]) -> BTreeSet<(String, String)> {
    let services = drafts.iter().filter_map(|draft| draft.service.as_ref());
    let of = |service: &Service| -> Vec<(String, String)> {
        let shared = service.containers.iter().filter(|(_, one)| one.network_mode == ContainerNetwork::Host);
        shared.map(|(key, _)| (service.name.clone(), key.clone())).collect()
    };
    services.flat_map(of).collect()
}

/// A port of a container with the host's network is the host's.
fn on_host(draft: &DraftService<'_>, name: &str, shared: &BTreeSet<(String, String)>, site: &Site) -> NameUses {
    let Some(service) = draft.service.as_ref().filter(|_| !shared.is_empty()) else { return Vec::new() };
    let main = service.routes.iter().map(|route| (&route.to, route.origin.line));
    let below = service
        .routes
        .iter()
        .flat_map(|route| route.locations.iter().map(|location| (&location.to, route.origin.line)));
    let routed = main.chain(below).filter_map(|(to, line)| match to {
        Target::Container { key, port } => Some((service.name.clone(), key.clone(), *port, line)),
        Target::Url { .. } | Target::Instance { .. } => None,
    });
    let streamed = service.streams.iter().filter_map(|stream| match &stream.to {
        StreamTarget::Container { service, key, port } => {
            Some((service.clone(), key.clone(), *port, stream.origin.line))
        }
        StreamTarget::Address { .. } => None,
    });
    let led: Vec<(String, String, u16, usize)> = routed.chain(streamed).collect();
    let led = led.into_iter().filter(|(service, key, ..)| shared.contains(&(service.clone(), key.clone())));
    let judged = led.filter_map(|(_, _, port, line)| {
        let problem = targets::on_host(site, name, port, Spot::at(line, 1))?;
        Some((right(name, "targets", format!("127.0.0.1:{port}")), problem))
    });
    judged.collect()
}

/// The names that routes and streams lead to, with the manifest.
fn meant(drafts: &[DraftService<'_>]) -> BTreeMap<String, BTreeSet<String>> {
    let mut meant: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for draft in drafts {
        let Some(name) = &draft.name else { continue };
        for (host, ..) in &draft.claims.targets {
            meant.entry(host.clone()).or_default().insert(name.clone());
        }
    }
    meant
}

/// By Docker's DNS a container answers to its name and its aliases, also to NPM, and before any other DNS is asked.
fn shadowed(draft: &DraftService<'_>, name: &str, meant: &BTreeMap<String, BTreeSet<String>>, site: &Site) -> NameUses {
    let Some(service) = draft.service.as_ref().filter(|_| !site.policy.is_opened("names")) else { return Vec::new() };
    let spot = draft.claims.name.unwrap_or(Spot::at(draft.line, 1));
    let names: BTreeSet<String> =
        service.containers.iter().flat_map(|(key, container)| answers_to(service, key, container)).collect();
    let judged = names.into_iter().filter_map(|alias| {
        let other = meant.get(&alias).and_then(|by| by.iter().find(|by| *by != name));
        let is_within = site.domains.iter().any(|domain| is_below(&alias, domain));
        let why = match other {
            Some(other) => text!("{other} means another machine by it", other),
            None if alias.contains('.') && !is_within => {
                text!("NPM would find the container by it, in place of a machine")
            }
            None => return None,
        };
        if policy::entry(name, &site.policy.names, &alias).is_some() {
            return None;
        }
        let called = shown(&alias);
        let message = text!("policy forbids a container to be called {name}: {why}", name = &called, why);
        let entry = format!("`policy.names: {{{}: [{called}]}}`", shown(name));
        let hint = text!("take another, or ask the operator for {entry}", entry);
        let closed = Closed { code: Code::A0277, spot, word: "names", item: &alias, message, hint };
        Some((right(name, "names", alias.clone()), policy::problem(&closed)))
    });
    judged.collect()
}

fn answers_to(service: &Service, key: &str, container: &Container) -> Vec<String> {
    let hostname = container.settings.get("hostname").and_then(Value::as_text).map(str::to_owned);
    let names = container.aliases.iter().cloned().chain(hostname);
    names.chain([key.to_owned(), service.container_name(key)]).map(|name| name.to_ascii_lowercase()).collect()
}
