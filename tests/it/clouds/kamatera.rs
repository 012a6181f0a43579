//! Servers at Kamatera: listed, started and stopped, though a list that failed says 200 and shows late what was done.

use std::sync::Arc;

use amarre::engine::commands::instance_answers::{LOG_LINES, log_lines};
use amarre::engine::pass_result::ActionState;
use amarre::engine::reconcile::actions::ActionRequest;
use amarre::engine::report::instances::{self, InstanceRow, InstanceState};
use amarre::engine::{Clock, Engine, PassView, RunMode, ShiftedClock};
use amarre::ledger::Ledger;
use amarre_core::model::{Address, Kind, Millis, Timestamp};
use amarre_sim::Fault;
use amarre_sim::kamatera::KamateraVerb::{self, PowerOff, PowerOn, Reboot};
use amarre_sim::kamatera::{CommandIds, Kamatera, KamateraOptions};
use tempfile::TempDir;

use super::support::{MONDAY, OFFICE, codes, engine_of};
use crate::support::write_settled;

struct KamateraRig {
    folder: TempDir,
    clock: Arc<ShiftedClock>,
    cloud: Kamatera,
    engine: Engine,
}

impl KamateraRig {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("services")).unwrap();
        let clock = Arc::new(ShiftedClock::default());
        clock.jump(Timestamp::parse(MONDAY).unwrap() - clock.now());
        let cloud = Kamatera::start(KamateraOptions::eight()).await.unwrap();
        let engine = Self::engine(&folder, &clock, &cloud).await;
        Self { folder, clock, cloud, engine }
    }

    async fn engine(folder: &TempDir, clock: &Arc<ShiftedClock>, cloud: &Kamatera) -> Engine {
        let KamateraOptions { client_id, secret, .. } = KamateraOptions::eight();
        let url = cloud.endpoint();
        let text = format!(
            "policy: {{instances: ['*']}}\nclouds: {{tlv: {{kamatera: {{url: '{url}', client_id: {client_id}, secret: {secret}}}}}}}\n"
        );
        engine_of(folder, clock, &text, 0).await
    }

    /// The process is killed and starts again.
    async fn restart(&mut self) {
        self.engine = Self::engine(&self.folder, &self.clock, &self.cloud).await;
    }

    /// The manifest of a server, with a rule.
    fn manage(&self, name: &str, rule: &str) -> String {
        let id = self.cloud.id_of(name);
        let text = format!("kind: Instance\nname: {name}\ncloud: tlv\nid: {id}\n{rule}\n");
        write_settled(self.folder.path().join(format!("services/{name}.yaml")), text);
        id
    }

    /// One pass and what it hands out, then `span` goes by on both sides.
    async fn pass(&mut self, span: Millis) -> Arc<PassView> {
        self.engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
        self.engine.drain().await;
        self.clock.advance(span);
        self.cloud.advance(span.0 / 1000);
        self.engine.last_pass()
    }

    async fn passes(&mut self, count: usize) -> Arc<PassView> {
        for _ in 0..count {
            self.pass(Millis::seconds(5)).await;
        }
        self.engine.last_pass()
    }

    /// Nothing is left to do, and nothing is hidden.
    async fn settle(&mut self) -> Arc<PassView> {
        let pass = self.passes(60).await;
        assert_eq!((&pass.plan.changes, &pass.plan.gaps), (&vec![], &vec![]));
        pass
    }

    fn address(id: &str) -> Address {
        Address::new("kamatera.tlv".to_owned().into(), Kind::Instance, id)
    }

    fn ask(&mut self, id: &str, word: &'static str) -> Result<(), String> {
        let (address, by) = (Self::address(id), "alice".to_owned());
        self.engine.ask_actions(vec![ActionRequest { address, word, by, after: Vec::new(), given: None }])
    }

    fn row(&self, id: &str) -> InstanceRow {
        instances::find(&self.engine.last_pass(), id).unwrap()
    }

    fn action(&self, id: &str) -> Option<ActionState> {
        self.engine.last_pass().actions.get(&Self::address(id)).cloned()
    }

    /// What was done to a server, whoever saw the answer.
    fn effects(&self, id: &str) -> Vec<KamateraVerb> {
        self.cloud.effects().into_iter().filter(|(of, _)| of == id).map(|(_, verb)| verb).collect()
    }

    async fn log(&self, id: &str) -> Vec<String> {
        let ledger = Ledger::open(&self.folder.path().join("ledger-0.db")).await.unwrap();
        let lines = log_lines(&ledger, &Self::address(id), LOG_LINES).await;
        lines.into_iter().map(|line| format!("{} {}", line.kind, line.text)).collect()
    }
}

