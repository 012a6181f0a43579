//! What goes wrong, and where. One script hears of every call at every vendor, in the order in which they come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use amarre_sim::{Call, Fault, Server};
use tokio::sync::Notify;

pub const VENDORS: [&str; 3] = ["docker", "npm", "ovh"];

/// A vendor, a method and a route: `npm PUT /api/nginx/proxy-hosts/*`.
pub type Key = String;

/// A call goes wrong: the n-th of its route, or the n-th of all.
#[derive(Debug, Clone)]
pub struct Rule {
    pub at: At,
    pub nth: u32,
    /// How many in a row.
    pub times: u32,
    pub strike: Strike,
}

#[derive(Debug, Clone, PartialEq)]
pub enum At {
    Key(Key),
    AnyCall,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Strike {
    /// The vendor misbehaves.
    Fault(Fault),
    /// The process dies before the call has its effect.
    KillBefore,
    /// The process dies when the call had its effect, and before the answer came.
    KillAfter,
}

/// One call that came.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptCall {
    pub key: Key,
    pub is_write: bool,
    /// What struck it.
    pub strike: Option<Strike>,
}

#[derive(Default)]
struct Inner {
    rules: Vec<Rule>,
    told: Vec<ScriptCall>,
    counts: BTreeMap<Key, u32>,
}

/// Shared by the three vendors of a stage.
#[derive(Default)]
pub struct Script {
    inner: Mutex<Inner>,
    killed: Notify,
}

impl Script {
    /// Listens to these vendors from now on, and strikes by these rules.
    pub fn begin(self: &Arc<Self>, servers: [&Server; 3], rules: Vec<Rule>) {
        *self.lock() = Inner { rules, ..Inner::default() };
        for (vendor, server) in VENDORS.into_iter().zip(servers) {
            let script = self.clone();
            server.faults.decide_by(Arc::new(move |method, path| script.decide(vendor, method, path)));
        }
    }

    /// Nothing goes wrong any more.
    pub fn end(&self, servers: [&Server; 3]) {
        for server in servers {
            server.faults.clear();
        }
    }

    /// To be called once a call had its effect: one that is never answered is where the process dies.
    pub fn heard(&self, call: &Call) {
        if call.status == 0 {
            self.killed.notify_one();
        }
    }

    /// Waits for the process to die.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Every call since the beginning.
    pub fn calls(&self) -> Vec<ScriptCall> {
        self.lock().told.clone()
    }

    fn decide(&self, vendor: &str, method: &str, path: &str) -> Option<Fault> {
        let key = key(vendor, method, path);
        let mut inner = self.lock();
        let number = u32::try_from(inner.told.len()).unwrap();
        let count = inner.counts.entry(key.clone()).or_default();
        let nth = *count;
        *count += 1;
        let strike = inner.rules.iter().find(|rule| rule.strikes(&key, nth, number)).map(|rule| rule.strike.clone());
        inner.told.push(ScriptCall { is_write: is_write(method, path), key, strike: strike.clone() });
        match strike? {
            Strike::Fault(fault) => Some(fault),
            Strike::KillBefore => Some(Fault::HangBefore),
            Strike::KillAfter => Some(Fault::HangAfter),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn strikes(&self, key: &Key, nth: u32, number: u32) -> bool {
        let n = match &self.at {
            At::Key(own) if own == key => nth,
            At::Key(_) => return false,
            At::AnyCall => number,
        };
        (self.nth..self.nth + self.times).contains(&n)
    }
}

/// Anything but looking, signing in and probing.
pub fn is_write(method: &str, path: &str) -> bool {
    let reads = ["GET", "HEAD"].contains(&method) || path.contains("/exec") || path.starts_with("/api/tokens");
    !reads
}

fn key(vendor: &str, method: &str, path: &str) -> Key {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> =
        path.split('/').skip_while(|part| part.is_empty() || is_version(part)).map(general).collect();
    format!("{vendor} {method} /{}", parts.join("/"))
}

fn is_version(part: &str) -> bool {
    part.starts_with("v1.") || *part == *"1.0"
}

/// Numbers and long ids differ from run to run.
fn general(part: &str) -> &str {
    let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b',');
    let is_id = part.len() >= 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number || is_id { "*" } else { part }
}
