//! The calls of Kamatera's proxy ("cloudcli"), one at a time. Servers go by their ids: a name is a pattern there, and may mean
//! several. Nothing is sent twice.

use std::time::Duration;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::offers::{WireCapabilities, WireDatacenter, WireOfferedImage};
use super::wire::{WireCommand, WireServer, WireServerDetails, WireTag, command_ids, refusal};
use crate::providers::error::answered;
use crate::providers::http::{Counts, Http, HttpFailure};
use crate::providers::{Class, ProviderError};
use crate::secret::{Scrubber, Secret};
use amarre_core::model::{Code, Text, words};
use amarre_core::text;

/// As people call it.
const VENDOR: &str = "Kamatera";

/// Details are read so often, where the proxy fails for a moment: on a healthy account, too, it does now and then.
const READS_MAX: usize = 3;

/// Why a call gave nothing of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No connection; nothing has left.
    NotSent(String),
    /// It left, and no whole answer came.
    Unknown(String),
    /// Neither the configuration nor a variable has a key; nothing has left.
    NoKey,
    /// The key is refused.
    Login(String),
    /// The vendor refused, whatever the status: errors of a list come with 200.
    Refused { status: u16, words: String },
    /// The answer is not of the form that is known.
    Nonsense(String),
}

/// The client of one account.
#[derive(Debug)]
pub struct KamateraApi {
    http: Http,
    base: String,
    console: String,
    client_id: String,
    secret: Secret,
    /// No limit is documented: one request at a time is kind.
    turn: tokio::sync::Mutex<()>,
}

/// What an action came to, and its call as a line of a log.
pub type ActionAnswer = (String, Result<Vec<String>, Trouble>);

