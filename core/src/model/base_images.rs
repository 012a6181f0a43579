//! Images that services are built from, as they are known: the digest that every build of a service has, and what registries have.

use std::collections::BTreeMap;

use super::address::ProviderId;
use super::time::Timestamp;

/// What is known of the images that services are built from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseStates {
    /// By service, and by the name that Dockerfiles have for it.
    pub fixed: BTreeMap<String, BTreeMap<String, FixedBase>>,
    /// What registries said, by engine and name.
    pub answers: BTreeMap<(ProviderId, String), BaseAnswer>,
}

/// An image that a service is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedBase {
    /// The digest that every build has.
    pub digest: String,
    /// A person has moved on to it; else it is that of the first build.
    pub is_moved: bool,
}

/// What a registry said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseAnswer {
    pub at: Timestamp,
    /// The digest that it has, or why that is not known.
    pub digest: Result<String, String>,
}

impl BaseStates {
    /// The digest that the registry has of an image, where that is another one than a service is built from.
    pub fn newer(&self, engine: &ProviderId, service: &str, image: &str) -> Option<&str> {
        let fixed = self.fixed.get(service)?.get(image)?;
        let answer = self.answers.get(&(engine.clone(), image.to_owned()))?;
        answer.digest.as_deref().ok().filter(|digest| *digest != fixed.digest)
    }
}
