//! What DNS answers at a name before anything is written there, and what a new record would take from whom.
//!
//! | a new record at a name | verdict |
//! |---|---|
//! | of a route, where a foreign wildcard already answers with our address | none is written, nor a mark |
//! | which takes a name without an address record of its own from a wildcard, a foreign one or that of another manifest | held (A0724) |
//! | below a part of the zone that other servers answer for | held (A0722): nobody would see it |
//! | CNAME at the zone's own name | held (A0723): SOA and NS stand there |
//! | at a name that lies in none of `domains`, unless it is ours already | held (A0725): the zone may be anybody's |
//!
//! A wildcard answers only for names that do not exist, and a name exists as soon as anything stands at it *or below it*
//! (RFC 4592 §2.2.2): `_x.cloud` alone takes `cloud` from `*.example.org`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::service::Dns;
use crate::model::site::{HostSite, PublicAddress, is_below};
use crate::model::{Address, Code, Hint, Kind, Owner, ProviderId, Refusal, Seen, Service, Site};
use crate::plan::input::Input;
use crate::text;

/// Types that lead visitors somewhere.
const ADDRESSES: [&str; 3] = ["A", "AAAA", "CNAME"];

/// The names of all zones as one pass observes them, each at the provider that answers for it.
#[derive(Debug, Default)]
pub struct ZoneNames<'a> {
    zones: BTreeSet<&'a str>,
    /// Record sets that hold something, by name and type.
    sets: BTreeMap<&'a str, BTreeMap<&'a str, &'a Seen>>,
    /// Names at or below which something stands.
    existing: BTreeSet<&'a str>,
    /// Types that manifests want, by name.
    wanted: BTreeMap<String, BTreeSet<String>>,
    /// Which manifests want an address at a wildcard.
    wildcards: BTreeMap<String, BTreeSet<&'a str>>,
    site: Option<&'a Site>,
    /// Record sets that the ledger knows: `name/type`.
    known: BTreeSet<&'a str>,
}

impl<'a> ZoneNames<'a> {
    /// The names in the world, and those that the manifests in force will add.
    pub fn of(input: &Input<'a>) -> Self {
        let held = |kind: Kind| {
            let answers = move |address: &Address| {
                let name = address.name.split('/').next().unwrap_or_default();
                address.kind == kind && input.site.dns_provider(name) == Some(&address.provider)
            };
            input.world.seen.iter().filter(move |(address, _)| answers(address))
        };
        let zones = held(Kind::Zone);
        let known = input.facts.applied.keys().filter(|address| address.kind == Kind::Record);
        let mut names = Self {
            zones: zones.map(|(zone, _)| zone.name.as_str()).collect(),
            site: Some(input.site),
            known: known.map(|address| address.name.as_str()).collect(),
            ..Self::default()
        };
        for (address, seen) in held(Kind::Record) {
            let Some((name, record_type)) = address.name.rsplit_once('/') else { continue };
            if seen.fields.strings("values").is_empty() {
                continue;
            }
            names.sets.entry(name).or_default().insert(record_type, seen);
            let Some(zone) = names.zone_of(name) else { continue };
            names.existing.extend(upwards(name, zone));
        }
        for service in input.services.values() {
            for domain in service.instance.iter().flat_map(|instance| &instance.domains) {
                names.add(service, domain, "A");
            }
            let Some(host) = input.site.host_of(service) else { continue };
            names.want(service, host);
        }
        names
    }

    fn add(&mut self, service: &'a Service, name: &str, record_type: &str) {
        self.wanted.entry(name.to_owned()).or_default().insert(record_type.to_owned());
        if name.starts_with("*.") && ADDRESSES.contains(&record_type) {
            self.wildcards.entry(name.to_owned()).or_default().insert(&service.name);
        }
    }

    fn want(&mut self, service: &'a Service, host: &HostSite) {
        match &service.dns {
            Dns::None => (),
            Dns::Records(records) => {
                records.iter().for_each(|record| self.add(service, &record.name, &record.record_type));
            }
            Dns::Auto => {
                let routes = service.routes.iter().flat_map(|route| &route.domains);
                let domains: Vec<&String> =
                    routes.chain(service.answered.iter().flat_map(|host| &host.domains)).collect();
                let is_covered = |name: &str| self.covering(name, host).is_some();
                let domains: Vec<&String> = domains.into_iter().filter(|name| !is_covered(name)).collect();
                for name in domains.into_iter().filter(|_| !host.address.is_empty()) {
                    self.add(service, name, "A");
                }
            }
        }
    }

    /// A foreign wildcard that already answers `name` with an address of ours, while nothing stands at the name.
    pub fn covering(&self, name: &str, host: &HostSite) -> Option<String> {
        let (wildcard, sets) = self.wildcard(name)?;
        let mut answers = sets.iter().filter(|(record_type, _)| ADDRESSES.contains(record_type)).peekable();
        answers.peek()?;
        let is_ours = answers.all(|(_, seen)| seen.fields.strings("values").iter().all(|value| leads_to(host, value)));
        is_ours.then_some(wildcard)
    }

