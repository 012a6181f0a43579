//! What can go wrong with a call to NPM, and what it means for the engine and for people. Pure.

use super::api::Level;
use super::sections::Section;
use crate::providers::{Class, ProviderError};
use amarre_core::model::world::{LIMITED, NOT_ISSUED};
use amarre_core::model::{Address, Code, Gap, GapScope, Millis, Text, Timestamp};
use amarre_core::text;

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NpmError {
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
    Certbot(CertbotWords),
    /// NPM refuses, in its words.
    Refused(String),
    /// There is no such row.
    Absent,
    /// Our account may not, or the token is worth nothing.
    Denied,
    /// Our account may not do this there, and which level it needs in the end.
    Rights { section: Section, denied: Level, needed: Level },
    /// Sign-in was refused, in NPM's words.
    Credentials(String),
    /// The account needs a second factor.
    TwoFactors,
}

/// What certbot said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertbotWords {
    /// All of it, for people.
    pub said: String,
    /// Its last line: why it stopped. What stands before may be of troubles that it got over.
    pub last: String,
}

/// Whether the call could have changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// It could not.
    Read,
    /// It could.
    Write,
}

/// Which NPM, for sentences.
#[derive(Debug, Clone, Copy)]
pub struct NpmIdentity<'a> {
    /// `main`.
    pub name: &'a str,
    /// As it was configured.
    pub url: &'a str,
    pub identity: &'a str,
}

impl NpmError {
    /// A missing right, with what it is about. Of certificates it is often enough to see them.
    pub fn in_section(self, section: Section, denied: Level) -> Self {
        let needed = if section == Section::Certificates { denied } else { Level::Manage };
        if self == NpmError::Denied { NpmError::Rights { section, denied, needed } } else { self }
    }

    /// No right to write there.
    pub fn no_right_to_write(section: Section) -> Self {
        NpmError::Rights { section, denied: Level::Manage, needed: Level::Manage }
    }

    /// No right to read there, for what is written there in the end.
    pub fn no_right_to_read(section: Section) -> Self {
        NpmError::Rights { section, denied: Level::View, needed: Level::Manage }
    }

    /// A missing right, where this level is what is needed in the end.
    pub fn needing(self, needed: Level) -> Self {
        if let NpmError::Rights { section, denied, .. } = self {
            return NpmError::Rights { section, denied, needed };
        }
        self
    }

    /// The same trouble met on the way to a call that then has not left.
    pub fn not_sent(self) -> Self {
        match self {
            NpmError::Lost(why) => NpmError::Away(why),
            NpmError::Garbled(status) => NpmError::Away(format!("it answered {status} to the sign-in, and not as NPM")),
            NpmError::Broken(status, words) => NpmError::Away(format!("it answered {status} to the sign-in: {words}")),
            NpmError::Away(_)
            | NpmError::TooMany(_)
            | NpmError::Certbot(_)
            | NpmError::Refused(_)
            | NpmError::Absent
            | NpmError::Denied
            | NpmError::Rights { .. }
            | NpmError::Credentials(_)
            | NpmError::TwoFactors => self,
        }
    }

    /// Whether a write that met it may have happened.
    pub fn leaves_doubt(&self) -> bool {
        match self {
            NpmError::Lost(_) | NpmError::Garbled(_) | NpmError::Broken(..) => true,
            NpmError::Away(_)
            | NpmError::TooMany(_)
            | NpmError::Certbot(_)
            | NpmError::Refused(_)
            | NpmError::Absent
            | NpmError::Denied
            | NpmError::Rights { .. }
            | NpmError::Credentials(_)
            | NpmError::TwoFactors => false,
        }
    }

    /// The domain that is taken, in NPM's words.
    pub fn taken(&self) -> Option<&str> {
        if let NpmError::Refused(words) = self {
            Some(words.as_str()).filter(|words| words.contains("already in use"))
        } else {
            None
        }
    }

