//! Images under the names that generated Dockerfiles use, made here: nothing is pulled.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;

use sha1::{Digest, Sha1};

use crate::support::{docker, image, nginx};

static NGINX: Once = Once::new();

/// `nginx:1.30-alpine`: this machine's nginx, with a shell.
pub fn nginx() {
    NGINX.call_once(|| {
        nginx::import_as("nginx:1.30-alpine", &|root| {
            fs::copy("/etc/nginx/mime.types", root.join("etc/nginx/mime.types")).unwrap();
            fs::create_dir_all(root.join("srv")).unwrap();
        });
        assert!(!docker(&["images", "-q", "nginx:1.30-alpine"]).is_empty());
    });
}

/// `python:3.13-slim`: this machine's Python on a small Debian, whose `pip` finds what scripts/test has fetched.
pub fn python() {
    debian("python:3.13-slim", "debian-python", "target/python/wheels");
}

/// An image called as Dockerfiles call it, which a script makes of this machine's packages; made again where the script, or what
/// was fetched for it, is another one: a folder counts by the names in it.
pub fn debian(image: &str, script: &str, fetched: &str) {
    let _lock = image::lock();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("scripts/clients").join(script);
    let made_by = [script.clone(), root.join("scripts/clients/debian-root"), root.join(fetched)];
    let made_by: String = made_by.iter().map(|path| content(path)).collect();
    let recipe = hex::encode(Sha1::digest(made_by));
    if !image::is_missing(image, &recipe) {
        return;
    }
    let mut tar = Command::new(script).stdout(Stdio::piped()).spawn().unwrap();
    let mut import = Command::new("docker");
    import.args(["import", "-c", &format!("LABEL io.amarre.test-recipe={recipe}"), "-", image]);
    let output = import.stdin(tar.stdout.take().unwrap()).output().unwrap();
    assert!(tar.wait().unwrap().success() && output.status.success(), "{output:?}");
}

/// The text of a file, or the names in a folder.
fn content(path: &Path) -> String {
    if !path.is_dir() {
        return fs::read_to_string(path).unwrap();
    }
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.join("\n")
}

/// An image with nothing in it but a folder.
pub fn empty(image: &str) {
    let _lock = image::lock();
    if image::is_missing(image, "empty") {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let mut tar =
            Command::new("tar").arg("-C").arg(folder.path()).args(["-c", "."]).stdout(Stdio::piped()).spawn().unwrap();
        let mut import = Command::new("docker");
        import.args(["import", "-c", "LABEL io.amarre.test-recipe=empty", "-", image]);
        let output = import.stdin(tar.stdout.take().unwrap()).output().unwrap();
        assert!(tar.wait().unwrap().success() && output.status.success(), "{output:?}");
    }
}
