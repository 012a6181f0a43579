//! The words of one line: name and detail of a resource as people read them.

use crate::model::address::service_of_network;
use crate::model::{Address, Arg, Fields, Kind, Text, Value, Verb, words};
use crate::resources::docker::PortSpec;
use crate::text;

/// The name on screen: without what every name of the kind begins or ends with.
pub fn name(address: &Address, fields: Option<&Fields>) -> String {
    words::clean(&plain_name(address, fields))
}

/// The name on screen in any language.
pub fn name_text(address: &Address, fields: Option<&Fields>) -> Text {
    if address.kind != Kind::Attachment {
        return name(address, fields).into();
    }
    attachment(address)
}

/// The name on screen where nothing else is said of it: of a record with its type, by which those of one name differ.
pub fn name_and_type(address: &Address) -> String {
    let is_record = address.kind == Kind::Record;
    if is_record { words::clean(&address.name.replacen('/', " ", 1)) } else { name(address, None) }
}

fn attachment(address: &Address) -> Text {
    let (network, container) = address.name.rsplit_once('/').unwrap_or((&address.name, ""));
    let network = service_of_network(network).unwrap_or(network);
    text!("{container} on {network}", container = words::clean(container), network = words::clean(network))
}

fn plain_name(address: &Address, fields: Option<&Fields>) -> String {
    let whole = address.name.as_str();
    if address.kind == Kind::Network {
        return service_of_network(whole).unwrap_or(whole).to_owned();
    }
    if address.kind == Kind::Attachment {
        return attachment(address).to_string();
    }
    if address.kind == Kind::Record {
        return whole.rsplit_once('/').map_or(whole, |(name, _)| name).to_owned();
    }
    if address.kind == Kind::Container {
        // A candidate's name is for the time of the update only.
        return match (fields.and_then(|fields| fields.text("name")), &address.generation) {
            (Some(name), Some(generation)) => name.strip_suffix(&format!("-{generation}")).unwrap_or(name).to_owned(),
            (Some(name), None) => name.to_owned(),
            (None, _) => whole.to_owned(),
        };
    }
    whole.to_owned()
}

/// The kind on screen; of an image what is done with it.
pub fn kind(kind: Kind, verb: &Verb) -> String {
    match (kind, verb) {
        (Kind::Image, Verb::Delete) => "clean up".to_owned(),
        (Kind::Image, Verb::Create(fields)) if fields.get("build").is_some() => "build".to_owned(),
        (Kind::Image, Verb::Create(_) | Verb::Update(_)) => "pull".to_owned(),
        (kind, _) => kind.label(),
    }
}

/// What is worth knowing about a resource that is made.
pub fn detail(address: &Address, fields: &Fields, port: Option<u16>) -> Text {
    let parts = DetailInput { address, fields, port };
    let detail = DETAILS.iter().find(|(kind, _)| *kind == address.kind).map(|(_, detail)| detail(&parts));
    let mut detail = detail.unwrap_or_default();
    detail.map_words(&words::clean);
    detail
}

/// What a detail is made of.
struct DetailInput<'a> {
    address: &'a Address,
    fields: &'a Fields,
    /// Of a container: where it listens.
    port: Option<u16>,
}

impl DetailInput<'_> {
    fn text(&self, name: &str) -> &str {
        self.fields.text(name).unwrap_or_default()
    }

    fn shown(&self, name: &str) -> String {
        self.fields.get(name).map(ToString::to_string).unwrap_or_default()
    }

    /// Where a host of NPM leads.
    fn forward(&self) -> String {
        format!("{}:{}", self.shown("forward_host"), self.shown("forward_port"))
    }
}

