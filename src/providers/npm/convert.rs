//! Typed resources to and from NPM's rows. Pure; only what we manage is ever written.
//!
//! The mark is in `meta`, in lower_snake keys, for NPM's own pages rename all others. A PUT of `meta`
//! replaces it whole: foreign keys are kept, `nginx_online` and `nginx_err` are left out, so that a
//! write that NPM did not finish leaves a host that does not claim to be on line.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::api::{CertificateRow, HostRow, ListRow, Section};
use super::kinds::{AccessList, Certificate, ProxyHost, Redirection};
use crate::model::{Fields, Mark, SecretName, Typed, Value};

const INSTANCE: &str = "amarre_instance";
const SERVICE: &str = "amarre_service";
const SPEC: &str = "amarre_spec";
const NAME: &str = "amarre_name";
/// What nginx said, written by NPM itself.
const VERDICT: [&str; 2] = ["nginx_online", "nginx_err"];

/// The words that people are shown of nginx's error.
const WORDS_MAX: usize = 300;

/// Our mark on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker<'a> {
    /// Whose.
    pub instance: &'a str,
    /// For which manifest.
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

/// "2026/11/20 05:57:56 [emerg] 25850#25850: unknown directive …": the words after the process number.
fn plain_words(line: &str) -> String {
    let after = line.split_once("[emerg]").and_then(|(_, rest)| rest.split_once(": "));
    after.map_or(line, |(_, words)| words).trim().chars().take(WORDS_MAX).collect()
}

/// The `meta` to write: foreign keys kept, nginx's verdict dropped, our mark set.
pub fn meta(row: Option<&HostRow>, marker: Marker<'_>) -> Json {
    let mut meta = row.map(kept_meta).unwrap_or_default();
    let ours = [(INSTANCE, marker.instance), (SERVICE, marker.service), (SPEC, marker.spec), (NAME, marker.name)];
    meta.extend(ours.map(|(key, text)| (key.to_owned(), json!(text))));
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
    match section {
        Section::Redirections => redirection(row, mark).fields(),
        Section::ProxyHosts | Section::AccessLists | Section::Certificates => proxy_host(row, mark).fields(),
    }
}

fn proxy_host(row: &HostRow, mark: bool) -> ProxyHost {
    let certificate = certificate_name(row);
    ProxyHost {
        domains: domains(row),
        forward_scheme: row.forward_scheme.clone(),
        forward_host: row.forward_host.clone(),
        forward_port: row.forward_port,
        // NPM keeps the flag of a host that lost its certificate; it means nothing.
        force_https: row.ssl_forced && certificate.is_some(),
        certificate,
        websockets: row.allow_websocket_upgrade,
        block_exploits: row.block_exploits,
        access_list: name_or_gone(row.access_list_id, row.access_list.as_ref().map(|list| list.name.as_str())),
        enabled: row.enabled,
        online: !row.enabled || is_served(row),
        mark,
    }
}

fn redirection(row: &HostRow, mark: bool) -> Redirection {
    Redirection {
        domains: domains(row),
        scheme: row.forward_scheme.clone(),
        to: row.forward_domain_name.clone(),
        code: row.forward_http_code,
        keep_path: row.preserve_path,
        certificate: certificate_name(row),
        enabled: row.enabled,
        online: !row.enabled || is_served(row),
        mark,
    }
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

/// What a host's wanted fields are in NPM's words, without `enabled` and `meta`.
///
/// # Errors
/// The fields are not those of the kind.
pub fn host_wire(section: Section, fields: &Fields, ids: Ids) -> Result<BTreeMap<&'static str, Json>, String> {
    Ok(match section {
        Section::Redirections => {
            let host = Redirection::from_fields(fields)?;
            BTreeMap::from([
                ("domain_names", json!(host.domains)),
                ("forward_scheme", json!(host.scheme)),
                ("forward_domain_name", json!(host.to)),
                ("forward_http_code", json!(host.code)),
                ("preserve_path", json!(host.keep_path)),
                ("certificate_id", json!(ids.certificate)),
            ])
        }
        Section::ProxyHosts | Section::AccessLists | Section::Certificates => {
            let host = ProxyHost::from_fields(fields)?;
            BTreeMap::from([
                ("domain_names", json!(host.domains)),
                ("forward_scheme", json!(host.forward_scheme)),
                ("forward_host", json!(host.forward_host)),
                ("forward_port", json!(host.forward_port)),
                ("certificate_id", json!(ids.certificate)),
                ("ssl_forced", json!(host.force_https && ids.certificate != 0)),
                ("allow_websocket_upgrade", json!(host.websockets)),
                ("block_exploits", json!(host.block_exploits)),
                ("access_list_id", json!(ids.access_list)),
            ])
        }
    })
}

