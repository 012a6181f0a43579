//! Access to an NPM, real or simulated.

use super::build::no_credentials;
use super::file::NpmFile;
use super::secrets::Resolver;
use super::{ConfigError, NpmAccess};
use crate::secret::Secret;
use amarre_core::model::Code;

/// Without certbot's credentials, which all NPMs share.
pub(super) fn access(name: &str, file: &NpmFile, secrets: &Resolver) -> Result<NpmAccess, ConfigError> {
    let given = [("url", file.url.is_some()), ("identity", file.identity.is_some()), ("secret", file.secret.is_some())];
    if file.simulated {
        let of_real = given.into_iter().chain([("container", file.container.is_some())]);
        if let Some((key, _)) = of_real.into_iter().find(|(_, is_given)| *is_given) {
            let message = format!("npm.{name} is simulated, and has `{key}`");
            return Err(ConfigError::new(Code::A0201, message, "leave out `simulated`, or what a real NPM has"));
        }
        // Filled in when the simulator starts.
        let (url, identity) = (String::new(), String::new());
        return Ok(NpmAccess { url, identity, secret: Secret::new(""), dns_credentials: None });
    }
    let (Some(url), Some(identity), Some(secret)) = (&file.url, &file.identity, &file.secret) else {
        let absent: Vec<&str> = given.iter().filter(|(_, is_given)| !is_given).map(|(key, _)| *key).collect();
        let message = format!("npm.{name} needs {} as well", absent.join(" and "));
        return Err(ConfigError::new(Code::A0201, message, "or `simulated: true` alone, to try without an account"));
    };
    no_credentials(&format!("npm.{name}.url"), url)?;
    let url = url.trim_end_matches('/').trim_end_matches("/api").to_owned();
    Ok(NpmAccess { url, identity: identity.clone(), secret: secrets.read(secret)?, dns_credentials: None })
}
