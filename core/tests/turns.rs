//! Who begins next: cases as text, and rounds beside jobs that never end.

use std::collections::BTreeMap;

use amarre_core::model::plan::Wait;
use amarre_core::model::{
    Address, Change, Expect, Facts, Fields, Gate, Impact, Kind, Millis, Need, Plan, Reason, ReasonCode, Text,
    Timestamp, Value, Verb, World,
};
use amarre_core::plan::safety::builds;
use amarre_core::turns::{OwnerTurns, QueuedJob, Room, begin, gives_way};
use amarre_testkit::scene::{START, Scene, site};

/// A title; then `runs` and `waits` with owner, class, rank, last turn and places; then what begins, in this order.
const CASES: &str = "
of owners that have had as much, a change begins before a look
waits look-a a 1 0 1 all:1
waits change-b b 0 1 9 all:1
begins change-b

an end begins before a begin of the same owner
waits make a 0 1 1 all:1
waits end a 0 0 9 all:1
begins end

an owner's turn comes before what its jobs are for
runs one a 0 0 - all:2
waits end a 0 0 1 all:2
waits make b 1 0 9 all:2
begins make

an owner with fewer at work comes before one with an end
runs one a 0 1 - all:3
runs two a 0 1 - all:3
waits end a 0 0 1 all:3
waits make b 0 1 9 all:3
begins make

what was never asked comes first, then what was not asked the longest
waits a x 0 0 5 all:3
waits b y 0 0 - all:3
waits c z 0 0 3 all:3
waits d w 0 0 6 all:3
begins b c a

of those that wait as long the name decides
waits b x 0 0 - all:1
waits a x 0 0 - all:1
begins a

a server that does not answer holds one slot, one that answers all
runs silent-1 s1 0 0 - all:4 dead:1
waits silent-2 s2 0 0 - all:4 dead:1
waits good-1 g1 0 0 8 all:4
waits good-2 g2 0 0 9 all:4
waits good-3 g3 0 0 9 all:4
waits good-4 g4 0 0 9 all:4
begins good-1 good-2 good-3

who finds its place full holds up none behind it
runs x a 0 0 - all:2 m1:1
waits change a 0 0 - all:2 m1:1
waits look b 1 0 - all:2 m2:1
begins look

an owner alone may have all
waits a1 a 1 0 1 all:3
waits a2 a 1 0 2 all:3
waits a3 a 1 0 3 all:3
waits a4 a 1 0 4 all:3
begins a1 a2 a3

owners take turns, however many jobs one has
waits a1 a 1 0 - all:4
waits a2 a 1 0 - all:4
waits a3 a 1 0 - all:4
waits a4 a 1 0 - all:4
waits z1 z 1 0 - all:4
waits z2 z 1 0 - all:4
begins a1 z1 a2 z2

nothing waits
runs a a 0 0 - all:1
begins

there is no room at all
waits a a 0 0 - all:0
begins
";

fn job(line: &str) -> QueuedJob {
    let mut words = line.split_whitespace();
    let mut next = || words.next().unwrap_or_else(|| panic!("{line}"));
    let (name, owner) = (next().to_owned(), next().to_owned());
    let (class, rank) = (next().parse().unwrap(), next().parse().unwrap());
    let last = match next() {
        "-" => None,
        at => Some(Timestamp(at.parse().unwrap())),
    };
    let place = |word: &str| {
        let (name, room) = word.split_once(':').unwrap();
        Room::new(name, room.parse().unwrap())
    };
    QueuedJob { name, owner, class, rank, last, places: words.map(place).collect(), ..QueuedJob::default() }
}

