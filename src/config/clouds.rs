//! The section `clouds`: accounts at vendors of servers, by name. What an account needs is of its make, as in `clouds.paris.ovh`:
//! a family of providers whose row names this section.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::ConfigError;
use super::kamatera::{self, KamateraAccess};
use super::ovh_cloud::{self, OvhCloudAccess};
use super::secrets::Resolver;
use amarre_core::model::families::{CLOUDS, FAMILIES, ProviderFamily};
use amarre_core::model::site::{CloudActions, CloudSite};
use amarre_core::model::{Code, ProviderId};

/// The section as written: by name, then by make; beside the make are the keys of every cloud.
pub(super) type CloudsFile = BTreeMap<String, BTreeMap<String, Json>>;

/// What may be asked of instances that no manifest manages.
const ACTIONS: &str = "actions";
/// The cloud has no account, and is simulated.
const SIMULATED: &str = "simulated";
/// The make of a simulated cloud that names none.
const SIMULATED_MAKE: &str = "ovh";

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
    Ok((
        CloudSite { provider: ProviderId::of_family(family, name), actions: actions(name, keys.get(ACTIONS))? },
        access,
    ))
}

/// The family of a cloud, by the make that is named.
fn family(name: &str, keys: &BTreeMap<String, Json>) -> Result<&'static ProviderFamily, ConfigError> {
    let known: Vec<&ProviderFamily> = FAMILIES.iter().filter(|family| family.section == CLOUDS).collect();
    let words: Vec<&str> = known.iter().map(|family| family.make).collect();
    let hint = format!("write one of {} below it", words.join(", "));
    let makes: Vec<&str> = keys.keys().map(String::as_str).filter(|key| ![ACTIONS, SIMULATED].contains(key)).collect();
    let make = match makes.as_slice() {
        [make] => make,
        [] if keys.contains_key(SIMULATED) => SIMULATED_MAKE,
        _ => return Err(ConfigError::new(Code::A0201, format!("clouds.{name} names no make, or several"), hint)),
    };
    let family = known.into_iter().find(|family| family.make == make);
    family.ok_or_else(|| ConfigError::new(Code::A0201, format!("clouds.{name}: unknown key or make `{make}`"), hint))
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
