//! Examines the whole set-up: what each provider reports of itself, and what only all of them together show. Only
//! reads.
//!
//! | topic | asks |
//! |---|---|
//! | Docker | each engine: version, containers, which are ours |
//! | NPM | version, account and its rights; whether its container is on the networks of routed services |
//! | OVH, DNS | login, rights, clock; name servers and resolvers |
//! | address | whether the public addresses answer on 80 and 443 |
//! | pool | subnets leased, free, in the way of others |
//! | certificates | those that routes name or Amarre ordered: there, and for how long |
//! | instance | marks of this instance's name that this ledger does not know, or that no key of ours signed |

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::join_all;
use ipnet::Ipv4Net;
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::engine::report::pass_view::PassView;
use crate::providers::{EXAM_LIMIT, Exam, Observation, ObserveQuery, Provider};
pub use crate::providers::{Finding, FindingLevel};
use amarre_core::model::address::of_provider;
use amarre_core::model::families::{ProviderRole, families};
use amarre_core::model::service::{Container, Dns, NetworkMode, Target, Tls};
use amarre_core::model::site::{HostSite, PublicAddress, Reach};
use amarre_core::model::{
    Address, Code, Facts, Fields, Kind, Millis, Owner, ProviderId, Service, Site, Timestamp, World,
};
use amarre_core::plan::desired::certificate as npm_certificates;
use amarre_core::plan::desired::npm_reach::edge_network;
use amarre_core::plan::desired::subnets::network_name;
use amarre_core::plan::input::is_never_had;
use amarre_core::plan::render::lines;

/// A certificate that ends sooner than this is reported.
const EXPIRES_SOON: Millis = Millis::minutes(14 * 24 * 60);
/// Names of one finding, at most: more do not help to find out whose they are.
const NAMES_SHOWN: usize = 6;
/// A pool with fewer free subnets than this is reported.
const FREE_SUBNETS_FEW: usize = 4;

/// The input of an examination.
pub struct ExamInput<'a> {
    pub site: &'a Site,
    pub providers: &'a [Arc<dyn Provider>],
    /// The manifests that are good.
    pub services: &'a BTreeMap<String, Service>,
    /// Facts from the ledger.
    pub facts: &'a Facts,
    /// What the last pass has seen; without one, the zones are read.
    pub known: Option<&'a World>,
    pub now: Timestamp,
}

/// Every finding, in the order of the topics. All questions are asked concurrently.
pub async fn examine(patient: &ExamInput<'_>) -> Vec<Finding> {
    let exam = Exam { now: patient.now, names: names(patient), kinds: kinds(patient) };
    let (world, own, reached) = tokio::join!(
        observe(patient),
        join_all(patient.providers.iter().filter_map(|provider| Some(provider.capabilities().examine?.examine(&exam)))),
        addresses(patient.site),
    );
    let (world, mut engines) = world;
    let own: Vec<Finding> = own.into_iter().flatten().collect();
    let of = |topics: &[&str]| own.iter().filter(|found| topics.contains(&found.topic)).cloned().collect::<Vec<_>>();
    let test_mode = patient.site.test_mode().map(|what| Finding::know("test mode", Code::A0223, what));
    let mut findings: Vec<Finding> = test_mode.into_iter().collect();
    findings.append(&mut engines);
    findings.extend(of(&["NPM"]));
    findings.extend(attachments(patient, &world));
    for family in families(ProviderRole::Zones) {
        findings.extend(of(&[family.title]));
    }
    for family in families(ProviderRole::Cloud) {
        findings.extend(of(&[family.title]));
    }
    let has_services = !patient.site.hosts.is_empty() || !patient.site.zones.is_empty();
    if patient.site.zones.is_empty() && (has_services || patient.site.clouds.is_empty()) {
        let usual = families(ProviderRole::Zones).next().map_or("", |family| family.title);
        findings.push(Finding::know(usual, None, "no account is configured: routes need `dns: none`"));
    }
    findings.extend(of(&["DNS"]));
    findings.extend(reached);
    findings.extend(private(patient.site, &world));
    if has_services || patient.site.clouds.is_empty() {
        findings.extend(pool(patient, &world));
    }
    findings.extend(certificates(patient, &world));
    findings.extend(of_another_instance(patient, &world));
    findings
}

