//! A world in memory that minds what real ones mind: names taken, networks in use, hosts that point at nothing.
//!
//! `raw` is the whole truth; what a look sees of it (`observe`) depends on gaps and on the ledger.

use std::collections::{BTreeMap, BTreeSet};

use amarre_core::model::service::Dns;
use amarre_core::model::{
    Address, Change, Expect, Facts, Fields, Kind, Mark, Owner, Plan, Readiness, SecretName, Seen, Timestamp, Value,
    Verb, Wants, World,
};
use amarre_core::plan::rollout::completion;

use crate::scene::{CANARY, Scene, Sick, seen};

/// The world, the ledger and the time.
#[derive(Clone)]
pub struct State {
    pub raw: World,
    pub facts: Facts,
    /// Services whose deletion a person agreed to.
    pub confirmed: BTreeSet<String>,
    pub now: Timestamp,
    pub ids: u64,
}

/// Tells of what has ended whether it did by itself, and well, as before every plan.
pub fn judge(state: &mut State, scene: &Scene) {
    for (address, thing) in &mut state.raw.seen {
        let has_ended =
            address.kind == Kind::Container && thing.owner.is_ours() && completion::has_ended(&thing.fields);
        if let Some(code) = thing.fields.get("exit_code").and_then(Value::as_int).filter(|_| has_ended) {
            thing.ready = Readiness::Failed { why: format!("exited with code {code}").into() };
        }
    }
    completion::judge(&scene.services, &scene.site, &state.facts, &mut state.raw);
}

/// What a look sees.
pub fn observe(state: &State) -> World {
    let mut view = World {
        gaps: state.raw.gaps.clone(),
        routes: state.raw.routes.clone(),
        addresses: state.raw.addresses.clone(),
        started: state.raw.started.clone(),
        mail_refused: state.raw.mail_refused.clone(),
        read_only: state.raw.read_only.clone(),
        ..World::default()
    };
    let members = members(&state.raw);
    for (address, thing) in &state.raw.seen {
        if state.raw.gap(address).is_some() {
            continue;
        }
        let mut thing = thing.clone();
        let known = state.facts.applied.get(address);
        match address.kind {
            Kind::Network => {
                let members = members.get(address).cloned().unwrap_or_default();
                thing.fields.set("members", Value::texts(members));
            }
            Kind::Container if thing.fields.get("networks").is_some() => {
                let mut networks: Vec<String> =
                    thing.fields.strings("networks").into_iter().map(str::to_owned).collect();
                networks.extend(attached(&state.raw, &address.name).map(str::to_owned));
                networks.sort();
                networks.dedup();
                thing.fields.set("networks", Value::texts(networks));
            }
            Kind::Attachment => {
                let network = network_of(&state.raw, address);
                let ours = network.is_some_and(|network| network.owner.is_ours());
                thing.owner = if ours || known.is_some() { Owner::Ours } else { Owner::Foreign };
                thing.service = network.and_then(|network| network.service.clone());
            }
            // Names and makers tell whose it is; for whom, and which passwords, only the ledger knows.
            Kind::AccessList if thing.owner.is_ours() => {
                thing.service = known.map(|known| known.service.clone());
                let known = known.and_then(|known| known.fields.get("users")).and_then(Value::entries);
                if let Some(users) = thing.fields.get("users").and_then(Value::entries).cloned() {
                    let users = users.into_keys().map(|user| {
                        let unknown = Value::secret(SecretName(String::new()), Mark(String::new()));
                        let secret = known.and_then(|known| known.get(&user)).cloned().unwrap_or(unknown);
                        (user, secret)
                    });
                    thing.fields.set("users", Value::Map(users.collect()));
                }
            }
            _ => (),
        }
        if thing.owner == Owner::MarkLost {
            thing.owner = if known.is_some() { Owner::MarkLost } else { Owner::Foreign };
            thing.service = known.map(|known| known.service.clone());
        }
        view.seen.insert(address.clone(), thing);
    }
    view
}

