//! The outside world: what a vendor must offer, and what the engine does when it does not.
#![warn(missing_docs)]

pub mod http;
mod clean;
pub mod docker;
pub mod npm;
pub mod dns;
pub mod ovh;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ipnet::Ipv4Net;
use tokio::sync::{Notify, mpsc};

use crate::secret::{Scrubber, Secrets};
use amarre_core::model::folders::Reserved;
use amarre_core::model::world::Applied;
use amarre_core::model::{
    Address, Change, Fields, Gap, Kind, KindSchema, Millis, Payloads, ProviderId, Seen, Timestamp, words,
};
use amarre_core::resources::Objection;

/// What a vendor must offer. Order of use: kinds → normalize → observe → apply → publish.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name in addresses.
    fn id(&self) -> &ProviderId;

    /// Kinds, fields, rules and samples. Constant for the life of the process.
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
    async fn observe(&self, ask: &Ask) -> Observation;

    /// Performs one change.
    ///
    /// # Guarantees
    /// Checks what the change expects just before it does harm.
    /// # Errors
    /// The class says what the engine does next.
    /// # Repeats
    /// Doing a change that is done already is harmless and answers as if it had just been done.
    async fn apply(&self, change: &Change, secrets: &Secrets) -> Result<Outcome, ProviderError>;

    /// As [`Provider::apply`], with the content of the files that a change names by digest. For providers to which no
    /// files go it is the same.
    async fn apply_with(
        &self,
        change: &Change,
        secrets: &Secrets,
        _payloads: &Payloads,
    ) -> Result<Outcome, ProviderError> {
        self.apply(change, secrets).await
    }

    /// What must be published after a change at `address` before anybody sees it: a zone. `None` = nothing.
    fn publishes(&self, _address: &Address) -> Option<String> {
        None
    }

    /// Publishes the changes made in `scope` (a zone). Retried by the engine until it succeeds.
    ///
    /// # Errors
    /// As [`Provider::apply`].
    async fn publish(&self, _scope: &str) -> Result<(), ProviderError> {
        Ok(())
    }

    /// What is known of an image before anything uses it: from what is here, else from its registry.
    ///
    /// # Guarantees
    /// Makes no write.
    /// # Errors
    /// [`Class::Rejected`]: there is no such image, or not for us. Else it could not be asked.
    async fn image(&self, reference: &str) -> Result<ImageFacts, ProviderError> {
        Err(ProviderError::new(Class::Rejected, "A0504", format!("{} has no images: {reference}", self.id())))
    }

    /// Whether something answers at `port` of the container at `address`, asked from where its NPM stands.
    ///
    /// # Errors
    /// Why it does not, in words for people.
    async fn probe(&self, _address: &Address, _seen: &Seen, _port: u16) -> Result<(), String> {
        Ok(())
    }

    /// Whether anything listens at `port` of `host`, asked from where its NPM stands. `None`: that cannot be told.
    async fn listens(&self, _host: &str, _port: u16) -> Option<bool> {
        None
    }

    /// The last lines that a container printed, the oldest first, from both of its streams.
    ///
    /// # Guarantees
    /// Makes no write. Answers within [`LOG_LIMIT`], at most [`LogAsk::lines`] lines of [`LOG_LINE_BYTES_MAX`], without
    /// anything that a terminal would obey and without the values that [`LogAsk::hidden`] names.
    /// # Errors
    /// It is gone, nothing is kept that could be read back, or there was no answer.
    async fn logs(&self, address: &Address, _seen: &Seen, _ask: &LogAsk) -> Result<Vec<String>, ProviderError> {
        let message = format!("{} {} prints nothing", address.kind.label(), address.name);
        Err(ProviderError::new(Class::Rejected, "A0515", message))
    }

    /// The same and what comes after, each line as it is printed, until the container ends or nobody reads any more.
    ///
    /// # Errors
    /// As [`Provider::logs`].
    async fn follow(
        &self,
        address: &Address,
        seen: &Seen,
        ask: &LogAsk,
        lines: mpsc::Sender<String>,
    ) -> Result<(), ProviderError> {
        for line in self.logs(address, seen, ask).await? {
            if lines.send(line).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Who changed what is otherwise than we left it, as far as the vendor's own log tells.
    ///
    /// # Guarantees
    /// Cannot fail: of what is not told, nothing is said; nobody is guessed. Makes no write.
    async fn who(&self, _touched: &[Touched], _now: Timestamp) -> BTreeMap<Address, Trace> {
        BTreeMap::new()
    }

    /// What each server of a zone answers for a name, asked anew.
    ///
    /// # Guarantees
    /// Cannot fail: what a server did not answer is said. Makes no write.
    async fn resolve(&self, _zone: &str, _servers: &[String], _name: &str, _now: Timestamp) -> Vec<Resolved> {
        Vec::new()
    }

    /// Looks at the set-up: version, rights, clock, servers. For people, beside the looks of the loop.
    ///
    /// # Guarantees
    /// Cannot fail: what is wrong is a finding. Makes no write. Each finding takes at most [`EXAM_LIMIT`].
    async fn examine(&self, _exam: &Exam) -> Vec<Finding> {
        Vec::new()
    }

    /// Whether the nginx in a container takes its configuration: `None`, or all that it printed.
    ///
    /// # Guarantees
    /// Makes no write. Answers within [`TEST_LIMIT`].
    /// # Errors
    /// It could not be asked.
    async fn test_nginx(&self, container: &str) -> Result<Option<String>, ProviderError> {
        Err(ProviderError::new(Class::Rejected, "A0614", format!("there is no container {container} at {}", self.id())))
    }

    /// Which hosts nginx means by what it printed.
    ///
    /// # Guarantees
    /// Makes no write.
    /// # Errors
    /// They could not be read.
    async fn blame(&self, said: &str) -> Result<Blame, ProviderError> {
        Ok(Blame { words: said.to_owned(), culprits: Vec::new() })
    }

    /// Takes a host out of nginx's configuration, also while nginx refuses that.
    ///
    /// # Errors
    /// As [`Provider::apply`].
    async fn switch_off(&self, _culprit: &Culprit) -> Result<(), ProviderError> {
        Ok(())
    }

    /// How far the change at `address` is, or how much the last one was, in words for people; empty = not known.
    fn news(&self, _address: &Address) -> String {
        String::new()
    }

    /// How many signs of life changes at `address` have given so far: while the number grows, the change moves.
    fn signs(&self, _address: &Address) -> u64 {
        0
    }

    /// How many changes may be under way there at once.
    fn at_once(&self) -> usize {
        8
    }

    /// How many requests were made.
    fn counts(&self) -> http::Counts;

    /// Rings `wake` whenever something may have changed there. Runs until dropped.
    async fn watch(&self, _wake: Arc<Notify>) {
        std::future::pending::<()>().await;
    }
}

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
pub struct Ask {
    /// The time of the look.
    pub now: Timestamp,
    /// What is wanted at this provider: which zones to read, whose propagation to watch.
    pub wanted: BTreeMap<Address, Fields>,
    /// What the ledger owns at this provider, with its last applied fields and vendor id: secrets that cannot be
    /// read back (passwords) are reported as last applied.
    pub applied: BTreeMap<Address, Applied>,
    /// Scopes with changes that nobody sees yet.
    pub unpublished: Vec<String>,
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
pub struct Touched {
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
pub struct Trace {
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
pub struct LogAsk {
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
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
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
    pub verdict: Verdict,
    /// Lowercase, no full stop.
    pub text: String,
    /// For `amarre help`; empty when all is well.
    pub code: String,
    /// More to know, a line each.
    pub notes: Vec<String>,
    /// What a person can do, a whole sentence or command each.
    pub hints: Vec<String>,
}

impl Finding {
    /// As it should be.
    pub fn good(topic: &'static str, text: impl Into<String>) -> Self {
        let (code, notes, hints) = (String::new(), Vec::new(), Vec::new());
        Self { topic, verdict: Verdict::Good, text: words::line(&text.into()), code, notes, hints }
    }

    /// Good to know.
    pub fn know(topic: &'static str, code: &str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Know, code: code.to_owned(), ..Self::good(topic, text) }
    }

    /// To be put right.
    pub fn wrong(topic: &'static str, code: &str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Wrong, code: code.to_owned(), ..Self::good(topic, text) }
    }

    /// A call that did not work.
    pub fn failed(topic: &'static str, error: ProviderError) -> Self {
        Self::wrong(topic, error.code, error.message).hint(error.hint)
    }

    /// No answer within [`EXAM_LIMIT`].
    pub fn late(topic: &'static str, what: &str) -> Self {
        let text = format!("{what} did not answer within {} s", EXAM_LIMIT.as_secs());
        Self::wrong(topic, "A0256", text).hint("is it very busy, or is the way to it blocked by a firewall?")
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
}

/// What the engine does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same again later: the vendor was busy or away, and nothing has left or happened.
    RetryLater,
    /// The credentials do not do; the provider has already tried to sign in again.
    Reauthenticate,
    /// The vendor refuses; the same would be refused again.
    Rejected,
    /// What was expected is not there any more: observe and plan again.
    Conflict,
    /// It may have happened: observe before anything else at this address.
    OutcomeUnknown,
    /// The engine says this subnet overlaps something: the next one is tried.
    SubnetTaken,
    /// Somebody listens on this port of the host: the next one is tried.
    PortTaken(u16),
}

/// A change or a look that did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// For the engine.
    pub class: Class,
    /// For `amarre help`: `A0601`.
    pub code: &'static str,
    /// Lowercase, no full stop, names thing and operation, with the vendor's own words.
    pub message: String,
    /// What a person can do; empty when nothing.
    pub hint: String,
    /// How long the vendor wants to be left alone, where it says so.
    pub retry_after: Option<Millis>,
    /// Until when this very change is refused, where the vendor says so.
    pub not_before: Option<Timestamp>,
}

impl ProviderError {
    /// An error without a hint. Whatever a vendor said in it, nothing is obeyed by a terminal.
    pub fn new(class: Class, code: &'static str, message: impl Into<String>) -> Self {
        let message = words::line(&message.into());
        Self { class, code, message, hint: String::new(), retry_after: None, not_before: None }
    }

    /// With what a person can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = words::line(&hint.into());
        self
    }

    /// With how long the vendor wants to be left alone.
    #[must_use]
    pub fn after(mut self, wait: Option<Millis>) -> Self {
        self.retry_after = wait;
        self
    }

    /// With when this very change may be tried again.
    #[must_use]
    pub fn not_before(mut self, at: Option<Timestamp>) -> Self {
        self.not_before = at;
        self
    }

    /// Without secrets: the vendor's words may repeat what it was sent.
    #[must_use]
    pub fn without(mut self, sent: &Scrubber) -> Self {
        self.message = sent.scrub(&self.message);
        self.hint = sent.scrub(&self.hint);
        self
    }

    /// As a gap of `provider` (or of one zone of it).
    pub fn into_gap(self, provider: &ProviderId, zone: Option<&str>, now: Timestamp) -> Gap {
        Gap {
            provider: provider.clone(),
            zone: zone.map(str::to_owned),
            code: self.code.to_owned(),
            message: self.message,
            hint: self.hint,
            since: now,
        }
    }
}
