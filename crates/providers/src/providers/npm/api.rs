//! The calls and the wire structs of NPM's API, nothing clever. Keeps the sign-in token in memory.
//!
//! Never logs or keeps a token, nor a certificate's `meta`: NPM answers it with the private key.
//! What NPM says about a token is odd, so each is tried once more with a new one (see `is_spent`):
//! expired = 400 or 401, not its own = 500, no rights = 403 or a 404 that names the *path*.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json, json};
use tokio::sync::Mutex;

use super::errors::{CertbotWords, NpmError};
use super::sections::Section;
use crate::error_chain::reason;
use crate::providers::http::{BODY_BYTES_MAX, Counts, Http, HttpAnswer, HttpFailure};
use crate::providers::rows::{ListError, ListForm, Listed};
use crate::secret::{Scrubber, Secret};
use amarre_core::model::words;

/// NPM answers when certbot has ended; its own proxy waits for a quarter of an hour.
const ORDER_TIMEOUT: Duration = Duration::from_secs(16 * 60);

/// From this version on a certificate can be asked for its streams.
const STREAMS_OF_CERTIFICATES: (u32, u32) = (2, 13);

/// Lists of NPM. What a row is called and whose it is, it says in these.
const LIST: ListForm =
    ListForm { depth: 1, names: &["domain_names", "meta", "name", "nice_name"], required: &[], bytes: BODY_BYTES_MAX };

/// A proxy host, a redirection host or a stream. Fields that a kind lacks are at their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HostRow {
    pub id: u64,
    #[serde(default)]
    pub domain_names: Vec<String>,
    #[serde(default)]
    pub forward_scheme: String,
    pub enabled: bool,
    #[serde(default)]
    pub forward_host: String,
    #[serde(default)]
    pub forward_port: u16,
    #[serde(default)]
    pub incoming_port: u16,
    #[serde(default)]
    pub forwarding_host: String,
    #[serde(default)]
    pub forwarding_port: u16,
    #[serde(default)]
    pub tcp_forwarding: bool,
    #[serde(default)]
    pub udp_forwarding: bool,
    #[serde(default)]
    pub forward_domain_name: String,
    #[serde(default)]
    pub forward_http_code: u16,
    #[serde(default)]
    pub preserve_path: bool,
    #[serde(default)]
    pub certificate_id: u64,
    #[serde(default)]
    pub ssl_forced: bool,
    #[serde(default)]
    pub allow_websocket_upgrade: bool,
    #[serde(default)]
    pub block_exploits: bool,
    #[serde(default)]
    pub caching_enabled: bool,
    #[serde(default)]
    pub http2_support: bool,
    #[serde(default)]
    pub hsts_enabled: bool,
    #[serde(default)]
    pub hsts_subdomains: bool,
    #[serde(default)]
    pub advanced_config: String,
    /// As they were sent once, by whomever: text or number, with or without each key.
    #[serde(default)]
    pub locations: Option<Vec<Map<String, Json>>>,
    #[serde(default)]
    pub access_list_id: u64,
    #[serde(default, deserialize_with = "none_is_empty")]
    pub meta: Map<String, Json>,
    /// `None` with a `certificate_id` = the row is gone.
    #[serde(default)]
    pub certificate: Option<CertificateName>,
    /// `None` with an `access_list_id` = the row is gone.
    #[serde(default)]
    pub access_list: Option<ListName>,
}

fn none_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Json>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What a host tells of its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CertificateName {
    pub nice_name: String,
}

/// What a host tells of its access list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListName {
    pub name: String,
}

/// An access list. Passwords cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListRow {
    pub id: u64,
    #[serde(default)]
    pub owner_user_id: u64,
    pub name: String,
    pub satisfy_any: bool,
    pub pass_auth: bool,
    #[serde(default)]
    pub proxy_host_count: u64,
    #[serde(default)]
    pub items: Vec<ListItem>,
    #[serde(default)]
    pub clients: Vec<ListClient>,
}

