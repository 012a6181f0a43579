//! Sends every recorded request to the simulator and compares the answers with those of a real NPM.
//!
//! `npm/order.txt` is the script; what may differ, and why, stands in `npm/differences.txt`.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "npm/client.rs"]
mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use amarre_sim::npm::{Issuance, Npm, NpmOptions, NpmUser, NpmVersion, Upstreams};
use serde_json::{Value, json};

/// Compared by type only: time, chance and secrets are in them.
const VOLATILE: [&str; 11] = [
    "avatar",
    "certificate_key",
    "cmd",
    "created_on",
    "expiredAt",
    "expires",
    "expires_on",
    "letsencrypt_certificate",
    "modified_on",
    "spawnargs",
    "token",
];

#[tokio::test]
async fn replay_answers_are_those_of_the_real_backend() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
    let order = std::fs::read_to_string(folder.join("order.txt")).unwrap();
    let mut replay = Replay::new(folder.join("exchanges"));
    for line in order.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            replay.step(line).await;
        }
    }
    let mut recorded = names_in(&folder.join("exchanges"), "");
    recorded.extend(names_in(&folder.join("exchanges/versions"), "versions/"));
    let not_replayed: Vec<&String> = recorded.difference(&replay.seen).collect();
    assert!(not_replayed.is_empty(), "not in order.txt: {not_replayed:?}");

    let excused = std::fs::read_to_string(folder.join("differences.txt")).unwrap();
    let excused: BTreeMap<&str, &str> = excused
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    let mut faults = Vec::new();
    for (name, differences) in &replay.differing {
        if !excused.contains_key(name.as_str()) {
            faults.push(format!("{name}\n    {}", differences.join("\n    ")));
        }
    }
    for name in excused.keys() {
        if !replay.differing.contains_key(*name) {
            faults.push(format!("{name} no longer differs: take it out of differences.txt"));
        }
    }
    let same = replay.seen.len() - replay.differing.len();
    report(&format!("NPM: {same} of {} exchanges reproduced", replay.seen.len()));
    for name in replay.differing.keys() {
        report(&format!("  differs: {name}: {}", excused.get(name.as_str()).unwrap_or(&"not listed")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// `NAME` of every `NAME.json` of a folder.
fn names_in(folder: &Path, before: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    files.map(|path| format!("{before}{}", path.file_stem().unwrap().to_str().unwrap())).collect()
}

#[expect(clippy::print_stdout, reason = "the count is the result of the replay")]
fn report(line: &str) {
    println!("{line}");
}

/// Knows what it is told to know; literal addresses are of no use to the replay.
#[derive(Default)]
struct Names(Mutex<BTreeSet<String>>);

impl Upstreams for Names {
    fn locate(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let known = self.0.lock().unwrap().contains(host);
        known.then(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }
}

struct Replay {
    folder: PathBuf,
    npm: Option<Npm>,
    names: Arc<Names>,
    token: String,
    tokens: BTreeMap<String, String>,
    seen: BTreeSet<String>,
    differing: BTreeMap<String, Vec<String>>,
}

impl Replay {
    fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            npm: None,
            names: Arc::default(),
            token: String::new(),
            tokens: BTreeMap::new(),
            seen: BTreeSet::new(),
            differing: BTreeMap::new(),
        }
    }

    fn npm(&self) -> &Npm {
        self.npm.as_ref().unwrap()
    }

    async fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["==", "version", name, ..] => self.begin(false, version(name)).await,
            ["==", rest @ ..] => self.begin(rest.first() == Some(&"empty"), NpmVersion::V2_15).await,
            ["@login", name, secret] => self.log_in(name, secret).await,
            ["@use", name] => self.token.clone_from(&self.tokens[*name]),
            ["@token", "garbage"] => self.token = "garbage".to_owned(),
            ["@token", "expired"] => {
                self.log_in("admin@example.com", "changeme-npm").await;
                self.npm().expire_tokens();
            }
            ["@send", method, path, body] => {
                self.send(method, path, true, "application/json", (*body).to_owned()).await;
            }
            ["@break", word] => self.npm().break_nginx(*word == "on"),
            ["@down", word] => self.npm().backend_down(*word == "on"),
            ["@issuance", word] => self.npm().set_issuance(issuance(word)),
            ["@know", name] => {
                self.names.0.lock().unwrap().insert((*name).to_owned());
            }
            ["@forget", name] => {
                self.names.0.lock().unwrap().remove(*name);
            }
            ["@burn", count] => self.burn(count.parse().unwrap()).await,
            [name] => self.replay(name, None).await,
            [name, form] => self.replay(name, form.strip_prefix("form=")).await,
            _ => panic!("not understood: {line}"),
        }
    }

    async fn begin(&mut self, empty: bool, version: NpmVersion) {
        self.names = Arc::default();
        self.token = String::new();
        let mut options = NpmOptions::with_upstreams(self.names.clone());
        options.version = version;
        options.users = if empty { Vec::new() } else { vec![NpmUser::admin(1, "admin@example.com", "changeme-npm")] };
        self.npm = Some(Npm::start(options).await.unwrap());
    }

    async fn log_in(&mut self, name: &str, secret: &str) {
        let body = json!({"identity": name, "secret": secret}).to_string();
        let answer = self.send("POST", "/api/tokens", false, "application/json", body).await;
        json_of(&answer)["token"].as_str().unwrap().clone_into(&mut self.token);
        self.tokens.insert(name.to_owned(), self.token.clone());
    }

    async fn burn(&mut self, count: u64) {
        for number in 1..=count {
            let id = self.npm().seed_proxy_host(&json!({"domain_names": [format!("n{number}")]}));
            let path = format!("/api/nginx/proxy-hosts/{id}");
            self.send("DELETE", &path, true, "application/json", String::new()).await;
        }
    }

    async fn send(&self, method: &str, path: &str, with_token: bool, kind: &str, body: String) -> client::Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("content-type", kind), ("origin", "http://x.example")];
        if with_token {
            headers.push(("authorization", &bearer));
        }
        let address = self.npm().server.address;
        client::send(address, method, path, &headers, body).await
    }

    async fn replay(&mut self, name: &str, form: Option<&str>) {
        assert!(self.seen.insert(name.to_owned()), "{name} twice in order.txt");
        let file = std::fs::read_to_string(self.folder.join(format!("{name}.json"))).unwrap();
        let exchange: Value = serde_json::from_str(&file).unwrap();
        let (request, response) = (&exchange["request"], &exchange["response"]);
        let (kind, body) = match (form, &request["body"]) {
            (Some(form), _) => ("multipart/form-data; boundary=x", self.form(form)),
            (None, Value::Null) => ("application/json", String::new()),
            // token-post-malformed-json is the only body that was not JSON.
            (None, Value::String(_)) => ("application/json", "{".to_owned()),
            (None, body) => ("application/json", grown(body.clone()).to_string()),
        };
        let answer = self
            .send(
                request["method"].as_str().unwrap(),
                request["path"].as_str().unwrap(),
                request["headers"].get("Authorization").is_some(),
                kind,
                body,
            )
            .await;
        let mut differences = Vec::new();
        let status = json!(answer.status.as_u16());
        compare("status", &response["status"], &status, &mut differences);
        for (header, recorded) in response["headers"].as_object().into_iter().flatten() {
            let answered = answer.headers.get(header).map(|value| value.to_str().unwrap());
            compare(header, recorded, &json!(answered), &mut differences);
        }
        compare("", &response["body"], &json_of(&answer), &mut differences);
        if !differences.is_empty() {
            self.differing.insert(name.to_owned(), differences);
        }
    }

    /// An upload as it was sent: the certificate of `cert-get`, with a key that holds its public part,
    /// with a foreign key, or with something that is no certificate.
    fn form(&self, form: &str) -> String {
        let file = std::fs::read_to_string(self.folder.join("cert-get.json")).unwrap();
        let exchange: Value = serde_json::from_str(&file).unwrap();
        let meta = &exchange["response"]["body"]["meta"];
        let good = meta["certificate"].as_str().unwrap();
        let (certificate, key) = match form {
            "matching" => (good, good.replace("CERTIFICATE", "PRIVATE KEY")),
            "mismatched" => (good, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned()),
            _ => ("no certificate", String::new()),
        };
        let part = |name: &str, text: &str| {
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x.pem\"\r\n\
                 \r\n{text}\r\n"
            )
        };
        let certificate = part("certificate", certificate);
        format!("{certificate}{}--x--\r\n", part("certificate_key", &key))
    }
}

