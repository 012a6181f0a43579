//! `AMARRE_…` variables override amarre.yaml: `AMARRE_DNS_TTL` is `dns.ttl`, `AMARRE_NPM_MAIN_SECRET_FILE` is
//! `npm.main.secret: {file: …}`. Pure: names and values in, a tree out.
//!
//! The names follow from the [`Shape`] of the file, so a new key has its variable at once.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::ConfigError;
use super::keys::Shape;
use super::secrets::SERVICE_SECRETS;
use amarre_core::model::Code;
use amarre_core::model::suggestion::nearest;

/// The prefix of all our variables.
const PREFIX: &str = "AMARRE_";
/// Variables with a meaning of their own, which are no keys.
const NO_KEYS: [&str; 3] = ["AMARRE_CONFIG", "AMARRE_LOG", "AMARRE_LOG_FORMAT"];
/// Values of `{secret: …}`.
const SECRETS: &str = "AMARRE_SECRET_";
const FILE: &str = "_FILE";

/// The target of a name, and its expected shape.
struct OverlayTarget<'s> {
    path: Vec<String>,
    shape: &'s Shape,
}

/// Our variables; an empty one counts as not set.
pub(super) fn own_variables(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let is_key = |name: &str| {
        name.starts_with(PREFIX)
            && !name.starts_with(SECRETS)
            && !name.starts_with(SERVICE_SECRETS)
            && !NO_KEYS.contains(&name)
    };
    variables.filter(|(name, value)| is_key(name) && !value.is_empty()).collect()
}

/// The variable that sets a key, by its name or as a file.
pub(super) fn variable_of<'v>(key: &str, variables: &'v BTreeMap<String, String>) -> Option<&'v str> {
    variables.keys().map(String::as_str).find(|name| {
        let parts: Vec<&str> = name[PREFIX.len()..].split('_').collect();
        strip_key(&parts, key).is_some_and(|rest| matches!(rest, [] | ["FILE"]))
    })
}

/// Applies the variables to the tree.
///
/// # Errors
/// A name leads to no key, or a value does not fit its key.
pub(super) fn apply(tree: &mut Json, shape: &Shape, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    for (name, value) in variables {
        let rest: Vec<&str> = name[PREFIX.len()..].split('_').collect();
        let direct = find(shape, tree, &rest, Vec::new());
        let of_file = name.strip_suffix(FILE).and_then(|_| find(shape, tree, &rest[..rest.len() - 1], Vec::new()));
        let (place, value) = match (direct, of_file) {
            (Some(place), _) => {
                let value = typed(name, place.shape, value)?;
                (place, value)
            }
            // Only a secret may be given as a file.
            (None, Some(place)) if *place.shape == Shape::Any => {
                let file = Map::from_iter([("file".to_owned(), Json::from(value.as_str()))]);
                (place, Json::Object(file))
            }
            (None, _) => return Err(unknown(name, shape, tree)),
        };
        put(tree, &place.path, value);
    }
    Ok(())
}

/// The key that the parts of a name lead to. In a map, an existing name goes before a new one.
fn find<'s>(shape: &'s Shape, tree: &Json, parts: &[&str], path: Vec<String>) -> Option<OverlayTarget<'s>> {
    let longer = |key: &str| path.iter().cloned().chain([key.to_owned()]).collect::<Vec<_>>();
    match shape {
        Shape::Keys(keys) => keys.iter().find_map(|(key, below)| {
            let rest = strip_key(parts, key)?;
            find(below, &tree[*key], rest, longer(key))
        }),
        Shape::Names(below) => {
            let known = tree.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let known = known.filter_map(|name| Some((name.to_owned(), strip_key(parts, name)?)));
            // `default` may be meant in any of our maps.
            let fresh = (1..=parts.len()).map(|count| (fresh(below, &parts[..count]), &parts[count..]));
            known.chain(fresh).find_map(|(name, rest)| {
                // The rest of the variable is the name of a text.
                find(below, &tree[&name], rest, longer(&name)).filter(|_| !name.is_empty())
            })
        }
        Shape::List | Shape::Flag | Shape::Number | Shape::Text | Shape::Any => {
            parts.is_empty().then_some(OverlayTarget { path, shape })
        }
    }
}

