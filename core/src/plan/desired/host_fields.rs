//! The fields of a host that follow from what it leads to, and those that every host has.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::npm_reach;
use crate::model::service::{Hsts, Location, Route, Target};
use crate::model::{Address, Code, Fields, Hint, Need, Refusal, Seen, State, Value};
use crate::plan::expansion::{Expansion, RouteTarget as Serving};
use crate::plan::{compare, targets};
use crate::text;

/// An address and a port, each as it is known.
type Upstream = (Value, Value);

/// What of a host is asked for: what is there of it, and which path; `None`: the host itself.
#[derive(Clone, Copy)]
pub struct HostQuery<'a> {
    /// As it is, if it is there.
    pub host: Option<&'a Seen>,
    pub path: Option<&'a str>,
}

/// Scheme and place of a target; that of a container is known when it is there. `None`: no such container; a host
/// that is there stays while its container is away, without a place.
pub fn upstream(
    expansion: &Expansion<'_>,
    to: &Target,
    place: HostQuery<'_>,
    serving: &BTreeMap<String, Serving>,
    needs: &mut Vec<Need>,
) -> Option<(String, Option<Upstream>)> {
    match to {
        Target::Url { scheme, host, port } => {
            Some((scheme.clone(), Some((Value::text(host), Value::Int(i64::from(*port))))))
        }
        Target::Instance { name, port } => {
            // Without its manifest a host that is there leads on.
            let Some(instance) = instance(expansion, name) else { return Some(("http".to_owned(), None)) };
            let need = Need::ready(instance.clone());
            if !needs.contains(&need) {
                needs.push(need);
            }
            let at = (Value::output(instance, "address"), Value::Int(i64::from(*port)));
            Some(("http".to_owned(), Some(at)))
        }
        Target::Container { key, port } => {
            let Some(target) = serving.get(key) else {
                return place.host.map(|_| ("http".to_owned(), None));
            };
            let (instance, at) = meanwhile(expansion, target, place, *port)
                .unwrap_or_else(|| (target.address.clone(), npm_reach::point(expansion, target, *port)));
            // One that failed and works since goes all the same: nothing new is led to it meanwhile.
            let goes = expansion.input.facts.failed.contains_key(&instance).then(|| Need::absent(instance.clone()));
            let listens = listening(expansion, &instance, &at, place);
            for need in [Need::ready(instance)].into_iter().chain(listens).chain(goes) {
                if !needs.contains(&need) {
                    needs.push(need);
                }
            }
            Some(("http".to_owned(), Some(at)))
        }
    }
}

/// Nothing is switched to a port before something listens there; what leads there already stays.
fn listening(expansion: &Expansion<'_>, instance: &Address, at: &Upstream, place: HostQuery<'_>) -> Option<Need> {
    let world = expansion.input.world;
    let port = at.1.as_int()?;
    let to = compare::resolve_value(&at.0, world);
    let mut there = place.host.into_iter().flat_map(|host| targets::all(&host.fields));
    let is_there =
        there.any(|there| there.path == place.path && there.port == Some(port) && Some(there.host) == to.as_text());
    let port = u16::try_from(port).ok().filter(|_| !is_there && world.seen.contains_key(instance))?;
    Some(Need { on: instance.clone(), is: State::Listening(port) })
}

/// The server that the manifest of an instance manages.
fn instance(expansion: &Expansion<'_>, name: &str) -> Option<Address> {
    Some(expansion.input.services.get(name)?.instance.as_ref()?.address.clone())
}

