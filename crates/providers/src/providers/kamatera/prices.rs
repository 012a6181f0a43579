//! Kamatera's public list of prices, which tells what a server costs before there is one.

use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

use super::wire::SizeParts;
use amarre_core::model::Fields;
use amarre_core::model::savings::{MONTH_HOURS, ServerPrices, parse_amount, vendor_amount};

use super::CURRENCY;

/// The parts of it that a server of Amarre's has: dollars a month.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceList {
    #[serde(default)]
    base: Json,
    cpu: BTreeMap<String, Json>,
    /// By class of the processors, then by MiB.
    #[serde(rename = "ramMB")]
    ram_mib: BTreeMap<String, BTreeMap<String, Json>>,
    #[serde(rename = "diskGB")]
    disk_gb: BTreeMap<String, Json>,
    #[serde(default)]
    os: Vec<ImagePrice>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct ImagePrice {
    #[serde(default)]
    id: Json,
    #[serde(default)]
    name: Json,
    #[serde(default)]
    price: Json,
}

impl PriceList {
    /// What a server with these fields costs; `None`: a part of it is not in the list.
    pub fn of(&self, fields: &Fields) -> Option<ServerPrices> {
        let parts = SizeParts::parse(fields.text("type")?)?;
        let image = fields.text("image")?;
        let is_it = |one: &&ImagePrice| one.id.as_str() == Some(image) || one.name.as_str() == Some(image);
        // An image that the list does not have costs nothing by itself, as free systems do.
        let image = self.os.iter().find(is_it).map_or(Some(0), |image| dollars(&image.price))?;
        let base = if self.base.is_null() { 0 } else { dollars(&self.base)? };
        let month = base + self.of_parts(&parts)? + image;
        let on = vendor_amount(month / MONTH_HOURS)?;
        Some(ServerPrices { on, off: None, is_monthly: false, currency: CURRENCY.to_owned() })
    }

    /// What processors, memory and disk cost a month.
    fn of_parts(&self, parts: &SizeParts) -> Option<i64> {
        let cpu = dollars(self.cpu.get(&parts.cpu)?)?;
        let ram = dollars(self.ram_mib.get(parts.class())?.get(&parts.ram_mib)?)?;
        Some(cpu + ram + dollars(self.disk_gb.get(&parts.disk_gb)?)?)
    }

    /// How much more one size costs a month than another.
    pub fn difference(&self, from: &SizeParts, to: &SizeParts) -> Option<i64> {
        Some(self.of_parts(to)? - self.of_parts(from)?)
    }
}

/// A number of dollars in 10⁻⁸; memory that is less than usual has a price below zero.
fn dollars(price: &Json) -> Option<i64> {
    let text = match price {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    match text.strip_prefix('-') {
        Some(text) => parse_amount(text).and_then(vendor_amount).map(|amount| -amount),
        None => parse_amount(&text).and_then(vendor_amount),
    }
}
