//! What a pass does for pools: how machines are reached, who gets which of them, and how their users sign in.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::effective_manifests::DesiredManifests;
use super::engine::Engine;
use crate::providers::machines::MachineAccess;
use crate::secret::Secret;
use amarre_core::model::pool::{
    Between, Disabled, Machine, MachineFacts, Pool, PoolFacts, canonical_address, host_key_secret, machine_of,
    own_key_secret, provider, sign_in_secret,
};
use amarre_core::model::reservations::{
    self, Reservation, ReservationEnd, ReservationRequest, ReservationState, refusal,
};
use amarre_core::model::savings::Day;
use amarre_core::model::{Facts, Kind, Millis, Origin, Service, Timestamp};

/// The way out where two machines have one host key.
const OTHER_KEYS: &str = "where one is a copy of the other, make it new keys: rm /etc/ssh/ssh_host_*; ssh-keygen -A";

/// Stands for a key in the plan of a pass that makes none.
const MADE_LATER: &str = "made by the first pass that acts";

impl Engine {
    /// What is in no manifest, beside the secrets of these: how the users of reservations sign in, and the keys of machines that
    /// Amarre makes. `makes`: keys that are not there are made.
    pub(crate) async fn add_own_secrets(&mut self, desired: &mut DesiredManifests, makes: bool) {
        self.add_keys_of_containers(desired, makes).await;
        self.add_keys_of_servers(desired, makes).await;
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

    async fn add_keys_of_containers(&self, desired: &mut DesiredManifests, makes: bool) {
        let pools = desired.services.iter().filter_map(|(name, service)| Some((name, service.pool.as_ref()?)));
        let made = pools.flat_map(|(name, pool)| {
            let made = pool.machines.iter().filter(|(_, machine)| machine.is_container);
            made.map(|(machine, _)| (name.clone(), machine.clone()))
        });
        let made: Vec<(String, String)> = made.collect();
        let pools: BTreeSet<String> = made.iter().map(|(pool, _)| pool.clone()).collect();
        let reach = self.context.providers.get(&provider()).and_then(|ssh| ssh.capabilities().machines);
        let Some(reach) = reach.filter(|_| !made.is_empty()) else { return };
        let mut keys = vec![];
        for (pool, machine) in made {
            let name = host_key_secret(&pool, &machine);
            match reach.host_key(&pool, &machine, makes).await {
                Ok(pair) => {
                    desired.host_keys.extend(pair.as_ref().map(|pair| (name.clone(), pair.public.clone())));
                    keys.push((name, pair.map(|pair| pair.private)));
                }
                Err(why) => desired.freeze(&pool, why),
            }
        }
        match reach.public_key(makes).await {
            Ok(line) => keys.push((own_key_secret(), line.map(Secret::new))),
            Err(why) => pools.into_iter().for_each(|pool| desired.freeze(&pool, why.clone())),
        }
        for (name, secret) in keys {
            let secret = secret.unwrap_or_else(|| Secret::new(MADE_LATER));
            desired.marks.insert(name.clone(), self.key.mark(secret.expose()));
            desired.secrets.insert(name, secret);
        }
    }

    /// The servers that pools make are opened by Amarre's own key.
    async fn add_keys_of_servers(&self, desired: &mut DesiredManifests, makes: bool) {
        let has_servers = |service: &Service| service.pool.as_ref().is_some_and(|pool| !pool.servers.is_empty());
        let pools: Vec<String> =
            desired.services.iter().filter(|(_, service)| has_servers(service)).map(|(name, _)| name.clone()).collect();
        let reach = self.context.providers.get(&provider()).and_then(|ssh| ssh.capabilities().machines);
        let Some(reach) = reach.filter(|_| !pools.is_empty()) else { return };
        match reach.public_key(makes).await {
            Ok(line) => {
                let line = line.unwrap_or_else(|| MADE_LATER.to_owned());
                let services = Arc::make_mut(&mut desired.services);
                let pools = services.values_mut().filter_map(|service| service.pool.as_mut());
                let shapes = pools.flat_map(|pool| pool.servers.values_mut()).filter_map(|one| one.shape.as_mut());
                shapes.for_each(|shape| shape.ssh_key.clone_from(&line));
            }
            Err(why) => pools.iter().for_each(|pool| desired.freeze(pool, why.clone())),
        }
    }

    /// Notes at which address each server of a pool is: what its cloud showed last.
    pub(crate) fn place_servers(&self, desired: &mut DesiredManifests, facts: &Facts) {
        let world = &self.pass.world;
        let has_looked = self.pass.context.is_some();
        if !desired.services.values().any(|service| service.pool.is_some()) {
            return;
        }
        for (name, service) in Arc::make_mut(&mut desired.services) {
            let Some(pool) = &mut service.pool else { continue };
            let known = facts.pools.get(name);
            for (machine, access) in &mut pool.machines {
                let Some(server) = &access.server else { continue };
                let shown = |field: &str| canonical_address(world.seen.get(server)?.fields.text(field)?);
                // Before the first look, and while its cloud does not answer, it is where it was.
                let is_hidden = !has_looked || world.gap(server).is_some();
                let before = || known?.machines.get(machine)?.reached.as_ref().map(|reached| reached.address.clone());
                let before = before().filter(|_| is_hidden);
                access.address = shown("address").or_else(|| shown("address_v6")).or(before).unwrap_or_default();
            }
        }
    }

    /// How each machine is reached: of manifests, and those that left theirs while accounts of ours are on them.
    pub(crate) fn machine_accesses(&self, desired: &DesiredManifests, facts: &Facts) -> Vec<MachineAccess> {
        let pools = desired.services.iter().filter_map(|(name, service)| Some((name, service.pool.as_ref()?)));
        let mut machines: BTreeMap<(&String, &String), &Machine> = BTreeMap::new();
        let containers = LazyCell::new(|| {
            let containers = facts.applied.keys().filter(|address| address.kind == Kind::Container);
            containers.map(|address| address.name.as_str()).collect::<BTreeSet<_>>()
        });
        let lent = LazyCell::new(|| facts.applied.keys().filter_map(machine_of).collect::<BTreeSet<_>>());
        for (name, pool) in pools {
            // One that is not made yet is neither away nor a stranger.
            let is_made = |machine: &str, access: &Machine| {
                (!access.is_container || containers.contains(machine)) && !access.address.is_empty()
            };
            let made = pool.machines.iter().filter(|(machine, access)| is_made(machine, access));
            machines.extend(made.map(|(machine, access)| ((name, machine), access)));
        }
        for (name, pool) in &facts.pools {
            let left = pool.machines.iter().filter_map(|(machine, known)| Some((machine, known.reached.as_ref()?)));
            // With the container or the server that it was, a machine is gone, whatever is said of its accounts.
            let is_there = |machine: &str, access: &Machine| {
                lent.contains(&(name.as_str(), machine))
                    && !access.address.is_empty()
                    && (!access.is_container || containers.contains(machine))
                    && access.server.as_ref().is_none_or(|server| facts.applied.contains_key(server))
            };
            for (machine, access) in left.filter(|(machine, access)| is_there(machine, access)) {
                machines.entry((name, machine)).or_insert(access);
            }
        }
        let access = |((pool, name), machine): ((&String, &String), &Machine)| {
            let known = facts.pools.get(pool).and_then(|facts| facts.machines.get(name));
            let secret = |name| desired.secrets.get(name).cloned().or_else(|| (self.secrets)(name).ok());
            let password = machine.password.as_ref().map(secret);
            let made = desired.host_keys.get(&host_key_secret(pool, name)).filter(|_| machine.is_container).cloned();
            let trusted = made.or_else(|| machine.host_key.clone()).or_else(|| known?.trusted.clone());
            // Without its password a machine is not tried with something else.
            let lacks_password = password == Some(None);
            let (pool, name) = (pool.clone(), name.clone());
            let (password, host_key) = (password.flatten(), trusted);
            let between =
                match desired.services.get(&pool).and_then(|service| service.pool.as_ref()).map(|pool| &pool.between) {
                    Some(Between::Script(script)) => Some(script.clone()),
                    Some(Between::Nothing | Between::Rebuild) | None => None,
                };
            MachineAccess { pool, name, machine: machine.clone(), password, between, lacks_password, host_key }
        };
        machines.into_iter().map(access).collect()
    }

    /// Stores which reservations stand otherwise, and how machines are reached; without that nothing of it counts.
    pub(crate) async fn record_reservations(
        &mut self,
        changed: Vec<(String, Reservation)>,
        desired: &DesiredManifests,
        facts: &mut Facts,
    ) {
        let stored = self.store_reservations(&changed, desired, facts).await;
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
        desired: &DesiredManifests,
        facts: &mut Facts,
    ) -> Result<(), crate::ledger::StoreError> {
        for (name, service) in &*desired.services {
            let Some(pool) = &service.pool else { continue };
            for (machine, access) in &pool.machines {
                let known = facts.pools.entry(name.clone()).or_default().machines.entry(machine.clone()).or_default();
                // Where it stands in the source is no part of how it is reached.
                let access = Machine { origin: Origin::default(), ..access.clone() };
                // One that is taken out of the manifest is still cleaned.
                let made = desired.host_keys.get(&host_key_secret(name, machine)).filter(|_| access.is_container);
                let trusted = made.cloned().or_else(|| known.trusted.clone());
                if known.reached.as_ref() != Some(&access) || known.trusted != trusted {
                    known.reached = Some(access);
                    known.trusted = trusted;
                    self.ledger.note_machine(name, machine, Some(known)).await?;
                }
            }
        }
        let now = self.clock.now();
        // With the first pass of each day.
        if Day::of(self.pass.at) != Day::of(now) {
            let kept = self.context.site.reservations_kept;
            self.ledger.forget_reservations(Timestamp(now.0 - kept.0)).await?;
        }
        if changed.is_empty() { Ok(()) } else { self.ledger.store_reservations(changed).await }
    }
}

/// What a person changes of a pool.
#[derive(Debug)]
pub enum PoolChange {
    /// Machines are asked for.
    Reserve {
        pool: String,
        /// What is asked for, without numbers, each with how its user signs in: a crypt hash and a public key. All, or nothing.
        wanted: Vec<(Reservation, Secret)>,
    },
    /// Reservations end now.
    End { pool: String, ids: Vec<u64> },
    /// Who had machines is forgotten of one person.
    Erase {
        pool: String,
        /// Under which name that person asked.
        person: String,
    },
    /// Reservations that wait for machines end now; those that have some do not.
    Leave { pool: String, ids: Vec<u64> },
    /// A reservation lasts longer.
    Extend {
        pool: String,
        id: u64,
        /// For how long.
        by: Millis,
    },
    /// A host key is trusted.
    Trust {
        pool: String,
        machine: String,
        /// As `ssh-ed25519 AAAA…`.
        key: String,
    },
    /// A machine is taken out of service, or back.
    Enable {
        pool: String,
        machine: String,
        /// By whom; `None`: it is in service.
        disabled: Option<Disabled>,
    },
    /// What is known of a machine that is in no manifest is of another one from now on.
    Forget {
        pool: String,
        machine: String,
        /// Accounts of Amarre's are left on it: how it is reached stays known.
        is_left: bool,
    },
}

impl PoolChange {
    pub fn pool(&self) -> &str {
        match self {
            PoolChange::Reserve { pool, .. } | PoolChange::End { pool, .. } | PoolChange::Extend { pool, .. } => pool,
            PoolChange::Trust { pool, .. } | PoolChange::Enable { pool, .. } | PoolChange::Erase { pool, .. } => pool,
            PoolChange::Leave { pool, .. } | PoolChange::Forget { pool, .. } => pool,
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
            PoolChange::Reserve { pool, wanted } => {
                let manifest = self.pool_of_manifest(&pool)?;
                let mut known = facts(&pool).reservations;
                for (one, _) in &wanted {
                    if let Some(why) = refusal_of(one, &manifest, &known, now) {
                        return Err(why);
                    }
                    known.push(one.clone());
                }
                let wanted: Vec<(&Reservation, &str)> =
                    wanted.iter().map(|(one, sign_in)| (one, sign_in.expose())).collect();
                self.ledger.add_reservations(&pool, &wanted).await
            }
            PoolChange::End { pool, ids } => {
                let ended = facts(&pool).reservations.into_iter().filter(|one| ids.contains(&one.id)).map(|mut one| {
                    one.end(ReservationEnd::Released, now);
                    (pool.clone(), one)
                });
                self.ledger.store_reservations(&ended.collect::<Vec<_>>()).await
            }
            PoolChange::Erase { pool, person } => return self.erase(&pool, &person, &facts(&pool).reservations).await,
            PoolChange::Leave { pool, ids } => {
                let mut left = Vec::new();
                for mut one in facts(&pool).reservations.into_iter().filter(|one| ids.contains(&one.id)) {
                    if matches!(one.state, ReservationState::Held { .. }) {
                        return Err(format!("{} has its machines by now", one.label()));
                    }
                    one.end(ReservationEnd::Released, now);
                    left.push((pool.clone(), one));
                }
                self.ledger.store_reservations(&left).await
            }
            PoolChange::Extend { pool, id, by } => {
                let manifest = self.pool_of_manifest(&pool)?;
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
                if let Some(other) = self.other_with_key(&known, &pool, &key) {
                    return Err(format!("{other} has the host key of {pool}/{machine}; {OTHER_KEYS}"));
                }
                let mut known = facts(&pool).machines.remove(&machine).unwrap_or_default();
                known.trusted = Some(key);
                self.ledger.note_machine(&pool, &machine, Some(&known)).await
            }
            PoolChange::Enable { pool, machine, disabled } => {
                let mut known = facts(&pool).machines.remove(&machine).unwrap_or_default();
                known.disabled = disabled;
                self.ledger.note_machine(&pool, &machine, Some(&known)).await
            }
            PoolChange::Forget { pool, machine, is_left } => {
                let known = facts(&pool).machines.remove(&machine).filter(|_| is_left);
                let known = known.map(|known| MachineFacts { disabled: None, ..known });
                self.ledger.note_machine(&pool, &machine, known.as_ref()).await
            }
        };
        stored.map_err(|error| error.to_string())
    }

