//! What a provider remembers from one look to the next: projects, the last list of each, and what was asked of instances a
//! moment ago, for OVH shows the status from before for some seconds.

use std::collections::{BTreeMap, BTreeSet};

use super::api::Projects;
use super::wire::{PowerStatus, WireFlavor, WireInstance, WireSize, WireSnapshot, power_status};
use crate::providers::servers::MadeServers;
use crate::providers::{ObserveQuery, ProviderError};
use amarre_core::model::{Address, Kind, Millis, Timestamp};

/// Prices change rarely.
const PRICES_ANEW: Millis = Millis::minutes(24 * 60);
/// Without any, nothing that timetables save is counted.
const PRICES_AGAIN: Millis = Millis::minutes(60);
/// Projects come and go rarely.
const PROJECTS_ANEW: Millis = Millis::minutes(60);
/// For this long after an action the status from before says nothing.
const JUDGED_AFTER: Millis = Millis::seconds(10);
/// An instance that the lists lack is asked for by its id so often, and so many with one look.
const BY_ID_AGAIN: Millis = Millis::seconds(30);
const BY_ID_MAX: usize = 20;
/// The lists are read so often for what they lack.
const LISTS_AGAIN: Millis = Millis::seconds(60);
/// With the minute that the planner adds: a create that left before has had its time to show.
const MISSING_FOR: Millis = Millis::minutes(9);
/// So many servers that are on their way are asked for with one look.
const BUILDS_AT_ONCE: usize = 3;
/// A region is asked so often about an action.
const ASKED_EVERY: Millis = Millis::seconds(5);

#[derive(Debug, Default)]
pub struct Memory {
    projects: Option<(Timestamp, Projects)>,
    lists: BTreeMap<String, ProjectList>,
    /// Projects whose list could not be read last, and why: what was read before stands for nothing.
    unread: BTreeMap<String, ProviderError>,
    acted: BTreeMap<String, Acted>,
    /// Actions whose answer was lost, by when they were asked for.
    followed: BTreeMap<String, Timestamp>,
    /// What OVH said of instances that no list has, by their ids, and when.
    by_id: BTreeMap<String, (IdAnswer, Timestamp)>,
    /// In which project an instance was seen last.
    projects_of: BTreeMap<String, String>,
    /// Whether the operations of a project showed no create whose server the lists lack, and when they were read.
    shown_creates: BTreeMap<String, (bool, Timestamp)>,
    /// When servers on their way were asked for by their ids.
    built: BTreeMap<String, Timestamp>,
    /// Servers that this process has made and that no list showed at rest yet.
    young: BTreeSet<String>,
    /// Since when neither lists nor operations have a server.
    missing: BTreeMap<Address, Timestamp>,
    /// Snapshots of which a server is to be made, by the id of their source.
    snapshots: BTreeMap<String, AwaitedSnapshot>,
    /// When prices were asked for last, and what came.
    prices: Option<(Timestamp, Prices)>,
    /// Since when each instance has its status.
    since: BTreeMap<String, (String, Timestamp)>,
    /// The servers of Amarre's as of the last look, and which of those that were listed are theirs.
    made: MadeServers,
    sorted: BTreeMap<String, Address>,
    /// The sizes that a region of a project offers, and when they were read.
    flavors: BTreeMap<(String, String), (Timestamp, Vec<WireFlavor>)>,
    /// When those were asked for to know the sizes of servers that are there.
    sizes_asked: BTreeMap<(String, String), Timestamp>,
}

/// Prices by plan, in 10⁻⁸ of a currency.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    /// As `EUR`.
    pub currency: String,
    /// By plan: `b3-8.consumption` by the hour, `b3-8.monthly.postpaid` by the month.
    pub by_plan: BTreeMap<String, i64>,
}

/// The instances of a project, as last read.
#[derive(Debug, Clone)]
pub struct ProjectList {
    pub at: Timestamp,
    /// What the list said.
    pub instances: Vec<WireInstance>,
}

/// An action of ours on an instance.
#[derive(Debug, Clone, Default)]
struct Acted {
    /// The first look since.
    first_look: Option<Timestamp>,
    /// When its region was asked.
    asked: Option<Timestamp>,
    /// Something is under way there, as far as is known.
    is_busy: bool,
    /// It has ended, and what came of it is to be read.
    is_over: bool,
}

