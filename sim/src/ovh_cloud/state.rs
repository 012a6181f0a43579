//! The account: projects with what they have, the clock by which it changes, and what is out of order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::catalogue::{Flavor, uuid};
use super::fleet::{CloudClock, CloudImage, CloudInstance, CloudPace, CloudProject, OvhCloudOptions};
use super::keys::Key;
use super::operations::{Operation, OperationForm, Span};
use super::quota::CloudQuota;
use super::rights::{POWER_ACTIONS, POWER_RULES, action};
use super::snapshots::SnapshotRow;
use super::verbs::{CloudVerb, NoStock, Schedule, Subject, Work, WorkChange};
use crate::ovh_api::{Access, Keys, Reply};

/// Where a stopped clock stands at first: 2026-10-05T12:00:00Z.
const FIRST_SECOND: i64 = 1_791_201_600;

/// How many of a flavour a region has, where it has any.
const STOCK: u32 = 791;

#[derive(Debug, Clone)]
pub(super) struct State {
    pub access: Access,
    pub projects: BTreeMap<String, Project>,
    /// Regions that are not simply up.
    pub regions: BTreeMap<String, RegionCondition>,
    /// (region, flavour) of which nothing is left.
    pub no_stock: BTreeMap<(String, String), NoStock>,
    /// Images that left the catalogue, by name.
    pub withdrawn_images: Vec<String>,
    /// Flavours that left the catalogue, by name; servers of them stay.
    pub withdrawn_flavors: Vec<String>,
    /// Servers name no plan in lists, as in old answers.
    pub hides_plans: bool,
    /// Whether the catalogue counts memory in MB; the detail of a server never does.
    pub ram_in_mb: bool,
    pub switches: Switches,
    /// (id, verb) of each verb that was accepted.
    pub effects: Vec<(String, CloudVerb)>,
    /// Servers whose disks in their host a shelve has destroyed.
    pub lost_disks: Vec<String>,
    /// (id, name) of each server whose creation was accepted.
    pub created: Vec<(String, String)>,
    /// The same of each that the API deleted and that is gone.
    pub deleted: Vec<(String, String)>,
    clock: CloudClock,
    pub pace: CloudPace,
    /// Seconds that the clock of the servers was moved ahead.
    ahead: i64,
    made: u32,
}

/// What is out of order with what is made and changed, until a test puts it right.
#[derive(Debug, Clone, Default)]
pub(super) struct Switches {
    /// What becomes of the next creations, one after another.
    pub failures: Vec<CloudCreationFailure>,
    /// Regions without room, whatever the catalogue says.
    pub no_capacity: BTreeMap<String, NoCapacity>,
    /// The list of servers is behind a creation by so many seconds.
    pub list_lag_s: i64,
    /// A new name is shown after so many seconds.
    pub rename_lag_s: i64,
    /// For so long a deleted server is shown as DELETED.
    pub deleted_s: i64,
    pub operation_form: OperationForm,
    /// DELETE answers 204.
    pub delete_is_empty: bool,
    /// What the list of servers leaves out.
    pub list_lacks: Option<CloudListLack>,
    /// A snapshot is listed after so many seconds.
    pub snapshot_lag_s: i64,
    /// A server runs once it was resized, also one that was off.
    pub resize_starts: bool,
    /// So many of the next verbs are accepted, and nothing is done.
    pub idle_verbs: u32,
    /// What cannot be done at all is refused with 409, as what is busy.
    pub refuses_with_conflict: bool,
}

/// What the list of servers leaves out; each server still answers by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudListLack {
    /// Every second server, the one that was made last among them.
    Half,
    /// All.
    All,
    /// Those in this region.
    Region(String),
}

/// How a creation that was accepted goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudCreationFailure {
    /// BUILD, then ERROR: the server stays, is billed, and counts in the quota (inferred from what clients do with it).
    EndsInError,
    /// The operation of a regional creation ends `in-error`, and there never was a server. A flat creation has no operation:
    /// its server ends in ERROR.
    OperationFails,
}

