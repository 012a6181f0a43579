//! What a vendor must offer: six methods, and capabilities that only some vendors have.
#![warn(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ipnet::Ipv4Net;
use tokio::sync::{Notify, mpsc};

use super::builds::{OpenContexts, WatchBuilds};
use super::error::ProviderError;
use super::exchanges::Exchanges;
use super::http::Counts;
use super::machines::{MachineAccess, ReachMachines};
use super::offers::ReadOffers;
use super::resize::PlanResize;
use crate::secret::{Secret, Secrets};
use amarre_core::model::folders::Reserved;
use amarre_core::model::savings::ServerPrices;
use amarre_core::model::world::Applied;
use amarre_core::model::{
    Action, Address, Change, Code, Fields, Gap, Kind, KindSchema, Millis, Payloads, ProviderId, Refusal, Seen, Text,
    Timestamp, words,
};
use amarre_core::resources::Objection;

/// What a vendor must offer. Order of use: kinds → normalize → observe → apply.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name in addresses.
    fn id(&self) -> &ProviderId;

    /// Kinds, fields and rules. Constant for the life of the process.
    fn kinds(&self) -> &'static [KindSchema];

    /// Rewrites fields to the spelling that the vendor answers with. Pure; applying it twice changes nothing.
    ///
    /// # Errors
    /// The vendor would refuse the value; the objection is a sentence for people.
    fn normalize(&self, address: &Address, fields: &mut Fields) -> Result<(), Objection>;

    /// Reads all wanted, managed and conflicting resources of this provider.
    ///
    /// # Guarantees
    /// Cannot fail: reports each unreadable scope as a gap, and never omits it. Makes no write.
    async fn observe(&self, query: &ObserveQuery) -> Observation;

    /// Performs one change.
    ///
    /// # Guarantees
    /// Verifies what the change expects just before a destructive call.
    /// # Errors
    /// The class says what the engine does next.
    /// # Repeats
    /// Repeating a completed change is harmless and returns the same answer.
    async fn apply(&self, change: &Change, supplies: Supplies<'_>) -> Result<Outcome, ProviderError>;

    /// The optional capabilities of this vendor.
    fn capabilities(&self) -> Capabilities<'_>;
}

/// The inputs of a change beside its fields, which only refer to them.
#[derive(Debug, Clone, Copy)]
pub struct Supplies<'a> {
    /// The secrets that the fields name, and no other.
    pub secrets: &'a Secrets,
    /// The content of files that the fields name by digest.
    pub payloads: &'a Payloads,
    /// The files of apps, which are too large to be held.
    pub contexts: &'a dyn OpenContexts,
}

/// The capabilities of a provider that not every vendor has.
#[derive(Clone, Copy)]
pub struct Capabilities<'a> {
    /// Changes become visible only after a separate call: zones.
    pub publish: Option<&'a dyn Publish>,
    /// The output of containers.
    pub logs: Option<&'a dyn ReadLogs>,
    /// Probes of running programs, sent from NPM's place on the network.
    pub probe: Option<&'a dyn ProbePorts>,
    /// Facts about an image before a container uses it.
    pub images: Option<&'a dyn FindImages>,
    /// The account behind each drift.
    pub attribution: Option<&'a dyn AttributeDrift>,
    /// The checks of `amarre doctor`.
    pub examine: Option<&'a dyn ExamineSetup>,
    /// The answers of each server of a zone.
    pub name_servers: Option<&'a dyn AskNameServers>,
    /// Runs `nginx -t` in a container.
    pub nginx_test: Option<&'a dyn TestNginx>,
    /// Disables the hosts that stop nginx from loading its configuration.
    pub proxy_rescue: Option<&'a dyn ProxyRescue>,
    /// The progress of a change.
    pub progress: Option<&'a dyn ReportProgress>,
    /// The output of image builds.
    pub builds: Option<&'a dyn WatchBuilds>,
    /// Reports changes without being polled.
    pub events: Option<&'a dyn WatchEvents>,
    /// Requests of a person to a resource that change none of its fields.
    pub actions: Option<&'a dyn PerformAction>,
    /// Other sizes of existing servers.
    pub resizes: Option<&'a dyn PlanResize>,
    /// The screens of servers.
    pub consoles: Option<&'a dyn OpenConsole>,
    /// Machines that are reached over SSH.
    pub machines: Option<&'a dyn ReachMachines>,
    /// Requests to the vendor and its answers, for the logs of instances.
    pub exchanges: Option<&'a Exchanges>,
    /// The vendor's prices.
    pub prices: Option<&'a dyn ReadPrices>,
    /// The options for new servers.
    pub offers: Option<&'a dyn ReadOffers>,
    /// The vendor's own list of servers.
    pub raw_list: Option<&'a dyn ReadRawList>,
    /// How many requests were made.
    pub requests: Option<&'a Counts>,
    /// How many changes may be in progress there at once.
    pub max_in_flight: usize,
}

