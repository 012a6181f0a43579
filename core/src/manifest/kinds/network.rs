//! `kind: Network`: a network that services share.

use serde_json::Value as Json;

use super::{ManifestKindRow, record, service};
use crate::manifest::compose::unsupported;
use crate::manifest::schema::{head, object, own_network_keys};
use crate::manifest::yaml::reader::Reader;
use crate::model::service::{Dns, ManifestKind, NetworkMode, Service};

/// The row of the kind.
pub(super) const ROW: ManifestKindRow = ManifestKindRow { kind: ManifestKind::NETWORK, parse, schema };

/// A network that services share.
fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let subnet = record::subnet(&mut reader);
    let internal = reader.flag("internal").unwrap_or(false);
    service::name_of_edge(&reader, &service);
    reader.finish(&unsupported::small_kind_key);
    service.network = NetworkMode::Defined { subnet, internal };
    service.dns = Dns::None;
    Some(service)
}
fn schema() -> Json {
    object(&["name"], [head(), own_network_keys()].concat())
}
