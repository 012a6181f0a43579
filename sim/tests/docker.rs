//! What the simulated engine promises beyond shapes: addresses, restarts, health, who reaches whom.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use amarre_sim::docker::{Behaviour, Docker, DockerOptions, ImageSpec};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One request on its own connection: status and body.
async fn call(docker: &Docker, method: &str, path: &str, body: Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(docker.server.address).await.unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = format!(
        "{method} /v1.41{path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body)
        .unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn message(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["message"].as_str().unwrap_or_default())
}

/// An engine without timers, with an image that serves on port 80.
async fn engine() -> Docker {
    let docker = Docker::start(DockerOptions {
        restart_delay: Duration::ZERO,
        health_delay: Duration::ZERO,
        ..DockerOptions::default()
    })
    .await
    .unwrap();
    docker.load_image(ImageSpec {
        ports: vec![80],
        ..ImageSpec::new("web:1")
    });
    docker
}

async fn create(docker: &Docker, name: &str, body: Value) -> (u16, Value) {
    call(
        docker,
        "POST",
        &format!("/containers/create?name={name}"),
        body,
    )
    .await
}

async fn post(docker: &Docker, path: &str) -> (u16, Value) {
    call(docker, "POST", path, Value::Null).await
}

async fn inspect(docker: &Docker, name: &str) -> Value {
    call(
        docker,
        "GET",
        &format!("/containers/{name}/json"),
        Value::Null,
    )
    .await
    .1
}

fn on(network: &str, address: &str) -> Value {
    json!({
        "Image": "web:1", "HostConfig": {"NetworkMode": network},
        "NetworkingConfig": {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": address}}}},
    })
}

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
    assert_eq!(
        inspect(&docker, "two").await["State"]["Error"],
        "Address already in use"
    );
    docker.stop("one").unwrap();
    assert_eq!(post(&docker, "/containers/two/start").await.0, 204);
    assert_eq!(post(&docker, "/containers/one/start").await.0, 403);
}

#[tokio::test]
async fn automatic_addresses_stay_in_the_range() {
    let docker = engine().await;
    let pool =
        json!({"Subnet": "10.99.1.0/24", "IPRange": "10.99.1.128/25", "Gateway": "10.99.1.1"});
    let body = json!({"Name": "zz-a", "IPAM": {"Config": [pool]}});
    let made = call(&docker, "POST", "/networks/create", body).await;
    assert_eq!((made.0, &made.1["Warning"]), (201, &json!("")));
    docker
        .seed_container("stranger", "web:1", &["zz-a"])
        .unwrap();
    let shown = inspect(&docker, "stranger").await;
    assert_eq!(
        shown["NetworkSettings"]["Networks"]["zz-a"]["IPAddress"],
        "10.99.1.128"
    );
}

#[tokio::test]
async fn a_container_does_not_start_once_its_network_is_gone() {
    let docker = engine().await;
    let id = docker.seed_network("zz-a", "10.99.1.0/24").unwrap();
    docker
        .seed_container("npm", "web:1", &["bridge", "zz-a"])
        .unwrap();
    let refused = call(&docker, "DELETE", "/networks/zz-a", Value::Null).await;
    assert_eq!(
        message(&refused),
        (
            403,
            format!("error while removing network: network zz-a id {id} has active endpoints")
                .as_str()
        )
    );
    docker.stop("npm").unwrap();
    docker.remove_network("zz-a").unwrap();
    let refused = post(&docker, "/containers/npm/start").await;
    assert_eq!(
        message(&refused),
        (404, format!("network {id} not found").as_str())
    );
    let body = json!({"Container": "npm", "Force": true});
    assert_eq!(
        call(&docker, "POST", "/networks/zz-a/disconnect", body)
            .await
            .0,
        200
    );
    assert_eq!(post(&docker, "/containers/npm/start").await.0, 204);
}

#[tokio::test]
async fn the_default_pool_can_be_taken() {
    let docker = Docker::start(DockerOptions {
        default_pool_taken: true,
        ..DockerOptions::default()
    })
    .await
    .unwrap();
    let body = |subnet: &str| json!({"Name": "zz-a", "IPAM": {"Config": [{"Subnet": subnet}]}});
    let refused = call(&docker, "POST", "/networks/create", body("172.20.77.0/24")).await;
    assert_eq!(
        message(&refused),
        (403, "Pool overlaps with other one on this address space")
    );
    assert_eq!(
        call(&docker, "POST", "/networks/create", body("10.213.0.0/24"))
            .await
            .0,
        201
    );
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
    assert!(
        taken["message"]
            .as_str()
            .unwrap()
            .starts_with("Conflict. The container name \"/one\" is already in use")
    );
    let missing = create(&docker, "x1", publish("nope")).await;
    assert_eq!(message(&missing), (404, "No such image: nope:latest"));
    let bind = json!({"Type": "bind", "Source": "/no/such/path", "Target": "/x"});
    let missing = create(
        &docker,
        "x1",
        json!({"Image": "web:1", "HostConfig": {"Mounts": [bind]}}),
    )
    .await;
    let said =
        "invalid mount config for type \"bind\": bind source path does not exist: /no/such/path";
    assert_eq!(message(&missing), (400, said));
    assert_eq!(post(&docker, "/containers/one/start").await.0, 204);
    assert_eq!(post(&docker, "/containers/one/start").await.0, 304);
    assert_eq!(create(&docker, "two", publish("web:1")).await.0, 201);
    let (status, clash) = post(&docker, "/containers/two/start").await;
    assert_eq!(status, 500);
    assert!(
        clash["message"]
            .as_str()
            .unwrap()
            .ends_with("Bind for 0.0.0.0:8080 failed: port is already allocated")
    );
}

#[tokio::test]
async fn what_crashes_comes_back_unless_its_policy_says_no() {
    let docker = engine().await;
    docker.seed_container("kept", "web:1", &[]).unwrap();
    docker.seed("lost", json!({"Image": "web:1"})).unwrap();
    for name in ["kept", "lost"] {
        docker.crash(name).unwrap();
    }
    let kept = inspect(&docker, "kept").await;
    assert_eq!(
        (&kept["State"]["Status"], &kept["RestartCount"]),
        (&json!("running"), &json!(1))
    );
    let lost = inspect(&docker, "lost").await;
    assert_eq!(
        (&lost["State"]["Status"], &lost["State"]["ExitCode"]),
        (&json!("exited"), &json!(1))
    );
    // A person's kill is final.
    docker.kill("kept").unwrap();
    let kept = inspect(&docker, "kept").await;
    assert_eq!(
        (&kept["State"]["Status"], &kept["State"]["ExitCode"]),
        (&json!("exited"), &json!(137))
    );
}

#[tokio::test]
async fn a_crash_loop_shows_as_restarting_and_counts() {
    let docker = engine().await;
    docker.load_image(ImageSpec {
        behaviour: Behaviour::Exit(3),
        ..ImageSpec::new("sick:1")
    });
    docker.seed_container("loop", "sick:1", &[]).unwrap();
    let first = inspect(&docker, "loop").await;
    let second = inspect(&docker, "loop").await;
    assert_eq!(
        (&first["State"]["Status"], &first["State"]["Running"]),
        (&json!("restarting"), &json!(true))
    );
    assert_eq!(first["State"]["ExitCode"], 3);
    assert!(second["RestartCount"].as_i64() > first["RestartCount"].as_i64());
    docker.stop("loop").unwrap();
    assert_eq!(inspect(&docker, "loop").await["State"]["Status"], "exited");
}

#[tokio::test]
async fn an_engine_restart_keeps_what_policies_keep() {
    let docker = engine().await;
    docker.seed_container("kept", "web:1", &[]).unwrap();
    docker.seed_container("stopped", "web:1", &[]).unwrap();
    docker.seed("plain", json!({"Image": "web:1"})).unwrap();
    let always = json!({"Image": "web:1", "HostConfig": {"RestartPolicy": {"Name": "always"}}});
    docker.seed("always", always).unwrap();
    for name in ["stopped", "always"] {
        docker.stop(name).unwrap();
    }
    docker.restart_engine();
    let mut states = Vec::new();
    for name in ["kept", "stopped", "plain", "always"] {
        states.push(inspect(&docker, name).await["State"]["Status"].clone());
    }
    assert_eq!(states, ["running", "exited", "exited", "running"]);
}

#[tokio::test]
async fn health_goes_from_starting_to_its_verdict() {
    let docker = engine().await;
    for (name, behaviour) in [
        ("sick", Behaviour::Unhealthy),
        ("slow", Behaviour::HealthyAfter(3)),
    ] {
        docker.load_image(ImageSpec {
            behaviour,
            ..ImageSpec::new(name)
        });
        docker.seed_container(name, name, &[]).unwrap();
    }
    assert_eq!(
        inspect(&docker, "sick").await["State"]["Health"]["Status"],
        "unhealthy"
    );
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(inspect(&docker, "slow").await["State"]["Health"]["Status"].clone());
    }
    assert_eq!(seen, ["starting", "starting", "healthy", "healthy"]);
    let list = call(
        &docker,
        "GET",
        "/containers/json?filters=%7B%22health%22:%5B%22healthy%22%5D%7D",
        Value::Null,
    )
    .await
    .1;
    assert!(list[0]["Status"].as_str().unwrap().ends_with("(healthy)"));
}

