//! `update:` of a Service: how a new generation of its containers takes the place of the old one.

use super::compose;
use super::diagnostic::A0113;
use super::reader::{Reader, Verdict};
use crate::manifest::diagnostic::Problem;
use crate::model::Millis;
use crate::model::service::{DRAIN, Update};

/// An old one that runs longer than this beside the new one is no longer about to go.
const DRAIN_MAX: Millis = Millis::minutes(24 * 60);

/// `update: {drain: 30s}`.
pub(super) fn update(reader: &mut Reader<'_>) -> Update {
    const LATER: [&str; 3] = ["strategy", "rollback", "health_timeout"];
    let Some(node) = reader.node("update") else { return Update::default() };
    let Some(mut inner) = Reader::open(reader.scope, node, "`update`", "update.") else { return Update::default() };
    let drain = span(&mut inner, "drain", Millis(0), DRAIN_MAX);
    inner.finish(&|entry| {
        if !LATER.contains(&entry.key.as_str()) {
            return Verdict::Unknown;
        }
        let message = format!("`update.{}` is not yet supported", entry.key);
        Verdict::Refused(Problem::error(A0113, entry.key_spot, message))
    });
    Update { drain: drain.unwrap_or(DRAIN) }
}

/// A span of time within limits.
fn span(reader: &mut Reader<'_>, key: &'static str, least: Millis, most: Millis) -> Option<Millis> {
    let span = Millis(compose::duration(reader, key)?);
    if (least..=most).contains(&span) {
        return Some(span);
    }
    let text = reader.text(key)?;
    let hint = if span < least { format!("at least {least}") } else { format!("at most {most}") };
    reader.scope.not_allowed(&text, &reader.label(key), &hint);
    None
}
