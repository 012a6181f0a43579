//! The part of the OVHcloud API v1 that serves Public Cloud: projects, their servers, and what these are made of.
//!
//! Written from the vendor's published schema, from the tests of its command line and from Apache libcloud; nothing of it
//! was checked with an account. Where nobody reports what an answer looks like, the comment says that it is a guess: a client
//! must not depend on it.
//!
//! | what | how it is seen |
//! |---|---|
//! | projects, servers, operations, flavours, images, regions, keys, snapshots, quotas | read at any time |
//! | start, stop, reboot, shelve, unshelve, resize, reinstall, snapshot, delete | answered at once; what it does is seen later ([`CloudPace`]), by the clock of [`CloudClock`] |
//! | creating | a server in BUILD with its id; by the regional route an operation without it ([`OperationForm`]) |
//! | names, keys, monthly billing | changed with the answer |
//!
//! The APIs v1 and regional are simulated, v2 is not; nor are networks, volumes, groups, backups, rescue and the metrics of a server.

mod fleet;
mod state;
mod catalogue;
mod verbs;
mod operations;
mod rights;
mod routes;
mod create;
mod change;
mod keys;
mod snapshots;
mod quota;
mod shapes;
mod switches;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;

use crate::journal::Call;
use crate::{Server, keep, ovh_api, serve};
use operations::Operation;
use state::{Instance, State};

pub use fleet::{
    CI_PROJECT, CloudClock, CloudImage, CloudInstance, CloudPace, CloudProject, OvhCloudOptions, WEB_PROJECT,
};
pub use operations::OperationForm;
pub use quota::CloudQuota;
pub use rights::{MANAGING_ACTIONS, MANAGING_RULES, POWER_ACTIONS, POWER_RULES, READING_RULES};
pub use state::{CloudCreationFailure, CloudListLack, NoCapacity, RegionCondition};
pub use verbs::{CloudVerb, NoStock};

/// Calls by POST that change nothing.
const READS: [&str; 2] = ["/auth/oauth2/token", "/vnc"];

/// A running Public Cloud. Dropping it stops it.
#[derive(Debug)]
pub struct OvhCloud {
    /// The API: address, journal, faults.
    pub server: Server,
    inner: Arc<Inner>,
}

/// What the routes and [`OvhCloud`] share.
#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
}

/// Everything that an account holds, for [`OvhCloud::rewind`].
#[derive(Debug, Clone)]
pub struct CloudSnapshot(State);

/// A server as it is, whatever the API may show of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    /// Its uuid.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The project that it is in.
    pub project: String,
    /// Its region.
    pub region: String,
    /// Name of its flavour.
    pub flavor: String,
    /// What the API shows now.
    pub status: String,
    /// What it will show once all that was asked is done; the same as `status` when nothing goes on.
    pub becomes: String,
    /// What it was installed from.
    pub image: CloudImage,
    /// Name of the SSH key that it was made with, whether or not the project still has it.
    pub key: Option<String>,
    /// What its creation handed over for cloud-init, as it was written; no answer shows it.
    pub user_data: Option<String>,
    /// Whether it is billed by the month.
    pub is_monthly: bool,
    /// When it was created: `2026-10-05T12:00:00Z`.
    pub created: String,
}

impl OvhCloud {
    /// Starts the API.
    ///
    /// # Errors
    /// The port is taken, a server has a flavour or a region that is not there, or what was kept cannot be read.
    pub async fn start(options: OvhCloudOptions) -> std::io::Result<Self> {
        let (port, kept_at) = (options.port, options.kept_at.clone());
        let mut state = State::new(options).map_err(std::io::Error::other)?;
        if let Some(kept) = kept_at.as_deref().map(keep::read).transpose()?.flatten() {
            state.take_over(kept);
        }
        let inner = Arc::new(Inner { state: Mutex::new(state) });
        let app = Router::new().fallback(routes::handle).with_state(Arc::clone(&inner));
        let app = keep::kept(app, kept_at, {
            let inner = Arc::clone(&inner);
            move || inner.lock().to_keep()
        });
        Ok(Self { server: serve(app, port).await?, inner })
    }

    /// What a client is configured with: `http://127.0.0.1:PORT/1.0`.
    pub fn endpoint(&self) -> String {
        format!("{}/1.0", self.server.url())
    }

    /// Where the service account `client-id`, whose secret is `client-secret`, gets its tokens.
    pub fn token_url(&self) -> String {
        format!("{}/auth/oauth2/token", self.server.url())
    }

    /// Everything as it is now.
    pub fn snapshot(&self) -> CloudSnapshot {
        CloudSnapshot(self.inner.lock().clone())
    }

