//! What a change makes reachable that was not before, in words. Pure.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::model::site::HostSite;
use crate::model::{Address, FieldDiff, Fields, Kind, ProviderId, Text, Value, Want};
use crate::plan::input::Input;
use crate::plan::targets;
use crate::resources::docker::PortSpec;
use crate::resources::npm::own_block;
use crate::text;

/// Names that anybody may reach already, found out when the first is asked for.
pub struct OpenNames<'a> {
    input: Input<'a>,
    names: OnceCell<BTreeSet<(&'a ProviderId, &'a str)>>,
}

impl<'a> OpenNames<'a> {
    /// As they are seen.
    pub fn of(input: &Input<'a>) -> Self {
        Self { input: *input, names: OnceCell::new() }
    }

    fn has(&self, npm: &ProviderId, domain: &str) -> bool {
        let names = self.names.get_or_init(|| {
            let hosts = self.input.world.seen.iter().filter(|(host, _)| host.kind == Kind::ProxyHost);
            let open = hosts.filter(|(_, seen)| seen.fields.get("access_list") == Some(&Value::None));
            let names = open.map(|(host, seen)| (&host.provider, seen.fields.strings("domains")));
            names.flat_map(|(npm, domains)| domains.into_iter().map(move |domain| (npm, domain))).collect()
        });
        names.contains(&(npm, domain))
    }
}

/// A host behind this NPM, where none of those has a public address: no record is written of its names.
fn without_address<'a>(input: &Input<'a>, npm: &ProviderId) -> Option<&'a String> {
    let is_behind = |host: &HostSite| host.npm.as_ref().is_some_and(|site| site.provider == *npm);
    let mut behind = input.site.hosts.iter().filter(|(_, host)| is_behind(host)).peekable();
    let first = behind.peek().map(|(name, _)| *name);
    first.filter(|_| behind.all(|(_, host)| host.address.is_empty()))
}

/// Whether NPM leaves the access list of a proxy host out, because of its lines.
pub fn leaves_list_out(host: &Fields) -> bool {
    host.text("advanced").is_some_and(|lines| own_block::root_location(lines).is_some())
}

/// What a new resource opens.
pub fn by_create(input: &Input<'_>, open: &OpenNames<'_>, address: &Address, fields: &Fields) -> Vec<Text> {
    let mut lines = Vec::new();
    if address.kind == Kind::ProxyHost && fields.get("access_list") == Some(&Value::None) {
        let is_new = |domain: &&str| !open.has(&address.provider, domain);
        let new: Vec<&str> = fields.strings("domains").into_iter().filter(is_new).collect();
        let (n, is_here) = (new.len(), is_on_this_machine(input, &address.provider, &new));
        let names = new.join(", ");
        let opened = match without_address(input, &address.provider) {
            _ if is_here && n == 1 => on_this_machine(&names),
            _ if is_here => text!("{names} become reachable on this machine only", names),
            Some(host) if n == 1 => text!(
                "{names} becomes reachable through NPM; no record leads there, as hosts.{host}.address is not set",
                names,
                host
            ),
            Some(host) => text!(
                "{names} become reachable through NPM; no record leads there, as hosts.{host}.address is not set",
                names,
                host
            ),
            None if n == 1 => from_internet(&names),
            None => text!("{names} become reachable from the Internet", names),
        };
        lines.extend(Some(opened).filter(|_| n > 0));
    }
    if address.kind == Kind::Stream {
        let protocols = ["tcp", "udp"].into_iter().filter(|protocol| fields.flag(protocol) == Some(true));
        lines.extend(protocols.map(|protocol| {
            let port = format!("{}/{protocol}", address.name);
            text!("port {port} of NPM becomes reachable", port)
        }));
    }
    if address.kind == Kind::Container && targets::is_on_host(fields) {
        lines
            .push(text!("{name} is on the host's own network: what it listens on is open there", name = &address.name));
    }
    let is_new = input.world.generations(address).next().is_none();
    let on_ipv6 = fields.strings("on_ipv6");
    for port in fields.strings("ports") {
        let Some(port) = PortSpec::parse(port).filter(PortSpec::is_anywhere) else { continue };
        let published = port.published.to_string();
        let is_on_both = port.is_also_on_ipv6(&on_ipv6);
        if is_new {
            lines.push(if is_on_both {
                text!(
                    "port {published} is published on 0.0.0.0 and [::]; Docker's rules come before a host firewall's",
                    published
                )
            } else {
                text!(
                    "port {published} is published on 0.0.0.0; Docker's rules come before a host firewall's",
                    published
                )
            });
        } else if is_on_both && was_on_ipv4_only(input, address, &port) {
            lines.push(text!(
                "newly reachable on [::]:{published}; `hosts.NAME.publish_on: [0.0.0.0]` keeps it on IPv4",
                published
            ));
        }
    }
    lines
}

/// Whether the generations that are there have a port on IPv4, and none has it on IPv6.
fn was_on_ipv4_only(input: &Input<'_>, address: &Address, port: &PortSpec<'_>) -> bool {
    let on = |what: &str, item: &str| {
        input.world.generations(address).any(|(_, seen)| seen.fields.strings(what).contains(&item))
    };
    on("ports", &port.to_string()) && !on("on_ipv6", &port.without_address())
}

/// Whether visitors come from this machine only: the proxy is simulated, or the names are each machine's own.
fn is_on_this_machine(input: &Input<'_>, npm: &ProviderId, names: &[&str]) -> bool {
    input.site.simulated.contains(npm) || names.iter().all(|name| name.ends_with(".localhost"))
}

fn on_this_machine(names: &str) -> Text {
    text!("{names} becomes reachable on this machine only", names)
}

fn from_internet(names: &str) -> Text {
    text!("{names} becomes reachable from the Internet", names)
}

/// What a change opens.
pub fn by_update(open: &OpenNames<'_>, address: &Address, want: &Want, diffs: &[FieldDiff]) -> Vec<Text> {
    let mut lines = Vec::new();
    if diffs.iter().any(|diff| diff.field == "access_list" && diff.to == Some(Value::None)) {
        lines.push(text!("the access list is removed: open to everybody"));
    }
    let is_open = want.fields.get("access_list") == Some(&Value::None);
    for diff in diffs.iter().filter(|diff| is_open && diff.field == "domains") {
        let known = diff.from.as_ref().map(Value::strings).unwrap_or_default();
        let new = diff.to.as_ref().map(Value::strings).unwrap_or_default();
        let is_open = |domain: &str| open.has(&address.provider, domain);
        let new = new.into_iter().filter(|domain| !known.contains(domain) && !is_open(domain));
        lines.extend(new.map(|domain| {
            if is_on_this_machine(&open.input, &address.provider, &[domain]) {
                on_this_machine(domain)
            } else {
                from_internet(domain)
            }
        }));
    }
    lines
}
