//! The instances of one login at OVH Public Cloud: all projects, all regions. Reads one list a project; a region is asked only
//! about an instance with an action of ours under way.
//!
//! | what OVH says | what is observed |
//! |---|---|
//! | a project is suspended, may not be read, or its list fails | a gap of the project; its instances are as last read, for people to see |
//! | an instance is in no list, and every list was read | it is gone |
//! | a status that passes | the instance without a power: nobody acts on it |

mod actions;
mod api;
mod clone;
mod examine;
mod made;
mod memory;
mod offers;
mod resize;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::future::join_all;

use super::exchanges::Exchanges;
use super::offers::OfferMemory;
use super::ovh::api::{OvhApi, OvhError};
use super::servers::{self, MadeServers};
use super::{Capabilities, Class, Observation, ObserveQuery, Outcome, Provider, ProviderError, ReadPrices, Supplies};
use crate::secret::OvhLogin;
use amarre_core::model::instance::not_shelved;
use amarre_core::model::savings::{vendor_amount, vendor_currency};
use amarre_core::model::{
    Address, Change, Code, Fields, Gap, GapScope, Kind, KindSchema, Owner, ProviderId, Readiness, Seen, Text,
    Timestamp, Value,
};
use amarre_core::resources::Objection;
use amarre_core::resources::cloud::{self, INSTANCE, SERVER, power};
use amarre_core::text;

pub use super::ovh::Pace;
use api::{CloudApi, Projects, failed};
use memory::{IdAnswer, Memory, Prices};
use wire::{PowerStatus, WireFlavor, WireInstance, WireProject, WireSize, power_status};

/// The kinds of the provider.
static KINDS: [KindSchema; 2] = [INSTANCE, SERVER];

/// How a login is reached.
#[derive(Debug, Clone)]
pub struct OvhCloudConfig {
    /// Its name in addresses.
    pub id: ProviderId,
    /// `ovh-eu`, `ovh-ca`, …, or a URL.
    pub endpoint: String,
    pub login: OvhLogin,
    /// The projects, by id or by what people call them; empty: all that the login sees.
    pub projects: BTreeSet<String>,
    /// How fast it is asked.
    pub pace: Pace,
}

/// One login at OVH Public Cloud.
#[derive(Debug)]
pub struct OvhCloudProvider {
    id: ProviderId,
    endpoint: String,
    chosen: BTreeSet<String>,
    api: CloudApi,
    memory: Mutex<Memory>,
    exchanges: Exchanges,
    offers: OfferMemory,
}

impl OvhCloudProvider {
    /// A provider; makes no call yet.
    ///
    /// # Errors
    /// The endpoint is not one.
    pub fn new(config: OvhCloudConfig) -> Result<Self, String> {
        let OvhCloudConfig { id, endpoint, login, projects, pace } = config;
        let api = CloudApi { api: OvhApi::new(&endpoint, login, pace)? };
        let (memory, exchanges, offers) = (Mutex::default(), Exchanges::default(), OfferMemory::default());
        Ok(Self { id, endpoint, chosen: projects, api, memory, exchanges, offers })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self, id: &str) -> Address {
        Address::new(self.id.clone(), Kind::Instance, id)
    }

    /// The chosen projects, read once an hour, and those that cannot be read.
    async fn projects(&self, now: Timestamp) -> Result<(Projects, Vec<(String, ProviderError)>), OvhError> {
        if let Some(known) = self.memory().projects(now) {
            return Ok((known, Vec::new()));
        }
        let ids = self.api.projects().await?;
        let read = join_all(ids.iter().map(|id| async move { (id, self.api.project(id).await) })).await;
        let before = self.memory().known_projects();
        let (mut projects, mut unread) = (Projects::new(), Vec::new());
        for (id, project) in read {
            let is_chosen =
                |name: &str| self.chosen.is_empty() || self.chosen.contains(id) || self.chosen.contains(name);
            match project {
                Ok(project) if is_chosen(project.description.as_deref().unwrap_or_default()) => {
                    projects.insert(id.clone(), project);
                }
                Ok(_) => (),
                // Of one that was not read its name is not known: it may be a chosen one only where it was before.
                Err(trouble) if is_chosen("") || before.contains_key(id) => {
                    projects.insert(id.clone(), before.get(id).cloned().unwrap_or_else(WireProject::unread));
                    unread.push((id.clone(), failed(trouble, &text!("could not read project {id}", id), false)));
                }
                Err(_) => (),
            }
        }
        let is_there = |name: &&String| {
            let called = |project: &WireProject| project.description.as_ref() == Some(*name);
            projects.contains_key(*name) || projects.values().any(called)
        };
        for name in self.chosen.iter().filter(|name| !is_there(name)) {
            let message = format!("the login sees no project `{name}`, which `projects` names");
            let error = ProviderError::new(Class::Rejected, Code::A0732, message);
            unread.push((
                name.clone(),
                error.hint(text!("`amarre doctor` lists those that it sees; correct the name, or give the right")),
            ));
        }
        self.memory().keep_projects(projects.clone(), now);
        if !unread.is_empty() {
            self.memory().doubt_projects();
        }
        Ok((projects, unread))
    }