/// A user of an access list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListItem {
    pub username: String,
}

/// A network of an access list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListClient {
    pub address: String,
    pub directive: String,
}

/// A certificate, without its `meta`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CertificateRow {
    pub id: u64,
    #[serde(default)]
    pub owner_user_id: u64,
    pub nice_name: String,
    pub provider: String,
    /// Empty until the files of a custom one are uploaded; NPM writes down what it finds in them, names or not.
    #[serde(default)]
    pub domain_names: Vec<Option<String>>,
    #[serde(default)]
    pub expires_on: String,
    #[serde(default)]
    pub created_on: String,
}

/// A certificate with what has it: hosts that are switched off, and those that this account cannot see, as well.
#[derive(Debug, Clone, Deserialize)]
pub struct CertificateUsers {
    #[serde(flatten)]
    pub row: CertificateRow,
    #[serde(default)]
    proxy_hosts: Vec<NpmUserRow>,
    #[serde(default)]
    redirection_hosts: Vec<NpmUserRow>,
    #[serde(default)]
    dead_hosts: Vec<NpmUserRow>,
    #[serde(default)]
    streams: Vec<NpmUserRow>,
}

#[derive(Debug, Clone, Deserialize)]
struct NpmUserRow {
    id: u64,
}

impl CertificateUsers {
    /// One of those that have it: `404 host #4`.
    pub fn any(&self) -> Option<String> {
        let lists = [
            ("proxy host", &self.proxy_hosts),
            ("redirection", &self.redirection_hosts),
            ("404 host", &self.dead_hosts),
            ("stream", &self.streams),
        ];
        lists.into_iter().find_map(|(kind, rows)| rows.first().map(|row| format!("{kind} #{}", row.id)))
    }
}

impl CertificateRow {
    /// Whether Let's Encrypt gave it: NPM makes the row first, which then ends on the day of its making.
    pub fn is_issued(&self) -> bool {
        let day = |text: &str| text.get(..10).map(str::to_owned);
        self.provider == "letsencrypt" && day(&self.expires_on) != day(&self.created_on)
    }

    /// Whether nginx would find its files.
    pub fn has_files(&self) -> bool {
        !self.domain_names.is_empty()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Me {
    pub id: u64,
    #[serde(default)]
    pub roles: Vec<String>,
    /// Section and level. 2.12 answers with the whole row, numbers and dates in it.
    #[serde(default, deserialize_with = "texts")]
    pub permissions: BTreeMap<String, String>,
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let all: BTreeMap<String, Json> = Deserialize::deserialize(deserializer)?;
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect())
}

/// A line of the audit log.
#[derive(Debug, Clone, Deserialize)]
pub struct NpmAuditRow {
    /// In the server's local time, without a zone.
    pub created_on: String,
    pub user_id: u64,
    /// `proxy-host`, `redirection-host`, `stream`, `access-list`.
    pub object_type: String,
    pub object_id: u64,
    /// Who it was, where the account is still there.
    #[serde(default)]
    pub user: Option<AuditUser>,
}

/// An account as the audit log tells it.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditUser {
    pub email: String,
}

impl Me {
    /// Whether it may do everything, and read the audit log.
    pub fn is_admin(&self) -> bool {
        self.roles.iter().any(|role| role == "admin")
    }

    /// Whether it sees only what it has made itself.
    pub fn sees_its_own_only(&self) -> bool {
        self.permissions.get("visibility").is_some_and(|visibility| visibility == "user")
    }

    /// Whether it may read (`view`) or write (`manage`) there.
    pub fn may(&self, section: Section, level: Level) -> bool {
        let given = self.permissions.get(section.permission()).map_or("", String::as_str);
        self.is_admin() || given == "manage" || given == level.word()
    }
}

/// What a user may do in a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    View,
    /// Write.
    Manage,
}

