//! Three services up, quiet, and down again.

use serde_json::{Value as Json, json};

use crate::support::rig::{PUBLIC, Rig};
use crate::support::{docker_lines, inspect};

pub const WEB: &str = "
name: TAG-web
image: amarre-test:1
command: [serve, '8080']
port: 8080
environment: {TEXT: web one}
healthcheck: {test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8080/'], interval: 1s, timeout: 20s, retries: 3}
update: {drain: 1s}
";

pub const PAIR: &str = "
name: TAG-pair
containers:
  app:
    image: amarre-test:1
    command: [serve, '80']
    environment: {TEXT: pair app, PASSWORD: {secret: shared/pair}}
    depends_on: {db: {condition: service_healthy}}
    labels: {com.example.role: front}
    healthcheck: {test: [CMD-SHELL, 'wget -q -O /dev/null http://db:5432/'], interval: 1s, timeout: 20s, retries: 3}
  db:
    image: amarre-test:2
    command: [serve, '5432']
    user: '1000:1000'
    volumes: ['data:/data']
    healthcheck: {test: [CMD, 'true'], interval: 1s}
routes:
  - {domain: TAG-pair, aliases: [www.TAG-pair], to: 'app:80'}
dns: auto
";

/// No healthcheck: probed from where NPM stands.
pub const PLAIN: &str = "
name: TAG-plain
image: amarre-test:2
command: [serve, '80']
port: 80
volumes: ['files:/data']
restart: always
";

async fn three() -> Rig {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.write("pair.yaml", PAIR);
    rig.write("plain.yaml", PLAIN);
    std::fs::create_dir_all(rig.folder.path().join("secrets/services/shared")).unwrap();
    std::fs::write(rig.folder.path().join("secrets/services/shared/pair"), "canary-5c1e").unwrap();
    rig
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_services_converge_stay_quiet_and_go() {
    let rig = three().await;
    let foreigners = rig.seed_foreigners();
    assert_eq!(rig.plan_exit().await, 2);
    assert_eq!(rig.writes(), [""; 0], "a plan writes nothing");
    rig.apply().await;

    let names: Vec<String> = rig.containers().into_keys().collect();
    assert_eq!(names, ["pair-app", "pair-db", "plain", "web"].map(|name| rig.name(name)));
    let networks: Vec<String> = ["pair", "plain", "web"].map(|name| format!("zz-amarre-{}", rig.name(name))).into();
    assert_eq!(rig.ours("network"), networks);
    assert_eq!(rig.ours("volume"), [format!("{}_data", rig.name("pair")), format!("{}_files", rig.name("plain"))]);
    // The first /24 of the pool is foreign.
    for (third, network) in (1..).zip(&networks) {
        check_network(&rig, network, third);
    }
    let of = |name: &str| inspect("container", &rig.name(name));
    check_container(&rig, &of("web"), "web", "web", 3, 3);
    check_container(&rig, &of("plain"), "plain", "plain", 2, 3);
    check_container(&rig, &of("pair-app"), "pair", "app", 1, 3);
    check_container(&rig, &of("pair-db"), "pair", "db", 1, 4);
    assert_eq!(of("pair-db")["Config"]["User"], "1000:1000");
    assert_eq!(of("pair-app")["Config"]["Labels"]["com.example.role"], "front");
    assert_eq!(of("plain")["HostConfig"]["RestartPolicy"]["Name"], "always");
    assert!(of("pair-app")["Config"]["Env"].as_array().unwrap().contains(&json!("PASSWORD=canary-5c1e")));

    rig.assert_serves("web", "web one").await;
    rig.assert_serves("pair", "pair app").await;
    rig.assert_serves("plain", "amarre-test 2").await;
    let alias = format!("www.{}", rig.domain("pair"));
    let answer = crate::support::get(rig.npm.proxy_address, &alias, "/").await;
    assert_eq!(answer, Some((200, "pair app\n".to_owned())));
    check_records(&rig);

    rig.forget();
    rig.apply().await;
    assert_eq!(rig.writes(), [""; 0], "a second apply writes nothing");
    assert!(!rig.gate.asked().is_empty(), "the gate was passed");
    assert!(!rig.gate.asked().iter().any(|line| line.contains("/images/create")), "nothing is pulled");
    foreigners.assert_unchanged(&rig);
    canary_is_nowhere(&rig).await;

    let refused = rig.run(&["destroy", "--all"]).await;
    assert_eq!(refused.code, 4, "{refused}");
    let destroyed = rig.run(&["destroy", "--all", "--yes"]).await;
    assert_eq!(destroyed.code, 0, "{destroyed}");
    assert_eq!(rig.containers().len(), 0);
    assert_eq!(rig.ours("network"), [""; 0]);
    assert_eq!(rig.ours("volume").len(), 2, "volumes are kept");
    assert_eq!(rig.records(), [""; 0]);
    assert_eq!(rig.host(&rig.domain("web")), None);
    foreigners.assert_unchanged(&rig);
    rig.quiet().await;
}

fn check_network(rig: &Rig, name: &str, third: u32) {
    let network = inspect("network", name);
    let prefix = format!("10.{}.{third}", rig.octet);
    let ipam = json!([{
        "Subnet": format!("{prefix}.0/24"), "Gateway": format!("{prefix}.1"), "IPRange": format!("{prefix}.128/25"),
    }]);
    assert_eq!(network["IPAM"]["Config"], ipam);
    assert_eq!(network["Driver"], "bridge");
    let service = name.strip_prefix("zz-amarre-").unwrap();
    let labels = json!({
        "io.amarre.instance": rig.instance(), "io.amarre.service": service, "com.docker.compose.project": service,
    });
    assert_eq!(network["Labels"], labels);
}

#[track_caller]
fn check_container(rig: &Rig, container: &Json, service: &str, key: &str, third: u32, last: u32) {
    let service = rig.name(service);
    let key = if service.ends_with(key) { service.clone() } else { key.to_owned() };
    let labels = container["Config"]["Labels"].as_object().unwrap();
    assert_eq!(labels["io.amarre.instance"], json!(rig.instance()));
    assert_eq!(labels["io.amarre.service"], json!(service));
    assert_eq!(labels["com.docker.compose.project"], json!(service));
    assert_eq!(labels["com.docker.compose.service"], json!(key));
    assert!(labels["io.amarre.spec"].as_str().is_some_and(|spec| !spec.is_empty()));
    for never in ["com.docker.compose.config-hash", "com.docker.compose.oneoff"] {
        assert!(!labels.contains_key(never), "{never}: docker compose down would take it");
    }
    let networks = container["NetworkSettings"]["Networks"].as_object().unwrap();
    assert_eq!(networks.keys().collect::<Vec<_>>(), [&format!("zz-amarre-{service}")]);
    let address = &networks.values().next().unwrap()["IPAddress"];
    assert_eq!(address, &json!(format!("10.{}.{third}.{last}", rig.octet)));
    assert_eq!(container["State"]["Running"], true);
    assert!(container["State"]["Health"].is_null() || container["State"]["Health"]["Status"] == "healthy");
}

fn check_records(rig: &Rig) {
    let mut expected = Vec::new();
    for (name, service) in [("web", "web"), ("pair", "pair"), ("www.TAG-pair", "pair"), ("plain", "plain")] {
        let name = if name.contains("TAG") { name.replace("TAG", &rig.tag) } else { rig.name(name) };
        let (instance, service) = (rig.instance(), rig.name(service));
        expected.push(format!("{name} A {PUBLIC}"));
        expected.push(format!("_amarre.{name} TXT \"heritage=amarre,instance={instance},service={service},type=A"));
    }
    expected.sort();
    // A signature says nothing to a person.
    let mut records = rig.records();
    records.iter_mut().for_each(|record| record.truncate(record.find(",sig=").unwrap_or(record.len())));
    assert_eq!(records, expected);
    // A service's records are published when it is ready; it does not wait for the other two.
    let refreshes = rig.ovh.refreshes(crate::support::rig::ZONE);
    assert!((1..=3).contains(&refreshes), "{refreshes} refreshes for three services");
}

/// The secret's value stands where it must, in the container's environment, and nowhere else.
async fn canary_is_nowhere(rig: &Rig) {
    let canary = "canary-5c1e";
    for text in [rig.run(&["plan", "-o", "json"]).await.out, rig.status_text().await, rig.status().await.to_string()] {
        assert!(!text.contains(canary), "{text}");
    }
    for entry in std::fs::read_dir(rig.state()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()), "{}", path.display());
    }
    let labels = inspect("container", &rig.name("pair-app"))["Config"]["Labels"].to_string();
    assert!(!labels.contains(canary), "{labels}");
    assert!(docker_lines(&["network", "ls", "--format", "{{.Labels}}"]).iter().all(|line| !line.contains(canary)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_container_is_made_while_networks_of_others_wait() {
    // More than the engine makes at once.
    const SERVICES: u32 = 12;
    let rig = Rig::start().await;
    for number in 0..SERVICES {
        rig.write(
            &format!("s{number}.yaml"),
            &format!("name: TAG-s{number}\nimage: amarre-test:1\nhealthcheck: {{test: [CMD, 'true'], interval: 1s}}\n"),
        );
    }
    rig.gate.hold("/networks/create", 1, "/containers/create");
    rig.apply().await;
    let asked = rig.gate.writes();
    let networks = asked.iter().filter(|line| line.contains("/networks/create")).count();
    assert_eq!(networks, SERVICES as usize, "{asked:#?}");
}
