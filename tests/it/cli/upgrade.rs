//! A server of an older version goes on: what its manifests use and policy closes now is a warning until 0.3.

use serde_json::json;

use super::rig::Rig;

/// What an older version let through: a folder below `/srv`, a volume and a network of others, another service's secret,
/// a secret at its old place, a runtime, a target on this machine.
const SHOP: &str = "
name: shop
compose: ./shop/compose.yaml
routes: [{domain: shop, to: 'app:80', advanced: 'auth_request_set $user $upstream_http_x_user;'}]
";
const COMPOSE: &str = "
services:
  app:
    image: web:1
    cgroup_parent: limited
    environment: {KEY: '{secret: cloud/key}', OWN: '{secret: shop/own}'}
    volumes:
    - data:/data
    - photos:/photos:ro
volumes:
  data: {external: true, name: stranger_data}
  photos: {driver_opts: {type: none, o: bind, device: /srv/photos}}
";
const OLD: &str = "name: old\nimage: web:1\nnetwork: foreign\n";
const ADMIN: &str = "{kind: Route, name: admin, routes: [{domain: admin, to: 'http://127.0.0.1:81'}]}\n";

/// A configuration with a policy that is as wide as an older version's.
fn wide(rig: &Rig) -> serde_json::Value {
    let mut config = rig.config();
    config["policy"] = json!({
        "host_paths": ["/srv"], "volumes": ["*"], "networks": ["*"], "secrets": {"*": ["*"]}, "privileged": true,
        "targets": {"*": ["*"]}, "nginx": "any",
    });
    config
}

async fn older() -> Rig {
    let rig = Rig::start().await;
    rig.docker.seed_volume("stranger_data").unwrap();
    rig.file("amarre.yaml", &format!("{:#}", wide(&rig)));
    for folder in ["services/shop", "secrets/services/shop", "secrets/services/cloud"] {
        std::fs::create_dir_all(rig.path().join(folder)).unwrap();
    }
    rig.file("services/shop.yaml", SHOP);
    rig.file("services/shop/compose.yaml", COMPOSE);
    rig.file("services/admin.yaml", ADMIN);
    rig.file("services/old.yaml", OLD);
    rig.file("secrets/services/shop/own", "canary-own");
    rig.file("secrets/services/cloud/key", "canary-key");
    rig.apply().await;
    // The ledger as an older version leaves it, its secrets where they stood.
    forget_existing(&rig).await;
    std::fs::rename(rig.path().join("secrets/services/shop"), rig.path().join("secrets/shop")).unwrap();
    std::fs::rename(rig.path().join("secrets/services/cloud"), rig.path().join("secrets/cloud")).unwrap();
    rig.file("amarre.yaml", &format!("{:#}", rig.config()));
    rig
}

