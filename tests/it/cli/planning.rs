//! `plan` where it cannot be whole: a provider that is away, a guard that holds.

use amarre_sim::Fault;
use amarre_sim::npm::{Issuance, Kind};
use serde_json::{Value as Json, json};

use super::rig::{Rig, end};
use super::{Ended, amarre_with, ends};
use crate::support::stepped::ZONE;
use crate::support::{eventually, free_port};

const WEB: &str = "name: web\nimage: web:1\nport: 80\nupdate: {drain: 0s}\n";

/// NPM is nowhere from now on.
fn without_npm(rig: &Rig) {
    let mut config = rig.config();
    config["npm"]["main"]["url"] = json!(format!("http://127.0.0.1:{}", free_port()));
    rig.file("amarre.yaml", &format!("{config:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_fails_when_a_provider_that_it_needs_cannot_be_asked() {
    let rig = Rig::start().await;
    rig.file("services/job.yaml", "name: job\nimage: web:1\n");
    rig.apply().await;
    without_npm(&rig);
    for args in [&["plan"][..], &["plan", "--detailed-exitcode"]] {
        ends(&rig.run(args).await, 0, &["A0601", "nothing to do in what could be seen"]);
    }
    rig.file("services/web.yaml", WEB);
    let told =
        ["error[A0422]: could not ask npm (A0601), which manifests need", "amarre help A0422", "container     web"];
    for args in [&["plan"][..], &["plan", "--detailed-exitcode"], &["plan", "--out", "plan.json"]] {
        ends(&rig.run(args).await, 1, &told);
    }
    assert!(!rig.path().join("plan.json").exists(), "what is not whole is not saved");
    let ended = rig.run(&["plan", "-o", "json"]).await;
    ends(&ended, 1, &["error[A0422]"]);
    let plan: Json = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(plan["gaps"][0]["needed"], true, "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_begins_with_what_is_broken() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    rig.file("services/bad.yaml", "name: bad\nimagee: web:1\n");
    let first = |ended: &Ended| ended.out.lines().next().unwrap_or_default().to_owned();
    let quiet = rig.run(&["plan"]).await;
    ends(&quiet, 1, &["bad: ", "amarre validate shows it"]);
    assert!(first(&quiet).ends_with(": 1 manifest is broken; nothing to do, 1 service in sync"), "{quiet:?}");
    rig.file("services/more.yaml", "name: more\nimage: web:1\n");
    let busy = rig.run(&["plan"]).await;
    assert!(first(&busy).ends_with(": 1 manifest is broken"), "{busy:?}");
    ends(&busy, 1, &["+ more"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_fails_when_the_guard_holds_it() {
    let rig = Rig::start().await;
    for name in ["one", "two"] {
        rig.file(&format!("services/{name}.yaml"), &format!("name: {name}\nimage: web:1\n"));
    }
    rig.apply().await;
    for name in ["one", "two"] {
        std::fs::remove_file(rig.path().join(format!("services/{name}.yaml"))).unwrap();
    }
    for args in [&["plan"][..], &["plan", "--detailed-exitcode"], &["plan", "-o", "json"], &["plan", "-o", "markdown"]]
    {
        let told =
            ["this plan deletes all 2 services", "amarre apply --confirm-deletes=2", "error[A0401]: held by the guard"];
        ends(&rig.run(args).await, 4, &told);
    }
    ends(&rig.run(&["apply", "--yes"]).await, 4, &["A0401"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_all_manifests_leaves_what_was_there_its_room() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["limits"] = json!({"names": 2, "labels": "1MiB"});
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    let route = "routes: [{domain: a, aliases: [b], to: \"http://192.168.77.9:80\"}]";
    rig.file("services/aaa.yaml", &format!("kind: Route\nname: aaa\ndns: none\n{route}\n"));
    ends(&rig.run(&["validate"]).await, 1, &["error[A0164]", "1 of 2 are taken", "limits.names"]);
    ends(&rig.run(&["plan"]).await, 1, &["A0164"]);
    // Its room is free once it is gone.
    std::fs::remove_file(rig.path().join("services/web.yaml")).unwrap();
    rig.run(&["apply", "--yes"]).await;
    rig.apply().await;
    assert!(rig.npm.serves("a.example.org") && !rig.npm.serves("web.example.org"));
    config["limits"] = json!({"labels": "much"});
    rig.file("amarre.yaml", &format!("{config:#}"));
    ends(&rig.run(&["validate"]).await, 1, &["limits.labels: `much` is not a size"]);
}

/// The value of a row of `explain`, and where it comes from.
fn from(text: &str, field: &str) -> String {
    // Behind a value that is too long for its column, the place has a line of its own.
    let text = text.replace(&format!("\n{:16}", ""), "   ");
    let row = text.lines().find(|line| line.trim_start().starts_with(&format!("{field} ")));
    row.and_then(|row| row.rsplit("   ").next()).unwrap_or_default().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_the_key_is_named_that_gave_a_field_and_that_changed() {
    let rig = Rig::start().await;
    let manifest = "name: web\nport: 80\nimage: web:1\nenvironment:\n  A: b\nupdate: {drain: 0s}\n";
    rig.file("services/web.yaml", manifest);
    let long = "name: pair\ncontainers:\n  app:\n    user: '7'\n    image: web:1\n";
    rig.file("services/pair.yaml", &format!("{long}routes:\n- to: app:80\n  domain: pair\n  websockets: false\n"));
    rig.apply().await;
    for (thing, fields) in [
        ("container/web", [("image", "services/web.yaml:3"), ("environment", "services/web.yaml:4")].as_slice()),
        ("container/web", &[("restart", "the default"), ("logging", "the default"), ("network", "the default")]),
        ("container/pair-app", &[("image", "services/pair.yaml:5"), ("user", "services/pair.yaml:4")]),
        ("proxy-host/web.example.org", &[("forward_port", "services/web.yaml:2"), ("websockets", "the default")]),
        ("proxy-host/pair.example.org", &[("websockets", "services/pair.yaml:9"), ("domains", "services/pair.yaml:8")]),
        ("record/web.example.org/A", &[("values", "amarre.yaml: hosts.default.address"), ("ttl", "the default")]),
    ] {
        let text = rig.run(&["explain", thing]).await.out;
        for (field, expected) in fields {
            assert_eq!(from(&text, field), *expected, "{field} of {thing}:\n{text}");
        }
    }
    rig.file("services/web.yaml", &manifest.replace("web:1", "web:2"));
    ends(&rig.run(&["plan"]).await, 0, &["± container     web                 services/web.yaml:3 changed"]);
    let more = format!("{}volumes: [data:/data]\n", manifest.replace("web:1", "web:2"));
    rig.file("services/web.yaml", &more);
    let plan: Json = serde_json::from_str(&rig.run(&["plan", "-o", "json"]).await.out).unwrap();
    for (kind, line) in [("image", 3), ("container", 3), ("volume", 7)] {
        let services = plan["services"].as_array().unwrap();
        let mut changes = services.iter().flat_map(|service| service["changes"].as_array().unwrap());
        let change = changes.find(|change| change["kind"] == kind && change["reason"]["code"] == "manifest_changed");
        let reason = &change.unwrap_or_else(|| panic!("no {kind} in {plan:#}"))["reason"];
        assert_eq!(reason["text"], format!("services/web.yaml:{line} changed"), "{kind}: {plan:#}");
        assert_eq!(reason["line"], line, "{kind}: {plan:#}");
    }
    rig.file("services/web.yaml", manifest);
    let mut config = rig.config();
    config["hosts"]["default"]["address"] = json!("203.0.113.11");
    rig.file("amarre.yaml", &format!("{config:#}"));
    ends(
        &rig.run(&["plan"]).await,
        0,
        &["~ record        web.example.org     amarre.yaml: hosts.default.address changed"],
    );
    let plan: Json = serde_json::from_str(&rig.run(&["plan", "-o", "json"]).await.out).unwrap();
    assert!(plan.to_string().contains(r#""code":"configuration_changed""#), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_of_another_instance_is_listed_with_its_name() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    let mut config = rig.config();
    (config["instance"], config["state"]) = (json!("cabin"), json!("./cabin.db"));
    rig.file("amarre.yaml", &format!("{config:#}"));
    let plan = rig.run(&["plan"]).await;
    for told in [
        "container     web                 exists and belongs to the instance home",
        "proxy host    web.example.org     exists and belongs to the instance home",
        "note: network zz-amarre-web is used, not owned: it belongs to the instance home",
        "note: record web.example.org/A is used, not owned: it belongs to the instance home",
    ] {
        assert!(plan.out.contains(told), "{told:?} is not in\\n{}", plan.out);
    }
    assert!(!plan.out.contains("not ours") && !plan.out.contains("was here already"), "{}", plan.out);
}

/// What is said after a plan is what comes next.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_command_is_the_one_that_comes_next() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let next = async |args: &[&str]| {
        let ended = rig.run(args).await;
        ended.out.lines().filter(|line| line.starts_with("Next: ")).collect::<Vec<_>>().join("|")
    };
    assert_eq!(next(&["plan"]).await, "Next: amarre apply");
    assert_eq!(next(&["plan", "--out", "plan.json"]).await, "");
    rig.apply().await;
    rig.file("services/web.yaml", &WEB.replace("web:1", "web:2"));
    rig.apply().await;
    assert_eq!(next(&["rollback", "web", "--dry-run"]).await, "Next: amarre rollback web");
    let versions: Json = serde_json::from_str(&rig.run(&["history", "web", "-o", "json"]).await.out).unwrap();
    let first = versions["versions"][0]["revision"].as_str().unwrap();
    let to = format!("Next: amarre rollback web --to {first}");
    assert_eq!(next(&["rollback", "web", "--to", first, "--dry-run"]).await, to);
    // The question follows the plan, in which nothing says that it has to be asked.
    std::fs::remove_file(rig.path().join("services/web.yaml")).unwrap();
    let asked = rig.run(&["apply"]).await;
    ends(&asked, 4, &["A0402", "- web"]);
    assert!(!asked.out.contains("Next:"), "{asked:?}");
    // A daemon would delete by itself.
    assert_eq!(next(&["plan"]).await, "Next: amarre apply (asks before it deletes)");
    let daemon = rig.daemon(&[], &[]).await;
    assert!(!rig.run(&["apply"]).await.out.contains("Next:"), "a daemon's plan neither");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_a_destroy_are_listed_once() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    without_npm(&rig);
    let partly = rig.run(&["destroy", "web", "--yes", "--timeout", "5s"]).await;
    ends(&partly, 3, &["Partly destroyed in ", "A0601"]);
    assert!(!partly.out.contains("pplied") && !partly.out.contains("nothing to do"), "{partly:?}");
    assert_eq!(partly.out.matches("A0601").count(), 1, "{partly:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_certificates_and_foreign_records_are_listed() {
    let rig = Rig::start().await;
    let (old, used) = ("old.example.org", "used.example.org");
    rig.npm.seed_ordered_certificate(old, &[old]);
    let id = rig.npm.seed_ordered_certificate(used, &[used]);
    rig.npm.seed_certificate("bought.example.org", &["bought.example.org"]);
    rig.npm.seed_proxy_host(&json!({
        "domain_names": [used], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80,
        "certificate_id": id,
    }));
    rig.ovh.seed_record(ZONE, "web", "A", "198.51.100.7", 3600);
    rig.file("services/web.yaml", WEB);
    let text = rig.run(&["status", "--only", "unmanaged"]).await.out;
    assert!(text.lines().any(|line| line == "record         web.example.org  A 198.51.100.7"), "{text}");
    let certificates: Vec<&str> = text.lines().filter(|line| line.starts_with("certificate")).collect();
    assert!(matches!(certificates[..], [one] if one.contains(old) && one.ends_with("used by nothing")), "{text}");
    let items: Json =
        serde_json::from_str(&rig.run(&["status", "--only", "unmanaged", "-o", "json"]).await.out).unwrap();
    let record = items["items"].as_array().unwrap().iter().find(|item| item["name"] == "web.example.org").unwrap();
    assert_eq!(record["type"], "A");
}

#[test]
fn validation_errors_are_a_json_document() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir_all(folder.path().join("services/shop")).unwrap();
    file("amarre.yaml", "domains: [example.org]\n");
    file("services/web.yaml", "name: web\nimage: web:1\nenviroment: {}\n");
    file("services/shop/service.yaml", "name: shop\ncompose: .\n");
    file("services/shop/compose.yaml", "services: {app: {image: \"shop:1\", ports: [\"3000\"]}}\n");
    let ended = amarre_with(folder.path(), &[], &["validate", "-o", "json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let document: Json = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["schema"], "amarre.validate/v1");
    assert_eq!((&document["good"], &document["broken"]), (&json!(1), &json!(["web"])));
    assert_eq!(document["revision"]["kind"], "folder");
    let found = document["diagnostics"].as_array().unwrap();
    let places: Vec<_> = found.iter().map(|one| (&one["code"], &one["file"], &one["line"])).collect();
    let (port, key) = (json!("A0186"), json!("A0103"));
    let (compose, web) = (json!("services/shop/compose.yaml"), json!("services/web.yaml"));
    assert_eq!(places, [(&port, &compose, &json!(1)), (&key, &web, &json!(3))]);
    assert_eq!((&found[0]["severity"], &found[1]["severity"]), (&json!("warning"), &json!("error")));
    file("services/web.yaml", "name: web\nimage: web:1\n");
    assert_eq!(amarre_with(folder.path(), &[], &["validate", "-o", "json"]).code, 0);
    assert_eq!(amarre_with(folder.path(), &[], &["validate", "--strict", "-o", "json"]).code, 1);
}

#[test]
fn validate_says_once_which_word_of_the_policy_would_help() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("services")).unwrap();
    file("amarre.yaml", "domains: [example.org]\n");
    file("services/good.yaml", "name: good\nimage: web:1\n");
    file("services/films.yaml", "name: films\nimage: web:1\nvolumes: [/mnt/films:/x]\n");
    file("services/vpn.yaml", "name: vpn\nimage: web:1\ncap_add: [NET_ADMIN]\ndevices: [/dev/net/tun]\n");
    file("services/wrong.yaml", "name: wrong\nimage: web:1\nport: eighty\n");
    let says = |ended: &Ended| ended.err.contains("would pass with");
    let ended = amarre_with(folder.path(), &[], &["validate"]);
    let line = "2 of the 3 files with errors would pass with `policy.authors: operators` in amarre.yaml,";
    ends(&ended, 1, &[line, "A single word would open: `policy.host_paths` 1."]);
    assert_eq!(ended.err.matches("would pass with").count(), 1, "{ended:?}");
    for who in ["others", "operators"] {
        file("amarre.yaml", &format!("domains: [example.org]\npolicy: {{authors: {who}}}\n"));
        assert!(!says(&amarre_with(folder.path(), &[], &["validate"])), "{who} is an answer");
    }
    file("amarre.yaml", "domains: [example.org]\n");
    std::fs::remove_file(folder.path().join("services/films.yaml")).unwrap();
    std::fs::remove_file(folder.path().join("services/vpn.yaml")).unwrap();
    assert!(!says(&amarre_with(folder.path(), &[], &["validate"])), "no word helps");
}

#[test]
fn mistyped_keys_name_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("services")).unwrap();
    file("amarre.yaml", "domian: example.org\n");
    let ended = amarre_with(folder.path(), &[], &["validate"]);
    ends(&ended, 1, &["amarre.yaml:1:1: unknown key `domian`", "did you mean `domain`?"]);
    assert!(!ended.err.contains("expected one of"), "{ended:?}");
    file("amarre.yaml", "domains: [example.org]\n");
    file("services/family.yaml", "kind: AccessList\nname: family\nallow: [192.0.2.0/24]\nsatisfy_any: true\n");
    ends(&amarre_with(folder.path(), &[], &["validate"]), 1, &["unknown key `satisfy_any`", "did you mean `satisfy`?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_as_json_keeps_the_lines_of_values() {
    let rig = Rig::start().await;
    let manifest = json!({
        "name": "web", "image": "web:1", "command": ["sh", "-c", "one\ntwo"], "environment": {"KEY": "a\nb"},
    });
    rig.file("services/web.yaml", &manifest.to_string());
    rig.apply().await;
    let ended = rig.run(&["explain", "docker/container/web", "-o", "json"]).await;
    let document: Json = serde_json::from_str(&ended.out).unwrap();
    let value = |name: &str| {
        let fields = document["fields"].as_array().unwrap();
        fields.iter().find(|field| field["field"] == name).unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(value("command"), "sh, -c, one\ntwo");
    assert!(value("environment").contains("KEY=a\nb"), "{document:#}");
    ends(&rig.run(&["explain", "docker/container/web"]).await, 0, &["sh, -c, one two"]);
}

/// What a vendor does not let go is named in the last line, and the command has not done all that it was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_ends_with_what_it_left() {
    let rig = Rig::start().await;
    rig.npm.set_issuance(Issuance::Granted);
    let mut config = rig.config();
    config["certificates"] = json!({"port80": "assume"});
    rig.file("amarre.yaml", &config.to_string());
    rig.file("services/web.yaml", &format!("{WEB}ssl: true\n"));
    rig.apply().await;
    rig.npm.server.faults.add("DELETE", "/api/nginx/certificates", 99, Fault::Before(500));
    let partly = rig.run(&["destroy", "--all", "--purge", "--yes", "--timeout", "5s"]).await;
    let last = partly.out.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("Partly destroyed in ") && last.contains("Left: certificate web.example.org"),
        "{partly:?}"
    );
    assert_eq!(partly.code, 3, "{partly:?}");
    rig.npm.server.faults.clear();
    ends(&rig.run(&["destroy", "--all", "--purge", "--yes"]).await, 0, &["Destroyed web"]);
    assert!(rig.npm.rows(Kind::Certificate).is_empty());
}

/// What stays goes on costing, and is said before and after.
#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_without_purge_keeps_servers_and_says_so() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF9B8VueTLAsY0j5VlsKwyVQu+zjuV5mmDKWaObkera2 ops@example.org";
    config["ssh_keys"] = json!({"ops": key});
    config["clouds"] =
        json!({"paris": {"simulated": true, "limits": {"instances": 10}, "budget": {"month": "200 EUR"}}});
    rig.file("amarre.yaml", &config.to_string());
    let place = "cloud: paris\nproject: ci\nregion: GRA11\ntype: b3-8\nimage: Debian 13\nssh_keys: [ops]\n";
    rig.file("services/build.yaml", &format!("kind: Instance\nname: build\n{place}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let made = async || rig.json("/api/v1/services/build").await["sync"] == "Synced";
    eventually(60, "it is made", made).await;
    let shown = rig.run(&["destroy", "build", "--dry-run"]).await;
    assert!(shown.out.contains("kept: server"), "{shown:?}");
    let purged = rig.run(&["destroy", "build", "--purge", "--dry-run"]).await;
    assert!(purged.code == 3 && purged.out.contains("is protected") && !purged.out.contains("- server"), "{purged:?}");
    ends(&rig.run(&["destroy", "build", "--yes"]).await, 0, &["; servers are kept", "--purge deletes them"]);
    assert_eq!(end(daemon).await, 0);
}

/// What is kept is named, and nothing else: no data of a service that has none.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_be_kept_is_there() {
    let rig = Rig::start().await;
    rig.npm.set_issuance(Issuance::Granted);
    let mut config = rig.config();
    config["certificates"] = json!({"port80": "assume"});
    rig.file("amarre.yaml", &config.to_string());
    rig.file("services/web.yaml", &format!("{WEB}ssl: true\n"));
    rig.file("services/box.yaml", "name: box\nimage: web:1\nvolumes: [data:/data]\n");
    rig.file("services/bare.yaml", "name: bare\nimage: web:1\n");
    rig.apply().await;
    let gone = rig.run(&["destroy", "bare", "--yes"]).await;
    assert!(gone.code == 0 && !gone.out.contains("kept"), "{gone:?}");
    ends(&rig.run(&["destroy", "web", "--yes"]).await, 0, &["; certificates are kept.\n"]);
    for name in ["web", "box", "bare"] {
        std::fs::remove_file(rig.path().join(format!("services/{name}.yaml"))).unwrap();
    }
    let confirmed = rig.run(&["apply", "--yes", "--confirm-deletes=1", "--timeout", "60s"]).await;
    assert_eq!(confirmed.code, 0, "{confirmed:?}");
    let status = rig.run(&["status", "web"]).await;
    assert!(status.out.contains("its manifest is gone, its certificate is kept"), "{status:?}");
    let status = rig.run(&["status", "box"]).await;
    assert!(status.out.contains("its manifest is gone, its data is kept"), "{status:?}");
}

/// A dry run says what the deed does.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_keeps_volumes_that_are_used_and_not_owned_and_says_so() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["policy"]["volumes"] = json!(["web_space"]);
    rig.file("amarre.yaml", &config.to_string());
    rig.docker.seed_volume("web_space").unwrap();
    rig.file("services/web.yaml", &format!("{WEB}volumes: [space:/data, own:/own]\n"));
    rig.apply().await;
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let shown = lines(&rig.run(&["destroy", "web", "--purge", "--dry-run"]).await.out);
    assert!(shown.contains(&"kept: volume web_space used, not owned".to_owned()), "{shown:?}");
    assert!(shown.contains(&"- volume web_own".to_owned()), "{shown:?}");
    let gone = rig.run(&["destroy", "web", "--purge", "--yes"]).await;
    ends(&gone, 0, &["Kept, because it is used and not owned: volume web_space"]);
    let left: Vec<String> =
        rig.docker.volumes().iter().map(|volume| volume["Name"].as_str().unwrap().to_owned()).collect();
    assert!(left.contains(&"web_space".to_owned()) && !left.contains(&"web_own".to_owned()), "{left:?}");
}

/// A command that cannot shorten the wait says so: the code and the next try, and not itself.
#[tokio::test(flavor = "multi_thread")]
async fn commands_tell_when_a_certificate_is_ordered_next() {
    let rig = Rig::start().await;
    rig.npm.set_issuance(Issuance::ChallengesFail);
    let mut config = rig.config();
    config["certificates"] = json!({"port80": "assume"});
    rig.file("amarre.yaml", &config.to_string());
    rig.file("services/web.yaml", &format!("{WEB}ssl: true\n"));
    for args in [&["apply", "--yes"][..], &["apply", "--yes"], &["reconcile"]] {
        let told = rig.run(args).await;
        ends(&told, 3, &["A0801", "next try in 14 min", "amarre retry web"]);
    }
    ends(&rig.run(&["status", "--all"]).await, 0, &["A0801"]);
    for expected in ["A0801", "A0801", "A0805", "A0805"] {
        let retried = rig.run(&["retry", "web"]).await;
        ends(&retried, 3, &[expected, "next try in "]);
        assert!(!retried.out.contains("amarre retry web"), "{retried:?}");
    }
    ends(&rig.run(&["status", "--all"]).await, 0, &["A0805"]);
}