#[tokio::test]
async fn a_running_container_answers_and_a_dead_one_does_not() {
    let docker = engine().await;
    docker.seed_network("zz-a", "10.99.1.0/24").unwrap();
    let mut body = on("zz-a", "10.99.1.5");
    body["ExposedPorts"] = json!({"80/tcp": {}});
    body["HostConfig"]["PortBindings"] =
        json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]});
    docker.seed("web", body).unwrap();
    let address = docker.locate("10.99.1.5", 80).unwrap();
    assert_eq!(docker.locate("web", 80), Some(address));
    assert_eq!(docker.locate("127.0.0.1", 8080), Some(address));
    assert_eq!(docker.locate("10.99.1.5", 81), None);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        "GET /a?b HTTP/1.1\r\nHost: cloud.example.org\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut answer = Vec::new();
    while answer
        .last()
        .is_none_or(|line: &String| !line.starts_with("x-forwarded-proto"))
    {
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
    docker.load_image(ImageSpec {
        behaviour: Behaviour::SlowStart(3),
        ..ImageSpec::new("slow")
    });
    docker.seed_container("slow", "slow", &[]).unwrap();
    let found: Vec<bool> = (0..4)
        .map(|_| docker.locate("slow", 80).is_some())
        .collect();
    assert_eq!(found, [false, false, true, true]);
}

