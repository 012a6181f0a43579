//! What cannot be there at the same time: whoever uses something goes before it, whoever takes a place comes after.

use std::collections::{BTreeMap, BTreeSet};

use super::ways_out::{Rival, ways_out};
use crate::model::plan::Downtime;
use crate::model::{
    Address, Change, Code, Expect, Fields, Gate, Hint, Kind, Need, ProviderId, Refusal, Seen, State, Value, Verb, Wants,
};
use crate::plan::desired::subnets;
use crate::plan::input::Input;
use crate::plan::{exclusive, targets};
use crate::text;

/// Orders changes that are in one another's way.
pub fn order(input: &Input<'_>, wants: &Wants, ups: &mut [Change], downs: &mut [Change]) {
    in_the_way(wants, ups);
    claims(input, wants, ups, downs);
    contested(input, ups);
    stands_alone(ups, downs);
    takes_over(input, wants, ups, downs);
    wait_for_names(input, ups);
    starts_again(input, wants, ups, downs);
    still_used(input, wants, ups, downs);
}

/// What is there and not ours is not what was asked for: nothing is built on it.
fn in_the_way(wants: &Wants, ups: &mut [Change]) {
    let is_conflict = |change: &&Change| {
        matches!((&change.verb, &change.expects), (Verb::Create(_), Expect::Unchanged { .. }))
            && change.refusal().is_some()
    };
    let conflicts: BTreeSet<Address> = ups.iter().filter(is_conflict).map(|change| change.address.clone()).collect();
    for change in ups.iter_mut().filter(|change| matches!(change.verb, Verb::Create(_))) {
        let Some(want) = wants.map.get(&change.address) else { continue };
        for need in want.needs.iter().filter(|need| conflicts.contains(&need.on) && need.is != State::Absent) {
            add_need(&mut change.gate, need.clone());
        }
    }
}

/// Nobody else at a provider may hold what a new resource claims: a container's name, a host's domains.
///
/// Who has a name keeps it until everything else of its successor is there.
fn claims(input: &Input<'_>, wants: &Wants, ups: &mut [Change], downs: &mut [Change]) {
    if !ups.iter().any(|change| matches!(change.verb, Verb::Create(_))) {
        return;
    }
    let holders = holders(input);
    let mut keeps: Vec<(Address, Vec<Need>)> = Vec::new();
    for change in ups.iter_mut() {
        let (Verb::Create(fields), Some(schema)) = (&change.verb, input.schema(&change.address)) else { continue };
        let Some(claim) = schema.claims.filter(|_| change.refusal().is_none()) else { continue };
        let claimed = texts(fields.get(claim));
        let of_provider = holders.get(&(&change.address.provider, claim));
        let rivals = claimed.iter().filter_map(|text| of_provider?.get(text)).flatten();
        let rivals: BTreeMap<&Address, &Seen> = rivals.copied().collect();
        for (rival, seen) in rivals.into_iter().filter(|(rival, _)| **rival != change.address) {
            if !seen.owner.is_ours() {
                let held: Vec<String> =
                    texts(seen.fields.get(claim)).into_iter().filter(|t| claimed.contains(t)).collect();
                let names = held.join(", ");
                let in_the_way = Rival { address: rival, owner: &seen.owner, names: &names, is_alike: false };
                let want = wants.map.get(&change.address);
                change.gate = Gate::Held(Refusal {
                    code: Code::A0405,
                    message: text!(
                        "{kind} {name} exists and {whose}",
                        kind = rival.kind,
                        name = held,
                        whose = seen.owner.whose()
                    ),
                    found: vec![(text!("id"), seen.vendor_id.clone().into())],
                    hints: want.map(|want| ways_out(input, &in_the_way, want)).unwrap_or_default(),
                });
                continue;
            }
            if rival.kind.has_host_names() {
                let first = needs(&change.gate).into_iter().filter(|need| need.is != State::Absent);
                keeps.push((rival.clone(), first.collect()));
                // Between the two, nobody answers for the name.
                change.impact.downtime = Downtime::Some;
            }
            if downs.iter().any(|down| down.address == *rival) || change.is_now() {
                add_need(&mut change.gate, Need::absent(rival.clone()));
            }
        }
    }
    let only_drops = |change: &Change| match &change.verb {
        Verb::Update(fields) => fields.names().eq(["domains"]),
        Verb::Delete => true,
        Verb::Create(_) => false,
    };
    for (rival, first) in keeps {
        for change in ups.iter_mut().chain(downs.iter_mut()).filter(|c| c.address == rival && only_drops(c)) {
            first.iter().for_each(|need| add_need(&mut change.gate, need.clone()));
        }
    }
}

