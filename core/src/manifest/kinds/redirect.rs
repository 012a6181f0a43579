//! `kind: Redirect`: a name that leads to another.

use serde_json::{Value as Json, json};

use super::route::LeadsTo;
use super::shared::host_options;
use super::shared::host_options::HostOptions;
use super::{ManifestKindRow, record, route};
use crate::manifest::compose::unsupported;
use crate::manifest::policy::cross_manifest;
use crate::manifest::policy::nginx_locations::OwnBlock;
use crate::manifest::reader::Reader;
use crate::manifest::schema_keys::{dns, either, flag, head, hsts, list, object, text, tls};
use crate::manifest::scope::{PlacedText, Scope};
use crate::model::manifest_kind::OF_ANSWERED;
use crate::model::service::{AnsweredHost, Hsts, ManifestKind, Service};
use crate::model::{Code, Fields, Kind, Value};
use crate::text;

/// The row of the kind.
pub(super) const ROW: ManifestKindRow =
    ManifestKindRow { kind: ManifestKind::new("Redirect").using(OF_ANSWERED), parse, schema };

/// A name that leads to another.
fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    const CODES: [(&str, u16); 6] =
        [("300", 300), ("301", 301), ("302", 302), ("303", 303), ("307", 307), ("308", 308)];
    const USUAL_CODE: u16 = 301;
    // nginx answers it with the address as a text, and browsers stay.
    const WITHOUT_LOCATION: u16 = 300;
    let scope = reader.scope;
    let spot = reader.spot;
    cross_manifest::needs_npm(scope, spot, text!("redirections"));
    let domains = route::domains(&mut reader, LeadsTo::Host);
    let to = reader.required("to", text!("as in {example}", example = "`to: https://new.example.org`"));
    let to = to.and_then(|text| redirect_target(scope, &text));
    let code = reader.choice("code", &CODES).unwrap_or(USUAL_CODE);
    if code == WITHOUT_LOCATION {
        let hint = text!("301 or 308 redirects for good, 302 or 307 for now");
        scope.error_hint(Code::A0106, reader.key_spot("code"), text!("nginx sends no `Location` with code 300"), hint);
    }
    let keep_path = reader.flag("keep_path").unwrap_or(true);
    let HostOptions { tls, force_https, http2, hsts, advanced } =
        host_options::front(&mut reader, OwnBlock::Redirection, false);
    let block_exploits = reader.flag("block_exploits").unwrap_or(false);
    service.dns = record::dns(&mut reader);
    reader.finish(&unsupported::small_kind_key);
    let (scheme, to) = to?;
    // Without HSTS, one redirection is enough.
    let force_https = force_https.unwrap_or(hsts != Hsts::Off);
    let (tls, origin) = (route::by_record(scope, tls?, &domains, spot), scope.origin(spot));
    let fields = Fields::default()
        .with("scheme", Value::text(scheme))
        .with("to", Value::text(to))
        .with("code", Value::Int(i64::from(code)))
        .with("keep_path", Value::Bool(keep_path))
        .with("block_exploits", Value::Bool(block_exploits));
    let kind = Kind::Redirection;
    service.answered = vec![AnsweredHost { kind, domains, tls, force_https, http2, hsts, advanced, fields, origin }];
    Some(service)
}

/// Scheme, and a name maybe with a path.
fn redirect_target(scope: &Scope<'_>, text: &PlacedText) -> Option<(String, String)> {
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
    let hint = text!("as in `https://new.example.org` or `new.example.org/path`");
    scope.not_allowed(text, "`to`", hint);
    None
}

fn schema() -> Json {
    let mut keys = head();
    keys.extend([
        ("domain", text(), "As of a route"),
        ("aliases", list(text()), "More names"),
        ("to", text(), "Where to"),
        ("code", either(&[json!({"enum": [301, 302, 303, 307, 308]}), text()]), "301 if not set"),
        ("keep_path", flag(), "The path goes along"),
        ("force_https", flag(), "To this name's own HTTPS first"),
        ("block_exploits", flag(), "NPM's filter of common attacks"),
        ("http2", flag(), "With a certificate"),
        ("hsts", hsts(), "Browsers come by HTTPS only from then on"),
        ("advanced", text(), "Lines of nginx's configuration"),
        ("tls", tls(), "As of a route"),
        ("dns", dns(), "Records for its names"),
    ]);
    object(&["name", "domain", "to"], keys)
}
