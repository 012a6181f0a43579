//! What is fetched, what is refused, and what stays effective meanwhile.

use std::io::Read as _;
use std::path::Path;

use amarre::secret::Secret;
use amarre::source::git::{GitSettings, RemoteAccess, Verify};
use amarre::source::{Git, Snapshot, SourceReading};
use amarre_core::model::{Code, GitRef, GitUrl, Millis, NotRead, Timestamp};
use tempfile::TempDir;

use crate::support::forge::{Forge, HttpForge, SshForge, keygen};

pub const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub const MINUTE: Millis = Millis::minutes(1);

/// Settings for a repository, with the clone in a folder that goes with the test.
pub fn settings(state: &TempDir, url: &str) -> GitSettings {
    GitSettings {
        access: RemoteAccess {
            url: GitUrl::parse(url).unwrap(),
            username: "git".to_owned(),
            token: None,
            ssh_key: None,
            ssh_config: None,
            known_hosts: None,
            host_key: None,
        },
        reference: GitRef::Branch("main".to_owned()),
        path: "services".to_owned(),
        commit: None,
        interval: MINUTE,
        verify: None,
        verify_all: false,
        memory_bytes: 128 * 1024 * 1024,
        program: env!("CARGO_BIN_EXE_amarre").into(),
        clone: state.path().join("amarre.git"),
    }
}

pub fn over_ssh(state: &TempDir, forge: &SshForge) -> GitSettings {
    let mut settings = settings(state, &forge.url());
    settings.access.ssh_key = Some(forge.key("user"));
    settings.access.host_key = Some(forge.host_key("host"));
    settings
}

async fn with_http() -> (Forge, HttpForge, TempDir) {
    let forge = Forge::new();
    let http = forge.http(None).await;
    (forge, http, tempfile::tempdir().unwrap())
}

/// Fetches and reads.
pub async fn fetched(git: &Git, at: Timestamp) -> SourceReading {
    git.fetch(at).await;
    git.read().await
}

#[track_caller]
pub fn good(reading: SourceReading) -> Snapshot {
    assert_eq!(reading.error, None);
    reading.snapshot.unwrap()
}

/// The code of what is wrong, and that no secret is in it.
#[track_caller]
pub fn refused(reading: &SourceReading) -> (&'static str, String) {
    let error = reading.error.as_ref().expect("something is wrong");
    let text = format!("{} {:?}", error.message, error.hints);
    assert!(!text.contains("hunter2"), "{text}");
    (error.code.as_str(), error.message.clone())
}

pub fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.files.iter().map(|(path, _)| path.as_str()).collect()
}

/// What the commit that last touched a file says of itself.
fn who(snapshot: &Snapshot, path: &str) -> Option<(String, String)> {
    let commit = snapshot.history.changed.get(path)?;
    Some((commit.subject.clone(), commit.author.clone()))
}

#[tokio::test]
async fn a_commit_is_fetched_with_its_author_and_what_each_file_comes_from() {
    let (forge, http, state) = with_http().await;
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    forge.commit("Bob Durand", "add two", "services/two.yaml", "name: two\n");
    forge.write("README.md", "not ours");
    let head = forge.commit_all("Chloé Petit", "words");
    let git = Git::new(settings(&state, &http.url()));
    let first = good(fetched(&git, NOW).await);
    assert_eq!((first.revision.as_str(), first.label.as_str(), first.is_branch), (head.as_str(), "main", true));
    assert_eq!(names(&first), ["services/one.yaml", "services/two.yaml"]);
    let commit = first.commit.clone().unwrap();
    assert_eq!((commit.subject.as_str(), commit.author.as_str()), ("words", "Chloé Petit"));
    let pair = |subject: &str, author: &str| Some((subject.to_owned(), author.to_owned()));
    assert_eq!(who(&first, "services/one.yaml"), pair("add one", "Alice Martin"));
    assert_eq!(who(&first, "services/two.yaml"), pair("add two", "Bob Durand"));

    std::fs::remove_file(forge.work().join("services/one.yaml")).unwrap();
    forge.commit_all("Bob Durand", "drop one");
    let later = good(fetched(&git, NOW + MINUTE).await);
    assert_eq!(names(&later), ["services/two.yaml"]);
    assert_eq!(later.history.removed["services/one.yaml"].author, "Bob Durand");
}

