//! `server:` of the configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use ipnet::IpNet;

use super::build::clean;
use super::file::{CompatPoolFile, ServerFile, ServerTlsFile};
use super::secrets::{Resolver, environment};
use super::{CompatPool, ConfigError, ServerAccess, TlsSource};
use amarre_core::model::Code;

/// An open page reloads itself three times a second while something happens, and people open several.
const PER_MINUTE: u32 = 1_200;
/// The variable by which the server of machines before Amarre indented its answers.
const PRETTY: &str = "PRETTY_JSON";
/// A shorter one can be guessed.
const SECRET_CHARS_MIN: usize = 16;

pub(super) fn build(file: &ServerFile, base: &Path, secrets: &Resolver) -> Result<ServerAccess, ConfigError> {
    let listen = file.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7070)));
    let url = file.url.as_deref().map(url).transpose()?;
    let proxies: Result<Vec<IpNet>, ConfigError> = file.trusted_proxies.list().iter().map(|text| net(text)).collect();
    let per_minute = file.requests_per_minute.unwrap_or(PER_MINUTE);
    if per_minute == 0 {
        let hint = "how often one address may ask in a minute: 1200 is usual";
        return Err(ConfigError::new(Code::A0201, "server.requests_per_minute is 0", hint));
    }
    let webhook_secret = file.webhook_secret.as_ref().map(|secret| secrets.read(secret)).transpose()?;
    if webhook_secret.as_ref().is_some_and(|secret| secret.expose().chars().count() < SECRET_CHARS_MIN) {
        let message = format!("server.webhook_secret is shorter than {SECRET_CHARS_MIN} characters");
        return Err(ConfigError::new(Code::A0201, message, "make one: openssl rand -hex 32"));
    }
    let compat_cloud = file.compat.cloud.as_ref().map(|cloud| (cloud.listen, cloud.from.clone()));
    let compat_pool = file.compat.pool.as_ref().map(|CompatPoolFile { listen, pool }| {
        let is_pretty = environment(PRETTY).is_some_and(|value| !["0", "false", "no"].contains(&value.as_str()));
        CompatPool { listen: *listen, pool: pool.clone(), is_pretty }
    });
    let tls = file.tls.as_ref().map(|tls| encryption(tls, base)).transpose()?;
    if let Some(plain) = url.as_ref().filter(|url| tls.is_some() && url.starts_with("http://")) {
        let message = format!("server.url is {plain}, and with server.tls the pages are at https://");
        return Err(ConfigError::new(Code::A0201, message, format!("write {}", plain.replacen("http", "https", 1))));
    }
    let proxies = proxies?;
    let access = ServerAccess { listen, url, proxies, per_minute, webhook_secret, tls, compat_cloud, compat_pool };
    are_apart(&access)?;
    Ok(access)
}

/// Each listener has an address of its own: their paths differ.
fn are_apart(access: &ServerAccess) -> Result<(), ConfigError> {
    let listeners = access.listeners();
    for (at, (address, key)) in listeners.iter().enumerate() {
        if let Some((_, first)) = listeners[..at].iter().find(|(other, _)| other == address) {
            let message = format!("{key} is {address}, where {first} is");
            return Err(ConfigError::new(Code::A0201, message, "choose another port: the paths differ"));
        }
    }
    Ok(())
}

fn encryption(tls: &ServerTlsFile, base: &Path) -> Result<TlsSource, ConfigError> {
    match tls {
        ServerTlsFile::Word(word) if word == "self-signed" => Ok(TlsSource::SelfSigned),
        ServerTlsFile::Word(word) => {
            let message = format!("server.tls: `{word}` is neither `self-signed` nor two files");
            let hint = "write self-signed, or {certificate: fullchain.pem, key: privkey.pem}";
            Err(ConfigError::new(Code::A0201, message, hint))
        }
        ServerTlsFile::Files(pair) => {
            Ok(TlsSource::Files { certificate: clean(base, &pair.certificate), key: clean(base, &pair.key) })
        }
    }
}

/// `https://amarre.example.org`, without a path.
fn url(text: &str) -> Result<String, ConfigError> {
    let url = reqwest::Url::parse(text).ok().filter(|url| {
        let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
        is_web && url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.password().is_none()
    });
    url.map(|url| url.origin().ascii_serialization()).ok_or_else(|| {
        let message = format!("server.url: `{text}` is not where a site begins");
        ConfigError::new(Code::A0201, message, "write scheme and name, as in https://amarre.example.org")
    })
}

fn net(text: &str) -> Result<IpNet, ConfigError> {
    let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| {
        let message = format!("server.trusted_proxies: `{text}` is not an address");
        ConfigError::new(Code::A0201, message, "write one as in 172.30.0.2 or 172.30.0.0/24")
    })
}
