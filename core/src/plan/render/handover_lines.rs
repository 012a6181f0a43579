//! How a new container takes the place of the old one, and what happens if it does not, in words. Pure.

use super::PlanLine;
use super::rows::ServicePlanRow;
use crate::model::service::{Rollback, Service};
use crate::model::{Kind, Millis, Text, Verb};
use crate::plan::desired::image_volumes;
use crate::text;

/// What becomes of a new container that stops the old one first and is not healthy in time. The other sort is told
/// by [`drain`].
pub fn if_not_healthy(manifest: &Service, line: &PlanLine<'_>, stops: bool) -> Vec<Text> {
    let (Verb::Create(fields), Some(old), true) = (&line.change.verb, line.replaces, stops) else {
        return Vec::new();
    };
    // What is put back by itself is another generation of the same container.
    let is_same = old.address.is_same(&line.change.address);
    let key = manifest.containers.keys().find(|key| manifest.address_name(key) == line.change.address.name);
    let Some(container) = key.and_then(|key| manifest.containers.get(key)) else { return Vec::new() };
    let writes = container.writes_data() || !fields.strings(image_volumes::FIELD).is_empty();
    let service = &manifest.name;
    match (manifest.update.rollback, writes) {
        (Rollback::Auto, true) => vec![
            text!("if it is not healthy: it is left running (it may be migrating its data);"),
            text!("amarre rollback {service} puts the old one back, never the data", service),
        ],
        (Rollback::Auto | Rollback::Always, false) if is_same => vec![text!("if it exits: the old one is put back")],
        (Rollback::Always, true) if is_same => vec![text!("if it exits: the old one is put back, never the data")],
        (Rollback::Never | Rollback::Auto | Rollback::Always, _) => vec![
            text!("if it is not healthy: it is left as it is;"),
            text!("amarre rollback {service} puts the old one back", service),
        ],
    }
}

/// The end of an update that starts the new container beside the old one.
pub fn drain(manifest: &Service, lines: &[PlanLine<'_>]) -> Vec<ServicePlanRow> {
    let is_new = |line: &&PlanLine<'_>| {
        line.change.address.kind == Kind::Container && line.replaces.is_some() && line.change.refusal().is_none()
    };
    let row = |line: &PlanLine<'_>| {
        let fields = match &line.change.verb {
            Verb::Create(fields) | Verb::Update(fields) => Some(fields),
            Verb::Delete => None,
        };
        let name = text!("old {name}", name = super::lines::name(&line.change.address, fields));
        let when = match manifest.update.drain {
            Millis(0) => text!("removed at once"),
            span if span.0 % 60_000 == 0 => text!("{span}, then removed", span),
            span => text!("{span}, then removed", span = span.in_words()),
        };
        ServicePlanRow::step("drain", name, when)
    };
    let mut rows: Vec<ServicePlanRow> = lines.iter().filter(is_new).map(row).collect();
    if let Some(last) = rows.last_mut() {
        last.below.push(text!("if it is not healthy: the old one goes on serving, nothing switches"));
    }
    rows
}
