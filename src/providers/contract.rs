//! What a vendor must offer: six methods, and parts that some vendors have and others do not.
#![warn(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ipnet::Ipv4Net;
use tokio::sync::{Notify, mpsc};

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
    Action, Address, Change, Code, Fields, Gap, Kind, KindSchema, Millis, Payloads, ProviderId, Refusal, Seen,
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

    /// Reads everything of this provider that is wanted, owned or in the way.
    ///
    /// # Guarantees
    /// Cannot fail: what could not be read is a gap, never left out. Makes no write.
    async fn observe(&self, query: &ObserveQuery) -> Observation;

    /// Performs one change.
    ///
    /// # Guarantees
    /// Checks what the change expects just before it does harm.
    /// # Errors
    /// The class says what the engine does next.
    /// # Repeats
    /// Doing a change that is done already is harmless and answers as if it had just been done.
    async fn apply(&self, change: &Change, supplies: Supplies<'_>) -> Result<Outcome, ProviderError>;

    /// The optional parts that this vendor has.
    fn capabilities(&self) -> Capabilities<'_>;
}

/// What a change needs beside its fields, which name both and hold neither.
#[derive(Debug, Clone, Copy)]
pub struct Supplies<'a> {
    /// The secrets that the fields name, and no other.
    pub secrets: &'a Secrets,
    /// The content of files that the fields name by digest.
    pub payloads: &'a Payloads,
    /// The files of apps, which are too large to be held.
    pub contexts: &'a dyn OpenContexts,
}

/// The files that an image is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildContext {
    /// Which repository, as its app names it.
    pub source: String,
    /// Which commit.
    pub commit: String,
    /// Which folder of it; empty = all of it.
    pub folder: String,
    /// The Dockerfile in it, which is sent whatever is left out.
    pub dockerfile: Option<String>,
    /// One more file at the top: its name, and its content.
    pub beside: Option<(String, Arc<[u8]>)>,
}

/// The pieces of a tar; an error ends it.
pub type ContextPieces = mpsc::Receiver<std::io::Result<axum::body::Bytes>>;

/// Hands out the files of apps.
pub trait OpenContexts: std::fmt::Debug + Send + Sync {
    /// Begins to send them. Ends where nobody takes them any more.
    fn open(&self, context: BuildContext) -> ContextPieces;
}

/// Where there are no apps.
#[derive(Debug, Clone, Copy)]
pub struct NoContexts;

impl OpenContexts for NoContexts {
    fn open(&self, _: BuildContext) -> ContextPieces {
        let (pieces, taken) = mpsc::channel(1);
        let _ = pieces.try_send(Err(std::io::Error::other("there are no apps here")));
        taken
    }
}

/// The parts of a provider that not every vendor has.
#[derive(Clone, Copy)]
pub struct Capabilities<'a> {
    /// Changes are seen only after a call of their own: zones.
    pub publish: Option<&'a dyn Publish>,
    /// What containers print.
    pub logs: Option<&'a dyn ReadLogs>,
    /// Questions to what runs there, asked from where its NPM stands.
    pub probe: Option<&'a dyn ProbePorts>,
    /// What is known of an image before anything uses it.
    pub images: Option<&'a dyn FindImages>,
    /// Who changed what drifted.
    pub attribution: Option<&'a dyn AttributeDrift>,
    /// What `amarre doctor` asks.
    pub examine: Option<&'a dyn ExamineSetup>,
    /// What each server of a zone answers.
    pub name_servers: Option<&'a dyn AskNameServers>,
    /// Runs `nginx -t` in a container.
    pub nginx_test: Option<&'a dyn TestNginx>,
    /// Takes hosts off line that keep nginx from its configuration.
    pub proxy_rescue: Option<&'a dyn ProxyRescue>,
    /// How far a change is.
    pub progress: Option<&'a dyn ReportProgress>,
    /// What builds of images print.
    pub builds: Option<&'a dyn WatchBuilds>,
    /// Says by itself that something has changed.
    pub events: Option<&'a dyn WatchEvents>,
    /// What a person may ask of a resource beside changes of its fields.
    pub actions: Option<&'a dyn PerformAction>,
    /// Other sizes of servers that are there.
    pub resizes: Option<&'a dyn PlanResize>,
    /// The screens of servers.
    pub consoles: Option<&'a dyn OpenConsole>,
    /// Machines that are reached over SSH.
    pub machines: Option<&'a dyn ReachMachines>,
    /// What was sent to the vendor and answered, for the logs of instances.
    pub exchanges: Option<&'a Exchanges>,
    /// What the vendor takes for what it rents out.
    pub prices: Option<&'a dyn ReadPrices>,
    /// What servers can be made of.
    pub offers: Option<&'a dyn ReadOffers>,
    /// The vendor's own list of servers.
    pub raw_list: Option<&'a dyn ReadRawList>,
    /// How many requests were made.
    pub requests: Option<&'a Counts>,
    /// How many changes may be under way there at once.
    pub max_in_flight: usize,
}

