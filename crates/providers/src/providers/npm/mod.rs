//! A Nginx Proxy Manager: reads and writes its hosts, streams and access lists, and orders certificates.
//!
//! Every write of one NPM happens alone, under one lock: its nginx test is global, and two writes at
//! once blame each other or leave a file that differs from its row. A look is one GET a section and two more, all or nothing.
//! NPM says "done" to much that it did not do, so what was written is read again (see `hosts.rs`).

mod api;
mod audit;
mod certificates;
mod convert;
mod examine;
mod hosts;
mod lists;
mod rescue;
mod sections;
#[cfg(test)]
mod tests;
mod observe;
mod errors;
mod others;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::de::IgnoredAny;
use tokio::sync::{Mutex, MutexGuard};

use self::api::{CertificateRow, HostRow, Level, ListRow, Me, NpmApi, NpmVersion};
use self::sections::Section;
use super::kept_reading::KeptReading;
use super::rows::Listed;
use super::{
    AttributeDrift, Attributed, Blame, BlamedHost, Capabilities, Class, Difference, EXAM_LIMIT, Exam, ExamineSetup,
    Finding, Observation, ObserveQuery, Outcome, Provider, ProviderError, ProxyRescue, Supplies,
};
use crate::secret::{MarkKey, Secret};
use amarre_core::model::{
    Address, Change, Code, Expect, Fields, Gap, GapScope, Hint, Kind, KindSchema, ProviderId, Refusal, Seen, Text,
    Timestamp, Value, Verb,
};
use amarre_core::resources::Objection;
use amarre_core::resources::npm::{self, normalize};
use amarre_core::text;
use errors::{CallKind, NpmError, NpmIdentity};
use observe::{Inventory, UnlistedRow, Viewer};
use others::RowsSeen;

/// Seven small GETs; an NPM with 200 hosts answers them in under a second.
const OBSERVE_TIMEOUT: Duration = Duration::from_secs(30);
/// So many rows that are too large for a list are read by themselves in one look.
const READ_ALONE_MAX: usize = 10;
/// So many rows of a section that a list lacks are asked for by their ids in one look: where none of them is there, the
/// list is believed.
const PROVEN_GONE: usize = 10;
/// 2.12 is the first whose booleans, expansions and 404s are as this client reads them.
const OLDEST: (u32, u32) = (2, 12);

/// How often it is looked whether something in use has changed: what people see is half a minute old at most.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The same of a simulated one, which asks for nothing.
pub const LOOK_EVERY_SIMULATED: Duration = Duration::from_secs(1);

/// What is needed to reach one NPM.
#[derive(Debug, Clone)]
pub struct NpmConfig {
    /// Its name in addresses.
    pub id: ProviderId,
    /// The admin address that people type, without `/api`.
    pub url: String,
    /// The account's e-mail address.
    pub identity: String,
    pub secret: Secret,
    /// With which certbot writes records, in the form of its OVH plugin; `None`: no certificate by a record.
    pub dns_credentials: Option<Secret>,
    pub instance: String,
    /// Tells whether a password is the one that the plan was made with.
    pub key: MarkKey,
    /// How often it is looked whether something in use has changed: [`LOOK_EVERY`].
    pub look_every: Duration,
}

pub struct NpmProvider {
    id: ProviderId,
    url: String,
    instance: String,
    key: MarkKey,
    dns_credentials: Option<Secret>,
    api: NpmApi,
    /// Held for the whole of a change.
    writing: Mutex<()>,
    /// What the last look read, while it is watched whether that changes.
    reading: KeptReading<(NpmVersion, Inventory)>,
    is_watched: AtomicBool,
    /// Passwords cannot be read back: what the last look reported of each access list's users, by vendor id.
    passwords: std::sync::Mutex<Passwords>,
    /// Our account as the last look found it; `None` before the first.
    account: std::sync::Mutex<Option<Me>>,
    /// Which NPM the last look found; `None` before the first.
    version: std::sync::Mutex<Option<NpmVersion>>,
    /// The hosts as the last look found them, and who else writes them.
    rows: std::sync::Mutex<RowsSeen>,
    /// The kinds that the last look was about.
    kinds: std::sync::Mutex<BTreeSet<Kind>>,
    look_every: Duration,
}

