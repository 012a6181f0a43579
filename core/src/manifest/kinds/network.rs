//! `kind: Network`: a network that services share.

use serde_json::Value as Json;

use super::{ManifestKindRow, service};
use crate::manifest::compose::{own_network, unsupported};
use crate::manifest::reader::Reader;
use crate::manifest::schema_keys::{head, object, own_network_keys};
use crate::model::service::{Dns, ManifestKind, NetworkMode, Service};

/// The row of the kind.
pub(super) const ROW: ManifestKindRow = ManifestKindRow { kind: ManifestKind::NETWORK, parse, schema };

/// A network that services share.
fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let subnet = own_network::subnet(&mut reader);
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