    /// As an error of `doing` ("could not create proxy host x"); empty = of a look.
    pub fn into_error(self, place: NpmIdentity<'_>, doing: impl Into<Text>, call: CallKind) -> ProviderError {
        let NpmIdentity { name, url, identity } = place;
        let class = match call {
            CallKind::Write if self.leaves_doubt() => Class::OutcomeUnknown,
            CallKind::Write | CallKind::Read => Class::RetryLater,
        };
        let after = if let NpmError::TooMany(after) = &self { *after } else { None };
        let not_before = if let NpmError::Certbot(words) = &self { not_before(&words.last) } else { None };
        let (class, code, what, hint) = match self {
            NpmError::TooMany(_) => (
                class,
                Code::A0601,
                text!("NPM {name} does not answer at {url} (it was asked too often, it answered 429)", name, url),
                text!("a proxy before it has a limit; the daemon tries again when that allows"),
            ),
            NpmError::Away(why) | NpmError::Lost(why) => (
                class,
                Code::A0601,
                text!("NPM {name} does not answer at {url} ({why})", name, url, why = Text::from(why)),
                text!("is its container running? nothing of it is touched meanwhile, and the daemon tries again"),
            ),
            NpmError::Garbled(status) => {
                let (what, hint) = garbled(place, status);
                (class, Code::A0603, what, hint)
            }
            NpmError::Broken(status, words) => {
                let (status, words) = (status.to_string(), Text::from(words.to_lowercase()));
                let what = text!("NPM {name} failed ({status}, {words})", name, status, words);
                let hint =
                    text!("its container's log says why; one bad host or certificate makes nginx refuse every change");
                (class, Code::A0603, what, hint)
            }
            NpmError::Certbot(words) => {
                let (code, what, hint) = certbot(&words, name, identity);
                (Class::Rejected, code, what, hint)
            }
            NpmError::Refused(words) => {
                let what = text!("NPM {name} refuses it: {words}", name, words = Text::from(words));
                (Class::Rejected, Code::A0610, what, Text::default())
            }
            NpmError::Absent => {
                (Class::Conflict, Code::A0613, text!("it is gone from NPM {name}", name), Text::default())
            }
            NpmError::Denied => (
                Class::Reauthenticate,
                Code::A0604,
                text!("NPM {name} does not let {identity} do this", name, identity),
                text!("in NPM, Users, {identity}: it must not be disabled", identity),
            ),
            NpmError::Rights { section, denied, needed } => {
                let (what, hint) = no_right(place, section, denied, needed);
                (Class::Reauthenticate, Code::A0604, what, hint)
            }
            NpmError::Credentials(words) => {
                let words = Text::from(words.to_lowercase());
                let what = text!("NPM {name} refuses the sign-in of {identity} ({words})", name, identity, words);
                let hint =
                    text!("check `identity` and `secret` of npm.{name}; a disabled account is answered the same", name);
                (Class::Reauthenticate, Code::A0602, what, hint)
            }
            NpmError::TwoFactors => (
                Class::Reauthenticate,
                Code::A0606,
                text!("{identity} needs a second factor to sign in to NPM {name}", identity, name),
                text!("give Amarre an account of its own in NPM, without two-factor authentication"),
            ),
        };
        let doing: Text = doing.into();
        let message = if doing.is_empty() { what } else { text!("{doing}: {what}", doing, what) };
        ProviderError::new(class, code, message).hint(hint).after(after).not_before(not_before)
    }
}

/// What answers is not NPM, and what that may be.
fn garbled(NpmIdentity { name, url, .. }: NpmIdentity<'_>, status: u16) -> (Text, Text) {
    let status = status.to_string();
    let what = text!("what answers at {url} is not NPM {name} ({status}, in an unknown form)", url, name, status);
    let hint = text!(
        "while NPM starts, or when its backend is down, nginx answers in its place; its container's log says why; else the address is another program's"
    );
    (what, hint)
}