#[tokio::test]
async fn events_tell_of_what_people_do_and_end_with_the_engine() {
    let docker = engine().await;
    docker.seed_container("web", "web:1", &[]).unwrap();
    let mut stream = TcpStream::connect(docker.server.address).await.unwrap();
    let filters = "%7B%22type%22:%7B%22container%22:true%7D%7D";
    let request = format!("GET /v1.41/events?filters={filters} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while !lines.next_line().await.unwrap().unwrap().is_empty() {}
    docker.crash("web").unwrap();
    docker.remove("web").unwrap();
    docker.restart_engine();
    let mut told = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["Actor"]["Attributes"]["name"], "web");
        told.push(event["Action"].as_str().unwrap().to_owned());
    }
    assert_eq!(told, ["die", "start", "kill", "die", "destroy"]);
    assert_eq!(docker.server.journal.writes(), []);
}

#[tokio::test]
async fn pulls_answer_as_a_registry_would() {
    let docker = Docker::start(DockerOptions {
        pull_anything: false,
        ..DockerOptions::default()
    })
    .await
    .unwrap();
    docker.image(ImageSpec::new("web:1"));
    let (status, _) = post(&docker, "/images/create?fromImage=web&tag=1").await;
    assert_eq!(status, 200);
    let refused = post(&docker, "/images/create?fromImage=web&tag=9").await;
    assert_eq!(
        message(&refused),
        (
            404,
            "manifest for web:9 not found: manifest unknown: manifest unknown"
        )
    );
    let refused = post(&docker, "/images/create?fromImage=ghcr.io/a/b&tag=1").await;
    assert!(
        message(&refused)
            .1
            .starts_with("pull access denied for ghcr.io/a/b")
    );
    let asked = |docker: Value| docker["Descriptor"]["digest"].as_str().unwrap().to_owned();
    let before = asked(
        call(&docker, "GET", "/distribution/web:1/json", Value::Null)
            .await
            .1,
    );
    docker.image(ImageSpec {
        id: "newer".to_owned(),
        ..ImageSpec::new("web:1")
    });
    let after = asked(
        call(&docker, "GET", "/distribution/web:1/json", Value::Null)
            .await
            .1,
    );
    assert_ne!(before, after);
}