/// Only so much history is fetched, and what lies before it is not guessed.
#[tokio::test]
async fn what_the_history_does_not_hold_is_not_claimed() {
    let (forge, http, state) = with_http().await;
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    for number in 0..60 {
        forge.commit("Bob Durand", &format!("tune {number}"), "services/two.yaml", &format!("name: two # {number}\n"));
    }
    let git = Git::new(settings(&state, &http.url()));
    let snapshot = good(fetched(&git, NOW).await);
    assert_eq!(who(&snapshot, "services/one.yaml"), None);
    assert_eq!(who(&snapshot, "services/two.yaml"), Some(("tune 59".to_owned(), "Bob Durand".to_owned())));

    // On a side branch, and merged: who wrote it, not who merged it.
    forge.run(&["checkout", "-q", "-b", "side"]);
    forge.commit("Chloé Petit", "beside", "services/three.yaml", "name: three\n");
    forge.run(&["checkout", "-q", "main"]);
    forge.commit("Bob Durand", "meanwhile", "services/two.yaml", "name: two\n");
    forge.run_as("Alice Martin", &["merge", "-q", "--no-ff", "-m", "take it in", "side"]);
    forge.run(&["push", "-q", "origin", "main"]);
    let snapshot = good(fetched(&git, NOW + MINUTE).await);
    assert_eq!(snapshot.commit.as_ref().unwrap().subject, "take it in");
    assert_eq!(who(&snapshot, "services/one.yaml"), None);
    assert_eq!(who(&snapshot, "services/two.yaml"), Some(("meanwhile".to_owned(), "Bob Durand".to_owned())));
    assert_eq!(who(&snapshot, "services/three.yaml"), Some(("beside".to_owned(), "Chloé Petit".to_owned())));
}

/// A branch with a name from before UTF-8 cannot be followed, and disturbs no other.
#[tokio::test]
async fn a_branch_whose_name_is_no_text_stops_nothing() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let (forge, http, state) = with_http().await;
    let head = forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let heads = forge.bare().join("refs/heads");
    std::fs::write(heads.join(OsStr::from_bytes(b"caf\xe9")), format!("{head}\n")).unwrap();
    let git = Git::new(settings(&state, &http.url()));
    assert_eq!(good(fetched(&git, NOW).await).revision, head);

    let ssh = forge.ssh().await;
    let over = tempfile::tempdir().unwrap();
    let git = Git::new(over_ssh(&over, &ssh));
    assert_eq!(good(fetched(&git, NOW).await).revision, head);
    let mut settings = settings(&state, &http.url());
    settings.reference = GitRef::Branch("caf?".to_owned());
    settings.clone = state.path().join("other.git");
    assert_eq!(refused(&fetched(&Git::new(settings), NOW).await).0, "A0305");
}

/// Quiet: with nothing new, only the list is asked for.
#[tokio::test]
async fn nothing_new_is_one_request() {
    let (forge, http, state) = with_http().await;
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let git = Git::new(settings(&state, &http.url()));
    assert!(git.fetch(NOW).await, "the first is news");
    let before = http.asked().len();
    assert!(!git.fetch(NOW + MINUTE).await, "the second is none");
    assert_eq!(http.asked()[before..], ["GET /repo.git/info/refs"]);
}

