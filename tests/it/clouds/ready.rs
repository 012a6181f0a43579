//! Instances that are ready once they answer a port or a page.

use amarre::engine::report::instances::{self, InstanceState};
use amarre_core::model::{Millis, Need};
use amarre_sim::ovh_cloud::CloudVerb::Stop;

use super::support::{CloudRig, MONDAY, OFFICE};

#[tokio::test]
async fn one_that_does_not_answer_runs_and_is_not_ready() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", &format!("{OFFICE}\nready: {{http: {{port: 8080, path: /healthz}}}}"));
    *rig.asking.silent.lock().unwrap() = Some("connection refused");
    let pass = rig.pass(Millis::seconds(10)).await;
    let row = instances::find(&pass, "db-1").unwrap();
    assert_eq!(row.state, InstanceState::On, "it runs at its vendor");
    assert_eq!(row.unanswered.unwrap().to_string(), "port 8080 does not answer: connection refused");
    assert_eq!(pass.world.holds(&Need::ready(rig.address(&id))), Some(false));
    let (at, path) = rig.asking.asked.lock().unwrap().last().cloned().unwrap();
    assert_eq!((at.port(), path.as_deref()), (8080, Some("/healthz")));
    // It is switched by its timetable all the same.
    rig.until("2026-12-07T19:01:00Z").await;
    assert_eq!(rig.effects(&id), [Stop]);
    rig.asking.asked.lock().unwrap().clear();
    rig.settle().await;
    assert_eq!(*rig.asking.asked.lock().unwrap(), [], "what is off is not asked");
}

#[tokio::test]
async fn one_that_answered_may_miss_two_answers() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", "power: on\nready: {tcp: 22}");
    let is_ready = |rig: &CloudRig| rig.engine.last_pass().world.holds(&Need::ready(rig.address(&id)));
    rig.settle().await;
    assert_eq!(is_ready(&rig), Some(true));
    *rig.asking.silent.lock().unwrap() = Some("connection refused");
    for expected in [true, true, false, false] {
        rig.pass(Millis::seconds(60)).await;
        assert_eq!(is_ready(&rig), Some(expected));
    }
    *rig.asking.silent.lock().unwrap() = None;
    rig.settle().await;
    assert_eq!(is_ready(&rig), Some(true));
    assert_eq!(rig.effects(&id), [], "Amarre neither stops nor starts it for that");
}
