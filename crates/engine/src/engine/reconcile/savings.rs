//! Counts what timetables save, from one look that acts to the next, and keeps it in the ledger.
//!
//! | the server | what is counted |
//! |---|---|
//! | has a timetable that has ticked since it was first seen | the time between two looks, by [`saved_between`] |
//! | has a new timetable, another rule, or no manifest | nothing |
//! | was looked at last by an earlier process | nothing until the second look of this one |
//!
//! Prices are needed for it, and perhaps no person asked for them: they are read beside the loop, which never waits for them.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use super::counters::Meters;
use super::engine::Engine;
use crate::engine::pass_result::{Saved, SavedTotals};
use crate::ledger::StoreError;
use crate::ledger::savings::{SavedAmount, SavedOn, SavedSums};
use amarre_core::model::instance::{Instance, PowerFacts};
use amarre_core::model::savings::{Day, PowerLook, ServerPrices, saved_between};
use amarre_core::model::{Address, Facts, ProviderId, Timestamp, World};
use amarre_core::plan::desired::instance::resting;

/// The days of the shorter sum, today among them.
const WEEK_DAYS: i64 = 7;

/// The memory from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct SavingsCount {
    /// The servers that rested at the last look, each with its timetable.
    looks: BTreeMap<Address, PowerLook>,
    /// The last day on which each was noted.
    noted: BTreeMap<Address, Day>,
    /// What the ledger does not have yet.
    pending: BTreeMap<SavedOn, SavedAmount>,
    totals: SavedTotals,
    /// The day of which the totals are; `None`: they are to be read.
    totals_of: Option<Day>,
    prices: JoinSet<()>,
}

impl SavingsCount {
    /// Takes what a pass observed of a server whose timetable decides.
    fn take(&mut self, address: &Address, found: Option<PowerLook>, now: Timestamp) -> SavedAmount {
        let before = self.looks.remove(address);
        let currency = found.as_ref().and_then(|look| look.prices.as_ref()).map(|prices| prices.currency.clone());
        let currency = currency.unwrap_or_default();
        let mut sum = SavedAmount::default();
        if let (Some(before), Some(now)) = (&before, &found) {
            for part in saved_between(before, now) {
                let on = (address.clone(), part.day, currency.clone());
                self.pending.entry(on).or_default().add(part.amount, part.off);
                sum.add(part.amount, part.off);
            }
        }
        // A day on which nothing was saved shows that there was a timetable.
        let today = Day::of(now);
        if self.noted.insert(address.clone(), today) != Some(today) {
            self.pending.entry((address.clone(), today, currency)).or_default();
        }
        self.looks.extend(found.map(|look| (address.clone(), look)));
        sum
    }

    fn forget_others(&mut self, scheduled: &BTreeSet<Address>) {
        self.looks.retain(|address, _| scheduled.contains(address));
        self.noted.retain(|address, _| scheduled.contains(address));
    }
}

impl Engine {
    /// Counts what was saved since the last look, where this one acts, and reads the sums.
    pub(crate) async fn count_savings(
        &mut self,
        instances: Vec<(&String, &Instance)>,
        world: &World,
        facts: &Facts,
        now: Timestamp,
        acts: bool,
    ) {
        if acts {
            let known = |instance: &Instance| facts.power.get(&instance.address).cloned();
            let scheduled = instances.into_iter().filter(|(_, one)| is_decided(one, known(one).as_ref(), now));
            let scheduled: Vec<(&String, &Instance)> = scheduled.collect();
            for (name, Instance { address, cloud, .. }) in &scheduled {
                let found = power_look(world, address, now);
                let currency = found.as_ref().and_then(|look| look.prices.as_ref()).map(|one| one.currency.clone());
                let saved = self.savings.take(address, found, now);
                let id = world.thing(address).map(|seen| seen.vendor_id.as_str()).unwrap_or_default();
                count(&self.meters, name, cloud, id, &currency.unwrap_or_default(), saved.amount);
            }
            self.savings.forget_others(&scheduled.iter().map(|(_, one)| one.address.clone()).collect());
            self.read_prices_of(scheduled.iter().map(|(_, one)| one.address.provider.clone()).collect(), now);
        }
        if let Err(error) = self.record_savings(Day::of(now)).await {
            self.ledger_failed(&error);
        }
    }

    async fn record_savings(&mut self, today: Day) -> Result<(), StoreError> {
        let savings = &mut self.savings;
        // What could not be written waits for the next look.
        if !savings.pending.is_empty() && self.ledger_error.is_none() {
            self.ledger.add_saved(&savings.pending, today).await?;
            savings.pending.clear();
            savings.totals_of = None;
        }
        if savings.totals_of != Some(today) {
            let month = self.ledger.saved(today.month_start(), today).await?;
            let week = self.ledger.saved(today.before(WEEK_DAYS - 1), today).await?;
            (savings.totals, savings.totals_of) = (totals(&month, &week), Some(today));
        }
        Ok(())
    }

    /// What timetables saved recently.
    pub(crate) fn saved_totals(&self) -> SavedTotals {
        self.savings.totals.clone()
    }

    /// Reads prices once a day, beside the loop.
    fn read_prices_of(&mut self, providers: BTreeSet<ProviderId>, now: Timestamp) {
        while self.savings.prices.try_join_next().is_some() {}
        if !self.savings.prices.is_empty() {
            return;
        }
        for id in providers {
            let context = self.context.clone();
            self.savings.prices.spawn(async move {
                let provider = context.providers.get(&id);
                let Some(prices) = provider.and_then(|provider| provider.capabilities().prices) else { return };
                if let Err(error) = prices.read_prices(now).await {
                    tracing::info!(provider = id.as_str(), "{error}");
                }
            });
        }
    }
}

/// Whether a timetable decides over a server by now.
fn is_decided(instance: &Instance, facts: Option<&PowerFacts>, now: Timestamp) -> bool {
    instance.rule.timetable().is_some() && instance.wanted(facts, now).level.is_some()
}

fn power_look(world: &World, address: &Address, at: Timestamp) -> Option<PowerLook> {
    let power = resting(world, address)?;
    Some(PowerLook { at, power, prices: world.thing(address).and_then(|seen| ServerPrices::of(&seen.fields)) })
}

fn count(meters: &Meters, name: &str, cloud: &str, id: &str, currency: &str, amount: i64) {
    if amount > 0 {
        let labels = [("cloud", cloud), ("id", id), ("instance", name), ("currency", currency)];
        meters.saved(&labels, amount);
    }
}

/// Of a server whose vendor changed the currency, the one with more in it.
fn totals(month: &SavedSums, week: &SavedSums) -> SavedTotals {
    let mut totals = SavedTotals::new();
    for (address, currency) in month.keys().chain(week.keys()) {
        let key = (address.clone(), currency.clone());
        let of = |sums: &SavedSums| sums.get(&key).map_or(0, |sum| sum.amount);
        let saved = Saved { month: of(month), week: of(week), currency: currency.clone() };
        let known = totals.entry(address.clone()).or_default();
        if (saved.month, saved.week, !saved.currency.is_empty())
            >= (known.month, known.week, !known.currency.is_empty())
        {
            *known = saved;
        }
    }
    totals
}