/// A level that the account lacks, and the one that it needs.
fn no_right(place: NpmIdentity<'_>, section: Section, denied: Level, needed: Level) -> (Text, Text) {
    let NpmIdentity { name, identity, .. } = place;
    let (title, level) = (section.title(), needed.title());
    let what = match denied.word() {
        "view" => text!("NPM {name} does not let {identity} view {title}", name, identity, title),
        _ => text!("NPM {name} does not let {identity} manage {title}", name, identity, title),
    };
    (what, text!("in NPM, Users, {identity}, Permissions: set {title} to {level}", identity, title, level))
}

/// A row that is too large to be read.
pub fn hidden(address: Address, now: Timestamp) -> Gap {
    let message = text!("it is not seen: its row in NPM's list is too large to be read");
    let hint = text!("shorten its `advanced`, or its access list; all else goes on");
    let (provider, code) = (address.provider.clone(), Code::A0618);
    Gap { provider, scope: GapScope::Resource(address), code, message, hint, since: now }
}

/// A row of the ledger that an account with visibility of its own items is not shown.
pub fn not_shown(place: NpmIdentity<'_>, address: &Address, now: Timestamp) -> Gap {
    let NpmIdentity { name, identity, .. } = place;
    let message = text!("NPM {name} does not show it: {identity} sees only what it made itself", name, identity);
    let hint = text!(
        "in NPM, Users, {identity}, Edit Permissions, set Item Visibility to All Items; if it is gone, it is created again then",
        identity
    );
    let scope = GapScope::Resource(address.clone());
    Gap { provider: address.provider.clone(), scope, code: Code::A0604, message, hint, since: now }
}

/// A list that lacks a row which NPM answers by its id.
pub fn left_out(place: NpmIdentity<'_>, address: &Address, now: Timestamp) -> Gap {
    let (name, kind) = (place.name, address.kind);
    let message = text!("NPM {name} has {kind} {of}, and its list does not", name, kind, of = &address.name);
    let hint = text!("nothing of this kind is touched until the list is whole; the log of NPM's container says more");
    let scope = GapScope::Kind(kind);
    Gap { provider: address.provider.clone(), scope, code: Code::A0603, message, hint, since: now }
}

