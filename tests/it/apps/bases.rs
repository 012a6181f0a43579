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
    const IMAGE: &str = "python:3.13-slim";
    let _lock = image::lock();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("scripts/clients/debian-python");
    let made_by =
        [script.clone(), root.join("scripts/clients/debian-root"), root.join("target/python/requirements.txt")];
    let made_by: String = made_by.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let recipe = hex::encode(Sha1::digest(made_by));
    if !image::is_missing(IMAGE, &recipe) {
        return;
    }
    let mut tar = Command::new(script).stdout(Stdio::piped()).spawn().unwrap();
    let mut import = Command::new("docker");
    import.args(["import", "-c", &format!("LABEL io.amarre.test-recipe={recipe}"), "-", IMAGE]);
    let output = import.stdin(tar.stdout.take().unwrap()).output().unwrap();
    assert!(tar.wait().unwrap().success() && output.status.success(), "{output:?}");
}