    /// Everything as it was then.
    pub fn rewind(&self, to: &CloudSnapshot) {
        *self.inner.lock() = to.0.clone();
    }

    /// All servers, by project and id; those of accepted creations, too, that the API does not show yet.
    pub fn instances(&self) -> Vec<ServerState> {
        let state = self.inner.lock();
        let all = state.projects.values();
        all.flat_map(|project| project.instances.values().map(|it| ServerState::new(&project.id, it))).collect()
    }

    /// One server; `None` when it is gone.
    pub fn instance(&self, id: &str) -> Option<ServerState> {
        self.instances().into_iter().find(|instance| instance.id == id)
    }

    /// The id of the server of this name in this region; `""` when there is none.
    pub fn id_of(&self, region: &str, name: &str) -> String {
        let all = self.instances().into_iter();
        all.filter(|it| it.region == region && it.name == name).map(|it| it.id).next().unwrap_or_default()
    }

    /// A person starts or stops a server elsewhere, or it breaks: it has this status at once, and nothing else goes on
    /// with it. Any word is taken. False when there is no such server.
    pub fn set_status(&self, id: &str, status: &str) -> bool {
        self.by_hand(id, |instance| {
            status.clone_into(&mut instance.status);
            instance.work = None;
        })
    }

    /// A person renames a server. False when there is no such server.
    pub fn rename(&self, id: &str, name: &str) -> bool {
        self.by_hand(id, |instance| name.clone_into(&mut instance.name))
    }

    /// A person deletes a server. False when there is none.
    pub fn remove(&self, id: &str) -> bool {
        let mut state = self.inner.lock();
        state.projects.values_mut().any(|project| project.instances.remove(id).is_some())
    }

    /// A person creates a server. Answers its id.
    ///
    /// # Errors
    /// There is no such project, or no such flavour or region in it.
    pub fn add(&self, project: &str, instance: CloudInstance) -> Result<String, String> {
        self.inner.lock().add(project, instance)
    }

    /// An operation on a server, as reinstalling one leaves it; one that is `created` or `in-progress` stands in the server's
    /// `operationIds`. Answers its id; `""` when there is no such server. Verbs of power leave none (a guess).
    pub fn add_operation(&self, instance: &str, action: &str, status: &str) -> String {
        let mut state = self.inner.lock();
        let now = state.now();
        let holds = |project: &&mut state::Project| project.instances.contains_key(instance);
        let Some(project) = state.projects.values_mut().find(holds) else {
            return String::new();
        };
        let region = project.instances.get(instance).map(|it| it.region.clone()).unwrap_or_default();
        let id = catalogue::uuid(&format!("operation/{}/{}", project.id, project.operations.len()));
        project.operations.push(Operation::fixed(id.clone(), action, status, &region, now).about(instance));
        id
    }

    /// Moves the servers' clock ahead. The clock of signatures and tokens is another one.
    pub fn advance(&self, seconds: i64) {
        let mut state = self.inner.lock();
        state.advance(seconds);
        state.settle();
    }

    /// Moves the servers' clock ahead until nothing goes on any more, and all of it is shown.
    pub fn finish(&self) {
        let mut state = self.inner.lock();
        if let Some(end) = state.last_end() {
            let seconds = end - state.now();
            state.advance(seconds.max(0));
            state.settle();
        }
    }

    /// How long the verbs take that are called from now on.
    pub fn pace(&self, pace: CloudPace) {
        self.inner.lock().pace = pace;
    }

    /// `ok`, `creating`, `suspended`, `deleting` or `deleted`. False when there is no such project.
    pub fn set_project_status(&self, project: &str, status: &str) -> bool {
        let mut state = self.inner.lock();
        let found = state.projects.get_mut(project);
        found.map(|project| status.clone_into(&mut project.status)).is_some()
    }

    /// How a region is from now on, in all projects.
    pub fn set_region(&self, region: &str, condition: RegionCondition) {
        self.inner.lock().regions.insert(region.to_owned(), condition);
    }

    /// No more of this flavour is in the region: the catalogue says so, and this becomes of an unshelve. A creation ends in ERROR
    /// or is refused, alike. `None`: there is again.
    pub fn no_stock(&self, region: &str, flavor: &str, outcome: Option<NoStock>) {
        let mut state = self.inner.lock();
        let key = (region.to_owned(), flavor.to_owned());
        match outcome {
            Some(outcome) => drop(state.no_stock.insert(key, outcome)),
            None => drop(state.no_stock.remove(&key)),
        }
    }