impl Capabilities<'_> {
    /// Changes that a vendor takes at once, where nothing else is known of it.
    const IN_FLIGHT_USUAL: usize = 8;

    /// No part at all.
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

/// Changes that nobody sees until they are published.
#[async_trait]
pub trait Publish: Send + Sync {
    /// What must be published after a change at `address` before anybody sees it: a zone. `None` = nothing.
    fn scope_of(&self, address: &Address) -> Option<String>;

    /// Publishes the changes made in `scope` (a zone). Retried by the engine until it succeeds.
    ///
    /// # Errors
    /// As [`Provider::apply`].
    async fn publish(&self, scope: &str) -> Result<(), ProviderError>;
}

/// What containers print.
#[async_trait]
pub trait ReadLogs: Send + Sync {
    /// The last lines that a container printed, the oldest first, from both of its streams.
    ///
    /// # Guarantees
    /// Makes no write. Answers within [`LOG_LIMIT`], at most [`LogQuery::lines`] lines of [`LOG_LINE_BYTES_MAX`], without
    /// anything that a terminal would obey and without the values that [`LogQuery::hidden`] names.
    /// # Errors
    /// It is gone, nothing is kept that could be read back, or there was no answer.
    async fn logs(&self, address: &Address, seen: &Seen, query: &LogQuery) -> Result<Vec<String>, ProviderError>;

    /// The same and what comes after, each line as it is printed, until the container ends or nobody reads any more.
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

/// Questions to what runs there, asked from where its NPM stands.
#[async_trait]
pub trait ProbePorts: Send + Sync {
    /// Whether something answers by HTTP at `port` of the container at `address`.
    ///
    /// # Errors
    /// Why it does not, in words for people.
    async fn probe(&self, address: &Address, seen: &Seen, port: u16) -> Result<(), String>;

    /// Whether anything listens at `port` of `host`. `None`: that cannot be told.
    async fn listens(&self, host: &str, port: u16) -> Option<bool>;
}

/// What is known of an image before anything uses it.
#[async_trait]
pub trait FindImages: Send + Sync {
    /// From what is here, else from its registry.
    ///
    /// # Guarantees
    /// Makes no write.
    /// # Errors
    /// [`Class::Rejected`](super::Class::Rejected): there is no such image, or not for us. Else it could not be asked.
    async fn image(&self, reference: &str) -> Result<ImageFacts, ProviderError>;
}

/// Who changed what drifted.
#[async_trait]
pub trait AttributeDrift: Send + Sync {
    /// Attributes differences to accounts, as far as the vendor's own log tells.
    ///
    /// # Guarantees
    /// Cannot fail: of what is not told, nothing is said; nobody is guessed. Makes no write.
    async fn attribute(&self, differences: &[Difference], now: Timestamp) -> BTreeMap<Address, Attributed>;
}

/// What `amarre doctor` asks.
#[async_trait]
pub trait ExamineSetup: Send + Sync {
    /// Looks at the set-up: version, rights, clock, servers. For people, beside the passes of the loop.
    ///
    /// # Guarantees
    /// Cannot fail: what is wrong is a finding. Makes no write. Each finding takes at most [`EXAM_LIMIT`].
    async fn examine(&self, exam: &Exam) -> Vec<Finding>;
}

/// What each server of a zone answers.
#[async_trait]
pub trait AskNameServers: Send + Sync {
    /// What each server of a zone answers for a name, asked anew.
    ///
    /// # Guarantees
    /// Cannot fail: what a server did not answer is said. Makes no write.
    async fn resolve(&self, zone: &str, servers: &[String], name: &str, now: Timestamp) -> Vec<Resolved>;
}

/// Runs nginx's own test of its configuration.
#[async_trait]
pub trait TestNginx: Send + Sync {
    /// Whether the nginx in a container takes its configuration: `None`, or all that it printed.
    ///
    /// # Guarantees
    /// Makes no write. Answers within [`TEST_LIMIT`].
    /// # Errors
    /// It could not be asked.
    async fn test_nginx(&self, container: &str) -> Result<Option<String>, ProviderError>;
}

/// Takes hosts off line that keep nginx from its configuration.
#[async_trait]
pub trait ProxyRescue: Send + Sync {
    /// Which hosts nginx means by what it printed.
    ///
    /// # Guarantees
    /// Makes no write.
    /// # Errors
    /// They could not be read.
    async fn find_culprits(&self, printed: &str) -> Result<Blame, ProviderError>;