/// Names of the containers configured on each network.
pub fn members(raw: &World) -> BTreeMap<Address, Vec<String>> {
    let mut members: BTreeMap<Address, Vec<String>> = BTreeMap::new();
    let on = |address: &Address, network: &str| Address::new(address.provider.clone(), Kind::Network, network);
    for (address, thing) in &raw.seen {
        match address.kind {
            Kind::Container => {
                let name = thing.fields.text("name").unwrap_or(&address.name).to_owned();
                let own = thing.fields.text("network").into_iter().chain(thing.fields.text("edge"));
                let own = own.chain(thing.fields.strings("also_on"));
                for network in own.chain(thing.fields.strings("networks")) {
                    members.entry(on(address, network)).or_default().push(name.clone());
                }
            }
            Kind::Attachment => {
                let (network, container) = address.name.rsplit_once('/').unwrap();
                members.entry(on(address, network)).or_default().push(container.to_owned());
            }
            _ => (),
        }
    }
    members
}

fn attached<'a>(raw: &'a World, container: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    let attachments = raw.seen.keys().filter(|address| address.kind == Kind::Attachment);
    attachments
        .filter_map(|address| address.name.rsplit_once('/'))
        .filter(move |(_, to)| *to == container)
        .map(|(n, _)| n)
}

fn network_of<'a>(raw: &'a World, attachment: &Address) -> Option<&'a Seen> {
    let (network, _) = attachment.name.rsplit_once('/')?;
    raw.seen.get(&Address::new(attachment.provider.clone(), Kind::Network, network))
}

/// Containers come up, or do not; records propagate.
pub fn tick(state: &mut State, scene: &Scene) {
    for (address, thing) in &mut state.raw.seen {
        let Readiness::NotYet { .. } = thing.ready else { continue };
        let image = thing.fields.text("image").unwrap_or_default();
        let sick = scene.sick.get(image).filter(|_| address.kind == Kind::Container);
        if address.kind == Kind::Container && thing.owner.is_ours() && crate::dangers::is_task(scene, address, thing) {
            ends(thing, sick.copied(), state.now);
            continue;
        }
        match sick {
            None if !thing.owner.is_ours() => (),
            None => thing.ready = Readiness::Ready,
            Some(Sick::Hangs) => (),
            Some(Sick::Exits) => {
                thing.ready = Readiness::Failed { why: "exited with code 1 and is being restarted by Docker".into() };
            }
        }
    }
}

/// What is done when it has ended ends, unless it hangs.
fn ends(thing: &mut Seen, sick: Option<Sick>, now: Timestamp) {
    let code = match sick {
        _ if thing.fields.flag("running") != Some(true) => return,
        Some(Sick::Hangs) => return,
        Some(Sick::Exits) => 1,
        None => 0,
    };
    let failed = Readiness::Failed { why: format!("exited with code {code}").into() };
    thing.ready = if code == 0 { Readiness::Ready } else { failed };
    thing.fields.set("running", Value::Bool(false));
    thing.fields.set("exit_code", Value::Int(code));
    thing.fields.set("finished_at_ms", Value::Int(now.0));
}

/// Does one change; answers what is wrong with it.
pub fn apply(state: &mut State, change: &Change, scene: &Scene, wants: &Wants, plan: &Plan) -> Vec<String> {
    let mut wrong = crate::dangers::of(state, change, scene, wants, plan);
    let address = &change.address;
    let there = state.raw.seen.get(address);
    if let (Expect::Unchanged { vendor_id, .. }, Some(there)) = (&change.expects, there)
        && there.vendor_id != *vendor_id
    {
        wrong.push(format!("{address}: another one is there than the plan expects"));
    }
    match &change.verb {
        Verb::Create(fields) => {
            if there.is_some() {
                wrong.push(format!("{address} is created twice"));
            }
            state.ids += 1;
            let made = made(state, change, fields, scene);
            state.raw.seen.insert(address.clone(), made);
        }
        // Only hosts are written.
        Verb::Update(_) if address.kind == Kind::Certificate => drop(state.facts.open_intents.remove(address)),
        Verb::Update(fields) => {
            let now = state.now;
            match state.raw.seen.get_mut(address) {
                None => wrong.push(format!("{address} is updated and not there")),
                Some(thing) => written(thing, address.kind, fields, change, now),
            }
        }
        Verb::Delete => {
            if state.raw.seen.remove(address).is_none() {
                wrong.push(format!("{address} is deleted and not there"));
            }
        }
    }
    wrong.into_iter().map(|what| format!("{} {}: {what}", change.action(), change.address)).collect()
}

