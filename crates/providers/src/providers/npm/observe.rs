//! Turns NPM's lists into what is seen: names, owners, readiness. Pure.
//!
//! | host carries | it is |
//! |---|---|
//! | our mark | ours |
//! | another instance's mark | the other's |
//! | no mark, but the ledger has its id and one of its domains | ours, mark lost |
//! | no mark | foreign |
//!
//! NPM from 2.13.0 on writes the old mark of a 404 host over a new one. There the ledger has the last word, and none is lost.
//!
//! Access lists and certificates carry no mark. Ours are lists that are called `<instance>/…` and were made by our account,
//! and certificates that the ledger knows, or that our account made and a host of ours uses, or that the ledger says were
//! asked for when the process died.

use std::collections::BTreeMap;

use super::api::{CertificateRow, HostRow, ListRow, NpmVersion};
use super::convert;
use super::sections::Section;
use crate::providers::ObserveQuery;
use amarre_core::model::world::Applied;
use amarre_core::model::{Address, Fields, Kind, Owner, ProviderId, Readiness, Seen, Text, Typed, Value};
use amarre_core::text;

/// Everything that was read in one look.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The id of our account.
    pub me: u64,
    /// By section, as far as our account may read them.
    pub hosts: BTreeMap<Section, Vec<HostRow>>,
    pub access_lists: Vec<ListRow>,
    pub certificates: Vec<CertificateRow>,
    /// Hosts of which only the name and whose they are is known: they are too large.
    pub hidden_hosts: BTreeMap<Section, Vec<HostRow>>,
    /// The same of others: by what they are called.
    pub hidden: Vec<(Kind, String)>,
    /// What the ledger knows, no list has, and nothing proves to be gone.
    pub unlisted: BTreeMap<Address, UnlistedRow>,
}

/// Why a row that no list has is not taken for one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnlistedRow {
    /// Our account sees only what it made itself, in lists and by id.
    NotShown,
    /// NPM answers it by its id: the list is not whole.
    LeftOut,
}

impl Inventory {
    /// What the ledger knows of the kinds that were read, by section and id, and no list has.
    pub fn missing<'a>(&'a self, ask: &'a ObserveQuery) -> impl Iterator<Item = (Section, &'a Address, u64)> + 'a {
        let rows = ask.applied.iter().filter_map(|(address, row)| {
            Some((Section::of_kind(address.kind)?, address, row.vendor_id.parse::<u64>().ok()?))
        });
        rows.filter(|(section, address, id)| self.has_read(*section) && !self.lists_row(*section, address, *id))
    }

    fn has_read(&self, section: Section) -> bool {
        !section.has_hosts() || self.hosts.contains_key(&section)
    }

    fn lists_row(&self, section: Section, address: &Address, id: u64) -> bool {
        if section.has_hosts() {
            let mut lists = [&self.hosts, &self.hidden_hosts].into_iter().filter_map(|lists| lists.get(&section));
            return lists.any(|rows| rows.iter().any(|row| row.id == id));
        }
        let is_hidden = || self.hidden.iter().any(|(kind, name)| *kind == address.kind && *name == address.name);
        let is_listed = if section == Section::AccessLists {
            self.access_lists.iter().any(|row| row.id == id)
        } else {
            self.certificates.iter().any(|row| row.id == id)
        };
        is_listed || is_hidden()
    }
}

/// Who looks, and with what in mind.
#[derive(Clone, Copy)]
pub struct Viewer<'a> {
    pub provider: &'a ProviderId,
    pub instance: &'a str,
    /// Which NPM it is.
    pub version: NpmVersion,
    /// What is wanted and what the ledger knows.
    pub ask: &'a ObserveQuery,
}

/// What is seen, by address.
pub fn report(inventory: &Inventory, viewer: Viewer<'_>) -> BTreeMap<Address, Seen> {
    let mut seen = BTreeMap::new();
    for (section, rows) in &inventory.hosts {
        hosts(*section, rows, viewer, &mut seen);
    }
    lists(inventory, viewer, &mut seen);
    certificates(inventory, viewer, &mut seen);
    seen
}

/// The addresses of what is there and was too large to be read.
pub fn hidden(inventory: &Inventory, viewer: Viewer<'_>, seen: &BTreeMap<Address, Seen>) -> Vec<Address> {
    let rows = inventory.hidden_hosts.iter().flat_map(|(section, rows)| rows.iter().map(|row| (*section, row)));
    let hosts = rows.map(|(section, row)| {
        let (owner, _) = owner_of_host(section, row, viewer);
        free_address(section, row, &owner, viewer, seen)
    });
    hosts.chain(inventory.hidden.iter().map(|(kind, name)| viewer.address(*kind, name))).collect()
}

