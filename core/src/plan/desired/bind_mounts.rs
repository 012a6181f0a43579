//! What a container that is yet to be made may mount of its host, where the folders really lead.
//!
//! | what is mounted | where Amarre sees the host's files | elsewhere |
//! |---|---|---|
//! | what NPM's or Amarre's own container mounts, or Amarre's own files | held, A0442 | held, A0442 |
//! | a folder above them, read-only, with `policy.authors: operators` | made | made |
//! | a folder that a link leads out of `policy.host_paths` | held, A0440 | cannot be seen |
//! | a folder below another one that a container of ours could write to | held, A0441 | held, A0441 |
//! | anything else | made | made |
//!
//! Containers that are there are never touched for it. But Docker follows links whenever it starts a container, also one that
//! restarts by itself: where a container can put a link, no look before its creation says where it will lead.

use std::collections::{BTreeMap, BTreeSet};

use super::{foreign_use, mounts, reused_names};
use crate::model::address::generations;
use crate::model::folders::{Lead, Lost, TIME_ZONE, is_strictly_below, is_within, normal};
use crate::model::{Address, Arg, Code, Fields, Hint, Kind, ProviderId, Refusal, Service, Text};
use crate::plan::expansion::Expansion;
use crate::plan::indexes::all_mounts::{AllMounts, above};
use crate::plan::indexes::host_folders;
use crate::plan::indexes::host_folders::HostFolder;
use crate::plan::input::Input;
use crate::resources::docker;
use crate::resources::docker::MountKind;
use crate::text;

/// What containers mount of every host and what tells nothing: time zones, names, certificates of authorities, the
/// kernel's own folders. Docker's socket has a word of the policy.
const COMMON: [&str; 13] = [
    "/etc/ca-certificates",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/ssl/certs",
    "/etc/timezone",
    "/lib/modules",
    "/proc",
    "/sys",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
];
/// Where sockets of engines lie; a container that mounts one has the host.
const SOCKET_FOLDERS: [&str; 2] = ["/run", "/var/run"];

/// All that must be known of one container to judge what it mounts, but where the folders lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    folders: Vec<HostFolder>,
    /// Below these it may mount anything. No container can put a link in the place of one of them.
    roots: BTreeSet<String>,
    /// What no container may mount, and whose it is.
    kept: BTreeMap<String, Text>,
    /// Whether `policy.docker_socket` is set.
    may_have_socket: bool,
    /// Whether it may read a folder above what is kept, as a monitor of the whole host does: `policy.authors: operators`.
    may_read_above: bool,
    name: String,
    file: String,
}

impl Check {
    /// Of a container that is yet to be made. `None`: it mounts nothing of the host.
    pub fn of(all_mounts: &AllMounts<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Self> {
        let input = all_mounts.input;
        let host = input.site.host_of(service)?;
        let folders = host_folders::folders(input, service, &base.provider, fields);
        if folders.is_empty() {
            return None;
        }
        let mut roots = host_folders::roots(input, &host.data, service);
        // A container that writes above a root can put a link in its place.
        roots.retain(|root| !all_mounts.has_root_above(&base.provider, root));
        Some(Self {
            folders,
            roots,
            kept: kept(input, service, &base.provider),
            may_have_socket: input.site.policy.docker_socket,
            may_read_above: input.site.policy.are_authors_operators(),
            name: service.called(&base.name),
            file: service.origin.file.clone(),
        })
    }

    /// The paths of which is to be known where they lead.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.folders.iter().map(|folder| &folder.path).chain(&self.roots).chain(self.kept.keys())
    }

    /// Why the container is not made. A path of which is not known where it leads is judged as it is written.
    pub fn judge(&self, leads: &BTreeMap<String, Lead>) -> Option<Refusal> {
        self.folders.iter().find_map(|folder| self.kept_from_all(folder, leads).or_else(|| self.outside(folder, leads)))
    }