impl Level {
    /// In a user's permissions.
    pub const fn word(self) -> &'static str {
        match self {
            Level::View => "view",
            Level::Manage => "manage",
        }
    }

    /// On NPM's page.
    pub const fn title(self) -> &'static str {
        match self {
            Level::View => "View Only",
            Level::Manage => "Manage",
        }
    }
}

/// What `GET /api/` says.
#[derive(Debug, Clone, Deserialize)]
pub struct NpmStatus {
    pub version: NpmVersion,
    /// Absent before 2.13.
    #[serde(default = "is_set_up")]
    pub setup: bool,
}

fn is_set_up() -> bool {
    true
}

/// NPM's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct NpmVersion {
    pub major: u32,
    pub minor: u32,
    pub revision: u32,
}

impl std::fmt::Display for NpmVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.revision)
    }
}

impl NpmVersion {
    /// Whether a certificate says which streams have it.
    pub fn tells_streams(self) -> bool {
        (self.major, self.minor) >= STREAMS_OF_CERTIFICATES
    }

    /// Whether a redirection may leave the scheme to the visitor. Until then it leads to `auto://`, and 2.12.0 refuses it.
    pub fn keeps_schemes(self) -> bool {
        (self.major, self.minor, self.revision) >= (2, 13, 3)
    }
}