#[tokio::test]
async fn over_ssh_with_a_pinned_host_key() {
    let forge = Forge::new();
    let (ssh, state) = (forge.ssh().await, tempfile::tempdir().unwrap());
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let git = Git::new(over_ssh(&state, &ssh));
    let first = good(fetched(&git, NOW).await);
    assert_eq!(names(&first), ["services/one.yaml"], "{}", ssh.log());
    let head = forge.commit("Alice Martin", "change it", "services/one.yaml", "name: one # more\n");
    assert_eq!(good(fetched(&git, NOW + MINUTE).await).revision, head);

    let mut other_host = over_ssh(&tempfile::tempdir().unwrap(), &ssh);
    other_host.access.host_key = Some(ssh.host_key("stranger"));
    assert_eq!(refused(&fetched(&Git::new(other_host), NOW).await).0, "A0304");

    let mut nobody_known = over_ssh(&tempfile::tempdir().unwrap(), &ssh);
    nobody_known.access.host_key = None;
    let empty = state.path().join("known hosts");
    std::fs::write(&empty, "").unwrap();
    nobody_known.access.known_hosts = Some(empty);
    assert_eq!(refused(&fetched(&Git::new(nobody_known), NOW).await).0, "A0304");

    let mut other_key = over_ssh(&tempfile::tempdir().unwrap(), &ssh);
    other_key.access.ssh_key = Some(ssh.key("stranger"));
    assert_eq!(refused(&fetched(&Git::new(other_key), NOW).await).0, "A0303");

    let mut no_such_path = over_ssh(&tempfile::tempdir().unwrap(), &ssh);
    no_such_path.access.url = GitUrl::parse(&format!("{}-gone", ssh.url())).unwrap();
    assert_eq!(refused(&fetched(&Git::new(no_such_path), NOW).await).0, "A0303");

    drop(ssh);
    let reading = fetched(&git, NOW + MINUTE + MINUTE).await;
    assert_eq!(refused(&reading).0, "A0302");
    assert_eq!(reading.snapshot.unwrap().revision, head, "the last good one stays");
}

#[tokio::test]
async fn a_token_opens_and_is_shown_nowhere() {
    let forge = Forge::new();
    let (http, state) = (forge.http(Some("hunter2")).await, tempfile::tempdir().unwrap());
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let none = settings(&state, &http.url());
    let mut wrong = none.clone();
    wrong.access.token = Some(Secret::new("hunter22"));
    let mut right = none.clone();
    right.access.token = Some(Secret::new("hunter2"));
    for settings in [none, wrong] {
        let (code, message) = refused(&fetched(&Git::new(settings), NOW).await);
        assert_eq!(code, "A0303", "{message}");
    }
    assert!(!format!("{right:?}").contains("hunter2"));
    assert_eq!(names(&good(fetched(&Git::new(right), NOW).await)), ["services/one.yaml"]);
}

#[tokio::test]
async fn an_outage_with_a_restart_loses_nothing() {
    let (forge, http, state) = with_http().await;
    let head = forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let settings = settings(&state, &http.url());
    good(fetched(&Git::new(settings.clone()), NOW).await);
    http.set_down(true);
    let restarted = Git::new(settings.clone());
    assert_eq!(good(restarted.read().await).revision, head, "before anything was asked");
    let reading = fetched(&restarted, NOW + MINUTE).await;
    assert_eq!(refused(&reading).0, "A0302");
    let error = reading.error.clone().unwrap();
    assert_eq!(
        (error.since, error.fetched),
        (Some(NOW + MINUTE), Some(NOW)),
        "since when, and how old what is in force"
    );
    let snapshot = reading.snapshot.unwrap();
    assert_eq!((snapshot.revision.as_str(), names(&snapshot)), (head.as_str(), vec!["services/one.yaml"]));
    let later = fetched(&restarted, NOW + Millis::minutes(9)).await;
    assert_eq!(later.error.unwrap().since, Some(NOW + MINUTE), "it is still the same outage");
    http.set_down(false);
    good(fetched(&restarted, NOW + Millis::minutes(10)).await);

    // What was good for one branch says nothing about another.
    let mut other = settings;
    other.reference = GitRef::Branch("other".to_owned());
    let reading = Git::new(other).read().await;
    assert!(reading.snapshot.is_none() && reading.error.is_some());
}

#[tokio::test]
async fn a_rewritten_branch_is_followed_and_reported() {
    let (forge, http, state) = with_http().await;
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let old = forge.commit("Alice Martin", "a mistake", "services/one.yaml", "name: one # oops\n");
    let git = Git::new(settings(&state, &http.url()));
    good(fetched(&git, NOW).await);
    let next = forge.commit("Alice Martin", "go on", "services/two.yaml", "name: two\n");
    good(fetched(&git, NOW + MINUTE).await);
    assert_eq!(git.take_events(), [""; 0], "to go on is no news");
    forge.run(&["reset", "-q", "--hard", "HEAD~2"]);
    let new = forge.commit("Bob Durand", "another way", "services/three.yaml", "name: three\n");
    let snapshot = good(fetched(&git, NOW + MINUTE + MINUTE).await);
    assert_eq!(snapshot.revision, new);
    assert_eq!(names(&snapshot), ["services/one.yaml", "services/three.yaml"]);
    let events = git.take_events();
    let told = format!("branch main was rewritten: {} is no longer part of it, now {}", &next[..7], &new[..7]);
    assert_eq!(events, [told]);
    assert_ne!(old, next);
}

