//! Creating a server, by both routes of the API v1: what is refused, and what comes of the rest.
//!
//! | | flat: `POST …/instance` | regional: `POST …/region/{region}/instance` |
//! |---|---|---|
//! | answer | the server, in BUILD, with its id | an operation without the id |
//! | the server is there | at once | with the operation in progress, after the lag of [`super::CloudPace`] |
//! | key | `sshKeyId` | `sshKey.name`, or `sshKeyCreate` |
//! | network | `networks` of ids, or the public one | `network.public`, or the id of a private one |
//!
//! Names are free text and not unique: whoever asks twice has two servers, and pays for both. Nobody reports what a refusal
//! looks like, so statuses and texts here are guessed, along Nova's where it has one; known are the reasons alone. What is
//! refused made nothing.
//!
//! Groups, boot volumes, new networks, gateways, floating addresses and several servers by one call are not simulated: asking
//! for one of them is refused. Backups are taken and have no effect.

use serde_json::Value;

use super::catalogue::{self, Flavor, IMAGES, uuid};
use super::fleet::CloudImage;
use super::operations::{Operation, Span};
use super::state::{CloudCreationFailure, Instance, NoCapacity, Project, State, address, operation_id, stamp};
use super::verbs::{CloudVerb, NoStock, Work, WorkChange};
use super::{keys, shapes};
use crate::ovh_api::{Call, Reply, bad_request, base64, no_such_object, no_such_service};

/// Nova's limits: of a name in characters, of user data in bytes of base64.
const NAME_LENGTH_MAX: usize = 255;
const USER_DATA_BYTES_MAX: usize = 65_535;

/// What is asked for by either route.
#[derive(Debug)]
struct Wish<'a> {
    name: &'a str,
    region: &'a str,
    flavor_id: &'a str,
    image_id: Option<&'a str>,
    key: Option<String>,
    user_data: Option<&'a str>,
    is_monthly: bool,
    /// Ids of networks, each with the address that is wanted in it; none: the public one.
    networks: Vec<(&'a str, Option<&'a str>)>,
}

/// What a server is made of, once it was checked.
struct Parts {
    flavor: &'static Flavor,
    image: CloudImage,
    /// Its addresses once it is there.
    addresses: WorkChange,
}

/// What becomes of a creation that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Active,
    Error,
    StaysInBuild,
    /// Only its operation fails.
    NoServer,
}

/// What a server can be installed from.
pub(super) struct Source {
    pub image: CloudImage,
    os: String,
    disk_gb: u32,
}

/// `POST …/instance`
pub(super) fn flat(state: &mut State, project: &str, call: &Call) -> Result<Reply, Reply> {
    let body = &call.body;
    let owner = state.projects.get(project).ok_or_else(no_such_service)?;
    let region = required(body, "region")?;
    let key = match text(body, "sshKeyId") {
        None => None,
        Some(id) => {
            let found = owner.keys.iter().find(|key| key.id() == id && key.regions.iter().any(|name| name == region));
            Some(found.ok_or_else(|| bad_request(&format!("SSH key {id} not found in region {region}")))?.name.clone())
        }
    };
    refuse_unsimulated(body, &["volumeId", "groupId"])?;
    let networks = body["networks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let wish = Wish {
        name: required(body, "name")?,
        region,
        flavor_id: required(body, "flavorId")?,
        image_id: text(body, "imageId"),
        key,
        user_data: text(body, "userData"),
        is_monthly: body["monthlyBilling"] == true,
        networks: networks
            .iter()
            .map(|it| Ok((required(it, "networkId")?, text(it, "ip"))))
            .collect::<Result<_, _>>()?,
    };
    let (parts, room) = check(state, project, &wish)?;
    // Without an operation, a server is all that can fail.
    let fate = match fate(state, room) {
        Fate::NoServer => Fate::Error,
        fate @ (Fate::Active | Fate::Error | Fate::StaysInBuild) => fate,
    };
    let now = state.now();
    let id = insert(state, project, (&wish, parts), (fate, now));
    let owner = state.projects.get(project).ok_or_else(no_such_service)?;
    let made = owner.instances.get(&id).ok_or_else(no_such_service)?;
    Ok(Reply::ok(shapes::detailed(state, owner, made)))
}

