//! Streams → wants: a port of NPM that leads to a container, of whatever manifest, or to an address.

use std::collections::{BTreeMap, BTreeSet};

use super::npm_reach;
use crate::model::service::{ContainerNetwork, Service, Stream, StreamTarget};
use crate::model::site::{HostSite, Reach};
use crate::model::{Address, Arg, Code, Fields, Hint, Kind, Need, Note, Refusal, Seen, Text, Value, Wants};
use crate::plan::expansion::{Author, ServiceEndpoints, want};
use crate::plan::input::Input;
use crate::plan::targets;
use crate::resources::docker::PortSpec;
use crate::text;

/// Wants every stream, once it is known where all containers are.
pub fn expand(input: &Input<'_>, reached: &BTreeMap<&str, ServiceEndpoints>, wants: &mut Wants) {
    for service in input.services.values() {
        let Some(host) = input.site.host_of(service).filter(|_| reached.contains_key(service.name.as_str())) else {
            continue;
        };
        for stream in &service.streams {
            self::stream(input, service, host, stream, reached, wants);
        }
    }
}

fn stream(
    input: &Input<'_>,
    service: &Service,
    host: &HostSite,
    stream: &Stream,
    reached: &BTreeMap<&str, ServiceEndpoints>,
    wants: &mut Wants,
) {
    let Some(npm) = &host.npm else { return };
    let address = Address::new(npm.provider.clone(), Kind::Stream, &stream.port.to_string());
    let seen = input.world.seen.get(&address);
    let moves = match &stream.to {
        StreamTarget::Container { service, .. } => reached.get(service.as_str()).is_some_and(|reached| reached.moves),
        StreamTarget::Address { .. } => false,
    };
    if moves && seen.is_none() {
        return;
    }
    let mut refusal = None;
    let mut needs = Vec::new();
    // What is behind it stands still: it is switched off, as a host would be, and comes on again with it.
    let ours = seen.filter(|seen| seen.owner.is_ours());
    let off = ours.filter(|seen| stands_still(input, &stream.to, seen));
    let ((to, port), leads) = match (&stream.to, off) {
        (_, Some(seen)) => (as_it_leads(seen), None),
        (StreamTarget::Address { host, port }, None) => ((Value::text(host), Value::Int(i64::from(*port))), None),
        (StreamTarget::Container { service: name, key, port }, None) => {
            let found = target(input, service, host, stream, reached);
            let nowhere = (Value::text(format!("{name}/{key}")), Value::Int(i64::from(*port)));
            found.map_or_else(
                |found| {
                    refusal = Some(self::nowhere(stream, name, key, found));
                    (nowhere, None)
                },
                |(of, reached, at)| (at, Some((of, reached, key))),
            )
        }
    };
    if let Some((of, reached, key)) = leads {
        needs.extend(reached.attachments.of(key).cloned().map(Need::present));
        needs.push(Need::ready(of));
    }
    let fields = Fields::default()
        .with("port", Value::Int(i64::from(stream.port)))
        .with("forward_host", to)
        .with("forward_port", port)
        .with("tcp", Value::Bool(stream.tcp))
        .with("udp", Value::Bool(stream.udp))
        .with("enabled", Value::Bool(off.is_none()))
        .with("online", Value::Bool(true))
        .with("mark", Value::Bool(true));
    // One that is there already is followed whatever NPM publishes, so that it never leads to nothing.
    if ours.is_none() && refusal.is_none() {
        match unpublished(input, host, stream) {
            Some(refused) => refusal = Some(refused),
            None if npm.container.is_none() => {
                let port = stream.port.to_string();
                let text =
                    text!("whether NPM can be reached on port {port} is not known: it is no container here", port);
                wants.notes.push(Note {
                    service: service.name.clone(),
                    address: Some(address.clone()),
                    text,
                    code: None,
                });
            }
            None => (),
        }
    }
    let author = Author { service: &service.name, origin: &stream.origin };
    let want = want(input, wants, author, address, fields, needs);
    want.refusal = refusal.map(Box::new).or(want.refusal.take());
    if let Some(seen) = seen.filter(|_| moves) {
        targets::keep_pointing(want, &seen.fields);
    }
}

/// Whether a stream leads to a container that stands still, as its manifest says, or is switched off for that already.
fn stands_still(input: &Input<'_>, to: &StreamTarget, seen: &Seen) -> bool {
    let StreamTarget::Container { service: name, .. } = to else { return false };
    let containers = input.world.seen.iter().filter(|(address, _)| address.kind == Kind::Container);
    let mut own = containers.filter(|(_, seen)| seen.owner.is_ours() && seen.service.as_ref() == Some(name));
    let is_stopped = input.services.get(name).is_some_and(|service| service.stopped);
    is_stopped
        && (seen.fields.flag("enabled") == Some(false)
            || own.any(|(of, container)| targets::lead_to(input, seen, &of.provider, container)))
}

/// Where a stream leads now.
fn as_it_leads(seen: &Seen) -> StreamUpstream {
    let field = |name| seen.fields.get(name).cloned().unwrap_or(Value::None);
    (field("forward_host"), field("forward_port"))
}

