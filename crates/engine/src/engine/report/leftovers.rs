//! What is left of a service whose manifest is gone: its data, its server, or only a certificate.

use super::status::{Health, ResourceStatus, ServiceStatus, Sync};
use crate::engine::report::pass_view::PassView;
use crate::words::Words;
use amarre_core::model::{Kind, Text};
use amarre_core::text;

/// What is left of a deleted service, by what it means to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// A server that goes on.
    Server,
    /// Volumes.
    Data,
    /// Certificates and nothing else: no data.
    Certificate,
}

impl ServiceStatus {
    /// What is left of it, if it is deleted.
    pub fn leftover(&self) -> Option<Leftover> {
        let has = |kind: Kind| self.resources.iter().any(|resource| resource.address.kind == kind);
        self.deleted.then(|| match (self.resources.iter().any(is_server), has(Kind::Volume)) {
            (true, _) => Leftover::Server,
            (false, true) => Leftover::Data,
            (false, false) => Leftover::Certificate,
        })
    }

    /// Whether what is left of it is a server that goes on.
    pub fn keeps_server(&self) -> bool {
        self.leftover() == Some(Leftover::Server)
    }

    /// Its two words in lists: a server whose manifest is gone runs on, and is not deleted.
    pub fn state_words(&self, words: Words) -> (String, String) {
        let health = words.health(self.health.word());
        match self.deleted {
            true if self.keeps_server() => (words.say(&kept()), health),
            true => (words.say(&deleted()), String::new()),
            false => (words.sync(self.sync.word()), health),
        }
    }
}

fn kept() -> Text {
    text!("Kept")
}

fn deleted() -> Text {
    text!("Deleted")
}

/// The widths of the columns of these two words, with two spaces behind the longest of each.
pub(super) fn state_widths(words: Words, heads: [&str; 2]) -> (usize, usize) {
    let width = |head: &str, known: Vec<String>| {
        let all = known.iter().map(|word| word.chars().count()).chain([head.chars().count()]);
        all.max().unwrap_or_default() + 2
    };
    let syncs = Sync::ALL.map(|sync| words.sync(sync.word())).into_iter();
    let syncs = syncs.chain([kept(), deleted()].map(|word| words.say(&word))).collect();
    let healths = Health::ALL.map(|health| words.health(health.word())).to_vec();
    (width(heads[0], syncs), width(heads[1], healths))
}

fn is_server(resource: &ResourceStatus) -> bool {
    resource.address.kind.is_instance()
}

/// Whether only the data of a service is left, which it may have again, or its server with the records that lead to it.
pub(super) fn is_deleted(pass: &PassView, name: &str, resources: &[ResourceStatus]) -> bool {
    let keeps_records = resources.iter().any(is_server);
    let is_data = |resource: &ResourceStatus| {
        let kind = resource.address.kind;
        kind.is_kept() || keeps_records && kind == Kind::Record
    };
    let has_manifest = pass.services.contains_key(name) || pass.broken.contains_key(name);
    !has_manifest && !pass.is_changing(name) && !resources.is_empty() && resources.iter().all(is_data)
}
