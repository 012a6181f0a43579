//! Streams: a port at which NPM listens, and the container or address that it leads to.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value as Json;

use super::{ManifestKindRow, route};
use crate::manifest::compose::unsupported;
use crate::manifest::limits::NAME_CHARS_MAX;
use crate::manifest::policy::{cross_manifest, ports, targets};
use crate::manifest::reader::Reader;
use crate::manifest::resolve;
use crate::manifest::schema_keys::{flag, head, number, object, text};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::shown;
use crate::model::Code;
use crate::model::service::{Dns, ManifestKind, Service, Stream, StreamTarget};
use crate::model::uses::UseKind;
use crate::text;

/// Where NPM itself listens: HTTP, its pages, HTTPS, its backend.
const OWN_PORTS: [u16; 4] = [80, 81, 443, 3000];

/// The row of the kind.
pub(super) const ROW: ManifestKindRow = ManifestKindRow {
    kind: ManifestKind::new("Stream").using(&[
        UseKind::Host,
        UseKind::NpmPort,
        UseKind::Port,
        UseKind::ContainerOf,
        UseKind::Target,
        UseKind::Right,
    ]),
    parse,
    schema,
};

/// A port that is forwarded.
fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    const PORT_MAX: i64 = 65_535;
    let scope = reader.scope;
    let spot = reader.spot;
    cross_manifest::needs_npm(scope, spot, text!("streams"));
    if !reader.has("port") {
        reader.missing("port", text!("where NPM listens, as in {example}", example = "`port: 2222`"));
    }
    let port = reader.number("port", 1, PORT_MAX).and_then(|port| u16::try_from(port).ok());
    let port_spot = reader.key_spot("port");
    if let Some(own) = port.filter(|port| OWN_PORTS.contains(port)) {
        let hint = text!("another port of NPM's container, published as any port of the host");
        let message = text!("port {port} is NPM's own", port = own.to_string());
        scope.error_hint(Code::A0106, port_spot, message, hint);
    }
    let to = reader.required("to", text!("as in `to: gitea/gitea:22` or `to: 192.168.1.20:22`"));
    let to = to.and_then(|text| target(scope, &text));
    let tcp = reader.flag("tcp").unwrap_or(true);
    let udp = reader.flag("udp").unwrap_or(false);
    if !tcp && !udp {
        let message = text!("a stream of neither TCP nor UDP forwards nothing");
        scope.error(Code::A0106, reader.key_spot("tcp"), message);
    }
    if let Some(port) = port.filter(|port| !OWN_PORTS.contains(port)) {
        ports::judge(scope, &ports::of_stream(port, tcp, udp), port_spot);
    }
    reader.finish(&unsupported::small_kind_key);
    let (port, to) = (port?, to?);
    scope.claims.borrow_mut().streams.push((port, port_spot));
    service.streams = vec![Stream { port, to, tcp, udp, origin: scope.origin(spot) }];
    service.dns = Dns::None;
    Some(service)
}

/// `gitea/gitea:22` or `192.168.1.20:22`.
fn target(scope: &Scope<'_>, text: &PlacedText) -> Option<StreamTarget> {
    let hint = || text!("a service's container as in `gitea/gitea:22`, or an address as in `192.168.1.20:22`");
    if let Ok(address) = text.text.parse::<SocketAddr>() {
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        if address.port() == 0 {
            scope.not_allowed(text, "`to`", hint());
            return None;
        }
        targets::target(scope, &host, address.port(), text);
        return Some(StreamTarget::Address { host, port: address.port() });
    }
    let Some((place, port)) =
        text.text.rsplit_once(':').and_then(|(place, port)| Some((place, route::port_number(port)?)))
    else {
        scope.not_allowed(text, "`to`", hint());
        return None;
    };
    let is_name = |name: &str| resolve::why_not_a_label(name, NAME_CHARS_MAX).is_none();
    match place.split_once('/') {
        Some((service, key)) if is_name(service) && is_name(key) => {
            Some(StreamTarget::Container { service: service.to_owned(), key: key.to_owned(), port })
        }
        None if route::is_host(place) => {
            let message = text!("`to` needs an address here, not the name `{name}`", name = shown(place));
            let hint = text!(
                "nginx resolves it when it loads: on the day it cannot, no site comes up; write its address, or {example}",
                example = "`service/container:port`",
            );
            scope.error_hint(Code::A0170, text.spot, message, hint);
            None
        }
        Some(_) | None => {
            scope.not_allowed(text, "`to`", hint());
            None
        }
    }
}

fn schema() -> Json {
    let mut keys = head();
    keys.extend([
        ("port", number(), "Where NPM listens"),
        ("to", text(), "gitea/gitea:22, or 192.168.1.20:22"),
        ("tcp", flag(), "true if not set"),
        ("udp", flag(), "false if not set"),
    ]);
    object(&["name", "port", "to"], keys)
}
