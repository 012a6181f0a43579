//! The small kinds: Route, Redirect, AccessList, Network. Records are in `records.rs`.

pub(super) mod route;
pub(super) mod record;
pub(super) mod stream;
pub(super) mod host_options;
pub(super) mod dependencies;
pub(super) mod update;
pub(super) mod reconcile_options;

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::model::SecretName;
use crate::model::service::{AccessList, Dns, Hsts, NetworkMode, Redirect, Service};

use super::compose::{container, unsupported};
use super::policy::conflicts;
use super::yaml::diagnostic::{A0104, A0105, A0106, shown};
use super::yaml::reader::{Reader, Scope, Text};
use super::yaml::tree::Data;
use host_options::Front;
use route::Targets;

/// A proxy to what is not a container.
pub(super) fn route(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    if !reader.has("routes") {
        reader.missing("routes", "as in `routes: [{domain: nas, to: \"http://192.168.1.20:5000\"}]`");
    }
    service.routes = route::routes(&mut reader, Targets::Urls);
    let access_list = reader.text("access_list");
    route::apply_access_list(scope, &mut service.routes, access_list);
    service.dns = record::dns(&mut reader);
    reader.finish(&unsupported::small_kind_key);
    Some(service)
}

/// A name that leads to another.
pub(super) fn redirect(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    const CODES: [(&str, u16); 6] =
        [("300", 300), ("301", 301), ("302", 302), ("303", 303), ("307", 307), ("308", 308)];
    const USUAL_CODE: u16 = 301;
    let scope = reader.scope;
    let spot = reader.spot;
    conflicts::needs_npm(scope, spot, "redirections");
    let domains = route::domains(&mut reader);
    let to = reader.required("to", "as in `to: https://new.example.org`");
    let to = to.and_then(|text| redirect_target(scope, &text));
    let code = reader.choice("code", &CODES).unwrap_or(USUAL_CODE);
    let keep_path = reader.flag("keep_path").unwrap_or(true);
    let Front { tls, force_https, http2, hsts, advanced } = host_options::front(&mut reader);
    let block_exploits = reader.flag("block_exploits").unwrap_or(false);
    service.dns = record::dns(&mut reader);
    reader.finish(&unsupported::small_kind_key);
    let (scheme, to) = to?;
    // Without HSTS, one redirection is enough.
    let force_https = force_https.unwrap_or(hsts != Hsts::Off);
    let (tls, origin) = (route::by_record(scope, tls?, &domains, spot), scope.origin(spot));
    service.redirects = vec![Redirect {
        domains,
        scheme,
        to,
        code,
        keep_path,
        tls,
        force_https,
        http2,
        block_exploits,
        hsts,
        advanced,
        origin,
    }];
    Some(service)
}

/// Scheme, and a name maybe with a path.
fn redirect_target(scope: &Scope<'_>, text: &Text) -> Option<(String, String)> {
    let (scheme, rest) = match text.text.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
        Some(_) => ("", ""),
        None => ("auto", text.text.as_str()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        Some(_) | None => host,
    };
    // The text ends up in a line of nginx's configuration.
    let is_plain = rest.chars().all(|c| c.is_ascii_graphic() && !"\"'`;{}\\$<>".contains(c));
    if is_plain && route::is_host(host) {
        return Some((scheme.to_owned(), rest.to_owned()));
    }
    scope.not_allowed(text, "`to`", "as in `https://new.example.org` or `new.example.org/path`");
    None
}

/// Who may come in.
pub(super) fn access_list(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    let spot = reader.spot;
    conflicts::needs_npm(scope, spot, "access lists");
    let users = users(&mut reader);
    let allow = clients(&mut reader, "allow");
    let deny = clients(&mut reader, "deny");
    let satisfy_any = reader.choice("satisfy", &[("any", true), ("all", false)]).unwrap_or(allow.is_empty());
    let pass_auth = reader.flag("pass_auth").unwrap_or(false);
    if !reader.has("users") && !reader.has("allow") && !reader.has("deny") {
        let hint = "`users:`, `allow:` or `deny:`";
        scope.error_hint(A0105, spot, "an access list that says nothing".to_owned(), hint);
    }
    reader.finish(&unsupported::small_kind_key);
    let name = service.name.clone();
    let origin = scope.origin(spot);
    service.access_lists = vec![AccessList { name, users, allow, deny, satisfy_any, pass_auth, origin }];
    service.dns = Dns::None;
    Some(service)
}

fn users(reader: &mut Reader<'_>) -> BTreeMap<String, SecretName> {
    let mut users = BTreeMap::new();
    let Some(node) = reader.node("users") else { return users };
    let scope = reader.scope;
    let Data::Map(entries) = &node.data else {
        scope.wrong_type(node, "`users`", "a map of names");
        return users;
    };
    for entry in entries {
        let name = &entry.key;
        if name.contains([':', ' ']) || name.chars().any(char::is_control) {
            let message = format!("a user cannot be called `{}`", shown(name));
            scope.error_hint(A0106, entry.key_spot, message, "no `:` and no space");
        }
        if matches!(entry.value.data, Data::Map(_)) {
            users.extend(container::secret(scope, &entry.value, "a user").map(|secret| (name.clone(), secret)));
            continue;
        }
        let hint = format!("`{0}: {{secret: {0}}}`; if it was committed, change it", shown(name));
        let message = format!("the password of `{}` does not belong in a manifest", shown(name));
        scope.error_hint(A0104, entry.key_spot, message, &hint);
    }
    users
}

/// Networks or addresses, or `all`.
fn clients(reader: &mut Reader<'_>, key: &'static str) -> Vec<String> {
    let label = reader.label(key);
    let mut clients = Vec::new();
    for text in reader.texts(key) {
        let address = text.text.parse::<std::net::IpAddr>().map(|ip| ip.to_string());
        let network = text.text.parse::<IpNet>().map(|net| net.trunc().to_string());
        match (address, network, text.text.as_str()) {
            (Ok(client), _, _) | (Err(_), Ok(client), _) => clients.push(client),
            (Err(_), Err(_), "all") => clients.push("all".to_owned()),
            (Err(_), Err(_), _) => {
                reader.scope.not_allowed(&text, &label, "a network or an address, as in `192.168.0.0/16`");
            }
        }
    }
    clients
}

/// A network that services share.
pub(super) fn network(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let subnet = record::subnet(&mut reader);
    let internal = reader.flag("internal").unwrap_or(false);
    reader.finish(&unsupported::small_kind_key);
    service.network = NetworkMode::Defined { subnet, internal };
    service.dns = Dns::None;
    Some(service)
}
