//! Rows of a zone → what stands at each name and type: values, time to live, whose mark. Pure.
//!
//! The same function serves a look and the check just before a change, so both see the same digest.

use std::collections::{BTreeMap, BTreeSet};

use crate::secret::MarkKey;
use amarre_core::model::{Fields, Owner, Site, Typed};

use amarre_core::resources::dns::spelling::spell;

use super::ownership::{Proof, RegistryValue, registered_name};
use amarre_core::resources::dns::{RecordSet, TTL_SECONDS_USUAL};

/// One row of a zone, as its provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneRow {
    /// The provider's number of it; not kept anywhere, for a change in text form may renew them all.
    pub id: u64,
    /// Lower case, no final dot: `cloud.example.org`.
    pub name: String,
    /// The type that DNS knows.
    pub record_type: String,
    /// What the provider calls the type: OVH has SPF, DKIM and DMARC for TXT.
    pub native_type: String,
    /// In the product's spelling.
    pub value: String,
    /// Seconds; 0 = the zone's own.
    pub ttl: u32,
}

/// A name and a DNS type.
pub type SetKey = (String, String);

/// Everything in a zone, by name and type.
pub type Sets = BTreeMap<SetKey, HeldSet>;

/// What a zone holds for one name and type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldSet {
    /// The rows, in order of id.
    pub rows: Vec<HeldRow>,
    /// The registry values about them, in order of id.
    pub marks: Vec<HeldMark>,
}

/// One row of a record set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRow {
    pub id: u64,
    /// The provider's own type: OVH's SPF rows are part of a TXT set.
    pub native_type: String,
    /// In the product's spelling.
    pub value: String,
    /// Seconds; 0 = the zone's own.
    pub ttl: u32,
}

/// One registry value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldMark {
    pub id: u64,
    pub mark: RegistryValue,
    /// What stands behind it; of another instance's nothing that we could tell.
    pub proof: Proof,
    pub ttl: u32,
}

/// Sorts the rows of `zone`. Rows that a longer zone of the account hides from the world are left out.
pub fn gather(zones: &BTreeSet<String>, zone: &str, rows: &[ZoneRow], key: &MarkKey) -> Sets {
    let mut sets = Sets::new();
    let mut rows: Vec<&ZoneRow> = rows.iter().collect();
    rows.sort_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    for row in rows {
        if Site::zone_of(zones.iter().map(String::as_str), &row.name).is_some_and(|longest| longest != zone) {
            continue;
        }
        let ZoneRow { id, name, record_type, native_type, value, ttl } = row.clone();
        let mark = registered_name(&name)
            .filter(|_| record_type == "TXT")
            .and_then(|name| Some((name, RegistryValue::parse(&value)?)));
        match mark {
            Some((name, mark)) => {
                let proof = mark.proof(&name, key);
                let set = sets.entry((name, mark.record_type.clone())).or_default();
                set.marks.push(HeldMark { id, mark, proof, ttl });
            }
            None => {
                let held = HeldRow { id, native_type, value, ttl };
                sets.entry((name, record_type)).or_default().rows.push(held);
            }
        }
    }
    sets
}

impl HeldSet {
    /// As fields. `registry` = marks count; without it every record counts as marked.
    pub fn fields(&self, instance: &str, registry: bool, default_ttl: Option<u32>) -> Fields {
        let mut values: Vec<String> = self.rows.iter().map(|row| row.value.clone()).collect();
        values.sort();
        // One that stands there twice, as after a lost answer and an old list, is written as one that is missing.
        let claims: Vec<&HeldMark> = self.claims(instance).collect();
        let is_right = matches!(claims.as_slice(), [one] if one.proof == Proof::Signed);
        let is_signed = claims.iter().any(|claim| claim.proof == Proof::Signed);
        let signature = claims.first().filter(|_| registry && !is_signed).and_then(|claim| claim.proof.word());
        let signature = signature.map(str::to_owned);
        RecordSet { values, ttl: Some(self.ttl(default_ttl)), mark: Some(!registry || is_right), signature }.fields()
    }

    /// Registry values that say it is this instance's: anybody who may write there can say so.
    pub fn claims(&self, instance: &str) -> impl Iterator<Item = &HeldMark> {
        self.marks.iter().filter(move |held| held.mark.instance == instance)
    }

