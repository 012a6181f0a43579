//! Every certificate of an NPM, for people and machines. Pure.

use std::collections::BTreeMap;

use crate::engine::report::pass_view::PassView;
use amarre_core::model::{Address, Kind, Text, Timestamp};
pub use amarre_core::plan::desired::certificate::ends;
pub use amarre_core::plan::desired::certificate_orders::OrderBudget;
use amarre_core::plan::desired::{certificate, certificate_orders};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateReport {
    /// Its name in NPM.
    pub name: String,
    pub npm: String,
    /// Its domain names.
    pub domains: Vec<String>,
    /// When it ends, if known.
    pub ends: Option<Timestamp>,
    /// `81 days left, NPM renews about 9 Jan`.
    pub words: Text,
    /// Services whose hosts have it.
    pub used_by: Vec<String>,
    /// Whether it is ours.
    pub is_ours: bool,
}

/// All certificates, the first to end first.
pub fn reports(pass: &PassView) -> Vec<CertificateReport> {
    let mut used: BTreeMap<Address, Vec<String>> = BTreeMap::new();
    for (address, seen) in &pass.world.seen {
        let Some(name) = seen.fields.text("certificate") else { continue };
        let who = seen.service.clone().filter(|_| seen.owner.is_ours()).unwrap_or_else(|| address.name.clone());
        used.entry(Address::new(address.provider.clone(), Kind::Certificate, name)).or_default().push(who);
    }
    let seen = pass.world.seen.iter().filter(|(address, _)| address.kind == Kind::Certificate);
    let mut rows: Vec<CertificateReport> = seen
        .map(|(address, seen)| {
            let mut used_by = used.remove(address).unwrap_or_default();
            used_by.dedup();
            CertificateReport {
                name: address.name.clone(),
                npm: address.provider.short_name().to_owned(),
                domains: seen.fields.strings("domains").into_iter().map(str::to_owned).collect(),
                ends: certificate::ends(&seen.fields),
                words: certificate::in_words(&seen.fields, pass.at),
                used_by,
                is_ours: seen.owner.is_ours(),
            }
        })
        .collect();
    rows.sort_by_key(|row| (row.ends.is_none(), row.ends, row.name.clone()));
    rows
}

/// How many certificates Let's Encrypt would still issue this week for the names of this one.
pub fn orders_left(pass: &PassView, certificate: &Address) -> Option<usize> {
    pass.with_input(|input| certificate_orders::orders_left(input, certificate))
}

/// How many certificates Let's Encrypt would still issue this week, by registered domain.
pub fn budgets(pass: &PassView) -> Vec<OrderBudget> {
    pass.with_input(certificate_orders::budgets).unwrap_or_default()
}
