//! The two ways to sign in to OVH: an API token, whose calls are signed one by one, and a service
//! account, which fetches a bearer token now and then.
//!
//! | way | proof | gets old |
//! | --- | --- | --- |
//! | API token | `$1$` + SHA-1 of secret, consumer key, call and OVH's time | the clock: asked once, and again after a refusal |
//! | service account | `Authorization: Bearer …`, from the region's token endpoint | the token: renewed a minute before its end, and after a 401 |

use reqwest::{Method, RequestBuilder, Url};
use serde::Deserialize;
use sha1::{Digest, Sha1};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

use super::api::OvhError;
use crate::providers::http::{Http, HttpAnswer};
use crate::secret::{OvhLogin, Scrubber, Secret};
use amarre_core::model::words;

/// A token is not used for the last part of its life: a call takes its time to arrive.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);
/// What OVH gives (3599 s), where an answer does not say.
const TOKEN_SECONDS_USUAL: u64 = 3599;
/// No token is believed for longer than a day, whatever its answer says.
const TOKEN_SECONDS_MAX: u64 = 86_400;

/// Signs in, and stays signed in.
#[derive(Debug)]
pub enum Login {
    Keys {
        keys: ApiToken,
        /// The vendor's clock: its seconds at one of our instants.
        clock: Mutex<Option<(Instant, i64)>>,
    },
    Service {
        client_id: String,
        client_secret: Secret,
        token_url: Url,
        token: Mutex<Option<BearerToken>>,
    },
    Missing,
}

/// An API token.
#[derive(Debug, Clone)]
pub struct ApiToken {
    application_key: String,
    application_secret: Secret,
    consumer_key: Secret,
}

/// A bearer token.
#[derive(Debug, Clone)]
pub struct BearerToken {
    text: Secret,
    good_until: Instant,
}

#[derive(Deserialize)]
struct WireToken {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// RFC 6749 §5.2.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WireTokenRefusal {
    error: String,
    error_description: String,
    /// What OVH's API says elsewhere.
    message: String,
}

impl Login {
    /// A login that has asked nothing yet; `known_token_url` is the endpoint's own.
    ///
    /// # Errors
    /// A service account whose token endpoint is not known.
    pub fn new(login: OvhLogin, known_token_url: Option<&str>) -> Result<Self, String> {
        match login {
            OvhLogin::Keys { application_key, application_secret, consumer_key } => Ok(Login::Keys {
                keys: ApiToken { application_key, application_secret, consumer_key },
                clock: Mutex::new(None),
            }),
            OvhLogin::Missing => Ok(Login::Missing),
            OvhLogin::Service { client_id, client_secret, token_url } => {
                let text = token_url.as_deref().or(known_token_url);
                let text = text.ok_or("a service account at this endpoint needs `ovh.token_url`")?;
                let token_url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
                if !matches!(token_url.scheme(), "http" | "https") {
                    return Err(format!("`{text}` is not an http or https URL"));
                }
                Ok(Login::Service { client_id, client_secret, token_url, token: Mutex::new(None) })
            }
        }
    }

    /// Whether calls are made by a service account.
    pub fn is_service(&self) -> bool {
        matches!(self, Login::Service { .. })
    }

    /// Adds the proof to a call. Whatever goes wrong here, the call itself has not left.
    pub async fn prove(
        &self,
        http: &Http,
        time_url: &Url,
        call: RequestBuilder,
        signed: &Signed<'_>,
    ) -> Result<RequestBuilder, OvhError> {
        match self {
            Login::Missing => Err(OvhError::NoKeys),
            Login::Keys { keys, clock } => {
                let stamp = timestamp(http, time_url, clock).await?.to_string();
                let signature = sign(keys, signed, &stamp);
                Ok(call
                    .header("X-Ovh-Application", &keys.application_key)
                    .header("X-Ovh-Consumer", keys.consumer_key.expose())
                    .header("X-Ovh-Timestamp", stamp)
                    .header("X-Ovh-Signature", signature))
            }
            Login::Service { client_id, client_secret, token_url, token } => {
                // Held while a token is fetched: calls side by side need one token, not one each.
                let mut held = token.lock().await;
                let text = match held.as_ref().filter(|token| Instant::now() < token.good_until) {
                    Some(token) => token.text.clone(),
                    None => held.insert(fetch(http, token_url, client_id, client_secret).await?).text.clone(),
                };
                Ok(call.header("Authorization", format!("Bearer {}", text.expose())))
            }
        }
    }