type Detail = fn(&DetailInput<'_>) -> Text;

/// Several with commas between them; of none nothing is said.
fn listed(parts: Vec<Arg>) -> Text {
    if parts.is_empty() { Text::default() } else { text!("{parts}", parts) }
}

/// Of the kinds whose fields say more than their name.
const DETAILS: [(Kind, Detail); 10] = [
    (Kind::Image, image_detail),
    (Kind::Network, |of| of.text("subnet").into()),
    (Kind::Attachment, |of| of.text("address").into()),
    (Kind::Container, container_detail),
    (Kind::Record, record_detail),
    (Kind::ProxyHost, proxy_host_detail),
    (Kind::Redirection, redirection_detail),
    (Kind::Stream, stream_detail),
    (Kind::AccessList, access_list_detail),
    (Kind::Account, |of| of.text("reservation").into()),
];

/// Of one that is built: from what.
fn image_detail(of: &DetailInput<'_>) -> Text {
    let build = of.fields.get("build").and_then(Value::entries);
    let text = |name: &str| build.and_then(|build| build.get(name)?.as_text()).unwrap_or_default();
    match text("commit").get(..7) {
        Some(commit) => text!("from commit {commit}, {framework}", commit, framework = text("framework")),
        None if build.is_some() => text!("from {context}", context = text("context")),
        None => Text::default(),
    }
}

fn container_detail(of: &DetailInput<'_>) -> Text {
    let port = of.port.map(|port| text!("port {port}", port = port.to_string()).into());
    let published = of.fields.strings("published").into_iter();
    let published = published.filter_map(PortSpec::parse);
    let published = published.map(|port| format!("{}:{}", port.ip, port.published));
    let published = published.map(|place| text!("published at {place}", place).into());
    let address = Some(of.text("address")).filter(|address| !address.is_empty()).map(Arg::from);
    listed(address.into_iter().chain(port).chain(published).collect())
}

fn redirection_detail(of: &DetailInput<'_>) -> Text {
    let (code, to) = (of.shown("code"), of.shown("to"));
    match of.text("scheme") {
        "auto" => text!("{code} to {place}, with the visitor's scheme", code, place = to),
        scheme => text!("{code} to {place}", code, place = format!("{scheme}://{to}")),
    }
}

fn record_detail(of: &DetailInput<'_>) -> Text {
    let value = value_of_record(of.address, of.fields);
    match of.fields.get("ttl").and_then(Value::as_int) {
        Some(ttl) => text!("{value}, ttl {ttl}", value, ttl = ttl_text(ttl)),
        None => value.into(),
    }
}

fn proxy_host_detail(of: &DetailInput<'_>) -> Text {
    let place = of.forward();
    let target = match of.text("forward_scheme") {
        "https" => text!("to {place} over HTTPS", place),
        _ => text!("to {place}", place),
    };
    let tls = match of.fields.get("certificate") {
        Some(Value::Text(name)) => Some(text!("{kind} {name}", kind = Kind::Certificate, name)),
        Some(_) | None => None,
    };
    let force = (of.fields.flag("force_https") == Some(true)).then(|| text!("force HTTPS"));
    let list = of.fields.text("access_list").map(|name| text!("{kind} {name}", kind = Kind::AccessList, name));
    let paths = of.fields.get("locations").map(|paths| paths.items().len()).filter(|count| *count > 0);
    let paths = paths.map(|n| text!(n; "1 path elsewhere", "{n} paths elsewhere"));
    listed([Some(target), paths, tls, force, list].into_iter().flatten().map(Arg::from).collect())
}

fn stream_detail(of: &DetailInput<'_>) -> Text {
    let protocols = [("tcp", "TCP"), ("udp", "UDP")].into_iter();
    let protocols = protocols.filter(|(name, _)| of.fields.flag(name) == Some(true)).map(|(_, word)| Arg::from(word));
    let protocols = protocols.reduce(|first, more| text!("{first} and {more}", first, more).into());
    text!("{protocols} to {place}", protocols = protocols.unwrap_or_else(|| Arg::from("")), place = of.forward())
}

fn access_list_detail(of: &DetailInput<'_>) -> Text {
    let n = of.fields.get("users").and_then(Value::entries).map_or(0, std::collections::BTreeMap::len);
    let users = text!(n; "1 user", "{n} users");
    let n = of.fields.get("allow").map_or(0, |allow| allow.items().len());
    let networks = text!(n; "1 network", "{n} networks");
    listed(vec![users.into(), networks.into()])
}

/// `A 203.0.113.10`.
pub fn value_of_record(address: &Address, fields: &Fields) -> String {
    let record_type = address.name.rsplit('/').next().unwrap_or_default();
    words::clean(&format!("{record_type} {}", fields.get("values").map(ToString::to_string).unwrap_or_default()))
}

/// `1h`, `5m`, `90s`: as manifests write it.
pub fn ttl_text(seconds: i64) -> String {
    match seconds {
        s if s > 0 && s % 3600 == 0 => format!("{}h", s / 3600),
        s if s > 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// A value in a diff, with nothing in it that a terminal obeys.
pub fn value(field: &str, value: Option<&Value>) -> String {
    words::clean(&plain(field, value))
}

/// A value in a document, with all lines of its texts.
pub fn whole_value(field: &str, value: Option<&Value>) -> String {
    let whole = match value {
        Some(Value::Text(text)) if text.contains('\n') => text.clone(),
        value => plain(field, value),
    };
    words::lines(&whole).into_owned()
}

/// Texts of variables in quotes, so that blanks show.
fn plain(field: &str, value: Option<&Value>) -> String {
    match value {
        None => "(none)".to_owned(),
        Some(Value::List(items)) if items.is_empty() => "(none)".to_owned(),
        Some(Value::Text(text)) if field.starts_with("environment.") || field.starts_with("labels.") => {
            format!("\"{text}\"")
        }
        Some(Value::List(items)) if field == "locations" => items.iter().map(location).collect::<Vec<_>>().join(", "),
        Some(Value::Text(text)) if text.contains('\n') => {
            format!("{} … ({} lines)", text.lines().next().unwrap_or_default(), text.lines().count())
        }
        Some(Value::Text(text)) if text.is_empty() => "(none)".to_owned(),
        Some(value) => value.to_string(),
    }
}

/// `/api to http://172.20.8.3:80`.
fn location(value: &Value) -> String {
    let shown = |name: &str| value.entries().and_then(|entries| entries.get(name)).map(ToString::to_string);
    let [path, scheme, host, port, below] =
        ["path", "scheme", "host", "port", "to_path"].map(|name| shown(name).unwrap_or_default());
    let lines = if shown("advanced").is_some() { " with lines of its own" } else { "" };
    format!("{path} to {scheme}://{host}:{port}{below}{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProviderId;

    #[test]
    fn records_of_one_name_differ_by_their_type() {
        let of = |kind, name| name_and_type(&Address::new(ProviderId::from("ovh".to_owned()), kind, name));
        assert_eq!(of(Kind::Record, "build.example.org/A"), "build.example.org A");
        assert_eq!(of(Kind::Record, "build.example.org/AAAA"), "build.example.org AAAA");
        assert_eq!(of(Kind::Volume, "notes_data"), "notes_data");
    }
}
