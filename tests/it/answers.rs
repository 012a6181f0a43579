//! Every answer of the API, byte for byte: each read that the router serves is asked as `tests/cases/answers/requests.txt` says, and
//! what it answers stands in a file of its route beside it. A route without a request fails, and so does an answer that the OpenAPI
//! document does not describe.

mod stable;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use amarre::accounts::{Accounts, NewToken, Role};
use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::{Behaviour, Handle, LoopCommand};
use amarre::notifications::Notifications;
use amarre::secret::Secret;
use amarre::server;
use amarre::server::reads::ANSWER;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

use self::stable::Stable;
use self::world::World;
use crate::openapi::{Answer, ask, ask_for, closed};
use crate::schema::judged;
use crate::support::{Empty, network_with};

/// Who asks over the network, and a role; one of them for two services alone.
const CLIENTS: [(&str, Role, &[&str]); 3] =
    [("viewer", Role::Viewer, &[]), ("member", Role::Member, &[]), ("limited", Role::Viewer, &["calm", "pair"])];

/// Makes a key.
const KEY_OF_NO_APP: &str = "/api/v1/app-key?app=other&url=ssh://git@git.example.net/x.git";
/// A document of fewer bytes is kept again.
const SHORT: usize = 200;

/// One line of the list of requests.
struct Request {
    method: String,
    target: String,
    body: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/answers")
}

