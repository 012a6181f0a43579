//! How to start an NPM: ports, accounts, and what is behind it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::front::Front;
use super::upstreams::{DirectUpstreams, Upstreams};

/// How to start one.
pub struct NpmOptions {
    /// Port of the admin API, 0 for any.
    pub admin_port: u16,
    /// Port of the proxy, 0 for any.
    pub proxy_port: u16,
    /// Accounts. Empty: the set-up wizard is still open.
    pub users: Vec<NpmUser>,
    /// How long tokens live.
    pub token_lifetime: Duration,
    /// Where the proxy finds what hosts forward to.
    pub upstreams: Arc<dyn Upstreams>,
    /// What becomes of requests for certificates.
    pub issuance: Issuance,
    /// Which NPM it is.
    pub version: NpmVersion,
    /// A real nginx that is given every file too. Visitors are to ask that one then.
    pub front: Option<Arc<dyn Front>>,
    /// Whether TLS ends before the proxy: each visitor counts as one who came by it, and is led to no other port.
    pub tls_ends_before: bool,
    /// Ids of rows are greater.
    pub ids_after: u64,
    /// Where rows are kept from one start to the next; `None`: nowhere.
    pub kept_at: Option<PathBuf>,
}

/// The versions that were recorded, and those that do something else than the recorded one after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NpmVersion {
    /// 2.12.0, as 2.12.6: its redirections take no scheme `auto`.
    V2_12_0,
    /// 2.12.6: 401 and 403 where they belong; its pages rebuild `meta`.
    V2_12,
    /// 2.13.2, as 2.13.7: a redirection with the scheme `auto` leads to `auto://…`.
    V2_13_2,
    /// 2.13.7: a missing right is a 404 that names the path; a 500 has no code.
    V2_13,
    /// 2.15.1: `trust_forwarded_proto`.
    V2_15,
}

impl NpmVersion {
    /// Every one that was recorded.
    pub const ALL: [Self; 3] = [Self::V2_12, Self::V2_13, Self::V2_15];

    /// Major, minor, revision.
    pub const fn numbers(self) -> [u32; 3] {
        match self {
            Self::V2_12_0 => [2, 12, 0],
            Self::V2_12 => [2, 12, 6],
            Self::V2_13_2 => [2, 13, 2],
            Self::V2_13 => [2, 13, 7],
            Self::V2_15 => [2, 15, 1],
        }
    }

    /// What a redirection with the scheme `auto` leads to; `None`: to the scheme of the request. Right since 2.13.3.
    pub(super) fn word_of_auto(self) -> Option<&'static str> {
        if self < Self::V2_13 { Some("auto") } else { None }
    }

    /// From 2.13.0 on, a PUT of a 404 host writes its file from the row as it was before, without its certificate, and then
    /// the `meta` of before over the new one. The switches do it right.
    pub(super) fn writes_404_hosts_of_before(self) -> bool {
        self > Self::V2_12
    }
}

/// What becomes of requests for Let's Encrypt certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuance {
    /// Every request fails at once: there is no certbot.
    NoCertbot,
    /// Every request fails: the authority could not reach the names.
    ChallengesFail,
    /// Every request fails: the authority does not issue for these names.
    Forbidden,
    /// Every request fails: another one is under way.
    Busy,
    /// Every request fails: the authority cannot be reached.
    Away,
    /// The same, in the words of an older certbot, with warnings of Python's before them.
    AwayInOldWords,
    /// Every request fails: certbot's plugin does not find the zone of the name, and went on after it could not fetch a list.
    ZoneUnknown,
    /// Every request fails: the authority does not take the e-mail address of the account.
    MailRefused,
    /// Every request fails until then, in seconds since 1970: the authority has given as many as it gives.
    Limited(i64),
    /// Every request succeeds, save for wildcards without DNS challenge.
    Granted,
}

/// An account.
#[derive(Debug, Clone)]
pub struct NpmUser {
    /// Unique; shows as `owner_user_id`.
    pub id: u64,
    /// The e-mail address, lower case.
    pub identity: String,
    /// The password.
    pub secret: String,
    /// Shown name.
    pub name: String,
    /// Shown short name.
    pub nickname: String,
    /// `admin` or nothing.
    pub roles: Vec<String>,
    /// What it may when it is not an admin.
    pub permissions: NpmPermissions,
}

