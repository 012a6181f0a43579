//! Typed resources to and from NPM's rows. Pure; only what we manage is ever written.
//!
//! The mark is in `meta`, in lower_snake keys, for NPM's own pages rename all others. A PUT of `meta`
//! replaces it whole: foreign keys are kept, `nginx_online` and `nginx_err` are left out, so that a
//! write that NPM did not finish leaves a host that does not claim to be on line.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::api::{CertificateRow, HostRow, ListRow};
use super::sections::{HostForm, Section};
use amarre_core::model::{Fields, Mark, SecretName, Typed, Value, words};
use amarre_core::resources::npm::normalize::lines;
use amarre_core::resources::npm::{
    HostLocation, NpmAccessList, NpmCertificate, NpmStream, ProxyHost, Redirection, ServedState, WebHost,
};

const INSTANCE: &str = "amarre_instance";
const SERVICE: &str = "amarre_service";
const SPEC: &str = "amarre_spec";
const NAME: &str = "amarre_name";
/// What nginx said, written by NPM itself.
const VERDICT: [&str; 2] = ["nginx_online", "nginx_err"];

/// Our mark on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker<'a> {
    pub instance: &'a str,
    pub service: &'a str,
    /// Digest of the wanted fields.
    pub spec: &'a str,
    /// The name in the address.
    pub name: &'a str,
}

/// A part of the mark that a row carries.
fn marked<'a>(row: &'a HostRow, key: &str) -> Option<&'a str> {
    row.meta.get(key).and_then(Json::as_str).filter(|text| !text.is_empty())
}

/// Whose mark a row carries.
pub fn instance_of(row: &HostRow) -> Option<&str> {
    marked(row, INSTANCE)
}

/// The manifest that a row's mark names.
pub fn service_of(row: &HostRow) -> Option<&str> {
    marked(row, SERVICE)
}

/// The address name that a row's mark holds.
pub fn name_of(row: &HostRow) -> Option<&str> {
    marked(row, NAME)
}

/// Whether nginx serves it; says nothing of a host that is switched off.
pub fn is_served(row: &HostRow) -> bool {
    row.meta.get("nginx_online") == Some(&Json::Bool(true))
}

/// What nginx said against this very host. NPM also writes other hosts' mistakes here.
pub fn nginx_words(section: Section, row: &HostRow) -> Option<String> {
    let text = row.meta.get("nginx_err").and_then(Json::as_str)?;
    let file = format!("/{}/{}.conf", section.folder(), row.id);
    // A file that another write just took away is missed by name, and is nobody's mistake.
    let missed = format!("{file}\" failed");
    let line = text.lines().find(|line| line.contains(&file) && !line.contains(&missed))?;
    Some(plain_words(line))
}

/// What nginx said when it was last asked because of this host, about whatever.
pub fn nginx_last_words(row: &HostRow) -> Option<String> {
    let text = row.meta.get("nginx_err").and_then(Json::as_str)?;
    text.lines().next().map(plain_words)
}

/// What nginx objects to, of all that it printed when it was asked.
pub fn emergency(said: &str) -> String {
    let line = said.lines().find(|line| line.contains("[emerg]")).or(said.lines().next());
    line.map(plain_words).unwrap_or_default()
}

/// "2026/11/20 05:57:56 [emerg] 25850#25850: unknown directive …", or "nginx: [emerg] unknown directive …": the words.
fn plain_words(line: &str) -> String {
    let words = line.split_once("[emerg]").map_or(line, |(_, rest)| rest).trim();
    let is_process = |text: &str| text.chars().all(|letter| letter.is_ascii_digit() || letter == '#');
    let words = words.split_once(": ").filter(|(process, _)| is_process(process)).map_or(words, |(_, rest)| rest);
    words::said(words)
}

/// The `meta` to write: foreign keys kept, nginx's verdict dropped, our mark set.
pub fn meta(row: Option<&HostRow>, marker: Marker<'_>) -> Json {
    let mut meta = row.map(kept_meta).unwrap_or_default();
    let ours = [(INSTANCE, marker.instance), (SERVICE, marker.service), (SPEC, marker.spec), (NAME, marker.name)];
    meta.extend(ours.map(|(key, text)| (key.to_owned(), json!(text))));
    Json::Object(meta)
}

/// The `meta` to write so that the row is nobody's: a PUT of it replaces the whole.
pub fn unmarked_meta(row: &HostRow) -> Json {
    let mut meta = kept_meta(row);
    meta.retain(|key, _| ![INSTANCE, SERVICE, SPEC, NAME].contains(&key.as_str()));
    Json::Object(meta)
}