    /// Reads the list of a project, unless one was read a moment ago that will do. Answers why not.
    async fn read_project(&self, id: &str, reuse: bool, now: Timestamp) -> Result<(), ProviderError> {
        let known = self.memory().last_reading(id).filter(|_| reuse);
        if let Some(known) = known {
            return known;
        }
        let listed = self.api.instances(id).await;
        let name = self.project_name(id);
        let listed = listed.map_err(|trouble| {
            if !matches!(trouble, OvhError::NotSent(_) | OvhError::Unknown(_)) {
                // The project may be gone, or be seen no more.
                self.memory().doubt_projects();
            }
            failed(trouble, &text!("could not list the instances of project {name}", name), false)
        });
        match listed {
            Ok(listed) => self.memory().keep_list(id, listed, now),
            Err(error) => {
                self.memory().keep_unread(id, error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// What people call a project.
    fn project_name(&self, id: &str) -> String {
        let projects = self.memory().known_projects();
        let name = projects.get(id).and_then(|project| project.description.clone()).unwrap_or_default();
        if name.is_empty() { id.to_owned() } else { name }
    }

    /// Asks the regions about actions of ours.
    async fn follow_actions(&self, now: Timestamp) {
        let places = self.memory().due_places(now);
        let heard = places
            .iter()
            .map(|place| async move { (place, self.api.summary(&place.project, &place.region, &place.id).await) });
        for (place, summary) in join_all(heard).await {
            let summary = match summary {
                Ok(summary) => summary,
                Err(trouble) if made::is_no_such_instance(&trouble) => {
                    // It was deleted, which the list says as well, once it is read.
                    self.memory().ends(&place.id);
                    let _ = self.read_project(&place.project, false, now).await;
                    continue;
                }
                // Without an answer the action goes on, as far as is known.
                Err(_) => continue,
            };
            let is_busy = summary.task_state.is_some_and(|task| !task.is_empty());
            self.memory().heard(place, &summary.status, is_busy, now);
        }
    }

    /// Asks for servers of Amarre's that are on their way: their addresses come with the end of it.
    async fn follow_builds(&self, now: Timestamp) {
        let places = self.memory().due_builds(now);
        let asked =
            places.iter().map(|place| async move { (place, self.api.instance(&place.project, &place.id).await) });
        for (place, answer) in join_all(asked).await {
            if let Ok(instance) = answer {
                self.memory().replace(&place.project, instance, now);
            }
        }
    }

    fn project_gap(&self, id: &str, error: ProviderError, now: Timestamp) -> Gap {
        error.into_gap(&self.id, GapScope::part("project", id), now)
    }

    /// Whether an instance has disks in its host, by its own details, its plan and the catalogue; `None`: none of them tells.
    fn has_local_disks(&self, project: &str, instance: &WireInstance) -> Option<bool> {
        let planned = instance.planned_size().map(|name| WireSize { name: name.to_owned(), kind: None });
        let listed = instance.flavor_id.as_deref().into_iter().chain(instance.planned_size());
        let listed = listed.filter_map(|size| self.memory().size(project, &instance.region, size));
        let said = instance.flavor.clone().into_iter().chain(listed).chain(planned);
        let said: BTreeSet<bool> = said.filter_map(|size| size.has_local_disks()).collect();
        // One that says so is enough.
        said.last().copied()
    }

    /// Reads the catalogue of the regions where an instance has a size of which Amarre does not know whether it has local disks.
    async fn read_sizes(&self, projects: &Projects, now: Timestamp) {
        let mut places = BTreeSet::new();
        for project in projects.keys() {
            let list = self.memory().list(project).cloned();
            let instances = list.map(|list| list.instances).unwrap_or_default();
            let unknown = instances.iter().filter(|one| self.has_local_disks(project, one).is_none());
            places.extend(unknown.map(|one| (project.clone(), one.region.clone())));
        }
        places.retain(|(project, region)| self.memory().asks_sizes(project, region, now));
        for (project, region) in &places {
            // What cannot be read stays unknown: those are not shelved.
            let _ = self.flavors((project, region), now).await;
        }
    }

    /// An instance as it is shown.
    fn seen(&self, project: &str, instance: &WireInstance, at: Timestamp) -> Seen {
        let memory = self.memory();
        let since = memory.since(&instance.id).unwrap_or(at);
        let (is_acting, acting_since) = (memory.is_acting(&instance.id), memory.acting_since(&instance.id));
        let price = instance.plan_code.as_deref().and_then(|plan| memory.price(plan));
        let price = price.map(|(price, currency)| (price, currency.to_owned()));
        drop(memory);
        let addresses = instance.ip_addresses.iter().filter(|address| address.kind != "private");
        let mut fields = Fields::default()
            .with("name", Value::text(&instance.name))
            .with("status", Value::text(&instance.status))
            .with("type", Value::text(instance.size()))
            .with("project", Value::text(project))
            .with("project_name", Value::text(self.project_name(project)))
            .with("region", Value::text(&instance.region))
            .with("billing", Value::text(if instance.is_monthly() { "month" } else { "hour" }));
        servers::set_addresses(&mut fields, addresses.map(|address| address.ip.clone()).collect());
        if let Some((price, currency)) = price {
            fields.set("price", Value::Int(price));
            // A stopped one is billed as one that runs.
            fields.set("price_off", Value::Int(price));
            fields.set("currency", Value::text(currency));
        }
        fields.extend(instance.created.as_ref().map(|created| ("created".into(), Value::text(created))));
        let local_disks = self.has_local_disks(project, instance);
        fields.extend(local_disks.map(|has| ("local_disks".into(), Value::Bool(has))));
        let not_yet = |why: Text| Readiness::NotYet { since, why };
        let ready = match power_status(&instance.status) {
            // What it had before the action says nothing of what comes of that.
            PowerStatus::Stable(_) | PowerStatus::Broken if is_acting => {
                Readiness::NotYet { since: acting_since.unwrap_or(at), why: text!("the vendor carries out an action") }
            }
            PowerStatus::Stable(power) => {
                fields.set("power", Value::text(power));
                Readiness::Ready
            }
            PowerStatus::Transient(why) => not_yet(why),
            PowerStatus::Broken => {
                Readiness::Failed { why: text!("the vendor says {status}", status = instance.status.as_str()) }
            }
        };
        Seen { fields, ready, owner: Owner::Foreign, service: None, vendor_id: instance.id.clone(), at }
    }
}

#[async_trait]
impl Provider for OvhCloudProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn kinds(&self) -> &'static [KindSchema] {
        &KINDS
    }

    fn normalize(&self, _: &Address, _: &mut Fields) -> Result<(), Objection> {
        Ok(())
    }

    async fn observe(&self, query: &ObserveQuery) -> Observation {
        let now = query.now;
        let mut observation = Observation::default();
        self.memory().keep_made(MadeServers::of(query));
        // What is ruled out is looked for in lists that were read of late.
        let reuse = query.reuse && !self.memory().is_missing(query, now);
        let (projects, unreadable) = match self.projects(now).await {
            Ok(projects) => projects,
            Err(trouble) => {
                let error = failed(trouble, &text!("could not read the projects"), false);
                observation.gaps.push(error.into_gap(&self.id, GapScope::Whole, now));
                (self.memory().known_projects(), Vec::new())
            }
        };
        let is_dark = !observation.gaps.is_empty();
        let is_unreadable = |id: &String| unreadable.iter().any(|(one, _)| one == id);
        let asked = projects.iter().filter(|(id, _)| !is_dark && !is_unreadable(id));
        let read = asked.map(|(id, project)| async move {
            let read = self.read_project(id, reuse, now).await;
            match project.status.as_str() {
                "ok" => (id, read),
                // What can be read is shown; nothing can be changed there.
                status => (id, Err(suspended(&self.project_name(id), status))),
            }
        });
        let mut unread = BTreeSet::new();
        let read = join_all(read).await;
        for (id, error) in unreadable {
            observation.gaps.push(self.project_gap(&id, error, now));
            unread.insert(id);
        }
        for (id, result) in read {
            if let Err(error) = result {
                observation.gaps.push(self.project_gap(id, error, now));
                unread.insert(id.clone());
            }
        }
        self.memory().tidy();
        for row in query.applied.values() {
            if let Some(since) = cloud::deleting_since(row) {
                // Also where another process began it.
                self.memory().follows(&row.vendor_id, since);
            }
        }
        self.follow_actions(now).await;
        self.follow_builds(now).await;
        self.follow_snapshots(now).await;
        self.read_sizes(&projects, now).await;
        // Before those that are there are filled in, which show them.
        if servers::asks_prices(query) {
            self.try_prices(now).await;
        }
        if !is_dark {
            self.ask_by_id(&projects, &unread, query).await;
        }
        self.fill(&projects, &unread, query, &mut observation);
        self.rule_out(&unread, query, &mut observation).await;
        self.quote(query, &mut observation).await;
        observation
    }

    async fn apply(&self, change: &Change, _: Supplies<'_>) -> Result<Outcome, ProviderError> {
        let known = self.memory().made().clone();
        servers::apply(self, change, &known).await
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            actions: Some(self),
            resizes: Some(self),
            consoles: Some(self),
            exchanges: Some(&self.exchanges),
            prices: Some(self),
            offers: Some(self),
            examine: Some(self),
            requests: Some(self.api.api.counts()),
            max_in_flight: IN_FLIGHT_MAX,
            ..Capabilities::NONE
        }
    }
}

#[async_trait]
impl ReadPrices for OvhCloudProvider {
    async fn read_prices(&self, now: Timestamp) -> Result<(), ProviderError> {
        if !self.memory().asks_prices(now) {
            return Ok(());
        }
        let read = self.api.catalogue(subsidiary(&self.endpoint)).await;
        let catalogue = read.map_err(|trouble| failed(trouble, &text!("could not read the prices"), false))?;
        let plans = catalogue.plans.into_iter().chain(catalogue.addons);
        let by_plan = plans.filter_map(|plan| Some((plan.plan_code, vendor_amount(plan.pricings.first()?.price)?)));
        // Without its currency an amount says nothing.
        let prices = vendor_currency(&catalogue.locale.currency_code)
            .map(|currency| Prices { currency, by_plan: by_plan.collect() })
            .unwrap_or_default();
        self.memory().keep_prices(prices, now);
        Ok(())
    }
}

/// Whose prices are shown, by the endpoint. Within Europe they differ by tax, which is not in them, and by currency.
fn subsidiary(endpoint: &str) -> &'static str {
    match endpoint {
        _ if endpoint.contains("ovh-ca") || endpoint.contains("ca.api") => "CA",
        _ if endpoint.contains("ovh-us") || endpoint.contains("us.ovhcloud") => "US",
        _ => "FR",
    }
}

