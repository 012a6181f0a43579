//! Authentication and authorization over the network: served host names, sessions and tokens, roles, rate limits, and
//! the audit log.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::RequestExt;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use sha2::{Digest, Sha256};

use super::BODY_BYTES_MAX;
use super::idempotency;
use super::idempotency::Repeats;
use super::known_clients::KnownClients;
use super::problem::problem;
use super::rate_limit::{Limits, Rate};
use crate::accounts::{Accounts, AuditRow, Role, Session, visitor};
use crate::engine::reconcile::counters;
use crate::engine::reconcile::counters::{Histograms, Labels};
use crate::engine::reconcile::daemon::Handle;
use crate::secret::Secret;
use amarre_core::model::{Code, Millis};

/// The session cookie.
const SESSION_COOKIE: &str = "amarre_session";
/// The same over HTTPS.
const HOST_COOKIE: &str = "__Host-amarre_session";
/// The cookie of a known browser, in which a user has signed in; it grants nothing.
const DEVICE_COOKIE: &str = "amarre_device";
/// The same over HTTPS.
const HOST_DEVICE_COOKIE: &str = "__Host-amarre_device";
/// The audit log's name for a client whose token is not valid.
const WRONG_TOKEN: &str = "token";
/// For 30 days from the last answer.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=2592000");
/// The longest answer that is kept for its idempotency key.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Why a client on this machine is asked who it is.
const ALSO_HERE: &str =
    "this needs a token, on this machine too, as long as images are built by Dockerfiles that are not Amarre's";
/// The prefix of routes about one service.
const OF_SERVICE: &str = "/api/v1/services/{name}";

/// How HTTP is served over the network.
#[derive(Debug, Clone)]
pub struct Listening {
    pub address: SocketAddr,
    /// The public URL: scheme, name and perhaps port, in lower case.
    pub url: Option<String>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub proxies: Vec<IpNet>,
    /// The number of requests that one address, and one user, may send in a minute.
    pub per_minute: u32,
    /// The secret with which forges sign webhooks.
    pub webhook_secret: Option<Secret>,
    /// What the listener itself does.
    pub encryption: Encryption,
}

/// Whether a listener encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It speaks HTTP; a proxy in front may speak HTTPS.
    Plain,
    /// With a certificate that no authority has signed.
    SelfSigned,
    /// With a certificate that was given to it.
    Certified,
}

impl Listening {
    /// Whether clients are on this machine: there everybody may read.
    pub fn is_local(&self) -> bool {
        self.address.ip().is_loopback() && self.url.is_none()
    }

    /// Whether clients use HTTPS only.
    pub fn is_https(&self) -> bool {
        match &self.url {
            Some(url) => url.starts_with("https://"),
            None => self.encryption != Encryption::Plain,
        }
    }

