//! The loop: waits for an event, runs a pass, hands out changes, waits. And the handle for everyone else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::clock::Clock;
use super::counters::Meters;
use super::engine::{Engine, EngineSettings, RunMode};
use super::follow_source::{fetch, follow, watch_folder};
pub use super::loop_command::LoopCommand;
use super::manifest_loader::SharedManifests;
use super::reservations::PoolChange;
use super::schedule::DutyCycle;
use super::{manifest_loader, schedule};
use crate::engine::pass_result::ConfigProblem;
use crate::engine::progress::Progress;
use crate::engine::report::pass_view::PassView;
use crate::ledger::Ledger;
use crate::ledger::runs::Event;
use crate::secret::KeepSecrets;
use crate::source::{Edit, Snapshot, Source, SourceError};
use amarre_core::manifest::{Diagnostic, Loaded, Severity, SourceFile};
use amarre_core::model::app::AppSource;
use amarre_core::model::power::Override;
use amarre_core::model::world::Suspension;
use amarre_core::model::{Address, Assets, Millis, Requests, Site, Timestamp};

/// Commands that may queue for the loop.
const COMMANDS_MAX: usize = 64;
/// The folder is read at least this often, whatever the file system reports.
const POLL: Millis = Millis::seconds(30);

/// A folder on a share that went away may never answer.
const WATCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A pass over vendors that do not answer takes a minute: with a short interval, that is no standstill.
const STALLED_LEAST: Millis = Millis::minutes(3);

/// The behaviour of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// Acts without being asked; else it only plans until a person applies.
    pub acts: bool,
    /// Watches folder and providers; `false` for a command that runs once.
    pub watches: bool,
}

/// The answer to a command.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The result of the last pass.
    pub pass: Arc<PassView>,
    /// Whether everything is settled.
    pub settled: bool,
    /// Why the command was refused.
    pub error: Option<String>,
}

/// A command and the channel of its answer.
type Ask = (LoopCommand, oneshot::Sender<Reply>);

/// Tells of apps whose repositories could not be looked at.
fn not_looked_at(manifests: &mut Loaded, failed: Vec<(String, SourceError)>) {
    for (name, error) in failed {
        let Some(service) = manifests.services.iter().find(|service| service.name == name) else { continue };
        let hint = error.hints.first().map(|hint| hint.text.to_string()).unwrap_or_default();
        // No earlier version of it stays effective.
        let told = Diagnostic::of_service(error.code, service, error.message, hint);
        manifests.diagnostics.push(Diagnostic { severity: Severity::Error, ..told });
    }
}

/// By which server and command line talk to the loop.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Ask>,
    pass: watch::Receiver<(Arc<PassView>, Timestamp)>,
    progress: broadcast::Sender<Progress>,
    ledger: Ledger,
    source: Source,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    /// Callers that read other revisions take turns.
    turns: Arc<Semaphore>,
    started: Timestamp,
    interval: Millis,
    goes_on: bool,
    builds_dockerfiles: Arc<AtomicBool>,
    keeper: Option<Arc<dyn KeepSecrets>>,
}

impl Handle {
    /// Whether an image is built, or about to be, by a Dockerfile that is not Amarre's: its author reaches what listens on this machine.
    pub fn builds_dockerfiles(&self) -> bool {
        self.builds_dockerfiles.load(Ordering::SeqCst)
    }

    /// With a place for the secrets that people hand over.
    #[must_use]
    pub fn keeping(self, keeper: Arc<dyn KeepSecrets>) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// Where secrets that people hand over are kept; `None`: nowhere.
    pub fn keeper(&self) -> Option<&dyn KeepSecrets> {
        self.keeper.as_deref()
    }

    /// Sends a command and waits for the answer; `None` when the loop has ended.
    pub async fn request(&self, command: LoopCommand) -> Option<Reply> {
        let (reply, answer) = oneshot::channel();
        self.commands.send((command, reply)).await.ok()?;
        answer.await.ok()
    }

    /// A look that has what servers say of apps: the first one asks those that are due. Nothing is done for it.
    pub async fn look_only(&self) -> Option<Reply> {
        let reply = self.request(LoopCommand::Look).await?;
        let apps = self.source.apps();
        if !apps.is_fetching() && !apps.is_newer(&reply.pass.source) {
            return Some(reply);
        }
        self.source.apps().idle().await;
        self.request(LoopCommand::Look).await
    }

