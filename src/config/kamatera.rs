//! The section `clouds.NAME.kamatera`: an API key of an account at Kamatera. Keys that it does not say come from the environment.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value as Json;

use super::ConfigError;
use super::build::no_credentials;
use super::file::SecretSource;
use super::secrets::{Resolver, environment};
use crate::secret::Secret;
use amarre_core::model::Code;

/// Where the vendor's proxy is.
pub const ENDPOINT: &str = "https://cloudcli.cloudwm.com";
/// Where the vendor's console is.
pub const CONSOLE: &str = "https://console.kamatera.com";
/// The family of its provider.
pub(super) const FAMILY: &str = "kamatera";
/// Id and secret in one variable: `id:secret`.
const BOTH: &str = "KAMATERA_API_KEY";
/// The id alone.
const CLIENT_ID: &str = "KAMATERA_API_CLIENT_ID";
/// The secret alone.
const SECRET: &str = "KAMATERA_API_SECRET";

/// An account at Kamatera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KamateraAccess {
    /// Where the proxy is.
    pub url: String,
    /// Where the console is.
    pub console: String,
    /// The id of the API key; empty: there is none.
    pub client_id: String,
    /// Its secret.
    pub secret: Secret,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KamateraFile {
    client_id: Option<String>,
    secret: Option<SecretSource>,
    url: Option<String>,
    console: Option<String>,
}

/// The account of a cloud.
///
/// # Errors
/// An unknown key, half of an API key, or two variables that disagree.
pub(super) fn access(
    cloud: &str,
    settings: &Json,
    is_simulated: bool,
    secrets: &Resolver,
) -> Result<KamateraAccess, ConfigError> {
    find(cloud, settings, is_simulated, KeyPlaces { secrets, variable: &environment })
}

/// Where keys are looked for beside the section.
#[derive(Clone, Copy)]
struct KeyPlaces<'a> {
    secrets: &'a Resolver,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

fn find(
    cloud: &str,
    settings: &Json,
    is_simulated: bool,
    places: KeyPlaces<'_>,
) -> Result<KamateraAccess, ConfigError> {
    let name = format!("clouds.{cloud}.kamatera");
    let read: Result<Option<KamateraFile>, _> = serde_json::from_value(settings.clone());
    let file = read.map_err(|error| {
        ConfigError::new(Code::A0201, format!("{name}: {error}"), "its keys: client_id, secret, url, console")
    })?;
    let file = file.unwrap_or_default();
    if is_simulated {
        if file.client_id.is_some() || file.secret.is_some() || file.url.is_some() || file.console.is_some() {
            let message = format!("{name} is simulated, and has an account");
            return Err(ConfigError::new(Code::A0201, message, "leave out `simulated`, or what a real account has"));
        }
        // The simulator fills them in. A real account in the environment is not read.
        let (url, console, client_id) = (String::new(), String::new(), String::new());
        return Ok(KamateraAccess { url, console, client_id, secret: Secret::new("") });
    }
    let url = file.url.unwrap_or_else(|| ENDPOINT.to_owned());
    no_credentials(&format!("{name}.url"), &url)?;
    let console = file.console.unwrap_or_else(|| CONSOLE.to_owned());
    no_credentials(&format!("{name}.console"), &console)?;
    let own = file.secret.as_ref().map(|source| places.secrets.read(source)).transpose()?;
    let (client_id, secret) = match (file.client_id, own) {
        (Some(client_id), Some(secret)) => (Some(client_id), Some(secret)),
        (client_id, secret) => {
            let (other_id, other_secret) = from_environment(places)?;
            (client_id.or(other_id), secret.or(other_secret))
        }
    };
    match (client_id, secret) {
        (Some(client_id), Some(secret)) => Ok(KamateraAccess { url, console, client_id, secret }),
        // The cloud is a gap that says which variable it needs; everything else goes on.
        (None, None) => Ok(KamateraAccess { url, console, client_id: String::new(), secret: Secret::new("") }),
        (client_id, _) => {
            let missing = if client_id.is_none() { "client_id" } else { "secret" };
            let hint = format!(
                "looked in amarre.yaml, {BOTH} (id:secret), {CLIENT_ID} and {SECRET}; \
                 docs/providers/kamatera.md says where a key comes from; \
                 `clouds: {{{cloud}: {{kamatera: {{}}, simulated: true}}}}` tries without an account"
            );
            Err(ConfigError::new(Code::A0201, format!("{name} needs {missing} as well"), hint))
        }
    }
}