    /// The scheme of the listener itself.
    pub fn scheme(&self) -> &'static str {
        match self.encryption {
            Encryption::Plain => "http",
            Encryption::SelfSigned | Encryption::Certified => "https",
        }
    }

    /// Whether browsers are asked to use HTTPS only for this `Host`. That binds every port of a name, and a self-signed
    /// certificate could then not be accepted by hand: so only for a name that is all Amarre's, with a certificate.
    fn is_https_for_good(&self, host: &str) -> bool {
        let own = self.url.as_ref().and_then(|url| url.strip_prefix("https://"));
        self.encryption == Encryption::Certified
            && own.is_some_and(|own| without_port(own) == own && own.eq_ignore_ascii_case(without_port(host)))
            && own.is_some_and(|own| without_brackets(own).parse::<IpAddr>().is_err())
    }

    /// The session cookie's name. Over HTTPS no other name of the domain can set this one.
    pub fn session_cookie(&self) -> &'static str {
        if self.is_https() { HOST_COOKIE } else { SESSION_COOKIE }
    }

    /// The name of the cookie of a known browser.
    pub fn device_cookie(&self) -> &'static str {
        if self.is_https() { HOST_DEVICE_COOKIE } else { DEVICE_COOKIE }
    }

    /// The URL that people open.
    pub fn link(&self) -> String {
        self.url.clone().unwrap_or_else(|| format!("{}://{}", self.scheme(), self.address))
    }

    /// Whether a `Host` is served: a web page can reach 127.0.0.1 through a name of its own, which `Host` reveals. An
    /// address is no name: if the server is meant to be reached from elsewhere, each address may be used.
    fn serves(&self, host: &str) -> bool {
        let name = without_port(host).to_lowercase();
        let address = without_brackets(&name).parse::<IpAddr>();
        name == "localhost"
            || self
                .url
                .as_ref()
                .is_some_and(|own| own.split_once("://").is_some_and(|(_, own)| without_port(own) == name))
            || address.is_ok_and(|address| address.is_loopback() || !self.is_local())
    }

    /// The client's address: of what our proxies report, the last address that is none of theirs.
    fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        let is_ours = |address: IpAddr| self.proxies.iter().any(|net| net.contains(&address.to_canonical()));
        // A value that is no address ends it: anyone may have written what stands left of it.
        let lines =
            headers.get_all("x-forwarded-for").into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let said: Vec<Option<IpAddr>> =
            lines.flat_map(|line| line.split(',').map(address).collect::<Vec<_>>()).collect();
        let mut client = peer.ip();
        for address in said.into_iter().rev() {
            match address.filter(|_| is_ours(client)) {
                Some(address) => client = address,
                None => break,
            }
        }
        if client == peer.ip() { peer } else { SocketAddr::new(client, 0) }
    }
}

/// What a route demands of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: health, and the pages of errors.
    Nothing,
    /// An account that may read; on this machine every client may, unless [`AccessControl::admits_anonymous`] says otherwise.
    Look,
    /// An account of any role; on this machine every client may.
    LookAsMember,
    /// An account with this role.
    Role(Role),
}

/// What the audit log shows of a request that its path does not show.
#[derive(Debug, Clone)]
pub struct AuditDetail {
    /// The action, done or forecast.
    pub action: String,
    /// The target; `None`: what the path names.
    pub target: Option<String>,
}

impl AuditDetail {
    /// A dry run.
    pub fn dry_run(action: &str) -> Self {
        Self { action: action.to_owned(), target: None }
    }

    /// Attaches it to an answer.
    pub fn attach(self, mut answer: Response) -> Response {
        answer.extensions_mut().insert(self);
        answer
    }
}

/// The authenticated client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name in events and commits; `None`: the client on the socket states it.
    pub name: Option<String>,
    /// The name in the audit log.
    pub account: String,
    pub role: Role,
    /// Limited to these services.
    pub services: Option<BTreeSet<String>>,
}

impl Identity {
    /// The owner of the socket.
    pub fn owner() -> Self {
        Self { name: None, account: "socket".to_owned(), role: Role::Admin, services: None }
    }

    fn anonymous() -> Self {
        Self { name: Some(String::new()), account: String::new(), role: Role::Viewer, services: None }
    }

    /// A user with a session.
    pub fn from_session(session: &Session) -> Self {
        let user = &session.user;
        let name = Some(format!("{} <{}>", user.name, user.email));
        Self { name, account: user.email.clone(), role: user.role, services: None }
    }
}

/// Counters of requests, for `/metrics`. Clones share them.
#[derive(Debug, Clone)]
pub struct RequestCounts {
    /// Requests, by `route` (as the document has it) and `code`.
    pub requests: Family<Labels, Counter>,
    /// How long the beginning of the answer took, by `route`.
    pub took: Histograms,
}

impl Default for RequestCounts {
    fn default() -> Self {
        Self { requests: Family::default(), took: Family::new_with_constructor(counters::short) }
    }
}

/// Counts a request of a route; other paths are not counted, for clients can make up any number of them.
pub async fn measure(State(asked): State<RequestCounts>, request: Request, next: Next) -> Response {
    let Some(route) = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()) else {
        return next.run(request).await;
    };
    let started = tokio::time::Instant::now();
    let response = next.run(request).await;
    asked.took.get_or_create(&counters::labels(&[("route", &route)])).observe(started.elapsed().as_secs_f64());
    let labels = counters::labels(&[("route", &route), ("code", response.status().as_str())]);
    asked.requests.get_or_create(&labels).inc();
    response
}

