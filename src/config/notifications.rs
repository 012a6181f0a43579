//! `notifications:` of the configuration, and `reconcile.heartbeat`.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{duration, no_credentials};
use super::file::{ChannelFile, HeartbeatFile, SmtpFile};
use super::secrets::Resolver;
use super::{ConfigError, file::NtfyFile, file::WebhookFile};
use crate::notifications::channel::{Carrier, Channel, Heartbeat, Smtp, SmtpTls, Topic};
use amarre_core::model::{Code, Millis};

/// A problem that is over in a minute needs no person.
const AFTER: Millis = Millis::minutes(1);
/// Monitoring services count in minutes.
const BEAT_USUAL: Millis = Millis::minutes(1);
/// While something changes, a pass ends several times a second: too often for a monitoring service.
const BEAT_LEAST: Millis = Millis::seconds(10);

pub(super) fn build(files: &BTreeMap<String, ChannelFile>, secrets: &Resolver) -> Result<Vec<Channel>, ConfigError> {
    files.iter().map(|(name, file)| channel(name, file, secrets)).collect()
}

/// The heartbeat's URL. It may hold a token, so it is not repeated.
pub(super) fn heartbeat(file: Option<&HeartbeatFile>, secrets: &Resolver) -> Result<Option<Heartbeat>, ConfigError> {
    let Some(file) = file else { return Ok(None) };
    let url = secrets.read(&file.url)?;
    let is_web = |url: reqwest::Url| matches!(url.scheme(), "https" | "http") && url.has_host();
    if !reqwest::Url::parse(url.expose()).is_ok_and(is_web) {
        let message = "reconcile.heartbeat.url is no address";
        return Err(ConfigError::new(Code::A0201, message, "it begins with https:// and is one line"));
    }
    let every = duration("reconcile.heartbeat.every", file.every.as_deref(), BEAT_USUAL)?;
    if every < BEAT_LEAST {
        let message =
            format!("reconcile.heartbeat.every: `{}` is too short", file.every.as_deref().unwrap_or_default());
        return Err(ConfigError::new(Code::A0201, message, format!("{} s or more", BEAT_LEAST.0 / 1_000)));
    }
    Ok(Some(Heartbeat { url, every }))
}

fn channel(name: &str, file: &ChannelFile, secrets: &Resolver) -> Result<Channel, ConfigError> {
    let wrong = |key: &str, what: &str, hint: &str| {
        ConfigError::new(Code::A0201, format!("notifications.{name}{key}: {what}"), hint)
    };
    let mut carriers = Vec::new();
    if let Some(hook) = &file.slack {
        carriers.push(Carrier::Slack { hook: secrets.read(hook)? });
    }
    if let Some(hook) = &file.discord {
        carriers.push(Carrier::Discord { hook: secrets.read(hook)? });
    }
    if let Some(NtfyFile { url, token }) = &file.ntfy {
        no_credentials(&format!("notifications.{name}.ntfy.url"), url)?;
        let token = token.as_ref().map(|token| secrets.read(token)).transpose()?;
        carriers.push(Carrier::Ntfy { url: url.clone(), token });
    }
    if let Some(WebhookFile { url, secret }) = &file.webhook {
        no_credentials(&format!("notifications.{name}.webhook.url"), url)?;
        carriers.push(Carrier::Webhook { url: url.clone(), secret: secrets.read(secret)? });
    }
    if let Some(file) = &file.smtp {
        carriers.push(Carrier::Smtp(Box::new(smtp(name, file, secrets)?)));
    }
    let [carrier] = <[Carrier; 1]>::try_from(carriers).map_err(|found| {
        let what = if found.is_empty() { "it names no way" } else { "it names several ways" };
        wrong("", what, "one of slack, discord, ntfy, smtp, webhook; another way is another name")
    })?;
    let address = match &carrier {
        Carrier::Slack { hook } | Carrier::Discord { hook } => hook.expose(),
        Carrier::Ntfy { url, .. } | Carrier::Webhook { url, .. } => url,
        Carrier::Smtp(_) => "https://",
    };
    if !address.starts_with("https://") && !address.starts_with("http://") {
        return Err(wrong(&format!(".{}", carrier.word()), "it is no address", "it begins with https://"));
    }
    let mut on = BTreeSet::new();
    for word in file.on.list() {
        let known = Topic::WORDS.iter().find(|(known, _)| *known == word);
        let words: Vec<&str> = Topic::WORDS.iter().map(|(word, _)| *word).collect();
        let hint = format!("it is some of {}", words.join(", "));
        on.insert(known.map(|(_, topic)| *topic).ok_or_else(|| wrong(".on", &format!("`{word}`"), &hint))?);
    }
    if on.is_empty() {
        on = Topic::usual();
    }
    let after = match file.after.as_deref() {
        // The one duration that may be zero.
        Some("0s" | "0") => Millis(0),
        text => duration(&format!("notifications.{name}.after"), text, AFTER)?,
    };
    Ok(Channel { name: name.to_owned(), carrier, on, services: file.services.list(), after })
}

fn smtp(name: &str, file: &SmtpFile, secrets: &Resolver) -> Result<Smtp, ConfigError> {
    let wrong = |key: &str, what: String, hint: &str| {
        ConfigError::new(Code::A0201, format!("notifications.{name}.smtp.{key}: {what}"), hint)
    };
    let (tls, usual_port) = match file.tls.as_deref() {
        None | Some("starttls") => (SmtpTls::StartTls, 587),
        Some("implicit") => (SmtpTls::Implicit, 465),
        Some("none") => (SmtpTls::None, 25),
        Some(other) => return Err(wrong("tls", format!("`{other}`"), "it is starttls, implicit or none")),
    };
    if file.username.is_some() != file.password.is_some() {
        return Err(wrong("username", "one of username and password is missing".to_owned(), "write both, or none"));
    }
    if tls == SmtpTls::None && file.password.is_some() {
        let hint = "use starttls or implicit, else everybody on the way reads the password";
        return Err(wrong("tls", "a password would be sent in the open".to_owned(), hint));
    }
    let to = file.to.list();
    if to.is_empty() {
        return Err(wrong("to", "nobody is named".to_owned(), "write at least one address"));
    }
    for address in to.iter().chain([&file.from]) {
        if address.parse::<lettre::message::Mailbox>().is_err() {
            let hint = "write ops@example.org, or Ops <ops@example.org>";
            return Err(wrong("to, from", format!("`{address}` is no e-mail address"), hint));
        }
    }
    let password = file.password.as_ref().map(|password| secrets.read(password)).transpose()?;
    Ok(Smtp {
        host: file.host.clone(),
        port: file.port.unwrap_or(usual_port),
        tls,
        username: file.username.clone(),
        password,
        from: file.from.clone(),
        to,
    })
}
