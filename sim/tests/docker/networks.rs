//! Networks, addresses and what the engine refuses.

use amarre_sim::docker::{Docker, DockerOptions};
use serde_json::{Value, json};

use crate::client::{call, create, engine, inspect, message, on, post};

#[tokio::test]
async fn a_stopped_container_holds_no_address() {
    let docker = engine().await;
    docker.seed_network("zz-a", "10.99.1.0/24").unwrap();
    for name in ["one", "two"] {
        assert_eq!(create(&docker, name, on("zz-a", "10.99.1.5")).await.0, 201);
    }
    assert_eq!(post(&docker, "/containers/one/start").await.0, 204);
    let refused = post(&docker, "/containers/two/start").await;
    assert_eq!(message(&refused), (403, "Address already in use"));
    assert_eq!(inspect(&docker, "two").await["State"]["Error"], "Address already in use");
    docker.stop("one").unwrap();
    assert_eq!(post(&docker, "/containers/two/start").await.0, 204);
    assert_eq!(post(&docker, "/containers/one/start").await.0, 403);
}

#[tokio::test]
async fn automatic_addresses_stay_in_the_range() {
    let docker = engine().await;
    let pool = json!({"Subnet": "10.99.1.0/24", "IPRange": "10.99.1.128/25", "Gateway": "10.99.1.1"});
    let body = json!({"Name": "zz-a", "IPAM": {"Config": [pool]}});
    let made = call(&docker, "POST", "/networks/create", body).await;
    assert_eq!((made.0, &made.1["Warning"]), (201, &json!("")));
    docker.seed_container("stranger", "web:1", &["zz-a"]).unwrap();
    let shown = inspect(&docker, "stranger").await;
    assert_eq!(shown["NetworkSettings"]["Networks"]["zz-a"]["IPAddress"], "10.99.1.128");
}

#[tokio::test]
async fn a_container_does_not_start_once_its_network_is_gone() {
    let docker = engine().await;
    let id = docker.seed_network("zz-a", "10.99.1.0/24").unwrap();
    docker.seed_container("npm", "web:1", &["bridge", "zz-a"]).unwrap();
    let refused = call(&docker, "DELETE", "/networks/zz-a", Value::Null).await;
    assert_eq!(
        message(&refused),
        (403, format!("error while removing network: network zz-a id {id} has active endpoints").as_str())
    );
    docker.stop("npm").unwrap();
    docker.remove_network("zz-a").unwrap();
    let refused = post(&docker, "/containers/npm/start").await;
    assert_eq!(message(&refused), (404, format!("network {id} not found").as_str()));
    let body = json!({"Container": "npm", "Force": true});
    assert_eq!(call(&docker, "POST", "/networks/zz-a/disconnect", body).await.0, 200);
    assert_eq!(post(&docker, "/containers/npm/start").await.0, 204);
}

#[tokio::test]
async fn the_default_pool_can_be_taken() {
    let docker = Docker::start(DockerOptions { default_pool_taken: true, ..DockerOptions::default() }).await.unwrap();
    let body = |subnet: &str| json!({"Name": "zz-a", "IPAM": {"Config": [{"Subnet": subnet}]}});
    let refused = call(&docker, "POST", "/networks/create", body("172.20.77.0/24")).await;
    assert_eq!(message(&refused), (403, "Pool overlaps with other one on this address space"));
    assert_eq!(call(&docker, "POST", "/networks/create", body("10.213.0.0/24")).await.0, 201);
}

#[tokio::test]
async fn names_images_binds_and_ports_are_refused_as_the_engine_does() {
    let docker = engine().await;
    let publish = |image: &str| {
        json!({
            "Image": image, "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
        })
    };
    assert_eq!(create(&docker, "one", publish("web:1")).await.0, 201);
    let (status, taken) = create(&docker, "one", publish("web:1")).await;
    assert_eq!(status, 409);
    assert!(taken["message"].as_str().unwrap().starts_with("Conflict. The container name \"/one\" is already in use"));
    let missing = create(&docker, "x1", publish("nope")).await;
    assert_eq!(message(&missing), (404, "No such image: nope:latest"));
    let bind = json!({"Type": "bind", "Source": "/no/such/path", "Target": "/x"});
    let missing = create(&docker, "x1", json!({"Image": "web:1", "HostConfig": {"Mounts": [bind]}})).await;
    let said = "invalid mount config for type \"bind\": bind source path does not exist: /no/such/path";
    assert_eq!(message(&missing), (400, said));
    assert_eq!(post(&docker, "/containers/one/start").await.0, 204);
    assert_eq!(post(&docker, "/containers/one/start").await.0, 304);
    assert_eq!(create(&docker, "two", publish("web:1")).await.0, 201);
    let (status, clash) = post(&docker, "/containers/two/start").await;
    assert_eq!(status, 500);
    assert!(clash["message"].as_str().unwrap().ends_with("Bind for 0.0.0.0:8080 failed: port is already allocated"));
}

#[tokio::test]
async fn the_next_default_pool_is_taken_even_when_an_earlier_one_is_free() {
    let docker = engine().await;
    let mut subnets = Vec::new();
    for _ in 0..2 {
        let made = call(&docker, "POST", "/networks/create", json!({"Name": "zz-a"})).await;
        assert_eq!(made.0, 201);
        subnets.push(docker.networks()[3]["IPAM"]["Config"][0]["Subnet"].clone());
        docker.remove_network("zz-a").unwrap();
    }
    assert_eq!(subnets, ["172.18.0.0/16", "172.19.0.0/16"]);
}
