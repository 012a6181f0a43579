//! The proxy really proxies, redirects and protects, and serves what nginx has loaded.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "npm/client.rs"]
mod client;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use amarre_sim::npm::{Issuance, Kind, Level, Npm, NpmOptions, NpmVersion, Upstreams};
use client::Answer;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// `app` is one server on loopback, whatever the port.
struct OneApp(SocketAddr);

impl Upstreams for OneApp {
    fn locate(&self, host: &str, _port: u16) -> Option<SocketAddr> {
        match host {
            "app" => Some(self.0),
            // A port that nothing listens on.
            "gone" => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1)),
            _ => None,
        }
    }
}

struct World {
    npm: Npm,
    token: String,
}

impl World {
    /// An NPM in front of an app that answers with the request it got.
    async fn new() -> Self {
        Self::before(echo().await).await
    }

    async fn before(app: SocketAddr) -> Self {
        Self::with(NpmOptions::with_upstreams(Arc::new(OneApp(app)))).await
    }

    /// A version of it, whose account may manage 404 hosts too.
    async fn of(version: NpmVersion) -> Self {
        let options = NpmOptions { version, ..NpmOptions::with_upstreams(Arc::new(OneApp(echo().await))) };
        let world = Self::with(options).await;
        world.npm.set_level(Kind::DeadHost, Level::Manage);
        world
    }

    async fn with(options: NpmOptions) -> Self {
        let npm = Npm::start(options).await.unwrap();
        let mut world = Self { npm, token: String::new() };
        let login = json!({"identity": "amarre@amarre.demo", "secret": "changeme-npm"});
        let answer = world.api("POST", "/api/tokens", &login).await;
        world.token = body(&answer)["token"].as_str().unwrap().to_owned();
        world
    }

    async fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("content-type", "application/json")];
        if !self.token.is_empty() {
            headers.push(("authorization", bearer.as_str()));
        }
        let address = self.npm.server.address;
        client::send(address, method, path, &headers, body.to_string()).await
    }

    async fn get(&self, host: &str, path: &str) -> Answer {
        self.get_with(host, path, &[]).await
    }

    async fn get_with(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("host", host)], headers].concat();
        client::send(self.npm.proxy_address, "GET", path, &headers, String::new()).await
    }

    fn seed(&self, name: &str, more: Value) -> u64 {
        let mut fields = json!({"domain_names": [name], "forward_host": "app", "forward_port": 80});
        let more = more.as_object().unwrap().clone();
        fields.as_object_mut().unwrap().extend(more);
        self.npm.seed_proxy_host(&fields)
    }
}

