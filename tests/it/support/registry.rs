//! A real registry on loopback (Debian's `docker-registry`): engines take one there without TLS.

use std::fs;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{docker, eventually, free_port};

pub const USER: &str = "ops";
/// Its base64 has `+` and `/` at any place: the engine decodes the alphabet for URLs.
pub const PASSWORD: &str = "canary-?????>>>>>";

/// A running registry that wants [`USER`] and [`PASSWORD`]; ended on drop, with the images that were pulled from it.
pub struct Registry {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Registry {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        // The registry knows only bcrypt; perl is everywhere that Debian is.
        let script = r#"print "$ARGV[0]:", crypt($ARGV[1], '$2y$04$abcdefghijklmnopqrstuu'), "\n""#;
        let line = Command::new("perl").args(["-e", script, USER, PASSWORD]).output().unwrap().stdout;
        fs::write(at("htpasswd"), line).unwrap();
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\nauth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            at("data"),
            at("htpasswd"),
        );
        fs::write(at("config.yml"), config).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "docker-registry", "serve", &at("config.yml")]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().expect("docker-registry is there: scripts/test");
        // For our own pushes.
        let auth =
            Command::new("sh").args(["-c", "printf %s \"$0:$1\" | base64 -w0", USER, PASSWORD]).output().unwrap();
        let auth = String::from_utf8(auth.stdout).unwrap();
        let config = format!(r#"{{"auths": {{"127.0.0.1:{port}": {{"auth": "{auth}"}}}}}}"#);
        fs::write(at("config.json"), config).unwrap();
        let registry = Self { child, folder, port };
        eventually(60, "a registry", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        registry
    }

    /// As it stands in names of images.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Puts a local image there under `name`; answers the whole reference. Locally it is not left.
    pub fn push(&self, local: &str, name: &str) -> String {
        let reference = format!("{}/{name}", self.host());
        docker(&["tag", local, &reference]);
        docker(&["--config", &self.folder.path().display().to_string(), "push", "-q", &reference]);
        docker(&["rmi", &reference]);
        reference
    }

    /// Gives `from` of an image there another tag, `to`, without any engine.
    pub fn move_tag(&self, name: &str, from: &str, to: &str) {
        let url = |tag: &str| format!("http://{}/v2/{name}/manifests/{tag}", self.host());
        let user = format!("{USER}:{PASSWORD}");
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        let curl = |args: &[&str]| {
            let output =
                Command::new("curl").args(["-fsS", "--max-time", "10", "-u", &user]).args(args).output().unwrap();
            assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let file = self.folder.path().join("manifest");
        fs::write(&file, curl(&["-H", &format!("Accept: {kind}"), &url(from)])).unwrap();
        let body = format!("@{}", file.display());
        curl(&["-X", "PUT", "-H", &format!("Content-Type: {kind}"), "--data-binary", &body, &url(to)]);
    }

    /// Puts an image there that no engine here has: `base` with another label.
    pub fn push_new(&self, base: &str, name: &str) -> String {
        let id = docker(&["create", base]);
        let local = format!("{}/{name}", self.host());
        docker(&["commit", "--change", &format!("LABEL org.example.version={name}"), &id, &local]);
        docker(&["rm", &id]);
        docker(&["--config", &self.folder.path().display().to_string(), "push", "-q", &local]);
        docker(&["rmi", &local]);
        local
    }

    /// The server is gone.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        let filter = format!("reference={}/*", self.host());
        let mut list = Command::new("docker");
        list.args(["images", "--filter", &filter, "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
        let list = list.output().map(|output| output.stdout).unwrap_or_default();
        for line in String::from_utf8_lossy(&list).lines() {
            let Some((name, id)) = line.split_once(' ') else { continue };
            // What lost its name to a newer one goes by its id.
            let name = if name.ends_with(":<none>") { id } else { name };
            let _ = Command::new("docker").args(["rmi", name]).output();
        }
    }
}
