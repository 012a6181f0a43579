//! git over the system's `ssh`, which knows the user's keys and agents. It never prompts, and a host whose key is not
//! known beforehand is refused.
//!
//! It reads no configuration but the one that amarre.yaml names: a `ProxyCommand` or a `LocalCommand` in a file of the
//! home folder runs with our rights, and other programs may write there.

use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::session::{GitSession, SessionError};
use amarre_core::model::{GitUrl, words};

/// How much of ssh's messages is read.
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;
/// How much of it is shown.
const COMPLAINT_CHARS_MAX: usize = 200;

/// A running ssh.
pub(super) struct Pipe {
    session: Arc<GitSession>,
    child: Child,
    question: Option<ChildStdin>,
    answer: ChildStdout,
}

impl Pipe {
    /// `program`: what runs on the other side, `git-upload-pack` or `git-receive-pack`.
    pub(super) fn open(session: Arc<GitSession>, program: &str) -> Result<Self, git2::Error> {
        let failed = |why: String| {
            let _ = session.fail(SessionError::NoAnswer(why.clone()));
            git2::Error::from_str(&why)
        };
        let known_hosts = known_hosts(&session).map_err(|error| failed(format!("known hosts: {error}")))?;
        let Some(mut command) = command(&session, program, known_hosts.as_deref()) else {
            return Err(failed("this is no address for ssh".to_owned()));
        };
        let mut child = command.spawn().map_err(|error| failed(format!("could not start ssh: {error}")))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(question), Some(answer)) => Ok(Self { session, child, question: Some(question), answer }),
            (None, _) | (_, None) => Err(failed("ssh has no pipes".to_owned())),
        }
    }

    /// Why ssh failed; `None` when it succeeded.
    fn complaint(&mut self) -> Option<SessionError> {
        self.question = None;
        let stderr = self.child.stderr.take();
        let said = async {
            let mut text = Vec::new();
            if let Some(stderr) = stderr {
                let _ = stderr.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text).await;
            }
            (self.child.wait().await, String::from_utf8_lossy(&text).into_owned())
        };
        let (status, text) = self.session.wait(said).ok()?;
        if status.is_ok_and(|status| status.success()) {
            return None;
        }
        Some(classify(&text))
    }
}

/// ssh reports errors only as text.
fn classify(text: &str) -> SessionError {
    let is_banner = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('@');
    let last = text.lines().rfind(is_banner).unwrap_or("ssh ended without a word");
    let clean = words::cut(words::clean(last).trim(), COMPLAINT_CHARS_MAX);
    let has = |words: &str| text.contains(words);
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return SessionError::OtherHost("its host key is another one than the one that is pinned".to_owned());
    }
    if has("Host key verification failed") || has("host key is known") {
        return SessionError::OtherHost("its host key is not among the pinned ones".to_owned());
    }
    if has("Permission denied") || has("Too many authentication failures") {
        return SessionError::Denied("it does not accept the key".to_owned());
    }
    if has("does not appear to be a git repository") || has("not found") || has("access rights") {
        return SessionError::Denied(format!("it has no such repository for this key: {clean}"));
    }
    SessionError::NoAnswer(clean)
}

/// The pinned key as a file that ssh reads, written each time.
fn known_hosts(session: &GitSession) -> io::Result<Option<PathBuf>> {
    let (Some(key), GitUrl::Ssh { host, port, .. }) = (&session.access.host_key, &session.access.url) else {
        return Ok(session.access.known_hosts.clone());
    };
    let place = match port {
        Some(port) if *port != 22 => format!("[{host}]:{port}"),
        Some(_) | None => host.clone(),
    };
    let path = session.folder.join("amarre-known-hosts");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    writeln!(file, "{place} {key}")?;
    Ok(Some(path))
}

