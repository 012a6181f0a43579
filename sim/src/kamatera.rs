//! Kamatera's cloud servers, at both of the vendor's doors: the proxy of its command line at the root, the console below
//! `/console`.
//!
//! Written from the proxy's source, from the tests and clients of the vendor and of others, and from Apache libcloud; nothing of
//! it was checked with an account. Where nobody reports what an answer looks like, the comment says that it is a guess: a
//! client must not depend on it.
//!
//! | kept apart | why |
//! |---|---|
//! | a command and what it does | the answer to a change is a command of the queue, that is `pending`, in progress, then `complete` or `error` ([`KamateraPace`]) |
//! | what there is and what is shown | the list and the detail are behind the queue by [`KamateraPace::lag_s`] |
//! | the wanted name and the real one | a name that is taken gets a suffix, which only the log of the command tells |
//!
//! Images, keys, scripts and passwords have no effect. Networks, SSH keys, reports, statistics, hard disk libraries and suspending
//! are not simulated.

mod fleet;
mod state;
mod queue;
mod catalogue;
mod login;
mod answers;
mod ask;
mod cloudcli;
mod console;
mod create;
mod change;
mod shapes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::Response;

use crate::journal::Call;
use crate::{Server, keep, serve};
use ask::Ask;
use state::{Disaster, Machine, State};

pub use fleet::{KamateraBilling, KamateraClock, KamateraOptions, KamateraPace, KamateraServer};
pub use queue::KamateraVerb;
pub use state::{CommandIds, CreationFailure, ListLack, NameSuffix};

/// Calls by POST that change nothing, whatever they hold.
const READS: [&str; 3] = ["/service/server/info", "/server/history", "/service/authenticate"];

/// A running account at Kamatera. Dropping it stops it.
#[derive(Debug)]
pub struct Kamatera {
    /// Both doors: address, journal, faults.
    pub server: Server,
    inner: Arc<Inner>,
}

/// What the routes and [`Kamatera`] share.
#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
}

/// Everything that an account holds, for [`Kamatera::rewind`].
#[derive(Debug, Clone)]
pub struct KamateraSnapshot(State);

/// A server as it is, whatever the API may show of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KamateraInstance {
    /// Its id, for life.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The datacenter that it is in.
    pub datacenter: String,
    /// Count and type of its CPUs: `2B`.
    pub cpu: String,
    /// In MiB.
    pub ram_mib: u32,
    /// In GB, the boot disk first.
    pub disks_gb: Vec<u32>,
    /// Names of its networks.
    pub networks: Vec<String>,
    /// Description of the image that it was made from; no answer shows it.
    pub image: String,
    /// What its first boot was handed; no answer shows it.
    pub user_data: String,
    /// Whether it runs.
    pub is_on: bool,
    /// How it is paid for.
    pub billing: KamateraBilling,
    /// Whether the vendor copies it each day.
    pub has_backup: bool,
    /// Whether the vendor looks after it.
    pub is_managed: bool,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// Its description.
    pub description: String,
    /// Names of its snapshots, the oldest first.
    pub snapshots: Vec<String>,
    /// Whether a command is under way with it.
    pub is_busy: bool,
}

/// A command as the queue has it, with the server that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KamateraCommand {
    /// Its number.
    pub id: u64,
    /// The server's id, which the queue does not show; of a creation the one that the server will have.
    pub instance: String,
    /// The server's name when it was asked; of a creation the wanted one.
    pub server: String,
    /// `Create Server`
    pub description: String,
    /// The word that is shown now.
    pub status: String,
    /// What it did until now.
    pub log: String,
}

impl Kamatera {
    /// Starts both doors on one listener.
    ///
    /// # Errors
    /// The port is taken, a server has a size, an image or a datacenter that is not there, or what was kept cannot be read.
    pub async fn start(options: KamateraOptions) -> std::io::Result<Self> {
        let (port, kept_at) = (options.port, options.kept_at.clone());
        let mut state = State::new(options).map_err(std::io::Error::other)?;
        if let Some(kept) = kept_at.as_deref().map(keep::read).transpose()?.flatten() {
            state.take_over(kept);
        }
        let inner = Arc::new(Inner { state: Mutex::new(state) });
        let app = Router::new().fallback(handle).with_state(Arc::clone(&inner));
        let app = keep::kept(app, kept_at, {
            let inner = Arc::clone(&inner);
            move || inner.lock().to_keep()
        });
        Ok(Self { server: serve(app, port).await?, inner })
    }

    /// The proxy of the command line, without a trailing slash; it stands for `https://cloudcli.cloudwm.com`.
    pub fn endpoint(&self) -> String {
        self.server.url()
    }

