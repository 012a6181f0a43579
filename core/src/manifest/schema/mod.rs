//! The JSON Schema of manifests (draft 2020-12), for editors: `amarre schema`. Pure.
//!
//! One table a kind: a key, its forms, a sentence. It says which keys there are and which forms they have; what
//! depends on other keys, on the configuration or on the words of a text, `amarre validate` says.

pub(super) mod container;

use serde_json::{Map, Value as Json, json};

/// A key: its name, its forms, what it is.
pub(super) type Key = (&'static str, Json, &'static str);

/// The whole schema.
pub fn schema() -> Json {
    let kinds: Vec<(&str, Json)> = vec![
        ("Service", service()),
        ("Route", route_kind()),
        ("Redirect", redirect()),
        ("Stream", stream()),
        ("AccessList", access_list()),
        ("Record", record_kind()),
        ("Network", network()),
    ];
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
    parts.extend(container::parts().into_iter().map(|(name, part)| (name.to_owned(), part)));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A manifest of Amarre",
        "type": "object",
        "properties": {"kind": {"enum": names, "default": "Service", "description": "What it is"}},
        "allOf": choices,
        "$defs": parts,
    })
}

fn service() -> Json {
    let mut keys = head();
    // One container's keys may stand at the top, where `dns` is the service's.
    keys.extend(container::keys().into_iter().filter(|(key, ..)| *key != "dns"));
    keys.extend([
        ("containers", map(link("container")), "Several containers, each under its name"),
        ("jobs", map(link("job")), "Run once before an update, each under its name"),
        ("needs", list(text()), "Other manifests that come first"),
        ("compose", either(&[text(), list(text())]), "Compose files of the source, whose services are the containers"),
        ("profiles", either(&[text(), list(text())]), "Beside `compose`: which of its profiles are picked"),
        ("port", number(), "Short for one route: the service's name below the default domain, to this port"),
        ("to", text(), "Beside `port`: which of several containers"),
        ("ssl", flag(), "Beside `port`: a certificate by Let's Encrypt, and HTTPS only"),
        ("routes", list(link("route")), "Which names lead to which container"),
        ("access_list", text(), "For every route that has none of its own"),
        ("dns", dns(), "Records for its names"),
        ("network", either(&[text(), link("own_network")]), "auto, a shared network's name, or a subnet"),
        ("state", words(&["running", "stopped"]), "Whether its containers run"),
        ("reconcile", link("reconcile"), "How it is kept"),
        (
            "data",
            words(&["new", "shared"]),
            "new: its containers may start on empty data; shared: other containers may write to it",
        ),
        ("moved_from", text(), "The name that the service had: its data are still called after it"),
        ("reuse", flag(), "true: it gets the folder, volumes and secrets that a deleted service of its name has left"),
        ("update", link("update"), "How a new container takes the place of the old one"),
    ]);
    object(&["name"], keys)
}

fn update_keys() -> Vec<Key> {
    vec![
        ("strategy", words(&["auto", "start-first", "stop-first"]), "Whether the new one starts beside the old one"),
        ("rollback", words(&["auto", "always", "never"]), "When the old one is put back"),
        ("health_timeout", text(), "How long a new one may take to become healthy, as in 5m"),
        ("drain", text(), "How long an old container that nothing leads to any more still runs, as in 30s"),
    ]
}

fn reconcile_keys() -> Vec<Key> {
    let mut keys = kept_keys();
    keys.push(("stopped_grace", text(), "How long a container that somebody stopped is left alone, as in 15m"));
    keys
}

fn kept_keys() -> Vec<Key> {
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

fn route_keys() -> Vec<Key> {
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

fn tls() -> Json {
    either(&[text(), link("tls")])
}

fn tls_keys() -> Vec<Key> {
    vec![("letsencrypt", link("letsencrypt"), "By Let's Encrypt")]
}

fn letsencrypt_keys() -> Vec<Key> {
    vec![
        ("challenge", words(&["http", "dns"]), "How it is shown that the names are ours"),
        ("wildcard", flag(), "One for `*`, which other services use as well"),
    ]
}

fn hsts() -> Json {
    either(&[flag(), link("hsts")])
}

fn location_keys() -> Vec<Key> {
    vec![
        ("path", text(), "/api, = /api or ^~ /api"),
        ("to", scalar(), "As the route's"),
        ("advanced", text(), "Lines of nginx's configuration"),
    ]
}

fn route_kind() -> Json {
    let mut keys = head();
    keys.extend([
        ("routes", list(link("route")), "Which names lead where"),
        ("access_list", text(), "For every route that has none of its own"),
        ("dns", dns(), "Records for its names"),
    ]);
    object(&["name", "routes"], keys)
}

fn redirect() -> Json {
    let mut keys = head();
    keys.extend([
        ("domain", text(), "As of a route"),
        ("aliases", list(text()), "More names"),
        ("to", text(), "Where to"),
        ("code", either(&[json!({"enum": [300, 301, 302, 303, 307, 308]}), text()]), "301 if not set"),
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

fn stream() -> Json {
    let mut keys = head();
    keys.extend([
        ("port", number(), "Where NPM listens"),
        ("to", text(), "gitea/gitea:22, or 192.168.1.20:22"),
        ("tcp", flag(), "true if not set"),
        ("udp", flag(), "false if not set"),
    ]);
    object(&["name", "port", "to"], keys)
}

fn access_list() -> Json {
    let mut keys = head();
    keys.extend([
        ("users", map(link("secret")), "Names, each with the secret that holds its password"),
        ("allow", list(text()), "Networks that may come in"),
        ("deny", list(text()), "Networks that may not"),
        ("satisfy", words(&["any", "all"]), "Whether a user or a network is enough"),
        ("pass_auth", flag(), "Whether the service sees the name and password"),
    ]);
    object(&["name"], keys)
}

fn record_keys() -> Vec<Key> {
    vec![
        ("name", scalar(), "As the domain of a route, and with underscores"),
        ("type", text(), "A, AAAA, CNAME, TXT, CAA, SRV, MX, NS"),
        ("value", scalar(), "What it says"),
        ("values", list(scalar()), "Several of them"),
        ("ttl", either(&[text(), number()]), "1m to 30d"),
    ]
}

fn record_kind() -> Json {
    let mut keys = vec![("kind", text(), "Record"), ("reconcile", link("kept"), "How it is kept")];
    keys.extend(record_keys());
    object(&["name", "type"], keys)
}

fn network() -> Json {
    object(&["name"], [head(), own_network_keys()].concat())
}

fn own_network_keys() -> Vec<Key> {
    vec![
        ("subnet", text(), "As in 172.20.40.0/24; the next free one if not set"),
        ("internal", flag(), "Cut off from the outside"),
    ]
}

/// What every kind has.
fn head() -> Vec<Key> {
    vec![
        ("kind", text(), "What it is"),
        ("name", scalar(), "Lower-case letters, digits and -, at most 40; unique over all kinds"),
        ("host", text(), "Which server of the configuration"),
        ("reconcile", link("kept"), "How it is kept"),
    ]
}

fn dns() -> Json {
    either(&[words(&["auto", "none"]), list(link("record"))])
}

/// A map with these keys and no others. Nobody's are `x-…`; `<<` takes in another map.
pub(super) fn object(required: &[&str], keys: Vec<Key>) -> Json {
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
