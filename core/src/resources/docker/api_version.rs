//! What older engines ignore without a word.

use super::mount::MountSpec;
use crate::model::{Fields, Value};

/// What needs a newer API than the oldest that is spoken: a field, what its value says, and the version that knows it.
/// Older engines ignore each of these without a word.
pub const NEWER: [(&str, &str, (usize, usize)); 5] = [
    ("annotations", "", (1, 43)),
    ("healthcheck", "start_interval", (1, 44)),
    ("mac_address", "", (1, 44)),
    ("mounts", "create", (1, 42)),
    ("mounts", "subpath", (1, 45)),
];

/// What of `fields` an engine of that API would ignore, and the version that knows it; as people call it.
pub fn ignored_by(fields: &Fields, api: (usize, usize)) -> Option<(String, (usize, usize))> {
    let newer = NEWER.into_iter().filter(|(_, _, since)| api < *since);
    newer.into_iter().find_map(|(field, part, since)| {
        let value = fields.get(field)?;
        let is_said = match value {
            Value::Map(entries) => part.is_empty() || entries.contains_key(&format!("{part}_ms")),
            Value::List(_) => {
                value.strings().into_iter().filter_map(MountSpec::parse).any(|mount| mount.options.contains_key(part))
            }
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::Secret { .. }
            | Value::Output { .. } => true,
        };
        let name = match (field, part) {
            (field, "") => field.to_owned(),
            ("mounts", "create") => "volumes.bind.create_host_path".to_owned(),
            ("mounts", part) => format!("volumes.volume.{part}"),
            (field, part) => format!("{field}.{part}"),
        };
        is_said.then_some((name, since))
    })
}