/// A change, from its first call to its end. What was read before it holds no longer, also where it is cut short.
struct Write<'a> {
    _alone: MutexGuard<'a, ()>,
    reading: &'a KeptReading<(NpmVersion, Inventory)>,
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        self.reading.forget();
    }
}

/// Users with their secrets, by vendor id of the access list.
type Passwords = BTreeMap<String, BTreeMap<String, Value>>;

impl NpmProvider {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `url` is no address, or the machine's TLS set-up is unusable.
    pub fn new(config: NpmConfig) -> Result<Self, String> {
        let NpmConfig { id, url, identity, secret, dns_credentials, instance, key, look_every } = config;
        Ok(Self {
            api: NpmApi::new(&url, identity, secret)?,
            id,
            url,
            instance,
            key,
            dns_credentials,
            writing: Mutex::new(()),
            reading: KeptReading::default(),
            is_watched: AtomicBool::new(false),
            passwords: std::sync::Mutex::default(),
            account: std::sync::Mutex::default(),
            version: std::sync::Mutex::default(),
            rows: std::sync::Mutex::default(),
            kinds: std::sync::Mutex::default(),
            look_every,
        })
    }

    /// Waits for the write before.
    async fn begin_write(&self) -> Write<'_> {
        Write { _alone: self.writing.lock().await, reading: &self.reading }
    }

    /// The name in the configuration: `main`.
    fn name(&self) -> &str {
        self.id.short_name()
    }

    fn place(&self) -> NpmIdentity<'_> {
        NpmIdentity { name: self.name(), url: &self.url, identity: self.api.identity() }
    }

    /// A trouble met while doing something, as an error.
    fn failed(&self, doing: impl Into<Text>, trouble: NpmError, call: CallKind) -> ProviderError {
        trouble.into_error(self.place(), doing, call)
    }

    /// NPM's version, if it is one that we know, and set up.
    async fn check_version(&self) -> Result<NpmVersion, ProviderError> {
        let health = self.api.health().await.map_err(|trouble| self.failed("", trouble, CallKind::Read))?;
        let NpmVersion { major, minor, .. } = health.version;
        if (major, minor) < OLDEST {
            let (name, version) = (self.name(), health.version.to_string());
            let message = text!("NPM {name} is version {version}, too old", name, version);
            return Err(ProviderError::new(Class::Rejected, Code::A0605, message)
                .hint(text!("update it to 2.12 or newer; back its /data folder up first")));
        }
        if !health.setup {
            let message = text!("NPM {name} has no user yet", name = self.name());
            let hint = text!("open {url} and make the first account", url = &self.url);
            return Err(ProviderError::new(Class::Reauthenticate, Code::A0602, message).hint(hint));
        }
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(health.version);
        Ok(health.version)
    }

    /// The version that the last look found; it asks where no look was made yet.
    async fn known_version(&self) -> Result<NpmVersion, ProviderError> {
        let known = *self.version.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(version) => Ok(version),
            None => self.check_version().await,
        }
    }

    /// Whether NPM writes a PUT of such a host from the row of before (see `hosts.rs`). The version is known by then.
    fn is_late(&self, section: Section) -> bool {
        let version = *self.version.lock().unwrap_or_else(PoisonError::into_inner);
        version.is_some_and(|version| section.is_late(version))
    }

    /// Wanted redirections that this version would lead to `auto://`: why they are not written, and the way out.
    fn unoffered(&self, ask: &ObserveQuery, version: NpmVersion) -> BTreeMap<Address, Refusal> {
        let wanted = ask.wanted.iter().filter(|(address, fields)| {
            address.kind == Kind::Redirection && address.provider == self.id && is_without_scheme(fields)
        });
        let wanted = wanted.filter(|_| !version.keeps_schemes());
        wanted.map(|(address, _)| (address.clone(), self.needs_scheme(version).into_refusal())).collect()
    }

    fn needs_scheme(&self, version: NpmVersion) -> ProviderError {
        let (name, version) = (self.name(), version.to_string());
        let message = text!("NPM {name} is version {version}: it cannot keep the scheme of the visitor", name, version);
        let hint = text!("write `to: https://…` or `to: http://…`, or update NPM to 2.13.3 or newer");
        ProviderError::new(Class::Rejected, Code::A0622, message).hint(hint)
    }

    async fn inventory(&self, ask: &ObserveQuery) -> Result<(NpmVersion, Inventory), ProviderError> {
        let look = |trouble| self.failed("", trouble, CallKind::Read);
        let version = self.check_version().await?;
        let me = self.api.me().await.map_err(look)?;
        let (mut hosts, mut hidden_hosts) = (BTreeMap::new(), BTreeMap::new());
        for (section, form) in Section::with_hosts() {
            if form.is_required || me.may(section, Level::View) {
                let Listed { mut rows, slim } = self.api.list::<HostRow>(section).await.map_err(look)?;
                let (to_go, hidden) = self.split_hidden(section, version, slim, ask);
                for row in to_go {
                    match self.api.get(section, &row.id.to_string()).await {
                        Ok(row) => rows.push(row),
                        Err(NpmError::Absent) => (),
                        Err(trouble) => return Err(look(trouble)),
                    }
                }
                hosts.insert(section, rows);
                hidden_hosts.insert(section, hidden);
            }
        }
        let orders = used(ask).any(|address| address.kind == Kind::Certificate);
        let ordered = if orders { Level::Manage } else { Level::View };
        let certificates = self.api.list(Section::Certificates).await;
        let certificates: Listed<CertificateRow> = certificates.map_err(|trouble| look(trouble.needing(ordered)))?;
        let access_lists: Listed<ListRow> = self.api.list(Section::AccessLists).await.map_err(look)?;
        let hidden = certificates.slim.into_iter().map(|row| (Kind::Certificate, row.nice_name));
        let hidden = hidden.chain(access_lists.slim.into_iter().map(|row| (Kind::AccessList, row.name)));
        let mut inventory = Inventory {
            me: me.id,
            hosts,
            hidden_hosts,
            hidden: hidden.collect(),
            certificates: certificates.rows,
            access_lists: access_lists.rows,
            unlisted: BTreeMap::new(),
        };
        inventory.unlisted = self.unlisted(&inventory, &me, ask).await.map_err(look)?;
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = Some(me);
        self.compare_rows(&inventory).await;
        Ok((version, inventory))
    }

    /// What the ledger knows and no list has. A list is no proof that a row is gone: an account may be kept from it, and
    /// a list may be short for a while. That no row has the id is one, as long as the account sees the rows of others.
    async fn unlisted(
        &self,
        inventory: &Inventory,
        me: &Me,
        ask: &ObserveQuery,
    ) -> Result<BTreeMap<Address, UnlistedRow>, NpmError> {
        if me.sees_its_own_only() {
            return Ok(inventory
                .missing(ask)
                .map(|(_, address, _)| (address.clone(), UnlistedRow::NotShown))
                .collect());
        }
        let mut asked: BTreeMap<Section, usize> = BTreeMap::new();
        let mut unlisted = BTreeMap::new();
        for (section, address, id) in inventory.missing(ask) {
            let count = asked.entry(section).or_default();
            if *count == PROVEN_GONE {
                continue;
            }
            *count += 1;
            match self.api.get::<IgnoredAny>(section, &id.to_string()).await {
                Ok(_) => drop(unlisted.insert(address.clone(), UnlistedRow::LeftOut)),
                Err(NpmError::Absent) => (),
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(unlisted)
    }

    /// Gaps for rows that may be there though no list has them. One that stands under another id now is seen.
    fn unlisted_gaps(&self, inventory: &Inventory, seen: &BTreeMap<Address, Seen>, ask: &ObserveQuery) -> Vec<Gap> {
        let unlisted = inventory.unlisted.iter().filter(|(address, _)| ask.applied.contains_key(*address));
        let mut left_out = BTreeSet::new();
        let gaps = unlisted.filter_map(|(address, why)| match why {
            UnlistedRow::NotShown if seen.contains_key(address) => None,
            UnlistedRow::NotShown => Some(errors::not_shown(self.place(), address, ask.now)),
            // Which others the list lacks is not known.
            UnlistedRow::LeftOut => {
                left_out.insert(address.kind).then(|| errors::left_out(self.place(), address, ask.now))
            }
        });
        gaps.collect()
    }

    /// Kinds in use that our account may not read: nothing is known of these, and all else goes on.
    fn unreadable(&self, ask: &ObserveQuery) -> Vec<Gap> {
        let Some(me) = self.account() else { return Vec::new() };
        let hosts = Section::with_hosts();
        let hidden = hosts.filter(|(section, form)| !form.is_required && !me.may(*section, Level::View));
        let in_use = hidden.filter(|(section, _)| used(ask).any(|address| address.kind == section.kind()));
        let gap = |(section, _): (Section, _)| {
            let error = self.failed("", NpmError::no_right_to_read(section), CallKind::Read);
            error.into_gap(&self.id, GapScope::Kind(section.kind()), ask.now)
        };
        in_use.map(gap).collect()
    }

    /// Of hosts that are too large to be seen in a list: a few of ours that no manifest wants, which can go once they are
    /// read by themselves, and the others.
    fn split_hidden(
        &self,
        section: Section,
        version: NpmVersion,
        rows: Vec<HostRow>,
        ask: &ObserveQuery,
    ) -> (Vec<HostRow>, Vec<HostRow>) {
        let viewer = Viewer { provider: &self.id, instance: &self.instance, version, ask };
        let (mut to_go, mut hidden) = (Vec::new(), Vec::new());
        for row in rows {
            let rows =
                if to_go.len() < READ_ALONE_MAX && viewer.may_go(section, &row) { &mut to_go } else { &mut hidden };
            rows.push(row);
        }
        (to_go, hidden)
    }

    /// What the last look found of our account.
    fn account(&self) -> Option<Me> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sections with hosts that our account may read; it asks where no look was made yet.
    async fn visible_sections(&self) -> Result<Vec<Section>, NpmError> {
        let me = match self.account() {
            Some(me) => me,
            None => self.api.me().await?,
        };
        Ok(Section::with_hosts().map(|(section, _)| section).filter(|section| me.may(*section, Level::View)).collect())
    }

    /// A right that is missing is said before anything is written: NPM says it in three ways, one of them 500.
    fn check_rights(&self, change: &Change, section: Section) -> Result<(), ProviderError> {
        let lacks = self.account().is_some_and(|me| !me.may(section, Level::Manage));
        // Bringing hosts back on line writes nothing but hosts.
        if lacks && !change.is_load() {
            return Err(self.write_failed(change, NpmError::no_right_to_write(section)));
        }
        Ok(())
    }

    /// Kinds that our account may read and not write, each with the reason for which its changes are held.
    fn read_only(&self) -> BTreeMap<Kind, Refusal> {
        let Some(me) = self.account() else { return BTreeMap::new() };
        let lacks = |section: &Section| me.may(*section, Level::View) && !me.may(*section, Level::Manage);
        let refusal = |section: Section| {
            let error = self.failed("", NpmError::no_right_to_write(section), CallKind::Write);
            let hints = vec![Hint::text(error.hint)];
            (section.kind(), Refusal { code: error.code, message: error.message, found: Vec::new(), hints })
        };
        Section::all().filter(lacks).map(refusal).collect()
    }

    /// What the last look reported of a list's users.
    fn passwords_of(&self, vendor_id: &str) -> Option<BTreeMap<String, Value>> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner).get(vendor_id).cloned()
    }

    fn remember(&self, passwords: Passwords) {
        *self.passwords.lock().unwrap_or_else(PoisonError::into_inner) = passwords;
    }
}

