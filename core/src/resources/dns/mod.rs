//! What a provider of DNS zones holds, typed: zones and record sets, with their tables. Pure.
//!
//! A record set is all values of one name and type: that is what DNS answers and what people think
//! of; the rows behind it are the vendor's business.

use std::collections::BTreeSet;

use crate::model::schema::unknown_fields;
use crate::model::{Field, Fields, Kind, KindSchema, Rule, Typed, Value};
use crate::resources::Objection;

use self::spelling::spell;

pub mod spelling;

/// Everything that an account is asked for.
pub const KINDS: &[KindSchema] = &[Zone::SCHEMA, RecordSet::SCHEMA];

/// The vendor takes 0 (the zone's own) or at least this.
const TTL_SECONDS_MIN: i64 = 60;
/// RFC 2181 §8: 31 bits.
const TTL_SECONDS_MAX: i64 = 2_147_483_647;
/// The TTL that the vendor's zones begin with.
pub const TTL_SECONDS_USUAL: u32 = 3600;
/// More values than this in one answer do not fit into what resolvers take over UDP, by far.
const VALUES_MAX: usize = 100;
/// Far above every key and policy seen; the whole answer must fit into 64 KiB.
const VALUE_BYTES_MAX: usize = 4096;

/// All values of one name and type. The address names both: `cloud.example.org/A`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// In the product's spelling; order does not matter.
    pub values: Vec<String>,
    /// Seconds. Observed 0 = the rows disagree.
    pub ttl: Option<u32>,
    /// Our registry TXT is there, once, signed by the key that signs now.
    pub mark: Option<bool>,
    /// What is to be said of the signature of one that is there and not so. Observed.
    pub signature: Option<String>,
}

impl Typed for RecordSet {
    const SCHEMA: KindSchema = KindSchema {
        kind: Kind::Record,
        fields: &[
            Field::new("values", Rule::Set),
            Field::new("ttl", Rule::Update).default(r#"{"int":3600}"#),
            // Nobody wants a record of ours without its mark: there is one value to ask for.
            Field::new("mark", Rule::Update),
            Field::new("signature", Rule::Observed),
        ],
        claims: None,
    };

    fn fields(&self) -> Fields {
        let mut fields = Fields::default().with("values", Value::texts(&self.values));
        if let Some(ttl) = self.ttl {
            fields.set("ttl", Value::Int(i64::from(ttl)));
        }
        if let Some(mark) = self.mark {
            fields.set("mark", Value::Bool(mark));
        }
        if let Some(signature) = &self.signature {
            fields.set("signature", Value::text(signature));
        }
        fields
    }

    fn from_fields(fields: &Fields) -> Result<Self, String> {
        refuse_unknown(&Self::SCHEMA, fields)?;
        let values = texts(fields, "values")?;
        let ttl = match fields.get("ttl") {
            None => None,
            Some(value) => Some(ttl_of(value).ok_or("`ttl` is not a number of seconds")?),
        };
        let mark = match fields.get("mark") {
            None => None,
            Some(value) => Some(value.as_bool().ok_or("`mark` is neither true nor false")?),
        };
        let signature = fields.text("signature").map(str::to_owned);
        Ok(Self { values, ttl, mark, signature })
    }
}

/// A zone of the account. Observed, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The names of its servers, with their final dot; none when the zone was not read.
    pub nameservers: Vec<String>,
}

impl Typed for Zone {
    const SCHEMA: KindSchema =
        KindSchema { kind: Kind::Zone, fields: &[Field::new("nameservers", Rule::Observed)], claims: None };

    fn fields(&self) -> Fields {
        Fields::default().with("nameservers", Value::texts(&self.nameservers))
    }

    fn from_fields(fields: &Fields) -> Result<Self, String> {
        refuse_unknown(&Self::SCHEMA, fields)?;
        Ok(Self { nameservers: texts(fields, "nameservers")? })
    }
}

/// Rewrites the fields of a record set to the spelling that is read back.
///
/// Without the record's type only what holds for every type is looked at: the spelling of values depends on it.
///
/// # Errors
/// The vendor would refuse the value.
pub fn normalize(kind: Kind, record_type: Option<&str>, fields: &mut Fields) -> Result<(), Objection> {
    if kind != Kind::Record {
        return Ok(());
    }
    if let Some(ttl) = fields.get("ttl") {
        let seconds = normal_ttl(ttl)?;
        fields.set("ttl", Value::Int(seconds));
    }
    let Some(values) = fields.get("values") else { return Ok(()) };
    if values.is_unresolved() {
        return Ok(());
    }
    let spelled = normal_values(record_type, values)?;
    fields.set("values", Value::texts(spelled));
    Ok(())
}