/// OVH counts requests by the minute.
const IN_FLIGHT_MAX: usize = 4;

impl OvhCloudProvider {
    /// What is known of each instance: what manifests name is observed, the rest is listed. Of what is hidden the last reading
    /// is listed.
    fn fill(
        &self,
        projects: &Projects,
        unread: &BTreeSet<String>,
        query: &ObserveQuery,
        observation: &mut Observation,
    ) {
        let lists: BTreeMap<&String, memory::ProjectList> = {
            let memory = self.memory();
            projects.keys().filter_map(|id| Some((id, memory.list(id)?.clone()))).collect()
        };
        let is_dark = observation.gaps.iter().any(Gap::is_whole);
        let mut hidden = BTreeSet::new();
        let made = self.memory().made().clone();
        let listed = lists.values().flat_map(|list| &list.instances);
        let sorted = made.sort(listed.map(|one| (one.id.as_str(), one.name.as_str())));
        self.memory().keep_sorted(sorted.found.clone());
        observation.gaps.extend(sorted.gaps(&self.id, query.now));
        for (project, list) in &lists {
            let is_hidden = is_dark || unread.contains(*project);
            for instance in &list.instances {
                let mut seen = self.seen(project, instance, list.at);
                let is_made = sorted.found.get(&instance.id);
                let address = is_made.cloned().unwrap_or_else(|| self.address(&instance.id));
                if is_made.is_some() {
                    self.as_made(&made, &address, project, &mut seen);
                }
                let is_wanted = query.wanted.contains_key(&address) || is_made.is_some();
                if is_wanted && !is_hidden {
                    // Of one that was there before, its power is a manifest's; nothing else of it is.
                    seen.owner = Owner::Ours;
                    observation.seen.insert(address, seen);
                    continue;
                }
                if is_hidden && (is_wanted || self.memory().is_acting(&instance.id)) {
                    hidden.insert(address.clone());
                }
                observation.inventory.insert(address, seen);
            }
        }
        if is_dark {
            return;
        }
        let (part, now) = (observation.gaps.first().cloned(), query.now);
        for address in query.wanted.keys().chain(made.addresses()) {
            if observation.seen.contains_key(address) || observation.inventory.contains_key(address) {
                continue;
            }
            let id = if address.kind == Kind::Instance { Some(address.name.as_str()) } else { made.vendor_id(address) };
            // What is in none of the lists may be in a project that is not read, unless it is known in which one it would be.
            let home = query.wanted.get(address).filter(|_| id.is_none()).map(|fields| self.project_of(fields));
            let may_be_unread = match home {
                Some(Ok(project)) => unread.contains(&project),
                Some(Err(_)) | None => !unread.is_empty(),
            };
            if may_be_unread {
                hidden.insert(address.clone());
            } else if let Some(id) = id.filter(|id| !self.memory().is_denied(id)) {
                let gap = unlisted(&address.name, id).into_gap(&self.id, GapScope::Resource(address.clone()), now);
                observation.gaps.push(gap);
            }
        }
        let Some(part) = part else { return };
        observation
            .gaps
            .extend(hidden.into_iter().map(|address| Gap { scope: GapScope::Resource(address), ..part.clone() }));
    }

