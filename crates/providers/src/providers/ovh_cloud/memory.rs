//! What a provider remembers from one look to the next: projects, the last list of each, and what was asked of instances a
//! moment ago, for OVH shows the status from before for some seconds.

use std::collections::BTreeMap;

use super::api::Projects;
use super::wire::{PowerStatus, WireFlavor, WireInstance, WireSize, power_status};
use crate::providers::ProviderError;
use crate::providers::servers::MadeServers;
use amarre_core::model::{Address, Millis, Timestamp};

/// Prices change rarely.
const PRICES_ANEW: Millis = Millis::minutes(24 * 60);
/// Without any, nothing that timetables save is counted.
const PRICES_AGAIN: Millis = Millis::minutes(60);
/// Projects come and go rarely.
const PROJECTS_ANEW: Millis = Millis::minutes(60);
/// For this long after an action the status from before says nothing.
const JUDGED_AFTER: Millis = Millis::seconds(10);
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
}

/// An instance whose region is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub project: String,
    pub region: String,
    pub id: String,
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

    /// Keeps a list.
    pub fn keep_list(&mut self, project: &str, instances: Vec<WireInstance>, at: Timestamp) {
        for instance in &instances {
            let known = self.since.get(&instance.id).filter(|(status, _)| *status == instance.status);
            if known.is_none() {
                self.since.insert(instance.id.clone(), (instance.status.clone(), at));
            }
        }
        self.unread.remove(project);
        self.lists.insert(project.to_owned(), ProjectList { at, instances });
    }

    /// Forgets what no list has any more.
    pub fn tidy(&mut self) {
        let lists = &self.lists;
        let is_there = |id: &String| lists.values().flat_map(|list| &list.instances).any(|one| one.id == *id);
        self.since.retain(|id, _| is_there(id));
        self.acted.retain(|id, _| is_there(id));
        self.followed.retain(|id, _| is_there(id));
    }

    /// Where an instance is.
    pub fn place(&self, id: &str) -> Option<Place> {
        self.lists.iter().find_map(|(project, list)| {
            let found = list.instances.iter().find(|instance| instance.id == id)?;
            Some(Place { project: project.clone(), region: found.region.clone(), id: id.to_owned() })
        })
    }

    /// Whether the project of an instance has one of this name.
    pub fn is_listed(&self, id: &str, name: &str) -> bool {
        let list = self.lists.values().find(|list| list.instances.iter().any(|one| one.id == id));
        list.is_some_and(|list| list.instances.iter().any(|one| one.name == name))
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
            if acted.asked.is_none_or(|asked| asked > now || now - asked >= ASKED_EVERY) {
                acted.asked = Some(now);
                due.push(id.clone());
            }
        }
        due.iter().filter_map(|id| self.place(id)).collect()
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

    /// An action whose region says nothing more of it has ended, though not before its status can be believed.
    fn end_action(&mut self, id: &str, now: Timestamp) {
        let is_over = |acted: &Acted| {
            let first = acted.first_look.unwrap_or(now).min(now);
            !acted.is_busy && now - first >= JUDGED_AFTER
        };
        if self.acted.get(id).is_some_and(is_over) {
            self.acted.remove(id);
        }
    }
}
