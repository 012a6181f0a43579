//! Who reaches a running container, and when its connections end.

use amarre_sim::docker::{Behaviour, ImageSpec};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::client::{call, engine, on};

#[tokio::test]
async fn a_running_container_answers_and_a_dead_one_does_not() {
    let docker = engine().await;
    docker.seed_network("zz-a", "10.99.1.0/24").unwrap();
    let mut body = on("zz-a", "10.99.1.5");
    body["ExposedPorts"] = json!({"80/tcp": {}});
    body["HostConfig"]["PortBindings"] = json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]});
    docker.seed("web", body).unwrap();
    let address = docker.locate("10.99.1.5", 80).unwrap();
    assert_eq!(docker.locate("web", 80), Some(address));
    assert_eq!(docker.locate("127.0.0.1", 8080), Some(address));
    assert_eq!(docker.locate("10.99.1.5", 81), None);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /a?b HTTP/1.1\r\nHost: cloud.example.org\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut answer = Vec::new();
    while answer.last().is_none_or(|line: &String| !line.starts_with("x-forwarded-proto")) {
        answer.push(lines.next_line().await.unwrap().unwrap());
    }
    let answer = answer.join("\n");
    for part in [
        "200 OK",
        "container: web",
        "image: web:1",
        "path: /a?b",
        "host: cloud.example.org",
        "x-forwarded-for: 1.2.3.4",
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    docker.kill("web").unwrap();
    assert_eq!(docker.locate("10.99.1.5", 80), None);
    // Its open connection ends with it.
    assert!(matches!(lines.next_line().await, Ok(None) | Err(_)));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn slow_start_listens_only_after_some_looks() {
    let docker = engine().await;
    docker.load_image(ImageSpec { behaviour: Behaviour::SlowStart(3), ..ImageSpec::new("slow") });
    docker.seed_container("slow", "slow", &[]).unwrap();
    let found: Vec<bool> = (0..4).map(|_| docker.locate("slow", 80).is_some()).collect();
    assert_eq!(found, [false, false, true, true]);
}

#[tokio::test]
async fn down_cuts_every_request() {
    let docker = engine().await;
    docker.down(true);
    let (_, body) = call(&docker, "GET", "/version", Value::Null).await;
    assert_eq!(body, Value::Null);
    docker.down(false);
    assert_eq!(call(&docker, "GET", "/version", Value::Null).await.0, 200);
}

#[tokio::test]
async fn published_ports_move_to_the_network_whose_name_sorts_first() {
    let docker = engine().await;
    for (network, subnet) in [("npm_default", "10.99.1.0/24"), ("zz-a", "10.99.2.0/24"), ("amarre", "10.99.3.0/24")] {
        docker.seed_network(network, subnet).unwrap();
    }
    let mut npm = on("npm_default", "10.99.1.2");
    npm["ExposedPorts"] = json!({"80/tcp": {}});
    npm["HostConfig"]["PortBindings"] = json!({"80/tcp": [{"HostPort": "80"}]});
    docker.seed("npm", npm).unwrap();
    let address = docker.locate("0.0.0.0", 80).unwrap();
    let mut open = TcpStream::connect(address).await.unwrap();
    open.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut some = [0; 16];
    assert_eq!(open.read_exact(&mut some).await.unwrap(), 16);

    let connect = async |network: &str| {
        let path = format!("/networks/{network}/connect");
        assert_eq!(call(&docker, "POST", &path, json!({"Container": "npm"})).await.0, 200);
    };
    connect("zz-a").await;
    assert_eq!(docker.port_moves("npm"), 0);
    connect("amarre").await;
    assert_eq!(docker.port_moves("npm"), 1);
    let mut rest = Vec::new();
    // Cut, cleanly or not: no more than what was sent before.
    open.read_to_end(&mut rest).await.unwrap_or_default();
    assert_eq!(docker.locate("0.0.0.0", 80), Some(address), "new connections are served");
}

#[tokio::test]
async fn a_proxy_reaches_only_what_shares_a_network_with_it() {
    let docker = engine().await;
    docker.seed_network("zz-a", "10.99.1.0/24").unwrap();
    docker.seed("web", on("zz-a", "10.99.1.5")).unwrap();
    docker.seed_container("npm", "web:1", &[]).unwrap();
    assert_eq!(docker.locate_from("npm", "10.99.1.5", 80), None);
    assert_eq!(docker.locate_from("npm", "web", 80), None);
    let body = json!({"Container": "npm", "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.99.1.2"}}});
    assert_eq!(call(&docker, "POST", "/networks/zz-a/connect", body).await.0, 200);
    assert!(docker.locate_from("npm", "10.99.1.5", 80).is_some());
    assert!(docker.locate_from("npm", "web", 80).is_some());
}
