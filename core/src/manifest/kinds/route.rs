//! `kind: Route`, and the routes of a Service: which names lead where, behind which certificate.

use serde_json::Value as Json;

use super::shared::host_options;
use super::shared::host_options::HostOptions;
use super::{ManifestKindRow, record};
use crate::manifest::compose::unsupported;
use crate::manifest::limits::NAME_CHARS_MAX;
use crate::manifest::policy::nginx_locations::OwnBlock;
use crate::manifest::policy::{cross_manifest, host_names, nginx, records, targets};
use crate::manifest::reader::{Reader, flag, nearest, nothing_else};
use crate::manifest::resolve;
use crate::manifest::resolve::NameScope;
use crate::manifest::schema_keys::{dns, head, link, list, object, text};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::manifest::yaml::tree::{Node, NodeData};
use crate::model::Code;
use crate::model::service::{Hsts, LetsEncrypt, ManifestKind, Route, Service, Target, Tls};
use crate::model::site::Challenge;
use crate::model::uses::UseKind;
use crate::text;

/// The row of the kind.
pub(super) const ROW: ManifestKindRow = ManifestKindRow {
    kind: ManifestKind::new("Route").using(&[
        UseKind::Host,
        UseKind::Name,
        UseKind::Record,
        UseKind::ContainerOf,
        UseKind::Target,
        UseKind::NginxLines,
        UseKind::AccessList,
        UseKind::Certificate,
        UseKind::Right,
    ]),
    parse,
    schema,
};

/// Let's Encrypt's own limit of names on one certificate.
const DOMAINS_MAX: usize = 100;
/// Far more than one service has; NPM writes a file for each.
const ROUTES_MAX: usize = 200;

/// What the routes of a manifest may point to.
#[derive(Clone, Copy)]
pub(crate) enum Targets<'a> {
    Containers(&'a [&'a str]),
    Urls,
}

/// A Service's routes: `routes:`, or one by `port:`.
pub(crate) fn service_routes(reader: &mut Reader<'_>, containers: &[&str]) -> Vec<Route> {
    let scope = reader.scope;
    let by_port = short_route(reader, containers);
    if by_port.is_some() && reader.has("routes") {
        let hint = text!("`port:` is short for one route; write it as `to:` of a route");
        scope.error_hint(Code::A0106, reader.key_spot("port"), text!("`port` stands beside `routes`"), hint);
    }
    let mut routes = self::routes(reader, Targets::Containers(containers));
    if !reader.has("routes") {
        routes.extend(by_port);
    }
    let access_list = reader.text("access_list");
    apply_access_list(scope, &mut routes, access_list);
    routes
}

/// `access_list` beside `routes` holds for every route without its own.
pub(crate) fn apply_access_list(scope: &Scope<'_>, routes: &mut [Route], access_list: Option<PlacedText>) {
    let Some(access_list) = access_list else { return };
    if routes.is_empty() && !scope.is_broken() {
        // Somebody believes that this protects something.
        let message = text!("`access_list` protects nothing: there is no route");
        scope.error(Code::A0106, access_list.spot, message);
    }
    for route in routes {
        route.access_list.get_or_insert_with(|| access_list.text.clone());
    }
}

/// `port: 3000`, with `ssl:`.
fn short_route(reader: &mut Reader<'_>, containers: &[&str]) -> Option<Route> {
    const PORT_MAX: i64 = 65_535;
    let scope = reader.scope;
    let spot = reader.key_spot("port");
    let ssl = reader.flag("ssl") == Some(true);
    if ssl && !reader.has("port") {
        let hint = text!("a route of `routes:` takes `tls: letsencrypt`");
        scope.error_hint(Code::A0106, reader.key_spot("ssl"), text!("`ssl` stands beside `port`"), hint);
    }
    let port = u16::try_from(reader.number("port", 1, PORT_MAX)?).ok()?;
    let to = reader.text("to");
    let key = match (&to, containers) {
        (None, [only]) => only,
        (Some(to), _) => match containers.iter().find(|key| **key == to.text) {
            Some(key) => key,
            None => {
                let hint = text!("there are {names}; another port goes into `port:`", names = containers.join(", "));
                let message = text!("unknown container `{name}`", name = shown(&to.text));
                scope.error_hint(Code::A0111, to.spot, message, hint);
                return None;
            }
        },
        (None, []) => return None,
        (None, _) => {
            let hint = text!("say which with `to: app`, or write `routes:` with `to: app:80`");
            scope.error_hint(Code::A0106, spot, text!("`port` is of one container, and there are several"), hint);
            return None;
        }
    };
    cross_manifest::needs_npm(scope, spot, text!("routes"));
    let name = PlacedText { text: scope.name.clone(), spot };
    let domain = if name.text.is_empty() { None } else { resolve::full_name(scope, &name, NameScope::Hosts) }?;
    claim(scope, &domain, LeadsTo::Host, spot);
    Some(Route {
        domains: vec![domain],
        to: Target::Container { key: (*key).to_owned(), port },
        tls: if ssl { Tls::LetsEncrypt(usual(scope)) } else { Tls::None },
        force_https: ssl,
        websockets: true,
        block_exploits: true,
        access_list: None,
        http2: ssl,
        hsts: Hsts::Off,
        caching: None,
        locations: Vec::new(),
        advanced: String::new(),
        origin: scope.origin(spot),
    })
}

