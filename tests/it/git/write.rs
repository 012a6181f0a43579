//! What a person changes on a page goes back to where manifests come from.

use amarre::source::git::GitSettings;
use amarre::source::{CommitAuthor, Edit, Folder, Git, Snapshot, Source};
use amarre_core::model::{Code, GitRef, Timestamp};

use super::fetch::{over_ssh, settings};
use crate::support::forge::Forge;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const PATH: &str = "services/gitea.yaml";
const MANIFEST: &str = "name: gitea\nimage: gitea/gitea:1.22\nport: 3000\n";

fn edit(before: Option<&str>, after: Option<&str>) -> Edit {
    Edit {
        path: PATH.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        author: CommitAuthor { name: "Zoé Durand".to_owned(), email: "zoe@example.org".to_owned() },
        message: "add gitea".to_owned(),
    }
}

async fn snapshot(source: &Source) -> Snapshot {
    source.read().await.snapshot.unwrap()
}

fn text_at(snapshot: &Snapshot, path: &str) -> Option<String> {
    snapshot.files.iter().find(|(known, _)| known == path).map(|(_, text)| text.clone())
}

/// Added, changed, removed; and each time what was there before has to be what the person saw.
async fn lives(source: &Source) {
    source.fetch(NOW).await;
    assert_eq!(source.path_of("gitea"), PATH);
    let other = format!("{MANIFEST}# more\n");
    for (before, after) in [(None, Some(MANIFEST)), (Some(MANIFEST), Some(&*other)), (Some(&*other), None)] {
        let refused = source.write(edit(Some("name: other\n"), after), NOW).await.unwrap_err();
        assert_eq!(refused.code, Code::A0312, "{refused}");
        assert_eq!(text_at(&snapshot(source).await, PATH).as_deref(), before, "nothing was written");
        source.write(edit(before, after), NOW).await.unwrap();
        assert_eq!(text_at(&snapshot(source).await, PATH).as_deref(), after);
    }
    for path in ["services/../evil.yaml", "services/.hidden.yaml", "/etc/evil.yaml", "services//a.yaml"] {
        let refused = source.write(Edit { path: path.to_owned(), ..edit(None, Some("a")) }, NOW).await.unwrap_err();
        assert_eq!(refused.code, Code::A0313, "{path}: {refused}");
    }
}

fn forge() -> Forge {
    let forge = Forge::new();
    forge.commit("Alice Martin", "one", "services/one.yaml", "name: one\nimage: web:1\n");
    forge
}

#[tokio::test]
async fn a_change_is_committed_and_pushed_over_http() {
    let (forge, state) = (forge(), tempfile::tempdir().unwrap());
    let http = forge.http(None).await;
    let source = Source::from(Git::new(settings(&state, &http.url())));
    lives(&source).await;
    let log =
        forge.run(&["--git-dir", &forge.bare().display().to_string(), "log", "--format=%an <%ae> %cn %s", "main"]);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 4, "{log}");
    assert!(lines[..3].iter().all(|line| *line == "Zoé Durand <zoe@example.org> Zoé Durand add gitea"), "{log}");
    let changed = snapshot(&source).await.history.removed.get(PATH).cloned().unwrap();
    assert_eq!((changed.author.as_str(), changed.subject.as_str()), ("Zoé Durand", "add gitea"));
}

#[tokio::test]
async fn a_change_is_committed_and_pushed_over_ssh() {
    let (forge, state) = (forge(), tempfile::tempdir().unwrap());
    let ssh = forge.ssh().await;
    lives(&Source::from(Git::new(over_ssh(&state, &ssh)))).await;
}

#[tokio::test]
async fn a_concurrent_push_stays() {
    let (forge, state) = (forge(), tempfile::tempdir().unwrap());
    let http = forge.http(None).await;
    let source = Source::from(Git::new(settings(&state, &http.url())));
    source.fetch(NOW).await;
    forge.commit("Bob Durand", "two", "services/two.yaml", "name: two\nimage: web:1\n");
    source.write(edit(None, Some(MANIFEST)), NOW).await.unwrap();
    let now = snapshot(&source).await;
    let names: Vec<&str> = now.files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, [PATH, "services/one.yaml", "services/two.yaml"]);

    let another = forge.commit("Bob Durand", "mine", PATH, "name: gitea\nimage: gitea/gitea:1.23\n");
    let refused = source.write(edit(Some(MANIFEST), None), NOW).await.unwrap_err();
    assert_eq!(refused.code, Code::A0312);
    assert_eq!(forge.run(&["ls-remote", "origin", "refs/heads/main"]).split('\t').next(), Some(another.as_str()));
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted() {
    let (forge, state) = (forge(), tempfile::tempdir().unwrap());
    let hook = forge.bare().join("hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let http = forge.http(None).await;
    let source = Source::from(Git::new(settings(&state, &http.url())));
    source.fetch(NOW).await;
    let refused = source.write(edit(None, Some(MANIFEST)), NOW).await.unwrap_err();
    assert_eq!(refused.code, Code::A0313);
    assert!(refused.message.contains("pre-receive hook declined"), "{refused}");
    assert_eq!(text_at(&snapshot(&source).await, PATH), None);
}

#[tokio::test]
async fn a_tag_takes_no_commit() {
    let (forge, state) = (forge(), tempfile::tempdir().unwrap());
    let http = forge.http(None).await;
    let tag = GitSettings { reference: GitRef::Tag("v1".to_owned()), ..settings(&state, &http.url()) };
    let refused = Source::from(Git::new(tag)).write(edit(None, Some(MANIFEST)), NOW).await.unwrap_err();
    assert_eq!(refused.code, Code::A0313);
}

#[tokio::test]
async fn a_change_is_written_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("services");
    std::fs::create_dir(&path).unwrap();
    lives(&Source::from(Folder::new(&path))).await;
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0, "nothing is left behind");
}
