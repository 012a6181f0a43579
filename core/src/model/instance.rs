//! A server of a cloud as a manifest manages it: one that was there before, of which only the power is managed, or one that
//! Amarre makes.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::address::Address;
use super::code::Code;
use super::plan::{Hint, Refusal};
use super::power::{self, Cause, Override, Power, PowerRule, Wanted};
use super::service::Service;
use super::suggestion::matches;
use super::time::{Millis, Timestamp};
use super::timetable::Tick;
use super::value::{Fields, Value};
use super::world::Origin;
use crate::text;

/// How long a change of power may take before it is said that it does not come.
pub const POWER_WITHIN: Millis = Millis::minutes(30);

/// What a manifest says of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance {
    /// The server: by the vendor's id, or by the manifest's name where Amarre makes it.
    pub address: Address,
    /// What it is to be; `None`: it was there before, and only its power is managed.
    pub shape: Option<ServerShape>,
    /// Its cloud, as the configuration calls it.
    pub cloud: String,
    /// The power that it is to have.
    pub rule: PowerRule,
    /// Names that are to lead to it, whole.
    pub domains: Vec<String>,
    /// What it answers when it is ready; `None`: the vendor's word is enough.
    pub check: Option<ServerCheck>,
    /// Where the power or the timetable is in the source.
    pub origin: Origin,
}

/// What a server is to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerShape {
    /// Its project, by id or as people call it; empty: the only one, or the cloud has none.
    pub project: String,
    /// Where it is to be.
    pub region: String,
    /// Its size, as observations have it: `b3-8`, `2B 2048MiB 20GB`.
    pub size: String,
    /// What it is installed from, as its vendor calls it.
    pub image: String,
    /// The public key that may sign in.
    pub ssh_key: String,
    /// What its first boot is handed; empty: nothing.
    pub user_data: String,
    /// Its size may be changed, though it is down meanwhile.
    pub may_resize: bool,
}

/// What a server that is ready answers at its public address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerCheck {
    /// It takes connections at a port.
    Tcp(u16),
    /// It serves a page, over HTTP.
    Http { port: u16, path: String },
}

impl ServerCheck {
    pub fn port(&self) -> u16 {
        match self {
            ServerCheck::Tcp(port) | ServerCheck::Http { port, .. } => *port,
        }
    }

    /// The page, if one is asked for.
    pub fn path(&self) -> Option<&str> {
        match self {
            ServerCheck::Tcp(_) => None,
            ServerCheck::Http { path, .. } => Some(path),
        }
    }
}

/// Why a server is not shelved: what a shelve keeps is a snapshot, and disks in the host of the server are in none. `None`: all of its
/// disks are known to be kept. What is not known is refused, too.
pub fn not_shelved(name: &str, seen: &Fields) -> Option<Refusal> {
    let size = seen.text("type").filter(|size| !size.is_empty()).unwrap_or("?");
    let message = match seen.flag("local_disks") {
        Some(false) => return None,
        Some(true) => text!(
            "{name} is of type {size}, which has disks in its host: a shelve would destroy what is on them",
            name,
            size
        ),
        None => text!(
            "whether {name}, of type {size}, has disks in its host is not known: a shelve might destroy what is on them",
            name,
            size
        ),
    };
    let hint =
        text!("write {what}; stopped, it costs as much as when it runs", what = "`off_as: stop` or `power: off`");
    Some(Refusal { code: Code::A0743, message, found: Vec::new(), hints: vec![Hint::text(hint)] })
}

/// Digits of a vendor-side name that nobody else would choose.
const SUFFIX_DIGITS: usize = 4;
/// Digits of the digest by which people see that a file is another one.
const USER_DATA_DIGITS: usize = 12;
/// Kamatera takes no longer names.
const VENDOR_NAME_CHARS_MAX: usize = 40;

/// What a server of Amarre's is called at its vendor: the manifest's name and four characters that follow from the instance
/// of Amarre and the address. So it is known before the create, and after a ledger was lost: a create whose answer was
/// lost is looked for by it.
pub fn vendor_name(of_amarre: &str, address: &Address) -> String {
    let digest = hex::encode(Sha256::digest(format!("{of_amarre}\n{address}")));
    let name: String = address.name.chars().take(VENDOR_NAME_CHARS_MAX - SUFFIX_DIGITS - 1).collect();
    format!("{name}-{}", &digest[..SUFFIX_DIGITS])
}

