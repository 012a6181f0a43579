//! A bare HTTP client, and engines to start with.

use std::time::Duration;

use amarre_sim::docker::{Docker, DockerOptions, ImageSpec};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One request on its own connection: status and body.
pub async fn call(docker: &Docker, method: &str, path: &str, body: Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(docker.server.address).await.unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} /v1.41{path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

pub fn message(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["message"].as_str().unwrap_or_default())
}

/// An engine without timers, with an image that serves on port 80.
pub async fn engine() -> Docker {
    let docker = Docker::start(DockerOptions {
        restart_delay: Duration::ZERO,
        health_delay: Duration::ZERO,
        ..DockerOptions::default()
    })
    .await
    .unwrap();
    docker.load_image(ImageSpec { ports: vec![80], ..ImageSpec::new("web:1") });
    docker
}

pub async fn create(docker: &Docker, name: &str, body: Value) -> (u16, Value) {
    call(docker, "POST", &format!("/containers/create?name={name}"), body).await
}

pub async fn post(docker: &Docker, path: &str) -> (u16, Value) {
    call(docker, "POST", path, Value::Null).await
}

pub async fn inspect(docker: &Docker, name: &str) -> Value {
    call(docker, "GET", &format!("/containers/{name}/json"), Value::Null).await.1
}

pub fn on(network: &str, address: &str) -> Value {
    json!({
        "Image": "web:1", "HostConfig": {"NetworkMode": network},
        "NetworkingConfig": {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": address}}}},
    })
}