impl KamateraApi {
    /// A client; makes no call.
    ///
    /// # Errors
    /// The address is none, or no TLS on this machine.
    pub fn new((base, console): (&str, &str), client_id: &str, secret: Secret) -> Result<Self, String> {
        for url in [base, console] {
            let parsed = reqwest::Url::parse(url).map_err(|error| format!("`{url}` is not a URL: {error}"))?;
            if !matches!(parsed.scheme(), "http" | "https") {
                return Err(format!("`{url}` is not an http or https URL"));
            }
        }
        Ok(Self {
            http: Http::new(None)?,
            base: base.trim_end_matches('/').to_owned(),
            console: console.trim_end_matches('/').to_owned(),
            client_id: client_id.to_owned(),
            secret,
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// How many requests were made.
    pub fn counts(&self) -> &Counts {
        self.http.counts()
    }

    /// All servers of the account. An answer that is no list is a failure, never "none".
    pub async fn servers(&self) -> Result<Vec<WireServer>, Trouble> {
        read(self.call(Method::GET, "/service/servers", None).await?)
    }

    /// The same as it comes.
    pub async fn raw_servers(&self) -> Result<Json, Trouble> {
        let list = self.call(Method::GET, "/service/servers", None).await?;
        if list.is_array() { Ok(list) } else { Err(Trouble::Nonsense("not the list that was asked for".to_owned())) }
    }

    /// One server. Of one that is gone, the refusal.
    pub async fn details(&self, id: &str, pause: Duration) -> Result<WireServerDetails, Trouble> {
        let mut tries = 1;
        let answer = loop {
            match self.call(Method::POST, "/service/server/info", Some(json!({ "id": id }))).await {
                Err(Trouble::Refused { status: 500.., .. }) if tries < READS_MAX => tries += 1,
                answer => break answer?,
            }
            tokio::time::sleep(pause).await;
        };
        let found: Vec<WireServerDetails> = read(answer)?;
        found.into_iter().next().ok_or_else(|| Trouble::Nonsense("the details of no server".to_owned()))
    }

    /// Whether the console has a server of this id; `None`: it does not tell.
    pub async fn console_knows(&self, id: &str) -> Option<bool> {
        let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_plain {
            return None;
        }
        match self.call_at(&self.console, Method::GET, &format!("/service/server/{id}"), None).await {
            Ok(_) => Some(true),
            Err(Trouble::Refused { status: 404, .. }) => Some(false),
            Err(_) => None,
        }
    }

    /// The commands of these numbers; those that the queue does not know any more are left out.
    pub async fn commands(&self, ids: &[String]) -> Result<Vec<WireCommand>, Trouble> {
        read(self.call(Method::GET, &format!("/service/queue?id={}", ids.join("%20")), None).await?)
    }

    /// Begins an action: `start`, `stop`, `reboot`. Answers the commands that do it.
    pub async fn act(&self, id: &str, word: &str) -> ActionAnswer {
        let verb = match word {
            "start" => "poweron",
            "stop" => "poweroff",
            other => other,
        };
        self.begin(&format!("/service/server/{verb}"), json!({ "id": id })).await
    }

    /// Begins what takes a while. Answers the commands that do it.
    pub async fn begin(&self, path: &str, body: Json) -> ActionAnswer {
        let came = self.call(Method::POST, path, Some(body)).await;
        let came = came.and_then(|answer| match command_ids(&answer) {
            ids if ids.is_empty() => Err(Trouble::Nonsense("no command".to_owned())),
            ids => Ok(ids),
        });
        let answer = match &came {
            Ok(ids) => format!("200, command {}", ids.join(", ")),
            Err(trouble) => trouble.words().to_string(),
        };
        (format!("POST {path} → {answer}"), came)
    }

    /// Where servers can be.
    pub async fn datacenters(&self) -> Result<Vec<WireDatacenter>, Trouble> {
        read(self.call(Method::GET, "/service/server?datacenter=1", None).await?)
    }

    /// The images of a datacenter.
    pub async fn offered_images(&self, datacenter: &str) -> Result<Vec<WireOfferedImage>, Trouble> {
        read(self.options("images", datacenter).await?)
    }

    /// The sizes of a datacenter.
    pub async fn capabilities(&self, datacenter: &str) -> Result<WireCapabilities, Trouble> {
        let came = self.options("capabilities", datacenter).await?;
        serde_json::from_value(came).map_err(|error| Trouble::Nonsense(format!("no sizes: {error}")))
    }

    async fn options(&self, what: &str, datacenter: &str) -> Result<Json, Trouble> {
        let is_word =
            !datacenter.is_empty() && datacenter.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_word {
            return Err(Trouble::Refused { status: 400, words: format!("`{datacenter}` is no datacenter") });
        }
        self.call(Method::GET, &format!("/service/server?{what}=1&datacenter={datacenter}"), None).await
    }

    /// The tags of a server.
    pub async fn tags(&self, id: &str) -> Result<Vec<String>, Trouble> {
        let tags: Vec<WireTag> = read(self.call(Method::POST, "/server/tags", Some(json!({ "id": id }))).await?)?;
        Ok(tags.into_iter().map(|tag| tag.name).collect())
    }

    /// All commands that are under way or were of late. Only the console tells them: without ids the proxy's queue is always empty.
    pub async fn queue(&self) -> Result<Vec<WireCommand>, Trouble> {
        read(self.call_at(&self.console, Method::GET, "/service/queue", None).await?)
    }

    /// The vendor's public list of prices, a script with a text in it.
    pub async fn calculator(&self) -> Result<Json, Trouble> {
        let url = format!("{}/info/calculator.js.php", self.console);
        let answer = self.http.send(self.http.request(Method::GET, &url)).await.map_err(failure)?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let inner = text.split_once('\'').and_then(|(_, rest)| rest.rsplit_once('\'')).map(|(inner, _)| inner);
        let parsed = inner.and_then(|inner| serde_json::from_str(inner).ok());
        parsed.ok_or_else(|| Trouble::Nonsense("no list of prices".to_owned()))
    }

    async fn call(&self, method: Method, path: &str, body: Option<Json>) -> Result<Json, Trouble> {
        self.call_at(&self.base, method, path, body).await
    }

    async fn call_at(&self, base: &str, method: Method, path: &str, body: Option<Json>) -> Result<Json, Trouble> {
        if self.client_id.is_empty() {
            return Err(Trouble::NoKey);
        }
        let asked = tokio::time::Instant::now();
        let _turn = self.turn.lock().await;
        self.http.counts().waited.observe(asked.elapsed().as_secs_f64());
        let mut request = self.http.request(method, &format!("{base}{path}"));
        request = request.header("AuthClientId", &self.client_id).header("AuthSecret", self.secret.expose());
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let answer = self.http.send(request).await.map_err(failure)?;
        let answer = answer.without(&Scrubber::of_words([&self.secret]));
        let status = answer.status;
        let body: Option<Json> = answer.json();
        match body.as_ref().and_then(refusal) {
            Some((words, is_login)) if is_login || status == 401 => Err(Trouble::Login(words::said(&words))),
            Some((words, _)) => Err(Trouble::Refused { status, words: words::said(&words) }),
            None if status == 401 => Err(Trouble::Login(String::new())),
            None if !answer.is_success() => Err(Trouble::Refused { status, words: String::new() }),
            None => body.ok_or_else(|| Trouble::Nonsense(format!("{} bytes of something else", answer.body.len()))),
        }
    }
}

fn failure(failure: HttpFailure) -> Trouble {
    match failure {
        HttpFailure::NotSent(why) | HttpFailure::Distrusted(why) => Trouble::NotSent(why),
        HttpFailure::Unknown(why) => Trouble::Unknown(why),
    }
}

fn read<T: DeserializeOwned>(answer: Json) -> Result<Vec<T>, Trouble> {
    serde_json::from_value(answer)
        .map_err(|error| Trouble::Nonsense(format!("not the list that was asked for: {error}")))
}

impl Trouble {
    /// Whether the call may have had its effect all the same.
    pub fn is_unclear(&self) -> bool {
        matches!(self, Trouble::Unknown(_) | Trouble::Nonsense(_) | Trouble::Refused { status: 500.., .. })
    }

    /// Whether something else is under way there.
    fn is_busy(&self) -> bool {
        matches!(self, Trouble::Refused { words, .. } if words.to_lowercase().contains("existing operation"))
    }

    /// Whether the proxy itself says that no server is meant.
    pub fn is_no_server(&self) -> bool {
        matches!(self, Trouble::Refused { words, .. } if words.starts_with("No servers found"))
    }

    /// What happened, without what was being done.
    pub fn words(&self) -> Text {
        match self {
            Trouble::NotSent(why) => text!("{vendor} cannot be reached ({why})", vendor = VENDOR, why),
            Trouble::Unknown(why) => text!("{vendor} gave no whole answer ({why})", vendor = VENDOR, why),
            Trouble::NoKey => text!("there is no key of an account at Kamatera"),
            Trouble::Login(words) => text!("Kamatera refuses the key: {words}", words),
            Trouble::Refused { status, words } => answered(VENDOR, *status, words),
            Trouble::Nonsense(what) => text!("{vendor} answered what cannot be read ({what})", vendor = VENDOR, what),
        }
    }

    /// As the engine takes it; `doing` is what could not be done, `wrote` whether the call may have changed something.
    pub fn into_error(self, doing: &Text, wrote: bool) -> ProviderError {
        let unclear = if wrote { Class::OutcomeUnknown } else { Class::RetryLater };
        let message = text!("{doing}: {why}", doing = doing.clone(), why = self.words());
        let away = text!(
            "does https://console.kamatera.com answer, and is this machine on line? the daemon tries again by itself"
        );
        if self.is_busy() {
            return ProviderError::new(Class::Conflict, Code::A0742, message)
                .hint(text!("something else is under way there; the next look shows"));
        }
        match self {
            Trouble::NotSent(_) => ProviderError::new(Class::RetryLater, Code::A0741, message).hint(away),
            Trouble::Refused { status: 429, .. } => {
                ProviderError::new(Class::RetryLater, Code::A0741, message).hint(away)
            }
            Trouble::NoKey => ProviderError::new(Class::Reauthenticate, Code::A0740, message).hint(text!("make a key in Kamatera's console, export KAMATERA_API_KEY=id:secret, and start Amarre again; docs/providers/kamatera.md says how")),
            Trouble::Login(_) => ProviderError::new(Class::Reauthenticate, Code::A0740, message)
                .hint(text!("check the API key of the cloud: deleted, or id and secret of different keys?")),
            Trouble::Refused { words, .. } if words.starts_with("No servers found") => {
                ProviderError::new(Class::Conflict, Code::A0733, message).hint(text!("it was deleted; the next look shows"))
            }
            // The proxy answers 500 to what it refuses, and to what failed behind it.
            Trouble::Unknown(_) | Trouble::Nonsense(_) | Trouble::Refused { status: 500.. | 408 | 200, .. } => {
                ProviderError::new(unclear, Code::A0741, message).hint(away)
            }
            Trouble::Refused { .. } => {
                ProviderError::new(Class::Rejected, Code::A0742, message).hint(text!("Kamatera would refuse the same again"))
            }
        }
    }
}
