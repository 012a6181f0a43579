//! The door to machines: the system's `ssh`, or what stands in for the machines of a demo and of tests.
#![warn(missing_docs)]

use async_trait::async_trait;

use crate::providers::machines::{HostKeyPair, MachineAccess};
use amarre_core::model::pool::Machine;

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionError {
    /// It does not answer, or the connection broke.
    Away(String),
    /// It does not let Amarre in.
    Refused(String),
    /// Its host key is another one than the pinned one.
    OtherKey,
    /// This machine cannot do it: no `ssh`, a full disk.
    Here(String),
}

/// By which machines are reached.
#[async_trait]
pub trait AskMachines: Send + Sync {
    /// Asks a machine: `lines` are for the script that runs there (`machine.sh`), and what it printed is the answer. A machine with
    /// another host key than the pinned one is sent nothing.
    ///
    /// # Errors
    /// There is no answer. Unless the machine was away, refused or had another key, what was asked for may have been done.
    async fn ask(&self, access: &MachineAccess, instance: &str, lines: &str) -> Result<String, ConnectionError>;

    /// The public half of the key by which machines let Amarre in. `makes`: one that is not there is made; else the answer is
    /// `None`.
    ///
    /// # Errors
    /// It cannot be made or read; a sentence.
    async fn public_key(&self, makes: bool) -> Result<Option<String>, String>;

    /// The host key of a machine that Amarre makes, by a name for it. `makes`: one that is not there is made; else the answer is
    /// `None`.
    ///
    /// # Errors
    /// It cannot be made or read; a sentence.
    async fn host_key(&self, name: &str, makes: bool) -> Result<Option<HostKeyPair>, String>;

    /// The host keys that a machine shows before anyone signs in; nothing proves that it is the machine that is meant.
    ///
    /// # Errors
    /// It does not answer; a sentence.
    async fn offered_keys(&self, machine: &Machine) -> Result<Vec<String>, String>;
}
