//! The section `clouds`: accounts at vendors of servers, by name. What an account needs is of its make, as in `clouds.paris.ovh`:
//! a family of providers whose row names this section.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::ConfigError;
use amarre_core::model::families::{CLOUDS, FAMILIES, ProviderFamily};
use amarre_core::model::{Code, ProviderId};

/// The section as written: by name, then by make.
pub(super) type CloudsFile = BTreeMap<String, BTreeMap<String, Json>>;

/// One account.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudAccess {
    /// The family of its provider.
    pub family: &'static str,
    /// What the file says below the make, but for `simulated`.
    pub settings: Json,
    /// Test mode: its account is simulated.
    pub simulated: bool,
}

/// The accounts by name, each with the provider that it becomes.
pub(super) fn build(clouds: &CloudsFile) -> Result<BTreeMap<String, (ProviderId, CloudAccess)>, ConfigError> {
    clouds.iter().map(|(name, makes)| Ok((name.clone(), cloud(name, makes)?))).collect()
}

fn cloud(name: &str, makes: &BTreeMap<String, Json>) -> Result<(ProviderId, CloudAccess), ConfigError> {
    let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_label) {
        let message = format!("clouds: `{name}` is not a name");
        return Err(ConfigError::new(Code::A0201, message, "use lower-case letters, digits and `-`"));
    }
    let known: Vec<&ProviderFamily> = FAMILIES.iter().filter(|family| family.section == CLOUDS).collect();
    let words: Vec<&str> = known.iter().map(|family| family.make).collect();
    let hint = match words.as_slice() {
        [] => "this version of Amarre knows no cloud: leave out `clouds`".to_owned(),
        words => format!("write one of {} below it", words.join(", ")),
    };
    let mut makes = makes.iter();
    let (Some((make, settings)), None) = (makes.next(), makes.next()) else {
        return Err(ConfigError::new(Code::A0201, format!("clouds.{name} names no make, or several"), hint));
    };
    let Some(family) = known.into_iter().find(|family| family.make == make) else {
        return Err(ConfigError::new(Code::A0201, format!("clouds.{name}: unknown make `{make}`"), hint));
    };
    let mut settings = settings.clone();
    let word = settings.as_object_mut().and_then(|keys| keys.remove("simulated"));
    let Some(simulated) = word.map_or(Some(false), |word| word.as_bool()) else {
        let message = format!("clouds.{name}.{make}.simulated is neither true nor false");
        return Err(ConfigError::new(Code::A0201, message, "`simulated: true` tries it without an account"));
    };
    let access = CloudAccess { family: family.name, settings, simulated };
    Ok((ProviderId::of_family(family, name), access))
}