#[async_trait]
impl Provider for NpmProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn kinds(&self) -> &'static [KindSchema] {
        npm::KINDS
    }

    fn normalize(&self, address: &Address, fields: &mut Fields) -> Result<(), Objection> {
        normalize::normalize(address.kind, fields)
    }

    async fn observe(&self, ask: &ObserveQuery) -> Observation {
        self.note_used(ask);
        let gap = |error: ProviderError| error.into_gap(&self.id, GapScope::Whole, ask.now);
        let is_watched = || self.is_watched.load(Ordering::Relaxed);
        let reading = self.reading.read(ask.reuse, is_watched, self.inventory(ask));
        let reading = match tokio::time::timeout(OBSERVE_TIMEOUT, reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Observation { gaps: vec![gap(error)], ..Observation::default() },
            Err(_) => {
                let why = format!("no whole answer within {} s", OBSERVE_TIMEOUT.as_secs());
                let error = self.failed("", NpmError::Lost(why), CallKind::Read);
                return Observation { gaps: vec![gap(error)], ..Observation::default() };
            }
        };
        let (version, inventory) = &*reading;
        let viewer = Viewer { provider: &self.id, instance: &self.instance, version: *version, ask };
        let seen = observe::report(inventory, viewer);
        let hidden = observe::hidden(inventory, viewer, &seen);
        let unlisted = self.unlisted_gaps(inventory, &seen, ask);
        if inventory.unlisted.values().any(|why| *why == UnlistedRow::LeftOut) {
            // The next look asks again.
            self.reading.forget();
        }
        if !hidden.is_empty() {
            // Which of them are read by themselves depends on what is wanted.
            self.reading.forget();
        }
        let lists = seen.iter().filter(|(address, _)| address.kind == Kind::AccessList);
        let users = lists.filter_map(|(_, seen)| {
            Some((seen.vendor_id.clone(), seen.fields.get("users").and_then(Value::entries)?.clone()))
        });
        self.remember(users.collect());
        let identity = self.api.identity();
        Observation {
            seen,
            gaps: hidden
                .into_iter()
                .map(|address| errors::hidden(address, ask.now))
                .chain(self.unreadable(ask))
                .chain(unlisted)
                .collect(),
            version: Some(version.to_string()),
            mail_refused: examine::is_nobodys(identity).then(|| identity.to_owned()),
            read_only: self.read_only(),
            unoffered: self.unoffered(ask, *version),
            others: self.others_since_last_told(),
            ..Observation::default()
        }
    }

    async fn apply(&self, change: &Change, supplies: Supplies<'_>) -> Result<Outcome, ProviderError> {
        let asked = tokio::time::Instant::now();
        let _alone = self.begin_write().await;
        self.api.counts().waited.observe(asked.elapsed().as_secs_f64());
        let outcome = self.applied(change, supplies).await;
        self.note_written(change, outcome.as_ref().ok());
        outcome
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            attribution: Some(self),
            events: Some(self),
            examine: Some(self),
            proxy_rescue: Some(self),
            requests: Some(self.api.counts()),
            // NPM reloads nginx with every write, and breaks when two do.
            max_in_flight: 1,
            ..Capabilities::NONE
        }
    }
}