#[tokio::test]
async fn servers_are_listed_by_one_call_and_detailed_on_demand() {
    let mut rig = KamateraRig::start().await;
    rig.pass(Millis::seconds(60)).await;
    rig.pass(Millis(0)).await;
    let calls: Vec<String> = rig.cloud.server.journal.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(calls, ["/service/servers", "/service/servers"], "one list a look, and nothing else");
    let (web, mail) = (rig.cloud.id_of("shop-web"), rig.cloud.id_of("old-mail"));
    let row = rig.row(&web);
    assert_eq!((row.vendor_name.as_str(), row.region.as_str(), row.state), ("shop-web", "EU", InstanceState::On));
    assert_eq!((row.size.as_str(), row.cost), ("", None));
    assert_eq!(rig.row(&mail).state, InstanceState::Off);
    // It fails now and then on a healthy account.
    rig.cloud.info_fails(2);
    let context = rig.engine.last_pass().context.clone().unwrap();
    for provider in context.providers.values() {
        provider.capabilities().prices.unwrap().read_prices(rig.clock.now()).await.unwrap();
    }
    rig.pass(Millis(0)).await;
    let row = rig.row(&web);
    assert_eq!(row.size, "2B 2048MiB 20GB");
    assert_eq!(row.addresses.len(), 1, "{row:?}");
    let cost = row.cost.unwrap();
    assert_eq!((cost.currency.as_str(), cost.hour.is_some_and(|hour| hour > 0)), ("USD", true));
    assert!(rig.row(&rig.cloud.id_of("cache-1")).is_monthly);
    // A name with a suffix is one of its own, and a manifest takes the id.
    assert_ne!(rig.cloud.id_of("shop-web(1)"), web);
}

