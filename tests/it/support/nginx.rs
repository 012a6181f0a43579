//! A real nginx as NPM's container in front of services, and as a server that takes its time to start and to end.
//!
//! Debian's binary with its libraries and busybox, in an image that is made here. The simulated NPM writes the files of
//! the one in front, tests them and has it reload them, as the real one does.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Once};
use std::time::Duration;

use amarre_sim::npm::{Front, Npm, NpmOptions};
use serde_json::json;
use sha1::{Digest, Sha1};

use super::rig::Rig;
use super::{docker, eventually, free_port, get, image};

/// `front` or `app PORT`.
pub const IMAGE: &str = "amarre-nginx-test:1";

const BINARY: &str = "/usr/sbin/nginx";
/// So much later than NPM's answer nginx obeys: more than was measured, for theirs had little to load.
const RELOADS_LATE: Duration = Duration::from_millis(700);
/// Where the one in front has the files of hosts.
const HOSTS: &str = "/data/nginx/proxy_host";

/// The server answers after `START_S` seconds. When it is stopped, it takes no new connection and answers what it
/// has begun.
const ENTRY: &str = r#"#!/bin/sh
case "$1" in
front) exec /usr/sbin/nginx ;;
app)
  trap 'exit 0' TERM INT
  sleep "${START_S:-0}"
  [ -z "$BIG_MB" ] || dd if=/dev/zero of=/tmp/big bs=1M count="$BIG_MB" 2>/dev/null
  sed "s/TEXT/$TEXT/; s/PORT/$2/" /etc/nginx/app.conf > /tmp/app.conf
  nginx -c /tmp/app.conf &
  server=$!
  trap 'nginx -c /tmp/app.conf -s quit' TERM INT
  while kill -0 $server 2>/dev/null; do wait $server; done
  ;;
esac
"#;

const COMMON: &str = "
daemon off;
user root;
pid /run/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
";

const HTTP: &str = "
  access_log off;
  default_type text/plain;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
";