/// `POST …/region/{region}/instance`
pub(super) fn regional(state: &mut State, project: &str, region: &str, call: &Call) -> Result<Reply, Reply> {
    let body = &call.body;
    // The same answer as to a read of such a region, which is a guess there already.
    if !state.projects.get(project).is_some_and(|owner| owner.has_region(region)) {
        return Err(no_such_object(region));
    }
    refuse_unsimulated(body, &["group"])?;
    refuse_unsimulated(&body["bootFrom"], &["volumeId"])?;
    if body["bulk"].as_u64().is_some_and(|count| count > 1) {
        return Err(bad_request("[bulk] is not simulated"));
    }
    let network = &body["network"];
    let private = &network["private"];
    refuse_unsimulated(private, &["networkCreate", "floatingIp", "floatingIpCreate", "gateway", "gatewayCreate"])?;
    let networks = match (network["public"] == true, private["network"].is_object()) {
        (true, false) => Vec::new(),
        (false, true) => vec![(required(&private["network"], "id")?, text(private, "ip"))],
        _ => return Err(bad_request("Missing parameter(s): network")),
    };
    let key = match (text(&body["sshKey"], "name"), body["sshKeyCreate"].is_object()) {
        (None, false) => None,
        (Some(name), _) => Some(existing_key(state, project, region, name)?),
        (None, true) => Some(required(&body["sshKeyCreate"], "name")?.to_owned()),
    };
    let wish = Wish {
        name: required(body, "name")?,
        region,
        flavor_id: required(&body["flavor"], "id")?,
        image_id: text(&body["bootFrom"], "imageId"),
        key,
        user_data: text(body, "userData"),
        is_monthly: body["billingPeriod"] == "monthly",
        networks,
    };
    let (parts, room) = check(state, project, &wish)?;
    if let Some(name) = text(&body["sshKeyCreate"], "name").filter(|_| body["sshKey"].is_null()) {
        keys::create(state, project, (name, required(&body["sshKeyCreate"], "publicKey")?), Some(region))?;
    }
    let fate = fate(state, room);
    let (now, pace) = (state.now(), state.pace);
    let starts_at = now + pace.lag_s;
    let end = if fate == Fate::NoServer { "in-error" } else { "completed" };
    let span = Span { now, starts_at, ends_at: starts_at + pace.step_s };
    let mut operation = Operation::begun(&operation_id(state.next_number()), "instance#create", region, span, end);
    if fate != Fate::NoServer {
        operation = operation.about(&insert(state, project, (&wish, parts), (fate, starts_at)));
    }
    let answer = operation.json(state.switches.operation_form);
    state.projects.entry(project.to_owned()).and_modify(|owner| owner.operations.push(operation));
    Ok(Reply::ok(answer))
}

fn existing_key(state: &State, project: &str, region: &str, name: &str) -> Result<String, Reply> {
    let keys = state.projects.get(project).map(|owner| owner.keys.as_slice()).unwrap_or_default();
    let is_there = keys.iter().any(|key| key.name == name && key.regions.iter().any(|place| place == region));
    is_there
        .then(|| name.to_owned())
        .ok_or_else(|| bad_request(&format!("SSH key {name} not found in region {region}")))
}

