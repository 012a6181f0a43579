//! What a pass does for pools: how machines are reached, who gets which of them, and how their users sign in.

use std::collections::BTreeMap;

use super::effective_manifests::DesiredManifests;
use crate::engine::Engine;
use crate::engine::commands::pools;
use crate::providers::machines::MachineAccess;
use crate::secret::Secret;
use amarre_core::model::pool::{Disabled, Machine, machine_of, sign_in_secret};
use amarre_core::model::reservations::{self, Reservation, ReservationEnd, ReservationState};
use amarre_core::model::{Facts, Millis, Origin, Service};

impl Engine {
    /// How the users of reservations sign in, beside the secrets of the manifests.
    pub(crate) async fn add_sign_ins(&mut self, desired: &mut DesiredManifests) {
        match self.ledger.sign_ins().await {
            Ok(all) => {
                for (id, text) in all {
                    let name = sign_in_secret(id);
                    desired.marks.insert(name.clone(), self.key.mark(&text));
                    desired.secrets.insert(name, Secret::new(text));
                }
            }
            Err(error) => self.ledger_failed(&error),
        }
    }

    /// How each machine is reached: of manifests, and those that left theirs while accounts of ours are on them.
    pub(crate) fn machine_accesses(&self, desired: &DesiredManifests, facts: &Facts) -> Vec<MachineAccess> {
        let pools = desired.services.iter().filter_map(|(name, service)| Some((name, service.pool.as_ref()?)));
        let mut machines: BTreeMap<(&String, &String), &Machine> = BTreeMap::new();
        for (name, pool) in pools {
            machines.extend(pool.machines.iter().map(|(machine, access)| ((name, machine), access)));
        }
        for (name, pool) in &facts.pools {
            let left = pool.machines.iter().filter_map(|(machine, known)| Some((machine, known.reached.as_ref()?)));
            for (machine, access) in left.filter(|(machine, _)| has_accounts(facts, name, machine)) {
                machines.entry((name, machine)).or_insert(access);
            }
        }
        let access = |((pool, name), machine): ((&String, &String), &Machine)| {
            let known = facts.pools.get(pool).and_then(|facts| facts.machines.get(name));
            let secret = |name| desired.secrets.get(name).cloned().or_else(|| (self.secrets)(name).ok());
            let password = machine.password.as_ref().map(secret);
            let trusted = machine.host_key.clone().or_else(|| known?.trusted.clone());
            // Without its password a machine is not tried with something else.
            let lacks_password = password == Some(None);
            let (pool, name) = (pool.clone(), name.clone());
            let (password, host_key) = (password.flatten(), trusted);
            MachineAccess { pool, name, machine: machine.clone(), password, lacks_password, host_key }
        };
        machines.into_iter().map(access).collect()
    }

    /// Stores which reservations stand otherwise, and how machines are reached; without that nothing of it counts.
    pub(crate) async fn record_reservations(
        &mut self,
        changed: Vec<(String, Reservation)>,
        services: &BTreeMap<String, Service>,
        facts: &mut Facts,
    ) {
        let stored = self.store_reservations(&changed, services, facts).await;
        if let Err(error) = stored {
            return self.ledger_failed(&error);
        }
        for (pool, one) in changed {
            let known = facts.pools.entry(pool).or_default();
            known.reservations.retain(|other| other.id != one.id);
            if one.is_live() {
                known.reservations.push(one);
            } else {
                known.note_over(&one);
            }
        }
    }

    async fn store_reservations(
        &self,
        changed: &[(String, Reservation)],
        services: &BTreeMap<String, Service>,
        facts: &mut Facts,
    ) -> Result<(), crate::ledger::StoreError> {
        for (name, service) in services {
            let Some(pool) = &service.pool else { continue };
            for (machine, access) in &pool.machines {
                let known = facts.pools.entry(name.clone()).or_default().machines.entry(machine.clone()).or_default();
                // Where it stands in the source is no part of how it is reached.
                let access = Machine { origin: Origin::default(), ..access.clone() };
                if known.reached.as_ref() != Some(&access) {
                    known.reached = Some(access);
                    self.ledger.note_machine(name, machine, Some(known)).await?;
                }
            }
        }
        if changed.is_empty() { Ok(()) } else { self.ledger.store_reservations(changed).await }
    }
}

