//! The account: projects with their servers, the clock by which these change, and what is out of order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::catalogue::{Flavor, uuid};
use super::fleet::{CloudClock, CloudImage, CloudInstance, CloudPace, CloudProject, OvhCloudOptions};
use super::power::{CloudVerb, NoStock, Subject, Work};
use super::rights::{POWER_ACTIONS, POWER_RULES, action};
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
    /// Whether the catalogue counts memory in MB; the detail of a server never does.
    pub ram_in_mb: bool,
    /// (id, verb) of each verb that was accepted.
    pub effects: Vec<(String, CloudVerb)>,
    clock: CloudClock,
    pub pace: CloudPace,
    /// Seconds that the clock of the servers was moved ahead.
    ahead: i64,
    made: u32,
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
    pub keys: Vec<String>,
    pub instances: BTreeMap<String, Instance>,
    pub operations: Vec<Operation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub id: String,
    pub action: String,
    pub status: String,
    pub resource: Option<String>,
    pub region: String,
    pub created: String,
}

/// What outlives a start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    ahead: i64,
    made: u32,
    projects: BTreeMap<String, BTreeMap<String, Instance>>,
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
            ram_in_mb: true,
            effects: Vec::new(),
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
        Kept { ahead: self.ahead, made: self.made, projects: projects.collect() }
    }

    /// A project that is not the account's any more is forgotten; one that was not is as new.
    pub fn take_over(&mut self, kept: Kept) {
        (self.ahead, self.made) = (kept.ahead, self.made.max(kept.made));
        for (id, instances) in kept.projects {
            if let Some(project) = self.projects.get_mut(&id) {
                project.instances = instances;
            }
        }
    }

    /// The clock of the servers, in seconds since 1970.
    pub fn now(&self) -> i64 {
        let second = match self.clock {
            CloudClock::Stopped => FIRST_SECOND,
            CloudClock::Running => jiff::Timestamp::now().as_second(),
        };
        second.saturating_add(self.ahead)
    }

    pub fn advance(&mut self, seconds: i64) {
        self.ahead = self.ahead.saturating_add(seconds);
    }

    /// Shows every status that is due.
    pub fn settle(&mut self) {
        let now = self.now();
        for instance in self.projects.values_mut().flat_map(|project| project.instances.values_mut()) {
            let Some(work) = &mut instance.work else { continue };
            let (shown, is_done) = work.due(now);
            if let Some(status) = shown {
                instance.status = status;
            }
            if is_done {
                instance.work = None;
            }
        }
    }

    /// When the last work ends.
    pub fn last_end(&self) -> Option<i64> {
        let all = self.projects.values().flat_map(|project| project.instances.values());
        all.filter_map(|instance| instance.work.as_ref().map(Work::ends_at)).max()
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
        };
        owner.instances.insert(id.clone(), made);
        Ok(id)
    }

    pub fn instance_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.projects.values_mut().find_map(|project| project.instances.get_mut(id))
    }

    pub fn condition(&self, region: &str) -> RegionCondition {
        self.regions.get(region).copied().unwrap_or(RegionCondition::Up)
    }

    /// How many of a flavour fit now.
    pub fn stock(&self, region: &str, flavor: &str) -> u32 {
        match self.lack(region, flavor) {
            Some(_) => 0,
            None => STOCK,
        }
    }

    fn lack(&self, region: &str, flavor: &str) -> Option<NoStock> {
        self.no_stock.get(&(region.to_owned(), flavor.to_owned())).copied()
    }

    /// Begins what a verb asks for.
    pub fn begin(&mut self, project: &str, id: &str, verb: CloudVerb) -> Result<(), Reply> {
        let instance = self.projects.get(project).and_then(|project| project.instances.get(id));
        let instance = instance.ok_or_else(|| no_such_instance(id))?;
        let subject = Subject {
            id,
            status: &instance.status,
            work: instance.work.as_ref(),
            is_monthly: instance.is_monthly,
            has_local_disks: Flavor::named(&instance.flavor).is_some_and(|flavor| flavor.has_local_disks),
            no_stock: self.lack(&instance.region, &instance.flavor),
        };
        let work = verb.begin(&subject, self.pace, self.now())?;
        if let Some(instance) = self.instance_mut(id) {
            instance.work = Some(work);
        }
        self.effects.push((id.to_owned(), verb));
        self.settle();
        Ok(())
    }
}

/// Without a class, and with `does not exist`, is all that is known of it.
pub(super) fn no_such_instance(id: &str) -> Reply {
    crate::ovh_api::no_such_object(id)
}

impl Project {
    fn new(project: CloudProject) -> Self {
        Self {
            id: project.id,
            description: project.description,
            status: "ok".to_owned(),
            regions: project.regions,
            keys: project.keys,
            instances: BTreeMap::new(),
            operations: Vec::new(),
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
fn address(number: u32) -> String {
    match number {
        0..250 => format!("203.0.113.{}", number + 4),
        _ => format!("198.{}.{}.{}", 18 + (number >> 16 & 1), number >> 8 & 255, number & 255),
    }
}
