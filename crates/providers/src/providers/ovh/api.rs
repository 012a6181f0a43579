//! Calls of the OVH API v1, a few at a time at a modest pace. Wire structs; nothing clever.
//!
//! Never retries but for one case: a refusal of what got old (the clock, a bearer token), after which
//! nothing has happened, is followed by asking for it anew and one more try.

use std::collections::BTreeSet;

use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};

use super::login::{Login, Signed, ask_time, is_clock_refusal, is_token_error};
use super::request_rate::{Pace, Pacer};
use crate::providers::error::answered;
use crate::providers::http::{Counts, Http, HttpAnswer, HttpFailure};
use crate::providers::{Class, ProviderError};
use crate::secret::OvhLogin;
use amarre_core::model::{Code, Millis, Text, words};
use amarre_core::text;

/// As people call it.
const VENDOR: &str = "OVH";

/// The vendor's entry points, by the names that its own clients use.
const ENDPOINTS: [(&str, &str); 7] = [
    ("ovh-eu", "https://eu.api.ovh.com/1.0"),
    ("ovh-ca", "https://ca.api.ovh.com/1.0"),
    ("ovh-us", "https://api.us.ovhcloud.com/1.0"),
    ("kimsufi-eu", "https://eu.api.kimsufi.com/1.0"),
    ("kimsufi-ca", "https://ca.api.kimsufi.com/1.0"),
    ("soyoustart-eu", "https://eu.api.soyoustart.com/1.0"),
    ("soyoustart-ca", "https://ca.api.soyoustart.com/1.0"),
];
/// Where service accounts get their tokens, by entry point (go-ovh and python-ovh know these and no others).
const TOKEN_URLS: [(&str, &str); 3] = [
    ("https://eu.api.ovh.com/1.0", "https://www.ovh.com/auth/oauth2/token"),
    ("https://ca.api.ovh.com/1.0", "https://ca.ovh.com/auth/oauth2/token"),
    ("https://api.us.ovhcloud.com/1.0", "https://us.ovhcloud.com/auth/oauth2/token"),
];
/// The rights that this provider needs; part of several hints.
pub const RIGHTS: &str = "the token needs GET, POST, PUT and DELETE on /domain/zone and /domain/zone/*";
/// What the name of every right of a service account holds: `dnsZone:apiovh:record/create`.
const ACTION: &str = ":apiovh:";

#[derive(Debug, Clone)]
pub struct ApiCall {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl ApiCall {
    /// A call of `/a/b/c`, given as its parts.
    pub fn new(method: Method, path: &[&str]) -> Self {
        let path = path.iter().map(|&part| part.to_owned()).collect();
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: None }
    }

    /// A call of something in a zone.
    pub fn in_zone(method: Method, zone: &str, rest: &[&str]) -> Self {
        let mut path = vec!["domain", "zone", zone];
        path.extend(rest);
        Self::new(method, &path)
    }

    /// With one more query parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }

    /// With one more header; headers are not signed.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body<T: Serialize>(mut self, body: &T) -> Self {
        // Plain structs of texts and numbers: they always serialise.
        self.body = Some(serde_json::to_vec(body).unwrap_or_default());
        self
    }
}

/// A row as the vendor lists it.
#[derive(Debug, Clone, Deserialize)]
pub struct WireRecord {
    pub id: u64,
    /// `null` or empty at the apex.
    #[serde(rename = "subDomain", default)]
    pub sub_domain: Option<String>,
    #[serde(rename = "fieldType")]
    pub field_type: String,
    pub target: String,
    #[serde(default)]
    pub ttl: Option<u32>,
}

/// What POST takes.
#[derive(Debug, Serialize)]
pub struct WireCreate<'a> {
    #[serde(rename = "fieldType")]
    pub field_type: &'a str,
    #[serde(rename = "subDomain")]
    pub sub_domain: &'a str,
    pub target: &'a str,
    pub ttl: u32,
}

/// What PUT takes: it refuses to hear of the type.
#[derive(Debug, Serialize)]
pub struct WireUpdate<'a> {
    #[serde(rename = "subDomain")]
    pub sub_domain: &'a str,
    pub target: &'a str,
    pub ttl: u32,
}

/// The part of `/soa` that is of use.
#[derive(Debug, Deserialize)]
pub struct WireSoa {
    pub ttl: u32,
}

