//! What stands in front of a route or redirection whatever it leads to: certificate, HTTPS, nginx's own lines, and the
//! paths that lead elsewhere.

use std::net::IpAddr;

use crate::manifest::kinds::route;
use crate::manifest::kinds::route::Targets;
use crate::manifest::policy;
use crate::manifest::policy::nginx_locations::{LineFault, LinesPlace, OwnBlock};
use crate::manifest::policy::{Closed, nginx, nginx_locations};
use crate::manifest::reader::{Reader, flag, nothing_else};
use crate::manifest::scope::{AllowedBy, Scope};
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::manifest::yaml::tree::{Node, NodeData};
use crate::model::Code;
use crate::model::service::{Hsts, Location, Target, Tls};
use crate::model::site::NginxPolicy;
use crate::text;

/// NPM takes bodies of 100 kB; what is longer belongs into a file of its own.
const ADVANCED_BYTES_MAX: usize = 32 * 1024;
/// Each is a block in the site's file; more is a service of its own.
const LOCATIONS_MAX: usize = 50;

/// What is in front of a host.
pub(crate) struct HostOptions {
    /// `None` when it is wrong.
    pub tls: Option<Tls>,
    pub force_https: Option<bool>,
    pub http2: bool,
    pub hsts: Hsts,
    pub advanced: String,
}

/// `tls`, `force_https`, `http2`, `hsts` and `advanced`, before this block of NPM's own.
pub(crate) fn front(reader: &mut Reader<'_>, own: OwnBlock, has_list: bool) -> HostOptions {
    let scope = reader.scope;
    let tls = route::tls(reader);
    let force_https = reader.flag("force_https");
    let http2 = reader.flag("http2");
    let hsts = hsts(reader).unwrap_or_default();
    let is_plain = tls == Some(Tls::None);
    let is_strict = hsts != Hsts::Off;
    let needs_tls = [("force_https", force_https == Some(true)), ("http2", http2 == Some(true)), ("hsts", is_strict)];
    for (key, _) in needs_tls.into_iter().filter(|(_, is_on)| *is_on && is_plain) {
        scope.error(Code::A0106, reader.key_spot(key), text!("`{key}` needs a certificate: `tls:`", key));
    }
    if is_strict && force_https == Some(false) {
        let hint = text!("leave `force_https` out: NPM sends the header only where it forces HTTPS");
        scope.error_hint(Code::A0106, reader.key_spot("hsts"), text!("`hsts` needs `force_https`"), hint);
    }
    let place = LinesPlace { own, has_list, has_hsts: is_strict };
    let advanced = advanced(reader, place).unwrap_or_default();
    HostOptions { http2: http2.unwrap_or(!is_plain), tls, force_https, hsts, advanced }
}

/// `true`, `false` or `{subdomains: true}`.
fn hsts(reader: &mut Reader<'_>) -> Option<Hsts> {
    let scope = reader.scope;
    let node = reader.node("hsts")?;
    if let NodeData::Map(_) = &node.data {
        let mut inner = Reader::open(scope, node, "`hsts`", "hsts.")?;
        let subdomains = inner.flag("subdomains");
        if !inner.has("subdomains") {
            inner.missing("subdomains", text!("as in {example}", example = "`hsts: {subdomains: true}`"));
        }
        inner.finish(&nothing_else);
        return Some(if subdomains? { Hsts::Subdomains } else { Hsts::Names });
    }
    match flag(node) {
        Ok(true) => Some(Hsts::Names),
        Ok(false) => Some(Hsts::Off),
        Err(_) => {
            scope.wrong_type(node, "`hsts`", text!("true, false or a map with `subdomains`"));
            None
        }
    }
}

