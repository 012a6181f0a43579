//! Which certificate a host has whose manifest asks for one by Let's Encrypt. Pure.
//!
//! | there is, in its NPM | the host has |
//! |---|---|
//! | the one that it has, and it fits | that one |
//! | another that fits and lasts, be it with a wildcard or somebody else's | that one; nothing is asked for |
//! | none | a new one, asked for once its names are answered everywhere and its container is well |
//!
//! NPM takes a served host off line while it asks for a certificate of one of its names, and leaves it so until its
//! next reload: a call whose end is not known is followed by a write on each such host before anything else.

use std::collections::{BTreeMap, BTreeSet};

use super::certificate_orders;
use super::certificate_orders::Orders;
use crate::model::plan::{Impact, LOADED, RENEWED};
use crate::model::service::LetsEncrypt;
use crate::model::site::{Challenge, is_below};
use crate::model::world::{Order, Ordered};
use crate::model::{
    Address, Arg, Change, Code, Expect, Fields, Gate, Hint, Kind, Millis, Need, Origin, ProviderId, Reason, ReasonCode,
    Refusal, Seen, Text, Timestamp, Value, Verb, Want, Wants,
};
use crate::plan::expansion::Expansion;
use crate::plan::input::Input;
use crate::plan::left_alone::is_left_alone;
use crate::text;

/// One that nobody renews is not taken for a new host in its last days.
const LASTS: Millis = Millis::minutes(14 * 24 * 60);
/// An order that takes longer does not come: NPM's own proxy waits for a quarter of an hour.
const ORDER_TAKES: Millis = Millis::minutes(16);
/// NPM renews from then on, every hour.
const RENEWED_BEFORE: Millis = Millis::minutes(30 * 24 * 60);

/// The front of a host: for which names a certificate is looked for.
pub struct CertificateNames<'a> {
    pub npm: &'a ProviderId,
    pub domains: &'a [String],
    pub host: Option<&'a Seen>,
    /// The records of its manifest, by name.
    pub records: &'a BTreeMap<String, Vec<Address>>,
    pub origin: &'a Origin,
}

/// The name of the certificate that a host is to have, which is wanted where there is none.
pub fn for_host(
    expansion: &mut Expansion<'_>,
    front: &CertificateNames<'_>,
    asked: LetsEncrypt,
    needs: &mut Vec<Need>,
) -> Value {
    if expansion.service.stopped {
        // Nothing is made for it; its host keeps what it has.
        let has = front.host.and_then(|host| host.fields.get("certificate")).cloned();
        return usable(expansion.input, front, asked)
            .map_or(has.unwrap_or(Value::None), |found| Value::text(&found.name));
    }
    let address = match usable(expansion.input, front, asked) {
        Some(found) => {
            let is_ours = |seen: &Seen| seen.owner.is_ours();
            if expansion.input.world.seen.get(&found).is_some_and(is_ours) {
                // It belongs to what people are told of this service.
                expansion.want(found.clone(), Fields::default(), Vec::new(), front.origin).keep_only = true;
            }
            found
        }
        None => ask_for(expansion, front, asked, needs),
    };
    let name = Value::text(&address.name);
    needs.push(Need::ready(address));
    name
}

/// One that is there, fits and lasts. The one that the host has comes first, so that nothing changes without need.
fn usable(input: &Input<'_>, front: &CertificateNames<'_>, asked: LetsEncrypt) -> Option<Address> {
    let has = front.host.and_then(|host| host.fields.text("certificate"));
    let fitting = input.world.of_kind(front.npm, Kind::Certificate).filter(|(_, seen)| {
        let names = seen.fields.strings("domains");
        seen.ready.is_ready() && front.domains.iter().all(|domain| covers(&names, domain))
    });
    let fitting: Vec<(&Address, &Seen)> = fitting.collect();
    let lasts = |seen: &Seen, least: Millis| {
        ends(&seen.fields).is_none_or(|ends| input.now.is_before(Timestamp(ends.0.saturating_sub(least.0))))
    };
    let least = |seen: &Seen| if is_renewed(&seen.fields) { Millis(0) } else { LASTS };
    let own = fitting.iter().find(|(address, seen)| Some(address.name.as_str()) == has && lasts(seen, Millis(0)));
    let exact = asked_for(input, front, asked);
    let mut others: Vec<&(&Address, &Seen)> = fitting.iter().filter(|(_, seen)| lasts(seen, least(seen))).collect();
    others.sort_by_key(|(address, seen)| (address.name != exact.name, !is_renewed(&seen.fields), *address));
    own.or(others.first().copied()).map(|(address, _)| (*address).clone())
}

/// Whether NPM renews it.
pub fn is_renewed(certificate: &Fields) -> bool {
    certificate.text("provider") == Some("letsencrypt")
}