    /// An error without what its call carried: the vendor's words are shown to people.
    pub async fn censored(&self, answer: HttpAnswer) -> HttpAnswer {
        let sent = match self {
            Login::Missing => return answer,
            Login::Keys { keys, .. } => Scrubber::of_words([&keys.application_secret, &keys.consumer_key]),
            Login::Service { client_secret, token, .. } => {
                let token = token.lock().await.as_ref().map(|token| token.text.clone());
                Scrubber::of_words([client_secret].into_iter().chain(&token))
            }
        };
        answer.without(&sent)
    }

    /// Whether a refusal may be of what got old; then it is forgotten, and the same call may be made once more.
    pub async fn renew(&self, trouble: &OvhError) -> bool {
        let OvhError::Refused { status, code, words, .. } = trouble else { return false };
        match self {
            Login::Keys { clock, .. } if is_clock_refusal(*status, code, words) => {
                *clock.lock().await = None;
                true
            }
            Login::Service { token, .. } if is_token_refusal(*status, code) => token.lock().await.take().is_some(),
            Login::Keys { .. } | Login::Service { .. } | Login::Missing => false,
        }
    }
}

/// What is signed of a call.
#[derive(Debug)]
pub struct Signed<'a> {
    /// Upper case.
    pub method: &'a str,
    /// With its query.
    pub url: &'a str,
    /// The very bytes.
    pub body: &'a [u8],
}

/// `$1$` and the SHA-1 of everything that matters, joined by `+`.
fn sign(keys: &ApiToken, signed: &Signed<'_>, stamp: &str) -> String {
    let mut hash = Sha1::new();
    for part in [keys.application_secret.expose(), keys.consumer_key.expose(), signed.method, signed.url] {
        hash.update(part.as_bytes());
        hash.update(b"+");
    }
    hash.update(signed.body);
    hash.update(b"+");
    hash.update(stamp.as_bytes());
    format!("$1${}", hex::encode(hash.finalize()))
}

/// The vendor's time: asked once, then counted on from there, so that this machine's clock does not matter.
async fn timestamp(http: &Http, url: &Url, clock: &Mutex<Option<(Instant, i64)>>) -> Result<i64, OvhError> {
    let mut clock = clock.lock().await;
    let (since, seconds) = match *clock {
        Some(known) => known,
        None => *clock.insert((Instant::now(), ask_time(http, url).await?)),
    };
    let passed = i64::try_from(since.elapsed().as_secs()).unwrap_or(i64::MAX);
    Ok(seconds.saturating_add(passed))
}

/// The vendor's clock, asked now. Needs no proof; whatever goes wrong, no call has left.
pub async fn ask_time(http: &Http, url: &Url) -> Result<i64, OvhError> {
    let request = http.request(Method::GET, url.as_str());
    let answer = http.send(request).await.map_err(|failure| OvhError::NotSent(failure.message().to_owned()))?;
    if !answer.is_success() {
        return Err(OvhError::NotSent(super::api::refusal(&answer).words().to_string()));
    }
    answer.json().ok_or_else(|| OvhError::NotSent("its clock is not a number".to_owned()))
}

/// A new token: `grant_type=client_credentials`, scope `all`, as the vendor's own clients ask for it.
async fn fetch(http: &Http, url: &Url, client_id: &str, client_secret: &Secret) -> Result<BearerToken, OvhError> {
    let asked = Instant::now();
    let mut form = Url::parse("form:").map_err(|error| OvhError::NotSent(error.to_string()))?;
    form.query_pairs_mut().extend_pairs([
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", client_secret.expose()),
        ("scope", "all"),
    ]);
    let request = http
        .request(Method::POST, url.as_str())
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Accept", "application/json")
        .body(form.query().unwrap_or_default().to_owned());
    let answer = http.send(request).await.map_err(|failure| OvhError::NotSent(failure.message().to_owned()))?;
    if !answer.is_success() {
        return Err(token_refusal(&answer.without(&Scrubber::of_words([client_secret]))));
    }
    let token: WireToken =
        answer.json().ok_or_else(|| OvhError::NotSent(format!("{url} did not answer with a token")))?;
    let seconds = token.expires_in.unwrap_or(TOKEN_SECONDS_USUAL).min(TOKEN_SECONDS_MAX);
    let life = Duration::from_secs(seconds).saturating_sub(TOKEN_MARGIN);
    Ok(BearerToken { text: Secret::new(token.access_token), good_until: asked + life })
}

