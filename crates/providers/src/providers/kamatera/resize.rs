//! Other sizes of servers at Kamatera: processors and memory, one a call, while the server is off. Disks are not changed.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::offers::WireCapabilities;
use super::wire::{MIB_OF_GIB, SizeParts, WireServerDetails};
use super::{CURRENCY, KamateraProvider, gone};
use crate::providers::ProviderError;
use crate::providers::resize::{PlanResize, ResizePlan};
use crate::providers::servers::refused;
use amarre_core::model::savings::{MONTH_HOURS, ServerPrices};
use amarre_core::model::{Text, Timestamp};
use amarre_core::text;

/// How a size is typed.
const AS_IN: &str = "as in `cpu=4B,memory=4GiB`, or as a manifest has it: `{cpu: 4B, memory: 4GiB, disk: 20GB}`; what is left out stays";

#[async_trait]
impl PlanResize for KamateraProvider {
    async fn plan_resize(&self, id: &str, typed: &str, now: Timestamp) -> Result<ResizePlan, ProviderError> {
        let Some(server) = self.memory().server(id).cloned() else { return Err(gone(id)) };
        let doing = text!("could not read what size server {id} can have", id);
        let details = self.details_now(id, &doing).await?.ok_or_else(|| gone(id))?;
        let Some(held) = SizeParts::parse(&details.size()) else {
            return Err(refused(
                text!("server {id} has disks or a size that Amarre does not know: {size}", id, size = details.size()),
                text!("change its size in Kamatera's console"),
            ));
        };
        let wanted =
            parts(typed, &held).map_err(|why| refused(format!("`{typed}` is no size at Kamatera: {why}"), AS_IN))?;
        let offered = self.api.capabilities(&server.datacenter).await;
        let offered = offered.map_err(|trouble| trouble.into_error(&doing, false))?;
        if held != wanted {
            is_offered(&offered, &held, &wanted, &server.datacenter)?;
        }
        self.memory().keep_details(id, details.clone(), now);
        Ok(ResizePlan {
            now: held.size(),
            size: wanted.size(),
            spelled: wanted.spelled(),
            steps: steps(&offered, &held, &wanted),
            prices: self.price_of(&details, &held, &wanted, now).await,
        })
    }
}

impl KamateraProvider {
    /// The size to which the next call leads. `None`: it has the size that is wanted.
    pub(super) async fn next_size(
        &self,
        id: &str,
        held: &SizeParts,
        wanted: &SizeParts,
        doing: &Text,
    ) -> Result<Option<SizeParts>, ProviderError> {
        if held.cpu == wanted.cpu || held.ram_mib == wanted.ram_mib {
            return Ok((held != wanted).then(|| wanted.clone()));
        }
        let datacenter = self.memory().server(id).map(|server| server.datacenter.clone());
        let offered = self.api.capabilities(&datacenter.ok_or_else(|| gone(id))?).await;
        let offered = offered.map_err(|trouble| trouble.into_error(doing, false))?;
        Ok(Some(between(&offered, held, wanted)))
    }

    /// What is taken for it now, and what the list of prices says that the other size is more.
    async fn price_of(
        &self,
        details: &WireServerDetails,
        held: &SizeParts,
        wanted: &SizeParts,
        now: Timestamp,
    ) -> Option<ServerPrices> {
        let price = details.price()?;
        let more = if held == wanted { 0 } else { self.price_list(now).await?.difference(held, wanted)? };
        let is_monthly = details.is_monthly();
        let on = if is_monthly { price + more } else { price + more / MONTH_HOURS };
        Some(ServerPrices { on, off: None, is_monthly, currency: CURRENCY.to_owned() })
    }
}