/// Whether one of a certificate's names is `domain`, or `*` for its first label.
fn covers(names: &[&str], domain: &str) -> bool {
    let parent = domain.split_once('.').map(|(_, parent)| parent);
    names.iter().any(|name| *name == domain || name.strip_prefix("*.").is_some_and(|below| Some(below) == parent))
}

/// When a certificate ends. NPM writes its server's local time without a zone; half a day more or less does not matter.
pub fn ends(fields: &Fields) -> Option<Timestamp> {
    let text = fields.text("expires_on")?.replace('T', " ");
    let civil: jiff::civil::DateTime = text.trim_end_matches('Z').parse().ok()?;
    Some(Timestamp(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond()))
}

/// `81 days left, NPM renews about 9 Jan`.
pub fn in_words(certificate: &Fields, now: Timestamp) -> Text {
    let Some(ends) = ends(certificate) else { return Text::default() };
    let left = days_left(ends - now);
    let renewed = Timestamp(ends.0 - RENEWED_BEFORE.0);
    if now < renewed && is_renewed(certificate) {
        text!("{left}, NPM renews about {day}", left, day = Arg::Day(renewed))
    } else {
        left
    }
}

/// The certificate that is asked for: NPM calls it by its names.
fn asked_for(input: &Input<'_>, front: &CertificateNames<'_>, asked: LetsEncrypt) -> Address {
    let name = |name: &'_ String| if asked.wildcard { wildcard_for(input, name) } else { name.clone() };
    let names: Vec<String> = front.domains.iter().map(name).collect();
    certificate_orders::of_names(front.npm, names.iter().map(String::as_str).collect())
}

/// `*` and what lies above a name; a zone's own name stays itself.
fn wildcard_for(input: &Input<'_>, name: &str) -> String {
    let zone = certificate_orders::registered(input, name);
    let above = name.split_once('.').map(|(_, above)| above).filter(|above| is_below(above, &zone));
    above.map_or_else(|| name.to_owned(), |above| format!("*.{above}"))
}

/// Whether a record in the DNS is to show that the names are ours.
pub fn is_by_record(verb: &Verb) -> bool {
    matches!(verb, Verb::Create(fields) if fields.text("challenge") == Some("dns"))
}

/// Wants a new one, after all that the host itself waits for, and after every server of the zone answers its records.
fn ask_for(expansion: &mut Expansion<'_>, front: &CertificateNames<'_>, asked: LetsEncrypt, needs: &[Need]) -> Address {
    let address = asked_for(expansion.input, front, asked);
    let by_record = asked.challenge == Challenge::Dns;
    // Where a record shows that the names are ours, nobody comes by them.
    let records = front.domains.iter().filter_map(|name| front.records.get(name)).flatten().filter(|_| !by_record);
    let is_record = |need: &&Need| need.on.kind == Kind::Record;
    let first = needs.iter().filter(|need| !is_record(need)).cloned();
    let first = first.chain(records.cloned().map(Need::ready)).collect();
    let fields = Fields::default()
        .with("domains", Value::texts(certificate_orders::names(&address)))
        .with("provider", Value::text("letsencrypt"))
        .with("challenge", Value::text(if by_record { "dns" } else { "http" }));
    if is_being_issued(expansion.input, &address) {
        let text = text!("certificate {name} is being issued: NPM asks for it", name = &address.name);
        expansion.note(Some(address.clone()), text);
        expansion.want(address.clone(), Fields::default(), Vec::new(), front.origin).keep_only = true;
        return address;
    }
    if expansion.input.world.seen.contains_key(&address) {
        let name = &address.name;
        let text = text!("certificate {name} has ended or is not for these names: renew or delete it in NPM", name);
        expansion.note(Some(address.clone()), text);
    }
    let refusal = in_the_way(expansion.input, front);
    let want = expansion.want(address.clone(), fields, first, front.origin);
    want.refuse(refusal);
    address
}

/// Whether NPM may still ask for one: it makes the row first, and our call for it was cut.
fn is_being_issued(input: &Input<'_>, certificate: &Address) -> bool {
    let is_under_way = |order: &&Order| {
        let is_open = order.certificate == *certificate && order.outcome == Ordered::Unknown;
        is_open && input.now.is_before(order.at + ORDER_TAKES)
    };
    let is_row = |seen: &Seen| is_renewed(&seen.fields) && !seen.ready.is_ready();
    input.world.seen.get(certificate).is_some_and(is_row) && input.facts.orders.iter().any(|order| is_under_way(&order))
}

/// NPM would take somebody else's host off line for it.
fn in_the_way(input: &Input<'_>, front: &CertificateNames<'_>) -> Option<Refusal> {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.has_host_names());
    let hosts = kinds.flat_map(|kind| input.world.of_kind(front.npm, kind));
    let mut foreign = hosts.filter(|(_, seen)| !seen.owner.is_ours());
    let (host, name) = foreign.find_map(|(host, seen)| {
        let name = front.domains.iter().find(|name| seen.fields.strings("domains").contains(&name.as_str()))?;
        Some((host, name))
    })?;
    Some(Refusal {
        code: Code::A0405,
        message: text!(
            "is not asked for: {kind} {host} has {name} and is not ours",
            kind = host.kind,
            host = &host.name,
            name
        ),
        found: Vec::new(),
        hints: vec![Hint::text(text!(
            "delete that host in NPM, or take {name} out of {file}",
            name,
            file = &front.origin.file
        ))],
    })
}