    /// Asks for what the lists lack by the ids that manifests and the ledger have: a list may be short or late, and what is absent from
    /// it is not gone before OVH denies its id.
    async fn ask_by_id(&self, projects: &Projects, unread: &BTreeSet<String>, query: &ObserveQuery) {
        let due = self.memory().due_by_id(query);
        let readable: Vec<&String> = projects.keys().filter(|project| !unread.contains(*project)).collect();
        for id in due {
            let known = self.memory().last_project(&id);
            let places: Vec<&String> = match known.as_ref().filter(|project| readable.contains(project)) {
                Some(project) => vec![project],
                None => readable.clone(),
            };
            let id = id.as_str();
            let asked = places.iter().map(|project| async move { (*project, self.api.instance(project, id).await) });
            let answers = join_all(asked).await;
            let is_denied = answers.iter().all(|(_, answer)| answer.as_ref().is_err_and(made::is_no_such_instance));
            let found = answers.into_iter().find_map(|(project, answer)| Some((project.clone(), answer.ok()?)));
            let said = match found {
                Some((project, instance)) => IdAnswer::There(project, Box::new(instance)),
                None if is_denied && unread.is_empty() => IdAnswer::Denied,
                None => IdAnswer::Unclear,
            };
            self.memory().keep_by_id(id, said, query.now);
        }
        self.memory().add_unlisted(query.now);
    }

