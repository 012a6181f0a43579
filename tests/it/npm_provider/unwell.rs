//! An NPM that is down, half up, slow to answer, short of rights, or whose nginx is broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use amarre::providers::{Class, ObserveQuery, Provider};
use amarre_core::model::{Address, Code, Expect, Fields, GapScope, Kind, Millis, Readiness, Value, Verb};
use amarre_sim::npm::{self, Issuance, Level, NpmOptions, NpmPermissions, NpmUser};
use amarre_sim::{Fault, Server};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value as Json, json};

use crate::hostile::{Hostile, Says};
use crate::support::{eventually, supplies};

use super::rig::{Rig, address, change, host, list, provider, redirection, stream, unchanged};

const GIT: &str = "git.example.org";

/// After a lost or failed answer: one row, on line, as wanted, found by the next try or the same one.
async fn survives(kind: Kind, name: &str, wanted: &Fields, route: &str, fault: Fault) {
    let mut rig = Rig::start().await;
    let address = address(kind, name);
    rig.observe_all().await;
    rig.npm.server.faults.add("POST", route, 1, fault.clone());
    if let Err(error) = rig.step(&address, wanted).await {
        assert_eq!(error.class, Class::OutcomeUnknown, "{fault:?}: {error}");
        assert!(matches!(fault, Fault::CutBefore | Fault::Before(_)), "{fault:?} was not recognised: {error}");
    }
    rig.bring(&address, wanted).await;
    let rows: usize = [npm::Kind::ProxyHost, npm::Kind::RedirectionHost, npm::Kind::Stream, npm::Kind::AccessList]
        .map(|kind| rig.rows(kind).len())
        .iter()
        .sum();
    assert_eq!(rows, 1, "{fault:?} left a duplicate");
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_row() {
    let faults = [
        Fault::CutAfter,
        Fault::After(500),
        Fault::After(502),
        Fault::CutBefore,
        Fault::Before(500),
        Fault::Before(502),
    ];
    for fault in faults {
        survives(Kind::ProxyHost, GIT, &host(GIT), "/api/nginx/proxy-hosts", fault.clone()).await;
        survives(Kind::Redirection, GIT, &redirection(GIT), "/api/nginx/redirection-hosts", fault.clone()).await;
        survives(Kind::Stream, "2222", &stream(2222), "/api/nginx/streams", fault.clone()).await;
        survives(Kind::AccessList, "amarre/family", &list(&["anna"]), "/api/nginx/access-lists", fault).await;
    }
}

#[tokio::test]
async fn a_read_whose_connection_is_cut_is_sent_again_and_a_write_is_not() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    rig.bring(&git, &host(GIT)).await;
    for section in ["users/me", "nginx/certificates", "nginx/access-lists", "nginx/proxy-hosts", "nginx/streams"] {
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            rig.npm.server.faults.add("GET", &format!("/api/{section}"), 2, fault);
            assert!(rig.see(&git).await.is_some(), "{section}");
        }
    }
    rig.npm.server.faults.add("GET", "/api/nginx/proxy-hosts", 3, Fault::CutBefore);
    assert_eq!(rig.gap().await.code, Code::A0601, "what is cut each time is down");
    rig.npm.server.journal.clear();
    rig.npm.server.faults.add("PUT", "/api/nginx/proxy-hosts", 1, Fault::CutBefore);
    let error = rig.step(&git, &host(GIT).with("forward_port", Value::Int(8080))).await.unwrap_err();
    assert_eq!(error.class, Class::OutcomeUnknown, "{error}");
    assert_eq!(rig.writes().len(), 1, "a write leaves once");
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_is_read_back() {
    for fault in [Fault::CutAfter, Fault::After(500), Fault::CutBefore, Fault::Before(502)] {
        let mut rig = Rig::start().await;
        let git = address(Kind::ProxyHost, GIT);
        rig.bring(&git, &host(GIT)).await;
        let wanted = host(GIT).with("forward_port", Value::Int(8080));
        rig.npm.server.faults.add("PUT", "/api/nginx/proxy-hosts", 1, fault.clone());
        let error = rig.step(&git, &wanted).await.unwrap_err();
        assert_eq!(error.class, Class::OutcomeUnknown, "{fault:?}");
        rig.bring(&git, &wanted).await;
    }
}