#[tokio::test]
async fn anonymous_volumes_go_only_when_asked() {
    let docker = engine().await;
    docker.load_image(ImageSpec {
        volumes: vec!["/data".to_owned()],
        ..ImageSpec::new("db:1")
    });
    docker.seed_container("db", "db:1", &[]).unwrap();
    let name = docker.volumes()[0]["Name"].as_str().unwrap().to_owned();
    let (status, _) = call(&docker, "DELETE", &format!("/volumes/{name}"), Value::Null).await;
    assert_eq!(status, 409);
    docker.remove("db").unwrap();
    assert_eq!(docker.volumes().len(), 1);
    docker.seed_container("db", "db:1", &[]).unwrap();
    assert_eq!(
        docker.volumes().len(),
        2,
        "a new container does not find the old data"
    );
    let (status, _) = call(&docker, "DELETE", "/containers/db?force=1&v=1", Value::Null).await;
    assert_eq!((status, docker.volumes().len()), (204, 1));
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
    for (network, subnet) in [
        ("npm_default", "10.99.1.0/24"),
        ("zz-a", "10.99.2.0/24"),
        ("amarre", "10.99.3.0/24"),
    ] {
        docker.seed_network(network, subnet).unwrap();
    }
    let mut npm = on("npm_default", "10.99.1.2");
    npm["ExposedPorts"] = json!({"80/tcp": {}});
    npm["HostConfig"]["PortBindings"] = json!({"80/tcp": [{"HostPort": "80"}]});
    docker.seed("npm", npm).unwrap();
    let address = docker.locate("0.0.0.0", 80).unwrap();
    let mut open = TcpStream::connect(address).await.unwrap();
    open.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut some = [0; 16];
    assert_eq!(open.read_exact(&mut some).await.unwrap(), 16);

    let connect = async |network: &str| {
        let path = format!("/networks/{network}/connect");
        assert_eq!(
            call(&docker, "POST", &path, json!({"Container": "npm"}))
                .await
                .0,
            200
        );
    };
    connect("zz-a").await;
    assert_eq!(docker.port_moves("npm"), 0);
    connect("amarre").await;
    assert_eq!(docker.port_moves("npm"), 1);
    let mut rest = Vec::new();
    // Cut, cleanly or not: no more than what was sent before.
    open.read_to_end(&mut rest).await.unwrap_or_default();
    assert_eq!(
        docker.locate("0.0.0.0", 80),
        Some(address),
        "new connections are served"
    );
}

