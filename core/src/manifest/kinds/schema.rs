//! The JSON Schema of manifests (draft 2020-12), for editors: `amarre schema`. Pure.
//!
//! One table a kind, in the file of the kind: a key, its forms, a sentence. It says which keys there are and which forms they have; what
//! depends on other keys, on the configuration or on the words of a text, `amarre validate` says.

use serde_json::{Map, Value as Json, json};

use super::KINDS;
use crate::manifest::compose::container_schema;
use crate::manifest::reader::ManifestSection;
use crate::manifest::schema_keys::{
    flag, kept_keys, letsencrypt_keys, location_keys, object, own_network_keys, reconcile_keys, record_keys,
    route_keys, tls_keys, update_keys,
};
use crate::model::service::ManifestKind;

/// The whole schema.
pub fn schema() -> Json {
    let kinds: Vec<(&str, Json)> = KINDS.iter().map(|row| (row.kind.word(), (row.schema)())).collect();
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let is = |name: &str| match name {
        // Without a kind it is a Service.
        "Service" => json!({"properties": {"kind": {"const": name}}}),
        _ => json!({"properties": {"kind": {"const": name}}, "required": ["kind"]}),
    };
    let choices: Vec<Json> =
        names.iter().map(|name| json!({"if": is(name), "then": {"$ref": format!("#/$defs/{name}")}})).collect();
    let mut parts: Map<String, Json> = kinds.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    for (name, part) in [
        ("route", object(&["domain", "to"], route_keys())),
        ("location", object(&["path"], location_keys())),
        ("tls", object(&["letsencrypt"], tls_keys())),
        ("letsencrypt", object(&[], letsencrypt_keys())),
        ("hsts", object(&["subdomains"], vec![("subdomains", flag(), "Of the names below it, too")])),
        ("record", object(&["name", "type"], record_keys())),
        ("own_network", object(&[], own_network_keys())),
        ("reconcile", object(&[], reconcile_keys())),
        ("kept", object(&[], kept_keys())),
        ("update", object(&[], update_keys())),
    ] {
        parts.insert(name.to_owned(), part);
    }
    parts.extend(container_schema::parts().into_iter().map(|(name, part)| (name.to_owned(), part)));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A manifest of Amarre",
        "type": "object",
        "properties": {"kind": {"enum": names, "default": "Service", "description": "What it is"}},
        "allOf": choices,
        "$defs": parts,
    })
}

/// The keys of a kind of manifest below which there is a key of this name: of a map, or of the maps in a list.
pub(crate) fn sections_with(kind: ManifestKind, name: &str) -> Vec<ManifestSection> {
    let whole = schema();
    let parts = &whole["$defs"];
    let has = |form: &&Json| form["properties"].get(name).is_some();
    let section = |(key, forms): (&String, &Json)| {
        let all = alternatives(parts, forms);
        let is_map = all.iter().any(has);
        let is_list = all.iter().flat_map(|form| alternatives(parts, &form["items"])).any(|form| has(&form));
        (is_map || is_list).then(|| ManifestSection { key: key.clone(), is_list: !is_map })
    };
    parts[kind.word()]["properties"].as_object().into_iter().flatten().filter_map(section).collect()
}

/// The forms that a value may have, links followed.
fn alternatives<'a>(parts: &'a Json, forms: &'a Json) -> Vec<&'a Json> {
    let link = forms["$ref"].as_str().and_then(|link| link.strip_prefix("#/$defs/"));
    let form = link.map_or(forms, |part| &parts[part]);
    // What is required of a map is said by alternatives, too.
    match form["anyOf"].as_array().filter(|_| form.get("properties").is_none()) {
        Some(several) => several.iter().flat_map(|form| alternatives(parts, form)).collect(),
        None => vec![form],
    }
}