/// `amarre.doctor/v1`.
pub fn document(findings: &[Finding]) -> Json {
    let count = |verdict: FindingLevel| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let rows: Vec<Json> = findings
        .iter()
        .map(|finding| {
            let verdict = match finding.verdict {
                FindingLevel::Good => "good",
                FindingLevel::Unchecked => "unchecked",
                FindingLevel::Know => "know",
                FindingLevel::Wrong => "wrong",
            };
            let mut row = json!({
                "topic": finding.topic, "verdict": verdict, "text": finding.text,
                "notes": finding.notes, "hints": finding.hints,
            });
            if let Some(code) = finding.code {
                row["code"] = json!(code);
            }
            row
        })
        .collect();
    json!({"schema": "amarre.doctor/v1", "wrong": count(FindingLevel::Wrong), "know": count(FindingLevel::Know), "findings": rows})
}

/// The set-up of a running daemon, from what its last pass observed.
pub async fn running(pass: &PassView, now: Timestamp) -> Vec<Finding> {
    let Some(context) = &pass.context else {
        return vec![Finding::know("configuration", None, "the first look is in progress")];
    };
    let providers: Vec<Arc<dyn Provider>> = context.providers.values().cloned().collect();
    let (site, services, facts) = (&context.site, &pass.services, &pass.facts);
    let known = Some(&*pass.world);
    examine(&ExamInput { site, providers: &providers, services, facts, known, now }).await
}

/// The names whose records the manifests want, and the domains themselves.
fn names(patient: &ExamInput<'_>) -> BTreeSet<String> {
    if patient.site.zones.is_empty() {
        return BTreeSet::new();
    }
    let mut names: BTreeSet<String> = patient.site.domains.iter().take(1).cloned().collect();
    for service in patient.services.values() {
        match &service.dns {
            Dns::None => (),
            Dns::Records(records) => names.extend(records.iter().map(|record| record.name.clone())),
            Dns::Auto => {
                names.extend(service.routes.iter().flat_map(|route| route.domains.clone()));
                names.extend(service.answered.iter().flat_map(|host| host.domains.clone()));
            }
        }
    }
    names
}

/// The kinds of resources that manifests want of their NPMs, and those that the ledger knows: for some an account needs a
/// right of its own.
fn kinds(patient: &ExamInput<'_>) -> BTreeSet<(ProviderId, Kind)> {
    let mut kinds: BTreeSet<(ProviderId, Kind)> =
        patient.facts.applied.keys().map(|address| (address.provider.clone(), address.kind)).collect();
    for service in patient.services.values() {
        let Some(npm) = patient.site.host_of(service).and_then(|host| host.npm.as_ref()) else { continue };
        let tls = service.routes.iter().map(|route| &route.tls).chain(service.answered.iter().map(|host| &host.tls));
        let orders = tls.filter(|tls| matches!(tls, Tls::LetsEncrypt(_))).map(|_| Kind::Certificate);
        let answered = service.answered.iter().map(|host| host.kind);
        let streams = service.streams.iter().map(|_| Kind::Stream);
        kinds.extend(orders.chain(answered).chain(streams).map(|kind| (npm.provider.clone(), kind)));
    }
    kinds
}

