//! Several networks of one Compose file on the real engine: who reaches whom.

use serde_json::json;

use crate::support::docker;
use crate::support::rig::Rig;

const COMPOSE: &str = "
x-all: &all
  image: amarre-test:1
  command: [serve, '8080']
  healthcheck: {test: [CMD, 'true'], interval: 1s}
services:
  web: {<<: *all, networks: [front]}
  app: {<<: *all, networks: [front, back]}
  db: {<<: *all, networks: [back]}
networks:
  front:
  back: {internal: true}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_container_is_on_the_networks_of_its_file() {
    let rig = Rig::start().await;
    let reaches = |from: &str, to: &str| {
        let url = format!("http://{to}:8080/");
        let answer = std::process::Command::new("docker")
            .args(["exec", &rig.name(&format!("shop-{from}")), "wget", "-q", "-O", "-", &url])
            .output();
        answer.unwrap().status.success()
    };
    let internal = |network: &str| {
        let name = format!("zz-amarre-{}", rig.name(network));
        docker(&["network", "inspect", "--format", "{{.Internal}}", &name]).trim().to_owned()
    };
    rig.write(
        "shop.yaml",
        "name: TAG-shop\ncompose: ./shop.compose.yaml\nroutes: [{domain: TAG-shop, to: 'web:8080'}]\n",
    );
    rig.write("shop.compose.yaml", COMPOSE);
    rig.apply().await;
    assert_eq!((internal("shop").as_str(), internal("shop.back").as_str()), ("false", "true"));
    let reached = [("web", "app"), ("app", "db"), ("db", "app"), ("web", "db"), ("db", "web")];
    let reached = reached.map(|(from, to)| reaches(from, to));
    assert_eq!(reached, [true, true, true, false, false]);
    rig.assert_serves("shop", "amarre-test 1").await;

    // A route to a container that lives on the second network: NPM is led there.
    rig.write(
        "shop.yaml",
        "name: TAG-shop\ncompose: ./shop.compose.yaml\nroutes: [{domain: TAG-shop, to: 'db:8080'}]\n",
    );
    rig.apply().await;
    rig.assert_serves("shop", "amarre-test 1").await;
    assert!(rig.ours("network").len() == 2, "{:?}", rig.ours("network"));

    rig.write("shop.compose.yaml", &COMPOSE.replace("networks: [front]", "networks: [back]"));
    rig.apply().await;
    assert!(reaches("web", "db") && reaches("app", "web"));
    let gone = rig.run(&["destroy", &rig.name("shop"), "--yes"]).await;
    assert_eq!(gone.code, 0, "{gone}");
    assert_eq!((json!(rig.containers()), rig.ours("network").len()), (json!({}), 0));
}
