//! What a manifest says of how it is kept as a whole, of its data, and of its updates.

use super::kinds::Kind;
use super::site::Mode;
use super::time::Millis;

/// How long a container that somebody stopped is left alone, unless its manifest says otherwise.
const STOPPED_GRACE: Millis = Millis::minutes(15);

/// How a manifest is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reconcile {
    /// Whether what differs is put right; `None`: as the configuration says.
    pub mode: Option<Mode>,
    /// Nothing of it is deleted or made anew; `None`: nobody says so.
    pub protect: Option<bool>,
    /// Fields that others write.
    pub ignore: Vec<Ignored>,
    /// A container that somebody stopped is left alone for this long: it may be a backup.
    pub stopped_grace: Millis,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self { mode: None, protect: None, ignore: Vec::new(), stopped_grace: STOPPED_GRACE }
    }
}

/// A field, or keys of one, that are given when the thing is made and left alone from then on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ignored {
    pub kind: Kind,
    /// `advanced`, `labels.com.example.*`.
    pub field: String,
}

impl Ignored {
    /// Whether it is about this field of this kind, as diffs name it.
    pub fn is_about(&self, kind: Kind, field: &str) -> bool {
        let is_it = match self.field.strip_suffix(".*") {
            Some(start) => field.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            None => field == self.field || field.strip_prefix(&self.field).is_some_and(|rest| rest.starts_with('.')),
        };
        self.kind == kind && is_it
    }
}

/// Whose data a service has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Data {
    /// `data: new`: it may start on nothing.
    pub is_new: bool,
    /// `moved_from`: the name that it had, after which its data are called.
    pub of: Option<String>,
    /// `data: shared`: containers that are not Amarre's may write to it as well.
    pub is_shared: bool,
    /// `reuse: true`: it gets what a deleted service of its name has left.
    pub reuse: bool,
}

/// How a new generation takes the place of the old one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Update {
    /// Whether the new one starts beside the old one.
    pub strategy: Strategy,
    /// When the old one is put back.
    pub rollback: Rollback,
    /// How long a new one may take to become healthy, where the manifest says so.
    pub health_timeout: Option<Millis>,
    /// How long an old one that nothing leads to any more still runs, so that what is open at it can end.
    pub drain: Millis,
}

/// What is open at an old one has this long to end, unless its manifest says otherwise.
pub const DRAIN: Millis = Millis::seconds(30);

impl Default for Update {
    fn default() -> Self {
        Self { strategy: Strategy::Auto, rollback: Rollback::Auto, health_timeout: None, drain: DRAIN }
    }
}

/// Whether a new generation starts beside the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Where nothing is shared.
    Auto,
    /// A person says that two may share the data.
    StartFirst,
    /// Never.
    StopFirst,
}

/// When an old generation that was stopped for a new one is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rollback {
    /// When the new one exited and writes no data.
    Auto,
    /// When the new one exited.
    Always,
    /// Only by a person.
    Never,
}
