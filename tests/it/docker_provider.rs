//! The Docker provider over real HTTP against the simulated engine: whose things are, what is done once, what is kept.

use crate::support::supplies;
use amarre::providers::AttributeDrift;
use amarre::providers::ProbePorts;
use amarre::providers::WatchEvents;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amarre::providers::docker::{DockerConfig, DockerProvider};
use amarre::providers::{Class, Difference, Observation, ObserveQuery, Outcome, Provider, ProviderError};
use amarre::secret::{MarkKey, Secret, Secrets};
use amarre_core::model::plan::Impact;
use amarre_core::model::world::Applied;
use amarre_core::model::{
    Address, Change, Code, Expect, Fields, Gate, Kind, Mark, Owner, ProviderId, Reason, ReasonCode, SecretName, Seen,
    Text, Timestamp, Value, Verb,
};
use amarre_sim::Fault;
use amarre_sim::docker::{Behaviour, Docker, DockerOptions, ImageSpec};
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{eventually, stepped};

const NETWORK: &str = "zz-amarre-web";
const PLAIN_TEXT: &str = "canary-7f2d";

fn provider(docker: &Docker, instance: &str) -> DockerProvider {
    let endpoint = format!("tcp://{}", docker.server.address);
    let config = DockerConfig::new(ProviderId::docker("default"), &endpoint, instance, key());
    let config = DockerConfig { npm_container: Some("npm".to_owned()), ..config };
    DockerProvider::new(config).unwrap()
}

fn key() -> MarkKey {
    MarkKey::new([7; 32])
}

fn address(kind: Kind, name: &str) -> Address {
    Address::new(ProviderId::docker("default"), kind, name)
}

fn web() -> Address {
    address(Kind::Container, "web").at("0123456789ab")
}

fn change(address: &Address, verb: Verb, expects: Expect) -> Change {
    Change {
        address: address.clone(),
        service: "web".to_owned(),
        verb,
        diff: Vec::new(),
        because: Reason { code: ReasonCode::ManifestNew, text: Text::default(), origin: None },
        impact: Impact::default(),
        expects,
        gate: Gate::Now,
    }
}

fn create(address: &Address, fields: &Fields) -> Change {
    change(address, Verb::Create(fields.clone()), Expect::Absent)
}

fn delete(address: &Address, seen: &Seen) -> Change {
    let expects = Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() };
    change(address, Verb::Delete, expects)
}

fn network() -> Fields {
    Fields::default().with("subnet", Value::text("10.77.1.0/24")).with("gateway", Value::text("10.77.1.1"))
}

fn container() -> Fields {
    let password = Value::secret(SecretName("web".to_owned()), Mark(String::new()));
    let environment = BTreeMap::from([("MODE".to_owned(), Value::text("one")), ("PASSWORD".to_owned(), password)]);
    Fields::default()
        .with("name", Value::text("web"))
        .with("image", Value::text("web:1"))
        .with("network", Value::text(NETWORK))
        .with("restart", Value::text("unless-stopped"))
        .with("environment", Value::Map(environment))
}

async fn observe(provider: &DockerProvider) -> Observation {
    provider.observe(&ObserveQuery { now: Timestamp(1_800_000_000_000), ..ObserveQuery::default() }).await
}

async fn apply(provider: &DockerProvider, change: &Change) -> Result<Outcome, ProviderError> {
    let secrets = Secrets::from([(SecretName("web".to_owned()), Secret::new(PLAIN_TEXT))]);
    provider.apply(change, supplies(&secrets)).await
}

/// An engine on which `instance` runs one container on a network of its own.
async fn served(instance: &str) -> (Docker, DockerProvider) {
    let docker = stepped::docker(stepped::options()).await;
    docker.load_image(ImageSpec { volumes: vec!["/data".to_owned()], ..ImageSpec::new("web:1") });
    let provider = provider(&docker, instance);
    apply(&provider, &create(&address(Kind::Network, NETWORK), &network())).await.unwrap();
    apply(&provider, &create(&web(), &container())).await.unwrap();
    docker.server.journal.clear();
    (docker, provider)
}

fn writes(docker: &Docker) -> Vec<String> {
    docker.server.journal.writes().iter().map(|call| format!("{} {}", call.method, call.path)).collect()
}

