//! Provides libgit2's two transports: HTTP over the one HTTP client, and the system's `ssh`.
//!
//! libgit2 finds a transport by the scheme of a URL, for the whole process. Ours have schemes of their own, and the
//! rest of the URL is the number of a [`GitSession`]: so neither a credential nor a user's `url.….insteadOf` matters.

#![allow(
    unsafe_code,
    reason = "libgit2 takes transports and search paths through unsafe calls; done once, before any use"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ConfigLevel, Error, Remote};

use super::ref_names::RefListing;
use super::session::GitSession;
use super::{http, ssh};
use amarre_core::model::GitUrl;

const HTTP: &str = "amarre-http";
const SSH: &str = "amarre-ssh";

/// Running sessions, by number.
static SESSIONS: Mutex<BTreeMap<u64, Arc<GitSession>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A session that libgit2 can find, until this is dropped.
pub(super) struct OpenSession {
    number: u64,
    scheme: &'static str,
}

impl OpenSession {
    /// Registers it for libgit2.
    pub(super) fn new(session: &Arc<GitSession>) -> Result<Self, String> {
        register()?;
        let scheme = match session.access.url {
            GitUrl::Http(_) => HTTP,
            GitUrl::Ssh { .. } => SSH,
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).insert(number, session.clone());
        Ok(Self { number, scheme })
    }

    /// The URL for libgit2.
    pub(super) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.number)
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// Once for the process.
fn register() -> Result<(), String> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    DONE.get_or_init(|| {
        let registered = || -> Result<(), Error> {
            // A user's git configuration is for the user, not for the daemon.
            for level in [ConfigLevel::System, ConfigLevel::Global, ConfigLevel::XDG, ConfigLevel::ProgramData] {
                // SAFETY: inside `get_or_init`, so once and by one thread, before any repository is opened.
                unsafe { git2::opts::set_search_path(level, "")? };
            }
            // SAFETY: as above; nothing else in this process makes transports.
            unsafe {
                git2::transport::register(HTTP, |remote| smart(remote, true))?;
                git2::transport::register(SSH, |remote| smart(remote, false))
            }
        };
        registered().map_err(|error| error.message().to_owned())
    })
    .clone()
}

fn smart(remote: &Remote<'_>, is_stateless: bool) -> Result<Transport, Error> {
    let url = remote.url()?;
    let number = url.rsplit('/').next().and_then(|number| number.parse::<u64>().ok());
    let sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let session = number.and_then(|number| sessions.get(&number)).cloned();
    let session = session.ok_or_else(|| Error::from_str("no such session"))?;
    Transport::smart(remote, is_stateless, GitLine { session })
}

struct GitLine {
    session: Arc<GitSession>,
}

impl SmartSubtransport for GitLine {
    fn action(&self, _url: &str, action: Service) -> Result<Box<dyn SmartSubtransportStream>, Error> {
        let (program, lists) = match action {
            Service::UploadPackLs => ("git-upload-pack", true),
            Service::UploadPack => ("git-upload-pack", false),
            Service::ReceivePackLs => ("git-receive-pack", true),
            Service::ReceivePack => ("git-receive-pack", false),
        };
        match &self.session.access.url {
            GitUrl::Http(url) => {
                let exchange = http::Exchange::new(self.session.clone(), url, program, lists)?;
                // The list of the refs is a service of its own.
                Ok(Box::new(RefListing::new(exchange, if lists { 2 } else { 0 })))
            }
            GitUrl::Ssh { .. } => Ok(Box::new(RefListing::new(ssh::Pipe::open(self.session.clone(), program)?, 1))),
        }
    }

    fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
