//! The one HTTP client: time-outs, body limit, request counts. Never logs a body or a header.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use reqwest::{Client, ClientBuilder, RequestBuilder};
use rustls::ClientConfig;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::rows::{ListForm, RowReader};
use crate::error_chain::{chain, reason};
use crate::secret::Scrubber;
use amarre_core::model::Millis;

/// A vendor that says nothing for this long is down for this look.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// NPM takes about a second for a write with 200 hosts; a wedged call must not block a lane for long.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest list seen (200 NPM hosts, expanded) was 170 kB; a hundred times that is no honest answer.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often a GET is sent again whose connection was cut: each of some kept ones may be cut.
const REPEATS_MAX: u32 = 2;

/// The header in which OVH numbers a request (`EU.ext-3.4f2a`): its support asks for that.
const REQUEST_ID: &str = "x-ovh-queryid";
/// What a vendor asks for beyond a day is a mistake.
const RETRY_AFTER_SECONDS_MAX: i64 = 86_400;

/// The client of one provider. Clones share connections and counts.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    counts: Counts,
}

/// Requests answered, by method and status (0 = no answer), and how long they took. Clones share it.
#[derive(Debug, Clone)]
pub struct Counts {
    answered: Arc<Mutex<BTreeMap<(String, u16), u64>>>,
    /// Seconds until the whole answer was there; of what goes through the one client.
    pub took: Histogram,
    /// Seconds that a request waited for its turn.
    pub waited: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        Self { answered: Arc::default(), took: short(), waited: short() }
    }
}

/// Seconds, from 5 ms to a bit more than a minute.
pub fn short() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 2.6, 11))
}

impl Counts {
    /// A copy of the counts.
    pub fn read(&self) -> BTreeMap<(String, u16), u64> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts one request.
    pub fn add(&self, method: &str, status: u16) {
        let mut counts = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((method.to_owned(), status)).or_default() += 1;
    }
}

/// A whole answer, whatever its status.
#[derive(Debug, Clone, Default)]
pub struct HttpAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body, within the limit; empty where the rows of a list were asked for and came.
    pub body: Vec<u8>,
    /// The rows of a list, where they were asked for.
    pub rows: Option<RowReader>,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<Millis>,
    /// The vendor's own number of the request, for whom it helps; empty: it gave none.
    pub request_id: String,
}

impl HttpAnswer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Without secrets in any text of its JSON: an error may repeat what was sent. What is not JSON is not shown.
    #[must_use]
    pub fn without(mut self, sent: &Scrubber) -> Self {
        if let Some(mut said) = self.json::<Json>() {
            scrub(&mut said, sent);
            self.body = said.to_string().into_bytes();
        }
        self
    }

    /// The body as JSON; `None` when it is not (proxies answer HTML).
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}

fn scrub(said: &mut Json, sent: &Scrubber) {
    match said {
        Json::String(text) => *text = sent.scrub(text),
        Json::Array(items) => items.iter_mut().for_each(|item| scrub(item, sent)),
        Json::Object(fields) => fields.values_mut().for_each(|field| scrub(field, sent)),
        Json::Null | Json::Bool(_) | Json::Number(_) => (),
    }
}

/// No whole answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFailure {
    /// Nothing has left: no connection.
    NotSent(String),
    /// Nothing has left: the server's certificate is not accepted.
    Distrusted(String),
    /// The request left; what became of it is not known.
    Unknown(String),
}

impl HttpFailure {
    /// The reason, for people.
    pub fn message(&self) -> &str {
        match self {
            HttpFailure::NotSent(message) | HttpFailure::Distrusted(message) | HttpFailure::Unknown(message) => message,
        }
    }

    /// Its last cause, as people say it.
    pub fn reason(&self) -> String {
        reason(self.message())
    }
}

impl Http {
    /// A client; `unix` = speak over this socket instead of TCP.
    ///
    /// # Errors
    /// The TLS set-up of the machine is unusable.
    pub fn new(unix: Option<&std::path::Path>) -> Result<Self, String> {
        let mut builder = builder()?.connect_timeout(CONNECT_TIMEOUT).timeout(CALL_TIMEOUT);
        if let Some(path) = unix {
            builder = builder.unix_socket(path);
        }
        Self::built(builder)
    }