/// What becomes of a creation in a region without room. Users report all three; what a refusal looks like nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCapacity {
    /// It is refused at once.
    Refused,
    /// BUILD, then ERROR.
    EndsInError,
    /// BUILD for ever: only deleting ends it.
    StaysInBuild,
}

/// How a region is. What the vendor shows of one that is down is not known: these are the possibilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionCondition {
    /// All is well.
    Up,
    /// Reading works, verbs are answered 503.
    Maintenance,
    /// The list over all regions is answered 500, and so is every call about this region alone.
    DownListFails,
    /// The list over all regions still has its servers; every call about the region or one of them is answered 503.
    DownListWhole,
    /// The list over all regions leaves its servers out; every call about the region or one of them is answered 503.
    DownListOmits,
}

#[derive(Debug, Clone)]
pub(super) struct Project {
    pub id: String,
    pub description: String,
    /// `ok`, `creating`, `suspended`, `deleting` or `deleted`.
    pub status: String,
    pub regions: Vec<String>,
    pub keys: Vec<Key>,
    pub instances: BTreeMap<String, Instance>,
    pub operations: Vec<Operation>,
    pub snapshots: Vec<SnapshotRow>,
    /// By region, where it is not the ordinary one.
    pub quotas: BTreeMap<String, CloudQuota>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Instance {
    pub id: String,
    pub name: String,
    pub region: String,
    pub flavor: String,
    pub image: CloudImage,
    pub key: Option<String>,
    pub status: String,
    pub is_monthly: bool,
    pub created: String,
    pub address: String,
    pub private_address: Option<String>,
    pub work: Option<Work>,
    /// Before this second nothing knows of it, afterwards the detail does. What an older version kept was always there.
    #[serde(default)]
    pub exists_from: i64,
    /// From this second on it is in the lists.
    #[serde(default)]
    pub listed_from: i64,
    /// What the creation handed over; no answer shows it.
    #[serde(default)]
    pub user_data: Option<String>,
    /// A name that is not shown yet, and when it is.
    #[serde(default)]
    pub next_name: Option<(i64, String)>,
    /// Since when it is billed by the month, if the API began it; and when that is active.
    #[serde(default)]
    pub monthly: Option<(String, i64)>,
    /// Whether the image that a shelved server comes back from was deleted.
    #[serde(default)]
    pub has_lost_shelf: bool,
}

/// What outlives a start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    ahead: i64,
    made: u32,
    projects: BTreeMap<String, BTreeMap<String, Instance>>,
    /// What an older version did not keep.
    #[serde(default)]
    beside: BTreeMap<String, KeptProject>,
}

/// What a project has beside its servers.
#[derive(Debug, Serialize, Deserialize)]
struct KeptProject {
    keys: Vec<Key>,
    operations: Vec<Operation>,
    snapshots: Vec<SnapshotRow>,
}

impl State {
    pub fn new(options: OvhCloudOptions) -> Result<Self, String> {
        let keys = Keys {
            application_key: options.application_key,
            application_secret: options.application_secret,
            consumer_key: options.consumer_key,
        };
        let mut state = Self {
            access: Access::new(keys, &POWER_RULES, &POWER_ACTIONS, action),
            projects: BTreeMap::new(),
            regions: BTreeMap::new(),
            no_stock: BTreeMap::new(),
            withdrawn_images: Vec::new(),
            withdrawn_flavors: Vec::new(),
            hides_plans: false,
            ram_in_mb: true,
            switches: Switches::default(),
            effects: Vec::new(),
            lost_disks: Vec::new(),
            created: Vec::new(),
            deleted: Vec::new(),
            clock: options.clock,
            pace: options.pace,
            ahead: 0,
            made: 0,
        };
        for project in options.projects {
            let (id, instances) = (project.id.clone(), project.instances.clone());
            if state.projects.insert(id.clone(), Project::new(project)).is_some() {
                return Err(format!("two projects have the id {id}"));
            }
            for instance in instances {
                state.add(&id, instance)?;
            }
        }
        Ok(state)
    }