fn has_accounts(facts: &Facts, pool: &str, machine: &str) -> bool {
    facts.applied.keys().filter_map(machine_of).any(|of| of == (pool, machine))
}

/// What a person changes of a pool.
#[derive(Debug)]
pub enum PoolChange {
    /// Machines are asked for.
    Reserve {
        /// Of which pool.
        pool: String,
        /// What is asked for, without a number.
        reservation: Box<Reservation>,
        /// How its user signs in: a crypt hash and a public key.
        sign_in: Secret,
    },
    /// Reservations end now.
    End {
        /// Of which pool.
        pool: String,
        /// Their numbers.
        ids: Vec<u64>,
    },
    /// A reservation lasts longer.
    Extend {
        /// Of which pool.
        pool: String,
        /// Its number.
        id: u64,
        /// For how long.
        by: Millis,
    },
    /// A host key is trusted.
    Trust {
        /// Of which pool.
        pool: String,
        /// Whose.
        machine: String,
        /// As `ssh-ed25519 AAAA…`.
        key: String,
    },
    /// A machine is taken out of service, or back.
    Enable {
        /// Of which pool.
        pool: String,
        /// Which.
        machine: String,
        /// By whom; `None`: it is in service.
        disabled: Option<Disabled>,
    },
}

impl PoolChange {
    /// Of which pool.
    pub fn pool(&self) -> &str {
        match self {
            PoolChange::Reserve { pool, .. } | PoolChange::End { pool, .. } | PoolChange::Extend { pool, .. } => pool,
            PoolChange::Trust { pool, .. } | PoolChange::Enable { pool, .. } => pool,
        }
    }
}

impl Engine {
    /// Changes a pool, by what the ledger knows now. The loop alone does that, so two people never get the same machine.
    ///
    /// # Errors
    /// Why it is not done, in a sentence; nothing has changed then.
    pub async fn change_pool(&mut self, change: PoolChange) -> Result<(), String> {
        let known = self.ledger.pools().await.map_err(|error| error.to_string())?;
        let now = self.clock.now();
        let facts = |pool: &str| known.get(pool).cloned().unwrap_or_default();
        let stored = match change {
            PoolChange::Reserve { pool, reservation, sign_in } => {
                let picture = self.last_pass();
                let service = picture.services.get(&pool).and_then(|service| service.pool.as_ref());
                let Some(manifest) = service else { return Err(format!("there is no pool {pool}")) };
                let why = pools::refusal_of(&reservation, manifest, &facts(&pool).reservations, now);
                if let Some(why) = why {
                    return Err(why);
                }
                self.ledger.add_reservation(&pool, &reservation, sign_in.expose()).await.map(|_| ())
            }
            PoolChange::End { pool, ids } => {
                let ended = facts(&pool).reservations.into_iter().filter(|one| ids.contains(&one.id)).map(|mut one| {
                    one.end(ReservationEnd::Released, now);
                    (pool.clone(), one)
                });
                self.ledger.store_reservations(&ended.collect::<Vec<_>>()).await
            }
            PoolChange::Extend { pool, id, by } => {
                let picture = self.last_pass();
                let service = picture.services.get(&pool).and_then(|service| service.pool.as_ref());
                let Some(manifest) = service else { return Err(format!("there is no pool {pool}")) };
                let all = facts(&pool).reservations;
                let Some(one) = all.iter().find(|one| one.id == id) else { return Err(format!("r{id} is over")) };
                let to = reservations::extended(one, by, &manifest.rules, manifest.machines.len(), &all, now);
                let to = to.map_err(|why| why.to_string())?;
                let mut one = one.clone();
                if let ReservationState::Held { until, .. } = &mut one.state {
                    *until = to;
                }
                self.ledger.store_reservations(&[(pool, one)]).await
            }
            PoolChange::Trust { pool, machine, key } => {
                let mut known = facts(&pool).machines.remove(&machine).unwrap_or_default();
                known.trusted = Some(key);
                self.ledger.note_machine(&pool, &machine, Some(&known)).await
            }
            PoolChange::Enable { pool, machine, disabled } => {
                let mut known = facts(&pool).machines.remove(&machine).unwrap_or_default();
                known.disabled = disabled;
                self.ledger.note_machine(&pool, &machine, Some(&known)).await
            }
        };
        stored.map_err(|error| error.to_string())
    }
}