impl NpmProvider {
    /// One change; the lock is held.
    async fn applied(&self, change: &Change, supplies: Supplies<'_>) -> Result<Outcome, ProviderError> {
        let Some(section) = Section::of_kind(change.address.kind) else {
            let message = format!("could not {}: it is only observed here", action_text(change));
            return Err(ProviderError::new(Class::Rejected, Code::A0610, message));
        };
        self.check_rights(change, section)?;
        let version = self.known_version().await?;
        if let Verb::Create(fields) | Verb::Update(fields) = &change.verb
            && section == Section::Redirections
            && is_without_scheme(fields)
            && !version.keeps_schemes()
        {
            return Err(self.needs_scheme(version));
        }
        if section == Section::AccessLists {
            return match &change.verb {
                Verb::Create(fields) => self.create_list(change, fields, supplies.secrets).await,
                Verb::Update(fields) => self.update_list(change, fields, supplies.secrets).await,
                Verb::Delete => self.delete_list(change).await,
            };
        }
        if section == Section::Certificates {
            return match &change.verb {
                Verb::Create(fields) => self.create_certificate(change, fields).await,
                Verb::Update(_) if change.is_order() => self.renew_certificate(change).await,
                Verb::Update(_) => self.load_certificate(change).await,
                Verb::Delete => self.delete_certificate(change).await,
            };
        }
        match &change.verb {
            Verb::Create(fields) => self.create_host(section, change, fields).await,
            Verb::Update(fields) => self.update_host(section, change, fields).await,
            Verb::Delete => self.delete_host(section, change).await,
        }
    }
}