    /// The console, which stands for `https://console.kamatera.com`. The price list is at `/info/calculator.js.php` of both.
    pub fn console_url(&self) -> String {
        format!("{}/console", self.server.url())
    }

    /// Everything as it is now.
    pub fn snapshot(&self) -> KamateraSnapshot {
        KamateraSnapshot(self.inner.lock().clone())
    }

    /// Everything as it was then.
    pub fn rewind(&self, to: &KamateraSnapshot) {
        *self.inner.lock() = to.0.clone();
    }

    /// All servers that there are, by id.
    pub fn instances(&self) -> Vec<KamateraInstance> {
        let state = self.inner.lock();
        state.truth.values().map(|machine| KamateraInstance::new(machine, state.idle(&machine.id).is_err())).collect()
    }

    /// One server; `None` when there is none.
    pub fn instance(&self, id: &str) -> Option<KamateraInstance> {
        self.instances().into_iter().find(|instance| instance.id == id)
    }

    /// The id of the first server of this name; `""` when there is none.
    pub fn id_of(&self, name: &str) -> String {
        let all = self.instances().into_iter();
        all.filter(|instance| instance.name == name).map(|instance| instance.id).next().unwrap_or_default()
    }

    /// The whole queue, the oldest first.
    pub fn commands(&self) -> Vec<KamateraCommand> {
        let state = self.inner.lock();
        let now = state.now();
        let shown = |command: &queue::Command| KamateraCommand {
            id: command.id,
            instance: command.machine.clone(),
            server: command.server.clone(),
            description: command.description.clone(),
            status: command.status(now, state.working_word()).to_owned(),
            log: command.log(now),
        };
        state.queue.iter().map(shown).collect()
    }

    /// The changes that were accepted, with the ids of their servers, in this order; whoever saw the answer.
    pub fn effects(&self) -> Vec<(String, KamateraVerb)> {
        self.inner.lock().accepted.clone()
    }

    /// Id and real name of each server that was created or cloned through the API and came to be, in this order.
    pub fn created(&self) -> Vec<(String, String)> {
        self.inner.lock().created.clone()
    }

    /// Id and last name of each server that was terminated through the API and is gone, in this order.
    pub fn terminated(&self) -> Vec<(String, String)> {
        self.inner.lock().terminated.clone()
    }

    /// Calls that may have changed something, answered or not. Tags, descriptions, disks and snapshots are read by POST, too.
    pub fn writes(&self) -> Vec<Call> {
        let mut calls = self.server.journal.writes();
        calls.retain(|call| !READS.iter().any(|read| call.path.ends_with(read)));
        calls
    }

    /// Moves the vendor's clock ahead.
    pub fn advance(&self, seconds: i64) {
        let mut state = self.inner.lock();
        state.advance(seconds);
        state.settle();
    }

    /// Moves the vendor's clock ahead until all that was asked is done and shown.
    pub fn finish(&self) {
        let mut state = self.inner.lock();
        if let Some(end) = state.last_end() {
            let seconds = end - state.now();
            state.advance(seconds.max(0));
            state.settle();
        }
    }

    /// How long the commands take that are accepted from now on.
    pub fn pace(&self, pace: KamateraPace) {
        self.inner.lock().pace = pace;
    }

    /// A person starts or stops a server elsewhere, at once. False when there is no such server.
    pub fn set_power(&self, id: &str, is_on: bool) -> bool {
        self.inner.lock().by_hand(id, |machine| machine.is_on = is_on)
    }

    /// A person renames a server. False when there is no such server.
    pub fn rename(&self, id: &str, name: &str) -> bool {
        self.inner.lock().by_hand(id, |machine| name.clone_into(&mut machine.name))
    }

    /// A person gives a server these tags and no others. False when there is no such server.
    pub fn set_tags(&self, id: &str, tags: &[&str]) -> bool {
        self.inner.lock().by_hand(id, |machine| machine.tags = tags.iter().map(|&tag| tag.to_owned()).collect())
    }

    /// A person describes a server. False when there is no such server.
    pub fn set_description(&self, id: &str, description: &str) -> bool {
        self.inner.lock().by_hand(id, |machine| description.clone_into(&mut machine.description))
    }

    /// A server has this public address from now on. False when there is no such server.
    pub fn set_address(&self, id: &str, ip: &str) -> bool {
        self.inner.lock().by_hand(id, |machine| {
            machine.networks.iter_mut().take(1).for_each(|(_, address)| ip.clone_into(address));
        })
    }

