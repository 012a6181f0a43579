//! `server.compat.pool`: the calls of another server of machines, by curl, with two machines behind them. The calls are data:
//! `tests/cases/compat-pool`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};
use tokio::process::Command;

use crate::cli::rig::{Rig, end};
use crate::support::free_port;
use crate::support::machine::{SignIn, Sort, TestMachine};

const FIRST: &str = "tests/cases/compat-pool/1-registered-and-reserved.txt";
const SECOND: &str = "tests/cases/compat-pool/2-given-back.txt";
/// How often a reading is asked again, and the pause between, in milliseconds.
const TRIES: usize = 240;
const PAUSE_MS: u64 = 500;
const ROOT: &str = "root-of-the-second";

/// Who asks, the words of curl, the status, and the body.
struct Case {
    line: String,
    who: String,
    words: Vec<String>,
    status: u16,
    /// The body has at least these fields.
    is_part: bool,
    body: Json,
}

/// The cases of a file, with what stands for machines filled in.
fn cases(name: &str, known: &BTreeMap<&str, String>) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (name, value) in known {
        text = text.replace(name, value);
    }
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("##"));
    let mut found = Vec::new();
    while let Some(asked) = lines.next() {
        let answer = lines.next().unwrap_or_else(|| panic!("{asked}: no answer"));
        let (who, curl) = asked.split_once(": curl ").unwrap_or_else(|| panic!("{asked}"));
        let (status, body) = answer.split_once(' ').unwrap();
        let (is_part, body) = body.strip_prefix("~ ").map_or((false, body), |body| (true, body));
        found.push(Case {
            line: asked.to_owned(),
            who: who.to_owned(),
            words: words(curl),
            status: status.parse().unwrap(),
            is_part,
            body: serde_json::from_str(body).unwrap_or_else(|error| panic!("{answer}: {error}")),
        });
    }
    found
}

/// Words as a shell divides them, some between single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        let mut plain = part.split(' ');
        words.last_mut().unwrap().push_str(plain.next().unwrap());
        words.extend(plain.map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether an answer is what a case says.
fn is_it(expected: &Json, found: &Json, is_part: bool) -> bool {
    match (expected, found) {
        (Json::String(text), Json::String(found)) if text == "<time>" => is_time(found),
        (Json::String(text), Json::Number(_)) if text == "<number>" => true,
        (Json::String(text), Json::String(_)) if text == "<text>" => true,
        (Json::Object(expected), Json::Object(found)) => {
            (is_part || expected.len() == found.len())
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| is_it(value, found, is_part)))
        }
        (Json::Array(expected), Json::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(value, found)| is_it(value, found, is_part))
        }
        (expected, found) => expected == found,
    }
}

/// `2026-11-26T11:04:12Z`
fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

struct Caller {
    at: String,
    tokens: BTreeMap<&'static str, String>,
}

impl Caller {
    /// Status and text.
    async fn curl(&self, who: &str, words: &[String]) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "90", "-w", "\n%{http_code}"]);
        if let Some(token) = self.tokens.get(who) {
            curl.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        for word in words {
            if word.starts_with('/') {
                curl.arg(format!("{}{word}", self.at))
            } else {
                curl.arg(word)
            };
        }
        let output = curl.output().await.unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = said.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    async fn holds(&self, case: &Case) {
        let is_reading = !case.words.iter().any(|word| word == "-X" || word == "-d");
        let mut said = (0, String::new());
        for _ in 0..if is_reading { TRIES } else { 1 } {
            said = self.curl(&case.who, &case.words).await;
            let body: Json = serde_json::from_str(&said.1).unwrap_or(Json::Null);
            if said.0 == case.status && is_it(&case.body, &body, case.is_part) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(PAUSE_MS)).await;
        }
        panic!("{}\nexpected {} {}\nfound    {} {}", case.line, case.status, case.body, said.0, said.1);
    }
}

/// A machine in which root may sign in with a password.
async fn with_password() -> TestMachine {
    let machine = TestMachine::start(Sort::Debian).await;
    machine
        .sh(&format!("echo 'root:{ROOT}' | chpasswd; echo 'PermitRootLogin yes' > /etc/ssh/sshd_config.d/root.conf"));
    machine.sh("kill -HUP $(pgrep -o sshd)");
    machine
}

