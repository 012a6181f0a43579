//! Keys that go to the engine as they are, and namespaces that containers share, from a manifest to the real engine.

use serde_json::{Value as Json, json};

use crate::support::rig::Rig;
use crate::support::{docker, inspect};

const LIMITED: &str = "
name: TAG-limited
image: amarre-test:1
container_name: TAG_by_hand
hostname: limited
healthcheck: {test: [CMD, 'true'], interval: 1s}
mem_limit: 64m
memswap_limit: -1
cpus: 0.5
pids_limit: 100
cap_drop: [ALL]
cap_add: [NET_BIND_SERVICE, KILL]
read_only: true
tmpfs: /run
ulimits: {nofile: 1024, core: {soft: 0, hard: 0}}
stop_grace_period: 3s
networks: {default: {aliases: [www]}}
update: {drain: 0s}
";

const SHARED: &str = "
name: TAG-shared
containers:
  app:
    image: amarre-test:1
    network_mode: service:tunnel
    pid: service:tunnel
    ipc: service:tunnel
    command: [serve, '8080']
    healthcheck: {test: [CMD, 'true'], interval: 1s}
  tunnel:
    image: amarre-test:1
    ipc: shareable
    environment: {TEXT: one}
    healthcheck: {test: [CMD, 'true'], interval: 1s}
  alone: {image: 'amarre-test:1', network_mode: none, healthcheck: {test: [CMD, 'true'], interval: 1s}}
