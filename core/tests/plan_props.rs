//! The promises of `oracle.rs` in the test kit, of random worlds: earlier manifests, others, and back again, with somebody
//! meddling in between.

use std::collections::{BTreeMap, BTreeSet};

use amarre_core::model::{Code, Facts, Gap, GapScope, Kind, Owner, ProviderId, Readiness, Value};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use amarre_testkit::oracle::broken_promises;
use amarre_testkit::scene::{START, Scene, empty_server, site};
use amarre_testkit::state::State;
use amarre_testkit::walk::{Crash, Turns, cut, walk};

/// Services that there may be.
const SERVICES: [&str; 3] = ["api", "blog", "cloud"];
/// Names that they may have; fewer than services have places, so that they move.
const DOMAINS: [&str; 4] = ["one", "two", "three", "four"];

/// What a service may look like.
#[derive(Debug, Clone)]
struct Shape {
    image: u8,
    variable: u8,
    volume: bool,
    port: bool,
    sibling: bool,
    depends: bool,
    network: u8,
    list: bool,
    certificate: bool,
    dns: bool,
    /// A job before updates.
    job: bool,
    /// It is made anew with its database.
    follows: bool,
    /// It needs the service before it.
    needs: bool,
}

/// Manifests of a moment: a shape for each service that is there, and which domains it has.
#[derive(Debug, Clone)]
struct Moment {
    shapes: Vec<Option<Shape>>,
    owners: Vec<u8>,
    main: u8,
}

/// Something that somebody does to the world.
#[derive(Debug, Clone)]
enum Meddling {
    Remove(u16),
    Stop(u16, i64),
    Edit(u16),
    LoseMark(u16),
}

fn shape() -> impl Strategy<Value = Shape> {
    let flags = (any::<bool>(), prop::bool::weighted(0.2), any::<bool>(), any::<bool>());
    let more = (0u8..4, prop::bool::weighted(0.3), prop::bool::weighted(0.2), prop::bool::weighted(0.8));
    let waits = (prop::bool::weighted(0.25), prop::bool::weighted(0.3), prop::bool::weighted(0.3));
    (0u8..2, 0u8..2, flags, more, waits).prop_map(|(image, variable, flags, more, waits)| Shape {
        image,
        variable,
        volume: flags.0,
        port: flags.1,
        sibling: flags.2,
        depends: flags.3,
        network: more.0,
        list: more.1,
        certificate: more.2,
        dns: more.3,
        job: waits.0,
        follows: waits.1,
        needs: waits.2,
    })
}

fn moment() -> impl Strategy<Value = Moment> {
    let shapes = prop::collection::vec(prop::option::weighted(0.75, shape()), SERVICES.len());
    let owners = prop::collection::vec(0u8..4, DOMAINS.len());
    (shapes, owners, 0u8..4).prop_map(|(shapes, owners, main)| Moment { shapes, owners, main })
}

fn meddling() -> impl Strategy<Value = Meddling> {
    prop_oneof![
        any::<u16>().prop_map(Meddling::Remove),
        (any::<u16>(), prop_oneof![Just(60i64), Just(3600)]).prop_map(|(which, ago)| Meddling::Stop(which, ago)),
        any::<u16>().prop_map(Meddling::Edit),
        any::<u16>().prop_map(Meddling::LoseMark),
    ]
}

/// The manifests of a moment as files.
fn files(moment: &Moment) -> Vec<(String, String)> {
    let mut files = vec![
        (
            "services/family.yaml".to_owned(),
            "{kind: AccessList, name: family, users: {anna: {secret: anna}}}".to_owned(),
        ),
        ("services/back.yaml".to_owned(), "{kind: Network, name: back, subnet: 172.20.250.0/24}".to_owned()),
    ];
    for (at, name) in SERVICES.iter().enumerate() {
        let Some(shape) = &moment.shapes[at] else { continue };
        files.push((format!("services/{name}.yaml"), manifest(moment, at, name, shape)));
    }
    files
}

fn manifest(moment: &Moment, at: usize, name: &str, shape: &Shape) -> String {
    let mut app = format!("image: 'app:{}', environment: {{A: '{}', B: {{secret: b}}}}", shape.image, shape.variable);
    if shape.volume {
        app.push_str(", volumes: ['data:/data']");
    }
    if shape.port {
        app.push_str(&format!(", ports: ['127.0.0.1:808{at}:80']"));
    }
    if shape.sibling && shape.depends {
        app.push_str(&format!(", depends_on: {{db: {{condition: service_healthy, restart: {}}}}}", shape.follows));
    }
    let db = if shape.sibling { ", db: {image: 'db:1', volumes: ['db:/db']}" } else { "" };
    let mut domains: Vec<&str> =
        DOMAINS.iter().zip(&moment.owners).filter(|(_, owner)| usize::from(**owner) == at).map(|(d, _)| *d).collect();
    let turn = usize::from(moment.main) % domains.len().max(1);
    domains.rotate_left(turn);
    let mut text = format!("name: {name}\ncontainers: {{app: {{{app}}}{db}}}\n");
    if let Some((main, aliases)) = domains.split_first() {
        let list = if shape.list { ", access_list: family" } else { "" };
        let tls = if shape.certificate { ", tls: wild" } else { "" };
        let aliases = aliases.join(", ");
        text.push_str(&format!("routes: [{{domain: {main}, aliases: [{aliases}], to: 'app:80'{list}{tls}}}]\n"));
    }
    if shape.job {
        text.push_str("jobs: {backup: {image: 'job:1', volumes: ['data:/data:ro'], timeout: 5m}}\n");
    }
    let before = at.checked_sub(1).filter(|before| shape.needs && moment.shapes[*before].is_some());
    if let Some(before) = before {
        text.push_str(&format!("needs: [{}]\n", SERVICES[before]));
    }
    match shape.network {
        0 => text.push_str("network: back\n"),
        1 => text.push_str(&format!("network: {{subnet: 172.20.10{at}.0/24}}\n")),
        _ => (),
    }
    if !shape.dns {
        text.push_str("dns: none\n");
    }
    text
}