/// What OVH says of an instance by its id.
#[derive(Debug, Clone)]
pub enum IdAnswer {
    /// It is in this project.
    There(String, Box<WireInstance>),
    /// There is none.
    Denied,
    /// It does not tell.
    Unclear,
}

/// A snapshot of which a server is to be made.
#[derive(Debug, Clone)]
struct AwaitedSnapshot {
    name: String,
    asked: Option<Timestamp>,
    found: Option<WireSnapshot>,
}

/// An instance whose region is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub project: String,
    pub region: String,
    pub id: String,
}

impl IdAnswer {
    fn found(&self) -> Option<(String, WireInstance)> {
        if let Self::There(project, instance) = self { Some((project.clone(), (**instance).clone())) } else { None }
    }
}

impl Memory {
    /// The servers of Amarre's as of the last look.
    pub fn made(&self) -> &MadeServers {
        &self.made
    }

    /// Keeps them.
    pub fn keep_made(&mut self, made: MadeServers) {
        self.made = made;
    }

    /// Keeps which of those that were listed are Amarre's.
    pub fn keep_sorted(&mut self, sorted: BTreeMap<String, Address>) {
        self.sorted = sorted;
    }

    /// The address of a server of Amarre's.
    pub fn made_address(&self, id: &str) -> Option<Address> {
        self.sorted.get(id).cloned()
    }

    /// The sizes that a region offers, if they were read of late.
    pub fn flavors(&self, project: &str, region: &str, now: Timestamp) -> Option<Vec<WireFlavor>> {
        let (at, flavors) = self.flavors.get(&(project.to_owned(), region.to_owned()))?;
        (*at <= now && now - *at < PROJECTS_ANEW).then(|| flavors.clone())
    }

    /// What a region calls a size, by the catalogue that was read last; by its id or its name.
    pub fn size(&self, project: &str, region: &str, of: &str) -> Option<WireSize> {
        let (_, flavors) = self.flavors.get(&(project.to_owned(), region.to_owned()))?;
        let found = flavors.iter().find(|flavor| flavor.id == of || flavor.name == of)?;
        Some(WireSize { name: found.name.clone(), kind: found.kind.clone() })
    }

    /// Whether the sizes of a region are to be asked for, to know those of servers that are there: once an hour, whatever comes.
    pub fn asks_sizes(&mut self, project: &str, region: &str, now: Timestamp) -> bool {
        let asked = self.sizes_asked.entry((project.to_owned(), region.to_owned())).or_default();
        let is_due = *asked > now || now - *asked >= PROJECTS_ANEW;
        if is_due {
            *asked = now;
        }
        is_due
    }

    /// Keeps them.
    pub fn keep_flavors(&mut self, project: &str, region: &str, flavors: Vec<WireFlavor>, now: Timestamp) {
        self.flavors.insert((project.to_owned(), region.to_owned()), (now, flavors));
    }

    /// The projects, if they were read of late.
    pub fn projects(&self, now: Timestamp) -> Option<Projects> {
        let (at, projects) = self.projects.as_ref()?;
        (*at <= now && now - *at < PROJECTS_ANEW).then(|| projects.clone())
    }

    /// The projects as last read, however long ago.
    pub fn known_projects(&self) -> Projects {
        self.projects.as_ref().map(|(_, projects)| projects.clone()).unwrap_or_default()
    }

    /// Keeps the projects. Lists of others are forgotten.
    pub fn keep_projects(&mut self, projects: Projects, now: Timestamp) {
        self.lists.retain(|project, _| projects.contains_key(project));
        self.unread.retain(|project, _| projects.contains_key(project));
        self.projects = Some((now, projects));
    }

    /// Reads the projects again with the next look.
    pub fn doubt_projects(&mut self) {
        if let Some((at, _)) = &mut self.projects {
            *at = Timestamp::default();
        }
    }

    /// Whether the prices are to be read: once a day, and once an hour while none are known.
    pub fn asks_prices(&mut self, now: Timestamp) -> bool {
        let is_due = self.prices.as_ref().is_none_or(|(at, prices)| {
            let pause = if prices.by_plan.is_empty() { PRICES_AGAIN } else { PRICES_ANEW };
            *at > now || now - *at >= pause
        });
        if is_due {
            let known = self.prices.take().map(|(_, prices)| prices).unwrap_or_default();
            self.prices = Some((now, known));
        }
        is_due
    }

    /// Keeps the prices.
    pub fn keep_prices(&mut self, prices: Prices, now: Timestamp) {
        self.prices = Some((now, prices));
    }