    /// A person terminates a server: it is gone at once. False when there is none.
    pub fn remove(&self, id: &str) -> bool {
        let mut state = self.inner.lock();
        state.shown.remove(id);
        state.truth.remove(id).is_some()
    }

    /// A person creates a server: it is there at once, and shown. Answers its id.
    ///
    /// # Errors
    /// There is no such size, image or datacenter, or the id is taken.
    pub fn add(&self, server: KamateraServer) -> Result<String, String> {
        self.inner.lock().add(server)
    }

    /// Whether the list of servers fails: the proxy answers 200 with `{"errors":[…]}` then, the console 500.
    pub fn list_fails(&self, on: bool) {
        self.inner.lock().switches.list_fails = on;
    }

    /// What the list of servers leaves out from now on, at both doors; `None`: nothing. Each server still answers by its id.
    pub fn list_lacks(&self, lack: Option<ListLack>) {
        self.inner.lock().switches.list_lacks = lack;
    }

    /// The next so many calls of `/service/server/info` answer 500, as they do now and then on a healthy account.
    pub fn info_fails(&self, times: u32) {
        self.inner.lock().switches.info_failures = times;
    }

    /// Whether prices are `""`: the call by which the proxy asks for them fails.
    pub fn prices_missing(&self, on: bool) {
        self.inner.lock().switches.has_no_prices = on;
    }

    /// Why creations fail from now on; `None`: they do not.
    pub fn creations_fail(&self, failure: Option<CreationFailure>) {
        self.inner.lock().switches.creations_fail = failure;
    }

    /// The next command that is accepted ends in `error`, its log in this text.
    pub fn fail_next(&self, log: &str) {
        self.inner.lock().switches.disasters.push(Disaster::Fails(log.to_owned()));
    }

    /// The next command that is accepted is `complete` in its time, and nothing was done.
    pub fn ignore_next(&self) {
        self.inner.lock().switches.disasters.push(Disaster::DoesNothing);
    }

    /// What is appended to a name that is taken.
    pub fn suffix(&self, suffix: NameSuffix) {
        self.inner.lock().switches.suffix = suffix;
    }

    /// How answers of the proxy name the commands that began.
    pub fn command_ids(&self, form: CommandIds) {
        self.inner.lock().switches.command_ids = form;
    }

    /// The word of a command in progress: `progress` at first; `executing`, `initializing` and `started` are seen, too.
    pub fn working_word(&self, word: &str) {
        self.inner.lock().switches.working_word = Some(word.to_owned());
    }

    /// The queue forgets what is over: its ids are unknown from now on.
    pub fn forget_commands(&self) {
        let mut state = self.inner.lock();
        let now = state.now();
        state.queue.retain(|command| command.shows_at > now);
    }

    /// The vendor takes an image out of the catalogue, by its name. Servers made from it stay.
    pub fn withdraw_image(&self, name: &str) {
        self.inner.lock().switches.withdrawn_images.push(name.to_owned());
    }

    /// Deletes the account's key, or makes it valid again: every call is answered 401 meanwhile.
    pub fn withdraw_key(&self, is_withdrawn: bool) {
        self.inner.lock().login.is_withdrawn = is_withdrawn;
    }
}

impl KamateraInstance {
    fn new(machine: &Machine, is_busy: bool) -> Self {
        Self {
            id: machine.id.clone(),
            name: machine.name.clone(),
            datacenter: machine.datacenter.clone(),
            cpu: machine.cpu.clone(),
            ram_mib: machine.ram_mib,
            disks_gb: machine.disks_gb.clone(),
            networks: machine.networks.iter().map(|(name, _)| name.clone()).collect(),
            image: machine.image.clone(),
            user_data: machine.user_data.clone(),
            is_on: machine.is_on,
            billing: machine.billing,
            has_backup: machine.has_backup,
            is_managed: machine.is_managed,
            tags: machine.tags.iter().cloned().collect(),
            description: machine.description.clone(),
            snapshots: machine.snapshots.iter().map(|snapshot| snapshot.name.clone()).collect(),
            is_busy,
        }
    }
}

impl Inner {
    /// The state with everything in it that is due by now.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle();
        state
    }
}

/// HTTP in, the right door, HTTP out.
async fn handle(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response<Body> {
    let ask = Ask::read(request).await;
    let names: Vec<&str> = ask.names.iter().map(String::as_str).collect();
    let mut state = inner.lock();
    match names.as_slice() {
        ["info", "calculator.js.php"] | ["console", "info", "calculator.js.php"] => {
            answers::script(catalogue::calculator())
        }
        ["console", names @ ..] => console::answer(&mut state, names, &ask).response(),
        names => cloudcli::answer(&mut state, names, &ask).response(),
    }
}
