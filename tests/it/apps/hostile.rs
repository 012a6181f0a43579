#![allow(clippy::print_stderr, reason = "x")]
//! Repositories that are made to harm: each is bounded and refused by name, and nothing of this machine gets into an image.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{clean, images, manifest, start};
use crate::support::docker;
use crate::support::forge::Forge;

/// What lies beside the repository on this machine, and must lie in no image.
const CANARY: &str = "canary-of-the-host-51c2";

const PAGE: &str = "FROM nginx:1.30-alpine\nCOPY . /srv/www\nEXPOSE 8080\n\
                    CMD [\"busybox\", \"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/srv/www\"]\n";

/// `git …` in the working copy, with this input.
fn git(forge: &Forge, args: &[&str], input: &str) -> String {
    let mut command = Command::new("git");
    command.args(args).current_dir(forge.work()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut git = command.spawn().unwrap();
    git.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = git.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A commit with this many folders of this many files each, all of which are one blob: some objects stand for all of it.
fn commit_of_many(forge: &Forge, folders: usize, files: usize, blob: &str) {
    let blob = git(forge, &["hash-object", "-w", "--stdin"], blob);
    let below: String = (0..files).map(|number| format!("100644 blob {blob}\tf{number:05}\n")).collect();
    let below = git(forge, &["mktree"], &below);
    let page = git(forge, &["hash-object", "-w", "--stdin"], PAGE);
    let mut root: String = (0..folders).map(|number| format!("040000 tree {below}\td{number:05}\n")).collect();
    root.push_str(&format!("100644 blob {page}\tDockerfile\n"));
    let root = git(forge, &["mktree"], &root);
    let head = forge.run(&["rev-parse", "HEAD"]);
    let commit = forge.run(&["commit-tree", &root, "-p", head.trim(), "-m", "so much"]);
    forge.run(&["push", "-q", "origin", &format!("{}:refs/heads/main", commit.trim())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_and_what_runs_stays() {
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "a page", "index.html", "<h1>page</h1>\n");
    rig.write("site.yaml", &manifest(&url, ""));
    assert_eq!(rig.apply().await.code, 0);
    rig.assert_serves("site", "<h1>page</h1>").await;
    let first = forge.run(&["rev-parse", "HEAD"]);
    let built = images(&rig);
    // A million files of a few objects; then two gibibytes of one.
    for (folders, files, blob, why) in
        [(1_000, 1_000, "x".to_owned(), "more than 20000 files"), (20, 100, "x".repeat(1 << 20), "larger than 1 GiB")]
    {
        commit_of_many(&forge, folders, files, &blob);
        let told = rig.apply_partly().await;
        assert!(format!("{told}").contains(why), "{why}: {told}");
        rig.assert_serves("site", "<h1>page</h1>").await;
        forge.run(&["push", "-q", "-f", "origin", &format!("{}:refs/heads/main", first.trim())]);
        assert_eq!(rig.apply().await.code, 0);
        rig.quiet().await;
    }
    assert_eq!(images(&rig), built, "nothing was built");
    docker(&["rm", "-f", &rig.name("site")]);
    clean(&rig);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_host_is_in_an_image() {
    let (rig, forge, url) = start().await;
    let secret = forge.folder.path().join("secret.txt");
    std::fs::write(&secret, CANARY).unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, forge.work().join(name)).unwrap();
    link(secret.to_str().unwrap(), "absolute");
    link("../secret.txt", "above");
    link("../../../../../../../../etc/shadow", "shadow");
    link(".", "itself");
    std::fs::write(forge.work().join("two\nlines"), "x").unwrap();
    std::fs::write(forge.work().join("-rf"), "x").unwrap();
    forge.write("index.html", "<h1>page</h1>\n");
    forge.write(".env", "TOKEN=of-the-repository\n");
    // What a build can reach of this machine, if it reaches any: its files, its engine, its processes.
    let looks = "RUN ls -la / /proc/1/root/ /run /var/run > /found.txt 2>&1; cat /srv/www/absolute /srv/www/above >> /found.txt 2>&1; \
                 ls -la /var/run/docker.sock >> /found.txt 2>&1; true\n\
                 RUN --mount=type=bind,source=/,target=/all ls -la /all /all/.. >> /found.txt 2>&1; true\n";
    forge.commit("Mallory", "links", "Dockerfile", &PAGE.replace("EXPOSE", &format!("{looks}EXPOSE")));
    rig.write("site.yaml", &manifest(&url, ""));
    let applied = rig.apply().await;
    assert_eq!(applied.code, 0, "{applied}");
    let image = images(&rig)[0].clone();
    let inside = |args: &[&str]| {
        let run = [&["run", "--rm", "--entrypoint", "busybox", &image][..], args].concat();
        String::from_utf8_lossy(&Command::new("docker").args(run).output().unwrap().stdout).into_owned()
    };
    let found = inside(&["cat", "/found.txt"]);
    assert!(!found.is_empty() && !found.contains(CANARY) && !found.contains("srwx"), "{found}");
    assert!(!found.contains("TOKEN") && !inside(&["ls", "-a", "/srv/www"]).contains(".env"));
    let told = format!("{}{}", docker(&["history", "--no-trunc", &image]), docker(&["inspect", &image]));
    assert!(!told.contains(CANARY), "{told}");
    docker(&["rm", "-f", &rig.name("site")]);
    clean(&rig);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dockerfile_gets_no_right_that_it_asks_for() {
    let (rig, forge, url) = start().await;
    forge.write("index.html", "<h1>page</h1>\n");
    for (dockerfile, code) in [
        (PAGE.replace("EXPOSE", "RUN --security=insecure true\nEXPOSE"), "A0773"),
        (PAGE.replace("EXPOSE", "RUN --network=host true\nEXPOSE"), "A0773"),
        ("FROM nginx:1.30-alpine\nRUN echo $(head -c 3000000 /dev/zero | tr '\\0' x); exit 3\n".to_owned(), "A0773"),
    ] {
        forge.commit("Mallory", "asks", "Dockerfile", &dockerfile);
        rig.write("site.yaml", &manifest(&url, ""));
        let refused = rig.apply_partly().await;
        let said = format!("{refused}");
        assert!(refused.code != 0 && said.contains(code), "{dockerfile}: {said}");
        assert!(said.len() < 20_000, "what it prints is bounded: {}", said.len());
    }
    assert_eq!(images(&rig), [""; 0]);
    clean(&rig);
}