/// The `meta` of a row as it may be written back: a PUT of it changes nothing and makes nginx reload.
pub fn kept_meta(row: &HostRow) -> Map<String, Json> {
    let mut meta = row.meta.clone();
    meta.retain(|key, _| !VERDICT.contains(&key.as_str()));
    meta
}

/// The fields of a host as a look reports them.
pub fn host_fields(section: Section, row: &HostRow, instance: &str) -> Fields {
    let mark = instance_of(row) == Some(instance) && service_of(row).is_some() && name_of(row).is_some();
    section.hosts().map(|form| (form.fields)(row, mark)).unwrap_or_default()
}

fn proxy_host(row: &HostRow, mark: bool) -> ProxyHost {
    ProxyHost {
        site: site(row, mark),
        block_exploits: row.block_exploits,
        forward_scheme: row.forward_scheme.clone(),
        forward_host: row.forward_host.clone(),
        forward_port: row.forward_port,
        websockets: row.allow_websocket_upgrade,
        caching: row.caching_enabled,
        access_list: name_or_gone(row.access_list_id, row.access_list.as_ref().map(|list| list.name.as_str())),
        locations: locations(row),
    }
}

fn redirection(row: &HostRow, mark: bool) -> Redirection {
    Redirection {
        site: site(row, mark),
        block_exploits: row.block_exploits,
        scheme: row.forward_scheme.clone(),
        to: row.forward_domain_name.clone(),
        code: row.forward_http_code,
        keep_path: row.preserve_path,
    }
}

fn stream(row: &HostRow, mark: bool) -> NpmStream {
    NpmStream {
        port: row.incoming_port,
        forward_host: row.forwarding_host.clone(),
        forward_port: row.forwarding_port,
        tcp: row.tcp_forwarding,
        udp: row.udp_forwarding,
        life: served_state(row, mark),
    }
}

pub fn site(row: &HostRow, mark: bool) -> WebHost {
    let certificate = certificate_name(row);
    // NPM keeps the flags of a host that lost its certificate; they mean nothing.
    let force_https = row.ssl_forced && certificate.is_some();
    let hsts = row.hsts_enabled && force_https;
    WebHost {
        domains: domains(row),
        http2: row.http2_support && certificate.is_some(),
        certificate,
        force_https,
        hsts,
        hsts_subdomains: row.hsts_subdomains && hsts,
        advanced: lines(&row.advanced_config),
        life: served_state(row, mark),
    }
}

fn served_state(row: &HostRow, mark: bool) -> ServedState {
    ServedState { enabled: row.enabled, online: !row.enabled || is_served(row), mark }
}

/// NPM's pages write `address/path` into the host; `forward_path` is the same.
fn locations(row: &HostRow) -> Vec<HostLocation> {
    let mut locations: Vec<HostLocation> = row.locations.iter().flatten().map(location).collect();
    locations.sort();
    locations
}

fn location(row: &Map<String, Json>) -> HostLocation {
    let text = |name: &str| row.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let port = match row.get("forward_port") {
        Some(Json::String(text)) => text.parse().ok(),
        port => port.and_then(Json::as_u64),
    };
    let (host, below) = match text("forward_host").split_once('/') {
        Some((host, below)) => (host.to_owned(), format!("/{below}")),
        None => (text("forward_host"), String::new()),
    };
    HostLocation {
        path: text("path"),
        scheme: text("forward_scheme"),
        host,
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        to_path: if below.is_empty() { text("forward_path") } else { below },
        advanced: lines(&text("advanced_config")),
    }
}

fn locations_wire(locations: &[HostLocation]) -> Json {
    let location = |location: &HostLocation| {
        json!({
            "path": location.path, "forward_scheme": location.scheme, "forward_host": location.host,
            "forward_port": location.port, "forward_path": location.to_path, "advanced_config": location.advanced,
        })
    };
    locations.iter().map(location).collect()
}

/// What nobody else may have: the names of a host, the port of a stream.
pub fn claims(section: Section, row: &HostRow) -> Vec<String> {
    if section.is_by_port() { vec![row.incoming_port.to_string()] } else { domains(row) }
}

/// What fields claim, as [`claims`] has it.
pub fn claimed(section: Section, fields: &Fields) -> Vec<String> {
    if section.is_by_port() {
        return fields.get("port").map(ToString::to_string).into_iter().collect();
    }
    fields.strings("domains").into_iter().map(str::to_owned).collect()
}

/// The names of a host, lower case, sorted, each once.
pub fn domains(row: &HostRow) -> Vec<String> {
    let mut domains: Vec<String> = row.domain_names.iter().map(|domain| domain.to_lowercase()).collect();
    domains.sort();
    domains.dedup();
    domains
}

