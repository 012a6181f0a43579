//! One server that no manifest manages is deleted by a person's word: by its id, and by the name that it has at its vendor.

use amarre::engine::pass_result::ActionState;
use amarre::engine::reconcile::actions::ActionRequest;
use amarre::providers::servers::is_the_named;
use amarre_core::model::{Code, Millis};
use amarre_sim::Fault;
use amarre_sim::ovh_cloud::CloudVerb;

use super::support::{CloudRig, MONDAY};

const SERVERS: &str = "/1.0/cloud/project/";

impl CloudRig {
    fn ask_to_delete(&mut self, id: &str, name: &str) {
        let (address, by, given) = (self.address(id), "alice".to_owned(), Some(name.to_owned()));
        self.engine.ask_actions(vec![ActionRequest { address, word: "delete", by, after: Vec::new(), given }]).unwrap();
    }

    async fn passes(&mut self, count: usize, span: Millis) {
        for _ in 0..count {
            self.pass(span).await;
        }
    }
}

async fn rig() -> CloudRig {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.cloud.grant_managing();
    rig.settle().await;
    rig
}

#[tokio::test]
async fn one_that_no_manifest_manages_is_deleted_by_its_id_and_its_name() {
    for (fault, end) in [
        (None, ActionState::Done),
        (Some(Fault::CutAfter), ActionState::Done),
        (Some(Fault::After(504)), ActionState::Done),
        (Some(Fault::CutBefore), ActionState::Unknown),
    ] {
        for is_killed in [false, true] {
            let mut rig = rig().await;
            let id = rig.cloud.id_of("GRA11", "db-1");
            if let Some(fault) = fault.clone() {
                rig.cloud.server.faults.add("DELETE", SERVERS, 1, fault);
            }
            rig.ask_to_delete(&id, "db-1");
            rig.pass(Millis::seconds(1)).await;
            if is_killed && fault.is_some() {
                rig.restart().await;
            }
            rig.passes(40, Millis::seconds(60)).await;
            assert_eq!(rig.state(&id), Some(end.clone()), "{fault:?} {is_killed}");
            let is_gone = end == ActionState::Done;
            assert_eq!(rig.cloud.instance(&id).is_none(), is_gone, "{fault:?}");
            assert_eq!(rig.effects(&id), if is_gone { vec![CloudVerb::Delete] } else { vec![] });
            let writes = rig.cloud.server.journal.calls().into_iter().filter(|call| call.method == "DELETE").count();
            assert_eq!(writes, 1, "{fault:?}: it is never sent twice");
            rig.cloud.server.faults.clear();
            assert_eq!(rig.settle().await.instances().len(), if is_gone { 11 } else { 12 });
        }
    }
}

#[tokio::test]
async fn another_name_or_a_missing_right_deletes_nothing() {
    let mut rig = rig().await;
    let id = rig.cloud.id_of("GRA11", "db-1");
    rig.ask_to_delete(&id, "db-2");
    rig.settle().await;
    let Some(ActionState::Failed(refused)) = rig.state(&id) else { panic!("{:?}", rig.state(&id)) };
    assert_eq!(refused.code, Code::A0465);
    assert!(refused.message.to_string().ends_with("it is called db-1 now"), "{refused}");
    // Without a name nothing is deleted, either.
    rig.ask(&id, "delete").unwrap();
    rig.settle().await;
    assert!(format!("{:?}", rig.state(&id)).contains("A0465"), "{:?}", rig.state(&id));

    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.settle().await;
    let id = rig.cloud.id_of("GRA11", "db-1");
    rig.ask_to_delete(&id, "db-1");
    rig.settle().await;
    assert!(format!("{:?}", rig.state(&id)).contains("A0731"), "{:?}", rig.state(&id));
    assert_eq!(rig.effects(&id), []);
}

/// What a hidden project has is not there to be seen: that is no proof that it is gone.
#[tokio::test]
async fn a_hidden_server_is_not_taken_for_deleted() {
    let mut rig = rig().await;
    let id = rig.cloud.id_of("GRA11", "db-1");
    rig.cloud.server.faults.add("DELETE", SERVERS, 1, Fault::CutBefore);
    rig.ask_to_delete(&id, "db-1");
    rig.pass(Millis::seconds(1)).await;
    rig.restart().await;
    let project = rig.cloud.instance(&id).unwrap().project;
    rig.cloud.server.faults.add("GET", &format!("{SERVERS}{project}/instance"), 1_000, Fault::Before(503));
    rig.passes(60, Millis::seconds(60)).await;
    assert_ne!(rig.state(&id), Some(ActionState::Done));
}

#[test]
fn list_and_details_have_to_agree_on_the_name() {
    for (listed, detailed, expected) in [
        (Some("db-1"), Some("db-1"), Ok(true)),
        (None, None, Ok(false)),
        (Some("db-2"), Some("db-2"), Err("it is called db-2 now")),
        (Some("db-2"), Some("db-1"), Err("it is called db-2 now")),
        (Some("db-1"), Some("db-2"), Err("its details call it db-2")),
        (Some("db-1"), None, Err("it is listed and has no details")),
        (None, Some("db-1"), Err("it has details and is not listed")),
    ] {
        match (is_the_named("8f1c", "db-1", listed, detailed), expected) {
            (Ok(is), Ok(expected)) => assert_eq!(is, expected),
            (Err(error), Err(said)) => {
                assert_eq!(error.code, Code::A0465);
                assert!(error.message.to_string().ends_with(said), "{error}");
            }
            (came, expected) => panic!("{listed:?} {detailed:?}: {came:?} is not {expected:?}"),
        }
    }
}
