//! The fields of a host that follow from what it leads to, and those that every host has.

use std::collections::BTreeMap;

use super::expand::Expansion;
use super::reach;
use super::rollout::Target as Serving;
use crate::model::service::{Hsts, Location, Target};
use crate::model::{Fields, Need, Value};

/// An address and a port, each as it is known.
type At = (Value, Value);

/// Scheme and place of a target; that of a container is known when it is there. `None`: no such container; a host
/// that `is_there` stays while its container is away, without a place.
pub fn upstream(
    expansion: &Expansion<'_>,
    to: &Target,
    is_there: bool,
    serving: &BTreeMap<String, Serving>,
    needs: &mut Vec<Need>,
) -> Option<(String, Option<At>)> {
    match to {
        Target::Url { scheme, host, port } => {
            Some((scheme.clone(), Some((Value::text(host), Value::Int(i64::from(*port))))))
        }
        Target::Container { key, port } => {
            let Some(target) = serving.get(key) else {
                return is_there.then(|| ("http".to_owned(), None));
            };
            let need = Need::ready(target.address.clone());
            if !needs.contains(&need) {
                needs.push(need);
            }
            Some(("http".to_owned(), Some(reach::point(expansion, target, *port))))
        }
    }
}

/// The paths of a host that lead elsewhere; `None` where the place of one is not known.
pub fn locations(
    expansion: &Expansion<'_>,
    locations: &[Location],
    is_there: bool,
    serving: &BTreeMap<String, Serving>,
    needs: &mut Vec<Need>,
) -> Option<Value> {
    let mut values = Vec::new();
    for location in locations {
        let Some((scheme, at)) = upstream(expansion, &location.to, is_there, serving, needs) else { continue };
        let (host, port) = at?;
        let mut entries = BTreeMap::from([
            ("path".to_owned(), Value::text(&location.path)),
            ("scheme".to_owned(), Value::text(scheme)),
            ("host".to_owned(), host),
            ("port".to_owned(), port),
        ]);
        let texts = [("to_path", &location.to_path), ("advanced", &location.advanced)];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        entries.extend(texts.map(|(name, text)| (name.to_owned(), Value::text(text))));
        values.push(Value::Map(entries));
    }
    Some(Value::List(values))
}

/// The fields of a host that say for whom HTTPS is the only way, and its lines of nginx's configuration.
pub fn strict(fields: Fields, hsts: Hsts, advanced: &str) -> Fields {
    fields
        .with("hsts", Value::Bool(hsts != Hsts::Off))
        .with("hsts_subdomains", Value::Bool(hsts == Hsts::Subdomains))
        .with("advanced", Value::text(advanced))
}
