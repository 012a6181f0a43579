//! The section `clouds.NAME.ovh`: a login at OVH Public Cloud, and which projects of it. Keys that it does not say come from
//! where the section `ovh` has them, too: the environment, then `ovh.conf`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value as Json;

use super::ConfigError;
use super::file::{OvhFile, SecretSource};
use super::ovh::{self, LoginSection};
use super::secrets::Resolver;
use crate::secret::OvhLogin;
use amarre_core::model::Code;

/// The family of its provider.
pub(super) const FAMILY: &str = "ovh-cloud";
/// Short names of variables that people have from other tools. They fill clouds alone, never the DNS.
const SHORT_NAMES: [(&str, &str); 2] =
    [("OVH_APP_KEY", "OVH_APPLICATION_KEY"), ("OVH_APP_SECRET", "OVH_APPLICATION_SECRET")];

/// A login at OVH Public Cloud.
#[derive(Debug, Clone)]
pub struct OvhCloudAccess {
    /// `ovh-eu`, …, or a URL.
    pub endpoint: String,
    /// Who calls.
    pub login: OvhLogin,
    /// The projects, by id or description; empty: all.
    pub projects: BTreeSet<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OvhCloudFile {
    endpoint: Option<String>,
    application_key: Option<String>,
    application_secret: Option<SecretSource>,
    consumer_key: Option<SecretSource>,
    client_id: Option<String>,
    client_secret: Option<SecretSource>,
    token_url: Option<String>,
    #[serde(default)]
    projects: BTreeSet<String>,
}

/// The login of a cloud.
///
/// # Errors
/// An unknown key, or as [`ovh::login`].
pub(super) fn access(
    cloud: &str,
    settings: &Json,
    is_simulated: bool,
    secrets: &Resolver,
) -> Result<OvhCloudAccess, ConfigError> {
    let name = format!("clouds.{cloud}.ovh");
    let read: Result<Option<OvhCloudFile>, _> = serde_json::from_value(settings.clone());
    let file = read.map_err(|error| {
        let hint = "its keys: endpoint, application_key, application_secret, consumer_key, client_id, client_secret, \
                    token_url, projects";
        ConfigError::new(Code::A0201, format!("{name}: {error}"), hint)
    })?;
    let file = file.unwrap_or_default();
    let projects = file.projects;
    let file = OvhFile {
        endpoint: file.endpoint,
        application_key: file.application_key,
        application_secret: file.application_secret,
        consumer_key: file.consumer_key,
        client_id: file.client_id,
        client_secret: file.client_secret,
        token_url: file.token_url,
        simulated: is_simulated,
    };
    let section = LoginSection { name: &name, file: Some(&file), variables: &SHORT_NAMES, may_lack_keys: true };
    match ovh::login(section, secrets)? {
        Some((endpoint, login)) => Ok(OvhCloudAccess { endpoint, login, projects }),
        // A section that is there has a login, or there was an error.
        None => Err(ConfigError::new(Code::A0201, format!("{name} has no keys"), "see docs/providers/ovh-cloud.md")),
    }
}