/// The parts after a key; `-` and `.` cannot stand in a variable's name.
fn strip_key<'p>(parts: &'p [&'p str], key: &str) -> Option<&'p [&'p str]> {
    let count = key.split(['_', '-', '.']).count();
    let own = parts.get(..count)?.join("_");
    let spelled = key.replace(['-', '.'], "_");
    own.eq_ignore_ascii_case(&spelled).then(|| &parts[count..])
}

/// A new name in a map: lower case, but unchanged where names are only names (`vars`).
fn fresh(below: &Shape, parts: &[&str]) -> String {
    let name = parts.join("_");
    match below {
        Shape::Text => name,
        Shape::Keys(_) | Shape::Names(_) | Shape::List | Shape::Flag | Shape::Number | Shape::Any => {
            name.to_lowercase()
        }
    }
}

fn typed(name: &str, shape: &Shape, value: &str) -> Result<Json, ConfigError> {
    let wrong = |what: &str| {
        ConfigError::new(Code::A0221, format!("{name}: `{value}` is not {what}"), "see docs/configuration.md")
    };
    match shape {
        Shape::Text => Ok(Json::from(value)),
        Shape::Flag => match value {
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            _ => Err(wrong("true or false")),
        },
        Shape::Number => value.parse::<i64>().map(Json::from).map_err(|_| wrong("a number")),
        Shape::List if value.trim() == "[]" => Ok(Json::Array(Vec::new())),
        Shape::List => Ok(value.split(',').map(|item| Json::from(item.trim())).collect()),
        // A structured value has the syntax of the file; the value itself is not shown, for it may be a secret.
        Shape::Any if value.starts_with('{') || value.starts_with('[') => {
            serde_yaml::from_str(value).or_else(|_| Ok(Json::from(value)))
        }
        Shape::Any => Ok(Json::from(value)),
        Shape::Keys(_) | Shape::Names(_) => Err(wrong("a value")),
    }
}

fn put(tree: &mut Json, path: &[String], value: Json) {
    let mut at = tree;
    for key in path {
        // A value that was no map becomes one: the variable wins.
        if !at.is_object() {
            *at = Json::Object(Map::new());
        }
        at = &mut at[key.as_str()];
    }
    *at = value;
}

fn unknown(name: &str, shape: &Shape, tree: &Json) -> ConfigError {
    let known = names(shape, tree, PREFIX.trim_end_matches('_'));
    let known: Vec<&str> = known.iter().map(String::as_str).chain(NO_KEYS).collect();
    let hint = match nearest(name, &known) {
        Some(near) => format!("did you mean {near}?"),
        None => "every key of docs/configuration.md has its name; secrets of manifests are AMARRE_SERVICE_SECRET_…"
            .to_owned(),
    };
    ConfigError::new(Code::A0220, format!("the environment has {name}, and there is no such key"), hint)
}

/// Every name, with the existing names of maps and the default ones.
fn names(shape: &Shape, tree: &Json, prefix: &str) -> Vec<String> {
    let spell = |key: &str| format!("{prefix}_{}", key.replace(['-', '.'], "_").to_uppercase());
    match shape {
        Shape::Keys(keys) => keys.iter().flat_map(|(key, below)| names(below, &tree[*key], &spell(key))).collect(),
        Shape::Names(below) => {
            let mut known: Vec<&str> = tree.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            known.extend(["default", "main"]);
            known.into_iter().flat_map(|name| names(below, &tree[name], &spell(name))).collect()
        }
        Shape::Any => vec![prefix.to_owned(), format!("{prefix}{FILE}")],
        Shape::List | Shape::Flag | Shape::Number | Shape::Text => vec![prefix.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::file::File;

    fn lay_over(mut tree: Json, variables: &[(&str, &str)]) -> Result<Json, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let done = apply(&mut tree, &Shape::new::<File>(), &own_variables(variables));
        done.map(|()| tree).map_err(|error| format!("{}: {}; {}", error.code, error.message, error.hints[0].text))
    }

    #[test]
    fn every_key_has_its_name() {
        let shape = Shape::new::<File>();
        let names = names(&shape, &json!({}), "AMARRE");
        for name in [
            "AMARRE_INSTANCE",
            "AMARRE_DOMAINS",
            "AMARRE_SOURCE_FOLDER",
            "AMARRE_RECONCILE_INTERVAL",
            "AMARRE_RECONCILE_PRUNE",
            "AMARRE_DEFAULTS_LOGGING_DRIVER",
            "AMARRE_HOSTS_DEFAULT_DOCKER",
            "AMARRE_HOSTS_DEFAULT_ALSO_AT",
            "AMARRE_NPM_MAIN_URL",
            "AMARRE_NPM_MAIN_SECRET",
            "AMARRE_NPM_MAIN_SECRET_FILE",
            "AMARRE_OVH_CONSUMER_KEY_FILE",
            "AMARRE_NETWORK_PREFIX",
            "AMARRE_DNS_PROPAGATION_RESOLVERS",
            "AMARRE_POLICY_HOST_PATHS",
            "AMARRE_SERVER_LISTEN",
            "AMARRE_STATE",
        ] {
            assert!(names.contains(&name.to_owned()), "{name}: {names:#?}");
        }
        // Each key's variable leads to it and to no other key.
        for name in &names {
            let parts: Vec<&str> = name["AMARRE_".len()..].split('_').collect();
            // Some keys end in `file` themselves.
            let of_file = name.strip_suffix(FILE).map(|_| &parts[..parts.len() - 1]);
            let mut ways = [Some(parts.as_slice()), of_file].into_iter().flatten();
            assert!(ways.any(|way| find(&shape, &json!({}), way, Vec::new()).is_some()), "{name} leads nowhere");
        }
    }

    #[test]
    fn a_variable_is_typed_as_its_key_and_goes_before_the_file() {
        let file = json!({"domain": "old.example", "dns": {"ttl": "1h"}, "hosts": {"my-host": {"data": "/data"}}});
        let laid = lay_over(
            file,
            &[
                ("AMARRE_DOMAIN", "example.org"),
                ("AMARRE_DNS_PROPAGATION_RESOLVERS", "1.1.1.1, 9.9.9.9"),
                ("AMARRE_DNS_PROPAGATION_SERVERS", "[]"),
                ("AMARRE_NETWORK_PREFIX", "25"),
                ("AMARRE_RECONCILE_PRUNE", "false"),
                ("AMARRE_HOSTS_MY_HOST_ALSO_AT", "192.0.2.1"),
                ("AMARRE_HOSTS_DEFAULT_PRIVATE_ADDRESS", "192.168.1.10"),
                ("AMARRE_NPM_MAIN_SECRET_FILE", "/run/secrets/npm"),
                ("AMARRE_OVH_CONSUMER_KEY", "{secret: ovh/consumer}"),
                ("AMARRE_VARS_Tz_Name", "Europe/Paris"),
                ("AMARRE_STATE", ""),
                ("AMARRE_CONFIG", "elsewhere.yaml"),
                ("AMARRE_SECRET_CLOUD_DB", "x"),
                ("PATH", "/bin"),
            ],
        );
        let expected = json!({
            "domain": "example.org",
            "dns": {"ttl": "1h", "propagation": {"resolvers": ["1.1.1.1", "9.9.9.9"], "servers": []}},
            "network": {"prefix": 25},
            "reconcile": {"prune": false},
            "hosts": {"my-host": {"data": "/data", "also_at": "192.0.2.1"}, "default": {"private_address": "192.168.1.10"}},
            "npm": {"main": {"secret": {"file": "/run/secrets/npm"}}},
            "ovh": {"consumer_key": {"secret": "ovh/consumer"}},
            "vars": {"Tz_Name": "Europe/Paris"},
        });
        assert_eq!(laid, Ok(expected));
    }

    #[test]
    fn a_key_is_set_by_its_variable_or_by_that_of_its_file() {
        for (name, key, is_set) in [
            ("AMARRE_DNS_TTL", "dns.ttl", true),
            ("AMARRE_HOSTS_my_host_ADDRESS", "hosts.my-host.address", true),
            ("AMARRE_NPM_MAIN_SECRET_FILE", "npm.main.secret", true),
            ("AMARRE_NPM_MAIN_SECRET_FILE", "npm.main.secret.file", true),
            ("AMARRE_DNS_TTL", "dns", false),
            ("AMARRE_DNS_TTL", "dns.ttl.x", false),
            ("AMARRE_DNS_TTL", "", false),
        ] {
            let variables = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
            assert_eq!(variable_of(key, &variables), is_set.then_some(name), "{key}");
        }
    }

    #[test]
    fn a_name_that_leads_nowhere_is_an_error() {
        for (name, near) in [
            ("AMARRE_DNS_TLL", "did you mean AMARRE_DNS_TTL?"),
            ("AMARRE_NPM_MAIN_SECERT_FILE", "did you mean AMARRE_NPM_MAIN_SECRET_FILE?"),
            ("AMARRE_CONFG", "did you mean AMARRE_CONFIG?"),
            ("AMARRE_FROBNICATE", "every key of docs/configuration.md has its name"),
        ] {
            let error = lay_over(json!({}), &[(name, "x")]).unwrap_err();
            assert!(
                error.starts_with(&format!("A0220: the environment has {name}, and there is no such key")),
                "{error}"
            );
            assert!(error.contains(near), "{error}");
        }
        for (name, value) in [("AMARRE_RECONCILE_PRUNE", "yes"), ("AMARRE_NETWORK_PREFIX", "big")] {
            let error = lay_over(json!({}), &[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("A0221: {name}: `{value}` is not ")), "{error}");
        }
        assert!(lay_over(json!({}), &[("AMARRE_DNS", "x")]).is_err(), "a map has no value of its own");
    }
}