#[tokio::test]
async fn a_missing_or_empty_branch_is_an_error_and_never_an_empty_state() {
    let (forge, http, state) = with_http().await;
    let git = Git::new(settings(&state, &http.url()));
    let reading = fetched(&git, NOW).await;
    assert!(reading.snapshot.is_none());
    assert!(refused(&reading).1.ends_with("is empty"), "{reading:?}");
    let head = forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    good(fetched(&git, NOW).await);

    forge.run(&["checkout", "-q", "-b", "other"]);
    forge.run(&["push", "-q", "origin", "other"]);
    forge.run(&["push", "-q", "origin", ":main"]);
    let reading = fetched(&git, NOW).await;
    assert_eq!(refused(&reading).0, "A0305");
    assert_eq!(reading.snapshot.as_ref().unwrap().revision, head, "the last good one stays");

    forge.run(&["checkout", "-q", "main"]);
    std::fs::rename(forge.work().join("services"), forge.work().join("moved")).unwrap();
    forge.commit_all("Bob Durand", "tidy");
    let reading = fetched(&git, NOW).await;
    let (code, message) = refused(&reading);
    assert_eq!(code, "A0309");
    assert!(message.contains("\"tidy\" (Bob Durand) has no folder services"), "{message}");
    assert_eq!(reading.snapshot.as_ref().unwrap().revision, head);
}

#[tokio::test]
async fn a_tag_is_followed_to_its_commit() {
    let (forge, http, state) = with_http().await;
    let head = forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    forge.run(&["tag", "-a", "v1", "-m", "first"]);
    forge.run(&["push", "-q", "origin", "v1"]);
    forge.commit("Alice Martin", "more", "services/one.yaml", "name: one # 2\n");
    let mut settings = settings(&state, &http.url());
    settings.reference = GitRef::Tag("v1".to_owned());
    let snapshot = good(fetched(&Git::new(settings), NOW).await);
    assert_eq!((snapshot.revision, snapshot.label.as_str(), snapshot.is_branch), (head, "v1", false));
}

#[tokio::test]
async fn another_ref_is_read_and_does_not_come_into_force() {
    let (forge, http, state) = with_http().await;
    let main = forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let second = forge.commit("Alice Martin", "more", "services/one.yaml", "name: one # 2\n");
    forge.run(&["checkout", "-q", "-b", "try/this"]);
    let other = forge.commit("Bob Durand", "try", "services/two.yaml", "name: two\n");
    let git = Git::new(settings(&state, &http.url()));
    good(fetched(&git, NOW).await);
    let snapshot = git.fetch_ref("try/this").await.unwrap();
    assert_eq!((snapshot.revision.as_str(), snapshot.label.as_str()), (other.as_str(), "try/this"));
    assert_eq!(names(&snapshot), ["services/one.yaml", "services/two.yaml"]);
    assert_eq!(git.read_ref("try/this").await.unwrap(), snapshot, "without the server");
    assert_eq!(git.fetch_ref(&main).await.unwrap().revision, main, "a commit");
    assert_eq!(good(git.read().await).revision, second, "what is in force stays");
    for name in ["nothing", "-x", "a..b", "refs/../x", "", &"x".repeat(300), &"0".repeat(40)] {
        let error = git.fetch_ref(name).await.unwrap_err();
        assert!(matches!(error.code, Code::A0305 | Code::A0302), "{name}: {error:?}");
    }
    good(fetched(&git, NOW).await);
}