#[tokio::test]
async fn a_delete_whose_answer_is_lost_is_not_an_error_next_time() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    let seen = rig.bring(&git, &host(GIT)).await;
    rig.npm.server.faults.add("DELETE", "/api/nginx/proxy-hosts", 1, Fault::CutAfter);
    assert_eq!(rig.delete(&git).await.unwrap_err().class, Class::OutcomeUnknown);
    rig.apply(&change(&git, Verb::Delete, unchanged(&seen))).await.unwrap();
    assert_eq!(rig.see(&git).await, None);
}

#[tokio::test]
async fn a_broken_nginx_leaves_nothing_that_claims_to_be_on_line() {
    let mut rig = Rig::start().await;
    let (git, wiki) = (address(Kind::ProxyHost, GIT), address(Kind::ProxyHost, "wiki.example.org"));
    let wiki_wanted = host("wiki.example.org");
    rig.bring(&wiki, &wiki_wanted).await;
    let off = address(Kind::ProxyHost, "off.example.org");
    rig.bring(&off, &host("off.example.org")).await;
    rig.bring(&off, &host("off.example.org").with("enabled", Value::Bool(false))).await;
    rig.npm.break_nginx(true);
    // The row of a POST that answered 500 stays, and a PUT that answered 500 was stored.
    assert_eq!(rig.step(&git, &host(GIT)).await.unwrap_err().class, Class::OutcomeUnknown);
    let changed = wiki_wanted.with("forward_port", Value::Int(8080));
    assert_eq!(rig.step(&wiki, &changed).await.unwrap_err().class, Class::OutcomeUnknown);
    assert_eq!(rig.step(&off, &host("off.example.org")).await.unwrap_err().class, Class::OutcomeUnknown);
    for address in [&git, &wiki, &off] {
        let seen = rig.see(address).await.unwrap();
        assert_eq!(seen.fields.flag("online"), Some(false), "{address}: nginx never had it");
        assert!(!seen.ready.is_ready());
    }
    rig.npm.break_nginx(false);
    assert_eq!(rig.bring(&git, &host(GIT)).await.ready, Readiness::Ready);
    assert_eq!(rig.bring(&wiki, &changed).await.ready, Readiness::Ready);
    assert_eq!(rig.bring(&off, &host("off.example.org")).await.ready, Readiness::Ready);
    assert_eq!(rig.hosts_with(npm::Kind::ProxyHost, GIT).len(), 1);
}

#[tokio::test]
async fn the_error_of_nginx_is_quoted() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    let id: u64 = rig.bring(&git, &host(GIT)).await.vendor_id.parse().unwrap();
    rig.npm.edit_proxy_host(id, &json!({"advanced_config": "this_is_not_nginx on;"}));
    let seen = rig.see(&git).await.unwrap();
    let words = format!("unknown directive \"this_is_not_nginx\" in /data/nginx/proxy_host/{id}.conf");
    assert!(
        matches!(&seen.ready, Readiness::NotYet { why, .. } if why.to_string().starts_with(&words)),
        "{:?}",
        seen.ready
    );
    let mut unmanaged = host(GIT);
    unmanaged.remove("advanced");
    let error = rig.step(&git, &unmanaged).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Rejected, Code::A0607));
    assert!(error.message.to_string().contains(&words), "{error}");
    rig.bring(&git, &host(GIT)).await;
}