    fn kept_from_all(&self, folder: &HostFolder, leads: &BTreeMap<String, Lead>) -> Option<Refusal> {
        let real = |path: &String| leads.get(path).map_or_else(|| path.clone(), |lead| lead.path.clone());
        let may_be_above = self.may_read_above && !folder.is_written;
        let touches = |one: &str, kept: &str| is_within(one, kept) || !may_be_above && is_within(kept, one);
        let is_touched = |path: &String| {
            let (asked, leads_to) = (&folder.path, real(&folder.path));
            [path.clone(), real(path)].iter().any(|kept| touches(asked, kept) || touches(&leads_to, kept))
        };
        let (path, whose) = self.kept.iter().find(|(path, _)| is_touched(path))?;
        let mut found = Vec::new();
        let leads_to = real(&folder.path);
        if leads_to != folder.path {
            found.push((text!("leads to"), leads_to.into()));
        }
        if *path != folder.path {
            found.push((text!("kept"), path.clone().into()));
        }
        let mut refusal = self.refused_for(folder.shown().into(), whose, found);
        if is_strictly_below(path, &folder.path) && self.may_read_above {
            refusal.hints.push(Hint::text(text!("or mount it read-only: that may lie above what is kept")));
        }
        Some(refusal)
    }

    fn refused_for(&self, what: Arg, whose: &Text, found: Vec<(Text, Text)>) -> Refusal {
        Refusal {
            code: Code::A0442,
            message: text!(
                "container {name} may not have {what}: {whose}",
                name = &self.name,
                what,
                whose = whose.clone()
            ),
            found,
            hints: vec![Hint::text(text!("take it out of {file}; no word of the policy allows it", file = &self.file))],
        }
    }

    fn outside(&self, folder: &HostFolder, leads: &BTreeMap<String, Lead>) -> Option<Refusal> {
        let lead = leads.get(&folder.path)?;
        if lead.lost == Some(Lost::TooManyLinks) {
            let found = lead.links.first().map(said).into_iter().collect();
            return Some(self.leads_away(folder, text!("never comes to an end"), found, None));
        }
        let is_time_zone = !folder.is_written && TIME_ZONE.contains(&folder.path.as_str());
        if lead.links.is_empty() || is_time_zone {
            // Nothing but what the manifest says, which was judged there.
            return None;
        }
        let asks_for_socket = folder.path.ends_with("docker.sock");
        let is_socket = SOCKET_FOLDERS.contains(&lead.path.as_str()) || lead.path.ends_with("/docker.sock");
        if is_socket && !self.may_have_socket {
            let way_past = text!("if that is meant, the operator sets `policy.docker_socket: true` in amarre.yaml");
            return Some(self.leads_away(folder, text!("leads to Docker's socket"), self.way(lead), Some(way_past)));
        }
        let root = |root: &String| leads.get(root).map_or_else(|| root.clone(), |lead| lead.path.clone());
        let is_allowed = self.roots.iter().any(|allowed| is_within(&lead.path, &root(allowed)));
        if is_allowed || (self.may_have_socket && (asks_for_socket || is_socket)) {
            return None;
        }
        let way_past = text!(
            "if that is meant, the operator adds {path} to `policy.host_paths` in amarre.yaml",
            path = &lead.path
        );
        Some(self.leads_away(folder, text!("leads out of `policy.host_paths`"), self.way(lead), Some(way_past)))
    }

    /// The link that is to blame, and the end of the way.
    fn way(&self, lead: &Lead) -> Vec<(Text, Text)> {
        let is_below = |at: &str| self.roots.iter().any(|root| is_strictly_below(at, root));
        let link = lead.links.iter().find(|(at, _)| is_below(at)).or(lead.links.first());
        let end = [(text!("leads to"), lead.path.clone().into())];
        link.map(said).into_iter().chain(end).collect()
    }

