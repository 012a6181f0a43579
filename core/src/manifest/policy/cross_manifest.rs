//! Rules that one key cannot know alone: what policy forbids, and what two manifests cannot both have.
//!
//! Of two manifests that want one thing the later one is broken, in the order of files and lines; of
//! two with one name both are, for nothing says which of them is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::pool_share::PoolShare;
use super::{container_claims, name_claims, needs, ports, shared_names, totals};
use crate::manifest::policy;
use crate::manifest::scope::{AllowedBy, Claims, Decision, PortClaim, Scope, Verdict};
use crate::manifest::source_files::OtherFile;
use crate::manifest::yaml::diagnostic::{Problem, Spot};
use crate::model::address::service_of_network;
use crate::model::service::{Container, ManifestKind, Port, Service};
use crate::model::site::Right;
use crate::model::uses::{Use, UseKind, is_one_address};
use crate::model::{Assets, Code, Site, Text, uses};
use crate::text;

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
    /// It has a word that only manifests have, or cannot be read.
    pub has_content: bool,
    /// What policy says of it, where it is asked for.
    pub decisions: Vec<Decision>,
    /// What its service uses, once all drafts are read.
    pub reaches: BTreeSet<Use>,
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
        let draft = &drafts[*index];
        let known = draft.service.as_ref().and_then(|service| site.shares.get(&service.name));
        known.map_or(2, |before| u8::from(!totals::claims(&draft.reaches).is_subset(&before.claims)))
    };
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_cached_key(rank);
    order
}

