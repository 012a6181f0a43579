//! What a person asks of a server beyond its power: which cloud offers what, each done once whatever becomes of the answer.

use std::collections::BTreeSet;

use amarre::config::Config;
use amarre::engine::commands::verbs::VERBS;
use amarre::engine::pass_result::ActionState;
use amarre::engine::reconcile::actions::ActionRequest;
use amarre::registry;
use amarre::secret::MarkKey;
use amarre_core::model::{Kind, Millis};
use amarre_sim::Fault;
use amarre_sim::ovh_cloud::CloudVerb;

use super::support::{CloudRig, MONDAY};

const WRITES: &str = "/1.0/cloud/project/";

impl CloudRig {
    /// With all rights, after some looks.
    pub async fn managing() -> Self {
        let mut rig = Self::start_at(MONDAY).await;
        rig.cloud.grant_managing();
        for _ in 0..3 {
            rig.pass(Millis::seconds(10)).await;
        }
        rig
    }

    /// A person asks for an action, with what it needs.
    pub fn ask_with(&mut self, id: &str, word: &'static str, given: &str) {
        let (address, by, given) = (self.address(id), "alice".to_owned(), Some(given.to_owned()));
        self.engine.ask_actions(vec![ActionRequest { address, word, by, after: Vec::new(), given }]).unwrap();
    }

    /// Looks while something is under way, and then for as long as an action may be open.
    pub async fn looks(&mut self) {
        for _ in 0..15 {
            self.pass(Millis::seconds(4)).await;
        }
        for _ in 0..9 {
            self.pass(Millis::minutes(10)).await;
        }
        let pass = self.engine.last_pass();
        assert_eq!((&pass.plan.changes, &pass.plan.gaps), (&vec![], &vec![]));
    }
}

