//! `/api/v1/openapi.json` against what is served: every route that it lists answers as it says, and every field of every
//! answer is one that it describes. That no route lacks in it, its construction holds: router and document share a table.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use amarre::accounts::{Accounts, NewToken, Role};
use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::{Behaviour, Handle, LoopCommand};
use amarre::notifications::Notifications;
use amarre::secret::Secret;
use amarre::server;
use amarre_core::model::Timestamp;
use amarre_core::model::world::Suspension;
use amarre_sim::Fault;
use amarre_sim::npm;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::looks::plain;
use crate::schema::judged;
use crate::support::network;
use crate::support::stepped::Stepped;

/// A client with an account.
const USER: &str = "somebody@example.org";

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content: String,
    pub body: String,
}

/// Asks in the manner of HTTP/1.0, so that the body ends with the connection.
pub async fn ask(address: SocketAddr, who: (&str, &str), line: &str, content: &str, body: &str) -> Answer {
    ask_for(address, who, line, "*/*", content, body).await
}

/// The same, for an answer of this media type.
pub async fn ask_for(
    address: SocketAddr,
    (host, token): (&str, &str),
    line: &str,
    accept: &str,
    content: &str,
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head =
        format!("Host: {host}\r\nAccept: {accept}\r\nContent-Type: {content}\r\nContent-Length: {}", body.len());
    if !token.is_empty() {
        head.push_str(&format!("\r\nAuthorization: Bearer {token}"));
    }
    stream.write_all(format!("{line} HTTP/1.0\r\n{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let content = head.lines().filter_map(|line| line.split_once(": ")).find(|(name, _)| *name == "content-type");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        content: content.map(|(_, value)| value.to_owned()).unwrap_or_default(),
        body: body.to_owned(),
    }
}

/// The document with every object closed: what is not described fails.
pub fn closed(mut schema: Json) -> Json {
    match &mut schema {
        Json::Object(fields) => {
            for field in fields.values_mut() {
                *field = closed(field.take());
            }
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| *item = closed(item.take())),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => (),
    }
    schema
}

/// What a path that acts is asked with. It changes nothing that another one needs.
fn command(method: &str, path: &str, service: &str) -> String {
    let body = match path.rsplit('/').next().unwrap() {
        "act" => json!({"resume": {"service": service}}),
        "git" => json!({}),
        "test" => return String::new(),
        "tokens" => json!({"name": format!("ci-{service}"), "role": "viewer", "expires_s": 3600}),
        "cancel" => json!({"by": "a test"}),
        "reconcile" | "retry" => json!({"timeout_ms": 2000}),
        "resume" | "follow-schedule" => json!({}),
        "start" | "stop" if path.contains("/apps/") => json!({"by": "a test", "timeout_ms": 2000}),
        "start" | "stop" | "shelve" | "unshelve" => json!({"skip_next": true, "by": "a test", "timeout_ms": 2000}),
        "reboot" => json!({"hard": true, "by": "a test", "timeout_ms": 2000}),
        "delete" => json!({"vendor_name": "nothing", "dry_run": true, "by": "a test", "timeout_ms": 2000}),
        "clone" => json!({"new_name": "other", "dry_run": true, "by": "a test", "timeout_ms": 2000}),
        "resize" => json!({"type": "nothing", "dry_run": true, "by": "a test", "timeout_ms": 2000}),
        "rebuild" => json!({"image": "nothing", "dry_run": true, "by": "a test", "timeout_ms": 2000}),
        "snapshot" => json!({"name": "before", "by": "a test", "timeout_ms": 2000}),
        "console" => json!({"by": "a test"}),
        "reserve" => json!({"count": 1, "for_ms": 60_000, "user": "anna", "by": "a test", "timeout_ms": 2000}),
        "extend" => json!({"reservations": ["r1"], "by_ms": 60_000, "by": "a test"}),
        "release" => json!({"reservations": ["r1"], "by": "a test", "timeout_ms": 2000}),
        "trust" => json!({"machines": ["m1"], "fingerprints": ["SHA256:x"], "dry_run": true, "by": "a test"}),
        "enable" | "disable" => json!({"machines": ["m1"], "by": "a test"}),
        "forget" => json!({"person": "nobody@example.org", "by": "a test"}),
        "leave" => json!({"reservations": ["r1"], "by": "a test"}),
        "register" => json!({"list": "m1 192.0.2.1 22 root -", "by": "a test"}),
        "machines" => json!({"name": "m1", "address": "192.0.2.1"}),
        "unregister" => json!({"machines": ["m1"], "by": "a test", "timeout_ms": 2000}),
        "reprovision" => json!({"machines": ["m1"], "dry_run": true, "by": "a test", "timeout_ms": 2000}),
        "new" => json!({"url": "https://git.example.org/x", "dry_run": true, "by": "a test"}),
        "deploy" => json!({"ref": null, "by": "a test", "timeout_ms": 2000}),
        "restart" => json!({"container": null, "dry_run": true, "by": "a test", "timeout_ms": 2000}),
        "rollback" => json!({"dry_run": true, "by": "a test", "timeout_ms": 2000}),
        "suspend" => json!({"by": "a test", "why": "a reason"}),
        "users" => {
            json!({"email": "new@example.org", "name": "New", "role": "viewer", "password": "correct horse battery"})
        }
        "template" => json!({"template": "nothing", "set": {"tag": "1"}, "dry_run": true}),
        "manifest" if method == "put" => {
            json!({"text": format!("name: {service}\nimage: web:1\n"), "dry_run": true, "message": "try"})
        }
        "manifest" => return String::new(),
        "{email}" if method == "patch" => json!({"role": "operator"}),
        "{email}" | "{token}" | "{machine}" => return String::new(),
        other => panic!("{other}: what is it asked with?"),
    };
    body.to_string()
}

/// What is asked of one listener, and what is wrong with the answers.
struct Judge {
    address: SocketAddr,
    token: String,
    document: Json,
    /// Path, status and body, for each schema.
    answers: Vec<(String, Json, Json)>,
}

impl Judge {
    async fn new(address: SocketAddr) -> Self {
        let answer = ask(address, ("localhost", ""), "GET /api/v1/openapi.json", "", "").await;
        assert_eq!((answer.status, answer.content.as_str()), (200, "application/json"));
        Self {
            address,
            token: String::new(),
            document: serde_json::from_str(&answer.body).unwrap(),
            answers: Vec::new(),
        }
    }

    fn paths(&self) -> Vec<(String, String)> {
        let methods = |(path, item): (&String, &Json)| {
            item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
        };
        let mut paths: Vec<(String, String)> =
            self.document["paths"].as_object().unwrap().iter().flat_map(methods).collect();
        // Looked at before anything is done; and what is taken away is not asked for afterwards.
        paths.sort_by_key(|(method, _)| (method == "delete", method != "get"));
        paths
    }

    /// Asks, and holds the answer against what the document says of this path and this status.
    async fn asks(&mut self, method: &str, path: &str, real: &str, content: &str, body: &str) -> u16 {
        let host = if real.starts_with("//") { "rebound.example.net" } else { "localhost" };
        let real = real.trim_start_matches('/');
        let line = format!("{} /{real}", method.to_uppercase());
        let answer = ask(self.address, (host, &self.token), &line, content, body).await;
        let what = format!("{line}: {} {}", answer.status, answer.content);
        let mut said = &self.document["paths"][path][method]["responses"][answer.status.to_string()];
        if let Some(name) = said["$ref"].as_str() {
            said = self.document.pointer(name.trim_start_matches('#')).unwrap();
        }
        if answer.status == 204 {
            assert!(said["description"].is_string() && answer.body.is_empty(), "{what}");
            return answer.status;
        }
        let said = &said["content"][&answer.content]["schema"];
        assert!(said.is_object(), "{what}: the document does not say so: {}", answer.body);
        let bodies: Vec<Json> = match answer.content.as_str() {
            "application/json" | "application/problem+json" => vec![serde_json::from_str(&answer.body).unwrap()],
            "application/x-ndjson" => answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            _ => vec![json!(answer.body)],
        };
        self.answers.extend(bodies.into_iter().map(|body| (what.clone(), said.clone(), body)));
        answer.status
    }

    /// Every path with this name of a service.
    async fn asks_all(&mut self, service: &str) -> Vec<u16> {
        let mut statuses = Vec::new();
        for (method, path) in self.paths() {
            let real = path.replace("{name}", service).replace("{code}", "A0401").replace("{email}", USER);
            let real = real.replace("{token}", &format!("ci-{service}")).replace("{machine}", "m1");
            // Where there is nothing to follow, it ends.
            let real = match path.rsplit_once('/').map(|(_, last)| last) {
                // Not of this text: it stays.
                Some("manifest") if method == "delete" => format!("{real}?tag=other"),
                Some("follow") => format!("{real}?name=nobody"),
                Some("explain") => format!("{real}?thing=proxy-host/calm.example.org"),
                Some("app-key") => format!("{real}?app={service}&url=ssh://git@git.example.org/x.git"),
                Some("trace") => format!("{real}?domain=calm.example.org"),
                _ => real,
            };
            let body = if method == "get" { String::new() } else { command(&method, &path, service) };
            statuses.push(self.asks(&method, &path, &real, "application/json", &body).await);
        }
        statuses
    }

    /// Every answer is as its schema says. They are judged as the fields of one object.
    fn verdict(&self) {
        let (mut schemas, mut bodies) = (serde_json::Map::new(), serde_json::Map::new());
        for (at, (what, schema, body)) in self.answers.iter().enumerate() {
            schemas.insert(format!("{at} {what}"), closed(schema.clone()));
            bodies.insert(format!("{at} {what}"), body.clone());
        }
        let schema = json!({"components": closed(self.document["components"].clone()), "properties": schemas});
        assert_eq!(judged(&schema, &[Json::Object(bodies)]), [None]);
    }
}

/// A world in which every part of the documents has something to say: one service as it should be, one that differs, one
/// suspended, one whose manifest is broken, one that is new.
async fn eventful() -> Stepped {
    let mut rig = Stepped::start().await;
    for name in ["calm", "drifts", "rests", "broken"] {
        rig.write(&format!("{name}.yaml"), &plain(name));
    }
    rig.settle().await;
    let (by, why) = ("a test".to_owned(), "a reason".into());
    let suspension = Suspension { by, why, destroy: false, purge: false, at: Timestamp::default(), until: None };
    rig.engine.ledger().suspend("rests", &suspension).await.unwrap();
    let hosts = rig.npm.rows(npm::Kind::ProxyHost);
    let host = hosts.iter().find(|host| host["domain_names"][0] == "drifts.example.org").unwrap();
    rig.npm.edit_proxy_host(host["id"].as_u64().unwrap(), &json!({"forward_port": 9999}));
    rig.write("broken.yaml", "name: broken\nimage: web:1\nprot: 80\n");
    rig.write("new.yaml", &plain("new"));
    rig.write("changed.yaml", "kind: Redirect\nname: changed\nto: https://foreign.example.org\n");
    rig
}

fn private(handle: &Handle) -> axum::Router {
    server::private(
        handle.clone(),
        Notifications::new(handle.clone(), Vec::new(), None),
        std::sync::Arc::new(crate::support::Empty),
    )
}

async fn run_pass(handle: &Handle) {
    handle.shown(LoopCommand::Pass).await.unwrap();
}

/// A client without credentials, then one that may read; from then on one with every right.
async fn asks_with_little(public: &mut Judge, accounts: &Accounts, now: Timestamp) {
    assert_eq!(public.asks("get", "/api/v1/logs", "/api/v1/logs", "", "").await, 401);
    assert_eq!(public.asks("post", "/api/v1/act", "/api/v1/act", "application/json", "{}").await, 401);
    let new =
        NewToken { name: "a-test".to_owned(), role: Role::Viewer, services: BTreeSet::new(), of: None, expires: None };
    public.token = accounts.add_token(&new, now).await.unwrap().expose().to_owned();
    assert_eq!(public.asks("get", "/api/v1/users", "/api/v1/users", "", "").await, 403);
    let new = NewToken { name: "another".to_owned(), role: Role::Admin, ..new };
    public.token = accounts.add_token(&new, now).await.unwrap().expose().to_owned();
}

/// What cannot be done with users.
async fn asks_for_users(private: &mut Judge) {
    let (all, one) = ("/api/v1/users", "/api/v1/users/{email}");
    let json = "application/json";
    let new = |email: &str, password: &str, role: &str| {
        json!({"email": email, "name": "X", "role": role, "password": password}).to_string()
    };
    for (email, password, role, status) in [
        ("admin@example.org", "correct horse battery", "viewer", 409),
        ("b@example.org", "short", "viewer", 422),
        ("b@example.org", "correct horse battery", "king", 422),
        ("b", "correct horse battery", "viewer", 422),
    ] {
        assert_eq!(private.asks("post", all, all, json, &new(email, password, role)).await, status, "{email}");
    }
    assert_eq!(private.asks("post", all, all, json, "{").await, 400);
    assert_eq!(private.asks("patch", one, "/api/v1/users/admin@example.org", json, "{\"role\":\"viewer\"}").await, 409);
    assert_eq!(
        private.asks("patch", one, "/api/v1/users/nobody@example.org", json, "{\"role\":\"viewer\"}").await,
        404
    );
    assert_eq!(private.asks("delete", one, "/api/v1/users/nobody@example.org", "", "").await, 404);
}

/// What is wrong in itself, or too large.
async fn asks_what_is_refused(public: &mut Judge, private: &mut Judge) {
    let service = "/api/v1/services/{name}";
    assert_eq!(public.asks("get", service, "/api/v1/services/nobody", "", "").await, 404);
    assert_eq!(public.asks("get", "/errors/{code}", "/errors/A9999", "", "").await, 404);
    for (method, path) in public.paths() {
        assert_eq!(public.asks(&method, &path, &format!("/{path}"), "", "").await, 421, "{path}");
    }
    let (status, act) = ("/api/v1/status", "/api/v1/act");
    assert_eq!(private.asks("get", status, "/api/v1/status?only=x", "", "").await, 400);
    assert_eq!(private.asks("get", status, "/api/v1/status?only=drift&all=true&wide=true", "", "").await, 200);
    assert_eq!(private.asks("post", act, act, "application/json", "{").await, 400);
    assert_eq!(private.asks("post", act, act, "text/plain", "{}").await, 415);
    assert_eq!(private.asks("post", act, act, "application/json", "{\"dance\": {}}").await, 422);
    let huge = format!("{{\"resume\": {{\"service\": \"{}\"}}}}", "x".repeat(100_000));
    assert_eq!(private.asks("post", act, act, "application/json", &huge).await, 413);
    let (retry, real) = ("/api/v1/services/{name}/retry", "/api/v1/services/calm/retry");
    for (content, body, status) in [
        ("application/json", "{", 400),
        ("application/json", "[]", 422),
        ("application/json", "{\"timeout_ms\": 1, \"service\": \"drifts\"}", 422),
        ("application/json", "{\"timeout_ms\": 1, \"dance\": 1}", 422),
        ("text/plain", "{}", 415),
        ("application/json", &huge, 413),
    ] {
        assert_eq!(private.asks("post", retry, real, content, body).await, status, "{body}");
    }
}

#[tokio::test]
async fn every_answer_matches_the_document() {
    let rig = eventful().await;
    let (handle, daemon, shutdown) =
        daemon::start(rig.another_engine().await, Behaviour { acts: false, watches: false });
    let listen = async || TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (open, socket) = (listen().await, listen().await);
    let (open_at, socket_at) = (open.local_addr().unwrap(), socket.local_addr().unwrap());
    let served = axum::serve(open, network(&handle)).into_future();
    let served_socket = axum::serve(socket, private(&handle)).into_future();
    let asks = async {
        let mut public = Judge::new(open_at).await;
        let mut private = Judge::new(socket_at).await;
        run_pass(&handle).await;
        let accounts = Accounts::new(handle.ledger().clone());
        let password = Secret::new("correct horse battery");
        for (email, role) in [(USER, Role::Viewer), ("admin@example.org", Role::Admin)] {
            accounts.add((email, "Somebody"), role, &password, handle.now()).await.unwrap();
        }
        asks_with_little(&mut public, &accounts, handle.now()).await;
        // A command may be refused; what it says then is described too.
        for service in ["calm", "drifts", "rests", "broken", "new"] {
            let statuses = public.asks_all(service).await;
            assert!(statuses.iter().all(|status| matches!(status, 200..300 | 404 | 409)), "{service}: {statuses:?}");
        }
        accounts.remove("new@example.org").await.unwrap();
        accounts.add((USER, "Somebody"), Role::Viewer, &password, handle.now()).await.unwrap();
        let statuses = private.asks_all("calm").await;
        // There is no channel, and the manifests that are there are not those that the request names.
        assert!(
            statuses.iter().all(|status| matches!(status, 200..300 | 404 | 409)),
            "{statuses:?} {:?}",
            private.paths()
        );
        asks_for_users(&mut private).await;
        accounts.add(("b@example.org", "B"), Role::Viewer, &password, handle.now()).await.unwrap();
        assert_eq!(
            private.asks("delete", "/api/v1/users/{email}", "/api/v1/users/admin@example.org", "", "").await,
            409
        );
        asks_what_is_refused(&mut public, &mut private).await;
        // With a vendor away.
        rig.ovh.server.faults.add("*", "/", 1000, Fault::Before(500));
        run_pass(&handle).await;
        assert!(public.asks_all("calm").await.iter().all(|status| *status < 500));
        public.verdict();
        private.verdict();
        assert_eq!(words_unused(&public), BTreeSet::new(), "the story shows every part of the documents");
        shutdown.notify_one();
    };
    let served = async {
        tokio::select! {
            ended = served => ended.unwrap(),
            ended = served_socket => ended.unwrap(),
            () = asks => (),
        }
    };
    tokio::join!(daemon, served);
}

/// Fields at the top of documents and of their items for which no answer had a value.
fn words_unused(judge: &Judge) -> BTreeSet<&'static str> {
    let of = |path: &str| -> Vec<&Json> {
        let asked = judge.answers.iter().filter(|(what, _, _)| what.starts_with(&format!("GET {path}: 200")));
        asked.map(|(_, _, body)| body).collect()
    };
    let shows =
        |path: &str, pointer: &str| of(path).iter().any(|body| body.pointer(pointer).is_some_and(|at| !at.is_null()));
    [
        ("/api/v1/status", "/services/0/resources/0"),
        ("/api/v1/status", "/providers/0/version"),
        ("/api/v1/status", "/last_run/result"),
        ("/api/v1/services/calm", "/events/0/address"),
        ("/api/v1/services/rests", "/suspended/why"),
        ("/api/v1/services/broken", "/error/code"),
        ("/api/v1/drift", "/items/0/fields/0/applied"),
        ("/api/v1/plan", "/services/0/changes/0/reason/code"),
        ("/api/v1/plan", "/diagnostics/0/code"),
        ("/api/v1/plan", "/gaps/0/error/code"),
        ("/api/v1/subnets", "/subnets/0/addresses"),
    ]
    .into_iter()
    .filter(|(path, pointer)| !shows(path, pointer))
    .map(|(_, pointer)| pointer)
    .collect()
}

