//! Exits, restarts, health, events and waits.

use amarre_sim::docker::{Behaviour, Docker, DockerOptions, ImageSpec};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::client::{call, create, engine, inspect, post};

#[tokio::test]
async fn what_crashes_comes_back_unless_its_policy_says_no() {
    let docker = engine().await;
    docker.seed_container("kept", "web:1", &[]).unwrap();
    docker.seed("lost", json!({"Image": "web:1"})).unwrap();
    for name in ["kept", "lost"] {
        docker.crash(name).unwrap();
    }
    let kept = inspect(&docker, "kept").await;
    assert_eq!((&kept["State"]["Status"], &kept["RestartCount"]), (&json!("running"), &json!(1)));
    let lost = inspect(&docker, "lost").await;
    assert_eq!((&lost["State"]["Status"], &lost["State"]["ExitCode"]), (&json!("exited"), &json!(1)));
    // A person's kill is final.
    docker.kill("kept").unwrap();
    let kept = inspect(&docker, "kept").await;
    assert_eq!((&kept["State"]["Status"], &kept["State"]["ExitCode"]), (&json!("exited"), &json!(137)));
}

#[tokio::test]
async fn a_crash_loop_shows_as_restarting_and_counts() {
    let docker = engine().await;
    docker.load_image(ImageSpec { behaviour: Behaviour::Exit(3), ..ImageSpec::new("sick:1") });
    docker.seed_container("loop", "sick:1", &[]).unwrap();
    let first = inspect(&docker, "loop").await;
    let second = inspect(&docker, "loop").await;
    assert_eq!((&first["State"]["Status"], &first["State"]["Running"]), (&json!("restarting"), &json!(true)));
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
    for (name, behaviour) in [("sick", Behaviour::Unhealthy), ("slow", Behaviour::HealthyAfter(3))] {
        docker.load_image(ImageSpec { behaviour, ..ImageSpec::new(name) });
        docker.seed_container(name, name, &[]).unwrap();
    }
    assert_eq!(inspect(&docker, "sick").await["State"]["Health"]["Status"], "unhealthy");
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(inspect(&docker, "slow").await["State"]["Health"]["Status"].clone());
    }
    assert_eq!(seen, ["starting", "starting", "healthy", "healthy"]);
    let list =
        call(&docker, "GET", "/containers/json?filters=%7B%22health%22:%5B%22healthy%22%5D%7D", Value::Null).await.1;
    assert!(list[0]["Status"].as_str().unwrap().ends_with("(healthy)"));
}

#[tokio::test]
async fn a_health_check_that_cannot_pass_fails_and_any_other_passes() {
    let docker = engine().await;
    for (name, test, verdict) in [
        ("exits", json!(["CMD-SHELL", "exit 1"]), "unhealthy"),
        ("false", json!(["CMD", "/bin/false"]), "unhealthy"),
        ("fine", json!(["CMD-SHELL", "exit 0"]), "healthy"),
        ("asks", json!(["CMD-SHELL", "curl -f http://localhost/ || exit 1"]), "healthy"),
    ] {
        docker.seed(name, json!({"Image": "web:1", "Healthcheck": {"Test": test}})).unwrap();
        assert_eq!(inspect(&docker, name).await["State"]["Health"]["Status"], verdict, "{name}");
    }
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
async fn waits_end_with_the_container_and_give_its_code() {
    let docker = engine().await;
    let job = |script: &str| json!({"Image": "web:1", "Cmd": ["sh", "-c", script]});
    assert_eq!(create(&docker, "job", job("echo hi; exit 3")).await.0, 201);
    assert_eq!(post(&docker, "/containers/job/start").await.0, 204);
    assert_eq!(post(&docker, "/containers/job/wait").await.1["StatusCode"], 3);
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
    docker.load_image(ImageSpec { healthcheck: Some(json!({"Test": ["CMD", "true"]})), ..ImageSpec::new("web:1") });
    let mut stream = TcpStream::connect(docker.server.address).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.0\r\n\r\n").await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while !lines.next_line().await.unwrap().unwrap().is_empty() {}
    docker.seed_container("web", "web:1", &[]).unwrap();
    assert_eq!(inspect(&docker, "web").await["State"]["Health"]["Status"], "starting");
    docker.crash("web").unwrap();
    assert_eq!(inspect(&docker, "web").await["State"]["Status"], "restarting");
    let mut told = Vec::new();
    while told.last().is_none_or(|action: &String| !action.starts_with("health_status")) {
        let event: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        if event["Type"] == "container" {
            told.push(event["Action"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(told, ["create", "start", "die", "start", "health_status: healthy"]);
    let web = inspect(&docker, "web").await;
    assert_eq!((&web["RestartCount"], &web["State"]["Health"]["Status"]), (&json!(1), &json!("healthy")));
}