/// The parts of the server, and what becomes of it if the region has no room.
fn check(state: &State, project: &str, wish: &Wish<'_>) -> Result<(Parts, Option<Fate>), Reply> {
    let owner = state.projects.get(project).ok_or_else(no_such_service)?;
    if wish.name.chars().count() > NAME_LENGTH_MAX {
        return Err(bad_request("[name] is too long"));
    }
    if !owner.has_region(wish.region) {
        return Err(bad_request(&format!("Region {} is not available", wish.region)));
    }
    if let Some(refusal) = state.condition(wish.region).refusal_of_verb(wish.region) {
        return Err(refusal);
    }
    let flavor = flavor(wish.region, wish.flavor_id)?;
    // OpenStack's text, seen by the tests of terraform-provider-ovh.
    let image_id = wish.image_id.ok_or_else(|| bad_request("Missing imageRef attribute"))?;
    let source = source(state, owner, wish.region, image_id)?;
    source.fits(flavor)?;
    if wish.user_data.is_some_and(|data| base64(data.as_bytes()).len() > USER_DATA_BYTES_MAX) {
        return Err(bad_request("[userData] is too long"));
    }
    let addresses = addresses(state, wish)?;
    if let Some(excess) = owner.quota(wish.region).excess(owner.used(wish.region), None, flavor) {
        return Err(quota_exceeded(&excess));
    }
    let room = room(state, wish.region, flavor)?;
    Ok((Parts { flavor, image: source.image, addresses }, room))
}

/// Nova answers 403 to what exceeds a quota: a client that takes each 403 for a missing right is wrong here.
pub(super) fn quota_exceeded(text: &str) -> Reply {
    Reply::error(403, "Client::Forbidden", text)
}

pub(super) fn no_room(region: &str, flavor: &Flavor) -> Reply {
    bad_request(&format!("No valid host was found: flavor {} is out of stock in {region}", flavor.name))
}

/// A flavour of this region, by id: the same name has another id elsewhere.
pub(super) fn flavor(region: &str, id: &str) -> Result<&'static Flavor, Reply> {
    let found = catalogue::FLAVORS.iter().find(|flavor| flavor.id(region) == id);
    found.ok_or_else(|| bad_request(&format!("Flavor {id} not found in region {region}")))
}

/// An image of this region that is still in the catalogue, or a snapshot that is saved.
pub(super) fn source(state: &State, project: &Project, region: &str, id: &str) -> Result<Source, Reply> {
    let is_gone = |name: &str| state.withdrawn_images.iter().any(|gone| gone == name);
    let listed = IMAGES.iter().find(|image| catalogue::image_id(region, image.0) == id && !is_gone(image.0));
    if let Some((name, _, os, disk_gb, _)) = listed {
        return Ok(Source { image: CloudImage::Listed((*name).to_owned()), os: (*os).to_owned(), disk_gb: *disk_gb });
    }
    let is_it = |it: &&super::snapshots::SnapshotRow| it.id == id && it.region == region && it.ready_at <= state.now();
    let snapshot = project.snapshots.iter().find(is_it);
    let snapshot = snapshot.ok_or_else(|| bad_request(&format!("Image {id} not found in region {region}")))?;
    Ok(Source { image: CloudImage::Snapshot(snapshot.id.clone()), os: snapshot.os.clone(), disk_gb: snapshot.disk_gb })
}

impl Source {
    pub fn fits(&self, flavor: &Flavor) -> Result<(), Reply> {
        if self.os != flavor.os {
            return Err(bad_request(&format!("An image of {} does not go with a flavor of {}", self.os, flavor.os)));
        }
        if self.disk_gb <= flavor.disk_gb {
            Ok(())
        } else {
            Err(bad_request("Flavor's disk is too small for requested image."))
        }
    }
}

/// Each region has one public network and one private, by the ids that `ipAddresses` of a server shows: the calls that list
/// networks are not simulated. Without any, a server is in the public one.
fn addresses(state: &State, wish: &Wish<'_>) -> Result<WorkChange, Reply> {
    let (number, mut public, mut private) = (state.number(), String::new(), None);
    if wish.networks.is_empty() {
        public = address(number);
    }
    for (id, ip) in &wish.networks {
        if *id == public_network(wish.region) {
            public = address(number);
        } else if *id == private_network(wish.region) {
            let ip = ip.map_or_else(|| format!("10.1.{}.{}", 3 + number / 250 % 250, number % 250 + 2), str::to_owned);
            private = Some(ip);
        } else {
            return Err(bad_request(&format!("Network {id} not found in region {}", wish.region)));
        }
    }
    Ok(WorkChange::Addresses(public, private))
}