/// Finds what two documents cannot both have. The drafts are in the order of files and lines.
pub(crate) fn check(drafts: &mut [DraftService<'_>], site: &Site, company: ReadScope) {
    for draft in drafts.iter_mut() {
        draft.reaches = draft.service.as_ref().map(|service| uses::of(service, site)).unwrap_or_default();
    }
    names(drafts, site);
    if company == ReadScope::All {
        needs::check_cycles(drafts);
        needs::check_instances(drafts);
    }
    // By itself, a manifest does not show which networks are defined.
    if company == ReadScope::All {
        networks(drafts, site);
        shared_names::check(drafts, site);
        name_claims::check(drafts, site);
        container_claims::check(drafts, site);
        made_servers(drafts, site);
    }
    moved(drafts);
    // One manifest alone was judged beside the others when it was good.
    if company == ReadScope::All {
        totals::check(drafts, site);
    }
    ports::kept(drafts, site);
    let mut taken = TakenUses::default();
    let mut share = PoolShare::of(site);
    for index in precedence(drafts, site) {
        let draft = &mut drafts[index];
        let Some(service) = draft.good() else { continue };
        let wanted = claimed(draft);
        let mut problems = repeated(draft, service);
        problems.extend(taken.conflicts(&wanted));
        problems.extend(unlisted(draft));
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

/// What a document claims for itself alone, with the place that says so.
struct ClaimedUse {
    /// Under which it is compared.
    key: (UseKind, String),
    used: Use,
    spot: Spot,
    place: String,
}

fn claimed(draft: &DraftService<'_>) -> Vec<ClaimedUse> {
    let claims = draft.reaches.iter().filter_map(|used| {
        let (key, spot) = (used.claim_key()?, spot_of(draft, used));
        Some(ClaimedUse { key, used: used.clone(), spot, place: format!("{}:{}", draft.file_at(spot).0, spot.line) })
    });
    claims.collect()
}

/// Where a document says that it uses something; of what has no place of its own, where it begins.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not noted while a document is read has no place")]
fn spot_of(draft: &DraftService<'_>, used: &Use) -> Spot {
    let claims = &draft.claims;
    let domain = |wanted: &str| claims.domains.iter().find(|(name, _)| name == wanted).map(|(_, spot)| *spot);
    let stream = |wanted: u16| claims.streams.iter().find(|(port, _)| *port == wanted).map(|(_, spot)| *spot);
    let found = match used {
        Use::Name(name) => domain(name),
        Use::Record { name, record_type } => {
            let mut records = claims.records.iter().filter(|(at, word, _)| at == name && word == record_type);
            records.next().map(|(.., spot)| *spot).or_else(|| domain(name))
        }
        Use::Port { ip, port, protocol, .. } => {
            let is_it = |one: &Port| one.host_ip == *ip && one.published == *port && one.protocol == *protocol;
            claims.ports.iter().find(|claim| is_it(&claim.port)).map(|claim| claim.spot).or_else(|| stream(*port))
        }
        Use::NpmPort { port, .. } => stream(*port),
        Use::Subnet { subnet, .. } => claims.subnets.iter().find(|(net, _)| net == subnet).map(|(_, spot)| *spot),
        _ => None,
    };
    found.unwrap_or_else(|| draft.spot())
}

/// What earlier documents have, with the places.
#[derive(Default)]
struct TakenUses(BTreeMap<(UseKind, String), Vec<(Use, String)>>);

impl TakenUses {
    fn conflicts(&self, wanted: &[ClaimedUse]) -> Vec<Problem> {
        let mut problems = Vec::new();
        // What a name is refused for needs no second word about its records, nor a container's about its key.
        let mut reported: BTreeSet<String> = BTreeSet::new();
        for ClaimedUse { key, used, spot, .. } in wanted {
            let others = self.0.get(key).map(Vec::as_slice).unwrap_or_default();
            let Some((other, place)) = others.iter().find(|(other, _)| used.excludes(other)) else { continue };
            let is_follow_up = matches!(used.kind(), UseKind::Record | UseKind::ContainerKey);
            if !(is_follow_up && reported.contains(&used.item())) {
                problems.push(conflict(used, other, place, *spot));
            }
            reported.insert(used.item());
        }
        problems
    }

    fn add(&mut self, wanted: Vec<ClaimedUse>) {
        for ClaimedUse { key, used, place, .. } in wanted {
            self.0.entry(key).or_default().push((used, place));
        }
    }
}

/// Says that another document has what this one wants, and where.
fn conflict(used: &Use, other: &Use, place: &str, spot: Spot) -> Problem {
    let first_wanted = || text!("first wanted by {place}", place);
    let the_other = || text!("the other is {place}", place);
    let (code, message, hint) = match (used, other) {
        (Use::Name(domain), _) => (Code::A0121, text!("two services want {domain}", domain), first_wanted()),
        (Use::Record { name, record_type }, Use::Record { record_type: word, .. }) => {
            let hint = if word == record_type {
                first_wanted()
            } else {
                text!("first wanted as {other} by {place}", other = word, place)
            };
            (Code::A0122, text!("two services want the record {name} {record_type}", name, record_type), hint)
        }
        (Use::Port { port, protocol, .. }, _) => {
            let port = format!("{port}/{protocol}");
            (Code::A0123, text!("port {port} is published twice on one host", port), text!("first by {place}", place))
        }
        (Use::Subnet { subnet, .. }, Use::Subnet { subnet: other, .. }) => {
            let (subnet, other) = (subnet.to_string(), other.to_string());
            let message = text!("two networks overlap: {subnet} and {other}", subnet, other);
            (Code::A0124, message, text!("the other is wanted by {place}", place))
        }
        (Use::NpmPort { port, .. }, _) => {
            let hint = text!("first wanted by {place}; one stream takes TCP and UDP", place);
            (Code::A0171, text!("two streams want port {port}", port = port.to_string()), hint)
        }
        (Use::Server(address) | Use::MadeServer { address, .. }, _) => {
            let message = text!("two manifests manage the instance {name}", name = &address.name);
            (Code::A0194, message, the_other())
        }
        (Use::Machine { .. }, _) => {
            let message = text!("two pools have the machine {machine}", machine = used.item());
            (Code::A0106, message, the_other())
        }
        (Use::HostKey(key), _) => {
            let message = text!("two pools have a machine with the host key {key}", key);
            let hint = text!(
                "the other is {place}; where one is a copy of the other, make it new keys: {command}",
                place,
                command = "`rm /etc/ssh/ssh_host_*; ssh-keygen -A`"
            );
            (Code::A0767, message, hint)
        }
        (Use::Address { network, ip, .. }, _) => {
            let message = same_address(ip, network);
            (Code::A0196, message, text!("take another one; the other is of {place}", place))
        }
        (used, _) => {
            let message = text!("two containers would be named {name}", name = used.item());
            (
                Code::A0120,
                message,
                text!("rename one of them, or leave its `container_name` out; the other is of {place}", place),
            )
        }
    };
    Problem::error(code, spot, message).hint(hint)
}

fn same_address(ip: &Ipv4Addr, network: &str) -> Text {
    text!("two containers ask for the address {ip} on the network {network}", ip = ip.to_string(), network)
}

/// What a document claims twice by itself.
fn repeated(draft: &DraftService<'_>, service: &Service) -> Vec<Problem> {
    let place = |spot: Spot| format!("{}:{}", draft.file_at(spot).0, spot.line);
    let mut problems = Vec::new();
    let mut domains: BTreeMap<&str, Spot> = BTreeMap::new();
    for (domain, spot) in &draft.claims.domains {
        if let Some(first) = domains.insert(domain, *spot) {
            let message = text!("{domain} stands in this manifest twice", domain);
            let hint = text!("first in {place}", place = place(first));
            problems.push(Problem::error(Code::A0121, *spot, message).hint(hint));
        }
    }
    for (index, PortClaim { port, spot }) in draft.claims.ports.iter().enumerate() {
        let is_same = |other: &&PortClaim| {
            let other = &other.port;
            other.published == port.published
                && other.protocol == port.protocol
                && is_one_address(&other.host_ip, &port.host_ip)
        };
        if let Some(first) = draft.claims.ports[..index].iter().find(is_same) {
            let port = format!("{}/{}", port.published, port.protocol);
            let message = text!("port {port} is published twice on one host", port);
            let hint = text!("first by {place}", place = place(first.spot));
            problems.push(Problem::error(Code::A0123, *spot, message).hint(hint));
        }
    }
    let mut addresses: BTreeSet<(&str, Ipv4Addr)> = BTreeSet::new();
    for container in service.all_containers() {
        let Some(ip) = container.ipv4_address else { continue };
        let network = uses::home_network(service, container);
        if !addresses.insert((network, ip)) {
            let hint = text!("take another one, or let Amarre choose: leave `ipv4_address` out");
            problems.push(Problem::error(Code::A0196, draft.spot(), same_address(&ip, network)).hint(hint));
        }
    }
    problems
}

/// A sort of resources that the kind of a manifest does not list is nobody's.
fn unlisted(draft: &DraftService<'_>) -> Option<Problem> {
    let unlisted = draft.reaches.iter().find(|used| used.kind() == UseKind::Unlisted)?;
    let message = text!("Amarre does not know who may have {what}", what = unlisted.item());
    let hint = text!("this is a mistake in Amarre: report it, with the kind of the manifest");
    Some(Problem::error(Code::A0195, draft.spot(), message).hint(hint))
}

/// A server that Amarre made is the manifest's for which it made it.
fn made_servers(drafts: &mut [DraftService<'_>], site: &Site) {
    for draft in drafts.iter_mut() {
        let name = draft.name.as_deref().unwrap_or_default();
        let made = draft.reaches.iter().find_map(|used| {
            let Use::Server(address) = used else { return None };
            Some((address, site.made_servers.get(address).filter(|maker| *maker != name)?))
        });
        let Some((address, maker)) = made else { continue };
        let message = text!("Amarre made the instance {id} for the manifest {maker}", id = &address.name, maker);
        let hint =
            text!("write its power into the manifest {maker}; `id` is for servers that Amarre did not make", maker);
        let problem = Problem::error(Code::A0194, draft.spot(), message).hint(hint);
        draft.problems.push(problem);
    }
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