async fn token(rig: &Rig, role: &str) -> String {
    let made = rig.run(&["token", "add", role, "--role", role]).await;
    assert_eq!(made.code, 0, "{made:?}");
    made.out.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_served_as_another_server_of_machines_did() {
    let rig = Rig::start().await;
    let beside = free_port();
    let config = json!({
        "instance": "lab", "pools": {}, "policy": {"targets": {"lab": ["172.17.*"]}},
        "server": {
            "listen": format!("127.0.0.1:{}", rig.port), "requests_per_minute": 100_000,
            "compat": {"pool": {"listen": format!("127.0.0.1:{beside}"), "pool": "lab"}},
        },
    });
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.file("services/lab.yaml", "# the room\nkind: Pool\nname: lab\nmachines: [] # none yet\n");
    let machines = [TestMachine::start(Sort::Debian).await, with_password().await];
    let key = rig.run(&["pool", "key"]).await;
    machines[0].let_in(key.out.trim());
    let mut tokens = BTreeMap::new();
    for role in ["member", "viewer", "admin"] {
        tokens.insert(role, token(&rig, role).await);
    }
    let daemon = rig.daemon(&["--yes"], &[("PRETTY_JSON", "1")]).await;
    let caller = Caller { at: format!("http://127.0.0.1:{beside}"), tokens };
    let known = BTreeMap::from([
        ("@M1", machines[0].address.to_string()),
        ("@M2", machines[1].address.to_string()),
        ("@KEY1", machines[0].host_key()),
        ("@KEY2", machines[1].host_key()),
        ("@ROOT2", ROOT.to_owned()),
    ]);
    for case in cases(FIRST, &known) {
        caller.holds(&case).await;
    }

    // The manifest has them, and a file beside the configuration has the password.
    let manifest = std::fs::read_to_string(rig.path().join("services/lab.yaml")).unwrap();
    let [first, second] = [&machines[0], &machines[1]].map(|machine| (machine.address, machine.host_key()));
    let expected = format!(
        "# the room\nkind: Pool\nname: lab\nmachines: # none yet\n  - {{name: m1, address: {}, host_key: \"{}\"}}\n  - {{name: m2, address: {}, password: {{secret: lab/m2}}, host_key: \"{}\"}}\n",
        first.0, first.1, second.0, second.1
    );
    assert_eq!(manifest, expected);
    let secret = rig.path().join("secrets/services/lab/m2");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), ROOT);

    // Who reserved signs in with the password of the call.
    for (user, password) in [("alice", "correct-horse"), ("bob", "battery-staple")] {
        let helper = helper(&rig, user, password);
        let mut ins = Vec::new();
        for machine in &machines {
            ins.push(machine.sign_in(user, SignIn::Password(&helper), "true").await.status.success());
        }
        ins.sort_unstable();
        assert_eq!(ins, [false, true], "{user}");
    }
    // The variable indents, unless a call says otherwise; a call may ask for it, too.
    for (path, body) in [
        ("/healthz", "{\n  \"status\": \"ok\"\n}\n"),
        ("/healthz?pretty=0", "{\"status\":\"ok\"}\n"),
        ("/healthz?pretty", "{\n  \"status\": \"ok\"\n}\n"),
    ] {
        assert_eq!(caller.curl("nobody", &[path.to_owned()]).await, (200, body.to_owned()));
    }
    for case in cases(SECOND, &known) {
        caller.holds(&case).await;
    }
    assert!(machines.iter().all(|machine| machine.has_none_of(&["alice", "bob", "carol"])));
    assert!(!secret.exists(), "the password goes with its machine");
    let manifest = std::fs::read_to_string(rig.path().join("services/lab.yaml")).unwrap();
    assert_eq!(manifest, "# the room\nkind: Pool\nname: lab\nmachines: [] # none yet\n");
    assert_eq!(end(daemon).await, 0);
    assert!(!rig.log().contains(ROOT) && !rig.log().contains("correct-horse"));
}