    /// The vendor takes an image out of the catalogue: servers made from it show `"image": null`.
    pub fn withdraw_image(&self, name: &str) {
        self.inner.lock().withdrawn_images.push(name.to_owned());
    }

    /// A person deletes an SSH key: servers made with it show `"sshKey": null`.
    pub fn remove_key(&self, project: &str, name: &str) {
        if let Some(project) = self.inner.lock().projects.get_mut(project) {
            project.keys.retain(|key| key.name != name);
        }
    }

    /// Whether the catalogue counts memory in MB: both are seen. The detail of a server counts in GiB. On at first.
    pub fn catalogue_ram_in_mb(&self, on: bool) {
        self.inner.lock().ram_in_mb = on;
    }

    /// Takes a right away, of the key and of the service account: calls of `method` whose path (without `/1.0`) starts with
    /// `path_prefix` are answered 403.
    pub fn deny(&self, method: &str, path_prefix: &str) {
        let denial = (method.to_owned(), path_prefix.to_owned());
        self.inner.lock().access.denied.push(denial);
    }

    /// Limits the consumer key to these (method, path) rules, `*` standing for anything, and shows them
    /// in `/auth/currentCredential`. Undoes every [`OvhCloud::deny`].
    pub fn grant_only(&self, rules: &[(&str, &str)]) {
        let mut state = self.inner.lock();
        state.access.denied.clear();
        state.access.granted = ovh_api::rules(rules);
    }

    /// Limits the service account to these rights. Undoes every [`OvhCloud::deny`].
    pub fn grant_actions(&self, actions: &[&str]) {
        let mut state = self.inner.lock();
        state.access.denied.clear();
        state.access.actions = actions.iter().map(|&action| action.to_owned()).collect();
    }

    /// Takes the consumer key back, or gives it again: every signed call is answered 403 `INVALID_CREDENTIAL` meanwhile.
    pub fn withdraw_key(&self, is_withdrawn: bool) {
        self.inner.lock().access.is_withdrawn = is_withdrawn;
    }

    /// When the consumer key ends, as `/auth/currentCredential` shows it; the call is not refused after it.
    pub fn expires(&self, at: &str) {
        self.inner.lock().access.expiration = Some(at.to_owned());
    }

    /// How long a token lives from now on; the vendor's live 3599 seconds.
    pub fn token_seconds(&self, seconds: i64) {
        self.inner.lock().access.tokens.seconds = seconds;
    }

    /// Tokens given out so far are refused with 401.
    pub fn withdraw_tokens(&self) {
        self.inner.lock().access.tokens.withdraw();
    }

    /// Sets the API's clock this many seconds ahead of (or behind) the real one.
    pub fn clock_skew(&self, seconds: i64) {
        self.inner.lock().access.skew = seconds;
    }

    /// Calls that may have changed something, answered or not; asking for a token or a console is none.
    pub fn writes(&self) -> Vec<Call> {
        let mut calls = self.server.journal.writes();
        calls.retain(|call| !READS.iter().any(|read| call.path.ends_with(read)));
        calls
    }

    /// The verbs that were accepted, with the ids of their servers, keys or snapshots, in this order; whoever saw the answer.
    pub fn effects(&self) -> Vec<(String, CloudVerb)> {
        self.inner.lock().effects.clone()
    }

    /// Whether lists name no plans of servers, as old answers do.
    pub fn hides_plans(&self, on: bool) {
        self.inner.lock().hides_plans = on;
    }

    /// The vendor takes a flavour out of the catalogue, by its name. Servers of it stay.
    pub fn withdraw_flavor(&self, name: &str) {
        self.inner.lock().withdrawn_flavors.push(name.to_owned());
    }

    /// The servers whose local disks (NVMe of their host) a shelve has destroyed, in this order.
    pub fn nvme_lost(&self) -> Vec<String> {
        self.inner.lock().lost_disks.clone()
    }

    fn by_hand(&self, id: &str, change: impl FnOnce(&mut Instance)) -> bool {
        self.inner.lock().instance_mut(id).map(change).is_some()
    }
}

impl ServerState {
    fn new(project: &str, instance: &Instance) -> Self {
        let becomes = instance.work.as_ref().map_or(instance.status.as_str(), |work| work.ends_in());
        Self {
            id: instance.id.clone(),
            name: instance.name.clone(),
            project: project.to_owned(),
            region: instance.region.clone(),
            flavor: instance.flavor.clone(),
            status: instance.status.clone(),
            becomes: becomes.to_owned(),
            image: instance.image.clone(),
            key: instance.key.clone(),
            user_data: instance.user_data.clone(),
            is_monthly: instance.is_monthly,
            created: instance.created.clone(),
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