    /// Forecasts another revision of the source. Its manifests are read here, so that the loop does not wait.
    /// `is_own`: who asks wrote it, and may write here; credentials of ours are used for repositories of apps.
    pub async fn preview(&self, snapshot: Snapshot, new_secrets: Vec<String>, is_own: bool) -> Option<Reply> {
        let context = match &self.last_pass().0.context {
            Some(context) => context.clone(),
            // No pass has ended yet.
            None => self.request(LoopCommand::Pass).await?.pass.context.clone()?,
        };
        let mut snapshot = snapshot;
        let mut loaded = manifest_loader::load_on_thread(self.turns.clone(), &snapshot, &context.site).await;
        if let Ok(manifests) = &loaded {
            let apps = manifests.apps.clone();
            let is_less = !is_own && self.source.apps().hide_from(&apps, &mut snapshot);
            let known = snapshot.assets.len();
            let failed = Box::pin(self.source.apps().look_for(&apps, &mut snapshot, is_own, self.now())).await;
            if is_less || snapshot.assets.len() > known {
                loaded = manifest_loader::load_on_thread(self.turns.clone(), &snapshot, &context.site).await;
            }
            if let Ok(manifests) = &mut loaded {
                not_looked_at(manifests, failed);
            }
        }
        let (snapshot, loaded) = (Box::new(snapshot), Box::new(loaded));
        self.request(LoopCommand::Preview { snapshot, loaded, new_secrets }).await
    }

    /// Reads a manifest that was good before, here as well; `None`: it could not be read in time.
    pub(crate) async fn read_again(&self, texts: (SourceFile, Assets), site: &Site) -> Option<Loaded> {
        manifest_loader::reload_on_thread(self.turns.clone(), texts, site).await
    }

    /// Runs a pass now, and waits until its result is the published one.
    pub async fn pass(&self) -> Option<Reply> {
        self.shown(LoopCommand::Pass).await
    }

    /// Sends a command, and waits until the result of its pass is the published one.
    pub async fn shown(&self, command: LoopCommand) -> Option<Reply> {
        let reply = self.request(command).await?;
        let mut shown = self.clone();
        while shown.last_pass().0.at < reply.pass.at && shown.changed().await {}
        Some(reply)
    }

    /// Fetches from the source's server without making the loop wait.
    pub async fn fetch(&self) {
        self.source.apps().ask_again();
        fetch(&self.source, &*self.clock, &self.meters).await;
    }

    /// Fetches, and accepts exactly this commit although it does not descend from the accepted one.
    ///
    /// # Errors
    /// The server has another one, or the source is a folder.
    pub async fn accept_rewrite(&self, commit: &str) -> Result<(), SourceError> {
        self.source.accept(commit, self.clock.now()).await
    }

    /// The counters of the loop.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Another revision of the source by its name, which does not become effective.
    ///
    /// # Errors
    /// The source has no such ref, or does not answer.
    pub async fn fetch_ref(&self, name: &str) -> Result<Snapshot, SourceError> {
        self.source.fetch_ref(name).await
    }

    /// Writes a change of one manifest to the source; the next pass reads it.
    ///
    /// # Errors
    /// The file has changed meanwhile, or the source cannot be written.
    pub async fn write(&self, edit: Edit) -> Result<(), SourceError> {
        self.source.write(edit, self.clock.now()).await
    }

    /// Why a file of the source, as shown, cannot be written; `None`: it can, as far as is known.
    pub async fn unwritable(&self, shown: &str) -> Option<SourceError> {
        self.source.unwritable(shown).await
    }

    /// Whether the loop goes on when what was asked is done: it is a daemon's.
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Whether manifests come from a repository.
    pub fn is_git(&self) -> bool {
        self.source.is_git()
    }

    /// The path, as shown, of a new manifest.
    pub fn path_of(&self, service: &str) -> String {
        self.source.path_of(service)
    }

    /// Whether manifests come from this ref: `refs/heads/main`.
    pub fn follows(&self, reference: &str) -> bool {
        self.source.follows(reference)
    }

    /// Asks for the repositories of apps of which a push is told, at the next pass or as soon as may be. `None`: there are none.
    pub fn pushed(&self, reference: &str, urls: &[&str]) -> Option<Timestamp> {
        self.source.apps().pushed(reference, urls, self.now())
    }

