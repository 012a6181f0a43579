//! Runs a script of `scripts/clients` against a simulator.

use std::path::PathBuf;
use std::process::Command;

/// Keys unlike the defaults of the scripts, so that none is taken from there.
pub const APPLICATION_KEY: &str = "a-key";
pub const APPLICATION_SECRET: &str = "a-secret";
pub const CONSUMER_KEY: &str = "a-consumer";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn python() -> PathBuf {
    let path = std::env::var_os("AMARRE_PYTHON").map_or_else(|| root().join("target/python/bin/python"), PathBuf::from);
    assert!(
        path.exists(),
        "no Python at {}: `scripts/test` makes the environment from scripts/clients/requirements.txt, or set AMARRE_PYTHON",
        path.display()
    );
    path
}

/// The script must end well.
pub async fn check(script: &str, arguments: &[&str]) {
    let mut command = Command::new(python());
    command
        .arg(root().join("scripts/clients").join(script))
        .args(arguments)
        .env("OVH_APPLICATION_KEY", APPLICATION_KEY)
        .env("OVH_APPLICATION_SECRET", APPLICATION_SECRET)
        .env("OVH_CONSUMER_KEY", CONSUMER_KEY)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    // Not on a thread that the simulator needs.
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{script}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
