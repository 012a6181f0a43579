//! Certificates: custom ones that are uploaded, and those that certbot would get.
//!
//! No authority is asked. [`Issuance`] says whether a request for a certificate succeeds.

use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::api::{Answer, Call, Failure, Payload, Reply, permit, row_id};
use super::hosts::visible;
use super::kinds::Kind;
use super::nginx::KeyPair;
use super::pem::{self, Certificate};
use super::people::Need;
use super::schema::{Scope, check};
use super::state::{Account, State, local_now};
use super::view;
use super::{Issuance, NpmVersion};

const KIND: Kind = Kind::Certificate;

/// How long certificates of the simulated authority last, as those of Let's Encrypt.
const LIFETIME_DAYS: i64 = 90;

/// Routes that only certificates have.
pub(super) fn special(state: &mut State, call: &Call, rest: &[&str]) -> Option<Answer> {
    match (call.method.as_str(), rest) {
        ("POST", ["validate"]) => Some(validate(state, call)),
        ("POST", ["test-http"]) => Some(test_http(state, call)),
        ("POST", [id, "upload"]) => Some(row_id(id).and_then(|id| upload(state, call, id))),
        ("POST", [id, "renew"]) => Some(row_id(id).and_then(|id| renew(state, call, id))),
        ("GET", [id, "download"]) => Some(row_id(id).and_then(|id| download(state, call, id))),
        _ => None,
    }
}

pub(super) fn create(state: &mut State, call: &Call) -> Answer {
    let mut fields = check(KIND.schema(), Scope::Whole, call.json()).map_err(Failure::invalid)?;
    let caller = permit(state, call, KIND, Need::Manage)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or("");
    if text("provider") == "letsencrypt" {
        let names = fields.get("domain_names").and_then(Value::as_array);
        let names: Vec<String> =
            names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        let meta = fields.get("meta").and_then(Value::as_object).cloned();
        let id = issue(state, caller.user, &names, meta.unwrap_or_default())?;
        let mut row = state.row(KIND, id).map(|row| row.fields.clone());
        let now = crate::clock::now().as_second();
        let issued = json!({
            "issuer": "CN = Simulated Intermediate CA",
            "dates": {"from": now, "to": now + LIFETIME_DAYS * 24 * 60 * 60},
        });
        // Only this answer tells the issuer (flow-1-cert).
        if let Some(meta) = row.as_mut().and_then(|row| row.get_mut("meta")) {
            meta["letsencrypt_certificate"] = issued;
        }
        return Ok(Reply::created(json!(row)));
    }
    fields.insert("expires_on".to_owned(), json!(local_now()));
    let id = state.insert(KIND, caller.user, fields.clone());
    state.log(caller.user, KIND.word(), id, "created", fields);
    Ok(Reply::created(view::written(state, KIND, id)))
}