/// Who holds what can be held once only: by provider and field, then by text.
type Holders<'a> = BTreeMap<(&'a ProviderId, &'static str), BTreeMap<String, Vec<(&'a Address, &'a Seen)>>>;

fn holders<'a>(input: &Input<'a>) -> Holders<'a> {
    let mut holders = Holders::new();
    for (address, seen) in &input.world.seen {
        let Some(claim) = input.schema(address).and_then(|schema| schema.claims) else { continue };
        let of_provider = holders.entry((&address.provider, claim)).or_default();
        for text in texts(seen.fields.get(claim)) {
            of_provider.entry(text).or_default().push((address, seen));
        }
    }
    holders
}

/// A name that another host still has is left out of an update until that one has let go of it: two hosts that
/// swap names each drop theirs first.
fn contested(input: &Input<'_>, ups: &mut [Change]) {
    for change in ups.iter_mut().filter(|change| change.address.kind.has_host_names()) {
        let Verb::Update(fields) = &mut change.verb else { continue };
        let wanted = texts(fields.get("domains"));
        if wanted.is_empty() {
            continue;
        }
        let provider = &change.address.provider;
        let fronts = Kind::ALL.into_iter().filter(|kind| kind.has_host_names());
        let rivals = fronts.flat_map(|kind| input.world.of_kind(provider, kind));
        let rivals: Vec<(&Address, Vec<String>)> = rivals
            .filter(|(rival, _)| **rival != change.address)
            .filter(|(_, seen)| seen.fields.get("domains").is_some_and(|held| has_any(held, &wanted)))
            .map(|(rival, seen)| (rival, texts(seen.fields.get("domains"))))
            .collect();
        let Some((first, _)) = rivals.first() else { continue };
        let is_free = |domain: &&String| !rivals.iter().any(|(_, theirs)| theirs.contains(*domain));
        let free: Vec<String> = wanted.iter().filter(is_free).cloned().collect();
        let observed = input.world.seen.get(&change.address).map(|seen| texts(seen.fields.get("domains")));
        change.impact.downtime = Downtime::Some;
        if observed.is_some_and(|observed| observed != free) && !free.is_empty() {
            fields.set("domains", Value::texts(free.clone()));
            for diff in change.diff.iter_mut().filter(|diff| diff.field == "domains") {
                diff.to = Some(Value::texts(free.clone()));
            }
        } else if fields.len() > 1 {
            fields.remove("domains");
            change.diff.retain(|diff| diff.field != "domains");
        } else {
            add_need(&mut change.gate, Need::absent((*first).clone()));
        }
    }
}

/// A CNAME stands alone at its name: what of ours is there goes first, and so does a CNAME before anything else.
fn stands_alone(ups: &mut [Change], downs: &[Change]) {
    let split =
        |address: &Address| address.name.rsplit_once('/').map(|(name, kind)| (name.to_owned(), kind == "CNAME"));
    let records = |change: &&mut Change| change.address.kind == Kind::Record && matches!(change.verb, Verb::Create(_));
    for change in ups.iter_mut().filter(records) {
        let Some((name, is_alias)) = split(&change.address) else { continue };
        for down in downs.iter().filter(|down| down.address.kind == Kind::Record) {
            if split(&down.address).is_some_and(|(other, rival)| other == name && (is_alias || rival)) {
                add_need(&mut change.gate, Need::absent(down.address.clone()));
            }
        }
    }
}

