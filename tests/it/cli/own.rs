//! `adopt` and `release`: what was there already comes under Amarre, what is ours leaves it.

use amarre_sim::npm::{Kind, Level, NpmUser};
use amarre_sim::ovh::OvhOptions;
use serde_json::{Value as Json, json};

use super::ends;
use super::rig::{Rig, end};
use crate::support::stepped::ZONE;

const WEB: &str = "name: web\nimage: web:1\nport: 80\n";

fn host(rig: &Rig, domain: &str) -> Json {
    let rows = rig.npm.rows(Kind::ProxyHost);
    rows.into_iter().find(|row| row["domain_names"][0] == domain).unwrap()
}

/// The address of a container on its network.
fn address_of(rig: &Rig, name: &str) -> String {
    let rows = rig.docker.containers();
    let row = rows.iter().find(|row| row["Name"] == format!("/{name}")).unwrap();
    let mut networks = row["NetworkSettings"]["Networks"].as_object().unwrap().values();
    networks.find_map(|one| one["IPAddress"].as_str()).unwrap().to_owned()
}

fn values(rig: &Rig, name: &str, kind: &str) -> Vec<String> {
    let rows = rig.ovh.records(ZONE).into_iter().filter(|row| row["subDomain"] == name && row["fieldType"] == kind);
    rows.map(|row| row["target"].as_str().unwrap().to_owned()).collect()
}