impl Capabilities<'_> {
    /// How many concurrent changes a vendor accepts by default.
    const IN_FLIGHT_USUAL: usize = 8;

    /// No capability.
    pub const NONE: Capabilities<'static> = Capabilities {
        publish: None,
        logs: None,
        probe: None,
        images: None,
        attribution: None,
        examine: None,
        name_servers: None,
        nginx_test: None,
        proxy_rescue: None,
        progress: None,
        builds: None,
        events: None,
        actions: None,
        resizes: None,
        consoles: None,
        machines: None,
        exchanges: None,
        prices: None,
        offers: None,
        raw_list: None,
        requests: None,
        max_in_flight: Capabilities::IN_FLIGHT_USUAL,
    };
}

/// Changes that are invisible until they are published.
#[async_trait]
pub trait Publish: Send + Sync {
    /// The scope to publish after a change at `address`, which makes it visible: a zone. `None` = nothing to publish.
    fn scope_of(&self, address: &Address) -> Option<String>;

    /// Publishes the changes made in `scope` (a zone). Retried by the engine until it succeeds.
    ///
    /// # Errors
    /// As [`Provider::apply`].
    async fn publish(&self, scope: &str) -> Result<(), ProviderError>;
}

/// The output of containers.
#[async_trait]
pub trait ReadLogs: Send + Sync {
    /// The last lines that a container printed, the oldest first, from both of its streams.
    ///
    /// # Guarantees
    /// Makes no write. Answers within [`LOG_LIMIT`], at most [`LogQuery::lines`] lines of [`LOG_LINE_BYTES_MAX`], without
    /// terminal control sequences and without the values that [`LogQuery::hidden`] names.
    /// # Errors
    /// The container is gone, its logging driver stores nothing readable, or there was no answer.
    async fn logs(&self, address: &Address, seen: &Seen, query: &LogQuery) -> Result<Vec<String>, ProviderError>;

    /// The same, and each new line as it is printed, until the container ends or the receiver is dropped.
    ///
    /// # Errors
    /// As [`ReadLogs::logs`].
    async fn follow(
        &self,
        address: &Address,
        seen: &Seen,
        query: &LogQuery,
        lines: mpsc::Sender<String>,
    ) -> Result<(), ProviderError>;
}

/// Probes of running programs, sent from NPM's place on the network.
#[async_trait]
pub trait ProbePorts: Send + Sync {
    /// Whether a program answers by HTTP at `port` of the container at `address`.
    ///
    /// # Errors
    /// The reason why it does not, for people.
    async fn probe(&self, address: &Address, seen: &Seen, port: u16) -> Result<(), String>;

    /// Whether a program listens at `port` of `host`. `None`: not known.
    async fn listens(&self, host: &str, port: u16) -> Option<bool>;
}

/// Facts about an image before a container uses it.
#[async_trait]
pub trait FindImages: Send + Sync {
    /// Reads them from the local image, else from its registry.
    ///
    /// # Guarantees
    /// Makes no write.
    /// # Errors
    /// [`Class::Rejected`](super::Class::Rejected): there is no such image, or this account may not see it. Otherwise the
    /// registry did not answer.
    async fn image(&self, reference: &str) -> Result<ImageFacts, ProviderError>;