    /// Why nothing is written at `name` by itself, if so.
    pub fn refusal(&self, name: &str, record_type: &str, service: &Service) -> Option<Refusal> {
        let (zone, origin) = (self.zone_of(name)?, service.origin.file.as_str());
        let refusal = self.apex_alias(name, record_type, zone, origin);
        let refusal = refusal.or_else(|| self.elsewhere(name, record_type, zone));
        let refusal = refusal.or_else(|| self.delegated(name, record_type, zone));
        let refusal = refusal.or_else(|| self.hides(name, record_type, origin));
        refusal.or_else(|| self.hides_ours(name, record_type, service))
    }

    /// Who holds the zone of `name`, as people call it.
    fn holder(&self, name: &str) -> String {
        let provider = self.site.and_then(|site| site.dns_provider(name));
        provider.map(ProviderId::title).unwrap_or_default()
    }

    /// Whether a record is ours, or was.
    fn is_known(&self, name: &str, record_type: &str) -> bool {
        let seen = self.sets.get(name).and_then(|sets| sets.get(record_type));
        let is_marked = seen.is_some_and(|seen| seen.owner.is_ours() || seen.owner == Owner::Unverified);
        is_marked || self.known.contains(format!("{name}/{record_type}").as_str())
    }

    fn elsewhere(&self, name: &str, record_type: &str, zone: &str) -> Option<Refusal> {
        let domains = self.site.map_or(&[][..], |site| site.domains.as_slice());
        let is_named = domains.is_empty() || domains.iter().any(|domain| is_below(name, domain));
        if is_named || self.is_known(name, record_type) {
            return None;
        }
        Some(Refusal {
            code: Code::A0725,
            message: text!("{name} lies in {zone}, and amarre.yaml names that nowhere in `domains`", name, zone),
            found: vec![(text!("domains"), domains.join(", ").into())],
            hints: vec![Hint::text(text!("if Amarre is to write there, the operator adds {zone} to `domains`", zone))],
        })
    }

    fn apex_alias(&self, name: &str, record_type: &str, zone: &str, origin: &str) -> Option<Refusal> {
        if name != zone || record_type != "CNAME" {
            return None;
        }
        Some(Refusal {
            code: Code::A0723,
            message: text!("a CNAME cannot stand at {name}: it is the zone itself, with its SOA and NS records", name),
            found: Vec::new(),
            hints: vec![
                Hint::text(text!(
                    "in {origin}: {what} with the address, and `apex` in `policy.records`",
                    origin,
                    what = "`dns: [{type: A, name: \"@\", value: 203.0.113.10}]`"
                )),
                Hint::text(text!(
                    "where the address changes, route `www` instead, and let the zone itself redirect to it"
                )),
            ],
        })
    }

    /// NS records above the name, other than the zone's own.
    fn delegated(&self, name: &str, record_type: &str, zone: &str) -> Option<Refusal> {
        let is_cut = |above: &&str| {
            let is_itself = *above == name && record_type == "NS";
            !is_itself && self.sets.get(above).is_some_and(|sets| sets.contains_key("NS"))
        };
        let cut = upwards(name, zone).into_iter().filter(|above| *above != zone).find(is_cut)?;
        let servers = self.sets.get(cut)?.get("NS")?.fields.strings("values").join(", ");
        Some(Refusal {
            code: Code::A0722,
            message: text!(
                "{name} lies below {cut}, which {zone} hands to other servers: nobody would see the record",
                name,
                cut,
                zone
            ),
            found: vec![(format!("{cut}/NS").into(), servers.into())],
            hints: vec![
                Hint::text(text!("write the record where {cut} is kept, and put `dns: none` into the manifest", cut)),
                Hint::text(text!(
                    "if {cut} is a zone of this account, is it listed at {provider}, and may the token see it?",
                    cut,
                    provider = self.holder(zone)
                )),
            ],
        })
    }

    /// A name that would exist from now on, and loses what a foreign wildcard answers for it. Nobody visits names such as
    /// `_dmarc` or `_tcp`: those have nothing to lose.
    fn hides(&self, name: &str, record_type: &str, origin: &str) -> Option<Refusal> {
        let (wildcard, sets) = self.wildcard(name)?;
        let encloser = wildcard.strip_prefix("*.")?;
        let leads = |record_type: &str| ADDRESSES.contains(&record_type);
        let has_addresses = sets.keys().any(|record_type| leads(record_type));
        let has_own = |name: &str| {
            let own = self.wanted.get(name);
            own.is_some_and(|own| !has_addresses || own.iter().any(|record_type| leads(record_type)))
        };
        let new = upwards(name, encloser).into_iter().filter(|new| *new != encloser && !new.starts_with(['*', '_']));
        let loser = new.into_iter().find(|new| !has_own(new))?;
        let relative = loser.strip_suffix(self.zone_of(loser)?).unwrap_or(loser).trim_end_matches('.');
        let values = sets.iter().map(|(record_type, seen)| {
            (format!("{wildcard}/{record_type}").into(), seen.fields.strings("values").join(", ").into())
        });
        Some(Refusal {
            code: Code::A0724,
            message: if loser == name {
                text!(
                    "a {record} record alone would take {name} from {wildcard}, which is not ours",
                    record = record_type,
                    name,
                    wildcard = &wildcard
                )
            } else {
                text!(
                    "a record at {name} would take {loser} from {wildcard}, which is not ours",
                    name,
                    loser,
                    wildcard = &wildcard
                )
            },
            found: values.collect(),
            hints: vec![
                Hint::text(text!(
                    "give {loser} an address of its own: {what} beside {origin}",
                    loser,
                    what = format!("`{{kind: Record, type: A, name: {relative}, value: …}}`"),
                    origin
                )),
                Hint::text(text!(
                    "or have {wildcard} removed at {provider} where nobody needs it",
                    wildcard = &wildcard,
                    provider = self.holder(name)
                )),
            ],
        })
    }