#[tokio::test]
async fn the_document_holds_before_the_first_pass_and_its_page_names_every_path() {
    let rig = Stepped::start().await;
    let (handle, daemon, _) = daemon::start(rig.another_engine().await, Behaviour { acts: false, watches: false });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = axum::serve(listener, private(&handle)).into_future();
    let asks = async {
        let mut judge = Judge::new(address).await;
        assert_eq!(judge.asks("get", "/readyz", "/readyz", "", "").await, 503);
        // No list is empty because nothing was looked at yet.
        assert_eq!(judge.asks("get", "/api/v1/services", "/api/v1/services", "", "").await, 503);
        assert_eq!(judge.asks("get", "/health", "/health", "", "").await, 200);
        assert_eq!(judge.answers.last().unwrap().2["status"], "starting");
        // Whoever stops answers so.
        drop(daemon);
        assert_eq!(judge.asks("get", "/api/v1/preview", "/api/v1/preview", "", "").await, 503);
        judge.verdict();
        let page = include_str!("../../docs/http.md");
        for (method, path) in judge.paths() {
            let shown = path
                .replace("{name}", "NAME")
                .replace("{code}", "CODE")
                .replace("{email}", "EMAIL")
                .replace("{token}", "NAME")
                .replace("{machine}", "MACHINE")
                .replace("{id}", "ID")
                .replace("{channel}", "NAME");
            assert!(page.contains(&format!("`{} {shown}`", method.to_uppercase())), "docs/http.md lacks {shown}");
        }
    };
    tokio::select! {
        ended = served => ended.unwrap(),
        () = asks => (),
    }
}
