//! One connection to a machine: the system's `ssh` runs a fixed script there, and all that is asked for goes through its standard
//! input. A machine whose host key is not pinned gets no connection, so nothing is sent to a stranger.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::ask_machines::{AskMachines, ConnectionError};
use super::script::is_look;
use crate::providers::machines::{HostKeyPair, MachineAccess};
use crate::secret::{Secret, ssh_key};
use amarre_core::model::pool::Machine;
use amarre_core::model::words;

/// The script that runs on the machine.
const SCRIPT: &str = include_str!("machine.sh");
/// How the lines for it end.
const LINES_END: &str = "AMARRE_LINES_END";
/// A look reads a few files.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// An end kills, and looks through every file system.
const CHANGE_LIMIT: Duration = Duration::from_secs(5 * 60);
/// A machine with thousands of accounts prints less.
const ANSWER_BYTES_MAX: u64 = 512 * 1024;
/// How much of ssh's messages is read, and shown.
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;
const COMPLAINT_CHARS_MAX: usize = 200;
/// How long a host's key is waited for.
const KEY_LIMIT: Duration = Duration::from_secs(15);

/// The system's `ssh`. What connections share: a folder of Amarre's own, with its key.
#[derive(Debug)]
pub struct Connections {
    folder: PathBuf,
    own_key: Option<PathBuf>,
    is_ready: OnceCell<()>,
    /// Each pass of a pool that makes its machines asks for it.
    public_key: OnceCell<String>,
}

impl Connections {
    /// `folder`: for keys and what a connection needs; `own_key`: a private key in place of the one that Amarre makes there.
    pub fn new(folder: PathBuf, own_key: Option<PathBuf>) -> Self {
        Self { folder, own_key, is_ready: OnceCell::new(), public_key: OnceCell::new() }
    }

    fn key(&self) -> PathBuf {
        self.own_key.clone().unwrap_or_else(|| self.folder.join("id_ed25519"))
    }

    fn helper(&self) -> PathBuf {
        self.folder.join("askpass")
    }

    /// The folder, the key, and the program that hands ssh a password.
    async fn prepare(&self) -> io::Result<()> {
        self.is_ready.get_or_try_init(|| self.make()).await.copied()
    }

