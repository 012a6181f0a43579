//! What is hidden, or only half there, is no reason for a change that counts on it.

use std::collections::BTreeMap;

use amarre_core::model::{Address, Code, Fields, Gap, GapScope, Need, Owner, Value};
use amarre_core::plan::pass;
use amarre_testkit::scene::{START, Scene, empty_server, seen, site};
use amarre_testkit::state::observe;
use amarre_testkit::walk::{Turns, walk};

use super::moments::start;

fn scene(services: &[&str]) -> Scene {
    let file = |name: &&str| (format!("services/{name}.yaml"), format!("name: {name}\nimage: web:1\nport: 80\n"));
    let files: Vec<(String, String)> = services.iter().map(file).collect();
    Scene::of(&files, &site(), &BTreeMap::new())
}

fn gap(host: Address) -> Gap {
    let (provider, scope) = (host.provider.clone(), GapScope::Resource(host));
    Gap { provider, scope, code: Code::A0604, message: "it is not shown".into(), hint: "".into(), since: START }
}

#[test]
fn what_a_host_that_is_not_shown_leads_to_stays() {
    let mut state = walk(&scene(&["forum", "wiki"]), &start(), Turns::AsPlanned).end;
    let left = scene(&["forum"]);
    let deletes = |state: &_| -> Vec<String> {
        let view = observe(state);
        let plan = left.with_state(state, &view, |input| pass(input).1);
        plan.changes.iter().filter(|change| change.service == "wiki").map(|change| change.address.to_string()).collect()
    };
    let all = deletes(&state);
    assert!(all.iter().any(|address| address.contains("/container/")), "{all:?}");
    state.raw.gaps = vec![gap("npm/proxy-host/forum.example.org".parse().unwrap())];
    assert_eq!(deletes(&state), all, "the host of another service");
    state.raw.gaps = vec![gap("npm/proxy-host/wiki.example.org".parse().unwrap())];
    assert_eq!(deletes(&state), [""; 0]);
}

#[test]
fn a_mark_without_values_is_no_record() {
    let record: Address = "ovh/record/wiki.example.org/A".parse().unwrap();
    let mut world = empty_server();
    let with = |values: &[&str]| {
        let fields = Fields::default().with("values", Value::texts(values.iter().copied()));
        seen(fields, Owner::Ours, Some("wiki"), "7")
    };
    for (values, holds) in [(&[][..], false), (&["203.0.113.10"][..], true)] {
        world.seen.insert(record.clone(), with(values));
        let needs = [Need::present(record.clone()), Need::ready(record.clone())];
        assert_eq!(needs.map(|need| world.holds(&need)), [Some(holds); 2], "{values:?}");
        assert_eq!(world.holds(&Need::absent(record.clone())), Some(false), "{values:?}: the mark is to go as well");
    }
}
