//! Which certificate a host has whose manifest asks for one by Let's Encrypt, and when one may be asked for. Pure.
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

use super::expand::Expansion;
use crate::model::plan::{Impact, LOADED, RENEWED, Wait};
use crate::model::service::LetsEncrypt;
use crate::model::site::{Challenge, is_below};
use crate::model::world::{Order, Ordered, Port80};
use crate::model::{
    Address, Arg, Change, Code, Expect, Fields, Gate, Hint, Kind, Millis, Need, Origin, Plan, ProviderId, Reason,
    ReasonCode, Refusal, Seen, Text, Timestamp, Value, Verb, Want, Wants,
};
use crate::plan::diff::decide::is_left_alone;
use crate::plan::input::Input;
use crate::text;

/// Of a certificate by Let's Encrypt (its default profile; NPM renews 30 days before).
const LIFETIME: Millis = Millis::minutes(90 * 24 * 60);
/// One that nobody renews is not taken for a new host in its last days.
const LASTS: Millis = Millis::minutes(14 * 24 * 60);
/// An order that takes longer does not come: NPM's own proxy waits for a quarter of an hour.
const ORDER_TAKES: Millis = Millis::minutes(16);
/// NPM renews from then on, every hour.
const RENEWED_BEFORE: Millis = Millis::minutes(30 * 24 * 60);
/// After a first failure, and after one more for each; then it is a day. In no 24 hours more than three fail: Let's Encrypt
/// counts them, and each takes hosts off line for a moment.
const PAUSES: [Millis; 2] = [Millis::minutes(15), Millis::minutes(4 * 60)];
/// After an order that did not reach Let's Encrypt, doubled for each more.
const SOON: Millis = Millis::minutes(1);
const HOUR: Millis = Millis::minutes(60);
const DAY: Millis = Millis::minutes(24 * 60);
const WEEK: Millis = Millis::minutes(7 * 24 * 60);

/// Let's Encrypt's limits (letsencrypt.org/docs/rate-limits), of which Amarre leaves one try to people.
#[derive(Debug, Clone, Copy)]
struct Limit {
    most: usize,
    within: Millis,
}

/// Failed validations of a name.
const FAILURES: Limit = Limit { most: 5, within: Millis::minutes(60) };
/// Certificates for the very same names.
const DUPLICATES: Limit = Limit { most: 5, within: WEEK };
/// Certificates below one registered domain.
const BELOW_DOMAIN: Limit = Limit { most: 50, within: WEEK };
/// Orders of an account.
const ORDERS: Limit = Limit { most: 300, within: Millis::minutes(3 * 60) };

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
    of_names(front.npm, names.iter().map(String::as_str).collect())
}

/// `*` and what lies above a name; a zone's own name stays itself.
fn wildcard_for(input: &Input<'_>, name: &str) -> String {
    let zone = registered(input, name);
    let above = name.split_once('.').map(|(_, above)| above).filter(|above| is_below(above, &zone));
    above.map_or_else(|| name.to_owned(), |above| format!("*.{above}"))
}

/// The registered domain of a name: its zone, as far as that is known; else its last two labels, which may be more than
/// one registered and so allows less.
fn registered(input: &Input<'_>, name: &str) -> String {
    let name = name.trim_start_matches("*.");
    let zone = input.site.dns_provider(name).and_then(|provider| input.world.zone_of(provider, name));
    let last_two = || {
        let labels: Vec<&str> = name.rsplit('.').take(2).collect();
        labels.into_iter().rev().collect::<Vec<_>>().join(".")
    };
    zone.map_or_else(last_two, str::to_owned)
}

fn of_names(npm: &ProviderId, names: Vec<&str>) -> Address {
    let names: BTreeSet<&str> = names.into_iter().collect();
    Address::new(npm.clone(), Kind::Certificate, &names.into_iter().collect::<Vec<_>>().join(", "))
}

/// The names in a certificate's address.
fn names(certificate: &Address) -> Vec<&str> {
    certificate.name.split(", ").collect()
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
        .with("domains", Value::texts(names(&address)))
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
        orders.of(address).any(|order| orders.may_be_issued(order) && input.now.is_before(order.at + DAY))
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
    match left.0.div_euclid(DAY.0) {
        ..=-1 => text!("has ended"),
        n => text!(n; "1 day left", "{n} days left"),
    }
}

