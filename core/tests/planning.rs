//! How long the pure part takes: reading manifests, the first plan for an empty server to its very end, and one quiet look
//! at a server where everything is as it should be.
//!
//! `scripts/bench planning` prints a table. Figures are of one run on one machine; what counts are the ratios.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]
#![expect(clippy::disallowed_types, reason = "a bench measures")]

#[path = "../../tests/bench/rows.rs"]
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use amarre_core::manifest::{SourceFile, load};
use amarre_core::model::reservations::{PoolMachine, Reservation, ReservationState, step};
use amarre_core::model::world::Applied;
use amarre_core::model::{Assets, Facts, Millis, Requests, Service, Site, Timestamp, World};
use amarre_core::plan::kept::{Digests, Kept};
use amarre_core::plan::render::{self, Style};
use amarre_core::plan::{forecast, pass};

use amarre_testkit::scene::{START, Scene, empty_server, site};

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many as one source may hold.
const FILES_MAX: usize = 10_000;
const ROUNDS: usize = 5;
/// What takes seconds is done once.
const ROUNDS_UP_TO: usize = 2_000;

fn main() {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    let smoke = has("--smoke");
    let sizes: &[usize] = match (smoke, has("--quiet")) {
        (true, _) => &[200, 2_000],
        // For a profiler.
        (false, true) => &[10_000],
        (false, false) => &[10_000, 100_000],
    };
    println!(
        "{:>9} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "services", "read", "first plan", "quiet look", "the same", "per service"
    );
    let mut looks = Vec::new();
    for &count in sizes {
        let (scene, read) = scene(count);
        let began = Instant::now();
        let world = settled(&scene);
        let first = began.elapsed();
        let facts = known(&scene, &world);
        let quiet = fastest(|| {
            scene.with_input(&world, &facts, START, |input| {
                let (_, plan) = pass(input);
                assert!(plan.changes.is_empty(), "{:#?}", plan.changes.first());
            });
        });
        let (digests, mut plans) = (Digests::default(), Kept::default());
        let kept = fastest(|| {
            scene.with_input(&world, &facts, START, |input| {
                let digest = digests.of_input(input, digests.of_services(input.services), &());
                assert!(plans.of(digest, input, pass).1.changes.is_empty());
            });
        });
        println!(
            "{count:>9} {:>9.0} ms {:>9.0} ms {:>9.0} ms {:>9.0} ms {:>9.1} µs",
            millis(read),
            millis(first),
            millis(quiet),
            millis(kept),
            millis(quiet) * 1000.0 / count as f64
        );
        if count == FILES_MAX {
            rows::note("reading 10,000 manifests", millis(read), 1000.0, " ms", 0);
            rows::note("planning 10,000 quiet services", millis(quiet), 250.0, " ms", 0);
            rows::note("the same once more, nothing changed", millis(kept), 100.0, " ms", 0);
        }
        looks.push(quiet);
    }
    if let [few, many] = looks.as_slice() {
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        println!("{} times the services take {ratio:.1} times as long", sizes[1] / sizes[0]);
        rows::note("10 times as many services", ratio, 11.0, "×", 1);
    }
    if has("--quiet") {
        return;
    }
    choosing();
    new_services(if smoke { &[50, 200] } else { &[500, 1_000, 2_000, 10_000] });
}

/// An hour of 200 people who ask for machines in bursts: every choice, with 500 machines and with 20.
fn choosing() {
    let took = [500, 20].map(|count| {
        let mut given = 0;
        let time = fastest(|| given = lend_for_an_hour(count));
        println!("{count:>9} machines lent for an hour: {given} reservations served, {:.1} ms in all", millis(time));
        // More machines serve more people in the same hour: what one costs is compared.
        time.as_secs_f64() / f64::from(u32::try_from(given).unwrap_or(u32::MAX).max(1))
    });
    let ratio = took[0] / took[1];
    rows::note("a reservation among 500 machines beside 20", ratio, 10.0, "×", 1);
}

/// Each minute a step, every fifth one with a burst. Answers how many reservations got machines.
fn lend_for_an_hour(count: usize) -> usize {
    const PEOPLE: u64 = 200;
    const QUEUE: usize = 50;
    let machine = |number: usize| PoolMachine {
        name: format!("m{number}"),
        is_usable: true,
        accounts: BTreeSet::new(),
        rested_since: Timestamp(0),
    };
    let machines: Vec<PoolMachine> = (0..count).map(machine).collect();
    let (mut live, mut given, mut next): (Vec<Reservation>, usize, u64) = (Vec::new(), 0, 1);
    for minute in 0..60 {
        let now = START + Millis::minutes(minute);
        for person in 0..PEOPLE {
            let waiting = live.iter().filter(|one| one.state == ReservationState::Open).count();
            let (user, by) = (format!("u{person}"), format!("p{person}"));
            if minute % 5 != 0 || waiting >= QUEUE || live.iter().any(|one| one.by == by) {
                continue;
            }
            let (count, length) =
                (usize::try_from(person % 3).unwrap() + 1, Millis::minutes(10 + (next % 6 * 10).cast_signed()));
            let state = ReservationState::Open;
            live.push(Reservation { id: next, user, by, count, partly: false, asked: now, from: now, length, state });
            next += 1;
        }
        for change in step(&machines, &live, now) {
            given += usize::from(matches!(change.state, ReservationState::Held { .. }));
            live.iter_mut().filter(|one| one.id == change.id).for_each(|one| one.state = change.state.clone());
        }
        live.retain(Reservation::is_live);
    }
    given
}

