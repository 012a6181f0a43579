//! Key pairs for the system's `ssh`, made by its `ssh-keygen`.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use amarre_core::model::words;

/// How long a key is waited for.
const KEY_LIMIT: Duration = Duration::from_secs(15);
/// How much of its messages is shown.
const COMPLAINT_CHARS_MAX: usize = 200;

/// Makes a pair: the private key at this path, and the public one beside it.
///
/// # Errors
/// There is no `ssh-keygen`, the folder cannot be written, or there is a file already.
pub async fn make(path: &Path) -> io::Result<()> {
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "", "-C", "amarre", "-f"]).arg(path);
    let made = make.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().await?;
    if made.success() { Ok(()) } else { Err(io::Error::other("ssh-keygen could not make a key")) }
}

/// The line of a private key's public one, as `authorized_keys` and forges take it.
///
/// # Errors
/// `ssh-keygen` cannot read it, in words for people.
pub async fn public_line(path: &Path) -> Result<String, String> {
    let mut read = Command::new("ssh-keygen");
    let read = read.arg("-y").arg("-f").arg(path).stdin(Stdio::null()).kill_on_drop(true).output();
    let said = tokio::time::timeout(KEY_LIMIT, read).await.map_err(|_| "ssh-keygen does not answer".to_owned())?;
    let said = said.map_err(|error| format!("ssh-keygen: {error}"))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned());
    }
    let complaint = words::line(&String::from_utf8_lossy(&said.stderr));
    Err(format!("{}: {}", path.display(), words::cut(&complaint, COMPLAINT_CHARS_MAX)))
}
