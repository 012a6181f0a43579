//! What a careful operator would not do, or a vendor would not allow: asked of each change just before it is done.

use std::net::Ipv4Addr;

use amarre_core::model::service::{Service, Strategy, StreamTarget, Target};
use amarre_core::model::{
    Address, Change, Fields, Gate, Kind, Need, Plan, ProviderId, Seen, Value, Verb, Wants, World,
};
use ipnet::Ipv4Net;

use crate::scene::Scene;
use crate::state::{self, State};

/// How long one without a probe runs before it is taken for ready.
const UPTIME_MS: i64 = 15_000;

/// What containers on the host's network listen on, in all cases and in walks.
const PORTS_ON_HOST: [&str; 2] = ["8123", "22"];

/// What is said of a host that comes before the record of one of its names.
pub const NO_RECORD: &str = " has no record yet";

/// What is wrong with doing `change` now.
pub fn of(state: &State, change: &Change, scene: &Scene, wants: &Wants, plan: &Plan) -> Vec<String> {
    let raw = &state.raw;
    let fields = match &change.verb {
        Verb::Create(fields) | Verb::Update(fields) => fields.clone(),
        Verb::Delete => Fields::default(),
    };
    let is_create = matches!(change.verb, Verb::Create(_));
    match (change.address.kind, &change.verb) {
        (Kind::Container, Verb::Delete) => container_goes(state, change, scene, wants, plan),
        (Kind::Container, Verb::Update(_)) if fields.flag("running") == Some(false) => {
            container_stops(raw, change, scene)
        }
        (Kind::Container, _) => {
            let mut wrong = container_comes(raw, change, &fields, scene);
            wrong.extend(is_promised(state, change, &fields));
            wrong
        }
        (Kind::Network, Verb::Delete) => network_goes(raw, &change.address),
        (Kind::Attachment, Verb::Delete) if wants.before_delete.contains_key(&change.address) => Vec::new(),
        (Kind::Attachment, Verb::Delete) => attachment_goes(state, &change.address),
        // Where Let's Encrypt asks for a record of its own, nobody's record matters.
        (Kind::Certificate, Verb::Create(fields)) if fields.text("challenge") == Some("dns") => Vec::new(),
        (Kind::Certificate, Verb::Create(_)) => certificate_comes(raw, &change.address),
        (Kind::Certificate, Verb::Delete) => certificate_goes(raw, &change.address),
        (Kind::AccessList, Verb::Delete) => list_goes(raw, &change.address),
        (Kind::Record, Verb::Delete) => record_goes(raw, &change.address, wants),
        (Kind::Record, _) => record_comes(raw, &change.address),
        (Kind::Volume, Verb::Delete) => volume_goes(raw, &change.address),
        (kind, Verb::Create(_) | Verb::Update(_)) if kind.is_proxied() => {
            let mut wrong = host_is_written(raw, wants, change, &fields, is_create, scene);
            wrong.extend(port_moves_alone(raw, change, &fields, wants));
            wrong
        }
        (Kind::Attachment, Verb::Create(_)) => attachment_comes(raw, &change.address),
        _ => Vec::new(),
    }
}

/// Proxy hosts and streams of ours.
pub fn hosts(raw: &World) -> impl Iterator<Item = (&Address, &Seen)> {
    raw.seen
        .iter()
        .filter(|(address, seen)| matches!(address.kind, Kind::ProxyHost | Kind::Stream) && seen.owner.is_ours())
}

/// Every place that a host leads to: path, address, port; the main target has the empty path.
pub fn led_to(fields: &Fields) -> Vec<(String, String, String)> {
    let port = fields.get("forward_port").map(ToString::to_string).unwrap_or_default();
    let main = fields.text("forward_host").map(|host| (String::new(), host.to_owned(), port));
    let locations = fields.get("locations").map(Value::items).unwrap_or_default();
    let text = |location: &Value, name: &str| Some(location.entries()?.get(name)?.to_string());
    let paths = locations
        .iter()
        .filter_map(|location| Some((text(location, "path")?, text(location, "host")?, text(location, "port")?)));
    main.into_iter().chain(paths).collect()
}