fn scene(moment: &Moment) -> Scene {
    Scene::of(&files(moment), &site(), &BTreeMap::new())
}

fn start() -> State {
    let mut raw = empty_server();
    let wild = "npm/certificate/wild".parse().unwrap();
    let fields = amarre_core::model::Fields::default().with("domains", Value::texts(["*.example.org"]));
    raw.seen.insert(wild, amarre_testkit::scene::seen(fields, Owner::Foreign, None, "id-1"));
    State { raw, facts: Facts::default(), confirmed: BTreeSet::new(), now: START, ids: 100 }
}

/// Somebody does something to one of our things.
fn meddle(state: &mut State, meddling: &Meddling) {
    let kinds = |meddling: &Meddling, kind: Kind| match meddling {
        Meddling::Remove(_) => !matches!(kind, Kind::Network | Kind::Volume | Kind::Image | Kind::AccessList),
        Meddling::Stop(..) => kind == Kind::Container,
        Meddling::Edit(_) => matches!(kind, Kind::ProxyHost | Kind::Record),
        Meddling::LoseMark(_) => matches!(kind, Kind::ProxyHost | Kind::Record),
    };
    let ours: Vec<_> = state
        .raw
        .seen
        .iter()
        .filter(|(address, seen)| seen.owner.is_ours() && kinds(meddling, address.kind))
        .map(|(address, _)| address.clone())
        .collect();
    let (Meddling::Remove(which) | Meddling::Stop(which, _) | Meddling::Edit(which) | Meddling::LoseMark(which)) =
        meddling;
    let Some(address) = ours.get(usize::from(*which) % ours.len().max(1)).cloned() else { return };
    let Some(seen) = state.raw.seen.get_mut(&address) else { return };
    match meddling {
        Meddling::Remove(_) => drop(state.raw.seen.remove(&address)),
        Meddling::Stop(_, ago) => {
            seen.fields.set("running", Value::Bool(false));
            seen.fields.set("finished_at_ms", Value::Int(state.now.0 - ago * 1000));
            seen.ready = Readiness::Failed { why: "exited with code 0".into() };
        }
        Meddling::Edit(_) if address.kind == Kind::ProxyHost => {
            seen.fields.set("forward_host", Value::text("192.168.1.9"));
            seen.fields.set("enabled", Value::Bool(false));
        }
        Meddling::Edit(_) => seen.fields.set("values", Value::texts(["198.51.100.7"])),
        Meddling::LoseMark(_) => {
            seen.owner = Owner::MarkLost;
            seen.fields.set("mark", Value::Bool(false));
        }
    }
}

fn gap(provider: ProviderId) -> Gap {
    Gap {
        provider,
        scope: GapScope::Whole,
        code: Code::A0901,
        message: "could not be reached".into(),
        hint: "".into(),
        since: START,
    }
}

fn check(story: &str, moment: &Moment, state: &State) -> Result<(), TestCaseError> {
    let broken = broken_promises(&scene(moment), state);
    let manifests = files(moment);
    prop_assert!(broken.is_empty(), "{story}: {broken:#?}\n{manifests:#?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 100, rng_seed: seed(), ..ProptestConfig::default() })]

    #[test]
    fn plan_goes_from_any_manifests_to_any_others_and_back(first in moment(), second in moment()) {
        let start = start();
        check("new", &first, &start)?;
        let there = walk(&scene(&first), &start, Turns::AsPlanned).end;
        check("changed", &second, &there)?;
        let changed = walk(&scene(&second), &there, Turns::AsPlanned).end;
        check("back", &first, &changed)?;
    }

    #[test]
    fn plan_puts_right_what_somebody_did(
        moment in moment(), other in moment(), changes in prop::collection::vec(meddling(), 1..4),
    ) {
        let mut there = walk(&scene(&moment), &start(), Turns::AsPlanned).end;
        changes.iter().for_each(|meddling| meddle(&mut there, meddling));
        check("put right", &moment, &there)?;
        check("put right and changed", &other, &there)?;
    }

    #[test]
    fn plan_lives_with_any_gap(first in moment(), second in moment(), hidden in 0usize..3) {
        let mut there = walk(&scene(&first), &start(), Turns::AsPlanned).end;
        let providers = [ProviderId::docker("default"), ProviderId::npm("main"), ProviderId::ovh()];
        there.raw.gaps = vec![gap(providers[hidden].clone())];
        check("hidden", &second, &there)?;
    }

    #[test]
    fn plan_is_overtaken_at_any_point(
        first in moment(), second in moment(), third in moment(), at in any::<u16>(),
    ) {
        let there = walk(&scene(&first), &start(), Turns::AsPlanned).end;
        let way = walk(&scene(&second), &there, Turns::AsPlanned);
        let count = usize::from(at) % (way.steps.len() + 1);
        let state = cut(&way, &there, count, Crash::Between).unwrap();
        check("overtaken", &third, &state)?;
    }
}

/// `PROPTEST_CASES` asks for more, and for others each time; without it a run can be repeated.
fn cases() -> u32 {
    asked().unwrap_or(6)
}

fn seed() -> RngSeed {
    if asked().is_some() { RngSeed::Random } else { RngSeed::Fixed(2026) }
}

fn asked() -> Option<u32> {
    std::env::var_os("PROPTEST_CASES").and_then(|cases| cases.to_str()?.parse().ok())
}