/// What `amarre plan` works out of an empty server, and shows: every look until all is done, then the text.
fn new_services(sizes: &[usize]) {
    println!("{:>9} {:>12} {:>12} {:>12} {:>12}", "new", "planned", "as text", "per service", "changes");
    let mut times: BTreeMap<usize, Duration> = BTreeMap::new();
    for &count in sizes {
        let (scene, _) = scene(count);
        let (world, facts) = (empty_server(), Facts::default());
        let plan = || {
            scene.with_input(&world, &facts, START, |input| {
                let began = Instant::now();
                let done = forecast::forecast(input);
                let planned = began.elapsed();
                assert!(done.settled, "{:#?}", done.plan.changes.last());
                let text = render::text::plan(input, &done, "services @ 5e1c0aa", Style::PLAIN);
                assert!(text.contains(&format!("+ s{}   ", count - 1)), "the last one is in the plan");
                (began.elapsed(), planned, done.plan.changes.len())
            })
        };
        let rounds = if count > ROUNDS_UP_TO { 1 } else { ROUNDS };
        let (took, planned, changes) = (0..rounds).map(|_| plan()).min().unwrap();
        println!(
            "{count:>9} {:>9.0} ms {:>9.0} ms {:>9.1} µs {changes:>12}",
            millis(planned),
            millis(took - planned),
            millis(took) * 1000.0 / count as f64,
        );
        times.insert(count, took);
        if count == FILES_MAX {
            rows::note("planning 10,000 new services", took.as_secs_f64(), 20.0, " s", 1);
        }
    }
    if let (Some(few), Some(many)) = (times.get(&500), times.get(&2_000)) {
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        println!("2,000 new services take {ratio:.1} times as long as 500");
        rows::note("2,000 new services beside 500", ratio, 5.0, "×", 1);
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn fastest(mut what: impl FnMut()) -> Duration {
    let time = |_| {
        let began = Instant::now();
        what();
        began.elapsed()
    };
    (0..ROUNDS).map(time).min().unwrap()
}

/// Services as most are: one container with a variable, a volume and a route. Also how long reading took.
fn scene(count: usize) -> (Scene, Duration) {
    let site = if std::env::args().any(|arg| arg == "--full") {
        site()
    } else {
        Site { pools: vec!["10.0.0.0/8".parse().unwrap()], prefix: 28, ..site() }
    };
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    let mut read = Duration::ZERO;
    let numbers: Vec<usize> = (0..count).collect();
    for part in numbers.chunks(FILES_MAX) {
        let file = |number: &usize| SourceFile {
            path: format!("services/s{number}.yaml"),
            text: format!(
                "name: s{number}\nimage: web:1\nport: 80\nenvironment: {{TZ: Europe/Paris}}\nvolumes: ['data:/data']\n"
            ),
        };
        let files: Vec<SourceFile> = part.iter().map(file).collect();
        let began = Instant::now();
        let loaded = load(&files, &Assets::new(), &site);
        read += began.elapsed();
        assert!(loaded.broken.is_empty(), "{:#?}", loaded.diagnostics.first());
        services.extend(loaded.services.into_iter().map(|service| (service.name.clone(), service)));
    }
    let scene = Scene {
        services,
        site,
        marks: BTreeMap::new(),
        sick: BTreeMap::new(),
        declares: BTreeMap::new(),
        requests: Requests::default(),
    };
    (scene, read)
}

/// What the ledger knows then.
fn known(scene: &Scene, world: &World) -> Facts {
    let (wants, _) = scene.with_input(world, &Facts::default(), START, pass);
    let good = wants.good.into_iter().map(|good| (good.base, (good.generation, good.fields)));
    let applied = world.seen.iter().filter_map(|(address, seen)| {
        let service = seen.service.clone().filter(|_| seen.owner.is_ours())?;
        let applied = Applied { service, vendor_id: seen.vendor_id.clone(), fields: seen.fields.clone() };
        Some((address.clone(), applied))
    });
    Facts { last_good: good.collect(), applied: applied.collect(), ..Facts::default() }
}

/// The server when everything has been done.
fn settled(scene: &Scene) -> World {
    let done = scene.with_input(&empty_server(), &Facts::default(), START, forecast::forecast);
    assert!(done.settled, "{:#?}", done.plan.changes.last());
    done.world
}