/// What the manifest of a host or stream says that a path of it leads to: a container, or something else (`None`).
fn led_by(manifest: &Service, scene: &Scene, host: &Address, path: &str) -> Option<Option<String>> {
    if host.kind == Kind::Stream {
        let stream = manifest.streams.iter().find(|stream| stream.port.to_string() == host.name)?;
        return Some(match &stream.to {
            StreamTarget::Container { service, key, .. } => {
                scene.services.get(service).map(|service| service.address_name(key))
            }
            StreamTarget::Address { .. } => None,
        });
    }
    let route = manifest.routes.iter().find(|route| route.domains.first() == Some(&host.name))?;
    let to = match path {
        "" => &route.to,
        path => &route.locations.iter().find(|location| location.path == path)?.to,
    };
    Some(match to {
        Target::Container { key, .. } => Some(manifest.address_name(key)),
        Target::Url { .. } | Target::Instance { .. } => None,
    })
}

/// The container that a host points at.
pub fn target<'a>(raw: &'a World, host: &Seen) -> Option<(&'a Address, &'a Seen)> {
    containers(raw).find(|(_, seen)| leads_to(&host.fields, &seen.fields))
}

/// Whether a host leads to a container.
fn leads_to(host: &Fields, container: &Fields) -> bool {
    led_to(host).iter().any(|(_, to, port)| is_at(to, port, container))
}

/// Whether a place is a container's: one of its addresses, a port of its host that it publishes, or its host's own.
fn is_at(to: &str, port: &str, container: &Fields) -> bool {
    let mut published = container.strings("published").into_iter();
    let is_machine = ["172.18.0.1", "127.0.0.1", "10.0.0.1"].contains(&to);
    container.text("network") == Some("host") && is_machine && PORTS_ON_HOST.contains(&port)
        || container.text("address") == Some(to)
        || container.text("edge_address") == Some(to)
        || published.any(|text| text.starts_with(&format!("{to}:{port}:")))
}

fn containers(raw: &World) -> impl Iterator<Item = (&Address, &Seen)> {
    raw.seen.iter().filter(|(address, _)| address.kind == Kind::Container)
}

/// Whether a manifest in force wants a container of that name.
pub fn is_wanted(scene: &Scene, service: &str, name: &str) -> bool {
    let manifest = scene.services.get(service);
    manifest.is_some_and(|manifest| manifest.containers.keys().any(|key| manifest.address_name(key) == name))
}

/// Whether a container is done when it has ended: a job, or one whose end another waits for.
pub fn is_task(scene: &Scene, address: &Address, seen: &Seen) -> bool {
    let manifest = seen.service.as_ref().and_then(|service| scene.services.get(service));
    is_job(&seen.fields)
        || manifest.is_some_and(|manifest| {
            manifest.containers.keys().any(|key| manifest.address_name(key) == address.name && manifest.is_task(key))
        })
}

fn is_job(fields: &Fields) -> bool {
    fields.get("before").is_some()
}

