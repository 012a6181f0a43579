//! `restart`: which containers, in which order, and what is refused.

use amarre::engine::commands::Act;
use amarre::engine::commands::verbs::RESTART;
use amarre::engine::reconcile::daemon::LoopCommand;
use amarre_sim::Fault;
use amarre_sim::docker::{Behaviour, ImageSpec};

use super::mend::{act, of_service, with_daemon};
use crate::support::stepped::Stepped;

/// The proxy shares the network of the app, and the worker follows the database.
const STACK: &str = "
name: stack
containers:
  app: {image: 'web:1', depends_on: {db: {condition: service_healthy}}}
  db: {image: 'db:1', healthcheck: {test: [CMD, 'true']}}
  proxy: {image: 'web:1', network_mode: 'service:app'}
  worker: {image: 'web:1', depends_on: {db: {condition: service_started, restart: true}}}
jobs: {move: {image: 'job:1'}}
update: {drain: 0s}
";

async fn stack() -> Stepped {
    let mut rig = Stepped::start().await;
    rig.docker.image(ImageSpec { behaviour: Behaviour::Exit(0), ..ImageSpec::new("job:1") });
    rig.write("stack.yaml", STACK);
    rig.settle().await;
    rig.forget();
    rig
}

fn restart(container: Option<&str>) -> Act {
    of_service(&RESTART, "stack").with("container", container)
}

/// The keys of the containers that were restarted, in order.
fn restarted(rig: &Stepped) -> Vec<String> {
    let containers = rig.docker.containers();
    let name = |id: &str| {
        let one = containers.iter().find(|one| one["Id"] == id).unwrap();
        one["Name"].as_str().unwrap().trim_start_matches("/stack-").to_owned()
    };
    let writes = rig.writes();
    let ids = writes.iter().map(|line| line.strip_prefix("POST /v1.41/containers/").unwrap());
    ids.map(|rest| name(rest.split_once("/restart").expect("nothing but restarts").0)).collect()
}

#[tokio::test]
async fn containers_restart_after_those_that_they_depend_on() {
    for (named, expected) in [
        (None, &["db", "app", "proxy", "worker"][..]),
        (Some("db"), &["db", "worker"]),
        (Some("stack-app"), &["app", "proxy"]),
        (Some("worker"), &["worker"]),
    ] {
        let mut rig = stack().await;
        with_daemon(&rig, async |handle| {
            let done = act(handle, restart(named)).await;
            assert_eq!(done.exit, 0, "{}", done.text);
            assert!(done.text.contains("stack is restarted and ready again"), "{}", done.text);
            let pass = handle.request(LoopCommand::Pass).await.unwrap().pass;
            assert!(pass.plan.changes.is_empty(), "{:?}", pass.plan.changes);
        })
        .await;
        let mut found = restarted(&rig);
        assert_eq!(found.first().map(String::as_str), expected.first().copied(), "{named:?}");
        found.sort();
        assert_eq!(
            found,
            {
                let mut all = expected.to_vec();
                all.sort_unstable();
                all
            },
            "{named:?}"
        );
        rig.settle().await;
    }
}

#[tokio::test]
async fn what_depends_on_a_failed_restart_is_left_as_it_is() {
    let mut rig = stack().await;
    rig.docker.server.faults.add("POST", "/v1.41/containers/", 1, Fault::Before(500));
    with_daemon(&rig, async |handle| {
        let done = act(handle, restart(None)).await;
        assert_eq!(done.exit, 3, "{}", done.text);
        for line in [
            "error[A0510]: restarting container stack-db",
            "container stack-app was not restarted: stack-db is not up again",
        ] {
            assert!(done.text.contains(line), "{line:?} is not in\n{}", done.text);
        }
    })
    .await;
    assert_eq!(restarted(&rig), ["db"]);
    rig.settle().await;
}

#[tokio::test]
async fn what_cannot_restart_is_refused() {
    let mut rig = stack().await;
    with_daemon(&rig, async |handle| {
        let code = async |act_of: Act| act(handle, act_of).await.document["error"]["code"].clone();
        assert_eq!(code(of_service(&RESTART, "nobody")).await, "A1002");
        assert_eq!(code(restart(Some("nobody"))).await, "A1002");
        assert_eq!(code(restart(Some("move"))).await, "A0461");
    })
    .await;
    rig.forget();
    rig.write("stack.yaml", &format!("{STACK}state: stopped\n"));
    rig.pass_until_settled().await;
    rig.forget();
    with_daemon(&rig, async |handle| {
        let refused = act(handle, restart(None)).await;
        assert_eq!(refused.document["error"]["code"], "A0461", "{}", refused.text);
    })
    .await;
    assert_eq!(rig.writes(), [""; 0]);
}

/// The container that Amarre runs in is spared, and so is NPM's until it is named.
#[tokio::test]
async fn neither_amarre_nor_npm_restarts_by_the_way() {
    let mut rig = stack().await;
    let db = rig.docker.containers().into_iter().find(|one| one["Name"] == "/stack-db").unwrap();
    rig.own = Some(db["Id"].as_str().unwrap().to_owned());
    rig.restart().await;
    rig.settle().await;
    with_daemon(&rig, async |handle| {
        for named in [None, Some("db")] {
            let refused = act(handle, restart(named)).await;
            assert_eq!(refused.document["error"]["code"], "A0508", "{}", refused.text);
        }
    })
    .await;
    assert_eq!(restarted(&rig), [""; 0]);
}