    async fn make(&self) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let is_private = std::fs::metadata(&self.folder)?.permissions().mode().trailing_zeros() >= 6;
        if !is_private {
            std::fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o700))?;
        }
        let new = self.folder.join("askpass.new");
        let mut helper = OpenOptions::new().write(true).create(true).truncate(true).mode(0o700).open(&new)?;
        helper.write_all(
            b"#!/bin/sh\nIFS= read -r password <\"$AMARRE_PASSWORD_PIPE\" && printf '%s\\n' \"$password\"\n",
        )?;
        drop(helper);
        std::fs::rename(&new, self.helper())?;
        if self.own_key.is_none() && !self.key().exists() {
            ssh_key::make(&self.key()).await?;
        }
        Ok(())
    }

    async fn read_public_key(&self) -> Result<String, String> {
        self.prepare().await.map_err(|error| format!("{}: {error}", self.folder.display()))?;
        ssh_key::public_line(&self.key()).await
    }

    /// The pinned key as a file that ssh reads, written each time.
    fn known_hosts(&self, access: &MachineAccess) -> io::Result<PathBuf> {
        let name = access.path().replace('/', ".");
        let path = self.folder.join(format!("known_hosts.{name}"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        // By a name of our own: neither its address nor its port is a part of who it is.
        writeln!(file, "{name} {}", access.host_key.as_deref().unwrap_or_default())?;
        Ok(path)
    }

    fn command(&self, access: &MachineAccess, known_hosts: &Path, password: Option<&PasswordPipe>) -> Command {
        let mut command = Command::new("ssh");
        let options = [
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "KnownHostsCommand=none",
            "VerifyHostKeyDNS=no",
            "UpdateHostKeys=no",
            "CheckHostIP=no",
            "ProxyCommand=none",
            "ProxyJump=none",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "ForwardAgent=no",
            "ForwardX11=no",
            "Tunnel=no",
            "RequestTTY=no",
            "ConnectTimeout=5",
            "ConnectionAttempts=1",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "ControlMaster=no",
            "ControlPath=none",
            "IdentitiesOnly=yes",
            "NumberOfPasswordPrompts=1",
            "LogLevel=ERROR",
        ];
        command.args(["-F", "none"]);
        for option in options {
            command.args(["-o", option]);
        }
        // ssh removes quotes, and separates several files by spaces.
        command.arg("-o").arg(format!("UserKnownHostsFile=\"{}\"", known_hosts.display()));
        command.arg("-o").arg(format!("HostKeyAlias={}", access.path().replace('/', ".")));
        match password {
            Some(pipe) => {
                command.args([
                    "-o",
                    "PreferredAuthentications=password,keyboard-interactive",
                    "-o",
                    "PubkeyAuthentication=no",
                ]);
                command.env("SSH_ASKPASS", self.helper()).env("SSH_ASKPASS_REQUIRE", "force");
                command.env("AMARRE_PASSWORD_PIPE", &pipe.path);
            }
            None => {
                command.args(["-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey", "-i"]).arg(self.key());
            }
        }
        let machine = &access.machine;
        command.arg("-p").arg(machine.port.to_string()).arg("-l").arg(&machine.user).arg("--").arg(&machine.address);
        command.arg(if machine.user == "root" { "sh -s" } else { "sudo -n sh -s" });
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.env("LC_ALL", "C").env_remove("SSH_AUTH_SOCK");
        command
    }
}

#[async_trait]
impl AskMachines for Connections {
    async fn public_key(&self, makes: bool) -> Result<Option<String>, String> {
        if !makes && !self.key().exists() {
            return Ok(None);
        }
        self.public_key.get_or_try_init(|| self.read_public_key()).await.cloned().map(Some)
    }

    async fn host_key(&self, name: &str, makes: bool) -> Result<Option<HostKeyPair>, String> {
        let path = self.folder.join(format!("host_key.{name}"));
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        if !path.exists() {
            if !makes {
                return Ok(None);
            }
            self.prepare().await.map_err(failed)?;
            // Both halves are there, or none.
            let draft = path.with_file_name(format!("new_host_key.{name}"));
            for left in [draft.clone(), draft.with_added_extension("pub")] {
                if left.exists() {
                    std::fs::remove_file(left).map_err(failed)?;
                }
            }
            ssh_key::make(&draft).await.map_err(failed)?;
            std::fs::rename(draft.with_added_extension("pub"), path.with_added_extension("pub")).map_err(failed)?;
            std::fs::rename(&draft, &path).map_err(failed)?;
        }
        let private = std::fs::read_to_string(&path).map_err(failed)?;
        let line = std::fs::read_to_string(path.with_added_extension("pub")).map_err(failed)?;
        let public = line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Ok(Some(HostKeyPair { private: Secret::new(private), public }))
    }

    async fn ask(&self, access: &MachineAccess, instance: &str, lines: &str) -> Result<String, ConnectionError> {
        let here = |error: io::Error| ConnectionError::Here(format!("{}: {error}", self.folder.display()));
        self.prepare().await.map_err(here)?;
        let known_hosts = self.known_hosts(access).map_err(here)?;
        let password = access.password.as_ref().map(|password| PasswordPipe::new(&self.folder, password)).transpose();
        let password = password.map_err(here)?;
        let command = self.command(access, &known_hosts, password.as_ref());
        let limit = if is_look(lines) { LOOK_LIMIT } else { CHANGE_LIMIT };
        let late = || Err(ConnectionError::Away(format!("it did not answer within {} s", limit.as_secs())));
        tokio::time::timeout(limit, run(command, &format!("as {instance}\n{lines}"))).await.unwrap_or_else(|_| late())
    }

    async fn offered_keys(&self, machine: &Machine) -> Result<Vec<String>, String> {
        let mut scan = Command::new("ssh-keyscan");
        scan.args(["-T", "5", "-t", "ed25519,ecdsa,rsa", "-p"])
            .arg(machine.port.to_string())
            .arg("--")
            .arg(&machine.address);
        let said = scan.stdin(Stdio::null()).env("LC_ALL", "C").kill_on_drop(true).output();
        let said = tokio::time::timeout(KEY_LIMIT, said).await.map_err(|_| "it does not answer".to_owned())?;
        let said = said.map_err(|error| format!("ssh-keyscan: {error}"))?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let keys = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
        let mut keys: Vec<String> = keys.map(|(_, key)| key.trim().to_owned()).collect();
        // The strongest first.
        keys.sort_by_key(|key| !key.starts_with("ssh-ed25519"));
        if keys.is_empty() { Err("it shows no host key".to_owned()) } else { Ok(keys) }
    }
}

async fn run(mut command: Command, lines: &str) -> Result<String, ConnectionError> {
    let mut child = command.spawn().map_err(|error| ConnectionError::Here(format!("could not start ssh: {error}")))?;
    let (Some(mut input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(ConnectionError::Here("ssh has no pipes".to_owned()));
    };
    let question = format!("{SCRIPT}\namarre <<'{LINES_END}'\n{lines}{LINES_END}\n");
    let ask = async move {
        // A machine that does not read has said why, or its end tells it.
        let _ = input.write_all(question.as_bytes()).await;
        drop(input);
    };
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let (mut output, mut errors) = (output.take(ANSWER_BYTES_MAX), errors.take(COMPLAINT_BYTES_MAX));
    let (_, read, _) = tokio::join!(ask, output.read_to_end(&mut said), errors.read_to_end(&mut complained));
    if read.is_err() || u64::try_from(said.len()).unwrap_or(u64::MAX) >= ANSWER_BYTES_MAX {
        return Err(ConnectionError::Away("it prints without an end".to_owned()));
    }
    let status = child.wait().await;
    let said = String::from_utf8_lossy(&said).into_owned();
    if said.trim_end().ends_with("\ndone") {
        Ok(said)
    } else {
        Err(classify(&String::from_utf8_lossy(&complained), &said, status.is_ok_and(|status| status.success())))
    }
}

/// ssh reports errors only as text.
fn classify(text: &str, said: &str, is_success: bool) -> ConnectionError {
    let has = |words: &str| text.contains(words);
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") || has("Host key verification failed") || has("host key is known")
    {
        return ConnectionError::OtherKey;
    }
    if has("Permission denied") || has("Too many authentication failures") || has("Access denied") {
        return ConnectionError::Refused(complaint(text));
    }
    if let Some(why) = said.lines().find_map(|line| line.strip_prefix("failed\tlogin\t")) {
        return ConnectionError::Refused(words::said(why));
    }
    if has("sudo:") {
        return ConnectionError::Refused("its user may not sudo without a password".to_owned());
    }
    if is_success || said.contains("AMARRE1") {
        return ConnectionError::Away("its answer broke off".to_owned());
    }
    ConnectionError::Away(complaint(text))
}

fn complaint(text: &str) -> String {
    let is_banner = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('@');
    let last = text.lines().rfind(is_banner).unwrap_or("ssh ended without a word");
    words::cut(words::clean(last).trim(), COMPLAINT_CHARS_MAX).to_owned()
}

/// A password on its way to ssh, in the kernel's memory only: ssh closes what it inherits, and files stay after a crash.
struct PasswordPipe {
    path: PathBuf,
    _open: std::fs::File,
}

impl PasswordPipe {
    fn new(folder: &Path, password: &Secret) -> io::Result<Self> {
        let path = folder.join(format!("password.{:016x}", rand::random::<u64>()));
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        // Read and written, so that it opens before ssh asks.
        let mut open = OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(&path)?;
        let pipe = Self { path, _open: open.try_clone()? };
        writeln!(open, "{}", password.expose())?;
        Ok(pipe)
    }
}

impl Drop for PasswordPipe {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_ssh_are_classified() {
        let changed = "@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@\nHost key verification failed.\n";
        assert_eq!(classify(changed, "", false), ConnectionError::OtherKey);
        assert!(matches!(classify("root@m: Permission denied (publickey).\n", "", false), ConnectionError::Refused(_)));
        assert!(matches!(classify("sudo: a password is required\n", "", false), ConnectionError::Refused(_)));
        let away = classify("ssh: connect to host m port 22: Connection refused\n", "", false);
        assert_eq!(away, ConnectionError::Away("ssh: connect to host m port 22: Connection refused".to_owned()));
        let lacks = classify("", "AMARRE1\nfailed\tlogin\tit has no awk\n", true);
        assert_eq!(lacks, ConnectionError::Refused("it has no awk".to_owned()));
        assert!(matches!(classify("", "AMARRE1\nsystem\tx\n", false), ConnectionError::Away(_)), "it broke off");
        assert_eq!(complaint("\u{1b}]0;owned\u{7}bye\r\n"), "bye");
    }
}