#[tokio::test]
async fn an_expired_token_is_renewed_for_reads_and_writes() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    rig.observe_all().await;
    rig.npm.expire_tokens();
    rig.observe_all().await;
    let seen = rig.bring(&git, &host(GIT)).await;
    rig.npm.expire_tokens();
    rig.apply(&change(&git, Verb::Delete, unchanged(&seen))).await.unwrap();
    let sign_ins = rig.provider.capabilities().requests.unwrap().read()[&("POST".to_owned(), 200)];
    assert_eq!(sign_ins, 3);
    assert!(rig.rows(npm::Kind::ProxyHost).is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_a_gap() {
    let mut rig = Rig::start().await;
    rig.provider = provider(&rig.npm.server.url(), "amarre@amarre.demo", "canary-password");
    let gap = rig.gap().await;
    assert_eq!(gap.code, Code::A0602);
    assert_eq!(
        gap.message.to_string(),
        "NPM main refuses the sign-in of amarre@amarre.demo (invalid email or password)"
    );
    let create = change(&address(Kind::ProxyHost, GIT), Verb::Create(host(GIT)), Expect::Absent);
    let error = rig.apply(&create).await.unwrap_err();
    assert_eq!(error.class, Class::Reauthenticate);
    assert!(!format!("{gap:?}{error:?}").contains("canary-password"));
}

#[tokio::test]
async fn an_npm_that_is_down_is_a_gap() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    rig.bring(&git, &host(GIT)).await;
    rig.npm.backend_down(true);
    let gap = rig.gap().await;
    assert_eq!(gap.code, Code::A0603);
    assert!(gap.message.to_string().contains("502"), "{}", gap.message);
    let create =
        change(&address(Kind::ProxyHost, "b.example.org"), Verb::Create(host("b.example.org")), Expect::Absent);
    assert_eq!(rig.apply(&create).await.unwrap_err().class, Class::RetryLater, "nothing was sent but a read");
    rig.npm.backend_down(false);
    rig.observe_all().await;
    // Half an answer is none.
    for section in ["certificates", "access-lists", "proxy-hosts", "redirection-hosts", "streams"] {
        rig.npm.server.faults.add("GET", &format!("/api/nginx/{section}"), 3, Fault::CutBefore);
        assert_eq!(rig.gap().await.code, Code::A0601, "{section}");
    }
    let port = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    rig.provider = provider(&format!("http://127.0.0.1:{port}/"), "a", "b");
    let gap = rig.gap().await;
    assert_eq!(gap.code, Code::A0601);
    assert_eq!(
        gap.message.to_string(),
        format!("NPM main does not answer at http://127.0.0.1:{port}/ (connection refused)")
    );
    let error = rig.apply(&create).await.unwrap_err();
    assert_eq!(error.class, Class::RetryLater, "nothing has left");
}

fn bot(permissions: NpmPermissions) -> NpmOptions {
    let mut options = NpmOptions::default();
    options.users.push(NpmUser::plain(2, "bot@example.net", "bot-password", permissions));
    options
}

#[tokio::test]
async fn missing_rights_are_named_and_nothing_counts_as_deleted() {
    let hidden = NpmPermissions { redirection_hosts: Level::Hidden, ..NpmPermissions::documented() };
    let gap = Rig::with(bot(hidden)).await.gap().await;
    assert_eq!(gap.code, Code::A0604);
    assert_eq!(gap.message.to_string(), "NPM main does not let bot@example.net view redirection hosts");
    assert_eq!(gap.hint.to_string(), "in NPM, Users, bot@example.net, Permissions: set redirection hosts to Manage");

    let reader = NpmPermissions { proxy_hosts: Level::View, ..NpmPermissions::documented() };
    let rig = Rig::with(bot(reader)).await;
    rig.npm.seed_proxy_host(&json!({"domain_names": [GIT], "forward_host": "10.0.0.9", "forward_port": 80}));
    let git = address(Kind::ProxyHost, GIT);
    let seen = rig.see(&git).await.unwrap();
    let new = address(Kind::ProxyHost, "new.example.org");
    let changes = [
        change(&git, Verb::Delete, unchanged(&seen)),
        change(&git, Verb::Update(Fields::default().with("forward_port", Value::Int(81))), unchanged(&seen)),
        change(&new, Verb::Create(host("new.example.org")), Expect::Absent),
    ];
    let before = rig.rows(npm::Kind::ProxyHost);
    for change in &changes {
        let error = rig.apply(change).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Reauthenticate, Code::A0604), "{error}");
        assert!(error.message.to_string().ends_with("does not let bot@example.net manage proxy hosts"), "{error}");
    }
    assert_eq!(rig.rows(npm::Kind::ProxyHost), before);
}

