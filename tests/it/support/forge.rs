//! A real git repository behind real servers on loopback: `git http-backend` over HTTP, and `sshd`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::{eventually, free_port};

/// A request to git is small; an answer is not read here.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A bare repository and a working copy of it.
pub struct Forge {
    pub folder: TempDir,
}

impl Forge {
    /// An empty one.
    pub fn new() -> Self {
        let forge = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(forge.work()).unwrap();
        forge.run(&["init", "-q", "--bare", "-b", "main", &forge.bare().display().to_string()]);
        let bare = forge.bare().display().to_string();
        forge.run(&["--git-dir", &bare, "config", "receive.denyDeleteCurrent", "ignore"]);
        forge.run(&["init", "-q", "-b", "main", "."]);
        forge.run(&["remote", "add", "origin", &forge.bare().display().to_string()]);
        forge
    }

    pub fn bare(&self) -> PathBuf {
        self.folder.path().join("repo.git")
    }

    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// `git …` in the working copy; answers what it says.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        self.run_as("Alice Martin", args)
    }

    #[track_caller]
    pub fn run_as(&self, who: &str, args: &[&str]) -> String {
        self.run_at(None, who, args)
    }

    /// At a time of the test's, or now.
    #[track_caller]
    fn run_at(&self, at: Option<&str>, who: &str, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(args).current_dir(self.work()).stdin(Stdio::null());
        isolate(&mut command, self.folder.path());
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), who).env(format!("GIT_{role}_EMAIL"), "somebody@example.org");
            command.envs(at.map(|at| (format!("GIT_{role}_DATE"), at)));
        }
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {}: {error}", args.join(" "));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes one file, commits and pushes; answers the commit.
    #[track_caller]
    pub fn commit(&self, who: &str, message: &str, path: &str, text: &str) -> String {
        self.write(path, text);
        self.commit_all(who, message)
    }

    /// Commits what is in the working copy and pushes; answers the commit.
    #[track_caller]
    pub fn commit_all(&self, who: &str, message: &str) -> String {
        self.commit_all_at(None, who, message)
    }

    /// The same, so that the commit has one id in every run.
    #[track_caller]
    pub fn commit_all_at(&self, at: Option<&str>, who: &str, message: &str) -> String {
        self.run(&["add", "-A"]);
        self.run_at(at, who, &["commit", "-q", "--allow-empty", "-m", message]);
        self.run(&["push", "-q", "--force", "origin", "HEAD"]);
        self.run(&["rev-parse", "HEAD"])
    }

    /// Serves over HTTP, for whoever knows the token.
    pub async fn http(&self, token: Option<&str>) -> HttpForge {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let exec = Command::new("git").arg("--exec-path").output().unwrap();
        let backend = Path::new(String::from_utf8_lossy(&exec.stdout).trim()).join("git-http-backend");
        let shared = Arc::new(Shared {
            backend,
            root: self.folder.path().to_owned(),
            password: token.map(str::to_owned),
            down: AtomicBool::new(false),
            asked: Mutex::default(),
        });
        let router = axum::Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        HttpForge { address, shared }
    }

    /// Serves over ssh.
    pub async fn ssh(&self) -> SshForge {
        SshForge::start(self).await
    }
}

fn isolate(command: &mut Command, home: &Path) {
    command.env("HOME", home).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env("GIT_TERMINAL_PROMPT", "0").env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
}

struct Shared {
    backend: PathBuf,
    root: PathBuf,
    password: Option<String>,
    down: AtomicBool,
    asked: Mutex<Vec<String>>,
}

/// Serves until the runtime ends.
pub struct HttpForge {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl HttpForge {
    pub fn url(&self) -> String {
        format!("http://{}/repo.git", self.address)
    }

    /// Answers 503 from now on, or no longer.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }

    /// What was asked, `METHOD path`.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

/// One request, by CGI.
async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    shared.asked.lock().unwrap().push(format!("{} {}", parts.method, parts.uri.path()));
    if shared.down.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "in maintenance").into_response();
    }
    if shared.password.as_ref().is_some_and(|password| password_of(&parts.headers).as_ref() != Some(password)) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")], "no").into_response();
    }
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let text = |name: header::HeaderName| {
        parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    let mut command = tokio::process::Command::new(&shared.backend);
    isolate(command.as_std_mut(), &shared.root);
    command.env("GIT_PROJECT_ROOT", &shared.root).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "git");
    command.env("PATH_INFO", parts.uri.path()).env("QUERY_STRING", parts.uri.query().unwrap_or_default());
    command.env("REQUEST_METHOD", parts.method.as_str()).env("CONTENT_TYPE", text(header::CONTENT_TYPE));
    command.env("HTTP_CONTENT_ENCODING", text(header::CONTENT_ENCODING)).env("CONTENT_LENGTH", body.len().to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeding = tokio::spawn(async move { stdin.write_all(&body).await });
    let output = child.wait_with_output().await.unwrap();
    let _ = feeding.await;
    let end = output.stdout.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let mut response = Response::new(Body::from(output.stdout[end + 4..].to_vec()));
    for line in String::from_utf8_lossy(&output.stdout[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            *response.status_mut() = StatusCode::from_bytes(value.split(' ').next().unwrap().as_bytes()).unwrap();
        } else {
            response
                .headers_mut()
                .insert(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
    }
    response
}

/// The password of `Authorization: Basic …`.
fn password_of(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        bits = bits << 6 | u32::try_from(alphabet.iter().position(|known| *known == byte)?).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    String::from_utf8(bytes).ok()?.split_once(':').map(|(_, password)| password.to_owned())
}

/// A running sshd with a host key and one allowed key of its own; ended on drop.
pub struct SshForge {
    child: std::process::Child,
    port: u16,
    folder: PathBuf,
    bare: PathBuf,
}

impl SshForge {
    async fn start(forge: &Forge) -> Self {
        let folder = forge.folder.path().join("ssh");
        std::fs::create_dir(&folder).unwrap();
        for name in ["host", "user", "stranger"] {
            keygen(&folder.join(name));
        }
        std::fs::copy(folder.join("user.pub"), folder.join("authorized")).unwrap();
        let port = free_port();
        let path = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n",
            path("host"),
            path("authorized")
        );
        std::fs::write(folder.join("config"), config).unwrap();
        // As root it wants this folder; otherwise it does without.
        let _ = std::fs::create_dir_all("/run/sshd");
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
        let mut command = Command::new(sshd.expect("sshd is there: scripts/test"));
        command.args(["-D", "-e", "-f"]).arg(folder.join("config")).stdin(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap();
        eventually(60, "sshd listens", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok())
            .await;
        Self { child, port, folder, bare: forge.bare() }
    }

    pub fn url(&self) -> String {
        let user = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
        format!("ssh://{user}@127.0.0.1:{}{}", self.port, self.bare.display())
    }

    /// The private key `user`, which it lets in, or `stranger`, which it does not.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Lets the owner of a public key in, too.
    pub fn let_in(&self, line: &str) {
        let path = self.folder.join("authorized");
        let known = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{known}{}\n", line.trim())).unwrap();
    }

    /// The public host key; of `stranger`: one that it does not have.
    pub fn host_key(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{name}.pub"))).unwrap().trim().to_owned()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for SshForge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An ed25519 key and its `.pub`.
pub fn keygen(path: &Path) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path).status();
    assert!(made.unwrap().success());
}
