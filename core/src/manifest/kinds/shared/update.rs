//! `update:` of a Service: how a new generation of its containers takes the place of the old one.

use std::collections::BTreeMap;

use crate::manifest::compose::container;
use crate::manifest::compose::container::ContainerRead;
use crate::manifest::reader::{Reader, UnknownKey};
use crate::model::service::{DRAIN, Rollback, Strategy, Update};
use crate::model::{Code, Millis, Text};
use crate::text;

/// An old one that runs longer than this beside the new one is no longer about to go.
const DRAIN_MAX: Millis = Millis::minutes(24 * 60);

/// Less is no time to start in, more is no time-out.
const HEALTH_TIMEOUT: (Millis, Millis) = (Millis::seconds(1), Millis::minutes(24 * 60));

/// `update: {strategy: auto, rollback: auto, health_timeout: 5m, drain: 30s}`.
pub(crate) fn update(reader: &mut Reader<'_>, containers: &BTreeMap<String, Option<ContainerRead>>) -> Update {
    let Some(node) = reader.node("update") else { return Update::default() };
    let Some(mut inner) = Reader::open(reader.scope, node, "`update`", "update.") else { return Update::default() };
    let strategies =
        [("auto", Strategy::Auto), ("start-first", Strategy::StartFirst), ("stop-first", Strategy::StopFirst)];
    let strategy = inner.choice("strategy", &strategies).unwrap_or(Strategy::Auto);
    let rollbacks = [("auto", Rollback::Auto), ("always", Rollback::Always), ("never", Rollback::Never)];
    let rollback = inner.choice("rollback", &rollbacks).unwrap_or(Rollback::Auto);
    let (least, most) = HEALTH_TIMEOUT;
    let health_timeout = span(&mut inner, "health_timeout", least, most);
    let drain = span(&mut inner, "drain", Millis(0), DRAIN_MAX).unwrap_or(DRAIN);
    if let (Strategy::StartFirst, Some(why)) = (strategy, in_the_way(containers)) {
        let message = text!("`update.strategy: start-first` cannot be: two cannot run side by side");
        let hint = text!("{why}; leave one of the two out", why);
        inner.scope.error_hint(Code::A0140, inner.key_spot("strategy"), message, hint);
    }
    inner.finish(&|_| UnknownKey::Unknown);
    Update { strategy, rollback, health_timeout, drain }
}

/// What no two containers can have, whatever a person says.
fn in_the_way(containers: &BTreeMap<String, Option<ContainerRead>>) -> Option<Text> {
    let all = || containers.iter().filter_map(|(key, read)| Some((key, &read.as_ref()?.container)));
    let joined = |key: &String| all().find(|(_, other)| other.joins().any(|joined| joined == key));
    all().find_map(|(key, container)| {
        let by_other = joined(key).map(|(other, _)| text!("{other} shares a namespace of {name}", other, name = key));
        container.fixed(key).or(by_other)
    })
}

/// A span of time within limits.
fn span(reader: &mut Reader<'_>, key: &'static str, least: Millis, most: Millis) -> Option<Millis> {
    let span = Millis(container::duration(reader, key)?);
    if (least..=most).contains(&span) {
        return Some(span);
    }
    let text = reader.text(key)?;
    let hint = if span < least { text!("at least {span}", span = least) } else { text!("at most {span}", span = most) };
    reader.scope.not_allowed(&text, reader.label(key), hint);
    None
}
