//! One session with a server: its address and credentials, the time and bytes that are left, and its first error.

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

/// The longest fetch. Fifty revisions of manifests are some kilobytes; a longer fetch would hold up the next one.
const SESSION_TIMEOUT: Duration = Duration::from_secs(120);
/// The longest silence: a server that counts what it sends says so every few seconds.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The bytes received in one fetch. Four times what a source may hold, for its history.
const RECEIVED_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Address and credentials of a server.
#[derive(Debug, Clone)]
pub struct RemoteAccess {
    pub url: GitUrl,
    /// For HTTP: the name that goes with the token.
    pub username: String,
    /// For HTTP: a token or password.
    pub token: Option<Secret>,
    /// For ssh: the private key; `None`: the one that ssh finds.
    pub ssh_key: Option<PathBuf>,
    /// For ssh: its configuration; `None`: none, not even the user's.
    pub ssh_config: Option<PathBuf>,
    /// For ssh: a file of known hosts; `None`: the user's own, or `host_key`.
    pub known_hosts: Option<PathBuf>,
    /// For ssh: the server's one key, `ssh-ed25519 AAAA…`.
    pub host_key: Option<String>,
}

/// The caller. When it goes, as at the end of the program, the session ends.
pub(super) type Asker = watch::Receiver<()>;

/// Why a session ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SessionError {
    /// No answer, or an unintelligible one.
    NoAnswer(String),
    /// It refused the credentials.
    Denied(String),
    /// It has another host key.
    OtherHost(String),
    /// It sends more than the limit.
    TooMuch(String),
    /// Unpacked, it is larger than the available memory.
    TooLarge(String),
}

#[derive(Debug)]
pub(super) struct GitSession {
    pub(super) access: RemoteAccess,
    /// The folder for its temporary files.
    pub(super) folder: PathBuf,
    runtime: Handle,
    deadline: Instant,
    asker: Asker,
    received: AtomicU64,
    trouble: Mutex<Option<SessionError>>,
}

impl GitSession {
    /// Begins now. To be created inside a runtime, used on a thread that may block.
    pub(super) fn new(access: RemoteAccess, folder: PathBuf, asker: Asker) -> Self {
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
        let until = self.deadline.min(Instant::now() + SILENCE_MAX);
        let waited = self.runtime.block_on(async {
            tokio::select! {
                // First, so that at the end of the program a clock that is gone is not asked.
                biased;
                _ = asker.changed() => None,
                done = timeout_at(until, work) => Some(done),
            }
        });
        match waited {
            Some(Ok(done)) => Ok(done),
            Some(Err(_)) if until == self.deadline => Err(self.fail(self.timeout_error())),
            Some(Err(_)) => {
                let said = format!("it said nothing for {} s", SILENCE_MAX.as_secs());
                Err(self.fail(SessionError::NoAnswer(said)))
            }
            None => Err(self.fail(SessionError::NoAnswer("nobody waits for it any more".to_owned()))),
        }
    }

    /// The time that is left.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether it may go on.
    pub(super) fn may_go_on(&self) -> bool {
        let in_time = !self.time_left().is_zero();
        if !in_time {
            let _ = self.fail(self.timeout_error());
        }
        in_time && self.asker.has_changed().is_ok()
    }

    fn timeout_error(&self) -> SessionError {
        SessionError::NoAnswer(format!("it was not done after {} s", SESSION_TIMEOUT.as_secs()))
    }

    /// Counts received bytes.
    pub(super) fn count(&self, bytes: usize) -> io::Result<()> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if self.received.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > RECEIVED_BYTES_MAX {
            let message = format!("it sends more than {} MiB", RECEIVED_BYTES_MAX / 1024 / 1024);
            return Err(self.fail(SessionError::TooMuch(message)));
        }
        Ok(())
    }

    /// Records an error: the first one is the cause of the rest.
    pub(super) fn fail(&self, trouble: SessionError) -> io::Error {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match &trouble {
            SessionError::NoAnswer(text)
            | SessionError::Denied(text)
            | SessionError::OtherHost(text)
            | SessionError::TooMuch(text)
            | SessionError::TooLarge(text) => text.clone(),
        };
        known.get_or_insert(trouble);
        io::Error::other(text)
    }

    /// The error, if there was one.
    pub(super) fn error(&self) -> Option<SessionError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