/// What an account that is not an admin may do, by kind of object.
#[derive(Debug, Clone)]
pub struct NpmPermissions {
    /// Whose rows it sees.
    pub visibility: Visibility,
    /// On proxy hosts.
    pub proxy_hosts: Level,
    /// On redirection hosts.
    pub redirection_hosts: Level,
    /// On 404 hosts.
    pub dead_hosts: Level,
    /// On streams.
    pub streams: Level,
    /// On access lists.
    pub access_lists: Level,
    /// On certificates.
    pub certificates: Level,
}

/// Whose rows an account sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Those of everyone.
    All,
    /// Its own; all others are as if they were not there.
    Own,
}

/// How far a permission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Everything.
    Manage,
    /// Lists and rows.
    View,
    /// Nothing: 404 naming the path.
    Hidden,
}

impl NpmOptions {
    /// Free ports, a person who administers it, and `amarre@amarre.demo` with secret `changeme-npm` and the rights that
    /// `docs/providers/npm.md` asks for; literal upstreams.
    pub fn with_upstreams(upstreams: Arc<dyn Upstreams>) -> Self {
        Self {
            admin_port: 0,
            proxy_port: 0,
            users: vec![
                NpmUser::admin(1, "bob@example.org", "changeme-bob"),
                NpmUser::plain(2, "amarre@amarre.demo", "changeme-npm", NpmPermissions::documented()),
            ],
            token_lifetime: Duration::from_secs(24 * 60 * 60),
            upstreams,
            issuance: Issuance::NoCertbot,
            version: NpmVersion::V2_15,
            front: None,
            tls_ends_before: false,
            ids_after: 0,
            kept_at: None,
        }
    }
}

impl Default for NpmOptions {
    fn default() -> Self {
        Self::with_upstreams(Arc::new(DirectUpstreams))
    }
}

impl NpmUser {
    /// An account that may do everything.
    pub fn admin(id: u64, identity: &str, secret: &str) -> Self {
        Self {
            id,
            identity: identity.to_lowercase(),
            secret: secret.to_owned(),
            name: "Administrator".to_owned(),
            nickname: "Admin".to_owned(),
            roles: vec!["admin".to_owned()],
            permissions: NpmPermissions::admin(),
        }
    }

    /// An account without roles.
    pub fn plain(id: u64, identity: &str, secret: &str, permissions: NpmPermissions) -> Self {
        Self {
            name: "amarre bot".to_owned(),
            nickname: "amarre".to_owned(),
            roles: Vec::new(),
            permissions,
            ..Self::admin(id, identity, secret)
        }
    }
}

impl NpmPermissions {
    /// Everything, on the rows of everyone.
    pub fn admin() -> Self {
        Self { visibility: Visibility::All, ..Self::user() }
    }

    /// What `docs/providers/npm.md` has people give Amarre's account, and no more.
    pub fn documented() -> Self {
        Self { dead_hosts: Level::Hidden, ..Self::admin() }
    }

    /// Everything, on its own rows: what NPM gives a new user (user-get-default-permissions).
    pub fn user() -> Self {
        Self {
            visibility: Visibility::Own,
            proxy_hosts: Level::Manage,
            redirection_hosts: Level::Manage,
            dead_hosts: Level::Manage,
            streams: Level::Manage,
            access_lists: Level::Manage,
            certificates: Level::Manage,
        }
    }

    pub(super) fn to_fields(&self) -> Map<String, Value> {
        let visibility = match self.visibility {
            Visibility::All => "all",
            Visibility::Own => "user",
        };
        let levels = [
            ("proxy_hosts", self.proxy_hosts),
            ("redirection_hosts", self.redirection_hosts),
            ("dead_hosts", self.dead_hosts),
            ("streams", self.streams),
            ("access_lists", self.access_lists),
            ("certificates", self.certificates),
        ];
        let levels = levels.map(|(name, level)| (name.to_owned(), json!(level.word())));
        let mut fields: Map<String, Value> = levels.into_iter().collect();
        fields.insert("visibility".to_owned(), json!(visibility));
        fields
    }
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::View => "view",
            Self::Hidden => "hidden",
        }
    }
}