fn requests() -> Vec<Request> {
    let text = std::fs::read_to_string(folder().join("requests.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let request = |line: &str| {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        Request { method: next(), target: next(), body: next() }
    };
    lines.map(request).collect()
}

impl Request {
    fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The same text in French.
    fn in_french(&self) -> Self {
        Self { method: "FRENCH".to_owned(), target: self.target.clone(), body: self.body.clone() }
    }

    /// The method of HTTP.
    fn verb(&self) -> &str {
        if ["TEXT", "BARE", "FRENCH"].contains(&self.method.as_str()) { "GET" } else { &self.method }
    }

    fn accept(&self) -> String {
        let style = match self.method.as_str() {
            "TEXT" => "",
            "BARE" => "; ascii=true; colour=true",
            "FRENCH" => "; lang=fr",
            _ => return "*/*".to_owned(),
        };
        format!("{ANSWER}{style}")
    }
}

/// The route of a document that a request comes to: the one with most of its words.
fn route_of(document: &Json, request: &Request) -> Option<String> {
    let words: Vec<&str> = request.path().split('/').collect();
    let method = request.verb().to_lowercase();
    let routes = document["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get(&method).is_some());
    let fitting = routes.filter_map(|(route, _)| {
        let parts: Vec<&str> = route.split('/').collect();
        let fits = |(part, word): (&&str, &&str)| part == word || part.starts_with('{');
        let is_it = parts.len() == words.len() && parts.iter().zip(&words).all(fits);
        is_it.then(|| (parts.iter().filter(|part| !part.starts_with('{')).count(), route.clone()))
    });
    fitting.max().map(|(_, route)| route)
}

/// The name of the file of a route: `services.name.text`.
fn file_of(route: &str) -> String {
    route.trim_start_matches("/api/v1").trim_start_matches('/').replace(['{', '}'], "").replace('/', ".")
}

/// One listener, and the document that describes it.
struct Listener {
    address: SocketAddr,
    document: Json,
}

impl Listener {
    async fn new(address: SocketAddr) -> Self {
        let answer = ask(address, ("localhost", ""), "GET /api/v1/openapi.json", "", "").await;
        Self { address, document: serde_json::from_str(&answer.body).unwrap() }
    }

    async fn ask(&self, token: &str, request: &Request) -> Answer {
        let line = format!("{} {}", request.verb(), request.target);
        let who = ("localhost", token);
        ask_for(self.address, who, &line, &request.accept(), "application/json", &request.body).await
    }

    /// What the document says of an answer. `None`: nothing.
    fn schema(&self, request: &Request, answer: &Answer) -> Option<Json> {
        let route = route_of(&self.document, request).unwrap_or_else(|| panic!("{}: no such route", request.line()));
        let said =
            &self.document["paths"][&route][request.verb().to_lowercase()]["responses"][answer.status.to_string()];
        let said = match said["$ref"].as_str() {
            Some(name) => self.document.pointer(name.trim_start_matches('#')).unwrap(),
            None => said,
        };
        let schema = &said["content"][&answer.content]["schema"];
        schema.is_object().then(|| schema.clone())
    }
}

/// Everything that was answered, with what the document says of it.
#[derive(Default)]
struct Verdict {
    answers: BTreeMap<String, (Json, Json)>,
    undescribed: Vec<String>,
}

impl Verdict {
    fn add(&mut self, listener: &Listener, request: &Request, answer: &Answer) {
        let Some(schema) = listener.schema(request, answer) else {
            self.undescribed.push(format!("{}: {} {}", request.line(), answer.status, answer.content));
            return;
        };
        for (number, body) in bodies(answer).into_iter().enumerate() {
            self.answers.insert(format!("{} {number}", request.line()), (schema.clone(), body));
        }
    }

    /// Every answer is as its schema says, and has no field that it does not describe.
    fn holds(self, document: &Json) {
        assert_eq!(self.undescribed, [""; 0], "the document says nothing of these");
        let (mut schemas, mut documents) = (serde_json::Map::new(), Vec::new());
        for (what, (schema, body)) in self.answers {
            schemas.insert(what.clone(), closed(schema));
            documents.push(json!({ what: body }));
        }
        let schema = json!({"components": closed(document["components"].clone()), "properties": schemas});
        let wrong: Vec<String> = judged(&schema, &documents).into_iter().flatten().collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn bodies(answer: &Answer) -> Vec<Json> {
    match answer.content.as_str() {
        "application/json" | "application/problem+json" | ANSWER => vec![serde_json::from_str(&answer.body).unwrap()],
        "application/x-ndjson" => answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        _ => vec![json!(answer.body)],
    }
}

/// An answer as its file has it: a status, documents over several lines, and a text as people see it.
#[derive(PartialEq, Eq)]
struct Shown {
    head: String,
    documents: String,
    text: String,
}

fn shown(answer: &Answer, stable: &Stable) -> Shown {
    let Answer { status, content, body } = answer;
    let mut shown = Shown { head: format!("{status} {content}\n"), documents: String::new(), text: String::new() };
    if content.contains("openmetrics") {
        shown.text = quoted(&stable::metrics(body));
    } else if content.contains("json") {
        let lines: Vec<&str> = if content.contains("ndjson") { body.lines().collect() } else { vec![body] };
        for line in lines {
            show_document(&mut shown, line);
        }
    } else {
        shown.text = quoted(body);
    }
    Shown { documents: stable.in_words(&shown.documents), text: stable.in_words(&shown.text), ..shown }
}

/// Fields in the order in which they are sent, which is that of their names unless it is said.
struct Fields(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

fn show_document(shown: &mut Shown, line: &str) {
    let mut body: Json = serde_json::from_str(line).unwrap();
    let sorted = body.to_string();
    if sorted != line {
        // Not sorted at the top, and sorted below.
        let Fields(fields) = serde_json::from_str(line).unwrap();
        let written: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        assert_eq!(format!("{{{}}}", written.join(",")), line, "written in another form");
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        shown.head.push_str(&format!("in this order: {}\n", names.join(", ")));
    }
    let end = if body.get("end").is_some() { &mut body["end"] } else { &mut body };
    if let Some(Json::String(text)) = end.get("text").filter(|_| end.get("document").is_some()) {
        shown.text = quoted(text);
        end["text"] = json!("below");
    }
    shown.documents.push_str(&format!("{body:#}\n"));
}

fn quoted(text: &str) -> String {
    text.lines().map(|line| format!("| {line}\n").replace('\u{1b}', "ESC")).collect()
}

/// What is asked of one instance.
struct Asking {
    private: Listener,
    public: Listener,
    stable: Stable,
    /// By file.
    found: BTreeMap<String, String>,
    /// The last documents in each file.
    last: BTreeMap<String, String>,
    verdicts: (Verdict, Verdict),
    tokens: Vec<(&'static str, String)>,
}

impl Asking {
    /// Documents that are those of the answer before are not kept twice: another language has another text alone.
    fn note(&mut self, file: &str, line: &str, shown: &Shown) {
        let last = self.last.insert(file.to_owned(), shown.documents.clone());
        let is_same = shown.documents.len() > SHORT && last.as_ref() == Some(&shown.documents);
        let documents = if is_same { "the document of the answer before\n" } else { &shown.documents };
        let Shown { head, text, .. } = shown;
        self.found.entry(file.to_owned()).or_default().push_str(&format!("{line}\n{head}{documents}{text}\n"));
    }

    /// What is digested of ports and folders, and keys that were made for this instance.
    async fn learns_words(&mut self) {
        let read = async |target: &str| {
            let request = Request { method: "GET".to_owned(), target: target.to_owned(), body: String::new() };
            serde_json::from_str::<Json>(&self.private.ask("", &request).await.body).unwrap()
        };
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let (status, plan) = (read("/api/v1/status").await, read("/api/v1/plan").await);
        let (history, key) = (read("/api/v1/history?limit=1000").await, read(KEY_OF_NO_APP).await);
        let runs = history["runs"].as_array().unwrap().iter().rev().map(|run| text(&run["revision"]));
        let revisions: Vec<String> = runs.chain([text(&status["source"]["revision"]["id"])]).collect();
        let mut known: Vec<String> = Vec::new();
        for revision in revisions {
            if revision.len() == 40 && !known.contains(&revision) {
                self.stable.call_digest(&revision, 7, &format!("REVISION-{}", known.len() + 1));
                known.push(revision);
            }
        }
        self.stable.call(&text(&plan["digest"]), "PLAN-DIGEST");
        self.stable.call(&text(&plan["id"]), "PLAN-ID");
        let key = text(&key["key"]);
        self.stable.call(key.split(' ').nth(1).unwrap_or_default(), "KEY-OF-AN-APP");
    }

    async fn asks_all(&mut self) {
        let mut next = String::new();
        for mut request in requests() {
            let line = request.line();
            request.target = request.target.replace("{next}", &next);
            let answer = self.private.ask("", &request).await;
            self.verdicts.0.add(&self.private, &request, &answer);
            if let Some(Json::Object(body)) = bodies(&answer).first() {
                next = body.get("next").map(|next| next.to_string().replace('"', "")).unwrap_or_default();
            }
            let (is_read, has_text) = (request.verb() == "GET", request.verb() != request.method);
            let route = route_of(&self.private.document, &request).unwrap();
            let file = if is_read { file_of(&route) } else { "verbs".to_owned() };
            let file = if has_text { format!("{file}.text") } else { file };
            let line = if is_read { line } else { format!("{line} {}", request.body) };
            let shown_to_owner = shown(&answer, &self.stable);
            self.note(&file, &line, &shown_to_owner);
            if request.method == "TEXT" {
                let french = request.in_french();
                let said = self.private.ask("", &french).await;
                self.verdicts.0.add(&self.private, &french, &said);
                let shown = shown(&said, &self.stable);
                self.note(&file, &french.line(), &shown);
            }
            if is_read && !has_text && route_of(&self.public.document, &request).as_ref() == Some(&route) {
                self.asks_as_others(&request, &line, &shown_to_owner).await;
            }
        }
    }

    /// The same over the network: who may, and who is told something else than the owner.
    async fn asks_as_others(&mut self, request: &Request, line: &str, to_owner: &Shown) {
        let mut row = Vec::new();
        for (name, token) in self.tokens.clone() {
            let answer = self.public.ask(&token, request).await;
            self.verdicts.1.add(&self.public, request, &answer);
            let shown = shown(&answer, &self.stable);
            let is_other = answer.status == 200 && shown != *to_owner;
            row.push(format!("{name} {}{}", answer.status, if is_other { " other" } else { "" }));
            if is_other {
                self.note(&format!("as-{name}"), line, &shown);
            }
        }
        let row = Shown { head: format!("{}\n", row.join(", ")), documents: String::new(), text: String::new() };
        self.note("who", line, &row);
    }

    /// The reads that no request asks for.
    fn missing(&self) -> Vec<String> {
        let asked: BTreeSet<String> =
            requests().iter().filter_map(|one| route_of(&self.private.document, one)).collect();
        let paths = self.private.document["paths"].as_object().unwrap();
        let reads = paths.iter().filter(|(_, item)| item.get("get").is_some());
        // The documents have files of their own.
        reads
            .filter(|(route, _)| !asked.contains(*route) && !route.ends_with("openapi.json"))
            .map(|(route, _)| route.clone())
            .collect()
    }
}

/// Compares what was found with what is kept, or keeps it.
fn compare(found: &BTreeMap<String, String>) {
    let kept = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kept: BTreeSet<String> = kept.filter(|name| name != "requests.txt").collect();
    let mut wrong = Vec::new();
    for (file, text) in found {
        let path = folder().join(format!("{file}.txt"));
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, text).unwrap();
        } else if before != *text {
            wrong.push(first_difference(&format!("{file}.txt"), &before, text));
        }
    }
    let known: BTreeSet<String> = found.keys().map(|file| format!("{file}.txt")).collect();
    wrong.extend(kept.difference(&known).map(|name| format!("{name}: nothing answers so any more")));
    assert!(wrong.is_empty(), "UPDATE=1 keeps what is answered now:\n{}", wrong.join("\n"));
}

/// The first lines that differ, below the request that they answer.
fn first_difference(file: &str, before: &str, now: &str) -> String {
    let (before, now): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    let at = before.iter().zip(&now).position(|(one, other)| one != other).unwrap_or(before.len().min(now.len()));
    let asked = now
        .iter()
        .take(at)
        .rfind(|line| ["GET /", "POST /", "PUT /"].iter().any(|method| line.starts_with(method)))
        .unwrap_or(&"");
    let part = |lines: &[&str], sign: &str| -> String {
        lines.iter().skip(at).take(6).map(|line| format!("  {sign} {line}\n")).collect()
    };
    format!("{file}, line {}: {asked}\n{}{}", at + 1, part(&before, "-"), part(&now, "+"))
}

async fn listen(router: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Users and tokens, whose secrets are other ones in each run, and are shown nowhere.
async fn tokens(handle: &Handle) -> Vec<(&'static str, String)> {
    let (accounts, now) = (Accounts::new(handle.ledger().clone()), handle.now());
    let password = Secret::new("correct horse battery");
    for (email, name, role) in
        [("alice@example.org", "Alice Martin", Role::Admin), ("bob@example.org", "Bob", Role::Viewer)]
    {
        accounts.add((email, name), role, &password, now).await.unwrap();
    }
    let mut tokens = vec![("nobody", String::new())];
    for (name, role, services) in CLIENTS {
        let services = services.iter().map(|&name| name.to_owned()).collect();
        let new = NewToken { name: name.to_owned(), role, services, of: None, expires: None };
        tokens.push((name, accounts.add_token(&new, now).await.unwrap().expose().to_owned()));
    }
    tokens
}

/// Texts have times of the machine's zone, which a process reads once: in another zone than UTC, a process of its own is the test.
fn is_done_by_another_process() -> bool {
    if std::env::var_os("TZ").is_some_and(|zone| zone == "UTC") {
        return false;
    }
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "answers::every_answer_of_the_api_is_as_it_was", "--nocapture"]).env("TZ", "UTC");
    let said = again.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && out.contains("1 passed"), "{out}{err}");
    true
}

#[tokio::test]
async fn every_answer_of_the_api_is_as_it_was() {
    if is_done_by_another_process() {
        return;
    }
    let world = World::eventful().await;
    let (words, channels) = (world.words(), world.config.notifications.clone());
    let (handle, daemon, shutdown) = daemon::start(world.engine, Behaviour { acts: false, watches: false });
    let asks = async {
        handle.shown(LoopCommand::Pass).await.unwrap();
        let tokens = tokens(&handle).await;
        let notifications = Notifications::new(handle.clone(), channels, None);
        let private = server::private(handle.clone(), notifications.clone(), Arc::new(Empty));
        let (private, public) = (
            Listener::new(listen(private).await).await,
            Listener::new(listen(network_with(&handle, notifications, None)).await).await,
        );
        let documents = [("openapi-of-the-socket", &private), ("openapi-of-the-network", &public)];
        let documents = documents.map(|(name, listener)| (name.to_owned(), format!("{:#}\n", listener.document)));
        let mut asking = Asking {
            private,
            public,
            stable: Stable::new(words),
            found: documents.into(),
            last: BTreeMap::new(),
            verdicts: Default::default(),
            tokens,
        };
        let missing = asking.missing();
        assert!(missing.is_empty(), "tests/cases/answers/requests.txt asks for no {}", missing.join(", "));
        asking.learns_words().await;
        asking.asks_all().await;
        compare(&asking.found);
        let Asking { private, public, verdicts, .. } = asking;
        verdicts.0.holds(&private.document);
        verdicts.1.holds(&public.document);
        shutdown.notify_one();
    };
    tokio::join!(daemon, asks);
}
