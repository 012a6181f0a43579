//! What containers said, read from a real engine: both streams, with a terminal and without, from each logging driver.

use crate::support::docker;
use crate::support::following::Following;
use crate::support::rig::Rig;

use super::apply::WEB;

/// Prints on both streams, in colour and with a secret.
const SAYS: &str = "
name: TAG-says
image: amarre-test:1
entrypoint: [/bin/sh, -c, 'echo one; echo \"token $$PASSWORD\" >&2; printf \"\\033[31mred\\033[0m\\n\"; sleep 100000']
environment: {PASSWORD: {secret: shared/says}}
stop_grace_period: 1s
healthcheck: {test: [CMD, 'true'], interval: 1s}
";

fn secret(rig: &Rig) {
    std::fs::create_dir_all(rig.folder.path().join("secrets/services/shared")).unwrap();
    std::fs::write(rig.folder.path().join("secrets/services/shared/says"), "canary-77aa").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_running_container_is_heard_whatever_its_driver() {
    let rig = Rig::start().await;
    secret(&rig);
    let drivers = ["json-file", "local", "none"];
    for driver in drivers {
        let named = SAYS.replace("TAG-says", &format!("TAG-{driver}"));
        rig.write(&format!("{driver}.yaml"), &format!("{named}logging: {{driver: {driver}}}\n"));
    }
    rig.write("tty.yaml", &format!("{}tty: true\n", SAYS.replace("TAG-says", "TAG-tty")));
    rig.apply().await;
    rig.forget();
    for name in ["json-file", "local", "tty"] {
        let ended = rig.run(&["logs", &rig.name(name)]).await;
        let mut lines: Vec<&str> = ended.out.lines().collect();
        // Two streams come in no order between them.
        lines.sort_unstable();
        assert_eq!((ended.code, lines), (0, vec!["one", "red", "token (hidden)"]), "{name}: {ended}");
    }
    let none = rig.run(&["logs", &rig.name("none")]).await;
    assert_eq!(none.code, 1, "{none}");
    assert!(none.out.contains("cannot be read back: its logging driver is `none`"), "{none}");
    let last = rig.run(&["logs", &rig.name("local"), "-n", "1"]).await;
    assert_eq!(last.out.lines().count(), 1, "{last}");
    assert_eq!(rig.writes(), [""; 0], "asking changes nothing");
}

/// One a second, and a secret at each start.
const TICKS: &str = "
name: TAG-ticks
image: amarre-test:1
entrypoint: [/bin/sh, -c, 'echo \"starts with $$PASSWORD\"; while :; do echo tick; sleep 1; done']
environment: {PASSWORD: {secret: shared/says}}
stop_grace_period: 1s
healthcheck: {test: [CMD, 'true'], interval: 1s}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_printed_is_followed_also_after_a_restart() {
    let rig = Rig::start().await;
    secret(&rig);
    rig.write("ticks.yaml", TICKS);
    rig.apply().await;
    let name = rig.name("ticks");
    let mut following = Following::start(rig.command(&["logs", "-f", &name]));
    assert_eq!(following.next().await, "starts with (hidden)");
    assert_eq!((following.next().await, following.next().await), ("tick".to_owned(), "tick".to_owned()));
    docker(&["restart", "-t", "0", &name]);
    while following.next().await != "starts with (hidden)" {}
    assert_eq!(following.next().await, "tick");
    assert_eq!(following.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_candidate_that_exits_leaves_its_last_lines() {
    let rig = Rig::start().await;
    secret(&rig);
    rig.write("web.yaml", WEB);
    rig.apply().await;
    // On one stream: two would come in no order between them, and one line is to be the last.
    let dies = "entrypoint: [/bin/sh, -c, 'echo starting >&2; echo \"no such host dbb, $$PASSWORD\" >&2; exit 3']";
    let sick =
        WEB.replace("command: [serve, '8080']", dies).replace("{TEXT: web one}", "{PASSWORD: {secret: shared/says}}");
    rig.write("web.yaml", &sick);
    let partly = rig.apply_partly().await;
    let web = rig.name("web");
    assert!(partly.out.contains(&format!("amarre logs {web} --last-failed")), "{partly}");
    assert_eq!(rig.containers().len(), 1, "the candidate is gone");
    let said = rig.run(&["logs", &web, "--last-failed"]).await;
    assert!(said.out.contains("\nno such host dbb, (hidden)\n") && said.out.contains("\nstarting\n"), "{said}");
    let status = rig.run(&["status", &web]).await.out;
    for line in ["last line no such host dbb, (hidden)", "exit      code 3", "serving   amarre-test:1, up "] {
        assert!(status.contains(line), "{line:?} is not in {status}");
    }
    assert!(![&said.out, &status, &partly.out].iter().any(|text| text.contains("canary-77aa")));
}
