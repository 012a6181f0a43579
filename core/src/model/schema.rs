//! What the planner knows of a kind: its fields, how each is compared, and what it claims for itself.
#![warn(missing_docs)]

use super::kinds::Kind;
use super::value::Fields;

/// How a field is compared and what a difference leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Changed in place.
    Update,
    /// Changed in place; the order of a list does not matter, and a map is all that there is to be.
    Set,
    /// A difference needs a new generation; covered by the spec's digest.
    Generation,
    /// A difference needs a new generation, but the value is not known when the digest is made.
    Volatile,
    /// A list: what is there and is not wanted needs a new generation, and what is not there comes with the next one.
    AtMost,
    /// Cannot be changed once made; a difference is held.
    Fixed,
    /// Chosen at creation and observed from then on; never compared.
    Observed,
}

/// One field of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, the same in manifest, code, ledger, API and screen where they share it.
    pub name: &'static str,
    /// How it is compared.
    pub rule: Rule,
    /// What it goes back to when a manifest no longer sets it, as JSON of [`Value`](super::Value); `None` = cannot.
    pub default: Option<&'static str>,
}

impl Field {
    /// A field without default.
    pub const fn new(name: &'static str, rule: Rule) -> Self {
        Self { name, rule, default: None }
    }

    /// With the value that it goes back to.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }
}

/// One kind of resource as a provider offers it.
#[derive(Debug, Clone, Copy)]
pub struct KindSchema {
    /// Which kind.
    pub kind: Kind,
    /// Every field, by name.
    pub fields: &'static [Field],
    /// The field whose texts nobody else at this provider may hold (a container's name, a host's domains).
    pub claims: Option<&'static str>,
}

impl KindSchema {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A typed resource: crosses to and from [`Fields`] here and nowhere else.
pub trait Typed: Sized {
    /// Its schema.
    const SCHEMA: KindSchema;

    /// As fields; what is `None` is left out, for absent means "not managed".
    fn fields(&self) -> Fields;

    /// From fields, none of them unresolved.
    ///
    /// # Errors
    /// A field is missing, unknown or of another type; the sentence names it.
    fn from_fields(fields: &Fields) -> Result<Self, String>;
}

/// The fields that a table leaves out.
pub fn unknown_fields(schema: &KindSchema, fields: &Fields) -> Vec<String> {
    fields.names().filter(|name| schema.field(name).is_none()).map(ToString::to_string).collect()
}
