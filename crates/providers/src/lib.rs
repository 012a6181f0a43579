//! Docker, NPM, DNS, clouds, machines, and the sources of manifests.

use amarre_base::{error_chain, secret, turns};

pub mod providers;
pub mod source;