    /// Takes a host out of nginx's configuration, also while nginx refuses that.
    ///
    /// # Errors
    /// As [`Provider::apply`].
    async fn disable(&self, culprit: &Culprit) -> Result<(), ProviderError>;
}

/// How far a change is.
pub trait ReportProgress: Send + Sync {
    /// How far the change at `address` is, or how much the last one was, in words for people; empty = not known.
    fn progress_text(&self, address: &Address) -> String;

    /// How many signs of life changes at `address` have given so far: while the number grows, the change moves.
    fn ticks(&self, address: &Address) -> u64;
}

/// Builds of images, while they run and for a while afterwards.
pub trait WatchBuilds: Send + Sync {
    /// What the build of an image has printed so far. `None`: nothing is known of it.
    fn build_log(&self, image: &str) -> Option<Vec<String>>;

    /// Ends a build that runs. Whether there was one.
    fn cancel_build(&self, image: &str) -> bool;
}

/// A vendor that says by itself that something has changed.
#[async_trait]
pub trait WatchEvents: Send + Sync {
    /// Rings `wake` whenever something may have changed there. Runs until dropped.
    async fn watch(&self, wake: Arc<Notify>);
}

/// Actions: what a person asks of a resource, and what changes none of its fields.
///
/// The engine stores the intent, calls [`PerformAction::perform`] once, and stores the outcome. Where no answer came, it asks
/// [`PerformAction::happened`] after each observation, until [`PerformAction::limit`] has passed twice since the intent.
#[async_trait]
pub trait PerformAction: Send + Sync {
    /// The words of the actions that resources of a kind take: `restart`. Constant for the life of the process.
    fn words(&self, kind: Kind) -> &'static [&'static str];

    /// The word that is performed first where this one is asked for.
    fn first(&self, word: &'static str) -> &'static str {
        word
    }

    /// The word that is performed once this one has happened and the resource is ready again, with what the person gave; `None`: that
    /// is all.
    fn then(&self, _: &Action) -> Option<&'static str> {
        None
    }

    /// How long the vendor may need for an action on this resource. A call that has no answer by then is let go of.
    fn limit(&self, word: &str, seen: &Seen) -> Millis;

    /// A value of the resource that is another one once the action has happened: when it started, the number of its boots.
    /// Never a time of this machine, whose clock may differ from the vendor's. At most 200 bytes, and no secret.
    fn before(&self, word: &str, seen: &Seen) -> String;

    /// Performs the action.
    ///
    /// # Guarantees
    /// Acts on the resource whose vendor id the action names, and on no successor of it.
    /// # Errors
    /// [`Class::OutcomeUnknown`](super::Class::OutcomeUnknown): no answer came; the engine observes what became of it. Any other
    /// class: the vendor refused the action, or it failed.
    /// # Repeats
    /// Never called again for the same action, whatever the answer.
    async fn perform(&self, action: &Action) -> Result<(), ProviderError>;

    /// Whether the action has happened, by the resource as observed since. `None`: that does not tell it. Where there is nothing at the
    /// address, nothing of this provider is hidden.
    fn happened(&self, action: &Action, seen: Option<&Seen>) -> Option<bool>;
}

/// The screens of servers.
#[async_trait]
pub trait OpenConsole: Send + Sync {
    /// An address at which the screen of a server, by its vendor's id, is shown for a while. Whoever has it needs nothing else: it is
    /// handed to who asked, and kept nowhere.
    ///
    /// # Errors
    /// The vendor gave none. Nothing has changed.
    async fn console(&self, id: &str) -> Result<Secret, ProviderError>;
}