#[tokio::test]
async fn each_action_reaches_its_power_once_though_the_list_shows_it_late() {
    for form in [CommandIds::Strings, CommandIds::Numbers, CommandIds::Bare, CommandIds::Named] {
        let mut rig = KamateraRig::start().await;
        rig.cloud.command_ids(form);
        rig.settle().await;
        for (name, word, is_on, verb) in [
            ("shop-web", "stop", false, PowerOff),
            ("build-1", "start", true, PowerOn),
            ("shop-db", "reboot", true, Reboot),
        ] {
            let id = rig.cloud.id_of(name);
            rig.ask(&id, word).unwrap();
            rig.pass(Millis::seconds(5)).await;
            rig.pass(Millis::seconds(5)).await;
            assert_eq!(rig.row(&id).state, InstanceState::Changing, "{name}");
            rig.settle().await;
            assert_eq!(rig.action(&id), Some(ActionState::Done), "{name}");
            assert_eq!((rig.cloud.instance(&id).unwrap().is_on, rig.effects(&id)), (is_on, vec![verb]), "{name}");
            let log = rig.log(&id).await;
            assert!(log[0].starts_with("request POST /service/server/power") || verb == Reboot, "{log:?}");
            assert!(log.iter().any(|line| line.contains(" → complete ")), "{log:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_list_hides_the_cloud_and_stops_nothing() {
    let mut rig = KamateraRig::start().await;
    let id = rig.manage("shop-web", "power: on");
    rig.settle().await;
    rig.cloud.list_fails(true);
    let pass = rig.passes(15).await;
    assert_eq!(codes(&pass), ["A0741"], "200 with errors is no empty list");
    assert_eq!(rig.row(&id).state, InstanceState::Unknown);
    assert_eq!(rig.row(&rig.cloud.id_of("old-mail")).vendor_name, "old-mail", "the last reading is shown");
    rig.cloud.list_fails(false);
    rig.cloud.withdraw_key(true);
    let pass = rig.passes(15).await;
    assert_eq!(codes(&pass), ["A0740"]);
    assert!(rig.ask(&id, "start").is_ok());
    rig.passes(2).await;
    rig.cloud.withdraw_key(false);
    rig.settle().await;
    assert_eq!(rig.row(&id).state, InstanceState::On);
}

#[tokio::test]
async fn an_action_whose_answer_was_lost_is_never_repeated() {
    for (fault, happens) in [
        (Fault::CutAfter, true),
        (Fault::After(500), true),
        (Fault::CutBefore, false),
        (Fault::Before(502), false),
        (Fault::Before(429), false),
    ] {
        for is_killed in [false, true] {
            let mut rig = KamateraRig::start().await;
            rig.settle().await;
            let id = rig.cloud.id_of("shop-web");
            rig.cloud.server.faults.add("POST", "/service/server/power", 1, fault.clone());
            rig.ask(&id, "stop").unwrap();
            rig.pass(Millis::seconds(1)).await;
            if is_killed {
                rig.restart().await;
            }
            for _ in 0..40 {
                rig.pass(Millis::seconds(60)).await;
            }
            let seen = (rig.cloud.instance(&id).unwrap().is_on, rig.action(&id) == Some(ActionState::Done));
            assert_eq!(seen, (!happens, happens), "{fault:?} {is_killed} {:?}", rig.action(&id));
            assert_eq!(rig.effects(&id).len(), usize::from(happens), "{fault:?} {is_killed}");
            rig.settle().await;
        }
    }
}

#[tokio::test]
async fn a_tick_is_acted_on_once_and_a_failed_command_is_shown_and_tried_again() {
    let mut rig = KamateraRig::start().await;
    let id = rig.manage("shop-web", OFFICE);
    rig.settle().await;
    // The evening comes.
    let evening = Timestamp::parse("2026-12-07T19:00:01Z").unwrap();
    rig.clock.advance(evening - rig.clock.now());
    rig.cloud.fail_next("Error: the hypervisor is busy");
    rig.passes(12).await;
    let row = rig.row(&id);
    assert_eq!(row.state, InstanceState::Error);
    assert!(row.needs_attention());
    let log = rig.log(&id).await;
    assert!(log.iter().any(|line| line.contains("→ error Error: the hypervisor is busy")), "{log:?}");
    for _ in 0..20 {
        rig.pass(Millis::seconds(60)).await;
    }
    rig.settle().await;
    assert_eq!((rig.row(&id).state, rig.effects(&id)), (InstanceState::Off, vec![PowerOff, PowerOff]));
    // What is complete and did nothing is no reason to go on for ever.
    rig.restart().await;
    rig.settle().await;
    assert_eq!(rig.effects(&id).len(), 2);
}

#[tokio::test]
async fn what_kamatera_does_not_offer_is_refused_by_name() {
    let mut rig = KamateraRig::start().await;
    rig.settle().await;
    let id = rig.cloud.id_of("shop-web");
    for word in ["shelve", "unshelve", "reboot-hard"] {
        assert!(rig.ask(&id, word).is_err(), "{word}");
    }
    rig.ask(&id, "reboot").unwrap();
    assert!(rig.ask(&id, "stop").unwrap_err().contains("under way"));
    rig.settle().await;
    assert_eq!(rig.effects(&id), [Reboot]);
}

#[tokio::test]
async fn one_that_no_manifest_manages_is_deleted_by_its_id_and_its_name() {
    for fault in [None, Some(Fault::CutAfter), Some(Fault::After(504))] {
        let mut rig = KamateraRig::start().await;
        rig.settle().await;
        let id = rig.cloud.id_of("shop-web");
        for (named, is_gone) in [("shop-web(1)", false), ("shop-web", true)] {
            if let Some(fault) = fault.clone().filter(|_| is_gone) {
                rig.cloud.server.faults.add("POST", "/service/server/terminate", 1, fault);
            }
            let (address, by) = (KamateraRig::address(&id), "alice".to_owned());
            let given = Some(named.to_owned());
            let request = ActionRequest { address, word: "delete", by, after: Vec::new(), given };
            rig.engine.ask_actions(vec![request]).unwrap();
            rig.settle().await;
            let state = rig.action(&id);
            assert_eq!(rig.cloud.instance(&id).is_none(), is_gone, "{fault:?} {state:?}");
            assert!(is_gone == (state == Some(ActionState::Done)), "{fault:?} {state:?}");
        }
        assert_eq!(rig.effects(&id).len(), 1);
        assert!(!rig.cloud.id_of("shop-web(1)").is_empty(), "its name is a pattern of the other's");
    }
}

#[tokio::test]
async fn a_snapshot_is_taken_once_and_an_answer_that_is_lost_is_said() {
    for (fault, end) in [(None, ActionState::Done), (Some(Fault::CutAfter), ActionState::Unknown)] {
        let mut rig = KamateraRig::start().await;
        rig.settle().await;
        let id = rig.cloud.id_of("shop-web");
        if let Some(fault) = fault.clone() {
            rig.cloud.server.faults.add("POST", "/server/snapshot", 1, fault);
        }
        let (address, by, given) = (KamateraRig::address(&id), "alice".to_owned(), Some("before".to_owned()));
        rig.engine
            .ask_actions(vec![ActionRequest { address, word: "snapshot", by, after: Vec::new(), given }])
            .unwrap();
        for _ in 0..40 {
            rig.pass(Millis::seconds(60)).await;
        }
        assert_eq!((rig.action(&id), rig.effects(&id)), (Some(end), vec![KamateraVerb::Snapshot]), "{fault:?}");
        rig.settle().await;
    }
}

#[tokio::test]
async fn processors_and_memory_change_once_each_though_the_details_show_it_late() {
    for (fault, is_killed) in [(None, false), (Some(Fault::CutAfter), false), (Some(Fault::CutAfter), true)] {
        let mut rig = KamateraRig::start().await;
        rig.settle().await;
        let id = rig.cloud.id_of("shop-web");
        rig.ask(&id, "stop").unwrap();
        rig.settle().await;
        let held = rig.cloud.instance(&id).unwrap();
        let (cpu, ram) = ("8B".to_owned(), held.ram_mib * 2);
        let disk = held.disks_gb[0];
        if let Some(fault) = fault.clone() {
            rig.cloud.server.faults.add("POST", "/server/configure", 1, fault);
        }
        for size in [format!("{cpu} {}MiB {disk}GB", held.ram_mib), format!("{cpu} {ram}MiB {disk}GB")] {
            let (address, by) = (KamateraRig::address(&id), "alice".to_owned());
            let request = ActionRequest { address, word: "resize", by, after: Vec::new(), given: Some(size.clone()) };
            rig.engine.ask_actions(vec![request]).unwrap();
            rig.pass(Millis::seconds(1)).await;
            if is_killed && fault.is_some() {
                rig.restart().await;
            }
            for _ in 0..8 {
                rig.pass(Millis::seconds(60)).await;
            }
            let case = format!("{fault:?} {is_killed} {size}");
            assert!(is_killed || rig.action(&id) == Some(ActionState::Done), "{case}: {:?}", rig.action(&id));
        }
        let now = rig.cloud.instance(&id).unwrap();
        assert_eq!((now.cpu, now.ram_mib), (cpu, ram), "{fault:?} {is_killed}");
        assert_eq!(rig.effects(&id), [PowerOff, KamateraVerb::Configure, KamateraVerb::Configure]);
        rig.settle().await;
    }
}

#[tokio::test]
async fn a_clone_is_made_once_and_is_found_by_its_name_though_the_answer_was_lost() {
    for fault in [None, Some(Fault::CutAfter), Some(Fault::After(504))] {
        let mut rig = KamateraRig::start().await;
        rig.settle().await;
        let id = rig.cloud.id_of("shop-web");
        if let Some(fault) = fault.clone() {
            rig.cloud.server.faults.add("POST", "/service/cloneServer", 1, fault);
        }
        let (address, by, given) = (KamateraRig::address(&id), "alice".to_owned(), Some("shop-copy".to_owned()));
        rig.engine.ask_actions(vec![ActionRequest { address, word: "clone", by, after: Vec::new(), given }]).unwrap();
        rig.settle().await;
        rig.settle().await;
        assert_eq!(rig.action(&id), Some(ActionState::Done), "{fault:?}");
        let clones = rig.cloud.instances().into_iter().filter(|one| one.name.starts_with("shop-copy"));
        assert_eq!(
            clones.map(|one| (one.name, one.cpu)).collect::<Vec<_>>(),
            [("shop-copy".to_owned(), "2B".to_owned())]
        );
    }
}