    /// The digest that its registry has under a reference now.
    ///
    /// # Errors
    /// The registry does not answer, or has no such image for us.
    async fn digest(&self, reference: &str) -> Result<String, ProviderError>;
}

/// The account behind each drift.
#[async_trait]
pub trait AttributeDrift: Send + Sync {
    /// Attributes differences to accounts, as far as the vendor's own log records them.
    ///
    /// # Guarantees
    /// Cannot fail: omits differences that the log does not explain, and never guesses an account. Makes no write.
    async fn attribute(&self, differences: &[Difference], now: Timestamp) -> BTreeMap<Address, Attributed>;
}

/// The checks of `amarre doctor`.
#[async_trait]
pub trait ExamineSetup: Send + Sync {
    /// Checks the set-up: version, rights, clock, servers. For people, independent of the passes of the loop.
    ///
    /// # Guarantees
    /// Cannot fail: each problem is a finding. Makes no write. Each finding takes at most [`EXAM_LIMIT`].
    async fn examine(&self, exam: &Exam) -> Vec<Finding>;
}

/// The answers of each server of a zone.
#[async_trait]
pub trait AskNameServers: Send + Sync {
    /// The current answer of each server of a zone for a name, without a cache.
    ///
    /// # Guarantees
    /// Cannot fail: a missing answer is part of the result. Makes no write.
    async fn resolve(&self, zone: &str, servers: &[String], name: &str, now: Timestamp) -> Vec<Resolved>;
}

/// Runs nginx's own test of its configuration.
#[async_trait]
pub trait TestNginx: Send + Sync {
    /// Whether the nginx in a container accepts its configuration: `None`, or all of its output.
    ///
    /// # Guarantees
    /// Makes no write. Answers within [`TEST_LIMIT`].
    /// # Errors
    /// nginx could not be asked.
    async fn test_nginx(&self, container: &str) -> Result<Option<String>, ProviderError>;
}

/// Disables the hosts that stop nginx from loading its configuration.
#[async_trait]
pub trait ProxyRescue: Send + Sync {
    /// The hosts that nginx's output refers to.
    ///
    /// # Guarantees
    /// Makes no write.
    /// # Errors
    /// The hosts could not be read.
    async fn find_refused_hosts(&self, printed: &str) -> Result<Blame, ProviderError>;

    /// Removes a host from nginx's configuration, also while nginx refuses that configuration.
    ///
    /// # Errors
    /// As [`Provider::apply`].
    async fn disable(&self, host: &BlamedHost) -> Result<(), ProviderError>;
}

/// The progress of a change.
pub trait ReportProgress: Send + Sync {
    /// The progress of the change at `address`, or the size of the last one, for people; empty = not known.
    fn progress_text(&self, address: &Address) -> String;

    /// The number of progress events of changes at `address` so far: while it grows, the change is not stuck.
    fn ticks(&self, address: &Address) -> u64;
}

/// A vendor that reports changes without being polled.
#[async_trait]
pub trait WatchEvents: Send + Sync {
    /// Notifies `wake` whenever a resource may have changed there. Runs until dropped.
    async fn watch(&self, wake: Arc<Notify>);
}

