//! What several kinds of manifests share.

pub(crate) mod host_options;
pub(crate) mod host;
pub(crate) mod update;
pub(crate) mod reconcile_options;