/// Whether a list of patterns allows a server that is there: `CLOUD:PROJECT/ID`, `CLOUD:ID` in any project, or `CLOUD` for all of a
/// cloud; `*` stands for any text within a part. `project`: by id and by name; `None`: it is not known, and any may be meant.
pub fn is_listed(patterns: &[String], cloud: &str, project: Option<[&str; 2]>, id: &str) -> bool {
    patterns.iter().any(|pattern| {
        let (of_cloud, rest) = pattern.split_once(':').unwrap_or((pattern, "*"));
        let (of_project, of_id) = rest.rsplit_once('/').unwrap_or(("*", rest));
        let is_in = project.is_none_or(|names| names.into_iter().any(|name| matches(of_project, name)));
        matches(of_cloud, cloud) && is_in && matches(of_id, id)
    })
}

impl Service {
    /// The servers that it manages: that of an instance, or those that a pool makes.
    pub fn servers(&self) -> impl Iterator<Item = &Instance> {
        self.instance.iter().chain(self.pool.iter().flat_map(|pool| pool.servers.values()))
    }

    /// The server at an address, if it manages it.
    pub fn server_at(&self, address: &Address) -> Option<&Instance> {
        self.servers().find(|one| one.address == *address)
    }

    /// Whether it is a pool that had this server, and has fewer now.
    pub fn has_no_more(&self, address: &Address) -> bool {
        let number = address.name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('-'));
        let is_its = address.kind.is_instance() && number.is_some_and(|number| number.parse::<u16>().is_ok());
        is_its && self.pool.is_some() && self.server_at(address).is_none()
    }
}

impl ServerShape {
    /// As fields of the server at `address`.
    pub fn fields(&self, of_amarre: &str, address: &Address) -> Fields {
        let digest = hex::encode(Sha256::digest(&self.user_data));
        let digest = if self.user_data.is_empty() { String::new() } else { digest[..USER_DATA_DIGITS].to_owned() };
        let texts = [
            ("name", vendor_name(of_amarre, address)),
            ("project", self.project.clone()),
            ("region", self.region.clone()),
            ("type", self.size.clone()),
            ("image", self.image.clone()),
            ("ssh_key", self.ssh_key.clone()),
            ("user_data", digest),
            ("user_data_text", self.user_data.clone()),
        ];
        texts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.into(), Value::text(text)))
            .collect()
    }
}

impl Instance {
    /// The power that it is to have now, and why. `facts`: what the ledger knows of it.
    pub fn wanted(&self, facts: Option<&PowerFacts>, now: Timestamp) -> Wanted {
        let since = facts.map(|facts| facts.since);
        power::wanted(now, &self.rule, since, facts.and_then(|facts| facts.override_.as_ref()))
    }
}

/// What the ledger knows of the power of a managed server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PowerFacts {
    /// The rule when it was last looked at: [`PowerRule::key`].
    pub key: String,
    /// The timetable then; empty: none.
    pub timetable: String,
    /// When that timetable was first seen.
    pub since: Timestamp,
    /// What holds in place of the rule.
    #[serde(rename = "override")]
    pub override_: Option<Override>,
    /// The last tick at the time of the last look: with another one now, what was switched before and after cannot be told
    /// apart.
    pub tick: Option<Timestamp>,
    /// Since when Amarre watches whether the power of that tick is reached: the first look after the tick, or the first after
    /// Amarre was away.
    #[serde(default)]
    pub ticked: Option<Timestamp>,
    /// The power that was last observed.
    pub seen: Option<Power>,
    /// The size that was last observed: a server that is resized may run afterwards, whatever it did before.
    #[serde(default)]
    pub size: Option<String>,
    /// The power that Amarre began to bring it to, and since when: that it gets there is no doing of anybody else.
    #[serde(default)]
    pub moving: Option<(Power, Timestamp)>,
    /// What Amarre wrote last, and when: for a while its vendor may show the power from before.
    #[serde(skip)]
    pub written: Option<(Power, Timestamp)>,
    /// Since when it is off although its manifest wants it on, and nobody asked Amarre for that.
    pub stopped_at: Option<Timestamp>,
}

impl PowerFacts {
    /// The tick whose power was not reached in time, whatever the reason: the last one, unless something else holds. What was
    /// seen last counts for as long as nothing is seen.
    pub fn missed(&self, wanted: &Wanted, now: Timestamp) -> Option<Tick> {
        let Cause::Tick(tick) = wanted.why else { return None };
        let is_late = self.ticked.is_some_and(|since| now - since >= POWER_WITHIN);
        let is_reached = self.seen.is_some_and(|seen| tick.to.is_met_by(seen));
        (is_late && !is_reached).then_some(tick)
    }

    /// Amarre was away: what could not be switched meanwhile has its time from now on.
    pub fn watch_anew(&mut self, now: Timestamp) {
        if self.ticked.is_some() {
            self.ticked = Some(now);
        }
    }
}