/// Actions: requests of a person to a resource that change none of its fields.
///
/// The engine stores the intent, calls [`PerformAction::perform`] once, and stores the outcome. Without an answer, it calls
/// [`PerformAction::happened`] after each observation, until [`PerformAction::limit`] has passed twice since the intent.
#[async_trait]
pub trait PerformAction: Send + Sync {
    /// The words of the actions that resources of a kind take: `restart`. Constant for the life of the process.
    fn words(&self, kind: Kind) -> &'static [&'static str];

    /// The word that is performed first when this one is requested.
    fn first(&self, word: &'static str) -> &'static str {
        word
    }

    /// The step that is performed once this one has happened and the resource is ready again; `None`: no other step follows.
    fn then(&self, _: &Action) -> Option<ActionStep> {
        None
    }

    /// Why a step that follows cannot begin yet, as observed last; `None`: it can. `vendor_id` is the resource's.
    fn waits(&self, _vendor_id: &str, _step: &ActionStep) -> Option<Text> {
        None
    }

    /// The time limit for an action on this resource. A call without an answer by then is abandoned.
    fn limit(&self, word: &str, seen: &Seen) -> Millis;

    /// A value of the resource that changes once the action has happened: its start time, the number of its boots.
    /// Never a time of this machine, whose clock may differ from the vendor's. At most 200 bytes, and no secret.
    fn before(&self, word: &str, seen: &Seen) -> String;

    /// Performs the action.
    ///
    /// # Guarantees
    /// Acts on the resource whose vendor id the action names, and on no successor of it.
    /// # Errors
    /// [`Class::OutcomeUnknown`](super::Class::OutcomeUnknown): no answer came; the engine observes the outcome. Any other
    /// class: the vendor refused the action, or it failed.
    /// # Repeats
    /// Never called again for the same action, whatever the answer.
    async fn perform(&self, action: &Action) -> Result<(), ProviderError>;

    /// Whether the action has happened, judged by the resource as observed since. `None`: that does not show it. `seen` is
    /// `None` only
    /// if no gap of this provider hides the address.
    fn happened(&self, action: &Action, seen: Option<&Seen>) -> Option<bool>;

    /// Whether the vendor answers before it has carried an action out: then [`PerformAction::outcome`] tells what came of it.
    fn is_asynchronous(&self) -> bool {
        false
    }

    /// What came of an action that the vendor has accepted, as observed since: it is done, or why it came to nothing. `None`: that
    /// does not show yet. `seen` as with [`PerformAction::happened`].
    fn outcome(&self, _action: &Action, _seen: Option<&Seen>) -> Option<Result<(), ProviderError>> {
        Some(Ok(()))
    }
}

/// A step of an action that takes several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionStep {
    /// The word to perform.
    pub word: &'static str,
    /// As [`Action::before`].
    pub given: String,
}

/// The screens of servers.
#[async_trait]
pub trait OpenConsole: Send + Sync {
    /// An address at which the screen of a server, by its vendor's id, is shown for a limited time. The address works
    /// without a password: it
    /// is returned to the requester, and never stored.
    ///
    /// # Errors
    /// The vendor returned none. Nothing has changed.
    async fn console(&self, id: &str) -> Result<Secret, ProviderError>;
}

/// The vendor's prices.
#[async_trait]
pub trait ReadPrices: Send + Sync {
    /// Reads the vendor's list of prices, at most once a day, or an hour while none are known; observations from then on
    /// have them. For the web
    /// UI and the savings of timetables: no pass waits for it.
    ///
    /// # Errors
    /// The list could not be read.
    async fn read_prices(&self, now: Timestamp) -> Result<(), ProviderError>;
}

/// The vendor's own list of servers, for programs that know its form.
#[async_trait]
pub trait ReadRawList: Send + Sync {
    /// The unchanged list, at most [`RAW_LIST_AGE_MAX`] old.
    ///
    /// # Errors
    /// The list could not be read.
    async fn raw_list(&self, now: Timestamp) -> Result<serde_json::Value, ProviderError>;
}

/// A list older than this is read again.
pub const RAW_LIST_AGE_MAX: Millis = Millis::seconds(15);

/// An image that a container could use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its local size, unpacked; `None`: it would be pulled.
    pub bytes_here: Option<u64>,
    /// `linux/amd64`, …; empty: the registry does not say.
    pub platforms: Vec<String>,
    /// The engine's platform.
    pub platform: String,
    /// The TCP ports that it declares; known only for a local image.
    pub ports: Vec<u16>,
}

impl ImageFacts {
    /// Whether the engine can run it, as far as known.
    pub fn fits(&self) -> bool {
        self.platforms.is_empty() || self.platforms.contains(&self.platform)
    }
}

/// nginx reads every file, and resolves every name in them.
pub const TEST_LIMIT: Duration = Duration::from_secs(30);

/// Why nginx refuses its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blame {
    /// nginx's own error message.
    pub words: String,
    /// The hosts that the message refers to; empty if it names none.
    pub hosts: Vec<BlamedHost>,
}