#[tokio::test]
async fn half_an_answer_is_a_gap() {
    let (docker, ours) = served("home").await;
    // The last one is the inspection that follows the list.
    let parts = [("containers/json", 0), ("networks", 0), ("volumes", 0), ("images/json", 0), ("containers/", 1)];
    for (part, skip) in parts {
        docker.server.faults.add_nth("GET", &format!("/v1.41/{part}"), skip, 1, Fault::Before(500));
        let half = observe(&ours).await;
        assert_eq!(half.gaps.len(), 1, "{part}");
        assert!(half.seen.is_empty(), "{part}: what was not read is not missing");
        docker.server.faults.clear();
    }
    let whole = observe(&ours).await;
    assert_eq!(whole.gaps, []);
    assert!(whole.seen.contains_key(&web()));
}

#[tokio::test]
async fn a_resource_of_another_instance_is_never_adopted() {
    let (docker, _theirs) = served("other").await;
    let ours = provider(&docker, "home");
    let seen = observe(&ours).await.seen;
    let other = Owner::Other("other".to_owned());
    assert_eq!(seen[&address(Kind::Network, NETWORK)].owner, other);
    let container_seen = &seen[&address(Kind::Container, "web")];
    assert_eq!(container_seen.owner, other);
    assert_eq!(container_seen.fields.get("environment"), None, "only what can be in the way is read");
    docker.server.journal.clear();
    for (address, fields) in [(address(Kind::Network, NETWORK), network()), (web(), container())] {
        let error = apply(&ours, &create(&address, &fields)).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Conflict, Code::A0405), "{error}");
    }
    assert_eq!(writes(&docker), [""; 0]);
}

#[tokio::test]
async fn a_resource_that_a_person_made_is_never_adopted() {
    let docker = stepped::docker(stepped::options()).await;
    docker.seed_network(NETWORK, "10.77.1.0/24").unwrap();
    docker.seed_container("web", "web:1", &[NETWORK]).unwrap();
    let ours = provider(&docker, "home");
    for (address, fields) in [(address(Kind::Network, NETWORK), network()), (web(), container())] {
        let error = apply(&ours, &create(&address, &fields)).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Conflict, Code::A0405), "{error}");
    }
    assert_eq!(writes(&docker), [""; 0]);
}

/// After a lost answer the same create comes again.
#[tokio::test]
async fn an_existing_resource_is_not_created_again() {
    let (docker, ours) = served("home").await;
    let seen = observe(&ours).await.seen;
    for (address, fields) in [(address(Kind::Network, NETWORK), network()), (web(), container())] {
        let outcome = apply(&ours, &create(&address, &fields)).await.unwrap();
        assert_eq!(outcome.vendor_id, seen[&address].vendor_id);
    }
    assert!(writes(&docker).iter().all(|line| !line.contains("/create")), "{:?}", writes(&docker));
}

/// A busy engine says so for a moment after its containers are gone.
#[tokio::test]
async fn a_network_that_the_engine_takes_for_used_is_tried_again() {
    let (_docker, ours) = served("home").await;
    let seen = observe(&ours).await.seen;
    let network = address(Kind::Network, NETWORK);
    let error = apply(&ours, &delete(&network, &seen[&network])).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Conflict, Code::A0510), "{error}");
    apply(&ours, &delete(&web(), &seen[&web()])).await.unwrap();
    apply(&ours, &delete(&network, &seen[&network])).await.unwrap();
    assert!(!observe(&ours).await.seen.contains_key(&network));
}

/// The image's own `VOLUME` may hold data that no manifest names.
#[tokio::test]
async fn a_container_goes_without_its_volumes_and_cannot_come_back() {
    let (docker, ours) = served("home").await;
    let seen = observe(&ours).await.seen;
    assert_eq!(docker.volumes().len(), 1);
    docker.server.journal.clear();
    apply(&ours, &delete(&web(), &seen[&web()])).await.unwrap();
    assert!(!observe(&ours).await.seen.contains_key(&web()));
    assert_eq!(docker.volumes().len(), 1, "anonymous volumes are kept");
    let writes = writes(&docker);
    let at = |what: &str| writes.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}"));
    // An engine that restarts in between must not start it beside its successor.
    assert!(at("/update") < at("/stop") && at("/stop") < at("DELETE"), "{writes:?}");
}