    /// Whether any row leaves its time to live to the zone.
    pub fn has_default_ttl(&self) -> bool {
        self.rows.iter().any(|row| row.ttl == 0)
    }

    /// The vendor's ids, joined.
    pub fn vendor_id(&self) -> String {
        let ids: Vec<String> = self.rows.iter().map(|row| row.id.to_string()).collect();
        ids.join(",")
    }

    /// The values, in order, each as often as it stands there.
    pub fn values(&self) -> Vec<&str> {
        let mut values: Vec<&str> = self.rows.iter().map(|row| row.value.as_str()).collect();
        values.sort_unstable();
        values
    }

    /// The registry value of ours, if there is one: signed by a key of ours, for this name and type.
    pub fn our_mark(&self, instance: &str) -> Option<&HeldMark> {
        self.claims(instance).find(|held| held.proof.holds())
    }

    /// Another instance that says it is its own.
    pub fn other_mark(&self, instance: &str) -> Option<&HeldMark> {
        self.marks.iter().find(|held| held.mark.instance != instance)
    }

    /// Whose it is by its marks alone.
    pub fn owner(&self, instance: &str) -> Owner {
        match (self.our_mark(instance), self.claims(instance).next(), self.other_mark(instance)) {
            (Some(_), _, _) => Owner::Ours,
            (None, Some(_), _) => Owner::Unverified,
            (None, None, Some(other)) => Owner::Other(other.mark.instance.clone()),
            (None, None, None) => Owner::Foreign,
        }
    }

    /// The one time to live of all rows; 0 when they disagree or there are none, which nobody can want.
    fn ttl(&self, default_ttl: Option<u32>) -> u32 {
        let default_ttl = default_ttl.unwrap_or(TTL_SECONDS_USUAL);
        let effective = |ttl: u32| if ttl == 0 { default_ttl } else { ttl };
        let mut ttls: BTreeSet<u32> = self.rows.iter().map(|row| effective(row.ttl)).collect();
        match (ttls.pop_first(), ttls.is_empty()) {
            (Some(ttl), true) => ttl,
            (Some(_) | None, _) => 0,
        }
    }
}

/// One call that brings a record set nearer to what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowChange {
    /// The row, of the provider's own type, gets this value and time to live.
    Put { id: u64, native_type: String, value: String, ttl: u32 },
    /// A new row.
    Post { value: String, ttl: u32 },
    /// The row goes.
    Delete { id: u64 },
}

/// The fewest calls from `held` to these values, as a multiset: rows are used again before any is made or removed.
///
/// `ttl` `None` = as it is. A CNAME suffers no second row even for a moment, so there deletes come first.
pub fn row_changes(
    held: &HeldSet,
    record_type: &str,
    values: &BTreeSet<String>,
    ttl: Option<u32>,
    default_ttl: Option<u32>,
) -> Vec<RowChange> {
    let mut missing: BTreeSet<&String> = values.iter().collect();
    let mut changes = Vec::new();
    let mut spare = Vec::new();
    for row in &held.rows {
        if !missing.remove(&row.value) {
            spare.push(row);
            continue;
        }
        let seconds = if row.ttl == 0 { default_ttl.unwrap_or(TTL_SECONDS_USUAL) } else { row.ttl };
        if let Some(ttl) = ttl.filter(|ttl| *ttl != seconds) {
            changes.push(put(row, &row.value, ttl));
        }
    }
    let mut missing = missing.into_iter();
    let mut surplus = Vec::new();
    for row in spare {
        // The vendor's own types take only their own form: such a row is not used for anything else.
        let is_plain = row.native_type == record_type;
        match if is_plain { missing.next() } else { None } {
            Some(value) => changes.push(put(row, value, ttl.unwrap_or(row.ttl))),
            None => surplus.push(RowChange::Delete { id: row.id }),
        }
    }
    let usual = held.rows.first().map_or(0, |row| row.ttl);
    for value in missing {
        changes.push(RowChange::Post { value: value.clone(), ttl: ttl.unwrap_or(usual) });
    }
    if record_type == "CNAME" {
        surplus.extend(changes);
        return surplus;
    }
    changes.extend(surplus);
    changes
}

