//! Which ports of their host containers publish.
//!
//! | port | |
//! |---|---|
//! | NPM's, that of Docker's API and Amarre's own, as the configuration tells them | closed, and no word opens it (A0279) |
//! | below 1024 | closed (A0278) unless `policy.ports` lists it |
//! | any other | open |
//!
//! A port is closed at each address of the host: whoever has one of them is taken for the program that people expect
//! there. What NPM publishes beyond that is known once it was observed (`plan/desired/foreign_use.rs`).

use crate::model::service::{Port, Service};
use crate::model::site::{FIRST_OPEN_PORT, HostSite, PortKeeper, PortRange, Right};
use crate::model::{Code, Site};
use crate::text;

use super::cross_manifest::DraftService;
use super::{AllowedBy, Closed};
use crate::manifest::policy;
use crate::manifest::yaml::diagnostic::{Problem, Spot};
use crate::manifest::yaml::reader::Scope;

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
            let claim = draft.claims.ports.iter().find(|claim| claim.port == *port);
            let spot = claim.map_or(Spot::at(draft.line, 1), |claim| claim.spot);
            let shown = item(port);
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
            let hint = text!("publish another one; no word of the policy opens it");
            let right = Right { service: service.name.clone(), word: WORD.to_owned(), item: item(port) };
            found.push((right, Problem::error(Code::A0279, spot, message).hint(hint)));
        }
        for (right, problem) in found {
            draft.decide(right, &problem);
            draft.problems.push(problem);
        }
    }
}

/// Ports of a service that are kept for others. NPM's own container has NPM's.
fn taken<'a>(service: &'a Service, host: &'a HostSite) -> impl Iterator<Item = (&'a Port, &'a PortKeeper)> {
    let npm = host.npm.as_ref().and_then(|npm| npm.container.as_ref());
    service.containers.iter().flat_map(move |(key, container)| {
        let is_npm = npm == Some(&service.container_name(key));
        container.ports.iter().filter_map(move |port| match keeper(host, port)? {
            PortKeeper::Npm(_) if is_npm => None,
            keeper @ (PortKeeper::Npm(_) | PortKeeper::Docker(_) | PortKeeper::Amarre(_)) => Some((port, keeper)),
        })
    })
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
