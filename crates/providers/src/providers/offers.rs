//! Reads what a vendor makes servers of, for the form of a new one; nothing else depends on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::ProviderError;
use amarre_core::model::offers::{ServerOffers, ServerPlaces};
use amarre_core::model::{Millis, Timestamp};

/// What was read this long ago is shown once more: a form is checked at each letter.
const AGE_MAX: Millis = Millis::minutes(10);
/// More places than this are not remembered.
const PLACES_MAX: usize = 64;

/// What was read of late, by project and region.
#[derive(Debug, Default)]
pub struct OfferMemory {
    places: Mutex<BTreeMap<String, (Timestamp, ServerPlaces)>>,
    offers: Mutex<BTreeMap<(String, String), (Timestamp, ServerOffers)>>,
}

fn recent<K: Ord, V: Clone>(known: &Mutex<BTreeMap<K, (Timestamp, V)>>, key: &K, now: Timestamp) -> Option<V> {
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let (at, value) = known.get(key)?;
    (*at <= now && now - *at < AGE_MAX).then(|| value.clone())
}

fn keep<K: Ord, V: Clone>(known: &Mutex<BTreeMap<K, (Timestamp, V)>>, key: K, now: Timestamp, value: &V) {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= PLACES_MAX {
        known.clear();
    }
    known.insert(key, (now, value.clone()));
}

/// Where servers can be, as read of late or now. `project`: the chosen one, as manifests have it; empty: none is.
///
/// # Errors
/// It could not be read.
pub async fn places(vendor: &dyn ReadOffers, project: &str, now: Timestamp) -> Result<ServerPlaces, ProviderError> {
    let (memory, key) = (vendor.memory_of_offers(), project.to_owned());
    if let Some(known) = recent(&memory.places, &key, now) {
        return Ok(known);
    }
    let places = vendor.read_places(project, now).await?;
    keep(&memory.places, key, now, &places);
    Ok(places)
}

/// What servers in a region of a project can be, as read of late or now.
///
/// # Errors
/// It could not be read, or there is no such region.
pub async fn offers(
    vendor: &dyn ReadOffers,
    project: &str,
    region: &str,
    now: Timestamp,
) -> Result<ServerOffers, ProviderError> {
    let (memory, key) = (vendor.memory_of_offers(), (project.to_owned(), region.to_owned()));
    if let Some(known) = recent(&memory.offers, &key, now) {
        return Ok(known);
    }
    let offers = vendor.read_offers(project, region, now).await?;
    keep(&memory.offers, key, now, &offers);
    Ok(offers)
}

/// A vendor that says what it makes servers of.
#[async_trait]
pub trait ReadOffers: Send + Sync {
    /// What was read of it of late.
    fn memory_of_offers(&self) -> &OfferMemory;

    /// Where servers can be. `project`: the chosen one, as manifests have it; empty: none is.
    ///
    /// # Errors
    /// It could not be read.
    async fn read_places(&self, project: &str, now: Timestamp) -> Result<ServerPlaces, ProviderError>;

    /// What servers in a region of a project can be.
    ///
    /// # Errors
    /// It could not be read, or there is no such region.
    async fn read_offers(&self, project: &str, region: &str, now: Timestamp) -> Result<ServerOffers, ProviderError>;
}