async fn forget_existing(rig: &Rig) {
    let ledger = amarre::ledger::Ledger::open(&rig.path().join("amarre.db")).await.unwrap();
    ledger.unset_meta("existing").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_plans_warnings_only() {
    let rig = older().await;
    let before = rig.docker.containers().len();
    let validated = rig.run(&["validate"]).await;
    assert_eq!(validated.code, 0, "{validated:?}");
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, 0, "nothing is to be done: {plan:?}");
    for code in ["A0262", "A0264", "A0265", "A0268", "A0270", "A0271", "A0272", "A0274"] {
        for said in [&validated.out, &plan.err] {
            assert!(said.contains(&format!("warning[{code}]")), "{code}: {said}");
        }
    }
    for line in ["policy.volumes", "policy.networks", "policy.host_paths", "policy.secrets: {shop: [cloud/key]}"] {
        assert!(plan.err.contains(line), "the line to write: {line}: {}", plan.err);
    }
    let doctor = rig.run(&["doctor", "-o", "json"]).await;
    assert!(doctor.out.contains("version 0.3 refuses"), "{}", doctor.out);
    rig.apply().await;
    assert_eq!(rig.docker.containers().len(), before, "nothing is re-created, and nothing is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_used_for_the_first_time_is_refused_after_an_upgrade() {
    let rig = older().await;
    assert_eq!(rig.run(&["plan"]).await.code, 0);
    rig.file("services/new.yaml", "name: new\nimage: web:1\nnetwork: foreign\nenvironment: {A: {secret: cloud/key}}\n");
    rig.file("services/shop/compose.yaml", &COMPOSE.replace("stranger_data", "other_data"));
    let plan = rig.run(&["plan"]).await;
    assert_eq!(plan.code, 1, "{plan:?}");
    for code in ["A0264", "A0265", "A0270"] {
        assert!(plan.err.contains(&format!("error[{code}]")), "{code}: {}", plan.err);
    }
    // A folder below the older default stays open to all, as long as that default does.
    rig.file("services/shop/compose.yaml", COMPOSE);
    rig.file("services/new.yaml", "name: new\nimage: web:1\nvolumes: ['/srv/other:/x']\n");
    let plan = rig.run(&["plan"]).await;
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.err.contains("/srv/other") && plan.err.contains("warning[A0262]"), "{}", plan.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_has_nothing_that_existed() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", "name: web\nimage: web:1\nvolumes: ['/srv/other:/x']\n");
    let plan = rig.run(&["plan"]).await;
    assert_eq!(plan.code, 1);
    assert!(plan.err.contains("error[A0262]"), "{}", plan.err);
    rig.file("services/web.yaml", "name: web\nimage: web:1\n");
    rig.apply().await;
    rig.file("services/web.yaml", "name: web\nimage: web:1\nvolumes: ['/srv/other:/x']\n");
    assert!(rig.run(&["plan"]).await.err.contains("error[A0262]"), "a ledger of this version is no older one");
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_explain_goes_through_a_manifest_line_by_line() {
    let rig = Rig::start().await;
    std::fs::create_dir(rig.path().join("services/shop")).unwrap();
    rig.file("services/shop.yaml", SHOP);
    rig.file("services/shop/compose.yaml", COMPOSE);
    let said = rig.run(&["policy", "explain", "services/shop.yaml"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    for line in [
        "services/shop/compose.yaml:",
        "refused  volumes: stranger_data",
        "A0264: ask the operator to add `stranger_data` to `policy.volumes`",
        "allowed  secrets: shop/own",
        "allowed  images: web:1",
        "refused  nginx: auth_request_set",
    ] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    let json = rig.run(&["policy", "explain", "services/shop.yaml", "-o", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["schema"], "amarre.policy/v1");
    // A file that is not in the source yet, and one that is not there.
    rig.file("new.yaml", "name: new\nimage: web:1\nruntime: nvidia\n");
    let said = rig.run(&["policy", "explain", "new.yaml"]).await;
    assert!(said.code == 1 && said.out.contains("refused  runtimes: nvidia"), "{said:?}");
    rig.file("new.yaml", "name: new\nimage: web:1\n");
    let said = rig.run(&["policy", "explain", "new.yaml"]).await;
    assert!(said.code == 0 && said.out.contains("0 refused"), "{said:?}");
    let said = rig.run(&["policy", "explain", "nothing.yaml"]).await;
    assert!(said.code == 1 && said.err.contains("could not read nothing.yaml"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_explain_tells_what_allows_networks_volume_drivers_and_lines_for_nginx() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["policy"] = json!({"networks": ["foreign*"], "volume_drivers": ["rclone"]});
    rig.file("amarre.yaml", &format!("{config:#}"));
    std::fs::create_dir(rig.path().join("services/shop")).unwrap();
    rig.file("services/lab.yaml", "{kind: Network, name: lab}");
    rig.file("services/one.yaml", "name: one\nimage: web:1\nnetwork: foreign_net\n");
    rig.file("services/two.yaml", "name: two\nimage: web:1\nnetwork: lab\n");
    let routes = "[{domain: shop, to: 'app:80', advanced: 'proxy_buffering off;'}]";
    rig.file("services/shop.yaml", &format!("name: shop\ncompose: ./shop/compose.yaml\nroutes: {routes}\n"));
    let volumes = "{far: {driver: rclone}, media: {driver_opts: {type: nfs, o: 'addr=192.168.1.5,ro', device: ':/m'}}}";
    let app = "{image: 'web:1', volumes: ['far:/far', 'media:/media']}";
    rig.file("services/shop/compose.yaml", &format!("services: {{app: {app}}}\nvolumes: {volumes}\n"));
    for (file, item, by) in [
        ("one", "networks: foreign_net", "policy.networks: foreign*"),
        ("two", "networks: lab", "the `Network` manifest lab defines it"),
        ("shop", "volume_drivers: rclone", "policy.volume_drivers: rclone"),
        ("shop", "volume_drivers: local type=nfs", "with its usual options it needs no word"),
        ("shop", "nginx: advanced", "its directives are known to be harmless"),
    ] {
        let said = rig.run(&["policy", "explain", &format!("services/{file}.yaml")]).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains(&format!("  allowed  {item}\n           {by}\n")), "{item}: {}", said.out);
    }
}