/// Writes that bring hosts back on line which a certificate's call may have taken off: its end is not known.
pub fn unloaded(input: &Input<'_>) -> Vec<Change> {
    let calls = input.facts.open_intents.keys().filter(|address| address.kind == Kind::Certificate);
    let calls = calls.filter(|address| input.world.gap(address).is_none());
    let write = |certificate: &Address| {
        let (_, host) = hosts_of(input, certificate).next()?;
        let seen = input.world.seen.get(certificate);
        let expects = seen.map_or(Expect::Absent, |seen| Expect::Unchanged {
            vendor_id: seen.vendor_id.clone(),
            fields: seen.fields.digest(),
        });
        let service = host.service.clone().unwrap_or_default();
        Some(Change {
            address: certificate.clone(),
            service,
            verb: Verb::Update(Fields::default().with(LOADED, Value::Bool(true))),
            diff: Vec::new(),
            because: Reason {
                code: ReasonCode::Drift,
                text: text!("was asked for, and how that ended is not known"),
                origin: None,
            },
            impact: Impact::default(),
            expects,
            gate: Gate::Now,
        })
    };
    calls.filter_map(write).collect()
}

/// Those of ours that will end and that NPM has not renewed: it should have begun a fortnight before. That takes no host
/// off line.
pub fn overdue(input: &Input<'_>, wants: &Wants) -> Vec<Change> {
    let wanted = wants.map.iter().filter(|(address, _)| address.kind == Kind::Certificate);
    // What was issued a moment ago may not be shown yet. Most looks find none due, and count no orders.
    let is_fresh = |address: &Address| {
        let orders = Orders::known(input);
        orders
            .of(address)
            .any(|order| orders.may_be_issued(order) && input.now.is_before(order.at + certificate_orders::DAY))
    };
    let renewal = |(address, want): (&Address, &Want)| {
        let seen = input.world.seen.get(address)?;
        let ends = ends(&seen.fields)?;
        let is_due = || input.now.is_after(Timestamp(ends.0.saturating_sub(LASTS.0)));
        let is_ours = seen.owner.is_ours() && is_renewed(&seen.fields);
        let left = || Arg::Text(Box::new(days_left(ends - input.now.exact())));
        (is_ours && is_due() && !is_left_alone(input, &want.service) && !is_fresh(address)).then(|| Change {
            address: address.clone(),
            service: want.service.clone(),
            verb: Verb::Update(Fields::default().with(RENEWED, Value::Bool(true))),
            diff: Vec::new(),
            because: Reason {
                code: ReasonCode::Drift,
                text: text!("{left}, and NPM has not renewed it", left = left()),
                origin: None,
            },
            impact: Impact::default(),
            expects: Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() },
            gate: Gate::Now,
        })
    };
    wanted.filter_map(renewal).collect()
}

/// `1 day left`.
fn days_left(left: Millis) -> Text {
    match left.0.div_euclid(certificate_orders::DAY.0) {
        ..=-1 => text!("has ended"),
        n => text!(n; "1 day left", "{n} days left"),
    }
}

/// Our hosts that have one of a certificate's names and are on: NPM takes these off line while it asks.
pub fn hosts_of<'a>(input: &Input<'a>, certificate: &Address) -> impl Iterator<Item = (&'a Address, &'a Seen)> {
    let names: BTreeSet<String> = certificate_orders::names(certificate).into_iter().map(str::to_owned).collect();
    let npm = certificate.provider.clone();
    input.world.seen.iter().filter(move |(address, seen)| {
        address.provider == npm
            && address.kind.has_host_names()
            && seen.owner.is_ours()
            && seen.fields.flag("enabled") != Some(false)
            && seen.fields.strings("domains").iter().any(|domain| names.contains(*domain))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_npm_are_read() {
        for text in ["2026-11-20 12:00:00", "2026-11-20T12:00:00.000Z"] {
            let fields = Fields::default().with("expires_on", Value::text(text));
            assert_eq!(ends(&fields), Some(Timestamp(1_795_176_000_000)), "{text}");
        }
        assert_eq!(ends(&Fields::default().with("expires_on", Value::text("soon"))), None);
    }

    #[test]
    fn a_star_stands_for_one_label() {
        for (name, domain, fits) in [
            ("a.example.org", "a.example.org", true),
            ("*.example.org", "a.example.org", true),
            ("*.example.org", "a.b.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.example.org", "*.example.org", true),
            ("a.example.org", "*.example.org", false),
        ] {
            assert_eq!(covers(&[name], domain), fits, "{name} for {domain}");
        }
    }
}
