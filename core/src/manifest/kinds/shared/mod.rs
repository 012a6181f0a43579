//! What several kinds of manifests share.

pub(crate) mod dependencies;
pub(crate) mod host_options;
pub(crate) mod update;
pub(crate) mod reconcile_options;
