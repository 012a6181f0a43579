//! What is left of a service whose manifest is gone: its data, or its server.

use super::status::{ResourceStatus, ServiceStatus};
use crate::engine::PassResult;
use amarre_core::model::Kind;

impl ServiceStatus {
    /// Whether what is left of it is a server that goes on.
    pub fn keeps_server(&self) -> bool {
        self.deleted && self.resources.iter().any(is_server)
    }

    /// Its two words in lists: a server whose manifest is gone runs on, and is not deleted.
    pub fn state_words(&self) -> (&'static str, &'static str) {
        match self.deleted {
            true if self.keeps_server() => ("Kept", self.health.word()),
            true => ("Deleted", ""),
            false => (self.sync.word(), self.health.word()),
        }
    }
}

fn is_server(resource: &ResourceStatus) -> bool {
    resource.address.kind.is_instance()
}

/// Whether only the data of a service is left, which it may have again, or its server with the records that lead to it.
pub(super) fn is_deleted(picture: &PassResult, name: &str, resources: &[ResourceStatus]) -> bool {
    let keeps_records = resources.iter().any(is_server);
    let is_data = |resource: &ResourceStatus| {
        let kind = resource.address.kind;
        kind.is_kept() || keeps_records && kind == Kind::Record
    };
    let has_manifest = picture.services.contains_key(name) || picture.broken.contains_key(name);
    !has_manifest && !picture.is_changing(name) && !resources.is_empty() && resources.iter().all(is_data)
}