    fn leads_away(&self, folder: &HostFolder, how: Text, found: Vec<(Text, Text)>, way_past: Option<Text>) -> Refusal {
        let mut hints = vec![Hint::text(text!("remove the link, or mount the folder that it leads to"))];
        hints.extend(way_past.map(Hint::text));
        Refusal {
            code: Code::A0440,
            message: text!("container {name}: {folder} {how}", name = &self.name, folder = folder.shown(), how),
            found,
            hints,
        }
    }
}

/// A link as people read it.
fn said((at, to): &(String, String)) -> (Text, Text) {
    (text!("link"), format!("{at} → {to}").into())
}

/// Why a container that is yet to be made is not made for what it mounts.
pub fn refusal(expansion: &mut Expansion<'_>, base: &Address, fields: &Fields) -> Option<Refusal> {
    let (all_mounts, service) = (expansion.all_mounts, expansion.service);
    if let Some(refusal) = of_service(all_mounts, service, base, fields) {
        return Some(refusal);
    }
    let above = unproven(all_mounts, service, base, fields)?;
    if above.is_known {
        let (name, why) = (service.called(&base.name), Arg::Text(Box::new(above.why())));
        let text = text!("{name}: {why}; it had this mount before, and keeps it in this release", name, why);
        expansion.note(Some(base.clone()), text);
        return None;
    }
    Some(above.refusal(base, service))
}

/// Says what a service's new containers mount that is not on the host: all at once, before the engine refuses the first, or
/// creates it.
///
/// The engine may see more than Amarre does, so nothing is held for it.
pub fn tell_missing<'a>(expansion: &mut Expansion<'_>, new: impl Iterator<Item = (&'a Address, &'a Fields)>) {
    let leads = &expansion.input.world.leads;
    let (mut missing, mut created) = (BTreeSet::new(), BTreeSet::new());
    for (base, fields) in new {
        let Some(leads) = leads.get(&base.provider) else { continue };
        let is_missing = |source: &str| leads.get(&normal(source)).is_some_and(|lead| lead.is_missing);
        let makes = fields.strings(mounts::CREATED_FOLDERS);
        let binds = docker::mounts(fields).filter(|mount| mount.kind == MountKind::Bind && !mount.makes_source());
        for source in binds.map(|mount| mount.source).filter(|source| is_missing(source)) {
            if makes.contains(&source) {
                created.insert(source)
            } else {
                missing.insert(source)
            };
        }
    }
    let all = |sources: &BTreeSet<&str>, between: &str| sources.iter().copied().collect::<Vec<_>>().join(between);
    let mut notes = Vec::new();
    if !missing.is_empty() {
        notes.push(text!(
            "not on the host: {folders}; Docker makes no container without them: install -d -o USER {paths}, with the user that the container runs as",
            folders = all(&missing, ", "),
            paths = all(&missing, " ")
        ));
    }
    if !created.is_empty() {
        let folders = all(&created, ", ");
        notes.push(match created.len() {
            1 => text!("creates the folder {folders} on the host, empty and root's", folders),
            _ => text!("creates the folders {folders} on the host, empty and root's", folders),
        });
    }
    notes.into_iter().for_each(|text| expansion.note(None, text));
}

/// Whether any container of a manifest would not be made, for all that its manifest says of mounts.
pub fn is_any_barred(all_mounts: &AllMounts<'_>, service: &Service) -> bool {
    let Some(host) = all_mounts.input.site.host_of(service) else { return false };
    service.containers.iter().any(|(key, container)| {
        let base = Address::new(host.docker.clone(), Kind::Container, &service.address_name(key));
        let fields = host_folders::of_manifest(service, container);
        let is_new_risk = || unproven(all_mounts, service, &base, &fields).is_some_and(|above| !above.is_known);
        of_service(all_mounts, service, &base, &fields).is_some() || is_new_risk()
    })
}