/// Decides which client may do what, and how often. Clones share their state.
#[derive(Clone)]
pub struct AccessControl {
    /// Users, sessions and tokens.
    pub accounts: Accounts,
    /// How HTTP is served.
    pub listening: Arc<Listening>,
    /// Counters of requests.
    pub asked: RequestCounts,
    handle: Handle,
    limits: Arc<Mutex<Limits>>,
    repeats: Arc<Mutex<Repeats>>,
    known: Arc<Mutex<KnownClients>>,
}

impl AccessControl {
    /// For a listener.
    pub fn new(handle: Handle, accounts: Accounts, listening: Listening) -> Self {
        let (limits, repeats, known) = Default::default();
        Self {
            accounts,
            listening: Arc::new(listening),
            asked: RequestCounts::default(),
            handle,
            limits,
            repeats,
            known,
        }
    }

    /// Whether a client without a name may read: on this machine only, and not while a build by a Dockerfile of others could ask, too.
    pub fn admits_anonymous(&self) -> bool {
        self.listening.is_local() && !self.handle.builds_dockerfiles()
    }

    /// Counts a request of an account; `works`: it causes work.
    ///
    /// # Errors
    /// The rate is exceeded: after how long there is room again.
    pub fn count(&self, account: &str, works: bool) -> Result<(), Millis> {
        let (all, now) = (self.listening.per_minute, self.handle.now());
        let mut limits = lock(&self.limits);
        limits.take(account, Rate::reads(all), now)?;
        if works { limits.take(&format!("{account} works"), Rate::writes(all), now) } else { Ok(()) }
    }

    /// Remembers a valid session, token or browser.
    pub fn note_known(&self, shown: &str) {
        lock(&self.known).remember(shown, self.handle.now());
    }

    /// Counts a request from an address; known clients are counted on their own once the address has exceeded its rate.
    fn count_address(&self, address: IpAddr, headers: &HeaderMap) -> Result<(), Millis> {
        let Err(wait) = self.count(&visitor(address), false) else { return Ok(()) };
        let cookies = [self.listening.session_cookie(), self.listening.device_cookie()];
        let shown =
            cookies.into_iter().filter_map(|name| cookie(headers, name)).chain(bearer(headers).map(str::to_owned));
        let known = shown.filter_map(|shown| lock(&self.known).account(&shown)).next();
        known.map_or(Err(wait), |account| self.count(&account, false))
    }

    /// Records a refusal in the audit log.
    async fn audit_refusal(&self, who: &str, from: &str, action: &str, target: &str, status: StatusCode) {
        let row = AuditRow {
            at: self.handle.now(),
            who: who.to_owned(),
            address: from.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            result: status.to_string(),
        };
        self.accounts.refused(row).await;
    }

    /// Identifies the client: by a token, else by a session. Browsers send a session's cookie from whichever page, so
    /// it allows no writes.
    async fn identify(&self, headers: &HeaderMap, is_write: bool) -> Result<Option<Identity>, Box<Response>> {
        let now = self.handle.now();
        if headers.contains_key(header::AUTHORIZATION) {
            let Some(shown) = bearer(headers) else { return Err(Box::new(unknown("the token is not a bearer token"))) };
            let Some(token) = self.accounts.token(shown, now).await else {
                return Err(Box::new(unknown("the token is not known, or has ended")));
            };
            self.note_known(shown);
            let name = format!("token {}", token.name);
            let (role, services) = (token.role, token.services);
            return Ok(Some(Identity { name: Some(name.clone()), account: name, role, services }));
        }
        let Some(cookie) = cookie(headers, self.listening.session_cookie()).filter(|_| !is_write) else {
            return Ok(None);
        };
        let session = self.accounts.session(&cookie, now).await;
        if session.is_some() {
            self.note_known(&cookie);
        }
        Ok(session.as_ref().map(Identity::from_session))
    }
}

/// `192.0.2.7`, `192.0.2.7:4711`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// An IPv6 address as it stands in URLs, without what surrounds it there.
pub fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// A name without the port behind it.
pub fn without_port(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name)
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, token) = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))?;
    Some(token.trim())
}