/// Lines of nginx's configuration. Their `$host` is nginx's, so no variable of ours is replaced in them.
fn advanced(reader: &mut Reader<'_>, place: LinesPlace) -> Option<String> {
    let scope = reader.scope;
    let label = reader.label("advanced");
    let node = reader.node("advanced")?;
    let Some(raw) = node.scalar() else {
        scope.wrong_type(node, &label, text!("text"));
        return None;
    };
    if raw.len() > ADVANCED_BYTES_MAX {
        let (size, most) = (raw.len().to_string(), ADVANCED_BYTES_MAX.to_string());
        let message = text!("{what} has {size} bytes, at most {most}", what = label, size, most);
        scope.error(Code::A0108, node.spot, message);
        return None;
    }
    if raw.contains('\0') {
        scope.error(Code::A0106, node.spot, text!("{what} holds a NUL character", what = label));
        return None;
    }
    let text = raw.replace("\r\n", "\n").trim_end().to_owned();
    let policy = scope.site.policy.nginx;
    let fault = nginx::fault(&text, policy);
    if fault.is_none() && !text.is_empty() {
        let by = match policy {
            NginxPolicy::None => AllowedBy::rule("only comments"),
            NginxPolicy::Directives => AllowedBy::rule("its directives are known to be harmless"),
            NginxPolicy::Any => AllowedBy::Policy("nginx: any".to_owned()),
        };
        policy::allowed(scope, node.spot, "nginx", "advanced", by);
    }
    if let Some(fault) = fault {
        let spot = spot_of(node, &text, fault.line);
        if fault.code == Code::A0272 {
            let (item, message) = ("auth_request_set", fault.message);
            let hint = text!("ask the operator for `policy.nginx: any`");
            policy::report_closed(scope, &Closed { code: Code::A0272, spot, word: "nginx", item, message, hint });
            return None;
        }
        let problem = Problem::error(fault.code, spot, fault.message);
        let hints = [
            (Code::A0210, text!("ask the operator to allow them by `policy.nginx`")),
            (Code::A0211, text!("ask the operator for `policy.nginx: any`")),
            (Code::A0286, text!("write it more simply, or ask the operator for `policy.nginx: any`")),
        ];
        let hint = hints.into_iter().find(|(code, _)| *code == fault.code).map(|(_, hint)| hint);
        let hint = hint.unwrap_or_else(|| text!("the lines must stand by themselves, as in a `server` block"));
        scope.report(problem.hint(hint));
        return None;
    }
    if let Some(LineFault { line, message, hint }) = nginx_locations::conflict(&text, place) {
        scope.report(Problem::error(Code::A0292, spot_of(node, &text, line), message).hint(hint));
        return None;
    }
    for LineFault { line, message, hint } in nginx_locations::without_effect(&text, place) {
        scope.report(Problem::warning(Code::A0293, spot_of(node, &text, line), message).hint(hint));
    }
    Some(text)
}

/// Where a line of a block of text stands in the file; elsewhere the text itself.
fn spot_of(node: &Node, text: &str, line: usize) -> Spot {
    let Spot { line: first, column, end_line: last, .. } = node.spot;
    let at = first + line - 1;
    if last > first && text.contains('\n') && at <= last {
        return Spot { line: at, column, end_line: at + 1, end_column: 1, ..node.spot };
    }
    node.spot
}

/// `locations:`, ordered by path.
pub(crate) fn locations(reader: &mut Reader<'_>, targets: Targets<'_>, has_list: bool) -> Vec<Location> {
    let scope = reader.scope;
    let Some(node) = reader.node("locations") else { return Vec::new() };
    let NodeData::List(items) = &node.data else {
        scope.wrong_type(node, "`locations`", text!("a list"));
        return Vec::new();
    };
    if items.len() > LOCATIONS_MAX {
        let message = text!("{n} locations on one route, at most {most}", n = items.len(), most = LOCATIONS_MAX);
        scope.error(Code::A0108, node.spot, message);
        return Vec::new();
    }
    let mut locations: Vec<Location> = Vec::new();
    for item in items {
        let Some(location) = location(scope, item, targets, has_list) else { continue };
        if locations.iter().any(|other| other.path == location.path) {
            let message = text!("path `{path}` stands twice on one route", path = shown(&location.path));
            scope.error(Code::A0106, item.spot, message);
        }
        locations.push(location);
    }
    locations.sort_by(|left, right| left.path.cmp(&right.path));
    locations
}

fn location(scope: &Scope<'_>, node: &Node, targets: Targets<'_>, has_list: bool) -> Option<Location> {
    let mut reader = Reader::open(scope, node, text!("a location"), "")?;
    let path = reader.required("path", text!("as in {example}", example = "`path: /api`")).and_then(|path| {
        let hint =
            text!("a path as in `/api`, `= /api` or `^~ /api`; patterns need `advanced` and `policy.nginx: any`");
        match (path.text.as_str(), nginx::is_path(&path.text)) {
            ("/", _) => scope.not_allowed(&path, "`path`", text!("that is where the route's own `to` leads")),
            (_, false) => scope.not_allowed(&path, "`path`", hint),
            (_, true) => return Some(path.text),
        }
        None
    });
    let text = reader.required("to", text!("as in {example}", example = "`to: app:80`"));
    let to = text.and_then(|text| match targets {
        Targets::Containers(keys) => Some((route::container_target(scope, &text, keys)?, String::new())),
        Targets::Urls => {
            let (target, to_path) = route::url_with_path(scope, &text)?;
            needs_address(scope, &target, text.spot)?;
            Some((target, to_path))
        }
    });
    let place = LinesPlace { own: OwnBlock::Path, has_list, has_hsts: false };
    let advanced = advanced(&mut reader, place).unwrap_or_default();
    reader.finish(&nothing_else);
    let (to, to_path) = to?;
    Some(Location { path: path?, to, to_path, advanced })
}

/// nginx looks such a name up once, when it loads. One that does not resolve then keeps every site down.
pub(crate) fn needs_address(scope: &Scope<'_>, target: &Target, spot: Spot) -> Option<()> {
    let Target::Url { host, .. } = target else { return Some(()) };
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Some(());
    }
    let message = text!("`to` needs an address here, not the name `{name}`", name = shown(host));
    let hint = text!("nginx resolves it when it loads: on the day it cannot, no site comes up; write its address");
    scope.error_hint(Code::A0170, spot, message, hint);
    None
}