/// Why a route leads to no instance, if so: its manifest is gone, or it is a machine on which NPM, an engine or Amarre listen.
pub fn no_instance(expansion: &Expansion<'_>, route: &Route) -> Option<Refusal> {
    let names = route.targets().filter_map(|target| match target {
        Target::Instance { name, .. } => Some(name),
        Target::Container { .. } | Target::Url { .. } => None,
    });
    let place = format!("{}:{}", route.origin.file, route.origin.line);
    names.into_iter().find_map(|name| {
        let Some(instance) = instance(expansion, name) else {
            return Some(Refusal {
                code: Code::A0111,
                message: text!("leads to the instance {name}, which no manifest describes", name),
                found: Vec::new(),
                hints: vec![Hint::text(text!(
                    "put the manifest of {name} back, or correct `to:` in {place}",
                    name,
                    place = &place
                ))],
            });
        };
        let seen = expansion.input.world.seen.get(&instance)?;
        let address = seen.fields.text("address")?.parse::<IpAddr>().ok()?;
        let mut hosts = expansion.input.site.hosts.iter();
        let (host, _) = hosts.find(|(_, host)| host.ips().chain(host.also_at.iter().copied()).any(|ip| ip == address))?;
        Some(Refusal {
            code: Code::A0271,
            message: text!(
                "the instance {name} is the machine of host {host}, at {address}",
                name,
                host,
                address = address.to_string()
            ),
            found: Vec::new(),
            hints: vec![Hint::text(text!(
                "lead to a container, or write `to: http://{address}:PORT` in {place}, of which `policy.targets` decides",
                address = address.to_string(),
                place = &place
            ))],
        })
    })
}

/// Where a path leads while something else serves than what the manifest describes. What leads to it goes on as it is:
/// the port of the manifest is its successor's. Anything else leads to it only at a port at which it is known to answer.
fn meanwhile(
    expansion: &Expansion<'_>,
    target: &Serving,
    place: HostQuery<'_>,
    port: u16,
) -> Option<(Address, Upstream)> {
    let interim = target.interim.as_ref()?;
    let (input, engine) = (expansion.input, &expansion.host.docker);
    let instance = input.world.seen.get(&target.address)?;
    if let Some(host) = place.host {
        let mut all = targets::all(&host.fields).filter(|pointer| pointer.path == place.path);
        if let Some(there) = all.find(|there| targets::leads_to(input, host, *there, engine, instance)) {
            return Some((target.address.clone(), (Value::text(there.host), Value::Int(there.port?))));
        }
    }
    let hosts = input.world.seen.iter().filter(|(host, seen)| host.kind.traits().forwards && seen.owner.is_ours());
    let mut known = hosts.flat_map(|(_, host)| targets::all(&host.fields).map(move |pointer| (host, pointer)));
    let is_known = known.any(|(host, pointer)| {
        pointer.port == Some(i64::from(port)) && targets::leads_to(input, host, pointer, engine, instance)
    });
    // Whatever it leads to now: it goes back to what is put back, once something listens there.
    let has_failed = input.facts.failed.contains_key(&interim.successor.address);
    if !interim.is_abroad && (is_known || has_failed) {
        return None;
    }
    Some((interim.successor.address.clone(), npm_reach::point(expansion, &interim.successor, port)))
}

/// The paths of a host that lead elsewhere; `None` where the place of one is not known.
pub fn locations(
    expansion: &Expansion<'_>,
    locations: &[Location],
    host: Option<&Seen>,
    serving: &BTreeMap<String, Serving>,
    needs: &mut Vec<Need>,
) -> Option<Value> {
    let mut values = Vec::new();
    for location in locations {
        let place = HostQuery { host, path: Some(&location.path) };
        let Some((scheme, at)) = upstream(expansion, &location.to, place, serving, needs) else { continue };
        let (host, port) = at?;
        let mut entries = BTreeMap::from([
            ("path".to_owned(), Value::text(&location.path)),
            ("scheme".to_owned(), Value::text(scheme)),
            ("host".to_owned(), host),
            ("port".to_owned(), port),
        ]);
        let texts = [("to_path", &location.to_path), ("advanced", &location.advanced)];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        entries.extend(texts.map(|(name, text)| (name.to_owned(), Value::text(text))));
        values.push(Value::Map(entries));
    }
    Some(Value::List(values))
}

/// The fields of a host that say for whom HTTPS is the only way, and its lines of nginx's configuration.
pub fn strict(fields: Fields, hsts: Hsts, advanced: &str) -> Fields {
    fields
        .with("hsts", Value::Bool(hsts != Hsts::Off))
        .with("hsts_subdomains", Value::Bool(hsts == Hsts::Subdomains))
        .with("advanced", Value::text(advanced))
}