/// The value of a cookie.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// What applies to every request over the network: a served host name, and the rate limit.
pub async fn guard_network(State(access): State<AccessControl>, mut request: Request, next: Next) -> Response {
    // A proxy may go by the second one (RFC 9112, 3.2).
    if request.headers().get_all(header::HOST).iter().nth(1).is_some() {
        let hint = "send one header `Host`; a proxy that adds a second one has to replace it";
        return problem(StatusCode::BAD_REQUEST, Code::A1032, "the request has two headers `Host`", hint);
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_https_for_good = access.listening.is_https_for_good(host);
    if !access.listening.serves(host) {
        let hint = "ask for 127.0.0.1 or localhost, or name it in `server.url`";
        return problem(StatusCode::MISDIRECTED_REQUEST, Code::A1001, "this name is not served here", hint);
    }
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        let client = access.listening.client(peer, request.headers());
        request.extensions_mut().insert(ConnectInfo(client));
        // Health is answered at any rate, and assets of pages are not counted.
        let path = request.uri().path();
        let is_free = matches!(path, "/healthz" | "/readyz" | "/health") || path.starts_with("/assets/");
        if !is_free && let Err(wait) = access.count_address(client.ip(), request.headers()) {
            return too_much(wait);
        }
    }
    let mut response = next.run(request).await;
    if is_https_for_good {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    response
}

/// The guard of one route.
#[derive(Clone)]
pub struct RouteGuard {
    /// Identities and limits.
    pub access: AccessControl,
    /// What the route demands.
    pub needs: Permission,
    /// The action, as the audit log shows it.
    pub action: &'static str,
    pub path: Cow<'static, str>,
    /// Whether it causes work although it changes nothing: vendors are asked.
    pub works: bool,
}

/// Lets a client pass that may use the route.
pub async fn guard_route(State(door): State<RouteGuard>, mut request: Request, next: Next) -> Response {
    let RouteGuard { access, needs, action, path, works } = door;
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(from)| from.ip().to_string());
    let from = from.unwrap_or_default();
    let who = match (access.identify(request.headers(), is_write).await, needs) {
        (Err(refused), _) => {
            access.audit_refusal("", &from, WRONG_TOKEN, action, refused.status()).await;
            return *refused;
        }
        (Ok(Some(who)), _) => who,
        (Ok(None), Permission::Nothing) => Identity::anonymous(),
        (Ok(None), Permission::Look | Permission::LookAsMember) if access.admits_anonymous() => Identity::anonymous(),
        (Ok(None), Permission::Look | Permission::LookAsMember) if access.listening.is_local() => {
            return unknown(ALSO_HERE);
        }
        (Ok(None), Permission::Look | Permission::LookAsMember | Permission::Role(_)) => {
            return unknown("this needs a token");
        }
    };
    let params: Vec<(String, String)> = match request.extract_parts::<RawPathParams>().await {
        Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        Err(_) => Vec::new(),
    };
    let of_path = params.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ");
    if let Err(refused) = check_permission(&who, needs, &path, &params) {
        access.audit_refusal(&who.account, &from, action, &of_path, refused.status()).await;
        return *refused;
    }
    if !who.account.is_empty()
        && let Err(wait) = access.count(&who.account, is_write || works)
    {
        return too_much(wait);
    }
    request.extensions_mut().insert(who.clone());
    if !is_write {
        return next.run(request).await;
    }
    let response = run_idempotent(&access, &who, request, next).await;
    // The original request is in the audit log.
    if response.headers().contains_key(idempotency::REPLAYED) {
        return response;
    }
    let result = if response.status().is_success() { "ok".to_owned() } else { response.status().to_string() };
    let told = response.extensions().get::<AuditDetail>().cloned();
    let (action, target) = told.map_or((action.to_owned(), None), |told| (told.action, told.target));
    let (at, target) = (access.handle.now(), target.unwrap_or(of_path));
    if response.status() == StatusCode::FORBIDDEN {
        access.audit_refusal(&who.account, &from, &action, &target, response.status()).await;
        return response;
    }
    let row = AuditRow { at, who: who.account, address: from, action, target, result };
    access.accounts.audit(row).await;
    response
}

