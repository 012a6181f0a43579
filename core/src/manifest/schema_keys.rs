//! Forms of values in the JSON Schema of manifests, and the keys that several kinds share.

use serde_json::{Map, Value as Json, json};

/// A key: its name, its forms, what it is.
pub(super) type SchemaKey = (&'static str, Json, &'static str);

pub(super) fn update_keys() -> Vec<SchemaKey> {
    vec![
        ("strategy", words(&["auto", "start-first", "stop-first"]), "Whether the new one starts beside the old one"),
        ("rollback", words(&["auto", "always", "never"]), "When the old one is put back"),
        ("health_timeout", text(), "How long a new one may take to become healthy, as in 5m"),
        ("drain", text(), "How long an old container that nothing leads to any more still runs, as in 30s"),
    ]
}

pub(super) fn reconcile_keys() -> Vec<SchemaKey> {
    let mut keys = kept_keys();
    keys.push(("stopped_grace", text(), "How long a container that somebody stopped is left alone, as in 15m"));
    keys
}

pub(super) fn kept_keys() -> Vec<SchemaKey> {
    vec![
        ("mode", words(&["enforce", "report"]), "Whether what differs is put right, or only shown"),
        ("protect", flag(), "Nothing of it is deleted or made anew"),
        (
            "ignore",
            list(text()),
            "Fields that others write, as in proxy-host.advanced or container.labels.com.example.*",
        ),
    ]
}

pub(super) fn route_keys() -> Vec<SchemaKey> {
    vec![
        ("domain", text(), "Below the default domain; @ is the domain itself; whole when it ends in a dot"),
        ("aliases", list(text()), "More names of the same route"),
        ("to", scalar(), "Container and port, or an http(s) URL"),
        ("tls", tls(), "none, letsencrypt, or the name of a certificate in NPM"),
        ("force_https", flag(), "Plain HTTP answers with a redirection"),
        ("websockets", flag(), "Upgrades pass"),
        ("block_exploits", flag(), "NPM's filter of common attacks"),
        ("access_list", text(), "Who may come in"),
        ("http2", flag(), "With a certificate"),
        ("hsts", hsts(), "Browsers come by HTTPS only from then on"),
        ("caching", flag(), "NPM keeps images, styles and scripts"),
        ("locations", list(link("location")), "Paths that lead elsewhere"),
        ("advanced", text(), "Lines of nginx's configuration"),
    ]
}

pub(super) fn tls() -> Json {
    either(&[text(), link("tls")])
}

pub(super) fn tls_keys() -> Vec<SchemaKey> {
    vec![("letsencrypt", link("letsencrypt"), "By Let's Encrypt")]
}

pub(super) fn letsencrypt_keys() -> Vec<SchemaKey> {
    vec![
        ("challenge", words(&["http", "dns"]), "How it is shown that the names are ours"),
        ("wildcard", flag(), "One for `*`, which other services use as well"),
    ]
}

pub(super) fn hsts() -> Json {
    either(&[flag(), link("hsts")])
}

pub(super) fn location_keys() -> Vec<SchemaKey> {
    vec![
        ("path", text(), "/api, = /api or ^~ /api"),
        ("to", scalar(), "As the route's"),
        ("advanced", text(), "Lines of nginx's configuration"),
    ]
}

pub(super) fn record_keys() -> Vec<SchemaKey> {
    vec![
        ("name", scalar(), "As the domain of a route, and with underscores"),
        ("type", text(), "A, AAAA, CNAME, TXT, CAA, SRV, MX, NS"),
        ("value", scalar(), "What it says"),
        ("values", list(scalar()), "Several of them"),
        ("ttl", either(&[text(), number()]), "1m to 30d"),
    ]
}

pub(super) fn own_network_keys() -> Vec<SchemaKey> {
    vec![
        ("subnet", text(), "As in 172.20.40.0/24; the next free one if not set"),
        ("internal", flag(), "Cut off from the outside"),
    ]
}

/// What every kind has.
pub(super) fn head() -> Vec<SchemaKey> {
    vec![
        ("kind", text(), "What it is"),
        ("name", scalar(), "Lower-case letters, digits and -, at most 40; unique over all kinds"),
        ("host", text(), "Which server of the configuration"),
        ("reconcile", link("kept"), "How it is kept"),
    ]
}

pub(super) fn dns() -> Json {
    either(&[words(&["auto", "none"]), list(link("record"))])
}

/// A map with these keys and no others. Nobody's are `x-…`; `<<` takes in another map.
pub(super) fn object(required: &[&str], keys: Vec<SchemaKey>) -> Json {
    let mut properties: Map<String, Json> = Map::new();
    for (key, mut forms, what) in keys {
        if let Some(forms) = forms.as_object_mut() {
            forms.insert("description".to_owned(), json!(what));
        }
        properties.insert(key.to_owned(), forms);
    }
    properties.insert("<<".to_owned(), json!({}));
    let mut object = json!({
        "type": "object", "properties": properties, "patternProperties": {"^x-": {}}, "additionalProperties": false,
    });
    // What is required may come from the map that `<<` takes in.
    if !required.is_empty() {
        object["anyOf"] = json!([{"required": required}, {"required": ["<<"]}]);
    }
    object
}

pub(super) fn link(part: &str) -> Json {
    json!({"$ref": format!("#/$defs/{part}")})
}

pub(super) fn text() -> Json {
    json!({"type": "string"})
}

/// A number, or a text with a variable.
pub(super) fn number() -> Json {
    json!({"type": ["integer", "string"]})
}

pub(super) fn flag() -> Json {
    json!({"type": "boolean"})
}

pub(super) fn scalar() -> Json {
    json!({"type": ["string", "number", "boolean"]})
}

pub(super) fn words(words: &[&str]) -> Json {
    json!({"enum": words})
}

pub(super) fn list(item: Json) -> Json {
    json!({"type": "array", "items": item})
}

pub(super) fn map(value: Json) -> Json {
    json!({"type": "object", "additionalProperties": value})
}

pub(super) fn either(forms: &[Json]) -> Json {
    json!({"anyOf": forms})
}

/// A map of names to texts, or a list of `NAME=value`.
pub(super) fn pairs(more: &[Json]) -> Json {
    let plain = json!({"type": ["string", "number", "boolean", "null"]});
    let value = either(&[&[plain], more].concat());
    either(&[map(value), list(text())])
}
