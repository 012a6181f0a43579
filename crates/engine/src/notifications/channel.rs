//! Notification channels and their topics. Pure.

use std::collections::BTreeSet;
use std::fmt;

use crate::secret::Secret;
use amarre_core::model::Millis;

/// A monitoring service that expects heartbeats, and alerts people when none come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The URL to call. It may hold a token.
    pub url: Secret,
    /// The shortest pause between heartbeats.
    pub every: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name in the configuration.
    pub name: String,
    pub carrier: Carrier,
    pub on: BTreeSet<Topic>,
    /// Its services: names, or beginnings with `*`; empty = all.
    pub services: Vec<String>,
    /// Only problems that have lasted this long.
    pub after: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// An incoming webhook of Slack, or of a compatible service. Its URL is a secret.
    Slack { hook: Secret },
    /// A webhook of Discord.
    Discord { hook: Secret },
    /// A topic of ntfy.
    Ntfy {
        /// The topic's address.
        url: String,
        /// The token of a protected topic.
        token: Option<Secret>,
    },
    /// E-mail.
    Smtp(Box<Smtp>),
    /// JSON, signed as Standard Webhooks has it.
    Webhook {
        url: String,
        /// The signing secret.
        secret: Secret,
    },
}

impl Carrier {
    /// `slack`, `discord`, `ntfy`, `smtp`, `webhook`.
    pub const fn word(&self) -> &'static str {
        match self {
            Carrier::Slack { .. } => "slack",
            Carrier::Discord { .. } => "discord",
            Carrier::Ntfy { .. } => "ntfy",
            Carrier::Smtp(_) => "smtp",
            Carrier::Webhook { .. } => "webhook",
        }
    }
}

/// A server for e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    /// The TLS mode.
    pub tls: SmtpTls,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub from: String,
    pub to: Vec<String>,
}

/// The TLS mode of a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// STARTTLS: the connection begins in plain text, and continues encrypted or not at all.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// No encryption: on this machine.
    None,
}

/// The topics of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A service needs a person.
    Attention,
    /// A provider cannot be observed.
    Provider,
    /// Manifests cannot be fetched.
    Source,
    /// A file of manifests is broken.
    Manifests,
    /// A plan is held.
    Guard,
    /// The ledger cannot be written.
    Ledger,
    /// A certificate ends soon without a renewal.
    Certificate,
    /// Drift was corrected.
    Drift,
    /// A change was made.
    Applied,
    /// What timetables saved, each Monday.
    Savings,
    /// A reservation of machines began, ends soon, or is over: to whoever reserved.
    Reservations,
    /// A deployment of an app has come further, is on line, or failed.
    Deployments,
}

impl Topic {
    /// All topics, as in the configuration.
    pub const WORDS: [(&'static str, Topic); 12] = [
        ("attention", Topic::Attention),
        ("provider", Topic::Provider),
        ("source", Topic::Source),
        ("manifests", Topic::Manifests),
        ("guard", Topic::Guard),
        ("ledger", Topic::Ledger),
        ("certificate", Topic::Certificate),
        ("drift", Topic::Drift),
        ("applied", Topic::Applied),
        ("savings", Topic::Savings),
        ("reservations", Topic::Reservations),
        ("deployments", Topic::Deployments),
    ];

    /// The default topics: everything that needs a person.
    pub fn usual() -> BTreeSet<Topic> {
        let all = Self::WORDS.into_iter().map(|(_, topic)| topic);
        let is_asked_for = |topic: &Topic| {
            let asked = [Self::Drift, Self::Applied, Self::Savings, Self::Reservations, Self::Deployments];
            asked.contains(topic)
        };
        all.filter(|topic| !is_asked_for(topic)).collect()
    }

    /// As it is written.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, topic)| *topic == self).map_or("", |(word, _)| word)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Channel {
    /// Whether the channel wants this message.
    pub fn wants(&self, topic: Topic, service: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(begins) => service.starts_with(begins),
            None => pattern == service,
        };
        // A problem without a service concerns all.
        let is_meant = service.is_empty() || self.services.is_empty() || self.services.iter().any(fits);
        self.on.contains(&topic) && is_meant
    }
}