/// What a vendor takes for what it rents out.
#[async_trait]
pub trait ReadPrices: Send + Sync {
    /// Reads the vendor's list of prices, at most once a day, or an hour while none are known; observations from then on have them. For people who look at a
    /// page, and for what timetables save: no pass waits for it.
    ///
    /// # Errors
    /// It could not be read.
    async fn read_prices(&self, now: Timestamp) -> Result<(), ProviderError>;
}

/// The vendor's own list of servers, for programs that know its form.
#[async_trait]
pub trait ReadRawList: Send + Sync {
    /// The list as it comes, at most [`RAW_LIST_AGE_MAX`] old.
    ///
    /// # Errors
    /// It could not be read.
    async fn raw_list(&self, now: Timestamp) -> Result<serde_json::Value, ProviderError>;
}

/// A list that was read this long ago is read again.
pub const RAW_LIST_AGE_MAX: Millis = Millis::seconds(15);

/// An image that could be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// How large it is here, unpacked; `None`: it would be pulled.
    pub bytes_here: Option<u64>,
    /// `linux/amd64`, …; empty: the registry does not say.
    pub platforms: Vec<String>,
    /// Of the engine.
    pub platform: String,
    /// Ports that it says it listens on, for TCP; known only of one that is here.
    pub ports: Vec<u16>,
}

impl ImageFacts {
    /// Whether the engine can run it, as far as that is known.
    pub fn fits(&self) -> bool {
        self.platforms.is_empty() || self.platforms.contains(&self.platform)
    }
}

/// nginx reads every file, and resolves every name in them.
pub const TEST_LIMIT: Duration = Duration::from_secs(30);

/// Why nginx refuses its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blame {
    /// What it objects to, in its words.
    pub words: String,
    /// The hosts that are meant; none where it names none.
    pub culprits: Vec<Culprit>,
}

/// A host that keeps nginx from its configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Culprit {
    /// What it is.
    pub kind: Kind,
    /// Its number in NPM.
    pub id: u64,
    /// Its domains, or its port.
    pub names: String,
    /// It carries our mark.
    pub is_ours: bool,
}

impl Culprit {
    /// `proxy host 23 old.example.org`.
    pub fn label(&self) -> String {
        format!("{} {} {}", self.kind.label(), self.id, self.names)
    }
}

/// What an observation is asked for.
#[derive(Debug, Clone, Default)]
pub struct ObserveQuery {
    /// The time of the look.
    pub now: Timestamp,
    /// What is wanted at this provider: which zones to read, whose propagation to watch.
    pub wanted: BTreeMap<Address, Fields>,
    /// What the ledger owns at this provider, with its last applied fields and vendor id: secrets that cannot be
    /// read back (passwords) are reported as last applied.
    pub applied: BTreeMap<Address, Applied>,
    /// Certificates that were asked for and may have come without our knowing, with their manifests.
    pub ordered: BTreeMap<Address, String>,
    /// Scopes with changes that nobody sees yet.
    pub unpublished: Vec<String>,
    /// Instances whose address something else is to lead to.
    pub led_to: BTreeSet<Address>,
    /// How machines of pools are reached.
    pub machines: Vec<MachineAccess>,
    /// What is to be ruled out: it may have been created, and is not to be created twice.
    pub to_rule_out: BTreeSet<Address>,
    /// What was read a moment ago may stand in for a call, where nothing of ours was written since: a look that only
    /// follows up on the one before need not spend a vendor's patience.
    pub reuse: bool,
}

/// What a provider reports.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// What is there: ours, and what is foreign but in the way or of use.
    pub seen: BTreeMap<Address, Seen>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Of [`ObserveQuery::to_rule_out`], what is nowhere in all that the vendor shows of it, lists and operations under way,
    /// each read for this query.
    pub ruled_out: BTreeSet<Address>,
    /// What the vendor takes for what is wanted and not there, or not yet of the size that is wanted.
    pub quotes: BTreeMap<Address, ServerPrices>,
    /// What is there and not Amarre's, by the vendor's own names: for people to see and to act on.
    pub inventory: BTreeMap<Address, Seen>,
    /// Subnets that the host routes elsewhere.
    pub routes: Vec<Ipv4Net>,
    /// The addresses of the host itself; `None` where they are not known from here.
    pub addresses: Option<BTreeSet<IpAddr>>,
    /// Free bytes where images are kept, where that can be known.
    pub free: Option<u64>,
    /// The vendor's version, where it says one.
    pub version: Option<String>,
    /// When the vendor itself started, where that can be told.
    pub started: Option<Timestamp>,
    /// What Amarre itself runs in there.
    pub own: BTreeSet<Address>,
    /// What NPM's and Amarre's own containers mount there.
    pub reserved: Vec<Reserved>,
    /// Whether Amarre sees the same files as the engine's host.
    pub sees_files: bool,
    /// The e-mail address in whose name an NPM asks for certificates, where Let's Encrypt refuses it.
    pub mail_refused: Option<String>,
    /// Kinds that the account may read and not write: why, and the way past it.
    pub read_only: BTreeMap<Kind, Refusal>,
}