pub(super) fn public_network(region: &str) -> String {
    uuid(&format!("network/{region}"))
}

pub(super) fn private_network(region: &str) -> String {
    uuid(&format!("private/{region}"))
}

/// A flavour without stock is refused, or ends like an unshelve, as the test said of it. `None`: there is room.
fn room(state: &State, region: &str, flavor: &Flavor) -> Result<Option<Fate>, Reply> {
    match (state.switches.no_capacity.get(region), state.lack(region, flavor.name)) {
        (Some(NoCapacity::Refused), _) | (None, Some(NoStock::FallsBack | NoStock::Refused)) => {
            Err(no_room(region, flavor))
        }
        (Some(NoCapacity::EndsInError), _) | (None, Some(NoStock::EndsInError)) => Ok(Some(Fate::Error)),
        (Some(NoCapacity::StaysInBuild), _) => Ok(Some(Fate::StaysInBuild)),
        (None, None) => Ok(None),
    }
}

/// What comes of a creation that nothing refuses any more: the next failure that was ordered is spent on it.
fn fate(state: &mut State, room: Option<Fate>) -> Fate {
    let failures = &mut state.switches.failures;
    match room {
        Some(fate) => fate,
        None if failures.is_empty() => Fate::Active,
        None => match failures.remove(0) {
            CloudCreationFailure::EndsInError => Fate::Error,
            CloudCreationFailure::OperationFails => Fate::NoServer,
        },
    }
}

/// A server in BUILD that is there from this second on. Answers its id.
fn insert(state: &mut State, project: &str, (wish, parts): (&Wish<'_>, Parts), (fate, from): (Fate, i64)) -> String {
    let until = from + state.pace.lag_s + state.pace.step_s;
    let work = match fate {
        Fate::Active => Some(Work::building(until, "ACTIVE", Some(parts.addresses))),
        Fate::Error => Some(Work::building(until, "ERROR", None)),
        Fate::StaysInBuild | Fate::NoServer => None,
    };
    let created = stamp(from);
    let instance = Instance {
        id: uuid(&format!("instance/{}", state.next_number())),
        name: wish.name.to_owned(),
        region: wish.region.to_owned(),
        flavor: parts.flavor.name.to_owned(),
        image: parts.image,
        key: wish.key.clone(),
        status: "BUILD".to_owned(),
        is_monthly: wish.is_monthly,
        monthly: wish.is_monthly.then(|| (created.clone(), until)),
        created,
        exists_from: from,
        listed_from: from + state.switches.list_lag_s,
        user_data: wish.user_data.map(str::to_owned),
        work,
        ..Instance::default()
    };
    let id = instance.id.clone();
    state.created.push((id.clone(), instance.name.clone()));
    state.effects.push((id.clone(), CloudVerb::Create));
    state.projects.entry(project.to_owned()).and_modify(|owner| drop(owner.instances.insert(id.clone(), instance)));
    id
}

fn refuse_unsimulated(body: &Value, members: &[&str]) -> Result<(), Reply> {
    match members.iter().find(|member| !body[**member].is_null()) {
        Some(member) => Err(bad_request(&format!("[{member}] is not simulated"))),
        None => Ok(()),
    }
}

fn text<'a>(body: &'a Value, member: &str) -> Option<&'a str> {
    body[member].as_str().filter(|text| !text.is_empty())
}

pub(super) fn required<'a>(body: &'a Value, member: &str) -> Result<&'a str, Reply> {
    text(body, member).ok_or_else(|| bad_request(&format!("Missing parameter(s): {member}")))
}