fn seed(rig: &Rig) -> u64 {
    rig.ovh.seed_record(ZONE, "web", "A", "198.51.100.7", 0);
    rig.npm.seed_proxy_host(&json!({
        "domain_names": ["web.example.org"], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80,
        "advanced_config": "client_max_body_size 1g;", "meta": {"theirs": 1},
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_resource_is_adopted_only_on_request() {
    let rig = Rig::start().await;
    let id = seed(&rig);
    rig.file("services/web.yaml", WEB);
    let refused = rig.run(&["apply", "--yes", "--timeout", "30s"]).await;
    ends(&refused, 3, &["A0405"]);
    ends(
        &rig.run(&["plan"]).await,
        0,
        &["amarre adopt record/web.example.org/A", "amarre adopt proxy-host/web.example.org"],
    );
    ends(&rig.run(&["adopt", "nothing.example.org"]).await, 1, &["A1002"]);
    ends(&rig.run(&["adopt", "foreign.example.org", "--yes"]).await, 1, &["A0420", "no manifest wants"]);
    ends(&rig.run(&["adopt", "container/npm", "--yes"]).await, 1, &["A0420", "Docker"]);

    let dry = rig.run(&["adopt", "record/web.example.org/A", "--dry-run"]).await;
    ends(&dry, 0, &["< record web.example.org", "Nothing else of it changes now", "in values"]);
    ends(&rig.run(&["adopt", "record/web.example.org/A"]).await, 4, &["A0402", "--yes"]);
    assert_eq!(values(&rig, "_amarre.web", "TXT"), [""; 0], "nothing was asked for yet");
    // The mark, and nothing else: neither the record, nor anything more of its service.
    let containers = rig.docker.containers().len();
    let taken = rig.run(&["adopt", "record/web.example.org/A", "--yes", "--timeout", "30s"]).await;
    ends(&taken, 0, &["record web.example.org is ours, for web", "Nothing else of it changes now", "in values"]);
    assert_eq!(values(&rig, "web", "A"), ["198.51.100.7"]);
    assert_eq!(values(&rig, "_amarre.web", "TXT").len(), 1);
    ends(&rig.run(&["adopt", "record/web.example.org/A", "--yes"]).await, 0, &["is ours already"]);
    let before = host(&rig, "web.example.org");
    let taken = rig.run(&["adopt", "proxy-host/web.example.org", "--yes"]).await;
    ends(&taken, 0, &["is ours, for web", "advanced", "forward_host"]);
    let mut row = host(&rig, "web.example.org");
    assert_eq!(
        (row["id"].as_u64(), &row["meta"]["theirs"], &row["meta"]["amarre_service"]),
        (Some(id), &json!(1), &json!("web")),
        "the same row, with what others wrote"
    );
    for written in ["meta", "modified_on"] {
        row[written] = before[written].clone();
    }
    assert_eq!(row, before);
    assert_eq!(rig.docker.containers().len(), containers);
    let plan = rig.run(&["plan"]).await;
    ends(&plan, 0, &["198.51.100.7 → 203.0.113.10", "services/web.yaml:3 wants it so, it was taken over"]);
    assert!(!plan.out.contains("outside Amarre"), "{}", plan.out);

    rig.apply().await;
    let row = host(&rig, "web.example.org");
    assert_eq!((&row["meta"]["theirs"], &row["advanced_config"]), (&json!(1), &json!("")));
    assert_eq!(values(&rig, "web", "A"), ["203.0.113.10"]);
    ends(&rig.run(&["events", "web", "--kind", "drift"]).await, 0, &[]);
    ends(&rig.run(&["events", "proxy-host/web.example.org"]).await, 0, &["adopted proxy host web.example.org: by "]);
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &["nothing to do"]);
}

/// What no manifest names stays as a person set it, also after the next run.
#[tokio::test(flavor = "multi_thread")]
async fn adopting_keeps_what_the_manifest_does_not_name() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    let id = host(&rig, "web.example.org")["id"].as_u64().unwrap();
    // What no manifest has to name, as a person set it.
    let theirs = json!({"caching_enabled": true, "trust_forwarded_proto": true});
    ends(&rig.run(&["release", "proxy-host/web.example.org", "--yes"]).await, 0, &["is not ours any more"]);
    rig.npm.edit_proxy_host(id, &theirs);
    let kept = |row: Json| theirs.as_object().unwrap().keys().map(|name| row[name].clone()).collect::<Vec<_>>();
    let before = kept(host(&rig, "web.example.org"));
    ends(&rig.run(&["adopt", "proxy-host/web.example.org", "--yes"]).await, 0, &["It is as services/web.yaml says"]);
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &[]);
    rig.apply().await;
    assert_eq!(kept(host(&rig, "web.example.org")), before);
}

/// A daemon that acts puts the rest right as after any commit, with the manifest as the reason.
#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_resource_is_kept_as_the_manifest_says() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let id = seed(&rig);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    ends(&rig.run(&["adopt", "record/web.example.org/A", "--yes"]).await, 0, &["is ours, for web"]);
    ends(&rig.run(&["adopt", "proxy-host/web.example.org", "--yes"]).await, 0, &["is ours, for web"]);
    ends(&rig.run(&["reconcile", "web"]).await, 0, &[]);
    let row = host(&rig, "web.example.org");
    assert_eq!((row["id"].as_u64(), &row["advanced_config"]), (Some(id), &json!("")));
    let events = rig.run(&["events", "proxy-host/web.example.org"]).await;
    ends(&events, 0, &["adopted proxy host web.example.org: by "]);
    assert!(!events.out.contains("changed by somebody"), "{}", events.out);
    assert_eq!(end(daemon).await, 0);
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &["nothing to do"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_resource_stays_and_is_never_changed_again() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    ends(&rig.run(&["release", "container/web"]).await, 1, &["A0420"]);
    let dry = ["release", "proxy-host/web.example.org", "--dry-run"];
    ends(&rig.run(&dry).await, 0, &["> proxy host web.example.org would leave Amarre", "web still wants it"]);
    assert_eq!(host(&rig, "web.example.org")["meta"]["amarre_instance"], "home", "nothing was asked for yet");
    for (thing, said) in
        [("proxy-host/web.example.org", "web still wants it"), ("record/web.example.org/A", "amarre adopt")]
    {
        ends(&rig.run(&["release", thing, "--yes"]).await, 0, &["not ours any more", said]);
    }
    let row = host(&rig, "web.example.org");
    assert_eq!(row["meta"].get("amarre_instance"), None, "{row}");
    assert_eq!(values(&rig, "_amarre.web", "TXT"), [""; 0]);
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &["nothing to do"]);
    // Its manifest goes, and everything with it but what is not ours.
    std::fs::remove_file(rig.path().join("services/web.yaml")).unwrap();
    rig.apply().await;
    assert_eq!(host(&rig, "web.example.org")["id"], row["id"]);
    assert_eq!(values(&rig, "web", "A"), ["203.0.113.10"]);
    // With a ledger that does not know it, it is still unowned.
    for file in ["amarre.db", "amarre.db-wal", "amarre.db-shm"] {
        let _ = std::fs::remove_file(rig.path().join(file));
    }
    rig.apply().await;
    assert_eq!(host(&rig, "web.example.org")["id"], row["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_applied_as_read_or_not_at_all() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    ends(&rig.run(&["apply", "no.json"]).await, 1, &["A0421", "no.json is not a saved plan"]);
    rig.file("other.json", "{}");
    ends(&rig.run(&["apply", "other.json"]).await, 1, &["A0421", "`digest`"]);
    ends(&rig.run(&["plan", "--out", "no/folder/plan.json"]).await, 1, &["A0421", "could not write"]);
    ends(&rig.run(&["plan", "--out", "plan.json"]).await, 0, &["+ web", "Saved: amarre apply plan.json"]);
    rig.file("services/more.yaml", "name: more\nimage: web:1\n");
    ends(&rig.run(&["apply", "plan.json"]).await, 4, &["A0421", "nothing was changed"]);
    assert!(!rig.docker.containers().iter().any(|container| container["Name"] == "/web"));
    std::fs::remove_file(rig.path().join("services/more.yaml")).unwrap();
    ends(&rig.run(&["apply", "plan.json", "--timeout", "60s"]).await, 0, &["Applied"]);
    ends(&rig.run(&["apply", "plan.json"]).await, 4, &["A0421"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_attributed_from_a_log_and_never_guessed() {
    let own = NpmUser::admin(2, "amarre@amarre.demo", "changeme-npm");
    let rig = Rig::with_accounts(own, OvhOptions::with_zones(&[ZONE])).await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    let id = host(&rig, "web.example.org")["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(id, &json!({"allow_websocket_upgrade": false}));
    rig.docker.remove("web").unwrap();
    let rows = rig.ovh.records(ZONE);
    let row = rows.iter().find(|row| row["subDomain"] == "web").unwrap()["id"].as_u64().unwrap();
    assert!(rig.ovh.edit_record(ZONE, row, "198.51.100.7"));
    let plan = rig.run(&["plan"]).await;
    ends(
        &plan,
        0,
        &["changed by bob@example.org ", "(NPM audit)", "removed ", "(Docker event; by whom is not recorded)"],
    );
    // No pass ran before, so the time is not known.
    ends(&plan, 0, &["changed outside Amarre"]);
    rig.npm.remove_proxy_host(id);
    let plan = rig.run(&["plan"]).await;
    let at = plan.out.lines().position(|line| line.starts_with("  + proxy host    web.example.org")).unwrap();
    let below: Vec<&str> = plan.out.lines().skip(at + 1).take_while(|line| line.starts_with("      ")).collect();
    assert!(below.iter().any(|line| line.contains("removed by bob@example.org ")), "{}", plan.out);

    rig.apply().await;
    let daemon = rig.daemon(&["--yes"], &[]).await;
    assert!(rig.ovh.edit_record(ZONE, row, "198.51.100.8"));
    ends(&rig.run(&["reconcile", "web"]).await, 0, &[]);
    ends(&rig.run(&["events", "record/web.example.org/A", "--kind", "drift"]).await, 0, &["by somebody, between "]);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_and_explain_work_with_and_without_a_daemon() {
    let rig = Rig::start().await;
    ends(&rig.run(&["history"]).await, 0, &["there was no run yet"]);
    rig.file("services/web.yaml", &format!("{WEB}update: {{drain: 0s}}\n"));
    rig.apply().await;
    rig.file("services/web.yaml", &format!("{}update: {{drain: 0s}}\n", WEB.replace("web:1", "web:2")));
    rig.apply().await;
    let versions = rig.run(&["history", "web"]).await;
    ends(&versions, 0, &["web: 2 versions", "web:1", "now", "web:2", "amarre rollback web --to"]);
    let first = versions.out.lines().find(|line| line.ends_with("web:1")).unwrap().split_whitespace().next().unwrap();
    ends(&rig.run(&["rollback", "web", "--to", "0000000", "--dry-run"]).await, 1, &["A0414", "nothing of 0000000"]);
    ends(&rig.run(&["rollback", "web", "--to", first, "--dry-run"]).await, 0, &["web:2 → web:1"]);
    ends(&rig.run(&["history", "nobody"]).await, 1, &["A1002"]);
    ends(&rig.run(&["history", "--at", "yesterday"]).await, 1, &["not a time: yesterday", "--at 03:12"]);
    ends(&rig.run(&["history", "--at", "2001-01-01 03:12"]).await, 0, &["nothing is known of what was done"]);
    let now = jiff::Timestamp::now().to_string();
    for daemon in [false, true] {
        let daemon = if daemon { Some(rig.daemon(&["--yes"], &[]).await) } else { None };
        ends(&rig.run(&["history"]).await, 0, &["RUN ", "applied"]);
        ends(&rig.run(&["history", "--at", &now]).await, 0, &["nothing was being done", "container web"]);
        let host = rig.run(&["explain", "proxy-host/web.example.org"]).await;
        ends(
            &host,
            0,
            &[
                "Synced",
                "web, services/web.yaml:3",
                "this Amarre (home): ledger and mark agree",
                "container web",
                "address of container web",
                "nothing: it is as wanted",
            ],
        );
        ends(&rig.run(&["explain", "record/web.example.org"]).await, 0, &["values", "203.0.113.10"]);
        ends(&rig.run(&["explain", "web"]).await, 0, &["docker/container/web", " in run ", "image web:2, network web"]);
        ends(&rig.run(&["explain", "203.0.113.10"]).await, 0, &["record/web.example.org/A", "services/web.yaml"]);
        ends(&rig.run(&["explain", "10.99.0.1"]).await, 1, &["A1002", "amarre subnets"]);
        ends(&rig.run(&["explain", "certificate/web.example.org"]).await, 1, &["asks for no certificate", "tls:"]);
        let address = address_of(&rig, "web");
        ends(&rig.run(&["explain", &address]).await, 0, &["docker/container/web"]);
        ends(&rig.run(&["explain", "foreign"]).await, 0, &["not managed", "nothing: it is not ours"]);
        ends(&rig.run(&["explain", "nothing/at-all"]).await, 1, &["A1002"]);
        ends(&rig.run(&["explain", "proxy-host/foreign.example.org"]).await, 0, &["no manifest wants it", "not us"]);
        if let Some(daemon) = daemon {
            assert_eq!(end(daemon).await, 0);
        }
    }
    let id = host(&rig, "web.example.org")["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(id, &json!({"allow_websocket_upgrade": false}));
    let told = rig.run(&["explain", "proxy-host/web.example.org"]).await;
    ends(&told, 0, &["OutOfSync", "changed outside Amarre; wanted true", "it is put right with the next run"]);
}

/// NPM writes the old `meta` of a 404 host back at each change, so the ledger has the mark.
#[tokio::test(flavor = "multi_thread")]
async fn an_existing_404_host_is_adopted_and_at_rest() {
    let rig = Rig::start().await;
    rig.npm.set_level(Kind::DeadHost, Level::Manage);
    rig.npm.seed_dead_host(&json!({"domain_names": ["gone.example.org"]}));
    rig.file("services/gone.yaml", "{kind: DeadHost, name: gone, domain: gone, dns: none}\n");
    ends(&rig.run(&["apply", "--yes", "--timeout", "30s"]).await, 0, &["nothing to do"]);
    let taken = rig.run(&["adopt", "404-host/gone.example.org", "--yes", "--timeout", "30s"]).await;
    ends(&taken, 0, &["is ours, for gone", "It is as services/gone.yaml says"]);
    for _ in 0..4 {
        ends(&rig.run(&["apply", "--yes", "--timeout", "30s"]).await, 0, &["nothing to do"]);
    }
    rig.file("services/gone.yaml", "{kind: DeadHost, name: gone, domain: gone, aliases: [gone2], dns: none}\n");
    ends(&rig.run(&["apply", "--yes", "--timeout", "30s"]).await, 0, &[]);
    assert!(rig.npm.serves("gone2.example.org"), "nginx has it, and not only the row");
    ends(&rig.run(&["release", "404-host/gone.example.org", "--yes", "--timeout", "30s"]).await, 0, &[]);
}
