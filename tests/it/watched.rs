//! A daemon that is dead or stands still is noticed: by a service elsewhere that waits for its signs of life, and by those
//! whom its own channels tell.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::{Behaviour, LoopCommand};
use amarre::ledger::runs::Event;
use amarre::notifications::channel::{Carrier, Channel, Heartbeat, Topic};
use amarre::notifications::{Notifications, document};
use amarre::secret::Secret;
use amarre::server::listener::{self, ConnectionLimits};
use amarre_core::model::Millis;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value as Json;
use tokio::net::TcpListener;

use crate::cli::amarre_with;
use crate::support::stepped::Stepped;
use crate::support::{eventually, get, network_with};

const EVERY: Millis = Millis::minutes(1);
const TOKEN: &str = "cAnary-life-4711";
const STANDS_STILL: Behaviour = Behaviour { acts: false, watches: false };

/// A service that waits for signs of life, and a channel.
#[derive(Clone)]
struct Monitor {
    /// Method, path and body of each request.
    asked: Arc<Mutex<Vec<String>>>,
    /// To signs of life.
    answers: Arc<AtomicU16>,
    address: std::net::SocketAddr,
}

impl Monitor {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let monitor = Self { asked: Arc::default(), answers: Arc::new(AtomicU16::new(200)), address };
        let app = axum::Router::new().fallback(Self::take).with_state(monitor.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        monitor
    }

    async fn take(State(monitor): State<Monitor>, request: Request) -> Response {
        let what = format!("{} {}", request.method(), request.uri().path());
        let answer = if what.contains("/ping/") { monitor.answers.load(Ordering::Relaxed) } else { 200 };
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        monitor.asked.lock().unwrap().push(format!("{what} {}", String::from_utf8_lossy(&body)));
        (StatusCode::from_u16(answer).unwrap(), [(header::LOCATION, "/elsewhere")]).into_response()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests_of(&self, what: &str) -> Vec<String> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.starts_with(what)).cloned().collect()
    }

    fn beats(&self) -> usize {
        self.requests_of(&format!("GET /ping/{TOKEN}")).len()
    }

    /// How many came, once everything that was ready to be sent has been.
    async fn settled(&self) -> usize {
        for _ in 0..3 {
            get(self.address, "localhost", "/mine").await.unwrap();
        }
        self.beats()
    }

    fn heartbeat(&self) -> Heartbeat {
        Heartbeat { url: Secret::new(self.url(&format!("/ping/{TOKEN}"))), every: EVERY }
    }

    fn channel(&self) -> Channel {
        Channel {
            name: "ops".to_owned(),
            carrier: Carrier::Slack { hook: Secret::new(self.url("/ops")) },
            on: Topic::usual(),
            services: Vec::new(),
            after: Millis(0),
        }
    }
}

#[tokio::test]
async fn a_heartbeat_follows_each_ended_pass_and_nothing_else() {
    let (rig, monitor) = (Stepped::start().await, Monitor::start().await);
    let (handle, daemon, _shutdown) = daemon::start(rig.another_engine().await, STANDS_STILL);
    let notifications = Notifications::new(handle.clone(), Vec::new(), None);
    let sending = tokio::spawn(notifications.with_heartbeat(Some(monitor.heartbeat())).run());
    let asks = async {
        let event = Event {
            at: handle.now(),
            run: 0,
            service: String::new(),
            address: None,
            kind: "test".to_owned(),
            text: "no pass".into(),
            reason: None,
        };
        handle.request(LoopCommand::Record(Box::new(event))).await.unwrap();
        assert_eq!(monitor.settled().await, 0, "a command is no pass");
        handle.pass().await.unwrap();
        eventually(60, "the first pass is told of", async || monitor.beats() == 1).await;
        for _ in 0..5 {
            handle.pass().await.unwrap();
            assert_eq!(monitor.settled().await, 1, "not more often than is said");
        }
        rig.clock.advance(Millis(EVERY.0 + 1));
        let source = handle.last_pass().0.source.clone();
        handle.preview(source, Vec::new(), false).await.unwrap();
        assert_eq!(monitor.settled().await, 1, "what is only planned is no pass");
        handle.pass().await.unwrap();
        eventually(60, "the next one is told of", async || monitor.beats() == 2).await;
        // A clock that is put back makes no pause longer.
        rig.clock.jump(Millis::minutes(-60));
        handle.pass().await.unwrap();
        eventually(60, "a pass at an earlier time is told of", async || monitor.beats() == 3).await;
    };
    let mut daemon = Box::pin(daemon);
    tokio::select! {
        () = &mut daemon => unreachable!("it runs until it is stopped"),
        () = asks => (),
    }
    // From here on the loop is not driven any more: it stands still, and everything else goes on.
    for _ in 0..3 {
        rig.clock.advance(Millis::minutes(60));
        assert_eq!(monitor.settled().await, 3, "a loop that stands still is silent");
    }
    sending.abort();
}