    /// The machine of another pool that has a host key by its manifest, or by what a person trusted.
    fn other_with_key(&self, known: &BTreeMap<String, PoolFacts>, pool: &str, key: &str) -> Option<String> {
        let pass = self.last_pass();
        let others = pass.services.values().filter(|other| other.name != pool);
        let mut machines =
            others.filter_map(|other| Some((&other.name, other.pool.as_ref()?))).flat_map(|(name, pool)| {
                pool.machines.iter().map(move |(machine, said)| (name, machine, said.host_key.as_deref()))
            });
        let trusted = |name: &str, machine: &str| known.get(name)?.machines.get(machine)?.trusted.as_deref();
        let has_key = |(name, machine, said): &(&String, &String, Option<&str>)| {
            said.or_else(|| trusted(name, machine)) == Some(key)
        };
        machines.find(has_key).map(|(name, machine, _)| format!("{name}/{machine}"))
    }

    fn pool_of_manifest(&self, pool: &str) -> Result<Pool, String> {
        let pass = self.last_pass();
        let service = pass.services.get(pool).and_then(|service| service.pool.clone());
        service.ok_or_else(|| format!("there is no pool {pool}"))
    }

    /// Takes a person's name out of what is over; refused while that person has something.
    async fn erase(&self, pool: &str, person: &str, live: &[Reservation]) -> Result<(), String> {
        let users = self.ledger.users_of(pool, person).await.map_err(|error| error.to_string())?;
        let left = self.last_pass().facts.applied.keys().any(|address| {
            let user = address.name.rsplit('/').next().unwrap_or_default();
            machine_of(address).is_some_and(|(of, _)| of == pool) && users.contains(user)
        });
        if left || live.iter().any(|one| one.by == person) {
            return Err(format!("{person} has a reservation or an account in {pool}: release it first"));
        }
        self.ledger.forget_person(pool, person, &users).await.map_err(|error| error.to_string())
    }
}

/// Why a reservation is not taken on, by what the loop knows.
fn refusal_of(
    reservation: &Reservation,
    pool: &amarre_core::model::pool::Pool,
    known: &[Reservation],
    now: Timestamp,
) -> Option<String> {
    let from = Some(reservation.from).filter(|_| reservation.is_booked());
    let request =
        ReservationRequest { by: &reservation.by, count: reservation.count, from, length: reservation.length };
    let why = refusal(&request, &pool.rules, pool.machines.len(), known, now)?;
    Some(why.to_string())
}
