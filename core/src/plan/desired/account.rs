//! Accounts on machines of pools, and what of a machine may be given out.
//!
//! A reservation that has machines wants an account on each of them; when it is over nothing wants them, so they go.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::address::generations;
use crate::model::pool::{
    Between, Pool, PoolFacts, account_address, account_id, machine_address, machine_of, provider, sign_in_secret,
};
use crate::model::reservations::{PoolMachine, Reservation, ReservationState, number_of};
use crate::model::{Address, Fields, Kind, Need, Timestamp, Value, pool, reservations};
use crate::plan::expansion::Expansion;
use crate::plan::input::Input;
use crate::plan::left_alone::is_left_alone;
use crate::plan::protection;

/// Wants an account for each machine of each reservation.
pub fn expand(expansion: &mut Expansion<'_>, pool: &Pool) {
    let input = expansion.input;
    let name = &expansion.service.name;
    let Some(facts) = input.facts.pools.get(name) else { return };
    for reservation in &facts.reservations {
        let ReservationState::Held { machines, until, .. } = &reservation.state else { continue };
        let secret = sign_in_secret(reservation.id);
        for machine in machines {
            let there = accounts(input, name, machine);
            // A machine has one account at a time, whatever an older ledger says.
            if !there.is_empty() && !there.contains_key(&reservation.user) {
                continue;
            }
            let mut fields = Fields::default()
                .with("uid", Value::Int(account_id(reservation.id)))
                .with("reservation", Value::text(reservation.label()))
                .with("until_ms", Value::Int(until.0))
                .with("shell", Value::text(&pool.shell))
                .with("sudo", Value::Bool(pool.sudo));
            // After the ledger was lost nothing is known of how people sign in: what is there stays.
            if let Some(mark) = input.marks.get(&secret) {
                fields.set("sign_in", Value::Secret { name: Box::new(secret.clone()), mark: Box::new(mark.clone()) });
            }
            let address = account_address(name, machine, &reservation.user);
            let needs = vec![Need::present(machine_address(name, machine))];
            expansion.want(address, fields, needs, &pool.origin);
        }
    }
}

/// Until when an account is not taken away although nothing wants it: its pool has no manifest any more, or the ledger does not
/// know its reservation. `None`: it goes.
pub fn lent_until(input: &Input<'_>, account: &Address) -> Option<Timestamp> {
    let mark = MarkedAccount::read(input, account)?;
    let (pool, machine) = machine_of(account)?;
    let nothing = PoolFacts::default();
    let facts = input.facts.pools.get(pool).unwrap_or(&nothing);
    let holder = facts.holder(machine).filter(|holder| holder.id == mark.id && holder.user == mark.user);
    // That its time was over says an older ledger, if it lasts longer on the machine.
    let is_older = facts.expired.get(&mark.id).is_some_and(|at| mark.until > *at);
    let is_known = facts.over.get(&mark.id) == Some(&mark.user) && !is_older;
    match holder {
        Some(holder) => holder.until(),
        None => (!is_known && input.now.is_before(mark.until)).then_some(mark.until),
    }
}

/// What an account on a machine says of itself.
struct MarkedAccount {
    id: u64,
    user: String,
    until: Timestamp,
}

impl MarkedAccount {
    fn read(input: &Input<'_>, account: &Address) -> Option<Self> {
        let seen =
            input.world.seen.get(account).filter(|seen| account.kind == Kind::Account && seen.owner.is_ours())?;
        let id = number_of(seen.fields.text("reservation")?)?;
        let until = Timestamp(seen.fields.get("until_ms").and_then(Value::as_int)?);
        Some(Self { id, user: account.name.rsplit('/').next()?.to_owned(), until })
    }
}

/// The reservations that stand otherwise after a look, each with its pool: those that are over, got machines, or are known only by
/// the accounts that are there.
pub fn after_look(input: &Input<'_>) -> Vec<(String, Reservation)> {
    let mut changed = Vec::new();
    let pools = input.services.iter().filter_map(|(name, service)| Some((name, service.pool.as_ref()?)));
    let pools: BTreeMap<&String, &Pool> = pools.collect();
    let names: BTreeSet<&String> = pools.keys().copied().chain(input.facts.pools.keys()).collect();
    for name in names {
        let facts = input.facts.pools.get(name).cloned().unwrap_or_default();
        let mut all = facts.reservations.clone();
        // A pool that is left alone, or whose manifest is gone, ends what is over, and gives nothing out.
        let is_left = is_left_alone(input, name) || protection::is_reported(input, name);
        let mut machines = Vec::new();
        if let Some(pool) = pools.get(name) {
            recover(input, name, pool, &facts, &mut all);
            machines = if is_left { machines } else { self::machines(input, name, pool) };
        }
        for step in reservations::step(&machines, &all, input.now.exact()) {
            all.iter_mut().filter(|one| one.id == step.id).for_each(|one| one.state = step.state.clone());
        }
        let before = |one: &Reservation| facts.reservations.iter().any(|known| known == one);
        let differ = all.into_iter().filter(|one| !before(one));
        changed.extend(differ.map(|one| (String::clone(name), one)));
    }
    changed
}