fn put(row: &HeldRow, value: &str, ttl: u32) -> RowChange {
    RowChange::Put { id: row.id, native_type: row.native_type.clone(), value: value.to_owned(), ttl }
}

/// Values of any spelling in the one that is compared; what does not parse stays as it is.
pub fn canonical(record_type: &str, values: &[&str]) -> Vec<String> {
    let spelled = |value: &&str| spell(record_type, value, None).unwrap_or_else(|_| (*value).to_owned());
    let mut values: Vec<String> = values.iter().map(spelled).collect();
    values.sort();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn our_key() -> MarkKey {
        MarkKey::new([7; 32])
    }

    /// As we write it for the record of this name.
    fn signed(name: &str, service: &str, record_type: &str) -> String {
        let (instance, service) = ("one".to_owned(), service.to_owned());
        let value = RegistryValue { instance, service, record_type: record_type.to_owned(), signature: None };
        value.signed(name, &our_key()).text()
    }

    fn row(id: u64, name: &str, record_type: &str, value: &str, ttl: u32) -> ZoneRow {
        let (name, record_type, value) = (name.to_owned(), record_type.to_owned(), value.to_owned());
        ZoneRow { id, name, native_type: record_type.clone(), record_type, value, ttl }
    }

    fn sets(rows: &[ZoneRow]) -> Sets {
        let zones = BTreeSet::from(["example.org".to_owned(), "sub.example.org".to_owned()]);
        gather(&zones, "example.org", rows, &our_key())
    }

    fn key(name: &str, record_type: &str) -> SetKey {
        (name.to_owned(), record_type.to_owned())
    }

    #[test]
    fn rows_become_sets_and_marks() {
        let mark = &signed("cloud.example.org", "cloud", "A");
        let sets = sets(&[
            row(3, "cloud.example.org", "A", "192.0.2.2", 60),
            row(2, "cloud.example.org", "A", "192.0.2.1", 60),
            row(4, "_amarre.cloud.example.org", "TXT", mark, 60),
            row(5, "_amarre.cloud.example.org", "TXT", "hello", 60),
            ZoneRow { native_type: "SPF".to_owned(), ..row(6, "example.org", "TXT", "v=spf1 -all", 0) },
            row(7, "example.org", "TXT", "other", 0),
            row(8, "www.sub.example.org", "A", "192.0.2.9", 0),
        ]);
        let cloud = &sets[&key("cloud.example.org", "A")];
        assert_eq!(cloud.values(), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(cloud.vendor_id(), "2,3");
        assert_eq!(cloud.owner("one"), Owner::Ours);
        assert_eq!(cloud.owner("two"), Owner::Other("one".to_owned()));
        assert_eq!(sets[&key("_amarre.cloud.example.org", "TXT")].values(), ["hello"]);
        assert_eq!(sets[&key("example.org", "TXT")].values(), ["other", "v=spf1 -all"]);
        assert!(!sets.contains_key(&key("www.sub.example.org", "A")), "hidden by the longer zone");
    }

    #[test]
    fn a_mark_without_a_record_is_a_set_without_values() {
        let mark = &signed("*.example.org", "cloud", "AAAA");
        let sets = sets(&[row(4, "_amarre._wildcard.example.org", "TXT", mark, 60)]);
        let held = &sets[&key("*.example.org", "AAAA")];
        assert!(held.values().is_empty());
        assert_eq!(held.fields("one", true, None).flag("mark"), Some(true));
    }

    #[test]
    fn a_mark_that_stands_twice_is_not_right() {
        let mark = &signed("cloud.example.org", "cloud", "A");
        let rows = [
            row(1, "cloud.example.org", "A", "192.0.2.1", 60),
            row(2, "_amarre.cloud.example.org", "TXT", mark, 60),
            row(3, "_amarre.cloud.example.org", "TXT", mark, 60),
        ];
        let held = &sets(&rows)[&key("cloud.example.org", "A")];
        assert_eq!(held.fields("one", true, None).flag("mark"), Some(false));
        assert_eq!(held.owner("one"), Owner::Ours);
    }

    #[test]
    fn a_mark_counts_for_its_own_record_only_and_only_signed() {
        let mail = |marks: &[String]| {
            let mut rows = vec![row(1, "mail.example.org", "CNAME", "elsewhere.example.net.", 60)];
            for (mark, id) in marks.iter().zip(2..) {
                rows.push(row(id, "_amarre.mail.example.org", "TXT", mark, 60));
            }
            sets(&rows).remove(&key("mail.example.org", "CNAME")).unwrap()
        };
        let good = signed("mail.example.org", "cloud", "CNAME");
        let plain = "heritage=amarre,instance=one,service=cloud,type=CNAME".to_owned();
        let moved = signed("cloud.example.org", "cloud", "CNAME");
        let renamed = good.replace("service=cloud", "service=forge");
        let guessed = plain.replace("CNAME", &format!("CNAME,sig={}", "0".repeat(32)));
        for forged in [&plain, &moved, &renamed, &guessed] {
            let held = mail(std::slice::from_ref(forged));
            assert_eq!(held.owner("one"), Owner::Unverified, "{forged}");
            assert_eq!(held.fields("one", true, None).flag("mark"), Some(false), "{forged}");
            let beside = mail(&[forged.clone(), good.clone()]);
            assert_eq!(beside.owner("one"), Owner::Ours, "{forged}");
            assert_eq!(beside.our_mark("one").unwrap().mark.service, "cloud", "{forged}");
        }
        assert_eq!(mail(&[plain]).fields("one", true, None).text("signature"), Some("unsigned"));
        let held = mail(&[good]);
        assert_eq!((held.owner("one"), held.fields("one", true, None).text("signature")), (Owner::Ours, None));
        assert_eq!(held.fields("one", true, None).flag("mark"), Some(true));
        assert_eq!(held.owner("two"), Owner::Other("one".to_owned()));
    }

    #[test]
    fn times_to_live_that_disagree_differ_from_every_wish() {
        let of = |ttls: [u32; 2]| {
            let rows = [
                row(1, "a.example.org", "A", "192.0.2.1", ttls[0]),
                row(2, "a.example.org", "A", "192.0.2.2", ttls[1]),
            ];
            sets(&rows)[&key("a.example.org", "A")].ttl(Some(300))
        };
        assert_eq!((of([60, 60]), of([0, 0]), of([0, 300]), of([60, 61])), (60, 300, 300, 0));
    }

    #[track_caller]
    fn check(rows: &[(u64, &str, u32)], values: &[&str], ttl: Option<u32>, expected: &[RowChange]) {
        let rows: Vec<ZoneRow> =
            rows.iter().map(|(id, value, ttl)| row(*id, "a.example.org", "A", value, *ttl)).collect();
        let held = sets(&rows).remove(&key("a.example.org", "A")).unwrap_or_default();
        let values = values.iter().map(|&value| value.to_owned()).collect();
        assert_eq!(row_changes(&held, "A", &values, ttl, None), expected);
    }

    #[test]
    fn rows_are_used_again() {
        let put =
            |id, value: &str, ttl| RowChange::Put { id, native_type: "A".to_owned(), value: value.to_owned(), ttl };
        let post = |value: &str, ttl| RowChange::Post { value: value.to_owned(), ttl };
        check(&[], &["192.0.2.1"], Some(60), &[post("192.0.2.1", 60)]);
        check(&[(1, "192.0.2.1", 60)], &["192.0.2.1"], Some(60), &[]);
        check(&[(1, "192.0.2.1", 0)], &["192.0.2.1"], Some(3600), &[]);
        check(&[(1, "192.0.2.1", 0)], &["192.0.2.1"], None, &[]);
        check(&[(1, "192.0.2.1", 60)], &["192.0.2.1"], Some(90), &[put(1, "192.0.2.1", 90)]);
        check(&[(1, "192.0.2.1", 60)], &["192.0.2.2"], Some(60), &[put(1, "192.0.2.2", 60)]);
        let doubled = [(1, "192.0.2.1", 60), (2, "192.0.2.1", 60)];
        check(&doubled, &["192.0.2.1"], Some(60), &[RowChange::Delete { id: 2 }]);
        check(&doubled, &["192.0.2.1", "192.0.2.2"], Some(60), &[put(2, "192.0.2.2", 60)]);
        check(&[(1, "192.0.2.1", 60)], &["192.0.2.1", "192.0.2.3"], None, &[post("192.0.2.3", 60)]);
    }
}
