//! The network of a service: its own, with or without a subnet, or one that others define.

use ipnet::Ipv4Net;

use crate::manifest::policy;
use crate::manifest::reader::{Reader, nothing_else};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::tree::NodeData;
use crate::model::service::NetworkMode;
use crate::text;

/// `network:` of a Service.
pub(crate) fn network_mode(reader: &mut Reader<'_>) -> NetworkMode {
    let Some(node) = reader.node("network") else { return NetworkMode::Auto };
    let scope = reader.scope;
    if matches!(node.data, NodeData::Map(_)) {
        let Some(mut inner) = Reader::open(scope, node, "`network`", "network.") else { return NetworkMode::Auto };
        if !inner.has("subnet") && !inner.has("internal") {
            inner.missing("subnet", text!("as in {example}", example = "`network: {subnet: 172.20.40.0/24}`"));
        }
        let subnet = subnet(&mut inner);
        let internal = inner.flag("internal").unwrap_or(false);
        inner.finish(&nothing_else);
        return own_network(subnet, internal).unwrap_or(NetworkMode::Auto);
    }
    let Some(text) = scope.text(node, "`network`") else { return NetworkMode::Auto };
    if text.text == "auto" { NetworkMode::Auto } else { shared_network(scope, &text).unwrap_or(NetworkMode::Auto) }
}

/// A network of a service's own; `None` where nothing is said of it.
pub(crate) fn own_network(subnet: Option<Ipv4Net>, internal: bool) -> Option<NetworkMode> {
    match (subnet, internal) {
        (subnet, true) => Some(NetworkMode::Defined { subnet, internal }),
        (subnet, false) => subnet.map(NetworkMode::Subnet),
    }
}

/// A network that others use as well, by its name.
pub(crate) fn shared_network(scope: &Scope<'_>, text: &PlacedText) -> Option<NetworkMode> {
    let name = text.text.as_str();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !is_name || matches!(name, "host" | "none" | "bridge" | "default") {
        let hint = text!("`auto`, the name of a shared network, or {example}", example = "`{subnet: …}`");
        scope.not_allowed(text, "`network`", hint);
        return None;
    }
    scope.claims.borrow_mut().networks.push((name.to_owned(), text.spot));
    Some(NetworkMode::Shared(name.to_owned()))
}

/// `subnet:`, claimed.
pub(crate) fn subnet(reader: &mut Reader<'_>) -> Option<Ipv4Net> {
    /// Gateway, NPM, two addresses for each of two containers, and an upper half for strangers.
    const PREFIX_MAX: u8 = 28;
    const PREFIX_MIN: u8 = 8;
    let text = reader.text("subnet")?;
    let scope = reader.scope;
    let Ok(subnet) = text.text.parse::<Ipv4Net>() else {
        scope.not_allowed(&text, reader.label("subnet"), text!("a network, as in `172.20.40.0/24`"));
        return None;
    };
    if subnet.trunc() != subnet {
        let hint = text!("the network itself is `{network}`", network = subnet.trunc().to_string());
        scope.not_allowed(&text, reader.label("subnet"), hint);
        return None;
    }
    if !(PREFIX_MIN..=PREFIX_MAX).contains(&subnet.prefix_len()) {
        let (least, most) = (PREFIX_MIN.to_string(), PREFIX_MAX.to_string());
        scope.not_allowed(&text, reader.label("subnet"), text!("a prefix from /{least} to /{most}", least, most));
        return None;
    }
    let avoided = scope.site.avoid.iter().find(|avoid| avoid.contains(&subnet) || subnet.contains(*avoid));
    if let Some(avoided) = avoided {
        let hint = text!("`network.avoid` in amarre.yaml keeps {range} free", range = avoided.to_string());
        scope.not_allowed(&text, reader.label("subnet"), hint);
        return None;
    }
    policy::subnet(scope, subnet, &text);
    scope.claims.borrow_mut().subnets.push((subnet, text.spot));
    Some(subnet)
}
