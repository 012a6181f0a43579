//! What needs a person: one list, which pages, command line and API count and show. Pure.
//!
//! | first | then | last |
//! |---|---|---|
//! | problems beside the services | services | servers and pools, unless their service says it already |

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::instances::InstanceRow;
use super::pools::{self, MachineState, PoolRow};
use super::status::ServiceStatus;
use super::{SiteProblem, problems};
use crate::engine::report::pass_view::PassView;
use amarre_core::model::Timestamp;

/// One thing that needs a person.
pub enum Concern<'a> {
    /// A problem beside the services.
    Site(SiteProblem),
    Service(&'a ServiceStatus),
    /// A server of a cloud.
    Instance(&'a InstanceRow),
    /// A pool with broken machines.
    Pool(PoolRow),
}

impl Concern<'_> {
    /// What it is, in documents.
    const fn kind(&self) -> &'static str {
        match self {
            Concern::Site(_) => "site",
            Concern::Service(_) => "service",
            Concern::Instance(_) => "instance",
            Concern::Pool(_) => "pool",
        }
    }

    /// Its name; empty: it has none.
    pub fn name(&self) -> &str {
        match self {
            Concern::Site(_) => "",
            Concern::Service(row) => &row.name,
            Concern::Instance(row) => &row.name,
            Concern::Pool(row) => &row.name,
        }
    }

    /// The command that shows it; `None`: every status begins with it.
    pub fn command(&self) -> Option<String> {
        match self {
            Concern::Site(_) => None,
            Concern::Service(row) => Some(format!("amarre status {}", row.name)),
            Concern::Instance(row) => Some(format!("amarre instance show {}", row.name)),
            Concern::Pool(row) => Some(format!("amarre pool show {}", row.name)),
        }
    }
}

/// Everything that needs a person.
pub fn concerns(pass: &PassView, now: Timestamp) -> Vec<Concern<'_>> {
    let services: Vec<&ServiceStatus> = pass.statuses().values().filter(|row| row.attention && !row.deleted).collect();
    let told: BTreeSet<&str> = services.iter().map(|row| row.name.as_str()).collect();
    let is_told = |service: Option<&String>| service.is_some_and(|name| told.contains(name.as_str()));
    let instances = pass.instances().iter().filter(|row| row.needs_attention());
    let instances = instances.filter(|row| !is_told(row.manifest.as_ref().map(|managed| &managed.service)));
    let broken = |row: &PoolRow| row.count(MachineState::Broken) > 0;
    let pools = pools::rows(pass).into_iter().filter(|row| broken(row) && !is_told(Some(&row.name)));
    let problems = problems(pass, now).into_iter().map(Concern::Site);
    let beside = instances.map(Concern::Instance).chain(pools.map(Concern::Pool));
    problems.chain(services.iter().copied().map(Concern::Service)).chain(beside).collect()
}

/// How many things need a person.
pub fn count(pass: &PassView) -> usize {
    concerns(pass, pass.at).len()
}

/// All of them in a document, each with its kind and, where it has them, its name and its code.
pub fn json(pass: &PassView) -> Vec<Json> {
    let item = |concern: &Concern<'_>| {
        let mut item = json!({"kind": concern.kind()});
        if !concern.name().is_empty() {
            item["name"] = json!(concern.name());
        }
        let code = match concern {
            Concern::Site(problem) => Some(problem.code),
            Concern::Service(row) => row.code,
            Concern::Instance(_) | Concern::Pool(_) => None,
        };
        if let Some(code) = code {
            item["code"] = json!(code);
        }
        item
    };
    concerns(pass, pass.at).iter().map(item).collect()
}