fn normal_ttl(ttl: &Value) -> Result<i64, Objection> {
    match ttl.as_int() {
        // 0 stands for the zone's own, which is read back as the number it stands for.
        Some(0) => Ok(i64::from(TTL_SECONDS_USUAL)),
        Some(seconds) if (TTL_SECONDS_MIN..=TTL_SECONDS_MAX).contains(&seconds) => Ok(seconds),
        Some(seconds) => {
            Err(objection("ttl", format!("a ttl of {seconds} s is not possible: OVH takes 60 s or more, or 0")))
        }
        None => Err(objection("ttl", "the ttl is not a number of seconds")),
    }
}

fn normal_values(record_type: Option<&str>, values: &Value) -> Result<BTreeSet<String>, Objection> {
    let texts = values.strings();
    if texts.is_empty() || texts.len() != values.items().len() {
        return Err(objection("values", "a record needs at least one value, and each must be text"));
    }
    if texts.len() > VALUES_MAX {
        return Err(objection("values", format!("{} values are too many for one record: {VALUES_MAX}", texts.len())));
    }
    let mut spelled = BTreeSet::new();
    for text in texts {
        if text.is_empty() || text.len() > VALUE_BYTES_MAX || text.chars().any(char::is_control) {
            let message = format!("a value must be 1 to {VALUE_BYTES_MAX} bytes without control characters");
            return Err(objection("values", message));
        }
        let value = match record_type {
            None => text.to_owned(),
            Some(record_type) => spell(record_type, text, None).map_err(|message| objection("values", message))?,
        };
        spelled.insert(value);
    }
    Ok(spelled)
}

fn objection(field: &str, message: impl Into<String>) -> Objection {
    Objection { field: field.to_owned(), message: message.into() }
}

fn ttl_of(value: &Value) -> Option<u32> {
    u32::try_from(value.as_int()?).ok()
}

fn texts(fields: &Fields, name: &str) -> Result<Vec<String>, String> {
    let items = fields.get(name).map(Value::items).unwrap_or_default();
    let texts: Vec<String> = fields.strings(name).into_iter().map(str::to_owned).collect();
    if fields.get(name).is_none() || texts.len() != items.len() {
        return Err(format!("`{name}` is not a list of texts"));
    }
    Ok(texts)
}

fn refuse_unknown(schema: &KindSchema, fields: &Fields) -> Result<(), String> {
    match unknown_fields(schema, fields).first() {
        Some(name) => Err(format!("`{name}` is no field of a {}", schema.kind)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_structs_agree() {
        let mut set = RecordSet { values: vec!["192.0.2.1".into()], ttl: Some(60), mark: Some(true), signature: None };
        assert_eq!(RecordSet::from_fields(&set.fields()).unwrap(), set);
        (set.mark, set.signature) = (Some(false), Some("unsigned".into()));
        assert_eq!(RecordSet::from_fields(&set.fields()).unwrap(), set);
        let bare = RecordSet { values: vec!["a".into()], ttl: None, mark: None, signature: None };
        assert_eq!(RecordSet::from_fields(&bare.fields()).unwrap(), bare);
        let zone = Zone { nameservers: vec!["ns1.example.net.".into()] };
        assert_eq!(Zone::from_fields(&zone.fields()).unwrap(), zone);
        assert!(RecordSet::from_fields(&set.fields().with("type", Value::text("A"))).is_err());
    }

    #[test]
    fn normalizing_twice_is_normalizing_once() {
        for (record_type, value) in [
            ("AAAA", "2001:DB8:0::1"),
            ("CNAME", "Legacy.Example.org"),
            ("MX", "10   Mail.example.org."),
            ("TXT", "v=spf1 -all"),
            ("CAA", "0  issue letsencrypt.org"),
        ] {
            let mut fields = Fields::default().with("values", Value::texts([value])).with("ttl", Value::Int(0));
            normalize(Kind::Record, Some(record_type), &mut fields).unwrap();
            let once = fields.clone();
            normalize(Kind::Record, Some(record_type), &mut fields).unwrap();
            assert_eq!(fields, once);
            assert_eq!(fields.get("ttl"), Some(&Value::Int(3600)));
        }
    }

    #[test]
    fn impossible_values_are_refused_with_a_sentence() {
        for fields in [
            Fields::default().with("ttl", Value::Int(59)),
            Fields::default().with("ttl", Value::text("1h")),
            Fields::default().with("values", Value::List(Vec::new())),
            Fields::default().with("values", Value::texts(["a\nb"])),
            Fields::default().with("values", Value::texts([""])),
        ] {
            let refusal = normalize(Kind::Record, None, &mut fields.clone()).unwrap_err();
            assert!(!refusal.message.ends_with('.'), "{refusal}");
        }
        let mut address = Fields::default().with("values", Value::texts(["203.0.113.256"]));
        assert!(normalize(Kind::Record, Some("A"), &mut address).is_err());
    }
}