/// Each write reloads nginx. Where the hosts cannot all be read after an order, none is made, however often it is tried.
#[tokio::test]
async fn no_host_is_written_after_an_order_before_all_are_read() {
    let mut rig = Rig::with(NpmOptions { issuance: Issuance::Granted, ..NpmOptions::default() }).await;
    rig.bring(&address(Kind::ProxyHost, GIT), &host(GIT)).await;
    let wanted = Fields::default().with("domains", Value::texts([GIT])).with("challenge", Value::text("http"));
    let order = change(&address(Kind::Certificate, GIT), Verb::Create(wanted), Expect::Absent);
    for _ in 0..3 {
        rig.npm.server.faults.add("GET", "/api/nginx/redirection-hosts", 1, Fault::Before(500));
        assert_eq!(rig.apply(&order).await.unwrap_err().class, Class::OutcomeUnknown);
    }
    let writes: Vec<String> = rig.writes().into_iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    assert_eq!(writes, ["POST /api/nginx/certificates"]);
    rig.apply(&order).await.unwrap();
    assert!(rig.npm.serves(GIT));
}

/// What is only read is told with each look, so that a plan holds its changes.
#[tokio::test]
async fn kinds_that_may_only_be_read_are_reported() {
    let reader = NpmPermissions { certificates: Level::View, streams: Level::View, ..NpmPermissions::documented() };
    let rig = Rig::with(bot(reader)).await;
    let read_only = rig.observe(&[]).await.read_only;
    let told: Vec<(Kind, String)> =
        read_only.iter().map(|(kind, refusal)| (*kind, refusal.hints[0].text.to_string())).collect();
    let way = "in NPM, Users, bot@example.net, Permissions: set";
    assert_eq!(
        told,
        [
            (Kind::Certificate, format!("{way} certificates to Manage")),
            (Kind::Stream, format!("{way} streams to Manage")),
        ]
    );
}

#[tokio::test]
async fn with_its_own_rows_only_a_bot_still_converges() {
    let mut rig = Rig::with(bot(NpmPermissions::user())).await;
    rig.npm
        .seed_proxy_host(&json!({"domain_names": ["a.example.org"], "forward_host": "10.0.0.9", "forward_port": 80}));
    let git = address(Kind::ProxyHost, GIT);
    rig.bring(&git, &host(GIT)).await;
    assert_eq!(rig.observe_all().await.len(), 1, "what it cannot see is not there for it");
    // … but is in its way all the same.
    let taken = host(GIT).with("domains", Value::texts([GIT, "a.example.org"]));
    let error = rig.step(&git, &taken).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Conflict, Code::A0405), "{error}");
}

#[tokio::test]
async fn what_an_account_is_not_shown_is_not_gone() {
    let options = bot(NpmPermissions::user());
    let admin = options.users.first().unwrap().clone();
    let mut rig = Rig::with(options).await;
    let url = rig.npm.server.url();
    rig.provider = provider(&url, &admin.identity, &admin.secret);
    let (git, old) = (address(Kind::ProxyHost, GIT), address(Kind::Redirection, "old.example.org"));
    rig.bring(&git, &host(GIT)).await;
    rig.bring(&old, &redirection("old.example.org")).await;
    // From now on with an account that sees its own rows only.
    rig.provider = provider(&url, "bot@example.net", "bot-password");
    let observation = rig.observe(&[&git, &old]).await;
    assert!(observation.seen.is_empty(), "{:?}", observation.seen);
    assert_eq!(observation.gaps.len(), 2, "{:?}", observation.gaps);
    for address in [&git, &old] {
        let gap = observation.gaps.iter().find(|gap| gap.covers(address)).unwrap();
        assert_eq!(gap.code, Code::A0604);
        assert!(gap.hint.to_string().contains("set Item Visibility to All Items"), "{}", gap.hint);
    }
    rig.provider = provider(&url, &admin.identity, &admin.secret);
    assert!(rig.see(&git).await.is_some());
}