fn check_permission(
    who: &Identity,
    needs: Permission,
    path: &str,
    params: &[(String, String)],
) -> Result<(), Box<Response>> {
    let least = match needs {
        Permission::Nothing | Permission::LookAsMember => Role::Member,
        Permission::Look => Role::Viewer,
        Permission::Role(role) => role,
    };
    if who.role < least {
        return Err(Box::new(denied(who.role, least)));
    }
    let Some(services) = &who.services else { return Ok(()) };
    let is_theirs = params.iter().any(|(name, value)| name == "name" && services.contains(value));
    if needs == Permission::Nothing || (path.starts_with(OF_SERVICE) && is_theirs) {
        return Ok(());
    }
    Err(Box::new(not_theirs(services)))
}

/// The answer to a token that asks beyond its services.
pub(super) fn not_theirs(services: &BTreeSet<String>) -> Response {
    let names = services.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let hint = format!("it opens what stands below /api/v1/services/NAME of {names}");
    problem(StatusCode::FORBIDDEN, Code::A1011, "this token is for some services only", &hint)
}

/// Carries out a request once, also when it comes twice with one key.
async fn run_idempotent(access: &AccessControl, who: &Identity, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get("idempotency-key").cloned() else { return next.run(request).await };
    let key = (who.account.clone(), String::from_utf8_lossy(key.as_bytes()).into_owned());
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, Code::A1013, "the body is too large", "see docs/http.md");
    };
    let digest = Sha256::new_with_prefix(format!("{} {}\n", parts.method, parts.uri)).chain_update(&body).finalize();
    if let Err(answer) = lock(&access.repeats).begin(&key, &hex::encode(digest), access.handle.now()) {
        return *answer;
    }
    let request = Request::from_parts(parts, Body::from(body));
    // Also after a panic: else it would be "being done" for ever.
    let mut known = AuditGuard { access, key: &key, answer: None };
    let (response, answer) = idempotency::read_to_end(next.run(request).await, ANSWER_BYTES_MAX).await;
    known.answer = answer;
    response
}

/// Records the result of a request with a key, whatever it is.
struct AuditGuard<'a> {
    access: &'a AccessControl,
    key: &'a (String, String),
    answer: Option<idempotency::StoredAnswer>,
}

impl Drop for AuditGuard<'_> {
    fn drop(&mut self) {
        lock(&self.access.repeats).end(self.key, self.answer.take());
    }
}