    pub fn to_keep(&self) -> Kept {
        let projects = self.projects.iter().map(|(id, project)| (id.clone(), project.instances.clone()));
        let beside = self.projects.iter().map(|(id, project)| (id.clone(), KeptProject::of(project)));
        Kept { ahead: self.ahead, made: self.made, projects: projects.collect(), beside: beside.collect() }
    }

    /// A project that is not the account's any more is forgotten; one that was not is as new.
    pub fn take_over(&mut self, kept: Kept) {
        (self.ahead, self.made) = (kept.ahead, self.made.max(kept.made));
        for (id, instances) in kept.projects {
            if let Some(project) = self.projects.get_mut(&id) {
                project.instances = instances;
            }
        }
        for (id, kept) in kept.beside {
            if let Some(project) = self.projects.get_mut(&id) {
                (project.keys, project.operations, project.snapshots) = (kept.keys, kept.operations, kept.snapshots);
            }
        }
    }

    /// The clock of the servers, in seconds since 1970.
    pub fn now(&self) -> i64 {
        let second = match self.clock {
            CloudClock::Stopped => FIRST_SECOND,
            CloudClock::Running => crate::clock::now().as_second(),
        };
        second.saturating_add(self.ahead)
    }

    pub fn advance(&mut self, seconds: i64) {
        self.ahead = self.ahead.saturating_add(seconds);
    }

    /// Shows everything that is due.
    pub fn settle(&mut self) {
        let now = self.now();
        for project in self.projects.values_mut() {
            let gone: Vec<String> =
                project.instances.values_mut().filter_map(|it| it.settle(now).then(|| it.id.clone())).collect();
            let gone = gone.iter().filter_map(|id| project.instances.remove(id));
            self.deleted.extend(gone.map(|instance| (instance.id, instance.name)));
            project.operations.iter_mut().for_each(|operation| operation.settle(now));
        }
    }

    /// When the last of all that goes on is over and shown.
    pub fn last_end(&self) -> Option<i64> {
        let ends = self.projects.values().flat_map(|project| {
            let instances = project.instances.values().flat_map(Instance::ends);
            let operations = project.operations.iter().filter_map(Operation::ends_at);
            instances.chain(operations).chain(project.snapshots.iter().map(|snapshot| snapshot.ready_at))
        });
        ends.max()
    }

    pub fn add(&mut self, project: &str, instance: CloudInstance) -> Result<String, String> {
        if Flavor::named(&instance.flavor).is_none() {
            return Err(format!("the catalogue has no flavor {}", instance.flavor));
        }
        let Some(owner) = self.projects.get_mut(project) else {
            return Err(format!("there is no project {project}"));
        };
        if !owner.regions.contains(&instance.region) {
            return Err(format!("the project {project} is not in {}", instance.region));
        }
        let number = self.made;
        self.made += 1;
        let id = instance.id.unwrap_or_else(|| uuid(&format!("instance/{number}")));
        let made = Instance {
            id: id.clone(),
            name: instance.name,
            region: instance.region,
            flavor: instance.flavor,
            image: instance.image,
            key: instance.key,
            status: instance.status,
            is_monthly: instance.is_monthly,
            created: instance.created,
            address: address(number),
            private_address: instance.private_address,
            work: None,
            ..Instance::default()
        };
        owner.instances.insert(id.clone(), made);
        Ok(id)
    }

    /// Numbers of servers and their addresses, of operations and snapshots.
    pub fn next_number(&mut self) -> u32 {
        let number = self.made;
        self.made += 1;
        number
    }

    /// The next of these numbers.
    pub fn number(&self) -> u32 {
        self.made
    }