#[tokio::test]
async fn a_row_that_a_list_leaves_out_is_not_gone() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    let id: u64 = rig.bring(&git, &host(GIT)).await.vendor_id.parse().unwrap();
    let (old, family) = (address(Kind::Redirection, "old.example.org"), address(Kind::AccessList, "amarre/family"));
    rig.bring(&old, &redirection("old.example.org")).await;
    rig.bring(&family, &list(&["anna"])).await;
    for (address, section) in [(&git, "proxy-hosts"), (&old, "redirection-hosts"), (&family, "access-lists")] {
        rig.npm.server.faults.add("GET", &format!("/api/nginx/{section}?"), 1, Fault::Empty);
        let observation = rig.observe(&[address]).await;
        let [gap] = observation.gaps.as_slice() else { panic!("{section}: {:?}", observation.gaps) };
        assert_eq!((gap.code, gap.scope.clone()), (Code::A0603, GapScope::Kind(address.kind)), "{section}");
        assert!(!gap.hint.is_empty() && rig.see(address).await.is_some(), "{section}: the next list is whole");
    }
    // A person deletes it in NPM: nothing has its id.
    rig.npm.remove_proxy_host(id);
    assert_eq!(rig.see(&git).await, None);
}

/// A stand-in for what the simulator is not: old, not set up, with second factors, or with a token
/// of another key (500 to all but "good").
#[derive(Clone)]
struct StandIn {
    health: Json,
    /// One answer for each sign-in; the last stays.
    tokens: Vec<Json>,
    sign_ins: Arc<AtomicU64>,
    made: Arc<AtomicU64>,
    puts: Arc<AtomicU64>,
    /// How many PUTs it takes until nginx serves the one row.
    puts_needed: u64,
}

impl StandIn {
    fn new(health: Json, tokens: Vec<Json>) -> Self {
        Self { health, tokens, sign_ins: Arc::default(), made: Arc::default(), puts: Arc::default(), puts_needed: 0 }
    }

    async fn serve(&self) -> Server {
        let router = axum::Router::new().fallback(answer).with_state(self.clone());
        amarre_sim::serve(router, 0).await.unwrap()
    }
}

async fn answer(State(npm): State<StandIn>, request: Request) -> impl IntoResponse {
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (method, path) = (request.method().as_str(), request.uri().path());
    let is_online = npm.puts.load(Ordering::SeqCst) >= npm.puts_needed;
    let words = "[emerg] 7#7: host not found in upstream \"x\" in /data/nginx/proxy_host/9.conf:48";
    let row = json!({
        "id": 5, "domain_names": [GIT], "forward_scheme": "http", "enabled": true,
        "meta": {"nginx_online": is_online, "nginx_err": if is_online { Json::Null } else { json!(words) }},
    });
    let body = match (method, path) {
        (_, "/api/") => npm.health,
        (_, "/api/tokens") => {
            let nth = usize::try_from(npm.sign_ins.fetch_add(1, Ordering::SeqCst)).unwrap();
            npm.tokens[nth.min(npm.tokens.len() - 1)].clone()
        }
        // Lists are not asked for a token here, so that a write is the first to find it stale.
        (method, path) if token != "Bearer good" && (method != "GET" || path == "/api/users/me") => {
            let body = json!({"error": {"code": 500, "message": "Internal Error"}});
            return (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(body));
        }
        (_, "/api/users/me") => json!({"id": 1, "roles": ["admin"]}),
        ("POST", "/api/nginx/proxy-hosts") => {
            npm.made.fetch_add(1, Ordering::SeqCst);
            row
        }
        ("PUT", _) => {
            npm.puts.fetch_add(1, Ordering::SeqCst);
            row
        }
        (_, "/api/nginx/proxy-hosts/5") => row,
        _ => json!([]),
    };
    (StatusCode::OK, axum::Json(body))
}

