//! Test mode: what has no account is simulated, said everywhere, kept, and never taken for something real.

use serde_json::{Value as Json, json};

use super::rig::Rig;
use crate::support::{eventually, free_port, get};

const SHOP: &str = "name: shop\nimage: web:1\nport: 80\nssl: true\n";
const SAID: &str = "test mode: NPM and OVH are simulated, nothing real is written there";

/// A configuration that simulates NPM and OVH.
pub fn simulate(rig: &Rig) {
    let mut config = rig.config();
    config["npm"] = json!({"main": {"simulated": true}});
    config["ovh"] = json!({"simulated": true});
    rig.file("amarre.yaml", &format!("{config:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_resource_is_kept_labelled_and_never_real() {
    let rig = Rig::start().await;
    simulate(&rig);
    rig.file("services/shop.yaml", SHOP);
    // A real account, which test mode must not find.
    let env = [("OVH_APPLICATION_KEY", "application-key"), ("OVH_CONSUMER_KEY", "consumer-key")];
    // A simulated proxy opens nothing to the Internet.
    let plan = rig.run_with(&["plan"], &env).await;
    assert!(plan.out.contains("shop.example.org becomes reachable on this machine only"), "{plan:?}");
    assert!(!plan.out.contains("from the Internet"), "{plan:?}");
    // Applied by one process, seen by the next.
    let applied = rig.run_with(&["apply", "--yes", "--timeout", "60s"], &env).await;
    assert_eq!(applied.code, 0, "{applied:?}");
    assert_eq!(applied.err.matches(SAID).count(), 1, "{}", applied.err);
    rig.apply().await;
    let status: Json = serde_json::from_str(&rig.run(&["status", "-o", "json"]).await.out).unwrap();
    assert_eq!(status["test_mode"], json!(["npm", "ovh"]));
    assert_eq!(status["summary"]["synced"], 1, "{status:#}");
    let resources = status["services"][0]["resources"].as_array().unwrap();
    let is_simulated = |kind: &str| {
        let one = resources.iter().find(|resource| resource["kind"] == kind).unwrap_or_else(|| panic!("{kind}"));
        let in_words = one["detail"].as_str().unwrap().ends_with("simulated");
        assert_eq!(in_words, one["simulated"] == true, "{one:#}");
        in_words
    };
    for (kind, expected) in [("container", false), ("record", true), ("proxy-host", true), ("certificate", true)] {
        assert_eq!(is_simulated(kind), expected, "{kind}");
    }
    let shown = rig.run(&["status", "shop"]).await;
    assert!(shown.err.contains(SAID) && shown.out.contains("simulated"), "{shown:?}");
    let traced = rig.run(&["trace", "shop.example.org"]).await;
    assert!(traced.out.contains("simulated: no visitor comes to this address"), "{traced:?}");
    let named = rig.run(&["trace", "shop"]).await;
    assert!(named.code == 1 && named.err.contains("amarre trace shop.example.org"), "{named:?}");
    let doctor = rig.run(&["doctor"]).await;
    assert!(doctor.out.contains("NPM and OVH are simulated") && doctor.out.contains("A0223"), "{}", doctor.out);
    // Nothing left for the real ones.
    let writes = |calls: Vec<amarre_sim::Call>| calls.into_iter().filter(|call| call.method != "GET").count();
    assert_eq!((writes(rig.npm.server.journal.calls()), writes(rig.ovh.server.journal.calls())), (0, 0));

    // A read-only command writes nothing there: another process may be about to.
    let npm = rig.path().join("amarre.simulated/npm.json");
    let before = std::fs::metadata(&npm).unwrap().modified().unwrap();
    assert_eq!(rig.run(&["doctor"]).await.err.matches(SAID).count(), 1);
    assert_eq!(std::fs::metadata(&npm).unwrap().modified().unwrap(), before);

    // What is broken is not taken for empty.
    let kept = rig.path().join("amarre.simulated/ovh.json");
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::write(&kept, "{").unwrap();
    let plan = rig.run(&["plan"]).await;
    assert!(plan.code == 1 && plan.err.contains("error[A0224]: OVH could not be simulated"), "{plan:?}");
    std::fs::write(&kept, text).unwrap();

    // With accounts: a person's resources there stay, under the same name.
    rig.npm.seed_proxy_host(
        &json!({"domain_names": ["shop.example.org"], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80}),
    );
    rig.file("amarre.yaml", &format!("{:#}", rig.config()));
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    assert!(!plan.err.contains("test mode") && plan.out.contains("A0405"), "{plan:?}");
    // Who agreed to a test did not agree to this.
    let log = rig.daemon(&[], &[]).await;
    assert!(rig.log().contains("nothing is changed before amarre apply"), "{}", rig.log());
    super::rig::end(log).await;
    assert!(!plan.out.contains("A0901") && plan.out.contains("+ record "), "{}", plan.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_resource_is_not_replaced_by_a_simulated_one() {
    let rig = Rig::start().await;
    rig.file("services/shop.yaml", &SHOP.replace("ssl: true\n", ""));
    rig.apply().await;
    simulate(&rig);
    for args in [&["plan"][..], &["apply", "--yes"], &["run"]] {
        let ended = rig.run(args).await;
        assert!(ended.code == 1 && ended.err.contains("cannot be simulated: "), "{ended:?}");
        assert!(ended.err.contains("A0224"), "{ended:?}");
    }
    rig.file("amarre.yaml", &format!("{:#}", rig.config()));
    rig.apply().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn test_mode_is_shown_on_every_page() {
    let rig = Rig::start().await;
    simulate(&rig);
    rig.file("services/shop.yaml", SHOP);
    let mut daemon = rig.daemon(&["--yes"], &[]).await;
    for path in ["/", "/services/shop", "/network", "/login"] {
        let (code, page) = rig.get(path).await.unwrap();
        assert_eq!(code, 200, "{path}");
        assert!(page.contains("<title>[test] "), "{path}");
        assert!(page.contains("Test mode: NPM, OVH are simulated. Nothing real is written there."), "{path}: {page}");
    }
    assert!(rig.log().contains(SAID) && rig.log().contains("Visitors reach the simulated NPM at http://127.0.0.1:"));
    let ended = rig.run(&["status"]).await;
    assert!(ended.err.contains(SAID), "{ended:?}");
    daemon.start_kill().unwrap();
    daemon.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_a_removed_manifest_are_shown_before_a_purge() {
    let rig = Rig::start().await;
    simulate(&rig);
    rig.file("services/shop.yaml", &format!("{SHOP}volumes: ['data:/data']\n"));
    rig.apply().await;
    let kept = || -> Json {
        let text = std::fs::read_to_string(rig.path().join("amarre.simulated/npm.json")).unwrap();
        serde_json::from_str::<Json>(&text).unwrap()["tables"]["certificate"][0]["deleted"].clone()
    };
    assert_eq!(kept(), false);
    std::fs::remove_file(rig.path().join("services/shop.yaml")).unwrap();
    rig.apply().await;
    let status = rig.run(&["status", "shop"]).await;
    assert!(status.out.contains("its manifest is gone, its data is kept"), "{status:?}");
    assert!(status.out.contains("volume        shop_data           kept"), "{status:?}");
    let dry = rig.run(&["destroy", "shop", "--purge", "--dry-run"]).await;
    assert!(dry.out.contains("- volume        shop_data"), "{dry:?}");
    assert!(rig.run(&["destroy", "shop", "--dry-run"]).await.out.contains("kept: volume        shop_data"));
    let nothing = rig.run(&["destroy", "nothing"]).await;
    assert!(nothing.code == 1 && nothing.err.contains("A1002"), "{nothing:?}");
    let asked = rig.run(&["destroy", "shop", "--purge"]).await;
    assert!(asked.code == 4 && asked.err.contains("amarre destroy shop --purge --yes"), "{asked:?}");
    let purged = rig.run(&["destroy", "shop", "--purge", "--yes"]).await;
    assert!(purged.code == 0 && purged.out.contains("volume shop_data removed"), "{purged:?}");
    assert_eq!(kept(), true, "{purged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_real_and_half_simulated_is_refused() {
    let rig = Rig::start().await;
    let wrong = [
        (
            json!({"npm": {"main": {"simulated": true, "url": "http://127.0.0.1:81"}}}),
            "npm.main is simulated, and has `url`",
        ),
        (json!({"npm": {"main": {"url": "http://127.0.0.1:81"}}}), "npm.main needs identity and secret as well"),
        (json!({"ovh": {"simulated": true, "endpoint": "ovh-eu"}}), "ovh is simulated, and has `endpoint`"),
        (json!({"domains": ["not a domain"]}), "domains: `not a domain` is not a domain"),
        (json!({"ovh": {"simulated": true}, "domains": []}), "ovh is simulated, and no `domains` are named"),
    ];
    for (parts, said) in wrong {
        let mut config = rig.config();
        config.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        rig.file("amarre.yaml", &format!("{config:#}"));
        let ended = rig.run(&["validate"]).await;
        assert!(ended.code != 0 && ended.err.contains("A0201") && ended.err.contains(said), "{said}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_waits_for_the_power_that_it_asked_for() {
    let rig = Rig::start().await;
    rig.file("amarre.yaml", "policy: {instances: ['*']}\nclouds: {paris: {simulated: true}}\n");
    let shown = rig.run(&["instance", "show", "db-1", "-o", "json"]).await;
    let id = serde_json::from_str::<Json>(&shown.out).unwrap()["id"].as_str().unwrap().to_owned();
    rig.file("services/db-1.yaml", &format!("kind: Instance\nname: db-1\ncloud: paris\nid: {id}\npower: off\n"));
    let applied = rig.run(&["apply", "--yes", "--timeout", "60s"]).await;
    assert!(applied.code == 0 && applied.out.contains("1 updated. 1 manifest in sync."), "{applied:?}");
    let planned = rig.run(&["plan"]).await;
    assert!(planned.out.contains("nothing to do, 1 manifest in sync"), "{planned:?}");
    let explained = rig.run(&["explain", "db-1"]).await;
    assert!(explained.out.contains("power") && explained.out.contains(&id), "{explained:?}");
    let logged = rig.run(&["instance", "logs", "db-1"]).await;
    assert!(logged.out.contains("/stop → 200, X-OVH-QueryID ") && logged.out.contains("ACTIVE → "), "{logged:?}");
}

/// A client of the note that lists servers at Kamatera needs another address and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_a_cloud_is_served_as_its_vendor_gives_it() {
    let rig = Rig::start().await;
    let beside = free_port();
    let at = std::net::SocketAddr::from(([127, 0, 0, 1], beside));
    let config = |clouds: &str, from: &str| {
        format!(
            "clouds: {{{clouds}}}\nserver: {{listen: '127.0.0.1:{}', compat: {{cloud: {{listen: '{at}', from: {from}}}}}}}\n",
            rig.port
        )
    };
    rig.file("amarre.yaml", &config("tlv: {kamatera: {}, simulated: true}", "tlv"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let (status, body) = get(at, "localhost", "/api/servers").await.unwrap();
    let list: Vec<serde_json::Map<String, Json>> = serde_json::from_str(&body).unwrap();
    assert_eq!((status, list.len()), (200, 8), "{body}");
    let keys: Vec<&String> = list[0].keys().collect();
    assert_eq!(keys, ["datacenter", "id", "name", "power"]);
    assert_eq!(get(at, "evil.example.org", "/api/servers").await.unwrap().0, 421);
    assert_eq!(get(at, "localhost", "/ui").await.unwrap().0, 307);
    assert!(get(at, "localhost", "/").await.unwrap().1.contains("GET /api/servers"));
    assert_eq!(get(at, "localhost", "/api/v1/instances").await.unwrap().0, 404);
    super::rig::end(daemon).await;

    // Without a key it says which variable, and everything else goes on.
    rig.file("amarre.yaml", &config("tlv: {kamatera: {}}, gra: {ovh: {}}, paris: {simulated: true}", "tlv"));
    let listed = rig.run(&["instance", "list"]).await;
    assert!(listed.code == 0 && listed.out.contains("db-1"), "{listed:?}");
    for said in ["A0740", "KAMATERA_API_KEY", "A0730", "OVH_APPLICATION_KEY"] {
        assert!(listed.out.contains(said), "{said}: {listed:?}");
    }
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let (status, body) = get(at, "localhost", "/api/servers").await.unwrap();
    assert!(status == 401 && body.contains("A0740") && body.contains("KAMATERA_API_KEY"), "{body}");
    super::rig::end(daemon).await;

    for (wrong, said) in [
        (config("paris: {simulated: true}", "paris"), "paris is OVH Public Cloud"),
        (config("paris: {simulated: true}", "tlv"), "there is no cloud tlv"),
        (
            config("tlv: {kamatera: {}, simulated: true}", "tlv").replace(&beside.to_string(), &rig.port.to_string()),
            "where server.listen is",
        ),
    ] {
        rig.file("amarre.yaml", &wrong);
        let refused = rig.run(&["validate"]).await;
        assert!(refused.code != 0 && refused.err.contains("A0201") && refused.err.contains(said), "{refused:?}");
    }
}

/// The whole way of a server: planned with its price, made, changed, and ended by a person's word.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_made_and_ended_by_the_command_line() {
    let rig = Rig::start().await;
    let key = "ssh_keys: {ops: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops}\n";
    rig.file(
        "amarre.yaml",
        &format!("{key}clouds: {{paris: {{simulated: true, limits: {{instances: 1}}, budget: {{month: 60 EUR}}}}}}\n"),
    );
    let worker = "kind: Instance\nname: worker\ncloud: paris\nproject: ci\nregion: GRA11\ntype: b3-8\nimage: Debian 13\nssh_keys: [ops]\n";
    rig.file("services/worker.yaml", worker);
    let planned = rig.run(&["plan"]).await;
    let sum = "paris: 1 server of Amarre, 37.08 EUR a month without tax and traffic; 62 % of the budget of 60.00 EUR";
    assert!(planned.out.contains(sum) && planned.out.contains("bills it from its creation on"), "{planned:?}");
    let applied = rig.run(&["apply", "--yes", "--timeout", "120s"]).await;
    assert!(applied.code == 0 && applied.out.contains("1 created. 1 manifest in sync."), "{applied:?}");
    assert!(rig.run(&["plan"]).await.out.contains("nothing to do, 1 manifest in sync"));
    let shown = rig.run(&["instance", "show", "worker"]).await;
    assert!(shown.out.contains("vendor's name worker-") && shown.out.contains("b3-8"), "{shown:?}");
    let logged = rig.run(&["instance", "logs", "worker"]).await;
    assert!(logged.out.contains("/instance → 200") && logged.out.contains("BUILD → ACTIVE"), "{logged:?}");
    let preview = rig.run(&["destroy", "worker", "--purge", "--dry-run"]).await;
    assert!(preview.out.contains("! server worker is protected") && preview.out.contains("A0418"), "{preview:?}");
    assert!(preview.code == 3 && preview.out.contains("Nothing would be changed."), "{preview:?}");
    assert!(!preview.out.contains("- "), "what is refused is not listed as going: {preview:?}");
    let asked = rig.run(&["destroy", "worker", "--purge"]).await;
    assert_eq!((asked.code, &asked.out), (3, &preview.out), "there is nothing to agree to: {asked:?}");
    let all = rig.run(&["destroy", "--all", "--purge", "--dry-run"]).await;
    assert!(all.out.contains("! worker\n") && all.out.contains("kept: server"), "{all:?}");
    assert!(!all.out.contains("- "), "{all:?}");
    let protected = rig.run(&["destroy", "worker", "--purge", "--yes"]).await;
    assert!(protected.code == 3 && protected.out.contains("A0418"), "{protected:?}");
    assert!(protected.out.contains("Nothing was changed."), "{protected:?}");
    assert!(rig.run(&["plan"]).await.out.contains("nothing to do, 1 manifest in sync"), "it is not suspended");
    rig.file("services/worker.yaml", &format!("{worker}reconcile: {{protect: false}}\n"));
    let destroyed = rig.run(&["destroy", "worker", "--purge", "--yes"]).await;
    assert!(destroyed.code == 0 && destroyed.out.contains("1 deleted"), "{destroyed:?}");
    eventually(60, "its vendor has deleted it", async || !rig.run(&["instance", "list"]).await.out.contains("worker-"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_and_is_not_there_is_refused_by_name() {
    let rig = Rig::start().await;
    for (section, said) in [
        ("budget: {month: 200 ZZZ}", "no vendor takes ZZZ"),
        ("limits: {instances: -1}", "expected a whole number from 0 on"),
    ] {
        rig.file(
            "amarre.yaml",
            &format!("policy: {{instances: ['*']}}\nclouds: {{paris: {{simulated: true, {section}}}}}\n"),
        );
        let refused = rig.run(&["validate"]).await;
        assert!(refused.code != 0 && refused.err.contains(said), "{refused:?}");
    }
    rig.file("amarre.yaml", "policy: {instances: ['*']}\nclouds: {paris: {simulated: true}}\n");
    for (args, said) in [
        (&["instance", "list", "--cloud", "nosuch"][..], "there is no cloud nosuch"),
        (&["instance", "logs", "db-1", "-n", "0"], "0 is not in 1.."),
        (&["instance", "stop", "db-1", "--until", "0s"], "0s is over at once"),
    ] {
        let refused = rig.run(args).await;
        assert!(refused.code != 0 && format!("{}{}", refused.out, refused.err).contains(said), "{refused:?}");
    }
}

/// Deleted is only what is named by its id and by the name that it has at its vendor, and only where the configuration opens it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_manifest_is_deleted_by_its_name_typed() {
    let rig = Rig::start().await;
    rig.file("amarre.yaml", "policy: {instances: ['*']}\nclouds: {paris: {simulated: true}}\n");
    let shown = rig.run(&["instance", "show", "db-1", "-o", "json"]).await;
    let id = format!("paris:{}", serde_json::from_str::<Json>(&shown.out).unwrap()["id"].as_str().unwrap());
    let refused = rig.run(&["instance", "delete", &id, "--name", "db-1"]).await;
    assert!(refused.code == 1 && refused.out.contains("A0464"), "{refused:?}");
    rig.file("amarre.yaml", "policy: {instances: ['*']}\nclouds: {paris: {simulated: true, actions: all}}\n");
    for (args, code, out, err) in [
        (vec![id.as_str()], 4, "− db-1", "A0402"),
        (vec![&id, "--dry-run"], 0, "Its own disks go with it", ""),
        (vec![&id, "--name", "db-2"], 1, "A0465", ""),
        (vec!["db-1", "--name", "db-1"], 1, "has to be named by its id", ""),
        (
            vec![&id, "paris:8f1c", "--name", "db-1"],
            1,
            "one instance at a time, each by its own name; it is not deleted",
            "",
        ),
        (vec![&id, "--name", "db-1"], 0, "db-1 is deleted", ""),
        (vec![&id, "--name", "db-1"], 1, "A1002", ""),
    ] {
        let ended = rig.run(&[vec!["instance", "delete"], args.clone()].concat()).await;
        assert!(ended.code == code && ended.out.contains(out) && ended.err.contains(err), "{args:?}: {ended:?}");
    }
    assert!(!rig.run(&["instance", "list"]).await.out.contains("db-1"));
    // One that a manifest names stays, whatever is typed.
    let shown = rig.run(&["instance", "show", "cache-1", "-o", "json"]).await;
    let id = serde_json::from_str::<Json>(&shown.out).unwrap()["id"].as_str().unwrap().to_owned();
    rig.file(
        "services/cache-1.yaml",
        &format!("kind: Instance\nname: cache-1\ncloud: paris\nid: {id}\npower: unmanaged\n"),
    );
    let refused = rig.run(&["instance", "delete", "cache-1", "--name", "cache-1"]).await;
    assert!(refused.code == 1 && refused.out.contains("services/cache-1.yaml manages cache-1"), "{refused:?}");
}

/// What is asked of a server beyond its power: installed again by its name typed, kept as a snapshot, shown on a screen.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_kept_installed_again_and_shown_by_the_command_line() {
    let rig = Rig::start().await;
    let clouds = "policy: {instances: ['*']}\nclouds: {paris: {simulated: true, actions: all}, tlv: {kamatera: {}, simulated: true, actions: all}}\n";
    rig.file("amarre.yaml", clouds);
    let id_of = async |name: &str| {
        let shown = rig.run(&["instance", "show", name, "-o", "json"]).await;
        let row = serde_json::from_str::<Json>(&shown.out).unwrap();
        format!("{}:{}", row["cloud"].as_str().unwrap(), row["id"].as_str().unwrap())
    };
    let (db, gpu, off, old) =
        (id_of("db-1").await, id_of("gpu-train").await, id_of("build-2").await, id_of("shop-web").await);
    for (args, code, out, err) in [
        (vec!["snapshot", &db, "--name", "before-move"], 0, "db-1: the snapshot before-move is taken", ""),
        (vec!["snapshot", &db, "--name", "a-shelved"], 1, "is no name of a snapshot", ""),
        (vec!["snapshot", "db-1"], 1, "has to be named by its id", ""),
        (vec!["snapshot", &old], 0, "the snapshot shop-web-2", ""),
        (vec!["rebuild", &gpu, "Debian 12"], 4, "What is on its disk is lost", "rebuild paris:"),
        (vec!["rebuild", &gpu, "--name", "gpu-train"], 1, "from which image gpu-train is installed has to be said", ""),
        (vec!["rebuild", &gpu, "Debian 12", "--name", "gpu-2"], 1, "A0465", ""),
        (vec!["rebuild", &gpu, "Debian 31", "--name", "gpu-train"], 3, "GRA11 has no image `Debian 31`", ""),
        (vec!["rebuild", &gpu, "Debian 12", "--name", "gpu-train"], 0, "rebuild done", ""),
        (vec!["rebuild", &old, "x", "--name", "shop-web"], 1, "Kamatera tlv does not offer `rebuild`", ""),
        (vec!["console", &old], 1, "Kamatera tlv does not offer `console`", ""),
        (vec!["console", &off], 1, "build-2 does not run, so it has no console", ""),
    ] {
        let ended = rig.run(&[vec!["instance"], args.clone()].concat()).await;
        assert!(ended.code == code && ended.out.contains(out) && ended.err.contains(err), "{args:?}: {ended:?}");
    }
    // The address is handed to who asked, and kept nowhere.
    let opened = rig.run(&["instance", "console", &db]).await;
    assert!(opened.code == 0 && opened.out.starts_with("https://console.invalid/"), "{opened:?}");
    let token = opened.out.trim().split("token=").nth(1).unwrap().to_owned();
    assert!(rig.run(&["instance", "history", &db]).await.out.contains("console by"));
    let files = std::fs::read_dir(rig.path()).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        let kept = std::fs::read(&file).unwrap();
        let has_it = kept.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!has_it, "{}", file.display());
    }
    assert_eq!(rig.run(&["plan", "--detailed-exitcode"]).await.code, 0);
}

/// Another size: an action of one that no manifest made, a line of the manifest of one that a manifest made.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_another_size_by_the_command_line() {
    let rig = Rig::start().await;
    let config = |more: &str| {
        let key = "ssh_keys: {ops: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops}\n";
        let limits = "limits: {instances: 1, types: [b3-8, b3-16]}";
        format!("{key}clouds: {{paris: {{simulated: true, actions: all, {limits}{more}}}}}\n")
    };
    rig.file("amarre.yaml", &config(", budget: {month: 50 EUR}"));
    let shown = rig.run(&["instance", "show", "db-1", "-o", "json"]).await;
    let id = format!("paris:{}", serde_json::from_str::<Json>(&shown.out).unwrap()["id"].as_str().unwrap());
    let dear = rig.run(&["instance", "resize", &id, "b3-16", "--yes"]).await;
    assert!(dear.code == 1 && dear.out.contains("would cost 74.17 EUR a month, and the budget is 50.00"), "{dear:?}");
    rig.file("amarre.yaml", &config(""));
    for (args, code, out, err) in [
        (vec!["db-1", "b3-16", "--yes"], 1, "has to be named by its id", ""),
        (vec![&id, "b3-9"], 1, "GRA11 offers no type `b3-9`", ""),
        (vec![&id, "t1-45", "--yes"], 1, "t1-45 cannot be", ""),
        (vec![&id, "c3-4", "--yes"], 1, "clouds.paris.limits.types allows no c3-4", ""),
        (vec![&id, "b3-8", "--yes"], 0, "has the size b3-8 already", ""),
        (vec![&id, "b3-16"], 4, "type b3-8 → b3-16", "amarre instance resize paris:"),
        (vec![&id, "b3-16", "--dry-run"], 0, "It reboots for it", ""),
        (vec![&id, "b3-16", "--yes"], 0, "resize done", ""),
        (vec![&id, "b3-8", "--yes"], 1, "which cannot shrink", ""),
    ] {
        let ended = rig.run(&[vec!["instance", "resize"], args.clone()].concat()).await;
        assert!(ended.code == code && ended.out.contains(out) && ended.err.contains(err), "{args:?}: {ended:?}");
    }
    assert!(rig.run(&["instance", "show", "db-1"]).await.out.contains("b3-16, paid by the hour"));
    // One that a manifest made: the manifest says it, and its comments stay.
    let worker = "# ours\nkind: Instance\nname: worker\ncloud: paris\nproject: ci\nregion: GRA11\ntype: b3-8 # small\nimage: Debian 13\nssh_keys: [ops]\n";
    rig.file("services/worker.yaml", worker);
    assert_eq!(rig.run(&["apply", "--yes", "--timeout", "120s"]).await.code, 0);
    let shown = rig.run(&["instance", "resize", "worker", "b3-16", "--dry-run"]).await;
    assert!(shown.code == 0 && shown.out.contains("services/worker.yaml gets `type: b3-16`"), "{shown:?}");
    let resized = rig.run(&["instance", "resize", "worker", "b3-16", "--yes"]).await;
    assert!(resized.code == 0 && resized.out.contains("services/worker.yaml says `type: b3-16` now"), "{resized:?}");
    let written = std::fs::read_to_string(rig.path().join("services/worker.yaml")).unwrap();
    let expected = worker.replace("type: b3-8 # small", "type: b3-16") + "update: {resize: allowed}\n";
    assert_eq!(written, expected);
    assert_eq!(rig.run(&["apply", "--yes", "--timeout", "120s"]).await.code, 0);
    assert!(rig.run(&["instance", "show", "worker"]).await.out.contains("b3-16, paid by the hour"));
    assert!(rig.run(&["plan"]).await.out.contains("nothing to do"));
    let image = rig.run(&["instance", "rebuild", "worker", "Debian 12", "--name", "x"]).await;
    assert!(image.code == 1 && image.out.contains("A0739"), "{image:?}");
}

/// Another server like one: with its disk, or by a second manifest of one that a manifest made.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_cloned_by_the_command_line() {
    let rig = Rig::start().await;
    let config = |limits: &str| {
        let key = "ssh_keys: {ops: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops}\n";
        let zone = "domain: example.org\novh: {simulated: true}\n";
        format!("{key}{zone}clouds: {{paris: {{simulated: true, actions: all{limits}}}}}\n")
    };
    rig.file("amarre.yaml", &config(""));
    let shown = rig.run(&["instance", "show", "db-1", "-o", "json"]).await;
    let id = format!("paris:{}", serde_json::from_str::<Json>(&shown.out).unwrap()["id"].as_str().unwrap());
    let closed = rig.run(&["instance", "clone", &id, "db-copy", "--yes"]).await;
    assert!(closed.code == 1 && closed.out.contains("A0750"), "{closed:?}");
    rig.file("amarre.yaml", &config(", limits: {instances: 3}"));
    for (args, code, out, err) in [
        (vec!["db-1", "db-copy", "--yes"], 1, "has to be named by its id", ""),
        (vec![&id, "db 2", "--yes"], 1, "`db 2` is no name of a server", ""),
        (vec![&id, "db-1", "--yes"], 1, "paris has a server of the name db-1", ""),
        (vec![&id, "db-copy"], 4, "billed until it is deleted there", "amarre instance clone paris:"),
        (vec![&id, "db-copy", "--yes", "--timeout", "150s"], 0, "db-copy is being made of db-1", ""),
        (vec![&id, "db-copy", "--yes"], 1, "paris has a server of the name db-copy", ""),
    ] {
        let ended = rig.run(&[vec!["instance", "clone"], args.clone()].concat()).await;
        assert!(ended.code == code && ended.out.contains(out) && ended.err.contains(err), "{args:?}: {ended:?}");
    }
    assert!(rig.run(&["instance", "manifests", "db-copy"]).await.out.contains("name: db-copy"));
    let worker = "# ours\nkind: Instance\nname: worker\ncloud: paris\nproject: ci\nregion: GRA11\ntype: b3-8\nimage: Debian 13\nssh_keys: [ops]\ndomain: build # a name leads to one server\naliases: [ci]\n";
    rig.file("services/worker.yaml", worker);
    assert_eq!(rig.run(&["apply", "--yes", "--timeout", "120s"]).await.code, 0);
    let cloned = rig.run(&["instance", "clone", "worker", "worker-2", "--yes"]).await;
    assert!(cloned.code == 0 && cloned.out.contains("what is on the disk of worker is not copied"), "{cloned:?}");
    let written = std::fs::read_to_string(rig.path().join("services/worker-2.yaml")).unwrap();
    let (head, _) = worker.split_once("domain:").unwrap();
    assert_eq!(written, head.replace("name: worker", "name: worker-2") + "dns: auto\n");
    let taken = rig.run(&["instance", "clone", "worker", "worker-2", "--yes"]).await;
    assert!(taken.code == 1 && taken.out.contains("A0120"), "{taken:?}");
    assert_eq!(rig.run(&["apply", "--yes", "--timeout", "120s"]).await.code, 0);
    assert!(rig.run(&["plan"]).await.out.contains("nothing to do, 2 manifests in sync"));
}