/// Observes engines and NPMs as a pass does, and zones where no pass did, and collects the findings about the engines.
async fn observe(patient: &ExamInput<'_>) -> (World, Vec<Finding>) {
    let is_due = |provider: &&Arc<dyn Provider>| patient.known.is_none() || !provider.id().is_zones();
    let seen = patient.providers.iter().filter(is_due).map(|provider| async move {
        let id = provider.id();
        // By names that manifests may have, so that their zones are read.
        let of_zone = |name: String| (Address::new(id.clone(), Kind::Record, &format!("{name}/A")), Fields::default());
        let wanted = names(patient).into_iter().filter(|_| id.is_zones()).map(of_zone).collect();
        let applied = of_provider(&patient.facts.applied, id);
        let applied = applied.map(|(address, applied)| (address.clone(), applied.clone())).collect();
        let ask = ObserveQuery { now: patient.now, wanted, applied, ..ObserveQuery::default() };
        (id.clone(), timeout(EXAM_LIMIT, provider.observe(&ask)).await.ok().map(Observation::clean))
    });
    let mut world = World::default();
    let of_zones =
        patient.known.into_iter().flat_map(|known| &known.seen).filter(|(address, _)| address.provider.is_zones());
    world.seen.extend(of_zones.map(|(address, seen)| (address.clone(), seen.clone())));
    let mut findings = Vec::new();
    for (id, observation) in join_all(seen).await {
        if id.is_engine() {
            findings.push(engine(&id, observation.as_ref()));
        }
        let Some(observation) = observation else { continue };
        world.seen.extend(observation.seen);
        world.gaps.extend(observation.gaps);
        world.addresses.extend(observation.addresses.map(|addresses| (id.clone(), addresses)));
        world.routes.insert(id, observation.routes);
    }
    (world, findings)
}

fn engine(id: &ProviderId, observation: Option<&Observation>) -> Finding {
    let name = short_name(id);
    let Some(observation) = observation else { return Finding::late("Docker", &name) };
    if let Some(gap) = observation.gaps.first() {
        return Finding::wrong("Docker", gap.code, format!("{name}: {}", gap.message)).hint(gap.hint.to_string());
    }
    let containers = observation.seen.iter().filter(|(address, _)| address.kind == Kind::Container);
    let (all, ours) =
        containers.fold((0, 0), |(all, ours), (_, seen)| (all + 1, ours + usize::from(seen.owner.is_ours())));
    let version = observation.version.as_deref().unwrap_or("of unknown version");
    Finding::good("Docker", format!("{name}: {version}, {}, {ours} of them ours", counted(all, "container")))
}

/// Networks of routed services to which NPM's container should be attached and is not.
fn attachments(patient: &ExamInput<'_>, world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    for host in patient.site.hosts.values() {
        let Some((npm, container)) = host.npm.as_ref().and_then(|npm| Some((npm, npm.container.as_ref()?))) else {
            continue;
        };
        if world.is_dark(&host.docker) {
            continue;
        }
        let own = Address::new(host.docker.clone(), Kind::Container, container);
        let Some(seen) = world.seen.get(&own) else {
            findings.push(
                Finding::wrong(
                    "NPM",
                    Code::A0257,
                    format!("{}: there is no container {container}", short_name(&npm.provider)),
                )
                .note(format!("looked at the engine of host {}", short_name(&host.docker)))
                .hint(format!("docker ps, then correct `npm.{}.container`", short_name(&npm.provider))),
            );
            continue;
        };
        let is_bridged = match npm.reach {
            Reach::Network | Reach::Edge => true,
            Reach::Auto => seen.fields.text("network_mode") != Some("host"),
            Reach::Host | Reach::Published => false,
        };
        let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let routed = patient.services.values().filter(|service| is_on(patient, service, host) && is_routed(service));
        for service in routed.filter(|_| is_bridged) {
            let is_edge = npm.reach == Reach::Edge;
            let networks = if is_edge { BTreeSet::from([edge_network(host).name]) } else { networks_of(service) };
            for network in networks {
                let is_there = world.seen.contains_key(&Address::new(host.docker.clone(), Kind::Network, &network));
                let attached = Address::new(host.docker.clone(), Kind::Attachment, &format!("{network}/{container}"));
                let is_member = seen.fields.strings("networks").contains(&network.as_str());
                if is_there && !is_member && !world.seen.contains_key(&attached) {
                    missing.entry(network).or_default().push(&service.name);
                }
            }
        }
        if !missing.is_empty() {
            let (name, networks) = (short_name(&npm.provider), counted(missing.len(), "network"));
            let services: Vec<&str> = missing.into_values().flatten().collect();
            let text = format!("{name}: container {container} is not attached to {networks}");
            findings.push(
                Finding::know("NPM", Code::A0257, text)
                    .note(format!("{}: put right by the next run", services.join(", ")))
                    .hint("amarre reconcile"),
            );
        }
    }
    findings
}