    pub fn instance_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.projects.values_mut().find_map(|project| project.instances.get_mut(id))
    }

    pub fn condition(&self, region: &str) -> RegionCondition {
        self.regions.get(region).copied().unwrap_or(RegionCondition::Up)
    }

    /// How many of a flavour fit now: what the region has, or less where the quota of the project was changed.
    pub fn stock(&self, project: &Project, region: &str, flavor: &Flavor) -> u32 {
        match (self.lack(region, flavor.name), project.quotas.get(region)) {
            (Some(_), _) => 0,
            (None, None) => STOCK,
            (None, Some(quota)) => quota.room(project.used(region), flavor).min(STOCK),
        }
    }

    pub fn lack(&self, region: &str, flavor: &str) -> Option<NoStock> {
        self.no_stock.get(&(region.to_owned(), flavor.to_owned())).copied()
    }

    /// Begins what a verb asks for.
    pub fn begin(&mut self, project: &str, id: &str, verb: CloudVerb, change: Option<WorkChange>) -> Result<(), Reply> {
        let schedule = Schedule { now: self.now(), pace: self.pace, deleted_s: self.switches.deleted_s };
        let instance = self.projects.get(project).and_then(|project| project.instance(id, schedule.now));
        let instance = instance.ok_or_else(|| no_such_instance(id))?;
        let lost = instance.has_lost_shelf.then_some(NoStock::EndsInError);
        let subject = Subject {
            id,
            status: &instance.status,
            work: instance.work.as_ref(),
            is_monthly: instance.is_monthly,
            refuses_with_conflict: self.switches.refuses_with_conflict,
            no_stock: lost.or_else(|| self.lack(&instance.region, &instance.flavor)),
        };
        let has_local_disks = Flavor::named(&instance.flavor).is_some_and(|flavor| flavor.has_local_disks);
        let status = instance.status.clone();
        let mut work = verb.begin(&subject, schedule)?;
        work.change = change;
        if self.switches.idle_verbs > 0 {
            self.switches.idle_verbs -= 1;
            work = Work::building(schedule.now + schedule.pace.lag_s, &status, None);
        } else if verb == CloudVerb::Resize && self.switches.resize_starts {
            work.ends_with("ACTIVE");
        }
        let (ends_at, region) = (work.ends_at(), instance.region.clone());
        if let Some(instance) = self.instance_mut(id) {
            instance.work = Some(work);
        }
        if let Some(action) = verb.operation() {
            let number = self.next_number();
            let span = Span { now: schedule.now, starts_at: schedule.now + schedule.pace.lag_s, ends_at };
            let begun = Operation::begun(&operation_id(number), action, &region, span, "completed").about(id);
            self.projects.entry(project.to_owned()).and_modify(|project| project.operations.push(begun));
        }
        self.effects.push((id.to_owned(), verb));
        if verb == CloudVerb::Shelve && has_local_disks {
            self.lost_disks.push(id.to_owned());
        }
        Ok(())
    }
}

pub(super) fn operation_id(number: u32) -> String {
    uuid(&format!("begun/{number}"))
}

/// A moment as the vendor writes it.
pub(super) fn stamp(second: i64) -> String {
    jiff::Timestamp::from_second(second).unwrap_or_default().to_string()
}

impl Instance {
    /// Shows what is due. True: it is gone.
    fn settle(&mut self, now: i64) -> bool {
        if let Some((_, name)) = self.next_name.take_if(|(at, _)| *at <= now) {
            self.name = name;
        }
        let Some(work) = &mut self.work else { return false };
        let (shown, is_done) = work.due(now);
        if let Some(status) = shown {
            self.status = status;
        }
        let change = if is_done { self.work.take().and_then(|work| work.change) } else { None };
        match change {
            None => (),
            Some(WorkChange::Addresses(public, private)) => (self.address, self.private_address) = (public, private),
            Some(WorkChange::Flavor(flavor)) => self.flavor = flavor,
            Some(WorkChange::Image(image)) => self.image = image,
            Some(WorkChange::Gone) => return true,
        }
        false
    }

