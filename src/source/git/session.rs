//! One conversation with a server: who is asked and how, how much time and how many bytes are left, what went wrong.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::secret::Secret;
use amarre_core::model::GitUrl;

/// A whole fetch. Fifty revisions of manifests are some kilobytes; what takes longer would hold up the next fetch.
const SESSION_TIMEOUT: Duration = Duration::from_secs(120);
/// All that is received in one fetch. Four times what a source may hold, for its history.
const RECEIVED_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// How a server is asked.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where.
    pub url: GitUrl,
    /// For HTTP: the name that goes with the token.
    pub username: String,
    /// For HTTP: a token or password.
    pub token: Option<Secret>,
    /// For ssh: the private key; `None`: what ssh finds by itself.
    pub ssh_key: Option<PathBuf>,
    /// For ssh: its configuration; `None`: none, not even the user's.
    pub ssh_config: Option<PathBuf>,
    /// For ssh: a file of known hosts; `None`: the user's own, or `host_key`.
    pub known_hosts: Option<PathBuf>,
    /// For ssh: the server's one key, `ssh-ed25519 AAAA…`.
    pub host_key: Option<String>,
}

/// Whoever waits for the outcome. When they go, as at the end of the program, so does the conversation.
pub(super) type Asker = watch::Receiver<()>;

/// Why a conversation ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Trouble {
    /// No answer, or none that makes sense.
    NoAnswer(String),
    /// It answered and wants other credentials.
    Denied(String),
    /// It is not the host that was meant.
    OtherHost(String),
    /// It sends more than is taken.
    TooMuch(String),
    /// It is larger, when it is unpacked, than there is memory for.
    TooLarge(String),
}

/// One conversation.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) access: Access,
    /// Where files of its own may be put.
    pub(super) folder: PathBuf,
    runtime: Handle,
    deadline: Instant,
    asker: Asker,
    received: AtomicU64,
    trouble: Mutex<Option<Trouble>>,
}

impl Session {
    /// Begins now. To be made inside a runtime, used on a thread that may block.
    pub(super) fn new(access: Access, folder: PathBuf, asker: Asker) -> Self {
        Self {
            access,
            folder,
            runtime: Handle::current(),
            deadline: Instant::now() + SESSION_TIMEOUT,
            asker,
            received: AtomicU64::new(0),
            trouble: Mutex::new(None),
        }
    }

    /// Waits for something, not longer than the session may last.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        let mut asker = self.asker.clone();
        let waited = self.runtime.block_on(async {
            tokio::select! {
                // First, so that at the end of the program no clock is asked that is there no more.
                biased;
                _ = asker.changed() => None,
                done = timeout_at(self.deadline, work) => Some(done),
            }
        });
        match waited {
            Some(Ok(done)) => Ok(done),
            Some(Err(_)) => Err(self.fail(self.late())),
            None => Err(self.fail(Trouble::NoAnswer("nobody waits for it any more".to_owned()))),
        }
    }

    /// What is left of its time.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether it may go on.
    pub(super) fn may_go_on(&self) -> bool {
        let in_time = !self.left().is_zero();
        if !in_time {
            let _ = self.fail(self.late());
        }
        in_time && self.asker.has_changed().is_ok()
    }

    fn late(&self) -> Trouble {
        Trouble::NoAnswer(format!("it was not done after {} s", SESSION_TIMEOUT.as_secs()))
    }

    /// Counts what came in.
    pub(super) fn count(&self, bytes: usize) -> io::Result<()> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if self.received.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > RECEIVED_BYTES_MAX {
            let message = format!("it sends more than {} MiB", RECEIVED_BYTES_MAX / 1024 / 1024);
            return Err(self.fail(Trouble::TooMuch(message)));
        }
        Ok(())
    }

    /// Takes note of what went wrong: the first of it is the cause of the rest.
    pub(super) fn fail(&self, trouble: Trouble) -> io::Error {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match &trouble {
            Trouble::NoAnswer(text)
            | Trouble::Denied(text)
            | Trouble::OtherHost(text)
            | Trouble::TooMuch(text)
            | Trouble::TooLarge(text) => text.clone(),
        };
        known.get_or_insert(trouble);
        io::Error::other(text)
    }

    /// What went wrong, when something did.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
