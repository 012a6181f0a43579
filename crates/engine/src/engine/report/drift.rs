//! Drift as a document: each correcting change, with its reason.

use serde_json::{Value as Json, json};

use super::service_list;
use crate::engine::report::pass_view::PassView;
use amarre_core::model::{Change, ReasonCode};
use amarre_core::plan::render::{self};

/// Everything that differs from what was last applied, `amarre.drift/v1`.
pub fn drift_json(pass: &PassView) -> Json {
    let drifted = service_list::drifted(pass);
    let services: std::collections::BTreeSet<&str> = drifted.iter().map(|change| change.service.as_str()).collect();
    let fields: usize = drifted.iter().map(|change| change.diff.len()).sum();
    json!({
        "schema": "amarre.drift/v1",
        "at": pass.at.rfc3339(),
        "count": {"services": services.len(), "resources": drifted.len(), "fields": fields},
        "items": drifted.iter().map(|change| drift_item(pass, change)).collect::<Vec<_>>(),
    })
}

fn drift_item(pass: &PassView, change: &Change) -> Json {
    let what = if change.because.code == ReasonCode::Missing { "missing" } else { "changed" };
    let fields: Vec<Json> = change
        .diff
        .iter()
        .map(|diff| {
            let json = render::json::field(diff);
            let name = diff.field.split('.').next().unwrap_or(&diff.field);
            let applied = pass.facts.applied.get(&change.address).and_then(|row| row.fields.get(name));
            let applied = applied.map_or(Json::Null, render::json::value);
            json!({"field": diff.field, "now": json["from"], "wanted": json["to"], "applied": applied, "sensitive": json["sensitive"]})
        })
        .collect();
    json!({
        "service": change.service,
        "address": change.address.to_string(),
        "kind": change.address.kind.word(),
        "what": what,
        "seen_at": pass.at.rfc3339(),
        "mode": "enforce",
        "flaps": flaps(pass, change),
        "quarantined": amarre_core::plan::safety::flapping::is_quarantined(&pass.facts.flaps, change, pass.at),
        "reason": render::json::reason(&change.because),
        "who": {"name": null, "evidence": "none"},
        "fields": fields,
    })
}

/// How often the field was corrected within a day.
fn flaps(pass: &PassView, change: &Change) -> usize {
    let rows = pass.facts.flaps.get(&change.address).into_iter().flatten();
    rows.map(|(_, flap)| flap.count(pass.at)).max().unwrap_or_default()
}