#[test]
fn jobs_take_their_turns_as_the_cases_say() {
    let cases: Vec<&str> = CASES.trim().split("\n\n").collect();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let (mut running, mut waiting, mut begins) = (Vec::new(), Vec::new(), None);
        for line in case.lines().skip(1) {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("runs", rest) => running.push(job(rest)),
                ("waits", rest) => waiting.push(job(rest)),
                ("begins", rest) => begins = Some(rest.split_whitespace().collect::<Vec<_>>()),
                _ => panic!("{line}"),
            }
        }
        let begun: Vec<&str> = begin(&waiting.iter().collect::<Vec<_>>(), &running)
            .into_iter()
            .map(|number| waiting[number].name.as_str())
            .collect();
        assert_eq!(Some(begun), begins, "{case}");
    }
}

/// An owner with one job beside others whose jobs take a whole turn each: it waits no longer than until each of them had one.
#[test]
fn beside_any_number_of_owners_each_is_at_most_one_round_behind() {
    for (silent, slots) in [(1, 1), (8, 4), (50, 4), (400, 8)] {
        let mut last: BTreeMap<String, Option<Timestamp>> =
            (0..silent).map(|n| (format!("aaa-{n:03}"), None)).collect();
        last.insert("zlab".to_owned(), None);
        let round = (i64::try_from(last.len()).unwrap() + slots - 1) / slots;
        // All that have begun end with their turn, and wait again.
        for turn in 1..=2_000 {
            let waiting: Vec<QueuedJob> = last
                .iter()
                .map(|(name, last)| {
                    let places = vec![Room::new("all", usize::try_from(slots).unwrap())];
                    QueuedJob { name: name.clone(), owner: name.clone(), last: *last, places, ..QueuedJob::default() }
                })
                .collect();
            for number in begin(&waiting.iter().collect::<Vec<_>>(), []) {
                last.insert(waiting[number].name.clone(), Some(Timestamp(turn)));
            }
            let waits = turn - last["zlab"].map_or(0, |at| at.0);
            assert!(waits < round.max(2), "{waits} of {round} turns beside {silent}");
        }
    }
}

/// Slices that the begin of an owner waits beside others, each with ends without end that take a whole slice and then go on beside it.
fn slices_waited(others: usize, places: usize, owners: &mut OwnerTurns) -> usize {
    let room = || vec![Room::new("all", places)];
    let (mut at_work, mut slice): (Vec<QueuedJob>, usize) = (Vec::new(), 0);
    loop {
        let ends = (0..others * 8).map(|n| (format!("end-{n}"), format!("aaa-{:03}", n % others), 0));
        let good = (slice > 0).then(|| ("begin".to_owned(), "zgood".to_owned(), 1));
        let job = |(name, owner, class): (String, String, u8)| {
            let turns = owners.count(&owner);
            QueuedJob { name, owner, turns, class, places: room(), ..QueuedJob::default() }
        };
        let waiting: Vec<QueuedJob> = ends.chain(good).map(job).collect();
        // Those of the slices before give back their places, and are at work still.
        at_work.iter_mut().for_each(|job| job.places.clear());
        let begun = begin(&waiting.iter().collect::<Vec<_>>(), &at_work);
        begun.iter().for_each(|number| owners.begin(&waiting[*number].owner));
        if begun.iter().any(|number| waiting[*number].name == "begin") {
            return slice;
        }
        at_work.extend(begun.into_iter().map(|number| waiting[number].clone()));
        at_work.iter().rev().take(places).for_each(|job| owners.add(&job.owner));
        slice += 1;
    }
}

#[test]
fn a_begin_is_one_slice_behind_the_ends_of_others_that_never_end() {
    for (others, places) in [(1, 4), (4, 4), (6, 8), (8, 8)] {
        assert_eq!(slices_waited(others, places, &mut OwnerTurns::default()), 1, "{others} beside {places} places");
    }
    // More owners than places, who have just had jobs that took long.
    for others in [9, 24, 100] {
        let mut owners = OwnerTurns::default();
        for number in 0..others {
            let owner = format!("aaa-{number:03}");
            owners.begin(&owner);
            owners.add(&owner);
        }
        owners.begin("zgood");
        assert_eq!(slices_waited(others, 8, &mut owners), 1, "{others} owners");
    }
}

