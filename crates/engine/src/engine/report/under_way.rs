//! What goes on with an instance now: since when, by its vendor's word, and how long Amarre waits for it.

use serde_json::{Value as Json, json};

use crate::engine::report::pass_view::PassView;
use amarre_core::model::{Address, Arg, Readiness, Seen, Text, Timestamp};
use amarre_core::text;

/// Something that a vendor does with an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceWork {
    /// What: `it gets another size`.
    pub what: Text,
    pub since: Timestamp,
    /// When it is taken for failed; `None`: no manifest waits for it.
    pub until: Option<Timestamp>,
}

impl InstanceWork {
    /// Of an instance as it is seen; `None`: nothing goes on.
    pub fn going_on(pass: &PassView, address: &Address, seen: Option<&Seen>) -> Option<Self> {
        // What does not answer is not on its way.
        let seen = seen.filter(|seen| seen.fields.flag("answers") != Some(false))?;
        let Readiness::NotYet { since, why } = &seen.ready else { return None };
        let until = pass.wants.limits.get(address).map(|limit| *since + *limit);
        Some(Self { what: why.clone(), since: *since, until })
    }

    /// For people, with `status`, the vendor's word.
    pub fn text(&self, status: &str) -> Text {
        let (what, since) = (self.what.clone(), Arg::Date(self.since));
        // The vendor has no word for one that it does not list yet.
        let what = if status.is_empty() { what } else { text!("{what} ({status})", what, status) };
        match self.until {
            Some(until) => {
                let until = Arg::Date(until);
                text!("{what}, since {since}; failed if it still does at {until}", what, since, until)
            }
            None => text!("{what}, since {since}", what, since),
        }
    }

    /// As a document.
    pub fn json(&self) -> Json {
        let mut document = json!({"since": self.since.rfc3339(), "until": self.until.map(Timestamp::rfc3339)});
        super::insert(&mut document, &self.what, "what");
        document
    }
}