fn container_goes(state: &State, change: &Change, scene: &Scene, wants: &Wants, plan: &Plan) -> Vec<String> {
    let raw = &state.raw;
    let Some(seen) = raw.seen.get(&change.address) else { return Vec::new() };
    let replaced = is_wanted(scene, &change.service, &change.address.name);
    let makes_room = plan.changes.iter().any(|other| match &other.gate {
        Gate::After(needs) => needs.contains(&Need::absent(change.address.clone())),
        _ => false,
    });
    let home = |network: &Address| {
        network.provider == change.address.provider && seen.fields.text("network") == Some(network.name.as_str())
    };
    // All of its service are away, with the network.
    let moves = scene.services.contains_key(&change.service) && wants.moving.iter().any(home);
    let is_away = moves || replaced && (wants.stop_first.contains_key(&change.service) || !seen.ready.is_ready());
    let window = makes_room || is_away;
    // A service that goes on under other containers is changed, not taken from anybody.
    let goes = !scene.services.contains_key(&change.service);
    let needs = |other: &Address, user: &Seen, service: &str| {
        // What it was made with may be out of date.
        let noted = state.facts.applied.get(other).map(|row| &row.fields).filter(|row| row.get("needs").is_some());
        noted.unwrap_or(&user.fields).strings("needs").contains(&service)
    };
    let needed = containers(raw).filter(|(other, user)| {
        let Some(of) = user.service.as_deref().filter(|of| *of != change.service) else { return false };
        // Notes of different times may contradict one another.
        let mut own = containers(raw).filter(|(_, own)| own.service.as_deref() == Some(&change.service));
        needs(other, user, &change.service)
            && !own.any(|(own, seen)| needs(own, seen, of))
            && goes
            && !makes_room
            && !user.service.as_ref().is_some_and(|service| is_wanted(scene, service, &wants.heir(other).name))
    });
    let successor = plan.changes.iter().find_map(|other| match &other.verb {
        Verb::Create(fields) if other.address.is_same(&change.address) => fields.text("image"),
        Verb::Create(_) | Verb::Update(_) | Verb::Delete => None,
    });
    let image = successor.map(|image| Address::new(change.address.provider.clone(), Kind::Image, image));
    let is_another = |(other, also): &(&Address, &Seen)| {
        **other != change.address && other.is_same(&change.address) && also.ready.is_ready()
    };
    // One that has only just begun serves nobody yet.
    let began = seen.fields.get("started_at_ms").and_then(Value::as_int).unwrap_or_default();
    let has_run = state.now.0 - began >= UPTIME_MS;
    let is_last = seen.ready.is_ready() && has_run && !containers(raw).any(|one| is_another(&one));
    let stops = wants.stop_first.contains_key(&change.service) && is_last;
    let missing = image.filter(|image| stops && !raw.seen.contains_key(image));
    let missing = missing.map(|image| format!("the image of its successor, {}, is not there", image.name));
    let mut wrong: Vec<String> = needed.map(|(user, _)| format!("{user} needs it")).chain(missing).collect();
    // On the machine's network another may be the one that is meant.
    let answers = |to: &str, port: &str| {
        let others = containers(raw).filter(|(other, _)| **other != change.address);
        let mut on_host = others.filter(|(_, other)| other.fields.text("network") == Some("host"));
        on_host.any(|(_, other)| other.ready.is_ready() && is_at(to, port, &other.fields))
    };
    let leads_here =
        |host: &Fields| led_to(host).iter().any(|(_, to, port)| is_at(to, port, &seen.fields) && !answers(to, port));
    let pointing = hosts(raw).filter(|(_, host)| leads_here(&host.fields));
    wrong.extend(pointing.filter(|_| !window).map(|(host, _)| format!("{host} points at it")));
    wrong
}

/// A stopped container's hosts are switched off before it, where they can be seen.
fn container_stops(raw: &World, change: &Change, scene: &Scene) -> Vec<String> {
    // A job that takes too long.
    let is_late = raw.seen.get(&change.address).is_some_and(|seen| is_job(&seen.fields));
    let is_meant = is_late || scene.services.get(&change.service).is_some_and(|service| service.stopped);
    let mut wrong = if is_meant { Vec::new() } else { vec!["nobody asked for it".to_owned()] };
    let stops = raw.seen.get(&change.address).map(|seen| seen.fields.clone()).unwrap_or_default();
    let on = hosts(raw).filter(|(host, seen)| {
        raw.gap(host).is_none() && leads_to(&seen.fields, &stops) && seen.fields.flag("enabled") == Some(true)
    });
    wrong.extend(on.map(|(host, _)| format!("{host} still leads to it")));
    wrong
}

