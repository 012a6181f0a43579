//! With `verify`, a server that goes back to a state that was signed once, or that hides an unsigned commit below a
//! signed one, changes nothing without a person's consent; and one that packs gigabytes costs the daemon nothing.

use amarre::source::git::{Git, GitSettings, Verify};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::fetch::{MINUTE, NOW, fetched, good, names, refused, settings};
use crate::cli::rig::Rig;
use crate::support::forge::{Forge, HttpForge, keygen};
use amarre_core::model::Code;

/// A repository whose commits Alice signs, and who follows it.
struct Signed {
    forge: Forge,
    http: HttpForge,
    state: TempDir,
}

impl Signed {
    async fn new() -> Self {
        let forge = Forge::new();
        let http = forge.http(None).await;
        let key = forge.folder.path().join("alice");
        keygen(&key);
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        std::fs::write(forge.folder.path().join("allowed"), format!("alice@example.org namespaces=\"git\" {public}"))
            .unwrap();
        forge.run(&["config", "gpg.format", "ssh"]);
        forge.run(&["config", "user.signingkey", &key.display().to_string()]);
        let signed = Self { forge, http, state: tempfile::tempdir().unwrap() };
        signed.signs(true);
        signed
    }

    fn signs(&self, signs: bool) {
        self.forge.run(&["config", "commit.gpgsign", if signs { "true" } else { "false" }]);
    }

    fn settings(&self) -> GitSettings {
        let mut settings = settings(&self.state, &self.http.url());
        settings.verify = Some(Verify::Ssh { allowed_signers: self.forge.folder.path().join("allowed") });
        settings
    }

    fn commit(&self, message: &str) -> String {
        self.forge.commit("Alice Martin", message, "services/one.yaml", &format!("name: one # {message}\n"))
    }

    /// The server has another commit now.
    fn force(&self, commit: &str) {
        self.forge.run(&["push", "-q", "--force", "origin", &format!("{commit}:refs/heads/main")]);
    }
}

#[tokio::test]
async fn a_signed_commit_that_does_not_descend_from_the_accepted_one_is_held() {
    let signed = Signed::new().await;
    let oldest = signed.commit("oldest");
    signed.commit("second");
    let head = signed.commit("third");
    let git = Git::new(signed.settings());
    assert_eq!(good(fetched(&git, NOW).await).revision, head);

    signed.forge.run(&["checkout", "-q", "-b", "wip"]);
    let beside = signed.commit("wip");
    signed.forge.run(&["checkout", "-q", "--orphan", "new"]);
    let orphan = signed.commit("orphan");
    for other in [&oldest, &orphan] {
        signed.force(other);
        let reading = fetched(&git, NOW + MINUTE).await;
        let (code, message) = refused(&reading);
        assert_eq!(code, "A0314", "{message}");
        assert!(message.contains(&other[..7]) && message.contains(&head[..7]), "{message}");
        let command = reading.error.as_ref().unwrap().hints[0].command.clone();
        assert_eq!(command, Some(format!("amarre apply --accept-rewrite {other}")), "all of its id");
        assert_eq!(reading.snapshot.unwrap().revision, head, "what was accepted stays");
    }
    let restarted = Git::new(signed.settings());
    assert_eq!(refused(&fetched(&restarted, NOW + MINUTE).await).0, "A0314", "also over a restart");

    // A side branch that was never merged: signed, and not below the accepted commit.
    signed.force(&oldest);
    signed.forge.run(&["checkout", "-q", "-B", "side", &oldest]);
    let side = signed.commit("side");
    assert_eq!(refused(&fetched(&git, NOW + MINUTE).await).0, "A0314");
    assert_ne!(side, beside);
    signed.force(&beside);
    assert_eq!(good(fetched(&git, NOW + MINUTE).await).revision, beside, "that one descends from it");
}

#[tokio::test]
async fn a_consent_is_for_one_commit_and_for_once() {
    let signed = Signed::new().await;
    let oldest = signed.commit("oldest");
    let head = signed.commit("second");
    let git = Git::new(signed.settings());
    good(fetched(&git, NOW).await);
    signed.forge.run(&["checkout", "-q", "-B", "other", &oldest]);
    let shown = signed.commit("shown to a person");
    signed.force(&shown);
    assert_eq!(refused(&fetched(&git, NOW).await).0, "A0314");

    // Meanwhile the server has yet another one.
    let later = signed.commit("pushed a moment later");
    signed.force(&later);
    let error = git.accept(&shown, NOW).await.unwrap_err();
    assert_eq!(error.code, Code::A0314);
    assert!(error.message.contains(&later[..7]), "{error}");
    assert_eq!(git.read().await.snapshot.unwrap().revision, head);
    assert_eq!(refused(&fetched(&git, NOW).await).0, "A0314", "the consent to the first was for nothing else");

    git.accept(&later, NOW).await.unwrap();
    assert_eq!(good(git.read().await).revision, later);
    assert!(git.take_events()[0].contains("was rewritten"), "it is told of");
    signed.force(&head);
    assert_eq!(refused(&fetched(&git, NOW).await).0, "A0314", "back again is another question");
    assert_eq!(git.accept(&"0".repeat(40), NOW).await.unwrap_err().code, Code::A0314);
    signed.force(&later);
    good(fetched(&git, NOW).await);
    assert_eq!(git.accept(&"0".repeat(40), NOW).await.unwrap_err().code, Code::A0317, "there is no such commit");

    // An unsigned commit is not accepted by any consent.
    signed.signs(false);
    signed.forge.run(&["checkout", "-q", "-B", "unsigned", &oldest]);
    let unsigned = signed.commit("unsigned");
    signed.force(&unsigned);
    assert_eq!(git.accept(&unsigned, NOW).await.unwrap_err().code, Code::A0306);
}

