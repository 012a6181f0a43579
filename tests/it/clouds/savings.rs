//! What timetables save: counted from look to look, kept by day, and told on Monday.

use std::sync::Arc;

use amarre::engine::reconcile::counters::labels;
use amarre::engine::reconcile::daemon::{self, Behaviour, LoopCommand};
use amarre::engine::report::instance_text;
use amarre::engine::report::instances::{self, InstanceRow};
use amarre::engine::report::savings::{SavedNote, sums};
use amarre::engine::{Clock, PassView};
use amarre::notifications::Notifications;
use amarre::notifications::channel::{Carrier, Channel, Topic};
use amarre::secret::Secret;
use amarre_core::model::savings::Day;
use amarre_core::model::{Millis, Timestamp};
use amarre_core::plan::render::Style;

use super::support::{CloudRig, MONDAY, OFFICE};
use crate::api::notifications::Taker;
use crate::support::eventually;

/// Weekdays from 8 to 20, and shelved in the night.
fn shelved() -> String {
    OFFICE.replace("off: '0", "off_as: shelve, off: '0")
}

fn row(pass: &PassView, name: &str) -> InstanceRow {
    instances::find(pass, name).unwrap()
}

fn month(pass: &Arc<PassView>, name: &str) -> i64 {
    row(pass, name).saved.unwrap().month
}

/// The test itself takes a moment, which is counted: as much as is saved in half a minute.
fn is_near(one: i64, other: i64) -> bool {
    (one - other).abs() < 50_000
}

impl CloudRig {
    /// Passes until prices are read, which happens beside the loop.
    async fn priced(&mut self) {
        for _ in 0..50 {
            let pass = self.pass(Millis::seconds(1)).await;
            if pass.instances().iter().all(|row| row.prices.is_some()) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("nobody reads prices");
    }

    /// Looks each ten minutes for an hour, and answers what that saved.
    async fn saved_in_an_hour(&mut self, name: &str) -> i64 {
        let before = month(&self.pass(Millis::minutes(10)).await, name);
        for _ in 0..5 {
            self.pass(Millis::minutes(10)).await;
        }
        month(&self.pass(Millis(0)).await, name) - before
    }
}

#[tokio::test]
async fn a_night_on_the_shelf_is_saved_and_a_night_off_is_not() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", &shelved());
    rig.manage("cache-1", "BHS5", OFFICE);
    rig.manage("build-1", "GRA11", "power: off");
    // A timetable alone has prices read, without a request for the list.
    rig.until("2026-12-07T08:00:00Z").await;
    rig.priced().await;
    let pass = rig.until("2026-12-07T18:00:00Z").await;
    assert_eq!((month(&pass, "db-1"), month(&pass, "cache-1")), (0, 0), "both ran");
    rig.until("2026-12-07T19:30:00Z").await;
    let price = row(&rig.engine.last_pass(), "db-1").prices.unwrap().on;
    let saved = rig.saved_in_an_hour("db-1").await;
    assert!(price > 0 && is_near(saved, price), "{saved} of {price}");
    let pass = rig.engine.last_pass();
    assert_eq!(month(&pass, "cache-1"), 0, "OVH bills what is stopped");
    let notes = ["db-1", "cache-1"].map(|name| row(&pass, name).saved_note());
    assert_eq!(notes, [SavedNote::WithoutSnapshot, SavedNote::BilledOff]);
    assert_eq!(row(&pass, "build-1").saved, None, "it has no timetable");
    let shown = ["db-1", "cache-1"].map(|name| instance_text::details(&row(&pass, name), &[], Style::PLAIN));
    assert!(shown[0].contains("EUR in the last 7 days, without its snapshot\n"), "{}", shown[0]);
    assert!(shown[1].contains("0 EUR this month, 0 EUR in the last 7 days: off is billed as on"), "{}", shown[1]);
    assert!(shown[1].contains("Shelve at night"), "{}", shown[1]);
    let rows = pass.instances();
    let document = instances::document(&pass, rows, 0..1);
    assert_eq!(document["saved"][0]["currency"], "EUR");
    assert_eq!(document["saved"][0]["month"], instances::amount(month(&pass, "db-1")), "of all, not of the page");
    assert_eq!(sums(rows).len(), 1);
    let of = instances::json(&row(&pass, "cache-1"))["saved"].clone();
    assert_eq!((&of["off_is_billed"], &of["month"]), (&true.into(), &"0".into()));
    let of = [("cloud", "paris"), ("id", id.as_str()), ("instance", "db-1"), ("currency", "EUR")];
    let counted = rig.engine.meters().saved.get_or_create(&labels(&of)).get();
    #[expect(clippy::cast_possible_truncation, reason = "an amount of money")]
    let counted = (counted * 1e8).round() as i64;
    assert!(counted > 0 && is_near(counted, month(&rig.engine.last_pass(), "db-1")), "amarre_instance_saved_total");
    rig.settle().await;
}