/// What of a stopped service still runs.
pub fn not_stopped(raw: &World, scene: &Scene) -> Vec<String> {
    let stopped = |name: &Option<String>| {
        name.as_ref().and_then(|name| scene.services.get(name)).is_some_and(|service| service.stopped)
    };
    let ours = raw
        .seen
        .iter()
        .filter(|(address, seen)| seen.owner.is_ours() && stopped(&seen.service) && raw.gap(address).is_none());
    let runs = |seen: &Seen| ["running", "enabled"].iter().any(|field| seen.fields.flag(field) == Some(true));
    ours.filter(|(_, seen)| runs(seen)).map(|(address, _)| format!("{address} is not stopped")).collect()
}

/// What has a port of one that starts again, and runs.
fn port_is_taken(raw: &World, address: &Address) -> Vec<String> {
    let ports = |seen: &Seen| -> Vec<String> { seen.fields.strings("ports").into_iter().map(published).collect() };
    let own = raw.seen.get(address).map(ports).unwrap_or_default();
    let others = containers(raw).filter(|(other, _)| *other != address && other.provider == address.provider);
    let running = others.filter(|(_, seen)| seen.owner.is_ours() && seen.fields.flag("running") == Some(true));
    let rivals = running.filter(|(_, seen)| ports(seen).iter().any(|port| own.contains(port)));
    rivals.map(|(other, _)| format!("{other} has its port")).collect()
}

/// Whether a call on its way gives its address to another container.
fn is_promised<'a>(state: &'a State, change: &'a Change, fields: &'a Fields) -> impl Iterator<Item = String> + 'a {
    let others = state.facts.in_progress.iter().filter(|(other, _)| **other != change.address);
    let same =
        others.filter(|(_, given)| given.text("address").is_some() && given.text("address") == fields.text("address"));
    same.map(|(other, _)| format!("{other} is to have its address"))
}

fn container_comes(raw: &World, change: &Change, fields: &Fields, scene: &Scene) -> Vec<String> {
    let mut wrong = Vec::new();
    let others = || containers(raw).filter(|(address, _)| **address != change.address);
    if let Some(name) = fields.text("name")
        && let Some((other, _)) = others()
            .find(|(other, seen)| other.provider == change.address.provider && seen.fields.text("name") == Some(name))
    {
        wrong.push(format!("{other} is called {name}"));
    }
    if !matches!(change.verb, Verb::Create(_)) {
        if fields.flag("running") == Some(true) {
            wrong.extend(port_is_taken(raw, &change.address));
        }
        return wrong;
    }
    let mut mounts = fields.strings("mounts");
    mounts.extend(fields.strings("image_mounts"));
    let declared = scene.declares.get(fields.text("image").unwrap_or_default()).into_iter().flatten();
    let target = |mount: &str| mount.rsplit(':').nth(1).unwrap_or_default().to_owned();
    let bare = declared.filter(|path| !mounts.iter().any(|mount| target(mount) == **path));
    wrong.extend(bare.map(|path| format!("{path} gets a volume without a name")));
    wrong.extend(lacks(raw, &change.address.provider, fields, &mounts));
    for (other, seen) in others().filter(|(other, _)| other.provider == change.address.provider) {
        wrong.extend(clashes(change, fields, scene, other, seen, &mounts));
    }
    wrong.extend(strangers(raw, change, fields, scene));
    wrong
}

