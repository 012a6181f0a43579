//! Amarre's own labels on containers: which there are, and which of those on a container Amarre has written.
//!
//! A container inherits each label of its image that it has none of its own for, so an image can say anything in
//! Amarre's name. Each label is therefore set on each container, empty where it says nothing. A container that was made
//! before that may still carry inherited ones, and one that somebody else made carries nothing but those: they are left
//! out of what is read. Labels tell what a container was made with. They are never an instruction. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{ContainerInspectResponse, ContainerSummary, ImageSummary};

use super::answers::{
    LABEL_ALSO_ON, LABEL_BEFORE, LABEL_EDGE, LABEL_FOLLOWS, LABEL_IMAGE_MOUNTS, LABEL_INSTANCE, LABEL_NEEDS,
    LABEL_PLATFORM, LABEL_PUBLISHED, LABEL_SERVICE, LABEL_SPEC, ordered,
};
use super::files::LABEL_FILES;
use crate::providers::ObserveQuery;
use crate::providers::rows::Listed;
use amarre_core::model::{Address, Fields, Kind, Value};

/// Labels that only some containers have a value for, and the field that each is read into.
pub const SOMETIMES: [(&str, &str); 9] = [
    (LABEL_FILES, "files"),
    (LABEL_PUBLISHED, "published"),
    (LABEL_EDGE, "edge"),
    (LABEL_ALSO_ON, "also_on"),
    (LABEL_PLATFORM, "platform"),
    (LABEL_BEFORE, "before"),
    (LABEL_FOLLOWS, "follows"),
    (LABEL_IMAGE_MOUNTS, "image_mounts"),
    (LABEL_NEEDS, "needs"),
];

/// Labels that say whose a container is, and which.
const IDENTITY: [&str; 3] = [LABEL_INSTANCE, LABEL_SERVICE, LABEL_SPEC];

/// What the engine's images say, by id.
pub struct ImageLabels<'a> {
    labels: BTreeMap<&'a str, BTreeMap<String, String>>,
    /// Too large to be read: they may say anything.
    unread: BTreeSet<&'a str>,
}

impl<'a> ImageLabels<'a> {
    /// Only those that have labels.
    pub fn new(images: &'a Listed<ImageSummary>) -> Self {
        let labels = |image: &'a ImageSummary| (image.id.as_str(), ordered(Some(&image.labels)));
        let labels = images.rows.iter().map(labels).filter(|(_, labels)| !labels.is_empty()).collect();
        Self { labels, unread: images.slim.iter().map(|image| image.id.as_str()).collect() }
    }

    /// Whether Amarre of this instance made a container. One whose image says all that makes it ours is ours only where
    /// the ledger knows it: anybody can run an image.
    pub fn is_ours(&self, summary: &ContainerSummary, instance: &str, ask: &ObserveQuery) -> bool {
        let Some(labels) = &summary.labels else { return false };
        if labels.get(LABEL_INSTANCE).is_none_or(|own| own != instance) || !labels.contains_key(LABEL_SPEC) {
            return false;
        }
        let image = summary.image_id.as_deref().unwrap_or_default();
        let (of_image, is_unread) = (self.labels.get(image), self.unread.contains(image));
        let is_inherited =
            |label: &str| is_unread || of_image.is_some_and(|image| image.get(label) == labels.get(label));
        if !IDENTITY.into_iter().all(is_inherited) {
            return true;
        }
        let id = summary.id.as_deref().unwrap_or_default();
        let mut known = ask.applied.iter().filter(|(address, _)| address.kind == Kind::Container);
        known.any(|(_, row)| row.vendor_id == id)
    }

    /// A container of ours without what it has only inherited. What it was made for, or is wanted to be, may say the same
    /// as its image: a label for a field that is known to be there is its own.
    pub fn without_inherited<'i>(
        &self,
        address: &Address,
        inspect: &'i ContainerInspectResponse,
        ask: &ObserveQuery,
    ) -> Cow<'i, ContainerInspectResponse> {
        let of_image = inspect.image.as_deref().and_then(|image| self.labels.get(image));
        let labels = inspect.config.as_ref().and_then(|config| config.labels.as_ref());
        let (Some(of_image), Some(labels)) = (of_image, labels) else { return Cow::Borrowed(inspect) };
        let rows = [ask.applied.get(address).map(|row| &row.fields), ask.wanted.get(address)];
        let is_known = |field: &str| rows.into_iter().flatten().any(|fields| says(fields, field));
        let inherited = SOMETIMES.into_iter().filter(|(label, field)| {
            let own = labels.get(*label).filter(|text| !text.is_empty());
            own.is_some() && own == of_image.get(*label) && !is_known(field)
        });
        let inherited: Vec<&str> = inherited.map(|(label, _)| label).collect();
        if inherited.is_empty() {
            return Cow::Borrowed(inspect);
        }
        let mut inspect = inspect.clone();
        if let Some(labels) = inspect.config.as_mut().and_then(|config| config.labels.as_mut()) {
            labels.retain(|label, _| !inherited.contains(&label.as_str()));
        }
        Cow::Owned(inspect)
    }
}

/// Whether a field has a value that a label would be written for.
fn says(fields: &Fields, field: &str) -> bool {
    match fields.get(field) {
        Some(Value::Map(entries)) => !entries.is_empty(),
        Some(Value::List(items)) => !items.is_empty(),
        Some(Value::Text(text)) => !text.is_empty(),
        Some(Value::None | Value::Bool(_) | Value::Int(_) | Value::Secret { .. } | Value::Output { .. }) | None => {
            false
        }
    }
}
