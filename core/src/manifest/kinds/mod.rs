//! The kinds of manifests: one row a kind, in a file of its own with what it is called, how it is read, and its keys.
//! What several of them share is in `shared`.

pub(super) mod service;
pub(super) mod route;
pub(super) mod redirect;
pub(super) mod dead_host;
pub(super) mod stream;
pub(super) mod access_list;
pub(super) mod app;
pub(super) mod record;
pub(super) mod network;
pub(super) mod instance;
pub(super) mod pool;
mod pool_containers;
mod pool_servers;
pub(super) mod server;
pub(super) mod shared;
pub(super) mod schema;

use serde_json::Value as Json;

use super::reader::Reader;
use crate::model::service::{ManifestKind, Service};

/// A kind of manifest.
pub(super) struct ManifestKindRow {
    /// What it is called.
    pub(super) kind: ManifestKind,
    /// Reads the keys of a document into a service that has its name, host and origin. `None`: it said what is wrong.
    pub(super) parse: fn(Reader<'_>, Service) -> Option<Service>,
    /// The JSON Schema of its documents.
    pub(super) schema: fn() -> Json,
}

/// Every kind, in the order of the documentation.
pub(super) const KINDS: &[ManifestKindRow] = &[
    service::ROW,
    app::ROW,
    route::ROW,
    redirect::ROW,
    dead_host::ROW,
    stream::ROW,
    access_list::ROW,
    record::ROW,
    network::ROW,
    instance::ROW,
    pool::ROW,
];