/// The part of `/auth/currentCredential` that is of use.
#[derive(Debug, Deserialize)]
pub struct WireCredential {
    /// `null` = never.
    #[serde(default)]
    pub expiration: Option<String>,
    #[serde(default)]
    pub rules: Vec<WireRule>,
}

/// A right: a method, and a path in which `*` stands for anything.
#[derive(Debug, Deserialize)]
pub struct WireRule {
    pub method: String,
    pub path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireRefusal {
    message: String,
    #[serde(rename = "errorCode")]
    error_code: String,
    details: WireDetails,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireDetails {
    #[serde(rename = "unauthorizedActionsByIAM")]
    unauthorized_actions: Option<String>,
}

/// Why a call gave nothing of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OvhError {
    /// Neither the configuration nor a variable has any; nothing has left.
    NoKeys,
    /// No connection; nothing has left.
    NotSent(String),
    /// It left, and no whole answer came.
    Unknown(String),
    /// The vendor refused. `code` is its own, or the right that the service account lacks (`dnsZone:apiovh:refresh`).
    /// `request_id` is its number of the request, empty where it gave none.
    Refused { status: u16, code: String, words: String, after: Option<Millis>, request_id: String },
    /// The answer is not of the form that the vendor documents.
    Nonsense(String),
}

impl OvhError {
    /// 404 of a row: it was deleted since it was listed, which happens all the time with several writers.
    pub fn is_gone(&self) -> bool {
        matches!(self, OvhError::Refused { status: 404, .. })
    }

    /// Whether the credentials as such are refused, not only this call.
    pub fn is_about_credentials(&self) -> bool {
        let OvhError::Refused { status, code, words, .. } = self else { return false };
        let codes = ["INVALID_CREDENTIAL", "INVALID_KEY", "NOT_CREDENTIAL", "INVALID_SIGNATURE"];
        let said = codes.contains(&code.as_str()) || words.contains("application key is invalid");
        *status == 401 || said || is_token_error(code) || is_clock_refusal(*status, code, words)
    }

    /// Whether the service account as such is refused: by the token endpoint, or its token by the API.
    pub fn is_about_service_account(&self) -> bool {
        matches!(self, OvhError::Refused { code, .. } if is_token_error(code))
    }

    /// The right that a service account lacks.
    pub fn lacks(&self) -> Option<&str> {
        match self {
            OvhError::Refused { code, .. } => Some(code.as_str()).filter(|code| code.contains(ACTION)),
            OvhError::NoKeys | OvhError::NotSent(_) | OvhError::Unknown(_) | OvhError::Nonsense(_) => None,
        }
    }

    /// 408: the vendor's front gave up; what happened behind it is not known.
    pub fn is_timeout(&self) -> bool {
        matches!(self, OvhError::Refused { status: 408, .. })
    }

    /// Whether the call may have had its effect all the same.
    pub fn is_unclear(&self) -> bool {
        matches!(self, OvhError::Unknown(_) | OvhError::Nonsense(_) | OvhError::Refused { status: 408 | 500.., .. })
    }

    /// What happened, without what was being done.
    pub fn words(&self) -> Text {
        match self {
            OvhError::NoKeys => text!("there are no keys of an account at OVH"),
            OvhError::NotSent(why) => text!("{vendor} cannot be reached ({why})", vendor = VENDOR, why),
            OvhError::Unknown(why) => text!("{vendor} gave no whole answer ({why})", vendor = VENDOR, why),
            OvhError::Refused { status: 429, .. } => text!("OVH asks for fewer requests (429)"),
            OvhError::Refused { status, words, .. } => match self.lacks() {
                Some(action) => answered(VENDOR, *status, &format!("{words} ({action})")),
                None => answered(VENDOR, *status, words),
            },
            OvhError::Nonsense(what) => text!("{vendor} answered what cannot be read ({what})", vendor = VENDOR, what),
        }
    }