#[async_trait]
impl AttributeDrift for NpmProvider {
    async fn attribute(&self, touched: &[Difference], _now: Timestamp) -> BTreeMap<Address, Attributed> {
        self.traces(touched).await
    }
}

#[async_trait]
impl ExamineSetup for NpmProvider {
    async fn examine(&self, exam: &Exam) -> Vec<Finding> {
        let examined = tokio::time::timeout(EXAM_LIMIT, self.examined(exam)).await;
        examined.unwrap_or_else(|_| vec![Finding::late("NPM", self.name())])
    }
}

#[async_trait]
impl ProxyRescue for NpmProvider {
    async fn find_refused_hosts(&self, said: &str) -> Result<Blame, ProviderError> {
        self.blame_hosts(said).await
    }

    async fn disable(&self, host: &BlamedHost) -> Result<(), ProviderError> {
        self.switch_off_host(host).await
    }
}

/// Of a redirection: the scheme is the visitor's.
fn is_without_scheme(fields: &Fields) -> bool {
    fields.text("scheme") == Some("auto")
}

/// What is wanted, and what is known.
fn used(ask: &ObserveQuery) -> impl Iterator<Item = &Address> {
    ask.wanted.keys().chain(ask.applied.keys())
}

/// `create proxy host git.example.org`.
/// `could not create proxy host git.example.org`.
fn could_not(change: &Change) -> Text {
    let (kind, name) = (change.address.kind, &change.address.name);
    match change.verb {
        Verb::Create(_) => text!("could not create {kind} {name}", kind, name),
        Verb::Update(_) => text!("could not update {kind} {name}", kind, name),
        Verb::Delete => text!("could not delete {kind} {name}", kind, name),
    }
}