/// A refused service account is about the credentials; everything else of the token endpoint is "not now".
fn token_refusal(answer: &HttpAnswer) -> OvhError {
    let said: WireTokenRefusal = answer.json().unwrap_or_default();
    if answer.status == 429 || answer.status >= 500 || answer.status == 408 {
        return OvhError::NotSent(format!("the token endpoint answered {}", answer.status));
    }
    let words = [said.error.as_str(), &said.error_description, &said.message].map(str::trim);
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let words = words::said(&words.join(": "));
    let code = if said.error.is_empty() { "invalid_client".to_owned() } else { said.error };
    let request_id = answer.request_id.clone();
    OvhError::Refused { status: answer.status, code, words, after: answer.retry_after, request_id }
}

/// What RFC 6749 §5.2 lets a token endpoint say.
pub fn is_token_error(code: &str) -> bool {
    [
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    ]
    .contains(&code)
}

/// The token as such: too old, or withdrawn.
fn is_token_refusal(status: u16, code: &str) -> bool {
    !is_token_error(code) && (status == 401 || matches!(code, "INVALID_CREDENTIAL" | "NOT_CREDENTIAL"))
}

/// Our clock may have been off: a machine that slept, a vendor that stepped.
pub fn is_clock_refusal(status: u16, code: &str, words: &str) -> bool {
    let lower = words.to_lowercase();
    let about = matches!(code, "QUERY_TIME_OUT" | "INVALID_SIGNATURE")
        || lower.contains("invalid signature")
        || lower.contains("out of time");
    (400..500).contains(&status) && about
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_the_vendors_own() {
        let keys = ApiToken {
            application_key: "7kbG7Bk7S9Nt7ZSV".to_owned(),
            application_secret: Secret::new("EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF"),
            consumer_key: Secret::new("MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1"),
        };
        let signed = Signed { method: "GET", url: "https://eu.api.ovh.com/1.0/domains/", body: b"" };
        assert_eq!(sign(&keys, &signed, "1366560945"), "$1$d3705e8afb27a0d2970a322b96550abfc67bb798");
    }

    #[test]
    fn a_token_endpoint_that_is_busy_refuses_nobody() {
        let answer =
            |status, body: &str| HttpAnswer { status, body: body.as_bytes().to_vec(), ..HttpAnswer::default() };
        for status in [408, 429, 500, 503] {
            assert!(matches!(token_refusal(&answer(status, "<html>")), OvhError::NotSent(_)), "{status}");
        }
        let refused = token_refusal(&answer(401, r#"{"error":"invalid_client","error_description":"no such client"}"#));
        assert_eq!(refused.words().to_string(), "OVH answered 401: invalid_client: no such client");
        assert!(refused.is_about_service_account());
        assert!(token_refusal(&answer(403, "<html>")).is_about_service_account());
    }

    #[test]
    fn a_service_account_needs_to_know_where_tokens_come_from() {
        let login = |token_url: Option<&str>| OvhLogin::Service {
            client_id: "EU.0123".to_owned(),
            client_secret: Secret::new("s"),
            token_url: token_url.map(str::to_owned),
        };
        assert!(Login::new(login(None), None).unwrap_err().contains("ovh.token_url"));
        assert!(Login::new(login(Some("ftp://x/")), None).is_err());
        assert!(Login::new(login(Some("http://127.0.0.1:1/token")), None).is_ok());
        assert!(Login::new(login(None), Some("https://www.ovh.com/auth/oauth2/token")).is_ok());
    }
}
