//! Orders of certificates at Let's Encrypt: which were sent, and what its limits leave. Pure.

use std::collections::BTreeSet;

use super::certificate;
use crate::model::plan::Wait;
use crate::model::world::{Order, Ordered};
use crate::model::{Address, Kind, Millis, ProviderId, Timestamp};
use crate::plan::input::Input;

/// Of a certificate by Let's Encrypt (its default profile; NPM renews 30 days before).
pub(crate) const LIFETIME: Millis = Millis::minutes(90 * 24 * 60);
const HOUR: Millis = Millis::minutes(60);
pub(crate) const DAY: Millis = Millis::minutes(24 * 60);
const WEEK: Millis = Millis::minutes(7 * 24 * 60);
/// After a first failure, and after one more for each; then it is a day. In no 24 hours more than three fail: Let's Encrypt
/// counts them, and each takes hosts off line for a moment.
const PAUSES: [Millis; 2] = [Millis::minutes(15), Millis::minutes(4 * 60)];
/// After an order that did not reach Let's Encrypt, doubled for each more.
const SOON: Millis = Millis::minutes(1);

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
    let seen = input
        .world
        .seen
        .iter()
        .filter(|(address, seen)| address.kind == Kind::Certificate && certificate::is_renewed(&seen.fields));
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
pub(crate) struct Orders<'a> {
    input: &'a Input<'a>,
    all: Vec<Order>,
}

impl<'a> Orders<'a> {
    /// What the ledger knows, and what is seen of others and of a ledger that was lost.
    pub(crate) fn known(input: &'a Input<'a>) -> Self {
        let mut all: Vec<Order> = input.facts.orders.clone();
        for (address, seen) in input.world.seen.iter().filter(|(address, _)| address.kind == Kind::Certificate) {
            let Some(ends) = certificate::ends(&seen.fields).filter(|_| certificate::is_renewed(&seen.fields)) else {
                continue;
            };
            let (at, outcome) = (Timestamp(ends.0 - self::LIFETIME.0), Ordered::Issued);
            let certificate = of_names(&address.provider, seen.fields.strings("domains"));
            let is_it = |order: &Order| order.certificate == certificate && order.outcome == Ordered::Issued;
            if !all.iter().any(is_it) && input.now.is_before(at + WEEK) {
                all.push(Order { certificate, at, outcome, code: None, until: None, forgiven: false });
            }
        }
        Self { input, all }
    }

    /// When this one may be asked for, and why not now; `None`: now.
    pub(crate) fn wait(&self, certificate: &Address) -> Option<(Timestamp, Wait)> {
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
    pub(crate) fn hourly(&self, certificate: &Address) -> Option<Timestamp> {
        let failed = self.of(certificate).filter(|order| may_have_failed(order) && !order.forgiven);
        let next = failed.map(|order| self.input.now.not_later(order.at) + FAILURES.within).max();
        next.filter(|next| self.input.now.is_before(*next))
    }

    /// One of unknown end was not issued where none is seen after a while: NPM has a row of each.
    pub(crate) fn may_be_issued(&self, order: &Order) -> bool {
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

    pub(crate) fn of(&self, certificate: &Address) -> impl Iterator<Item = &Order> {
        self.all.iter().filter(move |order| order.certificate == *certificate)
    }

    pub(crate) fn spend(&mut self, certificate: &Address) {
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

/// The registered domain of a name: its zone, as far as that is known; else its last two labels, which may be more than
/// one registered and so allows less.
pub(crate) fn registered(input: &Input<'_>, name: &str) -> String {
    let name = name.trim_start_matches("*.");
    let zone = input.site.dns_provider(name).and_then(|provider| input.world.zone_of(provider, name));
    let last_two = || {
        let labels: Vec<&str> = name.rsplit('.').take(2).collect();
        labels.into_iter().rev().collect::<Vec<_>>().join(".")
    };
    zone.map_or_else(last_two, str::to_owned)
}

pub(crate) fn of_names(npm: &ProviderId, names: Vec<&str>) -> Address {
    let names: BTreeSet<&str> = names.into_iter().collect();
    Address::new(npm.clone(), Kind::Certificate, &names.into_iter().collect::<Vec<_>>().join(", "))
}

/// The names in a certificate's address.
pub(crate) fn names(certificate: &Address) -> Vec<&str> {
    certificate.name.split(", ").collect()
}

/// The wait that ends last.
pub(crate) fn last_of<const N: usize>(waits: [Option<(Timestamp, Wait)>; N]) -> Option<(Timestamp, Wait)> {
    waits.into_iter().flatten().max_by_key(|(at, _)| *at)
}
