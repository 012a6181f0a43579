//! Reads a case. Its form is in `tests/cases/plan/README.md`.

use std::collections::{BTreeMap, BTreeSet};

use amarre_core::model::site::{HostSite, NpmSite, PublicAddress, Reach, Site};
use amarre_core::model::world::{Applied, Order, Ordered, Outage, Suspension};
use amarre_core::model::{
    Address, Asset, Assets, Code, Commit, Facts, Fields, Gap, GapScope, Kind, Mark, Millis, Owner, ProviderId,
    Readiness, SecretName, Timestamp, Value, World,
};
use serde::Deserialize;
use serde_json::Value as Json;

use amarre_testkit::scene::{CANARY, START, Scene, Sick, empty_server, seen, site};
use amarre_testkit::state::State;
use amarre_testkit::walk::{self, Crash, Turns};

/// A case, read.
pub struct Case {
    pub story: String,
    pub scene: Scene,
    pub start: State,
    /// Services that the plan must say are away for a while; `None` = not asked.
    pub downtime: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    manifests: BTreeMap<String, String>,
    #[serde(default)]
    site: SiteFile,
    #[serde(default)]
    observed: Observed,
    #[serde(default)]
    gaps: Vec<String>,
    #[serde(default)]
    facts: FactsFile,
    /// Versions of secrets; `1` unless said otherwise.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    sick: BTreeMap<String, String>,
    /// Paths that images declare as volumes.
    #[serde(default)]
    declares: BTreeMap<String, Vec<String>>,
    /// NPMs with the e-mail address of their account, where Let's Encrypt refuses it.
    #[serde(default)]
    mail_refused: BTreeMap<String, String>,
    confirm: Option<usize>,
    downtime: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SiteFile {
    address: Vec<String>,
    also_at: Vec<String>,
    npm: NpmFile,
    pools: Vec<String>,
    prefix: Option<u8>,
    avoid: Vec<String>,
    domains: Vec<String>,
    has_dns: Option<bool>,
    prune: Option<bool>,
    private_address: Option<String>,
    publishes_on_ipv6: Option<bool>,
    /// First and last.
    publish_ports: Option<(u16, u16)>,
    /// Another host, called `nas`, that is reached by published ports.
    nas: Option<NasFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NasFile {
    address: String,
    private_address: String,
    publish_ports: (u16, u16),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct NpmFile {
    container: Option<String>,
    reach: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Observed {
    /// Earlier manifests, each carried out before the next.
    from: Vec<Stage>,
    add: Vec<Thing>,
    patch: BTreeMap<String, Thing>,
    remove: Vec<String>,
    routes: Vec<String>,
    /// Those of the engine's host, where Amarre knows them.
    addresses: Option<BTreeSet<std::net::IpAddr>>,
    /// Docker started so long ago.
    engine_started_s: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    manifests: BTreeMap<String, String>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    sick: BTreeMap<String, String>,
    /// Where it was otherwise then.
    site: Option<SiteFile>,
    /// Things that are there before.
    #[serde(default)]
    with: Vec<Thing>,
    /// What became of things since the stage before.
    #[serde(default)]
    patch: BTreeMap<String, Thing>,
    /// Stops after so many changes.
    cut: Option<usize>,
    crash: Option<String>,
    /// Until the next stage; an hour, after a cut 5 seconds.
    later_s: Option<i64>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
struct Thing {
    address: String,
    fields: BTreeMap<String, Json>,
    owner: Option<Json>,
    ready: Option<Json>,
    service: Option<String>,
    id: Option<String>,
    /// A container that somebody stopped so many seconds ago.
    stopped_s: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FactsFile {
    /// `none`: the ledger is lost.
    applied: Option<String>,
    leases: BTreeMap<String, String>,
    refused: Vec<String>,
    /// Ports, by engine.
    refused_ports: BTreeMap<String, Vec<u16>>,
    /// Leased ports, by container.
    ports: BTreeMap<String, Vec<u16>>,
    /// Seconds ago.
    open_intents: BTreeMap<String, i64>,
    /// Certificates that were asked for: which, how many hours ago, and `issued`, `failed` or `unknown`.
    orders: Vec<(String, i64, String)>,
    /// For how many seconds containers were away in earlier updates, the newest last.
    downtimes: BTreeMap<String, Vec<i64>>,
    suspended: BTreeMap<String, SuspendedFile>,
    frozen: Vec<String>,
    /// What calls that are on their way may still make.
    promised: BTreeMap<String, BTreeMap<String, Json>>,
    /// What calls on their way delete.
    going: Vec<String>,
    prune_blocked: bool,
    /// Commits that removed manifests, oldest first.
    removed: Vec<RemovedFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemovedFile {
    commit: String,
    subject: String,
    author: String,
    /// Files, each with the service that stood in it.
    files: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SuspendedFile {
    destroy: bool,
    purge: bool,
}

/// Reads one case.
#[track_caller]
pub fn read(name: &str, text: &str) -> Case {
    let story = text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("the first line tells the story");
    let file: CaseFile = serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let site = site_of(&file.site);
    let mut scene = scene(&file.manifests, &site, &file.secrets, &file.sick);
    scene.requests.confirmed_deletes = file.confirm;
    scene.declares.clone_from(&file.declares);
    let mut state =
        State { raw: empty_server(), facts: Facts::default(), confirmed: BTreeSet::new(), now: START, ids: 100 };
    for stage in &file.observed.from {
        run_stage(name, stage, &site, &file.declares, &mut state);
    }
    for stage in &file.observed.from {
        let before = self::scene(&stage.manifests, &site, &stage.secrets, &stage.sick);
        let gone = before.services.into_iter().filter(|(service, _)| !scene.services.contains_key(service));
        state.facts.gone.extend(gone.map(|(service, manifest)| (service, manifest.reconcile)));
    }
    put(&file.observed.add, &mut state);
    patch(&file.observed.patch, &mut state);
    for address in &file.observed.remove {
        for address in matching(&state.raw, address) {
            state.raw.seen.remove(&address);
        }
    }
    let docker = scene.site.hosts["default"].docker.clone();
    let started = file.observed.engine_started_s.map(|ago| state.now + Millis::seconds(-ago));
    state.raw.started.extend(started.map(|at| (docker.clone(), at)));
    state.raw.addresses.extend(file.observed.addresses.clone().map(|addresses| (docker.clone(), addresses)));
    state.raw.routes.insert(docker, file.observed.routes.iter().map(|route| route.parse().unwrap()).collect());
    let refused = file.mail_refused.iter().map(|(npm, address)| (ProviderId::npm(npm), address.clone()));
    state.raw.mail_refused = refused.collect();
    state.raw.gaps = file.gaps.iter().map(|gap| gap_of(gap)).collect();
    facts(&file.facts, &mut state);
    Case { story: story.to_owned(), scene, start: state, downtime: file.downtime }
}

fn scene(
    manifests: &BTreeMap<String, String>,
    site: &Site,
    secrets: &BTreeMap<String, String>,
    sick: &BTreeMap<String, String>,
) -> Scene {
    // `shop.compose.yaml` is a file that a manifest names.
    let (assets, manifests): (Vec<_>, Vec<_>) = manifests.iter().partition(|(name, _)| name.contains('.'));
    let asset = |(name, text): (&String, &String)| (format!("services/{name}"), Asset::of(text.as_bytes(), false));
    let assets: Assets = assets.into_iter().map(asset).collect();
    let files: Vec<(String, String)> =
        manifests.into_iter().map(|(name, text)| (format!("services/{name}.yaml"), text.clone())).collect();
    let mut scene = Scene::beside(&files, &assets, site, secrets);
    scene.sick = sick
        .iter()
        .map(|(image, how)| {
            let how = if how == "hangs" { Sick::Hangs } else { Sick::Exits };
            (image.clone(), how)
        })
        .collect();
    scene
}

fn site_of(file: &SiteFile) -> Site {
    let mut site = site();
    let host = site.hosts.get_mut("default").unwrap();
    if !file.address.is_empty() {
        let address =
            |text: &String| text.parse().map_or_else(|_| PublicAddress::Name(text.clone()), PublicAddress::Ip);
        host.address = file.address.iter().map(address).collect();
    }
    host.also_at = file.also_at.iter().map(|text| text.parse().unwrap()).collect();
    let npm = host.npm.as_mut().unwrap();
    match file.npm.container.as_deref() {
        Some("none") => npm.container = None,
        Some(name) => npm.container = Some(name.to_owned()),
        None => (),
    }
    npm.reach = match file.npm.reach.as_deref() {
        Some("host") => Reach::Host,
        Some("network") => Reach::Network,
        Some("edge") => Reach::Edge,
        Some("published") => Reach::Published,
        _ => Reach::Auto,
    };
    host.private_address = file.private_address.as_ref().map(|text| text.parse().unwrap());
    host.publish_ports = file.publish_ports;
    host.publishes_on_ipv6 = file.publishes_on_ipv6.unwrap_or(host.publishes_on_ipv6);
    if let Some(nas) = &file.nas {
        let npm = NpmSite { container: None, reach: Reach::Published, ..host.npm.clone().unwrap() };
        let nas = HostSite {
            docker: ProviderId::docker("nas"),
            address: vec![PublicAddress::Ip(nas.address.parse().unwrap())],
            private_address: Some(nas.private_address.parse().unwrap()),
            publish_ports: Some(nas.publish_ports),
            npm: Some(npm),
            ..host.clone()
        };
        site.hosts.insert("nas".to_owned(), nas);
    }
    if !file.pools.is_empty() {
        site.pools = file.pools.iter().map(|pool| pool.parse().unwrap()).collect();
    }
    site.avoid = file.avoid.iter().map(|subnet| subnet.parse().unwrap()).collect();
    site.prefix = file.prefix.unwrap_or(site.prefix);
    site.prune = file.prune.unwrap_or(site.prune);
    if file.has_dns == Some(false) {
        site.zones.clear();
    }
    if !file.domains.is_empty() {
        site.domains.clone_from(&file.domains);
    }
    site
}

/// Carries earlier manifests out.
#[track_caller]
fn run_stage(name: &str, stage: &Stage, site: &Site, declares: &BTreeMap<String, Vec<String>>, state: &mut State) {
    put(&stage.with, state);
    patch(&stage.patch, state);
    let own = stage.site.as_ref().map(site_of);
    let mut scene = scene(&stage.manifests, own.as_ref().unwrap_or(site), &stage.secrets, &stage.sick);
    scene.declares.clone_from(declares);
    let walk = walk::walk(&scene, state, Turns::AsPlanned);
    assert!(walk.wrong.is_empty(), "{name}, while the earlier manifests are carried out: {:#?}", walk.wrong);
    let crash = match stage.crash.as_deref() {
        None => Crash::Between,
        Some("after") => Crash::AfterEffect,
        Some("before") => Crash::BeforeEffect,
        Some("ledger_lost") => Crash::LedgerLost,
        Some(other) => panic!("{name}: no such crash: {other}"),
    };
    let start = state.clone();
    let count = stage.cut.unwrap_or(walk.steps.len());
    assert!(count <= walk.steps.len(), "{name}: only {} changes to cut after", walk.steps.len());
    *state = match stage.cut {
        None if stage.crash.is_none() => walk.end,
        _ => walk::cut(&walk, &start, count, crash).unwrap(),
    };
    let later = stage.later_s.unwrap_or(if stage.cut.is_some() { 5 } else { 3600 });
    state.now = state.now + Millis::seconds(later);
}

fn put(things: &[Thing], state: &mut State) {
    for thing in things {
        let address: Address = thing.address.parse().unwrap();
        state.ids += 1;
        let id = format!("id-{}", state.ids);
        let entry = seen(Fields::default(), Owner::Foreign, None, &id);
        state.raw.seen.insert(address.clone(), entry);
        change(state, &address, thing);
        let entry = &state.raw.seen[&address];
        if entry.owner.is_ours() {
            let service = entry.service.clone().expect("what is ours says for which service");
            let row = Applied { service, vendor_id: entry.vendor_id.clone(), fields: entry.fields.clone() };
            state.facts.applied.insert(address, row);
        }
    }
}

fn patch(patches: &BTreeMap<String, Thing>, state: &mut State) {
    for (address, patch) in patches {
        for address in matching(&state.raw, address) {
            change(state, &address, patch);
        }
    }
}

fn change(state: &mut State, address: &Address, patch: &Thing) {
    let now = state.now;
    let Some(thing) = state.raw.seen.get_mut(address) else { panic!("{address} is not there") };
    for (name, json) in &patch.fields {
        match name.split_once('.') {
            Some((map, key)) => {
                let mut entries = thing.fields.get(map).and_then(Value::entries).cloned().unwrap_or_default();
                entries.insert(key.to_owned(), value(json, now));
                thing.fields.set(map.to_owned(), Value::Map(entries));
            }
            None => thing.fields.set(name.clone(), value(json, now)),
        }
    }
    if let Some(owner) = &patch.owner {
        thing.owner = match owner {
            Json::String(text) if text == "ours" => Owner::Ours,
            Json::String(text) if text == "mark_lost" => Owner::MarkLost,
            Json::String(_) => Owner::Foreign,
            other => Owner::Other(other["other"].as_str().unwrap().to_owned()),
        };
        if thing.owner == Owner::MarkLost && address.kind != Kind::Container {
            thing.fields.set("mark", Value::Bool(false));
        }
    }
    if let Some(ready) = &patch.ready {
        thing.ready = readiness(ready, now);
    }
    if let Some(ago) = patch.stopped_s {
        thing.fields.set("running", Value::Bool(false));
        thing.fields.set("exit_code", Value::Int(0));
        thing.fields.set("finished_at_ms", Value::Int(now.0 - ago * 1000));
        thing.ready = Readiness::Failed { why: "exited with code 0".into() };
    }
    thing.service = patch.service.clone().or(thing.service.take());
    if let Some(id) = &patch.id {
        thing.vendor_id.clone_from(id);
    }
}

fn readiness(json: &Json, now: Timestamp) -> Readiness {
    let why = || json["why"].as_str().unwrap_or("not probed yet").to_owned();
    if json == "ready" {
        return Readiness::Ready;
    }
    match (json["not_yet_s"].as_i64(), json["failed"].as_str()) {
        (Some(ago), _) => Readiness::NotYet { since: Timestamp(now.0 - ago * 1000), why: why().into() },
        (None, Some(why)) => Readiness::Failed { why: why.into() },
        (None, None) => panic!("not a readiness: {json}"),
    }
}

/// `{secret: x}` is a secret, `{ago_s: 5}` a time, all else is what it looks like.
fn value(json: &Json, now: Timestamp) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Int(number.as_i64().unwrap()),
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::List(items.iter().map(|item| value(item, now)).collect()),
        Json::Object(entries) => match (entries.get("secret"), entries.get("ago_s")) {
            (Some(secret), _) => {
                let mark = Mark(format!("{CANARY}{}", secret.as_str().unwrap()));
                Value::secret(SecretName(String::new()), mark)
            }
            (None, Some(ago)) => Value::Int(now.0 - ago.as_i64().unwrap() * 1000),
            (None, None) => Value::Map(entries.iter().map(|(key, item)| (key.clone(), value(item, now))).collect()),
        },
    }
}

/// The address, or every generation of it; `@old` and `@new` pick one.
#[track_caller]
fn matching(raw: &World, text: &str) -> Vec<Address> {
    let (base, which) = match text.rsplit_once('@') {
        Some((base, which @ ("old" | "new"))) => (base, which),
        _ => (text, ""),
    };
    let mut found: Vec<(&Address, u64)> = raw
        .seen
        .iter()
        .filter(|(address, _)| address.to_string() == base || address.base().to_string() == base)
        .map(|(address, seen)| (address, seen.vendor_id.trim_start_matches("id-").parse().unwrap_or(0)))
        .collect();
    assert!(!found.is_empty(), "{text} is not there; there are {:?}", raw.seen.keys().map(ToString::to_string));
    found.sort_by_key(|(_, id)| *id);
    let found: Vec<Address> = found.into_iter().map(|(address, _)| address.clone()).collect();
    match which {
        "old" => found.into_iter().take(1).collect(),
        "new" => found.into_iter().next_back().into_iter().collect(),
        _ => found,
    }
}

/// `npm`, `docker`, `ovh`, a zone, or a kind: `npm/stream`.
fn gap_of(text: &str) -> Gap {
    let kind_of = |text: &str| format!("{text}/any").parse::<Address>().unwrap().kind;
    let kind = text.contains('/').then(|| kind_of(text));
    let text = text.split('/').next().unwrap();
    let is_zone = text.contains('.') && !text.starts_with("docker") && !text.starts_with("ovh-cloud");
    let provider = if is_zone { "ovh" } else { text };
    let any: Address = format!("{provider}/zone/any").parse().unwrap();
    let (code, message) = match provider.split('.').next().unwrap_or_default() {
        "npm" => ("A0601", "could not reach NPM main: connection refused".to_owned()),
        "docker" if !is_zone => ("A0502", "could not reach Docker: connection refused".to_owned()),
        "ovh-cloud" => ("A0734", "could not read the projects: OVH answers 503".to_owned()),
        _ if is_zone => ("A0701", format!("could not read zone {text}: OVH answers 500")),
        _ => ("A0702", "could not list the zones: OVH answers 503".to_owned()),
    };
    Gap {
        provider: any.provider,
        scope: match kind {
            Some(kind) => GapScope::Kind(kind),
            None if is_zone => GapScope::Zone(text.to_owned()),
            None => GapScope::Whole,
        },
        code: Code::parse(code).expect("a code"),
        message: message.into(),
        hint: "".into(),
        since: START,
    }
}

fn facts(file: &FactsFile, state: &mut State) {
    if file.applied.as_deref() == Some("none") {
        state.facts = Facts { last_good: std::mem::take(&mut state.facts.last_good), ..Facts::default() };
    }
    let (facts, now) = (&mut state.facts, state.now);
    facts.converged = facts.applied.values().map(|row| row.service.clone()).collect();
    for (network, subnet) in &file.leases {
        facts.leases.insert(network.parse().unwrap(), subnet.parse().unwrap());
    }
    facts.refused_subnets = file.refused.iter().map(|subnet| subnet.parse().unwrap()).collect();
    for (engine, ports) in &file.refused_ports {
        let any: Address = format!("{engine}/container/x").parse().unwrap();
        facts.refused_ports.insert(any.provider, ports.iter().copied().collect());
    }
    for (container, ports) in &file.ports {
        facts.ports.insert(container.parse().unwrap(), ports.iter().copied().collect());
    }
    for (name, ago, outcome) in &file.orders {
        let certificate = Address::new(ProviderId::npm("main"), Kind::Certificate, name);
        let outcome = match outcome.as_str() {
            "issued" => Ordered::Issued,
            "failed" => Ordered::Failed,
            "not_placed" => Ordered::NotPlaced,
            _ => Ordered::Unknown,
        };
        let at = Timestamp(now.0 - ago * 3_600_000);
        facts.orders.push(Order { certificate, at, outcome, code: None, until: None, forgiven: false });
    }
    for (address, ago) in &file.open_intents {
        facts.open_intents.insert(address.parse().unwrap(), Timestamp(now.0 - ago * 1000));
    }
    for (service, suspended) in &file.suspended {
        let suspension = Suspension {
            by: "alice".to_owned(),
            why: "holidays".into(),
            destroy: suspended.destroy || suspended.purge,
            purge: suspended.purge,
            at: now,
            until: None,
        };
        facts.suspended.insert(service.clone(), suspension);
    }
    for (container, lengths) in &file.downtimes {
        let away = |length: &i64| Outage {
            service: String::new(),
            vendor_id: String::new(),
            from: START,
            until: Some(START + Millis::seconds(*length)),
        };
        facts.away.insert(container.parse().unwrap(), lengths.iter().map(away).collect());
    }
    for (address, fields) in &file.promised {
        let fields = fields.iter().map(|(name, json)| (name.clone().into(), value(json, now))).collect();
        facts.in_progress.insert(address.parse().unwrap(), fields);
    }
    facts.going = file.going.iter().map(|address| address.parse().unwrap()).collect();
    facts.frozen = file.frozen.iter().cloned().collect();
    facts.prune_blocked = file.prune_blocked;
    for (at, removed) in (1..).zip(&file.removed) {
        let (id, subject, author) = (removed.commit.clone(), removed.subject.clone(), removed.author.clone());
        let commit = Commit { id, subject, author, at: Timestamp(at) };
        for (file, service) in &removed.files {
            facts.history.gone.insert(service.clone(), file.clone());
            facts.history.removed.insert(file.clone(), commit.clone());
        }
    }
}
