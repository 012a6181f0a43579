//! The section `clouds`: accounts at vendors of servers, by name. What an account needs is of its make, as in `clouds.paris.ovh`:
//! a family of providers whose row names this section.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;

use super::ConfigError;
use super::kamatera::{self, KamateraAccess};
use super::ovh_cloud::{self, OvhCloudAccess};
use super::secrets::Resolver;
use amarre_core::model::families::{CLOUDS, FAMILIES, ProviderFamily};
use amarre_core::model::savings::parse_amount;
use amarre_core::model::site::{CloudActions, CloudBudget, CloudLimits, CloudSite};
use amarre_core::model::{Code, ProviderId};

/// The section as written: by name, then by make; beside the make are the keys of every cloud.
pub(super) type CloudsFile = BTreeMap<String, BTreeMap<String, Json>>;

/// What may be asked of instances that no manifest manages.
const ACTIONS: &str = "actions";
/// How many servers manifests may have, and of which sizes.
const LIMITS: &str = "limits";
/// What they may cost.
const BUDGET: &str = "budget";
/// The cloud has no account, and is simulated.
const SIMULATED: &str = "simulated";
/// What stands beside the make.
const OF_ALL: [&str; 4] = [ACTIONS, LIMITS, BUDGET, SIMULATED];
/// The make of a simulated cloud that names none.
const SIMULATED_MAKE: &str = "ovh";

/// What vendors bill in. A sum in another currency could never be kept.
const CURRENCIES: [&str; 15] =
    ["AUD", "CAD", "CHF", "CZK", "EUR", "GBP", "ILS", "INR", "MAD", "NZD", "PLN", "SGD", "TND", "USD", "XOF"];

/// One account.
#[derive(Debug, Clone)]
pub enum CloudAccess {
    /// At OVH Public Cloud.
    Ovh(OvhCloudAccess),
    /// At Kamatera.
    Kamatera(KamateraAccess),
    /// Of a family that needs nothing.
    Plain,
}

/// The clouds by name, each with its account.
pub(super) fn build(
    clouds: &CloudsFile,
    secrets: &Resolver,
) -> Result<BTreeMap<String, (CloudSite, CloudAccess)>, ConfigError> {
    clouds.iter().map(|(name, keys)| Ok((name.clone(), cloud(name, keys, secrets)?))).collect()
}

