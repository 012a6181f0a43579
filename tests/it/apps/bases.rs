//! Images under the names that generated Dockerfiles use, made here: nothing is pulled.

use std::fs;
use std::sync::Once;

use crate::support::{docker, nginx};

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
