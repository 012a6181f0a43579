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
    let row = tables(kind).into_iter().flatten().find(|(name, _)| *name == field);
    row.map(|(_, samples)| *samples).unwrap_or_default()
}

/// Every field of a kind that has samples.
pub fn sampled_fields(kind: Kind) -> Vec<&'static str> {
    tables(kind).into_iter().flatten().map(|(name, _)| *name).collect()
}

fn tables(kind: Kind) -> Vec<&'static [SampleRow]> {
    match kind {
        Kind::Network => vec![docker::NETWORK],
        Kind::Volume => vec![docker::VOLUME],
        Kind::Image => vec![docker::IMAGE],
        Kind::Container => vec![docker::CONTAINER],
        Kind::AccessList => vec![npm::ACCESS_LIST],
        Kind::ProxyHost => vec![npm::SERVED, npm::WEB_HOST, npm::PROXY_HOST],
        Kind::Redirection => vec![npm::SERVED, npm::WEB_HOST, npm::REDIRECTION],
        Kind::DeadHost => vec![npm::SERVED, npm::WEB_HOST],
        Kind::Stream => vec![npm::SERVED, npm::STREAM],
        Kind::Record => vec![dns::RECORD],
        Kind::Attachment | Kind::Certificate | Kind::Zone => Vec::new(),
    }
}