#[test]
fn who_comes_anew_begins_where_the_others_are() {
    let mut owners = OwnerTurns::default();
    (0..1_000).for_each(|_| owners.begin("old"));
    assert_eq!((owners.count("old"), owners.count("new")), (1_000, 998));
    owners.add("old");
    owners.begin("new");
    assert_eq!((owners.count("old"), owners.count("new"), owners.count("newer")), (1_001, 999, 998));
}

#[test]
fn of_those_that_take_long_one_of_the_owner_with_the_most_gives_way() {
    for (owners, ends) in
        [("", None), ("a", Some(0)), ("a b", Some(0)), ("good a a", Some(1)), ("b a good a a b", Some(1))]
    {
        assert_eq!(gives_way(&owners.split_whitespace().collect::<Vec<_>>()), ends, "{owners}");
    }
}

fn build(service: &str, gate: Gate) -> Change {
    let fields = Fields::default().with("build", Value::text("x"));
    Change {
        address: image(service),
        service: service.to_owned(),
        verb: Verb::Create(fields),
        diff: Vec::new(),
        because: Reason { code: ReasonCode::Missing, text: Text::from("it is new"), origin: None },
        impact: Impact::default(),
        expects: Expect::Absent,
        gate,
    }
}

fn image(service: &str) -> Address {
    Address::new("docker".to_owned().into(), Kind::Image, &format!("amarre/{service}:1"))
}

/// The services whose builds are `now`, and those that wait for which.
fn builds_after(facts: &Facts, changes: Vec<Change>) -> Vec<String> {
    let scene = Scene::of(&[], &site(), &BTreeMap::new());
    let mut plan = Plan { changes, ..Plan::default() };
    builds::ask_again(&mut plan);
    scene.with_input(&World::default(), facts, START, |input| builds::take_turns(input, &mut plan));
    let shown = |change: &Change| match &change.gate {
        Gate::Now => format!("{} now", change.service),
        Gate::After(needs) => format!("{} after {}", change.service, needs[0].on.name),
        Gate::Until { .. } => format!("{} until", change.service),
        Gate::Held(_) => format!("{} held", change.service),
    };
    plan.changes.iter().map(shown).collect()
}

#[test]
fn a_build_that_failed_holds_up_no_other_of_its_host() {
    let after = |service: &str| Gate::After(vec![Need::present(image(service))]);
    let backoff = || Gate::Until { at: START + Millis::minutes(5), what: Wait::Backoff };
    // As the plan has it, before it is known that the first one waits for its retry.
    let changes = vec![build("aaa", backoff()), build("shop", after("aaa")), build("web", after("aaa"))];
    let shown = builds_after(&Facts::default(), changes);
    assert_eq!(shown, ["aaa until", "shop now", "web after amarre/shop:1"]);
    // Once it may be tried again, those come first that had no turn since.
    let minutes = |minutes: i64| Timestamp(START.0 - Millis::minutes(minutes).0);
    let began = [("aaa", vec![minutes(9), minutes(1)]), ("shop", vec![minutes(3)])];
    let mut facts = Facts { builds: began.map(|(name, at)| (name.to_owned(), at)).into(), ..Facts::default() };
    let three = || vec![build("aaa", Gate::Now), build("shop", after("aaa")), build("web", after("aaa"))];
    let web_first = ["aaa after amarre/web:1", "shop after amarre/web:1", "web now"];
    assert_eq!(builds_after(&facts, three()), web_first);
    facts.builds.insert("web".to_owned(), vec![minutes(2)]);
    let shop_first = ["aaa after amarre/shop:1", "shop now", "web after amarre/shop:1"];
    assert_eq!(builds_after(&facts, three()), shop_first);
    // One that is under way goes on.
    facts.open_intents.insert(image("aaa"), minutes(1));
    let under_way = ["aaa now", "shop after amarre/aaa:1", "web after amarre/aaa:1"];
    assert_eq!(builds_after(&facts, three()), under_way);
}