/// Asks for a certificate. Hosts that have one of the names literally are taken down for the time of
/// it; after a success their files are back but not loaded, so they stay down until the next reload.
pub(super) fn issue(state: &mut State, owner: u64, names: &[String], meta: Map<String, Value>) -> Result<u64, Failure> {
    let mut hosts = Vec::new();
    for kind in [Kind::ProxyHost, Kind::RedirectionHost, Kind::DeadHost] {
        let rows = state.table(kind).filter(|row| {
            let taken = row.texts("domain_names");
            !row.deleted && row.flag("enabled") && taken.iter().any(|name| names.contains(name))
        });
        hosts.extend(rows.map(|row| (kind, row.id())));
    }
    for (kind, id) in &hosts {
        state.take_file(*kind, *id);
    }
    state.reload()?;
    let by_dns = meta.get("dns_challenge").and_then(Value::as_bool) == Some(true);
    let wildcard = names.iter().any(|name| name.starts_with('*'));
    let (limit, limited): (String, [&str; 4]);
    let refused = match state.issuance {
        Issuance::Granted if wildcard && !by_dns => Some(&[UNFIT][..]),
        Issuance::Granted => None,
        Issuance::NoCertbot => Some(&[][..]),
        Issuance::ChallengesFail => Some(&[LOG, CHALLENGES, HELP][..]),
        Issuance::Forbidden => Some(&[LOG, UNEXPECTED, FORBIDDEN, HELP][..]),
        Issuance::Busy => Some(&[BUSY, HELP_ELSEWHERE][..]),
        Issuance::Away => Some(&[LOG, UNEXPECTED, AWAY, HELP][..]),
        Issuance::AwayInOldWords => Some(&[WARNING, WARNING, LOG, UNEXPECTED, AWAY_BEFORE, HELP][..]),
        Issuance::ZoneUnknown => Some(&[LOG, LIST_AWAY, ZONE, HELP][..]),
        Issuance::MailRefused => Some(&[LOG, UNREGISTERED, HELP][..]),
        Issuance::Limited(until) => {
            limit = LIMITED.replace("UNTIL", &utc(until));
            limited = [LOG, UNEXPECTED, &limit, HELP];
            Some(&limited[..])
        }
    };
    if let Some(words) = refused {
        // The row was inserted and is removed for good: only its id is used up.
        let certificate = state.next_id(KIND.word());
        let command = command(state, owner, certificate, names);
        let debug = match words {
            [] => no_certbot(&command, by_dns),
            words => {
                certbot_failed(state.version, &command, words, state.accounts.get(&owner).map_or("", Account::email))
            }
        };
        for (kind, id) in hosts {
            state.write_file(kind, id);
        }
        state.reload()?;
        return Err(Failure::internal().with_debug(debug));
    }
    let fields = json!({
        "provider": "letsencrypt", "nice_name": names.join(", "), "domain_names": names,
        "expires_on": local(crate::clock::now().as_second() + LIFETIME_DAYS * 24 * 60 * 60),
        "meta": meta,
    });
    let fields = fields.as_object().cloned().unwrap_or_default();
    let id = state.insert(KIND, owner, fields.clone());
    state.nginx.certificates.insert(id, KeyPair::Matching);
    for (kind, host) in hosts {
        state.write_file(kind, host);
    }
    state.log(owner, KIND.word(), id, "created", fields);
    Ok(id)
}

const LOG: &str = "Saving debug log to /data/logs/letsencrypt.log";
const CHALLENGES: &str = "Some challenges have failed.";
const UNEXPECTED: &str = "An unexpected error occurred:";
const FORBIDDEN: &str = "Order included an identifier for which issuance is forbidden by policy: \"NAME\"";
const BUSY: &str = "Another instance of Certbot is already running.";
/// What Python says of a connection, as certbot prints it.
const AWAY: &str = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='acme-v02.api.letsencrypt.org', \
    port=443): Max retries exceeded with url: /directory (Caused by NewConnectionError('<urllib3.connection.\
    HTTPSConnection object>: Failed to establish a new connection: [Errno 101] Network is unreachable'))";
/// The same up to acme 3 (certbot 2.1 at a closed port).
const AWAY_BEFORE: &str = "ValueError: Requesting acme-v02.api.letsencrypt.org/directory: Connection refused";
/// What the plugins print that look for a zone by the list of public suffixes, when they cannot fetch it: they go on.
const LIST_AWAY: &str = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='raw.githubusercontent.com', \
    port=443): Max retries exceeded with url: /publicsuffix/list/main/public_suffix_list.dat";
/// And why they stop (measured for a name below `.test`).
const ZONE: &str = "Unable to determine zone identifier for NAME using zone names: ['NAME']";
/// What urllib3 1.26 prints before, where the authority's own certificate is not checked.
const WARNING: &str = "/usr/lib/python3/dist-packages/urllib3/connectionpool.py:1053: InsecureRequestWarning: Unverified HTTPS \
    request is being made to host 'acme-v02.api.letsencrypt.org'. Adding certificate verification is strongly advised. \
    See: https://urllib3.readthedocs.io/en/1.26.x/advanced-usage.html#ssl-warnings\n  warnings.warn(";
/// Let's Encrypt's words (RFC 8555 §7.3: `invalidContact`).
const UNREGISTERED: &str = "Unable to register an account with ACME server. Error returned by the ACME server: Error creating \
    new account :: contact email has forbidden domain \"DOMAIN\"";
/// Let's Encrypt's words, documented with its rate limits.
const LIMITED: &str = "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry \
    after UNTIL UTC: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers";
const UNFIT: &str = "Client with the currently selected authenticator does not support any \
    combination of challenges that will satisfy the CA.";
const HELP: &str = "Ask for help or search for solutions at https://community.letsencrypt.org. \
    See the logfile /data/logs/letsencrypt.log or re-run Certbot with -v for more details.";

