//! A container's place on a network: what is asked for, and what follows from it.

use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use super::state::{Container, Endpoint, short, text};

/// An `EndpointSettings` of a request, as far as API 1.`minor` knows it.
pub(super) fn endpoint_of(settings: &Map<String, Value>, minor: u32) -> Endpoint {
    const MAC_SINCE: u32 = 44;
    const PRIORITY_SINCE: u32 = 48;
    let or_null = |key: &str| settings.get(key).cloned().unwrap_or(Value::Null);
    let aliases = settings.get("Aliases").and_then(Value::as_array);
    let names = |list: &Vec<Value>| list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Endpoint {
        ipam: or_null("IPAMConfig"),
        links: or_null("Links"),
        mac: or_null("MacAddress").as_str().filter(|mac| minor >= MAC_SINCE && !mac.is_empty()).map(str::to_owned),
        priority: or_null("GwPriority").as_i64().filter(|_| minor >= PRIORITY_SINCE),
        driver_opts: or_null("DriverOpts"),
        aliases: aliases.map(names),
        ..Endpoint::default()
    }
}

pub(super) fn asked_address(endpoint: &Endpoint) -> Option<Ipv4Addr> {
    endpoint.ipam.get("IPv4Address")?.as_str()?.parse().ok()
}

/// On its own networks a container answers to its short id and its host name too.
pub(super) fn add_own_aliases(endpoint: &mut Endpoint, container: &Container) {
    let aliases = endpoint.aliases.get_or_insert_default();
    for alias in [short(&container.id), text(&container.config, "Hostname")] {
        if !alias.is_empty() && !aliases.iter().any(|known| known == alias) {
            aliases.push(alias.to_owned());
        }
    }
}

/// The bridge driver makes the hardware address from the IPv4 one.
pub(super) fn mac_of(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}