/// A host that stops nginx from loading its configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlamedHost {
    /// Its kind.
    pub kind: Kind,
    /// Its number in NPM.
    pub id: u64,
    /// Its domains, or its port.
    pub names: String,
    /// Whether it carries Amarre's ownership marker.
    pub is_ours: bool,
}

impl BlamedHost {
    /// `proxy host 23 old.example.org`.
    pub fn label(&self) -> String {
        format!("{} {} {}", self.kind.label(), self.id, self.names)
    }
}

/// The input of an observation.
#[derive(Debug, Clone, Default)]
pub struct ObserveQuery {
    /// The time of the pass.
    pub now: Timestamp,
    /// What is wanted at this provider: which zones to read, whose propagation to watch.
    pub wanted: BTreeMap<Address, Fields>,
    /// What the ledger owns at this provider, with its last applied fields and vendor id: secrets that cannot be
    /// read back (passwords) are reported as last applied.
    pub applied: BTreeMap<Address, Applied>,
    /// Requested certificates that may have been issued without an answer, with their manifests.
    pub ordered: BTreeMap<Address, String>,
    /// Scopes with unpublished changes.
    pub unpublished: Vec<String>,
    /// Instances whose address another resource points to.
    pub led_to: BTreeSet<Address>,
    /// How machines of pools are reached.
    pub machines: Vec<MachineAccess>,
    /// Resources to rule out: they may have been created, and must not be created twice.
    pub to_rule_out: BTreeSet<Address>,
    /// A recent reading may replace a call, if Amarre has written nothing since: a pass that only follows up on the previous
    /// one need not use the vendor's quota.
    pub reuse: bool,
    /// Since when the ledger is there: what was made before is not in it.
    pub ledger_since: Timestamp,
}

/// What a provider reports.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// Existing resources: managed ones, and unmanaged ones that are in the way or of use.
    pub seen: BTreeMap<Address, Seen>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Of [`ObserveQuery::to_rule_out`], the resources that are in none of the vendor's lists and operations in progress, each
    /// read for this query.
    pub ruled_out: BTreeSet<Address>,
    /// The vendor's prices of wanted resources that do not exist yet, or do not have the wanted size yet.
    pub quotes: BTreeMap<Address, ServerPrices>,
    /// Wanted resources that the vendor does not offer as they are wanted, by what it lists now.
    pub unoffered: BTreeMap<Address, Refusal>,
    /// Unmanaged resources, by the vendor's own names, for people to see and to act on.
    pub inventory: BTreeMap<Address, Seen>,
    /// Subnets that the host routes elsewhere.
    pub routes: Vec<Ipv4Net>,
    /// The addresses of the host itself; `None` if they are not known from here.
    pub addresses: Option<BTreeSet<IpAddr>>,
    /// Free bytes in the image store, if known.
    pub free: Option<u64>,
    /// The vendor's version, if it reports one.
    pub version: Option<String>,
    /// When the vendor itself started, if known.
    pub started: Option<Timestamp>,
    /// The resources in which Amarre itself runs.
    pub own: BTreeSet<Address>,
    /// The mounts of NPM's and Amarre's own containers there.
    pub reserved: Vec<Reserved>,
    /// Whether Amarre sees the same files as the engine's host.
    pub sees_files: bool,
    /// The e-mail address with which an NPM requests certificates, if Let's Encrypt refuses it.
    pub mail_refused: Option<String>,
    /// Kinds that the account may only read: why, and the way past it.
    pub read_only: BTreeMap<Kind, Refusal>,
    /// Who else has written there since the observation before, in words for the log.
    pub others: Option<String>,
}

/// The answers of one name server for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The server, by its name or address.
    pub server: String,
    /// By type: the values, or why there was no answer.
    pub said: BTreeMap<&'static str, Result<Vec<String>, String>>,
}

/// A difference between what was applied and what is observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The resource.
    pub address: Address,
    /// Its current or previous vendor id.
    pub vendor_id: String,
    /// The earliest possible time: the last observation or write.
    pub since: Timestamp,
    /// When it was last observed without the difference; the epoch if not known.
    pub last_well: Timestamp,
}

