//! Whether a commit has an accepted signature. `ssh-keygen` and `gpgv` decide; without them no commit is trusted.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use git2::{ErrorCode, Oid, Repository};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::runtime::Handle;

/// A check takes milliseconds.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);
/// The output limit of a check.
const SAID_BYTES_MAX: u64 = 64 * 1024;
/// A signature larger than this is none.
const SIGNATURE_BYTES_MAX: usize = 64 * 1024;
/// Names for which one key may sign.
const PRINCIPALS_MAX: usize = 50;

/// The accepted signers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// ssh keys: a file as `ssh-keygen -Y verify` reads it.
    Ssh {
        /// Lines of `name key`.
        allowed_signers: PathBuf,
    },
    /// OpenPGP keys: a keyring as `gpgv` reads it.
    OpenPgp {
        /// Binary, as `gpg --export` writes it.
        keyring: PathBuf,
    },
}

/// Checks a commit's signature.
///
/// # Errors
/// Why it is not trusted, for people.
pub(super) fn check(repository: &Repository, commit: Oid, verify: &Verify) -> Result<(), String> {
    let (signature, signed) = match repository.extract_signature(&commit, None) {
        Ok(both) => both,
        Err(error) if error.code() == ErrorCode::NotFound => return Err("it is not signed".to_owned()),
        Err(error) => return Err(format!("its signature could not be read: {}", error.message())),
    };
    if signature.len() > SIGNATURE_BYTES_MAX {
        return Err("its signature is too large".to_owned());
    }
    let is_ssh = signature.starts_with(b"-----BEGIN SSH SIGNATURE-----");
    let path = repository.path().join("amarre-signature");
    write(&path, &signature).map_err(|error| format!("its signature could not be put down to be checked: {error}"))?;
    match (verify, is_ssh) {
        (Verify::Ssh { allowed_signers }, true) => by_ssh(allowed_signers, &path, &signed),
        (Verify::OpenPgp { keyring }, false) => by_gpg(keyring, &path, &signed),
        (Verify::Ssh { .. }, false) => Err("it is not signed with an ssh key".to_owned()),
        (Verify::OpenPgp { .. }, true) => Err("it is signed with an ssh key, not with OpenPGP".to_owned()),
    }
}

fn by_ssh(allowed: &Path, signature: &Path, signed: &[u8]) -> Result<(), String> {
    if !allowed.is_file() {
        return Err(format!("there is no file {}", allowed.display()));
    }
    let mut find = Command::new("ssh-keygen");
    find.args(["-Y", "find-principals", "-f"]).arg(allowed).arg("-s").arg(signature);
    let found = run(find, b"")?;
    let names = String::from_utf8_lossy(&found.out).into_owned();
    for name in names.lines().flat_map(|line| line.split(',')).filter(|name| !name.is_empty()).take(PRINCIPALS_MAX) {
        let mut verify = Command::new("ssh-keygen");
        verify.args(["-Y", "verify", "-n", "git", "-f"]).arg(allowed).arg("-I").arg(name).arg("-s").arg(signature);
        if run(verify, signed)?.is_good {
            return Ok(());
        }
    }
    Err(format!("its ssh key is not in {}, or the signature is wrong", allowed.display()))
}

fn by_gpg(keyring: &Path, signature: &Path, signed: &[u8]) -> Result<(), String> {
    if !keyring.is_file() {
        return Err(format!("there is no file {}", keyring.display()));
    }
    let mut verify = Command::new("gpgv");
    verify.args(["--status-fd", "1", "--keyring"]).arg(keyring).arg("--").arg(signature).arg("-");
    let told = run(verify, signed)?;
    let words = String::from_utf8_lossy(&told.out).into_owned();
    // For an expired or revoked key the line is not GOODSIG.
    let has = |word: &str| words.lines().any(|line| line.starts_with(&format!("[GNUPG:] {word} ")));
    if told.is_good && has("GOODSIG") && has("VALIDSIG") {
        return Ok(());
    }
    Err(format!("its OpenPGP key is not in {}, or the signature is wrong", keyring.display()))
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

struct SignatureOutput {
    is_good: bool,
    out: Vec<u8>,
}

fn run(mut command: Command, input: &[u8]) -> Result<SignatureOutput, String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).env("LC_ALL", "C");
    let work = async {
        let mut child = command.spawn().map_err(|error| format!("{program} could not be started: {error}"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that does not read all of its input has already decided.
                let _ = stdin.write_all(input).await;
            }
        };
        let mut out = Vec::new();
        let hear = async {
            if let Some(stdout) = stdout {
                let _ = stdout.take(SAID_BYTES_MAX).read_to_end(&mut out).await;
            }
        };
        tokio::join!(feed, hear);
        let status = child.wait().await.map_err(|error| format!("{program}: {error}"))?;
        Ok(SignatureOutput { is_good: status.success(), out })
    };
    let timed = Handle::current().block_on(async { tokio::time::timeout(CHECK_TIMEOUT, work).await });
    timed.map_err(|_| format!("{program} was not done after {} s", CHECK_TIMEOUT.as_secs()))?
}