    /// What a plan costs, and in which currency.
    pub fn price(&self, plan: &str) -> Option<(i64, &str)> {
        let (_, prices) = self.prices.as_ref()?;
        Some((*prices.by_plan.get(plan)?, &prices.currency))
    }

    /// The last list of a project.
    pub fn list(&self, project: &str) -> Option<&ProjectList> {
        self.lists.get(project)
    }

    /// What came of reading the list of a project last; `None`: it was not read yet.
    pub fn last_reading(&self, project: &str) -> Option<Result<(), ProviderError>> {
        let unread = self.unread.get(project).cloned().map(Err);
        unread.or_else(|| self.lists.contains_key(project).then_some(Ok(())))
    }

    /// The list of a project could not be read.
    pub fn keep_unread(&mut self, project: &str, error: ProviderError) {
        self.unread.insert(project.to_owned(), error);
    }

    /// Since when it has its status.
    fn note_status(&mut self, instance: &WireInstance, now: Timestamp) {
        let known = self.since.get(&instance.id).filter(|(status, _)| *status == instance.status);
        if known.is_none() {
            self.since.insert(instance.id.clone(), (instance.status.clone(), now));
        }
    }

    /// Keeps a list.
    pub fn keep_list(&mut self, project: &str, instances: Vec<WireInstance>, at: Timestamp) {
        instances.iter().for_each(|instance| self.note_status(instance, at));
        let is_at_rest = |id: &String| instances.iter().any(|one| one.id == *id && one.status != "BUILD");
        self.young.retain(|id| !is_at_rest(id));
        self.acted.retain(|id, acted| !acted.is_over || !instances.iter().any(|one| one.id == *id));
        let places = instances.iter().map(|one| (one.id.clone(), project.to_owned()));
        self.projects_of.extend(places);
        self.unread.remove(project);
        self.lists.insert(project.to_owned(), ProjectList { at, instances });
    }

    /// The ids that manifests and the ledger have, no list, and that are to be asked for now.
    pub fn due_by_id(&mut self, query: &ObserveQuery) -> Vec<String> {
        let now = query.now;
        let known = self.made.known_ids(query).map(|(_, id)| id);
        let unlisted: BTreeSet<String> = known.filter(|id| !self.is_listed(id)).map(str::to_owned).collect();
        self.by_id.retain(|id, _| unlisted.contains(id));
        let is_recent = |id: &&String| self.by_id.get(*id).is_some_and(|(_, at)| *at <= now && now - *at < BY_ID_AGAIN);
        unlisted.iter().filter(|id| !is_recent(id)).take(BY_ID_MAX).cloned().collect()
    }

    fn is_listed(&self, id: &str) -> bool {
        self.lists.values().flat_map(|list| &list.instances).any(|one| one.id == id)
    }

    /// Keeps what OVH said of an id.
    pub fn keep_by_id(&mut self, id: &str, said: IdAnswer, now: Timestamp) {
        self.by_id.insert(id.to_owned(), (said, now));
    }

    /// Adds those to the lists that answer by their ids.
    pub fn add_unlisted(&mut self, now: Timestamp) {
        let found: Vec<(String, WireInstance)> = self.by_id.values().filter_map(|(said, _)| said.found()).collect();
        for (project, instance) in found {
            self.add_to_list(&project, instance, now);
        }
    }

    /// Adds one to the list of its project, which lacks it.
    pub fn add_to_list(&mut self, project: &str, instance: WireInstance, now: Timestamp) {
        if self.is_listed(&instance.id) {
            return;
        }
        self.note_status(&instance, now);
        self.projects_of.insert(instance.id.clone(), project.to_owned());
        if let Some(list) = self.lists.get_mut(project) {
            list.instances.push(instance);
        }
    }

    /// This process has made a server.
    pub fn makes(&mut self, id: &str) {
        self.young.insert(id.to_owned());
    }

    /// How many servers of this process are being made.
    pub fn being_made(&self) -> usize {
        self.young.len()
    }

    /// Whether the operations of a project show no create whose server the lists lack, as read of late.
    pub fn shown_creates(&self, project: &str, now: Timestamp) -> Option<bool> {
        let (is_quiet, at) = self.shown_creates.get(project)?;
        (*at <= now && now - *at < BY_ID_AGAIN).then_some(*is_quiet)
    }

    pub fn keep_shown_creates(&mut self, project: &str, is_quiet: bool, now: Timestamp) {
        self.shown_creates.insert(project.to_owned(), (is_quiet, now));
    }

