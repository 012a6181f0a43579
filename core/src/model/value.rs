//! Values of fields. A secret is a variant of its own: its plain text never gets here.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use foldhash::quality::RandomState;
use serde::ser::SerializeStructVariant as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::address::{Address, ProviderId};

/// The name of a secret, as in `{secret: cloud/db}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretName(pub String);

impl SecretName {
    /// Whether it is one of Amarre's own, which no manifest can name: they have a space.
    pub fn is_own(&self) -> bool {
        self.0.contains(' ')
    }
}

/// HMAC of a secret's value under the instance's key: equal marks, equal values; useless without the key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark(pub String);

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// One value. What is rare is boxed: there are tens of them in each resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Known to be none (NPM: no certificate).
    None,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    Text(String),
    /// Values in order; compared without order under [`Rule::Set`](super::Rule::Set).
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
    /// A secret: which one, and its mark. An observed one has no name.
    Secret {
        /// Which one; empty when observed.
        name: Box<SecretName>,
        /// For comparison only.
        mark: Box<Mark>,
    },
    /// A value that another resource has once it is there.
    Output {
        of: Box<Address>,
        /// Which field of it.
        field: Box<str>,
    },
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    /// A list of texts.
    pub fn texts<I: IntoIterator<Item = S>, S: Into<String>>(texts: I) -> Self {
        Value::List(texts.into_iter().map(|text| Value::Text(text.into())).collect())
    }

    pub fn secret(name: SecretName, mark: Mark) -> Self {
        Value::Secret { name: Box::new(name), mark: Box::new(mark) }
    }

    /// What `field` of another resource will be.
    pub fn output(of: Address, field: &str) -> Self {
        Value::Output { of: Box::new(of), field: field.into() }
    }

    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// The number, when it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(number) = self { Some(*number) } else { None }
    }

    /// The flag, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(flag) = self { Some(*flag) } else { None }
    }

    /// The items; none when it is not a list.
    pub fn items(&self) -> &[Value] {
        if let Value::List(items) = self { items } else { &[] }
    }

    /// The entries, when it is a map.
    pub fn entries(&self) -> Option<&BTreeMap<String, Value>> {
        if let Value::Map(entries) = self { Some(entries) } else { None }
    }

    /// The texts of a list of texts.
    pub fn strings(&self) -> Vec<&str> {
        self.items().iter().filter_map(Value::as_text).collect()
    }

    /// Whether this or anything in it is a secret.
    pub fn is_sensitive(&self) -> bool {
        self.any(&|value| matches!(value, Value::Secret { .. }))
    }

    /// Whether this or anything in it is known only later.
    pub fn is_unresolved(&self) -> bool {
        self.any(&|value| matches!(value, Value::Output { .. }))
    }

    /// The resources of a provider on which it depends.
    pub fn outputs_of(&self, provider: &ProviderId, found: &mut BTreeSet<Address>) {
        match self {
            Value::Output { of, .. } if of.provider == *provider => drop(found.insert(Address::clone(of))),
            Value::List(items) => items.iter().for_each(|item| item.outputs_of(provider, found)),
            Value::Map(entries) => entries.values().for_each(|item| item.outputs_of(provider, found)),
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::Secret { .. }
            | Value::Output { .. } => (),
        }
    }

    /// The names of the secrets in it.
    pub fn secret_names<'v>(&'v self, names: &mut BTreeSet<&'v SecretName>) {
        match self {
            Value::Secret { name, .. } => {
                names.insert(name);
            }
            Value::List(items) => items.iter().for_each(|item| item.secret_names(names)),
            Value::Map(entries) => entries.values().for_each(|item| item.secret_names(names)),
            Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Output { .. } => (),
        }
    }

    fn any(&self, test: &dyn Fn(&Value) -> bool) -> bool {
        match self {
            Value::List(items) => items.iter().any(|item| item.any(test)),
            Value::Map(entries) => entries.values().any(|item| item.any(test)),
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::Secret { .. }
            | Value::Output { .. } => test(self),
        }
    }
}

/// What a digest may cover of a value: secrets by name only, outputs not at all. Written as the value itself would be.
struct Covered<'a>(&'a Value);

impl<'a> Covered<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        (!matches!(value, Value::Output { .. })).then_some(Self(value))
    }
}

/// The items of a list that a digest covers.
struct CoveredItems<'a>(&'a [Value]);

/// The entries of a map that a digest covers.
struct CoveredEntries<'a>(&'a BTreeMap<String, Value>);

/// The fields that a digest covers.
struct CoveredFields<'a, F>(&'a Fields, F);

