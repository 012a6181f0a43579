//! How a new container takes the place of the old one, and what happens if it does not, in words. Pure.

use super::text::{KIND_WIDTH, NAME_WIDTH};
use super::{Line, Look, Sign, Tone};
use crate::model::service::{Rollback, Service};
use crate::model::{Kind, Millis, Verb};
use crate::plan::declared;

/// What becomes of a new container that stops the old one first and is not healthy in time. The other sort is told
/// by [`drain`].
pub fn if_not_healthy(manifest: &Service, line: &Line<'_>, stops: bool, look: Look) -> String {
    let (Verb::Create(fields), Some(_), true) = (&line.change.verb, line.replaces, stops) else {
        return String::new();
    };
    let key = manifest.containers.keys().find(|key| manifest.address_name(key) == line.change.address.name);
    let Some(container) = key.and_then(|key| manifest.containers.get(key)) else { return String::new() };
    let writes = container.writes_data() || !fields.strings(declared::FIELD).is_empty();
    let back = format!("amarre rollback {} puts the old one back", manifest.name);
    let text = match (manifest.update.rollback, writes) {
        (Rollback::Auto, true) => vec![
            "if it is not healthy: it is left running (it may be migrating its data);".to_owned(),
            format!("{back}, never the data"),
        ],
        (Rollback::Auto | Rollback::Always, false) => vec!["if it exits: the old one is put back".to_owned()],
        (Rollback::Always, true) => vec!["if it exits: the old one is put back, never the data".to_owned()],
        (Rollback::Never, _) => vec!["if it is not healthy: it is left as it is;".to_owned(), back],
    };
    text.iter().map(|line| format!("      {}\n", look.paint(Tone::Dim, line))).collect()
}

/// The end of an update that starts the new container beside the old one.
pub fn drain(manifest: &Service, lines: &[Line<'_>], look: Look) -> String {
    let is_new = |line: &&Line<'_>| {
        line.change.address.kind == Kind::Container && line.replaces.is_some() && line.change.refusal().is_none()
    };
    let mut out = String::new();
    for line in lines.iter().filter(is_new) {
        let fields = match &line.change.verb {
            Verb::Create(fields) | Verb::Update(fields) => Some(fields),
            Verb::Delete => None,
        };
        let name = format!("old {}", super::lines::name(&line.change.address, fields));
        let when = match manifest.update.drain {
            Millis(0) => "removed at once".to_owned(),
            span if span.0 % 60_000 == 0 => format!("{span}, then removed"),
            span => format!("{}, then removed", span.in_words()),
        };
        // A name that does not fit keeps its whole length, and two blanks.
        let gap = " ".repeat(NAME_WIDTH.saturating_sub(name.chars().count()).max(2));
        out.push_str(&format!("  {} {:KIND_WIDTH$}{name}{gap}{when}\n", look.sign(Sign::Step), "drain"));
    }
    if !out.is_empty() {
        let text = "if it is not healthy: the old one goes on serving, nothing switches";
        out.push_str(&format!("      {}\n", look.paint(Tone::Dim, text)));
    }
    out
}