/// Whether a row without a mark of its own is ours: by its name and by who made it.
pub fn is_ours_by_name(name: &str, owner: u64, instance: &str, me: u64) -> bool {
    owner == me && name.strip_prefix(instance).is_some_and(|rest| rest.starts_with('/'))
}

impl<'a> Viewer<'a> {
    fn address(self, kind: Kind, name: &str) -> Address {
        Address::new(self.provider.clone(), kind, name)
    }

    /// Whether a host is ours and no manifest wants it.
    pub fn may_go(self, section: Section, row: &HostRow) -> bool {
        let (owner, _) = owner_of_host(section, row, self);
        let address = free_address(section, row, &owner, self, &BTreeMap::new());
        owner.is_ours() && !self.ask.wanted.contains_key(&address)
    }

    /// Whether no write changes the mark of such a host.
    fn keeps_marks(self, section: Section) -> bool {
        section.is_late(self.version)
    }

    /// The ledger's row of a vendor id.
    fn applied(self, kind: Kind, id: u64) -> Option<(&'a Address, &'a Applied)> {
        let id = id.to_string();
        let mut rows = self.ask.applied.iter();
        rows.find(|(address, row)| address.kind == kind && address.provider == *self.provider && row.vendor_id == id)
    }
}

fn hosts(section: Section, rows: &[HostRow], viewer: Viewer<'_>, seen: &mut BTreeMap<Address, Seen>) {
    let mut owned: Vec<(&HostRow, Owner, Option<String>)> = rows
        .iter()
        .map(|row| {
            let (owner, service) = owner_of_host(section, row, viewer);
            (row, owner, service)
        })
        .collect();
    // Ours are named first, so that nobody else's row can take their name.
    owned.sort_by_key(|(row, owner, _)| (!owner.is_ours(), convert::name_of(row).is_none(), row.id));
    for (row, owner, service) in owned {
        let address = free_address(section, row, &owner, viewer, seen);
        let mut fields = convert::host_fields(section, row, viewer.instance);
        if owner == Owner::Ours && viewer.keeps_marks(section) {
            fields.set("mark", Value::Bool(true));
        }
        let entry = Seen {
            fields,
            ready: readiness(section, row, viewer),
            owner,
            service,
            vendor_id: row.id.to_string(),
            at: viewer.ask.now,
        };
        seen.insert(address, entry);
    }
}

fn owner_of_host(section: Section, row: &HostRow, viewer: Viewer<'_>) -> (Owner, Option<String>) {
    let service = convert::service_of(row).map(str::to_owned);
    let known = viewer.applied(section.kind(), row.id).filter(|(_, applied)| overlaps(section, &applied.fields, row));
    let known = known.map(|(_, applied)| applied.service.clone());
    let keeps_marks = viewer.keeps_marks(section);
    match (convert::instance_of(row), known) {
        (Some(instance), known) if instance == viewer.instance => {
            (Owner::Ours, known.filter(|_| keeps_marks).or(service))
        }
        (Some(other), _) => (Owner::Other(other.to_owned()), service),
        (None, Some(service)) if keeps_marks => (Owner::Ours, Some(service)),
        (None, Some(service)) => (Owner::MarkLost, Some(service)),
        (None, None) => (Owner::Foreign, None),
    }
}

fn overlaps(section: Section, applied: &Fields, row: &HostRow) -> bool {
    let held = convert::claims(section, row);
    convert::claimed(section, applied).iter().any(|known| held.contains(known))
}

/// The address: by its mark, by what is wanted, by the ledger, by its first domain or its port. Each address once.
fn free_address(
    section: Section,
    row: &HostRow,
    owner: &Owner,
    viewer: Viewer<'_>,
    seen: &BTreeMap<Address, Seen>,
) -> Address {
    let kind = section.kind();
    let domains = convert::claims(section, row);
    let marked = convert::name_of(row).filter(|_| *owner == Owner::Ours).map(str::to_owned);
    let wanted = domains.iter().find(|domain| viewer.ask.wanted.contains_key(&viewer.address(kind, domain))).cloned();
    let known = viewer.applied(kind, row.id).filter(|_| owner.is_ours()).map(|(address, _)| address.name.clone());
    let candidates = [marked, wanted, known].into_iter().flatten().chain(domains);
    let mut addresses = candidates.map(|name| viewer.address(kind, &name));
    let free = addresses.find(|address| !seen.contains_key(address));
    free.unwrap_or_else(|| viewer.address(kind, &format!("#{}", row.id)))
}

