//! Reads the rows of a zone with as few calls as the vendor allows. Three ways, the best that works:
//!
//! | way | calls for n rows | known from |
//! | --- | --- | --- |
//! | expanded | n / 1000 | the vendor's own manager; declared in its schema |
//! | batch | 1 + n / 50 | the vendor's staff, "not guaranteed" |
//! | single | 1 + n | documented |
//!
//! None but the last is promised, so an answer of another shape means "not this way", is remembered
//! for the zone, and the next way is taken. Half a list is never an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use reqwest::Method;
use serde_json::Value as Json;

use super::api::{ApiCall, OvhApi, OvhError, WireRecord};
use amarre_core::resources::dns::spelling::{full_name, sub_domain};

use super::convert::{dns_type, value_of};
use crate::providers::dns::record_sets::ZoneRow;

/// The vendor's default page.
const PAGE_ROWS: usize = 1000;
/// Twenty thousand rows are more than any zone seen; a list without end is none.
const PAGES_MAX: usize = 20;
/// The vendor's limit.
const BATCH_IDS_MAX: usize = 50;
/// At the usual pace this takes eight minutes; nobody waits longer for a look.
const SINGLE_ROWS_MAX: usize = 250;

/// Said of a list that cannot be the whole zone.
const NO_NAME_SERVERS: &str = "its list of records lacks the zone's own name servers";

/// Reads zones, and remembers how.
#[derive(Debug, Default)]
pub struct ZoneReader {
    zones: Mutex<BTreeMap<String, Habit>>,
}

/// What is known of one zone.
#[derive(Debug, Clone, Copy)]
struct Habit {
    way: ListingMethod,
    /// Several pages long: worth a filter.
    is_long: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListingMethod {
    Expanded,
    Batch,
    Single,
}

/// What a page of the expanded list turned out to be.
enum Page {
    Records(Vec<WireRecord>),
    Ids(Vec<u64>),
}

impl ZoneReader {
    /// Every row of a zone.
    pub async fn zone(&self, api: &OvhApi, zone: &str) -> Result<Vec<ZoneRow>, OvhError> {
        let records = self.read(api, zone, None).await?;
        // Each zone has the records of its own name servers. A list without them is not that of the zone: what it lacks
        // may be there.
        let is_own = |record: &WireRecord| {
            record.field_type == "NS" && record.sub_domain.as_deref().unwrap_or_default().is_empty()
        };
        if !records.iter().any(is_own) {
            return Err(OvhError::Nonsense(NO_NAME_SERVERS.to_owned()));
        }
        let long = records.len() > PAGE_ROWS;
        self.habit(zone, |habit| habit.is_long = long);
        Ok(records.into_iter().map(|record| row(record, zone)).collect())
    }

    /// The rows of a few names, perhaps with others.
    ///
    /// One call for the whole zone is cheaper than one for each name, as long as it is one call.
    pub async fn names(&self, api: &OvhApi, zone: &str, names: &[&str]) -> Result<Vec<ZoneRow>, OvhError> {
        let habit = self.habit(zone, |_| ());
        let filtered = habit.way != ListingMethod::Expanded || habit.is_long;
        // The vendor's filter is a pattern; only plain names are safe in it, and the apex may be stored as null.
        if !filtered || !names.iter().all(|name| is_plain(sub_domain(name, zone))) {
            return self.zone(api, zone).await;
        }
        let mut records = Vec::new();
        for name in names {
            records.extend(self.read(api, zone, Some(sub_domain(name, zone))).await?);
        }
        Ok(records.into_iter().map(|record| row(record, zone)).collect())
    }

    async fn read(&self, api: &OvhApi, zone: &str, sub: Option<&str>) -> Result<Vec<WireRecord>, OvhError> {
        let ids = match self.habit(zone, |_| ()).way {
            ListingMethod::Expanded => match expanded(api, zone, sub).await? {
                Page::Records(records) => return Ok(records),
                Page::Ids(ids) => {
                    self.habit(zone, |habit| habit.way = ListingMethod::Batch);
                    ids
                }
            },
            ListingMethod::Batch | ListingMethod::Single => api.json(&list(zone, sub)).await?,
        };
        if self.habit(zone, |_| ()).way == ListingMethod::Batch {
            if let Some(records) = batches(api, zone, &ids).await? {
                return Ok(records);
            }
            self.habit(zone, |habit| habit.way = ListingMethod::Single);
        }
        read_one_by_one(api, zone, &ids).await
    }

