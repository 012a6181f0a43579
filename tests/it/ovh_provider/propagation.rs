//! When a record counts as visible.

use amarre::providers::ovh::{OvhConfig, OvhProvider, Propagation};
use amarre_core::model::{Millis, Readiness};
use amarre_sim::dns::{Dns, Mood, Role};
use amarre_sim::ovh::{OvhOptions, PublishMode};

use super::support::{Desk, ZONE, config};

const NAME: &str = "cloud.example.org/A";

async fn waiting_desk() -> Desk {
    let mut options = OvhOptions::with_zones(&[ZONE]);
    options.publish = PublishMode::Manual;
    let mut desk = Desk::with(options).await;
    desk.want(NAME, &["192.0.2.1"]);
    desk.round().await;
    desk
}

async fn why(desk: &Desk) -> String {
    match desk.seen(NAME).await.ready {
        Readiness::Ready => "ready".to_owned(),
        Readiness::NotYet { why, .. } | Readiness::Failed { why } => why.to_string(),
    }
}

fn ask(desk: &mut Desk, propagation: Propagation) {
    desk.provider = OvhProvider::new(OvhConfig { propagation, ..config(&desk.ovh) }).unwrap();
}

#[tokio::test]
async fn all_servers_must_answer_right() {
    let mut desk = waiting_desk().await;
    let since = desk.now;
    assert_eq!(why(&desk).await, "0 of 2 of the zone's servers answer");
    desk.now = desk.now + Millis::minutes(1);
    desk.ovh.publish_to(0);
    let Readiness::NotYet { since: waited, why: said } = desk.seen(NAME).await.ready else { panic!("ready") };
    assert_eq!((waited, said.to_string().as_str()), (since, "1 of 2 of the zone's servers answer"));
    desk.now = desk.now + Millis::minutes(20);
    assert_eq!(why(&desk).await, "1 of 2 of the zone's servers answer, for 21 min now");
    desk.ovh.publish_to(1);
    assert_eq!(why(&desk).await, "ready");
}

#[tokio::test]
async fn an_old_value_is_not_right() {
    let mut desk = waiting_desk().await;
    desk.ovh.propagate();
    assert_eq!(why(&desk).await, "ready");
    desk.want(NAME, &["192.0.2.2"]);
    desk.round().await;
    assert_eq!(why(&desk).await, "0 of 2 of the zone's servers answer");
    desk.ovh.propagate();
    assert_eq!(why(&desk).await, "ready");
}

#[tokio::test]
async fn a_silent_server_holds_it_up() {
    let mut desk = waiting_desk().await;
    desk.ovh.propagate();
    desk.ovh.servers[1].stop().await;
    assert_eq!(why(&desk).await, "1 of 2 of the zone's servers answer");
    desk.ovh.servers[1].resume().await.unwrap();
    assert_eq!(why(&desk).await, "ready");
    // Believed for a while, then looked at again.
    desk.ovh.servers[1].behave(Mood::Fails);
    assert_eq!(why(&desk).await, "ready");
    desk.now = desk.now + Millis::minutes(6);
    assert_eq!(why(&desk).await, "1 of 2 of the zone's servers answer");
}

#[tokio::test]
async fn where_no_server_can_be_reached_the_resolvers_decide() {
    let mut desk = waiting_desk().await;
    let resolver = Dns::start(Role::Resolver, 0).await.unwrap();
    for server in &desk.ovh.servers {
        server.stop().await;
    }
    let resolvers = vec![resolver.address];
    let reached = Propagation { servers: desk.ovh.dns.clone(), resolvers, timeout: Millis::minutes(10) };
    ask(&mut desk, reached.clone());
    let expected = "none of the zone's servers can be reached from here, and 0 of 1 resolvers answer";
    assert_eq!(why(&desk).await, expected);
    resolver.publish(desk.ovh.dns_zone(ZONE).unwrap());
    assert_eq!(why(&desk).await, "ready");
    // Then not even the addresses of the zone's servers can be found out.
    resolver.stop().await;
    ask(&mut desk, Propagation { servers: Vec::new(), ..reached });
    assert_eq!(why(&desk).await, "no name server can be reached from here");
}

#[tokio::test]
async fn resolvers_are_not_asked_while_the_zones_servers_answer() {
    let mut desk = waiting_desk().await;
    let resolver = Dns::start(Role::Resolver, 0).await.unwrap();
    let (servers, resolvers) = (desk.ovh.dns.clone(), vec![resolver.address]);
    ask(&mut desk, Propagation { servers, resolvers, timeout: Millis::minutes(10) });
    assert_eq!(why(&desk).await, "0 of 2 of the zone's servers answer");
    desk.ovh.propagate();
    assert_eq!(why(&desk).await, "ready");
    assert_eq!(resolver.queries(), Vec::<String>::new());
}

#[tokio::test]
async fn a_long_answer_comes_over_tcp() {
    let mut desk = waiting_desk().await;
    desk.want("_x.example.org/TXT", &["k".repeat(1800).as_str()]);
    desk.round().await;
    desk.ovh.propagate();
    let world = desk.converge().await;
    desk.assert_good(&world);
}

#[tokio::test]
async fn a_refresh_of_others_does_not_unsettle_what_was_ready() {
    let mut desk = waiting_desk().await;
    desk.ovh.propagate();
    assert_eq!(why(&desk).await, "ready");
    desk.unpublished.insert(ZONE.to_owned());
    desk.now = desk.now + Millis::minutes(60);
    assert_eq!(why(&desk).await, "ready");
}
