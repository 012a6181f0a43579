//! The test images: busybox, a shell entry and nothing else, so that no registry is asked.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;

use sha1::{Digest, Sha1};

pub(super) const BUSYBOX: &str = "/bin/busybox";
pub(super) const APPLETS: [&str; 14] =
    ["sh", "httpd", "wget", "sleep", "cat", "true", "false", "hostname", "sed", "tail", "test", "touch", "ls", "mkdir"];

/// `serve PORT` answers HTTP with `index.html`; `idle` only runs; `exit CODE` ends. Stops at once on a signal.
const ENTRY: &str = r#"#!/bin/sh
[ "$1" = "-v" ] && shift
trap 'exit 0' TERM INT
[ -n "$TEXT" ] && echo "$TEXT" > /www/index.html
case "$1" in
serve) httpd -f -p "$2" -h /www & ;;
exit) echo "leaving with $2"; exit "$2" ;;
esac
while :; do sleep 100000 & wait $!; done
"#;

/// As much of curl as a probe needs: `curl … -w %{http_code} --max-time S URL`. Without the time: a static wget with -T crashes.
pub(super) const CURL: &str = r#"#!/bin/sh
for url; do :; done
code=$(wget -S -q -O /dev/null "$url" 2>&1 | sed -n 's/.*HTTP\/1\.[01] \([0-9][0-9][0-9]\).*/\1/p' | tail -n 1)
echo "${code:-000}"
[ -n "$code" ]
"#;

/// One of two images that differ in content and id.
pub const ONE: &str = "amarre-test:1";
/// The other.
pub const TWO: &str = "amarre-test:2";
/// What containers of others run: a service beside one that runs its image would be held for that one's data.
pub const THEIRS: &str = "amarre-test-theirs:1";

static BUILT: Once = Once::new();

/// Builds what is missing; an image of another recipe is replaced.
pub fn build() {
    BUILT.call_once(|| {
        let _lock = lock();
        for (tag, version) in [(ONE, "1"), (TWO, "2"), (THEIRS, "3")] {
            let recipe = hex::encode(Sha1::digest(format!("{ENTRY}{CURL}{version}{APPLETS:?}{CHANGES:?}")));
            if is_missing(tag, &recipe) {
                import(tag, version, &recipe);
            }
        }
    });
}

/// Tests are processes of their own; one of them builds.
pub fn lock() -> fs::File {
    assert!(Path::new(BUSYBOX).exists(), "{BUSYBOX} is missing: scripts/test installs it (busybox-static)");
    let lock = fs::File::create(std::env::temp_dir().join("amarre-test-image.lock")).unwrap();
    lock.lock().unwrap();
    lock
}

/// There is no such image, or one of another recipe.
pub fn is_missing(tag: &str, recipe: &str) -> bool {
    recipe_of(tag).as_deref() != Some(recipe)
}

/// Labels and variables of an image are not the manifest's: they must never show as drift.
const CHANGES: [&str; 4] = [
    "ENTRYPOINT [\"/bin/entry\"]",
    "CMD [\"idle\"]",
    "ENV PATH=/bin FROM_IMAGE=yes",
    "LABEL org.example.from-image=yes",
];

fn recipe_of(tag: &str) -> Option<String> {
    let format = "{{index .Config.Labels \"io.amarre.test-recipe\"}}";
    let output = Command::new("docker").args(["image", "inspect", "-f", format, tag]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn import(tag: &str, version: &str, recipe: &str) {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for folder in ["bin", "www", "tmp", "etc", "data"] {
        fs::create_dir(at(folder)).unwrap();
        fs::set_permissions(at(folder), fs::Permissions::from_mode(0o777)).unwrap();
    }
    add_busybox(root.path(), ENTRY);
    fs::write(at("www/index.html"), format!("amarre-test {version}\n")).unwrap();
    import_folder(tag, root.path(), &CHANGES, recipe);
}

/// Busybox with its applets, and the two scripts, in `bin`.
pub fn add_busybox(root: &Path, entry: &str) {
    let at = |path: &str| root.join(path);
    fs::copy(BUSYBOX, at("bin/busybox")).unwrap();
    for applet in APPLETS {
        symlink("busybox", at("bin").join(applet)).unwrap();
    }
    for (name, text) in [("bin/entry", entry), ("bin/curl", CURL)] {
        fs::write(at(name), text).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Makes an image of a folder; its label says by which recipe.
pub fn import_folder(tag: &str, root: &Path, changes: &[&str], recipe: &str) {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(root).args(["--owner=0", "--group=0", "-c", "."]).stdout(Stdio::piped());
    let mut tar = tar.spawn().expect("tar is there: scripts/test");
    let mut import = Command::new("docker");
    import.arg("import");
    for change in changes {
        import.args(["-c", change]);
    }
    import.args(["-c", &format!("LABEL io.amarre.test-recipe={recipe}"), "-", tag]);
    let output = import.stdin(tar.stdout.take().unwrap()).output().expect("the docker client is there: scripts/test");
    assert!(output.status.success(), "docker import: {}", String::from_utf8_lossy(&output.stderr));
    assert!(tar.wait().unwrap().success(), "tar");
}
