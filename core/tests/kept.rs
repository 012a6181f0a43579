//! What is kept of one pass for the next.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use amarre_core::model::{Address, Facts, Fields, Owner, World};
use amarre_core::plan;
use amarre_core::plan::input::Input;
use amarre_core::plan::kept::{Digests, KeptPass};

use amarre_testkit::scene::{START, Scene, empty_server, seen, site, spell};

const WEB: &str = "{name: web, data: new, containers: {app: {image: 'app:1'}}, routes: [{domain: web, to: 'app:80'}]}";

/// A pass observes, asks for the wants, examines, and plans.
#[test]
fn wants_are_made_once_where_examining_finds_nothing_new() {
    let scene = Scene::of(&[("services/web.yaml".to_owned(), WEB.to_owned())], &site(), &BTreeMap::new());
    let (digests, mut kept, facts) = (Digests::default(), KeptPass::default(), Facts::default());
    let spelled = AtomicUsize::new(0);
    let counting = |address: &Address, fields: &mut Fields| {
        spelled.fetch_add(1, Ordering::Relaxed);
        spell(address, fields)
    };
    let with = |world: &World, use_it: &mut dyn FnMut(u64, &Input<'_>)| {
        scene.with_input(world, &facts, START, |input| {
            let input = Input { spell: &counting, ..*input };
            use_it(digests.of_input(&input, 0, &()), &input);
        });
    };
    // Whether wants were made of what was observed, and of what was examined.
    let mut pass = |observed: &World, examined: &World| {
        let before = spelled.load(Ordering::Relaxed);
        with(observed, &mut |digest, input| drop(kept.wants(digest, input)));
        let between = spelled.load(Ordering::Relaxed);
        let mut made = None;
        with(examined, &mut |digest, input| made = Some(kept.pass(digest, input)));
        let after = spelled.load(Ordering::Relaxed);
        let made = made.unwrap();
        scene.with_input(examined, &facts, START, |input| {
            let (wants, plan) = plan::pass(input);
            assert_eq!((&*made.0, &made.1), (&wants, &plan));
        });
        (between > before, after > between)
    };
    let [bare, one, two] = [0, 1, 2].map(|number| {
        let mut world = empty_server();
        for at in 0..number {
            let address = format!("docker/container/other{at}").parse().unwrap();
            world.seen.insert(address, seen(Fields::default(), Owner::Foreign, None, "5e1c0aa"));
        }
        world
    });
    assert_eq!(pass(&bare, &bare), (true, false));
    assert_eq!(pass(&bare, &bare), (false, false));
    assert_eq!(pass(&one, &one), (true, false));
    // The same is found at each pass.
    assert_eq!(pass(&one, &two), (false, true));
    assert_eq!(pass(&one, &two), (false, false));
}
