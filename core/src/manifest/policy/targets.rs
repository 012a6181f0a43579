//! Where routes and streams may lead: NPM reaches what visitors must not.
//!
//! | target | |
//! |---|---|
//! | this machine: loopback, `localhost`, `0.0.0.0` | closed |
//! | link-local addresses, and those at which clouds hand out credentials | closed |
//! | the ports of NPM's admin pages, of Docker's and Amarre's own listeners, at any address or name | closed |
//! | those ports of a container with the host's network | closed |
//! | a name of the public DNS that is not below `domains`: its owner may lead it to any of these | closed |
//! | a name below `domains` that a record of a manifest leads to any of these | closed |
//! | a name that is routed or is a host's own, with one of those ports | closed |
//! | anything else | open |
//!
//! Machines of pools are judged in the same way, and may be neither a host of Amarre's nor a container there.
//!
//! `policy.targets` opens what is closed, target by target. `policy.authors: operators` opens what is closed to authors
//! only: this machine, and names of the public DNS. What visitors must not reach stays closed:
//! credentials of clouds, and the pages and ports for operators.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Closed;
use crate::manifest::policy;
use crate::manifest::scope::{AllowedBy, PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::model::site::{HostSite, Listener, PublicAddress, is_below, is_odd_number};
use crate::model::{Code, Site, Text};
use crate::text;

/// The key of the policy.
const WORD: &str = "targets";
/// NPM's pages, and the backend behind them.
const NPM_ADMIN: u16 = 81;
const NPM_BACKEND: u16 = 3000;
/// Docker's API, plain and with TLS.
const DOCKER: [u16; 2] = [2375, 2376];

/// Judges a target as a manifest writes it; `host` may stand in brackets.
pub(crate) fn target(scope: &Scope<'_>, host: &str, port: u16, text: &PlacedText) {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let address = bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    if address.is_none() && is_odd_number(&bare) {
        let hint = text!("write an address as four numbers, as in {example}", example = "`192.168.1.20`");
        scope.not_allowed(text, "`to`", hint);
        return;
    }
    let why = match address {
        Some(ip) => (of_address(scope.site, ip, port), for_operators(scope.site, ip, port)),
        None => (of_name(scope.site, &bare, port), name_for_operators(scope.site, &bare, port)),
    };
    let is_open = judge(scope, (&bare, port), why, text.spot);
    if is_open && address.is_none() {
        scope.claims.borrow_mut().targets.push((bare, port, text.spot));
    }
}

/// Judges the machine of a pool, whose address is in its one form: as a target, and none of a host's own addresses, nor of a container there.
pub(crate) fn machine(scope: &Scope<'_>, address: &str, port: u16, spot: Spot) {
    /// What engines call the machine that they are on.
    const OF_ENGINES: [&str; 3] = ["gateway.docker.internal", "host.containers.internal", "host.docker.internal"];
    let site = scope.site;
    let why = match address.parse::<IpAddr>() {
        Ok(ip) => (machine_address(site, ip, port), for_operators(site, ip, port)),
        Err(_) => {
            let is_host = || (is_hosts_name(site, address) || OF_ENGINES.contains(&address)).then(is_a_host);
            (of_name(site, address, port).or_else(is_host), name_for_operators(site, address, port))
        }
    };
    if judge(scope, (address, port), why, spot) && address.parse::<IpAddr>().is_err() {
        scope.claims.borrow_mut().machine_names.push((address.to_owned(), port, spot));
    }
}

fn machine_address(site: &Site, ip: IpAddr, port: u16) -> Option<Text> {
    // A network of its own may have local addresses of IPv6, and machines in it.
    let is_host = policy::is_of_host(site, ip) || ip.is_ipv4() && is_bridge(site, ip);
    of_address(site, ip, port).or_else(|| is_host.then(is_a_host))
}

fn is_a_host() -> Text {
    text!("it is the machine of a host, or in the networks of its containers")
}

fn is_hosts_name(site: &Site, name: &str) -> bool {
    let names = site.hosts.values().flat_map(|host| &host.address).filter_map(|address| match address {
        PublicAddress::Name(name) => Some(name.trim_end_matches('.')),
        PublicAddress::Ip(_) => None,
    });
    names.into_iter().any(|own| own == name)
}

/// Whether the containers of a host are reached at an address by their published ports.
pub(crate) fn is_hosts_own(scope: &Scope<'_>, address: &str) -> bool {
    match address.parse::<IpAddr>() {
        Ok(ip) => is_here(ip) || policy::is_of_host(scope.site, ip),
        Err(_) => is_local_name(address) || is_hosts_name(scope.site, address),
    }
}

