//! Actions: performed once, in the lane of what they act on; a lost answer is observed and never repeated.

use std::collections::BTreeSet;

use amarre::engine::pass_result::ActionState;
use amarre::engine::reconcile::actions::ActionRequest;
use amarre::engine::report;
use amarre::ledger::runs::{Event, EventFilter};
use amarre::words;
use amarre::words::Words;
use amarre_core::model::{Address, Kind, Language, Millis};
use amarre_core::plan::render::Style;
use amarre_sim::Fault;

use super::{plain, settled};
use crate::support::stepped::Stepped;

const CONTAINERS: &str = "/v1.41/containers/";

fn container(rig: &Stepped, name: &str) -> Address {
    let is_it = |address: &&Address| address.kind == Kind::Container && address.name == name;
    rig.last_pass().world.seen.keys().find(is_it).unwrap().clone()
}

fn restart(address: &Address) -> ActionRequest {
    ActionRequest { address: address.clone(), word: "restart", by: "anna".to_owned(), after: Vec::new(), given: None }
}

fn restarts(rig: &Stepped) -> usize {
    rig.writes().iter().filter(|line| line.contains("/restart")).count()
}

async fn recorded(rig: &Stepped, address: &Address) -> Vec<Event> {
    let filter = EventFilter { of: &address.to_string(), kind: "restart", limit: 9, ..EventFilter::default() };
    rig.engine.ledger().events_of(&filter).await.unwrap().into_iter().map(|(_, event)| event).collect()
}

async fn events(rig: &Stepped, address: &Address) -> Vec<(String, String)> {
    recorded(rig, address).await.into_iter().map(|event| (event.kind, event.text.to_string())).collect()
}

/// The latest event of an address, as a reader of French has it on a page and in the terminal.
async fn in_french(rig: &Stepped, address: &Address) -> String {
    let events = recorded(rig, address).await;
    let said = words::say(&events[0].text, Language::Fr);
    let pass = rig.last_pass();
    let style = Style { language: Language::Fr, ..Style::PLAIN };
    let shown = report::service_text(&pass, "web", &events, pass.at, style).unwrap();
    let line = format!("conteneur web, {}\u{a0}: {said}\n", Words(Language::Fr).event(&events[0].kind));
    assert!(shown.contains(&line), "{line} is not in {shown}");
    let document = &report::events_json(&events)[0];
    assert_eq!(document["text"], events[0].text.to_string());
    assert_eq!(document["template"], events[0].text.template());
    said
}

fn state(rig: &Stepped, address: &Address) -> ActionState {
    rig.last_pass().actions[address].clone()
}

#[tokio::test]
async fn an_action_is_performed_once() {
    let mut rig = settled(&["web"]).await;
    let web = container(&rig, "web");
    rig.engine.ask_actions(vec![restart(&web)]).unwrap();
    assert!(rig.engine.ask_actions(vec![restart(&web)]).unwrap_err().contains("under way"), "one at a time");
    rig.pass_until_settled().await;
    assert_eq!((restarts(&rig), state(&rig, &web)), (1, ActionState::Done));
    assert_eq!(events(&rig, &web).await, [("performed".to_owned(), "restart by anna".to_owned())]);
    assert!(rig.engine.has_acted(&BTreeSet::from([web])));
    assert_eq!(rig.engine.ledger().open_actions().await.unwrap(), []);
    rig.settle().await;
}

#[tokio::test]
async fn what_no_provider_knows_is_refused() {
    let mut rig = settled(&["web"]).await;
    let network = rig.last_pass().world.seen.keys().find(|address| address.kind == Kind::Network).unwrap().clone();
    assert!(rig.engine.ask_actions(vec![restart(&network)]).unwrap_err().contains("no action"));
    let gone = Address { name: "gone".to_owned(), ..container(&rig, "web") };
    rig.engine.ask_actions(vec![restart(&gone)]).unwrap();
    rig.pass_until_settled().await;
    assert!(matches!(state(&rig, &gone), ActionState::Dropped(_)), "{:?}", rig.last_pass().actions);
    assert_eq!(rig.writes(), [""; 0]);
}