    /// A server of Amarre's with what its vendor does not tell, and its project as its manifest spells it.
    fn as_made(&self, made: &MadeServers, address: &Address, project: &str, seen: &mut Seen) {
        for field in ["image", "ssh_key", "user_data"] {
            seen.fields.extend(made.remembered(address, field).map(|value| (field.into(), value.clone())));
        }
        let spelled = made.remembered(address, "project");
        let is_it = |spelled: &&Value| spelled.as_text() == Some(self.project_name(project).as_str());
        seen.fields.extend(spelled.filter(is_it).map(|spelled| ("project".into(), spelled.clone())));
        seen.service = Some(made.service(address));
    }

    /// What neither list nor operation shows for ten minutes, each read without a break. What cannot be read rules nothing out.
    async fn rule_out(&self, unread: &BTreeSet<String>, query: &ObserveQuery, observation: &mut Observation) {
        let is_nowhere = |address: &&Address| address.kind == Kind::Server && !observation.seen.contains_key(*address);
        let missing: Vec<Address> = query.to_rule_out.iter().filter(is_nowhere).cloned().collect();
        let mut known: BTreeMap<String, bool> = BTreeMap::new();
        for address in missing {
            let fields = query.wanted.get(&address).or_else(|| query.applied.get(&address).map(|row| &row.fields));
            let project = fields.and_then(|fields| self.project_of(fields).ok());
            let project = project.filter(|project| !unread.contains(project));
            let is_hidden = observation.gaps.iter().any(|gap| gap.covers(&address));
            let Some(project) = project.filter(|_| !is_hidden) else {
                self.memory().is_not_missing(&address);
                continue;
            };
            let is_quiet = match known.get(&project) {
                Some(is_quiet) => *is_quiet,
                None => self.shows_no_create(&project, query.now).await.unwrap_or(false),
            };
            known.insert(project, is_quiet);
            if !is_quiet {
                self.memory().is_not_missing(&address);
            } else if self.memory().is_missing_long(&address, query.now) {
                observation.ruled_out.insert(address);
            }
        }
    }