impl Serialize for Covered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::List(items) => serializer.serialize_newtype_variant("Value", 4, "list", &CoveredItems(items)),
            Value::Map(entries) => serializer.serialize_newtype_variant("Value", 5, "map", &CoveredEntries(entries)),
            Value::Secret { name, .. } => {
                let mut secret = serializer.serialize_struct_variant("Value", 6, "secret", 2)?;
                secret.serialize_field("name", name)?;
                secret.serialize_field("mark", "")?;
                secret.end()
            }
            Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Output { .. } => {
                self.0.serialize(serializer)
            }
        }
    }
}

impl Serialize for CoveredItems<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().filter_map(Covered::of))
    }
}

impl<F: Fn(&str) -> bool> Serialize for CoveredFields<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let covered = self.0.iter().filter(|(name, _)| (self.1)(name));
        serializer.collect_map(covered.filter_map(|(name, value)| Some((name, Covered::of(value)?))))
    }
}

impl Serialize for CoveredEntries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter_map(|(key, item)| Some((key, Covered::of(item)?))))
    }
}

/// As people read it; a secret is `(sensitive)`, an output `(known after …)`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::None => f.write_str("(none)"),
            Value::Bool(flag) => write!(f, "{flag}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::List(items) => {
                let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(", "))
            }
            Value::Map(entries) => {
                let texts: Vec<String> = entries.iter().map(|(key, value)| format!("{key}={value}")).collect();
                f.write_str(&texts.join(", "))
            }
            Value::Secret { .. } => f.write_str("(sensitive)"),
            Value::Output { of, .. } => write!(f, "(known after {} {})", of.kind.label(), of.name),
        }
    }
}

/// `environment.TZ`: a field, or an entry of a map in it.
pub type FieldPath = String;

/// The name of a field: most are of the tables of kinds, and need no memory of their own.
pub type FieldName = Cow<'static, str>;

/// The fields of one resource, in order of their names. What is absent is not managed.
///
/// A copy shares what it was made of until one of the two is changed: each look copies all that it knows, and changes
/// little of it. Copies share their hash, too, which is made once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Arc<FieldList>);

#[derive(Default)]
struct FieldList {
    list: Vec<(FieldName, Value)>,
    hash: OnceLock<u64>,
    /// A bit for each name that there is: see [`bit_of`].
    names: OnceLock<u64>,
}

/// For a copy that is about to be changed.
impl Clone for FieldList {
    fn clone(&self) -> Self {
        Self { list: self.list.clone(), ..Self::default() }
    }
}

impl PartialEq for FieldList {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for FieldList {}

impl Hash for Fields {
    fn hash<H: Hasher>(&self, state: &mut H) {
        /// Of this process, so that no two lists of fields can be written that have one hash.
        static KEY: OnceLock<RandomState> = OnceLock::new();
        let hash = self.0.hash.get_or_init(|| KEY.get_or_init(RandomState::default).hash_one(&self.0.list));
        state.write_u64(*hash);
    }
}

impl Fields {
    pub fn get(&self, name: &str) -> Option<&Value> {
        let names = self.0.names.get_or_init(|| self.names().fold(0, |all, name| all | bit_of(name)));
        // A resource has a few of the fields of its kind, and each is asked for.
        if names & bit_of(name) == 0 {
            return None;
        }
        let at = self.at(name).ok()?;
        self.0.list.get(at).map(|(_, value)| value)
    }

    /// All of them, to be changed.
    fn list_mut(&mut self) -> &mut Vec<(FieldName, Value)> {
        let all = Arc::make_mut(&mut self.0);
        (all.hash, all.names) = Default::default();
        &mut all.list
    }

    /// Sets one field.
    pub fn set(&mut self, name: impl Into<FieldName>, value: Value) {
        let name = name.into();
        let at = self.at(&name);
        let fields = self.list_mut();
        match at.map(|at| fields.get_mut(at)) {
            Ok(Some((_, old))) => *old = value,
            Ok(None) => (),
            Err(at) => fields.insert(at, (name, value)),
        }
    }

    /// Takes one field away, and answers what it was.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.at(name).ok()?;
        Some(self.list_mut().remove(at).1)
    }

    /// Where a field is, or would be.
    fn at(&self, name: &str) -> Result<usize, usize> {
        self.0.list.binary_search_by(|(known, _)| order(known, name))
    }

