//! What can go wrong with a call to NPM, and what it means for the engine and for people. Pure.

use super::api::{Level, Section};
use crate::model::Millis;
use crate::model::world::NOT_ISSUED;
use crate::providers::{Class, ProviderError};

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing of the call has left.
    Away(String),
    /// It left; no whole answer came.
    Lost(String),
    /// NPM has no limit of its own: a proxy before it turned the call away, for so long where it says.
    TooMany(Option<Millis>),
    /// An answer that is not NPM's own, with its status: nginx before a backend that is down answers HTML.
    Garbled(u16),
    /// NPM failed; it may have done the work before.
    Broken(u16, String),
    /// Certbot did not get a certificate, in its words.
    Certbot(String),
    /// NPM refuses, in its words.
    Refused(String),
    /// There is no such row.
    Absent,
    /// Our account may not, or the token is worth nothing.
    Denied,
    /// Our account may not do this there.
    Rights(Section, Level),
    /// Sign-in was refused, in NPM's words.
    Credentials(String),
    /// The account needs a second factor.
    TwoFactors,
}

/// Whether the call could have changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It could not.
    Read,
    /// It could.
    Write,
}

/// Which NPM, for sentences.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// `main`.
    pub name: &'a str,
    /// As it was configured.
    pub url: &'a str,
    /// The account.
    pub identity: &'a str,
}

impl Trouble {
    /// A missing right, with what it is about.
    pub fn in_section(self, section: Section, level: Level) -> Self {
        if self == Trouble::Denied { Trouble::Rights(section, level) } else { self }
    }

    /// The same trouble met on the way to a call that then has not left.
    pub fn not_sent(self) -> Self {
        match self {
            Trouble::Lost(why) => Trouble::Away(why),
            Trouble::Garbled(status) => Trouble::Away(format!("it answered {status} to the sign-in, and not as NPM")),
            Trouble::Broken(status, words) => Trouble::Away(format!("it answered {status} to the sign-in: {words}")),
            Trouble::Away(_)
            | Trouble::TooMany(_)
            | Trouble::Certbot(_)
            | Trouble::Refused(_)
            | Trouble::Absent
            | Trouble::Denied
            | Trouble::Rights(..)
            | Trouble::Credentials(_)
            | Trouble::TwoFactors => self,
        }
    }

    /// Whether a write that met it may have happened.
    pub fn leaves_doubt(&self) -> bool {
        match self {
            Trouble::Lost(_) | Trouble::Garbled(_) | Trouble::Broken(..) => true,
            Trouble::Away(_)
            | Trouble::TooMany(_)
            | Trouble::Certbot(_)
            | Trouble::Refused(_)
            | Trouble::Absent
            | Trouble::Denied
            | Trouble::Rights(..)
            | Trouble::Credentials(_)
            | Trouble::TwoFactors => false,
        }
    }

    /// The domain that is taken, in NPM's words.
    pub fn taken(&self) -> Option<&str> {
        if let Trouble::Refused(words) = self {
            Some(words.as_str()).filter(|words| words.contains("already in use"))
        } else {
            None
        }
    }

    /// As an error of `doing` ("could not create proxy host x"); empty = of a look.
    pub fn into_error(self, place: Place<'_>, doing: &str, call: Call) -> ProviderError {
        let Place { name, url, identity } = place;
        let class = match call {
            Call::Write if self.leaves_doubt() => Class::OutcomeUnknown,
            Call::Write | Call::Read => Class::RetryLater,
        };
        let after = if let Trouble::TooMany(after) = &self { *after } else { None };
        let (class, code, what, hint) = match self {
            Trouble::TooMany(_) => (
                class,
                "A0601",
                format!("NPM {name} does not answer at {url} (it was asked too often, it answered 429)"),
                "a proxy before it has a limit; it is tried again when that allows".to_owned(),
            ),
            Trouble::Away(why) | Trouble::Lost(why) => (
                class,
                "A0601",
                format!("NPM {name} does not answer at {url} ({why})"),
                "is its container running? nothing of it is touched meanwhile, and it is tried again".to_owned(),
            ),
            Trouble::Garbled(status) => (
                class,
                "A0603",
                format!("what answers at {url} is not NPM {name} ({status}, in an unknown form)"),
                "while NPM starts, or when its backend is down, nginx answers in its place; its container's log says why; \
                 else the address is another program's"
                    .to_owned(),
            ),
            Trouble::Broken(status, words) => (
                class,
                "A0603",
                format!("NPM {name} failed ({status}, {})", words.to_lowercase()),
                "its container's log says why; one bad host or certificate makes nginx refuse every change".to_owned(),
            ),
            Trouble::Certbot(words) if words.contains("Another instance of Certbot is already running") => (
                Class::Rejected,
                "A0802",
                format!("certbot of NPM {name} is busy with another certificate"),
                "it is tried again".to_owned(),
            ),
            Trouble::Certbot(words) => (
                Class::Rejected,
                NOT_ISSUED,
                format!("Let's Encrypt issued no certificate: {words}"),
                "its names must lead to this NPM from everywhere, on port 80; certbot's log is in NPM's /data/logs".to_owned(),
            ),
            Trouble::Refused(words) => {
                (Class::Rejected, "A0610", format!("NPM {name} refuses it: {words}"), String::new())
            }
            Trouble::Absent => (Class::Conflict, "A0613", format!("it is gone from NPM {name}"), String::new()),
            Trouble::Denied => (
                Class::Reauthenticate,
                "A0604",
                format!("NPM {name} does not let {identity} do this"),
                format!("in NPM, Users, {identity}: it must not be disabled"),
            ),
            Trouble::Rights(section, level) => {
                let (what, word) = (section.permission().replace('_', " "), level.word());
                (
                    Class::Reauthenticate,
                    "A0604",
                    format!("NPM {name} does not let {identity} {word} {what}"),
                    format!("in NPM, Users, {identity}, Permissions: set {what} to {}", setting(section, level)),
                )
            }
            Trouble::Credentials(words) => (
                Class::Reauthenticate,
                "A0602",
                format!("NPM {name} refuses the sign-in of {identity} ({})", words.to_lowercase()),
                format!("check `identity` and `secret` of npm.{name}; a disabled account is answered the same"),
            ),
            Trouble::TwoFactors => (
                Class::Reauthenticate,
                "A0606",
                format!("{identity} needs a second factor to sign in to NPM {name}"),
                "give Amarre an account of its own in NPM, without two-factor authentication".to_owned(),
            ),
        };
        let message = if doing.is_empty() { what } else { format!("{doing}: {what}") };
        ProviderError::new(class, code, message).hint(hint).after(after)
    }
}

/// What Amarre needs in the end, whatever it just tried.
fn setting(section: Section, level: Level) -> &'static str {
    match section {
        Section::ProxyHosts | Section::Redirections | Section::Streams | Section::AccessLists => "Manage",
        Section::Certificates if level == Level::View => "View Only or Manage",
        Section::Certificates => "Manage",
    }
}