fn add_need(gate: &mut Gate, need: Need) {
    match gate {
        Gate::Now => *gate = Gate::After(vec![need]),
        Gate::After(needs) if needs.contains(&need) => (),
        Gate::After(needs) => needs.push(need),
        Gate::Until { .. } | Gate::Held(_) => (),
    }
}

/// Whether one of `texts` is among those of a value.
fn has_any(value: &Value, texts: &[String]) -> bool {
    match value {
        Value::Text(text) => texts.contains(text),
        Value::Int(number) => texts.contains(&number.to_string()),
        Value::List(items) => items.iter().filter_map(Value::as_text).any(|held| texts.iter().any(|text| text == held)),
        Value::None | Value::Bool(_) | Value::Map(_) | Value::Secret { .. } | Value::Output { .. } => false,
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Text(text)) => vec![text.clone()],
        Some(Value::Int(number)) => vec![number.to_string()],
        Some(list) => list.strings().into_iter().map(str::to_owned).collect(),
        None => Vec::new(),
    }
}

/// A container of another address that writes to the same data, publishes the same port, or is called the same, stops
/// first; but not before everything else of its successor is there.
fn takes_over(input: &Input<'_>, wants: &Wants, ups: &mut [Change], downs: &mut [Change]) {
    let is_create = |change: &&mut Change| {
        let is_container = change.address.kind == Kind::Container && change.refusal().is_none();
        is_container && matches!(change.verb, Verb::Create(_))
    };
    if !ups.iter_mut().any(|change| is_create(&change)) {
        return;
    }
    let mut order = Precedence::of(ups, downs);
    let own_containers = OwnContainers::by(input);
    let places: BTreeMap<Address, usize> =
        downs.iter().enumerate().map(|(place, down)| (down.address.clone(), place)).collect();
    for change in ups.iter_mut().filter(is_create) {
        let Verb::Create(fields) = &change.verb else { continue };
        let (wanted, published) = (exclusive::exclusive(fields), exclusive::ports(fields).collect());
        let first: Vec<Need> = needs(&change.gate).into_iter().filter(|need| need.is != State::Absent).collect();
        // As with `containers: {app: …}` that becomes the short form.
        let rivals = own_containers
            .those_with(&change.address, &wanted)
            .chain(own_containers.called(&change.address, fields.text("name")));
        let rivals = rivals.filter(|rival| !rival.is_same(&change.address));
        let rivals: BTreeSet<usize> = rivals.filter_map(|rival| places.get(rival).copied()).collect();
        for place in rivals {
            if let Some(down) = downs.get_mut(place).filter(|down| down.refusal().is_none()) {
                order.make_room(wants, change, &first, down);
                change.impact.downtime = Downtime::Some;
            }
        }
        waits_for_port(input, wants, change, downs, &published, &own_containers, &places);
    }
}

/// Who waits for whom, where one makes room for another.
struct Precedence {
    waiting: WaitingChanges,
    /// Hosts that are about to go, or to lead elsewhere: they do so first. Others may be waiting for the successor.
    going: BTreeSet<Address>,
    /// What the ends of hosts wait for.
    ends: BTreeMap<Address, Vec<Need>>,
}

impl Precedence {
    fn of(ups: &[Change], downs: &[Change]) -> Self {
        let mut waiting = WaitingChanges::default();
        ups.iter().for_each(|up| waiting.add(&up.address, needs(&up.gate)));
        let updates = ups.iter().filter(|up| matches!(up.verb, Verb::Update(_)));
        let going = downs.iter().chain(updates).filter(|change| change.address.kind.traits().forwards);
        let going = going.filter(|change| change.is_now()).map(|change| change.address.clone()).collect();
        let hosts = downs.iter().filter(|down| down.address.kind.traits().forwards);
        let ends = hosts.map(|down| (down.address.clone(), needs(&down.gate))).collect();
        Self { waiting, going, ends }
    }

