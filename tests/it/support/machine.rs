//! Machines with OpenSSH and PAM, in containers: a small Debian of this machine's own packages.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Once;

use sha1::{Digest, Sha1};

use super::{docker, eventually, image};

const IMAGE: &str = "amarre-test-machine:1";
const SCRIPT: &str = "scripts/clients/debian-machine";
const ENTRY: &str = "CMD [\"/bin/sh\",\"-c\",\"ssh-keygen -q -A; exec /usr/sbin/sshd -D -e\"]";

static BUILT: Once = Once::new();

/// Builds the image of machines, once.
pub fn build() {
    BUILT.call_once(|| {
        let _lock = image::lock();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = std::fs::read_to_string(root.join(SCRIPT)).unwrap();
        let recipe = hex::encode(Sha1::digest(format!("{script}{ENTRY}")));
        if !image::is_missing(IMAGE, &recipe) {
            return;
        }
        let mut tar = Command::new(root.join(SCRIPT)).stdout(Stdio::piped()).spawn().unwrap();
        let mut import = Command::new("docker");
        import.args(["import", "-c", ENTRY, "-c", &format!("LABEL io.amarre.test-recipe={recipe}"), "-", IMAGE]);
        let output = import.stdin(tar.stdout.take().unwrap()).output().unwrap();
        assert!(tar.wait().unwrap().success(), "{SCRIPT}");
        assert!(output.status.success(), "docker import: {}", String::from_utf8_lossy(&output.stderr));
    });
}

/// A machine; it is gone when this is dropped.
pub struct TestMachine {
    pub name: String,
    pub address: IpAddr,
}

impl TestMachine {
    pub async fn start() -> Self {
        build();
        let name = format!("amarre-machine-{:08x}", rand::random::<u32>());
        // An init, as a machine has one: what loses its parent is reaped.
        docker(&["run", "-d", "--init", "--name", &name, IMAGE]);
        let address = docker(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", &name]).parse().unwrap();
        let machine = Self { name, address };
        let answers = async || tokio::net::TcpStream::connect((machine.address, 22)).await.is_ok();
        eventually(30, "its sshd answers", answers).await;
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
        self.sh("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")
    }

    /// Has another host key from now on.
    pub async fn renew_host_key(&self) {
        self.sh("rm /etc/ssh/ssh_host_ed25519_key*; ssh-keygen -q -A; kill -HUP $(pgrep -o sshd)");
        let (key, address) = (self.host_key(), self.address.to_string());
        let shows_it = async || {
            let scan = tokio::process::Command::new("ssh-keyscan").args(["-t", "ed25519", &address]).output().await;
            String::from_utf8_lossy(&scan.unwrap().stdout).contains(&key)
        };
        eventually(30, "its sshd shows the new key", shows_it).await;
    }

    /// Whether it has no account of these names.
    pub fn has_none_of(&self, users: &[&str]) -> bool {
        let passwd = self.sh("cat /etc/passwd");
        assert!(passwd.contains("root:"), "{passwd}");
        !passwd.lines().any(|line| users.iter().any(|user| line.starts_with(&format!("{user}:"))))
    }

    /// The accounts, their passwords and the files of others than root: what a machine has for its people.
    pub fn people(&self) -> String {
        self.sh("cat /etc/passwd /etc/shadow /etc/group; find / -xdev ! -user root ! -path '/proc/*' -printf '%p %u %m %s\\n' | sort")
    }

    /// Signs a user in and runs a script: with a key, or with a password.
    pub async fn sign_in(&self, user: &str, with: SignIn<'_>, script: &str) -> Output {
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
        ssh.arg(format!("{user}@{}", self.address)).arg(script).stdin(Stdio::null()).output().await.unwrap()
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
