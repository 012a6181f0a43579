//! What is known of an image before a manifest names it, for whoever types its name. Registries count questions, so that
//! each answer is kept for a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::engine::Picture;
use crate::providers::{Class, ProviderError};
use amarre_core::model::{Millis, Timestamp};

pub use crate::providers::ImageFacts;

/// How long an answer counts.
const KEPT: Millis = Millis::minutes(10);
/// So many answers are kept.
const ANSWERS_MAX: usize = 256;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is there.
    Facts(ImageFacts),
    /// There is none, or not for us: why.
    Refused(String),
    /// Nobody could say: why.
    Unasked(String),
}

/// Answers by host and reference.
#[derive(Debug, Default)]
pub struct Images(Mutex<BTreeMap<(String, String), (Timestamp, Known)>>);

impl Images {
    /// Asks the engine of a host, or answers as it did lately.
    pub async fn ask(&self, picture: &Picture, host: &str, reference: &str, now: Timestamp) -> Known {
        let key = (host.to_owned(), reference.to_owned());
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((_, known)) = kept.filter(|(at, _)| now - *at < KEPT) {
            return known;
        }
        let images = picture.context.as_ref().and_then(|context| {
            let docker = &context.site.hosts.get(host)?.docker;
            context.providers.get(docker)?.capabilities().images
        });
        let Some(images) = images else { return Known::Unasked("nothing was looked at yet".to_owned()) };
        let known = match images.image(reference).await {
            Ok(facts) => Known::Facts(facts),
            Err(ProviderError { class: Class::Rejected, message, .. }) => Known::Refused(message),
            Err(ProviderError { message, .. }) => return Known::Unasked(message),
        };
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (at, _)| now - *at < KEPT);
        if answers.len() < ANSWERS_MAX {
            answers.insert(key, (now, known.clone()));
        }
        known
    }
}