#[tokio::test]
async fn hostile_entries_are_left_out_and_reported() {
    let (forge, http, state) = with_http().await;
    let services = forge.work().join("services");
    forge.write("services/one.yaml", "name: one\n");
    forge.write("services/.hidden.yaml", "name: hidden\n");
    forge.write("services/big.yaml", &"# much\n".repeat(400_000));
    forge.write("services/big.bin", &"x".repeat(2_000_000));
    forge.write("services/one/php.ini", "a = 1\n");
    forge.write("services/\u{1b}]0;owned.yaml", "name: odd\n");
    forge.write("services/a\u{202e}lmay.yaml", "name: odd\n");
    std::os::unix::fs::symlink("/etc/passwd", services.join("linked.yaml")).unwrap();
    std::os::unix::fs::symlink("../../..", services.join("up")).unwrap();
    let head = forge.commit_all("Alice Martin", "one");
    // What no working copy can hold goes in by hand: a submodule, a name with a slash, one that leads up.
    forge.run(&["update-index", "--add", "--cacheinfo", &format!("160000,{head},services/module")]);
    forge.run(&["commit", "-q", "-m", "a module"]);
    forge.run(&["push", "-q", "origin", "main"]);
    let git = Git::new(settings(&state, &http.url()));
    let snapshot = good(fetched(&git, NOW).await);
    assert_eq!(names(&snapshot), ["services/big.yaml", "services/one.yaml"]);
    let big = &snapshot.files[0].1;
    assert_eq!(big.len(), 1024 * 1024 + 1, "as much as the reader needs to say that it is too large");
    let asset = |path: &str| snapshot.assets.get(path).map(|asset| (asset.bytes.is_ok(), asset.size));
    assert_eq!(asset("services/one/php.ini"), Some((true, 6)));
    assert_eq!(asset("services/big.bin"), Some((false, 2_000_000)));
    let unread = |path: &str| snapshot.assets[path].bytes.clone().unwrap_err();
    assert_eq!(unread("services/linked.yaml"), NotRead::Link("/etc/passwd".to_owned()));
    assert_eq!(unread("services/up"), NotRead::Link("../../..".to_owned()));
    assert_eq!(unread("services/module"), NotRead::Submodule);
    assert_eq!(asset("services/.hidden.yaml"), Some((true, 13)), "a manifest may name it, and it is none");
    let told: Vec<String> =
        snapshot.notes.iter().map(|note| format!("{} {}: {}", note.code, note.file, note.message)).collect();
    let expected = [
        "A0308 services/\u{fffd}]0;owned.yaml: its name is none that a file should have",
        "A0308 services/a\u{fffd}lmay.yaml: its name is none that a file should have",
        "A0308 services/linked.yaml: a symbolic link is no manifest",
        "A0308 services/module: a submodule is not followed",
    ];
    assert_eq!(told, expected);
    assert!(!Path::new(&state.path().join("amarre.git/services")).exists(), "nothing is checked out");
}

#[tokio::test]
async fn trees_that_no_git_would_write_are_read_safely() {
    let (forge, http, state) = with_http().await;
    forge.commit("Alice Martin", "one", "services/one.yaml", "name: one\n");
    let blob = forge.run(&["hash-object", "-w", "services/one.yaml"]);
    let mut tree = Vec::new();
    for name in [&b".."[..], &b"a\xff.yaml"[..], &b"b/c.yaml"[..], &b"good.yaml"[..]] {
        tree.extend_from_slice(b"100644 ");
        tree.extend_from_slice(name);
        tree.push(0);
        tree.extend((0..20).map(|at| u8::from_str_radix(&blob[at * 2..at * 2 + 2], 16).unwrap()));
    }
    std::fs::write(forge.folder.path().join("tree"), tree).unwrap();
    let file = forge.folder.path().join("tree").display().to_string();
    let services = forge.run(&["hash-object", "-w", "-t", "tree", "--literally", &file]);
    let mut root = b"40000 services\0".to_vec();
    root.extend((0..20).map(|at| u8::from_str_radix(&services[at * 2..at * 2 + 2], 16).unwrap()));
    std::fs::write(forge.folder.path().join("tree"), root).unwrap();
    let root = forge.run(&["hash-object", "-w", "-t", "tree", "--literally", &file]);
    let commit = forge.run(&["commit-tree", "-m", "bad \u{1b}[2J words", &root]);
    forge.run(&["push", "-q", "--force", "origin", &format!("{commit}:refs/heads/main")]);
    let reading = fetched(&Git::new(settings(&state, &http.url())), NOW).await;
    let snapshot = reading.snapshot.unwrap();
    assert_eq!(names(&snapshot), ["services/good.yaml"]);
    assert_eq!(snapshot.notes.len(), 3, "{:?}", snapshot.notes);
    assert_eq!(snapshot.commit.unwrap().subject, "bad \u{fffd}[2J words");
}