    /// A client that finds `name` at this address, whatever DNS and the environment's proxy say, and waits for no answer
    /// longer than `limit`.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub fn towards(name: &str, address: std::net::SocketAddr, limit: Duration) -> Result<Self, String> {
        let builder = builder()?.connect_timeout(limit).timeout(limit);
        Self::built(builder.no_proxy().resolve(name, address))
    }

    fn built(builder: ClientBuilder) -> Result<Self, String> {
        let client = builder.build().map_err(|error| chain(&error))?;
        Ok(Self { client, counts: Counts::default() })
    }

    /// Starts a request; nothing leaves before [`Http::send`].
    pub fn request(&self, method: reqwest::Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// How many requests were made.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Sends and reads the whole answer. A GET whose connection was cut is sent again, on another one: nginx before NPM
    /// cuts the connections that it has kept whenever it loads its configuration, which is after each write.
    ///
    /// # Errors
    /// [`HttpFailure::Unknown`], unless nothing can have happened there.
    pub async fn send(&self, request: RequestBuilder) -> Result<HttpAnswer, HttpFailure> {
        self.send_for(request, None).await
    }

    /// As [`Http::send`], for an answer that is a list: it is taken row by row, and has no limit but that of its rows.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn send_list(&self, request: RequestBuilder, form: ListForm) -> Result<HttpAnswer, HttpFailure> {
        self.send_for(request, Some(form)).await
    }

    async fn send_for(&self, request: RequestBuilder, form: Option<ListForm>) -> Result<HttpAnswer, HttpFailure> {
        let request = request.build().map_err(|error| HttpFailure::NotSent(chain(&error.without_url())))?;
        let is_safe = request.method() == reqwest::Method::GET;
        let mut last = request.try_clone().filter(|_| is_safe);
        let mut outcome = self.counted(request, form).await;
        for _ in 0..REPEATS_MAX {
            let (Err(Cut { was_cut: true, .. }), Some(request)) = (&outcome, last) else { break };
            last = request.try_clone();
            outcome = self.counted(request, form).await;
        }
        outcome.map_err(|cut| cut.failure)
    }

    async fn counted(&self, request: reqwest::Request, form: Option<ListForm>) -> Result<HttpAnswer, Cut> {
        let (method, started) = (request.method().to_string(), Instant::now());
        let answer = self.exchange(request, form).await;
        self.counts.took.observe(started.elapsed().as_secs_f64());
        self.counts.add(&method, answer.as_ref().map_or(0, |answer| answer.status));
        answer
    }

    /// Sends and leaves the body to be read piece by piece, by who keeps a limit and a time of its own.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn open(&self, request: RequestBuilder) -> Result<Body, HttpFailure> {
        let request = request.build().map_err(|error| HttpFailure::NotSent(chain(&error.without_url())))?;
        let method = request.method().to_string();
        let response = self.client.execute(request).await;
        self.counts.add(&method, response.as_ref().map_or(0, |response| response.status().as_u16()));
        response.map(|response| Body { response }).map_err(failure)
    }

    async fn exchange(&self, request: reqwest::Request, form: Option<ListForm>) -> Result<HttpAnswer, Cut> {
        let mut response = self.client.execute(request).await.map_err(cut)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after =
            retry_after.filter(|seconds| (0..=RETRY_AFTER_SECONDS_MAX).contains(seconds)).map(Millis::seconds);
        let request_id = response.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let request_id = request_id.to_owned();
        let mut body = Vec::new();
        let mut rows = form.filter(|_| (200..300).contains(&status)).map(RowReader::new);
        while let Some(chunk) = response.chunk().await.map_err(cut)? {
            match &mut rows {
                Some(reader) => {
                    if !reader.take(&chunk) {
                        break;
                    }
                }
                None => body.extend_from_slice(&chunk),
            }
            if body.len() > BODY_BYTES_MAX {
                let failure = HttpFailure::Unknown(format!("the answer is larger than {BODY_BYTES_MAX} bytes"));
                return Err(Cut { failure, was_cut: false });
            }
        }
        Ok(HttpAnswer { status, body, rows, retry_after, request_id })
    }
}

/// What all clients have in common.
fn builder() -> Result<ClientBuilder, String> {
    #[expect(clippy::disallowed_methods, reason = "the one place that builds HTTP clients")]
    let builder = Client::builder();
    Ok(builder
        .tls_backend_preconfigured(tls()?)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("amarre/", env!("CARGO_PKG_VERSION"))))
}

/// TLS as the machine's certificates have it. A process reads them once: there are a hundred and fifty, and each visit of a
/// name is a client of its own.
fn tls() -> Result<ClientConfig, String> {
    static TLS: OnceLock<Result<ClientConfig, String>> = OnceLock::new();
    let read = || {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls_platform_verifier::Verifier::new(provider.clone()).map_err(|error| chain(&error))?;
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| chain(&error))?.dangerous();
        let mut tls = builder.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(tls)
    };
    TLS.get_or_init(read).clone()
}

/// An answer whose body is read piece by piece.
#[derive(Debug)]
pub struct Body {
    response: reqwest::Response,
}

impl Body {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header, where it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or the time of the request is up.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, HttpFailure> {
        let chunk = self.response.chunk().await.map_err(failure)?;
        Ok(chunk.map(|chunk| chunk.to_vec()))
    }
}

/// Why no whole answer came, and whether it was the connection that ended.
struct Cut {
    failure: HttpFailure,
    was_cut: bool,
}

fn cut(error: reqwest::Error) -> Cut {
    let was_cut = !error.is_timeout() && !error.is_connect() && !error.is_builder();
    Cut { failure: failure(error), was_cut }
}

fn failure(error: reqwest::Error) -> HttpFailure {
    let not_sent = error.is_connect() || error.is_builder();
    let is_distrusted = is_distrusted(&error);
    let message = chain(&error.without_url());
    match (is_distrusted, not_sent) {
        (true, _) => HttpFailure::Distrusted(message),
        (false, true) => HttpFailure::NotSent(message),
        (false, false) => HttpFailure::Unknown(message),
    }
}

/// Whether TLS does not accept the server's certificate.
fn is_distrusted(error: &(dyn Error + 'static)) -> bool {
    let is_it =
        |error: &(dyn Error + 'static)| matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)));
    // An I/O error names as its cause only what is below what it holds.
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    is_it(error) || held.is_some_and(|held| is_it(held)) || error.source().is_some_and(is_distrusted)
}