/// An engine that takes a priority never publishes NPM's ports through one of our networks.
#[tokio::test]
async fn an_attachment_is_never_the_gateway() {
    let docker = stepped::docker(DockerOptions { api_version: "1.48".to_owned(), ..stepped::options() }).await;
    let ours = provider(&docker, "home");
    apply(&ours, &create(&address(Kind::Network, NETWORK), &network())).await.unwrap();
    let attachment = address(Kind::Attachment, &format!("{NETWORK}/npm"));
    let fields = Fields::default().with("address", Value::text("10.77.1.2"));
    apply(&ours, &create(&attachment, &fields)).await.unwrap();
    let containers = docker.containers();
    let npm = containers.iter().find(|container| container["Name"] == "/npm").unwrap();
    let endpoint = &npm["NetworkSettings"]["Networks"][NETWORK];
    assert_eq!(endpoint["GwPriority"], json!(-1), "{endpoint}");
    assert_eq!(endpoint["IPAddress"], "10.77.1.2");
}

#[tokio::test]
async fn a_variable_shows_only_when_the_manifest_shows_it() {
    let (docker, ours) = served("home").await;
    let seen = observe(&ours).await.seen;
    let environment = seen[&web()].fields.get("environment").and_then(Value::entries).unwrap().clone();
    assert_eq!(environment["MODE"], Value::text("one"));
    let mark = key().mark(PLAIN_TEXT);
    assert_eq!(environment["PASSWORD"], Value::secret(SecretName(String::new()), mark));
    let text = serde_json::to_string(&seen.into_values().collect::<Vec<_>>()).unwrap();
    assert!(!text.contains(PLAIN_TEXT), "{text}");
    let container = docker.containers().into_iter().find(|container| container["Name"] == "/web").unwrap();
    assert_eq!(container["Config"]["Labels"]["io.amarre.plain"], "MODE");
}

#[tokio::test]
async fn an_answer_that_is_an_error_is_no_answer() {
    let (docker, ours) = served("home").await;
    let attachment = address(Kind::Attachment, &format!("{NETWORK}/npm"));
    apply(&ours, &create(&attachment, &Fields::default())).await.unwrap();
    let seen = observe(&ours).await.seen.remove(&web()).unwrap();
    ours.probe(&web(), &seen, 80).await.unwrap();
    docker.behave("web", Behaviour::Unhealthy).unwrap();
    let why = ours.probe(&web(), &seen, 80).await.unwrap_err();
    assert!(why.contains("503"), "{why}");
    docker.stop("web").unwrap();
    ours.probe(&web(), &seen, 80).await.unwrap_err();
}

/// Not every change shows in the list: an event asks for another reading.
#[tokio::test]
async fn an_event_makes_its_resource_be_read_again() {
    let (docker, ours) = served("home").await;
    let somebody = provider(&docker, "home");
    let restart = async || observe(&ours).await.seen[&web()].fields.text("restart").map(str::to_owned);
    assert_eq!(restart().await.as_deref(), Some("unless-stopped"));
    docker.server.journal.clear();
    restart().await;
    assert_eq!(docker.server.journal.calls().len(), 4, "a quiet look is one list of each kind");
    let seen = observe(&ours).await.seen.remove(&web()).unwrap();
    let expects = Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() };
    let update = change(&web(), Verb::Update(Fields::default().with("restart", Value::text("no"))), expects);
    let wake = Arc::new(Notify::new());
    let told = eventually(60, "an event", async || {
        apply(&somebody, &update).await.unwrap();
        tokio::time::timeout(Duration::from_millis(100), wake.notified()).await.is_ok()
    });
    tokio::select! {
        () = ours.watch(wake.clone()) => (),
        () = told => (),
    }
    assert_eq!(restart().await.as_deref(), Some("no"));
}

/// A container that restarts after it was inspected and before the engine's events are subscribed to.
#[tokio::test]
async fn what_happened_before_the_subscription_is_read_again() {
    let (docker, ours) = served("home").await;
    let started = async || observe(&ours).await.seen[&web()].fields.get("started_at_ms").cloned();
    let before = started().await;
    docker.stop("web").unwrap();
    docker.start_container("web").unwrap();
    tokio::select! {
        () = ours.watch(Arc::default()) => (),
        () = eventually(60, "the new start", async || started().await != before) => (),
    }
}

/// Passes look at an engine that is away as often as they see fit.
#[tokio::test]
async fn an_engine_that_stays_away_starts_no_pass_until_it_is_back() {
    let (docker, ours) = served("home").await;
    let (wake, woken) = (Arc::new(Notify::new()), AtomicUsize::new(0));
    let count = async || {
        loop {
            wake.notified().await;
            woken.fetch_add(1, Ordering::Relaxed);
        }
    };
    let calls = |path: &str| docker.server.journal.calls().iter().filter(|call| call.path.contains(path)).count();
    let told = async {
        eventually(60, "a watch", async || calls("/events") == 1).await;
        docker.down(true);
        eventually(60, "it is asked once more", async || calls("/_ping") >= 2).await;
        let gone = woken.load(Ordering::Relaxed);
        assert_ne!(gone, 0, "it has gone");
        eventually(60, "and again", async || calls("/_ping") >= 3).await;
        assert_eq!(woken.load(Ordering::Relaxed), gone, "that is known");
        docker.down(false);
        eventually(60, "it is back", async || calls("/events") == 2 && woken.load(Ordering::Relaxed) > gone).await;
    };
    tokio::select! {
        () = ours.watch(wake.clone()) => (),
        () = count() => (),
        () = told => (),
    }
}