/// Pages were recorded as `_raw`.
fn json_of(answer: &client::Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| json!({"_raw": answer.body}))
}

fn issuance(word: &str) -> Issuance {
    match word {
        "granted" => Issuance::Granted,
        "busy" => Issuance::Busy,
        "forbidden" => Issuance::Forbidden,
        "challenges-fail" => Issuance::ChallengesFail,
        _ => panic!("no such issuance: {word}"),
    }
}

fn version(name: &str) -> NpmVersion {
    let numbers = |version: &NpmVersion| version.numbers().map(|number| number.to_string()).join(".");
    NpmVersion::ALL.into_iter().find(|version| numbers(version) == name).unwrap()
}

/// Long texts were recorded as `yyy…(200000 characters)`.
fn grown(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for field in fields.values_mut() {
                *field = grown(field.take());
            }
        }
        Value::String(text) => {
            let count = text.split_once("…(").map(|(_, rest)| rest);
            if let Some(count) = count.and_then(|rest| rest.strip_suffix(" characters)")) {
                let first = text.chars().next().unwrap().to_string();
                *text = first.repeat(count.parse().unwrap());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => (),
    }
    value
}

fn compare(path: &str, recorded: &Value, answered: &Value, differences: &mut Vec<String>) {
    match (recorded, answered) {
        (Value::Object(recorded), Value::Object(answered)) => {
            let keys: BTreeSet<&String> = recorded.keys().chain(answered.keys()).collect();
            for key in keys {
                let path = format!("{path}/{key}");
                match (recorded.get(key), answered.get(key)) {
                    (Some(recorded), Some(answered)) if VOLATILE.contains(&key.as_str()) => {
                        if type_of(recorded) != type_of(answered) {
                            differences.push(format!("{path}: {recorded} became {answered}"));
                        }
                    }
                    (Some(recorded), Some(answered)) if key == "nginx_err" => {
                        let (recorded, answered) = (settled(recorded), settled(answered));
                        compare(&path, &recorded, &answered, differences);
                    }
                    (Some(recorded), Some(answered)) => {
                        compare(&path, recorded, answered, differences);
                    }
                    (Some(recorded), None) => {
                        differences.push(format!("{path}: {recorded} is missing"));
                    }
                    (None, answered) => {
                        differences.push(format!("{path}: {} is too much", json!(answered)));
                    }
                }
            }
        }
        (Value::Array(recorded), Value::Array(answered)) if recorded.len() == answered.len() => {
            for (index, (recorded, answered)) in recorded.iter().zip(answered).enumerate() {
                compare(&format!("{path}/{index}"), recorded, answered, differences);
            }
        }
        _ if recorded == answered => (),
        _ => differences.push(format!("{path}: {recorded} became {answered}")),
    }
}

/// `2026/11/20 05:57:56 [emerg] 25850#25850: …` without time and process.
fn settled(text: &Value) -> Value {
    let after = text.as_str().and_then(|text| text.split_once("#"));
    let after = after.and_then(|(_, rest)| rest.split_once(": "));
    after.map_or(text.clone(), |(_, rest)| json!(rest))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
