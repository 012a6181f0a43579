//! `kind: DeadHost`: names that NPM answers with "404 Not Found", which NPM calls a 404 host.

use serde_json::Value as Json;

use super::route::LeadsTo;
use super::shared::host_options;
use super::shared::host_options::HostOptions;
use super::{ManifestKindRow, record, route};
use crate::manifest::compose::unsupported;
use crate::manifest::policy::cross_manifest;
use crate::manifest::policy::nginx_locations::OwnBlock;
use crate::manifest::reader::Reader;
use crate::manifest::schema_keys::{dns, flag, head, hsts, list, object, text, tls};
use crate::model::manifest_kind::OF_ANSWERED;
use crate::model::service::{AnsweredHost, Hsts, ManifestKind, Service};
use crate::model::{Fields, Kind};
use crate::text;

/// The row of the kind.
pub(super) const ROW: ManifestKindRow =
    ManifestKindRow { kind: ManifestKind::new("DeadHost").using(OF_ANSWERED), parse, schema };

fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    let spot = reader.spot;
    cross_manifest::needs_npm(scope, spot, text!("404 hosts"));
    let domains = route::domains(&mut reader, LeadsTo::Host);
    let HostOptions { tls, force_https, http2, hsts, advanced } =
        host_options::front(&mut reader, OwnBlock::NotFound, false);
    service.dns = record::dns(&mut reader);
    reader.finish(&unsupported::small_kind_key);
    // Without HSTS, plain HTTP gets its 404 too.
    let force_https = force_https.unwrap_or(hsts != Hsts::Off);
    let (tls, origin) = (route::by_record(scope, tls?, &domains, spot), scope.origin(spot));
    let (kind, fields) = (Kind::DeadHost, Fields::default());
    service.answered = vec![AnsweredHost { kind, domains, tls, force_https, http2, hsts, advanced, fields, origin }];
    Some(service)
}

fn schema() -> Json {
    let mut keys = head();
    keys.extend([
        ("domain", text(), "As of a route"),
        ("aliases", list(text()), "More names"),
        ("force_https", flag(), "To HTTPS before the 404"),
        ("http2", flag(), "With a certificate"),
        ("hsts", hsts(), "Browsers come by HTTPS only from then on"),
        ("advanced", text(), "Lines of nginx's configuration"),
        ("tls", tls(), "As of a route"),
        ("dns", dns(), "Records for its names"),
    ]);
    object(&["name", "domain"], keys)
}