/// Answers each request with its text.
async fn echo() -> SocketAddr {
    let app = axum::Router::new().fallback(async |request: axum::extract::Request| {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let mut text = format!("{} {}\n", parts.method, parts.uri);
        for (name, value) in &parts.headers {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        text + &String::from_utf8_lossy(&body)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

fn location(answer: &Answer) -> &str {
    answer.headers["location"].to_str().unwrap()
}

#[tokio::test]
async fn a_proxy_host_forwards_the_request() {
    let world = World::new().await;
    let host = json!({
        "domain_names": ["Git.example.com", "code.example.com"], "forward_scheme": "http",
        "forward_host": "app", "forward_port": 3000,
    });
    let answer = world.api("POST", "/api/nginx/proxy-hosts", &host).await;
    assert_eq!(answer.status, 201);
    let headers = [("host", "git.example.com:8080"), ("x-own", "kept")];
    let address = world.npm.proxy_address;
    let answer = client::send(address, "POST", "/a/b?c=d", &headers, "hello".to_owned()).await;
    assert_eq!(answer.status, 200);
    for line in [
        "POST /a/b?c=d\n",
        "host: git.example.com\n",
        "x-own: kept\n",
        "x-forwarded-proto: http\n",
        "x-forwarded-for: 127.0.0.1\n",
        "x-real-ip: 127.0.0.1\n",
    ] {
        assert!(answer.body.contains(line), "{line} in {}", answer.body);
    }
    assert!(answer.body.ends_with("hello"));
    assert_eq!(world.get("code.example.com", "/").await.status, 200);
}

#[tokio::test]
async fn unknown_names_get_the_default_site() {
    let world = World::new().await;
    let answer = world.get("nobody.example.com", "/").await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("default site"));
    assert_eq!(answer.headers["content-type"], "text/html");
}

#[tokio::test]
async fn upstreams_that_cannot_be_reached_are_502() {
    let world = World::new().await;
    world.seed("gone.example.com", json!({"forward_host": "gone"}));
    world.seed("unknown.example.com", json!({"forward_host": "nobody"}));
    world.seed("tls.example.com", json!({"forward_scheme": "https"}));
    for name in ["gone.example.com", "unknown.example.com", "tls.example.com"] {
        let answer = world.get(name, "/").await;
        assert_eq!(answer.status, 502, "{name}");
        assert!(answer.body.contains("502 Bad Gateway"));
    }
}

#[tokio::test]
async fn wildcards_match_below_and_lose_to_exact_names() {
    let world = World::new().await;
    world.seed("*.example.com", json!({}));
    world.seed("*.deep.example.com", json!({"forward_host": "nobody"}));
    world.seed("exact.deep.example.com", json!({}));
    assert_eq!(world.get("a.b.example.com", "/").await.status, 200);
    assert_eq!(world.get("x.deep.example.com", "/").await.status, 502);
    assert_eq!(world.get("exact.deep.example.com", "/").await.status, 200);
    assert_eq!(world.get("example.com", "/").await.status, 404);
}

#[tokio::test]
async fn locations_go_their_own_way() {
    let world = World::new().await;
    let api = json!({
        "path": "/api", "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9,
    });
    world.seed("loc.example.com", json!({"locations": [api]}));
    assert_eq!(world.get("loc.example.com", "/").await.status, 200);
    assert_eq!(world.get("loc.example.com", "/api/x").await.status, 502);
}

#[tokio::test]
async fn locations_may_mean_one_path_and_put_another_in_its_place() {
    let world = World::new().await;
    let to = |path: &str, host: &str, port: u16, below: &str| json!({"path": path, "forward_scheme": "http", "forward_host": host, "forward_port": port, "forward_path": below});
    let locations = [
        to("= /only", "127.0.0.1", 9, ""),
        to("^~ /photo", "app", 80, "/below"),
        to("/page", "app/written/by/a/page", 80, ""),
    ];
    world.seed("loc.example.com", json!({"locations": locations}));
    assert_eq!(world.get("loc.example.com", "/only").await.status, 502);
    assert_eq!(world.get("loc.example.com", "/only/x").await.status, 200);
    for (asked, got) in [("/photo/a?b=c", "GET /below/a?b=c\n"), ("/page", "GET /written/by/a/page\n")] {
        let answer = world.get("loc.example.com", asked).await;
        assert!(answer.body.contains(got), "{}", answer.body);
    }
}

#[tokio::test]
async fn bodies_are_streamed() {
    // The app sends its second half only after the client has seen the first.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (seen, wait) = tokio::sync::oneshot::channel::<()>();
    let world = World::before(listener.local_addr().unwrap()).await;
    let app = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst";
        stream.write_all(head).await.unwrap();
        wait.await.unwrap();
        stream.write_all(b"later").await.unwrap();
    });
    world.seed("stream.example.com", json!({}));
    let stream = TcpStream::connect(world.npm.proxy_address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().header("host", "stream.example.com");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let mut chunks = response.into_body().into_data_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "first");
    seen.send(()).unwrap();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "later");
    assert!(chunks.next().await.is_none());
    app.await.unwrap();
}

#[tokio::test]
async fn websockets_pass_only_where_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::before(listener.local_addr().unwrap()).await;
    let app = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        assert!(String::from_utf8_lossy(&request[..length]).contains("upgrade: websocket"));
        let head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                     upgrade: websocket\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let length = stream.read(&mut request).await.unwrap();
        stream.write_all(&request[..length]).await.unwrap();
    });
    world.seed("ws.example.com", json!({"allow_websocket_upgrade": true}));
    let mut stream = TcpStream::connect(world.npm.proxy_address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: ws.example.com\r\nconnection: upgrade\r\n\
                    upgrade: websocket\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        let byte = stream.read_u8().await.unwrap();
        answer.push(char::from(byte));
    }
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    stream.write_all(b"ping").await.unwrap();
    let mut echoed = [0; 4];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"ping");
    app.await.unwrap();

    let world = World::new().await;
    world.seed("plain.example.com", json!({}));
    let headers = [("connection", "upgrade"), ("upgrade", "websocket")];
    let answer = world.get_with("plain.example.com", "/", &headers).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("upgrade:"));
}

