//! Machines of pools, in containers: a small Debian of this machine's own packages, and one as Alpine is.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use sha1::{Digest, Sha1};

use super::{docker, eventually, image};

/// What a machine is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// OpenSSH with PAM, and shadow's tools.
    Debian,
    /// BusyBox for every tool, and dropbear without PAM.
    Alpine,
}

impl Sort {
    const fn image(self) -> &'static str {
        match self {
            Sort::Debian => "amarre-test-machine:1",
            Sort::Alpine => "amarre-test-machine-alpine:1",
        }
    }

    /// What prints its file system.
    const fn script(self) -> &'static str {
        match self {
            Sort::Debian => "scripts/clients/debian-machine",
            Sort::Alpine => "scripts/clients/alpine-machine",
        }
    }

    /// What runs in it. A dropbear that is killed comes back with the keys that are there then.
    const fn entry(self) -> &'static str {
        match self {
            Sort::Debian => "ssh-keygen -q -A; exec /usr/sbin/sshd -D -e",
            Sort::Alpine => {
                "dropbearkey -t ed25519 -f /etc/dropbear/dropbear_ed25519_host_key; crond; \
                 while :; do dropbear -F -E -r /etc/dropbear/dropbear_ed25519_host_key; sleep 1; done"
            }
        }
    }

    /// Builds its image, unless it is there.
    pub fn build(self) {
        let _lock = image::lock();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = [self.script(), "scripts/clients/debian-root"]
            .map(|path| std::fs::read_to_string(root.join(path)).unwrap());
        let script = script.concat();
        let entry = serde_json::json!(["/bin/sh", "-c", self.entry()]);
        let recipe = hex::encode(Sha1::digest(format!("{script}{entry}")));
        if !image::is_missing(self.image(), &recipe) {
            return;
        }
        let mut tar = Command::new(root.join(self.script())).stdout(Stdio::piped()).spawn().unwrap();
        let mut import = Command::new("docker");
        let label = format!("LABEL io.amarre.test-recipe={recipe}");
        import.args(["import", "-c", &format!("CMD {entry}"), "-c", &label, "-", self.image()]);
        let output = import.stdin(tar.stdout.take().unwrap()).output().unwrap();
        assert!(tar.wait().unwrap().success(), "{}", self.script());
        assert!(output.status.success(), "docker import: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A machine; it is gone when this is dropped.
pub struct TestMachine {
    pub sort: Sort,
    pub name: String,
    pub address: IpAddr,
}

impl TestMachine {
    pub async fn start(sort: Sort) -> Self {
        sort.build();
        let name = format!("amarre-machine-{:08x}", rand::random::<u32>());
        // An init, as a machine has one: what loses its parent is reaped.
        docker(&["run", "-d", "--init", "--name", &name, sort.image()]);
        let address = docker(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", &name]).parse().unwrap();
        let machine = Self { sort, name, address };
        let answers = async || tokio::net::TcpStream::connect((machine.address, 22)).await.is_ok();
        eventually(120, "its sshd answers", answers).await;
        machine
    }

    /// Lets the owner of a public key in as root.
    pub fn let_in(&self, line: &str) {
        self.sh(&format!("mkdir -p -m 700 /root/.ssh; echo '{line}' > /root/.ssh/authorized_keys"));
    }

    /// Runs a script as root, beside sshd.
    pub fn sh(&self, script: &str) -> String {
        docker(&["exec", &self.name, "sh", "-c", script])
    }

    /// The host key, as a manifest writes it.
    pub fn host_key(&self) -> String {
        match self.sort {
            Sort::Debian => self.sh("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub"),
            Sort::Alpine => self.sh("dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key | sed -n 's/^\\(ssh-ed25519 [^ ]*\\).*/\\1/p'"),
        }
    }

    /// Has another host key from now on.
    pub async fn renew_host_key(&self) {
        match self.sort {
            Sort::Debian => self.sh("rm /etc/ssh/ssh_host_ed25519_key*; ssh-keygen -q -A; kill -HUP $(pgrep -o sshd)"),
            Sort::Alpine => self.sh(
                "cd /etc/dropbear; rm *_key; dropbearkey -t ed25519 -f dropbear_ed25519_host_key; pkill -o -x dropbear",
            ),
        };
        let (key, address) = (self.host_key(), self.address.to_string());
        let shows_it = async || {
            let scan = tokio::process::Command::new("ssh-keyscan").args(["-t", "ed25519", &address]).output().await;
            String::from_utf8_lossy(&scan.unwrap().stdout).contains(&key)
        };
        eventually(60, "its sshd shows the new key", shows_it).await;
    }

    /// Whether it has no account of these names.
    pub fn has_none_of(&self, users: &[&str]) -> bool {
        let passwd = self.sh("cat /etc/passwd");
        assert!(passwd.contains("root:"), "{passwd}");
        !passwd.lines().any(|line| users.iter().any(|user| line.starts_with(&format!("{user}:"))))
    }

    /// The accounts, their passwords, and every file with its owner, its mode and what is in it; not what a machine writes by itself
    /// whenever accounts come and go.
    pub fn everything(&self) -> String {
        let ours = "/var/lib/amarre /var/log /run /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- /etc/.pwd.lock";
        let skipped: String = ours.split(' ').map(|path| format!(" -path {path} -prune -o")).collect();
        self.sh(&format!(
            "cat /etc/passwd /etc/group; cut -d: -f1,2,8 /etc/shadow; \
             find / /dev/shm -xdev{skipped} -exec stat -c '%n %u %g %a' {{}} + | sort; \
             find / /dev/shm -xdev{skipped} -type f -exec md5sum {{}} + | sort"
        ))
    }

    /// Signs a user in and runs a script: with a key, or with a password.
    pub async fn sign_in(&self, user: &str, with: SignIn<'_>, script: &str) -> Output {
        self.ssh(user, with).arg(script).output().await.unwrap()
    }

    /// The command that does.
    pub fn ssh(&self, user: &str, with: SignIn<'_>) -> tokio::process::Command {
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.args([
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]);
        ssh.args(["-o", "NumberOfPasswordPrompts=1", "-o", "IdentitiesOnly=yes"]);
        match with {
            SignIn::Key(key) => ssh.args(["-o", "PreferredAuthentications=publickey", "-i"]).arg(key),
            SignIn::Password(helper) => ssh
                .args(["-o", "PubkeyAuthentication=no"])
                .env("SSH_ASKPASS", helper)
                .env("SSH_ASKPASS_REQUIRE", "force"),
        };
        ssh.arg(format!("{user}@{}", self.address)).stdin(Stdio::null()).kill_on_drop(true);
        ssh
    }
}

/// How a user signs in.
#[derive(Clone, Copy)]
pub enum SignIn<'a> {
    /// With this private key.
    Key(&'a Path),
    /// With what this program prints.
    Password(&'a Path),
}

impl Drop for TestMachine {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "-f", &self.name]).output();
    }
}
