//! The message of a Monday: what timetables saved in the week before. Pure.
//!
//! | a server of that week | its line |
//! |---|---|
//! | saved something | how much, the largest first, and how long it was off |
//! | was off, and its vendor bills that as if it ran | 0, and what would save |
//! | was never off, or its price was not known | none |
//!
//! Without any server that had a timetable then, there is no message.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::alerts::{AlertState, News};
use super::channel::{Channel, Topic};
use crate::engine::PassView;
use crate::engine::report::instances::{InstanceRow, amount};
use crate::engine::report::savings::SavedNote;
use crate::ledger::savings::SavedSums;
use amarre_core::model::savings::Day;
use amarre_core::model::{Address, Millis};

/// Lines of each sort.
const ROWS_SHOWN: usize = 10;
const HOUR_MS: i64 = 3_600_000;

/// What one server saved.
struct WeekRow<'p> {
    name: String,
    known: Option<&'p InstanceRow>,
    /// By currency.
    amounts: BTreeMap<&'p str, i64>,
    off: Millis,
}

impl WeekRow<'_> {
    fn largest(&self) -> i64 {
        self.amounts.values().copied().max().unwrap_or_default()
    }

    fn hours(&self) -> String {
        format!("{} h", self.off.0 / HOUR_MS)
    }

    fn is_billed_off(&self) -> bool {
        let note = self.known.map(InstanceRow::saved_note);
        self.largest() == 0
            && self.off.0 > 0
            && matches!(note, Some(SavedNote::BilledOff | SavedNote::NotShelved | SavedNote::Monthly))
    }
}

/// The message to a channel about the week that began on `monday`; `None`: no server that it wants had a timetable.
pub fn weekly(pass: &PassView, channel: &Channel, monday: Day, sums: &SavedSums) -> Option<News> {
    let rows = rows(pass, channel, sums);
    if rows.is_empty() {
        return None;
    }
    let mut totals: BTreeMap<&str, i64> = BTreeMap::new();
    for (currency, amount) in rows.iter().flat_map(|row| &row.amounts) {
        *totals.entry(currency).or_default() += amount;
    }
    totals.retain(|_, amount| *amount > 0);
    let total = if totals.is_empty() { "nothing".to_owned() } else { money(&totals) };
    let date = |day: Day| day.date().strftime("%-d %b").to_string();
    let mut text = format!("timetables saved {total} from {} to {}", date(monday), date(Day(monday.0 + 6)));
    let mut saved: Vec<&WeekRow<'_>> = rows.iter().filter(|row| row.largest() > 0).collect();
    saved.sort_by_key(|row| Reverse(row.largest()));
    for row in saved.iter().take(ROWS_SHOWN) {
        text.push_str(&format!("\n{}: {}, off for {}", row.name, money(&row.amounts), row.hours()));
    }
    text.push_str(&more(saved.len()));
    let billed: Vec<&WeekRow<'_>> = rows.iter().filter(|row| row.is_billed_off()).collect();
    for row in billed.iter().take(ROWS_SHOWN) {
        let way = match row.known.map(InstanceRow::saved_note) {
            Some(SavedNote::Monthly) => "it is paid by the month",
            Some(SavedNote::NotShelved) => "off is billed as on there, and a shelve would not keep its disks",
            _ => "off is billed as on there, and `off_as: shelve` saves",
        };
        text.push_str(&format!("\n{}: 0, off for {}: {way}", row.name, row.hours()));
    }
    text.push_str(&more(billed.len()));
    let is_shelved = |row: &&&WeekRow<'_>| row.known.map(InstanceRow::saved_note) == Some(SavedNote::WithoutSnapshot);
    if saved.iter().any(|row| is_shelved(&row)) {
        text.push_str("\nwhat snapshots of shelved ones cost is not taken off");
    }
    let (topic, state, code, hints) = (Topic::Savings, AlertState::Report, String::new(), Vec::new());
    Some(News {
        topic,
        state,
        service: String::new(),
        text,
        code,
        hints,
        since: Some(monday.start()),
        deployment: None,
    })
}