/// A vendor's log entry about a change from outside Amarre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributed {
    /// The account; `None` if the log does not name it.
    pub by: Option<String>,
    /// The time of the change.
    pub at: Timestamp,
    /// The log: `NPM audit`.
    pub evidence: &'static str,
}

/// The time limit for reading a container's log.
pub const LOG_LIMIT: Duration = Duration::from_secs(5);
/// Longer lines are cut: engines cut theirs at 16 KiB themselves.
pub const LOG_LINE_BYTES_MAX: usize = 16 * 1024;

/// Selects the lines of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// How many of the last lines.
    pub lines: usize,
    /// Variables of the container's environment whose values are secret.
    pub hidden: BTreeSet<String>,
    /// Only lines from this time on, if set.
    pub since: Option<Timestamp>,
}

/// The time limit for one line of an examination.
pub const EXAM_LIMIT: Duration = Duration::from_secs(5);

/// The input of an examination.
#[derive(Debug, Clone, Default)]
pub struct Exam {
    /// The current time.
    pub now: Timestamp,
    /// Names whose records Amarre manages.
    pub names: BTreeSet<String>,
    /// The kinds that manifests and the ledger use anywhere, by provider.
    pub kinds: BTreeSet<(ProviderId, Kind)>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingLevel {
    /// In order.
    Good,
    /// Not looked at, since that cannot be done from here.
    Unchecked,
    /// Works, or is fixed automatically; good to know.
    Know,
    /// A person has to fix it.
    Wrong,
}

/// One line of an examination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `NPM`, `OVH`, `DNS`, ….
    pub topic: &'static str,
    /// How bad it is.
    pub verdict: FindingLevel,
    /// Lowercase, no full stop.
    pub text: String,
    /// For `amarre help`; none if all is in order.
    pub code: Option<Code>,
    /// More details, a line each.
    pub notes: Vec<String>,
    /// What a person can do, a whole sentence or command each.
    pub hints: Vec<String>,
}

impl Finding {
    /// In order.
    pub fn good(topic: &'static str, text: impl Into<String>) -> Self {
        let (code, notes, hints) = (None, Vec::new(), Vec::new());
        Self { topic, verdict: FindingLevel::Good, text: words::line(&text.into()), code, notes, hints }
    }

    /// Not looked at.
    pub fn unchecked(topic: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: FindingLevel::Unchecked, ..Self::good(topic, text) }
    }

    /// Good to know.
    pub fn know(topic: &'static str, code: impl Into<Option<Code>>, text: impl Into<String>) -> Self {
        Self { verdict: FindingLevel::Know, code: code.into(), ..Self::good(topic, text) }
    }

    /// To be fixed.
    pub fn wrong(topic: &'static str, code: impl Into<Option<Code>>, text: impl Into<String>) -> Self {
        Self { verdict: FindingLevel::Wrong, code: code.into(), ..Self::good(topic, text) }
    }

    /// A failed call.
    pub fn failed(topic: &'static str, error: ProviderError) -> Self {
        Self::wrong(topic, error.code, error.message.to_string()).hint(error.hint.to_string())
    }

    /// No answer within [`EXAM_LIMIT`].
    pub fn late(topic: &'static str, what: &str) -> Self {
        let text = format!("{what} did not answer within {} s", EXAM_LIMIT.as_secs());
        Self::wrong(topic, Code::A0256, text).hint("is it very busy, or is the way to it blocked by a firewall?")
    }

    /// Adds a detail.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(words::line(&note.into()));
        self
    }

    /// Adds what a person can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = words::line(&hint.into());
        if !hint.is_empty() {
            self.hints.push(hint);
        }
        self
    }
}

/// The result of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The vendor's id of the resource. After a delete: empty when it is gone, and the id while the vendor still carries it out:
    /// the resource stays owned until it is observed to be gone. Of an image only when it did not exist before: Amarre
    /// then cleans it up.
    pub vendor_id: String,
    /// The written fields, for a vendor that accepts one field per call: the next pass finds the rest. `None`: all of the change.
    pub written: Option<Fields>,
}