/// The list `routes:`.
pub(crate) fn routes(reader: &mut Reader<'_>, targets: Targets<'_>) -> Vec<Route> {
    let scope = reader.scope;
    let spot = reader.key_spot("routes");
    let Some(node) = reader.node("routes") else { return Vec::new() };
    let NodeData::List(items) = &node.data else {
        scope.wrong_type(node, "`routes`", text!("a list"));
        return Vec::new();
    };
    if items.is_empty() {
        return Vec::new();
    }
    if items.len() > ROUTES_MAX {
        let message = text!("{n} routes in one manifest, at most {most}", n = items.len(), most = ROUTES_MAX);
        scope.error(Code::A0108, spot, message);
        return Vec::new();
    }
    cross_manifest::needs_npm(scope, spot, text!("routes"));
    let has_list = reader.has("access_list");
    items.iter().filter_map(|item| route(scope, item, targets, has_list)).collect()
}

/// One of them; `has_list`: an access list stands beside `routes`.
fn route(scope: &Scope<'_>, node: &Node, targets: Targets<'_>, has_list: bool) -> Option<Route> {
    let mut reader = Reader::open(scope, node, text!("a route"), "")?;
    let domains = domains(&mut reader, LeadsTo::Host);
    let to = match targets {
        Targets::Containers(keys) => {
            let text = reader.required("to", text!("which container and port: {example}", example = "`to: app:80`"));
            text.and_then(|text| container_target(scope, &text, keys))
        }
        Targets::Urls => {
            let hint = text!("as in `to: http://192.168.1.20:5000`, or `to: build-1:8080` of an instance");
            let text = reader.required("to", hint);
            text.and_then(|text| url_target(scope, &text))
        }
    };
    let has_list = has_list || reader.has("access_list");
    let locations = host_options::locations(&mut reader, targets, has_list);
    let HostOptions { tls, force_https, http2, hsts, advanced } =
        host_options::front(&mut reader, OwnBlock::Proxy, has_list);
    let websockets = reader.flag("websockets").unwrap_or(true);
    let block_exploits = reader.flag("block_exploits").unwrap_or(true);
    let caching = reader.flag("caching");
    let access_list = reader.text("access_list").map(|text| text.text);
    let reader_spot = reader.spot;
    let origin = scope.origin(reader_spot);
    reader.finish(&nothing_else);
    let tls = by_record(scope, tls?, &domains, reader_spot);
    let force_https = force_https.unwrap_or(tls != Tls::None);
    Some(Route {
        domains,
        to: to?,
        tls,
        force_https,
        websockets,
        block_exploits,
        access_list,
        http2,
        hsts,
        caching,
        locations,
        advanced,
        origin,
    })
}

/// `domain` and `aliases`, whole; each of them is claimed.
pub(crate) fn domains(reader: &mut Reader<'_>, leads: LeadsTo) -> Vec<String> {
    let scope = reader.scope;
    let mut texts: Vec<PlacedText> =
        reader.required("domain", text!("as in {example}", example = "`domain: cloud`")).into_iter().collect();
    texts.extend(reader.texts("aliases"));
    if texts.len() > DOMAINS_MAX {
        let message = text!("{n} names on one route, at most {most}", n = texts.len(), most = DOMAINS_MAX);
        scope.error(Code::A0108, reader.key_spot("aliases"), message);
        return Vec::new();
    }
    let mut domains = Vec::new();
    for text in texts {
        let Some(domain) = resolve::full_name(scope, &text, NameScope::Hosts) else { continue };
        claim(scope, &domain, leads, text.spot);
        domains.push(domain);
    }
    domains
}

/// Where the records of a claimed name lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeadsTo {
    /// To the host's own address.
    Host,
    /// To a server of a cloud.
    Server,
}