    /// The same with the wildcard of another manifest, which its route serves: in the world, or wanted together with this name.
    fn hides_ours(&self, name: &str, record_type: &str, service: &Service) -> Option<Refusal> {
        let zone = self.zone_of(name)?;
        if self.existing.contains(name) {
            return None;
        }
        let is_end = |above: &str| above == zone || self.existing.contains(above);
        let mut ended = false;
        let above = upwards(name, zone).into_iter().skip(1);
        let mut above = above.take_while(|above| !std::mem::replace(&mut ended, is_end(above)));
        let (encloser, owners) =
            above.find_map(|above| Some((above, self.wildcards.get(format!("*.{above}").as_str())?)))?;
        let wildcard = format!("*.{encloser}");
        if wildcard == name || owners.contains(service.name.as_str()) {
            return None;
        }
        let owner = *owners.first()?;
        let leads = |own: &BTreeSet<String>| own.iter().any(|own| ADDRESSES.contains(&own.as_str()));
        let new = upwards(name, encloser).into_iter().filter(|new| *new != encloser && !new.starts_with(['*', '_']));
        let loser = new.into_iter().find(|new| !self.wanted.get(*new).is_some_and(leads))?;
        let relative = loser.strip_suffix(zone).unwrap_or(loser).trim_end_matches('.');
        let (wildcard, record) = (wildcard.as_str(), record_type);
        Some(Refusal {
            code: Code::A0724,
            message: if loser == name {
                text!(
                    "a {record} record alone would take {name} from {wildcard} of {owner}",
                    record,
                    name,
                    wildcard,
                    owner
                )
            } else {
                text!("a record at {name} would take {loser} from {wildcard} of {owner}", name, loser, wildcard, owner)
            },
            found: Vec::new(),
            hints: vec![
                Hint::text(text!(
                    "give {loser} an address of its own: {what} beside {origin}",
                    loser,
                    what = format!("`{{kind: Record, type: A, name: {relative}, value: …}}`"),
                    origin = &service.origin.file
                )),
                Hint::text(text!(
                    "or write the record into the manifest of {owner}, which then loses it knowingly",
                    owner
                )),
            ],
        })
    }

    /// The foreign wildcard that answers for a name which does not exist, with what stands at it.
    fn wildcard(&self, name: &str) -> Option<(String, BTreeMap<&'a str, &'a Seen>)> {
        let zone = self.zone_of(name)?;
        if self.existing.contains(name) {
            return None;
        }
        let mut above = upwards(name, zone).into_iter().skip(1);
        let encloser = above.find(|above| *above == zone || self.existing.contains(above))?;
        let wildcard = format!("*.{encloser}");
        let sets = self.sets.get(wildcard.as_str())?;
        let foreign: BTreeMap<&str, &Seen> = sets
            .iter()
            .filter(|(_, seen)| !seen.owner.is_ours())
            .map(|(record_type, seen)| (*record_type, *seen))
            .collect();
        (!foreign.is_empty() && wildcard != name).then_some((wildcard, foreign))
    }

    fn zone_of(&self, name: &str) -> Option<&'a str> {
        Site::zone_of(self.zones.iter().copied(), name)
    }
}

/// Whether a value of a record is one of a host's own addresses.
fn leads_to(host: &HostSite, value: &str) -> bool {
    match value.parse::<IpAddr>() {
        Ok(ip) => host.also_at.contains(&ip) || host.address.contains(&PublicAddress::Ip(ip)),
        Err(_) => host.address.contains(&PublicAddress::Name(value.to_owned())),
    }
}

/// The name and every name above it, down to and with `end`.
fn upwards<'n>(name: &'n str, end: &str) -> Vec<&'n str> {
    let above = std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, above)| above));
    above.take_while(|name| is_below(name, end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_walked_up_to_the_zone() {
        assert_eq!(upwards("a.b.example.org", "example.org"), ["a.b.example.org", "b.example.org", "example.org"]);
        assert_eq!(upwards("example.org", "example.org"), ["example.org"]);
        assert_eq!(upwards("*.example.org", "example.org"), ["*.example.org", "example.org"]);
    }
}