    /// A container goes before another takes its place, once `first` is there; what cannot be there before the other is
    /// not waited for.
    fn make_room(&mut self, wants: &Wants, change: &mut Change, first: &[Need], down: &mut Change) {
        let gone = Need::absent(down.address.clone());
        add_need(&mut change.gate, gone.clone());
        self.waiting.add(&change.address, vec![gone]);
        let is_start = matches!(change.verb, Verb::Update(_));
        let comes_later = |host: &Address| {
            let wanted = wants.map.get(host).map(|want| want.needs.as_slice()).unwrap_or_default();
            wanted
                .iter()
                .chain(self.ends.get(host).into_iter().flatten())
                .any(|need| need.on == change.address || self.waiting.comes_after(&need.on, &change.address))
        };
        let stays = |need: &Need| match need.is {
            State::Absent if is_start && need.on.kind.traits().forwards => !comes_later(&need.on),
            State::Absent => self.going.contains(&need.on),
            State::Present | State::Ready | State::Listening(_) => !self.waiting.comes_after(&need.on, &change.address),
        };
        let own = needs(&down.gate).into_iter().filter(stays);
        // As with a port that moves to a sibling which shares a namespace of what had it.
        let before = first.iter().filter(|need| !self.waiting.is_for_end(&need.on, &down.address));
        let all: BTreeSet<Need> = own.chain(before.cloned()).collect();
        down.gate = if all.is_empty() { Gate::Now } else { Gate::After(all.into_iter().collect()) };
    }
}

/// What changes wait for.
#[derive(Debug, Default)]
struct WaitingChanges {
    needs: BTreeMap<Address, BTreeSet<Need>>,
    /// Who waits for something to be there.
    users: BTreeMap<Address, Vec<Address>>,
}

impl WaitingChanges {
    fn add(&mut self, this: &Address, needs: Vec<Need>) {
        for need in needs {
            if need.is != State::Absent {
                self.users.entry(need.on.clone()).or_default().push(this.clone());
            }
            self.needs.entry(this.clone()).or_default().insert(need);
        }
    }

    /// Whether something is made only when another one is gone, or after such a one.
    fn is_for_end(&self, this: &Address, gone: &Address) -> bool {
        let gone = Need::absent(gone.clone());
        let (mut before, mut next) = (BTreeSet::new(), vec![this]);
        while let Some(address) = next.pop() {
            let Some(needs) = self.needs.get(address).filter(|_| before.insert(address)) else { continue };
            if needs.contains(&gone) {
                return true;
            }
            next.extend(needs.iter().filter(|need| need.is != State::Absent).map(|need| &need.on));
        }
        false
    }

    /// Whether something is made only after another.
    fn comes_after(&self, this: &Address, other: &Address) -> bool {
        let (mut after, mut next) = (BTreeSet::new(), vec![other]);
        while let Some(address) = next.pop() {
            if address == this {
                return true;
            }
            if after.insert(address) {
                next.extend(self.users.get(address).into_iter().flatten());
            }
        }
        false
    }
}

/// Containers of ours by what only one may have, and by name.
struct OwnContainers<'a> {
    exclusive: BTreeMap<(&'a ProviderId, String), Vec<&'a Address>>,
    called: BTreeMap<(&'a ProviderId, Option<&'a str>), Vec<&'a Address>>,
}

impl<'a> OwnContainers<'a> {
    fn by(input: &Input<'a>) -> Self {
        let mut own_containers = Self { exclusive: BTreeMap::new(), called: BTreeMap::new() };
        let containers = input.world.seen.iter().filter(|(address, _)| address.kind == Kind::Container);
        for (address, seen) in containers.filter(|(_, seen)| seen.owner.is_ours()) {
            for what in exclusive::exclusive(&seen.fields) {
                own_containers.exclusive.entry((&address.provider, what)).or_default().push(address);
            }
            own_containers.called.entry((&address.provider, seen.fields.text("name"))).or_default().push(address);
        }
        own_containers
    }

    fn those_with(&self, of: &'a Address, what: &BTreeSet<String>) -> impl Iterator<Item = &'a Address> {
        let keys = what.iter().map(|what| (&of.provider, what.clone()));
        keys.filter_map(|key| self.exclusive.get(&key)).flatten().copied()
    }

    fn called(&self, of: &'a Address, name: Option<&'a str>) -> impl Iterator<Item = &'a Address> {
        self.called.get(&(&of.provider, name)).into_iter().flatten().copied()
    }
}

