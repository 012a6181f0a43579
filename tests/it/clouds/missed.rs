//! A tick whose power does not come is told, whatever the reason, until it comes.

use std::sync::Arc;

use amarre::engine::PassView;
use amarre::engine::report::instances;
use amarre::notifications::alerts::{self, Alert};
use amarre_core::model::{Code, Millis};

use super::support::{CloudRig, MONDAY, OFFICE};

/// The alert about a tick of `db-1`.
fn missed(pass: Arc<PassView>) -> Option<Alert> {
    let alert = alerts::problems(&pass).remove("attention/db-1 (tick)");
    let row = instances::find(&pass, "db-1").unwrap();
    assert_eq!(row.missed.is_some(), alert.is_some());
    assert!(alert.is_none() || row.needs_attention());
    alert
}

#[tokio::test]
async fn a_tick_that_a_busy_server_misses_is_an_alert_after_half_an_hour() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", OFFICE);
    rig.until("2026-12-07T18:00:00Z").await;
    rig.cloud.set_status(&id, "REBOOT");
    assert_eq!(missed(rig.until("2026-12-07T19:25:00Z").await), None);
    let alert = missed(rig.until("2026-12-07T19:31:00Z").await).unwrap();
    assert_eq!((alert.code, alert.service.as_str()), (Some(Code::A0737), "db-1"));
    for part in ["its timetable wanted it off at", "its status is REBOOT"] {
        assert!(alert.text.contains(part), "{}", alert.text);
    }
    rig.cloud.set_status(&id, "ACTIVE");
    assert_eq!(missed(rig.until("2026-12-07T19:40:00Z").await), None, "it is reached, late");
    // One that is busy once more after it was reached has missed nothing.
    rig.cloud.set_status(&id, "MIGRATING");
    assert_eq!(missed(rig.until("2026-12-07T22:00:00Z").await), None);
    rig.cloud.set_status(&id, "SHUTOFF");
    rig.settle().await;
}

#[tokio::test]
async fn what_is_not_seen_or_not_allowed_misses_its_tick_and_an_absence_does_not() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.manage("db-1", "GRA11", OFFICE);
    rig.until("2026-12-07T18:00:00Z").await;
    rig.cloud.withdraw_key(true);
    let alert = missed(rig.until("2026-12-07T19:35:00Z").await).unwrap();
    assert!(alert.text.contains("not seen"), "{}", alert.text);
    // The next tick wants what is there.
    assert_eq!(missed(rig.until("2026-12-08T07:35:00Z").await), None);
    rig.cloud.withdraw_key(false);
    rig.until("2026-12-08T18:00:00Z").await;
    // Away over a tick: acted on late, and reached.
    rig.goes_by(Millis::minutes(180));
    rig.restart().await;
    for _ in 0..40 {
        assert_eq!(missed(rig.pass(Millis::minutes(1)).await), None);
    }
    rig.settle().await;
    // OVH says no each time.
    rig.cloud.deny("POST", "/cloud/project/");
    let alert = missed(rig.until("2026-12-09T07:40:00Z").await).unwrap();
    assert!(alert.text.contains("wanted it on at") && alert.text.contains("OVH answered 403"), "{}", alert.text);
    rig.cloud.grant_only(&amarre_sim::ovh_cloud::POWER_RULES);
    rig.engine.reset_service("db-1");
    rig.until("2026-12-09T08:30:00Z").await;
    assert_eq!(missed(rig.settle().await), None);
}

#[tokio::test]
async fn what_a_person_holds_or_only_looks_at_misses_nothing() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", OFFICE);
    rig.until("2026-12-07T18:00:00Z").await;
    let end = rig.clock_in(Millis::minutes(240));
    let (on, until) = (amarre_core::model::power::Power::On, amarre_core::model::power::OverrideEnd::At(end));
    rig.hold(&id, on, until).await;
    assert_eq!(missed(rig.until("2026-12-07T21:59:00Z").await), None);
    // The tick is two hours old when the rule holds again, and has its half an hour from then on.
    rig.cloud.set_status(&id, "REBOOT");
    assert_eq!(missed(rig.until("2026-12-07T22:20:00Z").await), None);
    assert!(missed(rig.until("2026-12-07T22:35:00Z").await).is_some());
    rig.manage("db-1", "GRA11", &format!("{OFFICE}\nreconcile: {{mode: report}}"));
    assert_eq!(missed(rig.pass(Millis::minutes(1)).await), None);
    rig.manage("db-1", "GRA11", OFFICE);
    rig.cloud.set_status(&id, "SHUTOFF");
    rig.settle().await;
}
