//! The JSON Schema of manifests (draft 2020-12), for editors: `amarre schema`. Pure.
//!
//! One table a kind: a key, its forms, a sentence. It says which keys there are and which forms they have; what
//! depends on other keys, on the configuration or on the words of a text, `amarre validate` says.

use serde_json::{Map, Value as Json, json};

/// A key: its name, its forms, what it is.
type Key = (&'static str, Json, &'static str);

/// The whole schema.
pub fn schema() -> Json {
    let kinds: Vec<(&str, Json)> = vec![
        ("Service", service()),
        ("Route", route_kind()),
        ("Redirect", redirect()),
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
        ("container", object(&["image"], container_keys())),
        ("route", object(&["domain", "to"], route_keys())),
        ("location", object(&["path"], location_keys())),
        ("record", object(&["name", "type"], record_keys())),
        ("secret", object(&["secret"], vec![("secret", text(), "Name of the secret")])),
    ] {
        parts.insert(name.to_owned(), part);
    }
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
    // One container's keys may stand at the top.
    keys.extend(container_keys());
    keys.extend([
        ("containers", map(link("container")), "Several containers, each under its name"),
        ("port", number(), "Short for one route: the service's name below the default domain, to this port"),
        ("ssl", flag(), "With `port`: a certificate by Let's Encrypt"),
        ("routes", list(link("route")), "Which names lead to which container"),
        ("access_list", text(), "For every route that has none of its own"),
        ("dns", dns(), "Records for its names"),
        (
            "network",
            either(&[text(), object(&["subnet"], vec![("subnet", text(), "As in 172.20.40.0/24")])]),
            "auto, a shared network's name, or a subnet",
        ),
        ("state", words(&["running", "stopped"]), "Whether its containers run"),
        (
            "reconcile",
            object(&[], vec![("stopped_grace", text(), "How long a container that somebody stopped is left alone")]),
            "How it is kept",
        ),
    ]);
    object(&["name"], keys)
}

fn container_keys() -> Vec<Key> {
    vec![
        ("image", text(), "With a tag or a digest"),
        ("command", either(&[text(), list(scalar())]), "In place of the image's"),
        ("entrypoint", either(&[text(), list(scalar())]), "In place of the image's"),
        ("environment", pairs(&[link("secret")]), "Variables; a value may be {secret: NAME}"),
        ("ports", list(either(&[number(), port()])), "Published on the host"),
        ("volumes", list(either(&[text(), volume()])), "Named volumes, and binds of whole paths"),
        ("healthcheck", healthcheck(), "In place of the image's"),
        ("user", scalar(), "1000, 1000:1000 or a name"),
        (
            "restart",
            either(&[text(), json!({"const": false})]),
            "no, always, unless-stopped, on-failure or on-failure:5",
        ),
        ("labels", pairs(&[]), "Labels of the container"),
        (
            "logging",
            object(&[], vec![("driver", text(), "Docker's log driver"), ("options", map(scalar()), "Its options")]),
            "Where its output goes",
        ),
        (
            "depends_on",
            either(&[
                list(text()),
                map(object(&[], vec![("condition", text(), "service_started or service_healthy")])),
            ]),
            "Containers that must be there, or well, first",
        ),
    ]
}

fn port() -> Json {
    object(
        &["target", "published"],
        vec![
            ("target", number(), "Port of the container"),
            ("published", number(), "Port of the host"),
            ("host_ip", text(), "Address of the host; all if not set"),
            ("protocol", words(&["tcp", "udp"]), "tcp if not set"),
        ],
    )
}

fn volume() -> Json {
    object(
        &["target"],
        vec![
            ("type", text(), "volume or bind"),
            ("source", text(), "Name of the volume, or path of the host"),
            ("target", text(), "Path in the container"),
            ("read_only", flag(), "Whether it may not write"),
        ],
    )
}