fn of_service(all_mounts: &AllMounts<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Refusal> {
    let input = all_mounts.input;
    if let Some(refusal) = reused_names::held(input, service, base) {
        return Some(refusal);
    }
    if let Some(refusal) = reserved_volume(input, service, base, fields) {
        return Some(refusal);
    }
    let none = BTreeMap::new();
    let leads = input.world.leads.get(&base.provider).unwrap_or(&none);
    // What no word allows is told before what one does.
    let barred = Check::of(all_mounts, service, base, fields).and_then(|check| check.judge(leads));
    barred.or_else(|| foreign_use::held(all_mounts, service, base, fields))
}

/// A named volume that NPM's or Amarre's own container has.
fn reserved_volume(input: &Input<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Refusal> {
    let names = docker::mounts(fields).filter(|mount| mount.kind == MountKind::Volume).map(|mount| mount.source);
    let reserved = others(input, service, &base.provider);
    let is_in = |name: &str| reserved.clone().find(|(reserved, _)| reserved.volumes.contains(name));
    let (name, whose) = names.into_iter().find_map(|name| Some((name, is_in(name)?.1)))?;
    let what = text!("{kind} {name}", kind = Kind::Volume, name);
    Some(refused_for(base, service, what.into(), &whose))
}

/// What no word of the policy allows.
pub(crate) fn refused_for(base: &Address, service: &Service, what: Arg, whose: &Text) -> Refusal {
    let check = Check { name: service.called(&base.name), file: service.origin.file.clone(), ..Check::default() };
    check.refused_for(what, whose, Vec::new())
}

/// What is kept for NPM and Amarre on an engine, and why; but for the service that makes that container itself.
pub(crate) fn others<'a>(
    input: &'a Input<'_>,
    service: &'a Service,
    provider: &'a ProviderId,
) -> impl Iterator<Item = (&'a crate::model::folders::Reserved, Text)> + Clone {
    let all = input.world.reserved.get(provider).into_iter().flatten();
    all.filter(|reserved| reserved.service.as_ref() != Some(&service.name)).map(|reserved| {
        let name = &reserved.by.name;
        let whose = if reserved.is_own {
            text!("Amarre's own container {name} has it", name)
        } else if reserved.by.kind == Kind::Stream {
            text!("NPM's stream {name} has it", name)
        } else {
            text!("NPM's container {name} has it", name)
        };
        (reserved, whose)
    })
}

/// The paths that no container may have, and why.
fn kept(input: &Input<'_>, service: &Service, provider: &ProviderId) -> BTreeMap<String, Text> {
    let mut kept = BTreeMap::new();
    for (reserved, whose) in others(input, service, provider) {
        for path in reserved.paths.iter().map(|path| normal(path)).filter(|path| !is_common(path)) {
            kept.entry(path).or_insert_with(|| whose.clone());
        }
    }
    let own = input.site.forbidden.get(provider).into_iter().flatten();
    kept.extend(own.map(|path| (normal(path), text!("Amarre itself works with it"))));
    kept
}

pub(crate) fn is_common(path: &str) -> bool {
    let is_socket = path.ends_with(".sock") || SOCKET_FOLDERS.contains(&path);
    is_socket || path == "/" || COMMON.iter().any(|common| is_within(path, common))
}

/// A folder that a container could put a link in the way of.
struct Above {
    folder: HostFolder,
    /// The folder that is written to, or that lies below.
    other: String,
    /// The container had the mount before.
    is_known: bool,
}

impl Above {
    fn why(&self) -> Text {
        let (below, above) = if is_strictly_below(&self.folder.path, &self.other) {
            (&self.folder.path, &self.other)
        } else {
            (&self.other, &self.folder.path)
        };
        text!("{below} lies in {above}, which a container can write to: a link there may lead anywhere", below, above)
    }

    fn refusal(&self, base: &Address, service: &Service) -> Refusal {
        Refusal {
            code: Code::A0441,
            message: text!("container {name}: {why}", name = service.called(&base.name), why = self.why()),
            found: vec![(text!("mount"), self.folder.path.clone().into()), (text!("other"), self.other.clone().into())],
            hints: vec![
                Hint::text(text!(
                    "mount folders beside one another in {file}, none in another",
                    file = &service.origin.file
                )),
                Hint::text(text!("or the operator sets `policy.follow_links: true` in amarre.yaml")),
            ],
        }
    }
}

/// A mount below a folder that any container of ours could ever write to, and a mount to write above another one.
fn unproven(all_mounts: &AllMounts<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Above> {
    let (input, provider) = (all_mounts.input, &base.provider);
    let own = host_folders::folders(input, service, provider, fields);
    if input.site.policy.follow_links || own.is_empty() {
        return None;
    }
    let remembered = input.facts.written_folders.get(provider);
    let is_written = |path: &&str| {
        let is_own = || own.iter().any(|folder| folder.is_written && folder.path == **path);
        let was = || remembered.is_some_and(|known| known.contains_key(*path));
        all_mounts.is_written(provider, path) || is_own() || was()
    };
    let first_below = |folder: &str| {
        let own = own.iter().map(|folder| folder.path.as_str()).filter(|path| is_strictly_below(path, folder));
        all_mounts.first_below(provider, folder).into_iter().chain(own).min().map(str::to_owned)
    };
    let before = before(input, base).flat_map(|fields| host_folders::folders(input, service, provider, fields));
    let before: BTreeSet<String> = before.map(|folder| folder.path).collect();
    let found = own.iter().filter_map(|folder| {
        let written = above(&folder.path).find(is_written).map(str::to_owned);
        let other = written.or_else(|| folder.is_written.then(|| first_below(&folder.path)).flatten())?;
        let is_known = before.contains(&folder.path);
        Some(Above { folder: folder.clone(), other, is_known })
    });
    // One that is new decides, whatever else the container had before.
    found.min_by_key(|above| above.is_known)
}

/// What generations of a container had before.
pub(crate) fn before<'a>(input: &'a Input<'_>, base: &'a Address) -> impl Iterator<Item = &'a Fields> {
    let seen = input.world.instances(base).into_values().map(|seen| &seen.fields);
    let applied = generations(&input.facts.applied, base).map(|(_, row)| &row.fields);
    let good = input.facts.last_good.get(base).map(|(_, fields)| fields);
    seen.chain(applied).chain(good)
}