/// Our hosts that have one of a certificate's names and are on: NPM takes these off line while it asks.
pub fn hosts_of<'a>(input: &Input<'a>, certificate: &Address) -> impl Iterator<Item = (&'a Address, &'a Seen)> {
    let names: BTreeSet<String> = names(certificate).into_iter().map(str::to_owned).collect();
    let npm = certificate.provider.clone();
    input.world.seen.iter().filter(move |(address, seen)| {
        address.provider == npm
            && address.kind.has_host_names()
            && seen.owner.is_ours()
            && seen.fields.flag("enabled") != Some(false)
            && seen.fields.strings("domains").iter().any(|domain| names.contains(*domain))
    })
}

/// Lets no more be asked for than Let's Encrypt would give, and nothing that could not be used.
pub fn limit_orders(input: &Input<'_>, plan: &mut Plan) {
    // Most plans ask for none.
    if !plan.changes.iter().any(Change::is_order) {
        return;
    }
    let idle = without_use(plan);
    let is_new = |change: &&mut Change| change.is_order() && matches!(change.verb, Verb::Create(_));
    for change in plan.changes.iter_mut().filter(is_new).filter(|change| change.refusal().is_none()) {
        if let Some(refusal) = account(input, change).or_else(|| idle.get(&change.address).cloned()) {
            change.gate = Gate::Held(refusal);
        }
    }
    let is_asked = |change: &Change| change.is_now() && change.is_order();
    let mut orders = Orders::known(input);
    for change in plan.changes.iter_mut().filter(|change| is_asked(change)) {
        let door = port_80(input, change);
        if let Some(refusal) = port_80_is_not_npm(change, door) {
            change.gate = Gate::Held(refusal);
            continue;
        }
        let behind = door.and_then(|_| orders.hourly(&change.address)).map(|at| (at, Wait::Order));
        match last_of([orders.wait(&change.address), behind]) {
            Some((at, what)) => {
                change.gate = Gate::Until { at, what };
                plan.next_look = Some(plan.next_look.map_or(at, |known| known.min(at)));
            }
            None => orders.spend(&change.address),
        }
    }
}

/// The wait that ends last.
fn last_of<const N: usize>(waits: [Option<(Timestamp, Wait)>; N]) -> Option<(Timestamp, Wait)> {
    waits.into_iter().flatten().max_by_key(|(at, _)| *at)
}

/// Why Let's Encrypt would not take the account with which an NPM asks.
fn account(input: &Input<'_>, change: &Change) -> Option<Refusal> {
    let name = change.address.provider.short_name();
    // A simulated authority takes everybody.
    let is_real = |_: &&String| !input.site.simulated.contains(&change.address.provider);
    let identity = input.world.mail_refused.get(&change.address.provider).filter(is_real)?;
    let why = text!("Let's Encrypt refuses the e-mail address {identity} of NPM {name}'s account", identity, name);
    let key = format!("`npm.{name}.identity`");
    let way = text!("in NPM, Users, {identity}, set an address that receives mail, then {key}", identity, key);
    Some(not_asked_for(&change.address.name, Code::A0252, why, vec![Hint::text(way)]))
}

/// Certificates of which every host is refused: whatever they were asked for, nothing would have them.
fn without_use(plan: &Plan) -> BTreeMap<Address, Refusal> {
    let mut refused: BTreeMap<Address, Option<Refusal>> = BTreeMap::new();
    for host in &plan.changes {
        let (Verb::Create(fields) | Verb::Update(fields)) = &host.verb else { continue };
        let Some(name) = fields.text("certificate") else { continue };
        let certificate = Address::new(host.address.provider.clone(), Kind::Certificate, name);
        let why = || text!("{kind} {name} is refused", kind = host.address.kind, name = &host.address.name);
        let refusal = host.refusal().map(|refusal| not_asked_for(name, refusal.code, why(), Vec::new()));
        refused.entry(certificate).and_modify(|known| *known = known.take().and(refusal.clone())).or_insert(refusal);
    }
    refused.into_iter().filter_map(|(certificate, refusal)| Some((certificate, refusal?))).collect()
}

/// Who answers on port 80 by the names of a certificate, where that is not NPM.
fn port_80<'a>(input: &Input<'a>, change: &Change) -> Option<&'a Port80> {
    let is_by_http = matches!(&change.verb, Verb::Create(fields) if fields.text("challenge") == Some("http"));
    let doors = names(&change.address).into_iter().filter_map(|name| input.world.port80.get(name));
    doors.filter(|door| is_by_http && **door != Port80::Npm).max()
}

