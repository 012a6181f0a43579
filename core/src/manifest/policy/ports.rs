//! Which ports of their host containers publish, and at which an NPM listens for streams.
//!
//! | port | |
//! |---|---|
//! | NPM's, that of Docker's API and Amarre's own, as the configuration tells them | closed, and no word opens it (A0279) |
//! | below 1024 | closed (A0278) unless `policy.ports` lists it |
//! | any other | open |
//!
//! A port is closed at each address of the host: whoever has one of them is taken for the program that people expect
//! there. What NPM publishes beyond that is known once it was observed (`plan/desired/foreign_use.rs`).

use super::Closed;
use super::cross_manifest::DraftService;
use crate::manifest::policy;
use crate::manifest::scope::{AllowedBy, Scope};
use crate::manifest::yaml::diagnostic::{Problem, Spot};
use crate::model::service::{Port, Service};
use crate::model::site::{FIRST_OPEN_PORT, HostSite, PortKeeper, PortRange, Right};
use crate::model::{Code, Site};
use crate::text;

/// The key of the policy.
const WORD: &str = "ports";

/// Judges what one item of `ports` publishes. Ports that no word opens are left to [`kept`], which knows whether the
/// container is NPM's own.
pub(crate) fn judge(scope: &Scope<'_>, published: &[Port], spot: Spot) {
    let host = scope.site.hosts.get(&scope.host);
    let list = &scope.site.policy.ports;
    let opens = |port: &Port| list.iter().find(|range| range.contains(port.published, &port.protocol));
    let mut rest = published.iter().filter(|port| host.and_then(|host| keeper(host, port)).is_none());
    let Some(first) = rest.clone().next() else { return };
    let Some(port) = rest.find(|port| port.published < FIRST_OPEN_PORT && opens(port).is_none()) else {
        let is_high = || AllowedBy::rule(text!("it is {first} or above", first = FIRST_OPEN_PORT.to_string()));
        let by = opens(first).map_or_else(is_high, opened);
        policy::allowed(scope, spot, WORD, &item(first), by);
        return;
    };
    let (item, first) = (item(port), FIRST_OPEN_PORT.to_string());
    let message = text!("policy forbids port {port} of the host: it is below {first}", port = &item, first = &first);
    let hint = text!("publish one from {first} on, or {way}", first, way = policy::ask_for(WORD, &item));
    policy::report_closed(scope, &Closed { code: Code::A0278, spot, word: WORD, item: &item, message, hint });
}

/// Refuses the ports of NPM, Docker and Amarre.
pub(crate) fn kept(drafts: &mut [DraftService<'_>], site: &Site) {
    for draft in drafts {
        let Some(service) = &draft.service else { continue };
        let Some(host) = site.host_of(service) else { continue };
        let mut found: Vec<(Right, Problem)> = Vec::new();
        for (port, keeper) in taken(service, host) {
            let claim = draft.claims.ports.iter().find(|claim| claim.port == port).map(|claim| claim.spot);
            let stream = || draft.claims.streams.iter().find(|(number, _)| *number == port.published);
            let spot = claim.or_else(|| stream().map(|(_, spot)| *spot)).unwrap_or(Spot::at(draft.line, 1));
            let shown = item(&port);
            let message = match keeper {
                PortKeeper::Npm(key) => {
                    text!("port {port} of the host is NPM's (`{key}` in amarre.yaml)", port = shown, key)
                }
                PortKeeper::Docker(key) => {
                    text!("port {port} of the host is Docker's (`{key}` in amarre.yaml)", port = shown, key)
                }
                PortKeeper::Amarre(key) => {
                    text!("port {port} of the host is Amarre's own (`{key}` in amarre.yaml)", port = shown, key)
                }
            };
            let hint = match keeper {
                PortKeeper::Npm(_) => {
                    text!("leave it out and write `routes:`: NPM serves the container there; or publish another one")
                }
                PortKeeper::Docker(_) | PortKeeper::Amarre(_) => {
                    text!("publish another one; no word of the policy opens it")
                }
            };
            let right = Right { service: service.name.clone(), word: WORD.to_owned(), item: item(&port) };
            found.push((right, Problem::error(Code::A0279, spot, message).hint(hint)));
        }
        for (right, problem) in found {
            draft.decide(right, &problem);
            draft.problems.push(problem);
        }
    }
}

/// The ports at which an NPM listens for a stream, as a container would publish them.
pub(crate) fn of_stream(port: u16, tcp: bool, udp: bool) -> Vec<Port> {
    let protocols = [("tcp", tcp), ("udp", udp)].into_iter().filter(|(_, is_meant)| *is_meant);
    let published = |(protocol, _): (&str, bool)| Port {
        host_ip: "0.0.0.0".to_owned(),
        is_anywhere: true,
        published: port,
        target: port,
        protocol: protocol.to_owned(),
    };
    protocols.map(published).collect()
}

/// Ports of a service that are kept for others. NPM's own container has NPM's.
fn taken<'a>(service: &'a Service, host: &'a HostSite) -> impl Iterator<Item = (Port, &'a PortKeeper)> {
    let npm = host.npm.as_ref().and_then(|npm| npm.container.as_ref());
    let streams = service.streams.iter().flat_map(|stream| of_stream(stream.port, stream.tcp, stream.udp));
    let streams = streams.filter_map(|port| keeper(host, &port).map(|keeper| (port, keeper)));
    let published = service.containers.iter().flat_map(move |(key, container)| {
        let is_npm = npm == Some(&service.container_name(key));
        container.ports.iter().filter_map(move |port| match keeper(host, port)? {
            PortKeeper::Npm(_) if is_npm => None,
            keeper @ (PortKeeper::Npm(_) | PortKeeper::Docker(_) | PortKeeper::Amarre(_)) => {
                Some((port.clone(), keeper))
            }
        })
    });
    published.chain(streams)
}

fn keeper<'a>(host: &'a HostSite, port: &Port) -> Option<&'a PortKeeper> {
    host.kept_ports.get(&port.published).filter(|_| port.protocol == "tcp")
}

fn item(port: &Port) -> String {
    format!("{}/{}", port.published, port.protocol)
}

fn opened(range: &PortRange) -> AllowedBy {
    AllowedBy::Policy(format!("{WORD}: {range}"))
}