/// What one name server says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Which one, by its name or address.
    pub server: String,
    /// By type: the values, or why there was no answer.
    pub said: BTreeMap<&'static str, Result<Vec<String>, String>>,
}

/// Something that is otherwise than we left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub address: Address,
    /// Which one it was, or is, to its vendor.
    pub vendor_id: String,
    /// Not before: as we knew it last, or wrote it.
    pub since: Timestamp,
    /// When it was seen last as it should be; the beginning of time where that is not known.
    pub last_well: Timestamp,
}

/// What a vendor's log tells of a change that was not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributed {
    /// Whose account it was; `None` where the log does not say.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Which log: `NPM audit`.
    pub evidence: &'static str,
}

/// What is waited for the lines that a container printed.
pub const LOG_LIMIT: Duration = Duration::from_secs(5);
/// A line that is longer is cut: engines cut theirs at 16 KiB themselves.
pub const LOG_LINE_BYTES_MAX: usize = 16 * 1024;

/// Which lines of a log are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// At most so many, the last ones.
    pub lines: usize,
    /// Variables of the container's environment whose values are secret.
    pub hidden: BTreeSet<String>,
    /// Nothing from before, where that is said.
    pub since: Option<Timestamp>,
}

/// What people wait for one line of an examination.
pub const EXAM_LIMIT: Duration = Duration::from_secs(5);

/// What an examination is asked for.
#[derive(Debug, Clone, Default)]
pub struct Exam {
    /// The time.
    pub now: Timestamp,
    /// Names whose records are to be kept.
    pub names: BTreeSet<String>,
    /// What manifests and the ledger have anywhere, by provider and kind.
    pub kinds: BTreeSet<(ProviderId, Kind)>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingLevel {
    /// As it should be.
    Good,
    /// Works, or mends itself; good to know.
    Know,
    /// Somebody has to put it right.
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
    /// For `amarre help`; none when all is well.
    pub code: Option<Code>,
    /// More to know, a line each.
    pub notes: Vec<String>,
    /// What a person can do, a whole sentence or command each.
    pub hints: Vec<String>,
}

impl Finding {
    /// As it should be.
    pub fn good(topic: &'static str, text: impl Into<String>) -> Self {
        let (code, notes, hints) = (None, Vec::new(), Vec::new());
        Self { topic, verdict: FindingLevel::Good, text: words::line(&text.into()), code, notes, hints }
    }

    /// Good to know.
    pub fn know(topic: &'static str, code: impl Into<Option<Code>>, text: impl Into<String>) -> Self {
        Self { verdict: FindingLevel::Know, code: code.into(), ..Self::good(topic, text) }
    }

    /// To be put right.
    pub fn wrong(topic: &'static str, code: impl Into<Option<Code>>, text: impl Into<String>) -> Self {
        Self { verdict: FindingLevel::Wrong, code: code.into(), ..Self::good(topic, text) }
    }

    /// A call that did not work.
    pub fn failed(topic: &'static str, error: ProviderError) -> Self {
        Self::wrong(topic, error.code, error.message).hint(error.hint)
    }

    /// No answer within [`EXAM_LIMIT`].
    pub fn late(topic: &'static str, what: &str) -> Self {
        let text = format!("{what} did not answer within {} s", EXAM_LIMIT.as_secs());
        Self::wrong(topic, Code::A0256, text).hint("is it very busy, or is the way to it blocked by a firewall?")
    }

    /// With more to know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(words::line(&note.into()));
        self
    }

    /// With what a person can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = words::line(&hint.into());
        if !hint.is_empty() {
            self.hints.push(hint);
        }
        self
    }
}

/// What came of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The vendor's id of the resource; empty after a delete. Of an image only when it was not there before: it is
    /// ours to clean up.
    pub vendor_id: String,
    /// What was written, of a vendor that takes one thing a call: the next look finds what is left. `None`: all of the change.
    pub written: Option<Fields>,
}