/// The engine did it, and its answer was lost.
#[tokio::test]
async fn a_lost_answer_is_observed_and_not_repeated() {
    let mut rig = settled(&["web"]).await;
    let web = container(&rig, "web");
    rig.docker.server.faults.add("POST", CONTAINERS, 1, Fault::CutAfter);
    rig.engine.ask_actions(vec![restart(&web)]).unwrap();
    rig.pass().await;
    // A change of the same service waits for the outcome.
    rig.write("web.yaml", &plain("web").replace("web:1", "web:2"));
    rig.pass().await;
    assert_eq!((restarts(&rig), state(&rig, &web)), (1, ActionState::Done));
    assert_eq!(events(&rig, &web).await[0].1, "restart by anna; its answer was lost");
    assert_eq!(in_french(&rig, &web).await, "redémarrage par anna\u{a0}; la réponse s’est perdue");
    rig.settle().await;
}

/// The engine never did it: after the limit that is told, and nothing is repeated.
#[tokio::test]
async fn an_action_without_an_answer_ends_as_unknown() {
    let mut rig = settled(&["web"]).await;
    let web = container(&rig, "web");
    rig.docker.server.faults.add("POST", CONTAINERS, 1, Fault::CutBefore);
    rig.engine.ask_actions(vec![restart(&web)]).unwrap();
    rig.pass().await;
    rig.write("web.yaml", &plain("web").replace("web:1", "web:2"));
    rig.clock.advance(Millis::minutes(1));
    rig.pass().await;
    assert_eq!(state(&rig, &web), ActionState::Unconfirmed);
    assert!(rig.engine.ask_actions(vec![restart(&web)]).unwrap_err().contains("is open since"));
    assert_eq!(rig.writes().len(), 1, "the lane is kept for it: {:?}", rig.writes());
    rig.clock.advance(Millis::minutes(2));
    rig.pass().await;
    assert_eq!((restarts(&rig), state(&rig, &web)), (1, ActionState::Unknown));
    let told = events(&rig, &web).await;
    assert_eq!(told[0].0, "unknown", "{told:?}");
    rig.settle().await;
}

/// The process dies under the call, before the engine did it or after.
#[tokio::test]
async fn a_crash_repeats_no_action() {
    for (fault, outcome) in [(Fault::HangAfter, ActionState::Done), (Fault::HangBefore, ActionState::Unknown)] {
        let mut rig = settled(&["web"]).await;
        let web = container(&rig, "web");
        rig.docker.server.faults.add("POST", CONTAINERS, 1, fault.clone());
        rig.engine.ask_actions(vec![restart(&web)]).unwrap();
        assert!(rig.pass_until_settled_or_dead(0).await, "{fault:?}");
        rig.restart().await;
        rig.pass().await;
        rig.clock.advance(Millis::minutes(3));
        rig.pass_until_settled().await;
        assert_eq!((restarts(&rig), state(&rig, &web)), (1, outcome), "{fault:?}");
        assert_eq!(events(&rig, &web).await.len(), 1, "{fault:?}");
        rig.settle().await;
    }
}

/// A resource that no manifest manages has a lane of its own.
#[tokio::test]
async fn a_resource_of_no_service_takes_actions() {
    let mut rig = settled(&["web"]).await;
    let stranger = container(&rig, "stranger");
    rig.engine.ask_actions(vec![restart(&stranger)]).unwrap();
    rig.pass_until_settled().await;
    assert_eq!((restarts(&rig), state(&rig, &stranger)), (1, ActionState::Done));
    assert_eq!(events(&rig, &stranger).await, [("performed".to_owned(), "restart by anna".to_owned())]);
    rig.settle().await;
}