    /// Whether the operations of a project show no create whose server the lists lack. One that they show is added to the list.
    async fn shows_no_create(&self, project: &str, now: Timestamp) -> Result<bool, OvhError> {
        if let Some(known) = self.memory().shown_creates(project, now) {
            return Ok(known);
        }
        let operations = self.api.operations(project).await?;
        let mut is_quiet = true;
        for operation in operations.iter().filter(|operation| operation.is_create() && !operation.has_failed()) {
            let Some(id) = operation.made() else {
                is_quiet &= operation.is_complete();
                continue;
            };
            if self.memory().place(id).is_some() {
                continue;
            }
            match self.api.instance(project, id).await {
                Ok(instance) => {
                    self.memory().add_to_list(project, instance, now);
                    is_quiet = false;
                }
                Err(trouble) => is_quiet &= made::is_no_such_instance(&trouble),
            }
        }
        self.memory().keep_shown_creates(project, is_quiet, now);
        Ok(is_quiet)
    }

    /// Reads the prices, if they are due. What cannot be read is not known.
    async fn try_prices(&self, now: Timestamp) {
        if let Err(error) = self.read_prices(now).await {
            tracing::info!("{error}");
        }
    }

    /// What OVH takes for servers that are not there, or not of the size that is wanted.
    async fn quote(&self, query: &ObserveQuery, observation: &mut Observation) {
        let is_open = |address: &Address, fields: &Fields| {
            let there = observation.seen.get(address).and_then(|seen| seen.fields.text("type"));
            address.kind == Kind::Server && there != fields.text("type")
        };
        let open: Vec<(&Address, &Fields)> =
            query.wanted.iter().filter(|(address, fields)| is_open(address, fields)).collect();
        if open.is_empty() {
            return;
        }
        self.try_prices(query.now).await;
        for (address, fields) in open {
            match self.offered(fields, query.now).await {
                Ok(flavor) => {
                    let prices = flavor.plan_codes.hourly.as_deref().and_then(|plan| self.hourly_prices(plan));
                    observation.quotes.extend(prices.map(|prices| (address.clone(), prices)));
                }
                // Of what is not seen nothing is said.
                Err(error) if error.code == Code::A0754 && observation.gaps.is_empty() => {
                    observation.unoffered.insert(address.clone(), error.into_refusal());
                }
                Err(_) => (),
            }
        }
    }