fn version(major: u32, minor: u32) -> Json {
    json!({"status": "OK", "version": {"major": major, "minor": minor, "revision": 3}})
}

#[tokio::test]
async fn an_impossible_setup_is_reported_with_a_hint() {
    let second_factor = json!({"requires_2fa": true, "challenge_token": "x"});
    let unset = json!({"status": "OK", "setup": false, "version": {"major": 2, "minor": 15, "revision": 1}});
    let cases = [
        (version(2, 11), json!({"token": "good"}), "A0605", "NPM main is version 2.11.3, too old"),
        (version(2, 15), second_factor, "A0606", "bot needs a second factor to sign in to NPM main"),
        (unset, json!({"token": "good"}), "A0602", "NPM main has no user yet"),
        (json!("a page of something else"), json!({}), "A0603", "what answers at"),
    ];
    for (health, token, code, message) in cases {
        let server = StandIn::new(health, vec![token]).serve().await;
        let observation = provider(&server.url(), "bot", "secret").observe(&ObserveQuery::default()).await;
        let [gap] = observation.gaps.as_slice() else { panic!("{code}: {observation:?}") };
        assert_eq!(gap.code.as_str(), code);
        assert!(gap.message.to_string().starts_with(message), "{}", gap.message);
        assert!(!gap.hint.is_empty(), "{code} has no way past it");
    }
}