/// The image, networks and volumes of a container that are not there.
fn lacks(raw: &World, provider: &ProviderId, fields: &Fields, mounts: &[&str]) -> Vec<String> {
    let mut needed = vec![(Kind::Image, fields.text("image")), (Kind::Network, fields.text("network"))];
    let volumes = mounts.iter().filter_map(|mount| mount.strip_prefix("volume:")?.split(':').next());
    let beside = fields.text("edge").into_iter().chain(fields.strings("also_on"));
    needed.extend(beside.map(|network| (Kind::Network, Some(network))));
    needed.extend(volumes.map(|volume| (Kind::Volume, Some(volume))));
    let mut wrong = Vec::new();
    for (kind, name) in needed {
        let name = name.unwrap_or_default();
        // The machine's, none, or that of another container.
        let is_machine = kind == Kind::Network && ["host", "none", ""].contains(&name);
        if !is_machine && !raw.seen.contains_key(&Address::new(provider.clone(), kind, name)) {
            wrong.push(format!("{} {name} is not there", kind.label()));
        }
    }
    wrong
}

/// What one that is made and another one of its engine cannot both have.
fn clashes(
    change: &Change,
    fields: &Fields,
    scene: &Scene,
    other: &Address,
    seen: &Seen,
    mounts: &[&str],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let ports = |fields: &Fields| -> Vec<String> {
        let texts = ["ports", "published"].into_iter().flat_map(|field| fields.strings(field));
        texts.map(published).collect()
    };
    // An engine publishes nothing of what stands still, and its manifest says that it goes on so.
    let is_stopped = |of: &String| scene.services.get(of).is_some_and(|service| service.stopped);
    let stands = seen.fields.flag("running") == Some(false) && seen.service.as_ref().is_some_and(is_stopped);
    let theirs = if stands { Vec::new() } else { ports(&seen.fields) };
    if let Some(port) = ports(fields).iter().find(|port| theirs.contains(port)) {
        wrong.push(format!("{other} publishes port {port}"));
    }
    if fields.text("edge_address").is_some() && seen.fields.text("edge_address") == fields.text("edge_address") {
        wrong.push(format!("{other} has its address on the edge"));
    }
    // Containers that are all wanted may share on purpose; an old one and its successor never do.
    let is_left = seen.service.as_ref().is_none_or(|of| !is_wanted(scene, of, &other.name));
    let has_ended = !seen.owner.is_ours() && seen.fields.flag("running") == Some(false);
    let is_stranger = is_left && !has_ended && !is_job(&seen.fields) && !is_job(fields);
    let may_share = scene.services.get(&change.service).is_some_and(|s| s.update.strategy == Strategy::StartFirst);
    let same = other.base() == change.address.base() && !may_share || is_stranger;
    if same && let Some(mount) = mount_of_both(change, mounts, other, seen) {
        wrong.push(format!("{other} writes to {mount}"));
    }
    if fields.text("address").is_some() && seen.fields.text("address") == fields.text("address") {
        wrong.push(format!("{other} has its address"));
    }
    wrong
}

/// What it writes to and another one has, too.
fn mount_of_both(change: &Change, mounts: &[&str], other: &Address, seen: &Seen) -> Option<String> {
    let mut written = mounts.iter().filter(|mount| mount.ends_with(":rw") && !mount.starts_with("tmpfs:"));
    // Of one generation and the next, what one only reads counts too.
    let counts = |mount: &&str| other.is_same(&change.address) || mount.ends_with(":rw");
    let mut theirs: Vec<String> = seen.fields.strings("mounts").into_iter().filter(counts).map(source).collect();
    theirs.extend(seen.fields.strings("image_mounts").into_iter().map(source));
    written.find_map(|mount| Some(source(mount)).filter(|mount| theirs.contains(mount)))
}