/// The client is unknown, or its credentials are not valid.
fn unknown(why: &str) -> Response {
    let hint = "amarre token add NAME --role ROLE makes one: Authorization: Bearer …";
    let mut response = problem(StatusCode::UNAUTHORIZED, Code::A1010, why, hint);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// The client is known and may not do this.
pub fn denied(is: Role, needed: Role) -> Response {
    let hint = format!("ask somebody who is {needed}, or an admin for that role");
    problem(StatusCode::FORBIDDEN, Code::A1011, &format!("this needs the role {needed}, and yours is {is}"), &hint)
}

/// The rate is exceeded.
pub fn too_much(wait: Millis) -> Response {
    let seconds = (wait.0.max(0) + 999) / 1000;
    let hint = format!("try again in {seconds} s; `server.requests_per_minute` is how much one may ask");
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, Code::A1012, "too many requests", &hint);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(address: &str, url: Option<&str>, proxies: &[&str]) -> Listening {
        Listening {
            address: address.parse().unwrap(),
            url: url.map(str::to_owned),
            proxies: proxies.iter().map(|net| net.parse().unwrap()).collect(),
            per_minute: 600,
            webhook_secret: None,
            encryption: Encryption::Plain,
        }
    }

    #[test]
    fn only_configured_names_are_served() {
        let own = ["localhost", "LOCALHOST:7070", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:7070"];
        let foreign =
            ["", "evil.example.net", "localhost.evil.example.net", "127.0.0.1.evil.example.net", "localhost:x"];
        for (listens, url, more, less) in [
            ("127.0.0.1:7070", None, &[][..], &["192.0.2.7", "amarre.example.org"][..]),
            ("127.0.0.1:7070", Some("https://amarre.example.org:8443"), &["amarre.example.org", "192.0.2.7:7070"], &[]),
            ("0.0.0.0:7070", None, &["192.0.2.7:7070", "[2001:db8::1]:7070"], &["amarre.example.org"]),
        ] {
            let listening = listening(listens, url, &[]);
            for host in own.iter().chain(more) {
                assert!(listening.serves(host), "{host} at {listens}");
            }
            for host in foreign.iter().chain(less) {
                assert!(!listening.serves(host), "{host} at {listens}");
            }
        }
        assert!(listening("127.0.0.1:1", None, &[]).is_local());
        assert!(!listening("127.0.0.1:1", Some("http://a.example.org"), &[]).is_local());
        assert!(!listening("0.0.0.0:1", None, &[]).is_local());
    }

    #[test]
    fn only_a_name_of_its_own_with_a_certificate_is_https_for_good() {
        let url = |encryption: Encryption, url: &str| {
            let listening = Listening { encryption, ..listening("0.0.0.0:443", Some(url), &[]) };
            listening.is_https_for_good("Amarre.example.org")
        };
        assert!(url(Encryption::Certified, "https://amarre.example.org"));
        // Other ports of the name may be of other programs.
        assert!(!url(Encryption::Certified, "https://amarre.example.org:7070"));
        assert!(!url(Encryption::Certified, "https://other.example.org"));
        assert!(!url(Encryption::SelfSigned, "https://amarre.example.org"));
        assert!(!url(Encryption::Plain, "https://amarre.example.org"));
        let listening = |url| Listening { encryption: Encryption::Certified, ..listening("0.0.0.0:443", url, &[]) };
        assert!(!listening(Some("https://192.0.2.7")).is_https_for_good("192.0.2.7"));
        assert!(!listening(None).is_https_for_good("localhost"));
        assert!(listening(None).is_https() && listening(None).link() == "https://0.0.0.0:443");
    }

    #[test]
    fn only_a_configured_proxy_is_trusted() {
        let at = |peer: &str, said: &[&str], proxies: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in said {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            listening("0.0.0.0:1", None, proxies).client(peer.parse().unwrap(), &headers).ip().to_string()
        };
        let ours = ["172.30.0.0/24"];
        assert_eq!(at("192.0.2.1:5", &["198.51.100.1"], &[]), "192.0.2.1");
        assert_eq!(at("192.0.2.1:5", &["198.51.100.1"], &ours), "192.0.2.1");
        assert_eq!(at("172.30.0.2:5", &["198.51.100.1"], &ours), "198.51.100.1");
        // What a client claims of itself stands left of what the proxy reports.
        assert_eq!(at("172.30.0.2:5", &["10.0.0.1, 198.51.100.1"], &ours), "198.51.100.1");
        assert_eq!(at("172.30.0.2:5", &["10.0.0.1", "198.51.100.1, 172.30.0.9"], &ours), "198.51.100.1");
        assert_eq!(at("[::ffff:172.30.0.2]:5", &["198.51.100.1"], &ours), "198.51.100.1");
        assert_eq!(at("172.30.0.2:5", &[], &ours), "172.30.0.2");
        assert_eq!(at("172.30.0.2:5", &["10.0.0.1, 198.51.100.1:4711"], &ours), "198.51.100.1");
        assert_eq!(at("172.30.0.2:5", &["[2001:db8::1]:4711"], &ours), "2001:db8::1");
        // An unreadable part is not skipped.
        assert_eq!(at("172.30.0.2:5", &["10.0.0.1, unknown"], &ours), "172.30.0.2");
        assert_eq!(at("172.30.0.2:5", &["10.0.0.1, unknown, 172.30.0.9"], &ours), "172.30.0.9");
    }

    #[test]
    fn a_wait_is_reported_in_whole_seconds() {
        assert_eq!(too_much(Millis(1)).headers()[header::RETRY_AFTER], "1");
        assert_eq!(too_much(Millis(1_001)).headers()[header::RETRY_AFTER], "2");
    }
}
