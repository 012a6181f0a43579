//! What the vendor of a cloud makes servers of, for the form of a new one.

use super::Refused;
use crate::engine::reconcile::daemon::Handle;
use crate::providers::ProviderError;
use crate::providers::offers;
use amarre_core::model::Hint;
use amarre_core::model::offers::{ServerOffers, ServerPlaces};

/// What a vendor says it has. What cannot be read is left out, with the reason.
#[derive(Default)]
pub struct OffersOfCloud {
    /// Where servers can be.
    pub places: ServerPlaces,
    /// What servers of the chosen region can be; `None`: none is chosen.
    pub offers: Option<ServerOffers>,
    /// Why something is missing.
    pub refused: Option<Refused>,
}

/// Asks the vendor of a cloud, unless that was done a moment ago. Empty texts: nothing is chosen yet.
pub async fn of_cloud(handle: &Handle, cloud: &str, project: &str, region: &str) -> OffersOfCloud {
    let mut found = OffersOfCloud::default();
    let Some(context) = handle.last_pass().0.context.clone() else { return found };
    let provider = context.site.clouds.get(cloud).and_then(|site| context.providers.get(&site.provider));
    let Some(vendor) = provider.and_then(|provider| provider.capabilities().offers) else { return found };
    let now = handle.now();
    match offers::places(vendor, project, now).await {
        Ok(places) => found.places = places,
        Err(error) => found.refused = Some(refused(error)),
    }
    if !region.is_empty() && found.refused.is_none() {
        match offers::offers(vendor, project, region, now).await {
            Ok(offers) => found.offers = Some(offers),
            Err(error) => found.refused = Some(refused(error)),
        }
    }
    found
}

fn refused(error: ProviderError) -> Refused {
    let ProviderError { code, message, hint, .. } = error;
    let hints = vec![Hint::text(hint.clone())];
    Refused { code, message: message.to_string(), said: message, hint: hint.to_string(), hints }
}