#[tokio::test]
async fn only_commits_with_a_known_signature_count() {
    let (forge, http, state) = with_http().await;
    let path = |name: &str| forge.folder.path().join(name);
    for name in ["alice", "mallory"] {
        keygen(&path(name));
    }
    let public = std::fs::read_to_string(path("alice.pub")).unwrap();
    std::fs::write(path("allowed"), format!("alice@example.org namespaces=\"git\" {public}")).unwrap();
    forge.run(&["config", "gpg.format", "ssh"]);
    forge.run(&["config", "commit.gpgsign", "true"]);
    forge.run(&["config", "user.signingkey", &path("alice").display().to_string()]);
    let signed = forge.commit("Alice Martin", "signed", "services/one.yaml", "name: one\n");
    let mut settings = settings(&state, &http.url());
    settings.verify = Some(Verify::Ssh { allowed_signers: path("allowed") });
    let git = Git::new(settings.clone());
    assert_eq!(good(fetched(&git, NOW).await).revision, signed);

    forge.run(&["config", "user.signingkey", &path("mallory").display().to_string()]);
    let foreign = forge.commit("Mallory", "mine", "services/one.yaml", "name: one # mine\n");
    forge.run(&["config", "commit.gpgsign", "false"]);
    let reading = fetched(&git, NOW).await;
    let (code, message) = refused(&reading);
    assert_eq!(code, "A0306");
    assert!(
        message.starts_with(&format!("{} \"mine\" (Mallory) on branch main is refused: ", &foreign[..7])),
        "{message}"
    );
    assert_eq!(reading.snapshot.unwrap().revision, signed, "the last good one stays");
    forge.commit("Bob Durand", "unsigned", "services/one.yaml", "name: one # 2\n");
    let reading = fetched(&git, NOW).await;
    assert!(refused(&reading).1.ends_with("it is not signed"), "{reading:?}");
    assert_eq!(reading.snapshot.unwrap().revision, signed);
    assert_eq!(git.fetch_ref("main").await.unwrap_err().code, Code::A0306, "nor is it planned with");
    assert_eq!(good(Git::new(settings).read().await).revision, signed, "nor taken after a restart");

    forge.run(&["config", "commit.gpgsign", "true"]);
    forge.run(&["config", "user.signingkey", &path("alice").display().to_string()]);
    let again = forge.commit("Alice Martin", "mend", "services/one.yaml", "name: one # 3\n");
    assert_eq!(good(fetched(&git, NOW).await).revision, again);
}

#[tokio::test]
async fn openpgp_signatures_count_when_the_keyring_has_the_key() {
    let (forge, http, state) = with_http().await;
    let home = forge.folder.path().join("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, None, None).unwrap();
    let gpg = |args: &[&str]| {
        let mut command = std::process::Command::new("gpg");
        let command = command.args(["--homedir", &home.display().to_string(), "--batch", "--quiet"]).args(args);
        let output = command.output().expect("gpg is there: scripts/test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    for who in ["alice", "mallory"] {
        let name = format!("{who}@example.org");
        gpg(&["--passphrase", "", "--quick-generate-key", &name, "ed25519", "sign", "never"]);
    }
    let keyring = forge.folder.path().join("keyring.gpg");
    std::fs::write(&keyring, gpg(&["--export", "alice@example.org"])).unwrap();
    let program = forge.folder.path().join("sign");
    std::fs::write(&program, format!("#!/bin/sh\nexec gpg --homedir '{}' \"$@\"\n", home.display())).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    forge.run(&["config", "gpg.program", &program.display().to_string()]);
    forge.run(&["config", "commit.gpgsign", "true"]);
    forge.run(&["config", "user.signingkey", "alice@example.org"]);
    let signed = forge.commit("Alice Martin", "signed", "services/one.yaml", "name: one\n");
    let mut settings = settings(&state, &http.url());
    settings.verify = Some(Verify::OpenPgp { keyring });
    let git = Git::new(settings);
    assert_eq!(good(fetched(&git, NOW).await).revision, signed);
    forge.run(&["config", "user.signingkey", "mallory@example.org"]);
    forge.commit("Mallory", "mine", "services/one.yaml", "name: one # mine\n");
    let reading = fetched(&git, NOW).await;
    assert_eq!(refused(&reading).0, "A0306");
    assert_eq!(reading.snapshot.unwrap().revision, signed);
    let agent = std::process::Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "all"]).status();
    assert!(agent.unwrap().success());
}

