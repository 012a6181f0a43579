//! The keys of `amarre.yaml`, derived from the types that read it: no second list of keys to maintain.
//!
//! A type is probed for what it expects at one path after the other: the deserializer serves the path with one key a
//! level, and records the request at its end. The probe itself always fails, on purpose.

use serde::de::value::StrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};

/// The expected shape at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Keys, each with its own shape.
    Keys(Vec<(&'static str, Shape)>),
    /// Any names, all with one shape.
    Names(Box<Shape>),
    /// Several values.
    List,
    Flag,
    Number,
    Text,
    /// Several forms: a secret, one or several, a short form.
    Any,
}

impl Shape {
    /// The shape of a type.
    pub(super) fn new<T: for<'de> Deserialize<'de>>() -> Self {
        below::<T>(&[])
    }
}

fn below<T: for<'de> Deserialize<'de>>(path: &[&'static str]) -> Shape {
    // The probed path always ends in an error that carries the answer.
    let Err(CollectedKeys(asked)) = T::deserialize(KeyProbe { path }) else { return Shape::Any };
    match asked {
        KeyQuestion::Struct(fields) => {
            let deeper = |field: &&'static str| (*field, below::<T>(&[path, &[*field]].concat()));
            Shape::Keys(fields.iter().map(deeper).collect())
        }
        KeyQuestion::Map => Shape::Names(Box::new(below::<T>(&[path, &["name"]].concat()))),
        KeyQuestion::List => Shape::List,
        KeyQuestion::Flag => Shape::Flag,
        KeyQuestion::Number => Shape::Number,
        KeyQuestion::Text => Shape::Text,
        KeyQuestion::Any => Shape::Any,
    }
}

#[derive(Debug, Clone, Copy)]
enum KeyQuestion {
    Struct(&'static [&'static str]),
    Map,
    List,
    Flag,
    Number,
    Text,
    Any,
}

/// The answer travels as an error.
#[derive(Debug)]
struct CollectedKeys(KeyQuestion);

impl std::fmt::Display for CollectedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a shape was asked for")
    }
}

impl std::error::Error for CollectedKeys {}

impl de::Error for CollectedKeys {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        CollectedKeys(KeyQuestion::Any)
    }
}

/// Serves the keys of `path`, then answers.
struct KeyProbe<'a> {
    path: &'a [&'static str],
}

impl<'de> Deserializer<'de> for KeyProbe<'_> {
    type Error = CollectedKeys;

    serde::forward_to_deserialize_any! { ignored_any unit bytes byte_buf }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Any))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::List))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Flag))
    }

    fn deserialize_i8<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_i16<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_i32<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_i64<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_u8<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_u16<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_u32<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Number))
    }

    fn deserialize_char<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Text))
    }

    fn deserialize_str<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Text))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Text))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CollectedKeys> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CollectedKeys> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Any))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::List))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        _: V,
    ) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::List))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, CollectedKeys> {
        Err(CollectedKeys(KeyQuestion::Text))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CollectedKeys> {
        match self.path.split_first() {
            Some((key, rest)) => visitor.visit_map(OneKey { key: Some(*key), rest }),
            None => Err(CollectedKeys(KeyQuestion::Map)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CollectedKeys> {
        match self.path.split_first() {
            Some((key, rest)) => visitor.visit_map(OneKey { key: Some(*key), rest }),
            None => Err(CollectedKeys(KeyQuestion::Struct(fields))),
        }
    }
}

struct OneKey<'a> {
    key: Option<&'static str>,
    rest: &'a [&'static str],
}

impl<'de> MapAccess<'de> for OneKey<'_> {
    type Error = CollectedKeys;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, CollectedKeys> {
        self.key.take().map(|key| seed.deserialize(StrDeserializer::new(key))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, CollectedKeys> {
        seed.deserialize(KeyProbe { path: self.rest })
    }
}