fn is_on(patient: &ExamInput<'_>, service: &Service, host: &HostSite) -> bool {
    patient.site.host_of(service).is_some_and(|own| own.docker == host.docker)
}

fn is_routed(service: &Service) -> bool {
    !networks_of(service).is_empty()
}

/// The networks of the containers to which routes lead.
fn networks_of(service: &Service) -> BTreeSet<String> {
    let routed = service.routes.iter().filter_map(|route| match &route.to {
        Target::Container { key, .. } if !service.is_on_host(key) => service.containers.get(key).map(Box::as_ref),
        Target::Container { .. } | Target::Url { .. } | Target::Instance { .. } => None,
    });
    let home = |container: &Container| match (&container.home, &service.network) {
        (Some(own), _) if service.networks.contains_key(own) => network_name(own),
        (Some(name), _) | (None, NetworkMode::Shared(name)) => name.clone(),
        (None, NetworkMode::Auto | NetworkMode::Subnet(_) | NetworkMode::Defined { .. }) => network_name(&service.name),
    };
    routed.map(home).collect()
}

/// Whether the public addresses answer. Addresses that cannot be public are not asked.
async fn addresses(site: &Site) -> Vec<Finding> {
    let asks = site.hosts.iter().flat_map(|(name, host)| host.address.iter().map(move |address| (name, address)));
    let asks = asks.map(|(host, address)| async move {
        let ip = match address {
            PublicAddress::Ip(ip) if is_public(*ip) => *ip,
            PublicAddress::Ip(ip) => {
                return Finding::unchecked("address", format!("{ip} of host {host} is no public address: not checked"));
            }
            PublicAddress::Name(name) => {
                return Finding::unchecked("address", format!("{name} of host {host} is a name: not checked"));
            }
        };
        let (plain, secure) = tokio::join!(answers(SocketAddr::new(ip, 80)), answers(SocketAddr::new(ip, 443)));
        match (plain, secure) {
            (true, true) => Finding::good("address", format!("{ip} answers on 80 and 443")),
            (plain, _) => {
                let silent = if plain {
                    "443"
                } else if secure {
                    "80"
                } else {
                    "80 or 443"
                };
                Finding::know("address", Code::A0258, format!("{ip} does not answer on {silent} from here"))
                    .note("behind a router that leads nothing back inside, this is usual")
                    .hint(format!("ask from outside: curl -sI http://{ip}; if nothing comes, forward the ports to NPM"))
            }
        }
    });
    join_all(asks).await
}

/// Private addresses that their hosts do not have, for hosts whose addresses are known.
fn private(site: &Site, world: &World) -> Vec<Finding> {
    let lacks = |(name, host): (&String, &HostSite)| {
        let address = host.private_address?;
        let own = world.addresses.get(&host.docker)?;
        let text = format!("host {name} does not have its `private_address`, {address}");
        let hint = format!("`ip -brief address` shows those that it has: correct `hosts.{name}.private_address`");
        (!own.contains(&address)).then(|| Finding::wrong("address", Code::A0448, text).hint(hint))
    };
    site.hosts.iter().filter_map(lacks).collect()
}

async fn answers(address: SocketAddr) -> bool {
    matches!(timeout(EXAM_LIMIT, TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// Whether an address can lead here from the Internet: not private, loopback or a documentation range.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let is_shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            let is_home = ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared;
            !(is_home || ip.is_documentation() || ip.is_unspecified() || ip.is_multicast())
        }
        IpAddr::V6(ip) => (0x2000..0x4000).contains(&ip.segments()[0]) && ip.segments()[..2] != [0x2001, 0x0db8],
    }
}