/// A conversation ends with whoever waits for it, at once and without a trace.
#[tokio::test]
async fn a_silent_server_delays_no_caller() {
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let git = Git::new(settings(&state, &format!("http://{}/repo.git", silent.local_addr().unwrap())));
    let asking = git.clone();
    let task = tokio::spawn(async move { asking.fetch(NOW).await });
    let _connection = silent.accept().await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let error = git.read().await.error.unwrap();
    assert!(error.message.ends_with("was not fetched yet"), "{error:?}");
}

#[tokio::test]
async fn a_broken_clone_is_cloned_again() {
    let (forge, http, state) = with_http().await;
    let head = forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let settings = settings(&state, &http.url());
    good(fetched(&Git::new(settings.clone()), NOW).await);
    for entry in std::fs::read_dir(settings.clone.join("objects/pack")).unwrap() {
        std::fs::write(entry.unwrap().path(), "rubbish").unwrap_or_default();
    }
    let git = Git::new(settings);
    assert_eq!(good(fetched(&git, NOW).await).revision, head);
}

/// What policy compared is what is asked: a server that sends elsewhere is not obeyed.
#[tokio::test]
async fn no_redirect_is_followed() {
    use axum::http::{StatusCode, Uri, header};
    use axum::response::IntoResponse;

    let (forge, http, state) = with_http().await;
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    for status in [301_u16, 302, 303, 307, 308] {
        let target = http.url();
        let elsewhere = move |uri: Uri| async move {
            let rest = uri.path_and_query().map(|rest| rest.as_str().replacen("/acme/x", "", 1)).unwrap_or_default();
            (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, format!("{target}{rest}"))]).into_response()
        };
        let router = axum::Router::new().fallback(elsewhere);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let git = Git::new(GitSettings {
            clone: state.path().join(format!("{status}.git")),
            ..settings(&state, &format!("http://{at}/acme/x"))
        });
        let (code, why) = refused(&fetched(&git, NOW).await);
        assert_eq!(code, "A0302");
        assert!(why.contains(&format!("{status}, the repository is elsewhere: {}", http.url())), "{why}");
    }
    assert_eq!(http.asked(), [""; 0]);
}