#[tokio::test]
async fn redirections_answer_their_code_and_location() {
    let world = World::new().await;
    for (name, more, status, expected) in [
        ("auto", json!({"forward_scheme": "auto", "preserve_path": true}), 302, "http://new.example.com/x?y"),
        ("https", json!({"forward_scheme": "https", "preserve_path": false}), 302, "https://new.example.com"),
        ("moved", json!({"forward_scheme": "http", "forward_http_code": 308}), 308, "http://new.example.com"),
    ] {
        let name = format!("{name}.example.com");
        let mut host = json!({
            "domain_names": [name], "forward_domain_name": "new.example.com",
            "forward_http_code": 302,
        });
        host.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = world.api("POST", "/api/nginx/redirection-hosts", &host).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let answer = world.get(&name, "/x?y").await;
        assert_eq!(answer.status, status);
        assert_eq!(location(&answer), expected);
    }
}

#[tokio::test]
async fn forced_tls_needs_a_certificate() {
    let world = World::new().await;
    let certificate = world.npm.seed_certificate("wild", &["*.example.com"]);
    let more = json!({"certificate_id": certificate, "ssl_forced": true, "trust_forwarded_proto": true});
    world.seed("tls.example.com", more);
    world.seed("open.example.com", json!({"certificate_id": 999, "ssl_forced": true}));
    let answer = world.get("tls.example.com", "/x?y").await;
    assert_eq!(answer.status, 301);
    assert_eq!(location(&answer), "https://tls.example.com/x?y");
    let headers = [("x-forwarded-proto", "https")];
    assert_eq!(world.get_with("tls.example.com", "/", &headers).await.status, 200);
    // A certificate that is not there: NPM fails open.
    assert_eq!(world.get("open.example.com", "/").await.status, 200);
}

#[tokio::test]
async fn access_lists_ask_for_a_password() {
    let world = World::new().await;
    let list = world.npm.seed_access_list(&json!({
        "name": "people", "satisfy_any": true, "pass_auth": false,
        "items": [{"username": "ann", "password": "pw:1"}],
        "clients": [{"address": "10.0.0.0/8", "directive": "allow"}],
    }));
    world.seed("safe.example.com", json!({"access_list_id": list}));
    let answer = world.get("safe.example.com", "/").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"Authorization required\"");
    // ann:pw:1
    let right = [("authorization", "Basic YW5uOnB3OjE=")];
    let answer = world.get_with("safe.example.com", "/", &right).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("authorization"), "pass_auth is off");
    let wrong = [("authorization", "Basic YW5uOm5v")];
    assert_eq!(world.get_with("safe.example.com", "/", &wrong).await.status, 401);

    // Deleting the list in use opens the host.
    let path = format!("/api/nginx/access-lists/{list}");
    assert_eq!(world.api("DELETE", &path, &json!({})).await.status, 200);
    assert_eq!(world.get("safe.example.com", "/").await.status, 200);
}

#[tokio::test]
async fn access_lists_allow_and_deny_addresses() {
    let world = World::new().await;
    let people = json!([{"username": "ann", "password": "pw:1"}]);
    let right = [("authorization", "Basic YW5uOnB3OjE=")];
    for (name, any, items, clients, without, with) in [
        ("allowed", false, json!([]), json!([{"address": "127.0.0.0/8", "directive": "allow"}]), 200, 200),
        (
            "denied",
            false,
            json!([]),
            json!([{"address": "127.0.0.1", "directive": "deny"}, {"address": "all", "directive": "allow"}]),
            403,
            403,
        ),
        // nginx denies everyone at the end, so users alone need "any".
        ("alone", false, people.clone(), json!([]), 403, 403),
        ("any", true, people.clone(), json!([{"address": "127.0.0.1", "directive": "allow"}]), 200, 200),
        ("both", false, people, json!([{"address": "127.0.0.1", "directive": "allow"}]), 401, 200),
    ] {
        let list = json!({"name": name, "satisfy_any": any, "items": items, "clients": clients});
        let list = world.npm.seed_access_list(&list);
        let name = format!("{name}.example.com");
        world.seed(&name, json!({"access_list_id": list}));
        assert_eq!(world.get(&name, "/").await.status, without, "{name}");
        assert_eq!(world.get_with(&name, "/", &right).await.status, with, "{name}");
    }
}

#[tokio::test]
async fn only_disable_takes_a_host_down() {
    let world = World::new().await;
    let id = world.seed("dis.example.com", json!({}));
    let path = format!("/api/nginx/proxy-hosts/{id}");
    let answer = world.api("PUT", &path, &json!({"enabled": false})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.get("dis.example.com", "/").await.status, 200);
    let disable = format!("{path}/disable");
    assert_eq!(world.api("POST", &disable, &json!({})).await.status, 400);
    world.api("PUT", &path, &json!({"enabled": true})).await;
    assert_eq!(world.api("POST", &disable, &json!({})).await.status, 200);
    assert_eq!(world.get("dis.example.com", "/").await.status, 404);
}