/// Hosts that point at the address of a container that is not theirs.
fn strangers(raw: &World, change: &Change, fields: &Fields, scene: &Scene) -> Vec<String> {
    let means_another = |host: &Address, seen: &Seen, path: &str| {
        let manifest = seen.service.as_ref().and_then(|service| scene.services.get(service));
        match manifest.and_then(|manifest| led_by(manifest, scene, host, path)) {
            Some(container) => container.as_ref() != Some(&change.address.name),
            None => seen.service.as_deref() != Some(change.service.as_str()),
        }
    };
    let mut wrong = Vec::new();
    // Of the machine's own network nothing can be chosen: who comes there comes to where the one before it was.
    if fields.text("network") == Some("host") {
        return wrong;
    }
    for (host, seen) in hosts(raw) {
        let all = led_to(&seen.fields);
        let here = all.iter().filter(|(path, to, port)| is_at(to, port, fields) && means_another(host, seen, path));
        wrong.extend(here.map(|(path, ..)| format!("{host}{path} points at its place and means another")));
    }
    wrong
}

fn source(mount: &str) -> String {
    mount.splitn(3, ':').take(2).collect::<Vec<_>>().join(":")
}

fn published(port: &str) -> String {
    let mut parts = port.split(':').skip(1);
    let protocol = port.rsplit('/').next().unwrap_or_default();
    format!("{}/{protocol}", parts.next().unwrap_or_default())
}

fn network_goes(raw: &World, network: &Address) -> Vec<String> {
    let members = state::members(raw).remove(network).unwrap_or_default();
    if members.is_empty() { Vec::new() } else { vec![format!("{} are on it", members.join(", "))] }
}

fn attachment_comes(raw: &World, attachment: &Address) -> Vec<String> {
    let (network, container) = attachment.name.rsplit_once('/').unwrap();
    let needed = [(Kind::Network, network), (Kind::Container, container)];
    let address = |kind, name| Address::new(attachment.provider.clone(), kind, name);
    let missing = needed.into_iter().filter(|(kind, name)| !raw.seen.contains_key(&address(*kind, name)));
    missing.map(|(kind, name)| format!("{} {name} is not there", kind.label())).collect()
}

fn attachment_goes(state: &State, attachment: &Address) -> Vec<String> {
    let raw = &state.raw;
    let (network, _) = attachment.name.rsplit_once('/').unwrap();
    let network = raw.seen.get(&Address::new(attachment.provider.clone(), Kind::Network, network));
    let subnet: Option<Ipv4Net> = network.and_then(|network| network.fields.text("subnet")?.parse().ok());
    // What is switched off leads nobody anywhere.
    let coming = state.facts.in_progress.iter().map(|(host, changed)| {
        let mut fields = raw.seen.get(host).map(|seen| seen.fields.clone()).unwrap_or_default();
        fields.extend(changed.iter().map(|(name, value)| (name.clone(), value.clone())));
        (host, fields)
    });
    let on = hosts(raw).map(|(host, seen)| (host, seen.fields.clone())).chain(coming);
    let on = on.filter(|(_, fields)| fields.flag("enabled") != Some(false));
    let through = on.filter(|(_, fields)| {
        let lies_in =
            |to: &str| to.parse::<Ipv4Addr>().ok().zip(subnet).is_some_and(|(to, subnet)| subnet.contains(&to));
        led_to(fields).iter().any(|(_, to, _)| lies_in(to))
    });
    through.map(|(host, _)| format!("{host} goes through it")).collect()
}

/// A try that cannot succeed is one of few.
fn certificate_comes(raw: &World, certificate: &Address) -> Vec<String> {
    let names: Vec<&str> = certificate.name.split(", ").collect();
    let records = raw.seen.iter().filter(|(record, _)| {
        let name = record.name.rsplit_once('/').map(|(name, _)| name);
        record.kind == Kind::Record && name.is_some_and(|name| names.contains(&name))
    });
    records
        .filter(|(_, seen)| !seen.ready.is_ready())
        .map(|(record, _)| format!("{record} is not known everywhere"))
        .collect()
}

/// nginx refuses its whole configuration when the files of one that it names are gone.
fn certificate_goes(raw: &World, certificate: &Address) -> Vec<String> {
    let users = raw.seen.iter().filter(|(address, _)| address.provider == certificate.provider);
    let users = users.filter(|(_, seen)| seen.fields.text("certificate") == Some(certificate.name.as_str()));
    users.map(|(user, _)| format!("{user} has it")).collect()
}