    /// As the engine takes it; `doing` is what could not be done, `wrote` whether the call might have changed something.
    pub fn into_error(self, doing: &Text, wrote: bool) -> ProviderError {
        let unclear = if wrote { Class::OutcomeUnknown } else { Class::RetryLater };
        let message = text!("{doing}: {why}", doing = doing.clone(), why = self.words());
        let away =
            text!("is https://status.ovhcloud.com quiet and this machine on line? the daemon tries again by itself");
        if self.is_about_service_account() {
            return ProviderError::new(Class::Reauthenticate, Code::A0720, message)
                .hint(text!("check `ovh.client_id` and `client_secret`: of a service account that still exists, and of the region of `ovh.endpoint`?"));
        }
        if let Some(action) = self.lacks() {
            let hint =
                text!("allow `{action}` on the zone in the service account's policy at OVH (IAM, policies)", action);
            return ProviderError::new(Class::Reauthenticate, Code::A0721, message).hint(hint);
        }
        if self.is_about_credentials() {
            return ProviderError::new(Class::Reauthenticate, Code::A0702, message).hint(text!(
                "check the keys below `ovh` in the configuration: expired, deleted or of another endpoint"
            ));
        }
        match &self {
            OvhError::NoKeys => ProviderError::new(Class::Reauthenticate, Code::A0702, message).hint(RIGHTS),
            OvhError::NotSent(_) => ProviderError::new(Class::RetryLater, Code::A0704, message).hint(away),
            OvhError::Refused { status: 429, after, .. } => {
                ProviderError::new(Class::RetryLater, Code::A0704, message).hint(away).after(*after)
            }
            OvhError::Unknown(_) | OvhError::Refused { status: 408 | 500.., .. } => {
                ProviderError::new(unclear, Code::A0704, message).hint(away)
            }
            OvhError::Refused { status: 401 | 403, .. } => {
                ProviderError::new(Class::Reauthenticate, Code::A0702, message).hint(RIGHTS)
            }
            OvhError::Refused { status: 404, .. } => ProviderError::new(Class::Conflict, Code::A0701, message)
                .hint(text!("it was there a moment ago; the next look shows")),
            OvhError::Refused { .. } => ProviderError::new(Class::Rejected, Code::A0706, message)
                .hint(text!("OVH would refuse the same again: change the manifest")),
            OvhError::Nonsense(_) => ProviderError::new(unclear, Code::A0705, message)
                .hint(text!("is `ovh.endpoint` the OVH API, and no proxy's page in between?")),
        }
    }
}

/// The client of one account.
#[derive(Debug)]
pub struct OvhApi {
    http: Http,
    base: Url,
    login: Login,
    pacer: Pacer,
}

impl OvhApi {
    /// A client of `endpoint`: a name as in [`ENDPOINTS`], or a URL.
    ///
    /// # Errors
    /// There is no such endpoint, its token endpoint is not known, or no TLS on this machine.
    pub fn new(endpoint: &str, login: OvhLogin, pace: Pace) -> Result<Self, String> {
        let known = ENDPOINTS.iter().find(|(name, _)| *name == endpoint);
        let text = match known {
            Some((_, url)) => url,
            None if endpoint.contains('/') => endpoint.trim_end_matches('/'),
            None => {
                let names: Vec<&str> = ENDPOINTS.iter().map(|(name, _)| *name).collect();
                return Err(format!("no OVH endpoint is called `{endpoint}`; there are {}", names.join(", ")));
            }
        };
        let base = Url::parse(text).map_err(|error| format!("`{endpoint}` is not a URL: {error}"))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(format!("`{endpoint}` is not an http or https URL"));
        }
        let token_url = TOKEN_URLS.iter().find(|(base, _)| *base == text).map(|(_, url)| *url);
        let login = Login::new(login, token_url)?;
        Ok(Self { http: Http::new(None)?, base, login, pacer: Pacer::new(pace) })
    }

    /// How many requests were made.
    pub fn counts(&self) -> &Counts {
        self.http.counts()
    }

    /// The account's zones, without repetition, in order.
    pub async fn zones(&self) -> Result<BTreeSet<String>, OvhError> {
        let names: Vec<String> = self.json(&ApiCall::new(Method::GET, &["domain", "zone"])).await?;
        Ok(names.into_iter().map(|name| name.to_lowercase()).collect())
    }

    /// The names of a zone's servers, as the account has them.
    pub async fn nameservers(&self, zone: &str) -> Result<Vec<String>, OvhError> {
        #[derive(Deserialize)]
        struct WireZone {
            #[serde(rename = "nameServers", default)]
            name_servers: Vec<String>,
        }
        let zone: WireZone = self.json(&ApiCall::in_zone(Method::GET, zone, &[])).await?;
        Ok(zone.name_servers)
    }

    /// The vendor's clock in seconds, asked anew.
    pub async fn time(&self) -> Result<i64, OvhError> {
        ask_time(&self.http, &self.time_url()).await
    }