/// Reports what is closed; `why` it is closed to authors, and why to operators. Whether it is open.
fn judge(
    scope: &Scope<'_>,
    (host, port): (&str, u16),
    (closed, kept): (Option<Text>, Option<Text>),
    spot: Spot,
) -> bool {
    let item = format!("{host}:{port}");
    let is_closed = closed.is_some();
    let Some(why) = (if scope.site.policy.is_opened(WORD) { kept } else { closed }) else {
        let by = if is_closed {
            AllowedBy::authors()
        } else {
            AllowedBy::rule(text!("it is neither this machine nor a listener of ours"))
        };
        policy::allowed(scope, spot, WORD, &item, by);
        return true;
    };
    if let Some(pattern) = policy::entry(&scope.name, &scope.site.policy.targets, &item) {
        policy::allowed(scope, spot, WORD, &item, AllowedBy::Policy(format!("targets: {pattern}")));
        return false;
    }
    policy::report_closed(scope, &refused(&scope.name, &item, why, spot));
    false
}

/// Judges a port of a container that shares the host's network: there it may be what something else listens at.
pub(crate) fn on_host(site: &Site, service: &str, port: u16, spot: Spot) -> Option<Problem> {
    let item = format!("127.0.0.1:{port}");
    let is_closed = is_kept(site, port) || port == NPM_BACKEND;
    let is_named = || policy::entry(service, &site.policy.targets, &item).is_some();
    let why = || text!("with the host's network, Amarre, Docker or NPM may be what listens there");
    (is_closed && !is_named()).then(|| policy::problem(&refused(service, &item, why(), spot)))
}

/// Judges a port of an instance. Its address is judged when it is known.
pub(crate) fn of_instance(scope: &Scope<'_>, name: &str, port: u16, text: &PlacedText) {
    let item = format!("{name}:{port}");
    let opened = policy::entry(&scope.name, &scope.site.policy.targets, &item);
    if opened.is_none() && is_kept(scope.site, port) {
        policy::report_closed(scope, &refused(&scope.name, &item, may_listen(), text.spot));
        return;
    }
    let rule = || AllowedBy::rule(text!("it is no port of a listener of ours"));
    let by = opened.map_or_else(rule, |pattern| AllowedBy::Policy(format!("targets: {pattern}")));
    policy::allowed(scope, text.spot, WORD, &item, by);
}

fn may_listen() -> Text {
    text!("Amarre, Docker or NPM's admin pages may listen there")
}

fn refused<'a>(service: &str, item: &'a str, why: Text, spot: Spot) -> Closed<'a> {
    let message = text!("policy forbids the target {target}: {why}", target = shown(item), why);
    let entry = format!("`policy.targets: {{{}: [\"{item}\"]}}`", shown(service));
    let hint = text!("where that is meant, ask the operator for {entry}", entry);
    Closed { code: Code::A0271, spot, word: WORD, item, message, hint }
}

/// Judges a name by where manifests lead it: the types and values of records, and whether it is a name of a host.
pub(crate) fn by_name(
    site: &Site,
    service: &str,
    ((host, port, spot), is_machine): (&(String, u16, Spot), bool),
    (values, is_to_host): (Vec<(&str, &str)>, bool),
) -> Option<Problem> {
    let item = format!("{host}:{port}");
    if policy::entry(service, &site.policy.targets, &item).is_some() {
        return None;
    }
    let is_opened = site.policy.is_opened(WORD);
    let why = values.iter().find_map(|(kind, value)| match (*kind, value.parse::<IpAddr>()) {
        ("A" | "AAAA", Ok(ip)) => closed_address(site, is_machine)(site, ip.to_canonical(), *port)
            .map(|_| text!("a record that a manifest writes leads to a closed address")),
        ("CNAME", _) if !is_opened => {
            let to = value.trim_end_matches('.');
            let is_known = site.domains.iter().any(|domain| is_below(to, domain));
            (!is_known).then(|| text!("a record that a manifest writes leads out of `domains`"))
        }
        _ => None,
    });
    let of_host = || if is_machine && !is_opened { Some(is_a_host()) } else { of_host(site, *port) };
    let why = why.or_else(|| if is_to_host { of_host() } else { None })?;
    Some(policy::problem(&refused(service, &item, why, *spot)))
}

/// What says why an address is closed to the authors of manifests.
fn closed_address(site: &Site, is_machine: bool) -> fn(&Site, IpAddr, u16) -> Option<Text> {
    match (site.policy.is_opened(WORD), is_machine) {
        (true, _) => for_operators,
        (false, true) => machine_address,
        (false, false) => of_address,
    }
}

/// Judges a port of a host, by whichever of its names.
fn of_host(site: &Site, port: u16) -> Option<Text> {
    let by_address =
        site.hosts.values().flat_map(HostSite::ips).find_map(|ip| closed_address(site, false)(site, ip, port));
    let is_closed = is_kept(site, port) || port == NPM_BACKEND;
    by_address.or_else(|| is_closed.then(may_listen))
}