    /// Whether OVH has said that there is no instance of this id.
    pub fn is_denied(&self, id: &str) -> bool {
        matches!(self.by_id.get(id), Some((IdAnswer::Denied, _)))
    }

    /// The project in which an instance was seen last.
    pub fn last_project(&self, id: &str) -> Option<String> {
        self.projects_of.get(id).cloned()
    }

    /// Whether something is to be ruled out that the last lists lack, and they are a minute old.
    pub fn is_missing(&self, query: &ObserveQuery, now: Timestamp) -> bool {
        let is_listed = |address: &Address| self.sorted.values().any(|found| found == address);
        let mut servers = query.to_rule_out.iter().filter(|address| address.kind == Kind::Server);
        let is_old = self.lists.values().any(|list| list.at > now || now - list.at >= LISTS_AGAIN);
        is_old && servers.any(|address| !is_listed(address))
    }

    /// Something shows a server, or hides it: it is not missing.
    pub fn is_not_missing(&mut self, address: &Address) {
        self.missing.remove(address);
    }

    /// Whether nothing has shown a server for as long as a create may take to appear.
    pub fn is_missing_long(&mut self, address: &Address, now: Timestamp) -> bool {
        let since = *self.missing.entry(address.clone()).or_insert(now);
        now - since.min(now) >= MISSING_FOR
    }

    /// Forgets what no list has any more.
    pub fn tidy(&mut self) {
        let lists = &self.lists;
        let is_there = |id: &String| lists.values().flat_map(|list| &list.instances).any(|one| one.id == *id);
        let sorted = &self.sorted;
        self.missing.retain(|address, _| !sorted.values().any(|found| found == address));
        self.since.retain(|id, _| is_there(id));
        self.acted.retain(|id, _| is_there(id));
        self.followed.retain(|id, _| is_there(id));
        self.built.retain(|id, _| is_there(id));
        self.snapshots.retain(|id, _| is_there(id));
    }

    /// Where an instance is.
    pub fn place(&self, id: &str) -> Option<Place> {
        self.lists.iter().find_map(|(project, list)| {
            let found = list.instances.iter().find(|instance| instance.id == id)?;
            Some(Place { project: project.clone(), region: found.region.clone(), id: id.to_owned() })
        })
    }

    /// Whether the project of an instance has one of this name that was made of this image.
    pub fn has_made_of(&self, id: &str, name: &str, image: &str) -> bool {
        let list = self.lists.values().find(|list| list.instances.iter().any(|one| one.id == id));
        let is_it = |one: &WireInstance| one.name == name && one.image_id.as_deref() == Some(image);
        list.is_some_and(|list| list.instances.iter().any(is_it))
    }

    /// A server is to be made of this snapshot of an instance.
    pub fn awaits_snapshot(&mut self, id: &str, name: &str) {
        if self.snapshots.get(id).is_none_or(|awaited| awaited.name != name) {
            let awaited = AwaitedSnapshot { name: name.to_owned(), asked: None, found: None };
            self.snapshots.insert(id.to_owned(), awaited);
        }
    }

    /// The snapshots to look for now, and where.
    pub fn due_snapshots(&mut self, now: Timestamp) -> Vec<(Place, String)> {
        let mut due = Vec::new();
        for (id, awaited) in &mut self.snapshots {
            let is_usable = awaited.found.as_ref().is_some_and(|found| found.status == "active");
            if !is_usable && awaited.asked.is_none_or(|asked| asked > now || now - asked >= ASKED_EVERY) {
                awaited.asked = Some(now);
                due.push((id.clone(), awaited.name.clone()));
            }
        }
        due.into_iter().filter_map(|(id, name)| Some((self.place(&id)?, name))).collect()
    }

    /// What the list of snapshots says.
    pub fn saw_snapshot(&mut self, id: &str, found: Option<WireSnapshot>) {
        if let Some(awaited) = self.snapshots.get_mut(id) {
            awaited.found = found;
        }
    }

    /// The snapshot of an instance of which a server is to be made, as listed last.
    pub fn snapshot(&self, id: &str) -> Option<&WireSnapshot> {
        self.snapshots.get(id)?.found.as_ref()
    }

    /// Since when an instance has its status.
    pub fn since(&self, id: &str) -> Option<Timestamp> {
        self.since.get(id).map(|(_, since)| *since)
    }