routes: [{domain: TAG-shared, to: 'tunnel:8080'}]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn limits_are_set_changed_and_unset() {
    let rig = Rig::start().await;
    let host = || inspect("container", &format!("{}_by_hand", rig.tag))["HostConfig"].clone();
    rig.write("limited.yaml", LIMITED);
    rig.apply().await;
    let made = host();
    let expected = [
        ("Memory", json!(67_108_864)),
        ("MemorySwap", json!(-1)),
        ("NanoCpus", json!(500_000_000)),
        ("PidsLimit", json!(100)),
        ("ReadonlyRootfs", json!(true)),
        ("Tmpfs", json!({"/run": ""})),
    ];
    for (member, value) in expected {
        assert_eq!(made[member], value, "{member}");
    }
    rig.write("limited.yaml", &LIMITED.replace("64m", "80m"));
    rig.apply().await;
    assert_eq!(host()["Memory"], json!(83_886_080));
    rig.write("limited.yaml", &LIMITED.replace("mem_limit: 64m\nmemswap_limit: -1\ncpus: 0.5\n", ""));
    rig.apply().await;
    let bare = host();
    assert_eq!((&bare["Memory"], &bare["MemorySwap"], &bare["NanoCpus"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(rig.containers().len(), 1, "one generation is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shared_namespace_follows_the_container_that_has_it() {
    let rig = Rig::start().await;
    let id = |key: &str| inspect("container", &rig.name(&format!("shared-{key}")))["Id"].clone();
    let modes = || {
        let host = inspect("container", &rig.name("shared-app"))["HostConfig"].clone();
        ["NetworkMode", "PidMode", "IpcMode"].map(|member| host[member].clone())
    };
    let of = |id: &Json| json!(format!("container:{}", id.as_str().unwrap()));
    rig.write("shared.yaml", SHARED);
    rig.apply().await;
    let before = (id("tunnel"), id("alone"));
    assert_eq!(modes(), [of(&before.0), of(&before.0), of(&before.0)]);
    let networks = inspect("container", &rig.name("shared-alone"))["NetworkSettings"]["Networks"].clone();
    assert_eq!(networks.as_object().unwrap().keys().collect::<Vec<_>>(), ["none"]);
    // What listens in one container answers at the address of the other.
    let name = rig.name("shared-tunnel");
    let answer = docker(&["exec", &name, "wget", "-q", "-O", "-", "http://127.0.0.1:8080/"]);
    assert!(!answer.is_empty());

    rig.write("shared.yaml", &SHARED.replace("TEXT: one", "TEXT: two"));
    rig.apply().await;
    let after = id("tunnel");
    assert_ne!(after, before.0, "the tunnel is made anew");
    assert_eq!(modes(), [of(&after), of(&after), of(&after)], "and what shares its namespaces with it");
    assert_eq!(id("alone"), before.1, "and nothing else");
}

const CHECKED: &str = "
name: TAG-checked
containers:
  app: {image: 'amarre-test:1', healthcheck: {disable: false}}
  other: {image: 'amarre-test:1', healthcheck: {interval: 5s, retries: 2}}
  none: {image: 'amarre-test:1', healthcheck: {disable: true}}
";

/// What a manifest does not say of a healthcheck is the image's, and no difference.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_healthcheck_without_a_test_is_the_images() {
    let rig = Rig::start().await;
    rig.write("checked.yaml", CHECKED);
    rig.apply().await;
    let check = |key: &str| inspect("container", &rig.name(&format!("checked-{key}")))["Config"]["Healthcheck"].clone();
    assert_eq!((check("app"), &check("none")["Test"]), (Json::Null, &json!(["NONE"])));
    assert_eq!((&check("other")["Interval"], &check("other")["Retries"]), (&json!(5_000_000_000_u64), &json!(2)));
}

const GATEWAY: &str = "
name: TAG-vpn
image: amarre-test:1
environment: {TEXT: one}
command: [sleep, '100000']
healthcheck: {test: [CMD, 'true'], interval: 1s}
routes: [{domain: TAG-carried, to: '8080'}]
";

const CARRIED: &str = "
name: TAG-carried
image: amarre-test:1
network_mode: container:NAME
command: [serve, '8080']
healthcheck: {test: [CMD, 'true'], interval: 1s}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gateway_carries_a_container_of_another_service() {
    let mut rig = Rig::start().await;
    rig.settings.insert("policy".to_owned(), json!({"networks": ["container:*"]}));
    rig.configure();
    let id = |name: &str| inspect("container", &rig.name(name))["Id"].as_str().unwrap().to_owned();
    let mode = || inspect("container", &rig.name("carried"))["HostConfig"]["NetworkMode"].clone();
    // Without a healthcheck, the gateway is asked at the port that the other one serves.
    let unchecked = GATEWAY.replace("healthcheck: {test: [CMD, 'true'], interval: 1s}\n", "");
    rig.write("vpn.yaml", &unchecked);
    rig.write("carried.yaml", &CARRIED.replace("NAME", "TAG-vpn"));
    rig.apply().await;
    rig.assert_serves("carried", "amarre-test 1").await;

    // An engine that starts the gateway again gives it another network, and leaves the other one on the one before.
    let (vpn, carried) = (id("vpn"), id("carried"));
    docker(&["restart", "--time", "1", &rig.name("vpn")]);
    let plan = rig.run(&["plan"]).await;
    assert!(plan.out.contains("whose namespaces it shares, started after it"), "{plan}");
    rig.apply().await;
    assert_eq!((id("vpn"), id("carried")), (vpn, carried), "it is started again, not made anew");
    rig.assert_serves("carried", "amarre-test 1").await;
    rig.quiet().await;

    rig.write("vpn.yaml", GATEWAY);
    rig.apply().await;
    let first = id("vpn");
    assert_eq!(mode(), json!(format!("container:{first}")));
    rig.assert_serves("carried", "amarre-test 1").await;

    rig.write("vpn.yaml", &GATEWAY.replace("TEXT: one", "TEXT: two"));
    rig.apply().await;
    let second = id("vpn");
    assert_ne!(second, first, "the gateway is made anew");
    assert_eq!(mode(), json!(format!("container:{second}")), "and what shares its network with it");
    rig.assert_serves("carried", "amarre-test 1").await;
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_container_follows_a_foreign_gateway() {
    let mut rig = Rig::start().await;
    rig.settings.insert("policy".to_owned(), json!({"networks": ["container:*"]}));
    rig.configure();
    let name = rig.name("foreign-vpn");
    let run = || docker(&["run", "--detach", "--name", &name, "amarre-test:1", "sleep", "100000"]).trim().to_owned();
    let mode = || inspect("container", &rig.name("carried"))["HostConfig"]["NetworkMode"].clone();
    rig.write("carried.yaml", &CARRIED.replace("NAME", "TAG-foreign-vpn"));
    let refused = rig.run(&["plan"]).await;
    assert!(refused.out.contains("A0528"), "{refused}");
    let first = run();
    rig.apply().await;
    assert_eq!(mode(), json!(format!("container:{first}")));
    let carried = rig.name("carried");
    let started = || inspect("container", &carried)["State"]["StartedAt"].as_str().unwrap().to_owned();
    let before = started();
    docker(&["restart", "--time", "1", &name]);
    rig.apply().await;
    assert!(started() > before, "it is on the network of the process that runs now");
    rig.quiet().await;
    docker(&["rm", "--force", &name]);
    let alone = rig.run(&["plan"]).await;
    assert!(alone.out.contains("is not there"), "{alone}");
    let second = run();
    rig.apply().await;
    assert_eq!(mode(), json!(format!("container:{second}")));
    rig.quiet().await;
    docker(&["rm", "--force", &name]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn settings_that_the_engine_ignores_are_refused_by_name() {
    let mut rig = Rig::start().await;
    rig.settings.insert("policy".to_owned(), json!({"privileged": true}));
    rig.configure();
    rig.write("new.yaml", &LIMITED.replace("pids_limit: 100", "annotations: {org.example.a: b}"));
    let plan = rig.run(&["plan"]).await;
    assert!(plan.out.contains("`annotations` needs Docker API 1.43"), "{plan}");
}

/// Namespaces of processes and of shared memory are lost in the same way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_container_is_started_again_after_the_one_whose_processes_it_sees() {
    let rig = Rig::start().await;
    for namespace in ["pid", "ipc"] {
        let ipc = if namespace == "ipc" { ", ipc: shareable" } else { "" };
        let text = format!(
            "name: TAG-{namespace}\ncontainers:\n  main: {{image: 'amarre-test:1', command: [sleep, '100000']{ipc}}}\n  \
             side: {{image: 'amarre-test:1', command: [sleep, '100000'], {namespace}: 'service:main', depends_on: [main]}}\n"
        );
        rig.write(&format!("{namespace}.yaml"), &text);
        rig.apply().await;
        let started =
            || inspect("container", &rig.name(&format!("{namespace}-side")))["State"]["StartedAt"].to_string();
        let before = started();
        docker(&["restart", "--time", "1", &rig.name(&format!("{namespace}-main"))]);
        rig.apply().await;
        assert!(started() > before, "{namespace}");
        rig.quiet().await;
    }
}