/// Whether a machine that is named is this one, in whatever spelling, as far as that can be told without asking.
pub(crate) fn is_this_machine(scope: &Scope<'_>, host: &str) -> bool {
    let bare = host.trim_end_matches('.').to_ascii_lowercase();
    match bare.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) => is_here(ip) || policy::is_of_host(scope.site, ip) || is_bridge(scope.site, ip),
        Err(_) => is_odd_number(&bare) || is_local_name(&bare),
    }
}

/// Docker's own pools, and those of the configuration: the gateway of each bridge is the host itself.
fn is_bridge(site: &Site, ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.octets()[0] == 172 && (16..32).contains(&ip.octets()[1])
                || site.pools.iter().any(|pool| pool.contains(&ip))
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

fn is_here(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || embedded(ip).is_some_and(|ip| ip.is_loopback()),
    }
}

fn is_local_name(name: &str) -> bool {
    let names = ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"];
    names.into_iter().any(|end| name == end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
}

fn is_npms_machine() -> Text {
    text!("it is the machine that NPM runs on")
}

fn has_credentials() -> Text {
    text!("machines of clouds get their credentials there")
}

/// Why an address is closed to manifests.
fn of_address(site: &Site, ip: IpAddr, port: u16) -> Option<Text> {
    if is_here(ip) {
        return Some(is_npms_machine());
    }
    if ip.is_multicast() {
        return Some(text!("it is no single machine"));
    }
    for_operators(site, ip, port)
}

/// Why no visitor is to reach an address.
fn for_operators(site: &Site, ip: IpAddr, port: u16) -> Option<Text> {
    /// Where clouds answer with the credentials of a machine, beside the link-local address.
    const METADATA: [IpAddr; 4] = [
        IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
        IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    ];
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || embedded(ip).is_some_and(|ip| ip.is_link_local()),
    };
    if is_link_local || METADATA.contains(&ip) {
        return Some(has_credentials());
    }
    // This machine may have more addresses than the configuration says.
    let is_ours = is_here(ip) || policy::is_of_host(site, ip) || is_bridge(site, ip);
    let is_npms = |listener: &Listener| listener.port == port && listener.at == Some(ip);
    (is_kept(site, port) || is_ours && port == NPM_BACKEND || site.listeners.iter().any(is_npms)).then(may_listen)
}

/// Whether Amarre, an engine or NPM's admin pages listen at a port, at whatever address.
fn is_kept(site: &Site, port: u16) -> bool {
    port == NPM_ADMIN
        || DOCKER.contains(&port)
        || site.listeners.iter().any(|listener| listener.by_name && listener.port == port)
}

/// An IPv4 address inside of one for IPv6 (NAT64, 6to4, or the old compatible form).
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match [a, b, c, d, e, f] {
        [0x64, 0xff9b, 0, 0, 0, 0] | [0, 0, 0, 0, 0, 0] => Some(of(g, h)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// Why a name is closed to manifests.
fn of_name(site: &Site, name: &str, port: u16) -> Option<Text> {
    if is_local_name(name) {
        return Some(is_npms_machine());
    }
    let is_known = site.domains.iter().any(|domain| is_below(name, domain));
    let is_open = !is_public(name) || is_known;
    let others = || (!is_open).then(|| text!("others may lead that name to any address, and to this machine"));
    name_for_operators(site, name, port).or_else(others)
}

/// Why no visitor is to reach a name.
fn name_for_operators(site: &Site, name: &str, port: u16) -> Option<Text> {
    let is_or_below = |end: &str| name == end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
    if ["metadata.google.internal", "metadata.goog", "instance-data"].into_iter().any(is_or_below) || name == "metadata"
    {
        return Some(has_credentials());
    }
    let listens = site.listeners.iter().any(|listener| listener.by_name && listener.port == port);
    if listens || DOCKER.contains(&port) {
        return Some(text!("Amarre or Docker may listen there"));
    }
    let npms = site.hosts.values().filter_map(|host| host.npm.as_ref()?.container.as_deref());
    // Docker's DNS knows a container as `NAME.NETWORK` too.
    let first = name.split('.').next().unwrap_or_default();
    let is_npm = npms.into_iter().any(|container| container.eq_ignore_ascii_case(first));
    let is_machine = is_npm || is_or_below("docker.internal") || is_local_name(name);
    (port == NPM_ADMIN || port == NPM_BACKEND && is_machine).then(|| text!("NPM's admin pages may be there"))
}

/// Whether a name is one of the public DNS: not one that only a local network or an engine knows.
fn is_public(name: &str) -> bool {
    /// RFC 6762 (`local`, and its appendix G), RFC 8375 (`home.arpa`), ICANN's `internal`, RFC 6761 (`test`), and what the
    /// routers of households answer to.
    const LOCAL: [&str; 13] = [
        "corp",
        "fritz.box",
        "home",
        "home.arpa",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "private",
        "test",
    ];
    name.contains('.') && !LOCAL.iter().any(|end| is_below(name, end))
}