/// Reservations that the ledger lost, by the marks of their accounts. What is on a machine counts, and not what an older ledger says.
fn recover(input: &Input<'_>, name: &str, pool: &Pool, facts: &PoolFacts, all: &mut Vec<Reservation>) {
    for machine in pool.machines.keys() {
        let accounts = accounts(input, name, machine);
        for address in accounts.values() {
            let Some(mark) = MarkedAccount::read(input, address).filter(|mark| input.now.is_before(mark.until)) else {
                continue;
            };
            let has_it = |one: &Reservation| one.id == mark.id && one.user == mark.user;
            if facts.over.contains_key(&mark.id)
                || all.iter().any(|one| {
                    has_it(one) && one.until() >= Some(mark.until) && one.machines().any(|one| one == machine)
                })
                || all.iter().any(|one| one.id == mark.id && !has_it(one))
            {
                continue;
            }
            let holder = all.iter_mut().find(|one| !has_it(one) && one.machines().any(|name| name == machine));
            match holder {
                Some(holder) if accounts.contains_key(&holder.user) => continue,
                Some(holder) => holder.lose(machine, input.now.exact()),
                None => (),
            }
            match all.iter_mut().find(|one| has_it(one)) {
                Some(known) => known.gain(machine, input.now.exact(), mark.until, &pool.rules),
                None => {
                    let now = input.now.exact();
                    all.push(Reservation::recovered(mark.id, &mark.user, machine, mark.until, now, &pool.rules));
                }
            }
        }
    }
}

/// The machines of a pool, as far as they may be given out.
pub fn machines(input: &Input<'_>, name: &str, pool: &Pool) -> Vec<PoolMachine> {
    let nothing = PoolFacts::default();
    let facts = input.facts.pools.get(name).unwrap_or(&nothing);
    let busy = under_way(input, name);
    let machine = |machine: &String| {
        let address = machine_address(name, machine);
        let seen = input.world.seen.get(&address).filter(|_| input.world.gap(&address).is_none());
        let foreign = seen.map(|seen| seen.fields.strings("users")).unwrap_or_default();
        let ours = accounts(input, name, machine);
        let known = facts.machines.get(machine);
        let is_clean =
            ours.is_empty() && !busy.contains(machine.as_str()) && is_of_its_turn(input, name, pool, machine);
        // Whose an account is that only its machine vouches for, a person has to say.
        let is_doubtful = seen.is_some_and(|seen| !seen.fields.strings("unproven").is_empty());
        PoolMachine {
            name: machine.clone(),
            is_usable: is_clean
                && !is_doubtful
                && seen.is_some_and(|seen| seen.ready.is_ready())
                && known.is_none_or(|known| known.disabled.is_none()),
            accounts: foreign.into_iter().map(ToOwned::to_owned).chain(ours.into_keys()).collect(),
            rested_since: known.map(|known| known.rested_since).unwrap_or_default(),
        }
    };
    pool.machines.keys().map(machine).collect()
}

/// Whether a machine is as it was made for its next reservation: where it is recreated in between, no container of another turn is there.
pub fn is_of_its_turn(input: &Input<'_>, name: &str, pool: &Pool, machine: &str) -> bool {
    if pool.between != Between::Rebuild || !pool.machines.get(machine).is_some_and(|known| known.is_container) {
        return true;
    }
    let Some(host) = input.services.get(name).and_then(|service| input.site.host_of(service)) else { return true };
    let turn = pool::turn(input.facts.pools.get(name), machine);
    let container = Address::new(host.docker.clone(), Kind::Container, machine);
    generations(&input.world.seen, &container).all(|(_, seen)| {
        let environment = seen.fields.get("environment").and_then(Value::entries);
        environment.and_then(|all| all.get(pool::TURN)?.as_text()) == Some(turn.as_str())
    })
}

/// The accounts of Amarre's on a machine, by user.
pub fn accounts<'a>(input: &'a Input<'_>, pool: &str, machine: &str) -> BTreeMap<String, &'a Address> {
    let path = account_address(pool, machine, "");
    let below = input.world.seen.range(path.clone()..).take_while(|(address, _)| {
        address.kind == Kind::Account && address.provider == path.provider && address.name.starts_with(&path.name)
    });
    let ours = below.filter(|(_, seen)| seen.owner.is_ours());
    ours.map(|(address, _)| (address.name[path.name.len()..].to_owned(), address)).collect()
}

/// Machines on which something was begun whose outcome is not seen yet.
fn under_way<'a>(input: &'a Input<'_>, pool: &str) -> BTreeSet<&'a str> {
    let facts = input.facts;
    let begun = facts.open_intents.keys().chain(facts.in_progress.keys()).chain(&facts.going);
    let machines = begun.filter(|address| address.provider == provider()).filter_map(machine_of);
    machines.filter(|(name, _)| *name == pool).map(|(_, machine)| machine).collect()
}

/// When a reservation ends or begins next: the loop is awake then.
pub fn next_change(input: &Input<'_>) -> Option<Timestamp> {
    let all = input.facts.pools.values().flat_map(|pool| &pool.reservations);
    let times = all.flat_map(|one| [one.until(), (one.state == ReservationState::Open).then_some(one.from)]);
    times.flatten().filter(|at| input.now.is_before(*at)).min()
}