/// Whom Let's Encrypt would not find by a name, or who would answer in NPM's place.
fn port_80_is_not_npm(change: &Change, door: Option<&Port80>) -> Option<Refusal> {
    let (code, why, first) = match door? {
        Port80::Npm | Port80::Silent(_) => return None,
        Port80::Other(what) => (
            Code::A0806,
            text!("on port 80, {what}, not NPM", what),
            text!("port 80 of this address must lead to NPM: Let's Encrypt asks there"),
        ),
        Port80::Elsewhere(what) => (
            Code::A0809,
            Text::from(what),
            text!("each name of a certificate must lead to this host: Let's Encrypt looks it up and asks there"),
        ),
    };
    let way = text!("if it does, seen from the Internet, set `certificates.port80: assume`; or use `challenge: dns`");
    Some(not_asked_for(&change.address.name, code, why, vec![Hint::text(first), Hint::text(way)]))
}

/// Why no certificate of this name is asked for.
fn not_asked_for(name: &str, code: Code, why: Text, hints: Vec<Hint>) -> Refusal {
    let message = text!("certificate {name} is not asked for: {why}", name, why);
    Refusal { code, message, found: Vec::new(), hints }
}

/// When a certificate may be asked for, where that is not now, and why.
pub fn waits(input: &Input<'_>, certificate: &Address) -> Option<(Timestamp, Wait)> {
    Orders::known(input).wait(certificate)
}

/// What Let's Encrypt would still give below one registered domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBudget {
    /// `example.org`.
    pub domain: String,
    /// Certificates that may still be asked for within the week.
    pub left: usize,
    /// Of so many.
    pub of: usize,
}

/// Of each domain below which there are certificates by Let's Encrypt, or some were asked for within the week.
pub fn budgets(input: &Input<'_>) -> Vec<OrderBudget> {
    let orders = Orders::known(input);
    let seen =
        input.world.seen.iter().filter(|(address, seen)| address.kind == Kind::Certificate && is_renewed(&seen.fields));
    let of_seen = seen.flat_map(|(_, seen)| seen.fields.strings("domains"));
    let of_orders = orders.all.iter().flat_map(|order| names(&order.certificate));
    let domains: BTreeSet<String> = of_seen.chain(of_orders).map(|name| registered(input, name)).collect();
    let budget = |domain: String| OrderBudget { left: orders.left(&domain), domain, of: BELOW_DOMAIN.most };
    domains.into_iter().map(budget).collect()
}

/// How many certificates may be asked for this week below the registered domain of one.
pub fn orders_left(input: &Input<'_>, certificate: &Address) -> usize {
    let orders = Orders::known(input);
    names(certificate).into_iter().map(|name| orders.left(&registered(input, name))).min().unwrap_or(BELOW_DOMAIN.most)
}

/// What was asked for of late.
struct Orders<'a> {
    input: &'a Input<'a>,
    all: Vec<Order>,
}

impl<'a> Orders<'a> {
    /// What the ledger knows, and what is seen of others and of a ledger that was lost.
    fn known(input: &'a Input<'a>) -> Self {
        let mut all: Vec<Order> = input.facts.orders.clone();
        for (address, seen) in input.world.seen.iter().filter(|(address, _)| address.kind == Kind::Certificate) {
            let Some(ends) = ends(&seen.fields).filter(|_| is_renewed(&seen.fields)) else { continue };
            let (at, outcome) = (Timestamp(ends.0 - LIFETIME.0), Ordered::Issued);
            let certificate = of_names(&address.provider, seen.fields.strings("domains"));
            let is_it = |order: &Order| order.certificate == certificate && order.outcome == Ordered::Issued;
            if !all.iter().any(is_it) && input.now.is_before(at + WEEK) {
                all.push(Order { certificate, at, outcome, code: None, until: None, forgiven: false });
            }
        }
        Self { input, all }
    }

