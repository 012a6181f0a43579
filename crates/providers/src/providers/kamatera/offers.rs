//! What Kamatera makes servers of: a datacenter, an image, and processors, memory and a disk that are put together.

use async_trait::async_trait;
use serde::Deserialize;

use super::KamateraProvider;
use crate::providers::ProviderError;
use crate::providers::offers::{OfferMemory, ReadOffers};
use amarre_core::model::Timestamp;
use amarre_core::model::offers::{Offered, OfferedSizes, ServerOffers, ServerPlaces};
use amarre_core::text;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireDatacenter {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    sub_category: String,
}

/// An image of a datacenter.
#[derive(Debug, Deserialize)]
pub struct WireOfferedImage {
    name: String,
}

/// What sizes a datacenter has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireCapabilities {
    #[serde(rename = "diskSizeGB")]
    disk_sizes: Vec<u32>,
    cpu_types: Vec<WireCpuType>,
}

impl WireCapabilities {
    /// Whether processors of a class can go with this memory; both as texts.
    pub fn has(&self, cpu: &str, ram_mib: &str) -> bool {
        let is_cpu = |kind: &&WireCpuType| kind.cpu_cores.iter().any(|cores| format!("{cores}{}", kind.id) == cpu);
        let kind = self.cpu_types.iter().find(is_cpu);
        kind.is_some_and(|kind| kind.memories.iter().any(|memory| memory.to_string() == ram_mib))
    }

    /// The processors that there are: `2B`.
    pub fn cpus(&self) -> Vec<String> {
        let of_type = |kind: &WireCpuType| kind.cpu_cores.iter().map(|cores| format!("{cores}{}", kind.id)).collect();
        let cpus: Vec<Vec<String>> = self.cpu_types.iter().map(of_type).collect();
        cpus.concat()
    }

    /// What memory goes with processors of this class, in MiB.
    pub fn memories(&self, class: &str) -> Vec<u32> {
        self.cpu_types.iter().filter(|kind| kind.id == class).flat_map(|kind| kind.memories.clone()).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCpuType {
    id: String,
    cpu_cores: Vec<u32>,
    #[serde(rename = "ramMB")]
    memories: Vec<u32>,
}

#[async_trait]
impl ReadOffers for KamateraProvider {
    fn memory_of_offers(&self) -> &OfferMemory {
        &self.offers
    }

    async fn read_places(&self, _: &str, _: Timestamp) -> Result<ServerPlaces, ProviderError> {
        let found = self.api.datacenters().await;
        let found = found.map_err(|trouble| trouble.into_error(&text!("could not read the datacenters"), false))?;
        let named = found.into_iter().map(|one| {
            let about = [one.name, one.sub_category].into_iter().filter(|text| !text.is_empty());
            let about = about.collect::<Vec<_>>().join(", ");
            let label = if about.is_empty() { one.id.clone() } else { format!("{} ({about})", one.id) };
            Offered { word: one.id, label }
        });
        let mut regions: Vec<Offered> = named.collect();
        regions.sort();
        Ok(ServerPlaces { projects: Vec::new(), regions })
    }

    async fn read_offers(&self, _: &str, region: &str, _: Timestamp) -> Result<ServerOffers, ProviderError> {
        let doing = text!("could not read what {region} offers", region);
        let images = self.api.offered_images(region).await.map_err(|trouble| trouble.into_error(&doing, false))?;
        let parts = self.api.capabilities(region).await.map_err(|trouble| trouble.into_error(&doing, false))?;
        let mut images: Vec<Offered> = images.into_iter().map(|image| Offered::plain(image.name)).collect();
        images.sort();
        images.dedup();
        let cpus = parts.cpus();
        let mut memories: Vec<u32> = parts.cpu_types.iter().flat_map(|kind| kind.memories.clone()).collect();
        memories.sort_unstable();
        memories.dedup();
        Ok(ServerOffers { sizes: OfferedSizes::Parts { cpus, memories, disks: parts.disk_sizes }, images })
    }
}
