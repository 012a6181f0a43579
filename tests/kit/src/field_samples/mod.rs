//! Values that vendors take, for each field of a kind, as JSON of [`Value`](amarre_core::model::Value): what the contract
//! suites set, change and unset, and what the spelling of a vendor is tried with.

use amarre_core::model::Kind;

mod dns;
mod docker;
mod npm;

/// A field, and at least two values that the vendor takes.
type SampleRow = (&'static str, &'static [&'static str]);

/// Never wanted otherwise: one value, twice.
const ALWAYS: &[&str] = &[r#"{"bool":true}"#, r#"{"bool":true}"#];

/// The values of one field; none for a field that nobody sets.
pub fn samples_for(kind: Kind, field: &str) -> &'static [&'static str] {
    let row = tables(kind).flatten().find(|(name, _)| *name == field);
    row.map(|(_, samples)| *samples).unwrap_or_default()
}

/// Every field of a kind that has samples.
pub fn sampled_fields(kind: Kind) -> Vec<&'static str> {
    tables(kind).flatten().map(|(name, _)| *name).collect()
}

/// Which tables the fields of a kind are in; each vendor's file has its own kinds.
type KindTables = (Kind, &'static [&'static [SampleRow]]);

fn tables(kind: Kind) -> impl Iterator<Item = &'static [SampleRow]> {
    let all = [docker::KINDS, npm::KINDS, dns::KINDS].into_iter().flatten();
    all.filter(move |(of, _)| *of == kind).flat_map(|(_, tables)| tables.iter().copied())
}