fn action_text(change: &Change) -> String {
    format!("{} {}", change.action(), label(&change.address))
}

/// `proxy host git.example.org`.
fn label(address: &Address) -> String {
    format!("{} {}", address.kind.label(), address.name)
}

/// The vendor's id and the digest of the fields that a change expects.
fn expected(change: &Change) -> Result<(&str, &str), ProviderError> {
    match &change.expects {
        Expect::Unchanged { vendor_id, fields } => Ok((vendor_id, fields)),
        Expect::Absent => Err(conflict(change, "the plan does not say which one")),
    }
}

/// What was expected is not there any more.
fn conflict(change: &Change, why: &str) -> ProviderError {
    ProviderError::new(
        Class::Conflict,
        Code::A0613,
        text!("{doing}: {why}", doing = could_not(change), why = Text::from(why)),
    )
}

/// Something that is not ours is in the way.
fn foreign(change: &Change, why: &str) -> ProviderError {
    ProviderError::new(
        Class::Conflict,
        Code::A0405,
        text!("{doing}: {why}", doing = could_not(change), why = Text::from(why)),
    )
    .hint(text!("delete it in NPM, or give this one another name"))
}

/// The fields are not what NPM takes.
fn unfit(change: &Change, why: &str) -> ProviderError {
    ProviderError::new(
        Class::Rejected,
        Code::A0610,
        text!("{doing}: {why}", doing = could_not(change), why = Text::from(why)),
    )
}