/// More than fifty commits may come at once; the history is fetched as far as it takes.
#[tokio::test]
async fn a_commit_far_ahead_is_known_to_descend() {
    let signed = Signed::new().await;
    signed.commit("first");
    let git = Git::new(signed.settings());
    good(fetched(&git, NOW).await);
    for number in 0..60 {
        signed.forge.run(&["commit", "-q", "--no-gpg-sign", "--allow-empty", "-m", &format!("step {number}")]);
    }
    let head = signed.commit("far ahead");
    assert_eq!(good(fetched(&git, NOW + MINUTE).await).revision, head);
}

#[tokio::test]
async fn with_verify_all_each_commit_since_the_accepted_one_must_be_signed() {
    let signed = Signed::new().await;
    signed.commit("first");
    let git = Git::new(GitSettings { verify_all: true, ..signed.settings() });
    let lax = GitSettings { clone: signed.state.path().join("lax.git"), ..signed.settings() };
    let lax = Git::new(lax);
    good(fetched(&git, NOW).await);
    good(fetched(&lax, NOW).await);
    signed.commit("second");
    let third = signed.commit("third");
    assert_eq!(good(fetched(&git, NOW).await).revision, third, "all are signed");

    signed.signs(false);
    let unsigned = signed.commit("smuggled in");
    signed.signs(true);
    let head = signed.commit("on top");
    let reading = fetched(&git, NOW).await;
    let (code, message) = refused(&reading);
    assert_eq!(code, "A0315", "{message}");
    assert!(message.contains(&unsigned[..7]) && message.contains("it is not signed"), "{message}");
    assert_eq!(reading.snapshot.unwrap().revision, third);
    assert_eq!(good(fetched(&lax, NOW).await).revision, head, "without it the newest counts");
    git.accept(&head, NOW).await.unwrap();
    assert_eq!(good(git.read().await).revision, head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_accepts_a_rewritten_branch_on_request() {
    let signed = Signed::new().await;
    let manifest = |image: &str| format!("name: web\nimage: {image}\nport: 80\nupdate: {{drain: 0s}}\n");
    let oldest = signed.forge.commit("Alice Martin", "one", "services/web.yaml", &manifest("web:1"));
    let second = signed.forge.commit("Alice Martin", "two", "services/web.yaml", &manifest("web:2"));
    let rig = Rig::start().await;
    let mut config = rig.config();
    let allowed = signed.forge.folder.path().join("allowed");
    config["source"] = json!({"git": {
        "url": signed.http.url(), "path": "services", "verify": {"ssh_allowed_signers": allowed, "all": true},
    }});
    rig.file("amarre.yaml", &config.to_string());
    rig.apply().await;
    let image = || {
        let containers = rig.docker.containers();
        let web = containers.iter().find(|one| one["Config"]["Labels"]["io.amarre.instance"] == "home").unwrap();
        web["Config"]["Image"].clone()
    };
    assert_eq!(image(), Json::from("web:2"));

    signed.force(&oldest);
    let plan = rig.run(&["plan"]).await;
    let command = format!("amarre apply --accept-rewrite {oldest}");
    assert!(plan.code == 1 && plan.out.contains("A0314") && plan.out.contains(&command), "{plan:?}");
    let other = rig.run(&["apply", "--yes", "--accept-rewrite", &second]).await;
    assert!(other.code != 0 && format!("{other:?}").contains("A0314"), "{other:?}");
    assert_eq!(image(), Json::from("web:2"));
    let taken = rig.run(&["apply", "--yes", "--accept-rewrite", &oldest, "--timeout", "180s"]).await;
    assert_eq!(taken.code, 0, "{taken:?}");
    assert_eq!(image(), Json::from("web:1"));
}

/// Two large files, one a difference to the other: some kilobytes on the wire.
#[tokio::test]
async fn a_repository_that_unpacks_over_the_limit_ends_only_the_fetch_process() {
    let forge = Forge::new();
    let (http, state) = (forge.http(None).await, tempfile::tempdir().unwrap());
    let head = forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let git = Git::new(GitSettings { memory_bytes: 64 * 1024 * 1024, ..settings(&state, &http.url()) });
    assert_eq!(names(&good(fetched(&git, NOW).await)), ["services/one.yaml"]);

    forge.run(&["config", "core.compression", "1"]);
    for name in ["large1", "large2"] {
        let file = std::fs::File::create(forge.work().join(name)).unwrap();
        file.set_len(90 * 1024 * 1024).unwrap();
        std::os::unix::fs::FileExt::write_at(&file, name.as_bytes(), 40_000_000).unwrap();
    }
    forge.run(&["add", "-A"]);
    forge.run(&["commit", "-q", "-m", "large"]);
    forge.run(&["push", "-q", "origin", "main"]);
    let reading = fetched(&git, NOW + MINUTE).await;
    let (code, message) = refused(&reading);
    assert_eq!(code, "A0316", "{message}");
    assert!(message.ends_with("it needs more than 64 MiB of memory"), "{message}");
    assert_eq!(reading.snapshot.unwrap().revision, head, "what was accepted stays");

    forge.run(&["reset", "-q", "--hard", &head]);
    let small = forge.commit("Alice Martin", "without it", "services/one.yaml", "name: one # 2\n");
    assert_eq!(good(fetched(&git, NOW + MINUTE).await).revision, small, "and the clone is as good as before");
}