fn certificate_name(row: &HostRow) -> Option<String> {
    name_or_gone(row.certificate_id, row.certificate.as_ref().map(|certificate| certificate.nice_name.as_str()))
}

/// A host that points to a row that is gone must differ from one that points to nothing: it is open or without TLS.
fn name_or_gone(id: u64, name: Option<&str>) -> Option<String> {
    match (id, name) {
        (0, _) => None,
        (_, Some(name)) => Some(name.to_owned()),
        (id, None) => Some(format!("#{id} (gone)")),
    }
}

/// The ids behind the names that a host's fields hold; 0 = none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ids {
    /// Of the certificate.
    pub certificate: u64,
    /// Of the access list.
    pub access_list: u64,
}

/// A host in NPM's words, without `enabled` and `meta`.
pub type Wire = BTreeMap<&'static str, Json>;

/// What a host's wanted fields are in NPM's words.
///
/// # Errors
/// The fields are not those of the kind.
pub fn host_wire(section: Section, fields: &Fields, ids: Ids) -> Result<Wire, String> {
    let form = section.hosts().ok_or("NPM has no such host")?;
    (form.wire)(fields, ids)
}

fn proxy_host_wire(host: &ProxyHost, ids: Ids) -> Wire {
    let mut wire = site_wire(&host.site, ids);
    wire.extend([
        ("block_exploits", json!(host.block_exploits)),
        ("forward_scheme", json!(host.forward_scheme)),
        ("forward_host", json!(host.forward_host)),
        ("forward_port", json!(host.forward_port)),
        ("allow_websocket_upgrade", json!(host.websockets)),
        ("caching_enabled", json!(host.caching)),
        ("access_list_id", json!(ids.access_list)),
        ("locations", locations_wire(&host.locations)),
    ]);
    wire
}

fn redirection_wire(host: &Redirection, ids: Ids) -> Wire {
    let mut wire = site_wire(&host.site, ids);
    wire.extend([
        ("block_exploits", json!(host.block_exploits)),
        ("forward_scheme", json!(host.scheme)),
        ("forward_domain_name", json!(host.to)),
        ("forward_http_code", json!(host.code)),
        ("preserve_path", json!(host.keep_path)),
    ]);
    wire
}

/// The certificate of a stream is nobody's business here: what is not named stays.
fn stream_wire(stream: &NpmStream) -> Wire {
    BTreeMap::from([
        ("incoming_port", json!(stream.port)),
        ("forwarding_host", json!(stream.forward_host)),
        ("forwarding_port", json!(stream.forward_port)),
        ("tcp_forwarding", json!(stream.tcp)),
        ("udp_forwarding", json!(stream.udp)),
    ])
}

/// Each flag of TLS only with what it stands on: NPM would drop it at one write and not at the next.
pub fn site_wire(site: &WebHost, ids: Ids) -> Wire {
    let has_certificate = ids.certificate != 0;
    let forced = site.force_https && has_certificate;
    let hsts = site.hsts && forced;
    BTreeMap::from([
        ("domain_names", json!(site.domains)),
        ("certificate_id", json!(ids.certificate)),
        ("ssl_forced", json!(forced)),
        ("http2_support", json!(site.http2 && has_certificate)),
        ("hsts_enabled", json!(hsts)),
        ("hsts_subdomains", json!(site.hsts_subdomains && hsts)),
        ("advanced_config", json!(site.advanced)),
    ])
}

/// What a row holds, in the keys of [`host_wire`], flags without what they stand on too.
pub fn held_flags(mut wire: Wire, row: &HostRow) -> Wire {
    wire.extend([
        ("ssl_forced", json!(row.ssl_forced)),
        ("http2_support", json!(row.http2_support)),
        ("hsts_enabled", json!(row.hsts_enabled)),
        ("hsts_subdomains", json!(row.hsts_subdomains)),
    ]);
    wire
}

pub fn held_ids(row: &HostRow) -> Ids {
    Ids { certificate: row.certificate_id, access_list: row.access_list_id }
}

/// Proxy hosts.
pub const PROXY_HOST: HostForm = HostForm {
    is_required: true,
    may_begin_off: true,
    late_from: None,
    fields: |row, mark| proxy_host(row, mark).fields(),
    wire: |fields, ids| Ok(proxy_host_wire(&ProxyHost::from_fields(fields)?, ids)),
    held: |row| held_flags(proxy_host_wire(&proxy_host(row, false), held_ids(row)), row),
};

/// Redirection hosts.
pub const REDIRECTION: HostForm = HostForm {
    is_required: true,
    may_begin_off: false,
    late_from: None,
    fields: |row, mark| redirection(row, mark).fields(),
    wire: |fields, ids| Ok(redirection_wire(&Redirection::from_fields(fields)?, ids)),
    held: |row| held_flags(redirection_wire(&redirection(row, false), held_ids(row)), row),
};

