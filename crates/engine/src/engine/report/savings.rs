//! What timetables saved, for people and machines. Pure.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::instances::{InstanceRow, amount};
use crate::engine::pass_result::Saved;
use amarre_core::model::power::Power;

/// What is said beside an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SavedNote {
    /// Nothing more.
    Plain,
    /// Its vendor bills what is off as what runs, and its timetable does not shelve.
    BilledOff,
    /// The same of one that may not be shelved.
    NotShelved,
    /// It is paid by the month.
    Monthly,
    /// What its snapshot costs is not known, and not taken off.
    WithoutSnapshot,
    /// Nothing was counted, because no price is known.
    NoPrice,
}

impl InstanceRow {
    /// What is said beside what its timetable saved.
    pub fn saved_note(&self) -> SavedNote {
        let shelves = self.timetable().is_some_and(|table| table.off_as().power() == Power::Shelved);
        match &self.prices {
            _ if self.is_monthly => SavedNote::Monthly,
            None => SavedNote::NoPrice,
            Some(prices) if self.not_shelved.is_some() && prices.bill_off() => SavedNote::NotShelved,
            Some(_) if shelves => SavedNote::WithoutSnapshot,
            Some(prices) if prices.bill_off() => SavedNote::BilledOff,
            Some(_) => SavedNote::Plain,
        }
    }
}

/// The sums by currency, of those that have a timetable.
pub fn sums(rows: &[InstanceRow]) -> Vec<Saved> {
    let mut sums: BTreeMap<&str, Saved> = BTreeMap::new();
    for saved in rows.iter().filter_map(|row| row.saved.as_ref()).filter(|saved| !saved.currency.is_empty()) {
        let sum = sums.entry(&saved.currency).or_default();
        sum.currency.clone_from(&saved.currency);
        sum.month = sum.month.saturating_add(saved.month);
        sum.week = sum.week.saturating_add(saved.week);
    }
    sums.into_values().collect()
}

/// `8.20 EUR this month, 2.10 EUR in the last 7 days, without its snapshot`.
pub(super) fn line(row: &InstanceRow) -> Option<String> {
    let saved = row.saved.as_ref()?;
    let of = |part: i64| format!("{} {}", amount(part), saved.currency).trim_end().to_owned();
    let sums = format!("{} this month, {} in the last 7 days", of(saved.month), of(saved.week));
    Some(match row.saved_note() {
        SavedNote::Plain => sums,
        SavedNote::BilledOff => format!("{sums}: off is billed as on; `off_as: shelve` saves (Shelve at night)"),
        SavedNote::NotShelved => format!("{sums}: off is billed as on, and a shelve would not keep its disks"),
        SavedNote::Monthly => format!("{sums}: it is paid by the month"),
        SavedNote::WithoutSnapshot => format!("{sums}, without its snapshot"),
        SavedNote::NoPrice => format!("{sums}: its price is not known yet"),
    })
}

/// Of a server; null without a timetable.
pub(super) fn json_of(row: &InstanceRow) -> Option<Json> {
    let saved = row.saved.as_ref()?;
    let note = row.saved_note();
    let mut document = json(saved);
    document["off_is_billed"] =
        json!(matches!(note, SavedNote::BilledOff | SavedNote::NotShelved | SavedNote::Monthly));
    document["without_snapshot"] = json!(note == SavedNote::WithoutSnapshot);
    Some(document)
}

pub(super) fn json(saved: &Saved) -> Json {
    let currency = Some(&saved.currency).filter(|currency| !currency.is_empty());
    json!({"month": amount(saved.month), "week": amount(saved.week), "currency": currency})
}