fn healthcheck() -> Json {
    let span = || either(&[text(), number()]);
    object(
        &[],
        vec![
            ("test", either(&[text(), list(scalar())]), "[CMD, …], [CMD-SHELL, …] or a text"),
            ("interval", span(), "Between two tests"),
            ("timeout", span(), "For one test"),
            ("retries", number(), "Failures in a row that count"),
            ("start_period", span(), "Failures do not count so long"),
            ("disable", flag(), "None at all"),
        ],
    )
}

fn route_keys() -> Vec<Key> {
    vec![
        ("domain", text(), "Below the default domain; @ is the domain itself; whole when it ends in a dot"),
        ("aliases", either(&[text(), list(text())]), "More names of the same route"),
        ("to", scalar(), "Container and port, or an http(s) URL"),
        ("tls", text(), "none, or the name of a certificate in NPM"),
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

fn hsts() -> Json {
    either(&[flag(), object(&[], vec![("subdomains", flag(), "Of the names below it, too")])])
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
        ("aliases", either(&[text(), list(text())]), "More names"),
        ("to", text(), "Where to"),
        ("code", either(&[json!({"enum": [300, 301, 302, 303, 307, 308]}), text()]), "301 if not set"),
        ("keep_path", flag(), "The path goes along"),
        ("force_https", flag(), "To this name's own HTTPS first"),
        ("block_exploits", flag(), "NPM's filter of common attacks"),
        ("http2", flag(), "With a certificate"),
        ("hsts", hsts(), "Browsers come by HTTPS only from then on"),
        ("advanced", text(), "Lines of nginx's configuration"),
        ("tls", text(), "none, or the name of a certificate in NPM"),
        ("dns", dns(), "Records for its names"),
    ]);
    object(&["name", "domain", "to"], keys)
}

fn access_list() -> Json {
    let mut keys = head();
    keys.extend([
        ("users", map(link("secret")), "Names, each with the secret that holds its password"),
        ("allow", either(&[text(), list(text())]), "Networks that may come in"),
        ("deny", either(&[text(), list(text())]), "Networks that may not"),
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
        ("values", either(&[scalar(), list(scalar())]), "Several of them"),
        ("ttl", either(&[text(), number()]), "1m to 30d"),
    ]
}

fn record_kind() -> Json {
    let mut keys = vec![("kind", text(), "Record")];
    keys.extend(record_keys());
    object(&["name", "type"], keys)
}

fn network() -> Json {
    let mut keys = head();
    keys.extend([("subnet", text(), "The next free one if not set"), ("internal", flag(), "Cut off from the outside")]);
    object(&["name"], keys)
}

/// What every kind has.
fn head() -> Vec<Key> {
    vec![
        ("kind", text(), "What it is"),
        ("name", scalar(), "Lower-case letters, digits and -, at most 40; unique over all kinds"),
        ("host", text(), "Which server of the configuration"),
    ]
}

fn dns() -> Json {
    either(&[words(&["auto", "none"]), list(link("record"))])
}

/// A map with these keys and no others. Nobody's are `x-…`; `<<` takes in another map.
fn object(required: &[&str], keys: Vec<Key>) -> Json {
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

fn link(part: &str) -> Json {
    json!({"$ref": format!("#/$defs/{part}")})
}

fn text() -> Json {
    json!({"type": "string"})
}

/// A number, or a text with a variable.
fn number() -> Json {
    json!({"type": ["integer", "string"]})
}

fn flag() -> Json {
    json!({"type": "boolean"})
}

fn scalar() -> Json {
    json!({"type": ["string", "number", "boolean"]})
}

fn words(words: &[&str]) -> Json {
    json!({"enum": words})
}

fn list(item: Json) -> Json {
    json!({"type": "array", "items": item})
}

fn map(value: Json) -> Json {
    json!({"type": "object", "additionalProperties": value})
}

fn either(forms: &[Json]) -> Json {
    json!({"anyOf": forms})
}

/// A map of names to texts, or a list of `NAME=value`.
fn pairs(more: &[Json]) -> Json {
    let plain = json!({"type": ["string", "number", "boolean", "null"]});
    let value = either(&[&[plain], more].concat());
    either(&[map(value), list(text())])
}