/// Claims a name for the manifest.
pub(crate) fn claim(scope: &Scope<'_>, domain: &str, leads: LeadsTo, spot: Spot) {
    host_names::judge(scope, domain, spot);
    // Where no vendor has its zone, no record results.
    if leads == LeadsTo::Server && scope.site.dns_provider(domain).is_some() {
        records::of_address(scope, domain, spot);
    }
    scope.claims.borrow_mut().domains.push((domain.to_owned(), spot));
}

/// `tls:`; `None` when it is wrong.
pub(crate) fn tls(reader: &mut Reader<'_>) -> Option<Tls> {
    let hint = || text!("`tls:` takes `letsencrypt`, the name of a certificate that NPM has, or `none`");
    if !reader.has("tls") {
        reader.entry("tls");
        return Some(Tls::None);
    }
    let node = reader.node("tls")?;
    let scope = reader.scope;
    if let NodeData::Map(_) = &node.data {
        return lets_encrypt(scope, node);
    }
    if flag(node).is_ok() {
        scope.error_hint(Code::A0104, node.spot, text!("`tls` is not true or false"), hint());
        return None;
    }
    let text = scope.text(node, "`tls`")?;
    match text.text.as_str() {
        "none" => Some(Tls::None),
        "letsencrypt" => Some(Tls::LetsEncrypt(usual(scope))),
        "" => {
            scope.error_hint(Code::A0105, text.spot, text!("`tls` is empty"), hint());
            None
        }
        name => Some(Tls::Existing(name.to_owned())),
    }
}

/// What the configuration says.
fn usual(scope: &Scope<'_>) -> LetsEncrypt {
    LetsEncrypt { challenge: scope.site.certificates.challenge, wildcard: false }
}

/// `{letsencrypt: {challenge: dns, wildcard: true}}`.
fn lets_encrypt(scope: &Scope<'_>, node: &Node) -> Option<Tls> {
    let mut outer = Reader::open(scope, node, "`tls`", "tls.")?;
    let inner = outer.node("letsencrypt");
    if inner.is_none() {
        outer.missing("letsencrypt", text!("as in {example}", example = "`tls: {letsencrypt: {challenge: http}}`"));
    }
    outer.finish(&nothing_else);
    let mut inner = Reader::open(scope, inner?, "`letsencrypt`", "tls.letsencrypt.")?;
    let (text, spot) = (inner.text("challenge"), inner.key_spot("wildcard"));
    let wildcard = inner.flag("wildcard").unwrap_or_default();
    inner.finish(&nothing_else);
    let challenge = match text.as_ref().map(|text| text.text.as_str()) {
        Some("http") if wildcard => {
            let hint = text!("for `*` Let's Encrypt asks for a record in the DNS only: write `challenge: dns`");
            scope.error_hint(Code::A0106, spot, text!("`wildcard: true` beside `challenge: http`"), hint);
            return None;
        }
        Some("http") => Challenge::Http,
        Some("dns") => Challenge::Dns,
        None if wildcard => Challenge::Dns,
        None => usual(scope).challenge,
        Some(_) => {
            let text = text?;
            scope.not_allowed(&text, "`challenge`", text!("`http` or `dns`"));
            return None;
        }
    };
    Some(Tls::LetsEncrypt(LetsEncrypt { challenge, wildcard }))
}

/// How it is shown that these names are ours: for one with `*` there is one way only, and that needs a key.
pub(crate) fn by_record(scope: &Scope<'_>, tls: Tls, domains: &[String], spot: Spot) -> Tls {
    let Tls::LetsEncrypt(mut asked) = tls else { return tls };
    if domains.iter().any(|name| name.starts_with('*')) {
        asked.challenge = Challenge::Dns;
    }
    if asked.challenge == Challenge::Dns && !scope.site.certificates.has_dns_credentials {
        let hint = text!(
            "set `certificates.dns_credentials` in amarre.yaml; or make the certificate in NPM, and give its name"
        );
        let message = text!("a certificate for a record in the DNS needs a key with which NPM can write it");
        scope.error_hint(Code::A0216, spot, message, hint);
    }
    Tls::LetsEncrypt(asked)
}