/// The folders that containers of ours on an engine can write to now, each with whether anything is seen in it: what is
/// remembered for good.
pub fn written(input: &Input<'_>) -> BTreeMap<(ProviderId, String), bool> {
    let is_filled = |provider: &ProviderId, path: &String| {
        let lead = input.world.leads.get(provider).and_then(|leads| leads.get(path));
        lead.is_some_and(|lead| !lead.is_missing && !lead.is_empty && lead.lost.is_none())
    };
    let mut written = BTreeMap::new();
    let seen = input.world.seen.iter().filter(|(_, seen)| seen.owner.is_ours());
    let seen = seen.map(|(address, seen)| (address, seen.service.as_ref(), &seen.fields));
    let applied = input.facts.applied.iter().map(|(address, row)| (address, Some(&row.service), &row.fields));
    for (address, service, fields) in seen.chain(applied).filter(|(address, _, _)| address.kind == Kind::Container) {
        let service = service.and_then(|name| input.services.get(name));
        let folders = match service {
            Some(service) => host_folders::folders(input, service, &address.provider, fields),
            None => host_folders::binds(fields).collect(),
        };
        let provider = &address.provider;
        for HostFolder { path, .. } in folders.into_iter().filter(|folder| folder.is_written) {
            let is_filled = is_filled(provider, &path);
            written.insert((provider.clone(), path), is_filled);
        }
    }
    written
}
