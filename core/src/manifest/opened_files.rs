//! What was opened for one manifest: each file is parsed once, however often it is named.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::budget::{Budget, Effort};
use super::yaml::diagnostic::Spot;
use crate::model::service::DeliveryContent;

/// Variables by the number of their file and how they are written.
type KnownVariables = BTreeMap<(u16, ValueFormat), Rc<Vec<Variable>>>;

/// What was opened for one manifest: each file is parsed once, however often it is named.
pub(super) struct OpenedFiles {
    pub budget: Budget,
    /// Files of variables that say the same wherever they are named.
    pub variables: RefCell<KnownVariables>,
    /// What configs and secrets hold.
    pub given: RefCell<BTreeMap<(Part, String), MountContent>>,
}

impl OpenedFiles {
    pub fn after(others: Effort) -> Self {
        Self { budget: Budget::after(others), variables: RefCell::default(), given: RefCell::default() }
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Config,
    Secret,
}

/// What a mount gives: a copy, or a file of the host.
#[derive(Clone)]
pub(crate) enum MountContent {
    Content(DeliveryContent),
    Host(String),
}

/// How the values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ValueFormat {
    Compose,
    /// `format: raw`: everything after the `=` is the value.
    Raw,
}

/// One variable of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub name: String,
    pub value: String,
    pub spot: Spot,
}