/// What a row holds, in the keys of [`host_wire`].
fn row_wire(section: Section, row: &HostRow) -> BTreeMap<&'static str, Json> {
    match section {
        Section::Redirections => BTreeMap::from([
            ("domain_names", json!(domains(row))),
            ("forward_scheme", json!(row.forward_scheme)),
            ("forward_domain_name", json!(row.forward_domain_name)),
            ("forward_http_code", json!(row.forward_http_code)),
            ("preserve_path", json!(row.preserve_path)),
            ("certificate_id", json!(row.certificate_id)),
        ]),
        Section::ProxyHosts | Section::AccessLists | Section::Certificates => BTreeMap::from([
            ("domain_names", json!(domains(row))),
            ("forward_scheme", json!(row.forward_scheme)),
            ("forward_host", json!(row.forward_host)),
            ("forward_port", json!(row.forward_port)),
            ("certificate_id", json!(row.certificate_id)),
            ("ssl_forced", json!(row.ssl_forced)),
            ("allow_websocket_upgrade", json!(row.allow_websocket_upgrade)),
            ("block_exploits", json!(row.block_exploits)),
            ("access_list_id", json!(row.access_list_id)),
        ]),
    }
}

/// The body of a POST, without `enabled` and `meta`.
///
/// An explicit id of 0 makes NPM keep TLS flags without a certificate, so it is left out.
pub fn new_host(wire: BTreeMap<&'static str, Json>) -> Map<String, Json> {
    let has_certificate = wire.get("certificate_id").is_some_and(|id| *id != json!(0));
    let mut body: Map<String, Json> = wire
        .into_iter()
        .filter(|(key, value)| !(key.ends_with("_id") && *value == json!(0)))
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    if has_certificate {
        body.insert("http2_support".to_owned(), json!(true));
    }
    body
}

/// The body of a PUT, without `meta`: what differs, and what follows from a certificate that comes or goes.
pub fn changed_host(section: Section, row: &HostRow, wire: &BTreeMap<&'static str, Json>) -> Map<String, Json> {
    let held = row_wire(section, row);
    let mut body = Map::new();
    for (key, value) in wire {
        if held.get(key) != Some(value) {
            body.insert((*key).to_owned(), value.clone());
        }
    }
    match body.get("certificate_id").and_then(Json::as_u64) {
        // NPM takes an explicit 0 for a certificate and keeps the flags: they are taken off by name.
        Some(0) => {
            for flag in ["ssl_forced", "http2_support", "hsts_enabled", "hsts_subdomains"] {
                body.insert(flag.to_owned(), json!(false));
            }
        }
        Some(_) if row.certificate_id == 0 => {
            body.insert("http2_support".to_owned(), json!(true));
        }
        Some(_) | None => (),
    }
    body
}

/// An access list as a look reports it; `known` has the secrets of users as they were last applied.
pub fn access_list(row: &ListRow, known: Option<&BTreeMap<String, Value>>) -> AccessList {
    let unknown = Value::Secret { name: SecretName(String::new()), mark: Mark(String::new()) };
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
    AccessList { users, allow, deny, satisfy_any: row.satisfy_any, pass_auth: row.pass_auth }
}

/// The whole body of an access list. NPM fails on one without `items` or `clients`, and keeps a half of it.
pub fn list_body(name: &str, list: &AccessList, passwords: &BTreeMap<String, String>) -> Json {
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
fn rules(list: &AccessList) -> Vec<(&String, &'static str)> {
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
pub fn certificate(row: &CertificateRow) -> Certificate {
    let mut domains: Vec<String> = row.domain_names.iter().flatten().cloned().collect();
    domains.sort();
    Certificate { domains, expires_on: row.expires_on.clone(), provider: row.provider.clone() }
}
