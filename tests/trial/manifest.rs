//! `kind: TrialServer`: a server that a cloud rents out. It exists only where tests ask for it (feature `trial`).

use serde_json::Value as Json;

use super::ManifestKindRow;
use crate::manifest::compose::unsupported;
use crate::manifest::schema::{head, object, text};
use crate::manifest::yaml::diagnostic::shown;
use crate::manifest::yaml::reader::Reader;
use crate::model::service::{Dns, ManifestKind, PlainResource, Service};
use crate::model::{Address, Code, Fields, Kind, Millis, Value};

/// The row of the kind.
pub(super) const ROW: ManifestKindRow =
    ManifestKindRow { kind: ManifestKind::without_host("TrialServer"), parse, schema };

/// A server is booted within this time.
const READY_WITHIN: Millis = Millis::minutes(5);

fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let (scope, spot) = (reader.scope, reader.spot);
    let named = reader.required("cloud", "a name below `clouds:` of amarre.yaml")?;
    let region = reader.required("region", "one of the cloud's, as in `region: north`")?;
    let size = reader.required("size", "as in `size: small`")?;
    reader.finish(&unsupported::small_kind_key);
    let Some(cloud) = scope.site.clouds.get(&named.text) else {
        let message = format!("there is no cloud `{}`", shown(&named.text));
        scope.error_hint(Code::A0106, named.spot, message, "name one below `clouds:` of amarre.yaml");
        return None;
    };
    let name = format!("{}/{}", region.text, service.name);
    service.resources = vec![PlainResource {
        address: Address::new(cloud.provider.clone(), Kind::TrialServer, &name),
        fields: Fields::default().with("size", Value::text(size.text)).with("mark", Value::Bool(true)),
        limit: READY_WITHIN,
        origin: scope.origin(spot),
    }];
    service.dns = Dns::None;
    Some(service)
}

fn schema() -> Json {
    let mut keys = head();
    keys.extend([
        ("cloud", text(), "A name below `clouds:`"),
        ("region", text(), "One of the cloud's"),
        ("size", text(), "Of the server"),
    ]);
    object(&["name", "cloud", "region", "size"], keys)
}