#[tokio::test]
async fn a_token_of_another_key_is_replaced_and_the_write_happens_once() {
    let npm = StandIn::new(version(2, 13), vec![json!({"token": "stale"}), json!({"token": "good"})]);
    let server = npm.serve().await;
    let provider = provider(&server.url(), "bot", "secret");
    // The first sign-in gives the stale token, fresh: believed once, and an NPM that fails then is a gap.
    assert_eq!(provider.observe(&ObserveQuery::default()).await.gaps[0].code, Code::A0603);
    let create = change(&address(Kind::ProxyHost, GIT), Verb::Create(host(GIT)), Expect::Absent);
    let outcome = provider.apply(&create, supplies(&amarre::secret::Secrets::new())).await.unwrap();
    assert_eq!(outcome.vendor_id, "5");
    assert_eq!((npm.sign_ins.load(Ordering::SeqCst), npm.made.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn a_host_that_nginx_does_not_serve_is_written_once_more_and_then_reported() {
    for (puts_needed, works) in [(1, true), (9, false)] {
        let npm = StandIn { puts_needed, ..StandIn::new(version(2, 15), vec![json!({"token": "good"})]) };
        let server = npm.serve().await;
        let create = change(&address(Kind::ProxyHost, GIT), Verb::Create(host(GIT)), Expect::Absent);
        let outcome =
            provider(&server.url(), "bot", "secret").apply(&create, supplies(&amarre::secret::Secrets::new())).await;
        assert_eq!((npm.made.load(Ordering::SeqCst), npm.puts.load(Ordering::SeqCst)), (1, 1));
        assert_eq!(outcome.is_ok(), works);
        if let Err(error) = outcome {
            assert_eq!((error.class, error.code), (Class::RetryLater, Code::A0608), "not its own mistake: {error}");
            assert!(error.hint.to_string().contains("host not found in upstream"), "{}", error.hint);
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_a_gap() {
    // A byte more than is read.
    let router = axum::Router::new().fallback(async || vec![b' '; 16 * 1024 * 1024 + 1]);
    let server = amarre_sim::serve(router, 0).await.unwrap();
    let observation = provider(&server.url(), "bot", "secret").observe(&ObserveQuery::default()).await;
    let [gap] = observation.gaps.as_slice() else { panic!("{observation:?}") };
    assert!(gap.message.to_string().contains("larger than"), "{}", gap.message);
}

/// A proxy before NPM has a limit, and says when it is over.
#[tokio::test]
async fn retry_after_is_respected() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    rig.observe_all().await;
    rig.npm.server.faults.add("POST", "/api/nginx/proxy-hosts", 1, Fault::TooMany(7));
    let error = rig.step(&git, &host(GIT)).await.unwrap_err();
    assert_eq!(
        (error.class, error.code, error.retry_after),
        (Class::RetryLater, Code::A0601, Some(Millis::seconds(7)))
    );
    rig.bring(&git, &host(GIT)).await;
}

/// Forty rows of 500 KB are more than a list may hold: the largest are not seen, and all else is.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_fill_the_list_hide_themselves_and_no_other() {
    let long = "c".repeat(500_000);
    let row = |id: usize, name: &str, advanced: &str| json!({"id": id, "enabled": true, "domain_names": [name], "forward_host": "172.20.8.3", "advanced_config": advanced});
    let names: Vec<String> = (0..40).map(|number| format!("e{number}.example.org")).collect();
    let mut rows: Vec<Json> = names.iter().enumerate().map(|(id, name)| row(id + 1, name, &long)).collect();
    rows.push(row(41, GIT, ""));
    let rows = Json::Array(rows).to_string();
    let empty = || Says::All(200, "[]".to_owned());
    let lists = ["/redirection-hosts", "/dead-hosts", "/streams", "/certificates", "/access-lists"];
    let mut rules = vec![
        ("/tokens", Says::All(200, json!({"token": "t"}).to_string())),
        ("/users/me", Says::All(200, json!({"id": 1, "roles": ["admin"]}).to_string())),
        ("/proxy-hosts", Says::All(200, rows)),
    ];
    rules.extend(lists.map(|list| (list, empty())));
    let version = json!({"major": 2, "minor": 12, "revision": 3});
    rules.push(("/", Says::All(200, json!({"status": "OK", "version": version}).to_string())));
    let server = Hostile::start(rules).await;
    let npm = provider(&format!("http://{}", server.address), "amarre@example.org", "secret");
    let observation = npm.observe(&ObserveQuery::default()).await;
    let git = address(Kind::ProxyHost, GIT);
    assert!(observation.seen.contains_key(&git), "{:?}", observation.gaps);
    assert_eq!(observation.seen[&git].fields.text("forward_host"), Some("172.20.8.3"));
    assert!(observation.gaps.iter().all(|gap| gap.code == Code::A0618 && !gap.covers(&git)), "{:?}", observation.gaps);
    assert!(observation.gaps.len() > 5);
    let hidden: Vec<&str> = observation.gaps.iter().map(|gap| gap.scope.resource().unwrap().name.as_str()).collect();
    let seen = names.iter().filter(|name| observation.seen.contains_key(&address(Kind::ProxyHost, name))).count();
    assert_eq!((seen + hidden.len(), observation.seen.len()), (40, seen + 1), "{hidden:?}");
}

/// A host of ours that no list shows as a whole, and that no manifest wants any more, is read by itself.
#[tokio::test]
async fn a_row_that_is_too_large_can_go() {
    let rig = Rig::start().await;
    let meta = json!({"amarre_instance": "amarre", "amarre_service": "evil", "amarre_name": GIT});
    let giant = format!("# {}", "d".repeat(1_200_000));
    rig.npm.seed_proxy_host(&json!({"domain_names": [GIT], "advanced_config": giant, "meta": meta}));
    let git = address(Kind::ProxyHost, GIT);
    let wanted = rig.observe(&[&git]).await;
    assert!(wanted.seen.is_empty() && wanted.gaps.iter().any(|gap| gap.covers(&git)), "{:?}", wanted.gaps);
    let seen = rig.observe_all().await;
    rig.apply(&change(&git, Verb::Delete, unchanged(&seen[&git]))).await.unwrap();
    assert!(rig.rows(npm::Kind::ProxyHost).is_empty());
}

/// An NPM with one proxy host of Amarre's: its address, and NPM's id of it.
async fn with_host() -> (Rig, Address, u64) {
    let mut rig = Rig::start().await;
    let address = address(Kind::ProxyHost, GIT);
    rig.observe_all().await;
    rig.bring(&address, &host(GIT)).await;
    let id = rig.rows(npm::Kind::ProxyHost)[0]["id"].as_u64().unwrap();
    (rig, address, id)
}

/// NPM tells of no change, and its audit log is for administrators.
#[tokio::test]
async fn a_change_by_hand_is_noticed_between_two_looks() {
    let (rig, _, id) = with_host().await;
    let wake = Arc::new(tokio::sync::Notify::new());
    let events = rig.provider.capabilities().events.unwrap();
    let story = async {
        let looks = || rig.npm.server.journal.calls().iter().filter(|call| call.path.contains("proxy-hosts")).count();
        let before = looks();
        eventually(60, "it looks again and again", async || looks() >= before + 4).await;
        assert!(tokio::time::timeout(Duration::ZERO, wake.notified()).await.is_err(), "nothing has changed");
        rig.npm.edit_proxy_host(id, &json!({"access_list_id": 0, "forward_port": 81}));
        tokio::time::timeout(Duration::from_secs(60), wake.notified()).await.expect("the change is noticed");
        for (is_down, what) in [(true, "it does not answer any more"), (false, "it answers again")] {
            rig.npm.backend_down(is_down);
            tokio::time::timeout(Duration::from_secs(60), wake.notified()).await.expect(what);
            let before = looks();
            eventually(60, "it looks on", async || looks() >= before + 2).await;
            assert!(tokio::time::timeout(Duration::ZERO, wake.notified()).await.is_err(), "told twice: {what}");
        }
    };
    tokio::select! {
        () = events.watch(wake.clone()) => unreachable!("it watches as long as it is asked to"),
        () = story => (),
    }
}

/// While it is watched for changes, a pass that follows up on another one does not read everything again.
#[tokio::test]
async fn what_was_read_holds_until_something_changes_it() {
    let (rig, address, id) = with_host().await;
    let port = async |reuse: bool| {
        let ask = ObserveQuery { reuse, ..rig.query(&[&address]) };
        rig.provider.observe(&ask).await.seen[&address].fields.get("forward_port").cloned()
    };
    // Only a look asks for the account.
    let is_read = || rig.npm.server.journal.calls().iter().any(|call| call.path.contains("/users/me"));
    let is_kept = async || {
        rig.npm.server.journal.clear();
        port(true).await;
        !is_read()
    };
    assert!(!is_kept().await, "nothing tells of changes");
    let events = rig.provider.capabilities().events.unwrap();
    let story = async {
        eventually(60, "what was read is kept", is_kept).await;
        assert!(is_kept().await);
        port(false).await;
        assert!(is_read(), "a person asks");
        rig.npm.edit_proxy_host(id, &json!({"forward_port": 81}));
        eventually(60, "a change by hand", async || port(true).await == Some(Value::Int(81))).await;
        eventually(60, "what was read is kept", is_kept).await;
        let seen = rig.observe(&[&address]).await.seen.remove(&address).unwrap();
        let update = Verb::Update(Fields::default().with("forward_port", Value::Int(82)));
        rig.apply(&change(&address, update, unchanged(&seen))).await.unwrap();
        assert_eq!(port(true).await, Some(Value::Int(82)), "a change of Amarre's");
        eventually(60, "what was read is kept", is_kept).await;
        rig.npm.backend_down(true);
        eventually(60, "it does not answer any more", async || {
            let ask = ObserveQuery { reuse: true, ..rig.query(&[&address]) };
            rig.provider.observe(&ask).await.seen.is_empty()
        })
        .await;
    };
    tokio::select! {
        () = events.watch(Arc::default()) => unreachable!("it watches as long as it is asked to"),
        () = story => (),
    }
}
