//! The real program, from a commit to a service that runs: over HTTP and over ssh, with and without the daemon.

use serde_json::{Value as Json, json};
use tokio::process::Child;

use crate::cli::Ended;
use crate::cli::rig::{Rig, end, signal};
use crate::support::eventually;
use crate::support::forge::Forge;

const TOKEN: &str = "canary-7f31";

/// A rig whose manifests come from a repository.
async fn following(git: Json) -> Rig {
    let rig = Rig::start().await;
    configure(&rig, git);
    rig
}

fn configure(rig: &Rig, git: Json) {
    let mut config = rig.config();
    config["source"] = json!({"git": git});
    config["reconcile"] = json!({"interval": "1s"});
    rig.file("amarre.yaml", &format!("{config:#}"));
}

fn manifest(name: &str, image: &str) -> String {
    format!("name: {name}\nimage: {image}\nport: 80\nupdate: {{drain: 0s}}\n")
}

fn images(rig: &Rig) -> Vec<String> {
    let text = |json: &Json| json.as_str().unwrap().trim_start_matches('/').to_owned();
    let ours = |container: &Json| container["Config"]["Labels"]["io.amarre.instance"] == "home";
    let containers = rig.docker.containers();
    let mut lines: Vec<String> = containers
        .iter()
        .filter(|container| ours(container))
        .map(|container| format!("{} {}", text(&container["Name"]), text(&container["Config"]["Image"])))
        .collect();
    lines.sort();
    lines
}