/// A port that a kept container publishes is free only once that one is gone, or stands still as its manifest says; until
/// then nothing is stopped for it.
fn waits_for_port(
    input: &Input<'_>,
    wants: &Wants,
    change: &mut Change,
    downs: &mut [Change],
    published: &BTreeSet<String>,
    own_containers: &OwnContainers<'_>,
    places: &BTreeMap<Address, usize>,
) {
    let rivals: BTreeSet<&Address> = own_containers.those_with(&change.address, published).collect();
    let rivals = rivals.into_iter().filter_map(|rival| Some((rival, input.world.seen.get(rival)?)));
    let kept: Vec<&Address> = rivals
        .filter(|(rival, seen)| {
            let is_other = !rival.is_same(&change.address) && !places.contains_key(*rival);
            is_other && !stands_still(wants, rival, seen)
        })
        .map(|(rival, _)| rival)
        .collect();
    for rival in kept {
        add_need(&mut change.gate, Need::absent(rival.clone()));
        for down in downs.iter_mut().filter(|down| down.address.is_same(&change.address)) {
            add_need(&mut down.gate, Need::absent(rival.clone()));
        }
    }
}

/// A name is given once nobody else has it; what else changes does not wait for that.
fn wait_for_names(input: &Input<'_>, ups: &mut [Change]) {
    for change in ups.iter_mut().filter(|change| change.address.kind == Kind::Container) {
        let Verb::Update(fields) = &mut change.verb else { continue };
        let Some(name) = fields.text("name") else { continue };
        let mut others = input.world.of_kind(&change.address.provider, Kind::Container);
        let has_it = others.find(|(other, seen)| {
            **other != change.address && seen.owner.is_ours() && seen.fields.text("name") == Some(name)
        });
        let Some((rival, _)) = has_it else { continue };
        if fields.len() > 1 {
            fields.remove("name");
            change.diff.retain(|diff| diff.field != "name");
        } else {
            add_need(&mut change.gate, Need::absent(rival.clone()));
        }
    }
}

/// One that stood still may find its port taken: it starts once whoever had the port meanwhile is gone.
fn starts_again(input: &Input<'_>, wants: &Wants, ups: &mut [Change], downs: &mut [Change]) {
    let starts = |fields: &Fields| fields.flag("running") == Some(true);
    let ports = |seen: &Seen| -> BTreeSet<String> { exclusive::ports(&seen.fields).collect() };
    let mut order = Precedence::of(ups, downs);
    for change in ups.iter_mut().filter(|change| matches!(&change.verb, Verb::Update(fields) if starts(fields))) {
        let Some(own) = input.world.seen.get(&change.address).map(ports) else { continue };
        let others = input.world.of_kind(&change.address.provider, Kind::Container);
        let running = others.filter(|(other, seen)| {
            **other != change.address && seen.owner.is_ours() && seen.fields.flag("running") == Some(true)
        });
        let first: Vec<Need> = needs(&change.gate).into_iter().filter(|need| need.is != State::Absent).collect();
        let rivals = running.filter(|(_, seen)| !ports(seen).is_disjoint(&own)).map(|(rival, _)| rival.clone());
        for rival in rivals.collect::<Vec<_>>() {
            match downs.iter_mut().find(|down| down.address == rival && down.refusal().is_none()) {
                Some(down) => order.make_room(wants, change, &first, down),
                None => add_need(&mut change.gate, Need::absent(rival)),
            }
        }
    }
}

/// Whether a container is stopped and is to stay so: an engine publishes its ports no more.
fn stands_still(wants: &Wants, address: &Address, seen: &Seen) -> bool {
    let is_meant = wants.map.get(address).is_some_and(|want| want.fields.flag("running") == Some(false));
    is_meant && seen.fields.flag("running") == Some(false)
}

fn needs(gate: &Gate) -> Vec<Need> {
    match gate {
        Gate::After(needs) => needs.clone(),
        Gate::Now | Gate::Until { .. } | Gate::Held(_) => Vec::new(),
    }
}

