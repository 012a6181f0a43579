//! `amarre init`: what it finds, what it asks, what it writes, and that it overwrites nothing.

use std::os::unix::fs::PermissionsExt;

use amarre_sim::ovh_cloud::{OvhCloud, OvhCloudOptions, WEB_PROJECT};

use super::Ended;
use super::rig::Rig;

/// Without a configuration, but with vendors.
async fn bare() -> Rig {
    let rig = Rig::start().await;
    std::fs::remove_file(rig.path().join("amarre.yaml")).unwrap();
    std::fs::remove_dir(rig.path().join("services")).unwrap();
    rig.file("password", "changeme-npm\n");
    rig
}

async fn init(rig: &Rig, more: &[&str]) -> Ended {
    let docker = format!("tcp://{}", rig.docker.server.address);
    let (npm, ovh) = (rig.npm.server.url(), rig.ovh.endpoint());
    let args = ["init", "--docker", &docker, "--npm-url", &npm, "--npm-identity", "amarre@amarre.demo"];
    // Where these tests run may be a container, whose name is not the machine's.
    let named = ["--instance", "box-1"];
    let more = if more.contains(&"--instance") { more.to_vec() } else { [&named[..], more].concat() };
    let secrets = [
        ("OVH_ENDPOINT", ovh.as_str()),
        ("OVH_APPLICATION_KEY", "application-key"),
        ("OVH_APPLICATION_SECRET", "application-secret"),
        ("OVH_CONSUMER_KEY", "consumer-key"),
    ];
    rig.run_with(&[&args[..], &more].concat(), &secrets).await
}

const USUAL: [&str; 6] = ["--domain", "example.org", "--address", "203.0.113.10", "--npm-secret-file", "password"];