/// Certbot logs elsewhere when it could not take its lock.
const HELP_ELSEWHERE: &str = "Ask for help or search for solutions at \
    https://community.letsencrypt.org. See the logfile /tmp/x or re-run Certbot with -v for more \
    details.";

/// What NPM runs.
fn command(state: &State, owner: u64, id: u64, names: &[String]) -> Vec<String> {
    let email = state.accounts.get(&owner).map_or("", |user| user.email());
    let names = names.join(",");
    let name = format!("npm-{id}");
    let arguments = [
        "certonly",
        "-n",
        "--config",
        "/etc/letsencrypt.ini",
        "--work-dir",
        "/tmp/x",
        "--logs-dir",
        "/data/logs",
        "--cert-name",
        &name,
        "--agree-tos",
        "--authenticator",
        "webroot",
        "-m",
        email,
        "--preferred-challenges",
        "http",
        "--domains",
        &names,
    ];
    arguments.map(str::to_owned).to_vec()
}

/// certnew-nocertbot-7-cert-create-http01, -8-cert-create-dns01-ovh
fn no_certbot(arguments: &[String], by_dns: bool) -> Value {
    if by_dns {
        let lost = "Error: /bin/sh: 1: .: cannot open /opt/certbot/bin/activate: No such file";
        return json!({"stack": [lost, ""]});
    }
    json!({"stack": ["Error"], "previous": {
        "errno": -2, "code": "ENOENT", "syscall": "spawn certbot", "path": "certbot",
        "spawnargs": arguments, "cmd": format!("certbot {}", arguments.join(" ")),
    }})
}

/// cert-concurrent-0, certnew-acme-fail-challenge-3-cert
fn certbot_failed(version: NpmVersion, arguments: &[String], words: &[&str], email: &str) -> Value {
    let name = arguments.last().map_or("", String::as_str);
    let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
    let words = words.join("\n").replace("NAME", name).replace("DOMAIN", domain);
    if version <= NpmVersion::V2_12 {
        // It does not tell what it ran (versions/v2.12.6-cert-create-2.15-style).
        let text = format!("CommandError: {words}\n");
        return json!({"stack": text.split('\n').collect::<Vec<_>>()});
    }
    let text = format!("Error: {words}\n");
    let stack: Vec<&str> = text.split('\n').collect();
    json!({"stack": stack, "previous": {
        "code": 1, "killed": false, "signal": null,
        "cmd": format!("certbot {}", arguments.join(" ")),
    }})
}

/// Never refused. What nginx has loaded stays as it is; the files of an issued certificate are gone
/// at once, so that from now on every reload fails (cert-delete-le-in-use).
pub(super) fn delete(state: &mut State, call: &Call, id: u64) -> Answer {
    let caller = permit(state, call, KIND, Need::Manage)?;
    let row = visible(state, &caller, KIND, id)?.clone();
    state.delete(KIND, id);
    if row.text("provider") == "letsencrypt" {
        state.nginx.certificates.remove(&id);
    }
    state.log(caller.user, KIND.word(), id, "deleted", row.fields);
    Ok(Reply::ok(json!(true)))
}

/// Key and certificate are not compared; of the names only the common one is kept (cert-upload).
fn upload(state: &mut State, call: &Call, id: u64) -> Answer {
    let caller = permit(state, call, KIND, Need::Manage)?;
    let row = visible(state, &caller, KIND, id)?;
    if row.text("provider") == "letsencrypt" {
        return Err(Failure::invalid("Cannot upload certificates for this type of provider"));
    }
    let (certificate, pair) = read_upload(call)?;
    let parts = parts(call);
    let meta: Map<String, Value> = ["certificate", "certificate_key", "intermediate_certificate"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), json!(parts.get(name)?))))
        .collect();
    let patch = Map::from_iter([
        ("meta".to_owned(), json!(meta)),
        ("domain_names".to_owned(), json!([certificate.common_name])),
        ("expires_on".to_owned(), json!(local(certificate.not_after))),
    ]);
    state.patch(KIND, id, patch.clone());
    state.nginx.certificates.insert(id, pair);
    state.log(caller.user, KIND.word(), id, "updated", patch);
    Ok(Reply::ok(Value::Object(meta)))
}

fn validate(state: &State, call: &Call) -> Answer {
    permit(state, call, KIND, Need::View)?;
    let (certificate, _) = read_upload(call)?;
    Ok(Reply::ok(json!({
        "certificate": {
            "cn": certificate.common_name, "issuer": format!("CN = {}", certificate.issuer),
            "dates": {"from": certificate.not_before, "to": certificate.not_after},
        },
        "certificate_key": true,
    })))
}