#[tokio::test]
async fn a_bad_configuration_takes_only_its_host_down() {
    let world = World::new().await;
    world.seed("good.example.com", json!({}));
    let id = world.seed("bad.example.com", json!({}));
    let path = format!("/api/nginx/proxy-hosts/{id}");
    world.api("PUT", &path, &json!({"advanced_config": "bogus on;"})).await;
    assert_eq!(world.get("bad.example.com", "/").await.status, 404);
    assert_eq!(world.get("good.example.com", "/").await.status, 200);
    let config = "# comment {\nlocation /x { return 204; }\nproxy_set_header A \"b;c\";\n";
    world.api("PUT", &path, &json!({"advanced_config": config})).await;
    assert_eq!(world.get("bad.example.com", "/").await.status, 200);
}

#[tokio::test]
async fn a_broken_nginx_changes_rows_but_not_what_is_served() {
    let world = World::new().await;
    let id = world.seed("kept.example.com", json!({}));
    world.npm.break_nginx(true);
    let path = format!("/api/nginx/proxy-hosts/{id}");
    let answer = world.api("DELETE", &path, &json!({})).await;
    assert_eq!(answer.status, 500);
    assert!(world.npm.rows(Kind::ProxyHost).is_empty());
    assert_eq!(world.get("kept.example.com", "/").await.status, 200);
    world.npm.break_nginx(false);
    world.seed("other.example.com", json!({}));
    assert_eq!(world.get("kept.example.com", "/").await.status, 404);
}

#[tokio::test]
async fn a_new_certificate_takes_its_hosts_down_until_the_next_reload() {
    let world = World::new().await;
    world.npm.set_issuance(Issuance::Granted);
    let id = world.seed("le.example.org", json!({}));
    let request = json!({"provider": "letsencrypt", "domain_names": ["le.example.org"]});
    let answer = world.api("POST", "/api/nginx/certificates", &request).await;
    assert_eq!(answer.status, 201);
    let path = format!("/api/nginx/proxy-hosts/{id}");
    let row = body(&world.api("GET", &path, &json!({})).await);
    assert_eq!(row["meta"]["nginx_online"], true);
    assert_eq!(world.get("le.example.org", "/").await.status, 404);
    world.api("PUT", &path, &json!({"enabled": true})).await;
    assert_eq!(world.get("le.example.org", "/").await.status, 200);
}