/// An address and a port, each as it is known.
type StreamUpstream = (Value, Value);

/// The container that a stream means, how NPM gets there and where; the error is what is there instead.
fn target<'a>(
    input: &Input<'_>,
    service: &Service,
    host: &HostSite,
    stream: &Stream,
    reached: &'a BTreeMap<&str, ServiceEndpoints>,
) -> Result<(Address, &'a ServiceEndpoints, StreamUpstream), Text> {
    let StreamTarget::Container { service: name, key, port } = &stream.to else {
        return Err(text!("an address"));
    };
    let Some(other) = input.services.get(name) else { return Err(text!("there is no service {name}", name)) };
    let Some(their) = input.site.host_of(other) else { return Err(text!("{name} has no host", name)) };
    if their.npm.as_ref().map(|npm| &npm.provider) != host.npm.as_ref().map(|npm| &npm.provider) {
        return Err(text!(
            "{name} runs on host {theirs}, which another NPM than that of {ours} serves",
            name,
            theirs = &other.host,
            ours = &service.host
        ));
    }
    if stream.udp && npm_reach::reach(input, their) == Some(Reach::Published) {
        return Err(text!("NPM reaches host {host} by published ports, which are of TCP only", host = &other.host));
    }
    if other.stopped {
        return Err(text!("{name} is stopped", name));
    }
    match other.containers.get(key).map(|container| &container.network_mode) {
        Some(ContainerNetwork::None) => return Err(text!("{key} of {name} has no network", key, name)),
        Some(ContainerNetwork::Of(sibling)) => {
            return Err(text!(
                "{key} of {name} has no address of its own, it shares that of {sibling}: lead to {target}",
                key,
                name,
                sibling,
                target = format!("{name}/{sibling}:{port}")
            ));
        }
        Some(ContainerNetwork::Other(other)) => {
            return Err(text!(
                "{key} of {name} has no address of its own, it shares that of container {other}: lead to that one",
                key,
                name,
                other
            ));
        }
        Some(ContainerNetwork::Own | ContainerNetwork::Host) | None => (),
    }
    let Some(reached) = reached.get(name.as_str()) else { return Err(text!("{name} is being taken down", name)) };
    match (reached.targets.get(key), reached.at.get(&(key.clone(), *port))) {
        (Some(target), Some(at)) => Ok((target.address.clone(), reached, at.clone())),
        _ if other.containers.is_empty() => Err(text!("{name} has no containers", name)),
        _ => Err(text!(
            "{name} has {names}",
            name,
            names = other.containers.keys().cloned().collect::<Vec<_>>().join(", ")
        )),
    }
}

fn nowhere(stream: &Stream, name: &str, key: &str, found: Text) -> Refusal {
    let place = format!("{}:{}", stream.origin.file, stream.origin.line);
    Refusal {
        code: Code::A0621,
        message: text!(
            "the stream of port {port} leads to {target}, which it cannot reach",
            port = stream.port.to_string(),
            target = format!("{name}/{key}")
        ),
        found: vec![(text!("found"), found)],
        hints: vec![Hint::text(text!("correct `to:` in {place}, or put the manifest of {name} back", place, name))],
    }
}

/// A port of a container that nobody outside can reach.
fn unpublished(input: &Input<'_>, host: &HostSite, stream: &Stream) -> Option<Refusal> {
    let name = host.npm.as_ref()?.container.as_ref()?;
    let seen = input.world.seen.get(&Address::new(host.docker.clone(), Kind::Container, name))?;
    if seen.fields.text("network_mode") == Some("host") {
        return None;
    }
    // What counts is the port in the container.
    let ports = seen.fields.strings("ports").into_iter().filter_map(PortSpec::parse);
    let public: BTreeSet<String> = ports.map(|port| port.target.to_string()).collect();
    // What is not known is not missing: of a stopped container nobody knows what it publishes.
    if public.is_empty() {
        return None;
    }
    let wanted = [("tcp", stream.tcp), ("udp", stream.udp)].into_iter().filter(|(_, is_on)| *is_on);
    let wanted = wanted.map(|(protocol, _)| (protocol, format!("{}/{protocol}", stream.port)));
    let missing: Vec<(&str, String)> = wanted.filter(|(_, port)| !public.contains(port)).collect();
    let (protocol, first) = missing.first()?;
    let all = missing.iter().map(|(_, port)| Arg::from(port));
    let all = all.reduce(|first, more| text!("{first} and {more}", first, more).into())?;
    let entry = if *protocol == "tcp" { format!("{0}:{0}", stream.port) } else { format!("{}:{first}", stream.port) };
    Some(Refusal {
        code: Code::A0620,
        message: text!("NPM does not publish {ports}, so nobody could reach the stream", ports = all),
        found: vec![(text!("{name} publishes", name), public.into_iter().collect::<Vec<_>>().join(", ").into())],
        hints: vec![Hint::text(text!(
            "add {entry} to `ports:` of {name} and make it anew: `docker compose up -d {name}`",
            entry = format!("`\"{entry}\"`"),
            name
        ))],
    })
}