/// Without a word of the configuration, the branch is the one that the server calls its default.
#[tokio::test]
async fn the_default_branch_is_the_servers() {
    let (forge, http, state) = with_http().await;
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    forge.run(&["checkout", "-q", "-b", "trunk"]);
    let trunk = forge.commit("Alice Martin", "add two", "services/two.yaml", "name: two\n");
    let git = Git::new(GitSettings { reference: GitRef::Default, ..settings(&state, &http.url()) });
    let bare = forge.bare();
    let point = |branch: &str| {
        forge.run(&["--git-dir", bare.to_str().unwrap(), "symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]);
    };
    point("trunk");
    let snapshot = good(fetched(&git, NOW).await);
    assert_eq!((snapshot.revision.as_str(), snapshot.label.as_str(), snapshot.is_branch), (&*trunk, "trunk", true));
    assert!(git.follows("refs/heads/trunk") && !git.follows("refs/heads/main") && !git.follows("HEAD"));
    let again = Git::new(GitSettings { reference: GitRef::Default, ..settings(&state, &http.url()) });
    assert_eq!(good(again.read().await).label, "trunk", "over a restart");
    point("main");
    assert_eq!(names(&good(fetched(&git, NOW + MINUTE).await)), ["services/one.yaml"]);
    assert!(git.follows("refs/heads/main"));
    // One that names a branch that is not there.
    point("nothing");
    assert_eq!(good(fetched(&git, NOW + MINUTE).await).label, "main");
}

#[tokio::test]
async fn a_missing_branch_names_those_that_are_there() {
    let (forge, http, state) = with_http().await;
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    forge.run(&["push", "-q", "origin", "main:release/2"]);
    let missing = GitSettings { reference: GitRef::Branch("master".to_owned()), ..settings(&state, &http.url()) };
    let error = fetched(&Git::new(missing.clone()), NOW).await.error.unwrap();
    assert_eq!(error.code, Code::A0305);
    assert!(error.message.ends_with("has no branch master; its branches: main, release/2"), "{error:?}");
    let error = Git::new(missing).fetch_ref("nothing").await.unwrap_err();
    assert!(
        error.message.ends_with("has no branch, tag or commit nothing; its branches: main, release/2"),
        "{error:?}"
    );
}

/// What once was large is in the history for ever; the newest commit is small.
#[tokio::test]
async fn a_large_file_in_the_history_stops_no_source_whose_newest_commit_is_small() {
    let (forge, http, state) = with_http().await;
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    forge.run(&["config", "core.compression", "0"]);
    let large = forge.work().join("backup.tar");
    let file = std::fs::File::create(&large).unwrap();
    file.set_len(140 * 1024 * 1024).unwrap();
    forge.commit_all("Alice Martin", "by mistake");
    std::fs::remove_file(&large).unwrap();
    let head = forge.commit_all("Alice Martin", "take it out");
    let git = Git::new(GitSettings { memory_bytes: 512 << 20, ..settings(&state, &http.url()) });
    assert_eq!(good(fetched(&git, NOW).await).revision, head);
    // The next commits cost no more, though fifty revisions would.
    let asked = http.asked().len();
    let next = forge.commit("Alice Martin", "more", "services/one.yaml", "name: one # 2\n");
    assert_eq!(good(fetched(&git, NOW + MINUTE).await).revision, next);
    assert!(http.asked().len() - asked <= 4, "{:?}", &http.asked()[asked..]);
}

#[tokio::test]
async fn a_newest_commit_that_is_too_large_by_itself_is_refused_by_name() {
    let (forge, http, state) = with_http().await;
    // Noise is not compressed: a busy machine would take longer than a silent server may.
    for folder in [forge.work(), forge.bare()] {
        for setting in [["core.compression", "0"], ["core.bigFileThreshold", "1m"]] {
            forge.run(&[&["-C", folder.to_str().unwrap(), "config"], &setting[..]].concat());
        }
    }
    forge.commit("Alice Martin", "add one", "services/one.yaml", "name: one\n");
    let noise = std::fs::File::open("/dev/urandom").unwrap();
    let mut file = std::fs::File::create(forge.work().join("backup.tar")).unwrap();
    std::io::copy(&mut noise.take(140 * 1024 * 1024), &mut file).unwrap();
    forge.commit_all("Alice Martin", "by mistake");
    let error = fetched(&Git::new(settings(&state, &http.url())), NOW).await.error.unwrap();
    assert_eq!(error.code, Code::A0307, "{error:?}");
    assert!(error.hints[0].text.to_string().contains("its newest commit alone is too large"), "{error:?}");
}

/// A mirror that was cloned with `--depth` has no more to give.
#[tokio::test]
async fn a_repository_that_is_shallow_on_its_server_is_read() {
    let (forge, http, state) = with_http().await;
    for number in 0..5 {
        forge.commit("Alice Martin", "more", "services/one.yaml", &format!("name: one # {number}\n"));
    }
    let bare = forge.bare();
    std::fs::rename(&bare, bare.with_extension("whole")).unwrap();
    let whole = format!("file://{}", bare.with_extension("whole").display());
    forge.run(&["clone", "-q", "--bare", "--depth", "2", &whole, bare.to_str().unwrap()]);
    let git = Git::new(settings(&state, &http.url()));
    let snapshot = good(fetched(&git, NOW).await);
    assert_eq!(names(&snapshot), ["services/one.yaml"]);
    forge.run(&["-C", bare.to_str().unwrap(), "fetch", "-q", "origin", "main:main"]);
    assert_eq!(good(fetched(&git, NOW + MINUTE).await).revision, snapshot.revision);
    let next = forge.commit("Alice Martin", "next", "services/one.yaml", "name: one # next\n");
    assert_eq!(good(fetched(&git, NOW + MINUTE).await).revision, next);
}