#[tokio::test]
async fn a_proxy_reaches_only_what_shares_a_network_with_it() {
    let docker = engine().await;
    docker.seed_network("zz-a", "10.99.1.0/24").unwrap();
    docker.seed("web", on("zz-a", "10.99.1.5")).unwrap();
    docker.seed_container("npm", "web:1", &[]).unwrap();
    assert_eq!(docker.locate_from("npm", "10.99.1.5", 80), None);
    assert_eq!(docker.locate_from("npm", "web", 80), None);
    let body =
        json!({"Container": "npm", "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.99.1.2"}}});
    assert_eq!(
        call(&docker, "POST", "/networks/zz-a/connect", body)
            .await
            .0,
        200
    );
    assert!(docker.locate_from("npm", "10.99.1.5", 80).is_some());
    assert!(docker.locate_from("npm", "web", 80).is_some());
}

#[tokio::test]
async fn waits_end_with_the_container_and_give_its_code() {
    let docker = engine().await;
    let job = |script: &str| json!({"Image": "web:1", "Cmd": ["sh", "-c", script]});
    assert_eq!(create(&docker, "job", job("echo hi; exit 3")).await.0, 201);
    assert_eq!(post(&docker, "/containers/job/start").await.0, 204);
    assert_eq!(
        post(&docker, "/containers/job/wait").await.1["StatusCode"],
        3
    );
    docker.seed("web", json!({"Image": "web:1"})).unwrap();
    let crash = async {
        tokio::task::yield_now().await;
        docker.crash("web").unwrap();
    };
    let (waited, ()) = tokio::join!(post(&docker, "/containers/web/wait"), crash);
    assert_eq!(waited.1["StatusCode"], 1);
}

#[tokio::test]
async fn by_default_restarts_and_health_take_their_time() {
    let docker = Docker::start(DockerOptions::default()).await.unwrap();
    docker.load_image(ImageSpec {
        healthcheck: Some(json!({"Test": ["CMD", "true"]})),
        ..ImageSpec::new("web:1")
    });
    let mut stream = TcpStream::connect(docker.server.address).await.unwrap();
    stream
        .write_all(b"GET /events HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut lines = BufReader::new(stream).lines();
    while !lines.next_line().await.unwrap().unwrap().is_empty() {}
    docker.seed_container("web", "web:1", &[]).unwrap();
    assert_eq!(
        inspect(&docker, "web").await["State"]["Health"]["Status"],
        "starting"
    );
    docker.crash("web").unwrap();
    assert_eq!(
        inspect(&docker, "web").await["State"]["Status"],
        "restarting"
    );
    let mut told = Vec::new();
    while told
        .last()
        .is_none_or(|action: &String| !action.starts_with("health_status"))
    {
        let event: Value =
            serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        if event["Type"] == "container" {
            told.push(event["Action"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(
        told,
        ["create", "start", "die", "start", "health_status: healthy"]
    );
    let web = inspect(&docker, "web").await;
    assert_eq!(
        (&web["RestartCount"], &web["State"]["Health"]["Status"]),
        (&json!(1), &json!("healthy"))
    );
}

#[tokio::test]
async fn files_are_copied_in_unless_the_root_is_read_only() {
    let docker = engine().await;
    assert_eq!(
        create(&docker, "open", json!({"Image": "web:1"})).await.0,
        201
    );
    let shut = json!({"Image": "web:1", "HostConfig": {"ReadonlyRootfs": true}});
    assert_eq!(create(&docker, "shut", shut).await.0, 201);
    let put = async |name: &str| {
        call(
            &docker,
            "PUT",
            &format!("/containers/{name}/archive?path=/etc"),
            json!("tar"),
        )
        .await
    };
    assert_eq!(put("open").await.0, 200);
    assert_eq!(
        message(&put("shut").await),
        (500, "container rootfs is marked read-only")
    );
    assert_eq!(
        docker.uploads("open"),
        [("/etc".to_owned(), b"\"tar\"".to_vec())]
    );
}