/// Id and secret as the environment has them; each variable may also name a file.
fn from_environment(
    KeyPlaces { secrets, variable }: KeyPlaces<'_>,
) -> Result<(Option<String>, Option<Secret>), ConfigError> {
    let value = |name: &str| match (variable(name), variable(&format!("{name}_FILE"))) {
        (Some(text), _) => Ok(Some(Secret::new(text))),
        (None, Some(path)) => secrets.read(&SecretSource::File { file: PathBuf::from(path) }).map(Some),
        (None, None) => Ok(None),
    };
    let (both, id, secret) = (value(BOTH)?, value(CLIENT_ID)?, value(SECRET)?);
    let id = id.map(|id| id.expose().trim().to_owned());
    let Some(both) = both else { return Ok((id, secret)) };
    // What is wrong with it is not repeated: it is the secret.
    let parts = both.expose().trim().split_once(':').filter(|(id, secret)| !id.is_empty() && !secret.is_empty());
    let Some((both_id, both_secret)) = parts else {
        return Err(ConfigError::new(
            Code::A0240,
            format!("{BOTH} is not of the form id:secret"),
            "export KAMATERA_API_KEY=id:secret",
        ));
    };
    let differs = id.as_deref().is_some_and(|id| id != both_id)
        || secret.as_ref().is_some_and(|secret| secret.expose() != both_secret);
    if differs {
        let message = format!("{BOTH} and {CLIENT_ID} or {SECRET} are set, to different values");
        return Err(ConfigError::new(Code::A0240, message, format!("keep {BOTH}")));
    }
    Ok((Some(both_id.to_owned()), Some(Secret::new(both_secret))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The account that section and variables give, as text; an error is its message.
    fn found(settings: &Json, is_simulated: bool, variables: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "filed\n").unwrap();
        let secrets = Resolver::new(folder.path().to_owned());
        let variable =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        match find("tlv", settings, is_simulated, KeyPlaces { secrets: &secrets, variable: &variable }) {
            Ok(access) => format!("{} {} {}", access.url, access.client_id, access.secret.expose()),
            Err(error) => error.message,
        }
    }

    #[test]
    fn a_key_comes_from_the_section_or_the_environment() {
        let both = [(BOTH, "id:se:cret")];
        let apart = [(CLIENT_ID, "id"), (SECRET, "secret")];
        for (settings, variables, expected) in [
            (json!({"client_id": "own", "secret": "sauce"}), &both[..], format!("{ENDPOINT} own sauce")),
            (json!({"client_id": "own", "secret": {"file": "key"}}), &[], format!("{ENDPOINT} own filed")),
            (json!({}), &both, format!("{ENDPOINT} id se:cret")),
            (json!(null), &both, format!("{ENDPOINT} id se:cret")),
            (json!({"url": "http://127.0.0.1:1"}), &apart, "http://127.0.0.1:1 id secret".to_owned()),
            (json!({"client_id": "own"}), &[("KAMATERA_API_SECRET_FILE", "key")], format!("{ENDPOINT} own filed")),
            (json!({}), &[], format!("{ENDPOINT}  ")),
            (json!({}), &[(SECRET, "secret")], "clouds.tlv.kamatera needs client_id as well".to_owned()),
            (json!({}), &[(CLIENT_ID, "id")], "clouds.tlv.kamatera needs secret as well".to_owned()),
            (json!({}), &[(BOTH, "no-colon")], format!("{BOTH} is not of the form id:secret")),
            (
                json!({}),
                &[(BOTH, "id:secret"), (SECRET, "another")],
                format!("{BOTH} and {CLIENT_ID} or {SECRET} are set, to different values"),
            ),
            (json!({}), &[(BOTH, "id:secret"), (SECRET, "secret")], format!("{ENDPOINT} id secret")),
        ] {
            assert_eq!(found(&settings, false, variables), expected, "{settings} {variables:?}");
        }
        assert_eq!(found(&json!({}), true, &both), "  ", "test mode takes no account from the environment");
        assert_eq!(
            found(&json!({"client_id": "own"}), true, &[]),
            "clouds.tlv.kamatera is simulated, and has an account"
        );
    }
}