    fn habit(&self, zone: &str, change: impl FnOnce(&mut Habit)) -> Habit {
        let mut zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        let habit = zones.entry(zone.to_owned()).or_insert(Habit { way: ListingMethod::Expanded, is_long: false });
        change(habit);
        *habit
    }
}

fn list(zone: &str, sub: Option<&str>) -> ApiCall {
    let call = ApiCall::in_zone(Method::GET, zone, &["record"]);
    match sub {
        Some(sub) => call.query("subDomain", sub),
        None => call,
    }
}

async fn expanded(api: &OvhApi, zone: &str, sub: Option<&str>) -> Result<Page, OvhError> {
    let mut records = Vec::new();
    for number in 1..=PAGES_MAX {
        let call = list(zone, sub)
            .header("X-Pagination-Mode", "CachedObjectList-Pages")
            .header("X-Pagination-Size", &PAGE_ROWS.to_string())
            .header("X-Pagination-Number", &number.to_string())
            .header("Pragma", "no-cache");
        let page = match page(api.json(&call).await?)? {
            Page::Records(page) => page,
            Page::Ids(ids) if number == 1 => return Ok(Page::Ids(ids)),
            Page::Ids(_) => return Err(OvhError::Nonsense("rows on one page, ids on the next".to_owned())),
        };
        let is_last = page.len() < PAGE_ROWS;
        records.extend(page);
        if !is_last {
            continue;
        }
        if number > 1 {
            check_complete(api, zone, sub, &records).await?;
        }
        return Ok(Page::Records(records));
    }
    Err(OvhError::Nonsense(format!("more than {} rows in one zone", PAGES_MAX * PAGE_ROWS)))
}

fn page(items: Vec<Json>) -> Result<Page, OvhError> {
    let strange = |error: serde_json::Error| OvhError::Nonsense(format!("a list of records, but {error}"));
    if items.first().is_some_and(Json::is_number) {
        let ids = items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>().map_err(strange)?;
        return Ok(Page::Ids(ids));
    }
    let records = items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>().map_err(strange)?;
    Ok(Page::Records(records))
}

/// Pages may have moved while they were turned: all ids must be there, once.
async fn check_complete(api: &OvhApi, zone: &str, sub: Option<&str>, records: &[WireRecord]) -> Result<(), OvhError> {
    let ids: Vec<u64> = api.json(&list(zone, sub)).await?;
    if is_complete(&ids, records) {
        Ok(())
    } else {
        Err(OvhError::Nonsense("the zone changed while its pages were read".to_owned()))
    }
}

fn is_complete(ids: &[u64], records: &[WireRecord]) -> bool {
    let listed: BTreeSet<u64> = ids.iter().copied().collect();
    let read: BTreeSet<u64> = records.iter().map(|record| record.id).collect();
    listed == read && read.len() == records.len()
}

/// `None` = this way is not understood.
async fn batches(api: &OvhApi, zone: &str, ids: &[u64]) -> Result<Option<Vec<WireRecord>>, OvhError> {
    let mut records = Vec::new();
    for chunk in ids.chunks(BATCH_IDS_MAX) {
        let texts: Vec<String> = chunk.iter().map(u64::to_string).collect();
        let call = ApiCall::in_zone(Method::GET, zone, &["record", &texts.join(",")]).header("X-Ovh-Batch", ",");
        let items: Vec<Json> = match api.call(&call).await {
            Ok(answer) => match answer.json() {
                Some(items) => items,
                None => return Ok(None),
            },
            Err(OvhError::Refused { status: 400 | 404 | 405, .. }) => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        if items.len() != chunk.len() {
            return Ok(None);
        }
        for item in items {
            match batched(item) {
                Some(Ok(record)) => records.push(record),
                Some(Err(trouble)) if trouble.is_gone() => (),
                Some(Err(trouble)) => return Err(trouble),
                None => return Ok(None),
            }
        }
    }
    Ok(Some(records))
}

/// `{key, value, error}`, of which only `value` is known for sure.
fn batched(item: Json) -> Option<Result<WireRecord, OvhError>> {
    let value = item.get("value").unwrap_or(&item);
    if let Ok(record) = serde_json::from_value(value.clone()) {
        return Some(Ok(record));
    }
    let words = item.get("error")?.get("message")?.as_str()?.to_owned();
    let status = if words.contains("does not exist") { 404 } else { 500 };
    Some(Err(OvhError::Refused { status, code: String::new(), words, after: None, request_id: String::new() }))
}

async fn read_one_by_one(api: &OvhApi, zone: &str, ids: &[u64]) -> Result<Vec<WireRecord>, OvhError> {
    if ids.len() > SINGLE_ROWS_MAX {
        let count = ids.len();
        return Err(OvhError::Nonsense(format!(
            "{count} rows, which OVH shows one by one only: more than can be read"
        )));
    }
    let mut records = Vec::new();
    for id in ids {
        match api.json(&ApiCall::in_zone(Method::GET, zone, &["record", &id.to_string()])).await {
            Ok(record) => records.push(record),
            Err(trouble) if trouble.is_gone() => (),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(records)
}

fn row(record: WireRecord, zone: &str) -> ZoneRow {
    ZoneRow {
        id: record.id,
        name: full_name(record.sub_domain.as_deref().unwrap_or_default(), zone),
        record_type: dns_type(&record.field_type).to_owned(),
        value: value_of(&record.field_type, &record.target, zone),
        native_type: record.field_type,
        ttl: record.ttl.unwrap_or(0),
    }
}

/// A sub-domain that stands for itself in a pattern, but for `_`, which also matches what is filtered out later. One in `xn--`
/// form may be stored in Unicode.
fn is_plain(sub: &str) -> bool {
    !sub.is_empty()
        && !sub.contains("xn--")
        && sub.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_are_told_from_ids() {
        let record =
            json!({"id": 1, "zone": "z", "subDomain": null, "fieldType": "A", "target": "192.0.2.1", "ttl": null});
        assert!(matches!(page(vec![record]), Ok(Page::Records(records)) if records.len() == 1));
        assert!(matches!(page(vec![json!(1), json!(2)]), Ok(Page::Ids(ids)) if ids == [1, 2]));
        assert!(matches!(page(Vec::new()), Ok(Page::Records(records)) if records.is_empty()));
        assert!(page(vec![json!("x")]).is_err());
        assert!(page(vec![json!(1), json!({})]).is_err());
    }

    #[test]
    fn batch_items_come_in_more_than_one_shape() {
        let record = json!({"id": 7, "fieldType": "A", "target": "192.0.2.1"});
        let in_envelope = json!({"key": "7", "value": record, "error": null});
        assert!(matches!(batched(in_envelope), Some(Ok(WireRecord { id: 7, .. }))));
        assert!(matches!(batched(record), Some(Ok(WireRecord { id: 7, .. }))));
        let gone =
            json!({"key": "7", "value": null, "error": {"message": "The requested object (id = 7) does not exist"}});
        assert!(matches!(batched(gone), Some(Err(trouble)) if trouble.is_gone()));
        let broken = json!({"key": "7", "value": null, "error": {"message": "Internal server error"}});
        assert!(matches!(batched(broken), Some(Err(trouble)) if !trouble.is_gone()));
        assert!(batched(json!(7)).is_none());
    }

    #[test]
    fn pages_that_moved_are_noticed() {
        let record = |id: u64| WireRecord {
            id,
            sub_domain: None,
            field_type: "A".to_owned(),
            target: "192.0.2.1".to_owned(),
            ttl: None,
        };
        assert!(is_complete(&[1, 2], &[record(2), record(1)]));
        assert!(!is_complete(&[1, 2], &[record(1)]), "one slipped between two pages");
        assert!(!is_complete(&[1, 2], &[record(1), record(2), record(2)]), "one stood on both");
        assert!(!is_complete(&[1], &[record(1), record(2)]), "one is gone");
    }

    #[test]
    fn only_plain_names_are_filtered_for() {
        assert!(is_plain("cloud") && is_plain("_amarre.cloud"));
        assert!(!is_plain("") && !is_plain("*.lab") && !is_plain("xn--bcher-kva") && !is_plain("50%"));
    }
}
