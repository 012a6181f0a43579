//! To whom something is told, and of what. Pure.

use std::collections::BTreeSet;
use std::fmt;

use crate::secret::Secret;
use amarre_core::model::Millis;

/// A service elsewhere that waits for signs of life, and tells people when none come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// What is asked. Who knows it may pass for this instance.
    pub url: Secret,
    /// Not more often than this.
    pub every: Millis,
}

/// One that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// As the configuration calls it.
    pub name: String,
    /// By which way.
    pub carrier: Carrier,
    /// Of what.
    pub on: BTreeSet<Topic>,
    /// Of which services: names, or beginnings with `*`; empty = all.
    pub services: Vec<String>,
    /// Only what has lasted so long.
    pub after: Millis,
}

/// A way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// An incoming webhook of Slack, or of what speaks like it. Who knows its address may write there.
    Slack {
        /// Its address.
        hook: Secret,
    },
    /// A webhook of Discord.
    Discord {
        /// Its address.
        hook: Secret,
    },
    /// A topic of ntfy.
    Ntfy {
        /// The topic's address.
        url: String,
        /// Where it is protected.
        token: Option<Secret>,
    },
    /// E-mail.
    Smtp(Box<Smtp>),
    /// JSON, signed as Standard Webhooks has it.
    Webhook {
        /// Where to.
        url: String,
        /// With which it is signed.
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
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub tls: SmtpTls,
    /// Who sends.
    pub username: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
}

/// How the way to a server for e-mail is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// The conversation begins in the open, and goes on protected or not at all.
    StartTls,
    /// From the first byte.
    Implicit,
    /// Not at all: on this machine.
    None,
}

/// Of what one can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A service needs somebody.
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
    /// A certificate ends soon, and nobody has renewed it.
    Certificate,
    /// Something was put back that somebody else had changed.
    Drift,
    /// Something was changed.
    Applied,
}

impl Topic {
    /// All, as they are written.
    pub const WORDS: [(&'static str, Topic); 9] = [
        ("attention", Topic::Attention),
        ("provider", Topic::Provider),
        ("source", Topic::Source),
        ("manifests", Topic::Manifests),
        ("guard", Topic::Guard),
        ("ledger", Topic::Ledger),
        ("certificate", Topic::Certificate),
        ("drift", Topic::Drift),
        ("applied", Topic::Applied),
    ];

    /// What one is told of when nothing is said: what somebody has to look after.
    pub fn usual() -> BTreeSet<Topic> {
        let all = Self::WORDS.into_iter().map(|(_, topic)| topic);
        all.filter(|topic| !matches!(topic, Topic::Drift | Topic::Applied)).collect()
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
    /// Whether it is told of this.
    pub fn wants(&self, topic: Topic, service: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(begins) => service.starts_with(begins),
            None => pattern == service,
        };
        // What concerns no service concerns all.
        let is_meant = service.is_empty() || self.services.is_empty() || self.services.iter().any(fits);
        self.on.contains(&topic) && is_meant
    }
}