/// Calls of listeners beside the API: method and path there, and the operation of the API that is the same. A release of what everyone
/// has says so in its arguments, which raises its role.
const SAME: [(&str, &str, &str, Option<&str>); 8] = [
    ("cloud", "GET", "/api/servers", Some("get /api/v1/instances")),
    ("pool", "GET", "/available", Some("get /api/v1/pools/{name}")),
    ("pool", "GET", "/machines", Some("get /api/v1/pools/{name}")),
    ("pool", "GET", "/reservations", Some("get /api/v1/pools/{name}")),
    ("pool", "POST", "/machines", Some("post /api/v1/pools/{name}/register")),
    ("pool", "DELETE", "/machines/m9", Some("post /api/v1/pools/{name}/unregister")),
    ("pool", "POST", "/reserve", Some("post /api/v1/pools/{name}/reserve")),
    ("pool", "POST", "/release_all", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn listeners_beside_the_api_ask_for_its_roles() {
    let rig = Rig::start().await;
    let ports = BTreeMap::from([("cloud", free_port()), ("pool", free_port())]);
    let at = |what: &str| format!("127.0.0.1:{}", ports[what]);
    let config = json!({
        "instance": "lab", "pools": {}, "clouds": {"tlv": {"kamatera": {}, "simulated": true}},
        "server": {
            "listen": format!("127.0.0.1:{}", rig.port), "requests_per_minute": 100_000,
            "compat": {"pool": {"listen": at("pool"), "pool": "lab"}, "cloud": {"listen": at("cloud"), "from": "tlv"}},
        },
    });
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.file("services/lab.yaml", "kind: Pool\nname: lab\nmachines: []\n");
    let roles = ["member", "viewer", "operator", "editor", "admin"];
    let mut tokens = BTreeMap::new();
    for role in roles {
        tokens.insert(role, token(&rig, role).await);
    }
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let api = Caller { at: format!("http://127.0.0.1:{}", rig.port), tokens: tokens.clone() };
    let (_, document) = api.curl("admin", &["/api/v1/openapi.json".to_owned()]).await;
    let document: Json = serde_json::from_str(&document).unwrap();
    let listed = |what: &str| {
        let tokens = tokens.clone();
        let at = format!("http://{}", at(what));
        async move { Caller { at, tokens }.curl("admin", &["/".to_owned()]).await.1 }
    };
    // Every call that a listener names is in the table.
    let calls = format!("{}{}", listed("cloud").await, listed("pool").await);
    let named = calls.lines().filter(|line| ["GET ", "POST ", "DELETE "].iter().any(|method| line.starts_with(method)));
    let named: Vec<(&str, &str)> = named.map(|line| line.split_once(' ').unwrap()).collect();
    for (method, rest) in named {
        let path = rest.split_whitespace().next().unwrap().replace("NAME", "m9");
        let is_open = ["/healthz", "/ui"].contains(&path.as_str());
        let is_there = SAME.iter().any(|(_, known, call, _)| (*known, *call) == (method, path.as_str()));
        assert!(is_open || is_there, "{method} {path}");
    }
    for (what, method, path, same) in SAME {
        let least = match same {
            Some(same) => {
                let (verb, route) = same.split_once(' ').unwrap();
                document["paths"][route][verb]["x-who-may"].as_str().unwrap_or_else(|| panic!("{same}"))
            }
            None => "operator",
        };
        let least = if least == "anybody on this machine" { "viewer" } else { least };
        let least = roles.iter().position(|role| *role == least).unwrap();
        let caller = Caller { at: format!("http://{}", at(what)), tokens: tokens.clone() };
        for (index, role) in roles.iter().enumerate() {
            let words = ["-X", method, path].map(str::to_owned);
            let (status, body) = caller.curl(role, &words).await;
            assert_eq!(status == 403, index < least, "{role}: {method} {path}: {status} {body}");
            assert_ne!(status, 401, "{role}: {method} {path}");
        }
    }
    assert_eq!(end(daemon).await, 0);
}

/// A program that prints a password.
fn helper(rig: &Rig, user: &str, password: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = rig.path().join(format!("askpass-{user}"));
    std::fs::write(&path, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[tokio::test]
async fn a_pool_is_served_only_where_there_are_pools_and_apart_from_others() {
    let rig = Rig::start().await;
    let config = |pools: &str, port: u16| {
        format!(
            "{pools}server: {{listen: '127.0.0.1:{}', compat: {{pool: {{listen: '127.0.0.1:{port}', pool: lab}}}}}}\n",
            rig.port
        )
    };
    for (wrong, said) in
        [(config("", free_port()), "there is no `pools`"), (config("pools: {}\n", rig.port), "where server.listen is")]
    {
        rig.file("amarre.yaml", &wrong);
        let refused = rig.run(&["validate"]).await;
        assert!(refused.code != 0 && refused.err.contains("A0201") && refused.err.contains(said), "{refused:?}");
    }
}