    /// When this one may be asked for, and why not now; `None`: now.
    fn wait(&self, certificate: &Address) -> Option<(Timestamp, Wait)> {
        let each = names(certificate).into_iter().flat_map(|name| {
            let is_of = move |order: &&Order| names(&order.certificate).contains(&name);
            let failed = self.all.iter().filter(|order| may_have_failed(order)).filter(is_of);
            [
                self.over(FAILURES, failed),
                self.over(BELOW_DOMAIN, self.below(&registered(self.input, name)).into_iter()),
            ]
        });
        let is_same = |order: &&Order| self.may_be_issued(order);
        // Never two orders for one set: a list may be older than the certificate.
        let settling = Kind::Certificate.traits().settling;
        let left = self.of(certificate).filter(is_same).map(|order| self.input.now.not_later(order.at));
        let last = left.map(|left| settling.until(left)).max();
        let last = last.filter(|shows| self.input.now.is_before(*shows));
        let same = self.over(DUPLICATES, self.of(certificate).filter(is_same));
        let slot = self.all.iter().filter(|order| order.outcome != Ordered::NotPlaced);
        // What Let's Encrypt said holds whoever asks.
        let said = self.of(certificate).filter_map(|order| Some(order.until?.min(order.at + WEEK))).max();
        let said = said.filter(|until| self.input.now.is_before(*until));
        let budget = each.chain([same, self.over(ORDERS, slot), said]).flatten().max();
        last_of([
            budget.map(|at| (at, Wait::Budget)),
            last.map(|at| (at, Wait::Settle)),
            self.pause(certificate).map(|at| (at, Wait::Order)),
        ])
    }

    /// The next try of one of which nobody here can tell whether it will succeed.
    fn hourly(&self, certificate: &Address) -> Option<Timestamp> {
        let failed = self.of(certificate).filter(|order| may_have_failed(order) && !order.forgiven);
        let next = failed.map(|order| self.input.now.not_later(order.at) + FAILURES.within).max();
        next.filter(|next| self.input.now.is_before(*next))
    }

    /// One of unknown end was not issued where none is seen after a while: NPM has a row of each.
    fn may_be_issued(&self, order: &Order) -> bool {
        match order.outcome {
            Ordered::Issued => true,
            Ordered::Unknown => self.input.now.is_before(order.at + FAILURES.within),
            Ordered::Failed | Ordered::NotPlaced => false,
        }
    }

    /// One that fails again and again is asked for ever more seldom, whichever command asks: until a person has had it
    /// tried again.
    fn pause(&self, certificate: &Address) -> Option<Timestamp> {
        let own = self.all.iter().rev().filter(|order| order.certificate == *certificate);
        let failed: Vec<&Order> = own.take_while(|order| order.outcome != Ordered::Issued && !order.forgiven).collect();
        let last = failed.first()?;
        let is_placed = |order: &&&Order| order.outcome != Ordered::NotPlaced;
        let alike = failed.iter().take_while(|order| is_placed(order) == is_placed(&last)).count();
        let pause = if is_placed(&last) {
            PAUSES.get(alike - 1).copied().unwrap_or(DAY)
        } else {
            let doubled = u32::try_from(alike - 1).unwrap_or(u32::MAX).min(10);
            Millis(SOON.0.saturating_mul(1 << doubled).min(HOUR.0))
        };
        let until = self.input.now.not_later(last.at) + pause;
        self.input.now.is_before(until).then_some(until)
    }

    fn of(&self, certificate: &Address) -> impl Iterator<Item = &Order> {
        self.all.iter().filter(move |order| order.certificate == *certificate)
    }

    fn spend(&mut self, certificate: &Address) {
        let (certificate, at) = (certificate.clone(), self.input.now.exact());
        self.all.push(Order { certificate, at, outcome: Ordered::Unknown, code: None, until: None, forgiven: false });
    }

    /// What counts below a registered domain.
    fn below(&self, domain: &str) -> Vec<&Order> {
        let counts = |order: &&Order| {
            let is_below = || names(&order.certificate).into_iter().any(|name| registered(self.input, name) == domain);
            self.may_be_issued(order) && self.input.now.is_before(order.at + WEEK) && is_below()
        };
        self.all.iter().filter(counts).collect()
    }

    /// What is left of that.
    fn left(&self, domain: &str) -> usize {
        BELOW_DOMAIN.most.saturating_sub(self.below(domain).len())
    }

    /// When a limit lets one more pass, one try left to people.
    fn over<'o>(&self, limit: Limit, orders: impl Iterator<Item = &'o Order>) -> Option<Timestamp> {
        // What a clock that was put back left in the future was asked for now, at the latest.
        let mut times: Vec<Timestamp> = orders.map(|order| self.input.now.not_later(order.at)).collect();
        times.sort();
        let oldest = times.len().checked_sub(limit.most - 1).and_then(|at| times.get(at))?;
        let free = *oldest + limit.within;
        self.input.now.is_before(free).then_some(free)
    }
}

/// Whether Let's Encrypt counts a failed try.
fn may_have_failed(order: &Order) -> bool {
    match order.outcome {
        Ordered::Failed | Ordered::Unknown => true,
        Ordered::Issued | Ordered::NotPlaced => false,
    }
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
