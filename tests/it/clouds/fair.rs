//! A cloud that takes connections and says nothing, beside one that answers.

use std::sync::Arc;
use std::time::Duration;

use amarre::engine::{Clock, Engine, RunMode, ShiftedClock};
use amarre_core::model::{Millis, Timestamp};
use amarre_sim::Fault;
use amarre_sim::kamatera::{Kamatera, KamateraOptions, KamateraVerb};
use amarre_sim::ovh_cloud::{OvhCloud, OvhCloudOptions};

use super::made_rig::Make;
use super::support::{MONDAY, engine_of};
use crate::support::{world_folder, write_settled};

async fn two_clouds(folder: &tempfile::TempDir, clock: &Arc<ShiftedClock>) -> (OvhCloud, Kamatera, Engine) {
    let silent = OvhCloud::start(OvhCloudOptions::dozen()).await.unwrap();
    let good = Kamatera::start(KamateraOptions::eight()).await.unwrap();
    let (keys, account) = (OvhCloudOptions::dozen(), KamateraOptions::eight());
    let ovh = format!(
        "ovh: {{endpoint: '{}', application_key: {}, application_secret: {}, consumer_key: {}}}",
        silent.endpoint(),
        keys.application_key,
        keys.application_secret,
        keys.consumer_key,
    );
    let kamatera = format!(
        "kamatera: {{url: '{}', console: '{}', client_id: {}, secret: {}}}",
        good.endpoint(),
        good.console_url(),
        account.client_id,
        account.secret,
    );
    let limits = "limits: {instances: 1000}";
    let text = format!(
        "pools: {{}}\nssh_keys: {{ops: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops}}\npolicy: {{instances: ['*']}}\n\
         clouds:\n  aaa: {{{ovh}, {limits}}}\n  zlab: {{{kamatera}, {limits}}}\n"
    );
    (silent, good, engine_of(folder, clock, &text, 0).await)
}

#[tokio::test]
async fn a_silent_cloud_holds_up_no_other() {
    let (folder, clock) = (world_folder(), Arc::new(ShiftedClock::default()));
    clock.jump(Timestamp::parse(MONDAY).unwrap() - clock.now());
    let (silent, good, mut engine) = two_clouds(&folder, &clock).await;
    let pass = async |engine: &mut Engine| {
        engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
        engine.drain().await;
    };
    pass(&mut engine).await;
    silent.server.faults.add("*", "/", u32::MAX, Fault::HangBefore);
    let silent_before = silent.server.journal.calls().len();

    // Each minute one more server is wanted at each cloud. `FAIR_MINUTES=10` has real minutes, as `scripts/long` does.
    let real = std::env::var_os("FAIR_MINUTES").and_then(|text| text.to_str()?.parse::<u32>().ok());
    let mut minutes = tokio::time::interval(Duration::from_secs(60));
    let rounds = real.unwrap_or(4);
    for round in 0..rounds {
        if real.is_some() {
            minutes.tick().await;
        }
        for (cloud, make) in [("aaa", Make::Ovh), ("zlab", Make::Kamatera)] {
            let text = format!("kind: Instance\nname: {cloud}{round}\ncloud: {cloud}\n{}", make.small());
            write_settled(folder.path().join(format!("services/{cloud}{round}.yaml")), text);
        }
        clock.advance(Millis::minutes(1));
        good.advance(60);
        let before = good.server.journal.calls().len();
        pass(&mut engine).await;
        let ordered = good.effects().iter().filter(|(_, verb)| *verb == KamateraVerb::Create).count();
        assert_eq!(ordered, round as usize + 1, "the good cloud's server is ordered in its round");
        assert!(good.server.journal.calls().len() > before, "the good cloud is looked at in each round");
    }
    // What is silent is asked at most once a round, however long it may take to answer.
    let asked = silent.server.journal.calls().len() - silent_before;
    assert!(asked <= rounds as usize + 1, "{asked} calls in {rounds} rounds");
    assert_eq!(engine.last_pass().plan.gaps.len(), 1, "{:?}", engine.last_pass().plan.gaps);
}