fn list_goes(raw: &World, list: &Address) -> Vec<String> {
    let users = raw.seen.iter().filter(|(_, host)| host.fields.text("access_list") == Some(list.name.as_str()));
    users.map(|(host, _)| format!("{host} is protected by it")).collect()
}

fn record_goes(raw: &World, record: &Address, wants: &Wants) -> Vec<String> {
    let (name, _) = record.name.rsplit_once('/').unwrap();
    let served = hosts(raw)
        .filter(|(host, seen)| seen.fields.strings("domains").contains(&name) && !wants.map.contains_key(host));
    served.map(|(host, _)| format!("{host} is still there")).collect()
}

fn record_comes(raw: &World, record: &Address) -> Vec<String> {
    let (name, record_type) = record.name.rsplit_once('/').unwrap();
    let others = raw.seen.keys().filter(|other| other.kind == Kind::Record && *other != record);
    let rivals = others.filter(|other| {
        let (theirs, kind) = other.name.rsplit_once('/').unwrap();
        theirs == name && (record_type == "CNAME" || kind == "CNAME")
    });
    rivals.map(|rival| format!("{rival} is there, and a CNAME stands alone")).collect()
}

/// The nearest name above at or below which something stands: only its wildcard answers for `name` (RFC 4592).
fn closest_encloser<'a>(raw: &World, name: &'a str) -> Option<&'a str> {
    let mut above = std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, above)| above)).skip(1);
    above.find(|above| {
        let records = raw.seen.keys().filter(|address| address.kind == Kind::Record);
        let mut names = records.filter_map(|address| address.name.rsplit_once('/')).map(|(name, _)| name);
        names.any(|other| other == *above || other.ends_with(&format!(".{above}")))
    })
}

fn volume_goes(raw: &World, volume: &Address) -> Vec<String> {
    let start = format!("volume:{}:", volume.name);
    let users = containers(raw).filter(|(_, seen)| seen.fields.strings("mounts").iter().any(|m| m.starts_with(&start)));
    users.map(|(user, _)| format!("{user} uses it")).collect()
}

fn host_is_written(
    raw: &World,
    wants: &Wants,
    change: &Change,
    changed: &Fields,
    is_create: bool,
    scene: &Scene,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let address = &change.address;
    let mut fields = raw.seen.get(address).map(|seen| seen.fields.clone()).unwrap_or_default();
    fields.extend(changed.clone());
    let domains = fields.strings("domains");
    let rivals = raw
        .seen
        .iter()
        .filter(|(other, _)| *other != address && other.provider == address.provider && other.kind.has_host_names());
    for (rival, seen) in rivals {
        let theirs = seen.fields.strings("domains");
        wrong.extend(domains.iter().filter(|own| theirs.contains(own)).map(|own| format!("{rival} has {own}")));
    }
    for (field, kind) in [("certificate", Kind::Certificate), ("access_list", Kind::AccessList)] {
        if let Some(name) = fields.text(field)
            && !raw.seen.contains_key(&Address::new(address.provider.clone(), kind, name))
        {
            wrong.push(format!("{} {name} is not there", kind.label()));
        }
    }
    let moves = |field: &str| changed.get(field).is_some();
    // What is switched off leads nobody anywhere.
    let points = matches!(address.kind, Kind::ProxyHost | Kind::Stream) && fields.flag("enabled") != Some(false);
    if points && ["forward_host", "forward_port", "locations"].into_iter().any(moves) {
        let all = led_to(&fields);
        let main = moves("forward_host") || moves("forward_port");
        let moved = all.iter().filter(|(path, ..)| if path.is_empty() { main } else { moves("locations") });
        wrong.extend(moved.flat_map(|(path, to, port)| points_well(raw, wants, change, path, (to, port), scene)));
    }
    for domain in domains.iter().filter(|_| is_create) {
        let has = ["A", "AAAA", "CNAME"].iter().any(|kind| has_record(raw, domain, kind));
        let covered = closest_encloser(raw, domain).is_some_and(|above| has_record(raw, &format!("*.{above}"), "A"));
        if state::wants_record(scene, &change.service, domain) && !has && !covered {
            wrong.push(format!("{domain}{NO_RECORD}"));
        }
    }
    wrong
}