#[tokio::test]
async fn a_failed_heartbeat_is_reported_without_its_address() {
    let (rig, monitor) = (Stepped::start().await, Monitor::start().await);
    let (handle, daemon, shutdown) = daemon::start(rig.another_engine().await, STANDS_STILL);
    let notifications = Notifications::new(handle.clone(), vec![monitor.channel()], None);
    let notifications = notifications.with_heartbeat(Some(monitor.heartbeat()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = listener::network(
        listener,
        None,
        network_with(&handle, notifications.clone(), None),
        ConnectionLimits::network(256, Vec::new()),
    );
    let serving = tokio::spawn(served);
    let sending = tokio::spawn(notifications.clone().run());
    let heartbeat = async || -> Json {
        let (status, body) = get(address, "localhost", "/health").await.unwrap();
        assert!(status == 200 && !body.contains(TOKEN), "{body}");
        let health: Json = serde_json::from_str(&body).unwrap();
        health["heartbeat"].clone()
    };
    let asks = async {
        monitor.answers.store(302, Ordering::Relaxed);
        handle.pass().await.unwrap();
        eventually(60, "health says so", async || heartbeat().await["error"]["message"] == "it answered 302").await;
        assert!(heartbeat().await["sent_at"].is_null());
        monitor.answers.store(500, Ordering::Relaxed);
        rig.clock.advance(EVERY);
        handle.pass().await.unwrap();
        eventually(60, "the next answer", async || heartbeat().await["error"]["message"] == "it answered 500").await;
        monitor.answers.store(200, Ordering::Relaxed);
        // What was lost once is not worth a message, what is lost again is.
        eventually(60, "the channel is told", async || monitor.requests_of("POST /ops").len() == 1).await;
        let told = monitor.requests_of("POST /ops").concat();
        assert!(told.contains("A0911") && told.contains("it answered 500") && !told.contains(TOKEN), "{told}");
        rig.clock.advance(EVERY);
        handle.pass().await.unwrap();
        eventually(60, "it is taken", async || heartbeat().await["error"].is_null()).await;
        assert!(heartbeat().await["sent_at"].is_string());
        eventually(60, "that it is over is told", async || monitor.requests_of("POST /ops").len() == 2).await;
        assert_eq!(monitor.requests_of("GET /elsewhere").len(), 0, "it is not led elsewhere");
        assert_eq!(monitor.beats(), 3);
        assert!(!document(&notifications.channels()).to_string().contains(TOKEN));
        shutdown.notify_one();
    };
    let ((), ()) = tokio::join!(daemon, asks);
    sending.abort();
    serving.abort();
}

#[tokio::test]
async fn channels_are_notified_when_the_loop_stalls_and_resumes() {
    let (rig, monitor) = (Stepped::start().await, Monitor::start().await);
    let (handle, daemon, _shutdown) = daemon::start(rig.another_engine().await, STANDS_STILL);
    let notifications = Notifications::new(handle.clone(), vec![monitor.channel()], None);
    let sending = tokio::spawn(notifications.run());
    let mut daemon = Box::pin(daemon);
    let look = async || {
        handle.pass().await.unwrap();
    };
    tokio::select! {
        () = &mut daemon => unreachable!("it runs until it is stopped"),
        () = look() => (),
    }
    let interval = handle.last_pass().0.interval;
    rig.clock.advance(Millis(interval.0 * 3 - 10_000));
    assert_eq!(handle.stalled_since(), None);
    rig.clock.advance(Millis(20_000));
    assert_eq!(handle.stalled_since(), Some(handle.last_pass().0.at));
    eventually(60, "the channel is told", async || monitor.requests_of("POST /ops").len() == 1).await;
    let told = monitor.requests_of("POST /ops").concat();
    assert!(told.contains("A0910") && told.contains("no look has ended since"), "{told}");
    rig.clock.advance(Millis::minutes(1));
    tokio::select! {
        () = &mut daemon => unreachable!("it runs until it is stopped"),
        () = look() => (),
    }
    eventually(60, "that it goes on is told", async || monitor.requests_of("POST /ops").len() == 2).await;
    assert!(monitor.requests_of("POST /ops")[1].contains("recovered"), "{:?}", monitor.requests_of("POST /ops"));
    sending.abort();
}

#[test]
fn invalid_heartbeat_settings_are_reported_without_the_address() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("services")).unwrap();
    std::fs::write(folder.path().join("services/web.yaml"), "name: web\nimage: web:1\n").unwrap();
    let validate = |heartbeat: &str, env: &[(&str, &str)]| {
        let config = format!("{{domain: example.org, reconcile: {{heartbeat: {heartbeat}}}}}");
        std::fs::write(folder.path().join("amarre.yaml"), config).unwrap();
        amarre_with(folder.path(), env, &["validate"])
    };
    let url = format!("https://life.example.org/{TOKEN}");
    std::fs::write(folder.path().join("url"), format!("{url}\n")).unwrap();
    for good in [format!("{{url: '{url}'}}"), "{url: {file: url}, every: 10s}".to_owned()] {
        let ended = validate(&good, &[]);
        assert_eq!(ended.code, 0, "{good}: {ended:?}");
    }
    for variable in [("AMARRE_RECONCILE_HEARTBEAT_URL", url.as_str()), ("AMARRE_RECONCILE_HEARTBEAT_URL_FILE", "url")] {
        let ended = validate("{every: 5m}", &[variable]);
        assert_eq!(ended.code, 0, "{variable:?}: {ended:?}");
    }
    let doctor = amarre_with(folder.path(), &[("AMARRE_RECONCILE_HEARTBEAT_URL", &url)], &["doctor"]);
    assert!(doctor.out.contains("heartbeat     its address is asked after passes, every 5 min at most"), "{doctor:?}");
    assert!(!doctor.out.contains(TOKEN), "{doctor:?}");
    for (wrong, says) in [
        (format!("{{url: 'ftp://life.example.org/{TOKEN}'}}"), "reconcile.heartbeat.url is no address"),
        (format!("{{url: '{TOKEN}'}}"), "reconcile.heartbeat.url is no address"),
        (format!("{{url: '{url}', every: 9s}}"), "too short"),
        (format!("{{url: '{url}', every: often}}"), "is not a duration"),
        (format!("{{url: '{url}', evry: 1m}}"), "evry"),
        ("{every: 1m}".to_owned(), "url"),
        (format!("'{url}'"), "a map is expected"),
        (format!("{{url: {{env: 'https://{TOKEN}'}}}}"), "A0207"),
    ] {
        let ended = validate(&wrong, &[]);
        assert!(ended.code == 1 && ended.err.contains(says), "{wrong}: {ended:?}");
        assert!(!ended.err.contains(TOKEN) && !ended.out.contains(TOKEN), "{wrong}: {ended:?}");
    }
}