fn rows<'p>(pass: &'p PassView, channel: &Channel, sums: &'p SavedSums) -> Vec<WeekRow<'p>> {
    let known: BTreeMap<&Address, &InstanceRow> = pass.instances().iter().map(|row| (&row.address, row)).collect();
    let mut rows: BTreeMap<&Address, WeekRow<'p>> = BTreeMap::new();
    for ((address, currency), sum) in sums {
        let known = known.get(address).copied();
        let row = rows.entry(address).or_insert_with(|| {
            let id = || format!("{}:{}", address.provider.short_name(), address.name);
            let name = known.map_or_else(id, |row| row.shown_name().to_owned());
            WeekRow { name, known, amounts: BTreeMap::new(), off: Millis(0) }
        });
        row.off = Millis(row.off.0.saturating_add(sum.off.0));
        if sum.amount > 0 {
            row.amounts.insert(currency, sum.amount);
        }
    }
    rows.into_values().filter(|row| channel.wants(Topic::Savings, &row.name)).collect()
}

/// `12.34 EUR and 5.60 USD`.
fn money(amounts: &BTreeMap<&str, i64>) -> String {
    let each = amounts.iter().map(|(currency, of)| format!("{} {currency}", amount(*of)));
    each.collect::<Vec<_>>().join(" and ")
}

fn more(rows: usize) -> String {
    if rows > ROWS_SHOWN { format!("\nand {} more", rows - ROWS_SHOWN) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::savings::SavedAmount;
    use crate::notifications::channel::Carrier;
    use crate::secret::Secret;
    use amarre_core::model::Kind;

    /// The message about servers of which nothing is known any more, to a channel for some.
    fn text_of(rows: &[(&str, &str, i64)], services: &[&str]) -> Option<String> {
        let row = |(id, currency, amount): &(&str, &str, i64)| {
            let address = Address::new("ovh-cloud.paris".to_owned().into(), Kind::Instance, id);
            let sum = SavedAmount { amount: *amount, off: Millis(10 * HOUR_MS) };
            ((address, (*currency).to_owned()), sum)
        };
        let channel = Channel {
            name: "money".to_owned(),
            carrier: Carrier::Slack { hook: Secret::new("https://example.org") },
            on: [Topic::Savings].into(),
            services: services.iter().map(|name| (*name).to_owned()).collect(),
            after: Millis(0),
        };
        // Monday, 28 December 2026.
        let monday = Day(20_815);
        let news = weekly(&PassView::default(), &channel, monday, &rows.iter().map(row).collect())?;
        Some(news.text)
    }

    #[test]
    fn the_largest_come_first_and_currencies_stay_apart() {
        let eur = 100_000_000;
        let rows = [("a", "EUR", eur), ("b", "EUR", 3 * eur), ("b", "USD", 2 * eur), ("c", "", 0)];
        assert_eq!(
            text_of(&rows, &[]).unwrap(),
            "timetables saved 4.00 EUR and 2.00 USD from 28 Dec to 3 Jan\nparis:b: 3.00 EUR and 2.00 USD, off for 20 h\n\
             paris:a: 1.00 EUR, off for 10 h"
        );
        assert_eq!(text_of(&rows[3..], &[]).unwrap(), "timetables saved nothing from 28 Dec to 3 Jan");
        assert!(text_of(&rows, &["paris:a"]).unwrap().starts_with("timetables saved 1.00 EUR from"));
        assert_eq!((text_of(&rows, &["shop-*"]), text_of(&[], &[])), (None, None), "no timetable, no message");
        let many: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
        let many: Vec<(&str, &str, i64)> = many.iter().map(|name| (name.as_str(), "EUR", eur)).collect();
        assert!(text_of(&many, &[]).unwrap().ends_with("\nand 2 more"));
    }
}