    /// The line that a forge takes as the deploy key of the repository of an app.
    ///
    /// # Errors
    /// It is not reached over ssh, or no key can be made; in words for people.
    pub async fn deploy_key(&self, source: &AppSource) -> Result<String, String> {
        self.source.apps().deploy_key(source).await
    }

    /// The source, as shown to people.
    pub fn source_name(&self) -> String {
        self.source.to_string()
    }

    /// The last result, and when the next pass is due.
    pub fn last_pass(&self) -> (Arc<PassView>, Timestamp) {
        self.pass.borrow().clone()
    }

    /// When the last pass ended, if that is too long ago: more than three intervals.
    pub fn stalled_since(&self) -> Option<Timestamp> {
        let (pass, _) = self.last_pass();
        let last = pass.at.max(self.started);
        let interval = if pass.interval.0 > 0 { pass.interval } else { self.interval };
        (self.now() - last > Millis(interval.0.saturating_mul(3).max(STALLED_LEAST.0))).then_some(last)
    }

    /// Waits until a pass has ended; `false` when the loop has ended.
    pub async fn changed(&mut self) -> bool {
        self.pass.changed().await.is_ok()
    }

    /// Subscribes to the progress of lanes.
    pub fn progress(&self) -> broadcast::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// The time of the loop's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The ledger, for reading.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// A caller that waits.
struct Waiter {
    reply: oneshot::Sender<Reply>,
    deadline: Timestamp,
    until: AwaitedState,
}

/// What a caller waits for.
enum AwaitedState {
    /// Everything is settled.
    Settled,
    /// The mark of an adopted resource is written, or cannot be.
    Marked,
    /// The actions on these resources have an outcome, and the resources are ready again.
    Acted(BTreeSet<Address>),
}

/// The loop's own state.
struct Daemon {
    engine: Engine,
    behaviour: Behaviour,
    waiters: Vec<Waiter>,
    confirmed_deletes: Option<usize>,
    only: Option<BTreeSet<String>>,
    acts: bool,
    last_pass_at: Timestamp,
    weariness: DutyCycle,
    /// When the pass for the latest event is due.
    due: Option<Timestamp>,
    /// The configuration has just changed: other providers are to be watched.
    is_renewed: bool,
}

/// Makes the handle and the loop. The loop runs until `shutdown`, then finishes the running step of each lane.
pub fn start(engine: Engine, behaviour: Behaviour) -> (Handle, impl Future<Output = ()>, Arc<Notify>) {
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let (pictures, pass) = watch::channel((engine.last_pass(), Timestamp::default()));
    let handle = Handle {
        commands,
        pass,
        progress: engine.progress.clone(),
        ledger: engine.ledger.clone(),
        source: engine.source.clone(),
        clock: engine.clock.clone(),
        meters: engine.meters.clone(),
        turns: Arc::new(Semaphore::new(manifest_loader::AT_ONCE)),
        started: engine.clock.now(),
        interval: engine.interval,
        goes_on: behaviour.watches,
        builds_dockerfiles: engine.builds.of_dockerfiles.clone(),
        keeper: None,
    };
    let shutdown = Arc::new(Notify::new());
    let daemon = Daemon {
        engine,
        behaviour,
        waiters: Vec::new(),
        confirmed_deletes: None,
        only: None,
        acts: behaviour.acts,
        last_pass_at: Timestamp::default(),
        weariness: DutyCycle::default(),
        due: None,
        is_renewed: false,
    };
    (handle, daemon.run(inbox, pictures, shutdown.clone()), shutdown)
}

impl Daemon {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Ask>,
        pictures: watch::Sender<(Arc<PassView>, Timestamp)>,
        shutdown: Arc<Notify>,
    ) {
        let wake = self.engine.wake.clone();
        let mut watchers = JoinSet::new();
        let mut watching =
            self.behaviour.watches.then(|| watch_folder(&self.engine.source, &self.engine.wake)).flatten();
        // Changes from here on are noticed; a folder that does not answer is watched once it does.
        let _watched = match watching.as_mut() {
            Some(watching) => tokio::time::timeout(WATCH_TIMEOUT, watching).await.ok(),
            None => None,
        };
        if self.behaviour.watches {
            watchers = self.watchers();
            self.pass().await;
        }
        loop {
            if std::mem::take(&mut self.is_renewed) && self.behaviour.watches {
                watchers.shutdown().await;
                watchers = self.watchers();
            }
            let next = self.next_wake();
            pictures.send_replace((self.engine.last_pass(), next));
            let now = self.engine.clock.now();
            let idle = !self.behaviour.watches && self.waiters.is_empty();
            let sleep = tokio::time::sleep((next - now).to_duration());
            tokio::select! {
                biased;
                () = shutdown.notified() => break,
                ask = inbox.recv() => match ask {
                    Some((command, reply)) => self.handle_command(command, reply).await,
                    None => break,
                },
                _ = self.engine.lane_done(), if self.engine.is_busy() => self.pass_soon(),
                () = wake.notified(), if !idle => self.pass_soon(),
                () = sleep, if !idle => self.pass().await,
                () = tokio::time::sleep(POLL.to_duration()), if self.behaviour.watches => {
                    if self.engine.source_moved().await {
                        self.pass().await;
                    }
                }
            }
        }
        self.engine.stop().await;
        self.engine.end_run().await;
        pictures.send_replace((self.engine.last_pass(), Timestamp::default()));
    }