#[tokio::test]
async fn each_is_done_once_whatever_becomes_of_the_answer() {
    for (word, given, verb) in [
        ("snapshot", "before", CloudVerb::Snapshot),
        ("rebuild", "Debian 12", CloudVerb::Reinstall),
        ("resize", "b3-16", CloudVerb::Resize),
    ] {
        for (fault, is_sent) in [
            (None, true),
            (Some(Fault::CutAfter), true),
            (Some(Fault::After(504)), true),
            (Some(Fault::CutBefore), false),
            (Some(Fault::Before(429)), false),
        ] {
            for is_killed in [false, true] {
                let mut rig = CloudRig::managing().await;
                let id = rig.cloud.id_of("GRA11", "db-1");
                if let Some(fault) = fault.clone() {
                    rig.cloud.server.faults.add("POST", WRITES, 1, fault);
                }
                rig.ask_with(&id, word, given);
                rig.pass(Millis::seconds(1)).await;
                if is_killed {
                    rig.restart().await;
                }
                rig.looks().await;
                let case = format!("{word} {fault:?} {is_killed}: {:?}", rig.state(&id));
                assert_eq!(rig.effects(&id), if is_sent { vec![verb] } else { vec![] }, "{case}");
                assert_eq!(rig.cloud.writes().len(), 1, "{case}");
                // What was refused before the process ended is in its history only.
                let is_known = !is_killed || fault.as_ref().is_none_or(|fault| *fault != Fault::Before(429));
                assert_eq!(rig.state(&id) == Some(ActionState::Done), is_sent && is_known, "{case}");
                assert_eq!(rig.status(&id), "ACTIVE", "{case}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_said_by_name() {
    let mut rig = CloudRig::managing().await;
    let id = rig.cloud.id_of("GRA11", "db-1");
    rig.ask_with(&id, "rebuild", "Debian 31");
    rig.looks().await;
    let said = format!("{:?}", rig.state(&id));
    assert!(said.contains("A0754") && said.contains("Debian 13"), "{said}");
    // A key that only reads, and turns on and off.
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.settle().await;
    for (word, given) in [("snapshot", "before"), ("rebuild", "Debian 12"), ("resize", "b3-16")] {
        rig.ask_with(&id, word, given);
        rig.looks().await;
        let said = format!("{:?}", rig.state(&id));
        assert!(said.contains("A0731") && said.contains("POST on /cloud/project/*/instance/*"), "{word}: {said}");
    }
    assert_eq!(rig.effects(&id), []);
}

/// Two steps, a snapshot and a server that is made of it: the second one follows by itself, whichever process is there then.
#[tokio::test]
async fn a_clone_is_made_once_whatever_becomes_of_its_steps() {
    for (path, fault) in [
        ("/snapshot", None),
        ("/snapshot", Some(Fault::CutAfter)),
        ("/snapshot", Some(Fault::After(504))),
        ("/instance", Some(Fault::CutAfter)),
        ("/instance", Some(Fault::After(504))),
    ] {
        for killed_after in [None, Some(0), Some(4), Some(9)] {
            let mut rig = CloudRig::managing().await;
            let id = rig.cloud.id_of("GRA11", "db-1");
            let project = rig.cloud.instance(&id).unwrap().project;
            rig.ask_with(&id, "clone", "db-copy");
            for pass in 0..12 {
                // The first call is the snapshot, the second one the server.
                let is_its = pass == usize::from(path == "/instance");
                if let Some(fault) = fault.clone().filter(|_| is_its) {
                    rig.cloud.server.faults.add("POST", &format!("{WRITES}{project}/instance"), 1, fault);
                }
                rig.pass(Millis::seconds(3)).await;
                if killed_after == Some(pass) {
                    rig.restart().await;
                }
            }
            rig.looks().await;
            let case = format!("{path} {fault:?} {killed_after:?}: {:?}", rig.state(&id));
            assert_eq!(rig.effects(&id), [CloudVerb::Snapshot], "{case}");
            let clones = rig.cloud.instances().into_iter().filter(|one| one.name == "db-copy");
            assert_eq!(clones.map(|one| one.flavor).collect::<Vec<_>>(), ["b3-8"], "{case}");
            let pass = rig.engine.last_pass();
            let row = pass.instances().iter().find(|row| row.vendor_name == "db-copy").cloned().unwrap();
            assert!(row.manifest.is_none(), "{case}");
        }
    }
}

/// The documented matrix is what the providers have.
#[test]
fn the_matrix_says_what_each_cloud_offers() {
    let folder = tempfile::tempdir().unwrap();
    let text = "clouds: {paris: {ovh: {application_key: a, application_secret: b, consumer_key: c}}, tlv: {kamatera: {client_id: a, secret: b}}}\n";
    let config = Config::parse(text, &folder.path().join("amarre.yaml")).unwrap();
    let providers = registry::providers(&config, &MarkKey::new([7; 32])).unwrap();
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/instances.md")).unwrap();
    let cells =
        |line: &str| line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut table = docs.lines().skip_while(|line| !line.starts_with("| | start |"));
    let head = cells(table.next().unwrap());
    let known: BTreeSet<String> = head[1..].iter().map(|verb| verb.split(' ').next().unwrap().to_owned()).collect();
    let verbs = VERBS.into_iter().filter_map(|row| row.of_instance()).filter(|verb| *verb != "follow-schedule");
    assert_eq!(known, verbs.map(str::to_owned).collect());
    for (title, provider) in [("OVH Public Cloud", "ovh-cloud.paris"), ("Kamatera", "kamatera.tlv")] {
        let row = docs.lines().find(|line| line.starts_with(&format!("| {title} |"))).unwrap();
        let provider = providers.iter().find(|one| *one.id() == provider.to_owned().into()).unwrap();
        let can = provider.capabilities();
        let words = can.actions.unwrap().words(Kind::Instance);
        for (verb, cell) in head.iter().zip(cells(row)).skip(1).filter(|(verb, _)| *verb != "stop `--hard`") {
            let word = verb.replace(" `--hard`", "-hard");
            let is_offered = words.contains(&word.as_str()) || word == "console" && can.consoles.is_some();
            assert_eq!(is_offered, !cell.starts_with("not offered"), "{title}: {verb}");
        }
    }
}
