//! What the reading of one document needs to know, and what it has found: problems, claims, decisions of the policy.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use ipnet::Ipv4Net;

use super::budget::Effort;
use super::opened_files::OpenedFiles;
use super::source_files::{OtherFile, SourceFiles, folder_of};
use super::yaml::diagnostic::{PROBLEMS_MAX, Problem, Spot, shown};
use super::yaml::tree::{Entry, Node, NodeData};
use super::{budget, variables};
use crate::model::app::AppSource;
use crate::model::service::{Port, Volume};
use crate::model::site::Right;
use crate::model::{Arg, Assets, Code, Origin, Site, Text};
use crate::text;

/// A text with its place; variables are already replaced.
#[derive(Debug, Clone)]
pub(crate) struct PlacedText {
    pub text: String,
    pub spot: Spot,
}

/// What the reading of one document needs to know, and what it has found.
pub(crate) struct Scope<'a> {
    pub site: &'a Site,
    pub file: &'a str,
    /// The manifest's name; empty when it has none.
    pub name: String,
    /// The manifest's host; the default one when it names none or an unknown one.
    pub host: String,
    /// `moved_from`: the name after which its data are called.
    pub data_of: Option<String>,
    /// `${name}` and what else holds for this manifest only.
    pub variables: BTreeMap<String, String>,
    pub problems: RefCell<Vec<Problem>>,
    pub claims: RefCell<Claims>,
    /// All files of the source.
    pub source: &'a SourceFiles<'a>,
    /// Those that were opened, in the order of their numbers in [`Spot`].
    pub files: RefCell<Vec<OtherFile>>,
    /// Those that the manifest needs to be read again.
    pub uses: RefCell<Assets>,
    /// What policy says of each use, where it is asked for.
    pub decisions: Option<RefCell<Vec<Decision>>>,
    /// What that cost, and what need not be read again.
    pub opened: OpenedFiles,
    /// Where the keys of each map stand, by the place of the map.
    pub places: RefCell<BTreeMap<Spot, Vec<(String, Spot)>>>,
    /// The image that the manifest itself builds, which policy need not name.
    pub built: RefCell<Option<String>>,
}

impl Scope<'_> {
    /// The file in which a place lies, as shown.
    pub fn path_of(&self, spot: Spot) -> String {
        let files = self.files.borrow();
        let other = usize::from(spot.file).checked_sub(1).and_then(|index| files.get(index));
        other.map_or_else(|| self.file.to_owned(), |other| other.path.clone())
    }

    /// The folder from which relative paths at a place start.
    pub fn base_of(&self, spot: Spot) -> String {
        let files = self.files.borrow();
        let other = usize::from(spot.file).checked_sub(1).and_then(|index| files.get(index));
        other.map_or_else(|| folder_of(self.file).to_owned(), |other| other.base.clone())
    }

    pub fn report(&self, problem: Problem) {
        if !self.is_full() {
            self.problems.borrow_mut().push(problem);
        }
    }

    /// An error always gets in when there is none: a document with one is broken.
    pub fn is_full(&self) -> bool {
        self.problems.borrow().len() >= PROBLEMS_MAX && self.is_broken()
    }

    pub fn error(&self, code: Code, spot: Spot, message: impl Into<Text>) {
        self.report(Problem::error(code, spot, message));
    }

    pub fn error_hint(&self, code: Code, spot: Spot, message: impl Into<Text>, hint: impl Into<Text>) {
        self.report(Problem::error(code, spot, message).hint(hint));
    }

    /// Notes where the keys of a map stand.
    pub fn places_of(&self, spot: Spot, entries: &[Entry]) {
        let keys = entries.iter().map(|entry| (entry.key.clone(), entry.key_spot)).collect();
        self.places.borrow_mut().insert(spot, keys);
    }

    pub fn origin(&self, spot: Spot) -> Origin {
        Origin { file: self.path_of(spot), line: spot.line, column: spot.column }
    }

    /// Says of something that has no effect: a warning in a Compose file, which others may maintain, an error in a manifest.
    pub fn no_effect(&self, spot: Spot, message: impl Into<Text>, hint: impl Into<Text>) {
        self.report(no_effect(spot, message, hint));
    }

    /// The text of a scalar; `what` is how the message calls it.
    pub fn text(&self, node: &Node, what: impl Into<Arg>) -> Option<PlacedText> {
        self.text_called(node, || what.into())
    }

    fn text_called(&self, node: &Node, what: impl FnOnce() -> Arg) -> Option<PlacedText> {
        let Some(raw) = node.scalar() else {
            self.wrong_type(node, what(), text!("text"));
            return None;
        };
        // In a Compose file they are replaced by then, by its own rules.
        let replaced = if is_compose(node.spot) {
            Ok(raw.to_owned())
        } else {
            variables::substitute(raw, &self.variables, &self.site.vars)
        };
        match replaced {
            Ok(text) if text.contains('\0') => {
                self.error(Code::A0106, node.spot, text!("{what} holds a NUL character", what = what()));
                None
            }
            Ok(text) => Some(PlacedText { text, spot: node.spot }),
            Err(problem) => {
                self.report(problem.at(node.spot));
                None
            }
        }
    }

    /// Texts of a list; `None` when it is no list.
    pub fn texts(&self, node: &Node, what: impl Into<Arg>) -> Option<Vec<PlacedText>> {
        match &node.data {
            NodeData::List(items) => {
                let list = what.into();
                let item_name = || Arg::from(text!("an item of {list}", list = list.clone()));
                Some(items.iter().filter_map(|item| self.text_called(item, item_name)).collect())
            }
            NodeData::Scalar(_) | NodeData::Map(_) => {
                self.wrong_type(node, what, text!("a list"));
                None
            }
        }
    }

    pub fn wrong_type(&self, node: &Node, what: impl Into<Arg>, wanted: Text) {
        let (what, found): (Arg, Text) = (what.into(), node.word());
        self.error(Code::A0104, node.spot, text!("{what} must be {wanted}, not {found}", what, wanted, found));
    }

    pub fn not_allowed(&self, text: &PlacedText, what: impl Into<Arg>, hint: impl Into<Text>) {
        let (what, value): (Arg, String) = (what.into(), shown(&text.text));
        self.error_hint(Code::A0106, text.spot, text!("{what} cannot be `{value}`", what, value), hint);
    }

    pub fn is_broken(&self) -> bool {
        self.problems.borrow().iter().any(Problem::is_error)
    }
}