/// What is touched, how, and the lists that show it.
type Touch<'a> = (&'a str, &'a dyn Fn(), &'a [&'a str]);

/// What the engine would have told of is not asked for, and what it tells of is.
#[tokio::test]
async fn only_a_list_that_something_touched_is_read_again() {
    let (docker, ours) = served("home").await;
    let lists = async |reuse: bool| {
        docker.server.journal.clear();
        ours.observe(&ObserveQuery { now: Timestamp(1_800_000_000_000), reuse, ..ObserveQuery::default() }).await;
        let calls = docker.server.journal.calls();
        let sections = ["containers/json", "networks", "volumes", "images/json"];
        let is_read = |section: &&str| calls.iter().any(|call| call.path.split('?').next().unwrap().ends_with(section));
        sections.into_iter().filter(is_read).collect::<Vec<&str>>()
    };
    let all = ["containers/json", "networks", "volumes", "images/json"];
    for reuse in [false, true] {
        assert_eq!(lists(reuse).await, all, "nobody listens to its events");
    }
    let touches: [Touch<'_>; 5] = [
        ("a container", &|| docker.stop("web").unwrap(), &["containers/json"]),
        ("a network", &|| drop(docker.seed_network("other", "10.99.0.0/24").unwrap()), &["networks"]),
        ("an endpoint", &|| docker.disconnect(NETWORK, "web").unwrap(), &["containers/json"]),
        ("a volume", &|| docker.seed_volume("other").unwrap(), &["volumes"]),
        ("the engine", &|| docker.restart_engine(), &all),
    ];
    let story = async {
        let kept = async || eventually(60, "what was read is kept", async || lists(true).await.is_empty()).await;
        kept().await;
        assert_eq!(lists(false).await, all, "a person asks");
        let mut before: &[&str] = &[];
        for (what, touch, expected) in touches {
            kept().await;
            touch();
            let mut read = BTreeSet::new();
            eventually(60, what, async || {
                read.extend(lists(true).await);
                expected.iter().all(|list| read.contains(list))
            })
            .await;
            // Of one thing that happens, several events tell.
            read.retain(|list| !expected.contains(list) && !before.contains(list));
            assert_eq!(read, BTreeSet::new(), "{what}");
            before = expected;
        }
        kept().await;
        apply(&ours, &create(&address(Kind::Volume, "own"), &Fields::default())).await.unwrap();
        assert!(
            lists(true).await.contains(&"volumes"),
            "written by Amarre, whether the event of it has arrived or not"
        );
    };
    tokio::select! {
        () = ours.watch(Arc::default()) => (),
        () = story => (),
    }
}

/// An event about one container is none about the others.
#[tokio::test]
async fn an_event_makes_only_its_resource_be_read_again() {
    let (docker, ours) = served("home").await;
    let other = address(Kind::Container, "other").at("0123456789ab");
    let named = container().with("name", Value::text("other"));
    apply(&ours, &create(&other, &named)).await.unwrap();
    // Connected after both containers were made: their events are past for it.
    let ours = provider(&docker, "home");
    let inspected = || {
        let calls = docker.server.journal.calls();
        calls.iter().filter(|call| call.path.ends_with("/json") && call.path.contains("/containers/")).count()
    };
    observe(&ours).await;
    let wake = Arc::new(Notify::new());
    let told = async {
        let is_watched = || docker.server.journal.calls().iter().any(|call| call.path.contains("/events"));
        eventually(60, "a watch", async || is_watched()).await;
        docker.stop("other").unwrap();
        docker.start_container("other").unwrap();
        wake.notified().await;
    };
    tokio::select! {
        () = ours.watch(wake.clone()) => (),
        () = told => (),
    }
    docker.server.journal.clear();
    observe(&ours).await;
    assert_eq!(inspected(), 1, "{:?}", docker.server.journal.calls());
}

/// An engine that is asked what has happened until a time that is yet to come waits for it.
#[tokio::test]
async fn removal_is_attributed_from_past_events_only() {
    let (docker, ours) = served("home").await;
    let seen = observe(&ours).await.seen.remove(&web()).unwrap();
    docker.remove("web").unwrap();
    let now = Timestamp(jiff::Timestamp::now().as_millisecond());
    let (since, last_well) = (Timestamp(now.0 - 60_000), Timestamp::default());
    let touched = Difference { address: web(), vendor_id: seen.vendor_id, since, last_well };
    let traces = ours.attribute(&[touched], now).await;
    assert_eq!(traces[&web()].evidence, "Docker event");
    let calls = docker.server.journal.calls();
    let query = calls.iter().find_map(|call| call.path.split_once("/events?").map(|(_, query)| query)).unwrap();
    let until = query.split('&').find_map(|pair| pair.strip_prefix("until=")).unwrap();
    assert!(until.parse::<f64>().unwrap() < (now.0 + 2) as f64 / 1000.0, "{until}");
}

/// Engines get new sorts of events: one that is not known is left out, and the others still come.
#[tokio::test]
async fn an_event_of_a_new_sort_does_not_end_the_watch() {
    let (docker, ours) = served("home").await;
    let wake = Arc::new(Notify::new());
    let told = async {
        let is_watched = || docker.server.journal.calls().iter().any(|call| call.path.contains("/events"));
        eventually(60, "a watch", async || is_watched()).await;
        docker.tell("tenant", "moved");
        docker.stop("web").unwrap();
        wake.notified().await;
        docker.tell("tenant", "moved again");
        docker.start_container("web").unwrap();
        wake.notified().await;
    };
    tokio::select! {
        () = ours.watch(wake.clone()) => (),
        () = told => (),
    }
    let watches = docker.server.journal.calls().iter().filter(|call| call.path.contains("/events")).count();
    assert_eq!(watches, 1, "it is still the first one");
}

/// Ten megabytes of labels in one container, and seventy in twenty of them: an image can bring them, too.
#[tokio::test]
async fn labels_that_fill_the_list_hide_their_containers_and_no_other() {
    let (docker, ours) = served("home").await;
    let labels =
        |bytes: usize| -> serde_json::Value { json!({"a": "{".repeat(bytes / 2), "b": "L".repeat(bytes / 2)}) };
    let body = |bytes: usize| json!({"Image": "web:1", "Labels": labels(bytes)});
    docker.seed("giant", body(10_000_000)).unwrap();
    let mut applied = BTreeMap::new();
    for number in 0..20 {
        let name = format!("evil{number}");
        let id = docker.seed(&name, body(3_500_000)).unwrap();
        let row = Applied { service: "evil".to_owned(), vendor_id: id, fields: container() };
        applied.insert(address(Kind::Container, &name).at("0123456789ab"), row);
    }
    let wanted = applied.keys().next().unwrap().clone();
    let ask = ObserveQuery {
        now: Timestamp(1_800_000_000_000),
        wanted: BTreeMap::from([(web(), container()), (wanted.clone(), container())]),
        applied,
        ..ObserveQuery::default()
    };
    let observation = ours.observe(&ask).await;
    assert!(observation.seen.contains_key(&web()), "{:?}", observation.gaps);
    assert_eq!(observation.seen[&web()].fields.flag("running"), Some(true));
    let hidden: Vec<&Address> = observation.gaps.iter().map(|gap| gap.scope.resource().unwrap()).collect();
    assert!(
        observation.gaps.iter().all(|gap| gap.code == Code::A0542 && !gap.covers(&web())),
        "{:?}",
        observation.gaps
    );
    assert!(hidden.contains(&&address(Kind::Container, "giant")));
    assert!(!observation.gaps.iter().any(|gap| gap.covers(&address(Kind::Network, NETWORK))));
    // What the ledger knows and no manifest wants can go, though it is not read.
    let may_go = |address: &&Address| address.name.starts_with("evil") && ask.applied.contains_key(*address);
    let ours_to_go: Vec<&Address> =
        observation.seen.iter().filter(|(_, seen)| seen.owner.is_ours()).map(|(a, _)| a).filter(may_go).collect();
    assert!(!ours_to_go.is_empty() && !ours_to_go.contains(&&wanted));
    for address in ours_to_go.clone() {
        apply(&ours, &delete(address, &observation.seen[address])).await.unwrap();
        assert!(!docker.containers().iter().any(|one| one["Name"] == format!("/{}", address.name)));
    }
}