    /// An action of ours leaves now.
    pub fn acts(&mut self, id: &str) {
        self.acted.insert(id.to_owned(), Acted { is_busy: true, ..Acted::default() });
    }

    /// The action that left last was refused: nothing is under way.
    pub fn ends(&mut self, id: &str) {
        self.acted.remove(id);
    }

    /// An action of ours, by when it was asked for, whose answer was lost: its region is asked once more, also where another process
    /// began it.
    pub fn follows(&mut self, id: &str, asked: Timestamp) {
        if self.followed.insert(id.to_owned(), asked) != Some(asked) && !self.is_acting(id) {
            self.acts(id);
        }
    }

    /// Whether an action of ours may still be under way.
    pub fn is_acting(&self, id: &str) -> bool {
        self.acted.contains_key(id)
    }

    /// The first look since the action of ours that may still be under way: the status from before is older.
    pub fn acting_since(&self, id: &str) -> Option<Timestamp> {
        self.acted.get(id)?.first_look
    }

    /// The instances whose region is to be asked about an action of ours.
    pub fn due_places(&mut self, now: Timestamp) -> Vec<Place> {
        let mut due = Vec::new();
        for (id, acted) in &mut self.acted {
            acted.first_look.get_or_insert(now);
            if !acted.is_over && acted.asked.is_none_or(|asked| asked > now || now - asked >= ASKED_EVERY) {
                acted.asked = Some(now);
                due.push(id.clone());
            }
        }
        due.iter().filter_map(|id| self.place(id)).collect()
    }

    /// The servers of Amarre's that are on their way, and those of which an action has ended, that are to be asked for now.
    pub fn due_builds(&mut self, now: Timestamp) -> Vec<Place> {
        let sorted = &self.sorted;
        let listed = self.lists.iter().flat_map(|(project, list)| list.instances.iter().map(move |one| (project, one)));
        let is_due = |one: &WireInstance| {
            let is_on_its_way = matches!(power_status(&one.status), PowerStatus::Transient(_));
            let asked = self.built.get(&one.id);
            let is_early = asked.is_some_and(|asked| *asked <= now && now - *asked < ASKED_EVERY);
            let acted = self.acted.get(&one.id);
            let is_made = is_on_its_way && sorted.contains_key(&one.id) && acted.is_none();
            (is_made || acted.is_some_and(|acted| acted.is_over)) && !is_early
        };
        let mut due: Vec<Place> = listed
            .filter(|(_, one)| is_due(one))
            .map(|(project, one)| Place { project: project.clone(), region: one.region.clone(), id: one.id.clone() })
            .collect();
        due.sort_by_key(|place| self.built.get(&place.id).copied());
        due.truncate(BUILDS_AT_ONCE);
        self.built.extend(due.iter().map(|place| (place.id.clone(), now)));
        due
    }

    /// Puts an instance as it answers by its id into the list of its project.
    pub fn replace(&mut self, project: &str, instance: WireInstance, now: Timestamp) {
        if let Some(list) = self.lists.get_mut(project) {
            list.instances.retain(|one| one.id != instance.id);
        }
        self.acted.retain(|id, acted| *id != instance.id || !acted.is_over);
        self.add_to_list(project, instance, now);
    }

    /// What the region said: the status, and whether something is under way.
    pub fn heard(&mut self, place: &Place, status: &str, is_busy: bool, now: Timestamp) {
        let list = self.lists.get_mut(&place.project);
        let instance = list.and_then(|list| list.instances.iter_mut().find(|instance| instance.id == place.id));
        if let Some(instance) = instance.filter(|instance| instance.status != status) {
            status.clone_into(&mut instance.status);
            self.since.insert(place.id.clone(), (status.to_owned(), now));
        }
        if let Some(acted) = self.acted.get_mut(&place.id) {
            acted.is_busy = is_busy || matches!(power_status(status), PowerStatus::Transient(_));
        }
        self.end_action(&place.id, now);
    }

    /// An action whose region says nothing more of it has ended, though not before its status can be believed. What came of it, its name
    /// and its size too, is in its details and in the next list.
    fn end_action(&mut self, id: &str, now: Timestamp) {
        let is_over = |acted: &Acted| {
            let first = acted.first_look.unwrap_or(now).min(now);
            !acted.is_busy && now - first >= JUDGED_AFTER
        };
        if let Some(acted) = self.acted.get_mut(id).filter(|acted| is_over(acted)) {
            acted.is_over = true;
        }
    }
}