    /// All fields.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&FieldName, &Value)> {
        self.0.list.iter().map(|(name, value)| (name, value))
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &FieldName> {
        self.iter().map(|(name, _)| name)
    }

    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.iter().map(|(_, value)| value)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.list.is_empty()
    }

    /// Leaves those fields of which it holds.
    pub fn retain(&mut self, mut stays: impl FnMut(&FieldName, &Value) -> bool) {
        if !self.iter().all(|(name, value)| stays(name, value)) {
            self.list_mut().retain(|(name, value)| stays(name, value));
        }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: impl Into<FieldName>, value: Value) -> Self {
        self.set(name, value);
        self
    }

    /// The text of a field, when it has one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_text)
    }

    /// The flag of a field, when it has one.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(Value::as_bool)
    }

    /// The texts of a field; none when it is absent.
    pub fn strings(&self, name: &str) -> Vec<&str> {
        self.get(name).map(Value::strings).unwrap_or_default()
    }

    /// Whether any value is known only later.
    pub fn is_unresolved(&self) -> bool {
        self.values().any(Value::is_unresolved)
    }

    /// The same bytes for the same fields: 12 hex digits of SHA-256, secrets by name only, outputs left out.
    pub fn digest(&self) -> String {
        self.digest_where(|_| true)
    }

    /// As [`Fields::digest`], of some of the fields only.
    pub fn digest_where(&self, is_covered: impl Fn(&str) -> bool) -> String {
        digest_of(&CoveredFields(self, is_covered))
    }

    /// As [`Fields::digest`], marks of secrets included: tells whether *anything* changed. Ledger only.
    pub fn marked_digest(&self) -> String {
        digest_of(self)
    }
}

/// One of 64 bits, mostly another one for another name: by its length, its first and its last byte.
#[inline]
fn bit_of(name: &str) -> u64 {
    let byte = |byte: Option<&u8>| u64::from(byte.copied().unwrap_or_default());
    let bytes = name.as_bytes();
    let mixed = name.len() as u64 ^ byte(bytes.first()).wrapping_mul(7) ^ byte(bytes.last()).wrapping_mul(29);
    1 << (mixed & 63)
}

/// As texts are ordered. Names of fields are short and differ early: comparing them here is twice as fast as asking
/// the C library.
#[inline]
fn order(one: &str, other: &str) -> std::cmp::Ordering {
    let mut pairs = one.bytes().zip(other.bytes());
    match pairs.find(|(one, other)| one != other) {
        Some((one, other)) => one.cmp(&other),
        None => one.len().cmp(&other.len()),
    }
}

impl Extend<(FieldName, Value)> for Fields {
    fn extend<I: IntoIterator<Item = (FieldName, Value)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.set(name, value);
        }
    }
}

impl FromIterator<(FieldName, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (FieldName, Value)>>(fields: I) -> Self {
        let mut all = Self::default();
        all.extend(fields);
        all
    }
}

impl IntoIterator for Fields {
    type Item = (FieldName, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).list.into_iter()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // In order of their names, as they are kept.
        let fields = BTreeMap::<FieldName, Value>::deserialize(deserializer)?;
        Ok(Self(Arc::new(FieldList { list: fields.into_iter().collect(), ..FieldList::default() })))
    }
}

fn digest_of<T: Serialize>(value: &T) -> String {
    // Maps are ordered and values are plain data, so serialising cannot fail.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(&Sha256::digest(bytes)[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan is kept while the hashes of what it was made of are equal.
    #[test]
    fn what_is_kept_of_fields_follows_each_change() {
        let key = RandomState::default();
        let hash_of = |fields: &Fields| key.hash_one(fields);
        let before = Fields::default().with("image", Value::text("web:1"));
        let hash = hash_of(&before);
        let changes: [fn(&mut Fields); 4] = [
            |fields| fields.set("image", Value::text("web:2")),
            |fields| fields.set("user", Value::text("root")),
            |fields| drop(fields.remove("image")),
            |fields| fields.retain(|_, _| false),
        ];
        for change in changes {
            let mut alone = Fields::default().with("image", Value::text("web:1"));
            assert_eq!(hash_of(&alone), hash, "of equal fields");
            let mut copy = before.clone();
            assert!(copy.get("image").is_some() && copy.get("user").is_none());
            change(&mut copy);
            change(&mut alone);
            assert!(hash_of(&copy) != hash && hash_of(&alone) == hash_of(&copy), "{copy:?}");
            let found = ["image", "user"].map(|name| copy.get(name).is_some());
            assert_eq!(found, ["image", "user"].map(|name| copy.names().any(|known| known == name)), "{copy:?}");
        }
        assert_eq!(hash_of(&before), hash);
    }
}
