//! Every certificate that an NPM has, for whoever shows them. Pure.

use std::collections::BTreeMap;

use crate::engine::Picture;
use amarre_core::model::{Address, Kind, Timestamp};
use amarre_core::plan::desired::certificate;
use amarre_core::plan::desired::certificate::Budget;

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its name in NPM.
    pub name: String,
    /// Which NPM.
    pub npm: String,
    /// The names that it is for.
    pub domains: Vec<String>,
    /// When it ends, where that is known.
    pub ends: Option<Timestamp>,
    /// `81 days left, NPM renews about 9 Jan`.
    pub words: String,
    /// Services whose hosts have it.
    pub used_by: Vec<String>,
    /// Whether it is ours.
    pub is_ours: bool,
}

/// All of them, the first to end first.
pub fn all(picture: &Picture) -> Vec<Certificate> {
    let mut used: BTreeMap<Address, Vec<String>> = BTreeMap::new();
    for (address, seen) in &picture.world.seen {
        let Some(name) = seen.fields.text("certificate") else { continue };
        let who = seen.service.clone().filter(|_| seen.owner.is_ours()).unwrap_or_else(|| address.name.clone());
        used.entry(Address::new(address.provider.clone(), Kind::Certificate, name)).or_default().push(who);
    }
    let seen = picture.world.seen.iter().filter(|(address, _)| address.kind == Kind::Certificate);
    let mut rows: Vec<Certificate> = seen
        .map(|(address, seen)| {
            let mut used_by = used.remove(address).unwrap_or_default();
            used_by.dedup();
            Certificate {
                name: address.name.clone(),
                npm: address.provider.npm_name().to_owned(),
                domains: seen.fields.strings("domains").into_iter().map(str::to_owned).collect(),
                ends: certificate::ends(&seen.fields),
                words: certificate::in_words(&seen.fields, picture.at),
                used_by,
                is_ours: seen.owner.is_ours(),
            }
        })
        .collect();
    rows.sort_by_key(|row| (row.ends.is_none(), row.ends, row.name.clone()));
    rows
}

/// How many certificates Let's Encrypt would still give this week where this one is to be.
pub fn left(picture: &Picture, certificate: &Address) -> Option<usize> {
    picture.with_input(|input| certificate::left(input, certificate))
}

/// What Let's Encrypt would still give this week, by registered domain.
pub fn budgets(picture: &Picture) -> Vec<Budget> {
    picture.with_input(certificate::budgets).unwrap_or_default()
}