/// What certbot's words say of an order: code, sentence and hint. It prints what the authority answered, or what Python
/// said of a connection. Its last line decides.
fn certbot(words: &CertbotWords, name: &str, identity: &str) -> (Code, Text, Text) {
    const BUSY: [&str; 1] = ["Another instance of Certbot is already running"];
    const ABSENT: [&str; 3] = ["certbot: not found", "spawn certbot", "No such file or directory"];
    const MAIL: [&str; 5] =
        ["contact email", "forbidden domain", "invalidContact", "unsupportedContact", "valid email address"];
    const LIMIT: [&str; 3] = ["rateLimited", "too many", "retry after"];
    // Names of Python's, and not words such as "Connection refused": Let's Encrypt says those of the host that it asks.
    // Up to acme 3 a failure to connect is a ValueError with the address: `Requesting acme-v02.api.letsencrypt.org/directory`.
    const AWAY: [&str; 13] = [
        "ValueError: Requesting ",
        "ConnectionError",
        "Connection aborted",
        "Max retries exceeded",
        "ConnectTimeout",
        "ReadTimeout",
        "Read timed out",
        "SSLError",
        "Failed to resolve",
        "Name or service not known",
        "Temporary failure in name resolution",
        "serverInternal",
        "Service Unavailable",
    ];
    const ASKED: &str = "Some challenges have failed";
    // Of plugins that write a record, also where they met a connection that failed: it was not the authority's.
    const RECORD: [&str; 3] = ["zone identifier", "PluginError", "adding TXT record"];
    let CertbotWords { said, last } = words;
    let says = |any: &[&str]| any.iter().any(|sign| last.contains(sign));
    let said = Text::from(said.as_str());
    if says(&BUSY) {
        let what = text!("certbot of NPM {name} is busy with another certificate", name);
        return (Code::A0802, what, text!("nothing was ordered; the daemon tries again"));
    }
    if says(&ABSENT) {
        let what = text!("NPM {name} ordered nothing, it has no certbot: {said}", name, said);
        return (Code::A0803, what, text!("its container's log says why; the daemon tries again"));
    }
    if says(&MAIL) {
        let what = text!(
            "Let's Encrypt refuses the e-mail address {identity} of NPM {name}'s account: {said}",
            identity,
            name,
            said
        );
        let key = format!("`npm.{name}.identity`");
        let hint = text!("in NPM, Users, {identity}, set an address that receives mail, then {key}", identity, key);
        return (Code::A0808, what, hint);
    }
    if says(&LIMIT) {
        let what = text!("Let's Encrypt has given as many as it gives for now: {said}", said);
        return (LIMITED, what, text!("it is ordered again when that is over"));
    }
    if says(&AWAY) && !says(&[ASKED]) && !says(&RECORD) {
        let what = text!("NPM {name} does not reach Let's Encrypt: {said}", name, said);
        return (
            Code::A0807,
            what,
            text!("may NPM's container speak to the Internet, and does DNS work in it? the daemon tries again"),
        );
    }
    let what = text!("Let's Encrypt issued no certificate: {said}", said);
    let hint =
        text!("its names must lead to this NPM from everywhere, on port 80; certbot's log is in NPM's /data/logs");
    (NOT_ISSUED, what, hint)
}