/// The answer to a sign-in: a token, or the wish for a second factor.
#[derive(Deserialize)]
struct SignIn {
    token: Option<String>,
    #[serde(default)]
    requires_2fa: bool,
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    error: ErrorText,
    /// Of certificates: what certbot printed.
    #[serde(default)]
    debug: ErrorDebug,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorDebug {
    #[serde(default)]
    stack: Vec<String>,
    #[serde(default)]
    previous: Option<ErrorBefore>,
}

/// What NPM ran.
#[derive(Debug, Deserialize)]
struct ErrorBefore {
    #[serde(default)]
    cmd: String,
}

#[derive(Debug, Deserialize)]
struct ErrorText {
    #[serde(default)]
    message: String,
}

/// One NPM and our token there.
pub struct NpmApi {
    http: Http,
    /// With `/api`.
    base: String,
    identity: String,
    secret: Secret,
    token: Mutex<Option<Secret>>,
}

/// A token, and whether it was made for this very call.
struct HeldToken {
    token: Secret,
    is_fresh: bool,
}

impl NpmApi {
    /// `url` is the admin address without `/api`.
    ///
    /// # Errors
    /// Not an address, or no HTTP client can be made.
    pub fn new(url: &str, identity: String, secret: Secret) -> Result<Self, String> {
        let url = url.trim_end_matches('/');
        let parsed = reqwest::Url::parse(url).map_err(|_| format!("not an address: `{url}`"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(format!("not an http or https address: `{url}`"));
        }
        Ok(Self { http: Http::new(None)?, base: format!("{url}/api"), identity, secret, token: Mutex::new(None) })
    }

    /// How many requests were made.
    pub fn counts(&self) -> &Counts {
        self.http.counts()
    }

    /// The account that signs in.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// NPM's version; needs no token.
    pub async fn health(&self) -> Result<NpmStatus, NpmError> {
        let answer = judge(self.send(Method::GET, "/", None, None, None).await?)?;
        answer.json().ok_or(NpmError::Garbled(answer.status))
    }

    /// Our account with its rights.
    pub async fn me(&self) -> Result<Me, NpmError> {
        self.read("/users/me?expand=permissions").await
    }

    /// Every row of a section.
    pub async fn list<T: DeserializeOwned>(&self, section: Section) -> Result<Listed<T>, NpmError> {
        let path = format!("/nginx/{}{}", section.path(), section.expand());
        let read = async {
            let answer = judge(self.call(Method::GET, &path, None, Some(LIST)).await?)?;
            let rows = answer.rows.ok_or(NpmError::Garbled(answer.status))?;
            rows.listed().map_err(|why| match why {
                ListError::TooLarge => NpmError::Lost(format!("the answer is larger than {BODY_BYTES_MAX} bytes")),
                ListError::Garbled => NpmError::Garbled(answer.status),
            })
        };
        read.await.map_err(|trouble| trouble.in_section(section, Level::View))
    }

    /// Every certificate with what has it (`cert-list-expand`). 2.12 answers 500 where streams are asked for as well
    /// (`v2.12.6-list-certificates-expand-users`); there the streams tell themselves.
    pub async fn certificate_users(&self, version: NpmVersion) -> Result<Vec<CertificateUsers>, NpmError> {
        let knows_streams = version.tells_streams();
        let streams = if knows_streams { ",streams" } else { "" };
        let path = format!("/nginx/certificates?expand=proxy_hosts,redirection_hosts,dead_hosts{streams}");
        let read = self.read(&path).await;
        let mut all: Vec<CertificateUsers> =
            read.map_err(|trouble| trouble.in_section(Section::Certificates, Level::View))?;
        if !knows_streams {
            let streams = self.list::<HostRow>(Section::Streams).await;
            let streams = streams.map_err(|trouble| trouble.needing(Level::View))?.all();
            for one in &mut all {
                let its = streams.iter().filter(|stream| stream.certificate_id == one.row.id);
                one.streams = its.map(|stream| NpmUserRow { id: stream.id }).collect();
            }
        }
        Ok(all)
    }

    /// Who did what, the latest first: as many as NPM gives. For administrators.
    pub async fn audit_log(&self) -> Result<Vec<NpmAuditRow>, NpmError> {
        self.read("/audit-log?expand=user").await
    }

    /// One row of a section.
    pub async fn get<T: DeserializeOwned>(&self, section: Section, id: &str) -> Result<T, NpmError> {
        let path = format!("/nginx/{}/{id}{}", section.path(), section.expand());
        self.read(&path).await.map_err(|trouble| trouble.in_section(section, Level::View))
    }

    /// POSTs a new row; its id.
    pub async fn create(&self, section: Section, body: &Json) -> Result<u64, NpmError> {
        #[derive(Deserialize)]
        struct Made {
            id: u64,
        }
        let answer = self.write(Method::POST, section, "", Some(body)).await?;
        // Done, but what? The same as an answer that got lost.
        answer.json::<Made>().map(|made| made.id).ok_or(NpmError::Garbled(answer.status))
    }

    /// PUTs some fields of a row.
    pub async fn put(&self, section: Section, id: u64, body: &Json) -> Result<(), NpmError> {
        self.write(Method::PUT, section, &format!("/{id}"), Some(body)).await.map(|_| ())
    }

    /// Switches a host on or off. A PUT of `enabled` would leave nginx's file as it is.
    pub async fn switch(&self, section: Section, id: u64, on: bool) -> Result<(), NpmError> {
        let (verb, done) = if on { ("enable", "already enabled") } else { ("disable", "already disabled") };
        match self.write(Method::POST, section, &format!("/{id}/{verb}"), None).await {
            Err(NpmError::Refused(words)) if words.contains(done) => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    /// Asks Let's Encrypt for the next certificate of a row.
    pub async fn renew(&self, id: u64) -> Result<(), NpmError> {
        self.write(Method::POST, Section::Certificates, &format!("/{id}/renew"), None).await.map(|_| ())
    }

    /// Deletes a row; one that is gone already is fine.
    pub async fn delete(&self, section: Section, id: u64) -> Result<(), NpmError> {
        match self.write(Method::DELETE, section, &format!("/{id}"), None).await {
            Err(NpmError::Absent) => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, NpmError> {
        let answer = judge(self.call(Method::GET, path, None, None).await?)?;
        answer.json().ok_or(NpmError::Garbled(answer.status))
    }

    /// A write. What a missing right looks like depends on version and verb; a 500 is one of the ways.
    async fn write(
        &self,
        method: Method,
        section: Section,
        rest: &str,
        body: Option<&Json>,
    ) -> Result<HttpAnswer, NpmError> {
        let path = format!("/nginx/{}{rest}", section.path());
        match judge(self.call(method, &path, body, None).await?) {
            Err(NpmError::Broken(status, words)) => match self.me().await {
                Ok(me) if !me.may(section, Level::Manage) => Err(NpmError::no_right_to_write(section)),
                Ok(_) | Err(_) => Err(NpmError::Broken(status, words)),
            },
            outcome => outcome.map_err(|trouble| trouble.in_section(section, Level::Manage)),
        }
    }

    /// Sends with our token; once more with a new one when it was the token that NPM did not like.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        form: Option<ListForm>,
    ) -> Result<HttpAnswer, NpmError> {
        let held = self.hold().await?;
        let answer = self.send(method.clone(), path, body, Some(&held.token), form).await?;
        if held.is_fresh || answer.is_success() || !self.is_spent(&method, &answer, &held.token).await {
            return Ok(answer);
        }
        self.drop_token(&held.token).await;
        let held = self.hold().await?;
        self.send(method, path, body, Some(&held.token), form).await
    }

    /// Whether the token may be why. Only then is a write sent again, so it must not have happened.
    async fn is_spent(&self, method: &Method, answer: &HttpAnswer, token: &Secret) -> bool {
        match judge(answer.clone()) {
            Err(NpmError::Refused(words)) => answer.status == 401 || words.contains("Token has expired"),
            Err(NpmError::Rights { .. } | NpmError::Denied) => true,
            Err(NpmError::Broken(..)) if *method == Method::GET => true,
            // A token that is not NPM's own answers 500 to everything, and nothing has happened.
            Err(NpmError::Broken(..)) => {
                match self.send(Method::GET, "/users/me", None, Some(token), None).await.map(judge) {
                    Ok(Err(NpmError::Broken(..) | NpmError::Refused(_) | NpmError::Denied)) => true,
                    Ok(Ok(_) | Err(_)) | Err(_) => false,
                }
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// The token, signing in when there is none. One sign-in at a time.
    async fn hold(&self) -> Result<HeldToken, NpmError> {
        let mut token = self.token.lock().await;
        if let Some(token) = token.as_ref() {
            return Ok(HeldToken { token: token.clone(), is_fresh: false });
        }
        let made = self.sign_in().await?;
        *token = Some(made.clone());
        Ok(HeldToken { token: made, is_fresh: true })
    }

    async fn drop_token(&self, spent: &Secret) {
        let mut token = self.token.lock().await;
        if token.as_ref() == Some(spent) {
            *token = None;
        }
    }

    /// NPM takes no `expiry` here, and no account with a second factor gets a token this way.
    async fn sign_in(&self) -> Result<Secret, NpmError> {
        let body = json!({"identity": self.identity, "secret": self.secret.expose()});
        // Whatever becomes of a sign-in, the call that needed it has not left.
        let answer = self.send(Method::POST, "/tokens", Some(&body), None, None).await.map_err(NpmError::not_sent)?;
        match judge(answer) {
            Ok(answer) => match answer.json::<SignIn>() {
                Some(SignIn { requires_2fa: true, .. }) => Err(NpmError::TwoFactors),
                Some(SignIn { token: Some(token), .. }) => Ok(Secret::new(token)),
                Some(SignIn { token: None, .. }) | None => Err(NpmError::Garbled(answer.status).not_sent()),
            },
            Err(NpmError::Refused(words)) => Err(NpmError::Credentials(words)),
            Err(NpmError::Denied | NpmError::Absent) => Err(NpmError::Credentials("permission denied".to_owned())),
            Err(trouble) => Err(trouble.not_sent()),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        token: Option<&Secret>,
        form: Option<ListForm>,
    ) -> Result<HttpAnswer, NpmError> {
        let is_order = method == Method::POST && path.starts_with("/nginx/certificates");
        let mut request = self.http.request(method, &format!("{}{path}", self.base));
        if is_order {
            request = request.timeout(ORDER_TIMEOUT);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let sent = match form {
            Some(form) => self.http.send_list(request, form).await,
            None => self.http.send(request).await,
        };
        let answer = sent.map_err(|failure| match failure {
            HttpFailure::NotSent(message) | HttpFailure::Distrusted(message) => NpmError::Away(reason(&message)),
            HttpFailure::Unknown(message) => NpmError::Lost(reason(&message)),
        })?;
        if answer.is_success() {
            return Ok(answer);
        }
        // Its words are shown to people.
        let passwords = body.map(passwords).unwrap_or_default();
        let sent = passwords.iter().chain([&self.secret]).chain(token);
        Ok(answer.without(&Scrubber::of_words(sent)))
    }
}

/// What of a body is secret: the passwords of an access list, the keys with which certbot writes a record.
fn passwords(body: &Json) -> Vec<Secret> {
    let items = body["items"].as_array().into_iter().flatten();
    let passwords = items.filter_map(|item| item["password"].as_str());
    let credentials = body["meta"]["dns_provider_credentials"].as_str().unwrap_or_default();
    let keys =
        credentials.lines().filter_map(|line| line.split_once(" = ")).filter(|(name, _)| !name.ends_with("_endpoint"));
    passwords.chain(keys.map(|(_, key)| key)).map(Secret::new).collect()
}

/// What certbot said, without what it says every time and what Python warns of. NPM has its output where an error has its
/// stack; the reason stands at its end.
fn certbot(stack: &[String]) -> Option<CertbotWords> {
    const EVERY_TIME: [&str; 6] = [
        "Saving debug log",
        "Ask for help",
        "See the logfile",
        "Please see the logfile",
        "    at ",
        "  warnings.warn(",
    ];
    // `/opt/certbot/…/connectionpool.py:1097: InsecureRequestWarning: …`
    let is_warning = |line: &&str| line.contains(".py:") && line.contains("Warning: ");
    let lines = stack.iter().map(|line| line.trim_start_matches("Command").trim_start_matches("Error: "));
    let said: Vec<&str> = lines
        .filter(|line| !line.trim().is_empty() && *line != "Error")
        .filter(|line| !EVERY_TIME.iter().any(|start| line.starts_with(start)) && !is_warning(line))
        .map(str::trim)
        .collect();
    let words = CertbotWords {
        last: words::said_last(said.last().copied().unwrap_or_default()),
        said: words::said_last(&said.join(" ")),
    };
    (!words.said.is_empty()).then_some(words)
}

/// What an answer means, whatever its version.
fn judge(answer: HttpAnswer) -> Result<HttpAnswer, NpmError> {
    if answer.is_success() {
        // nginx before NPM answers HTML, and 200 to what it takes for a page.
        let is_usual = match &answer.rows {
            Some(rows) => rows.is_whole() || rows.is_over(),
            None => answer.json::<Json>().is_some(),
        };
        return if is_usual { Ok(answer) } else { Err(NpmError::Garbled(answer.status)) };
    }
    if answer.status == 429 {
        return Err(NpmError::TooMany(answer.retry_after));
    }
    let Some(ErrorBody { error, debug }) = answer.json::<ErrorBody>() else {
        return Err(NpmError::Garbled(answer.status));
    };
    let words = words::said(&error.message);
    // Before 2.13 NPM does not tell what it ran.
    let is_certbot = debug.previous.is_some_and(|ran| ran.cmd.contains("certbot"))
        || debug.stack.first().is_some_and(|line| line.starts_with("CommandError: "));
    if let Some(words) = certbot(&debug.stack).filter(|_| is_certbot) {
        return Err(NpmError::Certbot(words));
    }
    Err(match answer.status {
        // "Not Found - 4" = no such row; "Not Found - /nginx/proxy-hosts/4" = no right to it.
        404 if words.ends_with(|last: char| last.is_ascii_digit()) && !words.contains(" - /") => NpmError::Absent,
        403 | 404 => NpmError::Denied,
        400..=499 => NpmError::Refused(words),
        status => NpmError::Broken(status, words),
    })
}