    fn ends(&self) -> impl Iterator<Item = i64> {
        let work = self.work.as_ref().map(Work::ends_at);
        let name = self.next_name.as_ref().map(|(at, _)| *at);
        let monthly = self.monthly.as_ref().map(|(_, at)| *at);
        [work, name, monthly, Some(self.exists_from), Some(self.listed_from)].into_iter().flatten()
    }
}

/// Without a class, and with `does not exist`, is all that is known of it.
pub(super) fn no_such_instance(id: &str) -> Reply {
    crate::ovh_api::no_such_object(id)
}

impl Project {
    fn new(project: CloudProject) -> Self {
        let keys = project.keys.iter().map(|name| Key::given(name, &project.regions)).collect();
        Self {
            id: project.id,
            description: project.description,
            status: "ok".to_owned(),
            regions: project.regions,
            keys,
            instances: BTreeMap::new(),
            operations: Vec::new(),
            snapshots: Vec::new(),
            quotas: BTreeMap::new(),
        }
    }

    /// A server that is there; one whose creation was accepted may not be so yet.
    pub fn instance(&self, id: &str, now: i64) -> Option<&Instance> {
        self.instances.get(id).filter(|instance| instance.exists_from <= now)
    }

    /// Known: writes to a project that is not in order fail. How, is guessed.
    pub fn refusal_of_write(&self) -> Option<Reply> {
        let text = format!("Project {} is {}", self.id, self.status);
        (self.status != "ok").then(|| Reply::error(403, "Client::Forbidden", &text))
    }

    pub fn has_region(&self, region: &str) -> bool {
        self.regions.iter().any(|name| name == region)
    }

    pub fn quota(&self, region: &str) -> CloudQuota {
        self.quotas.get(region).copied().unwrap_or_default()
    }

    /// Servers, cores and memory that count in the quota of a region: those in ERROR, too.
    pub fn used(&self, region: &str) -> CloudQuota {
        let here = self.instances.values().filter(|instance| instance.region == region);
        here.fold(CloudQuota { instances: 0, cores: 0, ram_mb: 0 }, |used, instance| {
            let flavor = Flavor::named(&instance.flavor);
            CloudQuota {
                instances: used.instances + 1,
                cores: used.cores + flavor.map_or(0, |flavor| flavor.vcpus),
                ram_mb: used.ram_mb + flavor.map_or(0, |flavor| flavor.ram_gib * 1000),
            }
        })
    }
}

impl KeptProject {
    fn of(project: &Project) -> Self {
        Self {
            keys: project.keys.clone(),
            operations: project.operations.clone(),
            snapshots: project.snapshots.clone(),
        }
    }
}

impl RegionCondition {
    /// The region's own word.
    pub(super) fn status(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Maintenance => "MAINTENANCE",
            Self::DownListFails | Self::DownListWhole | Self::DownListOmits => "DOWN",
        }
    }

    /// What a call about this region alone is answered instead; texts are guessed.
    pub(super) fn refusal(self, region: &str) -> Option<Reply> {
        let unavailable = format!("Region {region} is not available");
        match self {
            Self::Up | Self::Maintenance => None,
            Self::DownListFails => Some(Reply::error(500, "Server::InternalServerError", "Internal server error")),
            Self::DownListWhole | Self::DownListOmits => {
                Some(Reply::error(503, "Server::ServiceUnavailable", &unavailable))
            }
        }
    }

    /// What a verb in this region is answered instead.
    pub(super) fn refusal_of_verb(self, region: &str) -> Option<Reply> {
        let text = format!("Region {region} is in maintenance");
        match self {
            Self::Maintenance => Some(Reply::error(503, "Server::ServiceUnavailable", &text)),
            Self::Up | Self::DownListFails | Self::DownListWhole | Self::DownListOmits => self.refusal(region),
        }
    }
}

/// Of a network that is for documents, and for tests of throughput where that is too small.
pub(super) fn address(number: u32) -> String {
    match number {
        0..250 => format!("203.0.113.{}", number + 4),
        _ => format!("198.{}.{}.{}", 18 + (number >> 16 & 1), number >> 8 & 255, number & 255),
    }
}