    /// The size that is wanted, if the wanted region of the wanted project offers it.
    async fn offered(&self, fields: &Fields, now: Timestamp) -> Result<WireFlavor, ProviderError> {
        let text = |name: &str| fields.text(name).unwrap_or_default();
        let (project, region, size) = (self.project_of(fields)?, text("region"), text("type"));
        let flavors = self.flavors((&project, region), now).await;
        if flavors.as_ref().is_ok_and(Vec::is_empty) {
            return Err(self.no_such_region(text("project"), region, now).await?);
        }
        let flavors =
            flavors.map_err(|trouble| failed(trouble, &text!("could not read what {region} offers", region), false))?;
        let found = flavors.iter().find(|flavor| flavor.name == size).cloned();
        found.ok_or_else(|| made::no_such_size(region, size, &flavors))
    }

    /// Brings an instance to a power. What is on its way already is left to arrive.
    async fn reach_power(&self, id: &str, wanted: &str) -> Result<(), ProviderError> {
        let Some(place) = self.memory().place(id) else { return Err(gone(id)) };
        let doing = text!("could not turn instance {id} {wanted}", id, wanted);
        let instance = self.api.instance(&place.project, id).await;
        let instance = instance.map_err(|trouble| failed(trouble, &doing, false))?;
        let word = match (power_status(&instance.status), wanted) {
            (PowerStatus::Stable(now), wanted) if now == wanted => return Ok(()),
            (PowerStatus::Stable(power::SHELVED), power::OFF) => return Ok(()),
            (PowerStatus::Stable(power::SHELVED), _) => "unshelve",
            (PowerStatus::Stable(_), power::ON) => "start",
            (PowerStatus::Stable(_), power::SHELVED) => "shelve",
            (PowerStatus::Stable(_), _) => "stop",
            (PowerStatus::Transient(_) | PowerStatus::Broken, _) => {
                let message = text!("{doing}: its status is {status} now", doing, status = instance.status);
                return Err(
                    ProviderError::new(Class::Conflict, Code::A0735, message).hint(text!("the next look shows more"))
                );
            }
        };
        self.act(&place.project, id, word, &doing).await
    }

    /// Sends a word to an instance. A shelve leaves only where the instance itself shows, read now, that nothing is lost by it.
    async fn act(&self, project: &str, id: &str, word: &str, doing: &Text) -> Result<(), ProviderError> {
        if word == "shelve" {
            let instance = self.api.instance(project, id).await;
            let instance = instance.map_err(|trouble| failed(trouble, doing, false))?;
            let disks = self.has_local_disks(project, &instance).map(|has| ("local_disks".into(), Value::Bool(has)));
            let mut fields = Fields::default().with("type", Value::text(instance.shown_size()));
            fields.extend(disks);
            if let Some(why) = not_shelved(&instance.name, &fields) {
                let error = ProviderError::new(Class::Rejected, why.code, why.message);
                return Err(why.hints.into_iter().fold(error, |error, hint| error.hint(hint.text)));
            }
        }
        // Before the call: what the answer says, the status from before may be shown now.
        self.memory().acts(id);
        let (line, came) = self.api.act(project, id, word).await;
        self.exchanges.note(self.log_address(id), &line);
        let is_busy = came.as_ref().is_err_and(api::is_busy);
        if came.as_ref().is_err_and(|trouble| !trouble.is_unclear()) && !is_busy {
            // Nothing began: what is seen can be believed, and the refusal is not forgotten meanwhile.
            self.memory().ends(id);
        }
        came.map_err(|trouble| failed(trouble, doing, true))
    }
}

/// A project whose instances cannot be told.
fn suspended(name: &str, status: &str) -> ProviderError {
    let message = format!("project {name} is {status} at OVH");
    let hint = match status {
        "suspended" => "OVH suspends a project whose bill is not paid: see https://www.ovh.com/manager, Public Cloud",
        _ => "its instances are seen again when OVH says that it is ok",
    };
    ProviderError::new(Class::RetryLater, Code::A0732, message).hint(hint)
}

/// What the lists lack, although nothing says that it is gone.
fn unlisted(name: &str, id: &str) -> ProviderError {
    let message = text!("OVH does not list {name}, and does not say that there is no instance {id}", name, id);
    ProviderError::new(Class::RetryLater, Code::A0744, message)
        .hint(text!("nothing is made in its place, and nothing of it is changed; Amarre asks again"))
}

/// An instance that no list has.
fn gone(id: &str) -> ProviderError {
    ProviderError::new(Class::Conflict, Code::A0733, text!("instance {id} is in no project that is seen", id))
}
