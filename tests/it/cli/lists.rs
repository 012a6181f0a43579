//! `status` in its forms, `subnets`, `plan -o markdown`, `completions`.

use std::str::FromStr;

use serde_json::Value as Json;

use super::amarre;
use super::rig::{Rig, end, signal};
use crate::api::token;
use crate::support::eventually;

const WEB: &str = "name: web\nimage: web:1\nport: 80\nupdate: {drain: 0s}\n";
/// Its image is nowhere, so it needs a person; its reason is longer than a line.
const SICK: &str = "name: sick\nimage: registry.example.net/a/rather/long/name/of/an/image:that-is-nowhere\n";

async fn two() -> Rig {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.file("services/sick.yaml", SICK);
    let ended = rig.run(&["apply", "--yes", "--timeout", "5s"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    rig
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn names(document: &Json) -> Vec<&str> {
    document["services"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_fits_its_columns_and_lists_what_is_asked_for() {
    let rig = two().await;
    let text = rig.run(&["status"]).await.out;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let row = text.lines().find(|line| line.starts_with("sick")).unwrap();
    assert!(row.contains('…'), "cut, and says so: {row}");
    let ascii = rig.run(&["--ascii", "status"]).await.out;
    assert!(ascii.lines().find(|line| line.starts_with("sick")).unwrap().contains("..."), "{ascii}");

    let wide = rig.run(&["status", "-o", "wide"]).await.out;
    let head = wide.lines().find(|line| line.starts_with("SERVICE")).unwrap();
    let columns: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(columns, ["SERVICE", "HOST", "DOMAIN", "REVISION", "SYNC", "HEALTH", "SINCE", "WHAT", "NOW"]);
    let row = wide.lines().find(|line| line.starts_with("web")).unwrap();
    assert!(row.contains("default") && row.contains("web.example.org"), "{row}");
    assert!(wide.contains("that-is-nowhere"), "wide cuts nothing: {wide}");

    for (only, expected) in
        [("attention", vec!["sick"]), ("no-tls", vec!["web"]), ("suspended", vec![]), ("expiring", vec![])]
    {
        let document = json(&rig.run(&["status", "--only", only, "-o", "json"]).await.out);
        assert_eq!(names(&document), expected, "{only}");
        let text = rig.run(&["status", "--only", only]).await.out;
        let listed: Vec<&str> =
            ["web", "sick"].into_iter().filter(|name| text.lines().any(|line| line.starts_with(name))).collect();
        assert_eq!(listed, expected, "{only}: {text}");
    }
    assert!(rig.run(&["status", "--only", "suspended"]).await.out.ends_with("\nNothing is suspended.\n"));
    assert_eq!(rig.run(&["status", "--exit-code"]).await.code, 2);
    assert_eq!(rig.run(&["status", "--exit-code", "--only", "no-tls"]).await.code, 0);
    assert_eq!(rig.run(&["status", "--only", "everything"]).await.code, 2, "wrong usage");

    rig.run(&["suspend", "web", "--why", "moving"]).await;
    assert!(rig.run(&["status", "--only", "suspended"]).await.out.contains("1 is left alone: amarre resume web"));
    let foreign = json(&rig.run(&["status", "--only", "unmanaged", "-o", "json"]).await.out);
    assert_eq!(foreign["schema"], "amarre.unmanaged/v1");
    let text = rig.run(&["status", "--only", "unmanaged"]).await.out;
    for name in ["stranger", "foreign.example.org"] {
        assert!(foreign["items"].as_array().unwrap().iter().any(|item| item["name"] == name), "{foreign:#}");
        assert!(text.contains(name), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_listed_with_what_was_applied_and_what_is_there() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    assert!(rig.run(&["status", "--only", "drift"]).await.out.contains("Nothing differs"));
    rig.docker.remove("web").unwrap();
    let text = rig.run(&["status", "--only", "drift"]).await.out;
    assert!(text.contains("1 service differs from what Amarre last applied."), "{text}");
    assert!(text.contains("  + container     web") && text.contains("amarre reconcile web"), "{text}");
    let document = json(&rig.run(&["status", "--only", "drift", "-o", "json"]).await.out);
    assert_eq!((&document["schema"], &document["count"]["services"]), (&"amarre.drift/v1".into(), &1.into()));
    assert_eq!(rig.run(&["status", "--only", "drift", "--exit-code"]).await.code, 2);
    rig.apply().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_status_prints_each_change_once() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let said = rig.path().join("watch.log");
    let mut command = rig.command(&["status", "--watch"]);
    let watcher = command.stdout(std::fs::File::create(&said).unwrap()).spawn().unwrap();
    let text = || std::fs::read_to_string(&said).unwrap();
    eventually(60, "it is well", async || text().contains("web Synced Healthy")).await;
    rig.run(&["suspend", "web", "--why", "moving"]).await;
    eventually(60, "it is suspended", async || text().contains("suspended by")).await;
    let lines = text();
    assert!(lines.lines().all(|line| line.as_bytes()[2] == b':' && line[9..].starts_with("web ")), "{lines}");
    let mut states: Vec<&str> = lines.lines().map(|line| &line[9..]).collect();
    let count = states.len();
    states.dedup();
    assert_eq!(states.len(), count, "no line twice: {lines}");
    assert_eq!(end(watcher).await, 0);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_filtered_as_asked() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    let rows = rig.npm.rows(amarre_sim::npm::Kind::ProxyHost);
    let id = rows.iter().find(|row| row["domain_names"][0] == "web.example.org").unwrap()["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(id, &serde_json::json!({"allow_websocket_upgrade": false}));
    rig.apply().await;
    let events = async |args: &[&str]| rig.run(&[&["events"], args].concat()).await.out;
    let all = events(&[]).await;
    assert!(all.lines().count() > 4, "{all}");
    let drift = events(&["--kind", "drift", "--since", "24h"]).await;
    assert_eq!(drift.lines().count(), 1, "{drift}");
    assert!(drift.contains("web  updated proxy host web.example.org: websockets"), "{drift}");
    let of_host = events(&["proxy-host/web.example.org"]).await;
    assert_eq!(of_host.lines().count(), 2, "made, then changed: {of_host}");
    assert!(of_host.ends_with(&drift), "the oldest first: {of_host}");
    assert_eq!(events(&["container/web", "--kind", "created"]).await.lines().count(), 1);
    assert_eq!(events(&["web", "-n", "1"]).await, drift);
    let nowhere = rig.run(&["events", "proxy-host/we_.example.org"]).await;
    assert!(nowhere.code == 1 && nowhere.err.contains("A1002"), "{nowhere:?}");
    let mistyped = rig.run(&["events", "wev"]).await;
    assert!(mistyped.code == 1 && mistyped.err.contains("did you mean web?"), "{mistyped:?}");
    assert!(rig.run(&["status", "wev"]).await.err.contains("did you mean web?"));
    let unknown = rig.run(&["events", "--kind", "drfit"]).await;
    assert!(unknown.code == 2 && unknown.err.contains("did you mean `drift`?"), "{unknown:?}");
    assert!(unknown.err.contains("A1013"), "{unknown:?}");
    assert_eq!(rig.run(&["events", "--kind", "nonsense", "-o", "json"]).await.code, 2);
    assert_eq!(events(&["--kind", "rescued"]).await, "nothing happened of that sort\n");
    let document = json(&events(&["--kind", "drift", "-o", "json"]).await);
    assert_eq!(document["schema"], "amarre.events/v1");
    let event = &document["events"][0];
    assert_eq!((&event["kind"], &event["reason"]), (&"updated".into(), &"drift".into()));
    let daemon = rig.daemon(&[], &[]).await;
    assert_eq!(events(&["--kind", "drift"]).await, drift, "a daemon tells the same");
    assert_eq!(rig.run(&["events", "--kind", "drfit"]).await.code, 2);
    assert!(rig.run(&["status", "wev"]).await.err.contains("did you mean web?"));
    let mut viewer = token(&rig, "viewer", &[]).await;
    for (query, status, code) in [
        ("kind=nonsense", 400, "A1013"),
        ("name=nobody", 404, "A1002"),
        ("kind=drift&name=web", 200, "amarre.events/v1"),
    ] {
        let page = viewer.get(&format!("/api/v1/events?{query}")).await;
        assert!(page.status == status && page.body.contains(code), "{query}: {page:?}");
    }
    assert_eq!(viewer.get("/api/v1/services/nobody/events").await.status, 404);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_resource_has_drifted() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    rig.docker.remove("web").unwrap();
    rig.apply().await;
    let drift = rig.run(&["events", "--kind", "drift"]).await.out;
    assert!(drift.contains("web  created container web: "), "{drift}");
    assert_eq!(rig.run(&["events", "--kind", "missing"]).await.out, drift);
}

/// A history is asked for by the times that it prints.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_found_by_its_own_time() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    let runs = json(&rig.run(&["history", "-o", "json"]).await.out);
    let started = runs["runs"][0]["started_at"].as_str().unwrap().to_owned();
    let listed = rig.run(&["history"]).await.out;
    let began = listed.lines().nth(1).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let local = jiff::Timestamp::from_str(&started).unwrap().to_zoned(jiff::tz::TimeZone::system());
    let as_printed_later = local.strftime("%d %b %H:%M:%S").to_string();
    let with_day = local.strftime("%Y-%m-%d %H:%M").to_string();
    let day = local.strftime("%Y-%m-%d").to_string();
    for at in [&began, &began[..5].to_owned(), &started, &as_printed_later, &with_day, &day] {
        let found = rig.run(&["history", "--at", at]).await;
        assert!(found.out.starts_with("run 1, ") && found.out.contains("created container web"), "{at}: {found:?}");
        assert_eq!(found.code, 0);
    }
    let daemon = rig.daemon(&[], &[]).await;
    let found = rig.run(&["history", "--at", &began[..5]]).await;
    assert!(found.out.contains("run 1, "), "a daemon finds the same: {found:?}");
    assert_eq!(end(daemon).await, 0);
    let before = rig.run(&["history", "--at", "2020-01-01 03:12"]).await;
    assert!(before.out.contains("nothing is known of what was done"), "{before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn subnets_are_listed_with_their_holders() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    let text = rig.run(&["subnets"]).await.out;
    let expected = "\
10.77.0.0/16 in /24: 1 leased, 1 not ours, 254 free, next 10.77.2.0/24
SUBNET            WHO              ADDRESSES
10.77.0.0/24      (not ours)       Docker network foreign
10.77.1.0/24      web              .2 NPM main, .3 web
";
    assert_eq!(text, expected);
    let document = json(&rig.run(&["subnets", "-o", "json"]).await.out);
    assert_eq!(document["pools"][0]["next"], "10.77.2.0/24");
    assert_eq!(document["subnets"][1]["addresses"][0], serde_json::json!({"address": "10.77.1.2", "who": "NPM main"}));
    let daemon = rig.daemon(&[], &[]).await;
    assert_eq!(rig.run(&["subnets"]).await.out, expected, "a daemon says the same");
    assert_eq!(rig.json("/api/v1/subnets").await["subnets"], document["subnets"]);
    signal(&daemon, "TERM");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_for_a_merge_request_is_folded_and_cannot_be_broken_out_of() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    let quiet = rig.run(&["plan", "-o", "markdown"]).await.out;
    assert!(
        quiet.starts_with("### Amarre plan for `services @ ") && quiet.contains("**nothing to do, 1 service"),
        "{quiet}"
    );
    let evil = "``` </details> @everyone | [x](https://example.net)";
    rig.file("services/web.yaml", &format!("{WEB}environment: {{TEXT: '{evil}'}}\n"));
    let ended = rig.run(&["plan", "-o", "markdown"]).await;
    assert_eq!(ended.code, 0);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(
        lines.contains(&"<details><summary>± web: no downtime: the new one starts beside the old</summary>"),
        "{}",
        ended.out
    );
    let fences: Vec<&&str> = lines.iter().filter(|line| line.starts_with("````")).collect();
    assert_eq!(fences, [&"````text", &"````"], "{}", ended.out);
    let open = lines.iter().position(|line| line.starts_with("````")).unwrap();
    let close = lines.iter().rposition(|line| line.starts_with("````")).unwrap();
    let outside: String = lines[..open].iter().chain(&lines[close..]).copied().collect();
    assert!(!outside.contains("everyone") && ended.out.contains(evil), "{}", ended.out);
    assert_eq!(ended.out.matches("\n</details>\n").count(), 1);
    rig.apply().await;
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = amarre(&["completions", shell]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        assert!(ended.out.contains("reconcile") && ended.out.contains("subnets"), "{shell}");
    }
    // What bash makes of it is bash's word.
    let script = amarre(&["completions", "bash"]).out
        + "\nCOMP_WORDS=(amarre stat); COMP_CWORD=1; _amarre amarre stat amarre; echo \"${COMPREPLY[@]}\"";
    let bash = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&bash.stdout), "status\n", "{}", String::from_utf8_lossy(&bash.stderr));
}
