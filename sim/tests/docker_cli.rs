//! The real `docker` command as an independent client of the simulated engine.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use amarre_sim::docker::{Docker, DockerOptions, ImageSpec};

/// Runs `docker` against the simulator: exit code, stdout and stderr, trimmed.
fn docker(address: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new("docker")
        .args(arguments)
        .env("DOCKER_HOST", format!("tcp://{address}"))
        .env_remove("DOCKER_CONTEXT")
        .env_remove("DOCKER_TLS_VERIFY")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs what has to succeed, and answers what it printed.
fn succeed(address: &str, arguments: &[&str]) -> String {
    let (code, out, err) = docker(address, arguments);
    assert_eq!(code, 0, "docker {arguments:?}: {err}");
    out
}

/// Where the command is not installed there is nothing to compare with.
fn is_installed() -> bool {
    Command::new("docker").arg("--version").output().is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_docker_command_works_against_it() {
    if !is_installed() {
        return;
    }
    let engine = Docker::start(DockerOptions::default()).await.unwrap();
    engine.image(ImageSpec { ports: vec![80], volumes: vec!["/data".to_owned()], ..ImageSpec::new("web:1") });
    let address = engine.server.address.to_string();
    start_on_a_network(&address);
    reach_it_over_networks(&address);
    run_commands_in_it(&address);
    rename_and_stop_it(&address);
    take_all_away(&address);
}

fn start_on_a_network(address: &str) {
    let ok = |arguments: &[&str]| succeed(address, arguments);
    ok(&["network", "create", "--subnet", "10.99.1.0/24", "zz-web"]);
    let (code, _, err) = docker(address, &["network", "create", "--subnet", "10.99.1.128/25", "other"]);
    assert_eq!(code, 1);
    assert!(err.contains("Pool overlaps with other one on this address space"), "{err}");

    // Not local: the command pulls it first.
    let id = ok(&[
        "run",
        "-d",
        "--name",
        "web",
        "--network",
        "zz-web",
        "--ip",
        "10.99.1.5",
        "-p",
        "8080:80",
        "--restart",
        "unless-stopped",
        "-e",
        "KEY=value",
        "--label",
        "a=b",
        "-v",
        "web_html:/html",
        "web:1",
    ]);
    assert_eq!(id.len(), 64);
    let shown = ok(&["ps", "--format", "{{.Names}} {{.Image}} {{.State}} {{.Ports}}"]);
    assert!(shown.starts_with("web web:1 running 0.0.0.0:8080->80/tcp"), "{shown}");
    let address_of = "{{(index .NetworkSettings.Networks \"zz-web\").IPAddress}} {{.HostConfig.RestartPolicy.Name}} {{index .Config.Labels \"a\"}}";
    assert_eq!(ok(&["inspect", "-f", address_of, "web"]), "10.99.1.5 unless-stopped b");
}

/// From a neighbour it is reached, from another network it is not.
fn reach_it_over_networks(address: &str) {
    let ok = |arguments: &[&str]| succeed(address, arguments);
    ok(&["run", "-d", "--name", "near", "--network", "zz-web", "web:1"]);
    ok(&["run", "-d", "--name", "far", "web:1"]);
    let probe = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "3", "http://10.99.1.5:80/x"];
    let from = |name: &str| {
        let arguments: Vec<&str> = ["exec", name].into_iter().chain(probe).collect();
        let (code, out, _) = docker(address, &arguments);
        (code, out)
    };
    assert_eq!(from("near"), (0, "200".to_owned()));
    assert_eq!(from("far"), (7, "000".to_owned()));
    ok(&["network", "connect", "zz-web", "far"]);
    assert_eq!(from("far"), (0, "200".to_owned()));
}

fn run_commands_in_it(address: &str) {
    let run = |arguments: &[&str]| docker(address, arguments);
    assert_eq!(run(&["exec", "web", "true"]).0, 0);
    assert_eq!(run(&["exec", "web", "sh", "-c", "exit 7"]).0, 7);
    let (code, out, err) = run(&["exec", "web", "nosuch"]);
    assert_eq!(code, 126);
    assert!(format!("{out}{err}").contains("executable file not found in $PATH"));
    assert_eq!(succeed(address, &["logs", "web"]), "listening");
}

/// What is in use is not removed, and the engine tells what happened.
fn rename_and_stop_it(address: &str) {
    let run = |arguments: &[&str]| docker(address, arguments);
    let ok = |arguments: &[&str]| succeed(address, arguments);
    ok(&["rename", "web", "site"]);
    ok(&["update", "--restart", "no", "site"]);
    ok(&["stop", "site"]);
    assert!(ok(&["ps", "-a", "--filter", "name=^site$", "--format", "{{.Status}}"]).starts_with("Exited (0)"));
    assert_eq!(ok(&["wait", "site"]), "0");
    ok(&["start", "site"]);
    let (code, _, err) = run(&["rm", "site"]);
    assert_eq!(code, 1);
    assert!(err.contains("container") && err.contains("remov"), "{err}");
    let (_, _, err) = run(&["network", "rm", "zz-web"]);
    assert!(err.contains("has active endpoints"), "{err}");

    let until = until_now();
    let old_name = "{{.Actor.Attributes.oldName}}";
    let told = ok(&["events", "--since", "1", "--until", &until, "--filter", "event=rename", "--format", old_name]);
    assert_eq!(told, "/web");
}

fn take_all_away(address: &str) {
    let ok = |arguments: &[&str]| succeed(address, arguments);
    ok(&["rm", "-f", "-v", "site", "near", "far"]);
    ok(&["network", "rm", "zz-web"]);
    assert_eq!(ok(&["ps", "-aq"]), "");
    assert_eq!(ok(&["volume", "ls", "-q"]), "web_html");
    ok(&["volume", "rm", "web_html"]);
    ok(&["pull", "redis:7"]);
    assert_eq!(ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).lines().count(), 2);
    ok(&["rmi", "redis:7"]);
    ok(&["info"]);
    ok(&["system", "df"]);
}

/// The command wants an end for `events`; a little ahead, so that what was just done is before it.
fn until_now() -> String {
    #[expect(clippy::disallowed_methods, reason = "a name that no other run of this test has")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}", since.as_secs() + 1)
}