#[tokio::test(flavor = "multi_thread")]
async fn with_flags_it_asks_nothing_and_what_it_writes_can_be_applied() {
    let rig = bare().await;
    let ended = init(&rig, &USUAL).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    for said in [
        "What I can see from here",
        "container npm",
        "signed in to NPM 2.",
        "Wrote secrets/npm, secrets/ovh, secrets/ovh-consumer, amarre.yaml, ./services/whoami.yaml",
        "2 containers and 1 proxy hosts are here already. Amarre leaves them alone.",
        "Next: amarre plan",
    ] {
        assert!(ended.err.contains(said), "{said}: {}", ended.err);
    }
    assert!(!ended.err.contains("missing"), "{}", ended.err);
    let mode = |name: &str| std::fs::metadata(rig.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("secrets"), mode("secrets/npm"), mode("amarre.yaml")), (0o700, 0o600, 0o600));
    let text = std::fs::read_to_string(rig.path().join("amarre.yaml")).unwrap();
    assert!(text.contains("\ninstance: box-1\n"), "{text}");
    assert!(text.contains("container: \"npm\"") && !text.contains("changeme-npm"), "{text}");
    assert!(!text.contains("authors"), "it was not asked: {text}");
    let validated = rig.run(&["validate"]).await;
    assert_eq!((validated.code, validated.out.as_str()), (0, "1 manifest is good.\n"));
    // It is really usable: the vendors are asked, and a whole way is found.
    let plan = rig.run(&["plan"]).await;
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(
        plan.out.contains("proxy host    whoami.example.org") && plan.out.contains("A 203.0.113.10"),
        "{}",
        plan.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_overwrites_nothing_and_leaves_nothing_half_written() {
    let rig = bare().await;
    std::fs::create_dir(rig.path().join("secrets")).unwrap();
    rig.file("secrets/ovh", "precious");
    let ended = init(&rig, &USUAL).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("error[A1006]: could not write secrets/ovh"), "{}", ended.err);
    assert_eq!(std::fs::read_to_string(rig.path().join("secrets/ovh")).unwrap(), "precious");
    for name in ["secrets/npm", "amarre.yaml", "services/whoami.yaml"] {
        assert!(!rig.path().join(name).exists(), "{name} was left behind");
    }
    rig.file("amarre.yaml", "instance: mine\n");
    let ended = init(&rig, &USUAL).await;
    assert!(ended.err.contains("error[A1006]: amarre.yaml is there already"), "{}", ended.err);
    assert_eq!(std::fs::read_to_string(rig.path().join("amarre.yaml")).unwrap(), "instance: mine\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_answers_are_listed_and_a_wrong_one_stops_init() {
    let rig = bare().await;
    let ended = init(&rig, &["--yes"]).await;
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("error[A1005]: the domain is missing"), "{}", ended.err);
    let ended = init(&rig, &["--yes", "--domain", "home"]).await;
    assert!(ended.code == 1 && ended.err.contains("error[A1005]: `home` is not a domain"), "{}", ended.err);
    rig.file("password", "wrong\n");
    let ended = init(&rig, &USUAL).await;
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("error[A060"), "NPM's own words: {}", ended.err);
    assert!(!rig.path().join("amarre.yaml").exists());

    // Nothing but a domain: it says what is left to give, and what it writes is still good.
    let ended = rig
        .run_with(
            &["init", "--domain", "example.org", "--instance", "b", "--docker", "tcp://127.0.0.1:1", "--address", ""],
            &[],
        )
        .await;
    assert_eq!(ended.code, 0, "{ended:?}");
    for missing in ["a Docker engine that answers", "the public address", "NPM: --npm-url", "OVH's keys"] {
        assert!(ended.err.contains(&format!("missing: {missing}")), "{missing}: {}", ended.err);
    }
    assert_eq!(rig.run(&["validate"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_asks_and_shows_no_password() {
    let rig = bare().await;
    let docker = format!("tcp://{}", rig.docker.server.address);
    let command = format!("{} init --docker {docker} --npm-url {}", env!("CARGO_BIN_EXE_amarre"), rig.npm.server.url());
    // A terminal of its own; the answers are typed one after the other.
    let answers = "exa mple\ny\nexample.org\nBox 1\nbox-1\nnotip\n203.0.113.10\n\nme\noperators\namarre@amarre.demo\nchangeme-npm\n\n";
    let script = format!("printf '{answers}' | script -qec '{command}' typescript");
    let mut shell = tokio::process::Command::new("bash");
    shell.args(["-c", &script]).current_dir(rig.path()).env("LC_ALL", "C.UTF-8").kill_on_drop(true);
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), shell.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    for asked in [
        "Domain:",
        "`exa mple` is not a domain: write it as in example.org",
        "`y` is not a domain",
        "Name of this Amarre, on every resource",
        "`Box 1` is no name of an instance",
        "`notip` is not an address: write an IPv4 or IPv6 address",
        "Manifests, a folder or git URL [./services]:",
        "`others` have not [others]:",
        "operators or others",
        "NPM e-mail:",
        "NPM password (not shown",
    ] {
        assert!(said.contains(asked), "{asked}: {said}");
    }
    let shown = said.split("NPM password").nth(1).unwrap();
    assert!(!shown.contains("changeme-npm"), "{said}");
    assert!(rig.path().join("secrets/npm").exists() && rig.path().join("services/whoami.yaml").exists(), "{said}");
    let text = std::fs::read_to_string(rig.path().join("amarre.yaml")).unwrap();
    assert!(text.contains("policy:\n  authors: operators "), "{text}");
    assert_eq!(rig.run(&["validate"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_without_an_account_is_simulated_when_asked_for() {
    let rig = bare().await;
    let docker = format!("tcp://{}", rig.docker.server.address);
    let args =
        ["init", "--yes", "--docker", &docker, "--domain", "example.org", "--instance", "b", "--simulate", "npm,ovh"];
    let ended = rig.run(&[&args[..], &["--address", "203.0.113.10", "--authors", "others"]].concat()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let text = std::fs::read_to_string(rig.path().join("amarre.yaml")).unwrap();
    assert!(text.contains("policy:\n  authors: others "), "{text}");
    assert!(ended.err.contains("OVH is simulated") && !ended.err.contains("missing"), "{}", ended.err);
    let plan = rig.run(&["plan"]).await;
    assert!(plan.err.contains("test mode: NPM and OVH are simulated"), "{plan:?}");
    assert!(plan.out.contains("proxy host    whoami.example.org") && plan.out.contains("A 203.0.113.10"), "{plan:?}");
}

/// Two with one name would delete what is the other's.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_whose_marks_are_there_is_refused() {
    let rig = bare().await;
    rig.docker.image(amarre_sim::docker::ImageSpec::new("traefik/whoami:v1.10"));
    assert_eq!(init(&rig, &[&USUAL[..], &["--instance", "neighbour"]].concat()).await.code, 0);
    let applied = rig.run(&["apply", "--yes", "--timeout", "60s"]).await;
    assert_eq!(applied.code, 0, "{applied:?}");
    // Its own start goes on, and another name is refused to its ledger.
    assert_eq!(rig.run(&["plan"]).await.code, 0);
    let text = std::fs::read_to_string(rig.path().join("amarre.yaml")).unwrap();
    rig.file("amarre.yaml", &text.replace("instance: neighbour", "instance: another"));
    let renamed = rig.run(&["plan"]).await;
    assert!(
        renamed.code == 1 && renamed.err.contains("A1034") && renamed.err.contains("instance neighbour"),
        "{renamed:?}"
    );
    let again = |name: &'static str, docker: &'static str| {
        std::fs::create_dir_all(rig.path().join(name)).unwrap();
        let config = format!("{name}/amarre.yaml");
        let rig = &rig;
        async move {
            let more = ["--config", config.as_str(), "--instance", "neighbour"];
            let docker: &[&str] = if docker.is_empty() { &[] } else { &["--docker", docker] };
            let (npm, ovh) = (rig.npm.server.url(), rig.ovh.endpoint());
            let real = format!("tcp://{}", rig.docker.server.address);
            let docker = if docker.is_empty() { vec!["--docker", real.as_str()] } else { docker.to_vec() };
            let args = ["init", "--npm-url", &npm, "--npm-identity", "amarre@amarre.demo"];
            let secrets = [("OVH_ENDPOINT", ovh.as_str())];
            rig.run_with(&[&args[..], &docker, &USUAL, &more].concat(), &secrets).await
        }
    };
    let engine = again("second", "").await;
    let said = "this Docker engine has resources of an instance neighbour already";
    assert!(engine.code == 1 && engine.err.contains("A1034") && engine.err.contains(said), "{engine:?}");
    let npm = again("third", "tcp://127.0.0.1:1").await;
    assert!(npm.code == 1 && npm.err.contains("this NPM has resources of an instance neighbour already"), "{npm:?}");
    assert!(!rig.path().join("second/amarre.yaml").exists() && !rig.path().join("third/amarre.yaml").exists());
}

/// Every variable that the documents name, and one project of several that cannot be changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_takes_each_variable_of_the_documents() {
    let keys = OvhCloudOptions::dozen();
    let cloud = OvhCloud::start(OvhCloudOptions::dozen()).await.unwrap();
    assert!(cloud.set_project_status(WEB_PROJECT, "suspended"));
    let endpoint = cloud.endpoint();
    let names = ["OVH_APP_KEY", "OVH_APP_SECRET", "OVH_CONSUMER_KEY"];
    let long = ["OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"];
    for [key, secret, consumer] in [names, long] {
        let rig = bare().await;
        let env = [
            ("OVH_ENDPOINT", endpoint.as_str()),
            (key, &keys.application_key),
            (secret, &keys.application_secret),
            (consumer, &keys.consumer_key),
        ];
        let ended = rig.run_with(&["init", "--cloud", "ovh", "--instances", "none"], &env).await;
        assert_eq!(ended.code, 0, "{key}: {ended:?}");
        assert!(
            ended.err.contains("project web is suspended at OVH; list the others in `projects: [..]`"),
            "{ended:?}"
        );
        let written = std::fs::read_to_string(rig.path().join("amarre.yaml")).unwrap();
        assert!(written.contains("application_key: ") && !written.contains(&keys.application_secret), "{written}");
        let listed = rig.run_with(&["instance", "list"], &[]).await;
        assert!(listed.out.contains("build-1"), "{listed:?}");
    }
}
