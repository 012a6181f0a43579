//! Other sizes of servers at OVH Public Cloud: by name, at once. Only between sizes that can, and never to a smaller disk.

use async_trait::async_trait;

use super::api::failed;
use super::made::{instead, no_such_size};
use super::wire::WireFlavor;
use super::{OvhCloudProvider, gone};
use crate::providers::resize::{PlanResize, ResizePlan};
use crate::providers::servers::refused;
use crate::providers::{Class, ProviderError, ReadPrices};
use amarre_core::model::{Code, Timestamp};
use amarre_core::text;

#[async_trait]
impl PlanResize for OvhCloudProvider {
    async fn plan_resize(&self, id: &str, typed: &str, now: Timestamp) -> Result<ResizePlan, ProviderError> {
        let Some(place) = self.memory().place(id) else { return Err(gone(id)) };
        let doing = text!("could not read what size instance {id} can have", id);
        let instance = self.api.instance(&place.project, id).await.map_err(|trouble| failed(trouble, &doing, false))?;
        let flavors = self.flavors((&place.project, &place.region), now).await;
        let flavors = flavors.map_err(|trouble| failed(trouble, &doing, false))?;
        let held = flavors.iter().find(|flavor| flavor.name == instance.size());
        let held = held.cloned().unwrap_or_else(|| WireFlavor::gone(instance.size()));
        let of_its_kind = |flavor: &&WireFlavor| held.os_type.is_none() || flavor.os_type == held.os_type;
        let Some(wanted) = flavors.iter().filter(of_its_kind).find(|flavor| flavor.name == typed) else {
            let known: Vec<WireFlavor> = flavors.iter().filter(of_its_kind).cloned().collect();
            return Err(no_such_size(&place.region, typed, &known));
        };
        if held.name != wanted.name {
            fits(&held, wanted, &place.region, &flavors)?;
        }
        // Without prices it is still known what there is.
        if let Err(error) = self.read_prices(now).await {
            tracing::info!("{error}");
        }
        let size = wanted.name.clone();
        Ok(ResizePlan {
            now: held.name.clone(),
            spelled: size.clone(),
            steps: if held.name == size { Vec::new() } else { vec![size.clone()] },
            size,
            prices: wanted.plan_codes.hourly.as_deref().and_then(|plan| self.hourly_prices(plan)),
        })
    }
}

/// Whether a server of a size can get another one.
fn fits(held: &WireFlavor, wanted: &WireFlavor, region: &str, all: &[WireFlavor]) -> Result<(), ProviderError> {
    let (from, to) = (&held.name, &wanted.name);
    if let Some(stiff) = [held, wanted].into_iter().find(|flavor| !flavor.can_resize()) {
        let (from, to, stiff) = (from.as_str(), to.as_str(), stiff.name.as_str());
        let message = text!("no server is resized from {from} to {to}: {stiff} cannot be", from, to, stiff);
        let hint = text!("OVH resizes no sizes with disks of their host; make another server");
        return Err(refused(message, hint));
    }
    if wanted.disk < held.disk {
        let larger = |flavor: &&WireFlavor| {
            flavor.disk >= held.disk && flavor.can_resize() && flavor.os_type == held.os_type && flavor.name != *from
        };
        let message = text!(
            "{to} has a disk of {less} GB, and {from} one of {more} GB, which cannot shrink",
            to = to.as_str(),
            less = i64::from(wanted.disk),
            from = from.as_str(),
            more = i64::from(held.disk)
        );
        return Err(refused(
            message,
            instead("", all.iter().filter(larger).map(|flavor| flavor.name.as_str()).collect()),
        ));
    }
    match wanted.available {
        Some(false) => {
            let message = text!("{region} has no `{size}` left", region, size = to.as_str());
            Err(ProviderError::new(Class::RetryLater, Code::A0754, message)
                .hint(text!("OVH says that it is out of stock; ask again later, or for another type")))
        }
        Some(true) | None => Ok(()),
    }
}
