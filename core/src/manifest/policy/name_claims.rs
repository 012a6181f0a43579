//! Whose a name in the DNS is: one manifest's, with all of its records.
//!
//! | a record that a manifest writes | is refused where another manifest has |
//! |---|---|
//! | of any type at `x` | a route, redirect or record at `x` |
//! | at `_imaps._tcp.x`, `_acme-challenge.x`, whatever begins with `_` | the same: it says something about `x` |
//! | at `*.x` | the same: it answers for `_acme-challenge.x` as well (RFC 4592) |
//! | with an address or a CNAME, at one of `domains` itself | a route, or an address or a CNAME, there |
//!
//! Of a route and a record, the record is refused; of two records at one name, the one that was not there before, else the later
//! one, in the order of files and lines. Manifests in one file are of one author: a `Record` has one type. `policy.names` allows the name to a manifest.
//! A route at `*.x` is a name of its own, for it leads to the host's own address.

use std::collections::BTreeMap;

use super::Closed;
use super::cross_manifest::{DraftService, precedence};
use crate::manifest::policy;
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::model::service::{Record, Service};
use crate::model::site::Right;
use crate::model::uses::{hosted, records};
use crate::model::{Code, Site};
use crate::text;

/// The key of the policy.
const WORD: &str = "names";

/// Who has a name.
#[derive(Debug, Clone, Copy)]
struct Claim<'a> {
    service: &'a str,
    file: &'a str,
    /// `None`: a route or redirect leads there.
    record_type: Option<&'a str>,
}

/// A name that two services want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContestedName {
    /// As people are told.
    pub name: String,
    pub holder: String,
    /// Both would make the same thing; else policy has a word in it.
    pub is_one: bool,
}

/// The names of several manifests.
#[derive(Debug, Default)]
pub struct NameClaims<'a> {
    names: BTreeMap<&'a str, Vec<Claim<'a>>>,
    /// What is written about a name at others, by the name: `x`, and there `_imaps._tcp.x`.
    about: BTreeMap<&'a str, Vec<(Claim<'a>, &'a str)>>,
}

impl<'a> NameClaims<'a> {
    /// Those of `services`; of several with one name, the first has it.
    pub fn of(services: impl Iterator<Item = &'a Service>) -> Self {
        let mut claims = Self::default();
        for service in services {
            let (name, file) = (service.name.as_str(), service.origin.file.as_str());
            let claim = Claim { service: name, file, record_type: None };
            for host in hosted(service) {
                claims.names.entry(host).or_default().push(claim);
            }
            for record in records(service) {
                let claim = Claim { record_type: Some(&record.record_type), ..claim };
                claims.names.entry(&record.name).or_default().push(claim);
                if let Some(owner) = subject(&record.name) {
                    claims.about.entry(owner).or_default().push((claim, &record.name));
                }
            }
        }
        claims
    }

    /// The names of these that another service wants as well.
    pub fn contested(&self, service: &Service, site: &Site) -> Vec<ContestedName> {
        let at = |name: &str| self.names.get(name).into_iter().flatten().filter(|claim| claim.service != service.name);
        let is_against =
            |claim: &Claim<'_>, name: &str| is_apart(service, claim) && !is_named(site, claim.service, name);
        let found = |name: &str, claim: &Claim<'_>, is_one: bool| ContestedName {
            name: name.to_owned(),
            holder: claim.service.to_owned(),
            is_one,
        };
        let mut contested = Vec::new();
        for host in hosted(service) {
            contested.extend(at(host).filter_map(|claim| match claim.record_type {
                None => Some(found(host, claim, true)),
                Some(word) => {
                    (is_whole(site, host, word) && is_against(claim, host)).then(|| found(host, claim, false))
                }
            }));
            let about = self.about.get(host).into_iter().flatten().filter(|_| !is_domain(site, host));
            let about = about.filter(|(claim, name)| claim.service != service.name && is_against(claim, name));
            contested.extend(about.map(|(claim, name)| found(name, claim, false)));
        }
        for record in records(service) {
            let is_same = |claim: &&Claim<'_>| claim.record_type == Some(record.record_type.as_str());
            contested.extend(at(&record.name).filter(is_same).map(|claim| found(&record.name, claim, true)));
            contested.extend(self.holder(service, record, site).map(|(name, claim)| found(name, &claim, false)));
        }
        contested
    }

    /// The other author's manifest that has the name which a record is about, and that name. Of records at one name, the
    /// first has it.
    fn holder<'r>(&self, service: &Service, record: &'r Record, site: &Site) -> Option<(&'r str, Claim<'a>)> {
        let name = record.name.as_str();
        if is_named(site, &service.name, name) {
            return None;
        }
        let owner = |at: &'r str| {
            let counts = |claim: &&Claim<'_>| match claim.record_type {
                None => true,
                Some(word) => is_whole(site, at, word) && !is_named(site, claim.service, at),
            };
            let mut claims = self.names.get(at).into_iter().flatten().filter(counts);
            let first = claims.next()?;
            let owner = [first].into_iter().chain(claims).find(|claim| claim.record_type.is_none()).unwrap_or(first);
            is_apart(service, owner).then_some((at, *owner))
        };
        let at_it = Some(name).filter(|name| is_whole(site, name, &record.record_type)).and_then(owner);
        let above = || subject(name).filter(|above| !is_domain(site, above)).and_then(owner);
        at_it.or_else(above)
    }
}