fn readiness(section: Section, row: &HostRow, viewer: Viewer<'_>) -> Readiness {
    let why = match (row.enabled, convert::is_served(row)) {
        (true, true) if section == Section::Redirections && leads_nowhere(row, viewer.version) => {
            let version = viewer.version.to_string();
            text!("NPM {version} cannot keep the scheme of a visitor: no browser follows where it leads", version)
        }
        (true, true) => return Readiness::Ready,
        (false, _) => text!("it is switched off in NPM"),
        (true, false) => {
            let said = convert::nginx_words(section, row).map(Text::from);
            said.unwrap_or_else(|| text!("nginx was not reloaded for it"))
        }
    };
    Readiness::NotYet { since: viewer.ask.now, why }
}

/// A redirection without a scheme, from a version that takes it at its word.
fn leads_nowhere(row: &HostRow, version: NpmVersion) -> bool {
    !matches!(row.forward_scheme.as_str(), "http" | "https") && !version.keeps_schemes()
}

fn lists(inventory: &Inventory, viewer: Viewer<'_>, seen: &mut BTreeMap<Address, Seen>) {
    let mut rows: Vec<&ListRow> = inventory.access_lists.iter().collect();
    rows.sort_by_key(|row| row.id);
    for row in rows {
        let ours = is_ours_by_name(&row.name, row.owner_user_id, viewer.instance, inventory.me);
        let applied = viewer.applied(Kind::AccessList, row.id).map(|(_, applied)| applied);
        let known = applied.and_then(|applied| applied.fields.get("users")).and_then(Value::entries);
        let entry = Seen {
            fields: convert::access_list(row, known).fields(),
            ready: Readiness::Ready,
            owner: if ours { Owner::Ours } else { Owner::Foreign },
            service: applied.filter(|_| ours).map(|applied| applied.service.clone()),
            vendor_id: row.id.to_string(),
            at: viewer.ask.now,
        };
        seen.insert(named_once(Kind::AccessList, &row.name, row.id, viewer, seen), entry);
    }
}

fn certificates(inventory: &Inventory, viewer: Viewer<'_>, seen: &mut BTreeMap<Address, Seen>) {
    let mut rows: Vec<&CertificateRow> = inventory.certificates.iter().collect();
    rows.sort_by_key(|row| row.id);
    for row in rows {
        let service = owner_of_certificate(row, inventory, viewer);
        let ready = match row.has_files() {
            true if row.provider == "letsencrypt" && !row.is_issued() => {
                Readiness::NotYet { since: viewer.ask.now, why: text!("Let's Encrypt has not given it") }
            }
            true => Readiness::Ready,
            false => Readiness::NotYet { since: viewer.ask.now, why: text!("its files were never uploaded") },
        };
        let entry = Seen {
            fields: convert::certificate(row).fields(),
            ready,
            owner: if service.is_some() { Owner::Ours } else { Owner::Foreign },
            service,
            vendor_id: row.id.to_string(),
            at: viewer.ask.now,
        };
        seen.insert(named_once(Kind::Certificate, &row.nice_name, row.id, viewer, seen), entry);
    }
}

/// The manifest for which one was asked for, if it was by us.
fn owner_of_certificate(row: &CertificateRow, inventory: &Inventory, viewer: Viewer<'_>) -> Option<String> {
    if row.provider != "letsencrypt" {
        return None;
    }
    let known = viewer.applied(Kind::Certificate, row.id).filter(|(address, _)| address.name == row.nice_name);
    if let Some((_, applied)) = known {
        return Some(applied.service.clone());
    }
    if row.owner_user_id != inventory.me {
        return None;
    }
    let mut users = inventory.hosts.values().flatten().filter(|host| host.certificate_id == row.id);
    let user = users.find(|host| convert::instance_of(host) == Some(viewer.instance));
    // A call was cut in the middle of its order.
    let ordered = || viewer.ask.ordered.get(&viewer.address(Kind::Certificate, &row.nice_name)).cloned();
    user.and_then(convert::service_of).map(str::to_owned).or_else(|| ordered().filter(|_| row.is_issued()))
}

/// NPM lets two rows have one name: the older keeps it.
fn named_once(kind: Kind, name: &str, id: u64, viewer: Viewer<'_>, seen: &BTreeMap<Address, Seen>) -> Address {
    let address = viewer.address(kind, name);
    if seen.contains_key(&address) { viewer.address(kind, &format!("{name}#{id}")) } else { address }
}
