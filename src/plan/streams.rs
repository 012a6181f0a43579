//! Streams → wants: a port of NPM that leads to a container, of whatever manifest, or to an address.

use std::collections::BTreeMap;

use super::expand::{Reached, want};
use super::{Input, reach};
use crate::model::service::{Service, Stream, StreamTarget};
use crate::model::site::{HostSite, Reach};
use crate::model::{Address, Fields, Hint, Kind, Need, Note, Refusal, Value, Wants};

/// Wants every stream, once it is known where all containers are.
pub fn expand(input: &Input<'_>, reached: &BTreeMap<&str, Reached>, wants: &mut Wants) {
    for service in input.services.values() {
        let Some(host) = input.site.hosts.get(&service.host).filter(|_| reached.contains_key(service.name.as_str()))
        else {
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
    reached: &BTreeMap<&str, Reached>,
    wants: &mut Wants,
) {
    let Some(npm) = &host.npm else { return };
    let address = Address::new(npm.provider.clone(), Kind::Stream, &stream.port.to_string());
    let mut refusal = None;
    let mut needs = Vec::new();
    let (to, port) = match &stream.to {
        StreamTarget::Address { host, port } => (Value::text(host), Value::Int(i64::from(*port))),
        StreamTarget::Container { service: name, key, port } => match target(input, service, name, key, reached) {
            Ok((of, attachment)) => {
                needs.extend(attachment.cloned().map(Need::present));
                needs.push(Need::ready(of.clone()));
                if stream.udp && reach::of(input, host) == Some(Reach::Published) {
                    let found = "NPM is elsewhere, and only TCP ports are published for it".to_owned();
                    refusal = Some(nowhere(stream, name, key, found));
                }
                reach::point(input, host, &of, *port)
            }
            Err(found) => {
                refusal = Some(nowhere(stream, name, key, found));
                (Value::text(format!("{name}/{key}")), Value::Int(i64::from(*port)))
            }
        },
    };
    let fields = Fields::default()
        .with("port", Value::Int(i64::from(stream.port)))
        .with("forward_host", to)
        .with("forward_port", port)
        .with("tcp", Value::Bool(stream.tcp))
        .with("udp", Value::Bool(stream.udp))
        .with("enabled", Value::Bool(true))
        .with("online", Value::Bool(true))
        .with("mark", Value::Bool(true));
    // One that is there already is followed whatever NPM publishes, so that it never leads to nothing.
    let is_ours = input.world.seen.get(&address).is_some_and(|seen| seen.owner.is_ours());
    if !is_ours && refusal.is_none() {
        match unpublished(input, host, stream) {
            Some(refused) => refusal = Some(refused),
            None if npm.container.is_none() => {
                let text =
                    format!("whether NPM can be reached on port {} is not known: it is no container here", stream.port);
                wants.notes.push(Note { service: service.name.clone(), address: Some(address.clone()), text });
            }
            None => (),
        }
    }
    let want = want(input, wants, &service.name, address, fields, needs, &stream.origin);
    want.refusal = refusal.or(want.refusal.take());
}

/// The container that a stream means, and NPM on its network; the error is what is there instead.
fn target<'a>(
    input: &Input<'_>,
    service: &Service,
    name: &str,
    key: &str,
    reached: &'a BTreeMap<&str, Reached>,
) -> Result<(Address, Option<&'a Address>), String> {
    let Some(other) = input.services.get(name) else { return Err(format!("there is no service {name}")) };
    if other.host != service.host {
        return Err(format!("{name} runs on host {}, and this NPM is that of {}", other.host, service.host));
    }
    let Some(reached) = reached.get(name) else { return Err(format!("{name} is being taken down")) };
    let Some(target) = reached.targets.get(key) else {
        let keys: Vec<&str> = other.containers.keys().map(String::as_str).collect();
        return Err(if keys.is_empty() {
            format!("{name} has no containers")
        } else {
            format!("{name} has {}", keys.join(", "))
        });
    };
    Ok((target.address.clone(), reached.attachment.as_ref()))
}

fn nowhere(stream: &Stream, name: &str, key: &str, found: String) -> Refusal {
    let (file, line) = (&stream.origin.file, stream.origin.line);
    Refusal {
        code: "A0621".to_owned(),
        message: format!("the stream of port {} leads to {name}/{key}, which it cannot reach", stream.port),
        found: vec![("found".to_owned(), found)],
        hints: vec![Hint::text(format!("correct `to:` in {file}:{line}, or put the manifest of {name} back"))],
    }
}

/// A port of a container that nobody outside can reach.
fn unpublished(input: &Input<'_>, host: &HostSite, stream: &Stream) -> Option<Refusal> {
    let name = host.npm.as_ref()?.container.as_ref()?;
    let seen = input.world.seen.get(&Address::new(host.docker.clone(), Kind::Container, name))?;
    if seen.fields.text("network_mode") == Some("host") {
        return None;
    }
    // What is not known is not missing: of a stopped container nobody knows what it publishes.
    seen.fields.get("public_ports")?;
    let public = seen.fields.strings("public_ports");
    let wanted = [("tcp", stream.tcp), ("udp", stream.udp)].into_iter().filter(|(_, is_on)| *is_on);
    let wanted = wanted.map(|(protocol, _)| (protocol, format!("{}/{protocol}", stream.port)));
    let missing: Vec<(&str, String)> = wanted.filter(|(_, port)| !public.contains(&port.as_str())).collect();
    let (protocol, first) = missing.first()?;
    let all: Vec<&str> = missing.iter().map(|(_, port)| port.as_str()).collect();
    let entry = if *protocol == "tcp" { format!("{0}:{0}", stream.port) } else { format!("{}:{first}", stream.port) };
    Some(Refusal {
        code: "A0620".to_owned(),
        message: format!("NPM does not publish {}, so nobody could reach the stream", all.join(" and ")),
        found: vec![(
            format!("{name} publishes"),
            if public.is_empty() { "(nothing)".to_owned() } else { public.join(", ") },
        )],
        hints: vec![Hint::text(format!(
            "add `\"{entry}\"` to `ports:` of {name} and make it anew: `docker compose up -d {name}`"
        ))],
    })
}