/// Ports that NPM forwards.
pub const STREAM: HostForm = HostForm {
    is_required: false,
    may_begin_off: false,
    late_from: None,
    fields: |row, mark| stream(row, mark).fields(),
    wire: |fields, _| Ok(stream_wire(&NpmStream::from_fields(fields)?)),
    held: |row| stream_wire(&stream(row, false)),
};

/// The body of a POST, without `enabled` and `meta`.
///
/// An explicit id of 0 makes NPM keep TLS flags without a certificate, so it is left out.
pub fn new_host(wire: Wire) -> Map<String, Json> {
    let is_none = |key: &str, value: &Json| key.ends_with("_id") && *value == json!(0);
    let wire = wire.into_iter().filter(|(key, value)| !is_none(key, value));
    wire.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The flags that NPM works out again at each write, from the body alone where it names them.
const TLS_FLAGS: [&str; 4] = ["ssl_forced", "http2_support", "hsts_enabled", "hsts_subdomains"];

/// The body of a PUT, without `meta`: what differs, and what follows from a certificate that comes or goes.
pub fn changed_host(section: Section, row: &HostRow, wire: &Wire) -> Map<String, Json> {
    let held = section.hosts().map(|form| (form.held)(row)).unwrap_or_default();
    let mut body = Map::new();
    for (key, value) in wire {
        if held.get(key) != Some(value) {
            body.insert((*key).to_owned(), value.clone());
        }
    }
    // NPM takes an explicit 0 for a certificate and keeps the flags: they are written by name.
    if body.contains_key("certificate_id") {
        let flags = TLS_FLAGS.into_iter().filter_map(|flag| Some((flag.to_owned(), wire.get(flag)?.clone())));
        body.extend(flags);
    }
    body
}

/// An access list as a look reports it; `known` has the secrets of users as they were last applied.
pub fn access_list(row: &ListRow, known: Option<&BTreeMap<String, Value>>) -> NpmAccessList {
    let unknown = Value::secret(SecretName(String::new()), Mark(String::new()));
    let secret_of = |user: &str| known.and_then(|known| known.get(user)).unwrap_or(&unknown).clone();
    let users = row.items.iter().map(|item| (item.username.clone(), secret_of(&item.username))).collect();
    let clients = |directive: &str| {
        let clients = row.clients.iter().filter(|client| client.directive == directive);
        let mut addresses: Vec<String> = clients.map(|client| client.address.to_lowercase()).collect();
        addresses.sort();
        addresses.dedup();
        addresses
    };
    let (allow, deny) = (clients("allow"), clients("deny"));
    NpmAccessList { users, allow, deny, satisfy_any: row.satisfy_any, pass_auth: row.pass_auth }
}

/// The whole body of an access list. NPM fails on one without `items` or `clients`, and keeps a half of it.
pub fn list_body(name: &str, list: &NpmAccessList, passwords: &BTreeMap<String, String>) -> Json {
    let items: Vec<Json> = list
        .users
        .keys()
        .map(|user| json!({"username": user, "password": passwords.get(user).map_or("", String::as_str)}))
        .collect();
    let clients: Vec<Json> = rules(list)
        .into_iter()
        .map(|(address, directive)| json!({"address": address, "directive": directive}))
        .collect();
    json!({
        "name": name, "satisfy_any": list.satisfy_any, "pass_auth": list.pass_auth,
        "items": items, "clients": clients,
    })
}

/// nginx takes the first rule that fits: the narrowest stands first, and `deny` before `allow` of the same width.
fn rules(list: &NpmAccessList) -> Vec<(&String, &'static str)> {
    let denied = list.deny.iter().map(|address| (address, "deny"));
    let allowed = list.allow.iter().map(|address| (address, "allow"));
    let mut rules: Vec<(&String, &'static str)> = denied.chain(allowed).collect();
    rules.sort_by_key(|(address, _)| std::cmp::Reverse(width_in_bits(address)));
    rules
}

/// How many leading bits must fit; a lone address is as narrow as can be, `all` as wide.
fn width_in_bits(address: &str) -> u8 {
    match address.split_once('/') {
        Some((_, bits)) => bits.parse().unwrap_or(u8::MAX),
        None if address == "all" => 0,
        None if address.contains(':') => 128,
        None => 32,
    }
}

/// A certificate as a look reports it.
pub fn certificate(row: &CertificateRow) -> NpmCertificate {
    let mut domains: Vec<String> = row.domain_names.iter().flatten().cloned().collect();
    domains.sort();
    NpmCertificate { domains, expires_on: row.expires_on.clone(), provider: row.provider.clone(), challenge: None }
}
