//! Proof of the simulated Kamatera by a client that the vendor wrote for others: Apache libcloud's driver.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "python/mod.rs"]
mod python;

use amarre_sim::kamatera::{CommandIds, Kamatera, KamateraOptions, KamateraPace, KamateraVerb};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libcloud_works() {
    // The script waits for commands by its own clock: they are done with their answers.
    let options = KamateraOptions { pace: KamateraPace::AT_ONCE, ..KamateraOptions::eight() };
    let cloud = Kamatera::start(options).await.unwrap();
    let fleet = cloud.instances();
    for form in [CommandIds::Strings, CommandIds::Numbers] {
        cloud.command_ids(form);
        python::check("kamatera_libcloud.py", &["--endpoint", &cloud.endpoint()]).await;
    }
    let verbs: Vec<KamateraVerb> = cloud.effects().into_iter().map(|(_, verb)| verb).collect();
    let once = [
        KamateraVerb::Create,
        KamateraVerb::Reboot,
        KamateraVerb::PowerOff,
        KamateraVerb::PowerOn,
        KamateraVerb::Create,
        KamateraVerb::Terminate,
        KamateraVerb::Terminate,
    ];
    assert_eq!(verbs, [once, once].concat());
    let made: Vec<String> = cloud.created().into_iter().map(|(_, name)| name).collect();
    assert_eq!(made, ["am-libcloud", "am-libcloud(1)", "am-libcloud", "am-libcloud(1)"]);
    assert_eq!(cloud.instances(), fleet, "what it made it deleted, and nothing else");
}
