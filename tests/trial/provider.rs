//! The provider of the trial cloud: a gap a region, what is not Amarre's as inventory, and what is ruled out.

use std::collections::BTreeSet;

use amarre::providers::{
    Capabilities, Class, Observation, ObserveQuery, Outcome, PerformAction, Provider, ProviderError, Supplies,
};
use amarre_core::model::{
    Action, Address, Change, Code, Field, Fields, Gap, GapScope, Kind, KindSchema, Millis, Owner, ProviderId,
    Readiness, Rule, Seen, Value, Verb,
};
use amarre_core::resources::Objection;
use async_trait::async_trait;

use super::vendor::{CallFailure, Server, Vendor};

const KINDS: &[KindSchema] = &[KindSchema {
    kind: Kind::TrialServer,
    fields: &[
        Field::new("size", Rule::Update),
        Field::new("reboots", Rule::Observed),
        Field::new("mark", Rule::Update),
    ],
    claims: None,
}];

pub struct TrialCloud {
    pub id: ProviderId,
    pub instance: String,
    pub regions: Vec<&'static str>,
    pub vendor: Vendor,
}

impl TrialCloud {
    fn address(&self, region: &str, name: &str) -> Address {
        Address::new(self.id.clone(), Kind::TrialServer, &format!("{region}/{name}"))
    }

    fn observe_region(&self, region: &str, query: &ObserveQuery, observation: &mut Observation) {
        let cloud = self.vendor.lock();
        let Ok(servers) = cloud.list(region) else {
            observation.gaps.push(Gap {
                provider: self.id.clone(),
                scope: GapScope::part("region", region),
                code: Code::A0909,
                message: format!("region {region} does not answer"),
                hint: String::new(),
                since: query.now,
            });
            return;
        };
        for (id, server) in servers {
            let is_ours = server.made_by == self.instance;
            let seen = Seen {
                fields: Fields::default()
                    .with("size", Value::text(&server.size))
                    .with("reboots", Value::Int(i64::from(server.reboots)))
                    .with("mark", Value::Bool(is_ours)),
                ready: Readiness::Ready,
                owner: if is_ours { Owner::Ours } else { Owner::Foreign },
                service: is_ours.then(|| server.name.clone()),
                vendor_id: id.to_string(),
                at: query.now,
            };
            if is_ours {
                observation.seen.insert(self.address(region, &server.name), seen);
            } else {
                observation.inventory.insert(self.address(region, &id.to_string()), seen);
            }
        }
        let Some(making) = cloud.operations(region) else { return };
        let is_nowhere = |address: &&Address| {
            let name = address.name.strip_prefix(region).and_then(|rest| rest.strip_prefix('/'));
            name.is_some_and(|name| !making.contains(name)) && !observation.seen.contains_key(*address)
        };
        let ruled_out: BTreeSet<Address> = query.to_rule_out.iter().filter(is_nowhere).cloned().collect();
        observation.ruled_out.extend(ruled_out);
    }
}

#[async_trait]
impl Provider for TrialCloud {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn kinds(&self) -> &'static [KindSchema] {
        KINDS
    }

    fn normalize(&self, _: &Address, _: &mut Fields) -> Result<(), Objection> {
        Ok(())
    }

    async fn observe(&self, query: &ObserveQuery) -> Observation {
        let mut observation = Observation::default();
        for region in &self.regions {
            self.observe_region(region, query, &mut observation);
        }
        observation
    }

    async fn apply(&self, change: &Change, _: Supplies<'_>) -> Result<Outcome, ProviderError> {
        let (region, name) = change.address.name.split_once('/').unwrap();
        let mut cloud = self.vendor.lock();
        let listed = cloud.list(region).map_err(|failure| failed(&failure))?;
        let known = listed.into_iter().find(|(_, server)| server.name == name && server.made_by == self.instance);
        let id = match (&change.verb, known) {
            (Verb::Create(_), Some((id, _))) => id,
            (Verb::Create(fields), None) => {
                let size = fields.text("size").unwrap().to_owned();
                let (name, region) = (name.to_owned(), region.to_owned());
                let server = Server { name, region, size, made_by: self.instance.clone(), reboots: 0 };
                cloud.create(server).map_err(|failure| failed(&failure))?
            }
            (Verb::Update(fields), Some((id, _))) => {
                cloud.resize(id, fields.text("size").unwrap()).map_err(|failure| failed(&failure))?;
                id
            }
            (Verb::Delete, Some((id, _))) => {
                cloud.delete(id).map_err(|failure| failed(&failure))?;
                return Ok(Outcome::default());
            }
            (Verb::Delete, None) => return Ok(Outcome::default()),
            (Verb::Update(_), None) => return Err(ProviderError::new(Class::Conflict, Code::A0409, "it is gone")),
        };
        Ok(Outcome { vendor_id: id.to_string() })
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities { actions: Some(self), ..Capabilities::NONE }
    }
}

#[async_trait]
impl PerformAction for TrialCloud {
    fn words(&self, _: Kind) -> &'static [&'static str] {
        &["reboot"]
    }

    fn limit(&self, _: &str, _: &Seen) -> Millis {
        Millis::minutes(5)
    }

    fn before(&self, _: &str, seen: &Seen) -> String {
        reboots(seen)
    }

    async fn perform(&self, action: &Action) -> Result<(), ProviderError> {
        let id = action.vendor_id.parse().unwrap();
        self.vendor.lock().reboot(id).map_err(|failure| failed(&failure))
    }

    fn happened(&self, action: &Action, seen: &Seen) -> Option<bool> {
        Some(reboots(seen) != action.before)
    }
}

fn reboots(seen: &Seen) -> String {
    seen.fields.get("reboots").and_then(Value::as_int).unwrap_or_default().to_string()
}

fn failed(failure: &CallFailure) -> ProviderError {
    match failure {
        CallFailure::Silent => ProviderError::new(Class::RetryLater, Code::A0909, "the region does not answer"),
        CallFailure::Lost => ProviderError::new(Class::OutcomeUnknown, Code::A0909, "no answer came"),
    }
}