/// Whether a place lies in a Compose file, or in what one names: not in the manifest itself.
pub(crate) fn is_compose(spot: Spot) -> bool {
    spot.file != 0
}

/// As [`Scope::no_effect`].
pub(crate) fn no_effect(spot: Spot, message: impl Into<Text>, hint: impl Into<Text>) -> Problem {
    let problem = if is_compose(spot) {
        Problem::warning(Code::A0185, spot, message)
    } else {
        Problem::error(Code::A0112, spot, message)
    };
    problem.hint(hint)
}

/// What a document claims for itself, each with its place.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// The repository that it is built from.
    pub app: Option<AppSource>,
    /// Of `moved_from`.
    pub moved_from: Option<Spot>,
    pub name: Option<Spot>,
    pub domains: Vec<(String, Spot)>,
    /// Name and type.
    pub records: Vec<(String, String, Spot)>,
    pub ports: Vec<PortClaim>,
    pub subnets: Vec<(Ipv4Net, Spot)>,
    /// Manifests that come first.
    pub needs: Vec<(String, Spot)>,
    /// Manifests of instances that routes lead to.
    pub instances: Vec<(String, Spot)>,
    /// Volumes that mounts call external.
    pub external: BTreeMap<String, Volume>,
    /// Ports at which NPM listens.
    pub streams: Vec<(u16, Spot)>,
    /// Networks that it joins and does not define.
    pub networks: Vec<(String, Spot)>,
    /// Names and ports that routes and streams lead to, as far as one manifest can tell allowed.
    pub targets: Vec<(String, u16, Spot)>,
    /// The same of machines of pools.
    pub machine_names: Vec<(String, u16, Spot)>,
}

/// A published port.
#[derive(Debug)]
pub(crate) struct PortClaim {
    pub port: Port,
    pub spot: Spot,
}

/// What allows a use of a word that the configuration does not write.
pub(crate) const BY_AUTHORS: &str = "authors: operators";

/// What policy says of one use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed, and by what.
    Allowed(AllowedBy),
    /// Not allowed. The code says why.
    Refused(Code),
}

/// What allows a use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedBy {
    /// An entry of the policy, as in `names: *.example.org`.
    Policy(String),
    /// Anything else, as people read it.
    Rule(Text),
}

impl AllowedBy {
    pub(super) fn authors() -> Self {
        Self::Policy(BY_AUTHORS.to_owned())
    }

    pub(super) fn rule(text: impl Into<Text>) -> Self {
        Self::Rule(text.into())
    }
}

impl fmt::Display for AllowedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(entry) => write!(formatter, "policy.{entry}"),
            Self::Rule(text) => write!(formatter, "{text}"),
        }
    }
}

/// One use of something that policy has a word in, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// As shown.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub right: Right,
    /// What comes of it.
    pub verdict: Verdict,
    /// What to do where it is not allowed; else empty.
    pub hint: Text,
}

impl Scope<'_> {
    /// Counts work; `false`: it is too much, which is reported once, at the place that led to it. Then nothing more is done.
    pub fn spend(&self, work: Effort, spot: Spot) -> bool {
        let budget = &self.opened.budget;
        if budget.is_over.get() {
            return false;
        }
        let spent = budget.spent.get().and(work);
        budget.spent.set(spent);
        if spent.is_within(budget.limit) {
            return true;
        }
        budget.is_over.set(true);
        let limit = budget.limit;
        let (code, message, hint) = if spent.files > limit.files {
            let most = limit.files;
            let message = text!("the files that this manifest names are opened more than {most} times", most);
            let hint = text!("what is included again counts again: include each file once, or divide the service");
            (Code::A0180, message, hint)
        } else if spent.nodes > limit.nodes {
            let message = text!("the files that this manifest names hold more than {most} values", most = limit.nodes);
            let hint = text!("what is included or extended counts each time: take less of it, or divide the service");
            (Code::A0181, message, hint)
        } else {
            let kib = (limit.bytes / 1024).to_string();
            let message = text!("the files that this manifest names come to more than {kib} KiB", kib);
            let hint = text!("what is read again counts again: give each container a file with what it needs");
            (Code::A0182, message, hint)
        };
        let is_shared = limit != budget::FULL;
        let hint = if is_shared {
            text!("all manifests together cost too much; name fewer files, or divide the source")
        } else {
            hint
        };
        self.error_hint(code, spot, message, hint);
        false
    }

    /// Whether there was too much work; what follows from that needs no words.
    pub fn is_over_budget(&self) -> bool {
        self.opened.budget.is_over.get()
    }
}