/// `app:80`, or `80` when there is one container.
pub(crate) fn container_target(scope: &Scope<'_>, text: &PlacedText, keys: &[&str]) -> Option<Target> {
    if text.text.contains("://") {
        let hint = text!("a container of this service; kind `Route` points to anything else");
        scope.not_allowed(text, "`to`", hint);
        return None;
    }
    let (key, port) = match text.text.split_once(':') {
        Some((key, port)) => (Some(key), port),
        None => (None, text.text.as_str()),
    };
    let Some(port) = port_number(port) else {
        scope.not_allowed(text, "`to`", text!("container and port, as in `app:80`"));
        return None;
    };
    let key = match (key, keys) {
        (Some(key), _) if keys.contains(&key) => key,
        (Some(key), _) => {
            let hint = match nearest(key, keys) {
                Some(near) => text!("did you mean `{near}`?", near),
                None => text!("there are {names}", names = keys.join(", ")),
            };
            let message = text!("unknown container `{name}`", name = shown(key));
            scope.error_hint(Code::A0111, text.spot, message, hint);
            return None;
        }
        (None, [only]) => only,
        (None, _) => {
            scope.not_allowed(text, "`to`", text!("say which container, as in `app:80`"));
            return None;
        }
    };
    Some(Target::Container { key: key.to_owned(), port })
}

/// `http://192.168.1.20:5000`, or `build-1:8080`.
fn url_target(scope: &Scope<'_>, text: &PlacedText) -> Option<Target> {
    let (target, path) = url_with_path(scope, text)?;
    if path.is_empty() {
        return Some(target);
    }
    let hint = text!("as in `http://192.168.1.20:5000`; below a path, use `locations:`");
    scope.error_hint(Code::A0106, text.spot, text!("`to` takes no path"), hint);
    None
}

/// `http://192.168.1.20:5000/below`; a lone `/` at the end says nothing.
pub(crate) fn url_with_path(scope: &Scope<'_>, text: &PlacedText) -> Option<(Target, String)> {
    let hint = || text!("as in `http://192.168.1.20:5000`, or `build-1:8080` of an instance");
    let (scheme, rest) = match text.text.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
        None if let Some(target) = instance_target(scope, text) => return Some(target),
        Some(_) | None => {
            scope.not_allowed(text, "`to`", hint());
            return None;
        }
    };
    if rest.contains(['?', '#', '@']) {
        scope.error_hint(Code::A0106, text.spot, text!("`to` takes scheme, host and port only"), hint());
        return None;
    }
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) if !path.is_empty() => (host, format!("/{path}")),
        Some((host, _)) => (host, String::new()),
        None => (rest, String::new()),
    };
    let usual = if scheme == "http" { 80 } else { 443 };
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port_number(port)),
        Some(_) | None => (host, Some(usual)),
    };
    let (Some(port), true, true) = (port, is_host(host), path.is_empty() || nginx::is_path(&path)) else {
        scope.not_allowed(text, "`to`", hint());
        return None;
    };
    targets::target(scope, host, port, text);
    Some((Target::Url { scheme: scheme.to_owned(), host: host.to_owned(), port }, path))
}

/// `build-1:8080/below`: an instance by the name of its manifest.
fn instance_target(scope: &Scope<'_>, text: &PlacedText) -> Option<(Target, String)> {
    let (name, rest) = text.text.split_once(':')?;
    let (port, path) = match rest.split_once('/') {
        Some((port, path)) if !path.is_empty() => (port, format!("/{path}")),
        Some((port, _)) => (port, String::new()),
        None => (rest, String::new()),
    };
    let port = port_number(port)?;
    if resolve::why_not_a_label(name, NAME_CHARS_MAX).is_some() || !(path.is_empty() || nginx::is_path(&path)) {
        return None;
    }
    targets::of_instance(scope, name, port, text);
    scope.claims.borrow_mut().instances.push((name.to_owned(), text.spot));
    Some((Target::Instance { name: name.to_owned(), port }, path))
}

/// An address, or a name that may lie outside our domains.
pub(crate) fn is_host(host: &str) -> bool {
    if let Some(inside) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inside.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let host = host.to_ascii_lowercase();
    !host.starts_with('*') && resolve::why_not_a_name(&host, &host, NameScope::Records).is_none()
}

pub(crate) fn port_number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0 && text.bytes().all(|b| b.is_ascii_digit()))
}

/// A proxy to what is not a container.
fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    if !reader.has("routes") {
        let example = "`routes: [{domain: nas, to: \"http://192.168.1.20:5000\"}]`";
        reader.missing("routes", text!("as in {example}", example));
    }
    service.routes = routes(&mut reader, Targets::Urls);
    let access_list = reader.text("access_list");
    apply_access_list(scope, &mut service.routes, access_list);
    service.dns = record::dns(&mut reader);
    reader.finish(&unsupported::small_kind_key);
    Some(service)
}

fn schema() -> Json {
    let mut keys = head();
    keys.extend([
        ("routes", list(link("route")), "Which names lead where"),
        ("access_list", text(), "For every route that has none of its own"),
        ("dns", dns(), "Records for its names"),
    ]);
    object(&["name", "routes"], keys)
}
