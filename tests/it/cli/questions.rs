//! What operators ask, each answered by one command: the words that the answer is made of.

use serde_json::json;

use super::ends;
use super::rig::{Rig, end};

/// Question, command, exit code, words of the answer.
type Question = (&'static str, &'static [&'static str], i32, &'static [&'static str]);

const QUESTIONS: [Question; 22] = [
    ("is everything all right?", &["status"], 0, &["web", "mail", "OutOfSync"]),
    ("what needs me?", &["status", "--only", "attention"], 0, &["old", "A0405", "amarre status old"]),
    ("why is it not converged?", &["status", "old"], 0, &["OutOfSync", "exists and is not ours", "hint:"]),
    ("what happens next, and when?", &["status", "web"], 0, &["web", "healthy"]),
    ("what will break if this is merged?", &["plan", "-o", "markdown"], 0, &["### Amarre plan", "refused"]),
    ("will that be down, for how long?", &["plan"], 0, &["down for a while", "Downtime: data"]),
    ("which are exposed without TLS?", &["status", "--only", "no-tls"], 0, &["web"]),
    ("which can everyone reach?", &["status", "--only", "open"], 0, &["web", "open to everyone"]),
    ("who can reach them?", &["status", "-o", "wide"], 0, &["web.example.org"]),
    ("who changed this proxy host?", &["explain", "proxy-host/web.example.org"], 0, &["changed outside Amarre"]),
    ("what drifted since yesterday?", &["events", "--kind", "drift", "--since", "24h"], 0, &["nothing happened"]),
    (
        "why does this field have this value?",
        &["explain", "proxy-host/web.example.org"],
        0,
        &["address of container web"],
    ),
    ("when does this certificate expire?", &["explain", "certificate/wild"], 0, &["lasts", "days left"]),
    ("why does it not answer?", &["trace", "mail.example.org"], 1, &["It stops at the proxy host", "hint:"]),
    (
        "the same, in French?",
        &["trace", "mail.example.org", "--lang", "fr"],
        1,
        &["La requête s’arrête ici\u{a0}: hôte proxy", "conseil\u{a0}: écrivez une route"],
    ),
    ("which commit is running?", &["status", "web"], 0, &["services/web.yaml"]),
    ("how is yesterday's version got back?", &["history", "data"], 0, &["data: 1 version"]),
    (
        "what did it do at that time?",
        &["history", "--at", "2099-01-01 03:12"],
        0,
        &["nothing was being done", "created proxy host web.example.org"],
    ),
    ("what would be deleted?", &["destroy", "web", "--dry-run"], 0, &["- web", "proxy host", "network"]),
    ("what here is not managed?", &["status", "--only", "unmanaged"], 0, &["foreign.example.org"]),
    ("who has this address, where is room?", &["subnets"], 0, &["web", "next 10.77."]),
    ("are the keys and rights still good?", &["doctor"], 0, &["signed in", "OVH"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_question_of_an_operator_is_answered_by_one_command() {
    let rig = Rig::start().await;
    // Nothing outside of this machine is asked.
    let mut config = rig.config();
    config["hosts"]["default"]["address"] = json!("127.0.0.1");
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.npm.seed_certificate("wild", &["*.example.org"]);
    rig.file("services/web.yaml", "name: web\nimage: web:1\nport: 80\n");
    rig.file("services/data.yaml", "name: data\nimage: web:1\nvolumes: ['data:/data']\n");
    rig.file("services/mail.yaml", "{kind: Record, name: mail, type: A, value: 127.0.0.1}\n");
    rig.apply().await;
    // A person edits a host, one manifest asks for a new version, one for a foreign resource.
    let web = rig.npm.rows(amarre_sim::npm::Kind::ProxyHost);
    let web = web.iter().find(|row| row["domain_names"][0] == "web.example.org").unwrap()["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(web, &json!({"allow_websocket_upgrade": false}));
    rig.file("services/data.yaml", "name: data\nimage: web:2\nvolumes: ['data:/data']\n");
    rig.npm.seed_proxy_host(&json!({
        "domain_names": ["old.example.org"], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80,
    }));
    rig.file("services/old.yaml", "{kind: Route, name: old, routes: [{domain: old, to: 'http://192.0.2.8:80'}]}\n");
    let mut wrong = Vec::new();
    for (question, args, code, words) in QUESTIONS {
        let ended = rig.run(args).await;
        let missing: Vec<&&str> = words.iter().filter(|word| !ended.out.contains(**word)).collect();
        if !missing.is_empty() || ended.code != code {
            wrong.push(format!("{question} {missing:?} is not in {ended:#?}"));
        }
        let wide = ended.out.lines().filter(|line| line.chars().count() > 170);
        wrong.extend(wide.map(|line| format!("{question} has a long line: {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let daemon = rig.daemon(&[], &[]).await;
    ends(&rig.run(&["trace", "web.example.org"]).await, 0, &["A 127.0.0.1", "ours", "enabled, on line", "web answers"]);
    ends(&rig.run(&["trace", "foreign.example.org"]).await, 1, &["foreign.example.org is not managed by Amarre"]);
    ends(&rig.run(&["trace", "no name"]).await, 1, &["A0107"]);
    assert_eq!(end(daemon).await, 0);
    rig.docker.remove("web").unwrap();
    let broken = rig.run(&["trace", "web.example.org"]).await;
    ends(&broken, 1, &["container web is not there", "amarre reconcile web"]);
}