fn read_upload(call: &Call) -> Result<(Certificate, KeyPair), Failure> {
    let parts = parts(call);
    let text = |name: &str| parts.get(name).map_or("", String::as_str);
    let Some(certificate) = pem::certificate(text("certificate")) else {
        return Err(unreadable());
    };
    let pair =
        if pem::holds_key(text("certificate_key"), &certificate) { KeyPair::Matching } else { KeyPair::Mismatched };
    Ok((certificate, pair))
}

/// cert-validate-bad
fn unreadable() -> Failure {
    let words = "Could not read certificate from /tmp/x\nUnable to load certificate\n";
    let message = format!("Certificate is not valid ({words})");
    let stack = format!("Error: {message}");
    let stack: Vec<&str> = stack.split('\n').collect();
    let debug = json!({"stack": stack, "previous": {
        "name": "Error", "message": words, "code": 1, "public": false,
        "previous": {
            "code": 1, "killed": false, "signal": null,
            "cmd": "openssl x509 -in /tmp/x -subject -noout",
        },
    }});
    Failure::invalid(message).with_debug(debug)
}

fn parts(call: &Call) -> std::collections::BTreeMap<String, String> {
    match &call.body {
        Payload::Parts(parts) => parts.clone(),
        Payload::Json(_) => std::collections::BTreeMap::new(),
    }
}

fn renew(state: &mut State, call: &Call, id: u64) -> Answer {
    let caller = permit(state, call, KIND, Need::Manage)?;
    let row = visible(state, &caller, KIND, id)?;
    if row.text("provider") != "letsencrypt" {
        return Err(Failure::invalid("Only Let'sEncrypt certificates can be renewed"));
    }
    if state.issuance != Issuance::Granted {
        return Err(Failure::internal());
    }
    let expires = crate::clock::now().as_second() + LIFETIME_DAYS * 24 * 60 * 60;
    let patch = Map::from_iter([("expires_on".to_owned(), json!(local(expires)))]);
    state.patch(KIND, id, patch);
    let mut row = view::written(state, KIND, id);
    row["is_deleted"] = json!(false);
    Ok(Reply::ok(row))
}

fn download(state: &State, call: &Call, id: u64) -> Answer {
    let caller = permit(state, call, KIND, Need::View)?;
    let row = visible(state, &caller, KIND, id)?;
    match row.text("provider") {
        // The archive itself is not simulated.
        "letsencrypt" => Err(Failure::internal()),
        _ => Err(Failure::invalid("Only Let'sEncrypt certificates can be downloaded")),
    }
}

/// Asks a service on the internet in the real NPM, which was out of reach (certnew-nocertbot-10-test-http).
fn test_http(state: &State, call: &Call) -> Answer {
    permit(state, call, KIND, Need::View)?;
    let body = call.json();
    let names = body.get("domains").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let results: Map<String, Value> = names.map(|name| (name.to_owned(), json!("failed"))).collect();
    Ok(Reply::ok(Value::Object(results)))
}

pub(super) fn set_days_left(state: &mut State, id: u64, days: i64) {
    let ends = local(crate::clock::now().as_second() + days * 24 * 60 * 60);
    state.patch(KIND, id, Map::from_iter([("expires_on".to_owned(), json!(ends))]));
}

/// A custom certificate that a person uploaded, for tests.
pub(super) fn seed(state: &mut State, owner: u64, nice_name: &str, names: &[&str]) -> u64 {
    let expires = crate::clock::now().as_second() + LIFETIME_DAYS * 24 * 60 * 60;
    let fields = json!({
        "provider": "other", "nice_name": nice_name, "domain_names": names,
        "expires_on": local(expires),
        "meta": {
            "certificate": "-----BEGIN CERTIFICATE-----\nsimulated\n-----END CERTIFICATE-----\n",
            "certificate_key": "-----BEGIN PRIVATE KEY-----\nsimulated\n-----END PRIVATE KEY-----\n",
        },
    });
    let id = state.insert(KIND, owner, fields.as_object().cloned().unwrap_or_default());
    state.nginx.certificates.insert(id, KeyPair::Matching);
    id
}

/// `2026-11-20 12:00:00`.
fn utc(second: i64) -> String {
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn local(second: i64) -> String {
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    let zoned: Zoned = time.to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