/// Subnets: leased, free, and leased ones that overlap others.
fn pool(patient: &ExamInput<'_>, world: &World) -> Vec<Finding> {
    let leases = &patient.facts.leases;
    let mut findings = Vec::new();
    for (address, lease) in leases {
        let Some(with) = collision(address, lease, world) else { continue };
        findings
            .push(Finding::wrong("pool", Code::A0259, format!("{lease} of {} overlaps {with}", address.name)).hint(
            "add that network to `network.avoid` and re-create the service's network: amarre destroy, then resume it",
        ));
    }
    let foreign: Vec<Ipv4Net> =
        world.seen.iter().filter(|(address, _)| address.kind == Kind::Network).flat_map(subnets).collect();
    for pool in &patient.site.pools {
        let leased = leases.values().filter(|lease| pool.contains(*lease)).count();
        let Ok(candidates) = pool.subnets(patient.site.prefix) else { continue };
        let (mut total, mut free) = (0, 0);
        for candidate in candidates {
            total += 1;
            let mut taken = leases.values().chain(&foreign).chain(&patient.site.avoid);
            free += usize::from(!taken.any(|other| overlap(other, &candidate)));
        }
        let text = format!("{pool}, {leased} of {total} leased, {free} free");
        let is_last = patient.site.pools.last() == Some(pool);
        findings.push(match free {
            0 if is_last => {
                Finding::wrong("pool", Code::A0501, text).hint("add a pool to `network.pools`, or remove a service")
            }
            free if free < FREE_SUBNETS_FEW && is_last => Finding::know("pool", Code::A0501, text)
                .hint("add a pool to `network.pools` before the last one is used"),
            _ => Finding::good("pool", text),
        });
    }
    findings
}

