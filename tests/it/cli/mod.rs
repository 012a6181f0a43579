//! The command line as people meet it: what is typed, what is printed, the exit code.

mod demo;
mod dnsmasq;
mod help;
mod init;
mod key;
mod lists;
mod mend;
mod own;
mod planning;
mod pool_machines;
mod questions;
mod rescue;
pub mod rig;
mod running;
pub mod simulated;
mod templates;
mod explained_policy;

use std::path::Path;
use std::process::{Command, Stdio};

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// `amarre ARGS` in a folder, without a terminal and with none of our variables in the environment but `env`.
pub fn amarre_with(folder: &Path, env: &[(&str, &str)], args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amarre"));
    command.args(args).current_dir(folder).stdin(Stdio::null()).env_remove("DOCKER_HOST").env("LC_ALL", "C.UTF-8");
    let output = command.envs(env.iter().copied()).output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn amarre(args: &[&str]) -> Ended {
    amarre_with(Path::new(env!("CARGO_MANIFEST_DIR")), &[], args)
}
#[track_caller]
pub fn ends(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    for word in words {
        assert!(ended.out.contains(word) || ended.err.contains(word), "{word:?} is not in {ended:?}");
    }
}