/// What something of ours goes on using is not waited for: it is held, and says by whom it is used. What is held so may be
/// what another one waits for.
fn still_used(input: &Input<'_>, wants: &Wants, ups: &[Change], downs: &mut [Change]) {
    while hold_used(input, wants, ups, downs) {}
}

/// Whether anything more is held.
fn hold_used(input: &Input<'_>, wants: &Wants, ups: &[Change], downs: &mut [Change]) -> bool {
    let mut is_any_held = false;
    let stays = stuck(downs);
    let going: BTreeSet<Address> = downs.iter().map(|down| down.address.clone()).collect();
    let stuck = stuck(ups);
    let moving = |up: &&Change| !stuck.contains(&up.address);
    for down in downs.iter_mut() {
        let Gate::After(needs) = &down.gate else { continue };
        let lets_go = |user: &Address| {
            let service = wants.map.get(user).map(|want| &want.service);
            ups.iter().filter(moving).any(|up| match &up.verb {
                Verb::Create(_) => {
                    up.address.kind == Kind::Container
                        && up.address != *user
                        && (up.address.is_same(user) || Some(&up.service) == service)
                }
                Verb::Update(_) => up.address == *user,
                Verb::Delete => false,
            })
        };
        let absent = needs.iter().filter(|need| need.is == State::Absent).map(|need| &need.on);
        // One that is to lead to what is still to be made has no change yet.
        let leads_away = |user: &Address| {
            let leads = wants.map.get(user).filter(|want| want.refusal.is_none())?.fields.get("forward_host")?;
            let Value::Output { of, .. } = leads else { return None };
            ups.iter().filter(moving).find(|up| up.address == **of && matches!(up.verb, Verb::Create(_)))
        };
        let may_let_go =
            |user: &Address| lets_go(user) || leads_away(user).is_some() || moves_home(input, wants, &stays, user);
        let is_there = |user: &Address| input.world.seen.contains_key(user);
        let is_kept = |user: &&Address| is_there(user) && !going.contains(*user) && !may_let_go(user);
        let user = absent.into_iter().find(is_kept);
        let Some(user) = user else { continue };
        let is_room = down.address.kind == Kind::Container && user.kind == Kind::Container;
        let message = match (is_room, user.kind, &user.name) {
            (true, kind, name) => {
                text!("would make room for one that cannot come before the end of {kind} {name}", kind, name)
            }
            (false, kind, name) => text!("is still used by {kind} {name}", kind, name),
        };
        let (kind, name) = (down.address.kind, &down.address.name);
        let hint = text!("{kind} {name} goes once nothing uses it, or put its manifest back", kind, name);
        is_any_held = true;
        down.gate =
            Gate::Held(Refusal { code: Code::A0409, message, found: Vec::new(), hints: vec![Hint::text(hint)] });
    }
    is_any_held
}

/// Whether something is of a service whose network is made anew, or is to lead to it: it changes when that is there again.
fn moves_home(input: &Input<'_>, wants: &Wants, stays: &BTreeSet<Address>, of: &Address) -> bool {
    let owner = wants.map.get(of).map(|want| want.service.as_str());
    let meant = input.world.seen.get(of).and_then(|seen| targets::meant_service(input, of, seen));
    let services = owner.into_iter().chain(meant).filter_map(|name| input.services.get(name));
    let mut own = services.flat_map(|service| subnets::networks_of(input, service));
    own.any(|own| wants.moving.contains(&own.address) && !stays.contains(&own.address))
}

/// What does not come about by itself: held, or waiting for such a one.
fn stuck(ups: &[Change]) -> BTreeSet<Address> {
    let mut stuck: BTreeSet<Address> =
        ups.iter().filter(|up| up.refusal().is_some()).map(|up| up.address.clone()).collect();
    loop {
        let waits = |up: &&Change| match &up.gate {
            Gate::After(needs) => needs.iter().any(|need| stuck.contains(&need.on)),
            Gate::Now | Gate::Until { .. } | Gate::Held(_) => false,
        };
        let more: Vec<Address> = ups.iter().filter(waits).map(|up| up.address.clone()).collect();
        let count = stuck.len();
        stuck.extend(more);
        if stuck.len() == count {
            return stuck;
        }
    }
}