/// A port belongs to a generation: what serves until the next one is ready is asked where it answers.
fn port_moves_alone(raw: &World, change: &Change, changed: &Fields, wants: &Wants) -> Option<String> {
    changed.get("forward_port").filter(|_| changed.get("forward_host").is_none())?;
    let host = raw.seen.get(&change.address)?;
    if changed.flag("enabled").or(host.fields.flag("enabled")) == Some(false) {
        return None;
    }
    let (serving, seen) = target(raw, host)?;
    // Of published ones, the port says which of them is meant.
    if seen.fields.get("published").is_some() {
        return None;
    }
    let mut others = wants.map.iter().filter(|(other, want)| other.base() == serving.base() && !want.keep_only);
    let next = others.find(|(other, _)| *other != serving)?;
    Some(format!("{serving} is asked where only {} answers", next.0))
}

/// The container must be there and work, and NPM must be on its network.
fn points_well(
    raw: &World,
    wants: &Wants,
    change: &Change,
    path: &str,
    at: (&str, &str),
    scene: &Scene,
) -> Vec<String> {
    let manifest = scene.services.get(&change.service);
    let container = manifest.and_then(|manifest| led_by(manifest, scene, &change.address, path));
    let Some(Some(name)) = container else { return Vec::new() };
    let (host, port) = at;
    // One that had another key serves until the next is ready.
    let is_it = |address: &Address| address.name == name || wants.heir(address).name == name;
    let target = containers(raw).find(|(address, seen)| is_it(address) && is_at(host, port, &seen.fields));
    let Some((container, seen)) = target else { return vec![format!("{name} is not at {host:?}")] };
    let mut wrong = Vec::new();
    if !seen.ready.is_ready() {
        wrong.push(format!("{container} is not ready"));
    }
    let edge = seen.fields.text("edge").filter(|_| Some(host) == seen.fields.text("edge_address"));
    let network = edge.or(seen.fields.text("network")).unwrap_or_default();
    let npm = raw.seen.get(&Address::new(container.provider.clone(), Kind::Container, "npm"));
    let by_network = npm.is_some_and(|npm| npm.fields.text("network_mode") != Some("host"));
    let attachment = Address::new(container.provider.clone(), Kind::Attachment, &format!("{network}/npm"));
    let is_published = network == "host" || seen.fields.strings("published").iter().any(|port| port.starts_with(host));
    if by_network && !is_published && is_attached(scene, &container.provider) && !raw.seen.contains_key(&attachment) {
        wrong.push(format!("NPM is not on {network}"));
    }
    wrong
}

fn is_attached(scene: &Scene, engine: &ProviderId) -> bool {
    use amarre_core::model::site::Reach;
    let host = scene.site.hosts.values().find(|host| host.docker == *engine);
    let npm = host.and_then(|host| host.npm.as_ref());
    npm.is_some_and(|npm| npm.container.is_some() && npm.reach != Reach::Host)
}

fn has_record(raw: &World, name: &str, kind: &str) -> bool {
    let named = format!("{name}/{kind}");
    let record = raw.seen.iter().find(|(address, _)| address.kind == Kind::Record && address.name == named);
    record.is_some_and(|(_, seen)| {
        seen.fields.get("values").is_none_or(|values| !matches!(values, Value::List(l) if l.is_empty()))
    })
}
