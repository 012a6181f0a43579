//! How long a change may take before its lane lets go of it, so that a hanging change holds up its service only for a
//! while. Pure.
//!
//! | change | limit |
//! |---|---|
//! | pull | three minutes without progress, two hours in all |
//! | certificate | thirty minutes: the vendor waits for DNS and for Let's Encrypt |
//! | any other | fifteen minutes: longer than the longest stop that a manifest may ask for, and what comes with it |

use crate::providers::{Class, ProviderError};
use amarre_core::model::{Change, Code, Kind, Millis, Timestamp, Verb};
use amarre_core::text;

/// A registry that sends nothing for this long sends nothing more on this connection.
const PULL_SILENT: Millis = Millis::minutes(3);
/// The largest images over a slow line.
const PULL: Millis = Millis::minutes(120);
/// Each call has a limit of its own; this is for all of one change, of which a stop may take eleven minutes.
const CHANGE: Millis = Millis::minutes(15);

/// NPM gives a challenge by DNS up to fifteen minutes before it asks at all.
const CERTIFICATE: Millis = Millis::minutes(30);

/// The limit that a change has exceeded, if any.
pub fn exceeded_limit(change: &Change, started: Timestamp, moved: Timestamp, now: Timestamp) -> Option<Millis> {
    let is_pull = change.address.kind == Kind::Image && !matches!(change.verb, Verb::Delete);
    if !is_pull {
        let limit = if change.address.kind == Kind::Certificate { CERTIFICATE } else { CHANGE };
        return (now - started > limit).then_some(limit);
    }
    let silent = (now - moved > PULL_SILENT).then_some(PULL_SILENT);
    silent.or_else(|| (now - started > PULL).then_some(PULL))
}

/// The error text. A pull that was let go has only downloaded; the outcome of any other change is unknown.
pub fn too_long(change: &Change, limit: Millis, told: &str) -> ProviderError {
    let name = &change.address.name;
    if change.address.kind == Kind::Image && !matches!(change.verb, Verb::Delete) {
        let got = if told.is_empty() { String::new() } else { format!(", after {told}") };
        let message = format!("pulling {name} made no progress for {limit}{got}");
        let message = if limit == PULL { format!("pulling {name} took longer than {limit}") } else { message };
        return ProviderError::new(Class::RetryLater, Code::A0513, message)
            .hint(text!("what was downloaded is kept by the engine; is the registry slow or far away?"));
    }
    let what = format!("{} of {} {name}", change.action(), change.address.kind.label());
    ProviderError::new(Class::OutcomeUnknown, Code::A0513, format!("the {what} was not done within {limit}"))
        .hint(text!("what became of it shows at the next look; does the vendor still answer?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::plan::Impact;
    use amarre_core::model::{Address, Expect, Fields, Gate, Reason, ReasonCode, Text};

    fn change(address: &str, verb: Verb) -> Change {
        Change {
            address: address.parse::<Address>().unwrap(),
            service: "web".to_owned(),
            verb,
            diff: Vec::new(),
            because: Reason { code: ReasonCode::Missing, text: Text::default(), origin: None },
            impact: Impact::default(),
            expects: Expect::Absent,
            gate: Gate::Now,
        }
    }

    #[test]
    fn each_change_has_its_limit() {
        let at = |minutes: i64| Timestamp(minutes * 60_000 + 1);
        let pull = change("docker/image/web:1", Verb::Create(Fields::default()));
        assert_eq!(exceeded_limit(&pull, Timestamp(0), at(57), at(59)), None, "it moves");
        assert_eq!(exceeded_limit(&pull, Timestamp(0), Timestamp(0), at(3)), Some(PULL_SILENT));
        assert_eq!(exceeded_limit(&pull, Timestamp(0), at(119), at(120)), Some(PULL));
        let said = too_long(&pull, PULL_SILENT, "12 of 58 MB");
        assert_eq!(said.message.to_string(), "pulling web:1 made no progress for 3 min, after 12 of 58 MB");
        assert_eq!(said.class, Class::RetryLater);
        assert_eq!(too_long(&pull, PULL, "").message.to_string(), "pulling web:1 took longer than 2 h");
        for stop in [change("docker/container/web@a", Verb::Delete), change("docker/image/web:1", Verb::Delete)] {
            assert_eq!(exceeded_limit(&stop, Timestamp(0), Timestamp(0), at(14)), None);
            assert_eq!(exceeded_limit(&stop, Timestamp(0), Timestamp(0), at(15)), Some(CHANGE));
            assert_eq!(too_long(&stop, CHANGE, "").class, Class::OutcomeUnknown);
        }
        let certificate = change("npm.main/certificate/a.example.org", Verb::Create(Fields::default()));
        assert_eq!(exceeded_limit(&certificate, Timestamp(0), Timestamp(0), at(29)), None);
        assert_eq!(exceeded_limit(&certificate, Timestamp(0), Timestamp(0), at(30)), Some(CERTIFICATE));
        let said = too_long(&change("npm.main/proxy-host/a.example.org", Verb::Delete), CHANGE, "").message.to_string();
        assert_eq!(said, "the delete of proxy host a.example.org was not done within 15 min");
    }
}