/// `retry after 2026-11-22 15:04:05 UTC`, as Let's Encrypt ends its words about a limit.
fn not_before(words: &str) -> Option<Timestamp> {
    let (_, after) = words.split_once("retry after ")?;
    let time = after.get(..19)?.replace('T', " ");
    let civil: jiff::civil::DateTime = time.parse().ok()?;
    Some(Timestamp(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What certbot prints when it does not reach the authority: with acme up to 3, which shortens what `requests` says,
    /// and with acme 5 and urllib3 2, which do not.
    #[test]
    fn an_authority_that_is_not_reached_is_known_in_the_words_of_each_certbot() {
        let pool = "HTTPSConnectionPool(host='acme-v02.api.letsencrypt.org', port=443)";
        let retries = format!("{pool}: Max retries exceeded with url: /directory (Caused by ");
        for words in [
            "ValueError: Requesting 127.0.0.1/dir: Connection refused".to_owned(),
            "ValueError: Requesting acme-v02.api.letsencrypt.org/directory: Network is unreachable".to_owned(),
            "ValueError: Requesting acme-v02.api.letsencrypt.org/directory: No route to host".to_owned(),
            format!("requests.exceptions.ConnectionError: {retries}NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))"),
            format!("requests.exceptions.ConnectionError: {retries}NewConnectionError(\"HTTPSConnection(host='acme-v02.api.letsencrypt.org', port=443): Failed to establish a new connection: [Errno 111] Connection refused\"))"),
            format!("requests.exceptions.ConnectionError: {retries}NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno -2] Name or service not known'))"),
            format!("requests.exceptions.ConnectionError: {retries}NameResolutionError(\"HTTPSConnection(host='acme-v02.api.letsencrypt.org', port=443): Failed to resolve 'acme-v02.api.letsencrypt.org' ([Errno -3] Temporary failure in name resolution)\"))"),
            format!("requests.exceptions.ConnectTimeout: {retries}ConnectTimeoutError(<urllib3.connection.HTTPSConnection object at 0x7f>, 'Connection to acme-v02.api.letsencrypt.org timed out. (connect timeout=45)'))"),
            format!("requests.exceptions.ReadTimeout: {pool}: Read timed out. (read timeout=45)"),
            format!("requests.exceptions.SSLError: {retries}SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)')))"),
            "requests.exceptions.ConnectionError: ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))".to_owned(),
            "requests.exceptions.ConnectionError: ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))".to_owned(),
        ] {
            let words = format!("An unexpected error occurred: {words}");
            assert_eq!(code_of(&words), Code::A0807, "{words}");
        }
        // What it prints of its own work, and what Let's Encrypt says of the host that it asked.
        for words in [
            "Requesting a certificate for shop.example.org Some challenges have failed.",
            "Detail: 203.0.113.10: Fetching http://shop.example.org/.well-known/acme-challenge/x: Connection refused \
             Some challenges have failed.",
            "Detail: Invalid response: \"requests.exceptions.ConnectionError\" Some challenges have failed.",
        ] {
            assert_eq!(code_of(words), Code::A0801, "{words}");
        }
    }

    #[test]
    fn certbots_words_are_told_apart() {
        for (words, code) in [
            ("Some challenges have failed.", Code::A0801),
            (
                "An unexpected error occurred: Order included an identifier for which issuance is forbidden by policy: \"x\"",
                Code::A0801,
            ),
            ("Another instance of Certbot is already running.", Code::A0802),
            ("/bin/sh: 1: certbot: not found", Code::A0803),
            (
                "An unexpected error occurred: There were too many requests of a given type :: too many certificates (5) \
                 already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-11-22 15:04:05 UTC",
                Code::A0804,
            ),
            (
                "An unexpected error occurred: requests.exceptions.ConnectionError: HTTPSConnectionPool(host='acme', \
                 port=443): Max retries exceeded with url: /directory",
                Code::A0807,
            ),
            (
                "Unable to register an account with ACME server. The ACME server believes amarre@example.net is an \
                 invalid email address: contact email has forbidden domain \"example.net\"",
                Code::A0808,
            ),
        ] {
            assert_eq!(code_of(words), code, "{words}");
        }
    }

    /// certbot goes on after much that it prints: a list that it could not fetch, a log that is not there.
    #[test]
    fn the_last_error_decides_and_no_word_before_it() {
        let list = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='raw.githubusercontent.com', port=443): Max retries \
                    exceeded with url: /publicsuffix/list/main/public_suffix_list.dat";
        for (before, last, code) in [
            (
                list,
                "Unable to determine zone identifier for shop.test using zone names: ['shop.test', 'test']",
                Code::A0801,
            ),
            (
                "No such file or directory: '/root/.cache'",
                "Unexpected error determining zone identifier for shop.test: HTTPSConnectionPool(host='eu.api.ovh.com', \
                 port=443): Max retries exceeded with url: /1.0/auth/time",
                Code::A0801,
            ),
            (list, "Some challenges have failed.", Code::A0801),
            ("FileNotFoundError: No such file or directory", "Some challenges have failed.", Code::A0801),
            ("Detail: too many requests, retry after a while", "Some challenges have failed.", Code::A0801),
            ("Another instance of Certbot is already running.", list, Code::A0807),
            (list, "Another instance of Certbot is already running.", Code::A0802),
        ] {
            let words = CertbotWords { said: format!("{before} {last}"), last: last.to_owned() };
            assert_eq!(certbot(&words, "main", "amarre@example.net").0, code, "{words:?}");
        }
    }

    fn code_of(line: &str) -> Code {
        let words = CertbotWords { said: line.to_owned(), last: line.to_owned() };
        certbot(&words, "main", "amarre@example.net").0
    }

    #[test]
    fn the_time_that_lets_encrypt_names_is_read() {
        let said = "in the last 168h0m0s, retry after 2026-11-20 12:00:00 UTC: see https://letsencrypt.org/docs";
        assert_eq!(not_before(said), Some(Timestamp(1_795_176_000_000)));
        assert_eq!(not_before("retry after a while"), None);
    }
}