    /// A burst of events is one pass.
    fn pass_soon(&mut self) {
        let due = self.weariness.pass_soon(self.engine.clock.now(), self.engine.lanes.len());
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// What wakes the loop: the events of every provider, and the source's server.
    fn watchers(&self) -> JoinSet<()> {
        let mut watchers = JoinSet::new();
        let wake = &self.engine.wake;
        for provider in self.engine.context.providers.values() {
            let (provider, wake) = (provider.clone(), wake.clone());
            watchers.spawn(async move {
                if let Some(events) = provider.capabilities().events {
                    events.watch(wake).await;
                }
            });
        }
        if let Some(interval) = self.engine.source.interval() {
            let (source, clock) = (self.engine.source.clone(), self.engine.clock.clone());
            watchers.spawn(follow(source, interval, (clock, self.engine.meters.clone()), wake.clone()));
        }
        watchers
    }

    /// Running steps finish with the configuration that they began with; later ones use the new one.
    async fn reconfigure(&mut self, settings: Option<Box<EngineSettings>>, trouble: Option<ConfigProblem>) {
        if let Some(settings) = settings {
            self.engine.stop().await;
            self.engine.reconfigure(*settings);
            self.is_renewed = true;
        }
        self.engine.config_trouble = trouble;
        self.pass().await;
    }

    async fn report_listener(&mut self, trouble: Option<ConfigProblem>) {
        self.engine.listener_trouble = trouble;
        self.pass().await;
    }

    async fn pass(&mut self) {
        let mode = if self.acts {
            RunMode::Act { confirmed_deletes: self.confirmed_deletes, only: self.only.clone() }
        } else if self.engine.is_adopting() || self.engine.has_pending_actions() {
            RunMode::RequestsOnly
        } else {
            RunMode::PlanOnly
        };
        let adopts = self.engine.is_adopting();
        self.due = None;
        self.engine.pass(mode).await;
        self.last_pass_at = self.engine.clock.now();
        self.weariness = self.weariness.after_pass(self.engine.pass.took, self.last_pass_at, self.engine.lanes.len());
        self.answer_waiters();
        if adopts && !self.engine.is_adopting() {
            // The plan held only the mark.
            self.pass_soon();
        }
    }

    fn answer_waiters(&mut self) {
        let (settled, now) = (self.engine.pass.at_rest, self.last_pass_at);
        let pass = self.engine.last_pass();
        let engine = &self.engine;
        let done = |waiter: &mut Waiter| {
            let is_done = match &waiter.until {
                AwaitedState::Settled => settled,
                AwaitedState::Marked => !engine.is_adopting(),
                AwaitedState::Acted(addresses) => engine.has_acted(addresses),
            };
            is_done || now >= waiter.deadline
        };
        for waiter in self.waiters.extract_if(.., done) {
            // The caller may have hung up; the work is done all the same.
            let _ = waiter.reply.send(Reply { pass: pass.clone(), settled, error: None });
        }
        if self.waiters.is_empty() {
            // What a person said of earlier creates stays true, whoever waits: it is said before the apply that uses it.
            let Requests { create_again, mut confirmed, .. } = std::mem::take(&mut self.engine.requests);
            // What a number meant goes to its end, also where no command waits for that.
            let is_going = |service: &String| pass.statuses().get(service).is_some_and(|row| !row.deleted);
            confirmed.retain(|name| self.behaviour.acts && !pass.services.contains_key(name) && is_going(name));
            self.engine.requests = Requests { create_again, confirmed, ..Requests::default() };
            self.acts = self.behaviour.acts;
            self.confirmed_deletes = None;
            self.only = None;
        }
    }

    fn next_wake(&self) -> Timestamp {
        let now = self.engine.clock.now();
        let mut wishes: Vec<Timestamp> = self.engine.pass.plan.next_look.into_iter().collect();
        wishes.extend(self.due);
        wishes.extend(self.waiters.iter().map(|waiter| waiter.deadline));
        let acts = self.acts || self.engine.is_adopting();
        let is_moving = self.engine.pass.plan.changes.iter().any(amarre_core::model::Change::is_now) && acts;
        if is_moving && !self.engine.is_busy() && self.engine.ledger_error.is_none() {
            wishes.push(now + Millis(50));
        }
        if self.acts {
            wishes.extend(self.engine.next_publish(now));
        }
        let interval = if self.waiters.is_empty() { self.engine.interval } else { Millis::seconds(1) };
        // A clock that was set back delays nothing.
        schedule::next_wake(self.last_pass_at.min(now), interval, &wishes, now)
    }

    async fn handle_command(&mut self, command: LoopCommand, reply: oneshot::Sender<Reply>) {
        let error = match command {
            LoopCommand::Pass => {
                self.engine.discard_readings();
                self.pass().await;
                return answer(reply, self.engine.last_pass(), None);
            }
            LoopCommand::Look => return self.answer_look(reply).await,
            LoopCommand::Preview { snapshot, loaded, new_secrets } => {
                self.engine.discard_readings();
                let pass = self.engine.preview((*snapshot, loaded.map(SharedManifests::from)), &new_secrets).await;
                return answer(reply, pass, None);
            }
            LoopCommand::Apply { confirmed_deletes, only, timeout } => {
                self.begin_to_act(confirmed_deletes, only).await;
                return self.wait_until(AwaitedState::Settled, timeout, reply).await;
            }
            LoopCommand::Mark { address, timeout } => {
                self.engine.start_adopting(address);
                return self.wait_until(AwaitedState::Marked, timeout, reply).await;
            }
            LoopCommand::Perform { requests, timeout } => {
                let addresses = requests.iter().map(|request| request.address.clone()).collect();
                match self.engine.ask_actions(requests) {
                    Ok(()) => return self.wait_until(AwaitedState::Acted(addresses), timeout, reply).await,
                    Err(why) => Some(why),
                }
            }
            LoopCommand::Reconfigure { settings, trouble } => {
                self.reconfigure(settings, trouble).await;
                None
            }
            LoopCommand::ReportListener { trouble } => {
                self.report_listener(trouble).await;
                None
            }
            LoopCommand::Suspend { service, suspension } => self.suspend(&service, &suspension).await,
            LoopCommand::RollBack { service, generations, suspension } => {
                self.roll_back(&service, &generations, &suspension).await
            }
            LoopCommand::Cancel { service, suspension } => {
                let error = self.suspend(&service, &suspension).await;
                self.engine.cancel_lane(&service);
                self.pass().await;
                error
            }
            LoopCommand::Retry { service, creates_again } => self.retry(&service, creates_again).await,
            LoopCommand::MoveBases { service, moved } => self.engine.move_bases(&service, &moved).await,
            LoopCommand::Adopt { address, row, by } => {
                let (run, now) = (self.engine.pass.run, self.engine.clock.now());
                let adopted = self.engine.ledger.adopt(&address, &row, run, &by, now).await;
                adopted.err().map(|error| self.engine.ledger.failure_text(&error))
            }
            LoopCommand::Record(event) => {
                let event = Event { run: self.engine.pass.run, ..*event };
                self.engine.ledger.record(&event).await.err().map(|error| self.engine.ledger.failure_text(&error))
            }
            LoopCommand::Release { address, service, vendor_id, by } => {
                let (run, now) = (self.engine.pass.run, self.engine.clock.now());
                let released = self.engine.ledger.release(&address, (&service, &vendor_id), run, &by, now).await;
                released.err().map(|error| self.engine.ledger.failure_text(&error))
            }
            LoopCommand::HoldPower { holds } => self.hold_power(holds).await,
            LoopCommand::ChangePool(change) => self.change_pool(*change).await,
            LoopCommand::Resume { service } => self.resume(&service).await,
        };
        answer(reply, self.engine.last_pass(), error);
        self.pass_soon();
    }

    async fn answer_look(&mut self, reply: oneshot::Sender<Reply>) {
        self.engine.discard_readings();
        let pass = Box::pin(self.engine.look_only()).await;
        answer(reply, pass, None);
    }

    async fn wait_until(&mut self, until: AwaitedState, timeout: Millis, reply: oneshot::Sender<Reply>) {
        self.waiters.push(Waiter { reply, deadline: self.engine.clock.now() + timeout, until });
        self.pass().await;
    }

    async fn hold_power(&mut self, holds: Vec<(Address, Option<Override>)>) -> Option<String> {
        let held = self.engine.hold_power(holds).await;
        self.pass().await;
        held.err().map(|error| self.engine.ledger.failure_text(&error))
    }

    async fn change_pool(&mut self, change: PoolChange) -> Option<String> {
        let error = self.engine.change_pool(change).await.err();
        self.pass().await;
        error
    }

    async fn resume(&mut self, service: &str) -> Option<String> {
        match self.engine.ledger.resume(service).await {
            Ok(true) => {
                self.pass().await;
                None
            }
            Ok(false) => Some(format!("{service} is not suspended")),
            Err(error) => Some(self.engine.ledger.failure_text(&error)),
        }
    }

    async fn retry(&mut self, service: &str, creates_again: bool) -> Option<String> {
        if creates_again {
            self.engine.create_again(service);
        }
        self.engine.retry(service).await.err().map(|error| self.engine.ledger.failure_text(&error))
    }

    /// From the next pass on the loop applies a request: everything, or what concerns these services.
    async fn begin_to_act(&mut self, confirmed_deletes: Option<usize>, only: Option<BTreeSet<String>>) {
        if only.is_none() {
            self.grant_consent().await;
        }
        match &only {
            None => self.engine.retry_now(),
            // What failed of other services is not tried again for that. Of these, fields that flap are corrected as well.
            Some(asked) => asked.iter().for_each(|service| self.engine.reset_service(service)),
        }
        // A daemon that acts by itself goes on for all.
        self.only = only.filter(|_| !self.behaviour.acts);
        self.acts = true;
        self.confirmed_deletes = confirmed_deletes;
    }

    /// From now on the loop may act by itself, also after a restart.
    async fn grant_consent(&mut self) {
        if let Err(error) = self.engine.ledger.set_meta("consent", "given").await {
            self.engine.ledger_failed(&error);
        } else if self.behaviour.watches {
            self.behaviour.acts = true;
        }
    }

    async fn suspend(&mut self, service: &str, suspension: &Suspension) -> Option<String> {
        if self.engine.pass.context.is_none() {
            self.pass().await;
        }
        let pass = self.engine.last_pass();
        if !pass.knows(service) {
            return Some(format!("there is no service {service}"));
        }
        // What waits for its lane is not to happen to a service that is left alone.
        self.engine.actions.cancel(service);
        self.engine.ledger.suspend(service, suspension).await.err().map(|error| self.engine.ledger.failure_text(&error))
    }

    async fn roll_back(&mut self, service: &str, generations: &str, suspension: &Suspension) -> Option<String> {
        let ledger = &self.engine.ledger;
        let stored = match ledger.manifests().await {
            Ok(manifests) => manifests.get(service).cloned(),
            Err(error) => return Some(self.engine.ledger.failure_text(&error)),
        };
        let Some(from) = stored else { return Some(format!("there is no manifest of {service}")) };
        if let Err(error) = ledger.roll_back(service, generations, &from, suspension).await {
            return Some(self.engine.ledger.failure_text(&error));
        }
        self.engine.cancel_lane(service);
        None
    }
}

/// The caller may have hung up; the request is carried out all the same.
fn answer(reply: oneshot::Sender<Reply>, pass: Arc<PassView>, error: Option<String>) {
    let _ = reply.send(Reply { settled: pass.at_rest, pass, error });
}