/// What of NPM's matters here: time-outs, a name that no host has, the files of hosts.
const FRONT: &str = "
  server_names_hash_bucket_size 1024;
  proxy_connect_timeout 90s;
  proxy_read_timeout 90s;
  server { listen 80 default_server; return 404; }
  include /data/nginx/proxy_host/*.conf;
";

/// As NPM's `conf.d/include/proxy.conf`.
const PROXY: &str = "
proxy_set_header Host $host;
proxy_set_header X-Forwarded-Scheme $scheme;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Real-IP $remote_addr;
proxy_pass $forward_scheme://$server:$port$request_uri;
";

/// `/slow` comes in pieces, one each second, and takes between one and two of them.
const APP: &str = "
  server {
    listen PORT;
    location / { return 200 \"TEXT\\n\"; }
    location /slow { limit_rate 300; return 200 \"TEXT FILLER end\\n\"; }
    location /big { root /tmp; }
  }
";

const CHANGES: [&str; 3] = ["ENTRYPOINT [\"/bin/entry\"]", "CMD [\"front\"]", "ENV PATH=/bin:/usr/sbin"];

static BUILT: Once = Once::new();

/// Builds the image when it is missing or of another recipe.
fn build() {
    BUILT.call_once(|| {
        let _lock = image::lock();
        assert!(Path::new(BINARY).exists(), "{BINARY} is missing: scripts/test installs it (nginx-light)");
        let version = Command::new(BINARY).arg("-v").output().unwrap().stderr;
        let texts = [ENTRY, COMMON, HTTP, FRONT, PROXY, APP, image::CURL].concat();
        let recipe = format!("{texts}{CHANGES:?}{:?}{}", image::APPLETS, String::from_utf8_lossy(&version));
        let recipe = hex::encode(Sha1::digest(recipe));
        if image::is_missing(IMAGE, &recipe) {
            let root = tempfile::tempdir().unwrap();
            fill(root.path());
            image::import_folder(IMAGE, root.path(), &CHANGES, &recipe);
        }
    });
}

/// The same files under another name, with more of them and no command of its own.
pub fn import_as(reference: &str, more: &dyn Fn(&Path)) {
    let _lock = image::lock();
    let recipe = hex::encode(Sha1::digest(format!("{reference} 1 {}", [ENTRY, COMMON, HTTP].concat())));
    if image::is_missing(reference, &recipe) {
        let root = tempfile::tempdir().unwrap();
        fill(root.path());
        // As in every image: who is not root writes there, too.
        let everyone = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(root.path().join("tmp"), everyone).unwrap();
        more(root.path());
        image::import_folder(reference, root.path(), &["ENV PATH=/bin:/usr/sbin"], &recipe);
    }
}

fn fill(root: &Path) {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    for folder in ["bin", "usr/sbin", "etc/nginx", "run", "tmp", "data/nginx/proxy_host", "var/log/nginx"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    image::add_busybox(root, ENTRY);
    for path in libraries().iter().map(String::as_str).chain([BINARY]) {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::copy(path, at(path)).unwrap();
    }
    let main = |more: &str| format!("{COMMON}http {{{HTTP}{more}}}\n");
    let files = [
        ("etc/passwd", "root:x:0:0:root:/:/bin/sh\n".to_owned()),
        ("etc/group", "root:x:0:\n".to_owned()),
        ("etc/nginx/nginx.conf", main(FRONT)),
        ("etc/nginx/app.conf", main(APP).replace("FILLER", &"-".repeat(400))),
        ("etc/nginx/proxy.conf", PROXY.to_owned()),
    ];
    for (path, text) in files {
        fs::write(at(path), text).unwrap();
    }
}

/// Everything that the binary loads, the loader included.
fn libraries() -> Vec<String> {
    let output = Command::new("ldd").arg(BINARY).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}

/// NPM's container with a real nginx, and its published port.
pub struct RealFront {
    pub container: String,
    pub network: String,
    pub address: SocketAddr,
}

impl RealFront {
    /// Runs it on a network of its own, and lets the simulated NPM write its files.
    pub async fn start(rig: &mut Rig) -> Self {
        build();
        let (container, network) = (rig.name("npm"), rig.name("proxy"));
        docker(&["network", "create", "--subnet", &format!("10.{}.0.0/24", rig.octet), &network]);
        let port = free_port();
        let folder = rig.folder.path().join("proxy_host");
        fs::create_dir(&folder).unwrap();
        let (published, mount) = (format!("127.0.0.1:{port}:80"), format!("{}:{HOSTS}:ro", folder.display()));
        docker(&["run", "-d", "--name", &container, "--network", &network, "-p", &published, "-v", &mount, IMAGE]);
        let files = Files { container: container.clone(), folder };
        rig.npm = Npm::start(NpmOptions { front: Some(Arc::new(files)), ..NpmOptions::default() }).await.unwrap();
        let main = json!({
            "url": rig.npm.server.url(), "identity": "amarre@amarre.demo", "secret": "changeme-npm", "container": container,
        });
        rig.settings.insert("npm".to_owned(), json!({"main": main}));
        rig.configure();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually(60, "nginx answers", async || {
            get(address, "nobody", "/").await.is_some_and(|(code, _)| code == 404)
        })
        .await;
        Self { container, network, address }
    }

    /// Stops it, so that the networks that it is attached to can go.
    pub fn end(self) {
        docker(&["rm", "-f", &self.container]);
        docker(&["network", "rm", &self.network]);
    }
}

/// The files of hosts, and the nginx that reads them.
#[derive(Clone)]
struct Files {
    container: String,
    folder: PathBuf,
}

impl Files {
    fn nginx(&self, args: &[&str]) -> Result<(), String> {
        let output = Command::new("docker").args(["exec", &self.container, "nginx"]).args(args).output();
        let output = output.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }
}

impl Front for Files {
    fn write(&self, name: &str, text: Option<&str>) {
        let path = self.folder.join(name);
        match text {
            // In one step: a reload, late as it is here, comes at any moment, and would find half a file.
            Some(text) => {
                let fresh = self.folder.join(format!("{name}.new"));
                fs::write(&fresh, text).unwrap();
                fs::rename(fresh, path).unwrap();
            }
            None => {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn test(&self) -> Result<(), String> {
        self.nginx(&["-t"])
    }

    fn reload(&self) {
        let files = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(RELOADS_LATE);
            // NPM does not check how it ends either.
            let _ = files.nginx(&["-s", "reload"]);
        });
    }
}
