//! The fields of a host that follow from what it leads to, and those that every host has.

use std::collections::BTreeMap;

use super::rollout::Target as Serving;
use crate::model::service::{Hsts, Location, Target};
use crate::model::{Fields, Need, Value};

/// Scheme, address and port of a target; the address of a container is known when it is there. `None`: no such container.
pub fn upstream(
    to: &Target,
    serving: &BTreeMap<String, Serving>,
    needs: &mut Vec<Need>,
) -> Option<(String, Value, u16)> {
    match to {
        Target::Url { scheme, host, port } => Some((scheme.clone(), Value::text(host), *port)),
        Target::Container { key, port } => {
            let of = serving.get(key)?.address.clone();
            let need = Need::ready(of.clone());
            if !needs.contains(&need) {
                needs.push(need);
            }
            Some(("http".to_owned(), Value::Output { of, field: "address".to_owned() }, *port))
        }
    }
}

/// The paths of a host that lead elsewhere.
pub fn locations(locations: &[Location], serving: &BTreeMap<String, Serving>, needs: &mut Vec<Need>) -> Value {
    let mut values = Vec::new();
    for location in locations {
        let Some((scheme, host, port)) = upstream(&location.to, serving, needs) else { continue };
        let mut entries = BTreeMap::from([
            ("path".to_owned(), Value::text(&location.path)),
            ("scheme".to_owned(), Value::text(scheme)),
            ("host".to_owned(), host),
            ("port".to_owned(), Value::Int(i64::from(port))),
        ]);
        let texts = [("to_path", &location.to_path), ("advanced", &location.advanced)];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        entries.extend(texts.map(|(name, text)| (name.to_owned(), Value::text(text))));
        values.push(Value::Map(entries));
    }
    Value::List(values)
}

/// The fields of a host that say for whom HTTPS is the only way, and its lines of nginx's configuration.
pub fn strict(fields: Fields, hsts: Hsts, advanced: &str) -> Fields {
    fields
        .with("hsts", Value::Bool(hsts != Hsts::Off))
        .with("hsts_subdomains", Value::Bool(hsts == Hsts::Subdomains))
        .with("advanced", Value::text(advanced))
}