/// What a vendor holds after a create.
fn made(state: &State, change: &Change, fields: &Fields, scene: &Scene) -> Seen {
    let address = &change.address;
    let mut fields = fields.clone();
    let mut ready = Readiness::Ready;
    let not_yet = |why: &str| Readiness::NotYet { since: state.now, why: why.into() };
    match address.kind {
        Kind::Container => {
            let has_network = fields.text("network") != Some("host") && fields.get("network_of").is_none();
            if fields.get("address").is_none() && has_network {
                fields.set("address", Value::text(format!("172.31.0.{}", state.ids % 250)));
            }
            read_back(&mut fields);
            let network = fields.text("network").unwrap_or_default().to_owned();
            fields.set("network_mode", Value::text(network));
            fields.set("started_at_ms", Value::Int(state.now.0));
            fields.set("created_at_ms", Value::Int(state.now.0));
            fields.set("id", Value::text(format!("id-{}", state.ids)));
            fields.set("health", Value::text("none"));
            ready = not_yet("not probed yet");
        }
        Kind::Image => {
            fields.set("id", Value::text(format!("sha256:{}", address.name)));
            fields.set("volumes", Value::texts(scene.declares.get(&address.name).cloned().unwrap_or_default()));
        }
        Kind::Network => {
            let subnet = fields.text("subnet").unwrap_or_default().to_owned();
            fields.set("subnets", Value::texts([subnet]));
        }
        Kind::Record => ready = not_yet("no server of the zone answers yet"),
        _ => (),
    }
    let owner = if address.kind == Kind::Image { Owner::Foreign } else { Owner::Ours };
    let service = (address.kind != Kind::Image).then_some(change.service.as_str());
    let mut made = seen(fields, owner, service, &format!("id-{}", state.ids));
    made.ready = ready;
    made.at = state.now;
    made
}

/// Secrets lose their names, and the image adds variables of its own.
fn read_back(fields: &mut Fields) {
    let Some(environment) = fields.get("environment").and_then(Value::entries).cloned() else { return };
    let secret = |mark: &Mark| Value::secret(SecretName(String::new()), mark.clone());
    let mut environment: BTreeMap<String, Value> = environment
        .into_iter()
        .map(|(name, value)| match &value {
            Value::Secret { mark, .. } => (name, secret(mark)),
            _ => (name, value),
        })
        .collect();
    environment.insert("PATH".to_owned(), secret(&Mark(format!("{CANARY}path"))));
    fields.set("environment", Value::Map(environment));
}

fn written(thing: &mut Seen, kind: Kind, fields: &Fields, change: &Change, now: Timestamp) {
    thing.fields.extend(fields.clone());
    match kind {
        _ if kind.is_proxied() => {
            thing.fields.set("online", Value::Bool(true));
            thing.fields.set("mark", Value::Bool(true));
            thing.ready = Readiness::Ready;
            thing.owner = Owner::Ours;
            thing.service = Some(change.service.clone());
        }
        Kind::Record => {
            thing.owner = Owner::Ours;
            thing.service = Some(change.service.clone());
        }
        Kind::Container if fields.flag("running") == Some(false) => {
            thing.ready = Readiness::Failed { why: "exited with code 0".into() };
            thing.fields.set("finished_at_ms", Value::Int(now.0));
        }
        // Pulled anew.
        Kind::Image => {
            thing.fields.set("id", Value::text(format!("{} again", change.address.name)));
            thing.ready = Readiness::Ready;
        }
        Kind::Container if fields.flag("running") == Some(true) => {
            thing.ready = Readiness::NotYet { since: now, why: "not probed yet".into() };
            thing.fields.set("started_at_ms", Value::Int(now.0));
        }
        _ => (),
    }
}

/// Whether a manifest wants a record of its own for `domain`.
pub fn wants_record(scene: &Scene, service: &str, domain: &str) -> bool {
    let Some(service) = scene.services.get(service) else { return false };
    match &service.dns {
        Dns::Auto => true,
        Dns::None => false,
        Dns::Records(records) => records.iter().any(|record| record.name == domain),
    }
}