fn command(session: &GitSession, program: &str, known_hosts: Option<&Path>) -> Option<Command> {
    let GitUrl::Ssh { user, host, port, path, .. } = &session.access.url else { return None };
    let mut command = Command::new("ssh");
    let options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "ForwardAgent=no",
        "ForwardX11=no",
        "Tunnel=no",
        "RequestTTY=no",
        "ConnectTimeout=10",
        "ConnectionAttempts=1",
        "ServerAliveInterval=10",
        "ServerAliveCountMax=3",
        "ControlMaster=no",
        "LogLevel=ERROR",
    ];
    match &session.access.ssh_config {
        Some(path) => command.arg("-F").arg(path),
        // Nor may any other option start a program, whatever the defaults of this ssh are.
        None => command.args(["-F", "none", "-o", "ProxyCommand=none", "-o", "ProxyJump=none"]),
    };
    for option in options {
        command.arg("-o").arg(option);
    }
    if let Some(known_hosts) = known_hosts {
        // ssh removes quotes, and separates several files by spaces.
        let quoted = format!("UserKnownHostsFile=\"{}\"", known_hosts.display());
        command.args(["-o", &quoted, "-o", "GlobalKnownHostsFile=/dev/null", "-o", "VerifyHostKeyDNS=no"]);
        command.args(["-o", "KnownHostsCommand=none", "-o", "ControlPath=none"]);
    }
    if let Some(key) = &session.access.ssh_key {
        command.arg("-i").arg(key).args(["-o", "IdentitiesOnly=yes"]);
    }
    if let Some(port) = port {
        command.arg("-p").arg(port.to_string());
    }
    if let Some(user) = user {
        command.arg("-l").arg(user);
    }
    // A shell on the other side reads it.
    let quoted = path.replace('\'', "'\\''");
    command.arg("--").arg(host).arg(format!("{program} '{quoted}'"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).env("LC_ALL", "C");
    Some(command)
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.session.wait(self.answer.read(buffer))??;
        self.session.count(size)?;
        if size == 0
            && let Some(trouble) = self.complaint()
        {
            return Err(self.session.fail(trouble));
        }
        Ok(size)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(question) = self.question.as_mut() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        match self.session.wait(question.write(bytes))? {
            Ok(size) => Ok(size),
            Err(error) => {
                let trouble = self.complaint().unwrap_or_else(|| SessionError::NoAnswer(error.to_string()));
                Err(self.session.fail(trouble))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_ssh_are_classified() {
        let changed = "@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@\nHost key verification failed.\n";
        assert!(matches!(classify(changed), SessionError::OtherHost(_)));
        let unknown = "No ED25519 host key is known for [127.0.0.1]:2222 and you have requested strict checking.\n\
                       Host key verification failed.\n";
        assert!(matches!(classify(unknown), SessionError::OtherHost(_)));
        assert!(matches!(classify("git@h: Permission denied (publickey).\n"), SessionError::Denied(_)));
        let refused = classify("ssh: connect to host h port 22: Connection refused\n");
        assert_eq!(refused, SessionError::NoAnswer("ssh: connect to host h port 22: Connection refused".to_owned()));
        let rude = classify("\u{1b}]0;owned\u{7}bye\r\n");
        assert_eq!(rude, SessionError::NoAnswer("bye".to_owned()));
    }

    /// A `ProxyCommand` in a file of the home folder is a program that would run as Amarre.
    #[tokio::test]
    async fn no_configuration_is_read_but_the_one_that_is_named() {
        let arguments = |ssh_config: Option<&str>| {
            let (_waiting, asker) = tokio::sync::watch::channel(());
            let access = super::super::RemoteAccess {
                url: GitUrl::parse("git@git.example.org:ops/services.git").map_err(|(what, _)| what)?,
                username: String::new(),
                token: None,
                ssh_key: None,
                ssh_config: ssh_config.map(PathBuf::from),
                known_hosts: None,
                host_key: None,
            };
            let session = GitSession::new(access, PathBuf::new(), asker);
            let command = command(&session, "git-upload-pack", None).ok_or("no address for ssh")?;
            let words = command.as_std().get_args().map(|word| word.to_string_lossy().into_owned());
            Ok::<Vec<String>, String>(words.collect())
        };
        let none = arguments(None).unwrap_or_default().join(" ");
        assert!(none.starts_with("-F none -o ProxyCommand=none -o ProxyJump=none -o "), "{none}");
        assert!(none.contains("-o PermitLocalCommand=no ") && none.contains("-o ControlMaster=no "), "{none}");
        let named = arguments(Some("/etc/amarre/ssh")).unwrap_or_default().join(" ");
        assert!(named.starts_with("-F /etc/amarre/ssh -o BatchMode=yes ") && !named.contains("Proxy"), "{named}");
    }
}