    /// What the API token may do; `None` for a service account, whose rights only a call shows.
    pub async fn credential(&self) -> Result<Option<WireCredential>, OvhError> {
        if self.login.is_service() {
            return Ok(None);
        }
        self.json(&ApiCall::new(Method::GET, &["auth", "currentCredential"])).await.map(Some)
    }

    /// The TTL of rows that name none.
    pub async fn default_ttl(&self, zone: &str) -> Result<u32, OvhError> {
        let soa: WireSoa = self.json(&ApiCall::in_zone(Method::GET, zone, &["soa"])).await?;
        Ok(soa.ttl)
    }

    /// Adds a row. The id may be 0: a bug that the vendor knows of.
    pub async fn create(&self, zone: &str, record: &WireCreate<'_>) -> Result<WireRecord, OvhError> {
        self.json(&ApiCall::in_zone(Method::POST, zone, &["record"]).body(record)).await
    }

    /// Changes a row; its id stays.
    pub async fn update(&self, zone: &str, id: u64, record: &WireUpdate<'_>) -> Result<(), OvhError> {
        let call = ApiCall::in_zone(Method::PUT, zone, &["record", &id.to_string()]).body(record);
        self.call(&call).await.map(|_| ())
    }

    /// Removes a row; one that is gone already is fine.
    pub async fn delete(&self, zone: &str, id: u64) -> Result<(), OvhError> {
        match self.call(&ApiCall::in_zone(Method::DELETE, zone, &["record", &id.to_string()])).await {
            Ok(_) => Ok(()),
            Err(trouble) if trouble.is_gone() => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// Puts what was changed into the zone.
    pub async fn refresh(&self, zone: &str) -> Result<(), OvhError> {
        self.call(&ApiCall::in_zone(Method::POST, zone, &["refresh"])).await.map(|_| ())
    }

    /// The answer of a call, read as JSON.
    pub async fn json<T: serde::de::DeserializeOwned>(&self, call: &ApiCall) -> Result<T, OvhError> {
        let answer = self.call(call).await?;
        answer.json().ok_or_else(|| OvhError::Nonsense(format!("{} bytes of something else", answer.body.len())))
    }

    /// A successful answer, or what went wrong.
    pub async fn call(&self, call: &ApiCall) -> Result<HttpAnswer, OvhError> {
        match self.send(call).await {
            Err(trouble) if self.login.renew(&trouble).await => self.send(call).await,
            result => result,
        }
    }

    async fn send(&self, call: &ApiCall) -> Result<HttpAnswer, OvhError> {
        let asked = tokio::time::Instant::now();
        let _turn = self.pacer.turn().await;
        self.http.counts().waited.observe(asked.elapsed().as_secs_f64());
        let url = self.url(call);
        let body = call.body.clone().unwrap_or_default();
        let mut request = self.http.request(call.method.clone(), url.as_str());
        let signed = Signed { method: call.method.as_str(), url: url.as_str(), body: &body };
        request = self.login.prove(&self.http, &self.time_url(), request, &signed).await?;
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if call.body.is_some() {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let answer = self.http.send(request).await.map_err(|failure| match failure {
            HttpFailure::NotSent(why) | HttpFailure::Distrusted(why) => OvhError::NotSent(why),
            HttpFailure::Unknown(why) => OvhError::Unknown(why),
        })?;
        if answer.is_success() { Ok(answer) } else { Err(refusal(&self.login.censored(answer).await)) }
    }

    /// A call and what came of it, as a line of a log: `POST /cloud/project/p/instance/i/stop → 200, X-OVH-QueryID EU.ext-3.4f`.
    pub fn exchange_line(call: &ApiCall, came: &Result<HttpAnswer, OvhError>) -> String {
        let (answer, id) = match came {
            Ok(answer) => (answer.status.to_string(), answer.request_id.as_str()),
            Err(OvhError::Refused { status, words, request_id, .. }) => {
                (format!("{status} {words}").trim_end().to_owned(), request_id.as_str())
            }
            Err(OvhError::NoKeys) => ("not sent: no keys".to_owned(), ""),
            Err(OvhError::NotSent(why)) => (format!("not sent: {why}"), ""),
            Err(OvhError::Unknown(why) | OvhError::Nonsense(why)) => (format!("no answer: {why}"), ""),
        };
        let id = if id.is_empty() { String::new() } else { format!(", X-OVH-QueryID {id}") };
        format!("{} /{} → {answer}{id}", call.method, call.path.join("/"))
    }

    fn time_url(&self) -> Url {
        self.url(&ApiCall::new(Method::GET, &["auth", "time"]))
    }

    fn url(&self, call: &ApiCall) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }
}

/// A refusal in the vendor's words; proxies answer HTML, and then the status has to do.
pub fn refusal(answer: &HttpAnswer) -> OvhError {
    let said: WireRefusal = answer.json().unwrap_or_default();
    let words = words::said(&said.message);
    // Several rights may be named; the first is enough to begin with.
    let action = said.details.unauthorized_actions.unwrap_or_default();
    let action = action.split([',', ' ', ';']).find(|action| action.contains(ACTION)).map(str::to_owned);
    let code = action.unwrap_or(said.error_code);
    let request_id = answer.request_id.clone();
    OvhError::Refused { status: answer.status, code, words, after: answer.retry_after, request_id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn keys() -> OvhLogin {
        OvhLogin::Keys {
            application_key: "key".to_owned(),
            application_secret: Secret::new("secret"),
            consumer_key: Secret::new("consumer"),
        }
    }

    #[test]
    fn endpoints_are_names_or_urls() {
        let api = |endpoint: &str| OvhApi::new(endpoint, keys(), Pace::usual());
        assert_eq!(api("ovh-ca").unwrap().base.as_str(), "https://ca.api.ovh.com/1.0");
        let custom = api("http://127.0.0.1:8080/1.0/").unwrap();
        let call = ApiCall::in_zone(Method::GET, "example.org", &["record"]).query("subDomain", "a b");
        let expected = "http://127.0.0.1:8080/1.0/domain/zone/example.org/record?subDomain=a+b";
        assert_eq!(custom.url(&call).as_str(), expected);
        assert!(api("ovh-mars").unwrap_err().contains("ovh-eu"));
        assert!(api("ftp://example.org/1.0").is_err());
    }

    #[test]
    fn a_right_that_lacks_is_named() {
        let body = r#"{"class":"Client::Forbidden","message":"User not granted for this request","details":{
            "unauthorizedActionsByAuthentication":"","unauthorizedActionsByIAM":"dnsZone:apiovh:refresh"}}"#;
        let trouble = refusal(&HttpAnswer { status: 403, body: body.as_bytes().to_vec(), ..HttpAnswer::default() });
        assert_eq!(trouble.lacks(), Some("dnsZone:apiovh:refresh"));
        let error = trouble.into_error(&text!("could not refresh zone {zone}", zone = "example.org"), true);
        assert!(error.hint.to_string().contains("allow `dnsZone:apiovh:refresh`"), "{}", error.hint);
    }

    #[test]
    fn troubles_say_what_the_engine_does_next() {
        let refused = |status: u16, code: &str, words: &str| OvhError::Refused {
            status,
            code: code.to_owned(),
            words: words.to_owned(),
            after: None,
            request_id: String::new(),
        };
        for (trouble, wrote, class, code) in [
            (OvhError::NotSent("x".into()), true, Class::RetryLater, Code::A0704),
            (OvhError::Unknown("x".into()), true, Class::OutcomeUnknown, Code::A0704),
            (OvhError::Unknown("x".into()), false, Class::RetryLater, Code::A0704),
            (refused(429, "", ""), true, Class::RetryLater, Code::A0704),
            (refused(408, "", ""), true, Class::OutcomeUnknown, Code::A0704),
            (refused(503, "", ""), true, Class::OutcomeUnknown, Code::A0704),
            (refused(403, "NOT_GRANTED_CALL", "x"), true, Class::Reauthenticate, Code::A0702),
            (refused(400, "INVALID_SIGNATURE", "Invalid signature"), false, Class::Reauthenticate, Code::A0702),
            (refused(401, "invalid_client", "x"), true, Class::Reauthenticate, Code::A0720),
            (refused(403, "dnsZone:apiovh:refresh", "x"), true, Class::Reauthenticate, Code::A0721),
            (refused(400, "", "Invalid domain name"), true, Class::Rejected, Code::A0706),
            (refused(404, "", "x"), true, Class::Conflict, Code::A0701),
            (OvhError::Nonsense("x".into()), true, Class::OutcomeUnknown, Code::A0705),
        ] {
            let error = trouble.clone().into_error(&Text::from("could not do it"), wrote);
            assert_eq!((error.class, error.code), (class, code), "{trouble:?}");
            assert!(!error.hint.is_empty() && !error.message.to_string().ends_with('.'));
        }
    }
}