/// The public keys for servers, as OpenSSH writes them: kind, key, and who has it.
pub(super) fn ssh_keys(keys: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ConfigError> {
    const KINDS: [&str; 5] = ["ssh-rsa", "ssh-ed25519", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    let checked = keys.iter().map(|(name, key)| {
        let key = key.trim();
        let mut words = key.split(' ');
        let is_kind = words.next().is_some_and(|word| KINDS.iter().any(|kind| word.starts_with(kind)));
        let is_key =
            is_kind && words.next().is_some_and(|word| word.starts_with("AAAA")) && !key.contains(char::is_control);
        if !is_key {
            let message = format!("ssh_keys.{name} is no public key");
            let hint = "write the line of ~/.ssh/id_ed25519.pub: `ssh-ed25519 AAAA… who`; never a private key";
            return Err(ConfigError::new(Code::A0201, message, hint));
        }
        Ok((name.clone(), key.to_owned()))
    });
    checked.collect()
}

/// Whether a list can be served as the vendor of this cloud gives it. A cloud without a key is fine: clients then learn how to set
/// it.
pub(super) fn check_compat(from: &str, clouds: &BTreeMap<String, CloudSite>) -> Result<(), ConfigError> {
    let is_served = |cloud: &CloudSite| cloud.provider.family() == kamatera::FAMILY;
    let Some(cloud) = clouds.get(from) else {
        let served = clouds.iter().filter(|(_, cloud)| is_served(cloud)).map(|(name, _)| name.as_str());
        let served: Vec<&str> = served.collect();
        let message = format!("server.compat.cloud.from: there is no cloud {from}");
        let hint = if served.is_empty() {
            format!("write `clouds: {{{from}: {{kamatera: {{}}}}}}`")
        } else {
            format!("clouds at Kamatera: {}", served.join(", "))
        };
        return Err(ConfigError::new(Code::A0201, message, hint));
    };
    if is_served(cloud) {
        return Ok(());
    }
    let message = format!("server.compat.cloud.from: {from} is {}", cloud.provider.title());
    Err(ConfigError::new(Code::A0201, message, "name a cloud at Kamatera: its list is the one that is served"))
}

/// The clouds that are simulated.
pub(super) fn simulated(clouds: &CloudsFile) -> BTreeSet<ProviderId> {
    let simulated = clouds.iter().filter(|(_, keys)| keys.get(SIMULATED) == Some(&Json::Bool(true)));
    let makes = simulated.filter_map(|(name, keys)| Some(ProviderId::of_family(family(name, keys).ok()?, name)));
    makes.collect()
}

fn cloud(
    name: &str,
    keys: &BTreeMap<String, Json>,
    secrets: &Resolver,
) -> Result<(CloudSite, CloudAccess), ConfigError> {
    let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_label) {
        let message = format!("clouds: `{name}` is not a name");
        return Err(ConfigError::new(Code::A0201, message, "use lower-case letters, digits and `-`"));
    }
    let family = family(name, keys)?;
    let is_simulated = match keys.get(SIMULATED) {
        None => false,
        Some(Json::Bool(is_simulated)) => *is_simulated,
        Some(_) => {
            let message = format!("clouds.{name}.simulated is neither true nor false");
            return Err(ConfigError::new(Code::A0201, message, "write `simulated: true`"));
        }
    };
    let settings = keys.get(family.make).unwrap_or(&Json::Null);
    let access = match family.name {
        ovh_cloud::FAMILY => CloudAccess::Ovh(ovh_cloud::access(name, settings, is_simulated, secrets)?),
        kamatera::FAMILY => CloudAccess::Kamatera(kamatera::access(name, settings, is_simulated, secrets)?),
        _ => CloudAccess::Plain,
    };
    let site = CloudSite {
        provider: ProviderId::of_family(family, name),
        actions: actions(name, keys.get(ACTIONS))?,
        limits: keys.get(LIMITS).map(|said| limits(name, said)).transpose()?.unwrap_or_default(),
        budget: keys.get(BUDGET).map(|said| budget(name, said)).transpose()?,
    };
    Ok((site, access))
}

/// The family of a cloud, by the make that is named.
fn family(name: &str, keys: &BTreeMap<String, Json>) -> Result<&'static ProviderFamily, ConfigError> {
    let known: Vec<&ProviderFamily> = FAMILIES.iter().filter(|family| family.section == CLOUDS).collect();
    let words: Vec<&str> = known.iter().map(|family| family.make).collect();
    let hint = format!("write one of {} below it", words.join(", "));
    let makes: Vec<&str> = keys.keys().map(String::as_str).filter(|key| !OF_ALL.contains(key)).collect();
    let make = match makes.as_slice() {
        [make] => make,
        [] if keys.contains_key(SIMULATED) => SIMULATED_MAKE,
        _ => return Err(ConfigError::new(Code::A0201, format!("clouds.{name} names no make, or several"), hint)),
    };
    let family = known.into_iter().find(|family| family.make == make);
    family.ok_or_else(|| ConfigError::new(Code::A0201, format!("clouds.{name}: unknown key or make `{make}`"), hint))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudLimitsFile {
    instances: usize,
    #[serde(default)]
    types: BTreeSet<String>,
}

fn limits(name: &str, said: &Json) -> Result<CloudLimits, ConfigError> {
    let read: Result<CloudLimitsFile, _> = serde_json::from_value(said.clone());
    let CloudLimitsFile { instances, types } = read.map_err(|error| {
        // As people say it.
        let error = error.to_string().replace("expected usize", "expected a whole number from 0 on");
        let error = error.replace("struct CloudLimitsFile", "keys with values");
        let hint = "as in `limits: {instances: 10, types: [b3-8]}`; without `types`, any size";
        ConfigError::new(Code::A0201, format!("clouds.{name}.limits: {error}"), hint)
    })?;
    Ok(CloudLimits { instances, types })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetFile {
    month: String,
}

fn budget(name: &str, said: &Json) -> Result<CloudBudget, ConfigError> {
    let hint = "as in `budget: {month: 200 EUR}`: an amount and the vendor's currency, without tax";
    let refused = |message: String| ConfigError::new(Code::A0201, format!("clouds.{name}.budget: {message}"), hint);
    let read: Result<BudgetFile, _> = serde_json::from_value(said.clone());
    let plain = |error: serde_json::Error| error.to_string().replace("struct BudgetFile", "keys with values");
    let month = read.map_err(|error| refused(plain(error)))?.month;
    let is_currency = |text: &&str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let parts = month.trim().split_once(' ').map(|(amount, currency)| (amount.trim(), currency.trim()));
    let parts = parts.filter(|(_, currency)| is_currency(currency));
    let amount = parts.and_then(|(amount, currency)| Some((parse_amount(amount)?, currency.to_owned())));
    let (month, currency) = amount.ok_or_else(|| refused(format!("`{month}` is no amount a month")))?;
    if !CURRENCIES.contains(&currency.as_str()) {
        return Err(refused(format!("no vendor takes {currency}: there are {}", CURRENCIES.join(", "))));
    }
    Ok(CloudBudget { month, currency })
}

fn actions(name: &str, said: Option<&Json>) -> Result<CloudActions, ConfigError> {
    match said.map(|said| said.as_str().unwrap_or_default()) {
        None => Ok(CloudActions::default()),
        Some("none") => Ok(CloudActions::None),
        Some("power") => Ok(CloudActions::Power),
        Some("all") => Ok(CloudActions::All),
        Some(_) => {
            let message = format!("clouds.{name}.actions is none of its words");
            let hint = "write power (start, stop, reboot), all (everything that the vendor offers) or none";
            Err(ConfigError::new(Code::A0201, message, hint))
        }
    }
}