/// *Force SSL* leads everything to HTTPS but the address at which NPM tests itself: who answers there is asked by it.
#[tokio::test]
async fn a_forced_host_answers_a_test_of_the_challenge_without_https() {
    let world = World::new().await;
    let certificate = world.npm.seed_certificate("forced", &["forced.example.com"]);
    world.seed("forced.example.com", json!({"certificate_id": certificate, "ssl_forced": true}));
    for (path, status) in
        [("/", 301), ("/.well-known/acme-challenge/x", 301), ("/.well-known/acme-challenge/test-challenge", 404)]
    {
        assert_eq!(world.get("forced.example.com", path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_server_of_a_simulated_cloud_answers_without_a_connection() {
    let world = World::new().await;
    for (name, address) in [("four", "203.0.113.17"), ("six", "[2001:db8::203:0:113:17]")] {
        world.seed(name, json!({"forward_host": address, "forward_port": 8080}));
        let answer = world.get(name, "/").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains(&format!("{address}:8080 is simulated")), "{answer:?}");
    }
}

/// NPM leaves its own block out, and with it what stands in that.
#[tokio::test]
async fn a_root_location_in_the_lines_takes_the_place_of_list_proxy_redirection_and_404() {
    let world = World::new().await;
    let nobody = json!({"name": "nobody", "items": [], "clients": [{"address": "10.9.9.9", "directive": "allow"}]});
    let list = world.npm.seed_access_list(&nobody);
    let guarded = world.seed("a.example.com", json!({"access_list_id": list}));
    assert_eq!(world.get("a.example.com", "/x").await.status, 403);
    let path = format!("/api/nginx/proxy-hosts/{guarded}");
    for (config, status) in [
        ("location / {\n  proxy_pass $forward_scheme://$server:$port;\n}", 200),
        ("location / { return 204; }", 204),
        ("# proxy_buffering off; location / {}", 404),
        ("location = /x { proxy_pass http://app; }", 200),
        ("location /x { deny all; }", 403),
        ("location /y { proxy_pass http://app; }", 403),
        ("# location / {}", 403),
    ] {
        world.api("PUT", &path, &json!({"advanced_config": config})).await;
        assert_eq!(world.get("a.example.com", "/x").await.status, status, "{config}");
    }
    world.api("PUT", &path, &json!({"advanced_config": "location / { expires 1d; }"})).await;
    assert!(world.get("a.example.com", "/").await.body.contains("Welcome to nginx"));
    // Those that it does not see stand beside its own, and nginx refuses that.
    world.api("PUT", &path, &json!({"advanced_config": "location ^~ / { return 204; }"})).await;
    let row = &world.npm.rows(Kind::ProxyHost)[0];
    assert!(row["meta"]["nginx_err"].as_str().unwrap().contains("duplicate location \"/\""), "{row}");

    let lines = json!("location / { return 204; }");
    world.npm.seed_redirection_host(&json!({
        "domain_names": ["b.example.com"], "forward_domain_name": "x.example.com", "advanced_config": lines,
    }));
    world.npm.seed_dead_host(&json!({"domain_names": ["c.example.com"], "advanced_config": lines}));
    for name in ["b.example.com", "c.example.com"] {
        assert_eq!(world.get(name, "/").await.status, 204, "{name}");
    }
}

/// Measured on 2.13.2, 2.13.7 and 2.15.1; 2.12.6 does it right.
#[tokio::test]
async fn a_404_host_is_written_from_the_row_of_before_by_versions_that_do_so() {
    for (version, is_behind) in
        [(NpmVersion::V2_12, false), (NpmVersion::V2_13_2, true), (NpmVersion::V2_13, true), (NpmVersion::V2_15, true)]
    {
        let world = World::of(version).await;
        let certificate = world.npm.seed_certificate("wild", &["*.example.com"]);
        let host =
            json!({"domain_names": ["gone.example.com"], "certificate_id": certificate, "meta": {"note": "old"}});
        let id = body(&world.api("POST", "/api/nginx/dead-hosts", &host).await)["id"].as_u64().unwrap();
        let path = format!("/api/nginx/dead-hosts/{id}");
        let is_tls = |name: &str| world.npm.serves_tls(name);
        assert!(is_tls("gone.example.com"), "made right");
        let more = json!({"domain_names": ["gone.example.com", "more.example.com"], "meta": {"note": "new"}});
        let answer = body(&world.api("PUT", &path, &more).await);
        assert_eq!(answer["meta"]["note"], "new", "{version:?}: the answer is from before nginx was asked");
        assert_eq!(world.npm.serves("more.example.com"), !is_behind, "{version:?}");
        assert_eq!(is_tls("gone.example.com"), !is_behind, "{version:?}");
        let row = world.npm.rows(Kind::DeadHost).remove(0);
        assert_eq!(row["domain_names"].as_array().unwrap().len(), 2);
        assert_eq!(row["meta"]["note"], if is_behind { "old" } else { "new" }, "{version:?}");
        assert_eq!(row["meta"]["nginx_online"], true, "{version:?}");
        for word in ["disable", "enable"] {
            assert_eq!(world.api("POST", &format!("{path}/{word}"), &json!({})).await.status, 200);
        }
        assert!(world.npm.serves("more.example.com") && is_tls("more.example.com"), "{version:?}");
    }
}

#[tokio::test]
async fn the_scheme_of_a_redirection_is_kept_by_versions_that_can() {
    let host = json!({
        "domain_names": ["old.example.com"], "forward_scheme": "auto", "forward_http_code": 301,
        "forward_domain_name": "new.example.com", "preserve_path": true,
    });
    for (version, to) in [
        (NpmVersion::V2_12_0, None),
        (NpmVersion::V2_12, Some("auto://new.example.com/p")),
        (NpmVersion::V2_13_2, Some("auto://new.example.com/p")),
        (NpmVersion::V2_13, Some("http://new.example.com/p")),
        (NpmVersion::V2_15, Some("http://new.example.com/p")),
    ] {
        let world = World::of(version).await;
        let answer = world.api("POST", "/api/nginx/redirection-hosts", &host).await;
        assert_eq!(answer.status, if to.is_some() { 201 } else { 400 }, "{version:?}: {}", answer.body);
        if let Some(to) = to {
            assert_eq!(location(&world.get("old.example.com", "/p").await), to, "{version:?}");
        }
    }
    let world = World::new().await;
    world.npm.seed_redirection_host(
        &json!({"domain_names": ["m.example.com"], "forward_domain_name": "x.example.com", "forward_http_code": 300}),
    );
    let answer = world.get("m.example.com", "/").await;
    assert_eq!(
        (answer.status.as_u16(), answer.headers.get("location")),
        (300, None),
        "nginx sends the address as a text"
    );
}