#[tokio::test]
async fn time_without_a_look_is_not_counted() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.manage("db-1", "GRA11", &shelved());
    rig.until("2026-12-07T08:00:00Z").await;
    rig.priced().await;
    rig.until("2026-12-07T19:30:00Z").await;
    let before = month(&rig.pass(Millis(0)).await, "db-1");
    // The process ends and comes back; then the machine sleeps; then the cloud is dark.
    rig.goes_by(Millis::minutes(50));
    rig.restart().await;
    assert_eq!(month(&rig.pass(Millis(0)).await, "db-1"), before, "what was saved before stays");
    rig.priced().await;
    let before = month(&rig.pass(Millis(0)).await, "db-1");
    rig.goes_by(Millis::minutes(61));
    let after = month(&rig.pass(Millis(0)).await, "db-1");
    assert!(is_near(after, before), "{after} {before}");
    rig.cloud.withdraw_key(true);
    rig.pass(Millis::minutes(10)).await;
    rig.pass(Millis::minutes(10)).await;
    rig.cloud.withdraw_key(false);
    let after = month(&rig.pass(Millis(0)).await, "db-1");
    assert!(is_near(after, before), "{after} {before}");
    assert!(rig.saved_in_an_hour("db-1").await > 0, "seen again, it counts on");
    // Each day has its own: the one of the tick, and none before.
    let day = Day::of(Timestamp::parse(MONDAY).unwrap());
    let ledger = rig.engine.ledger();
    assert_eq!(ledger.saved(day.before(30), day.before(1)).await.unwrap().len(), 0);
    assert!(ledger.saved(day, day).await.unwrap().values().any(|sum| sum.amount > 0));
    // A new timetable saves nothing before its first tick.
    rig.manage("build-3", "SBG5", &shelved());
    assert_eq!(rig.saved_in_an_hour("build-3").await, 0);
    rig.settle().await;
    // A lost ledger knows nothing.
    rig.lose_ledger().await;
    assert_eq!(month(&rig.pass(Millis(0)).await, "db-1"), 0);
}

fn channel(url: &str) -> Channel {
    let hook = Secret::new(format!("{url}/money"));
    let on = [Topic::Savings].into();
    Channel { name: "money".to_owned(), carrier: Carrier::Slack { hook }, on, services: Vec::new(), after: Millis(0) }
}

#[tokio::test]
async fn a_monday_tells_what_the_week_saved_once() {
    // A Friday.
    let mut rig = CloudRig::start_at("2026-12-04T05:00:00Z").await;
    rig.manage("db-1", "GRA11", &shelved());
    rig.manage("cache-1", "BHS5", OFFICE);
    rig.until("2026-12-04T08:00:00Z").await;
    rig.priced().await;
    rig.until("2026-12-04T23:00:00Z").await;
    let (taker, sums) = (Taker::default(), sums(rig.engine.last_pass().instances()));
    let channel = channel(&taker.start().await);
    let CloudRig { folder: _folder, clock, cloud, engine, .. } = rig;
    let to = |at: &str| {
        let span = Timestamp::parse(at).unwrap() - clock.now();
        clock.advance(span);
        cloud.advance(span.0 / 1000);
    };
    let (handle, daemon, shutdown) = daemon::start(engine, Behaviour { acts: true, watches: false });
    let start =
        || Notifications::new(handle.clone(), vec![channel.clone()], Some("https://amarre.example.org".to_owned()));
    let pass = async || drop(handle.request(LoopCommand::Pass).await.unwrap());
    let asks = async {
        // On Sunday, in every time zone, the week before is the last one, and it had no timetable.
        to("2026-12-06T12:00:00Z");
        pass().await;
        let notifications = start();
        let first = tokio::spawn(notifications.clone().run());
        *taker.refuses.lock().unwrap() = Some(500);
        to("2026-12-07T20:01:00Z");
        eventually(60, "it is tried", async || {
            pass().await;
            notifications.channels()[0].1.failed.is_some()
        })
        .await;
        *taker.refuses.lock().unwrap() = None;
        to("2026-12-07T20:30:00Z");
        eventually(60, "it is sent again", async || {
            pass().await;
            taker.bodies("/money").len() == 1
        })
        .await;
        eventually(60, "it is kept", async || handle.ledger().last_week_sent("money").await.unwrap().is_some()).await;
        first.abort();
        let body = taker.bodies("/money")[0].clone();
        let total = instances::amount(sums[0].month);
        for part in [
            format!("timetables saved {total} EUR from 30 Nov to 6 Dec"),
            format!("db-1: {total} EUR, off for "),
            "cache-1: 0, off for ".to_owned(),
            "off is billed as on there, and `off_as: shelve` saves".to_owned(),
            "what snapshots of shelved ones cost is not taken off".to_owned(),
            "https://amarre.example.org/instances".to_owned(),
        ] {
            assert!(body.contains(&part), "{part}: {body}");
        }
        // Another process knows of it, until the next Monday.
        let second = tokio::spawn(start().run());
        to("2026-12-13T12:00:00Z");
        pass().await;
        to("2026-12-14T20:01:00Z");
        eventually(60, "the next week is told", async || {
            pass().await;
            taker.bodies("/money").len() > 1
        })
        .await;
        let bodies = taker.bodies("/money");
        assert!(bodies.len() == 2 && bodies[1].contains("from 7 Dec to 13 Dec"), "{bodies:?}");
        second.abort();
        shutdown.notify_one();
    };
    tokio::join!(daemon, asks);
}
