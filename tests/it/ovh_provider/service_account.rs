//! Signing in as a service account: one token for many calls, renewed in time, and clear words when it is refused.

use amarre::providers::Publish;
use amarre::providers::ovh::{OvhConfig, OvhLogin, OvhProvider};
use amarre::providers::{Class, ObserveQuery, Provider};
use amarre::secret::Secret;
use amarre_sim::Fault;
use amarre_sim::ovh::DOCUMENTED_RULES;

use super::support::{Desk, ZONE, config};
use amarre_core::model::Code;

const TOKEN: &str = "/auth/oauth2/token";

fn account(desk: &Desk, client_secret: &str) -> OvhConfig {
    let login = OvhLogin::Service {
        client_id: "client-id".to_owned(),
        client_secret: Secret::new(client_secret),
        token_url: Some(desk.ovh.token_url()),
    };
    OvhConfig { login, ..config(&desk.ovh) }
}

async fn desk() -> Desk {
    let mut desk = Desk::new().await;
    desk.provider = OvhProvider::new(account(&desk, "client-secret")).unwrap();
    desk
}

fn tokens(desk: &Desk) -> usize {
    desk.ovh.server.journal.calls().iter().filter(|call| call.path == TOKEN).count()
}

#[tokio::test]
async fn one_token_serves_a_whole_life_of_a_record() {
    let mut desk = desk().await;
    for values in [&["192.0.2.1"], &["192.0.2.2"]] {
        desk.want("cloud.example.org/A", values);
        desk.round().await;
    }
    desk.wanted.clear();
    desk.round().await;
    assert_eq!(desk.rows(), Vec::<String>::new());
    assert_eq!(tokens(&desk), 1);
    let calls = desk.ovh.server.journal.calls();
    assert!(calls.iter().all(|call| !call.path.ends_with("/auth/time")), "no signature, no clock: {calls:?}");
}

#[tokio::test]
async fn a_service_account_converges() {
    let mut desk = desk().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    let world = desk.converge().await;
    desk.assert_good(&world);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let desk = desk().await;
    desk.ovh.token_seconds(3599);
    desk.observe().await;
    desk.observe().await;
    assert_eq!(tokens(&desk), 1);
    // One that ends within the margin is good for the call that it was fetched for, and for no other.
    desk.ovh.token_seconds(30);
    desk.ovh.withdraw_tokens();
    for looks in 1..=2 {
        assert_eq!(desk.observe().await.gaps, []);
        assert_eq!(tokens(&desk), 1 + looks);
    }
}

#[tokio::test]
async fn a_withdrawn_token_is_replaced_once() {
    let mut desk = desk().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.observe().await;
    desk.ovh.withdraw_tokens();
    let world = desk.observe().await;
    assert_eq!((world.gaps.len(), tokens(&desk)), (0, 2));
    // A second refusal of the same call is an answer.
    desk.ovh.server.faults.add("GET", "/1.0/domain/zone", 2, Fault::Before(401));
    let world = desk.observe().await;
    assert_eq!((world.gaps[0].code, tokens(&desk)), (Code::A0702, 3));
}

#[tokio::test]
async fn a_refused_account_is_reported() {
    let desk = Desk::new().await;
    let provider = OvhProvider::new(account(&desk, "canary")).unwrap();
    assert!(!format!("{provider:?}").contains("canary"));
    let world = provider.observe(&ObserveQuery::default()).await;
    let [gap] = world.gaps.as_slice() else { panic!("{:?}", world.gaps) };
    assert_eq!((gap.code, gap.scope.zone()), (Code::A0720, None));
    assert!(gap.message.to_string().contains("invalid_client: Client authentication failed"), "{}", gap.message);
    assert!(gap.hint.to_string().contains("ovh.client_id") && !format!("{gap:?}").contains("canary"), "{}", gap.hint);
    let paths: Vec<String> = desk.ovh.server.journal.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(paths, [TOKEN], "nothing is asked without a token");
}

#[tokio::test]
async fn a_token_endpoint_that_is_away_is_waited_for() {
    let desk = desk().await;
    for fault in [Fault::Before(503), Fault::Before(429), Fault::CutBefore, Fault::Before(200)] {
        desk.ovh.server.faults.add("POST", TOKEN, 1, fault.clone());
        let world = desk.observe().await;
        assert_eq!(world.gaps[0].code, Code::A0704, "{fault:?}: {:?}", world.gaps);
    }
    assert_eq!(desk.observe().await.gaps, []);
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let mut desk = desk().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.ovh.deny("POST", "/domain/zone/example.org/refresh");
    desk.round().await;
    let error = desk.provider.publish(ZONE).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Rejected, Code::A0703));
    assert!(error.hint.to_string().contains("allow `dnsZone:apiovh:refresh`"), "{}", error.hint);
    desk.ovh.deny("GET", "/domain/zone");
    let world = desk.observe().await;
    assert_eq!(world.gaps[0].code, Code::A0721);
    assert!(world.gaps[0].message.to_string().contains("(dnsZone:apiovh:get)"), "{}", world.gaps[0].message);
    desk.ovh.grant_only(&DOCUMENTED_RULES);
    let world = desk.converge().await;
    desk.assert_good(&world);
}
