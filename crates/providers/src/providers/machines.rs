//! Machines that are reached over SSH: how each is reached, and what may be asked of one before it is known.
#![warn(missing_docs)]

use std::sync::Arc;

use async_trait::async_trait;

use crate::secret::Secret;
use amarre_core::model::pool::Machine;

/// How a machine of a pool is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineAccess {
    /// Its pool.
    pub pool: String,
    /// Its name there.
    pub name: String,
    /// Where it is, and as whom Amarre signs in.
    pub machine: Machine,
    /// The password of that user; `None`: Amarre's key.
    pub password: Option<Secret>,
    /// What runs there as root before the next reservation, as a script of the shell.
    pub between: Option<Arc<str>>,
    /// The password is set nowhere, so it gets no connection.
    pub lacks_password: bool,
    /// The only host key that it may have; `None`: none is trusted yet, and it gets no connection.
    pub host_key: Option<String>,
}

impl MachineAccess {
    /// `lab/m1`, as addresses of what is there begin.
    pub fn path(&self) -> String {
        format!("{}/{}", self.pool, self.name)
    }
}

/// The host key of a machine that Amarre makes.
#[derive(Debug, Clone)]
pub struct HostKeyPair {
    /// As sshd reads it.
    pub private: Secret,
    /// As `ssh-ed25519 AAAA…`.
    pub public: String,
}

/// What is asked for a person who registers machines.
#[async_trait]
pub trait ReachMachines: Send + Sync {
    /// The line for `authorized_keys` of the user by which Amarre signs in. `makes`: a key that is not there is made; else the
    /// answer is `None`.
    ///
    /// # Errors
    /// The key cannot be made or read; a sentence.
    async fn public_key(&self, makes: bool) -> Result<Option<String>, String>;

    /// The host key of a machine that Amarre makes. `makes`: one that is not there is made; else the answer is `None`.
    ///
    /// # Errors
    /// It cannot be made or read; a sentence.
    async fn host_key(&self, pool: &str, machine: &str, makes: bool) -> Result<Option<HostKeyPair>, String>;

    /// The host keys that a machine shows before anyone signs in, the strongest first. Nothing is sent to it.
    ///
    /// # Errors
    /// It does not answer; a sentence.
    async fn offered_keys(&self, machine: &Machine) -> Result<Vec<String>, String>;

    /// The next observation looks at a machine of a pool, whenever it was looked at last.
    fn look_again(&self, pool: &str, machine: &str);
}
