//! What OVH Public Cloud makes servers of.

use async_trait::async_trait;

use super::OvhCloudProvider;
use super::api::failed;
use super::made::instead;
use crate::providers::offers::{self, OfferMemory, ReadOffers};
use crate::providers::servers::refused;
use crate::providers::{ProviderError, ReadPrices};
use amarre_core::model::offers::{Offered, OfferedSize, OfferedSizes, ServerOffers, ServerPlaces};
use amarre_core::model::savings::ServerPrices;
use amarre_core::model::{Fields, Timestamp, Value};
use amarre_core::text;

#[async_trait]
impl ReadOffers for OvhCloudProvider {
    fn memory_of_offers(&self) -> &OfferMemory {
        &self.offers
    }

    async fn read_places(&self, project: &str, _: Timestamp) -> Result<ServerPlaces, ProviderError> {
        let known = self.memory().known_projects();
        let named = known.iter().map(|(id, known)| {
            let name = known.description.as_deref().filter(|name| !name.is_empty()).unwrap_or(id);
            Offered::plain(name)
        });
        let mut projects: Vec<Offered> = named.collect();
        projects.sort();
        if project.is_empty() && projects.len() > 1 {
            return Ok(ServerPlaces { projects, regions: Vec::new() });
        }
        let id = self.project_of(&chosen(project))?;
        let regions = self.api.regions(&id).await;
        let regions = regions.map_err(|trouble| failed(trouble, &text!("could not read the regions"), false))?;
        let mut regions: Vec<Offered> = regions.into_iter().map(Offered::plain).collect();
        regions.sort();
        Ok(ServerPlaces { projects, regions })
    }

    async fn read_offers(&self, project: &str, region: &str, now: Timestamp) -> Result<ServerOffers, ProviderError> {
        let id = self.project_of(&chosen(project))?;
        let doing = text!("could not read what {region} offers", region);
        // Without prices it is still known what there is.
        if let Err(error) = self.read_prices(now).await {
            tracing::info!("{error}");
        }
        let flavors = self.flavors((&id, region), now).await.map_err(|trouble| failed(trouble, &doing, false))?;
        if flavors.is_empty() {
            return Err(self.no_such_region(project, region, now).await?);
        }
        let images = self.api.images(&id, region).await.map_err(|trouble| failed(trouble, &doing, false))?;
        let mut sizes: Vec<OfferedSize> = flavors
            .iter()
            .map(|flavor| {
                let prices = flavor.plan_codes.hourly.as_deref().and_then(|plan| self.hourly_prices(plan));
                OfferedSize { name: flavor.name.clone(), prices, is_left: flavor.available != Some(false) }
            })
            .collect();
        sizes.sort_by(|one, other| {
            let price = |size: &OfferedSize| size.prices.as_ref().map_or(i64::MAX, |prices| prices.on);
            (price(one), &one.name).cmp(&(price(other), &other.name))
        });
        let mut images: Vec<Offered> = images.into_iter().map(|image| Offered::plain(image.name)).collect();
        images.sort();
        images.dedup();
        Ok(ServerOffers { sizes: OfferedSizes::Named(sizes), images })
    }
}

impl OvhCloudProvider {
    /// Why nothing is made in a region that offers nothing, with those that there are.
    pub(super) async fn no_such_region(
        &self,
        project: &str,
        region: &str,
        now: Timestamp,
    ) -> Result<ProviderError, ProviderError> {
        let regions = offers::places(self, project, now).await?.regions;
        let names = regions.iter().map(|region| region.word.as_str()).collect();
        Ok(refused(text!("there is no region `{region}`, or it offers nothing", region), instead(region, names)))
    }

    /// What a plan by the hour costs, where prices were read.
    pub(super) fn hourly_prices(&self, plan: &str) -> Option<ServerPrices> {
        let memory = self.memory();
        let (price, currency) = memory.price(plan)?;
        // A stopped one is billed as one that runs.
        Some(ServerPrices { on: price, off: Some(price), is_monthly: false, currency: currency.to_owned() })
    }
}

fn chosen(project: &str) -> Fields {
    let fields = Fields::default();
    if project.is_empty() { fields } else { fields.with("project", Value::text(project)) }
}