fn subnets((_, seen): (&Address, &amarre_core::model::Seen)) -> Vec<Ipv4Net> {
    let texts = seen.fields.text("subnet").into_iter().chain(seen.fields.strings("subnets"));
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// A foreign network, or a route, that overlaps a lease.
fn collision(own: &Address, lease: &Ipv4Net, world: &World) -> Option<String> {
    let networks = world.of_kind(&own.provider, Kind::Network).filter(|(address, _)| *address != own);
    for (address, seen) in networks {
        if let Some(subnet) = subnets((address, seen)).iter().find(|subnet| overlap(subnet, lease)) {
            return Some(format!("network {} ({subnet})", address.name));
        }
    }
    let route = world.routes.get(&own.provider)?.iter().find(|route| overlap(route, lease))?;
    Some(format!("the host's route to {route}"))
}

fn overlap(one: &Ipv4Net, other: &Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// What carries the mark of this instance's name and is not known to be of this ledger and key: another Amarre of this name
/// works there, or a ledger or a key was lost.
fn of_another_instance(patient: &ExamInput<'_>, world: &World) -> Vec<Finding> {
    let is_marked = |address: &Address| !matches!(address.kind, Kind::Image | Kind::Attachment);
    let mut unknown: BTreeMap<(&ProviderId, bool), Vec<String>> = BTreeMap::new();
    for (address, seen) in world.seen.iter().filter(|(address, _)| is_marked(address)) {
        let service = seen.service.as_deref().unwrap_or_default();
        let is_unsigned = seen.owner == Owner::Unverified;
        if is_unsigned || seen.owner.is_ours() && is_never_had(patient.services, patient.facts, service, address) {
            let name = format!("{} {}", address.kind.label(), lines::name_and_type(address));
            unknown.entry((&address.provider, is_unsigned)).or_default().push(name);
        }
    }
    let finding = |((provider, is_unsigned), names): ((&ProviderId, bool), Vec<String>)| {
        let (instance, place) = (&patient.site.instance, place(provider));
        let marks = counted(names.len(), "resource");
        let (text, hint) = if is_unsigned {
            (
                format!("{place}: {marks} with the mark of {instance}, and no key of ours signed that"),
                "if the key was lost, put its copy back; if they are yours all the same: amarre adopt --all --unsigned",
            )
        } else {
            (
                format!("{place}: {marks} with the mark of {instance}, which this ledger never had"),
                "if the ledger was lost, amarre plan shows what becomes of them, and asks before it deletes them",
            )
        };
        let rest = names.len().saturating_sub(NAMES_SHOWN);
        let more = if rest > 0 { format!(", and {rest} more") } else { String::new() };
        let shown = names.into_iter().take(NAMES_SHOWN).collect::<Vec<_>>().join(", ");
        Finding::know("instance", Code::A1034, text)
            .note(format!("{shown}{more}"))
            .hint("if another Amarre works there: give this one another name by `instance:` in amarre.yaml, and a new ledger")
            .hint(hint)
    };
    unknown.into_iter().map(finding).collect()
}

/// `NPM main`, `Docker default`, `OVH`.
fn place(provider: &ProviderId) -> String {
    let (title, name) = (provider.title(), short_name(provider));
    if title.contains(&name) { title } else { format!("{title} {name}") }
}

/// Certificates that routes name.
fn certificates(patient: &ExamInput<'_>, world: &World) -> Vec<Finding> {
    let mut used: BTreeMap<(ProviderId, &str), &str> = BTreeMap::new();
    for service in patient.services.values() {
        let npm = patient.site.host_of(service).and_then(|host| host.npm.as_ref());
        let Some(npm) = npm.filter(|npm| !world.is_dark(&npm.provider)) else { continue };
        let routes = service.routes.iter().map(|route| &route.tls);
        for tls in routes.chain(service.answered.iter().map(|host| &host.tls)) {
            if let Tls::Existing(name) = tls {
                used.insert((npm.provider.clone(), name), &service.name);
            }
        }
    }
    // Those that Amarre ordered.
    let ours = world.seen.iter().filter(|(address, seen)| address.kind == Kind::Certificate && seen.owner.is_ours());
    for (address, seen) in ours {
        used.entry((address.provider.clone(), &address.name)).or_insert(seen.service.as_deref().unwrap_or_default());
    }
    let mut findings = Vec::new();
    let mut next: Option<(i64, &str)> = None;
    for ((provider, name), service) in &used {
        let address = Address::new(provider.clone(), Kind::Certificate, name);
        let Some(seen) = world.seen.get(&address) else {
            findings.push(
                Finding::wrong(
                    "certificates",
                    Code::A0243,
                    format!("NPM {} has no certificate `{name}`", short_name(provider)),
                )
                .note(format!("{service} names it"))
                .hint(format!("make it in NPM under that name, or correct `tls:` of {service}")),
            );
            continue;
        };
        let Some(ends) = npm_certificates::ends(&seen.fields) else { continue };
        let left = ends - patient.now;
        let days = left.0 / (24 * 60 * 60 * 1000);
        let renew = format!("renew it in NPM, SSL Certificates, {name}");
        if left.0 < 0 {
            findings.push(
                Finding::wrong("certificates", Code::A0243, format!("{name} has expired, {service} uses it"))
                    .hint(renew),
            );
        } else if left < EXPIRES_SOON {
            findings.push(
                Finding::know("certificates", Code::A0243, format!("{name} expires in {days} days, {service} uses it"))
                    .hint(renew),
            );
        }
        next = Some(next.map_or((days, *name), |known| known.min((days, *name))));
    }
    if findings.is_empty() {
        let text = match next {
            Some((days, name)) => format!("{} in use, next to expire {name} in {days} days", used.len()),
            None => "no route has one".to_owned(),
        };
        findings.push(Finding::good("certificates", text));
    }
    findings
}

/// The name in the configuration: `nas` for `docker.nas`; the default instance is named after its provider.
fn short_name(id: &ProviderId) -> String {
    id.short_name().to_owned()
}

/// `1 container`, `2 containers`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_asked() {
        for private in
            ["127.0.0.1", "192.168.1.1", "203.0.113.10", "100.64.0.1", "169.254.1.1", "::1", "2001:db8::1", "fd00::1"]
        {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "51.68.0.1", "2a01:4f8::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
