//! Looks up an image while its name is typed, before a manifest names it. Registries limit requests, so each answer is
//! cached.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::engine::report::pass_view::PassView;
use crate::providers::{Class, ProviderError};
use amarre_core::model::{Millis, Timestamp};

pub use crate::providers::ImageFacts;

/// How long an answer is valid.
const KEPT: Millis = Millis::minutes(10);
/// The largest number of cached answers.
const ANSWERS_MAX: usize = 256;

/// The result of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageAnswer {
    /// The image exists.
    Facts(ImageFacts),
    /// The image does not exist, or is not accessible: why.
    Refused(String),
    /// The registry gave no usable answer: why.
    Unasked(String),
}

/// Cached answers by host and reference.
#[derive(Debug, Default)]
pub struct ImageAnswers(Mutex<BTreeMap<(String, String), (Timestamp, ImageAnswer)>>);

impl ImageAnswers {
    /// Asks the engine of a host, or returns the cached answer.
    pub async fn look_up(&self, pass: &PassView, host: &str, reference: &str, now: Timestamp) -> ImageAnswer {
        let key = (host.to_owned(), reference.to_owned());
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((_, known)) = kept.filter(|(at, _)| now - *at < KEPT) {
            return known;
        }
        let images = pass.context.as_ref().and_then(|context| {
            let docker = &context.site.hosts.get(host)?.docker;
            context.providers.get(docker)?.capabilities().images
        });
        let Some(images) = images else { return ImageAnswer::Unasked("nothing was looked at yet".to_owned()) };
        let known = match images.image(reference).await {
            Ok(facts) => ImageAnswer::Facts(facts),
            Err(ProviderError { class: Class::Rejected, message, .. }) => ImageAnswer::Refused(message.to_string()),
            Err(ProviderError { message, .. }) => return ImageAnswer::Unasked(message.to_string()),
        };
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (at, _)| now - *at < KEPT);
        if answers.len() < ANSWERS_MAX {
            answers.insert(key, (now, known.clone()));
        }
        known
    }
}