/// Refuses records at names of others. The drafts are in the order of files and lines.
pub(crate) fn check(drafts: &mut [DraftService<'_>], site: &Site) {
    let in_order = precedence(drafts, site).into_iter().map(|index| (index, &drafts[index]));
    let good = in_order.filter_map(|(index, draft)| Some((index, draft, draft.good()?)));
    let good: Vec<(usize, &DraftService<'_>, &Service)> = good.collect();
    let claims = NameClaims::of(good.iter().map(|(.., service)| *service));
    let mut found: Vec<(usize, Right, Problem)> = Vec::new();
    for (index, draft, service) in good {
        for record in records(service) {
            let Some(holder) = claims.holder(service, record, site) else { continue };
            let spots = draft.claims.records.iter();
            let mut spots = spots.filter(|(name, word, _)| *name == record.name && *word == record.record_type);
            let spot = spots.next().map_or(draft.spot(), |(.., spot)| *spot);
            // Each value is a record.
            if found.last().is_some_and(|(of, _, problem)| *of == index && problem.spot == spot) {
                continue;
            }
            let problem = policy::problem(&refused(service, record, holder, spot));
            let right = Right { service: service.name.clone(), word: WORD.to_owned(), item: record.name.clone() };
            found.push((index, right, problem));
        }
    }
    for (index, right, problem) in found {
        drafts[index].decide(right, &problem);
        drafts[index].problems.push(problem);
    }
}

fn refused<'a>(service: &Service, record: &'a Record, (name, claim): (&str, Claim<'_>), spot: Spot) -> Closed<'a> {
    let (at, word) = (shown(&record.name), &record.record_type);
    let (other, file) = (shown(claim.service), shown(claim.file));
    let entry = format!("`policy.names: {{{}: [\"{at}\"]}}`", shown(&service.name));
    let hint =
        text!("write it in {file}, where {other} is, or ask the operator for {entry}", file, other = &other, entry);
    let message = if name == record.name {
        text!("policy forbids the record {at} {word}: the name belongs to {other}", at, word, other)
    } else {
        text!(
            "policy forbids the record {at} {word}: it is about {name}, which belongs to {other}",
            at,
            word,
            name = shown(name),
            other
        )
    };
    Closed { code: Code::A0287, spot, word: WORD, item: &record.name, message, hint }
}

/// The name that a record is about, where it stands at another one.
pub fn subject(name: &str) -> Option<&str> {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    let mut end = 0;
    let mut at = 0;
    for label in bare.split('.') {
        at += label.len() + 1;
        if label.starts_with('_') {
            end = at;
        }
    }
    let subject = bare.get(end..).filter(|subject| !subject.is_empty())?;
    (subject != name).then_some(subject)
}

/// Whether a record has to do with all that a name is. At a domain itself, services share: there, only addresses do.
fn is_whole(site: &Site, name: &str, record_type: &str) -> bool {
    !is_domain(site, name) || ["A", "AAAA", "CNAME"].contains(&record_type)
}

fn is_domain(site: &Site, name: &str) -> bool {
    site.domains.iter().any(|domain| domain == name)
}

/// Whether another author may have it: what stands in one file is of one.
fn is_apart(service: &Service, claim: &Claim<'_>) -> bool {
    claim.service != service.name && claim.file != service.origin.file
}

fn is_named(site: &Site, service: &str, name: &str) -> bool {
    policy::entry(service, &site.policy.names, name).is_some()
}