/// The parts that are typed, and those that stay.
fn parts(typed: &str, held: &SizeParts) -> Result<SizeParts, String> {
    let mut parts = held.clone();
    let inner = typed.trim().trim_start_matches('{').trim_end_matches('}');
    let mut words = inner.split(',').map(str::trim).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return Err("it has no parts".to_owned());
    }
    let mut said = BTreeSet::new();
    for word in words {
        let Some((key, value)) = word.split_once(['=', ':']) else {
            return Err(format!("`{word}` is neither cpu, memory nor disk"));
        };
        if !said.insert(key.trim()) {
            return Err(format!("`{}` stands twice", key.trim()));
        }
        let value = value.trim().trim_matches(['"', '\'']);
        let number = |units: &[&str]| {
            let unit = value.trim_start_matches(|digit: char| digit.is_ascii_digit());
            let number = value[..value.len() - unit.len()].parse::<u32>().ok();
            number.filter(|_| units.contains(&unit.trim().to_ascii_lowercase().as_str()))
        };
        match key.trim() {
            "cpu" => parts.cpu = value.to_owned(),
            "memory" => {
                let mib = number(&["mib", "m", "mb"]);
                let mib = mib.or_else(|| number(&["gib", "g", "gb"]).and_then(|gib| gib.checked_mul(MIB_OF_GIB)));
                parts.ram_mib = mib.ok_or_else(|| format!("`{value}` is no memory"))?.to_string();
            }
            "disk" => {
                let gb = number(&["gb", "g", "gib"]);
                parts.disk_gb = gb.ok_or_else(|| format!("`{value}` is no disk"))?.to_string();
            }
            other => return Err(format!("`{other}` is neither cpu, memory nor disk")),
        }
    }
    Ok(parts)
}

fn is_offered(
    offered: &WireCapabilities,
    held: &SizeParts,
    wanted: &SizeParts,
    datacenter: &str,
) -> Result<(), ProviderError> {
    if held.disk_gb != wanted.disk_gb {
        let message = text!("its disk has {gb} GB, and Amarre changes no disk", gb = held.disk_gb.as_str());
        return Err(refused(message, text!("leave `disk` out, or enlarge it in Kamatera's console")));
    }
    if !offered.cpus().contains(&wanted.cpu) {
        let of_class: Vec<String> = offered.cpus().into_iter().filter(|cpu| cpu.ends_with(held.class())).collect();
        return Err(no_such_cpu(datacenter, &wanted.cpu, &of_class));
    }
    if !offered.has(&wanted.cpu, &wanted.ram_mib) {
        let there: Vec<String> = offered.memories(wanted.class()).iter().map(|mib| format!("{mib}MiB")).collect();
        let message = text!(
            "{region} offers no {mib} MiB of memory with {cpu}",
            region = datacenter,
            mib = wanted.ram_mib.as_str(),
            cpu = wanted.cpu.as_str()
        );
        return Err(refused(message, text!("there are {names}", names = there.join(", "))));
    }
    Ok(())
}

/// Processors that a datacenter does not offer, with those that it does.
pub(super) fn no_such_cpu(region: &str, cpu: &str, there: &[String]) -> ProviderError {
    let message = text!("{region} offers no processors `{cpu}`", region, cpu);
    refused(message, text!("there are {names}", names = there.join(", ")))
}

/// One flag a call: by way of a size that there is, if there is one.
fn steps(offered: &WireCapabilities, held: &SizeParts, wanted: &SizeParts) -> Vec<String> {
    match (held.cpu == wanted.cpu, held.ram_mib == wanted.ram_mib) {
        (true, true) => Vec::new(),
        (true, false) | (false, true) => vec![wanted.size()],
        (false, false) => vec![between(offered, held, wanted).size(), wanted.size()],
    }
}

/// The size with the processors or the memory of the one that is wanted: the one that there is.
fn between(offered: &WireCapabilities, held: &SizeParts, wanted: &SizeParts) -> SizeParts {
    let cpu_first = SizeParts { cpu: wanted.cpu.clone(), ..held.clone() };
    let ram_first = SizeParts { ram_mib: wanted.ram_mib.clone(), ..held.clone() };
    if offered.has(&cpu_first.cpu, &cpu_first.ram_mib) { cpu_first } else { ram_first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_typed_as_a_manifest_has_it_or_in_part() {
        let held = SizeParts::parse("2B 2048MiB 20GB").unwrap();
        for (typed, expected) in [
            ("cpu=4B,memory=4GiB", Some("4B 4096MiB 20GB")),
            ("{cpu: 4B, memory: \"512MiB\", disk: 20GB}", Some("4B 512MiB 20GB")),
            ("memory=4096MiB", Some("2B 4096MiB 20GB")),
            ("cpu: 8B", Some("8B 2048MiB 20GB")),
            ("b3-8", None),
            ("", None),
            ("{}", None),
            ("memory=4", None),
            ("gpu=1", None),
            ("cpu=4B,cpu=2B", None),
        ] {
            assert_eq!(parts(typed, &held).ok().map(|parts| parts.size()).as_deref(), expected, "{typed}");
        }
        assert_eq!(held.spelled(), "{cpu: 2B, memory: 2GiB, disk: 20GB}");
    }
}