/// The token stands nowhere: not in what was printed, nor in any file but the one that it was put in.
fn assert_secret(rig: &Rig, ended: &[&Ended]) {
    for ended in ended {
        assert!(!ended.out.contains(TOKEN) && !ended.err.contains(TOKEN), "{ended:?}");
    }
    let found = std::process::Command::new("grep").args(["-rl", TOKEN, "."]).current_dir(rig.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), "./token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_becomes_a_service_and_its_author_is_shown() {
    let forge = Forge::new();
    let http = forge.http(Some(TOKEN)).await;
    forge.write("services/blog.yaml", &manifest("blog", "web:1"));
    std::os::unix::fs::symlink("/etc/passwd", forge.work().join("services/linked.yaml")).unwrap();
    let first = forge.commit("Alice Martin", "add web", "services/web.yaml", &manifest("web", "web:1"));
    let rig = following(json!({"url": http.url(), "path": "services", "token": {"file": "token"}})).await;
    rig.file("token", TOKEN);
    let before = rig.run(&["validate"]).await;
    assert!(
        before.code == 1 && before.err.contains("A0302") && before.err.contains("was not fetched yet"),
        "{before:?}"
    );

    let plan = rig.run(&["plan"]).await;
    let head = plan.out.lines().next().unwrap_or_default();
    assert!(head.starts_with(&format!("main @ {} \"add web\" (Alice Martin, ", &first[..7])), "{plan:?}");
    assert!(plan.out.contains("new in services/web.yaml"), "{}", plan.out);
    let validated = rig.run(&["validate"]).await;
    let warning = "warning[A0308]: a symbolic link is no manifest\n  --> services/linked.yaml\n   = hint: put the file itself there\n";
    assert!(validated.code == 0 && validated.out.contains(warning), "without asking the server: {validated:?}");
    rig.apply().await;
    assert_eq!(images(&rig), ["blog web:1", "web web:1"]);
    let quiet = rig.run(&["plan"]).await;
    assert_eq!(quiet.out, format!("main @ {}: nothing to do, 2 services in sync\n", &first[..7]));

    std::fs::remove_file(forge.work().join("services/blog.yaml")).unwrap();
    let second = forge.commit("Bob Durand", "newer", "services/web.yaml", &manifest("web", "web:2"));
    let plan = rig.run(&["plan"]).await;
    let by = format!("in {} (Bob Durand)", &second[..7]);
    assert!(plan.out.contains(&format!("services/web.yaml:2 changed {by}")), "{}", plan.out);
    assert!(plan.out.contains(&format!("services/blog.yaml was removed {by}")), "{}", plan.out);
    let document: Json = serde_json::from_str(&rig.run(&["plan", "-o", "json"]).await.out).unwrap();
    let revision = &document["revision"];
    assert_eq!((&revision["id"], &revision["kind"]), (&json!(second), &json!("git")));
    assert_eq!(
        (&revision["branch"], &revision["author"], &revision["subject"]),
        (&json!("main"), &json!("Bob Durand"), &json!("newer"))
    );
    let reason = &document["services"][0]["reason"];
    assert_eq!(
        (&reason["who"], &reason["revision"], &reason["code"]),
        (&json!("Bob Durand"), &json!(second), &json!("manifest_removed"))
    );
    rig.apply().await;
    assert_eq!(images(&rig), ["web web:2"]);

    let status = rig.run(&["status"]).await;
    assert!(status.out.starts_with(&format!("main @ {}, checked ", &second[..7])), "{status:?}");
    let service = rig.run(&["status", "web"]).await;
    let from = format!("services/web.yaml @ {} \"newer\" (Bob Durand, ", &second[..7]);
    assert!(service.out.contains(&from), "{}", service.out);
    assert_secret(&rig, &[&before, &plan, &status, &service]);

    rig.file("token", "another");
    let denied = rig.run(&["plan"]).await;
    assert!(
        denied.code == 1
            && denied.out.contains("A0303")
            && denied.out.contains(&format!("going on with {}", &second[..7])),
        "{denied:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_follows_the_branch_through_every_change() {
    let forge = Forge::new();
    let http = forge.http(None).await;
    forge.commit("Alice Martin", "add web", "services/web.yaml", &manifest("web", "web:1"));
    let rig = following(json!({"url": http.url(), "path": "services", "interval": "1s"})).await;
    let daemon = rig.daemon(&["--yes"], &[]).await;
    runs(&rig, "a commit", &["web web:1"]).await;

    forge.commit("Alice Martin", "add blog", "services/blog.yaml", &manifest("blog", "web:1"));
    runs(&rig, "one more commit", &["blog web:1", "web web:1"]).await;

    // Broken: its service stays as it is, the other goes on.
    forge.write("services/blog.yaml", "name: blog\nimage: web:2\nprot: 80\n");
    forge.commit("Bob Durand", "oops", "services/web.yaml", &manifest("web", "web:2"));
    runs(&rig, "a broken commit", &["blog web:1", "web web:2"]).await;
    let status = rig.run(&["status", "--all"]).await;
    assert!(status.out.contains("services/blog.yaml:3:1: "), "{}", status.out);

    // Rewritten, as if it never was.
    forge.run(&["reset", "-q", "--hard", "HEAD~1"]);
    let kept = forge.commit("Alice Martin", "the right way", "services/web.yaml", &manifest("web", "web:1"));
    runs(&rig, "a rewritten branch", &["blog web:1", "web web:1"]).await;
    eventually(60, "it is told", async || rig.log().contains("branch main was rewritten")).await;
    calm(&rig).await;

    // Deleted: nothing is.
    forge.run(&["push", "-q", "origin", ":main"]);
    has_error(&rig, "A0305").await;
    assert_eq!(images(&rig), ["blog web:1", "web web:1"]);
    forge.run(&["push", "-q", "origin", "HEAD:main"]);
    calm(&rig).await;

    // Down, and started again meanwhile: the effective state is kept.
    http.set_down(true);
    has_error(&rig, "A0302").await;
    let daemon = restarted(&rig, daemon).await;
    has_error(&rig, "A0302").await;
    let text = rig.run(&["status"]).await.out;
    assert!(text.contains(&format!("going on with {}", &kept[..7])), "{text}");
    rig.docker.remove("web").unwrap();
    runs(&rig, "what somebody removed", &["blog web:1", "web web:1"]).await;
    forge.commit("Alice Martin", "in the dark", "services/web.yaml", &manifest("web", "web:2"));
    http.set_down(false);
    // The interval has grown meanwhile; a signal is faster.
    signal(&daemon, "HUP");
    runs(&rig, "what was committed meanwhile", &["blog web:1", "web web:2"]).await;
    calm(&rig).await;
    assert_eq!(rig.run(&["plan", "--detailed-exitcode"]).await.code, 0);
    assert_eq!(end(daemon).await, 0);
}

async fn runs(rig: &Rig, what: &str, expected: &[&str]) {
    eventually(60, &format!("{what}: {expected:?}, see\n{}", rig.path().display()), async || images(rig) == expected)
        .await;
}

async fn calm(rig: &Rig) {
    eventually(60, "no trouble with the source", async || {
        let status = rig.json("/api/v1/status").await;
        let services = status["services"].as_array().cloned().unwrap_or_default();
        status["source"]["error"].is_null()
            && services.iter().all(|row| row["sync"] == "Synced" && row["health"] == "Healthy")
    })
    .await;
}

async fn has_error(rig: &Rig, code: &str) {
    eventually(60, code, async || rig.json("/api/v1/status").await["source"]["error"]["code"] == code).await;
}

async fn restarted(rig: &Rig, mut daemon: Child) -> Child {
    signal(&daemon, "KILL");
    daemon.wait().await.unwrap();
    rig.daemon(&[], &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_of_another_branch_changes_nothing() {
    let forge = Forge::new();
    let http = forge.http(None).await;
    let main = forge.commit("Alice Martin", "add web", "services/web.yaml", &manifest("web", "web:1"));
    let rig = following(json!({"url": http.url(), "path": "services"})).await;
    rig.apply().await;
    forge.run(&["checkout", "-q", "-b", "feature/mail"]);
    let other = forge.commit("Bob Durand", "try mail", "services/mail.yaml", &manifest("mail", "web:2"));
    forge.run(&["checkout", "-q", "-b", "broken", "main"]);
    forge.commit("Bob Durand", "oops", "services/web.yaml", "name: web\nimage: web:2\nprot: 80\n");

    for with_daemon in [false, true] {
        let daemon = if with_daemon { Some(rig.daemon(&[], &[]).await) } else { None };
        let plan = rig.run(&["plan", "--ref", "feature/mail"]).await;
        let head = format!("feature/mail @ {} \"try mail\" (Bob Durand, ", &other[..7]);
        assert!(plan.code == 0 && plan.out.starts_with(&head) && plan.out.contains("+ mail"), "{plan:?}");
        assert_eq!(rig.run(&["plan", "--ref", "feature/mail", "--detailed-exitcode"]).await.code, 2);
        let broken = rig.run(&["plan", "--ref", "broken"]).await;
        assert!(broken.code == 1 && broken.err.contains("prot"), "{broken:?}");
        let missing = rig.run(&["plan", "--ref", "nothing"]).await;
        assert!(missing.code == 1 && missing.err.contains("A0305"), "{missing:?}");
        // Nothing of it came into force.
        let quiet = rig.run(&["plan"]).await;
        assert_eq!(quiet.out, format!("main @ {}: nothing to do, 1 service in sync\n", &main[..7]));
        assert_eq!(images(&rig), ["web web:1"]);
        if let Some(daemon) = daemon {
            assert_eq!(rig.json("/api/v1/status").await["source"]["revision"]["id"], json!(main));
            assert_eq!(end(daemon).await, 0);
        }
    }
    rig.file("amarre.yaml", &format!("{:#}", rig.config()));
    let folder = rig.run(&["plan", "--ref", "main"]).await;
    assert!(folder.code == 1 && folder.err.contains("A0310"), "{folder:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_ssh_only_signed_commits_count() {
    let forge = Forge::new();
    let ssh = forge.ssh().await;
    forge.run(&["config", "gpg.format", "ssh"]);
    forge.run(&["config", "commit.gpgsign", "true"]);
    forge.run(&["config", "user.signingkey", &ssh.key("user").display().to_string()]);
    forge.commit("Alice Martin", "add web", "services/web.yaml", &manifest("web", "web:1"));
    let public = std::fs::read_to_string(ssh.key("user").with_extension("pub")).unwrap();
    let rig = following(json!({
        "url": ssh.url(), "path": "services", "ssh_key": ssh.key("user"), "host_key": ssh.host_key("host"),
        "verify": {"ssh_allowed_signers": "allowed"},
    }))
    .await;
    rig.file("allowed", &format!("alice@example.org {public}"));
    rig.apply().await;
    assert_eq!(images(&rig), ["web web:1"]);
    forge.run(&["config", "commit.gpgsign", "false"]);
    let unsigned = forge.commit("Bob Durand", "quick fix", "services/web.yaml", &manifest("web", "web:2"));
    let apply = rig.run(&["apply", "--yes", "--timeout", "30s"]).await;
    assert_eq!(apply.code, 3, "{apply:?}");
    let what = format!("{} \"quick fix\" (Bob Durand) on branch main is refused: it is not signed", &unsigned[..7]);
    assert!(
        apply.out.contains(&what) && apply.out.contains("A0306") && apply.out.contains("git commit --amend -S"),
        "{apply:?}"
    );
    assert_eq!(images(&rig), ["web web:1"]);
    forge.run(&["config", "commit.gpgsign", "true"]);
    forge.run(&["commit", "-q", "--amend", "--no-edit"]);
    forge.run(&["push", "-q", "--force", "origin", "main"]);
    rig.apply().await;
    assert_eq!(images(&rig), ["web web:2"]);
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_by_name() {
    let rig = Rig::start().await;
    let https = "https://git.example.org/ops/services.git";
    let ssh = "git@git.example.org:ops/services.git";
    let cases = [
        (
            json!({"url": format!("https://anna:{TOKEN}@git.example.org/x.git")}),
            "source.git.url: the URL has credentials in it",
        ),
        (
            json!({"url": "http://git.example.org/x.git", "token": TOKEN}),
            "source.git.url: a token would be sent over http://",
        ),
        (json!({"url": "file:///srv/x"}), "source.git.url: file:// is not supported"),
        (json!({"url": https, "ssh_key": "key"}), "the URL is not for ssh"),
        (json!({"url": ssh, "token": TOKEN}), "the URL is for ssh"),
        (json!({"url": ssh, "host_key": "rubbish"}), "source.git.host_key: it is not a public host key"),
        (json!({"url": ssh, "branch": "main", "tag": "v1"}), "source.git.tag: there is a branch as well"),
        (json!({"url": ssh, "branch": "a..b"}), "source.git.branch: `a..b` is no name in git"),
        (json!({"url": ssh, "path": "../x"}), "source.git.path: it is no folder of a repository"),
        (json!({"url": ssh, "verify": {}}), "source.git.verify: it names not one file"),
        (json!({"url": ssh, "interval": "1ms"}), "source.git.interval: it is shorter than a second"),
    ];
    for (git, expected) in cases {
        configure(&rig, git);
        let ended = rig.run(&["validate"]).await;
        assert!(
            ended.code == 1 && ended.err.contains(expected) && ended.err.contains("A0311"),
            "{expected}: {ended:?}"
        );
        assert!(!ended.err.contains(TOKEN), "{ended:?}");
    }
}
